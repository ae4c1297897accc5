# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# topic, and what all commands refuse. Cases of ctl_test.sh.

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

case_delete() {
    job delete -n 1 "$ctl" topic create t "${driver[@]}" : -n 1 "$ctl" topic delete t "${driver[@]}"
    want 0
    # One of two deletes it. The other one finds none, perhaps after it has waited.
    job twice -n 1 "$ctl" topic create t "${driver[@]}" : \
        -n 2 "$ctl" topic delete t "${driver[@]}" --timeout 5
    want 1
    [ "$(grep -c MOFKA_ERR_NOT_FOUND twice.err)" = 1 ] || fail "one deletes it"
    job none -n 1 "$ctl" topic delete nowhere "${driver[@]}" --timeout 0.1
    want 1
    says none.err "waited 0.1 s (--timeout) for topic 'nowhere'"
    refuses "a topic NAME is missing" topic delete
}

case_evict() {
    # The name "away" holds the producer up until it is evicted, whether or not its consumer has left.
    seq 4000 >n.ndjson
    job evict -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partition_bytes 1024 --timeout 60 n.ndjson : \
        -n 1 sh -c '"$@" || true' sh "$ctl" consume "${driver[@]}" --topic t --name away --count 1 : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --name stays --count 4000 --timeout 60 : \
        -n 1 "$ctl" topic evict t away "${driver[@]}" --timeout 60
    want 0
    job none -n 1 "$ctl" topic create t "${driver[@]}" : \
        -n 1 "$ctl" topic evict t nobody "${driver[@]}" --timeout 0.1
    want 1
    says none.err "waited 0.1 s (--timeout) for consumer 'nobody'"
    refuses "a TOPIC and the name of its CONSUMER are needed" topic evict t
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
    refuses "topic is followed by create, list, info, delete or evict, not by 'destroy'" topic destroy
    refuses "a topic NAME is missing" topic create
    refuses "unexpected 'b'" topic create a b
    refuses "unknown argument 'x'" topic list x
    refuses "unknown option '-j'" topic list -j
    refuses "unknown argument '--json': this command takes only options" topic list -- --json
    refuses "unknown option '--jsno'; known are --json, --driver, --store, --close-timeout" topic list --jsno
    refuses "--json takes no value" topic list --json=1
    refuses "a value is missing after '--topic'" consume --topic
    refuses "--topic NAME is missing" consume
    refuses "--count cannot be '-1': it must be a whole number from 0" consume --topic t --count -1
    refuses "--count cannot be '1.5'" consume --topic t --count 1.5
    refuses "--timeout cannot be 'soon': it must be a number of seconds from 0, or inf" consume --topic t --timeout soon
    refuses "--from cannot be 'start': it must be beginning, end, or the id" consume --topic t --from start
    refuses "--data cannot be 'hex': it must be none, base64 or file:DIR" consume --topic t --data hex
    refuses "--select cannot be '3': it must be OFFSET:LENGTH" consume --topic t --data base64 --select 3
    refuses "--select '0:3' selects data" consume --topic t --select 0:3
    refuses "--data-from cannot be 'field': it must be a JSON pointer such as /field/name, or file:PATH" \
        produce --topic t --data-from field
    refuses "--key cannot be 'a': it must be a JSON pointer" produce --topic t --create --key a
    refuses "--topic.KEY, --topic-options, --validator, --selector and --serializer create the topic: they need --create" \
        produce --topic t --topic.partitions 3
    refuses "--key '/a' chooses the selector" produce --topic t --create --key /a --selector.type default
    refuses "cannot read '/nowhere/file'" topic create t --topic /nowhere/file
    refuses "--validator '{\"type\":' is not JSON: " topic create t --validator '{"type":'
    refuses "'a' already has a value" topic create t --validator.a 1 --validator.a.b 2
    refuses "a path has 1 to 64 keys" topic create t --validator.a..b 2
    refuses 'unknown option "partitons"; known: "partitions"' topic create t --topic.partitons 3
    refuses 'option "partitions" must be a whole number' topic create t --topic.partitions many
    refuses 'option "window" must be one of its words "auto" "shm" "rma"' topic list --driver.window ram
    refuses "driver type 'nosuch' is neither registered (files, mpi)" topic list --driver.type nosuch
    refuses "--interval cannot be '9': it must be a whole number from 10 to 86400000" top --interval 9
    refuses "--for cannot be '-1': it must be a number of seconds" top --for -1
    refuses "--terminal '/dev/null' is for the table, not for --json" top --json --terminal /dev/null
    refuses "unknown argument 't'" top t
    refuses "CONFIG.json is missing" forward
    refuses "only one CONTROL pipe is allowed; unexpected 'b'" fifo a b
    config() { # MESSAGE JSON
        echo "$2" >config.json
        refuses "$1" forward config.json
    }
    config "options are not a JSON object" '[]'
    config '"forward" must be an array of 1 to 64' '{"forward":[]}'
    config 'unknown option "forwards"; known: "drivers", "forward"' '{"forwards":[]}'
    config 'forward[0]: "to" is missing' '{"forward":[{"from":"t"}]}'
    config "forward[0].to: \"drivers\" has no driver 'x'" '{"forward":[{"from":"t","to":{"topic":"u","driver":"x"}}]}'
    config 'forward[0].from: unknown option "create"' '{"forward":[{"from":{"topic":"t","create":{}},"to":"u"}]}'
    config "topic 't' would be forwarded to itself" '{"forward":[{"from":"t","to":"t"}]}'
    config 'drivers.d: "type" is missing' '{"drivers":{"d":{}},"forward":[{"from":"t","to":"u"}]}'
    config '"drivers" must be an object of drivers, not [1]' '{"drivers":[1],"forward":[{"from":"t","to":"u"}]}'
    config '"forward" must be an array of 1 to 64 objects, not {}' '{"forward":{}}'
    config "t -> u: \"filter\": " '{"forward":[{"from":"t","to":"u","filter":{"a":[{"near":7}]}}]}'
    config "drivers.d: driver type 'nosuch'" '{"drivers":{"d":{"type":"nosuch"}},"forward":[{"from":"t","to":"u"}]}'
    config "drivers.d: the job already has an MPI driver" '{"drivers":{"d":{"type":"mpi"}},"forward":[]}'
    # One rank's wrong usage ends the job, because the other ranks would wait for it.
    job both -n 1 "$ctl" topic list : -n 1 "$ctl" topic lits
    want 2
    says both.err "topic is followed by"
    job version -n 1 "$ctl" --version
    want 0
    grep -qE '^mofkactl [0-9]+\.[0-9]+' version.out || fail "--version"
    job help -n 1 "$ctl" --help
    want 0
    says help.out "Exit codes"
    job help -n 1 "$ctl" topic --help
    want 0
    for command in create list info; do says help.out "usage: mofkactl topic $command"; done
    for command in "topic create" "topic list" "topic info" produce consume forward fifo top; do
        for help in --help -h; do
            job help -n 1 "$ctl" $command "$help"
            want 0
            says help.out "usage: mofkactl $command"
            says help.out "--driver JSON|FILE"
            [ ! -s help.err ] || fail "$command $help"
        done
    done
    refuses "topic is followed by create, list, info, delete or evict, not by ''" topic
    refuses "--count cannot be '0x10': it must be a whole number from 0 to 9007199254740992" consume --topic t --count 0x10
    refuses "--rate cannot be 'inf': it must be a number from 0 to 1000000000" produce --topic t --rate inf
    refuses "--batch-size cannot be '16777217': it must be a whole number from 0 to 16777216" produce --topic t --batch-size 16777217
    refuses "--topic cannot be '': it must be NAME, which is not empty" consume --topic ""
    refuses "--close-timeout cannot be '-1': it must be a number of seconds from 0, or inf" topic list --close-timeout -1
    refuses "--driver cannot be 'nosuch': it must be a JSON object, or a file that holds one" topic list --driver nosuch
}

# Values keep their text, and each key may be given once.
case_options_text() {
    echo '{"partitions":2, "partition_bytes":4096 }' >options.json
    local pattern='{"n":[12345678901234567890123,1.10],"s":["\u0041"]}'
    job text -n 1 "$ctl" topic create t "${driver[@]}" --topic options.json --validator.type eventbridge \
        --validator.pattern "$pattern" --json
    want 0
    says text.out "\"pattern\":$pattern"
    says text.out '"options":{"partitions":2,"partition_bytes":4096}'
    # Nested objects are merged, in the order of the first.
    job merged -n 1 "$ctl" topic create t "${driver[@]}" --validator '{"type":"eventbridge","pattern":{"a":[1.0],"b":[2]}}' \
        --validator '{"pattern":{"c":{"d":[3]},"a":[1.10]}}' --validator.pattern.c.e '["x"]' --json
    want 0
    says merged.out '"pattern":{"a":[1.10],"b":[2],"c":{"d":[3],"e":["x"]}}'
    echo '{"partitions":2,"partitions":3}' >twice.json
    refuses "--topic 'twice.json': the key \"partitions\" is given twice" topic create t --topic twice.json
    refuses "--topic '{\"partitions\":2,\"\u0070artitions\":3}': the key \"partitions\" is given twice" topic create t --topic '{"partitions":2,"\u0070artitions":3}'
    refuses "the key \"x\" is given twice" topic create t --validator '{"pattern":{"a":[{"x":1,"y":{},"x":2}]}}'
    refuses "the key \"x\" is given twice" topic create t --validator.pattern '{"x":[1],"x":[2]}'
    refuses "the key \"x\" is given twice" produce --topic t --create --topic-options '{"x":1,"x":1}' /dev/null
    refuses "--driver '{\"window\":\"shm\",\"window\":\"rma\"}': the key \"window\" is given twice" topic list --driver '{"window":"shm","window":"rma"}'
    refuses "--driver.type cannot be 7: it must be a string" topic list --driver.type 7
    # The same key may be in two objects, or in two options.
    job both -n 1 "$ctl" topic create t "${driver[@]}" --topic '{"partitions":2}' --topic '{"partitions":3}' \
        --validator '{"type":"eventbridge","pattern":{"a":{"x":[1]},"b":{"x":[1]}}}' --json
    want 0
    [ "$(jq '.partitions | length' both.out)" = 3 ] || fail "the later one wins"
}

# --create uses a topic that exists if it has the options that are given.
case_if_exists() {
    produce() { # SECONDS-OF-THE-CONSUMER OPTIONS...: into a topic with two partitions and a key
        local seconds=$1
        shift
        job exists -n 1 "$ctl" topic create t "${driver[@]}" --topic.partitions 2 --topic.partition_bytes 4096 \
            --selector '{"type":"key","pointer":"/n"}' : \
            -n 1 "$ctl" consume "${driver[@]}" --topic t --count 3 --timeout "$seconds" : \
            -n 1 env CTL_TEST_CREATE_MS=1000 LD_PRELOAD="$libraries/libctl_preload.so" \
            "$ctl" produce "${driver[@]}" --topic t --create "$@" n.ndjson
    }
    printf '{"n":%d}\n' 1 2 3 >n.ndjson
    produce 60
    want 0
    produce 60 --topic.partitions 2 --selector.pointer '"/\u006e"' --selector.type key
    want 0
    produce 5 --topic.partitions 3
    [ "$code" != 0 ] || fail "other options are no failure"
    says exists.err "topic 't' exists with options {\"partitions\":2,\"partition_bytes\":4096}, not {\"partitions\":3}"
    says exists.err "--if-exists ignore uses topic 't' as it is"
    produce 5 --validator.type eventbridge --validator.pattern '{"n":[1]}'
    [ "$code" != 0 ] || fail "another validator is no failure"
    says exists.err "topic 't' exists with validator {\"type\":\"default\"}, not {\"type\":\"eventbridge\""
    produce 60 --topic.partitions 3 --if-exists ignore
    want 0
    lines exists.out 3
    refuses "--if-exists needs --create" produce --topic t --if-exists ignore
    refuses "--if-exists cannot be 'no': it must be one of fail ignore" produce --topic t --create --if-exists no
}

# A schema is text, or a file. A schema in the place of the validator's options is explained.
case_schema_file() {
    echo '{"type":"object","required":["n"]}' >schema.json
    printf '%s\n' '{"n":1}' '{"m":1}' >n.ndjson
    job file -n 1 "$ctl" produce "${driver[@]}" --topic t --create --validator.type schema \
        --validator.schema schema.json n.ndjson
    want 1
    says file.err "1 events stored in 't', 1 not"
    refuses "--validator is a JSON Schema; give it as --validator.type schema --validator.schema FILE" \
        topic create t --validator schema.json
    refuses "cannot read 'nowhere.json'" topic create t --validator.type schema --validator.schema nowhere.json
    echo '{"type":' >bad.json
    refuses "--validator.schema cannot be 'bad.json': it must be a JSON Schema, or a file that holds one" \
        topic create t --validator.type schema --validator.schema bad.json
}

# Exit code 2 is for wrong usage only.
case_failures() {
    printf '{"n":1}\n' >n.ndjson
    job directory -n 1 "$ctl" consume "${driver[@]}" --topic t --data file:/dev/null
    want 1
    says directory.err "--data 'file:/dev/null': cannot make the directory: File exists"
    job file -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from file:/nowhere/file n.ndjson
    want 1
    says file.err "cannot read '/nowhere/file'"
    job option -n 1 "$ctl" produce "${driver[@]}" --topic t --create --topic.partitons 3 n.ndjson
    want 2
    job room -n 1 "$ctl" topic create t "${driver[@]}" --topic.partition_bytes 1000000000
    want 1
}

# The window does not fit in the address space that is left.
case_address_space() {
    job space -n 1 sh -c 'ulimit -v 2000000 && exec "$0" "$@"' "$ctl" topic list "${driver[@]}" --driver.arena_bytes 2100000000
    want 1
    says space.err "address space (ulimit -v) leaves"
}

# The window of one rank is not in /dev/shm.
case_small_shm() {
    launch=("$here/../support/mpi/small_shm.sh" "${launch[@]}")
    job small -n 1 "$ctl" topic create t "${driver[@]}" --json
    [ "$code" != 77 ] || exit 77
    want 0
    launch=("${launch[0]}" sh -c 'head -c 22m /dev/zero >/dev/shm/x; exec "$@"' sh "${launch[@]:1}")
    job full -n 1 "$ctl" --version
    says full.err "the node's shared memory, /dev/shm, has only"
}

case_list() {
    job none -n 1 "$ctl" topic list "${driver[@]}"
    want 0
    lines none.out 0
    # All ranks join at the same moment. Topics that the other ranks create appear a little later.
    for json in "" --json; do
        job list -n 1 "$ctl" topic create "${driver[@]}" b --topic.partitions 3 : \
            -n 1 "$ctl" topic create "${driver[@]}" a --validator.type default : \
            -n 1 env CTL_TEST_LIST_MS=1000 LD_PRELOAD="$libraries/libctl_preload.so" "$ctl" topic list "${driver[@]}" $json
        want 0
        sort list.out >"list$json.txt"
    done
    [ "$(cat list.txt)" = "$(printf 'a\t1\nb\t3')" ] || fail "list: $(cat list.txt)"
    [ "$(jq -c '[.name, .partitions, .options, .validator]' list--json.txt | tr -d '\n')" = \
        '["a",1,{},{"type":"default"}]["b",3,{"partitions":3},{"type":"default"}]' ] || fail "list --json: $(cat list--json.txt)"
}
