#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Run a command on a host of the world: what ssh is to real hosts. Launchers of both MPIs call this as they
# call ssh. As there, the words are joined and read by a shell.
#   enter.sh [-x] HOST COMMAND...
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
TMPDIR=$WORLD/$host
export TMPDIR
exec nsenter --net --uts --mount --ipc --wd="$PWD" -t "$(cat "$WORLD/$host.pid")" sh -c "$*"
