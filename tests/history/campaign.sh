#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Judge random runs: COUNT seeds from FIRST on, in each window, each a job of 2 to 4 ranks. In a quarter of the runs
# ranks are stopped for a while. In the windows rma and node, one-sided operations are late in a quarter of the runs. In
# rma they fail in a third. A seed that fails is shown with the command that repeats it; the others go on.
#   campaign.sh BUILD-DIRECTORY MPIEXEC FIRST COUNT
set -uo pipefail
build=$1 mpiexec=$2 first=$3 count=$4
out=$(mktemp)
trap 'rm -f "$out"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpiexec_options=()
case $mpiexec in *openmpi*) mpiexec_options=(--oversubscribe) ;; esac
failed=0

history_one() { # SEED WINDOW
    local program=history_run trouble=()
    case $(($1 / 3 % 4)) in
    2) trouble=(--stop) ;;
    3) [ "$2" = shm ] || { program=history_delay trouble=(--delay); } ;;
    esac
    [ "$2" != rma ] || [ $(($1 / 7 % 3)) != 2 ] || { program=history_delay; trouble+=(--fail); }
    local command=("$mpiexec" "${mpiexec_options[@]}" -n $((2 + $1 % 3)) "$build/tests/history/$program"
        --seed "$1" --window "$2" "${trouble[@]}")
    if timeout -k 10 150 "${command[@]}" >"$out" 2>&1 </dev/null; then
        grep -E '^(history|note):' "$out" | sed "s/^/$2${trouble[*]:+ ${trouble[*]}}: /"
        return
    fi
    tail -n 200 "$out"
    echo "FAILED: ${command[*]}"
    failed=$((failed + 1))
}

echo "seeds $first to $((first + count - 1)), $mpiexec"
for ((seed = first; seed < first + count; seed++)); do
    for window in shm rma node; do
        history_one $seed $window
    done
done
echo "$((3 * count)) runs, $failed failed"
exit $((failed > 0))
