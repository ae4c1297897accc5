#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Run a command where /dev/shm holds 24 MiB. Exit 77 (skipped) where such a place cannot be made.
unshare -m mount -t tmpfs -o size=24m tmpfs /dev/shm 2>/dev/null || {
    echo "skipped: no mount namespace of one's own here (not root?)"
    exit 77
}
exec unshare -m bash -c 'mount -t tmpfs -o size=24m tmpfs /dev/shm && exec "$@"' small_shm "$@"
