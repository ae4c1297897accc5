#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measure between two hosts that this machine plays, over one cable, and compare with the bars.

Called by scripts/bench --hosts, inside a world of tests/hosts/world.sh. Each row is the median of
some launches; its bars are for MPICH and for Open MPI.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from run_cases import ENVIRONMENT, HERE, MIB, number, spread

SECONDS = 120  # a run, at most
END_SECONDS = 3  # after its result
LAUNCH = f". '{HERE}/tests/hosts/launch.sh'; launch \"$@\""
CABLES = {"1ms": "1000", "10ms": "10000"}


def results(path):
    with open(path, encoding="utf-8") as output:
        return [json.loads(line) for line in output.read().splitlines() if line.endswith("}")]


def launch(bench, *arguments):
    """One run of mofka-bench: the producer on one host, the consumer, which owns the partitions, on the
    other one. Its output goes to a file: processes of a launcher that hangs in MPI_Finalize keep a pipe."""
    command = [str(a) for a in (bench.program, *arguments, "--window", "rma", "--owners", "consumers",
                                "--json", "-")]
    with tempfile.NamedTemporaryFile("a") as output:
        run = subprocess.Popen(["bash", "-c", LAUNCH, "launch", f"mpiexec.{bench.mpi}",
                                "node0:1,node1:1", "-n", "2", *command], stdout=output,
                               stderr=subprocess.DEVNULL, env=ENVIRONMENT, start_new_session=True)
        end = time.monotonic() + SECONDS
        while run.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
            if results(output.name):  # all that is left is the end of MPI
                end = min(end, time.monotonic() + END_SECONDS)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        rows = results(output.name)
    if not rows:
        sys.exit(f"no result in {SECONDS} s: {' '.join(command)}")
    return rows[-1]


def median(bench, path, *arguments):
    rows = [launch(bench, *arguments) for _ in range(bench.repeats)]
    return statistics.median(number(row, path) for row in rows), spread(rows, path)


def partitions(bench):
    """The rate with 16 partitions, of that with one, in turn."""
    def rate(count):
        return launch(bench, "stream", "-n", 20000, "-m", 128, "--partitions", count)["events_per_s"]

    rows = [{"ratio": rate(16) / rate(1)} for _ in range(bench.repeats)]
    return statistics.median(row["ratio"] for row in rows), spread(rows, "ratio")


def latency(bench):
    return median(bench, "ratio.sendrecv_latency", "latency", "-n", 300, "-m", 64, "--baseline")


def large(bench):
    return median(bench, "ratio.put", "stream", "-n", 200, "-m", 64, "-s", MIB, "--baseline")


def many(bench):
    return median(bench, "seconds", "stream", "-n", 20000, "-m", 128)


def append(bench):
    """The time of an append with one in flight, of a round trip through the cable alone."""
    rows = [launch(bench, "stream", "-n", 150, "-m", 64, "-b", 1, "--max-batches", 1)
            for _ in range(bench.repeats)]
    trips = [{"trips": row["seconds"] / row["events"] / (2e-6 * int(CABLES[bench.cable]))} for row in rows]
    return statistics.median(row["trips"] for row in trips), spread(trips, "trips")


def small_batches(bench):
    return median(bench, "events_per_s", "stream", "-n", 50000, "-m", 128, "-b", 64,
                  "--max-batches", 256)


# What is measured, in words; how; whether less is better; the bars.
ROWS = {
    "fast": [("one event, push to delivery, in half round trips of messages", latency, True, 6, 16),
             ("events of 1 MiB, of puts", large, False, 0.7, 0.4),
             ("20,000 events of 128 B, in seconds", many, True, 0.2, 0.5)],
    "1ms": [("one event, push to delivery, in half round trips of messages", latency, True, 3.5, 3.5),
            ("16 partitions, of one", partitions, False, 0.75, 0.6)],
    "10ms": [("round trips of an append, by time", append, True, 2, 2),
             ("batches of 64 events, max_batches 256, in events/s", small_batches, False, 1e5, 5e4)],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--cable-program", required=True)
    parser.add_argument("--mpi", required=True)
    parser.add_argument("--cable", required=True, choices=ROWS)
    parser.add_argument("--repeats", type=int, default=3)
    bench = parser.parse_args()
    if bench.cable in CABLES:
        subprocess.run([f"{HERE}/tests/hosts/cable.sh", "plug", bench.cable_program,
                        CABLES[bench.cable], "0", "0"], check=True)
    missed = False
    for what, measure, less, *bars in ROWS[bench.cable]:
        bar = bars[bench.mpi == "openmpi"]
        value, around = measure(bench)
        met = value <= bar if less else value >= bar
        missed |= not met
        print(f"{bench.mpi}, {bench.cable} cable: {what}: {value:.3g} [{around}], "
              f"{'<=' if less else '>='} {bar:g}, {'met' if met else 'missed'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
