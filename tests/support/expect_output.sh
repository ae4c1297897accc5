#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Run a command. It must end with that exit code, or with "any", and its output must match that text, an extended regular
# expression (ctest's PASS_REGULAR_EXPRESSION does not look at the exit code).
#   expect_output.sh CODE TEXT COMMAND...
set -uo pipefail
code=$1 text=$2
shift 2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$@" 2>&1 | tee "$out"
got=${PIPESTATUS[0]}
failed=0
[ "$code" = any ] || [ "$got" = "$code" ] || { echo "-- exit code $got, not $code"; failed=1; }
grep -qE -- "$text" "$out" || { echo "-- the output lacks: $text"; failed=1; }
exit $failed
