#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The READMEs refer only to things that exist:
# - each line but "..." of a block ```LANGUAGE of FILE is a line of FILE, white space aside;
# - a relative link leads to a file, and to a heading of it;
# - a path of the tree in backquotes is there, from the top, the README's folder or include/.
#   readme_quotes.sh SOURCE-DIRECTORY README...
set -euo pipefail
shopt -s nullglob
cd "$1"
shift
failed=0 links=0 paths=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

trim() { sed 's/^ *//; s/ *$//'; }

quoted() { # README...: FILE and line, for each line that is quoted
    awk '
        /^```.* of / { sub(/^.* of /, ""); file = $0; next }
        /^```/ { file = ""; next }
        file != "" { gsub(/^ +| +$/, ""); if ($0 != "" && $0 != "...") print file "\t" $0 }' "$@"
}

headings() { # FILE: as they are in links
    awk '/^```/ { block = !block; next } !block && /^##* / { sub(/^#* /, ""); print tolower($0) }' "$1" |
        sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

link_check() { # README LINK
    local folder=. file heading=
    [[ $1 != */* ]] || folder=${1%/*}
    file=$folder/${2%%#*}
    [[ $2 != '#'* ]] || file=$1
    [[ $2 != *'#'* ]] || heading=${2#*#}
    [ -e "$file" ] || { echo "$1: no file for the link $2"; failed=1; return; }
    [ -z "$heading" ] || grep -qxF -- "$heading" <(headings "$file") ||
        { echo "$1: no heading for the link $2"; failed=1; }
}

path_check() { # README PATH
    local found folder=.
    [[ $1 != */* ]] || folder=${1%/*}
    # shellcheck disable=SC2206 # patterns such as mpi/*/*.c are meant
    found=($2 $folder/$2 include/$2)
    for found in "${found[@]}"; do [ ! -e "$found" ] || return 0; done
    echo "$1: no such path: $2"
    failed=1
}

quoted "$@" >"$work/quoted"
for file in $(cut -f 1 "$work/quoted" | sort -u); do
    awk -F '\t' -v file="$file" '$1 == file { sub(/^[^\t]*\t/, ""); print }' "$work/quoted" |
        grep -vxF -f <(trim <"$file") >"$work/missing" || continue
    sed "s|^|$file lacks: |" "$work/missing"
    failed=1
done
lines=$(wc -l <"$work/quoted")
[ "$lines" -ge 10 ] || { echo "only $lines lines of other files are quoted"; failed=1; }

for readme; do
    awk '/^```/ { block = !block; next } !block' "$readme" >"$work/prose"
    for link in $(grep -o '](\([^)]*\))' "$work/prose" | sed 's/](//; s/)$//'); do
        case $link in *://*) continue ;; esac
        links=$((links + 1))
        link_check "$readme" "$link"
    done
    for path in $(grep -o '`[A-Za-z0-9_.*-]*/[][A-Za-z0-9_.*/-]*`' "$work/prose" | tr -d '`'); do
        case $path in build/* | */*.so | ./* | /* | *//*) continue ;; esac
        paths=$((paths + 1))
        path_check "$readme" "$path"
    done
done
while IFS= read -r readme; do
    [[ " $* " == *" ${readme#./} "* ]] || { echo "$readme is not in MOFKA_READMES (tests/outside)"; failed=1; }
done < <(find . -path './build*' -prune -o -path ./.git -prune -o -name README.md -print)
echo "$lines lines quoted, $links links, $paths paths"
exit $failed
