/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is not what was stored: good events are delivered, damage is named, and can be
 * skipped. */
#include "heap/damage/stored.h"

#define SMALL "{\"partition_bytes\":4096,\"partition_events\":16}"
#define EIGHT "{\"partition_bytes\":1024,\"partition_events\":8}"
#define EIGHT_DISCARDED                                                                            \
    "{\"partition_bytes\":1024,\"partition_events\":8,\"retention\":\"discard_oldest\"}"

/* ---- entries --------------------------------------------------------------------------------- */

/* Failed while one bad entry withheld the good events before it, and answered CORRUPT for ever. */
static void good_events_around_a_damaged_entry_are_delivered(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(2);
    stored_push(5);
    stored_push(2);
    stored_entry(log_of(topic), 4)->data_bytes ^= 1;
    stored_expect(consumer, 0, 3, 0);
    stored_expect_damage(consumer, "topic 'log', partition 0: the entry of event 4 is damaged");
    stored_expect_damage(consumer, "the entry of event 4 is damaged");
    stored_expect_warning("");
    stored_expect_skipped(consumer, 1);
    stored_expect_warning("topic 'log', partition 0: the entry of event 4 is damaged");
    stored_expect_skipped(consumer, 0); /* nothing is reported any more */
    stored_expect(consumer, 5, 8, 1);
    assert_int_equal(mofka_consumer_lost(consumer), 1);
    stored_expect_nothing(consumer);
    stored_end(consumer, topic);
}

/* All fields of an entry agree with its check, but not with where the log is. */
static void forge(const mmi_partition_t *p, uint64_t id, mmi_entry_t change) {
    mmi_entry_t *e = stored_entry(p, id);
    e->metadata += change.metadata;
    e->data += change.data;
    e->data_bytes += change.data_bytes;
    e->metadata_bytes += change.metadata_bytes;
    e->check = mmi_entry_check(e);
}

/* Fails for each without the line of mmi_chain_follow or mmi_chain_allows that is about it. */
static void an_entry_that_points_elsewhere_is_damaged(void **state) {
    (void)state;
    static const struct {
        uint64_t id;
        mmi_entry_t change;
    } cases[] = {
        {3, {.metadata = 64}}, /* not where the metadata before ends */
        {3, {.metadata = UINT64_MAX}},
        {3, {.data = 1}},             /* not where the data before ends */
        {3, {.metadata_bytes = 400}}, /* beyond the batch's metadata */
        {3, {.data_bytes = 1 << 20}}, /* beyond the ring */
        {3, {.data_bytes = UINT64_MAX - 64}},
        {2, {.metadata = 1}}, /* a batch begins within a unit */
        {2, {.metadata = UINT64_MAX - 63, .data = UINT64_MAX - 63}}, /* before the one before */
        {2, {.metadata = UINT64_C(1) << 40, .data = UINT64_C(1) << 40}},
        {2, {.data = UINT64_MAX - 1000}}, /* its data before its metadata */
        {2, {.data = 5000}},              /* its data farther than the ring is long */
        {2, {.metadata_bytes = 1000}},
        {2, {.data_bytes = 1 << 20}},
    };
    mofka_topic_t *topic = stored_open(SMALL);
    stored_push(2);
    stored_push(4);
    const mmi_partition_t *p = log_of(topic);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        mofka_consumer_t *consumer = stored_consumer(topic, NULL);
        mmi_entry_t before = *stored_entry(p, cases[i].id);
        forge(p, cases[i].id, cases[i].change);
        snprintf(text, sizeof text, "event %d", (int)cases[i].id);
        for (uint64_t id = 0; id < cases[i].id; id++) {
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, 0, &event));
            mofka_event_release(event);
        }
        stored_expect_damage(consumer, text);
        *stored_entry(p, cases[i].id) = before;
        OK(mofka_consumer_unsubscribe(consumer));
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    OK(mofka_producer_close(stored_producer, 1000));
    mofka_producer_release(stored_producer);
    mofka_topic_release(topic);
}

/* The entries of a batch are reported together, but not with those of the next batch. */
static void neighbours_are_reported_together(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(4);
    stored_push(3);
    for (uint64_t id = 1; id < 5; id++)
        stored_entry(log_of(topic), id)->metadata ^= UINT64_C(1) << 40;
    stored_expect(consumer, 0, 0, 0);
    stored_expect_damage(consumer, "the entries of events 1 to 3 are damaged");
    stored_expect_skipped(consumer, 3);
    stored_expect_damage(consumer, "the entry of event 4 is damaged");
    stored_expect_skipped(consumer, 1);
    stored_expect(consumer, 5, 6, 4);
    stored_end(consumer, topic);
}

/* ---- flags ----------------------------------------------------------------------------------- */

/* The batch's entries show where it ends: at a batch, at one whose flag is damaged as well, at the
 * tail, and in front of what is not stored yet. */
static void a_damaged_flag_hides_its_batch_only(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(2);
    stored_push(3);
    stored_push(1);
    stored_push(4);
    *stored_flag(p, 2) ^= UINT64_C(1) << 17;
    *stored_flag(p, 5) ^= UINT64_C(1) << 60;
    *stored_flag(p, 6) ^= 1;
    stored_expect(consumer, 0, 1, 0);
    stored_expect_damage(consumer, "the flag of events 2 to 4 is damaged");
    stored_expect_skipped(consumer, 3);
    stored_expect_warning("the flag of events 2 to 4 is damaged");
    stored_expect_damage(consumer, "the flag of event 5 is damaged");
    stored_expect_skipped(consumer, 1);
    stored_expect_damage(consumer, "the flag of events 6 to 9 is damaged");
    stored_expect_skipped(consumer, 4);
    stored_expect_nothing(consumer);
    assert_int_equal(mofka_consumer_lost(consumer), 8); /* although no event came */
    stored_push(3);
    stored_expect(consumer, 10, 12, 8);
    assert_int_equal(mofka_consumer_lost(consumer), 8);
    stored_end(consumer, topic);
}

/* A batch is reserved behind the damage, and stored later. */
static void a_hole_behind_damage_is_waited_for(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t stopped;
    uint64_t id;
    mofka_event_t *event;
    stored_push(16);
    stored_expect(consumer, 0, 15, 0);
    stored_expect_nothing(consumer);
    stored_push(3);
    sender_open(&stopped, topic, 2);
    sender_reserve_only(&stopped, p);
    stored_count += 2;
    stored_push(1);
    *stored_flag(p, 16) ^= UINT64_C(1) << 40;
    stored_expect_damage(consumer, "the flag of events 16 to 18 is damaged");
    stored_expect_skipped(consumer, 3);
    FAILS(mofka_consumer_pull(consumer, 1, &event), MOFKA_ERR_TIMEOUT,
          "partition 0: event 19 was reserved and is not stored");
    OK(stopped.ops->append(stopped.self, 0, &stopped.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 19);
    assert_int_equal(log_pull_id(consumer), 20);
    stored_expect(consumer, 21, 21, 0);
    sender_close(&stopped);
    stored_end(consumer, topic);
}

/* Events without a byte: nothing but its flag shows that a batch begins. */
static void an_empty_batch_behind_damage_is_not_lost(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(SMALL);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    sender_open(&sender, topic, 2);
    memset(sender.events, 0, sizeof sender.events);
    for (int i = 0; i < 2; i++) {
        uint64_t id;
        sender.batch.metadata_bytes = 0;
        sender.batch.reserved = false;
        OK(sender.ops->append(sender.self, 0, &sender.batch, 0, &id));
    }
    *stored_flag(log_of(topic), 0) ^= 4;
    stored_expect_damage(consumer, "the flag of events 0 to 1 is damaged");
    stored_expect_skipped(consumer, 2);
    assert_int_equal(log_pull_id(consumer), 2);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* A consumer does not look again and again while nothing changes. */
static void expect_sleep(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    uint64_t fetches = atomic_load(&consumer->fetches);
    FAILS(mofka_consumer_pull(consumer, 50, &event), MOFKA_ERR_TIMEOUT, "no event");
    IN_RANGE(atomic_load(&consumer->fetches), fetches, fetches + 4);
}

/* A flag that was damaged while its slot waited to be used again is nobody's event. */
static void a_damaged_flag_of_no_batch_is_no_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t slow;
    uint64_t id;
    stored_push(16);
    stored_expect(consumer, 0, 15, 0);
    *stored_flag(p, 16) ^= 2; /* of event 0 */
    stored_expect_nothing(consumer);
    expect_sleep(consumer);
    sender_open(&slow, topic, 2);
    sender_reserve_only(&slow, p);
    stored_expect_nothing(consumer);
    OK(slow.ops->append(slow.self, 0, &slow.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 16);
    assert_int_equal(log_pull_id(consumer), 17);
    sender_close(&slow);
    stored_end(consumer, topic);
}

/* Its entries are there in part. Fails if damage_find_end does not ask whether they account for the
 * batch's metadata. */
static void a_batch_that_is_being_put_is_no_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t slow;
    uint64_t id;
    stored_push(16);
    stored_expect(consumer, 0, 15, 0);
    *stored_flag(p, 16) ^= 2;
    sender_open(&slow, topic, 2);
    sender_reserve_only(&slow, p);
    uint64_t at = slow.batch.scratch[1] * MMI_UNIT_BYTES;
    mmi_entry_t entry = {.id_1 = 17, .metadata = at, .metadata_bytes = 10, .data = at + 20};
    mmi_entry_t before = *stored_entry(p, 16);
    entry.check = mmi_entry_check(&entry);
    *stored_entry(p, 16) = entry;
    stored_expect_nothing(consumer);
    *stored_entry(p, 16) = before;
    OK(slow.ops->append(slow.self, 0, &slow.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 16);
    assert_int_equal(log_pull_id(consumer), 17);
    sender_close(&slow);
    stored_end(consumer, topic);
}

/* With retention "acknowledged", nothing may overwrite what was not read. */
static void an_overwritten_batch_is_reported(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(2);
    stored_push(2);
    *stored_flag(p, 0) = mmi_flag_value(p, 16, 2);
    stored_expect_damage(consumer, "the flag of events 0 to 1 is damaged");
    stored_expect_skipped(consumer, 2);
    stored_expect(consumer, 2, 3, 2);
    stored_end(consumer, topic);
}

/* A flag keeps 28 bits of its lap. Fails without damage_is_old_flag (mpi/consumer/damage.c). */
static void a_flag_of_very_long_ago_publishes_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":4096,\"partition_events\":4}");
    const mmi_partition_t *p = log_of(topic);
    const uint64_t long_ago = 5 * p->slots, now = long_ago + (p->slots << MMI_FLAG_LAP_BITS);
    OK(mmi_partition_format(p, (mmi_place_t){now, 0}));
    *stored_flag(p, long_ago) = mmi_flag_value(p, long_ago, 2);
    mmi_entry_t old = {.id_1 = long_ago + 1, .metadata_bytes = 1};
    old.check = mmi_entry_check(&old);
    *stored_entry(p, long_ago) = old;
    old.id_1++;
    old.check = mmi_entry_check(&old);
    *stored_entry(p, long_ago + 1) = old;
    assert_int_equal(*stored_flag(p, now), mmi_flag_value(p, now, 2));
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    expect_sleep(consumer);
    sender_open(&sender, topic, 2);
    assert_int_equal(sender_append(&sender, 2), now);
    assert_int_equal(log_pull_id(consumer), now);
    assert_int_equal(log_pull_id(consumer), now + 1);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* ---- skipping -------------------------------------------------------------------------------- */

static void the_option_skips_without_a_report(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    stored_push(3);
    stored_push(2);
    stored_push(3);
    *stored_flag(p, 3) ^= 4;
    stored_entry(p, 6)->id_1 ^= 4;
    stored_expect(consumer, 0, 2, 0);
    stored_expect(consumer, 5, 5, 2);
    stored_expect_warning("the flag of events 3 to 4 is damaged");
    stored_expect(consumer, 7, 7, 1);
    stored_expect_warning("the entry of event 6 is damaged");
    assert_int_equal(mofka_consumer_lost(consumer), 3);
    OK(mofka_topic_mark_complete(topic, 1000));
    assert_true(log_pull_id(consumer) == MOFKA_NO_MORE_EVENTS);
    stored_end(consumer, topic);
}

static void an_option_that_is_unknown_is_refused(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(SMALL);
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {.name = "reader", .options = "{\"skip\":true}"};
    FAILS(mofka_consumer_create(topic, &options, &consumer), MOFKA_ERR_OPTION, "skip_damaged");
    mofka_topic_release(topic);
}

/* The end of a topic is reached over damage that nothing follows. */
static void damage_in_front_of_the_end_is_skipped(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    mofka_event_t *event;
    stored_push(2);
    stored_push(3);
    OK(mofka_topic_mark_complete(topic, 1000));
    *stored_flag(log_of(topic), 2) ^= UINT64_C(1) << 20;
    stored_expect(consumer, 0, 1, 0);
    stored_expect_damage(consumer, "the flag of events 2 to 4");
    stored_expect_skipped(consumer, 3);
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
    assert_int_equal(mofka_consumer_lost(consumer), 3);
    stored_end(consumer, topic);
}

/* Damage that heals before it is skipped: another thread looked at it in the meantime. */
static void what_is_right_again_is_not_skipped(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(2);
    *stored_flag(p, 0) ^= 8;
    stored_expect_damage(consumer, "the flag of events 0 to 1");
    *stored_flag(p, 0) ^= 8;
    stored_expect_skipped(consumer, 0);
    stored_entry(p, 1)->data ^= 8;
    stored_expect(consumer, 0, 0, 0);
    stored_expect_damage(consumer, "the entry of event 1");
    stored_entry(p, 1)->data ^= 8;
    stored_expect_skipped(consumer, 0);
    stored_expect(consumer, 1, 1, 0);
    stored_end(consumer, topic);
}

/* Other partitions' events come in between. */
static void other_partitions_are_read_meanwhile(void **state) {
    (void)state;
    mofka_topic_t *topic =
        log_create_topic("{\"partitions\":2,\"partition_bytes\":4096,\"partition_events\":16}");
    mofka_consumer_t *consumer = log_create_consumer(topic);
    mofka_producer_t *one;
    const mmi_partition_t *p = log_of(topic);
    int events = 0, reports = 0;
    OK(mofka_producer_create(topic, NULL, &one));
    for (int i = 0; i < 8; i++)
        OK(mofka_producer_push(one, "{}", 2, NULL, (size_t)i % 2, NULL));
    OK(mofka_producer_close(one, 1000));
    mofka_producer_release(one);
    stored_entry(p, 2)->metadata_bytes ^= 1;
    for (int i = 0; i < 10; i++) {
        mofka_event_t *event;
        mofka_status_t status = mofka_consumer_pull(consumer, 0, &event);
        if (status == MOFKA_ERR_CORRUPT) {
            reports++;
            continue;
        }
        OK(status);
        events++;
        mofka_event_release(event);
    }
    assert_int_equal(events, 6);
    assert_int_equal(reports, 4);
    stored_expect_skipped(consumer, 1);
    assert_int_equal(log_pull_id(consumer), 3);
    log_end(consumer, topic);
}

/* ---- retention ------------------------------------------------------------------------------- */

/* Everything in the partition is damaged and skipped: there is nothing that could be acknowledged,
 * and still there is room again. The batch's units are known by the producer that waits for
 * them. */
static void retention_goes_on_behind_a_partition_of_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open("{\"partition_bytes\":512,\"partition_events\":8}");
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    for (int lap = 0; lap < 5; lap++) {
        uint64_t first = stored_count;
        stored_push(1);
        stored_push(1);
        stored_push(2);
        stored_push(2);
        if (lap % 2)
            for (uint64_t id = first; id < stored_count; id++)
                stored_entry(p, id)->data_bytes ^= 2;
        else
            for (uint64_t id = first; id < stored_count; id += id < first + 2 ? 1 : 2)
                *stored_flag(p, id) ^= UINT64_C(1) << 30;
        stored_expect_nothing(consumer);
        assert_int_equal(mofka_consumer_lost(consumer), stored_count);
    }
    stored_push(2);
    stored_expect(consumer, stored_count - 2, stored_count - 1, stored_count - 2);
    stored_end(consumer, topic);
}

/* The ring has one unit. Where a damaged batch ends is known to the one who waits for that unit.
 * Fails without the place of the batch that waits, in trim_correct_units (mpi/partition/trim.c). */
static void check_that_its_room_is_known(const char *options) {
    mofka_topic_t *topic = stored_open(options);
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    sender_t reserved;
    uint64_t id;
    stored_push(1);
    stored_entry(p, 0)->data_bytes ^= 1;
    stored_expect_nothing(consumer);
    stored_push(1);
    stored_expect(consumer, 1, 1, 1);
    stored_expect_nothing(consumer);
    stored_push(1);
    stored_entry(p, 2)->data_bytes ^= 1;
    sender_open(&reserved, topic, 1); /* it is reserved, and waits */
    sender_reserve_only(&reserved, p);
    stored_expect_nothing(consumer);
    OK(reserved.ops->append(reserved.self, 0, &reserved.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 3);
    sender_close(&reserved);
    stored_end(consumer, topic);
}

static void the_room_of_a_damaged_batch_is_known(void **state) {
    (void)state;
    check_that_its_room_is_known("{\"partition_bytes\":64,\"partition_events\":4}");
}

static void so_it_is_where_the_oldest_are_discarded(void **state) {
    (void)state;
    check_that_its_room_is_known("{\"partition_bytes\":64,\"partition_events\":4,"
                                 "\"retention\":\"discard_oldest\"}");
}

/* The cursor goes no farther than what was acknowledged, and never into unread bytes. */
static void skipping_frees_no_unread_event(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT);
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    mofka_event_t *event, *held;
    stored_push(2);
    stored_push(2);
    stored_push(2);
    stored_entry(p, 1)->metadata ^= 64;
    stored_entry(p, 3)->metadata ^= 64;
    OK(mofka_consumer_pull(consumer, 0, &held)); /* event 0: not acknowledged yet */
    OK(mofka_consumer_pull(consumer, 0, &event));
    assert_int_equal(mofka_event_id(event), 2);
    mofka_event_release(event);
    sender_t other;
    uint64_t id;
    sender_open(&other, topic, 3);
    FAILS(other.ops->append(other.self, 0, &other.batch, 0, &id), MOFKA_ERR_TIMEOUT,
          "since event 0");
    OK(mofka_event_acknowledge(held));
    mofka_event_release(held);
    for (uint64_t next = 4; next < 6; next++) {
        OK(mofka_consumer_pull(consumer, 0, &event));
        assert_int_equal(mofka_event_id(event), next);
        assert_int_equal(mofka_event_lost(event), next == 4);
        mofka_event_release(event);
    }
    stored_expect_nothing(
        consumer); /* publishes that event 0, and with it the damaged event 1, is done */
    OK(other.ops->append(other.self, 0, &other.batch, 0, &id));
    assert_int_equal(id, 6);
    other.batch.reserved = false;
    FAILS(other.ops->append(other.self, 0, &other.batch, 0, &id), MOFKA_ERR_TIMEOUT,
          "since event 2");
    sender_close(&other);
    stored_end(consumer, topic);
}

/* A consumer that comes back meets the damage that its predecessor did not skip. */
static void a_successor_meets_the_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(2);
    stored_push(3);
    stored_entry(log_of(topic), 3)->check ^= 1;
    stored_expect(consumer, 0, 2, 0);
    stored_expect_damage(consumer, "event 3");
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    consumer = stored_consumer(topic, NULL);
    stored_expect_damage(consumer, "event 3");
    stored_expect_skipped(consumer, 1);
    stored_expect(consumer, 4, 4, 1);
    stored_end(consumer, topic);
}

/* Failed while trimming answered CORRUPT for ever: no producer could store any more. */
static void discarding_goes_on_over_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT_DISCARDED);
    const mmi_partition_t *p = log_of(topic);
    stored_push(2);
    stored_push(2);
    stored_push(2);
    stored_push(1);
    *stored_flag(p, 0) ^= 1;
    stored_entry(p, 3)->data ^= 1; /* the last one of a batch: the next batch shows where it ends */
    stored_push(2);
    stored_expect_warning("the flag of events 0 to 1 is damaged; retention discards that");
    stored_push(2);
    stored_expect_warning("the entry of event 3 is damaged; retention discards that");
    assert_int_equal(stored_state(p).head.events, 4);
    assert_false(stored_state(p).rough);
    stored_entry(p, 4)->data ^= 1; /* does not matter */
    stored_push(2);
    stored_expect_warning("");
    assert_int_equal(stored_state(p).head.events, 6);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_expect(consumer, 6, 12, 0);
    stored_end(consumer, topic);
}

static const mmi_window_ops_t *plain_ops;
static sender_t lapping;
static int gets_left; /* before the partition is overwritten */

static void get_while_others_append(mmi_window_t *w, int rank, uint64_t offset, void *target,
                                    size_t bytes) {
    if (gets_left > 0 && --gets_left == 0)
        for (int i = 0; i < 20; i++)
            sender_append(&lapping, 1);
    plain_ops->get(w, rank, offset, target, bytes);
}

/* What a reader looks at twice may be overwritten in between. Fails without the look at the head in
 * mmi_reader_find_damage. */
static void what_was_overtaken_is_not_damaged(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(EIGHT_DISCARDED);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    mmi_window_t *w = log_of(topic)->w;
    mmi_window_ops_t hooked = *w->ops;
    mofka_event_t *event;
    sender_open(&lapping, topic, 1);
    for (int i = 0; i < 8; i++)
        sender_append(&lapping, 1);
    stored_entry(log_of(topic), 0)->metadata ^= 1;
    plain_ops = w->ops;
    hooked.get = get_while_others_append;
    w->ops = &hooked;
    gets_left = 3; /* the entries and a stamp; then the entries again */
    OK(mofka_consumer_pull(consumer, 0, &event));
    w->ops = plain_ops;
    assert_int_equal(gets_left, 0);
    assert_int_equal(mofka_event_id(event), 20);
    assert_int_equal(mofka_event_lost(event), 20);
    mofka_event_release(event);
    sender_close(&lapping);
    log_end(consumer, topic);
}

/* Its units are not known when the head passes the last batch of all; later they are. */
static void discarding_passes_the_last_batch(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT_DISCARDED);
    const mmi_partition_t *p = log_of(topic);
    for (int lap = 0; lap < 4; lap++) {
        uint64_t first = stored_count;
        stored_push(4);
        stored_push(4);
        stored_entry(p, first + 3)->metadata_bytes ^= 1;
        stored_entry(p, first + 7)->metadata_bytes ^= 1;
        *stored_flag(p, first + 4) ^= UINT64_C(1) << (lap % 2 ? 63 : 3);
    }
    stored_push(1);
    stored_push(1);
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 0, &event));
    stored_check(event);
    mofka_event_release(event);
    stored_end(consumer, topic);
}

/* ---- stamps ---------------------------------------------------------------------------------- */

/* A wrong time is no time. */
static void a_damaged_stamp_is_no_time(void **state) {
    (void)state;
    const uint64_t now = UINT64_C(1764000000123456789);
    assert_true(mmi_stamp_ns(mmi_stamp_value(now)) <= now);
    assert_true(mmi_stamp_ns(mmi_stamp_value(now)) > now - 1000);
    assert_int_equal(mmi_stamp_ns(0), 0);
    for (int bit = 0; bit < 64; bit++) {
        assert_int_equal(mmi_stamp_ns(mmi_stamp_value(now) ^ UINT64_C(1) << bit), 0);
        assert_int_equal(mmi_stamp_ns(UINT64_C(1) << bit), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORED_CASE(good_events_around_a_damaged_entry_are_delivered),
        STORED_CASE(an_entry_that_points_elsewhere_is_damaged),
        STORED_CASE(neighbours_are_reported_together),
        STORED_CASE(a_damaged_flag_hides_its_batch_only),
        STORED_CASE(a_hole_behind_damage_is_waited_for),
        STORED_CASE(an_empty_batch_behind_damage_is_not_lost),
        STORED_CASE(a_damaged_flag_of_no_batch_is_no_damage),
        STORED_CASE(a_batch_that_is_being_put_is_no_damage),
        STORED_CASE(an_overwritten_batch_is_reported),
        STORED_CASE(a_flag_of_very_long_ago_publishes_nothing),
        STORED_CASE(the_option_skips_without_a_report),
        STORED_CASE(an_option_that_is_unknown_is_refused),
        STORED_CASE(damage_in_front_of_the_end_is_skipped),
        STORED_CASE(what_is_right_again_is_not_skipped),
        STORED_CASE(other_partitions_are_read_meanwhile),
        STORED_CASE(retention_goes_on_behind_a_partition_of_damage),
        STORED_CASE(the_room_of_a_damaged_batch_is_known),
        STORED_CASE(so_it_is_where_the_oldest_are_discarded),
        STORED_CASE(skipping_frees_no_unread_event),
        STORED_CASE(a_successor_meets_the_damage),
        STORED_CASE(discarding_goes_on_over_damage),
        STORED_CASE(what_was_overtaken_is_not_damaged),
        STORED_CASE(discarding_passes_the_last_batch),
        cmocka_unit_test(a_damaged_stamp_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
