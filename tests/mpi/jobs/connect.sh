#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two jobs meet by MPI_Comm_accept and MPI_Comm_connect, and stream over the driver of both. Exit 77
# (skipped) where this MPI cannot.
#   connect.sh openmpi|other PROGRAM MPIEXEC...
set -uo pipefail
mpi=$1 program=$2
shift 2
work=$(mktemp -d) server='' helper=''
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$helper" ] || kill "$helper" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

wait_for() { # FILE PROCESS: until the file is there; fails if the process ends, or after 20 s
    for _ in $(seq 400); do
        [ -s "$1" ] && return 0
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    [ -s "$1" ]
}

arguments=()
if [ "$mpi" = openmpi ]; then
    command -v ompi-server >/dev/null || {
        echo "skipped: jobs of Open MPI find each other by ompi-server, which is not installed"
        exit 77
    }
    ompi-server --no-daemonize -r "$work/uri" >"$work/helper.log" 2>&1 &
    helper=$!
    wait_for "$work/uri" "$helper" || { cat "$work/helper.log"; echo "ompi-server did not start"; exit 1; }
    # To Open MPI, ranks of two jobs do not share a node. Its default has no window for that.
    arguments=(--ompi-server "file:$work/uri" --mca pml ucx --mca osc ucx,sm --mca opal_common_ucx_tls any
        --mca opal_common_ucx_devices any)
fi
timeout -k 5 50 "$@" "${arguments[@]}" -n 2 "$program" server auto "$work/port" >"$work/server.log" 2>&1 &
server=$!
if ! wait_for "$work/port" "$server"; then
    wait "$server"
    code=$?
    server=''
    cat "$work/server.log"
    [ "$code" = 77 ] && exit 77
    echo "the server opened no port, and ended with $code"
    exit 1
fi
timeout -k 5 50 "$@" "${arguments[@]}" -n 1 "$program" client auto "$work/port" >"$work/client.log" 2>&1
client_code=$?
wait "$server"
code=$?
server=''
cat "$work/server.log" "$work/client.log"
echo "server: $code, client: $client_code"
[ "$code" = 0 ] && [ "$client_code" = 0 ] && grep -q '^streamed' "$work/server.log"
