# SPDX-License-Identifier: BSD-3-Clause
"""mofka for MPI: event streaming between the ranks of one MPI job.

    import mofka

    with mofka.Driver() as driver:                      # all ranks of MPI_COMM_WORLD
        if driver.rank == 0:
            driver.create_topic("numbers", options={"partitions": 2, "expected_producers": 1})
        topic = driver.open_topic("numbers")
        if driver.rank == 0:
            with topic.producer() as producer:
                producer.push({"number": 1}, numpy.arange(10.0))
        elif driver.rank == 1:
            with topic.consumer("reader") as consumer:
                for event in consumer:
                    print(event.metadata, event.array)
                    event.acknowledge()

The names are those of the Diaspora Streaming API in Python; ``mofka.api`` has all of them.
Time-outs are in milliseconds; negative ones, and None, wait for ever.
"""
from ._c.errors import MofkaError, MofkaTimeout, Status
from .claim import Claim
from .consumer import Consumer, StopEventProcessor
from .data import ByteArrayAllocator, DataDescriptor, FullDataSelector, describe_array
from .driver import Driver, TopicHandle
from .event import Event, EventBatch
from .future import Delivery, FutureEvent, FutureFlush, FutureUint
from .helpers import (AdaptiveBatchSize, Binding, Ordering, PartitionSelector, Serializer, ThreadPool, Validator)
from .log import LogLevel, set_log_callback, set_log_level
from .producer import Producer

__version__ = "0.1.0"
__all__ = ["AdaptiveBatchSize", "Binding", "ByteArrayAllocator", "Claim", "Consumer", "DataDescriptor", "Delivery",
           "Driver", "Event", "EventBatch", "FullDataSelector", "FutureEvent", "FutureFlush", "FutureUint", "LogLevel",
           "MofkaError", "MofkaTimeout", "Ordering", "PartitionSelector", "Producer", "Serializer", "Status",
           "StopEventProcessor", "ThreadPool", "TopicHandle", "Validator", "describe_array", "set_log_callback",
           "set_log_level"]
