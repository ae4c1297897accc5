#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sentences of the READMEs are short, and some words that take two readings are not used. Prints the
# median and the longest sentence of each README, in words. Tables, headings and blocks do not count;
# `code` and [a link](URL) count as they are read.
#   readme_words.sh SOURCE-DIRECTORY README...
set -euo pipefail
cd "$1"
shift
median_max=17 longest_max=35
avoided='what is no\|who\|whom\|told\|tells\?\|goes round\|inside each other\|there is none\|as told'

sentences() { # README: one a line
    awk '
        function flush() { if (text != "") print text; text = "" }
        /^```/ { block = !block; flush(); next }
        block || /^#/ || /^\|/ || /^    [^ ]/ || /^!\[/ || /^$/ { flush(); next }
        /^ *([-*]|[0-9]+\.) / { flush(); sub(/^ *([-*]|[0-9]+\.) /, "") }
        { text = text " " $0 }
        END { flush() }' "$1" |
        sed 's/`[^`]*`/CODE/g; s/\[\([^]]*\)\]([^)]*)/\1/g; s/[*_]\{1,2\}//g; s/\([.!?]["”)]*\) \{1,\}/\1\n/g'
}

counts() { # of words, a sentence a line, sorted
    awk '{ n = 0; for (i = 1; i <= NF; i++) if ($i ~ /[A-Za-z0-9]/) n++; if (n) print n }' | sort -n
}

failed=0
for readme; do
    words=$(sentences "$readme" | counts)
    count=$(wc -l <<<"$words")
    median=$(sed -n "$(((count + 1) / 2))p" <<<"$words")
    longest=$(tail -n 1 <<<"$words")
    printf '%-32s %4d sentences, median %2d, longest %2d words\n' "$readme" "$count" "$median" "$longest"
    [ "$median" -le $median_max ] || { echo "$readme: the median is above $median_max"; failed=1; }
    if [ "$longest" -gt $longest_max ]; then
        echo "$readme: sentences above $longest_max words:"
        sentences "$readme" | awk -v max=$longest_max '
            { n = 0; for (i = 1; i <= NF; i++) if ($i ~ /[A-Za-z0-9]/) n++; if (n > max) print "  " n ": " $0 }'
        failed=1
    fi
    ! sentences "$readme" | grep -iw -- "$avoided" | sed "s|^|$readme: say it otherwise: |" | grep . || failed=1
done
exit $failed
