# SPDX-License-Identifier: BSD-3-Clause
"""Errors of the library as exceptions, and exceptions of callbacks on their way through the library."""
import ctypes
import itertools
import re
import time
from enum import IntEnum
from typing import Any, Callable, Dict, Optional, Tuple

from .functions import c


class Status(IntEnum):
    """What a call of the library returned; the values are those of ``mofka/status.h``."""

    OK = 0
    STOP = 1
    INVALID = -1
    RANGE = -2
    NOT_FOUND = -3
    EXISTS = -4
    JSON = -5
    OPTION = -6
    REFUSED = -7
    TOO_LARGE = -8
    UNSUPPORTED = -9
    TIMEOUT = -10
    POSSIBLY_STORED = -11
    BUSY = -12
    MEMORY = -13
    FULL = -14
    CLOSED = -15
    COMPLETE = -16
    MPI = -17
    SYSTEM = -18
    CORRUPT = -19
    CALLBACK = -20
    STORAGE = -21


class MofkaError(RuntimeError):
    """A call of the library failed. ``status`` says how, ``message`` what and where."""

    def __init__(self, status: int, message: str) -> None:
        try:
            self.status = Status(status)
        except ValueError:  # what a callback of C returned
            self.status = Status.CALLBACK
        self.message = message
        super().__init__(status, message)

    def __str__(self) -> str:
        return "MOFKA_ERR_%s: %s" % (self.status.name, self.message)


class MofkaTimeout(MofkaError, TimeoutError):
    """A time-out passed. Nothing is lost: the call can be repeated."""


# Exceptions of callbacks: the number in the message finds the exception again.
_number = itertools.count(1)
_failures: Dict[int, Tuple[BaseException, Any]] = {}
_MARK = re.compile(r"\(Python exception (\d+)\)")


def fail(exception: BaseException, owner: Any) -> int:
    """Keep a callback's exception for the caller that gets this status; ``owner`` is whose callback it is."""
    number = next(_number)
    _failures[number] = (exception, owner)
    text = "%s: %s" % (type(exception).__name__, exception)
    message = "%s (Python exception %d)" % (text[:800], number)
    return c.fail(int(Status.CALLBACK), b"%s", ctypes.c_char_p(message.encode("utf-8", "replace")))


def unraisable(exception: BaseException) -> None:
    """Report an exception that no caller can receive, by ``sys.unraisablehook``."""
    def report() -> None:
        raise exception
    ctypes.CFUNCTYPE(None)(report)()  # ctypes calls the hook


def report_failures(owner: Any) -> None:
    """Report those exceptions of an owner's callbacks that reached nobody."""
    for number, (exception, of) in list(_failures.items()):
        if of is owner and _failures.pop(number, None) is not None:
            unraisable(exception)


def error(status: int) -> BaseException:
    """The exception for a status of this thread's last call."""
    message = c.last_error().decode("utf-8", "replace")
    mark = _MARK.search(message)
    if mark:
        failure = _failures.pop(int(mark.group(1)), None)
        if failure is not None:
            return failure[0]
    return (MofkaTimeout if status == Status.TIMEOUT else MofkaError)(status, message)


def check(status: int) -> None:
    """Raise the exception for a status that is an error."""
    if status:
        raise error(status)


# A wait is made of slices, so that signals (Ctrl-C) are handled between them.
SLICE_MS = 200


def wait(call: Callable[[int], int], timeout_ms: int, slice_ms: int = SLICE_MS) -> int:
    """Call ``call(ms)`` until it returns another status than a time-out, or ``timeout_ms`` has passed."""
    if 0 <= timeout_ms <= slice_ms:
        return call(timeout_ms)
    deadline = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000
    while True:
        left = slice_ms if deadline is None else max(0, round((deadline - time.monotonic()) * 1000))
        status = call(min(left, slice_ms))
        if status != Status.TIMEOUT or left == 0:
            return status


def check_wait(call: Callable[[int], int], timeout_ms: Optional[float], slice_ms: int = SLICE_MS) -> None:
    """As ``wait``, then as ``check``. The message has the whole time-out, not that of the last slice."""
    limit = milliseconds(timeout_ms)
    status = wait(call, limit, slice_ms)
    if status:
        raised = error(status)
        if isinstance(raised, MofkaTimeout):
            message = re.sub(r"within \d+ ms", "within %d ms" % limit, raised.message)
            raised = MofkaTimeout(status, message)
        raise raised


def milliseconds(timeout_ms: Optional[float]) -> int:
    """A time-out as the library takes it; None and negative numbers mean for ever."""
    if timeout_ms is None:
        return -1
    if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, (int, float)):
        raise TypeError("a time-out is a number of milliseconds, not %r" % (timeout_ms,))
    return int(max(-1, min(timeout_ms, 2**62)))
