# SPDX-License-Identifier: BSD-3-Clause
"""The prototypes of the C functions, its structs and its callbacks.

A function is an attribute of ``c``, without the prefix ``mofka_``: ``c.producer_push``.
"""
import ctypes
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint64,
                    c_void_p)
from types import SimpleNamespace
from typing import Any

from .library import library, quick_library

SIZE_MAX = ctypes.c_size_t(-1).value
ANY_PARTITION = SIZE_MAX
NO_MORE_EVENTS = 2**64 - 1


class Segment(Structure):
    """mofka_segment_t"""

    _fields_ = [("ptr", c_void_p), ("size", c_size_t)]


class Range(Structure):
    """mofka_range_t"""

    _fields_ = [("offset", c_size_t), ("size", c_size_t)]


class Result(Structure):
    """mofka_result_t"""

    _fields_ = [("event_id", c_uint64), ("partition", c_uint64), ("event", c_void_p)]


class TopicOptions(Structure):
    """mofka_topic_options_t"""

    _fields_ = [("options", c_char_p), ("validator", c_char_p), ("selector", c_char_p),
                ("serializer", c_char_p)]


class ThreadPoolOptions(Structure):
    """mofka_thread_pool_options_t"""

    _fields_ = [("thread_count", c_size_t), ("binding", c_int), ("node_process_count", c_size_t),
                ("node_process_index", c_size_t)]


class ProducerOptions(Structure):
    """mofka_producer_options_t"""

    _fields_ = [("name", c_char_p), ("batch_size", c_size_t), ("max_batches", c_size_t),
                ("ordering", c_int), ("thread_pool", c_void_p), ("linger_ms", c_uint64),
                ("push_timeout_ms", c_int64), ("options", c_char_p), ("validator", c_void_p),
                ("selector", c_void_p), ("serializer", c_void_p), ("when_full", c_int),
                ("fallback", c_void_p), ("claim_ms", c_uint64)]


# Callbacks: foreign code calls them in any thread; ctypes takes the interpreter's lock first.
SELECTOR_FN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(c_void_p))
ALLOCATOR_FN = SELECTOR_FN
EVENT_FN = CFUNCTYPE(c_int, c_void_p, c_void_p)
WORK_FN = CFUNCTYPE(None, c_void_p)
TOPIC_VISIT_FN = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
PARTITION_VISIT_FN = CFUNCTYPE(c_int, c_void_p, c_size_t, c_void_p)


class ConsumerOptions(Structure):
    """mofka_consumer_options_t"""

    _fields_ = [("name", c_char_p), ("batch_size", c_size_t), ("max_batches", c_size_t),
                ("thread_pool", c_void_p), ("selector", c_void_p), ("selector_context", c_void_p),
                ("allocator", c_void_p), ("allocator_context", c_void_p),
                ("targets", POINTER(c_size_t)), ("target_count", c_size_t), ("start", c_int),
                ("acknowledge", c_int), ("zero_copy", c_bool), ("options", c_char_p),
                ("serializer", c_void_p)]


class ProcessOptions(Structure):
    """mofka_process_options_t"""

    _fields_ = [("thread_pool", c_void_p), ("events_max", c_size_t), ("wait_timeout_ms", c_int64),
                ("no_event", c_void_p)]


_KINDS = {"p": c_void_p, "t": c_char_p, "s": c_size_t, "i": c_int, "l": c_int64, "u": c_uint64, "b": c_bool,
          "v": None}

# "name result arguments", a letter for each type. These release the interpreter's lock.
_WAITING = """
driver_create i ttp
driver_close i pl
driver_create_topic i ptp
driver_delete_topic i pt
driver_open_topic i ptlp
driver_topic_exists i ptp
driver_list_topics i ppp
driver_list_partitions i ptpp
driver_make_thread_pool i psip
driver_stats i plp
topic_partition_info i psp
topic_mark_complete i pl
topic_evict i ptl
topic_ends i plp
producer_create i ppp
producer_close i pl
producer_push i ptspsp
producer_claim i psssp
claim_commit i psp
claim_abort v p
claim_is_in_place b p
producer_flush i pl
producer_flush_future i pp
producer_discard i p
producer_stats i pp
consumer_create i ppp
consumer_close i p
consumer_unsubscribe i p
consumer_pull i plp
consumer_pull_many i pslpp
consumer_pull_future i pp
consumer_process i ppplpp
consumer_skip_damaged i pp
consumer_seek i psu
consumer_seek_time i pu
consumer_stats i pp
future_wait i plp
future_completed b p
thread_pool_create i pp
thread_pool_close i p
thread_pool_release v p
thread_pool_push_work i pppu
validator_from_metadata i tp
serializer_from_metadata i tp
partition_selector_from_metadata i tp
driver_release v p
producer_release v p
consumer_release v p
"""
# These neither wait nor call back. Keeping the lock saves a part of a small call's time.
_QUICK = """
claim_metadata p p
claim_data p p
last_error t v
status_name t i
log_set_level v i
log_set_callback v pp
driver_default_thread_pool p p
topic_name t p
topic_partition_count s p
topic_release v p
thread_pool_retain p p
thread_pool_thread_count s p
thread_pool_size s p
event_retain p p
event_release v p
event_id u p
event_partition s p
event_metadata_text p pp
event_data p p
event_selected_size s p
event_data_size s p
event_lost u p
event_acknowledge i p
event_partition_info i pp
future_release v p
future_delivery i p
metadata_text p pp
metadata_release v p
consumer_lost u p
consumer_voided u p
consumer_rewound u p
data_view_create i psppp
data_view_retain p p
data_view_release v p
data_view_is_shared b p
data_view_segments p pp
data_view_context p p
data_descriptor_create i tssp
data_descriptor_retain p p
data_descriptor_release v p
data_descriptor_size s p
data_descriptor_location p pp
data_descriptor_sub_view_clamped i pssp
data_descriptor_strided_view i pssssp
data_descriptor_unstructured_view i ppsp
data_descriptor_flatten i ppp
validator_release v p
validator_metadata p p
serializer_release v p
serializer_metadata p p
partition_selector_release v p
partition_selector_metadata p p
"""


def _prototype(handle: ctypes.CDLL, line: str, functions: SimpleNamespace) -> None:
    name, result, arguments = line.split()
    try:
        function = getattr(handle, "mofka_" + name)
    except AttributeError:
        raise ImportError("%s has no mofka_%s: this package needs the library of its own version"
                          % (library._name, name)) from None
    function.restype = _KINDS[result]
    function.argtypes = [] if arguments == "v" else [_KINDS[letter] for letter in arguments]
    setattr(functions, name, function)


def _bind() -> Any:
    functions = SimpleNamespace()
    for handle, lines in ((library, _WAITING), (quick_library, _QUICK)):
        for line in lines.strip().split("\n"):
            _prototype(handle, line, functions)
    quick_library.mofka_fail.restype = c_int
    functions.fail = quick_library.mofka_fail  # takes a format, so it has no prototype
    functions.event_text = quick_library["mofka_event_metadata_text"]  # the same, up to a zero byte
    functions.event_text.restype, functions.event_text.argtypes = c_char_p, [c_void_p, c_void_p]
    functions.select_all = ctypes.cast(library.mofka_consumer_select_all, c_void_p).value
    functions.log_to_descriptor = ctypes.cast(library.mofka_log_to_descriptor, c_void_p).value
    functions.free = quick_library["free"]
    functions.free.restype, functions.free.argtypes = None, [c_void_p]
    functions.mpi_driver_create_f = getattr(library, "mofka_mpi_driver_create_f", None)
    if functions.mpi_driver_create_f:
        functions.mpi_driver_create_f.argtypes = [c_int, c_char_p, c_void_p]
    return functions


#: The functions of the library.
c = _bind()
