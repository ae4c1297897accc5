# SPDX-License-Identifier: BSD-3-Clause
"""Thread pools, and the types that validate, serialize and place events."""
import ctypes
import itertools
import json
from enum import IntEnum
from typing import Any, Callable, Dict, Optional, Sequence

from ._c import lifetimes
from ._c.errors import check, unraisable
from ._c.functions import SIZE_MAX, WORK_FN, ThreadPoolOptions, c

#: Batch size that follows the load.
AdaptiveBatchSize = SIZE_MAX


class Ordering(IntEnum):
    """In which order a producer's batches are stored."""

    Strict = 0  # the events of a partition keep their push order
    Loose = 1   # later batches may overtake a batch that finds no room


class Binding(IntEnum):
    """To which cores the workers of a pool are bound."""

    Compact = 0
    Spread = 1
    Free = 2    # not bound


_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False,
                         default=lambda value: _plain(value)).encode


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # scalars and arrays of numpy
        return value.tolist()
    raise TypeError("%s in metadata or options is not JSON" % type(value).__name__)


def to_json(value: Any) -> bytes:
    """JSON text. NaN and infinity are refused, since JSON does not have them."""
    return _json(value).encode("utf-8")


def options_json(options: Any, what: str) -> Optional[bytes]:
    """Options as text: a dict, JSON text, or None."""
    if options is None:
        return None
    if isinstance(options, dict):
        return to_json(options)
    if isinstance(options, (str, bytes)):
        return options.encode("utf-8") if isinstance(options, str) else options
    raise TypeError("%s are a dict or JSON text, not %s" % (what, type(options).__name__))


def text(value: Any, what: str) -> bytes:
    """A name as the library takes it."""
    if not isinstance(value, str):
        raise TypeError("%s is a str, not %s" % (what, type(value).__name__))
    if "\0" in value:
        raise ValueError("%s contains a zero byte" % what)
    return value.encode("utf-8")


def choice(value: str, choices: Sequence[str], what: str) -> int:
    """The number of a choice that is given by its name."""
    if value not in choices:
        raise ValueError("%s is %r: it must be one of %s" % (what, value, ", ".join(choices)))
    return choices.index(value)


def read_metadata(handle: int) -> Any:
    """The parsed text of a metadata handle (view)."""
    size = ctypes.c_size_t()
    place = c.metadata_text(handle, ctypes.byref(size))
    return json.loads(ctypes.string_at(place, size.value)) if place else None


def take_metadata(function: Callable[..., int], *arguments: Any) -> Any:
    """Call a function that gives a metadata handle as its last argument; return what the text says."""
    made = ctypes.c_void_p()
    check(function(*arguments, ctypes.byref(made)))
    try:
        return read_metadata(made.value or 0)
    finally:
        c.metadata_release(made)


class _Typed:
    """A helper made of JSON with a "type"."""

    __slots__ = ("_handle",)
    _make: Any
    _metadata: Any
    _release: Any

    def __init__(self, metadata: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        self._handle = 0
        made = ctypes.c_void_p()
        check(type(self)._make(to_json(dict(metadata or {}, **more)), ctypes.byref(made)))
        self._handle = made.value or 0

    @classmethod
    def from_metadata(cls, metadata: Optional[Dict[str, Any]] = None, **more: Any) -> Any:
        """Make it of a dict with "type"; a type "name:library.so" loads that library first."""
        return cls(metadata, **more)

    @property
    def metadata(self) -> Any:
        """What it was made of."""
        return read_metadata(type(self)._metadata(self._handle))

    def __del__(self) -> None:
        if getattr(self, "_handle", 0):
            type(self)._release(self._handle)

    def __repr__(self) -> str:
        return "<mofka.%s %s>" % (type(self).__name__, self.metadata)


class Validator(_Typed):
    """Accepts or refuses the events of a topic."""

    _make, _metadata, _release = c.validator_from_metadata, c.validator_metadata, c.validator_release


class Serializer(_Typed):
    """Turns the metadata of a topic into bytes and back."""

    _make, _metadata, _release = c.serializer_from_metadata, c.serializer_metadata, c.serializer_release


class PartitionSelector(_Typed):
    """Chooses the partition of each event."""

    _make = c.partition_selector_from_metadata
    _metadata = c.partition_selector_metadata
    _release = c.partition_selector_release


def typed_json(value: Any, kind: Any, what: str) -> Optional[bytes]:
    """The JSON of a helper that is given as an object, as a dict, or as JSON text."""
    return to_json(value.metadata) if isinstance(value, kind) else options_json(value, what)


# Work on its way: one function of C for all of it, which finds the Python function by its key.
_keys = itertools.count(1)
_works: Dict[int, Callable[[], Any]] = {}


def _run(key: int) -> None:
    try:
        _works.pop(key)()
    except BaseException as exception:
        unraisable(exception)


_run_work = WORK_FN(_run)
_run_address = ctypes.cast(_run_work, ctypes.c_void_p)


class ThreadPool:
    """Workers that send batches, fetch ahead, and run callbacks. 0 threads: all work runs in the caller."""

    __slots__ = ("_handle", "__weakref__")

    def __init__(self, thread_count: int = 0, binding: Binding = Binding.Compact) -> None:
        self._handle = 0
        options = ThreadPoolOptions(thread_count=thread_count, binding=int(binding))
        made = ctypes.c_void_p()
        check(c.thread_pool_create(ctypes.byref(options), ctypes.byref(made)))
        self._become(made.value or 0)

    def _become(self, handle: int) -> None:
        self._handle = handle
        lifetimes.watch_pool(self)

    @classmethod
    def _of(cls, handle: int) -> "ThreadPool":
        made = cls.__new__(cls)
        made._become(handle)
        return made

    @property
    def thread_count(self) -> int:
        """The number of workers."""
        return int(c.thread_pool_thread_count(self._handle))

    @property
    def size(self) -> int:
        """How many pieces of work are queued or running."""
        return int(c.thread_pool_size(self._handle))

    def push_work(self, work: Callable[[], Any], priority: int = 2**64 - 1) -> None:
        """Let a worker call ``work()``. Its exceptions go to ``sys.unraisablehook``."""
        if not callable(work):
            raise TypeError("work is a function without arguments, not %r" % (work,))
        key = next(_keys)
        _works[key] = work
        status = c.thread_pool_push_work(self._handle, _run_address, key, priority)
        if status:
            _works.pop(key, None)
        check(status)

    def close(self) -> None:
        """Run what is queued, then end the workers."""
        check(c.thread_pool_close(self._handle))

    def _end(self) -> None:
        c.thread_pool_close(self._handle)

    def __enter__(self) -> "ThreadPool":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self, _release: Any = c.thread_pool_release) -> None:
        if getattr(self, "_handle", 0):  # making it may have failed
            _release(self._handle)

    def __repr__(self) -> str:
        return "<mofka.ThreadPool of %d threads>" % self.thread_count
