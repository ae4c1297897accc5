#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Man pages are well formed, and name the commands and options that the programs name, no others.
#   man_test.sh PAGE PROGRAM MPIEXEC...
set -euo pipefail
page=$1 program=$2
shift 2
name=$(basename "$page" .1)
mandoc -Tlint -Wwarning "$page" || { echo "$page: mandoc finds faults"; exit 1; }
if command -v groff >/dev/null; then
    faults=$(groff -mandoc -Tutf8 -ww -z "$page" 2>&1)
    [ -z "$faults" ] || { echo "groff: $faults"; exit 1; }
fi
text=$(mandoc -Tascii -Owidth=200 "$page" | sed 's/.\x08//g')
failed=
miss() { echo "$*"; failed=1; }
options() { grep -oE -- '(^|[^A-Za-z-])-(-[a-z][a-z-]*(\.KEY)?|[a-z]( |,|$))' | grep -oE -- '-[-a-zKEY.]+' | sort -u; }
help() { "$launch" "$@" --help </dev/null; }
launch=run
run() { "${mpi[@]}" -n 1 "$program" "$@"; }
mpi=("$@")
# Of a tagged list: what an entry names stands before its text.
entries() { grep -E '^ {5,12}-' | options; }
compare() { # WHAT HELP TEXT: the options of help, and the entries of the page
    local missing
    missing=$(comm -3 <(grep -E '^ +(-[a-z], )?--' <<<"$2" | sed 's/  *[A-Z][a-z].*//' | options) <(entries <<<"$3"))
    [ -z "$missing" ] || miss "$1: only in --help, or (right) only in $page: $missing"
}
if [ "$name" = mofka-bench ]; then
    all=$(help)
    compare "$name" "$all" "$text"
    for command in $(grep -oE '^  [a-z][a-z, ]*' <<<"$all" | tr -d ,| awk '{print $1} $2 == "consume" {print $2}'); do
        grep -qE "^ {5,12}([a-z]+, )?$command" <<<"$text" || miss "$name: no command $command"
    done
else
    for command in $(help | sed -nE 's/^  ([a-z]+)( [a-z]+)?  .*/\1_\2/p' | tr -d ' '); do
        read -ra words <<<"${command/_/ }"
        part=$(awk -v head="^   ${words[*]}( |$)" '/^ ? ? ?[A-Za-z]/ {on = $0 ~ head} on' <<<"$text")
        [ -n "$part" ] || miss "$name: no command ${words[*]}"
        compare "${words[*]}" "$(help "${words[@]}" | grep -vE -- '^  --(driver|store|close-timeout)')" "$part"
    done
    for common in --driver --store --close-timeout; do grep -q -- "$common" <<<"$text" || miss "$name: no $common"; done
fi
[ -z "$failed" ] && echo "$page: good"
