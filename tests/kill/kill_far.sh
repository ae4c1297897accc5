#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Run kill_far on this host, where ranks 0 and 1 play a node, and rank 2 another one.
#   kill_far.sh PROGRAM MPIEXEC...
set -uo pipefail
program=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The job kills its launcher at the end, so only the report counts.
{ timeout -s KILL 120 "$@" -n 3 "$program" node "$work/report" 2 >"$work/out" 2>&1 </dev/null; } 2>/dev/null
[ "$(tail -n 1 "$work/report" 2>/dev/null)" = "all right" ] || { cat "$work/out" "$work/report"; exit 1; }
