#!/usr/bin/env bash
# mofkactl, used as people use it.
#   ctl_test.sh CASE WINDOW MOFKACTL LIBRARIES MPIEXEC...
# LIBRARIES: the folder of the example backend's library.
set -euo pipefail
case_=$1 window=$2 ctl=$3 libraries=$4
shift 4
launch=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ASAN_OPTIONS=detect_leaks=0
driver=(--driver.window "$window")

fail() {
    echo "FAILED: $*"
    for file in *.err *.out; do [ ! -e "$file" ] || { echo "-- $file"; head -c 2000 "$file"; }; done
    exit 1
}
job() { # NAME ARGUMENTS...: stdin none; stdout NAME.out, stderr NAME.err; the exit code in $code
    local name=$1
    shift
    code=0
    timeout 60 "${launch[@]}" "$@" </dev/null >"$name.out" 2>"$name.err" || code=$?
}
want() { [ "$code" = "$1" ] || fail "exit code $code, not $1"; }
says() { grep -qF -- "$2" "$1" || fail "$1 lacks: $2"; }
silent() { ! grep -qF -- "$2" "$1" || fail "$1 has: $2"; }
lines() { [ "$(wc -l <"$1")" = "$2" ] || fail "$1 has $(wc -l <"$1") lines, not $2"; }
until_there() { # FILE: until it has a line
    for _ in $(seq 200); do [ ! -s "$1" ] || return 0; sleep 0.05; done
    fail "$1 stays empty"
}
documents() { jq -c '.[] | .[]' /usr/share/iso-codes/json/iso_[0-9]*.json >events.ndjson
    [ "$(wc -l <events.ndjson)" -ge 10000 ] || fail "fewer than 10,000 documents"; }
same() { cmp <(jq -cS . "$1" | sort) <(jq -cS . "$2" | sort) || fail "$1 and $2 differ"; }
# A process that can be found: its id goes to a file.
traced() { printf 'echo $$ >%s; exec "$0" "$@"' "$1"; }

case_documents() {
    documents
    job round -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitions 3 events.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count "$(wc -l <events.ndjson)"
    want 0
    says round.err "$(wc -l <events.ndjson) events stored in 't', 0 not, 0 malformed lines"
    same events.ndjson round.out
    # In each partition, in the order pushed, with dense ids.
    jq -c '{n: input_line_number} + .' events.ndjson >numbered.ndjson
    job order -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitions 3 \
        --topic.expected_producers 1 numbered.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --envelope --follow
    want 0
    lines order.out "$(wc -l <events.ndjson)"
    jq -n 'reduce inputs as $e ({}; if $e.id != (.[$e.partition | tostring].id // -1) + 1
            or $e.metadata.n <= (.[$e.partition | tostring].n // 0) then error("order") else
            .[$e.partition | tostring] = {id: $e.id, n: $e.metadata.n} end) | length' order.out \
        >partitions.out || fail "order"
    [ "$(cat partitions.out)" = 3 ] || fail "not 3 partitions"
}

case_key() {
    documents
    job key -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitions 3 --key /alpha_3 \
        events.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --count "$(wc -l <events.ndjson)"
    want 0
    same events.ndjson key.out
    by_key() { jq -cS '[.alpha_3 // "", .]' "$1" | sort -s -t, -k1,1; }
    cmp <(by_key events.ndjson) <(by_key key.out) || fail "order within a key"
    job other -n 1 "$ctl" topic create t "${driver[@]}" : -n 1 "$ctl" produce "${driver[@]}" --topic t \
        --key /alpha_3 events.ndjson
    want 1
    says other.err "--key /alpha_3: topic 't' has selector"
}

case_stdin() {
    documents
    head -500 events.ndjson >few.ndjson # less than a pipe holds: MPICH's launcher can no more
    timeout 60 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic t --create --timeout 9 : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 500 <few.ndjson >stdin.out 2>stdin.err ||
        fail "exit code $?"
    cmp few.ndjson stdin.out || fail "not as pushed"
    job second -n 1 "$ctl" topic create t "${driver[@]}" : -n 1 "$ctl" produce "${driver[@]}" --topic t
    want 2
    says second.err "launchers give stdin to rank 0"
}

case_malformed() {
    printf '%s\n' '{"n":1}' '{"n":' '' '   ' '{"n":2} x' '[3' '{"n":3}' >bad.ndjson
    printf '%s' '{"n":4}' >>bad.ndjson # without a newline
    job lax -n 1 "$ctl" produce "${driver[@]}" --topic t --create bad.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 3
    [ "$code" != 0 ] || fail "malformed lines are no failure"
    [ "$(jq -c .n lax.out | tr '\n' ' ')" = "1 3 4 " ] || fail "the good lines"
    for line in 2 5 6; do says lax.err "bad.ndjson, line $line: it is not JSON: "; done
    says lax.err "3 events stored in 't', 0 not, 3 malformed lines"
    job strict -n 1 "$ctl" produce "${driver[@]}" --topic t --create --strict bad.ndjson
    want 1
    says strict.err "1 events stored in 't', 0 not, 1 malformed lines"
}

case_refused() {
    printf '{"n":%d}\n' $(seq 20) >n.ndjson
    printf '{"n":"%0200d"}\n' 0 >>n.ndjson # more than the partition holds
    printf '{"n":21}\n' >>n.ndjson
    job large -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partition_bytes 128 --timeout 9 \
        n.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --count 21
    [ "$code" != 0 ] || fail "a refused event is no failure"
    says large.err "n.ndjson, line 21: "
    says large.err "21 events stored in 't', 1 not, 0 malformed lines"
    lines large.out 21
}

case_full() {
    documents
    job full -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partition_bytes 65536 --timeout 2 \
        events.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --count 10 --name slow
    want 1
    lines full.out 10
    says full.err "waiting for room: "
    says full.err "could not be stored and were given up"
}

case_data() {
    printf 'abcdefghij' >blob
    printf '%s\n' '{"n":0,"d":{"s":"h\u00e9llo"}}' '{"n":1,"d":{"s":""}}' '{"n":2}' '{"n":3,"d":{"s":7}}' >d.ndjson
    job pointer -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from /d/s d.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 2 --data base64
    [ "$code" != 0 ] || fail "missing data is no failure"
    [ "$(jq -r 'select(.metadata.n == 0).data' pointer.out | base64 -d)" = 'héllo' ] || fail "data"
    [ "$(jq -r 'select(.metadata.n == 1) | .data, .data_size' pointer.out | tr '\n' ,)" = ',0,' ] || fail "no data"
    says pointer.err "d.ndjson, line 3: --data-from /d/s: there is no such value"
    says pointer.err "d.ndjson, line 4: --data-from /d/s: the value is no string"
    for select in 0: 2:3 9:5 10:1 0:4; do
        offset=${select%:*} length=${select#*:}
        printf '{"n":1}\n' >one.ndjson
        job select -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:blob one.ndjson : \
            -n 1 "$ctl" consume "${driver[@]}" --topic t --count 1 --data base64 --select "$select"
        want 0
        expected=$(tail -c +$((offset + 1)) blob | head -c "${length:-99}")
        [ "$(jq -r .data select.out | base64 -d)" = "$expected" ] || fail "--select $select"
        [ "$(jq -r .data_size select.out)" = 10 ] || fail "data_size"
    done
    head -c 300000 /dev/urandom >large
    job file -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:large one.ndjson one.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 2 --data file:out --envelope
    want 0
    [ "$(jq -r .data_file file.out | tr '\n' ' ')" = "0-0 0-1 " ] || fail "names of data files"
    cmp large out/0-0 && cmp large out/0-1 || fail "data files"
    job base64 -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:large one.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 1 --data base64
    cmp large <(jq -r .data base64.out | base64 -d) || fail "base64 of much"
}

case_from() {
    printf '{"n":%d}\n' $(seq 0 9) >n.ndjson
    job from -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --from 7
    want 0
    [ "$(jq .n from.out | tr '\n' ' ')" = "7 8 9 " ] || fail "--from 7"
    job idle -n 1 "$ctl" produce "${driver[@]}" --topic t --create n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --timeout 1
    want 0
    lines idle.out 10
    says idle.err "no event for 1 s"
    job few -n 1 "$ctl" produce "${driver[@]}" --topic t --create n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --timeout 1 --count 11
    want 1
    says few.err "10 of 11 events"
    job rate -n 1 "$ctl" produce "${driver[@]}" --topic t --create --rate 10 n.ndjson : \
        -n 1 sh -c 'date +%s%N >from.time; "$0" "$@"; date +%s%N >to.time' \
        "$ctl" consume "${driver[@]}" --topic t --count 10
    want 0
    [ $((($(cat to.time) - $(cat from.time)) / 1000000)) -ge 850 ] || fail "--rate 10: 10 events in less than 0.9 s"
}

case_head() {
    documents
    job head -n 1 "$ctl" produce "${driver[@]}" --topic t --create events.ndjson : \
        -n 1 bash -c 'set -o pipefail; "$0" "$@" | head -2; echo "codes ${PIPESTATUS[*]}"' \
        "$ctl" consume "${driver[@]}" --topic t --follow
    want 0
    says head.out "codes 0 0"
    lines head.out 3
    silent head.err "consume:"
}

case_interrupt() {
    mkfifo in
    printf '{"n":%d}\n' $(seq 100) >n.ndjson
    (cat n.ndjson; until [ -e done ]; do sleep 0.1; done) >in &
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced produce.pid)" "$ctl" produce "${driver[@]}" --topic t --create in : \
        -n 1 sh -c "$(traced consume.pid)" "$ctl" consume "${driver[@]}" --topic t --follow \
        </dev/null >int.out 2>int.err &
    local job=$!
    for _ in $(seq 200); do [ "$(wc -l <int.out)" -lt 100 ] || break; sleep 0.05; done
    lines int.out 100 # what was read is there although nothing ended
    kill -INT "$(cat produce.pid)"
    for _ in $(seq 200); do grep -q interrupted int.err && break; sleep 0.05; done
    says int.err "100 events stored in 't', 0 not, 0 malformed lines; interrupted"
    kill -TERM "$(cat consume.pid)"
    wait $job || fail "exit code $?"
    touch done
    wait
}

case_forward() {
    documents
    head -c 5000 /dev/urandom >blob
    # Through a topic of another driver, in the forwarder's own process, and on.
    cat >chain.json <<'END'
{"drivers": {"own": {"type": "simple", "options": {}}},
 "forward": [{"from": "t", "to": {"topic": "s", "driver": "own", "create": {}}},
             {"from": {"topic": "s", "driver": "own"},
              "to": {"topic": "u", "create": {"options": {"partitions": 2, "expected_producers": 1}}}}]}
END
    head -3000 events.ndjson >some.ndjson
    timeout 60 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:blob \
        --topic.expected_producers 1 some.ndjson : \
        -n 1 sh -c "$(traced forward.pid)" "$ctl" forward "${driver[@]}" chain.json : \
        -n 1 "$ctl" consume "${driver[@]}" --topic u --count 3000 --data file:out </dev/null >chain.out 2>chain.err &
    local job=$!
    for _ in $(seq 400); do [ "$(wc -l <chain.out)" -lt 3000 ] || break; sleep 0.05; done
    kill -INT "$(cat forward.pid)" # nothing says that topic s is complete
    wait $job || fail "exit code $?"
    same some.ndjson chain.out
    for file in out/*; do cmp blob "$file" || fail "data of $file"; done
    says chain.err "t -> s: 3000 events pulled, 3000 stored, 0 not, 0 filtered out"
    says chain.err "s -> u: 3000 events pulled, 3000 stored, 0 not, 0 filtered out"
    # What the destination refuses is told; what was stored there is acknowledged, what was not is not.
    printf '{"n":%d}\n' $(seq 10) >n.ndjson
    printf '{"n":"%0300d"}\n' 0 >>n.ndjson
    echo '{"forward":[{"from":"t","to":{"topic":"u","create":{"options":{"partition_bytes":256,
        "expected_producers":1}}}}]}' >large.json
    job large -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 n.ndjson : \
        -n 1 "$ctl" forward "${driver[@]}" large.json : -n 1 "$ctl" consume "${driver[@]}" --topic u --follow
    [ "$code" != 0 ] || fail "a refused event is no failure"
    says large.err "t -> u: event 10 of partition 0: "
    says large.err "11 events pulled, 10 stored, 1 not, 0 filtered out"
    lines large.out 10
    # A full destination: what it did not store is still there for the next of that name.
    sed 's/"partition_bytes":256,/"partition_bytes":64,/; s/"from":"t"/"from":"t","consumer":"f"/' large.json >full.json
    head -10 n.ndjson >ten.ndjson
    timeout 60 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic t --create ten.ndjson : \
        -n 1 "$ctl" forward "${driver[@]}" --timeout 1 full.json : \
        -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control </dev/null >full.out 2>full.err &
    job=$!
    for _ in $(seq 200); do ! grep -q "events pulled" full.err || break; sleep 0.05; done
    says full.err "were given up"
    stored=$(sed -n 's/.* events pulled, \([0-9]*\) stored.*/\1/p' full.err)
    [ "$stored" -ge 1 ] && [ "$stored" -lt 10 ] || fail "$stored of 10 events fit"
    echo 'rest <- t (name = f)' >control
    for _ in $(seq 200); do [ ! -p rest ] || break; sleep 0.05; done
    timeout 20 head -n $((10 - stored)) rest >rest.out || fail "the rest"
    cmp <(tail -n $((10 - stored)) ten.ndjson) rest.out || fail "the rest is not what was not stored"
    kill -INT "$(cat fifo.pid)"
    wait $job && fail "a full destination is no failure"
    return 0
}

case_filter() {
    documents
    echo '{"forward":[{"from":"t","filter":{"alpha_3":[{"prefix":"a"}]},
        "to":{"topic":"u","create":{"options":{"expected_producers":1}}}}]}' >filter.json
    job filter -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 events.ndjson : \
        -n 1 "$ctl" forward "${driver[@]}" filter.json : -n 1 "$ctl" consume "${driver[@]}" --topic u --follow
    want 0
    jq -c 'select(.alpha_3 // "" | startswith("a"))' events.ndjson >expected.ndjson
    [ -s expected.ndjson ] || fail "nothing to expect"
    same expected.ndjson filter.out
}

case_fifo() {
    documents
    head -2000 events.ndjson >some.ndjson
    head -5 events.ndjson >few.ndjson
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control : \
        -n 1 "$ctl" topic create "${driver[@]}" t --topic.partitions 2 : \
        -n 1 "$ctl" topic create "${driver[@]}" u </dev/null >fifo.out 2>fifo.err &
    local job=$!
    for _ in $(seq 200); do [ ! -p control ] || break; sleep 0.05; done
    printf '%s\n' '# pipes' 'in -> t (format = json)' '"raw in" -> u' 'out <- t' 'raw.out <- u (name = r)' \
        'in -> u' 'x => u' 'y -> u (format = xml)' >control
    for path in in 'raw in' out raw.out; do
        for _ in $(seq 200); do [ ! -p "$path" ] || break; sleep 0.05; done
        [ -p "$path" ] || fail "no pipe $path"
    done
    # Writers and readers come and go.
    cat some.ndjson >in
    timeout 20 head -n 2000 out >got.out || fail "reading"
    same some.ndjson got.out
    for i in 1 2 3; do
        printf '%s' "line $i" >'raw in' # its end ends the line
        [ "$(timeout 20 head -n 1 raw.out)" = "line $i" ] || fail "writer $i"
    done
    { echo no JSON; cat few.ndjson; } >in
    timeout 20 head -n 5 out >got.out || fail "reading again"
    same few.ndjson got.out
    kill -INT "$(cat fifo.pid)"
    wait $job && fail "lines that were refused are no failure"
    says fifo.err "in, line 2001: it is not JSON: "
    says fifo.err "fifo: in: 2005 events stored in 't', 0 not, 1 malformed lines; interrupted"
    says fifo.err "'in' is a pipe of topic 't' already"
    says fifo.err "control, line 7, column 3: -> or <- is wanted, not '='"
    says fifo.err "control, line 8, column 18: format cannot be 'xml': it is one of raw json"
    [ ! -e control ] && [ ! -e in ] && [ ! -e out ] || fail "pipes stay behind"
    # A complete topic closes its pipe; what was there before stays.
    mkfifo own
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control : -n 1 "$ctl" \
        produce "${driver[@]}" --topic t --create --topic.expected_producers 1 few.ndjson </dev/null >end.out 2>end.err &
    job=$!
    for _ in $(seq 200); do [ ! -p control ] || break; sleep 0.05; done
    echo 'own <- t' >control
    timeout 20 cat own >got.out || fail "the pipe does not end"
    same few.ndjson got.out
    kill -TERM "$(cat fifo.pid)"
    wait $job || fail "exit code $?"
    [ -p own ] || fail "the pipe that was there is gone"
    echo text >plain
    job plain -n 1 "$ctl" fifo plain
    want 1
    says plain.err "'plain' exists and is no named pipe"
}

case_topics() {
    echo '{"partitions":2,"partition_bytes":4096}' >options.json
    job make -n 1 "$ctl" topic create t "${driver[@]}" --topic options.json --topic.partitions 3 \
        --validator.type default --validator '{"json":true}' --json : \
        -n 1 "$ctl" topic info t "${driver[@]}" --json
    want 0
    jq -c . make.out >both.out # launchers may join two ranks' lines
    [ "$(wc -l <both.out)" = 2 ] && [ "$(head -1 both.out)" = "$(tail -1 both.out)" ] || fail "create and info differ"
    [ "$(head -1 both.out | jq -cS '[.name, .options, .validator, (.partitions | length), .partitions[2].bytes]')" = \
        '["t",{"partition_bytes":4096,"partitions":3},{"json":true,"type":"default"},3,4096]' ] || fail "options"
    job order -n 1 "$ctl" topic create t "${driver[@]}" --topic.partitions 3 --topic options.json --json
    [ "$(jq .options.partitions order.out)" = 2 ] || fail "the later one wins"
    job list -n 1 "$ctl" topic create "${driver[@]}" t --topic.partitions 3 : \
        -n 1 "$ctl" produce "${driver[@]}" --topic t /dev/null : -n 1 "$ctl" topic list "${driver[@]}"
    want 0
    job text -n 1 "$ctl" topic create t "${driver[@]}" : -n 1 "$ctl" topic info t "${driver[@]}"
    says text.out "partition    0: owner 0"
    job twice -n 1 "$ctl" topic create t "${driver[@]}" : -n 1 "$ctl" topic create t "${driver[@]}"
    want 1
    says twice.err MOFKA_ERR_EXISTS
}

# top, with its output in FILE: other ranks write to the launcher's, too.
top_into() { printf 'echo $$ >top.pid; exec "$0" "$@" >%s' "$1"; }
holds() { # FILE FILTER: of all its lines together
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
    # It ends by itself while others go on, who do not wait for it and for whom it does not.
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
    kill -INT "$(cat top.pid)" # the others go on
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
    # What a look leaves on the screen: from "home" to "clear the rest".
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

# Beside the benchmark, whose driver's options it does not know.
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
    bad "--watchers is of stream, not of raw" -n 2 "$bench" raw --watchers 1
    bad "leaves the last 2 of 3 ranks to other programs, but rank 1 is mofka-bench" -n 2 "$bench" stream --watchers 2
}

refuses() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    job refuses -n 1 "$ctl" "$@"
    want 2
    says refuses.err "$message"
}

case_usage() {
    refuses "no command"
    refuses "unknown command 'prodcue'" prodcue
    refuses "topic is followed by create, list or info, not by 'destroy'" topic destroy
    refuses "a topic NAME is missing" topic create
    refuses "not also 'b'" topic create a b
    refuses "unknown argument 'x'" topic list x
    refuses "unknown option '-j'" topic list -j
    refuses "unknown option '--jsno'; known are --json, --driver, --close-timeout" topic list --jsno
    refuses "--json takes no value" topic list --json=1
    refuses "a value is missing after '--topic'" consume --topic
    refuses "--topic NAME is missing" consume
    refuses "--count cannot be '-1': it is a whole number from 0" consume --topic t --count -1
    refuses "--count cannot be '1.5'" consume --topic t --count 1.5
    refuses "--timeout cannot be 'soon': it is a number of seconds from 0, or inf" consume --topic t --timeout soon
    refuses "--from cannot be 'start': it is beginning, end, or the id" consume --topic t --from start
    refuses "--data cannot be 'hex': it is none, base64 or file:DIR" consume --topic t --data hex
    refuses "--select cannot be '3': it is OFFSET:LENGTH" consume --topic t --data base64 --select 3
    refuses "--select is of data" consume --topic t --select 0:3
    refuses "--data-from cannot be 'field': it is a JSON pointer such as /field/name, or file:PATH" \
        produce --topic t --data-from field
    refuses "--key cannot be 'a': it is a JSON pointer" produce --topic t --create --key a
    refuses "they need --create" produce --topic t --topic.partitions 3
    refuses "--key chooses the selector" produce --topic t --create --key /a --selector.type default
    refuses "cannot read '/nowhere/file'" topic create t --topic /nowhere/file
    refuses "--validator: the text is not JSON: " topic create t --validator '{"type":'
    refuses "'a' is a value already" topic create t --validator.a 1 --validator.a.b 2
    refuses "keys are 1 to 64 names" topic create t --validator.a..b 2
    refuses 'unknown option "partitons"; known: "partitions"' topic create t --topic.partitons 3
    refuses 'option "partitions" must be a whole number' topic create t --topic.partitions many
    refuses 'option "window" must be one of its words "auto" "shm" "rma"' topic list --driver.window ram
    refuses "driver type 'nosuch': libmofka-nosuch.so" topic list --driver.type nosuch
    refuses "--interval cannot be '9': it is a whole number from 10 to 86400000" top --interval 9
    refuses "--for cannot be '-1': it is a number of seconds" top --for -1
    refuses "--terminal is for the table, not for --json" top --json --terminal /dev/null
    refuses "unknown argument 't'" top t
    refuses "CONFIG.json is missing" forward
    config() { # MESSAGE JSON
        echo "$2" >config.json
        refuses "$1" forward config.json
    }
    config "options are not a JSON object" '[]'
    config '"forward" must be an array of 1 to 64' '{"forward":[]}'
    config 'unknown option "forwards"; known: "drivers", "forward"' '{"forwards":[]}'
    config 'forward[0]: "to" is missing' '{"forward":[{"from":"t"}]}'
    config "forward[0].to: there is no driver 'x'" '{"forward":[{"from":"t","to":{"topic":"u","driver":"x"}}]}'
    config 'forward[0].from: unknown option "create"' '{"forward":[{"from":{"topic":"t","create":{}},"to":"u"}]}'
    config "topic 't' goes to itself" '{"forward":[{"from":"t","to":"t"}]}'
    config 'drivers.d: "type" is missing' '{"drivers":{"d":{}},"forward":[{"from":"t","to":"u"}]}'
    config "drivers.d: the job has its MPI driver already" '{"drivers":{"d":{"type":"mpi"}},"forward":[]}'
    # One rank's slip ends the job: the others would wait for it.
    job both -n 1 "$ctl" topic list : -n 1 "$ctl" topic lits
    want 2
    says both.err "topic is followed by"
    job version -n 1 "$ctl" --version
    want 0
    grep -qE '^mofkactl [0-9]+\.[0-9]+' version.out || fail "--version"
    job help -n 1 "$ctl" --help
    want 0
    says help.out "Exit codes"
    job help -n 1 "$ctl" consume --help
    says help.out "--envelope"
}

"case_$case_"
echo "$case_ ($window): good"
