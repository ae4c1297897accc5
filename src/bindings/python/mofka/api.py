# SPDX-License-Identifier: BSD-3-Clause
"""The names of ``diaspora_stream.api``: programs for it import from here instead."""
from . import (AdaptiveBatchSize, ByteArrayAllocator, Consumer, DataDescriptor, Driver, Event, FullDataSelector,
               FutureEvent, FutureUint, Ordering, PartitionSelector, Producer, Serializer, ThreadPool, TopicHandle,
               Validator)
from . import FutureFlush as FutureFlushed
from . import MofkaError as Exception

__all__ = ["AdaptiveBatchSize", "ByteArrayAllocator", "Consumer", "DataDescriptor", "Driver", "Event", "Exception",
           "FullDataSelector", "FutureEvent", "FutureFlushed", "FutureUint", "Ordering", "PartitionSelector",
           "Producer", "Serializer", "ThreadPool", "TopicHandle", "Validator"]
