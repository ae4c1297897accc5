# SPDX-License-Identifier: BSD-3-Clause
"""Data: arrays and buffers in, arrays and buffers out, and what of it moves."""
import gc
import unittest

import mofka
from support import DriverTest, needs_numpy, numpy


class Buffers(DriverTest):
    def read(self, data, **options):
        with self.filled([{}], [data]).consumer("r", **options) as consumer:
            return b"".join(bytes(part) for part in consumer.pull().wait().data)

    def test_buffers_of_all_kinds(self):
        for data in (b"bytes", bytearray(b"array"), memoryview(b"view"), [b"one", b"", bytearray(b"two")], (b"t",),
                     b"", []):
            expected = b"".join(data) if isinstance(data, (list, tuple)) else bytes(data)
            self.assertEqual(self.read(data), expected)

    def test_a_view_that_is_not_contiguous_is_copied(self):
        self.assertEqual(self.read(memoryview(b"a.b.c.")[::2]), b"abc")

    def test_memory_is_held_until_it_is_stored(self):
        topic, data = self.topic(), bytearray(b"x" * 1000)
        with topic.producer(linger_ms=60000) as producer:
            future = producer.push({}, data)
            with self.assertRaises(BufferError):
                data.append(1)  # the library reads it: it cannot move
            future.wait()
            data.append(1)
            producer.push({}, data)
            self.assertRaises(BufferError, data.append, 1)
            producer.flush().wait()
            data.append(1)

    def test_much_data_does_not_pile_up(self):
        topic = self.topic(options={"partition_bytes": 1 << 20, "retention": "discard_oldest"})
        with topic.producer(batch_size=1) as producer:
            for _ in range(300):
                producer.push({}, bytes(10000)).wait()
            self.assertLess(len(producer._kept), 80)

    def test_without_data_there_is_none(self):
        with self.filled([{}]).consumer("r") as consumer:
            event = consumer.pull().wait()
            self.assertEqual((event.data, event.data_size), ([], 0))

    def test_data_without_a_copy_is_read_only_and_keeps_its_event(self):
        consumer = self.filled([{}], [b"shown"]).consumer("r", zero_copy=True)
        (part,) = consumer.pull().wait().data
        gc.collect()
        self.assertEqual(bytes(part), b"shown")
        self.assertTrue(part.readonly)
        with self.assertRaises(mofka.MofkaError) as caught:
            consumer.close()
        self.assertEqual(caught.exception.status, mofka.Status.BUSY)
        del part
        consumer.close()

    def test_copied_data_outlives_its_event_and_consumer(self):
        consumer = self.filled([{}], [b"kept"]).consumer("r")
        (part,) = consumer.pull().wait().data
        consumer.close()
        del consumer
        gc.collect()
        part[0] = ord("K")
        self.assertEqual(bytes(part), b"Kept")


class Selections(DriverTest):
    def select(self, choose, data=bytes(range(65, 91)), **options):
        with self.filled([{"n": 1}], [data]).consumer("r", data_selector=choose, **options) as consumer:
            event = consumer.pull().wait()
            return b"".join(bytes(part) for part in event.data)

    def test_views(self):
        self.assertEqual(self.select(lambda m, d: d.make_sub_view(offset=3, size=4)), b"DEFG")
        self.assertEqual(self.select(lambda m, d: d.make_sub_view(20, 100)), b"UVWXYZ")
        self.assertEqual(self.select(lambda m, d: d.make_stride_view(offset=1, num_blocks=5, block_size=2,
                                                                     gap_size=3)), b"BCGHLMQRVW")
        self.assertEqual(self.select(lambda m, d: d.make_unstructured_view(segments=[(0, 2), (24, 2)])), b"ABYZ")
        self.assertEqual(self.select(lambda m, d: d.make_sub_view(10, 10).make_strided_view(0, 2, 1, 4)), b"KP")

    def test_all_and_nothing(self):
        self.assertEqual(self.select(lambda m, d: d if m["n"] == 1 else None), bytes(range(65, 91)))
        self.assertEqual(self.select(lambda m, d: None), b"")
        self.assertEqual(self.select(None), b"")
        self.assertEqual(self.select(mofka.FullDataSelector), bytes(range(65, 91)))

    def test_an_allocator_says_where_data_goes(self):
        target = bytearray(4)
        self.assertEqual(self.select(lambda m, d: d.make_sub_view(0, 4), data_allocator=lambda m, d: target), b"ABCD")
        self.assertEqual(target, b"ABCD")
        with self.filled([{}], [b"hello"]).consumer("r", data_allocator=mofka.ByteArrayAllocator) as consumer:
            event = consumer.pull().wait()
            data = event.data
            del event
            self.assertIsInstance(data[0], bytearray)
            self.assertEqual(data, [bytearray(b"hello")])

    def test_memory_of_an_allocator_is_let_go(self):
        topic = self.filled([{}] * 500, [b"data"] * 500)
        with topic.consumer("r", data_allocator=mofka.ByteArrayAllocator, batch_size=10) as consumer:
            for event in consumer:
                self.assertEqual(event.data, [b"data"])
            self.assertLess(len(consumer._kept), 20)

    def test_a_descriptor_alone(self):
        whole = mofka.DataDescriptor("test_location", 1024)
        part = whole.make_sub_view(offset=100, size=200)
        self.assertEqual((whole.size, whole.location, part.size, part.location),
                         (1024, "test_location", 200, "test_location"))
        self.assertEqual((mofka.DataDescriptor().size, mofka.DataDescriptor().location), (0, ""))
        self.assertEqual(whole.make_sub_view(2000, 5).size, 0)
        self.assertEqual(whole.make_stride_view(0, 2, 3, 7).flatten(), [(0, 3), (10, 3)])
        self.assertEqual((whole.flatten(), mofka.DataDescriptor().flatten()), ([(0, 1024)], []))
        with self.assertRaises(mofka.MofkaError):
            whole.make_stride_view(0, 1000, 1000, 0)
        with self.assertRaises(mofka.MofkaError):
            whole.make_unstructured_view([(10, 5), (0, 5)])
        for bad in (-1, 2**64, 1.5, True, "1"):
            with self.assertRaises((TypeError, ValueError)):
                whole.make_sub_view(bad, 1)


@needs_numpy
class Arrays(DriverTest):
    def trip(self, data, metadata=None, **options):
        with self.filled([metadata or {"step": 1}], [data]).consumer("r", **options) as consumer:
            return consumer.pull().wait().array

    def test_dtype_and_shape_arrive(self):
        pairs = numpy.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8", (1,))])
        for data in (numpy.arange(12.0).reshape(3, 4), numpy.array(7, "i2"), numpy.zeros((0, 5), "f4"),
                     numpy.array(["2026-01-01"], "M8[D]"), numpy.arange(3, dtype=">u8"), pairs,
                     numpy.array([True, False]), numpy.ones(2, "f2"), numpy.array([1 + 2j])):
            array = self.trip(data)
            self.assertEqual((array.dtype, array.shape), (data.dtype, data.shape))
            self.assertTrue((array == data).all())

    def test_arrays_that_are_not_contiguous_are_copied(self):
        data = numpy.arange(24.0).reshape(4, 6)
        for part in (data[::2, 1:4], data.T, data[::-1], numpy.asfortranarray(data)):
            self.assertTrue((self.trip(part) == part).all())

    def test_the_convention_can_be_overridden_and_left_out(self):
        data = numpy.arange(4, dtype="f4")
        self.assertEqual(self.trip(data, {"shape": [2, 2]}).shape, (2, 2))
        self.assertEqual(self.trip(data, b'{"dtype":"<f4"}').tolist(), [0, 1, 2, 3])
        self.assertEqual(self.trip(data, b"{}").dtype, numpy.uint8)
        topic = self.topic()
        with topic.producer(describe_arrays=False) as producer:
            producer.push({"step": 1}, data)
        with topic.consumer("r") as consumer:
            self.assertEqual(consumer.pull().wait().metadata, {"step": 1})
        self.assertEqual(mofka.describe_array(data), {"dtype": "<f4", "shape": [4]})

    def test_a_selected_part_has_one_dimension(self):
        array = self.trip(numpy.arange(12.0).reshape(3, 4),
                          data_selector=lambda m, d: d.make_stride_view(0, 3, 8, 24))
        self.assertEqual(array.tolist(), [0, 4, 8])

    def test_foreign_metadata_does_no_harm(self):
        data = numpy.arange(6, dtype="u1")
        for metadata in ({"dtype": "O"}, {"dtype": "no"}, {"dtype": [["a"]]}, {"dtype": "V0"}, {"dtype": {"x": 1}}):
            with self.assertRaises(ValueError):
                self.trip(data, metadata)
        for metadata in ({"dtype": "<f8", "shape": [6]}, {"dtype": "u1", "shape": [7]}, {"dtype": "u1", "shape": "x"},
                         {"dtype": "u1", "shape": [-1]}, {"dtype": "u1", "shape": [True, 6]}, {"dtype": "u1"}):
            metadata.setdefault("shape", None)
            self.assertEqual(self.trip(data, metadata).shape, (6,))

    def test_no_copy(self):
        consumer = self.filled([{}], [numpy.arange(3.0)]).consumer("r", zero_copy=True)
        event = consumer.pull().wait()
        array, again = event.array, event.array
        self.assertEqual(array.__array_interface__["data"][0], again.__array_interface__["data"][0])
        self.assertFalse(array.flags.writeable)
        del event, again
        gc.collect()
        self.assertEqual(array.tolist(), [0, 1, 2])
        del array
        consumer.close()

    @unittest.skipUnless(hasattr(numpy, "from_dlpack"), "numpy is older than 1.22")
    def test_dlpack(self):
        class Foreign:
            """A tensor of another library."""

            def __init__(self, array):
                self.array = array

            def __dlpack__(self, **options):
                return self.array.__dlpack__(**options)

            def __dlpack_device__(self):
                return self.array.__dlpack_device__()
        topic = self.topic()
        with topic.producer() as producer:
            producer.push({"dtype": "<f8", "shape": [3]}, Foreign(numpy.arange(3.0)))
        with topic.consumer("r") as consumer:
            event = consumer.pull().wait()
        self.assertEqual(numpy.from_dlpack(event).tolist(), [0, 1, 2])

    def test_numbers_of_numpy_in_metadata(self):
        with self.filled([{"n": numpy.int64(3), "x": numpy.float32(0.5), "a": numpy.arange(2)}]).consumer("r") as c:
            self.assertEqual(c.pull().wait().metadata, {"n": 3, "x": 0.5, "a": [0, 1]})


if __name__ == "__main__":
    unittest.main()
