#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The cable between node0 and the other hosts of the world, at eth0.
#   cable.sh plug CABLE-PROGRAM DELAY_US LOSS_PPM MBIT    a cable of that delay each way, loss and rate
#   cable.sh down | up                                    unplug it at node0's switch, and plug it in again
set -euo pipefail
case $1 in
plug)
    # node0 - eth0-0 - cable - cable0 - cable1 - switch. Frames are as long as on a wire: none stands for many.
    ip link set eth0-0 nomaster
    ip link add cable0 mtu 9000 type veth peer name cable1
    ip link set cable0 up
    ip link set cable1 mtu 9000 master net-eth0 up
    for host in "$WORLD"/node*.pid; do
        nsenter --net -t "$(cat "$host")" ip link set eth0 gso_max_segs 1
    done
    mkfifo "$WORLD/plugged"
    nice -n -20 "$2" eth0-0 cable0 "$3" "$4" "$5" >"$WORLD/plugged" &
    read -r _ <"$WORLD/plugged"
    ;;
down | up) ip link set eth0-0 "$1" ;;
*)
    echo "cable.sh: unknown arguments '$*'" >&2
    exit 2
    ;;
esac
