#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mofka-bench keeps its promises about batches and signals.
#   bench_test.sh CASE BENCH MPIEXEC...
set -euo pipefail
case_=$1 bench=$2
shift 2
launch=("$@")
work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$work"' EXIT # a failure leaves no process behind
cd "$work"

fail() {
    echo "FAILED: $*"
    for file in *.out *.ndjson; do [ ! -e "$file" ] || { echo "-- $file"; head -c 2000 "$file"; }; done
    exit 1
}

# Batches have the events of --batch-size, though they are slow to come.
case_batches() {
    MOFKA_STATS_FILE=stats-%r.ndjson timeout 60 "${launch[@]}" -n 2 "$bench" stream -n 8000 -b 500 --rate 4000 --warmup 0 \
        >batches.out 2>&1 || fail "exit code $?"
    tail -n 1 stats-0.ndjson | jq -e '.closed.producers |
        .events_stored == 8000 and .batches_full == 16 and .batches_stored == 16' >/dev/null ||
        fail "not 16 full batches"
}

# The first SIGTERM of one rank ends a run whose round takes long.
case_sigterm() {
    local job
    ends() { # ARGUMENTS...
        rm -f pid
        MOFKA_LOG=info timeout 60 "${launch[@]}" -n 1 sh -c 'echo $$ >pid; exec "$0" "$@"' "$bench" "$@" : \
            -n 1 "$bench" "$@" >sigterm.out 2>&1 &
        job=$!
        for _ in $(seq 400); do ! grep -q "rank 0 of 2: window" sigterm.out || break; sleep 0.05; done
        grep -q "rank 0 of 2: window" sigterm.out || fail "$* does not begin"
        kill -TERM "$(cat pid)"
        code=0
        wait $job || code=$?
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code of $*"
    }
    ends stream --warmup 0 --rate 0.001
    ends wait --seconds 3600
}

"case_$case_"
echo "$case_: good"
