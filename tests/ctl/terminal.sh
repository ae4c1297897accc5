# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What a terminal shows and does not obey. Cases of ctl_test.sh.

# Run the rest of the arguments on a terminal, and copy what it gets to FILE.
on_terminal() { printf '%s' 'import os, pty, sys
sys.stdout = open(sys.argv[1], "wb", 0)
def copy(fd):
    data = os.read(fd, 1024)
    sys.stdout.write(data)
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], copy)))'; }
no_control() { # FILE: no byte of C0 but newlines, no DEL, no C1 in UTF-8, no byte that is not UTF-8
    python3 - "$1" <<'END' || fail "$1 has control characters"
import sys, unicodedata
text = open(sys.argv[1], "rb").read().replace(b"\r\n", b"\n").decode()
sys.exit(any(unicodedata.category(c) == "Cc" for c in text if c != "\n"))
END
}

case_terminal() {
    printf '\033]0;title\007\033[2J\n{"a":"\302\2332J \177"}\n{"b":\t"\\u009b\303\251"}\nbyte \2332J\n' >events
    timeout 60 "${launch[@]}" -n 1 sh -c "$(traced fifo.pid)" "$ctl" fifo "${driver[@]}" control : \
        -n 1 "$ctl" topic create "${driver[@]}" t : \
        -n 1 python3 -c "$(on_terminal)" plain.txt "$ctl" consume "${driver[@]}" --topic t --count 4 : \
        -n 1 python3 -c "$(on_terminal)" raw.txt "$ctl" consume "${driver[@]}" --topic t --count 4 --raw : \
        -n 1 python3 -c "$(on_terminal)" envelope.txt "$ctl" consume "${driver[@]}" --topic t --count 4 --envelope \
        </dev/null >terminal.out 2>terminal.err &
    local job=$!
    until_pipe control
    echo 'in -> t' >control
    until_pipe in
    cat events >in
    until_lines plain.txt 4
    until_lines raw.txt 4
    until_lines envelope.txt 4
    kill -INT "$(cat fifo.pid)"
    wait $job || fail "exit code $?"
    printf '%s\n' '\x1b]0;title\x07\x1b[2J' '{"a":"\u009b2J \u007f"}' '{"b": "\u009b'$'\303\251''"}' 'byte \x9b2J' >shown
    cmp shown <(tr -d '\r' <plain.txt) || fail "not shown so"
    cmp events <(tr -d '\r' <raw.txt) || fail "not raw"
    no_control envelope.txt
    says envelope.txt '"metadata":"\u001b]0;title\u0007\u001b[2J"'
    says envelope.txt '"metadata":{"a":"\u009b2J \u007f"}'
    job info -n 1 "$ctl" topic create t "${driver[@]}" --validator.type eventbridge \
        --validator.pattern "$(printf '{"a":["\177\302\233"]}')" --json : -n 1 "$ctl" topic info "${driver[@]}" t
    want 0
    says info.out '{"a":["\u007f\u009b"]}'
    no_control info.out
    printf '\302\2332J\n\2332J\n' >bad.ndjson
    job bad -n 1 "$ctl" produce "${driver[@]}" --topic t --create bad.ndjson
    want 1
    says bad.err "line 2: the line is not JSON"
    no_control bad.err
    refuses "--raw cannot be combined with --envelope" consume --topic t --raw --envelope
}
