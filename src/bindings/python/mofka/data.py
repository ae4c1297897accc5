# SPDX-License-Identifier: BSD-3-Clause
"""Data: from arrays and buffers into the library, and which of an event's bytes are wanted.

The convention for arrays: if the metadata is a JSON object with the keys ``dtype`` and ``shape``, the
data is an array in C order. ``dtype`` is numpy's ``dtype.str``, such as ``"<f8"``, or ``dtype.descr`` of
a structured type; ``shape`` is a list of lengths. A push adds both keys; ``Event.array`` follows them.
"""
import ctypes
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from ._c.buffers import Held
from ._c.errors import check
from ._c.functions import Range, Segment, c

_ONE = ctypes.c_void_p


def _numpy() -> Any:
    """numpy, if it is installed."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("arrays need numpy, which is not installed; Event.data gives the bytes without it"
                          ) from error
    return numpy


def is_array(data: Any) -> bool:
    """Whether it is an array of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(data, numpy.ndarray)


def describe_array(array: Any) -> Dict[str, Any]:
    """The keys of the convention for an array: ``dtype`` and ``shape``."""
    dtype = array.dtype
    return {"dtype": dtype.str if dtype.names is None else dtype.descr, "shape": list(array.shape)}


def _dtype_of(description: Any) -> Any:
    def fields(part: Any) -> Any:
        return [tuple(fields(p) if i == 1 else tuple(p) if isinstance(p, list) else p
                      for i, p in enumerate(field)) for field in part] if isinstance(part, list) else part
    try:
        dtype = _numpy().dtype(fields(description))
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError("the metadata's dtype %r is none of numpy's: %s" % (description, error)) from None
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError("the metadata's dtype %r does not describe bytes" % (description,))
    return dtype


def shape_array(data: Any, metadata: Any) -> Any:
    """The array that ``data`` (a buffer) holds: typed and shaped as the metadata says.

    Without the keys it is an array of bytes. Where the size is not that of the shape, because a part was
    selected, it has one dimension.
    """
    numpy = _numpy()
    array = numpy.frombuffer(data, numpy.uint8) if len(data) else numpy.empty(0, numpy.uint8)
    description = metadata.get("dtype") if isinstance(metadata, dict) else None
    if description is None:
        return array
    dtype = _dtype_of(description)
    if array.size % dtype.itemsize:
        return array
    array = array.view(dtype)
    shape = metadata.get("shape")
    if isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape):
        count = 1
        for length in shape:
            count *= length
        if count == array.size:
            return array.reshape(shape)
    return array


def as_buffer(data: Any) -> Any:
    """An object whose memory is contiguous: ``data`` itself, or a copy if its own is not."""
    if is_array(data):
        if data.dtype.hasobject:
            raise TypeError("an array of Python objects has no bytes to push; give it a numeric dtype")
        return data if data.flags.c_contiguous else _numpy().ascontiguousarray(data)
    if isinstance(data, memoryview) and not data.c_contiguous:
        return data.tobytes()
    return data


def _import_dlpack(data: Any) -> Any:
    try:
        return _numpy().from_dlpack(data)
    except (ImportError, AttributeError, RuntimeError, BufferError, TypeError) as error:
        raise TypeError("the data of a %s cannot be read (%s); give an array or a buffer in host memory"
                        % (type(data).__name__, error)) from error


def hold(data: Any) -> Held:
    """The memory of one buffer or array. Raises TypeError for anything else."""
    try:
        return Held(as_buffer(data))
    except (BufferError, ValueError) as error:
        if is_array(data):  # a dtype that the buffer protocol does not know, such as datetime64
            return Held(as_buffer(data).view("u1"))
        raise TypeError("data of type %s: %s" % (type(data).__name__, error)) from error
    except TypeError:
        if isinstance(data, str) or not hasattr(data, "__dlpack__"):
            raise TypeError("data is bytes, an array, another buffer, or a list of them, not %s%s"
                            % (type(data).__name__, "; encode it" if isinstance(data, str) else "")) from None
    return Held(as_buffer(_import_dlpack(data)))


_PLAIN = (bytes, bytearray)  # contiguous, without a look


def hold_all(data: Any) -> List[Held]:
    """The memory of a buffer, or of each of a list or tuple of buffers."""
    if type(data) in _PLAIN:
        return [Held(data)]
    if isinstance(data, (list, tuple)):
        return [hold(part) for part in data]
    return [hold(data)]


def make_view(held: Sequence[Held], context: Optional[int] = None) -> int:
    """A data view of the memory; the caller keeps it until ``data_view_is_shared`` is false."""
    if len(held) == 1:
        segments: Any = Segment(held[0].address or None, held[0].size)
    else:
        segments = (Segment * len(held))(*[Segment(part.address or None, part.size) for part in held])
    view = _ONE()
    check(c.data_view_create(ctypes.byref(segments), len(held), None, context, ctypes.byref(view)))
    return view.value or 0


def _size(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("%s is a whole number, not %r" % (what, value))
    if not 0 <= value < 2**63:
        raise ValueError("%s is %d: it must be from 0 to 2**63 - 1" % (what, value))
    return value


class DataDescriptor:
    """Where an event's data is in the backend, and which of its bytes are selected. It does not change."""

    __slots__ = ("_handle",)

    def __init__(self, location: Union[str, bytes] = b"", size: int = 0) -> None:
        self._handle = 0
        if isinstance(location, str):
            location = location.encode("utf-8", "surrogateescape")
        made = _ONE()
        check(c.data_descriptor_create(location, len(location), _size(size, "size"), ctypes.byref(made)))
        self._handle = made.value or 0

    @classmethod
    def _of(cls, handle: int) -> "DataDescriptor":
        made = cls.__new__(cls)
        made._handle = handle
        return made

    def __del__(self, _release: Any = c.data_descriptor_release) -> None:
        if getattr(self, "_handle", 0):  # making it may have failed
            _release(self._handle)

    @property
    def size(self) -> int:
        """The number of selected bytes."""
        return int(c.data_descriptor_size(self._handle))

    @property
    def location(self) -> str:
        """The backend's location, which is opaque."""
        size = ctypes.c_size_t()
        place = c.data_descriptor_location(self._handle, ctypes.byref(size))
        return ctypes.string_at(place, size.value).decode("utf-8", "surrogateescape") if place else ""

    def make_sub_view(self, offset: int, size: int) -> "DataDescriptor":
        """Select those of ``size`` bytes from ``offset`` on that exist."""
        return self._select(c.data_descriptor_sub_view_clamped, _size(offset, "offset"), _size(size, "size"))

    def make_stride_view(self, offset: int, num_blocks: int, block_size: int, gap_size: int) -> "DataDescriptor":
        """Select blocks of one size with gaps of one size between them, the first at ``offset``."""
        return self._select(c.data_descriptor_strided_view, _size(offset, "offset"),
                            _size(num_blocks, "num_blocks"), _size(block_size, "block_size"),
                            _size(gap_size, "gap_size"))

    make_strided_view = make_stride_view

    def make_unstructured_view(self, segments: Sequence[Tuple[int, int]]) -> "DataDescriptor":
        """Select (offset, size) pieces, in ascending order and without overlap."""
        ranges = (Range * len(segments))(*[Range(_size(o, "offset"), _size(s, "size")) for o, s in segments])
        return self._select(c.data_descriptor_unstructured_view, ranges, len(segments))

    def flatten(self) -> List[Tuple[int, int]]:
        """The selected bytes as ascending (offset, size) pieces of the original data."""
        ranges, count = ctypes.POINTER(Range)(), ctypes.c_size_t()
        check(c.data_descriptor_flatten(self._handle, ctypes.byref(ranges), ctypes.byref(count)))
        try:
            return [(piece.offset, piece.size) for piece in ranges[:count.value]] if ranges else []
        finally:
            c.free(ranges)

    def _select(self, function: Any, *arguments: Any) -> "DataDescriptor":
        made = _ONE()
        check(function(self._handle, *arguments, ctypes.byref(made)))
        return DataDescriptor._of(made.value or 0)

    def __repr__(self) -> str:
        return "<mofka.DataDescriptor of %d bytes>" % self.size


def FullDataSelector(metadata: Any, descriptor: DataDescriptor) -> DataDescriptor:
    """A data selector: all of the data. Consumers that are given it do not call Python for it."""
    return descriptor


def ByteArrayAllocator(metadata: Any, descriptor: DataDescriptor) -> List[bytearray]:
    """A data allocator: a new bytearray for each event."""
    return [bytearray(descriptor.size)]
