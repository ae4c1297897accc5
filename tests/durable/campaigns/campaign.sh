#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Power failures, ends of a process, kills and flipped bits of stores: RUNS of each, whose seeds begin at FIRST. A seed
# that fails is printed with what is wrong; the others go on.
#   campaign.sh BUILD-DIRECTORY FIRST RUNS
set -uo pipefail
build=$1 first=$2 runs=$3
failed=0
campaign_one() { # PROGRAM ARGUMENTS...
    "$build/tests/durable/$1" --seed "$first" --count "$runs" "${@:2}" || {
        echo "FAILED: $build/tests/durable/$1 --seed $first --count $runs ${*:2}"
        failed=$((failed + 1))
    }
}
campaign_one durable_power
campaign_one durable_power --kill
campaign_one durable_flips
campaign_one durable_kills
exit $((failed > 0))
