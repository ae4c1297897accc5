/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sums of events, and flags that are not settled. The producer of these tests settles its flags. A
 * test writes them anew, as if that had not happened yet.
 */
#include "heap/damage/stored.h"
#include "support/callbacks.h"
#include "support/json_path.h"

#define CHECKED "\"partition_bytes\":2048,\"partition_events\":16,\"checksum\":\"on\""

static const mmi_window_ops_t *near_ops;
static mmi_window_ops_t far_ops;

static mofka_topic_t *checked_open(const char *options) {
    mofka_topic_t *topic = stored_open(options);
    near_ops = log_of(topic)->w->ops;
    return topic;
}

/* As in a window whose every operation is a round trip: payload comes along with entries. */
static mofka_topic_t *checked_open_far(const char *options) {
    mofka_topic_t *topic = checked_open(options);
    far_ops = *near_ops;
    far_ops.loads_are_cheap = far_ops.puts_are_cheap = false;
    far_ops.has_addresses = false;
    far_ops.compare_exchange = NULL;
    log_of(topic)->w->ops = &far_ops;
    return topic;
}

static void checked_end(mofka_consumer_t *consumer, mofka_topic_t *topic) {
    log_of(topic)->w->ops = near_ops;
    stored_end(consumer, topic);
}

/* A byte of the payload that belongs to an event. */
static char *checked_metadata(const mmi_partition_t *p, uint64_t id) {
    return (char *)stored_word(p, p->ring) + stored_entry(p, id)->metadata % p->ring_bytes;
}

static char *checked_data(const mmi_partition_t *p, uint64_t id) {
    return (char *)stored_word(p, p->ring) + stored_entry(p, id)->data % p->ring_bytes;
}

static void checked_set_flag(const mmi_partition_t *p, uint64_t id, uint64_t count, bool settled) {
    assert_true(mmi_flag_count(p, id, *stored_flag(p, id)) == count);
    *stored_flag(p, id) = mmi_flag_value(p, id, count, settled);
}

/* What checksums found of the events that the consumer was given, or would have been. */
typedef struct verdicts {
    int verified, unverified, data_damaged, metadata_damaged;
} verdicts_t;

static void checked_expect(mofka_consumer_t *consumer, verdicts_t expected) {
    mofka_metadata_t *stats;
    OK(mofka_consumer_stats(consumer, &stats));
    NUMBER(stats, "events_verified", expected.verified);
    NUMBER(stats, "events_unverified", expected.unverified);
    NUMBER(stats, "events_data_damaged", expected.data_damaged);
    NUMBER(stats, "events_metadata_damaged", expected.metadata_damaged);
    mofka_metadata_release(stats);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Failed, and delivered what was there, while nothing was compared. */
static void bytes_are_compared(mofka_topic_t *topic) {
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(4);
    checked_metadata(p, 2)[11] ^= 1;
    stored_expect(consumer, 0, 1, 0);
    stored_expect_damage(consumer, "topic 'log', partition 0: the metadata of event 2 is damaged");
    stored_expect_damage(consumer, "the metadata of event 2 is damaged");
    stored_expect_skipped(consumer, 1);
    stored_expect(consumer, 3, 3, 1);
    checked_expect(consumer, (verdicts_t){.verified = 3, .metadata_damaged = 1});
    stored_push(3);
    *checked_data(p, 5) ^= 4;
    stored_expect(consumer, 4, 4, 0);
    stored_expect_damage(consumer, "topic 'log', partition 0: the data of event 5 is damaged");
    stored_expect(consumer, 6, 6, 0);
    stored_push(4);
    *stored_word(p, p->sums + UINT64_C(8) * 8) ^= 2; /* a sum is as good as what it is of */
    stored_expect(consumer, 7, 7, 0);
    stored_expect_damage(consumer, "the metadata of event 8 is damaged");
    stored_expect_skipped(consumer, 1);
    stored_expect(consumer, 9, 10, 1);
    checked_expect(consumer, (verdicts_t){.verified = 8, .data_damaged = 1, .metadata_damaged = 2});
    checked_end(consumer, topic);
}

static void damaged_bytes_are_reported(void **state) {
    (void)state;
    bytes_are_compared(checked_open("{" CHECKED "}"));
}

static void damaged_bytes_are_reported_far_away(void **state) {
    (void)state;
    bytes_are_compared(checked_open_far("{" CHECKED "}"));
}

static void without_checksums_nothing_is_compared(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open("{\"partition_events\":16,\"checksum\":\"off\"}");
    mofka_consumer_t *consumer = log_create_consumer(topic);
    assert_false(log_of(topic)->checksums);
    stored_push(1);
    checked_metadata(log_of(topic), 0)[11] ^= 1;
    assert_int_equal(log_pull_id(consumer), 0);
    checked_expect(consumer, (verdicts_t){.unverified = 1});
    checked_end(consumer, topic);
}

/* ---- what is not compared -------------------------------------------------------------------- */

static mofka_status_t select_first_byte(void *context, const mofka_metadata_t *metadata,
                                        mofka_data_descriptor_t *full,
                                        mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    return mofka_data_descriptor_sub_view_clamped(full, 0, 1, selected);
}

/* Four events, of which the first has no data. A consumer made with those options pulls them. */
static void expect_of_four(mofka_consumer_options_t options, verdicts_t expected) {
    mofka_topic_t *topic = checked_open("{" CHECKED "}");
    mofka_consumer_t *consumer;
    options.name = "reader";
    OK(mofka_consumer_create(topic, &options, &consumer));
    stored_push(4);
    for (uint64_t id = 0; id < 4; id++)
        assert_int_equal(log_pull_id(consumer), id);
    checked_expect(consumer, expected);
    checked_end(consumer, topic);
}

static void all_data_is_verified(void **state) {
    (void)state;
    expect_of_four((mofka_consumer_options_t){.selector = select_all_data},
                   (verdicts_t){.verified = 4});
}

static void metadata_alone_is_verified(void **state) {
    (void)state;
    expect_of_four((mofka_consumer_options_t){.name = NULL}, (verdicts_t){.verified = 4});
}

static void a_part_of_the_data_is_not_verified(void **state) {
    (void)state;
    expect_of_four((mofka_consumer_options_t){.selector = select_first_byte},
                   (verdicts_t){.verified = 1, .unverified = 3});
}

static void data_in_place_is_not_verified(void **state) {
    (void)state;
    expect_of_four((mofka_consumer_options_t){.selector = select_all_data, .zero_copy = true},
                   (verdicts_t){.verified = 1, .unverified = 3});
}

/* Skipped events count, each once. Damaged flags and entries do not: sums do not cover them. */
static void skipped_metadata_is_counted(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open("{" CHECKED "}");
    mofka_consumer_t *consumer = stored_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    stored_push(4);
    checked_metadata(p, 1)[11] ^= 1;
    stored_entry(p, 2)->id_1 ^= 1;
    stored_expect(consumer, 0, 0, 0);
    stored_expect(consumer, 3, 3, 2);
    checked_expect(consumer, (verdicts_t){.verified = 2, .metadata_damaged = 1});
    checked_end(consumer, topic);
}

/* Events that no pull has returned do not count. */
static void only_pulled_events_count(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open("{" CHECKED "}");
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(4);
    *checked_data(log_of(topic), 2) ^= 4;
    stored_expect(consumer, 0, 0, 0);
    checked_expect(consumer, (verdicts_t){.verified = 1});
    stored_expect(consumer, 1, 1, 0);
    stored_expect_damage(consumer, "the data of event 2 is damaged");
    stored_expect(consumer, 3, 3, 0);
    checked_expect(consumer, (verdicts_t){.verified = 3, .data_damaged = 1});
    checked_end(consumer, topic);
}

/* ---- flags that are not settled -------------------------------------------------------------- */

/* The flag has arrived before the bytes of its batch: that is not damage, however long it takes. */
static void bytes_may_come_after_their_flag(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open_far("{" CHECKED "}");
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(4);
    checked_set_flag(p, 0, 4, false);
    *checked_data(p, 2) ^= 1;
    stored_expect(consumer, 0, 1, 0);
    for (int i = 0; i < 3; i++)
        stored_expect_nothing(consumer);
    *checked_data(p, 2) ^= 1;
    stored_expect(consumer, 2, 3, 0);
    stored_push(2);
    checked_set_flag(p, 4, 2, false);
    stored_entry(p, 4)->id_1 ^= 1;
    stored_expect_nothing(consumer);
    stored_entry(p, 4)->id_1 ^= 1;
    stored_expect(consumer, 4, 5, 0);
    stored_push(2);
    checked_set_flag(p, 6, 2, false);
    checked_metadata(p, 6)[11] ^= 1;
    stored_expect_nothing(consumer);
    checked_set_flag(p, 6, 2, true);
    stored_expect_damage(consumer, "the metadata of event 6 is damaged");
    checked_metadata(p, 6)[11] ^= 1;
    stored_expect(consumer, 6, 7, 0);
    checked_expect(consumer, (verdicts_t){.verified = 8, .metadata_damaged = 1});
    checked_end(consumer, topic);
}

/* A wait for such bytes ends with its time-out, and begins no second look at once. */
static int looks;

static void look_and_count(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                           size_t count) {
    looks++;
    near_ops->load_run(w, rank, offset, words, count);
}

static void a_wait_for_bytes_does_not_spin(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open_far("{" CHECKED "}");
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    mofka_event_t *event;
    stored_push(2);
    checked_set_flag(p, 0, 2, false);
    checked_metadata(p, 0)[11] ^= 1;
    far_ops.load_run = look_and_count;
    looks = 0;
    FAILS(mofka_consumer_pull(consumer, 200, &event), MOFKA_ERR_TIMEOUT, "");
    assert_in_range(looks, 2, 100);
    checked_metadata(p, 0)[11] ^= 1;
    stored_expect(consumer, 0, 1, 0);
    checked_end(consumer, topic);
}

/* Bytes of the lap before do not pass for this one's, even if they are equal. */
static void bytes_of_an_earlier_lap_do_not_pass(void **state) {
    (void)state;
    mofka_topic_t *topic = checked_open_far("{" CHECKED "}");
    const mmi_partition_t *p = log_of(topic);
    static const char text[] = "{\"number\":1}";
    uint32_t now = mmi_sum_bytes(p, 20, MMI_SUM_METADATA, text, sizeof text - 1);
    assert_int_not_equal(mmi_sum_bytes(p, 4, MMI_SUM_METADATA, text, sizeof text - 1), now);
    assert_int_not_equal(mmi_sum_bytes(p, 20, MMI_SUM_DATA, text, sizeof text - 1), now);
    checked_end(stored_consumer(topic, NULL), topic);
}

/* Sums of segments are those of the bytes in one piece. */
static void segments_have_the_sum_of_their_bytes(void **state) {
    (void)state;
    static char bytes[3000];
    mmi_partition_t p = {.salt = 77};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 250) {
        const mofka_segment_t parts[] = {
            {bytes, 0}, {bytes, cut}, {bytes, 0}, {bytes + cut, sizeof bytes - cut}};
        mmi_segments_t from = {parts, 0};
        uint32_t first = mmi_sum_segments(&p, 5, MMI_SUM_DATA, &from, 100);
        uint32_t none = mmi_sum_segments(&p, 6, MMI_SUM_DATA, &from, 0);
        uint32_t rest = mmi_sum_segments(&p, 7, MMI_SUM_DATA, &from, sizeof bytes - 100);
        assert_int_equal(first, mmi_sum_bytes(&p, 5, MMI_SUM_DATA, bytes, 100));
        assert_int_equal(none, mmi_sum_bytes(&p, 6, MMI_SUM_DATA, NULL, 0));
        assert_int_equal(rest, mmi_sum_bytes(&p, 7, MMI_SUM_DATA, bytes + 100, sizeof bytes - 100));
    }
}

/* ---- room ------------------------------------------------------------------------------------ */

/* A full partition of four batches, of which that at `id` has a flag that is not settled. */
static mofka_topic_t *open_unsettled(const char *options, uint64_t id) {
    mofka_topic_t *topic = checked_open_far(options);
    for (int i = 0; i < 4; i++)
        stored_push(4);
    checked_set_flag(log_of(topic), id, 4, false);
    return topic;
}

/* All of it was read and acknowledged. The batch at event 4 holds the head until it is settled. */
static void held_until_settled(mofka_topic_t *topic, mofka_consumer_t *consumer) {
    const mmi_partition_t *p = log_of(topic);
    stored_push(4); /* in the room of the first batch */
    FAILS(stored_try_push(1, 100), MOFKA_ERR_TIMEOUT,
          "event 4 was stored, and its producer has not confirmed that");
    assert_int_equal(stored_state(p).head.events, 4);
    checked_set_flag(p, 4, 4, true);
    stored_expect(consumer, 16, 19, 0);
    stored_expect_nothing(consumer);
    OK(mofka_producer_flush(stored_producer, 1000));
    stored_count = 21;
    stored_expect(consumer, 20, 20, 0);
    checked_end(consumer, topic);
}

/* A put may still be on its way to a batch whose flag is not settled. So its room is not given
 * away, though it was acknowledged. */
static void room_waits_for_settled_flags(void **state) {
    (void)state;
    mofka_topic_t *topic = open_unsettled("{" CHECKED "}", 4);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_expect(consumer, 0, 15, 0);
    stored_expect_nothing(consumer);
    held_until_settled(topic, consumer);
}

/* A consumer that is gone lets nothing go that was not settled; its successor does. */
static void a_successor_settles_what_was_acknowledged(void **state) {
    (void)state;
    mofka_topic_t *topic = open_unsettled("{" CHECKED "}", 4);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_expect(consumer, 0, 11, 0);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    consumer = stored_consumer(topic, NULL);
    stored_expect(consumer, 12, 15, 0);
    stored_expect_nothing(consumer);
    held_until_settled(topic, consumer);
}

static void only_settled_batches_are_discarded(void **state) {
    (void)state;
    mofka_topic_t *topic = open_unsettled("{" CHECKED ",\"retention\":\"discard_oldest\"}", 0);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    FAILS(stored_try_push(1, 100), MOFKA_ERR_TIMEOUT,
          "event 0 was stored, and its producer has not confirmed that");
    checked_set_flag(p, 0, 4, true);
    OK(mofka_producer_flush(stored_producer, 1000));
    assert_int_equal(stored_state(p).head.events, 4);
    stored_count = 17;
    stored_expect(consumer, 4, 16, 4);
    checked_end(consumer, topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORED_CASE(damaged_bytes_are_reported),
        STORED_CASE(damaged_bytes_are_reported_far_away),
        STORED_CASE(without_checksums_nothing_is_compared),
        STORED_CASE(all_data_is_verified),
        STORED_CASE(metadata_alone_is_verified),
        STORED_CASE(a_part_of_the_data_is_not_verified),
        STORED_CASE(data_in_place_is_not_verified),
        STORED_CASE(skipped_metadata_is_counted),
        STORED_CASE(only_pulled_events_count),
        STORED_CASE(bytes_may_come_after_their_flag),
        STORED_CASE(a_wait_for_bytes_does_not_spin),
        STORED_CASE(bytes_of_an_earlier_lap_do_not_pass),
        cmocka_unit_test(segments_have_the_sum_of_their_bytes),
        STORED_CASE(room_waits_for_settled_flags),
        STORED_CASE(a_successor_settles_what_was_acknowledged),
        STORED_CASE(only_settled_batches_are_discarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
