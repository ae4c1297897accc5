# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong: wrong types, closed objects, callbacks that raise, failures that nobody waits for."""
import gc
import sys
import unittest
import warnings

import mofka
from support import DriverTest


class Unraisable:
    """Collects what sys.unraisablehook is given."""

    def __enter__(self):
        self.caught, self.before = [], sys.unraisablehook
        sys.unraisablehook = lambda report: self.caught.append(report.exc_value)
        return self.caught

    def __exit__(self, *exception):
        sys.unraisablehook = self.before


class WrongArguments(DriverTest):
    def test_metadata_and_data(self):
        class Tensor:
            """It is on another device."""

            def __dlpack__(self, **options):
                raise BufferError("on a GPU")

            def __dlpack_device__(self):
                return (2, 0)
        with self.topic().producer() as producer:
            for metadata in (None, 3, ["a"], {1, 2}, object()):
                self.assertRaises(TypeError, producer.push, metadata)
                self.assertRaises(TypeError, producer.push_many, [metadata])
            for data in (3, "text", [1, 2], ["a"], [[b"a"]], object(), {"a": 1}, Tensor()):
                self.assertRaises(TypeError, producer.push, {}, data)
                self.assertRaises(TypeError, producer.push_many, [{}], [data])
            for value in (float("nan"), float("inf")):
                self.assertRaises(ValueError, producer.push, {"x": value})
            self.assertRaises(TypeError, producer.push, {"x": object()})
            self.assertRaises(ValueError, producer.push, "\udc80")  # no UTF-8
            for partition in ("0", 1.5, True):
                self.assertRaises(TypeError, producer.push, {}, partition=partition)
            self.assertRaises(ValueError, producer.push, {}, partition=-1)
            self.assertRaises(ValueError, producer.push_many, [{}], [b"a", b"b"])
            self.assertEqual(producer.push({}).wait(), 0)  # nothing of that was pushed

    def test_names_options_and_numbers(self):
        topic = self.topic()
        for make in (topic.consumer, topic.producer, self.driver.open_topic, self.driver.create_topic, mofka.Driver):
            for name in (None, 3, b"bytes"):
                self.assertRaises(TypeError, make, name)
            self.assertRaises(ValueError, make, "a\0b")
        for options in (3, ["a"], object()):
            self.assertRaises(TypeError, self.driver.create_topic, "t", options=options)
            self.assertRaises(TypeError, self.driver.create_topic, "t", validator=options)
        for options in ({"no such": 1}, "{", b"[]", {"partitions": "two"}):
            with self.assertRaises(mofka.MofkaError) as caught:
                self.driver.create_topic("t", options=options)
            self.assertIn(caught.exception.status, (mofka.Status.OPTION, mofka.Status.JSON))
        for more in ({"data_selector": 3}, {"data_allocator": "x"}, {"batch_size": "a"}, {"targets": ["a"]},
                     {"targets": []}, {"targets": [7]}, {"start": "middle"}, {"acknowledge": 1}, {"unknown": 1},
                     {"zero_copy": True, "data_allocator": mofka.ByteArrayAllocator}):
            self.assertRaises((TypeError, ValueError, mofka.MofkaError), topic.consumer, "r", **more)
        for more in ({"batch_size": "a"}, {"ordering": "x"}, {"options": 3}, {"unknown": 1}):
            self.assertRaises((TypeError, ValueError, mofka.MofkaError), topic.producer, **more)
        self.assertRaises(mofka.MofkaError, mofka.ThreadPool, 10**6)
        self.assertRaises(TypeError, mofka.ThreadPool().push_work, 3)
        self.assertRaises(mofka.MofkaError, mofka.Validator, type="unknown")
        self.assertRaises(mofka.MofkaError, mofka.Serializer.from_metadata, {"type": "unknown:libunknown.so"})
        with topic.consumer("r") as consumer:
            self.assertRaises(TypeError, consumer.process, 3)
            for count in (0, -1, 2**40):
                self.assertRaises(ValueError, consumer.pull_many, count)
            self.assertRaises(TypeError, consumer.pull_many, "4")
            self.assertRaises(TypeError, consumer.pull_many, 4, "soon")

    def test_communicators_that_are_none(self):
        for comm in ("world", 1.5, True, object(), [0]):
            self.assertRaises(TypeError, mofka.Driver, comm=comm)
        for number in (2**40, -2**31 - 1):
            self.assertRaises(ValueError, mofka.Driver, comm=number)
        for number in (-5, 12345, 2**31 - 1):
            with self.assertRaises(mofka.MofkaError) as caught:
                mofka.Driver(comm=number)
            self.assertEqual(caught.exception.status, mofka.Status.INVALID)
            self.assertIn("communicator", caught.exception.message)
        self.assertRaises(TypeError, mofka.Driver, "other", comm=0)
        with self.assertRaises(mofka.MofkaError) as caught:
            mofka.Driver("unknown:libunknown.so")
        self.assertEqual(caught.exception.status, mofka.Status.NOT_FOUND)

    def test_an_error_has_a_status_and_a_message(self):
        self.driver.create_topic("twice")
        with self.assertRaises(mofka.MofkaError) as caught:
            self.driver.create_topic("twice")
        self.assertIs(caught.exception.status, mofka.Status.EXISTS)
        self.assertIn("twice", caught.exception.message)
        self.assertRegex(str(caught.exception), "^MOFKA_ERR_EXISTS: .*twice")


class Closed(DriverTest):
    def check_closed(self, *calls):
        for call in calls:
            with self.assertRaises(mofka.MofkaError) as caught:
                call()
            self.assertIs(caught.exception.status, mofka.Status.CLOSED)

    def test_closed_objects_refuse_calls(self):
        topic = self.filled([{}, {}])
        producer, consumer = self.topic().producer(), topic.consumer("r")
        event, future = consumer.pull().wait(), consumer.pull()
        producer.close()
        consumer.close()
        producer.close()
        consumer.close()
        self.check_closed(lambda: producer.push({}), lambda: producer.push_many([b""]), producer.discard,
                          lambda: consumer.pull().wait(), lambda: consumer.pull_many(1), lambda: next(iter(consumer)),
                          lambda: consumer.process(print), event.acknowledge, future.wait, consumer.skip_damaged,
                          consumer.unsubscribe)
        self.assertEqual(event.event_id, 0)
        self.driver.close()
        self.driver.close()
        self.check_closed(lambda: self.driver.create_topic("t"), lambda: self.driver.open_topic("t"), topic.producer,
                          lambda: topic.consumer("s"), self.driver.list_topics, lambda: self.driver.topic_exists("t"),
                          lambda: topic.partitions, topic.mark_as_complete)
        for thing in (producer, consumer, event, topic, self.driver):
            self.assertIn("mofka.", repr(thing))

    def test_a_driver_closes_what_is_open(self):
        topic = self.topic()
        producer, consumer = topic.producer(), topic.consumer("r")
        producer.push({})
        self.driver.close()
        self.check_closed(lambda: producer.push({}), lambda: consumer.pull().wait())

    def test_pools_close(self):
        pool = mofka.ThreadPool(1)
        pool.close()
        pool.close()
        self.check_closed(lambda: pool.push_work(print))

    def test_forgotten_objects_warn(self):
        for make in (self.topic().producer, lambda: self.topic().consumer("r")):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                make()
                gc.collect()
            self.assertEqual([w.category for w in caught], [ResourceWarning])
            self.assertIn("was not closed", str(caught[0].message))

    def test_a_with_statement_passes_its_exception_on(self):
        with self.assertRaises(KeyError):
            with self.topic().producer() as producer, self.topic().consumer("r"):
                producer.push({})
                raise KeyError("mine")


class Failures(DriverTest):
    validator = {"type": "default", "json": True}

    def test_a_future_reports_a_refused_event(self):
        with self.topic(validator=self.validator).producer() as producer:
            future = producer.push("no JSON")
            for _ in range(2):
                with self.assertRaises(mofka.MofkaError) as caught:
                    future.wait()
            self.assertIn(caught.exception.status, (mofka.Status.JSON, mofka.Status.REFUSED))

    def test_a_flush_reports_what_dropped_futures_would(self):
        for end in (lambda p: p.flush().wait(), lambda p: p.close()):
            room = {"partition_bytes": 1 << 20, "retention": "discard_oldest"}
            producer = self.topic(validator=self.validator, options=room).producer()
            for i in range(40000):
                producer.push(b"{}" if i != 7 else "no JSON")
            self.assertRaises(mofka.MofkaError, end, producer)
            producer.close()

    def test_dropped_futures_do_not_pile_up(self):
        with self.topic(options={"partition_bytes": 1 << 20, "retention": "discard_oldest"}).producer() as producer:
            for i in range(40000):
                producer.push(b"{}")
                self.assertLess(len(producer._dropped), 20000)
            producer.flush().wait()
            self.assertEqual(len(producer._dropped), 0)

    def test_push_many_reports_at_once(self):
        producer = self.topic(validator=self.validator).producer()
        with self.assertRaises(mofka.MofkaError):
            producer.push_many([b"{}", b"no JSON", b"{}"])
        self.assertRaises(mofka.MofkaError, producer.close)
        producer.close()
        self.assertEqual(producer.stats()["events_refused"], 1)


class Callbacks(DriverTest):
    def test_an_exception_reaches_the_pull_of_its_event(self):
        def select(metadata, descriptor):
            if metadata["i"] % 2:
                raise KeyError("no %d" % metadata["i"])
            return descriptor
        topic = self.filled([{"i": i} for i in range(4)], [b"data"] * 4)
        for more in ({"data_selector": select}, {"data_allocator": select_none(select)}):
            with topic.consumer("r", **more) as consumer:
                self.assertEqual(consumer.pull().wait().metadata, {"i": 0})
                self.assertRaisesRegex(KeyError, "no 1", consumer.pull_many, 1)
                self.assertEqual(next(iter(consumer)).metadata, {"i": 2})
                self.assertRaisesRegex(KeyError, "no 3", lambda: consumer.pull().wait())
                self.assertIsNone(consumer.pull().wait().event_id)
                consumer.unsubscribe()

    def test_wrong_results_are_errors(self):
        topic = self.filled([{}] * 8, [b"data"] * 8)
        allocators = (lambda m, d: b"read only", lambda m, d: 3, lambda m, d: [bytearray(1)], lambda m, d: None,
                      lambda: bytearray(4), lambda m, d: [])
        for more in [{"data_allocator": a} for a in allocators] + [{"data_selector": lambda m, d: 4}]:
            with Unraisable(), topic.consumer("r", **more) as consumer:
                self.assertRaises((TypeError, BufferError, mofka.MofkaError), lambda: consumer.pull().wait())
                consumer.unsubscribe()

    def test_an_exception_that_reaches_nobody_is_reported(self):
        def select(metadata, descriptor):
            raise ValueError("unseen")
        with Unraisable() as caught:
            with self.filled([{}] * 3, [b"data"] * 3).consumer("r", data_selector=select) as consumer:
                self.assertRaises(ValueError, lambda: consumer.pull().wait())
        self.assertEqual([str(e) for e in caught], ["unseen"] * 2)

    def test_an_exception_of_a_processor_is_raised_once(self):
        def fail(event):
            raise ArithmeticError("mine")
        topic = self.filled([{}] * 50)
        with topic.consumer("r") as consumer:
            self.assertRaisesRegex(ArithmeticError, "mine", consumer.process, fail)
        with self.driver.make_thread_pool(2) as pool, Unraisable() as caught:
            with topic.consumer("s", thread_pool=pool) as consumer:
                self.assertRaisesRegex(ArithmeticError, "mine", consumer.process, fail, thread_pool=pool)
        self.assertTrue(all(isinstance(e, ArithmeticError) for e in caught))

    def test_an_exception_of_work_is_reported(self):
        with Unraisable() as caught, mofka.ThreadPool(1) as pool:
            pool.push_work(lambda: 1 / 0)
        self.assertEqual([type(e) for e in caught], [ZeroDivisionError])

    def test_a_callback_must_not_pull(self):
        topic, answers = self.filled([{}], [b"data"]), []

        def select(metadata, descriptor):
            try:
                consumer.pull_many(1, 0)
            except mofka.MofkaError as error:
                answers.append(error.status)
            return descriptor
        with topic.consumer("r", data_selector=select) as consumer:
            consumer.pull().wait()
        self.assertEqual(answers, [mofka.Status.BUSY])


def select_none(select):
    """An allocator that fails where the selector does."""
    return lambda metadata, descriptor: select(metadata, descriptor) and bytearray(descriptor.size)


if __name__ == "__main__":
    unittest.main()
