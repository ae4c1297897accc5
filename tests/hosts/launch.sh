# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# For scripts: start a job over hosts, as README.md, "Several hosts", says.
#   launch MPIEXEC HOST:RANKS,HOST:RANKS ARGUMENTS-OF-MPIEXEC...
# one_sided: what Open MPI needs to reach another host's memory.
one_sided="--mca pml ucx --mca osc ucx,sm --mca opal_common_ucx_tls any --mca opal_common_ucx_devices any"
launch() {
    local mpiexec=$1 hosts=$2 first=${2%%:*} here
    here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
    shift 2
    case $mpiexec in
    *openmpi*)
        "$here/enter.sh" "$first" exec "$mpiexec" --oversubscribe --bind-to none --host "$hosts" \
            --mca plm_rsh_agent "$here/enter.sh" --mca oob_tcp_if_include eth1 --mca btl_tcp_if_include eth0 \
            "$one_sided" -x UCX_TLS=tcp,self -x UCX_NET_DEVICES=eth0 "${@@Q}"
        ;;
    *)
        "$here/enter.sh" "$first" exec "$mpiexec" -hosts "$hosts" -launcher rsh -launcher-exec "$here/enter.sh" \
            -iface eth1 -genv UCX_TLS tcp,self -genv UCX_NET_DEVICES eth0 "${@@Q}"
        ;;
    esac
}
