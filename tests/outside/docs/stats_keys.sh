#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The keys of statistics that stats.h lists are those that are there, both in the results of the functions
# and in the lines of MOFKA_STATS_FILE.
#   stats_keys.sh STATS.H PROGRAM MPIEXEC...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) header=$1 program=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
MOFKA_STATS_FILE=file.ndjson "$@" -n 1 "$program" >results.ndjson
jq -c '{driver: .}' file.ndjson >lines.ndjson
[ -s lines.ndjson ] || { echo "MOFKA_STATS_FILE has no line"; exit 1; }
jq -nr --rawfile header "$header" -f "$here/stats_keys.jq" results.ndjson lines.ndjson | sort -u >differences
[ ! -s differences ] || { cat differences; echo "-- in:"; cat results.ndjson lines.ndjson; exit 1; }
echo "$(jq -s length results.ndjson lines.ndjson) statistics have the keys that the header lists"
