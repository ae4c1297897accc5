# SPDX-License-Identifier: BSD-3-Clause
"""Ends: of the interpreter, of a forked child, of objects in any order. None crashes, none hangs.

Each program runs in a process of its own, because its end is what is tested.
"""
import itertools
import os
import unittest

from support import run

# With mpi4py, MPI is initialised and finalised by mpi4py.
MPI4PY = "from mpi4py import MPI" if os.environ.get("PYTHON_MPI4PY") else ""
OPEN = MPI4PY + """
import gc, os, signal, sys, threading, time
import mofka
driver = mofka.Driver()
driver.create_topic("t", options={"partition_bytes": 1 << 20})
topic = driver.open_topic("t")
"""
BUSY = OPEN + """
producer = topic.producer(linger_ms=60000)
future = producer.push({"a": 1}, bytearray(1000))
future.wait()
consumer = topic.consumer("r", data_selector=lambda m, d: d, data_allocator=mofka.ByteArrayAllocator)
event = consumer.pull().wait()
pending = consumer.pull()
late = producer.push({"b": 1}, bytearray(1000))
"""


class Ends(unittest.TestCase):
    def check(self, program, code=0, output="", error=""):
        done = run(program)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(output, done.stdout)
        self.assertIn(error, done.stderr)
        self.assertNotIn("Segmentation", done.stderr)
        return done

    def test_the_interpreter_ends_with_everything_open(self):
        done = run(BUSY, MOFKA_LOG="debug")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("producer '' of topic 't' is closed", "consumer 'r' of topic 't' is closed",
                     "driver 'mpi' is closed"):
            self.assertIn(line, done.stderr)
        self.assertNotIn("warn", done.stderr)

    def test_a_forgotten_driver_is_closed_at_the_end(self):
        done = run(BUSY + """
del driver, topic, producer, consumer, event, future, pending, late
gc.collect()
""", MOFKA_LOG="info")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("ResourceWarning: the mpi driver was not closed", "driver 'mpi' is closed"):
            self.assertIn(line, done.stderr)
        self.assertNotIn("MPI_Finalize", done.stderr)

    def test_after_sys_exit(self):
        self.check(BUSY + "sys.exit(3)", 3)

    def test_after_an_exception_the_job_ends(self):
        done = self.check(BUSY + "raise KeyError('mine')", 1, error="KeyError: 'mine'")
        self.assertIn("Traceback", done.stderr)

    def test_in_a_reference_cycle(self):
        self.check(BUSY + """
ring = [driver, topic, producer, consumer, event, future]
ring.append(ring)
del driver, topic, producer, consumer, event, future, ring
gc.collect()
""")

    def test_objects_are_dropped_in_any_order(self):
        names = ("driver", "topic", "producer", "consumer", "event", "pending")
        orders = list(itertools.permutations(names))[::120]
        for order in orders:
            drops = "\n".join("del %s; gc.collect()" % name for name in order)
            self.check(BUSY + drops + "\nprint('last line')", output="last line")

    def test_arrays_outlive_all_else(self):
        self.check(OPEN + """
with topic.producer() as producer:
    producer.push({}, b"shown")
consumer = topic.consumer("r", zero_copy=True)
(part,) = consumer.pull().wait().data
del consumer, producer, topic, driver
gc.collect()
print(bytes(part))
""", output="b'shown'")

    def test_threads_that_wait(self):
        self.check(OPEN + """
consumer = topic.consumer("r")
thread = threading.Thread(target=lambda: [event for event in consumer], daemon=True)
thread.start()
time.sleep(0.1)
""")

    def test_workers_that_call_python(self):
        self.check(OPEN + """
pool = driver.make_thread_pool(2)
producer = topic.producer(thread_pool=pool)
consumer = topic.consumer("r", thread_pool=pool, data_selector=lambda m, d: d, data_allocator=mofka.ByteArrayAllocator)
for i in range(2000):
    producer.push({"i": i}, b"data")
for i in range(20):
    pool.push_work(lambda: time.sleep(0.01))
""")

    def test_an_exception_in_a_callback_at_the_end(self):
        self.check(OPEN + """
producer = topic.producer()
producer.push({}, b"data").wait()
def select(m, d):
    raise KeyError("late")
pool = driver.make_thread_pool(1)
consumer = topic.consumer("r", data_selector=select, thread_pool=pool)
pending = consumer.pull()
time.sleep(0.1)
""")

    def test_interrupted_waits(self):
        for wait in ("consumer.pull().wait()", "consumer.pull_many(1)", "next(iter(consumer))",
                     "consumer.process(print)", "consumer.process(print, thread_pool=driver.make_thread_pool(1))",
                     "driver.open_topic('nowhere', 500)"):
            expected = "caught" if "open_topic" not in wait else ""
            self.check(OPEN + """
consumer = topic.consumer("r")
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    %s
except KeyboardInterrupt:
    print("caught")
except mofka.MofkaError as error:
    print(error)
consumer.close()
""" % wait, output=expected)

    def test_a_forked_child_leaves_all_alone(self):
        self.check(BUSY + """
child = os.fork()
if child == 0:
    for call in (lambda: producer.push({}), lambda: consumer.pull(), driver.list_topics, event.acknowledge,
                 lambda: driver.create_topic("u"), consumer.close, lambda: late.wait(), lambda: mofka.Driver()):
        try:
            call()
        except mofka.MofkaError as error:
            continue
        os._exit(7)
    del event, pending, late, consumer, producer, topic, driver
    gc.collect()
    os._exit(5) if "mpi4py" in sys.modules else sys.exit(5)  # mpi4py would finalise MPI in the child
answer = os.waitpid(child, 0)[1]
assert os.WEXITSTATUS(answer) == 5, answer
assert late.wait() == 1
print("parent goes on")
""", output="parent goes on")

    def test_processes_of_multiprocessing(self):
        self.check(BUSY + """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
assert late.wait() == 1
""", output="[1, 2]")

    def test_mpi_is_finalised_by_the_program(self):
        self.check(BUSY + """
from mofka._c.library import library
MPI.Finalize() if "mpi4py" in sys.modules else library.MPI_Finalize()
for call in (lambda: producer.push({}), driver.list_topics, mofka.Driver):
    try:
        call()
    except mofka.MofkaError as error:
        print(error)
""", output="MPI")


if __name__ == "__main__":
    unittest.main()
