# SPDX-License-Identifier: BSD-3-Clause
"""Futures: the outcome of a push, a flush or a pull. They can be waited for, and awaited."""
import asyncio
import ctypes
from enum import IntEnum
from typing import Any, Deque, Generator, Optional

from ._c.errors import Status, error, milliseconds, wait
from ._c.functions import NO_MORE_EVENTS, Result, c


class Delivery(IntEnum):
    """Whether a pushed event is stored."""

    NotStored = 0
    PossiblyStored = 1
    Stored = 2
    Durable = 3


class _Future:
    """Waiting sends the batch, or fetches events. A wait that times out can be repeated."""

    __slots__ = ("_handle", "_owner", "_done", "_result")

    def __init__(self, handle: int, owner: Any) -> None:
        self._handle = handle
        self._owner = owner
        self._done = False
        self._result: Any = None

    def __del__(self, _release: Any = c.future_release) -> None:
        _release(self._handle)

    def wait(self, timeout_ms: Optional[float] = -1) -> Any:
        """The result; None if it is not known after ``timeout_ms`` (None and negative: no limit).

        Raises the error of the push, the flush or the pull.
        """
        if self._done:
            return self._result
        result = Result()
        reference = ctypes.byref(result)
        status = wait(lambda ms: c.future_wait(self._handle, ms, reference), milliseconds(timeout_ms))
        if status == Status.TIMEOUT:
            return None
        if status:
            self._failed()
            raise error(status)
        self._result = self._read(result)
        self._done = True
        return self._result

    def _read(self, result: Result) -> Any:
        return True

    def _failed(self) -> None:
        """Called when a wait has reported an error."""

    @property
    def completed(self) -> bool:
        """Whether the result is known. Asking does a little of the work."""
        return self._done or bool(c.future_completed(self._handle))

    @property
    def delivery(self) -> Delivery:
        """Whether a pushed event is stored."""
        return Delivery(c.future_delivery(self._handle))

    def __await__(self) -> Generator[Any, None, Any]:
        """Give way to other tasks until the result is known: no thread is needed, and none is blocked."""
        pause = 0.0
        while True:
            result = self.wait(0)
            if result is not None:
                return result
            yield from asyncio.sleep(pause).__await__()
            pause = min(2 * pause + 0.0001, 0.005)


class FutureUint(_Future):
    """The id of a pushed event.

    If it is dropped before a wait has reported an error, the producer's next flush or close reports it.
    """

    __slots__ = ("_dropped", "_partition")

    def __init__(self, handle: int, owner: Any, dropped: Deque[int]) -> None:
        self._handle = handle
        self._owner = owner
        self._done = False
        self._dropped: Optional[Deque[int]] = dropped
        self._partition: Optional[int] = None

    def __del__(self, _release: Any = c.future_release) -> None:
        if self._done or self._dropped is None:
            _release(self._handle)
        else:
            self._dropped.append(self._handle)

    def _read(self, result: Result) -> int:
        self._partition = result.partition
        self._owner._kept.reap()
        return int(result.event_id)

    def _failed(self) -> None:
        self._dropped = None

    @property
    def partition(self) -> Optional[int]:
        """The partition that the event is stored in, once a wait has returned its id."""
        return self._partition


class FutureFlush(_Future):
    """True, once all events pushed before the flush are stored."""

    __slots__ = ()

    def _read(self, result: Result) -> bool:
        self._owner._kept.reap_all()
        self._owner._raise_dropped()
        return True


class FutureEvent(_Future):
    """The pulled event; at the end of the topic it has the ``event_id`` None."""

    __slots__ = ()

    def _read(self, result: Result) -> Any:
        return self._owner._event(result.event)

    def __del__(self, _release: Any = c.future_release) -> None:
        _release(self._handle)


__all__ = ["Delivery", "FutureEvent", "FutureFlush", "FutureUint", "NO_MORE_EVENTS"]
