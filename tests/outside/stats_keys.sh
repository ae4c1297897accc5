#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The keys of statistics that stats.h tells of are those that are there, in what the functions give and
# in the lines of MOFKA_STATS_FILE.
#   stats_keys.sh STATS.H PROGRAM MPIEXEC...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) header=$1 program=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
MOFKA_STATS_FILE=file.ndjson "$@" -n 1 "$program" >told.ndjson
jq -c '{driver: .}' file.ndjson >lines.ndjson
[ -s lines.ndjson ] || { echo "MOFKA_STATS_FILE has no line"; exit 1; }
jq -nr --rawfile header "$header" -f "$here/stats_keys.jq" told.ndjson lines.ndjson | sort -u >differences
[ ! -s differences ] || { cat differences; echo "-- in:"; cat told.ndjson lines.ndjson; exit 1; }
echo "$(jq -s length told.ndjson lines.ndjson) statistics have the keys that the header tells"
