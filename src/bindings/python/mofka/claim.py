# SPDX-License-Identifier: BSD-3-Clause
"""Claims: memory for one event, which the program fills where consumers read it."""
import ctypes
from typing import Any, List

from ._c.errors import Status, error
from ._c.functions import c
from .future import FutureUint

_pointer = ctypes.c_void_p
_STAYS_OPEN = (Status.TIMEOUT, Status.BUSY, Status.MEMORY, Status.INVALID, Status.CLOSED)


def _memory(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


class Claim:
    """Memory for one event. ``Producer.claim`` makes it.

    Write to ``data``, then ``commit`` the metadata, or ``abort``. Neither ``data`` nor arrays over it may be used
    after that. A claim that is let go of, and the end of a ``with`` block without a commit, abort it.
    """

    __slots__ = ("_handle", "producer", "data", "metadata_bytes_max", "__weakref__")

    def __init__(self, handle: int, producer: Any, metadata_bytes_max: int, data_bytes: int) -> None:
        self._handle = handle
        self.producer = producer
        self.metadata_bytes_max = metadata_bytes_max
        #: The bytes of its data, writable; ``numpy.frombuffer(claim.data, dtype)`` is an array over them.
        self.data: memoryview = _memory(c.claim_data(handle), data_bytes) if data_bytes else memoryview(bytearray())

    def __del__(self) -> None:
        self.abort()

    @property
    def in_place(self) -> bool:
        """Whether ``data`` is in the topic's partition: no byte of it is copied any more."""
        return bool(self._handle) and bool(c.claim_is_in_place(self._handle))

    def commit(self, metadata: Any) -> FutureUint:
        """Publish the event with this metadata: a dict, JSON text as str, or bytes. Return the future of its id.

        After Status.TIMEOUT and BUSY it can be committed again. After other errors of the call it has ended.
        """
        body = self.producer._encode(metadata)
        if not self._handle:
            raise ValueError("the claim has ended")
        if len(body) > self.metadata_bytes_max:
            raise ValueError("metadata of %d bytes; %d were claimed" % (len(body), self.metadata_bytes_max))
        ctypes.memmove(c.claim_metadata(self._handle), body, len(body))
        future = _pointer()
        status = c.claim_commit(self._handle, len(body), ctypes.byref(future))
        if status not in _STAYS_OPEN:
            self._handle = 0
        if status:
            raise error(status)
        return FutureUint(future.value or 0, self.producer, self.producer._dropped)

    def abort(self) -> None:
        """Give the event up, unless the claim has ended."""
        handle, self._handle = getattr(self, "_handle", 0), 0
        if handle:
            c.claim_abort(handle)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.abort()


__all__: List[str] = ["Claim"]
