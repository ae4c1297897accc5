# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Hostile input is read or refused, in bounded memory. Cases of ctl_test.sh.

# Run the rest of the arguments, and write the peak of its memory, in KiB, to FILE.
measured() { printf '%s' 'import resource, subprocess, sys
code = subprocess.call(sys.argv[2:], close_fds=False)
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)'; }
repeated() { head -c "$2" /dev/zero | tr '\0' "$1"; }
deep() { repeated '[' "$1"; repeated ']' "$1"; }
at_most() { [ "$(cat "$1")" -le $(($2 * 1024)) ] || fail "$1: $(cat "$1") KiB, more than $2 MiB"; }

case_hostile_lines() {
    {
        printf '{"'; repeated k 10000000; printf '":"x"}\n'
        deep 1000; echo
        deep 1001; echo
        deep 1000000; echo
        repeated '[' 3000000; echo
        printf '["x"'; repeated ',' 1 ; for _ in 1 2 3 4 5 6 7 8 9 10; do repeated 1 1000000; printf ,; done; printf '2]\n'
        printf '["x"'; head -c 8000000 /dev/zero | sed 's/\x0/,1/g'; printf ']\n'
        printf '"\xff'; repeated '"' 100; echo
        echo '{"n":1e999999999999}'
    } >hostile.ndjson
    job lines -n 1 python3 -c "$(measured)" produce.kb "$ctl" produce "${driver[@]}" --topic t --create \
        --topic.partition_bytes 58720256 --topic.expected_producers 1 hostile.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --follow
    [ "$code" != 0 ] || fail "malformed lines are no failure"
    for line in 3 4 5 8; do says lines.err "hostile.ndjson, line $line: the line is not JSON: "; done
    says lines.err "5 events stored in 't', 0 not, 4 malformed lines"
    cmp <(sed -n '1p;2p;6p;7p;9p' hostile.ndjson) lines.out || fail "not as pushed"
    [ "$(wc -c <lines.err)" -lt 10000 ] || fail "messages are not bounded"
    # One string is taken from a line with millions of values, without a tree.
    sed -n '1p;7p' hostile.ndjson >wide.ndjson
    job wide -n 1 python3 -c "$(measured)" wide.kb "$ctl" produce "${driver[@]}" --topic t --create \
        --topic.partition_bytes 58720256 --topic.expected_producers 1 --data-from /0 wide.ndjson : \
        -n 1 "$ctl" consume "${driver[@]}" --topic t --follow --data file:out
    says wide.err "wide.ndjson, line 1: --data-from /0: the value is missing"
    [ "$(cat out/0-0)" = x ] || fail "data"
    at_most wide.kb 600
}

case_hostile_options() {
    { printf '{"'; repeated k 10000000; printf '":1}'; } >key.json
    refuses 'unknown option "kkkkkkk' topic create t --topic key.json
    deep 100000 >deep.json
    refuses "is not JSON: nested too deeply (more than 1000 arrays and objects)" topic create t --validator deep.json
    { printf '{"a":'; deep 1100; printf '}'; } >object.json
    refuses "is not JSON: nested too deeply" topic create t --validator object.json
    refuses "'/dev/zero' has more than 16777216 bytes" topic create t --validator /dev/zero
    echo '[1]' >array.json
    refuses "must be a JSON object, not '[1]" topic create t --validator array.json
    printf '{"type":"\xff"}' >bytes.json
    refuses "not UTF-8" topic create t --validator bytes.json
    refuses "not UTF-8" topic create t --validator.type "$(printf 'x\xff')"
    # Two million keys, one of them twice.
    { printf '{"a":{'; seq -f '"%.0f":1,' 1000000 | tr -d '\n'; printf '"7":2}}'; } >twice.json
    job twice -n 1 python3 -c "$(measured)" twice.kb "$ctl" topic create t "${driver[@]}" --validator twice.json
    want 2
    says twice.err "the key \"7\" is given twice"
    at_most twice.kb 600
    { printf '{"forward":[{"from":"t","to":{"topic":"u","create":'; deep 1000; printf '}}]}'; } >forward.json
    refuses "is not JSON: nested too deeply" forward forward.json
    echo '{"forward":[{"from":"t","from":"u","to":"v"}]}' >forward.json
    refuses "the key \"from\" is given twice" forward forward.json
}
