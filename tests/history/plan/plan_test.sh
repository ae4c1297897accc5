#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The same seed gives the same schedule; another seed, or another window, gives another one.
#   plan_test.sh HISTORY-RUN
set -euo pipefail
plan() { "$1" --plan --seed "$2" --window "$3" | grep -v '^every rank passed'; }
one=$(plan "$1" 7 rma)
grep -q '^producer of sources 0' <<<"$one" || { echo "no schedule: $one"; exit 1; }
[ "$one" = "$(plan "$1" 7 rma)" ] || { echo "two schedules for one seed"; exit 1; }
[ "$one" != "$(plan "$1" 8 rma)" ] || { echo "one schedule for two seeds"; exit 1; }
[ "$one" != "$(plan "$1" 7 shm)" ] || { echo "one schedule for two windows"; exit 1; }
