# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Stores in files, without a job. Cases of ctl_test.sh.

offline() { # NAME CODE ARGUMENTS...: mofkactl without a launcher
    local name=$1 expected=$2
    shift 2
    code=0
    timeout 60 "$ctl" "$@" >"$name.out" 2>"$name.err" </dev/null || code=$?
    want "$expected"
}
store() { # NAME CODE ARGUMENTS...: mofkactl log
    offline "$1" "$2" log "${@:3}"
}
numbers() { seq "$1" "$2" | sed 's/.*/{"n":&}/'; }
info() { # FILTER: a line of what log info printed to info.out
    jq -r "$1" info.out || fail "info.out: $1"
}

case_log() {
    numbers 1 300 >events
    local files=(--driver.type files --driver.store "$work/s") segment
    job made -n 1 "$ctl" topic create t "${files[@]}" --topic.partitions 2
    want 0
    job filled -n 1 "$ctl" produce "${files[@]}" --topic t events --batch-size 10
    want 0
    store list 0 list s
    lines list.out 2
    [ "$(awk '{ sum += $4 } END { print sum }' list.out)" = 300 ] || fail "300 events are listed"
    store dump 0 dump s
    cut -f6 dump.out | sort | cmp - <(sort events) || fail "what is dumped is what was pushed"
    store none 2 dump s --partition 2
    says none.err "no topic has a partition 2"
    store good 0 verify s
    # A byte of the first batch.
    segment=$(ls s/topics/t%/0000/*.log)
    printf x | dd of="$segment" bs=1 seek=4300 conv=notrunc status=none
    store bad 1 verify s
    says bad.out "${segment##*/}, byte "
    says bad.out "are damaged"
    store repair 0 repair s
    says repair.out "t	0	10 events given up"
    store again 0 verify s
    store cut 0 cut s --topic t --ends '[20,30]'
    store list 0 list s
    [ "$(cut -f4 list.out | tr '\n' ' ')" = "20 30 " ] || fail "the topic is cut"
    store far 2 cut s --topic t --ends '[20,31]'
    says far.err "cannot be cut at 31"
    store wrong 2 cut s --topic t --ends '[20]'
    store missing 2 list nowhere
    says missing.err "nowhere is no store"
    job writer -n 1 "$ctl" produce "${files[@]}" --topic t events
    want 0
    store unlock 0 unlock s
    refuses "log is followed by list, info, dump, verify, repair, cut or unlock, not by 'x'" log x
    refuses "unknown option '--driver'" log list s --driver '{}'
    refuses "--topic and --ends are needed" log cut s
}

case_log_info() {
    numbers 1 300 >events
    offline made 0 topic create t --store s --topic.partitions 2 --topic.segment_bytes 4096
    offline filled 0 produce --store s --topic t events --batch-size 10
    offline read 0 consume --store s --topic t --name reader --count 100
    store info 0 info s
    [ "$(info '.topic, .uuid' | tr '\n' ' ' | sed 's/[0-9a-f]\{32\}/UUID/')" = "t UUID " ] || fail "name and uuid"
    [ "$(info '[.options.segment_bytes, .partitions[].partition] | @csv')" = 4096,0,1 ] || fail "options"
    [ "$(info '[.partitions[] | .next_id - .first_id] | add')" = 300 ] || fail "300 events"
    [ "$(info '[.partitions[].consumers[] | select(.name == "reader").lag] | add')" = 200 ] || fail "the reader's lag"
    [ "$(info '[.partitions[] | .writer, .complete, .torn_bytes] | @json')" = '[null,false,0,null,false,0]' ] ||
        fail "state"
    [ "$(info '.partitions[0].segments | length')" -gt 3 ] || fail "several segments"
    [ "$(info '[.partitions[0].segments[].bytes] | add')" = "$(cat s/topics/t%/0000/*.log | wc -c)" ] || fail "bytes"
    [ -s "$(info '.partitions[0] | .folder + "/" + .segments[0].file')" ] || fail "the first file"
    info '.partitions[] | select(.first_stored > .last_stored or .first_stored < "2020")' | cmp - /dev/null ||
        fail "times"
    [ "$(info '.partitions[0].host')" = "$(uname -n)" ] || fail "host"
    # A writer that lives, and one that was killed.
    mkfifo lines
    "$ctl" produce --store s --topic t lines 2>writer.err &
    local writer=$! tries
    exec 7>lines
    for tries in $(seq 200); do
        store info 0 info s --partition 1
        [ "$(info '.partitions[0].writer != null')" = false ] || break
        sleep 0.05
    done
    [ "$(info '[.partitions[] | .partition, .writer.pid, .writer.locked] | @csv')" = "1,$writer,true" ] ||
        fail "a writer"
    offline second 1 produce --store s --topic t events
    says second.err "s/topics/t%/0000/lock: in use by process $writer of $(uname -n) since 20"
    kill -9 "$writer"
    local code=0
    wait "$writer" 2>/dev/null || code=$?
    [ "$code" = 137 ] || fail "the writer ended before it was killed"
    exec 7>&-
    store info 0 info s --partition 1
    [ "$(info '[.partitions[] | .writer.pid, .writer.locked] | @csv')" = "$writer,false" ] || fail "a dead writer"
    offline third 0 produce --store s --topic t events
    store info 0 info s --topic t
    [ "$(info '[.partitions[] | .writer] | @json')" = '[null,null]' ] || fail "the writer has left"
    store none 2 info s --topic u
    says none.err "the store s has no topic 'u'"
}

case_store() {
    numbers 1 100 >events
    offline missing 2 consume --store s --topic t
    says missing.err "s is no store: it has no store.json"
    [ ! -e s ] || fail "a reader makes no store"
    offline missing 2 produce --store s --topic t events
    says missing.err "s is no store"
    offline made 0 produce --store s --topic t --create --topic.partitions 1 events
    offline list 0 topic list --store s
    [ "$(cat list.out)" = "t	1" ] || fail "a list of the topic"
    offline all 0 consume --store s --topic t
    cmp events all.out || fail "all events"
    says all.err "topic 't' is not complete: --follow or --timeout waits for more events"
    offline none 1 consume --store s --topic u
    says none.err "the store s has no topic 'u'"
    offline tail 0 consume --store s --topic t --from 90 --count 3 --envelope
    [ "$(jq -c '[.id, .metadata.n]' tail.out | tr '\n' ' ')" = "[90,91] [91,92] [92,93] " ] || fail "--from and --count"
    offline all 0 consume --store s --topic t --name back
    offline back 0 consume --store s --topic t --name back --from 90 --count 3 --envelope
    [ "$(jq .id back.out | tr '\n' ' ')" = "90 91 92 " ] || fail "a name goes back to --from"
    offline end 0 consume --store s --topic t --from end
    cmp end.out /dev/null || fail "--from end"
    # A name keeps its place; without one nothing is written.
    offline first 0 consume --store s --topic t --name a --count 40
    offline second 0 consume --store s --topic t --name a
    cat first.out second.out | cmp events - || fail "a name keeps its place"
    find s -type f -exec cksum {} + >before
    offline again 0 consume --store s --topic t --batch-size 7
    find s -type f -exec cksum {} + | cmp before - || fail "a reader without a name writes nothing"
    # Beside a writer.
    mkfifo lines
    "$ctl" produce --store s --topic t lines 2>writer.err &
    local writer=$!
    exec 7>lines
    timeout 60 "$ctl" consume --store s --topic t --follow --count 150 </dev/null >follow.out 2>follow.err &
    local reader=$!
    until_lines follow.out 1
    numbers 101 150 >&7
    exec 7>&-
    wait "$writer" || fail "the writer"
    wait "$reader" || fail "the reader"
    numbers 1 150 | cmp - follow.out || fail "--follow"
    # Damage.
    printf x | dd of="$(printf '%s\n' s/topics/t%/0000/*.log | head -1)" bs=1 seek=4300 conv=notrunc status=none
    offline damaged 1 consume --store s --topic t
    says damaged.err "are damaged"
    offline skipped 1 consume --store s --topic t --skip-damaged
    says skipped.err "events were lost"
    refuses "--store names the driver already" consume --store s --topic t --driver.window shm
    offline deleted 1 topic delete t --store s
    says deleted.err "UNSUPPORTED"
}

# One store, in a job and without one: whichever driver made a topic, its events are in its files.
case_store_both() {
    local files=(--driver.type files --driver.store "$work/s") mpi=("${driver[@]}" --driver.store "$work/s")
    numbers 1 3 >first
    numbers 4 6 >second
    numbers 7 9 >third
    offline files 0 topic create t --store s --topic.durability synced
    job files -n 1 "$ctl" topic create d "${files[@]}"
    want 0
    job made -n 1 "$ctl" topic create u "${mpi[@]}" --topic.partition_events 64 --topic.storage.segment_bytes 4096
    want 0
    for topic in t d u; do
        offline first 0 produce --store s --topic $topic first
        job second -n 1 "$ctl" produce "${mpi[@]}" --topic $topic second
        want 0
        offline third 0 produce --store s --topic $topic third
        offline read 0 consume --store s --topic $topic
        numbers 1 9 | cmp - read.out || fail "topic $topic has all events, in order"
        job read -n 1 "$ctl" consume "${mpi[@]}" --topic $topic --count 9
        want 0
        numbers 1 9 | cmp - read.out || fail "a job reads all of topic $topic"
    done
    job info -n 1 "$ctl" topic info "${mpi[@]}" t
    says info.out '{"partitions":1,"storage":{"durability":"synced"}}'
}

case_store_forward() {
    numbers 1 100 >events
    offline made 0 produce --store a --topic t --create --topic.partitions 2 events
    cat >copy.json <<END
{"drivers": {"b": {"type": "files", "options": {"store": "b"}}},
 "forward": [{"from": "t", "consumer": "copy", "filter": {"n": [{"numeric": ["<=", 60]}]},
              "to": {"topic": "u", "driver": "b", "create": {"options": {"partitions": 1, "durability": "synced"}}}}]}
END
    offline copy 0 forward --store a --idle 0 copy.json
    says copy.err "t -> u: 100 events pulled, 60 stored, 0 not, 40 filtered out"
    offline copied 0 consume --store b --topic u
    same copied.out <(numbers 1 60)
    offline again 0 forward --store a --idle 0 copy.json
    says again.err "t -> u: 0 events pulled"
    # Out of a job, and into one.
    echo '{"drivers": {"c": {"type": "files", "options": {"store": "c"}}},
        "forward": [{"from": "t", "to": {"topic": "t", "driver": "c", "create": {}}}]}' >out.json
    job out -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.expected_producers 1 events : \
        -n 1 "$ctl" forward "${driver[@]}" out.json
    want 0
    offline kept 0 consume --store c --topic t
    same kept.out events
    echo '{"drivers": {"c": {"type": "files", "options": {"store": "c", "resume": "must"}}},
        "forward": [{"from": {"topic": "t", "driver": "c"}, "to": {"topic": "t", "create": {}}}]}' >in.json
    job in -n 1 "$ctl" forward "${driver[@]}" --idle 0 in.json : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --count 100
    want 0
    same in.out events
    echo '{"drivers": {"x": {"type": "files", "options": {"store": "nowhere", "resume": "must"}}},
        "forward": [{"from": {"topic": "t", "driver": "x"}, "to": "u"}]}' >bad.json
    offline bad 2 forward --store a bad.json
    says bad.err "drivers.x: nowhere is no store"
}

case_example_store() {
    mandoc -Tascii "$here/../../mpi/ctl/mofkactl.1" | sed 's/.\x08//g' |
        sed -n '/Read the store of a job/,/Watch a benchmark/p' | sed '1,2d; $d; s/^ *//' >example.sh
    numbers 1 100 >events.ndjson
    offline made 0 produce --store events --topic t --create events.ndjson
    PATH=$(dirname "$ctl"):$PATH
    . ./example.sh 2>example.err >example.out || fail "exit code $?"
    says example.out '{"first_id":0,"next_id":100}'
    lines example.out 51
    says example.err "t -> t: 100 events pulled, 100 stored, 0 not, 0 filtered out"
}

# Options of a topic that are objects: keys in any depth.
case_nested_options() {
    job made -n 1 "$ctl" topic create t "${driver[@]}" --topic '{"x": {"a": 1}}' --topic.x.b.c synced --topic.x.b.d 0x
    want 2
    says made.err '"x"'
    offline made 0 topic create t --store s --topic.durability synced --topic.segment_bytes 8192 \
        --validator.type eventbridge --validator.pattern.a.b '["x"]' --validator.pattern.a.c '[1]'
    store info 0 info s
    [ "$(info '[.options, .validator.pattern] | @json')" = \
        '[{"durability":"synced","segment_bytes":8192},{"a":{"b":["x"],"c":[1]}}]' ] || fail "nested options"
}

# Each is named, with its file and what to do; no file is lost.
case_store_input() {
    numbers 1 100 >events
    offline made 0 produce --store s --topic t --create --batch-size 10 events
    offline other 0 topic create u --store o
    cp -a s kept
    wrong() { # MESSAGE COMMAND...: refused by log list, info, verify and consume
        local message=$1 command
        shift
        rm -rf s
        cp -a kept s
        "$@"
        rm -rf before
        cp -a s before
        for command in "log info s" "log verify s" "consume --store s --topic t"; do
            read -ra words <<<"$command"
            code=0
            "$ctl" "${words[@]}" >wrong.out 2>wrong.err </dev/null || code=$?
            [ "$code" != 0 ] || fail "$command: $message"
            cat wrong.err >>wrong.out
            says wrong.out "$message"
        done
        diff -r before s || fail "files were changed: $message"
    }
    wrong "s/store.json has format version 2" sed -i 's/"format":1/"format":2/' s/store.json
    wrong "s/store.json is damaged, or was edited" sed -i 's/"uuid":"./"uuid":"z/' s/store.json
    wrong "s/topics/t%/topic.json has format version 3" sed -i 's/"format":1/"format":3/' s/topics/t%/topic.json
    wrong "s/topics/t%/topic.json is damaged, or was edited" truncate -s 100 s/topics/t%/topic.json
    wrong "0000 is missing; its files were made on host '$(uname -n)'" rm -r s/topics/t%/0000
    wrong "belongs to another store" cp o/store.json s/store.json
    offline list 2 log dump nowhere
    says list.err "nowhere is no store: it has no store.json"
    # What is in the way of writing only.
    unwritable() { # MESSAGE COMMAND...
        local message=$1
        shift
        rm -rf s
        cp -a kept s
        "$@"
        offline unwritable 1 produce --store s --topic t events
        says unwritable.err "$message"
        offline read 0 consume --store s --topic t
        cmp events read.out || fail "events are there: $message"
        offline repaired 0 log repair s
        offline written 0 produce --store s --topic t events
    }
    unwritable "places: its header is damaged" dd if=/dev/zero of=s/topics/t%/0000/places bs=4096 count=1 status=none
    unwritable "places is missing" rm s/topics/t%/0000/places
    store unlock 0 unlock s
}

# The same in a job: the rank that finds it ends, with the file's name and what to do.
store_job_begin() {
    job_store=("${driver[@]}" --driver.store s) partition=s/topics/t%/0000
    numbers 1 100 >events
    job made -n 1 "$ctl" produce "${job_store[@]}" --topic t --create --topic.storage '{}' --batch-size 10 events
    want 0
    offline other 0 topic create u --store o
    cp -a s kept
}
job_refused() { # MESSAGE COMMAND...: a job cannot push to the topic, and changes no file but the lock
    local message=$1
    shift
    rm -rf s before
    cp -a kept s
    "$@"
    cp -a s before
    job refused -n 1 "$ctl" produce "${job_store[@]}" --topic t --timeout 2 events
    [ "$code" != 0 ] || fail "$message: exit code 0"
    says refused.err "$message"
    diff -r -x lock before s || fail "files were changed: $message"
}
first_log() { printf '%s\n' $partition/*.log | head -n 1; }

case_store_job_input() {
    store_job_begin
    spoil() {
        rm $partition/*.idx
        printf x | dd of="$(first_log)" bs=1 seek=4400 conv=notrunc status=none
    }
    rename_topic() { mv s/topics/t% s/topics/v%; }
    job_refused "s/store.json has format version 2, and this library reads 1: use the library that wrote it" \
        sed -i 's/"format":1/"format":2/' s/store.json
    job_refused "s/topics/t%/topic.json is damaged, or was edited" truncate -s 100 s/topics/t%/topic.json
    job_refused "s/topics/v%/topic.json is of the topic 't': the folder was renamed, or copied; its name was t%" \
        rename_topic
    job_refused "s/topics/notes is not the folder of a topic: move it out of the store" touch s/topics/notes
    job_refused "places: its header is damaged" dd if=/dev/zero of=$partition/places bs=4096 count=1 status=none
    job_refused 'events 0 to 9 are damaged: the log can be read, not written; "mofkactl log repair" gives these' spoil
}

# What may yet become right: the owner tries again for 15 s.
case_store_job_waits() {
    local writer
    store_job_begin
    rename_log() { local log; log=$(first_log); mv "$log" "${log/0000-/0005-}"; }
    job_refused "$partition is missing; its files were made on host '$(uname -n)'" rm -r $partition
    job_refused "places belongs to another store, topic or partition: move it back there" cp o/store.json s/store.json
    job_refused "is not the name of this file: its header says event 0, life 1; rename it" rename_log
    # Another process writes the topic.
    rm -rf s
    cp -a kept s
    mkfifo lines
    "$ctl" produce --store s --topic t lines 2>writer.err &
    writer=$!
    exec 7>lines
    echo '{"n":101}' >&7
    for _ in $(seq 200); do
        store info 0 info s
        [ "$(info '.partitions[0].writer != null')" = false ] || break
        sleep 0.05
    done
    job busy -n 1 "$ctl" produce "${job_store[@]}" --topic t --timeout 2 events
    [ "$code" != 0 ] || fail "two writers"
    says busy.err "$partition/lock: in use by process $writer of $(uname -n) since 20"
    exec 7>&-
    wait "$writer" || fail "the writer"
    offline read 0 consume --store s --topic t
    numbers 1 101 | cmp - read.out || fail "events of the one writer"
}
