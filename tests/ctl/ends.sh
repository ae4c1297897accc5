# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# How commands end: interrupted, without a place to write to, or beside ranks that do not end. Cases of ctl_test.sh.

# Lines that were read whole before the signal are stored.
case_interrupt_read() {
    mkfifo in
    { printf '{"n":%d}\n' $(seq 1000); printf '{"n":'; } >n.ndjson
    (cat n.ndjson; until [ -e done ]; do sleep 0.1; done) >in & # less than a pipe holds, so one read
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced produce.pid)" "$ctl" produce "${driver[@]}" --topic t --create \
        --topic.expected_producers 1 --rate 20 in : -n 1 "$ctl" consume "${driver[@]}" --topic t --follow \
        </dev/null >read.out 2>read.err &
    local job=$!
    until_there read.out
    kill -INT "$(cat produce.pid)"
    wait $job || fail "exit code $?"
    touch done
    wait
    says read.err "1000 events stored in 't', 0 not, 0 malformed lines; interrupted"
    says read.err "in: line 1001 is not pushed: 5 bytes of it were read, but not its end"
    cmp <(head -n 1000 n.ndjson) read.out || fail "lines are missing"
}

# The same with a full topic, for a bounded time.
case_interrupt_full() {
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced in.pid)" "$ctl" fifo "${driver[@]}" in.control : \
        -n 1 sh -c "$(traced out.pid)" "$ctl" fifo "${driver[@]}" out.control : \
        -n 1 "$ctl" topic create t "${driver[@]}" --topic.partition_bytes 4096 </dev/null >full.out 2>full.err &
    local job=$! start
    until_pipe in.control out.control
    echo 'out <- t (name = slow)' >out.control
    echo 'in -> t (format = json)' >in.control
    until_pipe in out
    sleep 0.5 # the consumer has its name before the first event
    printf '{"n":%d}\n' $(seq 1000) >n.ndjson
    cat n.ndjson >in & # less than a pipe holds: one write, one read
    for _ in $(seq 200); do ! grep -q "waiting for room" full.err || break; sleep 0.05; done
    says full.err "waiting for room"
    kill -INT "$(cat in.pid)"
    timeout 20 head -n 1000 out >rest.out || fail "reading"
    kill -INT "$(cat out.pid)"
    wait $job || fail "exit code $?"
    cmp n.ndjson rest.out || fail "lines are missing"
    says full.err "fifo: in: 1000 events stored in 't', 0 not, 0 malformed lines; interrupted"
    # If no room comes, the command ends anyway, and reports the lines that are not stored.
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced in.pid)" "$ctl" produce "${driver[@]}" --topic t --create \
        --topic.partition_bytes 4096 n.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --count 10 --name slow \
        </dev/null >none.out 2>none.err &
    job=$!
    for _ in $(seq 200); do ! grep -q "waiting for room" none.err || break; sleep 0.05; done
    says none.err "waiting for room"
    start=$SECONDS
    kill -INT "$(cat in.pid)"
    wait $job && fail "lines that are not stored are no failure"
    [ $((SECONDS - start)) -lt 20 ] || fail "it took $((SECONDS - start)) s"
    says none.err "not pushed"
    says none.err "could not be stored and were given up"
}

# A command whose output is a full device, or is closed.
full() { printf 'exec "$0" "$@" >/dev/full'; }
closed() { printf 'exec "$0" "$@" >&-'; }
case_output() {
    printf '{"n":%d}\n' 1 2 3 >n.ndjson
    fails() { # WHY ARGUMENTS...
        local why=$1
        shift
        job out -n 1 sh -c "$(full)" "$ctl" "$@"
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code of $* >/dev/full"
        says out.err "$why: No space left on device"
        job out -n 1 sh -c "$(closed)" "$ctl" "$@"
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code of $* >&-"
        says out.err "$why: Bad file descriptor"
    }
    fails "writing to standard output" --help
    fails "writing to standard output" --version
    fails "writing to standard output" consume --help
    fails "writing to standard output" topic create t "${driver[@]}" --json
    fails "writing" top "${driver[@]}" --count 1
    fails "writing" top "${driver[@]}" --count 1 --json
    for how in full closed; do
        job "$how" -n 1 "$ctl" produce "${driver[@]}" --topic t --create n.ndjson : \
            -n 1 sh -c "$($how)" "$ctl" consume "${driver[@]}" --topic t --count 3 : \
            -n 1 sh -c "$($how)" "$ctl" topic info t "${driver[@]}"
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code"
        says "$how.err" "mofkactl consume: writing: "
        says "$how.err" "mofkactl topic info: writing to standard output: "
    done
    # More topics than one write takes.
    local many=() i
    for i in $(seq 3); do
        many+=(-n 1 "$ctl" topic create "t$i" "${driver[@]}" --validator.type eventbridge
            --validator.pattern "{\"a\":[\"$(head -c 40000 /dev/zero | tr '\0' x)\"]}" :)
    done
    for how in full closed; do
        job list "${many[@]}" -n 1 env CTL_TEST_LIST_MS=1000 LD_PRELOAD="$libraries/libctl_preload.so" \
            sh -c "$($how)" "$ctl" topic list "${driver[@]}" --json
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code of list"
        silent list.err "a part of it"
        grep -qE "topic list: writing to standard output: (No space left on device|Bad file descriptor)" list.err ||
            fail "list into $how"
    done
    # A command that writes nothing needs no output.
    job none -n 1 sh -c 'exec "$0" "$@" <&- >&-' "$ctl" topic create t "${driver[@]}"
    want 0
    job stdin -n 1 sh -c 'exec "$0" "$@" <&-' "$ctl" produce "${driver[@]}" --topic t --create
    want 1
    says stdin.err "reading 'stdin': Bad file descriptor"
    job head -n 1 sh -c '"$0" "$@" | true' "$ctl" --help
    want 0
}

# With --close-timeout, a rank that is done waits for a bounded time.
case_close_timeout() {
    local start=$SECONDS
    printf '{"n":1}\n' >n.ndjson
    job close -n 1 "$ctl" produce "${driver[@]}" --topic t --create --close-timeout 1 n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --follow
    [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code"
    says close.err "waited 1 s (--close-timeout) for the other ranks"
    [ $((SECONDS - start)) -lt 20 ] || fail "it took $((SECONDS - start)) s"
    job enough -n 1 "$ctl" produce "${driver[@]}" --topic t --create --close-timeout 30 n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 1
    want 0
}

# An MPI that grants less than mofkactl asks for.
case_level() {
    job level -n 1 env CTL_TEST_LEVEL=1 LD_PRELOAD="$libraries/libctl_preload.so" "$ctl" topic create t "${driver[@]}" \
        --driver.progress thread --json
    if [ "$window" = shm ]; then # needs no threads inside MPI
        want 0
        return 0
    fi
    want 1
    says level.err "needs MPI_THREAD_MULTIPLE"
    says level.err "asked this MPI for MPI_THREAD_MULTIPLE, and it granted MPI_THREAD_SERIALIZED"
}
