# SPDX-License-Identifier: BSD-3-Clause
"""Consumers: pull events from a topic's partitions, in order within each partition."""
import ctypes
import time
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, Sequence

from ._c import lifetimes
from ._c.buffers import Held, Kept, hold_for_ever
from ._c.errors import (SLICE_MS, Status, check, check_wait, error, fail, milliseconds, report_failures, unraisable,
                        wait)
from ._c.functions import (ALLOCATOR_FN, ANY_PARTITION, EVENT_FN, NO_MORE_EVENTS, SELECTOR_FN,
                           ConsumerOptions, ProcessOptions, c)
from .data import ByteArrayAllocator, DataDescriptor, FullDataSelector, make_view
from .event import Event, EventBatch, parse
from .future import FutureEvent
from .helpers import ThreadPool, choice, options_json, take_metadata, text

_pointer = ctypes.c_void_p
_byref = ctypes.byref
_STARTS = ("beginning", "end")
_ACKNOWLEDGES = ("manual", "auto")


class StopEventProcessor(Exception):
    """Raised by a function that processes events, to stop."""


def _read_metadata(handle: int) -> Any:
    size = ctypes.c_size_t()
    place = c.metadata_text(handle, _byref(size))
    return parse(ctypes.string_at(place, size.value))


def _selector_callback(selector: Callable[[Any, DataDescriptor], Any], owner: object) -> Any:
    def select(context: Any, metadata: int, full: int, selected: Any) -> int:
        try:
            chosen = selector(_read_metadata(metadata), DataDescriptor._of(c.data_descriptor_retain(full)))
            if chosen is not None and not isinstance(chosen, DataDescriptor):
                raise TypeError("a data selector returns a DataDescriptor or None, not %r" % (chosen,))
            selected[0] = c.data_descriptor_retain(chosen._handle) if chosen is not None else None
            return 0
        except BaseException as exception:
            return fail(exception, owner)
    return SELECTOR_FN(select)


def _allocator_callback(allocator: Callable[[Any, DataDescriptor], Any], kept: Kept, owner: object) -> Any:
    def allocate(context: Any, metadata: int, selected: int, view: Any) -> int:
        try:
            parts = allocator(_read_metadata(metadata), DataDescriptor._of(c.data_descriptor_retain(selected)))
            held = [Held(part, writable=True)
                    for part in (parts if isinstance(parts, (list, tuple)) else [parts])]
            made = make_view(held)
            kept.reap()
            view[0] = c.data_view_retain(made)
            kept.add(made, held)
            return 0
        except BaseException as exception:
            return fail(exception, owner)
    return ALLOCATOR_FN(allocate)


class Consumer:
    """Pulls events of one topic. ``TopicHandle.consumer`` makes it.

    ``data_selector(metadata, descriptor)`` returns which bytes of an event's data are wanted: the
    descriptor, a view that it made, or None. ``data_allocator(metadata, descriptor)`` returns where they
    go: a list of writable buffers. An exception of either is raised by the pull of that event.
    """

    __slots__ = ("_handle", "_closed", "_callbacks", "_kept", "_failures", "name", "topic", "thread_pool", "batch_size",
                 "max_num_batches", "targets", "zero_copy", "data_selector", "data_allocator", "acknowledge",
                 "__weakref__")

    def __init__(self, topic: Any, name: str, *, data_selector: Optional[Callable[..., Any]] = FullDataSelector,
                 data_allocator: Optional[Callable[..., Any]] = None, batch_size: int = 0,
                 max_num_batches: int = 2, thread_pool: Optional[ThreadPool] = None,
                 targets: Optional[Sequence[int]] = None, options: Any = None, start: str = "beginning",
                 acknowledge: str = "manual", zero_copy: bool = False) -> None:
        self._handle, self._closed = 0, True
        self._failures = object()  # whose exceptions those of the callbacks are
        self._callbacks: List[Any] = []
        self._kept: Optional[Kept] = None
        given = ConsumerOptions(
            name=text(name, "a consumer's name"), batch_size=batch_size, max_batches=max_num_batches,
            thread_pool=thread_pool._handle if thread_pool else None, start=choice(start, _STARTS, "start"),
            acknowledge=choice(acknowledge, _ACKNOWLEDGES, "acknowledge"), zero_copy=bool(zero_copy),
            options=options_json(options, "options"))
        if targets is not None:
            given.targets = (ctypes.c_size_t * len(targets))(*targets)
            given.target_count = len(targets)
            if not targets:
                raise ValueError("targets is an empty list; None means all partitions")
        self._set_callbacks(given, data_selector, data_allocator)
        made = _pointer()
        check(c.consumer_create(topic._handle, _byref(given), _byref(made)))
        self._handle = made.value or 0
        self._closed = False
        self.name = name
        self.topic = topic
        self.thread_pool = thread_pool
        self.batch_size = batch_size or ANY_PARTITION
        self.max_num_batches = max_num_batches
        self.targets = list(targets) if targets is not None else None
        self.zero_copy = bool(zero_copy)
        self.acknowledge = acknowledge
        self.data_selector = data_selector
        self.data_allocator = data_allocator
        topic.driver._children.add(self)

    def _set_callbacks(self, given: ConsumerOptions, selector: Any, allocator: Any) -> None:
        for function, what in ((selector, "data_selector"), (allocator, "data_allocator")):
            if function is not None and not callable(function):
                raise TypeError("%s is a function of metadata and descriptor, or None, not %r" % (what, function))
        if selector is FullDataSelector:
            given.selector = c.select_all
        elif selector is not None:
            self._callbacks.append(_selector_callback(selector, self._failures))
            given.selector = ctypes.cast(self._callbacks[-1], _pointer)
        if allocator is not None:
            self._kept = Kept()
            self._callbacks.append(_allocator_callback(allocator, self._kept, self._failures))
            given.allocator = ctypes.cast(self._callbacks[-1], _pointer)

    def __del__(self, _release: Any = c.consumer_release) -> None:
        if not getattr(self, "_handle", 0):  # making it may have failed
            return
        try:
            if not self._closed:
                lifetimes.warn_forgotten("consumer '%s'" % self.name, self)
        finally:
            if not self._closed:
                hold_for_ever(self._callbacks)  # the driver's close may still fetch for it
            _release(self._handle)
            if self._kept is not None:
                self._kept.give_up()

    def _event(self, handle: int) -> Event:
        """The event of a handle (take)."""
        if self._kept is None:
            return Event(handle, self)
        self._kept.reap()
        view = c.event_data(handle)
        return Event(handle, self, self._kept.find(view) if view else None)

    def pull(self) -> FutureEvent:
        """Request the next event. At the end of the topic the event's ``event_id`` is None."""
        future = _pointer()
        check(c.consumer_pull_future(self._handle, _byref(future)))
        return FutureEvent(future.value or 0, self)

    def pull_many(self, count: int, timeout_ms: Optional[float] = -1) -> EventBatch:
        """Wait for an event; return it with those that are ready after it, at most ``count`` in all.

        The batch is empty at the end of the topic. Raises MofkaTimeout if no event came in time.
        """
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError("count is a whole number, not %r" % (count,))
        if not 1 <= count <= 2**24:
            raise ValueError("count is %d: it must be from 1 to 2**24" % count)
        events, got = (_pointer * count)(), ctypes.c_size_t()
        reference = _byref(got)
        check_wait(lambda ms: c.consumer_pull_many(self._handle, count, ms, events, reference),
                   timeout_ms)
        handles: List[Any] = list(events[:got.value])
        batch = EventBatch(handles, self)
        if len(handles) == 1 and c.event_id(handles[0]) == NO_MORE_EVENTS:
            return EventBatch([], self)
        return batch

    def __iter__(self) -> Iterator[Event]:
        """The events, until the end of the topic. It waits for each without a limit."""
        return self.events()

    def __next__(self) -> Event:
        """The next event; StopIteration at the end of the topic."""
        return next(self.events())

    def events(self, timeout_ms: Optional[float] = -1) -> Iterator[Event]:
        """As iterating over the consumer. Raises MofkaTimeout if an event does not come in time."""
        limit = milliseconds(timeout_ms)
        handle, make, pull, ident, release = self._handle, self._event, c.consumer_pull, c.event_id, c.event_release
        first = min(limit, SLICE_MS) if limit >= 0 else SLICE_MS
        while True:
            event = _pointer()
            reference = _byref(event)
            if pull(handle, first, reference):
                check_wait(lambda ms: pull(handle, ms, reference), limit)
            if ident(event) == NO_MORE_EVENTS:
                release(event)
                return
            yield make(event.value or 0)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events_async()

    async def _events_async(self) -> AsyncIterator[Event]:
        while True:
            event = await self.pull()
            if event.event_id is None:
                return
            yield event

    def process(self, processor: Callable[[Event], Any], *, thread_pool: Optional[ThreadPool] = None,
                max_events: Optional[int] = None, timeout_ms: Optional[float] = -1) -> int:
        """Call ``processor(event)`` with each event, until the end of the topic or ``max_events``.

        Returns the number of events. With a thread pool, workers call it, several at once. It raises
        StopEventProcessor to stop; any other exception stops too, and is raised here.
        """
        if not callable(processor):
            raise TypeError("processor is a function of an event, not %r" % (processor,))
        if thread_pool is None and self.acknowledge == "manual":
            return self._process_here(processor, max_events, timeout_ms)
        return self._process(processor, thread_pool, max_events or 0, milliseconds(timeout_ms))

    def _process_here(self, processor: Any, max_events: Optional[int], timeout_ms: Optional[float]) -> int:
        deadline = None if timeout_ms is None or timeout_ms < 0 else time.monotonic() + timeout_ms / 1000
        processed = 0
        while max_events is None or processed < max_events:
            left = -1 if deadline is None else max(0, (deadline - time.monotonic()) * 1000)
            event = next(self.events(left), None)
            if event is None:
                break
            processed += 1
            try:
                processor(event)
            except StopEventProcessor:
                break
        return processed

    def _process(self, processor: Any, thread_pool: Optional[ThreadPool], max_events: int, timeout_ms: int) -> int:
        """The library calls back. It knows then which events failed, and does not acknowledge them."""
        caught: List[BaseException] = []

        def each(context: Any, handle: int) -> int:
            try:
                processor(self._event(c.event_retain(handle)))
                return int(Status.OK)
            except StopEventProcessor:
                return int(Status.STOP)
            except BaseException as exception:
                caught.append(exception)
                return int(Status.CALLBACK)
        function, processed, done = EVENT_FN(each), ctypes.c_size_t(), 0
        options = ProcessOptions(thread_pool=thread_pool._handle if thread_pool else None)

        def process(limit: int) -> int:
            nonlocal done
            options.events_max = max(0, max_events - done)
            status: int = c.consumer_process(self._handle, ctypes.cast(function, _pointer), None, limit,
                                             _byref(options), _byref(processed))
            done += processed.value
            return int(Status.OK) if max_events and done >= max_events else status
        status = wait(process, timeout_ms)
        for exception in caught[1:]:  # those of other workers
            unraisable(exception)
        if status:
            raise caught[0] if caught else error(status)
        return done

    @property
    def lost(self) -> int:
        """The number of events that this consumer has lost."""
        return int(c.consumer_lost(self._handle))

    @property
    def voided(self) -> int:
        """The number of ids that this consumer has passed and that no event has."""
        return int(c.consumer_voided(self._handle))

    @property
    def rewound(self) -> int:
        """The number of events by which its name was set back, because they were cut or lost."""
        return int(c.consumer_rewound(self._handle))

    def seek(self, partition: int, id: int) -> None:
        """Go to an event of a partition: the next event of it that is pulled is that one."""
        check(c.consumer_seek(self._handle, partition, id))

    def seek_time(self, seconds: float) -> None:
        """Go to the first event of each partition that was stored at that time, or later.

        ``seconds`` counts from 1970, as ``time.time()``. The topic needs storage.
        """
        check(c.consumer_seek_time(self._handle, max(0, int(seconds * 1e9))))

    def skip_damaged(self) -> int:
        """Go on behind damaged events that a pull has reported; return their number."""
        skipped = ctypes.c_uint64()
        check(c.consumer_skip_damaged(self._handle, _byref(skipped)))
        return skipped.value

    def unsubscribe(self) -> None:
        """Remove the name and its place: retention no longer waits for it. Close it afterwards."""
        check(c.consumer_unsubscribe(self._handle))

    def close(self, timeout_ms: Optional[float] = -1) -> None:
        """Publish acknowledgements, and free the name for the next consumer. Zero-copy events must be gone.

        The library limits the time itself; ``timeout_ms`` is there because a producer's close has it.
        """
        if self._closed:
            return
        check(c.consumer_close(self._handle))
        self._closed = True
        report_failures(self._failures)

    def _end(self) -> None:
        """At exit, or after an exception."""
        if self._closed:
            return
        if c.consumer_close(self._handle):
            hold_for_ever(self._callbacks)
            if self._kept is not None:
                self._kept.give_up()
        self._closed = True

    def stats(self) -> Any:
        """What the consumer has done so far: see ``mofka/stats.h``."""
        return take_metadata(c.consumer_stats, self._handle)

    def __enter__(self) -> "Consumer":
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._end()

    def __repr__(self) -> str:
        return "<mofka.Consumer '%s' of topic '%s'>" % (self.name, self.topic.name)


__all__ = ["ByteArrayAllocator", "Consumer", "StopEventProcessor"]
