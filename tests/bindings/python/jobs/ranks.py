# SPDX-License-Identifier: BSD-3-Clause
"""Events between ranks: rank 0 produces, the others consume. A communicator of mpi4py where there is one.

    mpiexec -n N python3 ranks.py WINDOW
"""
import asyncio
import json
import sys
import zlib

import mofka

try:
    import numpy
except ImportError:
    numpy = None
COUNT = 2000


def communicator(argument):
    """None, a number, or one of mpi4py; each is the world."""
    if argument == "mpi4py":
        from mpi4py import MPI
        return MPI.COMM_WORLD
    return int(argument) if argument else None


def field(step):
    """Data that is known from the step."""
    data = bytes((step + i) % 251 for i in range(16 * (step % 50)))
    return numpy.frombuffer(data, "<u4").reshape(-1, 2) if numpy else data


def produce(topic):
    with topic.producer("maker") as producer:
        for step in range(COUNT):
            producer.push({"step": step, "sum": zlib.crc32(bytes(memoryview(field(step)).tobytes()))}, field(step))
        producer.push_many([{"small": i} for i in range(COUNT)])


def check(event, seen):
    metadata = event.metadata
    if "small" in metadata:
        seen["small"].append(metadata["small"])
        return
    whole = b"".join(memoryview(part).tobytes() for part in event.data)
    assert zlib.crc32(whole) == metadata["sum"], metadata
    if numpy and whole:
        assert event.array.dtype == "<u4" and event.array.shape == (len(whole) // 8, 2)
    seen["step"].append(metadata["step"])


def consume(topic, rank):
    seen = {"small": [], "step": []}
    options = {} if rank % 2 else {"data_allocator": mofka.ByteArrayAllocator}
    with topic.consumer("reader-%d" % rank, **options) as consumer:
        if rank == 1:
            async def read():
                async for event in consumer:
                    check(event, seen)
            asyncio.run(read())
        else:
            while True:
                batch = consumer.pull_many(100)
                if not batch:
                    break
                for event in batch:
                    check(event, seen)
                batch.acknowledge()
    assert sorted(seen["step"]) == list(range(COUNT)), len(seen["step"])
    assert sorted(seen["small"]) == list(range(COUNT)), len(seen["small"])


def main(window, argument=""):
    with mofka.Driver(options={"window": window}, comm=communicator(argument)) as driver:
        if driver.rank == 0:
            driver.create_topic("t", options={"partitions": 2, "expected_producers": 1})
        topic = driver.open_topic("t")
        assert topic.driver is driver and len(topic.partitions) == 2
        if driver.rank == 0:
            produce(topic)
        else:
            consume(topic, driver.rank)
            print("rank %d of %d: all events are right" % (driver.rank, driver.size), flush=True)
        json.dumps(driver.stats())


if __name__ == "__main__":
    main(*sys.argv[1:])
