#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Kill the demo in the middle, restart it from its checkpoint with fewer ranks, and compare its stream with that of a
# run that nothing disturbed.
#   restart.sh PROGRAMS OUTPUT RANKS STEPS LAUNCH... -- ARGUMENTS
# PROGRAMS: folder of gray_scott and gray_scott_compare. OUTPUT: folder; OUTPUT/restart is made anew. RANKS: at least 3.
# LAUNCH: mpiexec and its options, without the number of ranks. ARGUMENTS: of gray_scott.
set -euo pipefail
programs=$1 output=$2/restart ranks=$3 steps=$4
shift 4
launch=()
while [ "${1:---}" != -- ]; do launch+=("$1"); shift; done
shift
every=$((steps / 50)) # steps between publications
die_at=$((every * 35))
arguments=(--slabs $((2 * (ranks - 1))) --steps "$steps" --every "$every" --checkpoint-every 10 "$@")
rm -rf "$output"
mkdir -p "$output"

demo() { # RANKS NAME MORE-ARGUMENTS
    "${launch[@]}" -n "$1" "$programs/gray_scott" "${arguments[@]}" --output "$output/$2-frames" "${@:3}"
}
restarted() { # RANKS MORE-ARGUMENTS
    demo "$1" restarted --store "$output/restarted" --checkpoint "$output/checkpoint" "${@:2}"
}

echo "undisturbed, $ranks ranks:"
demo "$ranks" undisturbed --store "$output/undisturbed"

echo "killed at step $die_at of $steps, $ranks ranks:"
if restarted "$ranks" --die-at "$die_at" >"$output/killed.log" 2>&1 || ! grep -q "signal 9" "$output/killed.log"; then
    cat "$output/killed.log" >&2
    echo "restart.sh: the simulation did not die by signal 9, as it should have" >&2
    exit 1
fi
echo "its checkpoint: $(head -n 1 "$output/checkpoint")"

echo "restarted, $((ranks - 1)) ranks:"
restarted $((ranks - 1))

echo "both streams:"
"$programs/gray_scott_compare" "$output/undisturbed" "$output/restarted"
