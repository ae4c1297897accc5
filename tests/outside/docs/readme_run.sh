#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs a shell snippet of a README, a task, or the README's program, and compares the output with what
# the README prints: each of its lines must be there; "…" stands for anything.
#   readme_run.sh NAME WINDOW SOURCE BUILD MPICC MPIEXEC...
# WINDOW: that of the job, or none without a job. BUILD/tests/outside/readme has NAME.sh (if it is a snippet),
# NAME.txt, and the README's files.
set -euo pipefail
name=$1 window=$2 source=$3 build=$4 mpicc=$5
shift 5
files=$build/tests/outside/readme work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$files"/*.c "$files"/*.json "$source"/benchmarks/tasks/*.c .
mkdir bin
command_() { # NAME COMMAND: makes the program NAME, which runs COMMAND
    printf '#!/bin/sh\nexec %s\n' "$2" >"$1"
    chmod +x "$1"
}
export PATH=$work/bin:$PATH
snippet=$files/$name.sh
if [ "$name" = install ]; then # of the source tree, with the MPI that is tested; compiled as the tests are
    cp program.c app.c
    sed "s,-S \. ,-S $source -DMOFKA_WERROR=ON ,; s,mpicc\.mpich,$mpicc,; s,mpiexec\.mpich,$*," "$snippet" >install.sh
    snippet=install.sh
    export HOME=$work
else
    command_ bin/mpiexec "$* \"\$@\""
    command_ bin/mofkactl "$build/mpi/mofkactl \"\$@\"$([ "$window" = none ] || echo " --driver.window $window")"
    command_ bin/mofka-bench "$build/benchmarks/mofka-bench \"\$@\""
    command_ bin/pkg-config "echo -I$source/include -L$build -lmofka"
    program=$build/tests/outside/readme_$name
    [ -x "$program" ] || program=$build/tests/outside/readme_program
    command_ app "$program $window"
    export LD_LIBRARY_PATH=$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
code=0
if [ -e "$snippet" ]; then
    bash -euo pipefail "$snippet" >out 2>&1 </dev/null || code=$?
else
    mpiexec -n 2 ./app >out 2>&1 </dev/null || code=$?
fi
failed=
[ $code = 0 ] || failed=1
while IFS= read -r line; do
    pattern=$(sed 's/[][\.*^$]/\\&/g; s/…/.*/g' <<<"$line")
    grep -q -- "$pattern" out || { echo "missing: $line"; failed=1; }
done <"$files/$name.txt"
[ -z "$failed" ] && exit 0
echo "-- exit code $code, output:"
head -c 8000 out
exit 1
