#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Run a command in a world of hosts that one machine plays.
#   world.sh DIRECTORY HOSTS COMMAND...
# Each host node0, node1, ... has its own network, host name, /dev/shm, System V IPC, boot id, /etc/hosts and
# TMPDIR. Two networks join the hosts: eth0 (10.77.0.0/24) for MPI's data, eth1 (10.78.0.0/24) for launchers.
# A host's name is its address on eth1, so a launcher still works while the cable at eth0 is unplugged.
#
# The command runs outside the hosts, where it finds
#   $WORLD      this world's own memory, mounted at DIRECTORY: nothing of it is left on the disk
#   enter.sh    HOST COMMAND...: what ssh is to real hosts
#   cable.sh    delay, loss, rate, and links that go down
#
# All of it lives in namespaces of this run: networks, mounts, process ids. They have no names outside, so runs
# side by side do not meet. The kernel ends every process, and then the networks and mounts, when the first
# process of the world ends. So nothing stays, whatever signal ends this script.
# Exit 77 (skipped), with the reason, where such namespaces cannot be made.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

skip() {
    echo "skipped: no hosts of namespaces here: $*"
    exit 77
}

# What the tests need of the system; everything later must work.
can_make_world() {
    local tool error
    for tool in unshare nsenter setpriv ip mount hostname nice; do
        command -v $tool >/dev/null || skip "there is no '$tool'"
    done
    error=$(unshare --net --mount --pid --uts --ipc --fork --mount-proc sh -ec "
        hostname node0
        mount -t tmpfs world '$1'
        ip link add bridge0 type bridge
        ip link add veth0 type veth peer name veth1" 2>&1) || skip "${error:-unshare failed}"
}

# In the world: its first process.
host_start() { # NUMBER
    local name=node$1 pid
    mkdir "$WORLD/$name"
    # MPIs recognise a host by its boot id, too.
    sed "s/^......../0000000$1/" /proc/sys/kernel/random/boot_id >"$WORLD/$name.boot_id"
    unshare --net --uts --mount --ipc sh -ec "
        hostname $name
        mount -t sysfs sysfs /sys
        mount -t tmpfs shm /dev/shm
        mount --bind '$WORLD/$name.boot_id' /proc/sys/kernel/random/boot_id
        mount --bind '$WORLD/hosts' /etc/hosts
        ip link set lo up
        touch '$WORLD/$name.up'
        exec sleep infinity" </dev/null >/dev/null &
    pid=$!
    echo $pid >"$WORLD/$name.pid"
    until [ -e "$WORLD/$name.up" ]; do
        kill -0 $pid
        sleep 0.01
    done
    network_join "$1" eth0 10.77.0
    network_join "$1" eth1 10.78.0
}

network_join() { # HOST-NUMBER INTERFACE NET
    local name=node$1 end=$2-$1
    ip link add "$end" type veth peer name "$2" netns "$(cat "$WORLD/$name.pid")"
    ip link set "$end" master "net-$2" up
    "$here/enter.sh" "$name" "ip addr add $3.$((10 + $1))/24 dev $2 && ip link set $2 mtu 9000 up"
    ip link set "$end" mtu 9000
}

world_start() { # HOSTS
    local k interface
    mount -t tmpfs world "$WORLD"
    mount --make-rprivate /
    for interface in eth0 eth1; do ip link add net-$interface mtu 9000 up type bridge; done
    {
        echo "127.0.0.1 localhost"
        for ((k = 0; k < $1; k++)); do echo "10.78.0.$((10 + k)) node$k"; done
    } >"$WORLD/hosts"
    for ((k = 0; k < $1; k++)); do host_start $k; done
}

directory=$1 hosts=$2
if [ "${WORLD_INSIDE:-}" != yes ]; then
    mkdir -p "$directory"
    directory=$(readlink -f "$directory")
    [ "$(id -u)" = 0 ] || skip "not root"
    can_make_world "$directory"
    shift
    WORLD_INSIDE=yes setpriv --pdeathsig KILL unshare --net --mount --pid --fork --mount-proc --kill-child \
        "$here/world.sh" "$directory" "$@" &
    trap 'kill -KILL $!' TERM INT HUP
    code=0
    wait $! || code=$?
    exit $code
fi
unset WORLD_INSIDE
export WORLD=$directory
shift 2
world_start "$hosts"
cd "$WORLD"
code=0
"$@" || code=$?
exit $code
