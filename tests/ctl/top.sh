# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# top. Cases of ctl_test.sh.

# Run top with its output in FILE, because other ranks write to the launcher's output.

top_into() { printf 'echo $$ >top.pid; exec "$0" "$@" >%s' "$1"; }
holds() { # FILE FILTER: the filter holds for all lines of the file together
    jq -es "$2" "$1" >/dev/null || fail "$1: $2"; }

case_top() {
    printf '{"n":%d}\n' $(seq 400) >n.ndjson
    make=(--create --topic.partitions 2 --topic.expected_producers 1)
    job plain -n 1 "$ctl" produce "${driver[@]}" --topic run-1 "${make[@]}" --rate 200 --batch-size 10 n.ndjson : \
        -n 1 "$ctl" consume --topic run-1 --name reader --follow : \
        -n 1 sh -c "$(top_into top.txt)" "$ctl" top --interval 200
    want 0
    lines plain.out 400
    awk '/^run-1 +all/ { n++; if ($4 < last || $4 > 400 || $7 > 100 || $8 > 100 || $9 != 0) exit 1
            if ($4 > last) grown++; last = $4; if ($5 > 100 && $5 < 400) right++; lag += /reader=[0-9]/ }
        /^run-1 +[01] /  { parts++ }
        END { exit !(n >= 8 && grown >= 5 && right >= 4 && lag >= n - 1 && parts == 2 * n) }' top.txt ||
        fail "implausible: $(cat top.txt)"
    ! grep -q "$(printf '\033')" top.txt || fail "no terminal, yet escapes"
    job json -n 1 "$ctl" produce "${driver[@]}" --topic run-1 "${make[@]}" --rate 200 --batch-size 10 n.ndjson : \
        -n 1 "$ctl" topic create other : -n 1 sh -c "$(top_into top.json)" "$ctl" top --interval 100 --json --topic 'run-*'
    want 0
    holds top.json 'map(.topics[]) | length >= 10 and all(.name == "run-1" and .tail_events ==
        (.partitions | map(.tail_events) | add) and .events_fill <= 1 and .bytes_fill <= 1)'
    holds top.json 'map(.topics[0].tail_events // 0) | . == sort and last > first'
    holds top.json '.[0].topics[0].events_per_s == null'
    holds top.json 'map(.topics[0].events_per_s | numbers) | add / length | . > 120 and . < 280'
    # top ends by itself while other ranks continue; neither waits for the other.
    job count -n 1 "$ctl" produce "${driver[@]}" --topic run-1 "${make[@]}" --rate 200 n.ndjson : \
        -n 1 sh -c "$(top_into count.json)" "$ctl" top --interval 20 --count 3 --json : \
        -n 1 sh -c "$(top_into for.json)" "$ctl" top --interval 300 --for 0.7 --json
    want 0
    lines count.json 3
    lines for.json 3
    says count.err "400 events stored in 'run-1', 0 not"
    timeout 20 "${launch[@]}" -n 1 "$ctl" top "${driver[@]}" --interval 60000 </dev/null >alone.out || fail "alone: $?"
}

case_top_lag() {
    mkfifo in
    printf '{"n":%d}\n' $(seq 50) >n.ndjson
    (cat n.ndjson; until [ -e done ]; do sleep 0.1; done) >in &
    timeout 60 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic t --create in : \
        -n 1 "$ctl" consume --topic t --count 10 --name slow : \
        -n 1 sh -c "$(top_into top.txt)" "$ctl" top --interval 100 </dev/null >lag.out 2>lag.err &
    local job=$!
    for _ in $(seq 200); do ! grep -q "slow=40(closed)" top.txt 2>/dev/null || break; sleep 0.05; done
    says top.txt "slow=40(closed)"
    kill -INT "$(cat top.pid)" # the other ranks continue
    sleep 0.5
    kill -0 $job || fail "the job ended with top"
    touch done
    wait $job || fail "exit code $?"
    lines lag.out 10
    job blocked -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partition_bytes 1024 --batch-size 5 \
        --timeout 2 n.ndjson n.ndjson n.ndjson : -n 1 "$ctl" consume --topic t --count 10 --name slow : \
        -n 1 sh -c "$(top_into blocked.json)" "$ctl" top --interval 100 --json
    want 1 # the events that found no room
    holds blocked.json 'map(.topics[0]) | any(.blocked_producers == 1 and .bytes_fill > 0.9)'
}

case_top_terminal() {
    printf '{"n":%d}\n' $(seq 200) >n.ndjson
    cat >screen <<'END'
stty rows 6 cols 40 && exec "$MOFKACTL" top --interval 100
END
    export MOFKACTL=$ctl
    job screen -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitions 2 --rate 100 --batch-size 5 \
        n.ndjson : -n 1 "$ctl" topic create a --topic.partitions 2 : -n 1 "$ctl" topic create b : \
        -n 1 "$ctl" topic create c : -n 1 "$ctl" topic create d : \
        -n 1 script -qefc "sh ./screen" typescript
    want 0
    # The text that a reading leaves on the screen: from "home" to "clear the rest".
    tr -d '\r' <typescript | sed 's/\x1b\[K//g' | awk -v RS='\x1b\\[H' 'NR > 1' ORS='\f' >looks
    local look
    look=$(awk -v RS='\f' '/ 5 topics/ {last = $0} END {print last}' looks | sed '/\x1b/,$d')
    [ "$(wc -l <<<"$look")" = 5 ] || fail "5 of 6 rows: $look"
    [ "$(wc -L <<<"$look")" = 40 ] || fail "40 columns: $look"
    grep -q '^\.\.\. and 3 more' <<<"$look" || fail "what does not fit: $look"
    ! grep -qE '^[a-z] +0 ' <<<"$(grep -E '^[ta] ' <<<"$look")" || fail "rows of partitions: $look"
    job tty -n 1 "$ctl" top "${driver[@]}" --terminal nowhere/tty
    want 1
    says tty.err "--terminal: cannot open 'nowhere/tty'"
}

# top beside the benchmark, whose driver's options it does not know.

case_top_bench() {
    local bench
    bench=$(dirname "$ctl")/../benchmarks/mofka-bench
    job bench -n 3 "$bench" stream --producers 2 --watchers 1 -n 40000 -m 64 --rate 20000 --partitions 2 \
        --window "$window" --json - : -n 1 sh -c "$(top_into top.json)" "$ctl" top --interval 200 --json
    want 0
    says bench.out '"verified":true'
    holds top.json 'map(.topics[0] | objects) | length >= 5 and all(.name == "bench" and .events_fill <= 1)'
    holds top.json 'map(.topics[0].events_per_s | numbers | select(. > 10000 and . < 80000)) | length >= 4'
    holds top.json 'map(.topics[0].consumers[0].name) | index("consumer-0") != null'
    holds top.json 'map(.size == 4) | all'
    bad() { # MESSAGE ARGUMENTS...: the watcher does not wait for ever
        local message=$1
        shift
        job bad "$@" : -n 1 "$ctl" top
        [ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code"
        says bad.err "$message"
    }
    bad "3 producers and 2 consumers are not 2 ranks" -n 2 "$bench" stream --producers 3 --consumers 2 --watchers 1
    bad "--rate cannot be 'x'" -n 2 "$bench" stream --rate x --watchers 1
    bad "--watchers can be used with stream only, not with raw" -n 2 "$bench" raw --watchers 1
    bad "leaves the last 2 of 3 ranks to other programs, but rank 1 is mofka-bench" -n 2 "$bench" stream --watchers 2
}
