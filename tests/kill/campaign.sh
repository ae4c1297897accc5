#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Kill at least COUNT ranks of jobs, at random steps: see kill_job.c. Each seed is a job of 8 victims in each window. A
# seed that fails is shown with the command that repeats it; the others go on. At the end: how many died at which step.
#   campaign.sh BUILD-DIRECTORY MPIEXEC FIRST COUNT [WINDOW...]
set -uo pipefail
build=$1 mpiexec=$2 first=$3 count=$4
shift 4
windows=("$@")
[ $# -gt 0 ] || windows=(shm node)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
options=()
case $mpiexec in *openmpi*) options=(--oversubscribe) ;; esac
failed=0 total=0 runs=0
declare -A deaths=()

kill_one() { # SEED WINDOW
    local report=$work/$2-$1 command word number
    command=("$mpiexec" "${options[@]}" -n 10 "$build/tests/kill/kill_job" "$2" "$1" "$report")
    runs=$((runs + 1))
    # The job kills its launcher at the end, so only the report counts.
    { timeout -s KILL 300 "${command[@]}" >"$work/out" 2>&1 </dev/null; } 2>/dev/null
    if [ "$(tail -n 1 "$report" 2>/dev/null)" != "all right" ]; then
        cat "$work/out" "$report" "$report.looks" 2>/dev/null | tail -n 60
        echo "FAILED: ${command[*]:0:${#command[@]}-1} FILE"
        failed=$((failed + 1))
        return
    fi
    read -r -a words < <(tail -n 2 "$report" | head -n 1)
    for ((i = 0; i < ${#words[@]}; i += 2)); do
        word=${words[i]} number=${words[i + 1]}
        deaths[$word]=$((${deaths[$word]:-0} + number))
        [ "$word" = stopped ] || total=$((total + number))
    done
    echo "seed $1, $2: ${words[*]}"
}

echo "seeds from $first on, $mpiexec"
for ((seed = first; total < count && failed < 5; seed++)); do
    for window in "${windows[@]}"; do
        kill_one "$seed" "$window"
    done
done
for word in "${!deaths[@]}"; do echo "$word ${deaths[$word]}"; done | sort
echo "seeds $first to $((seed - 1)): $runs jobs, $total ranks killed, $failed failed"
exit $((failed > 0))
