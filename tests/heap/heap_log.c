/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log itself, over the heap window: what other ranks may leave behind at each step of an
 * append, put there by hand.
 */
#include "support/callbacks.h"
#include "heap/job/log_fixture.h"
#include "mpi/producer/producer.h"

/* Later batches wait behind a hole, and come in order once it is filled. */
static void a_hole_holds_back_what_is_behind_it(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t stopped, other;
    uint64_t id;
    sender_open(&stopped, topic, 2);
    sender_open(&other, topic, 3);
    sender_reserve_only(&stopped, log_of(topic));
    OK(other.ops->append(other.self, 0, &other.batch, 0, &id));
    assert_int_equal(id, 2);
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    OK(stopped.ops->append(stopped.self, 0, &stopped.batch, 0, &id));
    assert_int_equal(id, 0);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(log_pull_id(consumer), i);
    sender_close(&stopped);
    sender_close(&other);
    log_end(consumer, topic);
}

static const mmi_window_ops_t *heap_ops;

/* The topic ends between a producer's look for room and its reservation. */
static mofka_topic_t *ending;

static uint64_t end_then_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    if (ending && offset == log_of(ending)->base + MMI_CONTROL(reservation)) {
        mofka_topic_t *topic = ending;
        ending = NULL;
        OK(mofka_topic_mark_complete(topic, 1000));
    }
    return heap_ops->fetch_add(w, rank, offset, add);
}

/* A rank that finds itself reserved behind the end must not store: no consumer would read it.
 * Guards invariant 6; fails when append_place (mpi/producer/append.c) does not look at the end. */
static void reserved_behind_the_end_is_not_stored(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t before, behind;
    uint64_t id;
    sender_open(&before, topic, 2);
    sender_open(&behind, topic, 2);
    sender_reserve_only(&before, log_of(topic));
    mmi_window_t *w = log_of(topic)->w;
    heap_ops = w->ops;
    mmi_window_ops_t ends = *heap_ops;
    ends.fetch_add = end_then_add;
    w->ops = &ends;
    ending = topic;
    FAILS(behind.ops->append(behind.self, 0, &behind.batch, 1000, &id), MOFKA_ERR_COMPLETE,
          "complete");
    assert_null(ending);
    w->ops = heap_ops;
    assert_false(behind.batch.reserved);
    assert_true(log_pull_id(consumer) ==
                NOTHING_YET); /* the end waits for what was reserved before */
    OK(before.ops->append(before.self, 0, &before.batch, 1000, &id));
    assert_int_equal(log_pull_id(consumer), 0);
    assert_int_equal(log_pull_id(consumer), 1);
    assert_true(log_pull_id(consumer) == MOFKA_NO_MORE_EVENTS);
    sender_close(&before);
    sender_close(&behind);
    log_end(consumer, topic);
}

/* Of batches of which only the first is reserved, only that one is driven on. The others were put
 * at the start of the partition. */
static void what_is_not_reserved_is_not_driven_on(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender, reserved, fresh;
    size_t stored = 9;
    sender_open(&sender, topic, 3);
    sender_open(&reserved, topic, 2);
    sender_open(&fresh, topic, 2);
    sender_append(&sender, 3);
    sender_reserve_only(&reserved, log_of(topic));
    mofka_batch_t *const batches[] = {&reserved.batch, &fresh.batch};
    OK(mmi_append_group(reserved.self, 0, batches, 2, 1000, &stored));
    assert_int_equal(stored, 1);
    assert_false(fresh.batch.reserved);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(log_pull_id(consumer), i);
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    sender_close(&sender);
    sender_close(&reserved);
    sender_close(&fresh);
    log_end(consumer, topic);
}

/* Reserved, but the room is still held by a reader: possibly stored, and driven on later. */
static void reserved_without_room_is_possibly_stored(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":128,\"partition_events\":4}");
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t first, second;
    uint64_t id;
    sender_open(&first, topic, 4);
    sender_open(&second, topic, 2);
    OK(first.ops->append(first.self, 0, &first.batch, 0, &id));
    FAILS(second.ops->append(second.self, 0, &second.batch, 30, &id), MOFKA_ERR_TIMEOUT, "reader");
    assert_false(second.batch.reserved);
    sender_reserve_only(&second, log_of(topic));
    FAILS(second.ops->append(second.self, 0, &second.batch, 30, &id), MOFKA_ERR_POSSIBLY_STORED,
          "events 4 to 5");
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(log_pull_id(consumer), i);
    assert_true(log_pull_id(consumer) == NOTHING_YET); /* publishes what was acknowledged */
    OK(second.ops->append(second.self, 0, &second.batch, 1000, &id));
    assert_int_equal(id, 4);
    assert_int_equal(log_pull_id(consumer), 4);
    sender_close(&first);
    sender_close(&second);
    log_end(consumer, topic);
}

/* ---- joining --------------------------------------------------------------------------------- */

static uint64_t faulty_word; /* the offset of a word; storing it is an MPI call that fails */

static void store_with_fault(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    heap_ops->store(w, rank, offset, value);
    if (offset == faulty_word) {
        atomic_store(&w->fault, 1);
        atomic_store(&w->faulty[rank], true);
    }
}

static uint64_t reader_state(const mofka_topic_t *topic, size_t partition) {
    const mmi_partition_t *p = &((const mmi_topic_t *)topic->self)->partitions[partition];
    return mmi_state_of(mmi_control_load(p, MMI_CONTROL(state)));
}

/* The second of three joins fails after it made the consumer live: the first two are undone. */
static void a_join_that_fails_leaves_no_partition_live(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partitions\":3}");
    mmi_window_t *w = log_of(topic)->w;
    mmi_window_ops_t ops = *w->ops;
    mofka_consumer_t *consumer;
    heap_ops = w->ops;
    faulty_word = ((const mmi_topic_t *)topic->self)->partitions[1].base + MMI_CONTROL(state);
    ops.store = store_with_fault;
    w->ops = &ops;
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer),
          MOFKA_ERR_MPI, "window: failed");
    w->ops = heap_ops;
    atomic_store(&w->fault, 0);
    atomic_store(&w->faulty[log_of(topic)->owner], false);
    for (size_t i = 0; i < 3; i++)
        assert_int_not_equal(reader_state(topic, i), MMI_CONSUMER_LIVE);
    consumer = log_create_consumer(topic); /* and it can be tried again */
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

/* A rank that stopped with the partition's lock: others give up in time, and name the lock. */
static void a_lock_that_stays_taken_is_reported(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mmi_control_store(log_of(topic), MMI_CONTROL(lock), mmi_seal(1)); /* rank 0 */
    FAILS(mofka_topic_mark_complete(topic, 50), MOFKA_ERR_TIMEOUT,
          "lock of log at rank 0 stays taken, by rank 0 (process");
    mmi_control_store(log_of(topic), MMI_CONTROL(lock), 0);
    OK(mofka_topic_mark_complete(topic, 50));
    mofka_topic_release(topic);
}

/* A consumer that starts at the end does not hold up what it skips. Failed while only a raised
 * acknowledgement was published. */
static void a_consumer_that_starts_at_the_end_holds_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":128,\"partition_events\":4}");
    mofka_consumer_t *consumer;
    sender_t sender;
    sender_open(&sender, topic, 4);
    sender_append(&sender, 2);
    sender_append(&sender, 2);
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "late", .start = MOFKA_START_END}, &consumer));
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    assert_int_equal(sender_append(&sender, 3), 4);
    assert_int_equal(log_pull_id(consumer), 4);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* ---- starting at the end --------------------------------------------------------------------- */

static mmi_window_ops_t counted_ops; /* the window's, with the two below */
static int gets, flag_reads;

static void get_and_count(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    gets++;
    heap_ops->get(w, rank, offset, target, bytes);
}

static void load_run_and_count(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                               size_t count) {
    flag_reads++;
    heap_ops->load_run(w, rank, offset, words, count);
}

/* As in a window whose every operation is a round trip. */
static void count_round_trips(mmi_window_t *w) {
    heap_ops = w->ops;
    counted_ops = *w->ops;
    counted_ops.loads_are_cheap = false;
    counted_ops.get = get_and_count;
    counted_ops.load_run = load_run_and_count;
    w->ops = &counted_ops;
}

static mofka_consumer_t *create_consumer_at_end(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "late", .start = MOFKA_START_END}, &consumer));
    return consumer;
}

/* Pull with time-out 0 until something comes. Each pull takes few operations, whatever is
 * stored. */
static uint64_t pull_in_steps(mofka_consumer_t *consumer, int *pulls) {
    uint64_t id = NOTHING_YET;
    for (*pulls = 0; id == NOTHING_YET && *pulls < 1000; ++*pulls) {
        gets = flag_reads = 0;
        id = log_pull_id(consumer);
        assert_true(gets <= 4 && flag_reads <= 20);
    }
    return id;
}

/* A consumer that starts at the end passes what is stored by its flags, a few at a time. A pull
 * with time-out 0 read all 2,000 events before it came back. */
static void a_pull_at_the_end_does_not_read_what_is_stored(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_events\":4096}");
    sender_t sender;
    int pulls;
    sender_open(&sender, topic, 1);
    for (int i = 0; i < 2000; i++)
        sender_append(&sender, 1);
    mofka_consumer_t *consumer = create_consumer_at_end(topic);
    mmi_window_t *w = log_of(topic)->w;
    count_round_trips(w);
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    OK(mofka_consumer_close(consumer)); /* its name goes on where it stopped */
    mofka_consumer_release(consumer);
    consumer = create_consumer_at_end(topic);
    sender_append(&sender, 1);
    assert_int_equal(pull_in_steps(consumer, &pulls), 2000);
    assert_true(pulls > 1);
    w->ops = heap_ops;
    sender_close(&sender);
    log_end(consumer, topic);
}

/* Nor does it pass a hole, whose producer still writes there. */
static void a_hole_before_the_end_is_not_passed(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":256,\"partition_events\":4}");
    sender_t sender, slow;
    uint64_t id;
    sender_open(&sender, topic, 2);
    sender_open(&slow, topic, 1);
    sender_append(&sender, 1);
    sender_reserve_only(&slow, log_of(topic));
    sender_append(&sender, 1);
    mofka_consumer_t *consumer = create_consumer_at_end(topic);
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    sender_append(&sender, 1);
    sender.batch.event_count = 2;
    sender.batch.metadata_bytes = 20;
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_TIMEOUT, "");
    OK(slow.ops->append(slow.self, 0, &slow.batch, 0, &id));
    assert_int_equal(id, 1);
    assert_int_equal(log_pull_id(consumer), 3);
    assert_int_equal(sender_append(&sender, 2), 4);
    sender_close(&sender);
    sender_close(&slow);
    log_end(consumer, topic);
}

/* discard_oldest: a reader that keeps up and never acknowledges needs no more memory with time, and
 * events that a consumer never wanted are not counted as lost. Failed while marks of discarded
 * batches were kept, and while losses were counted from where reading started. */
static void discarding_costs_no_memory_and_no_lies(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(
        "{\"partition_bytes\":1024,\"partition_events\":8,\"retention\":\"discard_oldest\"}");
    mofka_consumer_t *consumer, *late;
    mofka_event_t *event;
    sender_t sender;
    sender_open(&sender, topic, 1);
    consumer = log_create_consumer(topic);
    for (uint64_t i = 0; i < 5000; i++) {
        sender_append(&sender, 1);
        OK(mofka_consumer_pull(consumer, 0, &event));
        assert_int_equal(mofka_event_id(event), i);
        mofka_event_release(event);
    }
    const mmi_consumer_t *c = consumer->self;
    assert_true(c->readers[0].mark_room <= 64);
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "late", .start = MOFKA_START_END}, &late));
    for (int i = 0; i < 4; i++)
        sender_append(&sender, 1);
    OK(mofka_consumer_pull(late, 0, &event));
    assert_int_equal(mofka_event_id(event), 5000);
    assert_int_equal(mofka_event_lost(event), 0);
    mofka_event_release(event);
    for (int i = 0; i < 20; i++)
        sender_append(&sender, 1);
    OK(mofka_consumer_pull(late, 0, &event)); /* of those fetched before */
    while (mofka_event_id(event) < 5004) {
        mofka_event_release(event);
        OK(mofka_consumer_pull(late, 0, &event));
    }
    assert_int_equal(mofka_event_id(event), 5004 + mofka_event_lost(event));
    mofka_event_release(event);
    OK(mofka_consumer_close(late));
    mofka_consumer_release(late);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* discard_oldest: others may append more than a lap while a producer looks for room. Failed, and
 * all but the last event were discarded, while the reservation was read before the head. */
static uint64_t (*plain_load)(mmi_window_t *w, int rank, uint64_t offset);
static sender_t lapping;
static int laps_left;

static uint64_t load_while_others_append(mmi_window_t *w, int rank, uint64_t offset) {
    uint64_t word = plain_load(w, rank, offset);
    if (laps_left > 0) {
        laps_left = 0;
        for (int i = 0; i < 40; i++)
            sender_append(&lapping, 1);
    }
    return word;
}

static void looking_for_room_discards_no_more_than_it_must(void **state) {
    (void)state;
    mofka_topic_t *topic =
        log_create_topic("{\"partition_events\":16,\"retention\":\"discard_oldest\"}");
    sender_t slow;
    sender_open(&slow, topic, 1);
    sender_open(&lapping, topic, 1);
    for (int i = 0; i < 16; i++)
        sender_append(&lapping, 1);
    const mmi_partition_t *p = log_of(topic);
    const mmi_window_ops_t *plain = p->w->ops;
    mmi_window_ops_t hooked = *plain;
    plain_load = plain->load;
    hooked.load = load_while_others_append;
    hooked.has_addresses = false; /* so that words are loaded by that */
    hooked.compare_exchange = NULL;
    laps_left = 1;
    p->w->ops = &hooked;
    sender_append(&slow, 1);
    p->w->ops = plain;
    mmi_state_t state_now;
    mmi_tail_t tail;
    OK(mmi_tail_load(p, &state_now, &tail));
    assert_int_equal(tail.at.events, 57);
    assert_int_equal(tail.at.events - state_now.head.events, 16);
    sender_close(&slow);
    sender_close(&lapping);
    mofka_topic_release(topic);
}

static int flushes;
static mofka_status_t (*plain_flush)(mmi_window_t *w, int rank);

static mofka_status_t count_flush(mmi_window_t *w, int rank) {
    flushes++;
    return plain_flush(w, rank);
}

/* Data is requested for many events at once: a run costs three flushes (entries, metadata, data).
 * Fails when get_data flushes for each event. */
static void a_run_is_fetched_at_once(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_options_t options = {.name = "reader", .selector = select_all_data};
    mofka_consumer_t *consumer;
    mofka_producer_t *producer;
    mofka_data_view_t *view;
    char bytes[100] = "data";
    OK(mofka_consumer_create(topic, &options, &consumer));
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_data_view_of(bytes, sizeof bytes, &view));
    for (int i = 0; i < 100; i++)
        OK(mofka_producer_push(producer, "{}", 2, view, 0, NULL));
    mofka_data_view_release(view);
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    mmi_window_t *w = log_of(topic)->w;
    const mmi_window_ops_t *plain = w->ops;
    mmi_window_ops_t counting = *plain;
    plain_flush = plain->flush;
    counting.flush = count_flush;
    flushes = 0;
    w->ops = &counting;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(log_pull_id(consumer), i);
    w->ops = plain;
    assert_true(flushes > 0 && flushes <= 3);
    log_end(consumer, topic);
}

static void a_damaged_entry_is_reported(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    uint64_t id;
    sender_open(&sender, topic, 1);
    OK(sender.ops->append(sender.self, 0, &sender.batch, 0, &id));
    const mmi_partition_t *p = log_of(topic);
    uint32_t *size =
        (uint32_t *)(void *)(p->w->base[0] + p->entries + offsetof(mmi_entry_t, metadata_bytes));
    mofka_event_t *event;
    *size += 1;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CORRUPT,
          "the entry of event 0 is damaged");
    *size -= 1;
    assert_int_equal(log_pull_id(consumer), 0);
    sender_close(&sender);
    log_end(consumer, topic);
}

static void a_partition_has_room_for_so_many_names(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumers[MMI_CONSUMERS_MAX], *more;
    char name[16];
    for (int i = 0; i < MMI_CONSUMERS_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumers[i]));
    }
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "more"}, &more),
          MOFKA_ERR_FULL, "64 named consumers");
    OK(mofka_consumer_unsubscribe(consumers[5]));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "more"}, &more));
    OK(mofka_consumer_close(more));
    mofka_consumer_release(more);
    for (int i = 0; i < MMI_CONSUMERS_MAX; i++) {
        OK(mofka_consumer_close(consumers[i]));
        mofka_consumer_release(consumers[i]);
    }
    mofka_topic_release(topic);
}

static void stores_that_are_too_small_are_refused(void **state) {
    (void)state;
    mofka_topic_options_t o = {.options = "{\"partition_bytes\":68719476736}"};
    FAILS(mofka_driver_create_topic(log_driver, "big", &o), MOFKA_ERR_FULL,
          "\"arena_bytes\" must be");
    o.options = "{\"partitions\":0}";
    FAILS(mofka_driver_create_topic(log_driver, "none", &o), MOFKA_ERR_RANGE,
          "\"partitions\" is 0");
    o.options = "{\"partitions\":\"two\"}";
    FAILS(mofka_driver_create_topic(log_driver, "text", &o), MOFKA_ERR_OPTION,
          "\"partitions\" must");
    o.options = "{\"partition_bytes\":64,\"partition_events\":1}";
    mofka_status_t status = MOFKA_OK;
    int made = 0;
    for (; !status && made < 1000; made += !status) {
        char name[100];
        snprintf(name, sizeof name, "a topic with a long name, so that the directory fills up: %d",
                 made);
        status = mofka_driver_create_topic(log_driver, name, &o);
    }
    FAILS(status, MOFKA_ERR_FULL, "directory");
    assert_true(made > 100);
}

/* A word that carries the low halves of events and units, from any head that is not too far. */
static void words_are_completed_from_the_head(void **state) {
    (void)state;
    uint64_t seed = 4711, word = 0;
    mmi_place_t head = {0, 0}, tail = {0, 0};
    mmi_tail_t got;
    const mmi_partition_t p = {.topic = "none"};
    for (long i = 0; i < 2000000; i++) {
        uint64_t events = 1 + next_random(&seed) % (1 << 20),
                 units = next_random(&seed) % (1 << 26);
        OK(mmi_tail_unpack(&p, word, head, &got));
        assert_true(got.at.events == tail.events && got.at.units == tail.units && !got.ended);
        word +=
            mmi_reservation_of(events, units); /* as fetch_add does: carries go into the events */
        tail.events += events;
        tail.units += units;
        if (tail.units - head.units > UINT32_C(1) << 30 || next_random(&seed) % 8 == 0)
            head = tail;
        uint64_t cursor = tail.events << 32 | (uint32_t)tail.units;
        mmi_place_t at = mmi_cursor_unpack(cursor, head);
        assert_true(at.events == tail.events && at.units == tail.units);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_CASE(a_hole_holds_back_what_is_behind_it),
        LOG_CASE(reserved_behind_the_end_is_not_stored),
        LOG_CASE(what_is_not_reserved_is_not_driven_on),
        LOG_CASE(reserved_without_room_is_possibly_stored),
        LOG_CASE(a_join_that_fails_leaves_no_partition_live),
        LOG_CASE(a_lock_that_stays_taken_is_reported),
        LOG_CASE(a_consumer_that_starts_at_the_end_holds_nothing),
        LOG_CASE(a_pull_at_the_end_does_not_read_what_is_stored),
        LOG_CASE(a_hole_before_the_end_is_not_passed),
        LOG_CASE(discarding_costs_no_memory_and_no_lies),
        LOG_CASE(looking_for_room_discards_no_more_than_it_must),
        LOG_CASE(a_run_is_fetched_at_once),
        LOG_CASE(a_damaged_entry_is_reported),
        LOG_CASE(a_partition_has_room_for_so_many_names),
        LOG_CASE(stores_that_are_too_small_are_refused),
        cmocka_unit_test(words_are_completed_from_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
