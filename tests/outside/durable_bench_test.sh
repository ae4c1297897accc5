#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/bench --durable, for moments: each row has numbers, or a peer that is not here, and nothing stays behind.
# Whether bars are met is not asked.
#   durable_bench_test.sh SOURCE BUILD PYTHON MPIEXEC
set -euo pipefail
source=$1 build=$2 python=$3 mpi=${4##*.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --build "$build" --target durable_bench mofka-bench >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir "$work/tmp" "$work/place"
TMPDIR=$work/tmp "$python" "$source/benchmarks/run_durable.py" --rounds 1 --seconds 0.02 --recover 16777216 \
    --place "$work/place" --build "$build" --output "$work" "$mpi" || [ $? = 1 ]
table=$work/$mpi-durable.md
cases=$(grep -cE '^\| [^|]* \| (>=|<=) [0-9.]+[^|]* \| (\*\*)?[0-9.e+-]+ \[' "$table")
peers=$(grep -cE '^\| (Redis|NATS)[^|]* \| `(written|synced)` \| ([0-9][^|]*\[|.*not (built|installed)|neither)' "$table")
[ "$cases" = 7 ] && [ "$peers" = 3 ] || { echo "$cases cases and $peers peers"; exit 1; }
[ -z "$(ls "$work/tmp" "$work/place" | grep -v :)" ] || { ls "$work"/*; echo "files are left"; exit 1; }
