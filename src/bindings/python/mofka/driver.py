# SPDX-License-Identifier: BSD-3-Clause
"""Drivers, the connection to a backend, and handles of topics."""
import ctypes
import functools
import weakref
from typing import Any, Dict, List, Optional

from ._c import lifetimes
from ._c.buffers import Kept
from ._c.errors import MofkaError, Status, check, check_wait, fail, milliseconds
from ._c.functions import PARTITION_VISIT_FN, TOPIC_VISIT_FN, TopicOptions, c
from ._c.mpi import fortran_communicator
from .consumer import Consumer
from .helpers import (AdaptiveBatchSize, Binding, Ordering, PartitionSelector, Serializer, ThreadPool, Validator,
                      options_json, read_metadata, take_metadata, text, typed_json)
from .producer import Producer

_pointer = ctypes.c_void_p
_byref = ctypes.byref


class TopicHandle:
    """An open topic: makes producers and consumers. ``Driver.open_topic`` gives it."""

    __slots__ = ("_handle", "driver", "name", "__weakref__")

    def __init__(self, handle: int, driver: "Driver") -> None:
        self._handle = handle
        self.driver = driver
        self.name: str = c.topic_name(handle).decode("utf-8")

    def __del__(self, _release: Any = c.topic_release) -> None:
        _release(self._handle)

    @property
    def partitions(self) -> List[Any]:
        """A description of each partition."""
        return [take_metadata(c.topic_partition_info, self._handle, index)
                for index in range(c.topic_partition_count(self._handle))]

    def producer(self, name: str = "", **options: Any) -> Producer:
        """Make a producer.

        Options: ``batch_size`` (AdaptiveBatchSize), ``max_num_batches`` (2), ``ordering``
        (Ordering.Strict), ``thread_pool`` (none), ``options`` (a dict for the backend), ``linger_ms`` (10),
        ``push_timeout_ms`` (30000), ``when_full`` ("wait", or "drop_newest": a push that finds no room raises
        an error with Status.FULL at once), ``fallback`` (a producer that receives what is dropped),
        ``claim_ms`` (10000: age at which consumers pass an open claim),
        ``describe_arrays`` (True: a push of a dict and an array adds the
        keys ``dtype`` and ``shape``).
        """
        return Producer(self, name, **options)

    def consumer(self, name: str, **options: Any) -> Consumer:
        """Make a consumer. A later one of the same name goes on behind the last acknowledged event.

        Options: ``data_selector`` (FullDataSelector; None: metadata only), ``data_allocator`` (the
        library's memory), ``batch_size``, ``max_num_batches``, ``thread_pool``, ``targets`` (a list of
        partitions), ``options`` (a dict for the backend), ``start`` ("beginning" or "end"),
        ``acknowledge`` ("manual" or "auto"), ``zero_copy`` (False).
        """
        return Consumer(self, name, **options)

    def mark_as_complete(self, timeout_ms: Optional[float] = -1) -> None:
        """Complete the topic: consumers get what is stored, then the end; later pushes fail."""
        check_wait(lambda ms: c.topic_mark_complete(self._handle, ms), timeout_ms)

    def evict(self, consumer: str, timeout_ms: Optional[float] = 10000) -> None:
        """Give up the name of a consumer that will not come back; retention waits for it no longer."""
        name = text(consumer, "a consumer's name")
        check_wait(lambda ms: c.topic_evict(self._handle, name, ms), timeout_ms)

    def ends(self, timeout_ms: float = 10000) -> List[int]:
        """Put all events on disk, and return the next id of each partition, for a checkpoint.

        The driver option ``resume_at`` cuts the topic back to them. No rank may push meanwhile.
        """
        return list(take_metadata(c.topic_ends, self._handle, int(timeout_ms)))

    def __repr__(self) -> str:
        return "<mofka.TopicHandle '%s'>" % self.name


def _close_forgotten(handle: int, failed: bool) -> None:
    c.driver_close(handle, 0 if failed else 5000)


class Driver:
    """A connection to a backend: the way to its topics.

    ``Driver(comm=MPI.COMM_WORLD)`` makes the MPI driver; all ranks of the communicator call it. ``comm``
    is a communicator of mpi4py, the Fortran number of one, or None for MPI_COMM_WORLD. ``options`` is a
    dict: the options of the backend.
    """

    __slots__ = ("_handle", "_closed", "_children", "_orphans", "_pool", "_place", "backend", "__weakref__")

    def __init__(self, backend: str = "mpi", options: Any = None, *, comm: Any = None) -> None:
        self._handle, self._closed = 0, True
        self._children: "weakref.WeakSet[Any]" = weakref.WeakSet()
        self._orphans: List[Kept] = []
        self._pool: Optional[ThreadPool] = None
        self._place: Optional[Dict[str, Any]] = None
        kind, given, made = text(backend, "backend"), options_json(options, "options"), _pointer()
        if backend == "mpi":
            check(c.mpi_driver_create_f(fortran_communicator(comm), given, _byref(made)))
        elif comm is not None:
            raise TypeError("only the backend 'mpi' has a communicator")
        else:
            check(c.driver_create(kind, given, _byref(made)))
        self._handle = made.value or 0
        self._closed = False
        self.backend = backend
        lifetimes.watch_driver(self)

    @staticmethod
    def new(name: str, metadata: Any = None) -> "Driver":
        """The same as ``Driver(name, metadata)``."""
        return Driver(name, metadata)

    def __del__(self, _release: Any = c.driver_release) -> None:
        if not getattr(self, "_handle", 0):  # making it may have failed
            return
        try:
            if not self._closed:
                lifetimes.warn_forgotten("the %s driver" % self.backend, self)
        finally:
            for kept in self._orphans:
                kept.give_up()
            if self._closed:
                _release(self._handle)
            else:
                lifetimes.close_later(functools.partial(_close_forgotten, self._handle))

    def create_topic(self, name: str, *, options: Any = None, validator: Any = None, partition_selector: Any = None,
                     serializer: Any = None) -> None:
        """Create a topic. The last three are objects of this package, dicts with "type", or None."""
        given = TopicOptions(
            options=options_json(options, "options"), validator=typed_json(validator, Validator, "a validator"),
            selector=typed_json(partition_selector, PartitionSelector, "a partition selector"),
            serializer=typed_json(serializer, Serializer, "a serializer"))
        check(c.driver_create_topic(self._handle, text(name, "a topic's name"), _byref(given)))

    def open_topic(self, name: str, timeout_ms: Optional[float] = 10000) -> TopicHandle:
        """Open a topic. If it does not exist yet, wait until it does, at most ``timeout_ms``."""
        made = _pointer()
        check(c.driver_open_topic(self._handle, text(name, "a topic's name"), milliseconds(timeout_ms),
                                  _byref(made)))
        return TopicHandle(made.value or 0, self)

    def topic_exists(self, name: str) -> bool:
        """Whether a topic of that name exists now."""
        exists = ctypes.c_bool()
        check(c.driver_topic_exists(self._handle, text(name, "a topic's name"), _byref(exists)))
        return exists.value

    def delete_topic(self, name: str) -> None:
        """Delete a topic without open producers and consumers, of any rank. Its name and memory are free then."""
        check(c.driver_delete_topic(self._handle, text(name, "a topic's name")))

    def list_topics(self) -> Dict[str, Any]:
        """The description of each topic, by its name."""
        topics: Dict[str, Any] = {}

        def visit(context: Any, name: bytes, description: int) -> int:
            try:
                topics[name.decode("utf-8")] = read_metadata(description)
                return 0
            except BaseException as exception:
                return fail(exception, topics)
        function = TOPIC_VISIT_FN(visit)
        check(c.driver_list_topics(self._handle, ctypes.cast(function, _pointer), None))
        return topics

    def list_partitions(self, name: str) -> List[Any]:
        """The description of each partition of a topic, which need not be open."""
        partitions: List[Any] = []

        def visit(context: Any, index: int, description: int) -> int:
            try:
                partitions.append(read_metadata(description))
                return 0
            except BaseException as exception:
                return fail(exception, partitions)
        function = PARTITION_VISIT_FN(visit)
        check(c.driver_list_partitions(self._handle, text(name, "a topic's name"), ctypes.cast(function, _pointer),
                                       None))
        return partitions

    @property
    def default_thread_pool(self) -> ThreadPool:
        """The driver's own pool, which has no threads unless the backend brings some."""
        if self._pool is None:
            self._pool = ThreadPool._of(c.thread_pool_retain(c.driver_default_thread_pool(self._handle)))
        return self._pool

    def make_thread_pool(self, count: int, binding: Binding = Binding.Compact) -> ThreadPool:
        """Make a pool whose workers stay off the cores of the node's other processes."""
        made = _pointer()
        check(c.driver_make_thread_pool(self._handle, count, int(binding), _byref(made)))
        return ThreadPool._of(made.value or 0)

    def stats(self, timeout_ms: float = 1000) -> Any:
        """What the topics hold in the whole job, and what this process did with them: see ``mofka/stats.h``."""
        return take_metadata(c.driver_stats, self._handle, milliseconds(timeout_ms))

    @property
    def rank(self) -> int:
        """This process among those of the driver."""
        return int(self._where()["rank"])

    @property
    def size(self) -> int:
        """The number of processes of the driver."""
        return int(self._where()["size"])

    def _where(self) -> Dict[str, Any]:
        if self._place is None:
            stats = self.stats()
            self._place = {"rank": stats.get("rank", 0), "size": stats.get("size", 1)}
        return self._place

    def close(self, timeout_ms: Optional[float] = -1) -> None:
        """Close the producers and consumers that are open, then the driver. For "mpi" all ranks call it.

        After a time-out it is still open, and ``close`` can be called again.
        """
        if self._closed:
            return
        for child in list(self._children):
            child.close(timeout_ms)
        check_wait(lambda ms: c.driver_close(self._handle, ms), timeout_ms, 1000)
        self._closed = True
        for kept in self._orphans:
            kept.reap_all()

    def _end(self, failed: bool = False) -> None:
        """At exit, or after an exception: end what is open, and wait a short time for the other ranks."""
        if self._closed:
            return
        for child in list(self._children):
            child._end()
        if c.driver_close(self._handle, 0 if failed else 5000):
            for kept in self._orphans:
                kept.give_up()
        else:
            self._closed = True

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._end(True)

    def __repr__(self) -> str:
        return "<mofka.Driver of backend '%s'%s>" % (self.backend, ", closed" if self._closed else "")


__all__ = ["AdaptiveBatchSize", "Driver", "MofkaError", "Ordering", "Status", "TopicHandle"]
