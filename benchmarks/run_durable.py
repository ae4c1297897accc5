#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measure events on disk: the driver "files" beside its floors, and beside other systems that store.

Called by scripts/bench --durable. Runs alternate; a ratio is the median of the ratios of neighbours. All
results are kept in OUTPUT/MPI-durable.jsonl, the tables in OUTPUT/MPI-durable.md.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile

from peers.servers import Failed, NotHere, nats, redis, stop_on_signals
from run_cases import Bench, MIB, machine

SIZES = {"128 B": (128, 0), "64 B + 4 KiB": (64, 4096), "64 B + 1 MiB": (64, MIB)}
RUN_SECONDS = 300  # a run, at most
BATCH_BYTES, BATCH_MAX = MIB, 1024  # of durable/files.c
FRAME_BYTES, ENTRY_BYTES = 64 + 8, 16  # src/store/log/format.h
GIB = 1 << 30


class Programs:
    """Runs the programs of peers/ and durable/."""

    def __init__(self, folder, seconds, log):
        self.folder, self.seconds, self.log = folder, seconds, log

    def run(self, program, *arguments):
        path = os.path.join(self.folder, program)
        if not os.path.exists(path):
            raise NotHere(f"{program} was not built: its library is missing")
        command = [path, *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=RUN_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
        row = json.loads(done.stdout)
        self.log.write(json.dumps(row) + "\n")
        self.log.flush()
        return row

    def stream(self, program, server, size, store, phased=True):
        return self.run(program, "stream", "--server", server, "-m", size[0], "-s", size[1], "--store", store,
                        "--seconds", self.seconds, *(["--phased"] if phased else []))

    def files(self, place, size, durability, phased=True):
        with tempfile.TemporaryDirectory(dir=place, prefix="files-") as folder:
            return self.stream("peer_files", folder, size, durability, phased)

    def floor(self, place, what, size, piece=None):
        with tempfile.TemporaryDirectory(dir=place, prefix="floor-") as folder:
            return self.run("durable_floor", what, folder, size, *([piece] if piece else []))


def rate(row, side):
    """Events per second of a side: push, pull."""
    return row["events"] / row[side + "_seconds"]


def speed(row, side=None):
    """Bytes per second."""
    if side is None:
        return row["bytes"] / row["seconds"]
    return rate(row, side) * (row["metadata_size"] + row["data_size"])


def batch_bytes(size):
    """Bytes of a batch in a segment: of one append, and of one sync."""
    events = min(max(BATCH_BYTES // sum(size), 1), BATCH_MAX)
    return -(-(events * (sum(size) + ENTRY_BYTES) + FRAME_BYTES) // 64) * 64


# ---- beside what the machine does -----------------------------------------------------------------


def case_memory(programs, bench, places):
    """Both processes at once, as in the window."""
    ours = programs.files(places["memory"], SIZES["128 B"], "written", phased=False)
    other = bench.launch(2, ["stream", "-n", max(int(ours["events"]), 100000), "-m", 128, "--window", "shm"], ())
    return ours["events_per_s"], other[0]["events_per_s"]


def case_write(programs, _bench, places):
    ours = programs.files(places["memory"], SIZES["64 B + 1 MiB"], "written")
    size = int(ours["events"]) * MIB
    return speed(ours, "push"), speed(programs.floor(places["memory"], "write", size, MIB))


def case_sync(name):
    def case(programs, _bench, places):
        ours = programs.files(places["disk"], SIZES[name], "synced")
        piece = batch_bytes(SIZES[name])
        size = max(int(ours["events"]) * sum(SIZES[name]) // piece, 4) * piece
        return speed(ours, "push"), speed(programs.floor(places["disk"], "sync", size, piece))
    return case


def case_replay(programs, _bench, places):
    ours = programs.files(places["memory"], SIZES["64 B + 1 MiB"], "written")
    size = int(ours["events"]) * MIB
    return speed(ours, "pull"), speed(programs.floor(places["memory"], "read", size, MIB))


CASES = [
    ("128 B, `written` to tmpfs, of the same in an shm window without storage", 0.5, case_memory, "events/s"),
    ("64 B + 1 MiB, `written` to tmpfs, of `pwrite` in pieces of 1 MiB by one thread", 0.8, case_write, "B/s"),
    *((f"{name}, `synced`, of `pwrite` and `fdatasync` with the same bytes a sync", 0.8, case_sync(name), "B/s")
      for name in SIZES),
    ("64 B + 1 MiB, replay from the page cache, of `pread` and a check", 0.8, case_replay, "B/s"),
]
RECOVERY_SECONDS = 1.0


def quantity(value, unit):
    for scale, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def around(values):
    return f"{statistics.median(values):.3g} [{min(values):.3g}–{max(values):.3g}]"


def bold(text, met):
    return text if met else f"**{text}**"


def measure_cases(programs, bench, places, rounds, recover):
    """The lines of the table, and whether each bar is met."""
    found = {case[0]: [] for case in CASES}
    recoveries = []
    for _ in range(rounds):
        for what, _bar, case, _unit in CASES:
            found[what].append(case(programs, bench, places))
        recoveries.append(programs.floor(places["memory"], "recover", recover)["seconds"])
    lines, met = [], True
    for what, bar, _case, unit in CASES:
        ratios = [ours / floor for ours, floor in found[what]]
        good = statistics.median(ratios) >= bar
        met = met and good
        ours, floor = (quantity(statistics.median(column), unit) for column in zip(*found[what]))
        lines.append(f"| {what} | >= {bar} | {bold(around(ratios), good)} | {ours} | {floor} |")
    good = statistics.median(recoveries) <= RECOVERY_SECONDS
    lines.append(f"| recovery of a partition of 1 GiB whose process was killed | <= {RECOVERY_SECONDS:g} s "
                 f"| {bold(around(recoveries) + ' s', good)} | – | – |")
    return lines, met and good


# ---- beside others that store ---------------------------------------------------------------------

# A system, how it stores, the program and its --store, and its server; and what stands beside it.
PEERS = [
    ("Redis Streams, appendonly, everysec", "peer_redis", "none", lambda place: redis("everysec", place), "written"),
    ("NATS JetStream, file", "peer_nats", "file", nats, "written"),
    ("Redis Streams, appendonly, always", "peer_redis", "none", lambda place: redis("always", place), "synced"),
]


def measure_peers(programs, place, rounds):
    lines = []
    for name, program, store, server, durability in PEERS:
        pairs = {size: [] for size in SIZES}
        missing = None
        try:
            for _ in range(rounds):
                for size, numbers in SIZES.items():
                    ours = programs.files(place, numbers, durability)
                    with server(place) as where:
                        pairs[size].append((ours, programs.stream(program, where, numbers, store)))
        except (NotHere, Failed, subprocess.TimeoutExpired) as error:
            missing = str(error).splitlines()[-1]
        lines.append(f"| {name} | `{durability}` | " + (f"{missing} | – | – |" if missing else " | ".join(
            peer_cell(pairs[size]) for size in SIZES) + " |"))
    return lines


def peer_cell(pairs):
    """Ratios and rates, of producing and of consuming."""
    parts = []
    for side in ("push", "pull"):
        ratios = [rate(ours, side) / rate(peer, side) for ours, peer in pairs]
        parts.append(f"{around(ratios)}, {quantity(statistics.median(rate(peer, side) for _, peer in pairs), '/s')}")
    return "; ".join(parts)


# ---- all of it ------------------------------------------------------------------------------------


def write_tables(path, mpi, places, cases, peers):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"Machine: {machine()}; {mpi}. Medians, and in brackets the spread of the launches. Disk: "
                   f"{places['type']}.\n\n| what | bar | ratio | ours | floor |\n|---|---|---|---|---|\n")
        file.write("\n".join(cases) + "\n\n")
        file.write("Ours, of the peer's: producing; then consuming. Behind each ratio is the peer's rate.\n\n"
                   "| peer | beside | " + " | ".join(SIZES) + " |\n|" + "---|" * (len(SIZES) + 2) + "\n")
        file.write("\n".join(peers) + "\n")


def file_system(path):
    done = subprocess.run(["df", "--output=fstype", path], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement, about")
    parser.add_argument("--place", help="a folder on the disk that is measured; OUTPUT if none is named")
    parser.add_argument("--recover", type=int, default=GIB, help="bytes of the partition that is recovered")
    parser.add_argument("--output", required=True)
    parser.add_argument("--build", help="the build, if it is not that of scripts/bench")
    parser.add_argument("mpi")
    arguments = parser.parse_args()
    stop_on_signals()
    disk = os.path.abspath(arguments.place or arguments.output)
    places = {"memory": "/dev/shm", "disk": disk, "type": file_system(disk)}
    bench = Bench(arguments.mpi, arguments.output, 1, arguments.mpi + "-durable")
    if arguments.build:
        bench.program = os.path.join(arguments.build, "benchmarks", "mofka-bench")
    path = os.path.join(arguments.output, f"{arguments.mpi}-durable.md")
    with contextlib.closing(bench.log):
        programs = Programs(os.path.dirname(bench.program), arguments.seconds, bench.log)
        cases, met = measure_cases(programs, bench, places, arguments.rounds, arguments.recover)
        peers = measure_peers(programs, disk, arguments.rounds)
    write_tables(path, arguments.mpi, places, cases, peers)
    with open(path, encoding="utf-8") as table:
        print(table.read())
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
