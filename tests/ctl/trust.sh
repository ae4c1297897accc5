# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Libraries that a topic's record names, and files and pipes beside other users. Cases of ctl_test.sh.

# Commands that only look load nothing; others load only from the plug-in folders.
case_plugins() {
    local plain=plain:$libraries/libtypes.so
    look() { # NAME ARGUMENTS...: beside the rank that creates the topic
        local name=$1
        shift
        job "$name" -n 1 env -u LIBRARY_TYPES_MARK "$ctl" produce "${driver[@]}" --topic t --create \
            --serializer.type "$plain" --topic.expected_producers 1 events.ndjson : \
            -n 1 env LIBRARY_TYPES_MARK="$work/mark" "$ctl" "$@"
    }
    echo '{"n":1}' >events.ndjson
    look info topic info "${driver[@]}" t
    want 0
    says info.out "\"type\":\"$plain\""
    says info.out "owner"
    look json topic info "${driver[@]}" t --json
    want 0
    [ "$(jq -c '[.name, (.partitions | length), .partitions[0].owner]' json.out)" = '["t",1,0]' ] || fail "info --json"
    look list topic list "${driver[@]}"
    want 0
    look top top "${driver[@]}" --json --count 1
    want 0
    [ ! -e mark ] || fail "the library was loaded"
    # The topic is there, so there is no waiting; the type is not.
    look missing consume "${driver[@]}" --topic t --timeout inf
    want 1
    says missing.err "topic 't' exists, but cannot be opened here: serializer type '$plain' is not registered"
    says missing.err "libtypes.so is not in "
    silent missing.err "there is no topic"
    silent missing.err "waited"
    [ ! -e mark ] || fail "the library was loaded"
    MOFKA_PLUGIN_PATH=$libraries look found consume "${driver[@]}" --topic t --follow
    want 0
    [ "$(cat found.out)" = '{"n":1}' ] && [ -e mark ] || fail "the library was not loaded"
}

# Files of data are new, and on the disk before their events are acknowledged.
case_data_files() {
    printf '{"d":"%s"}\n' a bb ccc dddd eeeee >events.ndjson
    consume() { # NAME: 5 events, traced
        job "$1" -n 1 "$ctl" produce "${driver[@]}" --topic t --create --data-from /d events.ndjson : \
            -n 1 env CTL_TEST_TRACE="$work/$1.trace" LD_PRELOAD="$libraries/libctl_preload.so" \
            "$ctl" consume "${driver[@]}" --topic t --count 5 --data file:out
    }
    consume good
    want 0
    [ "$(cat out/0-0 out/0-1 out/0-2 out/0-3 out/0-4)" = abbcccddddeeeee ] || fail "data"
    awk '$1 == "file" { files++; if ($2 != files) exit 1 }
         $1 == "folder" { folder = files }
         $1 == "acknowledge" && $2 >= folder { exit 1 }
         $1 == "acknowledge" { last = $2 }
         END { if (files != 5 || last != 4) exit 1 }' good.trace || fail "order: $(tr '\n' ';' <good.trace)"
    # A file or a link that is there already is left as it is; its event is not acknowledged.
    rm -r out; mkdir out
    echo mine >target
    ln -s ../target out/0-3
    consume link
    want 1
    says link.err "cannot write 'out/0-3': File exists"
    [ "$(cat target)" = mine ] && [ -L out/0-3 ] && [ -e out/0-2 ] || fail "the link was followed"
    [ "$(grep acknowledge link.trace | tail -n 1)" = "acknowledge 2" ] || fail "acknowledged: $(tr '\n' ';' <link.trace)"
    rm -r out; mkdir out
    echo mine >out/0-0
    consume first
    want 1
    says first.err "cannot write 'out/0-0': File exists"
    [ "$(cat out/0-0)" = mine ] || fail "the file was overwritten"
    ! grep acknowledge first.trace || fail "acknowledged"
}

# Lines of the control pipe are commands: nobody else may write them.
case_control_pipe() {
    local mode
    for mode in 620 602; do
        rm -f control
        mkfifo -m "$mode" control
        job "mode$mode" -n 1 "$ctl" fifo "${driver[@]}" control
        want 1
        says "mode$mode.err" "other users can write the control pipe 'control'"
        [ -p control ] || fail "a pipe of another user is gone"
    done
    if [ "$(id -u)" = 0 ]; then
        chmod 600 control
        chown 1 control
        job owner -n 1 "$ctl" fifo "${driver[@]}" control
        want 1
        says owner.err "other users can write the control pipe 'control'"
    fi
    rm -f control
    (umask 0; exec timeout 60 "${launch[@]}" -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control) \
        </dev/null >own.out 2>own.err &
    local job=$!
    until_pipe control
    [ "$(stat -c %a control)" = 600 ] || fail "mode $(stat -c %a control)"
    kill -INT "$(cat fifo.pid)"
    wait $job || fail "exit code $?"
}

# So are the other pipes: what another user owns or can write is neither read nor written.
case_data_pipes() {
    mkfifo -m 620 in
    mkfifo -m 602 out
    local owned=() job
    if [ "$(id -u)" = 0 ]; then
        mkfifo -m 600 owned
        chown 1 owned
        owned=(owned)
    fi
    timeout 20 cat out >out.got &
    (umask 0; exec timeout 60 "${launch[@]}" -n 1 "$ctl" topic create "${driver[@]}" t : \
        -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control) </dev/null >fifo.out 2>fifo.err &
    job=$!
    until_pipe control
    printf '%s\n' 'in -> t' 'out <- t' "${owned[@]/%/ -> t}" 'made -> t' >control
    until_pipe made
    [ "$(stat -c %a made)" = 600 ] || fail "mode $(stat -c %a made)"
    for path in in out "${owned[@]}"; do
        for _ in $(seq 200); do ! grep -q "write the pipe '$path'" fifo.err || break; sleep 0.05; done
        says fifo.err "other users can write the pipe '$path'"
    done
    kill -INT "$(cat fifo.pid)"
    wait $job && fail "a pipe of another user is no failure"
    [ -p in ] && [ -p out ] && [ ! -e made ] && [ ! -s out.got ] || fail "pipes"
}
