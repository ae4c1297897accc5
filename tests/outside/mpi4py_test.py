# SPDX-License-Identifier: BSD-3-Clause
"""A communicator of mpi4py goes to the library through ctypes: rank 0 pushes events, rank 1 pulls them.

Run by mpiexec -n 2 with the path of libmofka-mpi as its argument.
"""
import ctypes as c
import sys

from mpi4py import MPI

mpi = c.CDLL(sys.argv[1], mode=c.RTLD_GLOBAL)  # brings libmofka with it
ANY_PARTITION = c.c_size_t(-1)


class ConsumerOptions(c.Structure):
    """Only the name is set; the rest of mofka_consumer_options_t is zero: the defaults."""

    _fields_ = [("name", c.c_char_p), ("rest", c.c_char * 248)]


mpi.mofka_last_error.restype = c.c_char_p
mpi.mofka_event_metadata_text.restype = c.c_char_p
mpi.mofka_event_is_end.restype = c.c_bool


def check(status):
    if status != 0:
        sys.stderr.write("%d: %s\n" % (status, mpi.mofka_last_error().decode()))
        MPI.COMM_WORLD.Abort(1)


def push(topic):
    producer = c.c_void_p()
    check(mpi.mofka_producer_create(topic, None, c.byref(producer)))
    for i in range(5):
        text = b'{"number":%d}' % i
        check(mpi.mofka_producer_push(producer, text, c.c_size_t(len(text)), None, ANY_PARTITION, None))
    check(mpi.mofka_producer_close(producer, c.c_int64(20000)))
    mpi.mofka_producer_release(producer)


def pull(topic):
    consumer, event, texts = c.c_void_p(), c.c_void_p(), []
    options = ConsumerOptions(name=b"reader")
    check(mpi.mofka_consumer_create(topic, c.byref(options), c.byref(consumer)))
    while True:
        check(mpi.mofka_consumer_pull(consumer, c.c_int64(20000), c.byref(event)))
        if mpi.mofka_event_is_end(event):
            break
        texts.append(mpi.mofka_event_metadata_text(event, None))
        mpi.mofka_event_release(event)
    mpi.mofka_event_release(event)
    check(mpi.mofka_consumer_close(consumer))
    mpi.mofka_consumer_release(consumer)
    return texts


comm = MPI.COMM_WORLD
driver, topic = c.c_void_p(), c.c_void_p()
check(mpi.mofka_mpi_driver_create_f(comm.py2f(), None, c.byref(driver)))
if comm.rank == 0:
    options = (c.c_char_p * 4)(b'{"expected_producers":1}')
    check(mpi.mofka_driver_create_topic(driver, b"numbers", options))
check(mpi.mofka_driver_open_topic(driver, b"numbers", c.c_int64(20000), c.byref(topic)))
if comm.rank == 0:
    push(topic)
else:
    texts = pull(topic)
    if texts != [b'{"number":%d}' % i for i in range(5)]:
        sys.stderr.write("pulled %r\n" % texts)
        comm.Abort(1)
    print("mpi4py: pulled", len(texts), "events")
mpi.mofka_topic_release(topic)
check(mpi.mofka_driver_close(driver, c.c_int64(20000)))
mpi.mofka_driver_release(driver)
