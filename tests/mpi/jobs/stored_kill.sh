#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Jobs with a store that are killed, each with another number of ranks than the one before; each
# checks what those before were promised. Prints "all promises kept".
#   stored_kill.sh PROGRAM WINDOW LAUNCHER...
program=$1
window=$2
shift 2
folder=$(mktemp -d /tmp/mofka-kill-XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
round=0
for ranks in 2 3 2; do
    "$@" -n $ranks "$program" "$window" "$folder" $round $((round * 17 + 5)) >"$folder/out" 2>&1 && {
        echo "round $round: the job ended, and nobody had killed it"
        exit 1
    }
    grep "^round $round: .* none missing" "$folder/out" || {
        cat "$folder/out"
        exit 1
    }
    round=$((round + 1))
done
"$@" -n 2 "$program" "$window" "$folder" $round 0 && echo "all promises kept"
