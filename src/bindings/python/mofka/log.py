# SPDX-License-Identifier: BSD-3-Clause
"""The library's log lines: which of them there are, and a function that receives them.

Any thread of the library may log, also in the middle of a call that holds the interpreter's lock. So
lines go through a pipe, and a thread of Python calls the function.
"""
import os
import threading
from enum import IntEnum
from typing import Any, Callable, Optional

from ._c import lifetimes
from ._c.errors import unraisable
from ._c.functions import c


class LogLevel(IntEnum):
    """How important a line is. A level also lets through the lines of the levels before it."""

    Error = 0
    Warn = 1
    Info = 2
    Debug = 3
    Trace = 4


_LEVELS = {level.name.lower(): level for level in LogLevel}
_LogFunction = Callable[[LogLevel, str], Any]
_DRAIN_S = 2.0  # for lines that were logged before a change


class _Reader:
    """Reads the pipe, and calls the function with each line. It is never closed: a thread may be writing."""

    def __init__(self) -> None:
        self.function: Optional[_LogFunction] = None
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)
        self._drained = threading.Event()
        self._draining = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mofka-log", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with os.fdopen(self._read_end, "rb") as lines:
            for line in lines:
                name, _, message = line.rstrip(b"\n").decode("utf-8", "replace").partition(": ")
                function = self.function
                if name not in _LEVELS:
                    self._drained.set()
                elif function is not None:
                    try:
                        function(_LEVELS[name], message)
                    except BaseException as exception:
                        unraisable(exception)

    def drain(self) -> None:
        """Wait, a short time, until the lines that were logged before have been passed on."""
        if threading.current_thread() is self._thread:
            return
        with self._draining:
            self._drained.clear()
            try:
                os.write(self.write_end, b"\n")
            except BlockingIOError:  # it is full: some of them were lost anyway
                return
            self._drained.wait(_DRAIN_S)


_reader: Optional[_Reader] = None


def set_log_level(level: LogLevel) -> None:
    """Let through the lines of this level, and of those before it. MOFKA_LOG sets it at first: ``Warn``."""
    c.log_set_level(int(LogLevel(level)))


def set_log_callback(function: Optional[_LogFunction]) -> None:
    """Call ``function(level, message)`` with each line that the level lets through; None: print them again.

    A thread of its own calls it, a little later; its exceptions go to ``sys.unraisablehook``. If it is much
    slower than lines come, some are lost. A forked child prints its lines.
    """
    global _reader
    if function is not None and not callable(function):
        raise TypeError("a log callback is a function of level and message, or None, not %r" % (function,))
    if _reader is None:
        if function is None:
            return
        _reader = _Reader()
        lifetimes.at_end(_end)
    if function is None:
        c.log_set_callback(None, None)
    _reader.drain()
    _reader.function = function
    if function is not None:
        c.log_set_callback(c.log_to_descriptor, _reader.write_end)


def _end(failed: bool) -> None:
    """At exit, after the drivers: later lines are printed."""
    set_log_callback(None)


def _forget() -> None:
    if _reader is not None:
        c.log_set_callback(None, None)


os.register_at_fork(after_in_child=_forget)

__all__ = ["LogLevel", "set_log_callback", "set_log_level"]
