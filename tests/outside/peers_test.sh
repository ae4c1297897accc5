#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/bench --peers, for moments: each peer has a row of numbers, or is not here, and nothing stays behind.
#   peers_test.sh SOURCE BUILD PYTHON MPIEXEC
set -euo pipefail
source=$1 build=$2 python=$3 mpi=${4##*.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --build "$build" --target peers >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir "$work/tmp"
TMPDIR=$work/tmp "$python" "$source/benchmarks/run_peers.py" --rounds 1 --seconds 0.05 --build "$build" --output "$work" "$mpi"
[ -s "$work/$mpi-peers.svg" ] || { echo "there is no plot"; exit 1; }
rows=$(grep -c "mofka's, of its" "$work/$mpi-peers.md")
found=$(grep -cE "mofka's, of its \| [^|]* \| ([0-9][^|]* \[|not here: )" "$work/$mpi-peers.md")
[ "$rows" = 9 ] && [ "$found" = 9 ] || { echo "$found of $rows rows"; exit 1; }
[ -z "$(ls "$work/tmp")" ] || { ls "$work/tmp"; echo "folders are left"; exit 1; }
