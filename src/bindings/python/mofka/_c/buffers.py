# SPDX-License-Identifier: BSD-3-Clause
"""The memory of Python objects: where it is, and how long it must stay."""
import ctypes
import threading
from collections import OrderedDict
from typing import Any, List, Optional

from .functions import c

_CONTIGUOUS, _WRITABLE = 0, 1  # PyBUF_SIMPLE, PyBUF_WRITABLE


class _PyBuffer(ctypes.Structure):
    """Py_buffer; ``obj`` is an address here, so that ctypes does not count its users."""

    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
                ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes = [ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int]
_get.restype = ctypes.c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes = [ctypes.POINTER(_PyBuffer)]
_release.restype = None
_count = ctypes.pythonapi.Py_IncRef
_count.argtypes = [ctypes.py_object]
_count.restype = None


class Held:
    """The bytes of an object that has contiguous memory. They stay where they are while this lives."""

    __slots__ = ("_buffer", "address", "size", "owner")

    def __init__(self, owner: Any, writable: bool = False) -> None:
        """Raises BufferError if the memory is not contiguous or, where asked for, not writable."""
        self._buffer = None
        buffer = _PyBuffer()
        _get(owner, buffer, _WRITABLE if writable else _CONTIGUOUS)
        self._buffer = buffer
        self.address = buffer.buf or 0
        self.size = buffer.len
        self.owner = owner

    def __del__(self, _release: Any = _release) -> None:
        if self._buffer is not None:
            _release(self._buffer)


def hold_for_ever(held: Any) -> None:
    """Never free an object: the library may use its memory until the process ends."""
    _count(held)


class Kept:
    """Data views that the library was given, with the memory that they show.

    The library does not call Python to say that it is done with a view: it may be in any thread, or the
    interpreter may have ended. A view that only this table uses is done.
    """

    __slots__ = ("_held", "_limit", "_reaping")

    def __init__(self) -> None:
        self._held: "OrderedDict[int, List[Held]]" = OrderedDict()  # its first key is found at once
        self._limit = 64
        self._reaping = threading.Lock()  # one thread at a time lets go

    def __len__(self) -> int:
        return len(self._held)

    def add(self, view: int, held: List[Held]) -> None:
        """Take a view, and keep its memory. The view has another user, so that it is not done at once."""
        self._held[view] = held

    def find(self, view: int) -> Optional[List[Held]]:
        """The memory of a view that is kept."""
        return self._held.get(view)

    def reap(self) -> None:
        """Let go of the oldest views that are done; now and then, of all that are."""
        if not self._held or not self._reaping.acquire(blocking=False):
            return
        try:
            if len(self._held) > self._limit:
                self._drop_all()
                return
            for _ in range(2):  # one more than what is added
                view = self._oldest()
                if not view or not self._drop(view):
                    return
        finally:
            self._reaping.release()

    def reap_all(self) -> None:
        """Let go of all views that are done."""
        with self._reaping:
            self._drop_all()

    def _oldest(self) -> int:
        try:
            return next(iter(self._held), 0)
        except RuntimeError:  # another thread added one meanwhile
            return 0

    def _drop_all(self) -> None:
        for view in list(self._held):
            self._drop(view)
        self._limit = max(64, 2 * len(self._held))

    def _drop(self, view: int) -> bool:
        if c.data_view_is_shared(view):
            return False
        del self._held[view]
        c.data_view_release(view)
        return True

    def give_up(self) -> None:
        """Leave what is not done to the library, for ever: the interpreter ends."""
        self.reap_all()
        for held in self._held.values():
            hold_for_ever(held)
