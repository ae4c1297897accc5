# SPDX-License-Identifier: BSD-3-Clause
"""Events through a topic: pushing, pulling, iterating, awaiting, processing, in one rank."""
import asyncio
import tempfile
import threading
import time
import unittest

import mofka
from support import DriverTest


class Topics(DriverTest):
    def test_topics_are_created_found_and_listed(self):
        self.assertFalse(self.driver.topic_exists("here"))
        self.driver.create_topic("here", options={"partitions": 3}, validator={"type": "default", "json": True},
                                 partition_selector=mofka.PartitionSelector(type="default"),
                                 serializer=mofka.Serializer.from_metadata({"type": "default"}))
        self.assertTrue(self.driver.topic_exists("here"))
        self.assertEqual(self.driver.list_topics()["here"]["validator"], {"type": "default", "json": True})
        self.assertEqual(len(self.driver.list_partitions("here")), 3)
        topic = self.driver.open_topic("here")
        self.assertEqual((topic.name, len(topic.partitions)), ("here", 3))
        self.assertIn("here", str(topic))
        producer = topic.producer()
        with self.assertRaises(mofka.MofkaError) as caught:
            self.driver.delete_topic("here")
        self.assertIs(caught.exception.status, mofka.Status.BUSY)
        producer.close()
        topic.consumer("gone").close()
        topic.evict("gone")
        with self.assertRaises(mofka.MofkaError) as caught:
            topic.evict("gone", 1000)
        self.assertIs(caught.exception.status, mofka.Status.NOT_FOUND)
        self.driver.delete_topic("here")
        self.assertFalse(self.driver.topic_exists("here"))

    def test_the_names_of_the_original(self):
        from mofka import api
        self.assertLess({"AdaptiveBatchSize", "ByteArrayAllocator", "Consumer", "DataDescriptor", "Driver", "Event",
                         "Exception", "FullDataSelector", "FutureEvent", "FutureFlushed", "FutureUint", "Ordering",
                         "PartitionSelector", "Producer", "Serializer", "ThreadPool", "TopicHandle"}, set(api.__all__))
        for name in api.__all__:
            self.assertTrue(hasattr(api, name), name)

    def test_rank_and_size(self):
        self.assertEqual((self.driver.rank, self.driver.size), (0, 1))

    def test_what_producers_and_consumers_were_made_with(self):
        topic, pool = self.topic(), self.driver.default_thread_pool
        with topic.producer("me", batch_size=32, max_num_batches=4, ordering=mofka.Ordering.Loose,
                            thread_pool=pool, options={}) as producer:
            self.assertEqual((producer.name, producer.topic, producer.thread_pool, producer.batch_size,
                              producer.max_num_batches, producer.ordering),
                             ("me", topic, pool, 32, 4, mofka.Ordering.Loose))
        with topic.consumer("you", batch_size=8, targets=[0]) as consumer:
            self.assertEqual((consumer.name, consumer.topic, consumer.batch_size, consumer.targets),
                             ("you", topic, 8, [0]))
        with topic.producer() as producer:
            self.assertEqual(producer.batch_size, mofka.AdaptiveBatchSize)


class Places(DriverTest):
    def test_a_consumer_goes_to_an_event(self):
        with self.filled([{"n": n} for n in range(20)]).consumer("r") as consumer:
            self.assertEqual(consumer.pull().wait().metadata, {"n": 0})
            consumer.seek(0, 15)
            self.assertEqual([consumer.pull().wait().metadata["n"] for _ in range(3)], [15, 16, 17])
            consumer.seek(partition=0, id=2)
            self.assertEqual(consumer.pull().wait().metadata, {"n": 2})
            self.assertEqual(consumer.rewound, 0)
            with self.assertRaises(mofka.MofkaError) as caught:
                consumer.seek(0, 100)
            self.assertIs(caught.exception.status, mofka.Status.RANGE)

    def test_a_topic_in_files_has_ends_and_times(self):
        with tempfile.TemporaryDirectory() as folder, \
                mofka.Driver("files", {"store": folder + "/store"}) as driver:
            driver.create_topic("t")
            topic = driver.open_topic("t")
            with topic.producer() as producer:
                for n in range(5):
                    producer.push({"n": n})
            self.assertEqual(topic.ends(), [5])
            with topic.consumer("r") as consumer:
                consumer.seek_time(time.time() + 1000)
                with self.assertRaises(TimeoutError):
                    consumer.pull_many(1, timeout_ms=0)
                consumer.seek_time(0)
                self.assertEqual(consumer.pull().wait().metadata, {"n": 0})


class Claims(DriverTest):
    def test_claims_are_filled_committed_and_aborted(self):
        topic = self.topic()
        with topic.producer(claim_ms=60000) as producer, topic.consumer(
                "r", data_selector=mofka.FullDataSelector) as consumer:
            claim = producer.claim(5)
            self.assertTrue(claim.in_place)
            claim.data[:] = b"hello"
            self.assertEqual(claim.commit({"n": 0}).wait(), 0)
            for end in (claim.abort, lambda: claim.__exit__(None, None, None)):
                end()  # it has ended
            with self.assertRaises(ValueError):
                claim.commit({})
            with producer.claim(3, metadata_bytes_max=4) as claim:
                with self.assertRaises(ValueError):
                    claim.commit("12345")
            producer.claim().commit(b'{"n":1}')
            with self.assertRaises(mofka.MofkaError) as caught:
                held = producer.claim(8)
                producer.close()
            self.assertIs(caught.exception.status, mofka.Status.BUSY)
            held.abort()
            first, second = (consumer.pull().wait() for _ in range(2))
            self.assertEqual((first.metadata, bytes(first.data[0]), second.metadata), ({"n": 0}, b"hello", {"n": 1}))

    def test_a_block_that_fails_aborts_its_claims(self):
        with self.assertRaises(KeyError):
            with self.topic().producer() as producer:
                held = producer.claim(100)
                raise KeyError
        with self.assertRaises(ValueError):
            held.commit({})


class Events(DriverTest):
    def test_metadata_of_all_kinds(self):
        bodies = [{"a": [1, None, "ä"]}, '{"b":2}', b'{"c":3}', "no JSON", b"zero\0byte"]
        with self.filled(bodies).consumer("r") as consumer:
            events = list(consumer)
        self.assertEqual([e.metadata for e in events], [{"a": [1, None, "ä"]}, {"b": 2}, {"c": 3}, "no JSON",
                                                        "zero\0byte"])
        self.assertEqual(events[0].text, '{"a":[1,null,"ä"]}'.encode())
        self.assertEqual(events[4].text, b"zero\0byte")

    def test_a_push_gives_the_future_of_an_id(self):
        topic = self.topic(options={"partitions": 2})
        with topic.producer() as producer:
            first, second = producer.push({}, partition=1), producer.push({}, partition=1)
            self.assertEqual((first.wait(), second.wait(5000)), (0, 1))
            self.assertEqual((first.partition, first.delivery, first.completed), (1, mofka.Delivery.Stored, True))
            self.assertEqual(first.wait(), 0)

    def test_pull_gives_the_future_of_an_event(self):
        consumer = self.filled([{"i": i} for i in range(3)]).consumer("r")
        with consumer:
            for i in range(3):
                future = consumer.pull()
                event = future.wait(timeout_ms=5000)
                self.assertEqual((event.event_id, event.metadata, event.partition_index), (i, {"i": i}, 0))
                self.assertIs(future.wait(), event)
                event.acknowledge()
            end = consumer.pull().wait()
            self.assertIsNone(end.event_id)
            self.assertTrue(end.is_end)
            self.assertIsNone(end.metadata)

    def test_a_consumer_is_its_own_iterator(self):
        with self.filled([{"i": i} for i in range(3)]).consumer("r") as consumer:
            self.assertEqual([next(consumer).metadata["i"] for _ in range(3)], [0, 1, 2])
            self.assertRaises(StopIteration, next, consumer)

    def test_a_wait_that_times_out_answers_none_and_loses_nothing(self):
        topic = self.topic()
        with topic.consumer("r") as consumer, topic.producer() as producer:
            future = consumer.pull()
            self.assertIsNone(future.wait(timeout_ms=10))
            self.assertFalse(future.completed)
            producer.push({"late": 1}).wait()
            self.assertEqual(future.wait().metadata, {"late": 1})

    def test_calls_that_time_out_raise(self):
        with self.topic().consumer("r") as consumer:
            with self.assertRaises(mofka.MofkaTimeout) as caught:
                consumer.pull_many(4, timeout_ms=450)
            self.assertIn("within 450 ms", str(caught.exception))
            self.assertIsInstance(caught.exception, TimeoutError)
            with self.assertRaises(mofka.MofkaTimeout):
                next(consumer.events(timeout_ms=1))
        with self.assertRaises(mofka.MofkaError) as caught:
            self.driver.open_topic("nowhere", timeout_ms=1)
        self.assertEqual(caught.exception.status, mofka.Status.NOT_FOUND)

    def test_many_at_once(self):
        topic = self.topic(options={"partitions": 2})
        with topic.producer() as producer:
            self.assertEqual(producer.push_many((b'{"i":%d}' % i for i in range(1000)), partition=1), 1000)
            producer.push_many([{"z": "\0"}, b"z\0z"], [b"data", None], partition=0)
        topic.mark_as_complete()
        with topic.consumer("r") as consumer:
            batches = self.batches(consumer)
            texts = [text for batch in batches for text in batch.texts]
            self.assertEqual(len(texts), 1002)
            self.assertIn(b"z\0z", texts)
            ordered = [m["i"] for batch in batches for m in batch.metadata if isinstance(m, dict) and "i" in m]
            self.assertEqual(ordered, list(range(1000)))
            ids = [i for batch in batches for i, p in zip(batch.ids, batch.partitions) if p == 1]
            self.assertEqual(ids, list(range(1000)))
            first = batches[0][0]
            self.assertEqual((first.event_id, first.text), (batches[0].ids[0], texts[0]))
            self.assertEqual([e.text for e in batches[0]], texts[:len(batches[0])])
            self.assertEqual(batches[0][-1].event_id, batches[0].ids[-1])
            for batch in batches:
                batch.acknowledge()
        with topic.consumer("r") as consumer:
            self.assertEqual(len(consumer.pull_many(10)), 0)  # all were acknowledged

    @staticmethod
    def batches(consumer):
        batches = []
        while True:
            batch = consumer.pull_many(300)
            if not batch:
                return batches
            batches.append(batch)

    def test_producers_that_drop(self):
        spare = self.topic(options={"partition_bytes": 1 << 22, "partition_events": 1 << 15})
        topic = self.topic(options={"partition_bytes": 65536, "partition_events": 64})
        with topic.consumer("slow"), spare.producer() as fallback:
            with topic.producer(when_full="drop_newest") as producer:
                with self.assertRaises(mofka.MofkaError) as caught:
                    for _ in range(100000):
                        producer.push(b"{}")
                self.assertIs(caught.exception.status, mofka.Status.FULL)
                producer.discard()
                with self.assertRaises(mofka.MofkaError):
                    producer.close()
            with topic.producer(when_full="drop_newest", fallback=fallback) as producer:
                self.assertIs(producer.fallback, fallback)
                for i in range(9000):
                    producer.push({"i": i}, bytes(10))
                producer.discard()
                self.assertRaises(mofka.MofkaError, producer.close)  # says that events were discarded
            self.assertGreater(fallback.stats()["events_pushed"], 0)
        self.assertRaises(ValueError, topic.producer, when_full="burst")

    def test_a_name_goes_on_behind_what_was_acknowledged(self):
        topic = self.filled([{"i": i} for i in range(6)])
        with topic.consumer("r") as consumer:
            events = [event for event, _ in zip(consumer, range(4))]
            events[2].acknowledge()
            del events[:]  # dropping an event does not acknowledge it
        with topic.consumer("r") as consumer:
            self.assertEqual([e.metadata["i"] for e in consumer], [3, 4, 5])
            consumer.unsubscribe()

    def test_automatic_acknowledgement(self):
        topic = self.filled([{"i": i} for i in range(6)])
        with topic.consumer("r", acknowledge="auto") as consumer:
            for _, event in zip(range(4), consumer):
                pass
            del event
        with topic.consumer("r", start="end") as consumer:
            self.assertEqual([e.metadata["i"] for e in consumer][-1], 5)
            self.assertEqual(consumer.lost, 0)
            self.assertEqual(consumer.stats()["name"], "r")


class Awaiting(DriverTest):
    def test_futures_are_awaited(self):
        topic = self.topic()

        async def produce(producer):
            for i in range(20):
                await asyncio.sleep(0)
                self.assertEqual(await producer.push({"i": i}), i)
            await producer.flush()
            topic.mark_as_complete()

        async def consume(consumer):
            return [event.metadata["i"] async for event in consumer]

        async def both():
            with topic.producer() as producer, topic.consumer("r") as consumer:
                return (await asyncio.gather(produce(producer), consume(consumer)))[1]
        self.assertEqual(asyncio.run(both()), list(range(20)))

    def test_an_awaited_failure_is_raised(self):
        async def refused():
            with self.topic(validator={"type": "default", "json": True}).producer() as producer:
                await producer.push("no JSON")
        with self.assertRaises(mofka.MofkaError):
            asyncio.run(refused())


class Processing(DriverTest):
    def test_process_calls_a_function_with_each_event(self):
        with self.filled([{"i": i} for i in range(10)]).consumer("r") as consumer:
            seen = []
            self.assertEqual(consumer.process(lambda e: seen.append(e.metadata["i"]), max_events=4), 4)
            self.assertEqual(consumer.process(lambda e: seen.append(e.metadata["i"])), 6)
            self.assertEqual(seen, list(range(10)))

    def test_process_in_the_workers_of_a_pool(self):
        topic = self.filled([{"i": i} for i in range(200)])
        with self.driver.make_thread_pool(2) as pool:
            self.assertEqual(pool.thread_count, 2)
            with topic.consumer("r", thread_pool=pool) as consumer:
                seen, threads = set(), set()

                def each(event):
                    threads.add(threading.get_ident())
                    seen.add(event.metadata["i"])
                self.assertEqual(consumer.process(each, thread_pool=pool), 200)
        self.assertEqual(seen, set(range(200)))
        self.assertNotIn(threading.get_ident(), threads)

    def test_process_acknowledges_what_did_not_fail(self):
        topic = self.filled([{"i": i} for i in range(10)])

        def fail(event):
            if event.metadata["i"] == 3:
                raise KeyError("mine")
        with topic.consumer("r", acknowledge="auto") as consumer:
            self.assertRaises(KeyError, consumer.process, fail)
        with topic.consumer("r", acknowledge="auto") as consumer:
            self.assertEqual(consumer.process(lambda e: None, max_events=2), 2)
        with topic.consumer("r") as consumer:
            self.assertEqual([e.metadata["i"] for e in consumer], [5, 6, 7, 8, 9])

    def test_process_stops(self):
        def stop(event):
            if event.event_id == 3:
                raise mofka.StopEventProcessor
        with self.filled([{}] * 10).consumer("r") as consumer:
            self.assertEqual(consumer.process(stop), 4)
            with self.assertRaises(mofka.MofkaTimeout):
                with self.topic().consumer("t") as waiting:
                    waiting.process(stop, timeout_ms=300)

    def test_threads_push_and_pull_meanwhile(self):
        topic = self.topic()

        def produce():
            with topic.producer() as producer:
                for i in range(500):
                    producer.push({"i": i})
            topic.mark_as_complete()
        thread = threading.Thread(target=produce)
        with topic.consumer("r") as consumer:
            thread.start()
            self.assertEqual([e.metadata["i"] for e in consumer], list(range(500)))
            thread.join()

    def test_threads_share_a_producer(self):
        topic = self.topic(options={"partition_bytes": 1 << 20, "retention": "discard_oldest"})
        with topic.producer() as producer:
            def push():
                for i in range(5000):
                    producer.push(b"{}", bytes(i % 300))
                    if i % 1000 == 0:
                        producer.flush().wait()
            threads = [threading.Thread(target=push) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            producer.flush().wait()
            self.assertEqual((producer.stats()["events_stored"], len(producer._dropped)), (20000, 0))

    def test_pools_run_work(self):
        done = []
        with mofka.ThreadPool(1, mofka.Binding.Free) as pool:
            for i in range(5):
                pool.push_work(lambda i=i: done.append(i))
        self.assertEqual(done, list(range(5)))
        mofka.ThreadPool().push_work(lambda: done.append("here"))
        self.assertEqual(done[-1], "here")


if __name__ == "__main__":
    unittest.main()
