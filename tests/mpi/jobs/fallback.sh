#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Of a program that is instrumented, the events that find no room are in the ranks' stores.
#   fallback.sh MOFKACTL WRITES RANKS COMMAND...    COMMAND starts the job
set -euo pipefail
ctl=$1 writes=$2 ranks=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/stores"
INSTRUMENT_FALLBACK=$work/stores INSTRUMENT_TOPIC='{"partition_events":8,"partition_bytes":4096}' \
    "$@" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
cat "$work/out"
held=$(sed -n 's/^instrument: \([0-9]*\) writes$/\1/p' "$work/out")
stored=0
for ((rank = 0; rank < ranks; rank++)); do
    "$ctl" log dump "$work/stores/rank-$rank" >"$work/events"
    ! grep -v '"bytes"' "$work/events" || { echo "rank $rank: other lines"; exit 1; }
    stored=$((stored + $(wc -l <"$work/events")))
done
echo "$held in the topic, $stored in $ranks stores, of $writes or more"
[ "$held" -ge 1 ] && [ "$held" -le 8 ] && [ $((held + stored)) -ge "$writes" ]
