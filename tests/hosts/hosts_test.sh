#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One test over hosts; world.sh calls it in a world.
#   hosts_test.sh CASE CABLE BUILD-DIRECTORY MPIEXEC
# CABLE names what node0's cable does: see plug_cable.
#
# A job passes by its last line, which it prints before MPI_Finalize, and by its exit code. MPICH 4.0.2 over
# UCX's TCP sometimes hangs in MPI_Finalize, without this library, too. So a job that printed its last line
# and then does not end is killed, and counted on a line of this test's output.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
case_=$1 cable=$2 build=$3 mpiexec=$4
# shellcheck source=tests/hosts/launch.sh
. "$here/launch.sh"
export MOFKA_LOG=info
out=$WORLD/out err=$WORLD/err

# Seconds until a job has printed its last line, and from there to its end.
LIMIT=500
[ "$cable" != 10ms ] || LIMIT=1400
GRACE=10

fail() {
    echo "FAILED: $*"
    tail -n 60 "$err" "$out"
    exit 1
}

plug_cable() {
    local program=$build/tests/hosts/cable
    case $cable in # DELAY_US LOSS_PPM MBIT
    fast | down5s | blinks | gone) ;;
    1ms) "$here/cable.sh" plug "$program" 1000 0 0 ;;
    10ms) "$here/cable.sh" plug "$program" 10000 0 0 ;;
    loss) "$here/cable.sh" plug "$program" 0 10000 0 ;;
    rate) "$here/cable.sh" plug "$program" 0 0 1000 ;;
    *) fail "unknown cable '$cable'" ;;
    esac
}

# Launchers may cut lines, and mix those of several ranks. So parts of lines are counted.
has() { # COUNT REGEX
    [ "$(cat "$out" "$err" | grep -oE -- "$2" | wc -l)" -ge "$1" ]
}

# Wait until the job has ended or a condition holds. 1: neither within SECONDS.
await() { # SECONDS CONDITION...
    local deadline=$((SECONDS + $1))
    shift
    until "$@" || ! kill -0 "$job" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

job_start() { # HOST:RANKS,HOST:RANKS ARGUMENTS-OF-MPIEXEC...
    launch "$mpiexec" "$@" >"$out" 2>"$err" </dev/null &
    job=$!
}

# The job prints text that matches REGEX COUNT times, closes RANKS drivers, and ends.
job_passes() { # RANKS COUNT REGEX
    local code=0 closed="driver 'mpi' is closed"
    await $LIMIT has "$2" "$3" || fail "no $2 times '$3' in $LIMIT s"
    await $LIMIT has "$1" "$closed" || fail "not $1 drivers are closed in $LIMIT s"
    if await $GRACE false; then
        wait "$job" || code=$?
        [ $code = 0 ] || fail "exit code $code"
        echo "1 job, 0 hung in MPI_Finalize"
    else
        echo "1 job, 1 hung in MPI_Finalize"
    fi
    has "$2" "$3" || fail "the job ended without $2 times '$3'"
    has "$1" "$closed" || fail "the job ended and has not closed $1 drivers"
    ! grep -q 'window "shm"' "$err" || fail "the window is one of shared memory"
}

case_conformance() {
    job_start node0:1,node1:1 -n 2 "$build/tests/mpi/mpi_conformance" rma
    job_passes 2 1 "every rank passed"
}

# In the short form with a quarter of the events.
case_stream() {
    local parts=1
    [ "$cable" != fast ] || parts=4
    job_start node0:1,node1:1 -n 2 "$build/tests/mpi/mpi_stream" rma $parts
    job_passes 2 1 "every rank passed"
}

# Two ranks on each of two hosts, and a rank on each of two more.
case_stream_4() {
    job_start node0:1,node1:2,node2:1,node3:1 -n 5 "$build/tests/mpi/mpi_stream" rma
    job_passes 5 1 "every rank passed"
}

case_demo() {
    job_start node0:2,node1:2 -n 4 "$build/benchmarks/gray_scott" --steps 400 --output "$WORLD"
    job_passes 4 1 "verified=yes"
}

# Bytes that have left and reached a host over MPI's network.
crossed() { # HOST
    "$here/enter.sh" "$1" 'cd /sys/class/net/eth0/statistics && echo $(($(cat rx_bytes) + $(cat tx_bytes)))'
}

# The same in the window node: slabs stay where they are computed, on both hosts, and the analysis on the second
# reads what it selects.
case_demo_node() {
    local before after
    before=$(crossed node1)
    job_start node0:2,node1:2 -n 4 "$build/benchmarks/gray_scott" --window node --steps 400 --output "$WORLD"
    job_passes 4 1 "verified=yes"
    after=$(crossed node1)
    grep -h "verified=yes" "$out"
    echo "$((after - before)) bytes crossed"
}

# Topics of two nodes, and default topics, in the window node.
case_nodes() {
    job_start node0:2,node1:2 -n 4 "$build/tests/mpi/nodes" node
    job_passes 4 1 "every rank passed"
}

# A hole that only a rank of the other host waits at. The job kills its launcher, so its report counts.
case_kill_far() {
    job_start node0:2,node1:1 -n 3 "$build/tests/kill/kill_far" node "$WORLD/report"
    await 120 false || fail "the job does not end"
    [ "$(tail -n 1 "$WORLD/report" 2>/dev/null)" = "all right" ] || fail "$(cat "$WORLD/report")"
}

# The store is in the first host's own memory, which the second does not see: it reads by way of the first.
case_staging() {
    job_start node0:1,node1:1 -n 2 "$build/tests/mpi/staging" rma "a_blind_reader*" /dev/shm
    job_passes 2 1 "every rank passed"
    has 1 "rank 1 does not see the store" || fail "the second host sees the store"
}

case_conformance_node() {
    job_start node0:1,node1:1 -n 2 "$build/tests/mpi/mpi_conformance" parts
    job_passes 2 1 "every rank passed"
}

case_stream_node() {
    job_start node0:2,node1:2 -n 4 "$build/tests/mpi/mpi_stream" node
    job_passes 4 1 "every rank passed"
}

case_history_node() {
    job_start node0:1,node1:2 -n 3 "$build/tests/history/history_run" --seed 1 --count 3 --window node --verbose \
        --limit $((LIMIT / 4))
    job_passes 9 1 "seed 3: all right"
}

# An application on two hosts; mofkactl on a third prints the same events.
case_mofkactl() {
    job_start node0:1,node1:1,node2:1 -n 2 "$build/tests/outside/readme_program" : \
        -n 1 "$build/mpi/mofkactl" consume --topic numbers
    job_passes 3 20 '\{"number":[0-9]\}'
}

# Random runs whose histories are judged. The cable `blinks`: it is unplugged for a moment again and again.
case_history() {
    job_start node0:1,node1:2 -n 3 "$build/tests/history/history_run" --seed 1 --count 3 --window rma --verbose \
        --limit $((LIMIT / 4))
    until [ "$cable" != blinks ] || await 3 has 1 "seed 3: "; do
        "$here/cable.sh" down
        sleep 0.5
        "$here/cable.sh" up
    done
    job_passes 9 1 "seed 3: all right"
}

case_latency() {
    job_start node0:1,node1:1 -n 2 "$build/benchmarks/mofka-bench" latency -n 50 --warmup 0 --json -
    job_passes 2 1 '"verified":true'
    grep -o '"latency_us":{[^}]*}' "$out"
}

# Open MPI without options. As Debian configures it, it can make no window, and the message names what helps.
case_refused() {
    # shellcheck disable=SC2034 # launch reads it
    one_sided=
    job_start node0:1,node1:1 -n 2 "$build/tests/outside/readme_program"
    await $LIMIT false || fail "the job does not end"
    has 10 '\{"number":[0-9]\}' || has 1 'MOFKA_ERR_UNSUPPORTED.*Open MPI.*component: by default.*--mca pml ucx --mca osc ucx' ||
        fail "the message does not name the remedy"
}

# Start a job of tests/hosts/link.c, and unplug the cable when it asks for that.
link_start() { # MODE
    job_start node0:1,node1:1 -n 2 "$build/tests/hosts/link" "$1" "$WORLD"
    await $LIMIT has 2 "unplug" || fail "the job does not begin"
    "$here/cable.sh" down
    touch "$WORLD/unplugged"
}

case_link_back() {
    link_start back
    sleep 5
    "$here/cable.sh" up
    job_passes 2 1 "every rank passed"
}

# An owner is stopped, and continued when the others have gone on without it.
case_stopped() {
    local process
    if "$mpiexec" --version | grep -q "Open MPI) 5"; then
        echo "skipped: Open MPI 5 holds a lock of the window while it flushes"
        exit 77
    fi
    job_start node0:1,node1:2 -n 3 "$build/tests/hosts/stopped" "$WORLD"
    await $LIMIT has 1 "stop [0-9]+\." || fail "the job does not begin"
    process=$(grep -oE "stop [0-9]+\." "$out" | tr -dc 0-9)
    sleep 0.3
    kill -STOP "$process"
    touch "$WORLD/stopped"
    await 120 has 1 "other owners served" || fail "calls to another owner do not come back"
    has 1 "other owners served" || fail "the job ended"
    kill -CONT "$process"
    job_passes 3 1 "every rank passed"
}

# The cable stays unplugged, and a call comes back. The job cannot end, as its ranks do not meet any more.
case_link_gone() { # CALL
    link_start "$1"
    await 60 has 1 "$1: MOFKA.*," || fail "$1 does not come back in 60 s"
    has 1 ", in time" || fail "$1 is late or answers wrongly"
    grep -o "$1: MOFKA.*" "$out"
}

plug_cable
case $case_ in
gone_*) case_link_gone "${case_#gone_}" ;;
*) "case_$case_" ;;
esac
echo "$case_, cable $cable: good"
