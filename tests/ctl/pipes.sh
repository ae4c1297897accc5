# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# forward and fifo. Cases of ctl_test.sh.

case_forward() {
    documents
    head -c 5000 /dev/urandom >blob
    # Events pass through a topic of another driver, in the forwarder's process.
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
    until_lines chain.out 3000
    kill -INT "$(cat forward.pid)" # topic s never becomes complete
    wait $job || fail "exit code $?"
    same some.ndjson chain.out
    for file in out/*; do cmp blob "$file" || fail "data of $file"; done
    says chain.err "t -> s: 3000 events pulled, 3000 stored, 0 not, 0 filtered out"
    says chain.err "s -> u: 3000 events pulled, 3000 stored, 0 not, 0 filtered out"
    # Refused events are reported. Only stored events are acknowledged.
    printf '{"n":%d}\n' $(seq 10) >n.ndjson
    printf '{"n":"%0300d"}\n' 0 >>n.ndjson
    echo '{"forward":[{"from":"t","to":{"topic":"u","create":{"options":{"partition_bytes":256,
        "expected_producers":1}}}}]}' >large.json
    job large -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 n.ndjson : \
        -n 1 "$ctl" forward "${driver[@]}" large.json : \
        -n 1 "$ctl" consume "${driver[@]}" --topic u --follow --name reader
    [ "$code" != 0 ] || fail "a refused event is no failure"
    says large.err "t -> u: event 10 of partition 0: "
    says large.err "11 events pulled, 10 stored, 1 not, 0 filtered out"
    lines large.out 10
    # A full destination: the next consumer of that name gets the events that were not stored.
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

# The man page's example of a driver of another library.
case_example_forward() {
    local page=$here/../../mpi/ctl/mofkactl.1
    mandoc -Tascii "$page" | sed 's/.\x08//g' | sed -n '/Forward the topic to a driver/,/Read the store of a job/p' |
        sed '1,2d; $d; s/^ *//' >example.sh
    printf '{"n":%d}\n' $(seq 100) >events.ndjson
    cp "$libraries/libmofka-simple.so" libsimple.so
    mpiexec() { timeout 60 "${launch[@]}" "$@" </dev/null; }
    PATH=$(dirname "$ctl"):$PATH
    . ./example.sh 2>example.err >example.out || fail "exit code $?"
    says example.err "t -> copy: 100 events pulled, 100 stored, 0 not, 0 filtered out"
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
    # An array is a value in the original's dialect.
    printf '{"a":%s}\n' '["x"]' '"x"' '"y"' >a.ndjson
    filtered() { # NAME MEMBERS-OF-THE-RULE [EVENTS]
        echo "{\"forward\":[{\"from\":\"t\",$2,\"to\":{\"topic\":\"u\",
            \"create\":{\"options\":{\"expected_producers\":1}}}}]}" >"$1.json"
        job "$1" -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 "${3:-a.ndjson}" : \
            -n 1 "$ctl" forward "${driver[@]}" "$1.json" : -n 1 "$ctl" consume "${driver[@]}" --topic u --follow
    }
    filtered amazon '"filter":{"a":["x"]}'
    want 0
    [ "$(tr '\n' ' ' <amazon.out)" = '{"a":["x"]} {"a":"x"} ' ] || fail "amazon"
    filtered original '"filter":{"a":["x"]},"dialect":"original"'
    want 0
    [ "$(cat original.out)" = '{"a":"x"}' ] || fail "original"
    echo '{"forward":[{"from":"t","to":"u","dialect":"Amazon"}]}' >wrong.json
    refuses 'forward[0]: option "dialect"' forward wrong.json
    # What the filter cannot decide is not filtered out: here a thousand walks over a large event.
    local branches='[{"$or":[{"b":0},{"b":1},{"b":2},{"b":3},{"b":4},{"b":5},{"b":6},{"b":7},{"b":8},{"b":9}]}]'
    { echo '{"y":0}'; printf '{"x":"%0400000d"}\n{"z":0}\n' 0; } >large.ndjson
    filtered undecided "\"filter\":{\"k\":$branches,\"l\":$branches,\"m\":$branches}" large.ndjson
    want 1
    says undecided.err "t -> u: event 1 of partition 0: matching the event with the pattern takes more than"
    says undecided.err "t -> u: 3 events pulled, 0 stored, 1 not, 2 filtered out"
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
        printf '%s' "line $i" >'raw in' # the end of the file ends the line
        [ "$(timeout 20 head -n 1 raw.out)" = "line $i" ] || fail "writer $i"
    done
    { echo no JSON; cat few.ndjson; } >in
    timeout 20 head -n 5 out >got.out || fail "reading again"
    same few.ndjson got.out
    kill -INT "$(cat fifo.pid)"
    wait $job && fail "lines that were refused are no failure"
    says fifo.err "in, line 2001: the line is not JSON: "
    says fifo.err "fifo: in: 2005 events stored in 't', 0 not, 1 malformed lines; interrupted"
    says fifo.err "'in' is already a pipe of topic 't'"
    says fifo.err "control, line 7, column 3: -> or <- is needed, not '='"
    says fifo.err "control, line 8, column 18: format cannot be 'xml': it must be one of raw json"
    [ ! -e control ] && [ ! -e in ] && [ ! -e out ] || fail "pipes stay behind"
    # A complete topic closes its pipe. A pipe that existed before stays.
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
    says plain.err "'plain' exists and is not a named pipe"
}

# Lines that are not JSON become strings in envelopes, so the output is lines of JSON.
case_raw() {
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control : \
        -n 1 "$ctl" topic create "${driver[@]}" t : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --envelope --count 7 </dev/null >raw.out 2>raw.err &
    local job=$!
    until_pipe control
    echo 'in -> t' >control
    until_pipe in
    printf 'say "x\\y" \xc3\xa9\ncut \xc3\nlong \xc0\xaf \xed\xa0\x80\n\x01\t{\n01\n\nend \r\r\n{"n":1.10}\n' >in
    until_lines raw.out 7
    kill -INT "$(cat fifo.pid)"
    wait $job || fail "exit code $?"
    says raw.err "fifo: in: 7 events stored in 't', 0 not, 0 malformed lines; interrupted"
    jq -r '.metadata | strings' raw.out >strings.txt || fail "no NDJSON"
    cmp strings.txt <(printf 'say "x\\y" é\ncut \xef\xbf\xbd\nlong \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n\x01\t{\n01\nend \r\r\n') || fail "strings"
    says raw.out '"metadata":{"n":1.10}}'
}
