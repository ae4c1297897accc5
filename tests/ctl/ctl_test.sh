#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mofkactl is run as its users run it.
#   ctl_test.sh CASE WINDOW MOFKACTL LIBRARIES MPIEXEC...
# LIBRARIES: the folder of the example backend's library and of libctl_preload.so. The scripts beside this one hold the cases.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
case_=$1 window=$2 ctl=$3 libraries=$4
shift 4
launch=("$@")
work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$work"' EXIT # a failure leaves no process behind
cd "$work"
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 # LD_PRELOAD comes before it
driver=(--driver.window "$window")

fail() {
    echo "FAILED: $*"
    for file in *.err *.out; do [ ! -e "$file" ] || { echo "-- $file"; head -c 2000 "$file"; }; done
    exit 1
}
job() { # NAME ARGUMENTS...: no stdin; stdout to NAME.out, stderr to NAME.err, the exit code to $code
    local name=$1
    shift
    code=0
    timeout 60 "${launch[@]}" "$@" </dev/null >"$name.out" 2>"$name.err" || code=$?
}
want() { [ "$code" = "$1" ] || fail "exit code $code, not $1"; }
says() { grep -qF -- "$2" "$1" || fail "$1 lacks: $2"; }
silent() { ! grep -qF -- "$2" "$1" || fail "$1 has: $2"; }
lines() { [ "$(wc -l <"$1")" = "$2" ] || fail "$1 has $(wc -l <"$1") lines, not $2"; }
until_there() { # FILE: wait until the file has a line
    for _ in $(seq 200); do [ ! -s "$1" ] || return 0; sleep 0.05; done
    fail "$1 stays empty"
}
until_read() { # PID FILE: wait until the process has read the file to its end
    local fd
    for _ in $(seq 400); do
        for fd in /proc/"$1"/fd/*; do
            [ "$(readlink "$fd")" -ef "$2" ] || continue
            ! grep -qx "pos:[[:space:]]*$(stat -c %s "$2")" "/proc/$1/fdinfo/${fd##*/}" || return 0
        done
        sleep 0.05
    done
    fail "process $1 has not read $2"
}
until_lines() { # FILE N: wait until the file has N lines; it may not exist yet
    for _ in $(seq 400); do [ ! -e "$1" ] || [ "$(wc -l <"$1")" -lt "$2" ] || break; sleep 0.05; done
}
until_pipe() { # PATH...: wait until each pipe exists
    local path
    for path in "$@"; do
        for _ in $(seq 200); do [ ! -p "$path" ] || continue 2; sleep 0.05; done
        fail "no pipe $path"
    done
}
documents() { jq -c '.[] | .[]' /usr/share/iso-codes/json/iso_[0-9]*.json >events.ndjson
    [ "$(wc -l <events.ndjson)" -ge 10000 ] || fail "fewer than 10,000 documents"; }
same() { cmp <(jq -cS . "$1" | sort) <(jq -cS . "$2" | sort) || fail "$1 and $2 differ"; }
# Write the process's id to a file, so that the test can signal it.
traced() { printf 'echo $$ >%s; exec "$0" "$@"' "$1"; }

for file in "$here"/*.sh "$here"/serve/*.sh; do [ "$file" = "$here/ctl_test.sh" ] || . "$file"; done
"case_$case_"
echo "$case_ ($window): good"
