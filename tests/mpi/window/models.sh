#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Check the Promela models of a partition, of staging, of the store and of monitors with spin: each holds, and each of its mutants fails.
# As many searches run at a time as there are processors.
#   models.sh PARTITION-MODELS STORE-MODELS BASE-MODELS STAGING-MODELS
set -euo pipefail
partition=$(cd "$1" && pwd) store=$(cd "$2" && pwd) base=$(cd "$3" && pwd) staging=$(cd "$4" && pwd) work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
searches=()
check() { # holds|fails MODEL [DEFINE...]
    [ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n || true # each is asked for its outcome below
    search "$@" &
    searches+=($!)
}
search() { # the same
    local expected=$1 model=$2 path=$partition/$2.pml result states optimise=-O1
    shift 2
    cd "$(mktemp -d "$work/XXXXXX")"
    [ -e "$path" ] || path=$store/$model.pml
    [ -e "$path" ] || path=$base/$model.pml
    [ -e "$path" ] || path=$staging/$model.pml
    spin "${@/#/-D}" -a "$path" >spin.log || { cat spin.log; exit 1; }
    [ "$expected" = holds ] || optimise=-O0 # a mutant fails soon: compiling takes longer than the search
    cc "$optimise" -w -DCOLLAPSE -DSAFETY -o pan pan.c
    ./pan -m1000000 >pan.log 2>&1 || echo "pan ended with $?" >>pan.log # judged by what it printed, below
    result=$(sed -n 's/.*errors: //p' pan.log)
    states=$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' pan.log)
    if grep -q 'max search depth too small\|out of memory' pan.log || [ -z "$result" ]; then
        tail -n 30 pan.log
        echo "$model $*: the search was not complete"
        exit 1
    fi
    if [ "$expected" = holds ] && [ "$result" != 0 ]; then
        tail -n 30 pan.log
        echo "$model $*: an error was found"
        exit 1
    fi
    if [ "$expected" = fails ] && [ "$result" = 0 ]; then
        echo "$model $*: the mutant was not caught"
        exit 1
    fi
    echo "$model $*: $expected, $states states"
}
check holds append
check holds append LATE PRODUCERS=1 SLOTS=2 PER=4
check fails append LATE PRODUCERS=1 SLOTS=2 PER=4 MUTANT_TWO_READS
check holds append HINT
check fails append MUTANT_NO_END
check fails append MUTANT_END_APART
check holds append HINT GROUP
check holds append HINT GROUP LATE PRODUCERS=1 SLOTS=2 PER=4
check fails append HINT GROUP MUTANT_GROUP_ROOM
check fails append MUTANT_NO_ROOM
check fails append MUTANT_FLAG_FIRST
check fails append MUTANT_END_EARLY
check holds discard
check fails discard MUTANT_NO_SECOND_LOOK
check fails discard MUTANT_UNPUBLISHED
check holds damage
check fails damage MUTANT_NO_PLACE
check fails damage MUTANT_TAIL
check holds bell
check fails bell MUTANT_NO_RECHECK
check fails bell MUTANT_ASK_FIRST
check holds watch
check fails watch MUTANT_OWN_VALUE
check fails watch MUTANT_STAYS_ARMED
check holds node
check fails node MUTANT_ONE_EPOCH
check fails node MUTANT_FLAG_FIRST
check fails node MUTANT_NO_FLUSH
check fails node MUTANT_CURSOR_EARLY
check fails node MUTANT_OWN_LOCK
check holds settled
check fails settled MUTANT_NO_SETTLED
check fails settled MUTANT_SETTLE_EARLY
check fails settled MUTANT_END_LATER
check holds create
check fails create MUTANT_MADE_FIRST
check fails create MUTANT_END_FIRST
check fails create MUTANT_NO_LOCK
check fails create MUTANT_OLD_RECORDS
check holds holder
check fails holder MUTANT_EXCHANGE
check fails holder MUTANT_STOPPED
check fails holder MUTANT_NO_REPAIR
check fails holder MUTANT_NO_ENDING
check fails holder MUTANT_UNITS_FIRST
check holds void
check fails void MUTANT_STOPPED
check fails void MUTANT_TAIL_LAST
check fails void MUTANT_NO_INTENT
check fails void MUTANT_NO_LIVING
check fails void MUTANT_NO_FLAGS
check fails void MUTANT_EMPTY_EARLY
check holds producers
check fails producers MUTANT_ADD_FIRST
check fails producers MUTANT_ADD_LAST
check fails producers MUTANT_OLD_WORD
check fails producers MUTANT_STOPPED
check holds evict
check fails evict MUTANT_FREE
check fails evict MUTANT_NO_LOOK
check fails evict MUTANT_LOOK_FIRST
check fails evict MUTANT_STORE
check fails evict MUTANT_RETAKE
check holds claim
check fails claim MUTANT_SETTLED
check fails claim MUTANT_NO_ROOM
check fails claim MUTANT_ADD
check fails claim MUTANT_NO_ROW
check fails claim MUTANT_ROW_EARLY
check fails claim MUTANT_NO_SETTLE
check holds directory
check holds directory READER
check fails directory MUTANT_LOOK_FIRST
check fails directory MUTANT_NO_RECHECK
check fails directory MUTANT_WAIT_IS_GONE
check fails directory READER MUTANT_NO_SEED
check fails directory READER MUTANT_READ_ONCE
check fails directory READER MUTANT_TEXT_LATE
check holds stored
check holds stored SYNCED
check fails stored MUTANT_FREE_HEAD
check fails stored MUTANT_NO_HOLD
check fails stored START=0 MUTANT_NO_SECOND_HEAD
check fails stored START=3 MUTANT_ANYWHERE
check fails stored SYNCED MUTANT_WRITTEN_CURSOR
check fails stored SYNCED MUTANT_PLACE_LATE
check holds staging
check holds staging STOPS DIES
check fails staging MUTANT_NO_CHECK
check fails staging MUTANT_FIRST_WORD
check fails staging MUTANT_NO_AGAIN
check fails staging MUTANT_OLD_SERIAL
check fails staging MUTANT_KEEPS
check fails staging DIES MUTANT_DEAF
check holds follow
check fails follow MUTANT_FIRST_PIECE
check fails follow MUTANT_NO_SECOND_LOOK
check fails follow MUTANT_ANY_BEHIND
check fails follow MUTANT_MARK_EARLY
check holds monitor
check fails monitor MUTANT_NO_BARRIER
check fails monitor MUTANT_ONE_LOOK
check fails monitor MUTANT_NO_WAIT
failed=0
for pid in "${searches[@]}"; do wait "$pid" || failed=1; done
exit $failed
