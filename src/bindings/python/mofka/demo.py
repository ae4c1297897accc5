# SPDX-License-Identifier: BSD-3-Clause
"""A small simulation that publishes its field, and ranks that look at a part of it.

    mpiexec -n 3 python3 -m mofka.demo

Rank 0 computes a wave and pushes a field for each step. Every other rank selects the first quarter of each
row, so that only those bytes move, and checks them. With one rank, that rank does both.
"""
import array
import math
import sys

import mofka

ROWS, COLUMNS, STEPS = 48, 64, 60
PART = COLUMNS // 4
BYTES = 8


def wave(step: int, row: int) -> "array.array[float]":
    """A row of the field."""
    return array.array("d", (math.sin(0.2 * step + 0.1 * column) + row for column in range(COLUMNS)))


def simulate(topic: mofka.TopicHandle) -> None:
    """Push a field for each step. It is a list of rows; the keys describe it as an array."""
    with topic.producer("simulation") as producer:
        for step in range(STEPS):
            field = [wave(step, row) for row in range(ROWS)]
            producer.push({"step": step, "dtype": "<f8", "shape": [ROWS, COLUMNS]}, field)


def left(metadata: dict, descriptor: mofka.DataDescriptor) -> mofka.DataDescriptor:
    """A data selector: the first quarter of each row."""
    return descriptor.make_stride_view(0, ROWS, PART * BYTES, (COLUMNS - PART) * BYTES)


def analyse(topic: mofka.TopicHandle, rank: int) -> bool:
    """Check the part of each field; print a line. True: all is right."""
    right, moved = True, 0
    with topic.consumer("analysis-%d" % rank, data_selector=left) as consumer:
        steps = []
        for event in consumer:
            step = event.metadata["step"]
            got = array.array("d", b"".join(event.data))
            expected = [value for row in range(ROWS) for value in wave(step, row)[:PART]]
            right = right and got.tolist() == expected
            moved += len(got) * BYTES
            steps.append(step)
            event.acknowledge()
        right = right and steps == list(range(STEPS))
    print("rank %d: %d fields of %d x %d, %d of %d bytes moved, verified=%s" % (
        rank, len(steps), ROWS, COLUMNS, moved, STEPS * ROWS * COLUMNS * BYTES, "yes" if right else "NO"), flush=True)
    return right


def main() -> int:
    """Run the demo on all ranks."""
    right = True
    with mofka.Driver() as driver:
        if driver.rank == 0:
            driver.create_topic("fields", options={"expected_producers": 1})
        topic = driver.open_topic("fields")
        if driver.rank == 0:
            simulate(topic)
        if driver.rank > 0 or driver.size == 1:
            right = analyse(topic, driver.rank)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
