#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measure other systems and the library in alternating pairs; make a table and a plot.

Called by scripts/bench --peers. All results are kept in OUTPUT/MPI-peers.jsonl. A ratio is the library's
events per second, by push and pull_many in an shm window, over the peer's right after it.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys

from peers.servers import Failed, NotHere, nats, no_server, redis, stop_on_signals
from run_cases import Bench, MIB, machine, plot, write_data

SIZES = {"128 B": (128, 0), "64 B + 4 KiB": (64, 4096), "64 B + 1 MiB": (64, MIB)}
TIMES = ("p50", "p999", "max")
RUN_SECONDS = 180  # a run, at most


@dataclasses.dataclass
class Peer:
    """One row: a program of peers/, and how it is used."""
    name: str
    label: str  # in the plot
    program: str
    keeps: str
    server: object
    package: str
    arguments: tuple = ()
    sizes: tuple = tuple(SIZES)
    single: bool = True  # whether one event in flight, and a push, have a meaning


PACKED = {"arguments": ("--pack", "1024"), "sizes": tuple(SIZES)[:2], "single": False}
PEERS = [
    Peer("ZeroMQ over ipc, 1,024 events a message", "ZeroMQ, packs", "zeromq", "passes on", no_server, "libzmq3-dev",
         **PACKED),
    Peer("ZeroMQ over ipc", "ZeroMQ", "zeromq", "passes on", no_server, "libzmq3-dev"),
    Peer("nng over ipc, 1,024 events a message", "nng, packs", "nng", "passes on", no_server, "libnng-dev",
         **PACKED),
    Peer("nng over ipc", "nng", "nng", "passes on", no_server, "libnng-dev"),
    Peer("NATS core over TCP", "NATS core", "nats", "passes on", nats, "libnats-dev"),
    Peer("Redis Streams over a unix socket", "Redis", "redis", "stores, memory", redis, "libhiredis-dev"),
    Peer("NATS JetStream over TCP", "JetStream", "nats", "stores, memory", nats, "libnats-dev",
         ("--store", "memory")),
]
# Floors of mofka-bench.
RINGS = {"ring": "a plain ring, one index a message", "ring_64": "a plain ring, one index for 64 messages"}
# How the library is used, and the options of mofka-bench stream. The first one is paired with the peers; each
# is measured beside the ring. Claims belong here, as soon as mofka-bench has them.
WAYS = {"push, pull_many": (), "push, runs in place": ("--runs", "--zero-copy"),
        "claim, runs in place": ("--claim", "--runs", "--zero-copy")}


class PeerBench:
    """Runs the programs of peers/."""

    def __init__(self, folder, seconds, log):
        self.folder, self.seconds, self.log = folder, seconds, log

    def run(self, peer, server, workload, size):
        program = os.path.join(self.folder, "peer_" + peer.program)
        if not os.path.exists(program):
            raise NotHere(f"{peer.package} is not installed")
        metadata, data = size
        command = [program, workload, "--server", server, "-m", str(metadata), "-s", str(data),
                   "--seconds", str(self.seconds), *peer.arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{workload}: no result in {RUN_SECONDS} s") from late
        if done.returncode != 0:
            raise Failed(f"{workload}: {(done.stderr.strip().splitlines() or ['no message'])[0]}")
        self.log.write(done.stdout)
        return json.loads(done.stdout)


class Ours:
    """Runs mofka-bench for about as long as a peer."""

    def __init__(self, bench, seconds):
        self.bench, self.seconds = bench, seconds
        self.counts = {}

    def sized(self, command, size, *more):
        """Run it so long. The first run of a kind gives its speed."""
        metadata, data = size
        arguments = (command, "-m", metadata, "-s", data, "--window", "shm", *more)
        if arguments not in self.counts:
            first = self.bench.run(2, *arguments, "-n", 2000 if data < MIB else 200, repeats=1)[0]
            trips = 2 if command == "latency" else 1
            self.counts[arguments] = int(first["events_per_s"] / trips * self.seconds) + 1
        return self.bench.run(2, *arguments, "-n", self.counts[arguments], repeats=1)[0]

    def push(self):
        """The times of a push, in µs."""
        rows = self.bench.run(2, "push", "--window", "shm", "--seconds", 2 * self.seconds)
        found = {row["what"]: row["value"] / 1e3 for row in rows}
        return {key: found["push_" + key.replace("999", "99.9")] for key in TIMES}


class Row:
    """What was measured of one peer."""

    def __init__(self):
        self.missing = None  # "not here" or "failed", and why
        self.ratios = {name: [] for name in SIZES}
        self.rates = {name: [] for name in SIZES}
        self.trips, self.pushes = [], []


def measure_peer(peer, row, ours, peers, server):
    for name in peer.sizes:
        base = ours.sized("stream", SIZES[name])["events_per_s"]
        rate = peers.run(peer, server, "stream", SIZES[name])["events_per_s"]
        row.ratios[name].append(base / rate)
        row.rates[name].append(rate)
    if peer.single:
        row.trips.append(peers.run(peer, server, "pingpong", (64, 0))["times_us"])
        row.pushes.append(peers.run(peer, server, "push", (64, 0))["times_us"])


def measure_way(row, rings, ours, options):
    """The library beside the rings, which are floors of mofka-bench."""
    for name, size in SIZES.items():
        got = ours.sized("stream", size, "--baseline", *options)
        row.ratios[name].append(got["ratio"]["ring"])
        row.rates[name].append(got["events_per_s"])
        for floor in rings:
            rings[floor].ratios[name].append(got["ratio"][floor])
            rings[floor].rates[name].append(got["baseline"][floor] * 1e9 / sum(size))


def measure_trips(row, ring, ours):
    got = ours.sized("latency", (64, 0), "--baseline")
    row.trips.append(got["latency_us"])
    ring.trips.append({"p50": got["baseline"]["ring_p50_us"]})


def measure(ours, peers, rounds):
    """Give the rows: of the ways to use the library, of the rings, and of the peers."""
    ways, rings = {name: Row() for name in WAYS}, {floor: Row() for floor in RINGS}
    rows = {peer.name: Row() for peer in PEERS}
    first = ways[next(iter(WAYS))]
    for index in range(rounds):
        for name, options in WAYS.items():
            measure_way(ways[name], rings if ways[name] is first else {}, ours, options)
        measure_trips(first, rings["ring"], ours)
        first.pushes.append(ours.push())
        for peer in PEERS:
            row = rows[peer.name]
            if row.missing:
                continue
            try:
                with peer.server() as server:
                    measure_peer(peer, row, ours, peers, server)
            except NotHere as reason:
                row.missing = f"not here: {reason}"
            except Failed as reason:
                row.missing = f"failed: {reason}"
            print(f"round {index + 1} of {rounds}: {peer.name}: " + (
                row.missing or ", ".join(f"{row.ratios[name][-1]:.3g}" for name in peer.sizes)), flush=True)
    return ways, rings, rows


# ---- table and plot --------------------------------------------------------------------------------


def rate_text(rate):
    for unit, scale in ((" M/s", 1e6), (" k/s", 1e3), ("/s", 1)):
        if rate >= scale:
            return f"{rate / scale:.3g}{unit}"
    return f"{rate:.2g}/s"


def short(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def around(values):
    return f"{short(statistics.median(values))} [{short(min(values))}–{short(max(values))}]"


def times_text(rows):
    """The medians of the launches."""
    return "; ".join(short(statistics.median(row[key] for row in rows)) for key in TIMES
                     if key in rows[0]) if rows else "–"


def cells(row):
    return [f"{around(row.ratios[name])}, {rate_text(statistics.median(row.rates[name]))}"
            if row.ratios[name] else "–" for name in SIZES] + [times_text(row.trips), times_text(row.pushes)]


def write_table(path, mpi, ways, rings, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"Machine: {machine()}; {mpi}. Medians, and in brackets the spread of the launches.\n\n")
        file.write("| system | keeps events | " + " | ".join(SIZES) + " | one event in flight: p50; p99.9; max, µs "
                   "| a push: p50; p99.9; max, µs |\n|" + "---|" * (len(SIZES) + 4) + "\n")
        for name, row in ways.items():
            file.write(f"| mofka, {name}: of the ring | stores, memory | {' | '.join(cells(row))} |\n")
        for floor, row in rings.items():
            file.write(f"| {RINGS[floor]}: mofka's, of its | passes on | {' | '.join(cells(row))} |\n")
        for peer in PEERS:
            row = rows[peer.name]
            found = [row.missing] + ["–"] * (len(SIZES) + 1) if row.missing else cells(row)
            file.write(f"| {peer.name}: mofka's, of its | {peer.keeps} | {' | '.join(found)} |\n")


def plot_ratios(output, mpi, rings, rows):
    found = [("ring\\npasses on", rings["ring"])]
    found += [(f"{peer.label}\\n{peer.keeps.split(',')[0]}", rows[peer.name]) for peer in PEERS
              if not rows[peer.name].missing]
    path = os.path.join(output, f"{mpi}-peers.dat")
    write_data(path, [(f'"{label}"', *[value for name in SIZES for value in (
        (statistics.median(row.ratios[name]), min(row.ratios[name]), max(row.ratios[name]))
        if row.ratios[name] else (None, None, None))]) for label, row in found])
    columns = ", ".join(f"'{path}' using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}:xticlabels(1) title '{name}'"
                        for i, name in enumerate(SIZES))
    plot(output, f"{mpi}-peers",
         f"set title 'Events per second of mofka, of those of another system ({mpi}, shm)'\n"
         "set style data histograms\nset style histogram errorbars gap 2 lw 1\nset style fill solid 0.6\n"
         "set logscale y\nset xtics font ',9'\nset bmargin 6\n"
         f"plot {columns}, 1 with lines dt 2 lc 'black' notitle\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement, about")
    parser.add_argument("--output", required=True)
    parser.add_argument("--build", help="the build, if it is not that of scripts/bench")
    parser.add_argument("mpis", nargs="+")
    arguments = parser.parse_args()
    stop_on_signals()
    failed = False
    for mpi in arguments.mpis:
        print(f"== {mpi}", flush=True)
        bench = Bench(mpi, arguments.output, 1, mpi + "-peers")
        if arguments.build:
            bench.program = os.path.join(arguments.build, "benchmarks", "mofka-bench")
        with contextlib.closing(bench.log):
            peers = PeerBench(os.path.dirname(bench.program), arguments.seconds, bench.log)
            ways, rings, rows = measure(Ours(bench, arguments.seconds), peers, arguments.rounds)
        path = os.path.join(arguments.output, f"{mpi}-peers.md")
        write_table(path, mpi, ways, rings, rows)
        plot_ratios(arguments.output, mpi, rings, rows)
        failed |= any((row.missing or "").startswith("failed") for row in rows.values())
        with open(path, encoding="utf-8") as table:
            print(table.read())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
