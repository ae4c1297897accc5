#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The servers of benchmarks/peers/ end with the program that started them, whatever ends that; and the table of
scripts/bench --peers names every peer. The server is one of this test: no peer is needed.

    peers_test.py BENCHMARKS-FOLDER
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, sys.argv[1])
from peers import servers  # noqa: E402
import run_peers  # noqa: E402

SECONDS = 60  # a wait, at most
# Takes the options of Redis, notes its own id, and is slow to end.
SERVER = """#!/bin/sh
[ -z "$FAKE_FAILS" ] || { echo "no memory for it"; exit 1; }
echo $$ >"$FAKE_NOTE.new"; mv "$FAKE_NOTE.new" "$FAKE_NOTE"
while [ "$1" != --unixsocket ]; do shift; done
: >"$2"
trap 'sleep 0.1; exit 0' TERM
while :; do sleep 0.05; done
"""
HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from peers import servers
servers.stop_on_signals()
with servers.redis(folder=sys.argv[2]) as server:
    print(server, flush=True)
    time.sleep(600)
"""


def until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def runs(pid):
    """Whether a process runs. One that has ended and is not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def noted():
    with open(os.environ["FAKE_NOTE"], encoding="utf-8") as file:
        return int(file.read())


def case_ends(folder):
    with servers.redis(folder=folder) as place:
        pid = noted()
        assert os.path.exists(place) and runs(pid)
        assert len(os.listdir(folder)) == 1
    assert not runs(pid) and not os.path.exists(place) and not os.listdir(folder)


def case_signals(folder):
    """SIGKILL leaves the folder, but no server."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        with subprocess.Popen([sys.executable, "-c", HOLDER, sys.argv[1], folder], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as holder:
            place = holder.stdout.readline().strip()
            pid = noted()
            assert runs(pid)
            holder.send_signal(number)
            assert holder.wait(SECONDS) != 0
        until(lambda: not runs(pid))
        if number != signal.SIGKILL:
            assert not os.path.exists(place) and not os.listdir(folder), number


def case_fails(folder):
    os.environ["FAKE_FAILS"] = "1"
    try:
        with servers.redis(folder=folder):
            raise AssertionError("it runs")
    except servers.Failed as reason:
        assert "no memory for it" in str(reason), reason
    finally:
        del os.environ["FAKE_FAILS"]
    assert not os.listdir(folder)


def case_missing(folder):
    path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
    servers.MORE_PATH = "/nowhere"
    try:
        for server in (servers.redis, servers.nats):
            try:
                with server(folder=folder):
                    raise AssertionError("it runs")
            except servers.NotHere as reason:
                assert "installed" in str(reason), reason
    finally:
        os.environ["PATH"] = path


def case_table(folder):
    """Each peer has its row: numbers, or why there are none."""
    ways = {name: run_peers.Row() for name in run_peers.WAYS}
    rings = {floor: run_peers.Row() for floor in run_peers.RINGS}
    rows = {peer.name: run_peers.Row() for peer in run_peers.PEERS}
    for row in (*ways.values(), *rings.values(), *rows.values()):
        for name in run_peers.SIZES:
            row.ratios[name], row.rates[name] = [3.0, 1.5, 2.0], [2e6, 1e6, 3e6]
        row.trips = [{"p50": 2.0, "p999": 40.0, "max": 5000.0}]
    rows[run_peers.PEERS[0].name].missing = "not here: it is not installed"
    rows[run_peers.PEERS[1].name].ratios["128 B"] = []
    path = os.path.join(folder, "table.md")
    rings["ring"].trips = [{"p50": 0.25}]
    run_peers.write_table(path, "mpich", ways, rings, rows)
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    above = 4 + len(ways) + len(rings)
    assert len(lines) == above + len(rows), lines
    assert all(line.count("|") == 8 for line in lines[2:]), lines
    first, second, third = (line.split(" | ") for line in lines[above:above + 3])
    assert lines[4 + len(ways)].split(" | ")[5] == "0.25", lines
    assert first[2] == "not here: it is not installed" and first[3] == "–", first
    assert second[2] == "–" and second[3] == "2 [1.5–3], 2 M/s", second
    assert third[5] == "2; 40; 5,000" and third[6] == "– |", third


def main():
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "redis-server")
        with open(program, "w", encoding="utf-8") as file:
            file.write(SERVER)
        os.chmod(program, 0o755)
        os.environ["PATH"] = work + ":" + os.environ["PATH"]
        os.environ["FAKE_NOTE"] = os.path.join(work, "note")
        folder = os.path.join(work, "folder")
        os.mkdir(folder)
        for case in (case_ends, case_signals, case_fails, case_missing):
            case(folder)
            print(f"{case.__name__}: good", flush=True)
            for left in os.listdir(folder):  # of the one that was killed
                subprocess.run(["rm", "-rf", os.path.join(folder, left)], check=True)
        case_table(folder)
        print("case_table: good")


if __name__ == "__main__":
    main()
