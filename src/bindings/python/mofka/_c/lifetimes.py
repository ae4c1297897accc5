# SPDX-License-Identifier: BSD-3-Clause
"""What happens to open objects when the interpreter ends or the process forks.

At exit, drivers are closed before Python's own objects end: afterwards no thread of the library may
call Python. A forked child leaves alone what its parent has open.
"""
import atexit
import os
import sys
import warnings
import weakref
from typing import Any, Callable, List

#: Open drivers and thread pools. Each has a method ``_end`` for the exit of the interpreter.
_open: "weakref.WeakSet[Any]" = weakref.WeakSet()
_pools: "weakref.WeakSet[Any]" = weakref.WeakSet()
#: Called at exit for drivers that were dropped open: to close them.
_forgotten: List[Callable[[bool], None]] = []
#: Called after the drivers have ended; for MPI_Finalize.
_last: List[Callable[[bool], None]] = []
_process = os.getpid()
_ended = False


def watch_driver(driver: Any) -> None:
    """Close the driver at exit, if it is still open."""
    _open.add(driver)


def watch_pool(pool: Any) -> None:
    """Close the thread pool at exit, if it is still open."""
    _pools.add(pool)


def close_later(close: Callable[[bool], None]) -> None:
    """Close a driver that was dropped open, at exit. Its close may call Python, so MPI_Finalize is too late."""
    _forgotten.append(close)


def at_end(function: Callable[[bool], None]) -> None:
    """Call the function at exit, after the drivers. True: an exception ends the process."""
    _last.append(function)


def is_foreign() -> bool:
    """Whether this process is a fork of the one that loaded the package."""
    return _ended or os.getpid() != _process


def warn_forgotten(what: str, owner: Any) -> None:
    """Warn of an object that was dropped before it was closed."""
    if not is_foreign():
        warnings.warn("%s was not closed; call close(), or use it in a with statement" % what,
                      ResourceWarning, source=owner, stacklevel=3)


def _end() -> None:
    global _ended
    if is_foreign():
        return
    failed = getattr(sys, "last_type", None) is not None and not hasattr(sys, "ps1")
    for pool in list(_pools):
        pool._end()
    for driver in list(_open):
        driver._end(failed)
    for close in _forgotten:
        close(failed)
    _ended = True
    for function in _last:
        function(failed)


atexit.register(_end)
