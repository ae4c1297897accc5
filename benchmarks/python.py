#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Python package beside mofka-bench, in turns on the same two cores.

    python3 benchmarks/python.py [--build build/mpich] [--mpiexec mpiexec.mpich] [--rounds 5]

Each round launches the C program and the Python program of a case after one another; a ratio is the median
of the rounds' ratios. For small events, pushing and pulling are timed apart (mofka-bench stream --phased).
They are one process that does not wait, so their rate is that of its CPU time: other work of the machine does
not change it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = b'{"x":"' + b"a" * 120 + b'"}'  # 128 bytes
MIB = 1 << 20
LARGE, SMALL = 6000, 200000  # events
# Name, text, and the ratio or the rate that is aimed at; 0: none, for comparison.
CASES = (
    ("large", "1 MiB events, end to end, of C", 0.9),
    ("large_allocator", "the same, into memory of an allocator in Python", 0),
    ("large_zero_copy", "the same, read in place, of C with --zero-copy", 0),
    ("push_many", "128 B by push_many, M in a second", 1.0),
    ("pull_many", "128 B by pull_many and its texts, M in a second", 1.0),
    ("push", "128 B by push, dropping the futures, M in a second", 0.2),
    ("push_dict", "the same, of a dict", 0.2),
    ("pull", "128 B by iterating, and the text of each, M in a second", 0.2),
    ("pull_metadata", "the same, and its parsed metadata", 0.2),
    ("pull_future", "128 B by pull().wait(), M in a second", 0.2),
)


def large(driver, case):
    """Rank 0 pushes, rank 1 pulls; events/s at rank 1, from its start signal to the last event."""
    options = {"partition_bytes": 8 * MIB, "expected_producers": 1}
    if driver.rank == 0:
        driver.create_topic("data", options=options)
        driver.create_topic("start", options={"partition_bytes": 65536})
    topic, start = driver.open_topic("data"), driver.open_topic("start")
    if driver.rank == 0:
        data, text = bytearray(MIB), b'{"x":"' + b"a" * 56 + b'"}'
        with start.consumer("pusher") as consumer, topic.producer() as producer:
            for count in (50, LARGE):
                for _ in range(count):
                    producer.push(text, data)
                producer.flush().wait()
                if count == 50:
                    consumer.pull().wait()
        return None
    target = [bytearray(MIB)]
    more = {"large": {}, "large_zero_copy": {"zero_copy": True},
            "large_allocator": {"data_allocator": lambda metadata, descriptor: target}}[case]
    with topic.consumer("puller", **more) as consumer, start.producer() as producer:
        for _, event in zip(range(50), consumer):
            event.acknowledge()
        producer.push(b"{}").wait()
        before = time.perf_counter()
        for event in consumer:
            event.acknowledge()
        seconds = time.perf_counter() - before
        del event
    return [LARGE / seconds, 0]


def seconds_of(run, *arguments):
    """Seconds, and seconds of CPU time, of a call."""
    before, cpu = time.perf_counter(), time.process_time()
    run(*arguments)
    return time.perf_counter() - before, time.process_time() - cpu


def small_push(case, producer):
    """Push, and wait until all is stored."""
    body = {"x": "a" * 120} if case == "push_dict" else TEXT
    if case == "push_many":
        for _ in range(SMALL // 1000):
            producer.push_many([body] * 1000)
    else:
        push = producer.push
        for _ in range(SMALL):
            push(body)
    producer.flush().wait()


def small_pull(case, consumer):
    """Pull, and look at each event."""
    got = 0
    if case == "pull_many":
        while got < SMALL:
            batch = consumer.pull_many(1000)
            got += len(batch.texts)
    elif case == "pull_future":
        for _ in range(SMALL):
            got += len(consumer.pull().wait().text) > 0
    elif case == "pull_metadata":
        for event in consumer:
            got += len(event.metadata)
    else:
        for event in consumer:
            got += len(event.text) > 0
    assert got == SMALL, got


def small(driver, case):
    """Push all, then pull all, in one rank; seconds of the part that the case is about."""
    driver.create_topic("t", options={"partition_bytes": 64 * MIB, "partition_events": 4 * SMALL})
    topic = driver.open_topic("t")
    with topic.producer() as producer:
        pushed = seconds_of(small_push, case if case.startswith("push") else "push_many", producer)
    topic.mark_as_complete()
    with topic.consumer("r") as consumer:
        pulled = seconds_of(small_pull, case if case.startswith("pull") else "pull_many", consumer)
    return [SMALL / seconds for seconds in (pushed if case.startswith("push") else pulled)]


def work(case):
    """A rank of the Python program."""
    import mofka
    options = {"window": "shm", "arena_bytes": 192 * MIB}
    if case.startswith("large"):
        options["owners"] = [1]
    with mofka.Driver(options=options) as driver:
        rates = (large if case.startswith("large") else small)(driver, case)
        if rates is not None:
            print(json.dumps({"case": case, "rates": rates}), flush=True)


def launch(arguments, command, ranks, **environment):
    """Run a job; return the JSON line that it prints."""
    done = subprocess.run(arguments.mpiexec.split() + ["-n", str(ranks)] + command, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=dict(os.environ, **environment), universal_newlines=True,
                          check=True)
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def run_python(arguments, case):
    """Events/s of the Python program, and events for each second of CPU time."""
    return launch(arguments, [sys.executable, os.path.abspath(__file__), "--work", case],
                  2 if case.startswith("large") else 1, MOFKA_LIBRARY=os.path.abspath(arguments.build),
                  PYTHONPATH=os.path.join(HERE, "..", "src", "bindings", "python"))["rates"]


def run_c(arguments, case):
    """Events/s of mofka-bench."""
    bench = [os.path.join(arguments.build, "benchmarks", "mofka-bench"), "stream", "--window", "shm", "--no-verify",
             "--json", "-"]
    if case.startswith("large"):
        bench += ["-n", str(LARGE), "-s", str(MIB), "-m", "64"]
        return launch(arguments, bench + ["--zero-copy"] * (case == "large_zero_copy"), 2)["events_per_s"]
    line = launch(arguments, bench + ["-n", str(SMALL), "-m", "128", "--phased"], 2)
    return SMALL / line["push_seconds" if case.startswith("push") else "pull_seconds"]


def main():
    """All cases; the exit code is 1 if one misses its aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "build", "mpich"))
    parser.add_argument("--mpiexec", default="mpiexec.mpich")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default="", help="only those whose name contains this")
    parser.add_argument("--work", metavar="CASE", help="be a rank of the Python program")
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work)
    missed = 0
    print("load %.1f on %d cores; Python %s" % (os.getloadavg()[0], os.cpu_count(), sys.version.split()[0]), flush=True)
    for case, what, aim in CASES:
        if arguments.cases not in case:
            continue
        pairs = [(run_python(arguments, case), run_c(arguments, case)) for _ in range(arguments.rounds)]
        ratio = statistics.median(ours[0] / theirs for ours, theirs in pairs)
        rate, of_cpu = (statistics.median(ours[i] for ours, _ in pairs) for i in (0, 1))
        value = ratio if case.startswith("large") else of_cpu / 1e6
        missed += value < aim
        print("%-53s %6.3f%s%s; %8.0f events/s, C %9.0f, ratio %.3f" % (
            what, value, " (aim %.1f)" % aim if aim else "", "" if value >= aim else " MISSED", rate,
            statistics.median(theirs for _, theirs in pairs), ratio), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
