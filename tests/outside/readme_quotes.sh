#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Blocks "```C of FILE" of the README quote FILE: each line but "..." is there, white space aside.
# Links of the table of contents lead to headings.
#   readme_quotes.sh SOURCE-DIRECTORY
set -euo pipefail
cd "$1"
failed=0 lines=0 file=
while IFS= read -r line; do
    case $line in
    '```C of '*) file=${line#'```C of '} ;;
    '```'*) file= ;;
    *)
        line=$(sed 's/^ *//; s/ *$//' <<<"$line")
        if [ -n "$file" ] && [ -n "$line" ] && [ "$line" != ... ]; then
            lines=$((lines + 1))
            grep -qxF -- "$line" <(sed 's/^ *//; s/ *$//' "$file") || { echo "$file lacks: $line"; failed=1; }
        fi
        ;;
    esac
done <README.md
[ $lines -ge 10 ] || { echo "only $lines lines of other files"; failed=1; }
anchors=$(sed -n 's/^##* //p' README.md | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g')
for link in $(grep -o '](#[^)]*)' README.md | sed 's/](#//; s/)//'); do
    grep -qxF -- "$link" <<<"$anchors" || { echo "no heading for #$link"; failed=1; }
done
echo "$lines lines quoted"
exit $failed
