#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compute the numbers of MODEL.md: fit the parameters of section 2, compare the predictions of section 3
with runs outside the fit, and calculate section 4.

    python3 benchmarks/model.py [mpich] [openmpi]      sections 2 and 3, after a build by scripts/bench
    python3 benchmarks/model.py                        section 4 alone
"""
import statistics
import sys
import tempfile

from run_cases import Bench, machine

ROUNDS, REPEATS = 5, 3
WINDOWS = {  # where the partition is
    "shm": ("--window", "shm"),
    "rma, at the consumer": ("--window", "rma", "--owners", "consumers"),
    "rma, at the producer": ("--window", "rma", "--owners", "producers"),
}
# side, label of the table, key of WINDOWS
ROWS = [("producer", "shm", "shm"), ("producer", "rma, remote", "rma, at the consumer"),
        ("producer", "rma, itself", "rma, at the producer"), ("consumer", "shm", "shm"),
        ("consumer", "rma, itself", "rma, at the consumer"),
        ("consumer", "rma, remote", "rma, at the producer")]
FIT_BATCHES = {1: 20000, 16: 150000, 256: 400000, 4096: 400000}  # batch -> events
FIT_DATA = {1024: 40000, 16384: 4000}  # bytes -> events, in batches of 16
# Round trips of a batch and of a run at a remote owner, as section 1 counts them: small batches, a quarter of
# which looks for room; small events in one run.
TRIPS = {"producer": 2.25, "consumer": 3}
RAW_ROUNDS = 3
CHECKS = [(64, 0, 400000), (1024, 0, 400000), (16, 4096, 20000), (16, 65536, 1500)]


# ---- runs -----------------------------------------------------------------------------------------


def arguments(batch, data, events, *more):
    return ("stream", "--no-verify", "--repeat", REPEATS, "-m", 64 if data else 128, "-b", batch,
            "-s", data, "-n", events, *more)


def plan():
    """Plan the runs: key -> (ranks, arguments)."""
    runs = {}
    for name, window in WINDOWS.items():
        phased = (*window, "--phased")
        for batch, events in FIT_BATCHES.items():
            runs[name, "phased", batch, 0] = 2, arguments(batch, 0, events, *phased)
        for data, events in FIT_DATA.items():
            runs[name, "phased", 16, data] = 2, arguments(16, data, events, *phased)
        if name == "rma, at the producer":
            continue
        for batch, data, events in CHECKS:
            runs[name, "phased", batch, data] = 2, arguments(batch, data, events, *phased)
            runs[name, "stream", batch, data] = 2, arguments(batch, data, 4 * events, *window)
        for producers in (2, 4):
            runs[name, "stream", 256, producers] = producers + 1, arguments(
                256, 0, 400000 // producers, "--producers", producers, *window)
    return runs


class Raw:
    """What MPI and memory do without the library: some runs of mofka-bench raw."""

    def __init__(self, mpi):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(mpi, folder, 1)
            self.runs = [{(row["what"], row["bytes"], row["unit"]): row["value"]
                          for row in bench.run(2, "raw", "--seconds", 0.05)} for _ in range(RAW_ROUNDS)]

    def values(self, *key):
        return sorted(run[key] for run in self.runs)

    def span(self, *key, scale=1):
        low, *_, high = self.values(*key)
        return f"{low * scale:.3g}–{high * scale:.3g}"

    def round_trip_ns(self):
        return 1e9 / statistics.median(self.values("fetch_add", 8, "operations/s"))


class Measured:
    """ns per event: the lower quartile of all launches and repeats, in which the cases alternate. A
    disturbed machine is slower, never faster."""

    def __init__(self, mpi):
        self.rows = {key: [] for key in plan()}
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(mpi, folder, 1)
            for _ in range(ROUNDS):
                for key, (ranks, what) in plan().items():
                    self.rows[key] += bench.run(ranks, *what)

    def ns(self, field, *key):
        times = (1e9 * row[field] / row["events"] for row in self.rows[key])
        return statistics.quantiles(times, n=4)[0]

    def phase(self, side, window, batch, data):
        field = "push_seconds" if side == "producer" else "pull_seconds"
        return self.ns(field, window, "phased", batch, data)


# ---- fit ------------------------------------------------------------------------------------------


def line(points):
    """Fit o and c of t = o + c / b. All points have the same relative weight."""
    weights = [1 / t**2 for _, t in points]
    total = sum(weights)
    mean_x = sum(w / b for w, (b, _) in zip(weights, points)) / total
    mean_t = sum(w * t for w, (_, t) in zip(weights, points)) / total
    c = (sum(w * (1 / b - mean_x) * (t - mean_t) for w, (b, t) in zip(weights, points)) /
         sum(w * (1 / b - mean_x)**2 for w, (b, _) in zip(weights, points)))
    return mean_t - c * mean_x, c


def fit(measured, side, window):
    o, c = line([(batch, measured.phase(side, window, batch, 0)) for batch in FIT_BATCHES])
    small, large = FIT_DATA
    t_small, t_large = (measured.phase(side, window, 16, data) for data in (small, large))
    slope = (t_large - t_small) / (large - small)
    return {"o": o, "c": c, "d": t_small - (o + c / 16) - slope * small, "G": slope}


def predict(p, batch, data):
    return p["o"] + p["c"] / batch + (p["d"] + p["G"] * data if data else 0)


# ---- sections 2 and 3 -------------------------------------------------------------------------------


def against(predicted, measured):
    error = 100 * (predicted / measured - 1)
    mark = "**" if abs(error) > 25 else ""
    return f"{predicted:.0f} / {measured:.0f}, {mark}{error:+.0f} %{mark}"


def checks(measured, parameters):
    """Make the rows of section 3: label -> cell."""
    cells = {}
    for name in ("shm", "rma, at the consumer"):
        push, pull = (parameters[side, name] for side in ("producer", "consumer"))
        for batch, data, _ in CHECKS:
            there = [measured.phase(side, name, batch, data) for side in ("producer", "consumer")]
            there.append(measured.ns("seconds", name, "stream", batch, data))
            here = [predict(p, batch, data) for p in (push, pull)]
            label = f"{name[:3]} " + (f"s = {data}" if data else f"b = {batch}")
            cells[label] = "; ".join(map(against, [*here, max(here)], there))
        each = predict(push, 256, 0), predict(pull, 256, 0)
        cells[f"{name[:3]} b = 256: stream of 2; of 4 producers"] = "; ".join(
            against(max(each[1], sum(each) / 2), measured.ns("seconds", name, "stream", 256, count))
            for count in (2, 4))
    return cells


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def raw_tables(raw, fitted):
    """Print the tables of MPI's own operations, and of c as it is counted."""
    rows = (("`MPI_Fetch_and_op`, M/s", ("fetch_add", 8, "operations/s"), 1e-6),
            ("`MPI_Put` of 128 B, M/s", ("put", 128, "messages/s"), 1e-6),
            ("memcpy of 1 MiB, GB/s", ("memcpy", 1 << 20, "GB/s"), 1),
            ("two-copy pipeline, 64 KiB, GB/s", ("two_copy", 65536, "GB/s"), 1),
            ("a cache line there and back, µs", ("line_round_trip", 8, "us"), 1))
    table(["", *raw], [(label, *(r.span(*key, scale=scale) for r in raw.values()))
                       for label, key, scale in rows])
    cells = []
    for side, trips in TRIPS.items():
        for mpi, r in raw.items():
            base, trip = fitted[mpi][side, "shm"]["c"], r.round_trip_ns()
            window = "rma, at the consumer" if side == "producer" else "rma, at the producer"
            cells.append((f"{side}, {mpi}", f"{base / 1000:.2f} + {trips} × {trip / 1000:.2f} µs",
                          f"{(base + trips * trip) / 1000:.2g} µs",
                          f"{fitted[mpi][side, window]['c'] / 1000:.2g} µs"))
    table(["rma, remote owner", "counted", "predicted c", "fitted c"], cells)


def sections_2_and_3(mpis):
    fitted, checked, raw = {}, {}, {}
    print(machine() + "\n")
    for mpi in mpis:
        measured, raw[mpi] = Measured(mpi), Raw(mpi)
        fitted[mpi] = {(side, window): fit(measured, side, window) for side, _, window in ROWS}
        checked[mpi] = checks(measured, fitted[mpi])
    table(["side", "window, owner", *(f"{mpi}: o, c, d (ns), G (ns/B)" for mpi in mpis)],
          [(side, label,
            *("{o:.0f}, {c:,.0f}, {d:.0f}, {G:.3f}".format(**fitted[mpi][side, window])
              for mpi in mpis)) for side, label, window in ROWS])
    raw_tables(raw, fitted)
    table(["case: push; pull; stream", *(f"{mpi}: predicted / measured, error" for mpi in mpis)],
          [(label, *(checked[mpi][label] for mpi in mpis)) for label in checked[mpis[0]]])


# ---- section 4: ns and bytes -------------------------------------------------------------------------

PUSH = {"o": 36, "c": 120, "d": 40}  # from section 2, shm; the network card sends the data
PULL = {"o": 28, "c": 130, "d": 110, "G": 0.03}
ROUND_TRIP, OWN_ROUND_TRIP, MESSAGE = 2500, 2500, 560
BYTES_PER_NS, ATOMICS_PER_NS, LOOKS = 21.3, 2.24e-3, 0.25
RUN_EVENTS, RUN_DATA = 1024, 256 << 10
OWNERS, PRODUCERS = 64, 1024
EARLY_BYTES = 16384  # of a batch whose flag goes with it
MESSAGES = 9  # reservation, payload, entries, sums, stamp, flag, settled flag, nudge, state
EVENT_BYTES = 48  # entry and sum


def producer_ns(batch, metadata, data):
    trips = 2 if batch * (metadata + data) <= EARLY_BYTES else 3
    return (PUSH["c"] + batch * (PUSH["o"] + (PUSH["d"] if data else 0)) + (trips + LOOKS) * ROUND_TRIP +
            MESSAGES * MESSAGE + batch * (metadata + data + EVENT_BYTES) / BYTES_PER_NS)


def run_ns(events, data, operations):
    return (PULL["c"] + events * (PULL["o"] + (PULL["d"] + PULL["G"] * data if data else 0)) +
            operations * OWN_ROUND_TRIP)


def limits(batch, metadata, data, producers):
    """M events/s of one partition, for each cause that limits it."""
    events = min(RUN_EVENTS, RUN_DATA // data) if data else RUN_EVENTS
    flags = events / max(batch, 32 - 32 % batch)  # the first of these come with the entries
    consumer = run_ns(events, data, max(0, flags - 1) + 2 * min(1, events / batch))
    return {"round trips": 1e3 * producers * batch / producer_ns(batch, metadata, data),
            "atomics": 1e3 * batch * ATOMICS_PER_NS / (1 + LOOKS),
            "bandwidth": 1e3 * BYTES_PER_NS / (metadata + data + EVENT_BYTES),
            "consumer": 1e3 * events / consumer}


def short(value):
    return f"{value:.3g}" if value < 10 else f"{value:,.0f}"


def section_4():
    rows = []
    for metadata, data, batches in ((128, 0, (1, 8, 64, 256, 1024)), (64, 4032, (1, 2, 16, 256))):
        for batch in batches:
            most = limits(batch, metadata, data, PRODUCERS // OWNERS)
            limit = min(most, key=most.get)
            rate = most[limit]
            rows.append((f"{metadata + data} B", str(batch),
                         f"{producer_ns(batch, metadata, data) / 1000:.0f} µs",
                         *map(short, most.values()), limit, f"{OWNERS * rate:,.0f} M/s",
                         f"{rate * (metadata + data + EVENT_BYTES) / 1000:.1f} GB/s",
                         f"{run_ns(batch, data, 2) / 1000:.0f} µs"))
    table(["event", "b", "t_producer", "producers", "atomics", "bandwidth", "consumer", "limit",
           "all 64 partitions", "into the owner", "read of one batch"], rows)
    rows = []
    for partitions in (8, 64, 128):
        cells = []
        for batch in (1, 8, 64, 1024):
            most = limits(batch, 128, 0, PRODUCERS // partitions)
            limit = min(most, key=most.get)
            cells.append(f"{partitions * most[limit]:,.0f} M/s, {limit}")
        rows.append((str(partitions), *cells))
    table(["partitions (128 B)", "b = 1", "b = 8", "b = 64", "b = 1024"], rows)


if __name__ == "__main__":
    if sys.argv[1:]:
        sections_2_and_3(sys.argv[1:])
    else:
        section_4()
