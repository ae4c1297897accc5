# SPDX-License-Identifier: BSD-3-Clause
"""Servers of the peers, on this machine: started for a measurement, and always stopped.

    with redis() as server:                       # nothing is written to files
    with redis(fsync="always", folder="/disk") as server:
    with nats(folder="/disk") as server:          # JetStream's files are in a folder there

`server` is what a program of this folder takes as --server. Each server listens on a unix socket or on a
free port of the loopback interface, and has a folder of its own, which is removed in the end. A server also
ends if this process is killed.
"""
import contextlib
import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

START_SECONDS, STOP_SECONDS = 10, 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
MORE_PATH = "/usr/sbin"  # where Debian has nats-server


class NotHere(Exception):
    """A peer that is not installed. The text says what is missing."""


class Failed(Exception):
    """A peer that does not do what it should."""


def stop_on_signals():
    """Let SIGTERM and SIGHUP end this program as an interrupt does: what was started is stopped."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


@contextlib.contextmanager
def _running(command, folder, answers):
    """Run a server until the caller is done. answers() says where it listens, or None."""
    with open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, start_new_session=True,
                                  preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        try:
            end = time.monotonic() + START_SECONDS
            while not (place := answers()):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise Failed(f"{command[0]} did not start: {log.read()[-300:].strip()}")
                time.sleep(0.02)
            yield place
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _redis_program(folder):
    """Debian's redis-tools has the server under another name. The package redis-server would also start one
    for the whole machine."""
    found = shutil.which("redis-server")
    if found:
        return found
    other = shutil.which("redis-check-rdb")
    if not other:
        raise NotHere("neither redis-server nor redis-tools is installed")
    os.symlink(other, os.path.join(folder, "redis-server"))
    return os.path.join(folder, "redis-server")


@contextlib.contextmanager
def redis(fsync=None, folder=None):
    """Redis. fsync None: it writes no files; else its log of appends is synced "always", "everysec" or
    "no"."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="redis-") as own:
        # The path of a unix socket is at most 107 bytes long.
        with tempfile.TemporaryDirectory(prefix="redis-") as sockets:
            place = os.path.join(sockets, "socket")
            command = [_redis_program(own), "--port", "0", "--unixsocket", place, "--dir", own,
                       "--save", "", "--appendonly", "yes" if fsync else "no",
                       "--appendfsync", fsync or "no"]
            with _running(command, own, lambda: place if os.path.exists(place) else None) as server:
                yield server


@contextlib.contextmanager
def nats(folder=None):
    """NATS with JetStream. Whether a stream is in memory or in files is its client's choice. NATS before 2.10 has
    no choice of when files are synced: it does so every 2 minutes."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path=MORE_PATH)
    if not program:
        raise NotHere("nats-server is not installed")
    with tempfile.TemporaryDirectory(dir=folder, prefix="nats-") as own:
        with open(os.path.join(own, "nats.conf"), "w", encoding="utf-8") as file:
            # As delivered, but for the limits that an event of more than 1 MiB meets, and a round that
            # waits for its consumer.
            file.write('listen: "127.0.0.1:-1"\n'
                       f"ports_file_dir: {json.dumps(own)}\n"
                       "max_payload: 8388608\nmax_pending: 2147483648\nwrite_deadline: \"60s\"\n"
                       f"jetstream {{ store_dir: {json.dumps(own)}, max_memory_store: 8589934592, "
                       "max_file_store: 34359738368 }\n")

        def answers():
            for path in glob.glob(os.path.join(own, "nats-server_*.ports")):
                with open(path, encoding="utf-8") as ports:
                    text = ports.read()
                if text.rstrip().endswith("}"):
                    return json.loads(text)["nats"][0]
            return None
        with _running([program, "-c", file.name], own, answers) as server:
            yield server


@contextlib.contextmanager
def no_server():
    """Peers without a server share a folder for their sockets."""
    with tempfile.TemporaryDirectory(prefix="peers-") as own:
        yield own
