# SPDX-License-Identifier: BSD-3-Clause
"""Events, as a consumer delivers them, one by one or many at a time."""
import ctypes
import json
from typing import Any, Iterator, List, Optional, Sequence, Union

from ._c.errors import check
from ._c.functions import NO_MORE_EVENTS, Segment, c
from .data import shape_array
from .helpers import take_metadata

_id, _partition, _text, _release = c.event_id, c.event_partition, c.event_text, c.event_release
_size = ctypes.c_size_t
_decode = json.JSONDecoder().decode
_byref = ctypes.byref
_UNREAD = object()


def parse(text: bytes) -> Any:
    """Metadata as Python has it: what the JSON says; a str if the text is not JSON."""
    try:
        return _decode(text.decode("utf-8"))
    except ValueError:
        return text.decode("utf-8", "surrogateescape")


def read_text(handle: int) -> bytes:
    """The metadata text of an event's handle."""
    size = _size()
    text: bytes = _text(handle, _byref(size)) or b""
    return text if len(text) == size.value else _whole_text(handle)


def _whole_text(handle: int) -> bytes:
    """The text, of which a zero byte is a part."""
    size = _size()
    place = c.event_metadata_text(handle, _byref(size))
    return ctypes.string_at(place, size.value) if place else b""


class _Lease:
    """Keeps memory of the library: a data view, or for zero-copy the event itself."""

    __slots__ = ("_handle", "_release")

    def __init__(self, handle: int, release: Any) -> None:
        self._handle = handle
        self._release = release

    def __del__(self) -> None:
        self._release(self._handle)


class Event:
    """An event: its metadata, and the selected part of its data."""

    __slots__ = ("_handle", "_consumer", "_metadata", "_held", "__weakref__")

    def __init__(self, handle: int, consumer: Any, held: Optional[List[Any]] = None) -> None:
        self._handle = handle
        self._consumer = consumer
        self._held = held
        self._metadata: Any = _UNREAD

    def __del__(self, _release: Any = _release) -> None:
        _release(self._handle)

    @property
    def event_id(self) -> Optional[int]:
        """The event's id, dense from 0 in its partition; None for the end of the topic."""
        number = _id(self._handle)
        return None if number == NO_MORE_EVENTS else number

    @property
    def is_end(self) -> bool:
        """Whether this is the end: all events of the topic were delivered."""
        return bool(_id(self._handle) == NO_MORE_EVENTS)

    @property
    def metadata(self) -> Any:
        """What the metadata's JSON says, parsed once; a str if the text is not JSON; None for the end."""
        if self._metadata is _UNREAD:
            self._metadata = None if self.is_end else parse(read_text(self._handle))
        return self._metadata

    @property
    def text(self) -> bytes:
        """The metadata's text as it was pushed."""
        return read_text(self._handle)

    @property
    def partition_index(self) -> Optional[int]:
        """The index of the event's partition; None for the end."""
        return None if self.is_end else int(_partition(self._handle))

    @property
    def partition(self) -> Any:
        """What the backend says of the event's partition."""
        return take_metadata(c.event_partition_info, self._handle)

    @property
    def data_size(self) -> int:
        """The size of the whole data in the topic, selected or not."""
        return int(c.event_data_size(self._handle))

    @property
    def lost(self) -> int:
        """How many events the consumer lost in this partition just before this one."""
        return int(c.event_lost(self._handle))

    @property
    def data(self) -> List[Any]:
        """The selected data as a list of buffers: those of the allocator, or views of the library's memory.

        The views keep their memory. With zero-copy they are read-only, and keep the event.
        """
        view = c.event_data(self._handle)
        if not view:
            return []
        if self._held is not None:
            return [part.owner for part in self._held]
        return self._views(view)

    def _views(self, view: int) -> List[Any]:
        zero_copy = self._consumer.zero_copy
        count = _size()
        segments = ctypes.cast(c.data_view_segments(view, _byref(count)), ctypes.POINTER(Segment))
        left = c.event_selected_size(self._handle)
        views = []
        for segment in segments[:count.value]:
            size = min(segment.size, left)
            left -= size
            if size == 0:
                continue
            memory = (ctypes.c_ubyte * size).from_address(segment.ptr)
            if zero_copy:
                memory.lease = _Lease(c.event_retain(self._handle), _release)
            else:
                memory.lease = _Lease(c.data_view_retain(view), c.data_view_release)
            part = memoryview(memory).cast("B")
            views.append(part.toreadonly() if zero_copy else part)
        return views

    @property
    def array(self) -> Any:
        """The selected data as an array of numpy, typed and shaped as the metadata says. See mofka.data.

        The array shows the memory of ``data``, without a copy, unless that has several parts.
        """
        parts = self.data
        selected = c.event_selected_size(self._handle)
        if not parts:
            whole: Any = b""
        elif len(parts) == 1:
            whole = memoryview(parts[0])
            whole = (whole if whole.ndim == 1 and whole.format == "B" else whole.cast("B"))[:selected]
        else:
            whole = bytearray(b"".join(parts))[:selected]
        return shape_array(whole, self.metadata)

    def __dlpack__(self, **options: Any) -> Any:
        """The array, for other libraries: ``torch.from_dlpack(event)``. Zero-copy events may be refused."""
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        """The device of the array: the CPU."""
        return self.array.__dlpack_device__()

    def acknowledge(self) -> None:
        """Acknowledge this event and all earlier ones of its partition."""
        check(c.event_acknowledge(self._handle))

    def __repr__(self) -> str:
        if self.is_end:
            return "<mofka.Event: the end>"
        return "<mofka.Event %s of partition %s>" % (self.event_id, self.partition_index)


class EventBatch(Sequence[Event]):
    """Events that one call pulled, in order. Its lists read many small events at once."""

    __slots__ = ("_handles", "_consumer")

    def __init__(self, handles: List[int], consumer: Any) -> None:
        self._handles = handles
        self._consumer = consumer

    def __del__(self, _release: Any = _release) -> None:
        for handle in self._handles:
            _release(handle)

    def __len__(self) -> int:
        return len(self._handles)

    def __getitem__(self, index: Union[int, slice]) -> Any:
        if isinstance(index, slice):
            return [self._of(handle) for handle in self._handles[index]]
        return self._of(self._handles[index])

    def __iter__(self) -> Iterator[Event]:
        for handle in self._handles:
            yield self._of(handle)

    def _of(self, handle: int) -> Event:
        return self._consumer._event(c.event_retain(handle))

    @property
    def ids(self) -> List[int]:
        """The id of each event."""
        return [_id(handle) for handle in self._handles]

    @property
    def partitions(self) -> List[int]:
        """The index of each event's partition."""
        return [_partition(handle) for handle in self._handles]

    @property
    def texts(self) -> List[bytes]:
        """The metadata text of each event."""
        size = _size()
        reference, texts = _byref(size), []
        for handle in self._handles:
            text = _text(handle, reference)
            texts.append(text if len(text) == size.value else _whole_text(handle))
        return texts

    @property
    def metadata(self) -> List[Any]:
        """The parsed metadata of each event."""
        return [parse(text) for text in self.texts]

    def acknowledge(self) -> None:
        """Acknowledge all of them, and all earlier events of their partitions."""
        last = dict(zip(self.partitions, self._handles))
        for handle in last.values():
            check(c.event_acknowledge(handle))

    def __repr__(self) -> str:
        return "<mofka.EventBatch of %d events>" % len(self)
