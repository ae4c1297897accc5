# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# produce and consume. Cases of ctl_test.sh.

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
    for line in 2 5 6; do says lax.err "bad.ndjson, line $line: the line is not JSON: "; done
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
        n.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --count 21 --name reader
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
    says pointer.err "d.ndjson, line 3: --data-from /d/s: the value is missing"
    says pointer.err "d.ndjson, line 4: --data-from /d/s: the value is not a string"
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
    until_lines int.out 100
    lines int.out 100 # the lines read are stored although the input did not end
    kill -INT "$(cat produce.pid)"
    for _ in $(seq 200); do grep -q interrupted int.err && break; sleep 0.05; done
    says int.err "100 events stored in 't', 0 not, 0 malformed lines; interrupted"
    kill -TERM "$(cat consume.pid)"
    wait $job || fail "exit code $?"
    touch done
    wait
}

# Each line is one that lenient readers accept, or one that only looks like JSON.
case_strict_json() {
    printf '%s\n' '{"n":1}' '{"n":01}' '{"n":2,}' '{"n":.5}' '{"n":1.}' '{"n":+1}' "{'n':1}" '{"n":NaN}' '{"n":True}' \
        '[1] [2]' '"\ud800"' '"\x"' '/* c */ 1' '{"n":2}' >bad.ndjson
    printf '"tab\there"\n"byte \x01"\n"cut \xc3"\n"long \xc0\xaf"\n"half \xed\xa0\x80"\n{"n":"\xff"}\n' >>bad.ndjson
    printf '%s\n' '"é😀"' '{"n":1,"n":2}' '12345678901234567890.10' >>bad.ndjson # these are JSON
    job strict -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 bad.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --envelope --follow
    [ "$code" != 0 ] || fail "malformed lines are no failure"
    for line in $(seq 2 13) $(seq 15 20); do says strict.err "bad.ndjson, line $line: the line is not JSON: "; done
    says strict.err "5 events stored in 't', 0 not, 18 malformed lines"
    jq -e .id strict.out >ids.out || fail "the envelopes are no NDJSON"
    says strict.out '"metadata":12345678901234567890.10}'
    says strict.out '"metadata":{"n":1,"n":2}}'
    # The first twenty failures are reported, further ones only counted.
    printf '{"n":%d,}\n' $(seq 30) >many.ndjson
    job many -n 1 "$ctl" produce "${driver[@]}" --topic t --create many.ndjson
    want 1
    says many.err "many.ndjson, line 20: the line is not JSON"
    silent many.err "line 21"
    says many.err "further failures are only counted"
    says many.err "0 events stored in 't', 0 not, 30 malformed lines"
}

case_files() {
    printf '{"n":%d}\n' 1 2 3 >n.ndjson
    job missing -n 1 "$ctl" produce "${driver[@]}" --topic t --create nosuch.ndjson n.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 3
    [ "$code" != 0 ] || fail "a missing file is no failure"
    says missing.err "cannot read 'nosuch.ndjson': No such file"
    says missing.err "3 events stored in 't', 0 not, 0 malformed lines"
    job strict -n 1 "$ctl" produce "${driver[@]}" --topic t --create --strict nosuch.ndjson n.ndjson
    want 1
    says strict.err "0 events stored in 't', 0 not, 0 malformed lines"
    mkdir folder
    job folder -n 1 "$ctl" produce "${driver[@]}" --topic t --create folder
    want 1
    says folder.err "reading 'folder': Is a directory"
    job data -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:nosuch n.ndjson
    want 1
    says data.err "'file:nosuch': the file cannot be read"
    # Zero bytes are ordinary data.
    printf '%s\n' '{"d":["x","a\u0000b"],"a~/b":"t"}' >zero.ndjson
    job zero -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from /d/1 zero.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 1 --data base64
    want 0
    [ "$(jq -r .data zero.out)" = "$(printf 'a\0b' | base64)" ] || fail "a zero byte"
    job token -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from '/a~0~1b' zero.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 1 --data base64
    [ "$(jq -r .data token.out | base64 -d)" = t ] || fail "a name with ~ and /"
}

case_wait() {
    local start=$SECONDS
    job vain -n 1 "$ctl" consume "${driver[@]}" --topic nosuch --timeout 1
    want 1
    says vain.err "waited 1 s (--timeout) for topic 'nosuch'"
    job vain -n 1 "$ctl" produce "${driver[@]}" --topic nosuch --timeout 1 /dev/null
    want 1
    says vain.err "waited 1 s (--timeout) for topic 'nosuch'"
    job vain -n 1 "$ctl" topic info nosuch "${driver[@]}" --timeout 0
    want 1
    [ $((SECONDS - start)) -lt 20 ] || fail "waiting is not bounded"
    # A topic that comes later is found.
    job late -n 1 sh -c 'sleep 1; exec "$0" "$@"' "$ctl" topic create t "${driver[@]}" --topic.expected_producers 0 : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --timeout 3
    says late.err "no event for 3 s (--timeout), and topic 't' is not complete"
}

case_from_end() {
    mkfifo in
    printf '{"n":%d}\n' 1 2 3 >before.ndjson
    printf '{"n":%d}\n' 4 5 6 >after.ndjson
    (cat before.ndjson; until [ -e go ]; do sleep 0.05; done; cat after.ndjson) >in &
    timeout 60 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 in : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 3 : \
        -n 1 sh -c 'exec env CTL_TEST_CONSUMER_MS=2000 LD_PRELOAD=$0/libctl_preload.so "$@" >end.txt' "$libraries" \
        "$ctl" consume --topic t --from end --follow --name last : \
        -n 1 sh -c 'exec "$0" "$@" >top.json' "$ctl" top --interval 50 --json </dev/null >end.out 2>end.err &
    local job=$!
    for _ in $(seq 200); do ! grep -q '"name":"last","live":true' top.json 2>/dev/null || break; sleep 0.05; done
    lines end.out 3 # the events from before
    silent top.json '"name":"mofkactl' # who has no name observes
    touch go
    wait $job || fail "exit code $?"
    wait
    cmp after.ndjson end.txt || fail "from the end: $(cat end.txt)"
    printf '{"n":%d}\n' $(seq 0 9) >n.ndjson
    job ids -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitions 2 --topic.expected_producers 1 \
        n.ndjson : -n 1 "$ctl" consume "${driver[@]}" --topic t --from 3 --envelope
    want 0
    [ "$(jq -c '[.partition, .id]' ids.out | sort | tr -d '\n')" = '[0,3][0,4][1,3][1,4]' ] || fail "--from 3"
}

case_batches() {
    printf '{"n":%d}\n' $(seq 70) >n.ndjson
    export MOFKA_STATS_FILE=$work/stats-%r.ndjson MOFKA_STATS_INTERVAL_MS=60000
    job batch -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 --batch-size 7 n.ndjson : \
        -n 1 env CTL_TEST_CONSUMER_MS=1000 LD_PRELOAD="$libraries/libctl_preload.so" "$ctl" consume "${driver[@]}" --topic t --batch-size 5 --follow
    unset MOFKA_STATS_FILE MOFKA_STATS_INTERVAL_MS
    want 0
    lines batch.out 70
    jq -se 'last.closed.producers | .events_stored == 70 and .batches_stored >= 10 and .batches_stored <= 20' stats-0.ndjson >/dev/null ||
        fail "batches: $(tail -1 stats-0.ndjson)"
    # All events are stored when the consumer starts, and it still fetches five at a time.
    jq -se 'last.closed.consumers | .events_pulled == 70 and .runs >= 14 and .runs <= 30' stats-1.ndjson >/dev/null ||
        fail "batches: $(tail -1 stats-1.ndjson)"
}

case_rate() {
    printf '{"n":%d}\n' $(seq 20) >n.ndjson
    local start end
    start=$(date +%s%N)
    job rate -n 1 "$ctl" produce "${driver[@]}" --topic t --create --rate 20 n.ndjson
    end=$(date +%s%N)
    want 0
    [ $(((end - start) / 1000000)) -ge 900 ] || fail "20 events at 20 a second in less than 0.95 s"
    # An interruption ends a pause of the rate, and the lines read are stored.
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced produce.pid)" "$ctl" produce "${driver[@]}" --topic t --create \
        --rate 0.01 n.ndjson </dev/null >slow.out 2>slow.err &
    local job=$!
    until_there produce.pid
    until_read "$(cat produce.pid)" n.ndjson
    kill -INT "$(cat produce.pid)"
    wait $job || fail "exit code $?"
    says slow.err "20 events stored in 't', 0 not, 0 malformed lines; interrupted"
}

case_validated() {
    printf '{"level":"%s","n":%d}\n' high 1 low 2 high 3 >levels.ndjson
    echo '{"type":"eventbridge","pattern":{"level":["low"]}}' >validator.json
    echo '{"partitions":2,"partition_bytes":8192}' >topic.json
    job valid -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic-options topic.json \
        --topic.expected_producers 1 --validator validator.json --validator.pattern.level '["high"]' levels.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --follow
    [ "$code" != 0 ] || fail "a refused event is no failure"
    says valid.err "levels.ndjson, line 2: "
    says valid.err "2 events stored in 't', 1 not, 0 malformed lines"
    [ "$(jq .n valid.out | sort | tr '\n' ' ')" = "1 3 " ] || fail "what the validator lets pass"
    job info -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic-options topic.json \
        --topic.partition_bytes 4096 --validator validator.json /dev/null : -n 1 "$ctl" topic info t "${driver[@]}" --json
    [ "$(jq -c '[.options, .validator, (.partitions | length)]' info.out)" = \
        '[{"partitions":2,"partition_bytes":4096},{"type":"eventbridge","pattern":{"level":["low"]}},2]' ] || fail "options"
    job strict -n 1 "$ctl" produce "${driver[@]}" --topic t --create --strict --validator validator.json \
        --validator.pattern.level '["high"]' levels.ndjson
    want 1
    says strict.err "line 2: "
    # A topic that exists with the selector that --key means.
    job key -n 1 "$ctl" topic create t "${driver[@]}" --selector.type key --selector.pointer /level --topic.partitions 2 : \
        -n 1 "$ctl" produce "${driver[@]}" --topic t --key /level levels.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 3 --envelope
    want 0
    [ "$(jq -r 'select(.metadata.level == "high").partition' key.out | sort -u | wc -l)" = 1 ] || fail "one key, one partition"
    # A file that is named twice is pushed twice.
    job twice -n 1 "$ctl" produce "${driver[@]}" --topic t --create levels.ndjson levels.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 6
    want 0
    cmp <(cat levels.ndjson levels.ndjson) twice.out || fail "twice"
}
