#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A world ends as a whole, whatever ends its script, and two worlds do not meet.
#   world_test.sh DIRECTORY
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
directory=$1
seconds=$((1000000 + $$)) # of a sleep that is found by it

fail() {
    echo "FAILED: $*"
    exit 1
}

# Wait until that many processes of the worlds are there.
await_sleepers() { # COUNT
    local i
    for ((i = 0; i < 200; i++)); do
        [ "$(pgrep -fxc "sleep $seconds")" != "$1" ] || return 0
        sleep 0.1
    done
    fail "not $1 processes of the worlds"
}

start() { # a world with a process on each of two hosts; they end no earlier than the world
    "$here/world.sh" "$directory" 2 bash -c "
        '$here/enter.sh' node1 setsid sleep $seconds & '$here/enter.sh' node0 exec sleep $seconds" >/dev/null 2>&1 &
    worlds+=($!)
}

code=0
"$here/world.sh" "$directory" 2 true || code=$?
[ $code = 0 ] || exit $code

worlds=()
trap 'kill "${worlds[@]}" 2>/dev/null || true' EXIT
start
start
await_sleepers 4
kill -KILL "${worlds[0]}"
await_sleepers 2
kill -TERM "${worlds[1]}"
await_sleepers 0
for world in "${worlds[@]}"; do wait "$world" || true; done 2>/dev/null
[ -z "$(ls -A "$directory")" ] || fail "something is left in $directory"

"$here/world.sh" "$directory" 2 false && fail "a failure is not reported"
code=0
reason=$(setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$here/world.sh" "$directory" 2 true) || code=$?
[ $code = 77 ] && [[ $reason == skipped:* ]] || fail "without the right to make namespaces: $code, '$reason'"

# Names are of this world only.
"$here/world.sh" "$directory" 3 bash -euc "
    [ \"\$('$here/enter.sh' node2 hostname)\" = node2 ]
    '$here/enter.sh' node2 'getent hosts node1' | grep -q '10.78.0.11'
    [ \"\$('$here/enter.sh' node0 cat /proc/sys/kernel/random/boot_id)\" != \
      \"\$('$here/enter.sh' node1 cat /proc/sys/kernel/random/boot_id)\" ]
    '$here/enter.sh' node0 touch /dev/shm/x
    ! '$here/enter.sh' node1 test -e /dev/shm/x" || fail "hosts are not apart"
echo "worlds: good"
