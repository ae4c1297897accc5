# SPDX-License-Identifier: BSD-3-Clause
"""Log lines go to a function of Python, from any thread, and nobody waits for it."""
import sys
import threading
import unittest

import mofka
from support import DriverTest, run


class Log(DriverTest):
    def setUp(self):
        self.lines = []
        super().setUp()
        self.addCleanup(mofka.set_log_level, mofka.LogLevel.Warn)
        self.addCleanup(mofka.set_log_callback, None)

    def collect(self, level, message):
        self.lines.append((level, message))

    def use(self, level):
        """The lines of a topic's creation and of a producer's life."""
        mofka.set_log_level(level)
        mofka.set_log_callback(self.collect)
        self.topic().producer("maker").close()
        mofka.set_log_callback(None)
        lines, self.lines = self.lines, []
        return lines

    def test_lines_of_a_level_and_those_before_it(self):
        self.assertEqual(self.use(mofka.LogLevel.Warn), [])
        lines = self.use(mofka.LogLevel.Debug)
        self.assertEqual({level for level, _ in lines}, {mofka.LogLevel.Info, mofka.LogLevel.Debug})
        self.assertTrue(any("producer 'maker'" in message for _, message in lines), lines)
        self.assertEqual(self.use(1), [])

    def test_wrong_arguments(self):
        for function in (3, "print", [print]):
            self.assertRaises(TypeError, mofka.set_log_callback, function)
        for level in (-1, 5, "loud", None):
            self.assertRaises((TypeError, ValueError), mofka.set_log_level, level)

    def test_a_callback_may_raise(self):
        caught, before = [], sys.unraisablehook
        sys.unraisablehook = lambda report: caught.append(report.exc_value)
        self.addCleanup(setattr, sys, "unraisablehook", before)

        def raises(level, message):
            raise KeyError(message)
        mofka.set_log_level(mofka.LogLevel.Info)
        mofka.set_log_callback(raises)
        self.topic()
        self.topic()
        mofka.set_log_callback(None)
        self.assertGreaterEqual(len(caught), 2)
        self.assertIsInstance(caught[0], KeyError)

    def test_a_callback_may_call_the_library(self):
        def calls(level, message):
            self.lines.append(len(self.driver.list_topics()))
        mofka.set_log_level(mofka.LogLevel.Info)
        mofka.set_log_callback(calls)
        self.topic()
        mofka.set_log_callback(None)
        self.assertTrue(self.lines)

    def test_threads_that_log_much(self):
        mofka.set_log_level(mofka.LogLevel.Trace)
        mofka.set_log_callback(self.collect)
        topic = self.topic(options={"partition_bytes": 1 << 20, "retention": "discard_oldest"})

        def push():
            with mofka.ThreadPool(1) as pool, topic.producer(thread_pool=pool, batch_size=1) as producer:
                for _ in range(500):
                    producer.push(b"{}")
        threads = [threading.Thread(target=push) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        mofka.set_log_callback(None)
        self.assertTrue(any(level == mofka.LogLevel.Trace for level, _ in self.lines))


class Ends(unittest.TestCase):
    program = """
import os, sys, mofka
mofka.set_log_level(mofka.LogLevel.Debug)
mofka.set_log_callback(lambda level, message: print(level.name, message, flush=True))
"""

    def test_lines_of_the_end_arrive(self):
        done = run(self.program + """
driver = mofka.Driver()
driver.create_topic("t")
producer = driver.open_topic("t").producer()
""")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "Debug producer '' of topic 't' is closed")

    def test_a_forked_child_prints_its_lines(self):
        done = run(self.program + """
child = os.fork()
if child == 0:
    from mofka._c.library import library
    library.mofka_log(2, b"of the child")
    os._exit(0)
os.waitpid(child, 0)
""")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("mofka: info: of the child", done.stderr)
        self.assertNotIn("of the child", done.stdout)


if __name__ == "__main__":
    unittest.main()
