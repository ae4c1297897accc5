#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run the standard measurements with mofka-bench, compare them with the bars, and make table and plots.

Called by scripts/bench. All printed numbers come from JSON lines of mofka-bench, which are
kept in OUTPUT/MPI.jsonl.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Bench:
    """Runs mofka-bench under one MPI and keeps its output."""

    def __init__(self, mpi, output, repeats, log=None):
        self.mpi, self.repeats = mpi, repeats
        self.program = os.path.join(HERE, "build", "bench-" + mpi, "benchmarks", "mofka-bench")
        self.log = open(os.path.join(output, (log or mpi) + ".jsonl"), "w", encoding="utf-8")

    def run(self, ranks, *arguments, repeats=None, launch=()):
        """Give the JSON objects of all repeats. Each repeat is a separate launch, because the speed of
        copies depends on the place of the memory and of the ranks."""
        repeats = (repeats or self.repeats) if arguments[0] in ("stream", "latency") else 1
        return [row for _ in range(repeats) for row in self.launch(ranks, arguments, launch)]

    def launch(self, ranks, arguments, launch):
        command = ["mpiexec." + self.mpi, "-n", str(ranks)]
        command += ["--oversubscribe"] if self.mpi == "openmpi" else []
        command += [*launch, self.program, *[str(a) for a in arguments], "--json", "-"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=300, check=False, env=ENVIRONMENT)
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for row in rows:
            self.log.write(json.dumps(row) + "\n")
        self.log.flush()
        if done.returncode != 0 or not rows:
            sys.exit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr}")
        return rows


def number(row, path):
    for key in path.split("."):
        row = row[key]
    return row


def median(rows, path):
    return statistics.median(number(row, path) for row in rows)


def spread(rows, path):
    values = sorted(number(row, path) for row in rows)
    return f"{values[0]:.3g}–{values[-1]:.3g}"


# ---- cases: each returns (what, value, bar, met, spread) tuples -----------------------------------


def at_least(what, rows, path, bar, unit=""):
    value = median(rows, path)
    return what, f"{value:.3g}{unit}", f">= {bar:.3g}{unit}", value >= bar, spread(rows, path)


def case_1(bench, scale):
    found = []
    for mib in (8, 256):
        rows = bench.run(2, "stream", "-n", int(12000 * scale), "-m", 64, "-s", MIB, "--window",
                         "shm", "--partition-bytes", mib * MIB, "--baseline")
        found.append(at_least(f"1 MiB, ring {mib} MiB: of two-copy", rows, "ratio.two_copy", 0.8))
        found.append(at_least(f"1 MiB, ring {mib} MiB: of Isend", rows, "ratio.isend_gb", 2))
    return found


def case_2(bench, scale):
    def stream(*more, repeats=None):
        return bench.run(2, "stream", "-n", int(12000 * scale), "-m", 64, "-s", MIB, "--window",
                         "shm", *more, repeats=repeats)

    rows = stream("--zero-copy", "--baseline")
    ratios, _ = alternate(bench, lambda: stream(repeats=1),
                          lambda: stream("--zero-copy", repeats=1), "gb_per_s", rounds=5)
    faster = statistics.median(ratios)
    return [at_least("zero-copy: of a zero-copy pipeline", rows, "ratio.zero_copy", 0.9),
            ("zero-copy: of case 1", f"{faster:.3g}", "> 1", faster > 1,
             f"{min(ratios):.3g}–{max(ratios):.3g}")]


def case_3(bench, scale):
    rows = bench.run(2, "stream", "-n", int(6e6 * scale), "-m", 128, "--window", "shm",
                     "--baseline")
    return [at_least("128 B: events/s", rows, "events_per_s", 10e6),
            at_least("128 B: of Isend rate", rows, "ratio.isend_rate", 3)]


def case_4(bench, scale):
    rows = bench.run(2, "stream", "-n", int(1e6 * scale), "-m", 64, "-s", 4096, "--window", "shm",
                     "--baseline")
    return [at_least("4 KiB: of two-copy", rows, "ratio.two_copy", 0.5),
            at_least("4 KiB: of Isend", rows, "ratio.isend_gb", 3)]


def case_5(bench, scale):
    rows = bench.run(2, "latency", "-n", int(300000 * scale), "-m", 64, "--window", "shm",
                     "--baseline")
    found = []
    for what, path, bar in (("p50", "ratio.sendrecv_latency", 3),
                            ("p99", "ratio.sendrecv_latency_p99", 10)):
        value = median(rows, path)
        found.append((f"latency {what}: of half round trip's", f"{value:.3g}", f"<= {bar}",
                      value <= bar, spread(rows, path)))
    return found


def case_6(bench, scale):
    rows = bench.run(2, "stream", "-n", int(1500 * scale), "-m", 64, "-s", MIB, "--window", "rma",
                     "--phased", "--partition-bytes", 128 * MIB, "--baseline")
    found = [at_least("rma 1 MiB, push alone: of put", rows, "ratio.put", 0.85)]
    rows = bench.run(2, "stream", "-n", int(6000 * scale), "-m", 64, "-s", MIB, "--window", "rma",
                     "--baseline")
    for row in rows:  # the slower of the two floors is the one with the larger ratio
        row["ratio"]["slower"] = max(row["ratio"]["put"], row["ratio"]["get"])
    found.append(at_least("rma 1 MiB: of min(put, get)", rows, "ratio.slower", 0.6))
    value = median(rows, "ratio.two_copy")
    return found + [("rma 1 MiB: of two-copy, to compare", f"{value:.3g}", "none", True,
                     spread(rows, "ratio.two_copy"))]


def case_7(bench, scale):
    rows = bench.run(2, "stream", "-n", int(3e6 * scale), "-m", 128, "-b", 1024, "--window", "rma",
                     "--baseline")
    return [at_least("rma 128 B, batches of 1024: of put", rows, "ratio.put", 0.5)]


def alternate(bench, one, other, path, rounds=3):
    """Alternate two launches. Give the ratios other / one, and the rows of the others."""
    ratios, rows = [], []
    for _ in range(rounds):
        base = median(one(), path)
        last = other()
        ratios.append(median(last, path) / base)
        rows += last
    return ratios, rows


def case_8(bench, scale):
    def push(producers):
        return bench.run(producers + 1, "stream", "-n", int(8e6 * scale / producers), "-m", 128,
                         "--producers", producers, "--window", "shm", "--warmup", 10000, repeats=1)

    found = []
    for producers in (2, 4, 8):
        ratios, _ = alternate(bench, lambda: push(1), lambda p=producers: push(p), "events_per_s")
        value = statistics.median(ratios)
        found.append((f"{producers} producers, one partition: of one", f"{value:.3g}", ">= 0.7",
                      value >= 0.7, f"{min(ratios):.3g}–{max(ratios):.3g}"))
    return found


def case_9(bench, scale):
    launch = ["-bind-to", "none"] if bench.mpi == "mpich" else ["--bind-to", "none"]
    bar = 0.3 if bench.mpi == "openmpi" else 0.1

    def stream(ranks, count):
        return bench.run(ranks, "stream", "-m", 64, "-s", 65536, "--window", "rma", "-n",
                         int(count * scale), launch=launch, repeats=2)

    ratios, four = alternate(bench, lambda: stream(2, 8000), lambda: stream(4, 2500), "gb_per_s")
    value = statistics.median(ratios)
    slowest = max(r["seconds"] for r in four) / median(four, "seconds")
    return [("rma, 4 ranks: of 2 ranks", f"{value:.3g}", f">= {bar}", value >= bar,
             f"{min(ratios):.3g}–{max(ratios):.3g}"),
            ("rma, 4 ranks: slowest run of the median", f"{slowest:.3g}", "<= 10", slowest <= 10,
             "")]


def case_10(bench, scale):
    def stream(*more):
        return bench.run(2, "stream", "-n", int(4e6 * scale), "-m", 128, "--window", "shm", *more,
                         repeats=1)

    ratios, _ = alternate(bench, stream, lambda: stream("--futures"), "events_per_s",
                          rounds=bench.repeats)
    value = statistics.median(ratios)
    return [("futures for every event: of case 3", f"{value:.3g}", ">= 0.5", value >= 0.5,
             f"{min(ratios):.3g}–{max(ratios):.3g}")]


def case_11(bench, scale):
    found = []
    for window, bar in (("shm", 0.1), ("rma", 0.5)):
        for row in bench.run(2, "wait", "--window", window):
            if row["what"].endswith("_cpu"):
                found.append((f"{window}: {row['what']}", f"{row['value']:.3g} s",
                              f"<= {bar} s", row["value"] <= bar, ""))
    return found


def case_12(bench, scale):
    rows = bench.run(2, "stream", "-n", int(1e8), "-m", 128, "--window", "shm", repeats=1)
    growth = median(rows, "peak_rss_mb") / median(rows, "rss_two_laps_mb") - 1
    return [("100 M events: RSS above that of two laps", f"{100 * growth:.2f} %", "<= 2 %",
             growth <= 0.02, "")]


def case_13(bench, scale):
    arguments = ["stream", "-n", int(1500 * scale), "-m", 64, "-s", MIB, "--window", "shm",
                 "--phased", "--partition-bytes", 64 * MIB]
    whole = bench.run(2, *arguments)
    part = bench.run(2, *arguments, "--data-interest", 0.5, "--data-selectivity", 0.25)
    bytes_part = median(part, "bytes_fetched") / median(whole, "bytes_fetched")
    time = median(part, "pull_seconds") / median(whole, "pull_seconds")
    return [("1/8 selected: bytes fetched", f"{bytes_part:.4f}", "0.125 +- 1 %",
             abs(bytes_part / 0.125 - 1) <= 0.01, ""),
            ("1/8 selected: time of pulling", f"{time:.3g}", "<= 0.25", time <= 0.25,
             "")]


def case_14(bench, scale):
    found = []
    for what, data, bar in (("128 B", 0, 0.5), ("4 KiB", 4096, 0.8)):
        rows = bench.run(2, "stream", "-n", int((1e6 if data else 6e6) * scale), "-m",
                         64 if data else 128, "-s", data, "--window", "shm", "--baseline")
        found.append(at_least(f"{what}: of a ring", rows, "ratio.ring", bar))
    rows = bench.run(2, "latency", "-n", int(300000 * scale), "-m", 64, "--window", "shm",
                     "--baseline")
    value = median(rows, "ratio.ring_latency")
    return found + [("latency p50: of the ring's", f"{value:.3g}", "<= 2", value <= 2,
                     spread(rows, "ratio.ring_latency"))]


def case_15(bench, scale):
    found = []
    for window in ("shm", "rma"):
        rows = bench.run(2, "push", "--window", window, "--seconds", 4 * scale)
        for what in ("p50", "p99.9", "max"):
            value = next(row["value"] for row in rows if row["what"] == "push_" + what) / 1e3
            found.append((f"{window}: a push of 64 B, {what}", f"{value:.3g} µs", "none", True, ""))
    return found


CASES = [case_1, case_2, case_3, case_4, case_5, case_6, case_7, case_8, case_9, case_10, case_11,
         case_12, case_13, case_14, case_15]


def run_cases(bench, scale):
    """Run all cases: print each row, and return the rows of the table."""
    table = []
    for index, case in enumerate(CASES, 1):
        for what, value, bar, met, around in case(bench, scale):
            print(f"case {index}: {what}: {value}, {bar}, {'met' if met else 'missed'}", flush=True)
            table.append((index, what, value, around, bar, met))
    return table


# ---- sweeps for the plots --------------------------------------------------------------------------


def sweep_sizes(bench, scale):
    rows = []
    for data in (0, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB):
        count = max(200, int(min(2e6, 4e9 / (data + 512)) * scale))
        for window in ("shm", "rma"):
            got = bench.run(2, "stream", "-n", count, "-m", 64, "-s", data, "--window", window,
                            "--partition-bytes", 32 * MIB, "--baseline", repeats=1)[0]
            rows.append((window, data + 64, got))
    return rows


def sweep_batches(bench, scale):
    return [(batch, bench.run(2, "stream", "-n", int(min(2e6, 3e5 * batch) * scale), "-m", 128,
                              "-b", batch, "--window", "shm", repeats=1)[0])
            for batch in (1, 4, 16, 64, 256, 1024, 4096)]


def sweep_producers(bench, scale):
    return [(p, bench.run(p + 1, "stream", "-n", int(2e6 * scale / p), "-m", 128, "--producers", p,
                          "--window", "shm", repeats=1)[0]) for p in (1, 2, 3, 4, 6, 8)]


def sweep_partitions(bench, scale):
    return [(k, bench.run(2, "stream", "-n", int(2e6 * scale), "-m", 128, "--partitions", k,
                          "--window", "shm", repeats=1)[0]) for k in (1, 2, 4, 8, 16, 64)]


def sweep_latency(bench, scale):
    rows = []
    for window in ("shm", "rma"):
        got = bench.run(2, "latency", "-n", int(50000 * scale), "-m", 64, "--window", window,
                        repeats=1)[0]
        rows.append((window, got["latency_us"]))
    return rows


def write_data(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(" ".join("nan" if v is None else str(v) for v in row) + "\n")


def plot(output, name, commands):
    """Save the same plot as SVG and PNG."""
    for terminal, ending in (("svg size 800,500 dynamic background 'white'", "svg"),
                             ("pngcairo size 800,500", "png")):
        script = (f"set terminal {terminal}\nset output '{output}/{name}.{ending}'\n"
                  "set grid\nset key outside below\n" + commands)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def plot_sizes(output, mpi, rows):
    for window, floors in (("shm", ("memcpy", "two_copy", "isend_gb")),
                           ("rma", ("put", "get", "isend_gb"))):
        path = f"{output}/{mpi}-size-{window}.dat"
        write_data(path, [(size, got["gb_per_s"], *[got["baseline"][f] for f in floors])
                          for w, size, got in rows if w == window])
        lines = [f"'{path}' using 1:2 with linespoints lw 3 title 'mofka, {window}'"]
        lines += [f"'' using 1:{i + 3} with linespoints dt 2 title '{f.replace('_', ' ')}'"
                  for i, f in enumerate(floors)]
        plot(output, f"{mpi}-size-{window}",
             f"set title 'Throughput against event size ({mpi})'\nset logscale xy\n"
             "set format x '%.0s %cB'\nset ylabel 'GB/s'\nset xlabel 'bytes of an event'\n"
             "plot " + ", ".join(lines) + "\n")
    pairs = {}
    for window, size, got in rows:
        pairs.setdefault(size, {})[window] = got["gb_per_s"]
    path = f"{output}/{mpi}-windows.dat"
    write_data(path, [(size, p["shm"], p["rma"]) for size, p in sorted(pairs.items())])
    plot(output, f"{mpi}-windows",
         f"set title 'shm against rma ({mpi})'\nset logscale xy\nset format x '%.0s %cB'\n"
         "set ylabel 'GB/s'\nset xlabel 'bytes of an event'\n"
         f"plot '{path}' using 1:2 with linespoints title 'shm', "
         "'' using 1:3 with linespoints title 'rma'\n")


def plot_rate(output, name, title, xlabel, rows, log=True):
    path = f"{output}/{name}.dat"
    write_data(path, [(x, got["events_per_s"] / 1e6) for x, got in rows])
    plot(output, name,
         f"set title '{title}'\n" + ("set logscale x 2\n" if log else "") +
         f"set xlabel '{xlabel}'\nset ylabel 'million events/s'\nset yrange [0:]\nunset key\n"
         f"plot '{path}' using 1:2 with linespoints lw 3\n")


def plot_latency(output, mpi, rows):
    keys = ("p50", "p90", "p99", "p999", "max")
    path = f"{output}/{mpi}-latency.dat"
    write_data(path, [(i, k, *[l[k] for _, l in rows]) for i, k in enumerate(keys)])
    lines = [f"'{path}' using 1:{i + 3}:xticlabels(2) with linespoints title '{w}'"
             for i, (w, _) in enumerate(rows)]
    plot(output, f"{mpi}-latency",
         f"set title 'Latency of one event in flight ({mpi})'\nset logscale y\n"
         "set ylabel 'microseconds'\nplot " + ", ".join(lines) + "\n")


def sweeps(bench, output, scale):
    mpi = bench.mpi
    plot_sizes(output, mpi, sweep_sizes(bench, scale))
    plot_rate(output, f"{mpi}-batch", f"Events of 128 B against batch size ({mpi}, shm)",
              "events of a batch", sweep_batches(bench, scale))
    plot_rate(output, f"{mpi}-producers",
              f"Events of 128 B against producers on one partition ({mpi}, shm)",
              "producer ranks (one consumer rank; 2 cores)", sweep_producers(bench, scale), False)
    plot_rate(output, f"{mpi}-partitions",
              f"Events of 128 B against partitions ({mpi}, shm)", "partitions",
              sweep_partitions(bench, scale))
    plot_latency(output, mpi, sweep_latency(bench, scale))


# ---- the table -------------------------------------------------------------------------------------


def machine():
    """The CPU by its numbers, too: virtual machines may hide its name."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        fields = dict(reversed([[part.strip() for part in line.split(":", 1)]
                                for line in file if ":" in line]))
    model = (f"{fields.get('model name', 'unknown CPU')} (family {fields.get('cpu family', '?')}, "
             f"model {fields.get('model', '?')})")
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release}"


def write_table(output, tables):
    mpis = list(tables)
    with open(os.path.join(output, "table.md"), "w", encoding="utf-8") as file:
        file.write(f"Machine: {machine()}. Medians; in brackets the spread of the launches.\n\n")
        file.write("| case | measure | bar | " + " | ".join(mpis) + " |\n")
        file.write("|---|---|---|" + "---|" * len(mpis) + "\n")
        for rows in zip(*tables.values()):
            index, what = rows[0][:2]
            bar = ", ".join(dict.fromkeys(row[4] for row in rows))
            cells = [value + (f" [{around}]" if around else "") + ("" if met else " **missed**")
                     for _, _, value, around, _, met in rows]
            file.write(f"| {index} | {what} | {bar} | " + " | ".join(cells) + " |\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", required=True)
    parser.add_argument("mpis", nargs="+")
    arguments = parser.parse_args()
    tables = {}
    for mpi in arguments.mpis:
        print(f"== {mpi}", flush=True)
        bench = Bench(mpi, arguments.output, 1 if arguments.quick else 5)
        tables[mpi] = run_cases(bench, 1 if arguments.quick else 0.6)
        if not arguments.quick:
            sweeps(bench, arguments.output, 0.3)
    write_table(arguments.output, tables)
    missed = any(not row[-1] for table in tables.values() for row in table)
    return 1 if missed and arguments.quick else 0


if __name__ == "__main__":
    sys.exit(main())
