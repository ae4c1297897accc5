/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is not what was stored: good events are delivered, damage is named, and can be
 * skipped. */
#include "heap/damage/steps.h"

#define SMALL "{\"partition_bytes\":4096,\"partition_events\":16}"
#define EIGHT "{\"partition_bytes\":1024,\"partition_events\":8}"
#define EIGHT_DISCARDED                                                                            \
    "{\"partition_bytes\":1024,\"partition_events\":8,\"retention\":\"discard_oldest\"}"
/* Of a consumer. */
#define SKIPPING "{\"skip_damaged\":true}"

#define BIT(number) (UINT64_C(1) << (number))

/* ---- the cases that are steps ---------------------------------------------------------------- */

/* Several steps a line. */
/* clang-format off */

/* The ring has one unit. Where a damaged batch ends is known to the one who waits for that unit.
 * Fails without the place of the batch that waits, in trim_correct_units (mpi/partition/trim.c). */
static const step_t room_of_a_damaged_batch[] = {
    CONSUMER(SKIPPING), PUSH(1), ENTRY(0, data_bytes, 1), NOTHING, PUSH(1), EVENTS(1, 1, 1),
    NOTHING, PUSH(1), ENTRY(2, data_bytes, 1), RESERVE(1), NOTHING, APPEND, PULLS(3), END};

static const steps_case_t step_cases[] = {
    /* Failed while one bad entry withheld the good events before it, and answered CORRUPT for ever.
     * The second SKIPS: nothing is reported any more. */
    {"good_events_around_a_damaged_entry_are_delivered", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), PUSH(5), PUSH(2), ENTRY(4, data_bytes, 1),
                      EVENTS(0, 3, 0),
                      CORRUPT("topic 'log', partition 0: the entry of event 4 is damaged"),
                      CORRUPT("the entry of event 4 is damaged"), WARNS(""), SKIPS(1),
                      WARNS("topic 'log', partition 0: the entry of event 4 is damaged"), SKIPS(0),
                      EVENTS(5, 8, 1), LOST(1), NOTHING, COUNTED(1), END}},
    /* The entries of a batch are reported together, but not with those of the next batch. */
    {"neighbours_are_reported_together", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(4), PUSH(3), ENTRY(1, metadata, BIT(40)),
                      ENTRY(2, metadata, BIT(40)), ENTRY(3, metadata, BIT(40)),
                      ENTRY(4, metadata, BIT(40)), EVENTS(0, 0, 0),
                      CORRUPT("the entries of events 1 to 3 are damaged"), SKIPS(3),
                      CORRUPT("the entry of event 4 is damaged"), SKIPS(1), EVENTS(5, 6, 4), END}},
    /* The batch's entries show where it ends: at a batch, at one whose flag is damaged as well, at
     * the tail, and in front of what is not stored yet. */
    {"a_damaged_flag_hides_its_batch_only", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), PUSH(3), PUSH(1), PUSH(4), FLAG(2, BIT(17)),
                      FLAG(5, BIT(60)), FLAG(6, 1), EVENTS(0, 1, 0),
                      CORRUPT("the flag of events 2 to 4 is damaged"), SKIPS(3),
                      WARNS("the flag of events 2 to 4 is damaged"),
                      CORRUPT("the flag of event 5 is damaged"), SKIPS(1),
                      CORRUPT("the flag of events 6 to 9 is damaged"), SKIPS(4), NOTHING,
                      LOST(8), /* although no event came */
                      PUSH(3), EVENTS(10, 12, 8), LOST(8), COUNTED(8), END}},
    /* A batch is reserved behind the damage, and stored later. */
    {"a_hole_behind_damage_is_waited_for", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(16), EVENTS(0, 15, 0), NOTHING, PUSH(3), RESERVE(2),
                      PUSH(1), FLAG(16, BIT(40)), CORRUPT("the flag of events 16 to 18 is damaged"),
                      SKIPS(3), HOLE("partition 0: event 19 was reserved and is not stored"),
                      APPEND, PULLS(19), PULLS(20), EVENTS(21, 21, 0), END}},
    /* The same in the first lap, where nothing earlier is in the slots of the hole. Failed while the
     * damage took the hole in, which was then skipped. */
    {"a_hole_behind_damage_is_waited_for_in_the_first_lap", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(3), RESERVE(2), PUSH(1), FLAG(0, BIT(40)),
                      CORRUPT("the flag of events 0 to 2 is damaged"), SKIPS(3),
                      HOLE("partition 0: event 3 was reserved and is not stored"), APPEND, PULLS(3),
                      PULLS(4), EVENTS(5, 5, 0), END}},
    /* A flag that was damaged while its slot waited to be used again is nobody's event: it is that
     * of event 0. */
    {"a_damaged_flag_of_no_batch_is_no_damage", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(16), EVENTS(0, 15, 0), FLAG(16, 2), NOTHING, SLEEPS,
                      RESERVE(2), NOTHING, APPEND, PULLS(16), PULLS(17), END}},
    /* With retention "acknowledged", nothing may overwrite what was not read. */
    {"an_overwritten_batch_is_reported", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), PUSH(2), FLAG_OF(0, 16, 2),
                      CORRUPT("the flag of events 0 to 1 is damaged"), SKIPS(2), EVENTS(2, 3, 2),
                      END}},
    {"the_option_skips_without_a_report", SMALL,
     (const step_t[]){CONSUMER(SKIPPING), PUSH(3), PUSH(2), PUSH(3), FLAG(3, 4), ENTRY(6, id_1, 4),
                      EVENTS(0, 2, 0), EVENTS(5, 5, 2),
                      WARNS("the flag of events 3 to 4 is damaged"), EVENTS(7, 7, 1),
                      WARNS("the entry of event 6 is damaged"), LOST(3), COMPLETE,
                      PULLS(MOFKA_NO_MORE_EVENTS), COUNTED(3), END}},
    /* The end of a topic is reached over damage that nothing follows. */
    {"damage_in_front_of_the_end_is_skipped", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), PUSH(3), COMPLETE, FLAG(2, BIT(20)), EVENTS(0, 1, 0),
                      CORRUPT("the flag of events 2 to 4"), SKIPS(3), ENDS, LOST(3), END}},
    /* Damage that heals before it is skipped: another thread looked at it in the meantime. */
    {"what_is_right_again_is_not_skipped", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), FLAG(0, 8), CORRUPT("the flag of events 0 to 1"),
                      FLAG(0, 8), SKIPS(0), ENTRY(1, data, 8), EVENTS(0, 0, 0),
                      CORRUPT("the entry of event 1"), ENTRY(1, data, 8), SKIPS(0), EVENTS(1, 1, 0),
                      END}},
    {"the_room_of_a_damaged_batch_is_known", "{\"partition_bytes\":64,\"partition_events\":4}",
     room_of_a_damaged_batch},
    {"so_it_is_where_the_oldest_are_discarded",
     "{\"partition_bytes\":64,\"partition_events\":4,\"retention\":\"discard_oldest\"}",
     room_of_a_damaged_batch},
    /* A consumer that comes back meets the damage that its predecessor did not skip, and counts it,
     * too. */
    {"a_successor_meets_the_damage", SMALL,
     (const step_t[]){CONSUMER(NULL), PUSH(2), PUSH(3), ENTRY(3, check, 1), EVENTS(0, 2, 0),
                      CORRUPT("event 3"), CONSUMER(NULL), CORRUPT("event 3"), SKIPS(1),
                      EVENTS(4, 4, 1), COUNTED(2), END}},
    /* Failed while trimming answered CORRUPT for ever: no producer could store any more. Event 3 is
     * the last one of a batch: the next batch shows where it ends. Event 4 does not matter. */
    {"discarding_goes_on_over_damage", EIGHT_DISCARDED,
     (const step_t[]){PUSH(2), PUSH(2), PUSH(2), PUSH(1), FLAG(0, 1), ENTRY(3, data, 1), PUSH(2),
                      WARNS("the flag of events 0 to 1 is damaged; retention discards that"),
                      PUSH(2), WARNS("the entry of event 3 is damaged; retention discards that"),
                      HEAD(4), ENTRY(4, data, 1), PUSH(2), WARNS(""), HEAD(6), CONSUMER(NULL),
                      EVENTS(6, 12, 0), END}},
    /* Failed while each push that found no room warned. Behind the damage there is a hole. */
    {"damage_is_reported_when_it_is_discarded",
     "{\"partition_bytes\":4096,\"partition_events\":16,\"retention\":\"discard_oldest\"}",
     (const step_t[]){PUSH(4), PUSH(4), PUSH(4), PUSH(4), PUSH(1), RESERVE(2), PUSH(4), PUSH(4),
                      PUSH(4), PUSH(1), FLAG(16, 1), FULL(2), WARNS_NOT("discards"), HEAD(16),
                      APPEND, PUSH(0),
                      WARNS("the flag of event 16 is damaged; retention discards that"), PUSH(1),
                      WARNS_NOT("discards"), HEAD(19), CONSUMER(NULL),
                      EVENTS(19, 34, 0), END}},
};
/* clang-format on */

/* ---- entries --------------------------------------------------------------------------------- */

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

/* ---- flags ----------------------------------------------------------------------------------- */

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

/* A flag keeps 28 bits of its lap. Fails without damage_is_old_flag (mpi/consumer/run/damage.c). */
static void a_flag_of_very_long_ago_publishes_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":4096,\"partition_events\":4}");
    const mmi_partition_t *p = log_of(topic);
    const uint64_t long_ago = 5 * p->slots, now = long_ago + (p->slots << MMI_FLAG_LAP_BITS);
    OK(mmi_partition_format(p, (mmi_place_t){now, 0}));
    *stored_flag(p, long_ago) = mmi_flag_value(p, long_ago, 2, true);
    mmi_entry_t old = {.id_1 = long_ago + 1, .metadata_bytes = 1};
    old.check = mmi_entry_check(&old);
    *stored_entry(p, long_ago) = old;
    old.id_1++;
    old.check = mmi_entry_check(&old);
    *stored_entry(p, long_ago + 1) = old;
    assert_int_equal(*stored_flag(p, now), mmi_flag_value(p, now, 2, true));
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    steps_expect_sleep(consumer);
    sender_open(&sender, topic, 2);
    assert_int_equal(sender_append(&sender, 2), now);
    assert_int_equal(log_pull_id(consumer), now);
    assert_int_equal(log_pull_id(consumer), now + 1);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* ---- skipping -------------------------------------------------------------------------------- */

static void an_option_that_is_unknown_is_refused(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(SMALL);
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {.name = "reader", .options = "{\"skip\":true}"};
    FAILS(mofka_consumer_create(topic, &options, &consumer), MOFKA_ERR_OPTION, "skip_damaged");
    mofka_topic_release(topic);
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
    mofka_consumer_t *consumer = stored_consumer(topic, SKIPPING);
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

/* The cursor goes no farther than what was acknowledged, and never into unread bytes. */
static void skipping_frees_no_unread_event(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT);
    mofka_consumer_t *consumer = stored_consumer(topic, SKIPPING);
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
    gets_left = 2; /* the entries; then the entries again */
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
    mofka_consumer_t *consumer = stored_consumer(topic, SKIPPING);
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

/* ---- producers ------------------------------------------------------------------------------- */

static mofka_status_t create_another(mofka_topic_t *topic) {
    mofka_producer_t *producer = NULL;
    mofka_status_t status = mofka_producer_create(topic, NULL, &producer);
    if (producer) {
        OK(mofka_producer_close(producer, 1000));
        mofka_producer_release(producer);
    }
    return status;
}

/* A rank's count of its producers is checked before it is used, and does not overflow. */
static void a_damaged_count_of_producers_is_named(void **state) {
    (void)state;
    mofka_topic_t *topic =
        stored_open("{\"partition_bytes\":1024,\"partition_events\":8,\"expected_producers\":2}");
    const mmi_partition_t *p = log_of(topic);
    uint64_t *word = stored_word(p, p->rows + offsetof(mmi_row_entry_t, producers)), right = *word;
    assert_int_equal(right, MMI_PRODUCER_MADE);
    for (int bit = 0; bit < 64; bit++) {
        *word = right ^ BIT(bit);
        assert_int_equal(create_another(topic), MOFKA_ERR_CORRUPT);
        assert_non_null(strstr(mofka_last_error(), "the producers of rank 0 is damaged"));
    }
    *word = MMI_RANK_PRODUCERS_MAX * MMI_PRODUCER_MADE;
    assert_int_equal(create_another(topic), MOFKA_ERR_FULL);
    *word = right;
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_expect_nothing(consumer);
    OK(create_another(topic));
    stored_end(consumer, topic);
}

int main(void) {
    enum { CASES = sizeof step_cases / sizeof step_cases[0] };
    const struct CMUnitTest functions[] = {
        STORED_CASE(an_entry_that_points_elsewhere_is_damaged),
        STORED_CASE(an_empty_batch_behind_damage_is_not_lost),
        STORED_CASE(a_batch_that_is_being_put_is_no_damage),
        STORED_CASE(a_flag_of_very_long_ago_publishes_nothing),
        STORED_CASE(an_option_that_is_unknown_is_refused),
        STORED_CASE(other_partitions_are_read_meanwhile),
        STORED_CASE(retention_goes_on_behind_a_partition_of_damage),
        STORED_CASE(skipping_frees_no_unread_event),
        STORED_CASE(what_was_overtaken_is_not_damaged),
        STORED_CASE(discarding_passes_the_last_batch),
        STORED_CASE(a_damaged_count_of_producers_is_named),
        cmocka_unit_test(a_damaged_stamp_is_no_time),
    };
    enum { FUNCTIONS = sizeof functions / sizeof functions[0] };
    struct CMUnitTest tests[CASES + FUNCTIONS];
    for (size_t i = 0; i < CASES; i++)
        tests[i] = steps_test(&step_cases[i]);
    memcpy(tests + CASES, functions, sizeof functions);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
