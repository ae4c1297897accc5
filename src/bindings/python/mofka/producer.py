# SPDX-License-Identifier: BSD-3-Clause
"""Producers: push events into a topic, in batches."""
import ctypes
import threading
import weakref
from collections import deque
from typing import Any, Deque, Iterable, List, Optional, Sequence, Union

from ._c import lifetimes
from ._c.buffers import Kept
from ._c.errors import Status, check, check_wait, error
from ._c.functions import ANY_PARTITION, ProducerOptions, c
from .claim import Claim
from .data import describe_array, hold_all, is_array, make_view
from .future import Delivery, FutureFlush, FutureUint
from .helpers import Ordering, ThreadPool, choice, options_json, take_metadata, text, to_json

_push = c.producer_push
_pointer = ctypes.c_void_p
_byref = ctypes.byref
_WHEN_FULL = ("wait", "drop_newest")
_STORED = int(Delivery.Stored)
#: Above so many dropped futures, those of stored events are let go of; above so many, of all that are complete.
_DROPPED_MIN, _DROPPED_MAX = 256, 16384


def _encode(metadata: Any) -> bytes:
    if isinstance(metadata, dict):
        return to_json(metadata)
    if isinstance(metadata, str):
        return metadata.encode("utf-8")
    if isinstance(metadata, (bytes, bytearray, memoryview)):
        return bytes(metadata)
    raise TypeError("metadata is a dict, a str or bytes, not %s" % type(metadata).__name__)


def _partition(partition: Optional[int]) -> int:
    if partition is None:
        return ANY_PARTITION
    if isinstance(partition, bool) or not isinstance(partition, int):
        raise TypeError("partition is an index or None, not %r" % (partition,))
    if not 0 <= partition < 2**32:
        raise ValueError("partition %d: it must be from 0 to 2**32 - 1" % partition)
    return partition


class Producer:
    """Pushes events into one topic. ``TopicHandle.producer`` makes it."""

    __slots__ = ("_handle", "_kept", "_dropped", "_dropped_limit", "_settling", "_failure", "_closed", "name", "topic",
                 "thread_pool", "batch_size", "max_num_batches", "ordering", "when_full", "fallback", "describe_arrays",
                 "_claims",                 "__weakref__")

    def __init__(self, topic: Any, name: str = "", *, batch_size: int = 0, max_num_batches: int = 2,
                 ordering: Ordering = Ordering.Strict, thread_pool: Optional[ThreadPool] = None,
                 options: Any = None, linger_ms: int = 0, push_timeout_ms: int = 0,
                 when_full: str = "wait", fallback: Optional["Producer"] = None,
                 claim_ms: int = 0, describe_arrays: bool = True) -> None:
        self._handle, self._closed = 0, True
        given = ProducerOptions(
            name=text(name, "a producer's name"), batch_size=batch_size, max_batches=max_num_batches,
            ordering=int(ordering), thread_pool=thread_pool._handle if thread_pool else None,
            linger_ms=linger_ms, push_timeout_ms=push_timeout_ms, options=options_json(options, "options"),
            when_full=choice(when_full, _WHEN_FULL, "when_full"), fallback=fallback._handle if fallback else None,
            claim_ms=claim_ms)
        made = _pointer()
        check(c.producer_create(topic._handle, _byref(given), _byref(made)))
        self._handle = made.value or 0
        self._closed = False
        self._kept = Kept()
        self._dropped: Deque[int] = deque()  # futures that nobody has waited for
        self._dropped_limit = _DROPPED_MAX
        self._claims: "weakref.WeakSet[Claim]" = weakref.WeakSet()  # that were made, as far as they live
        self._settling = threading.Lock()  # one thread at a time takes futures out
        self._failure: Optional[BaseException] = None
        self.name = name
        self.topic = topic
        self.thread_pool = thread_pool
        self.batch_size = batch_size or ANY_PARTITION
        self.max_num_batches = max_num_batches
        self.ordering = Ordering(ordering)
        self.when_full = when_full
        self.fallback = fallback
        self.describe_arrays = describe_arrays
        topic.driver._children.add(self)

    def __del__(self, _release: Any = c.producer_release) -> None:
        if not getattr(self, "_handle", 0):  # making it may have failed
            return
        try:
            if not self._closed:
                lifetimes.warn_forgotten("producer '%s'" % self.name, self)
        finally:
            self._kept.reap_all()
            if len(self._kept):  # the library still reads them
                self.topic.driver._orphans.append(self._kept)
            _release(self._handle)
            for handle in self._dropped:
                c.future_release(handle)

    def push(self, metadata: Any, data: Any = None, *, partition: Optional[int] = None) -> FutureUint:
        """Push one event, and return the future of its id.

        ``metadata`` is a dict, JSON text as str, or bytes. ``data`` is an array, another buffer, or a list
        of them; its memory must not change until the event is stored. An array that is not contiguous is
        copied. ``partition`` is a request to the topic's partition selector.

        The future reports an error of the event. It may be dropped: then the next flush or close reports it.
        """
        target = ANY_PARTITION if partition is None else _partition(partition)
        if data is not None and self.describe_arrays and isinstance(metadata, dict) and is_array(data):
            metadata = {**describe_array(data), **metadata}
        body = metadata if type(metadata) is bytes else _encode(metadata)
        view = None if data is None else self._view(data)
        future = _pointer()
        status = _push(self._handle, body, len(body), view, target, _byref(future))
        if view:
            c.data_view_release(view)
        if status:
            raise error(status)
        if len(self._dropped) > _DROPPED_MIN:
            self._let_go()
        return FutureUint(future.value or 0, self, self._dropped)

    def push_many(self, metadata: Iterable[Union[dict, str, bytes]], data: Optional[Sequence[Any]] = None, *,
                  partition: Optional[int] = None) -> int:
        """Push an event for each element of ``metadata``; return their number.

        ``data`` is a list as long as that, or None. The next flush or close reports errors that come later.
        If one event is refused at once, the exception says so, and the later ones are not pushed.
        """
        handle, push, encode = self._handle, _push, _encode
        target, count = _partition(partition), 0
        if data is None:
            for body in metadata:
                if type(body) is not bytes:
                    body = encode(body)
                status = push(handle, body, len(body), None, target, None)
                if status:
                    raise error(status)
                count += 1
            return count
        bodies = list(metadata)
        if len(bodies) != len(data):
            raise ValueError("%d events, but data for %d" % (len(bodies), len(data)))
        for body, part in zip(bodies, data):
            if self.describe_arrays and isinstance(body, dict) and is_array(part):
                body = {**describe_array(part), **body}
            body = encode(body)
            view = None if part is None else self._view(part)
            status = push(handle, body, len(body), view, target, None)
            if view:
                c.data_view_release(view)
            if status:
                raise error(status)
        return len(bodies)

    _encode = staticmethod(_encode)

    def claim(self, data_bytes: int = 0, *, metadata_bytes_max: int = 1024,
              partition: Optional[int] = None) -> Claim:
        """Claim memory for one event: ``data_bytes`` bytes of data, and metadata of at most that many bytes.

        In a window where processors append, the memory is in the partition. See ``mofka/claim.h``.
        """
        made = _pointer()
        check(c.producer_claim(self._handle, metadata_bytes_max, data_bytes, _partition(partition), _byref(made)))
        claim = Claim(made.value or 0, self, metadata_bytes_max, data_bytes)
        self._claims.add(claim)
        return claim

    def _view(self, data: Any) -> int:
        """A view of data, with a user more than ``_kept``: the caller, who releases it after the push."""
        self._kept.reap()
        held = hold_all(data)
        view = make_view(held)
        c.data_view_retain(view)
        self._kept.add(view, held)
        return view

    def _let_go(self) -> None:
        """Release the oldest dropped futures whose events are stored; now and then, look at all of them."""
        dropped = self._dropped
        if not self._settling.acquire(blocking=False):
            return  # another thread does it
        try:
            if len(dropped) > self._dropped_limit:
                self._settle()
                self._dropped_limit = max(_DROPPED_MAX, 2 * len(dropped))
            while dropped and c.future_delivery(dropped[0]) == _STORED:
                c.future_release(dropped.popleft())
        finally:
            self._settling.release()

    def _settle(self) -> None:
        """With the lock: release the dropped futures that are complete, and keep the first error among them.

        Asking for it sends what is in an open batch, so this is not done at each push.
        """
        for _ in range(len(self._dropped)):
            handle = self._dropped.popleft()
            if c.future_delivery(handle) != _STORED:
                if not c.future_completed(handle):
                    self._dropped.append(handle)
                    continue
                status = c.future_wait(handle, 0, None)
                if status and self._failure is None:
                    self._failure = error(status)
            c.future_release(handle)

    def _raise_dropped(self) -> None:
        """After a flush: raise the first error that a dropped future has."""
        with self._settling:
            self._settle()
            failure, self._failure = self._failure, None
        if failure:
            raise failure

    def flush(self) -> FutureFlush:
        """Start to send all events that were pushed before. The future's wait ends when they are stored."""
        future = _pointer()
        check(c.producer_flush_future(self._handle, _byref(future)))
        return FutureFlush(future.value or 0, self)

    def discard(self) -> None:
        """Discard the events that are neither stored nor reserved."""
        check(c.producer_discard(self._handle))

    def close(self, timeout_ms: Optional[float] = -1) -> None:
        """Send everything, then end the producer. Raises the first error that nobody has reported.

        After a time-out it is still open, and ``close`` can be called again.
        """
        if self._closed:
            return
        try:
            check_wait(lambda ms: c.producer_close(self._handle, ms), timeout_ms, 1000)
        except BaseException as exception:
            self._closed = getattr(exception, "status", None) not in _STILL_OPEN
            raise
        self._closed = True
        self._kept.reap_all()
        self._raise_dropped()

    def _end(self) -> None:
        """At exit, or after an exception: close within a short time, or give up what is not sent."""
        if self._closed:
            return
        for claim in list(self._claims):
            claim.abort()
        for _ in range(2):
            if c.producer_close(self._handle, 2000) not in _STILL_OPEN:
                break
            c.producer_discard(self._handle)
        self._closed = True
        self._kept.give_up()

    def stats(self) -> Any:
        """What the producer has done so far: see ``mofka/stats.h``."""
        return take_metadata(c.producer_stats, self._handle)

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._end()

    def __repr__(self) -> str:
        return "<mofka.Producer '%s' of topic '%s'>" % (self.name, self.topic.name)


_STILL_OPEN = (Status.TIMEOUT, Status.POSSIBLY_STORED, Status.BUSY, Status.MEMORY)
__all__: List[str] = ["Producer"]
