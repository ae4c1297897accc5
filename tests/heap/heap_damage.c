/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is not what was stored: good events are delivered, damage is named, and can be
 * skipped. */
#include <mofka/options.h>
#include "heap/log_fixture.h"
#include "support/callbacks.h"

#define SMALL "{\"partition_bytes\":4096,\"partition_events\":16}"
#define EIGHT "{\"partition_bytes\":1024,\"partition_events\":8}"
#define EIGHT_DISCARDED                                                                            \
    "{\"partition_bytes\":1024,\"partition_events\":8,\"retention\":\"discard_oldest\"}"

/* The last warning. */
static char warning[512];

static void damage_take_warning(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    if (level == MOFKA_LOG_WARN)
        snprintf(warning, sizeof warning, "%s", message);
}

static int damage_open(void **state) {
    warning[0] = '\0';
    mofka_log_set_callback(damage_take_warning, NULL);
    return log_open_memory(state);
}

static int damage_close(void **state) {
    mofka_log_set_callback(NULL, NULL);
    return log_close_memory(state);
}

#define DAMAGE_CASE(name) cmocka_unit_test_setup_teardown(name, damage_open, damage_close)

static void expect_warning(const char *text) {
    if (!strstr(warning, text))
        fail_msg("'%s' is not in '%s'", text, warning);
    warning[0] = '\0';
}

/* ---- what is stored -------------------------------------------------------------------------- */

static mofka_producer_t *producer;
static uint64_t pushed; /* events so far; each has its number in it */

static size_t data_bytes_of(uint64_t number) {
    return (size_t)(number * 7 % 50);
}

/* Push a batch of `count` events. */
static void push_batch(int count) {
    static char letters[26][50]; /* read until the flush */
    for (int i = 0; i < count; i++, pushed++) {
        char text[32], *bytes = letters[pushed % 26];
        mofka_data_view_t *view;
        int length = snprintf(text, sizeof text, "{\"number\":%llu}", (unsigned long long)pushed);
        memset(bytes, 'a' + (int)(pushed % 26), sizeof letters[0]);
        OK(mofka_data_view_of(bytes, data_bytes_of(pushed), &view));
        OK(mofka_producer_push(producer, text, (size_t)length, view, 0, NULL));
        mofka_data_view_release(view);
    }
    OK(mofka_producer_flush(producer, 1000));
}

static mofka_topic_t *create_filled_topic(const char *options) {
    mofka_topic_t *topic = log_create_topic(options);
    pushed = 0;
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 8, .push_timeout_ms = 1000}, &producer));
    return topic;
}

static mofka_consumer_t *create_consumer(mofka_topic_t *topic, const char *options) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){
                                 .name = "reader", .selector = select_all_data, .options = options},
                             &consumer));
    return consumer;
}

/* The event is as it was pushed: its number is its id. */
static void check_event(const mofka_event_t *event) {
    uint64_t number = mofka_event_id(event);
    char text[32];
    size_t segments, left = data_bytes_of(number);
    snprintf(text, sizeof text, "{\"number\":%llu}", (unsigned long long)number);
    assert_string_equal(mofka_event_metadata_text(event, NULL), text);
    assert_int_equal(mofka_event_data_size(event), left);
    if (left == 0)
        return;
    const mofka_segment_t *segment = mofka_data_view_segments(mofka_event_data(event), &segments);
    assert_int_equal(segments, 1);
    for (size_t i = 0; i < left; i++)
        assert_int_equal(((const char *)segment->ptr)[i], 'a' + (int)(number % 26));
}

/* The next events are those from `first` to `last`; the first reports `lost`. Acknowledge them. */
static void expect_events(mofka_consumer_t *consumer, uint64_t first, uint64_t last,
                          uint64_t lost) {
    for (uint64_t id = first; id <= last; id++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 0, &event));
        assert_int_equal(mofka_event_id(event), id);
        assert_int_equal(mofka_event_lost(event), id == first ? lost : 0);
        check_event(event);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static void expect_damage(mofka_consumer_t *consumer, const char *text) {
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CORRUPT, text);
}

static void expect_nothing(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "no event");
}

static void expect_skipped(mofka_consumer_t *consumer, uint64_t count) {
    uint64_t skipped = 99;
    OK(mofka_consumer_skip_damaged(consumer, &skipped));
    assert_int_equal(skipped, count);
}

static void end_all(mofka_consumer_t *consumer, mofka_topic_t *topic) {
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    log_end(consumer, topic);
}

/* ---- where it is stored ---------------------------------------------------------------------- */

static uint64_t *word_at(const mmi_partition_t *p, uint64_t offset) {
    return (uint64_t *)(void *)(p->w->base[p->owner] + offset);
}

static uint64_t *flag_of(const mmi_partition_t *p, uint64_t id) {
    return word_at(p, mmi_flag_offset(p, id));
}

static mmi_entry_t *entry_of(const mmi_partition_t *p, uint64_t id) {
    return (mmi_entry_t *)(void *)word_at(p, p->entries + id % p->slots * sizeof(mmi_entry_t));
}

static mmi_state_t state_of(const mmi_partition_t *p) {
    mmi_state_t state;
    OK(mmi_state_load(p, &state));
    return state;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* Failed while one bad entry withheld the good events before it, and answered CORRUPT for ever. */
static void good_events_around_a_damaged_entry_are_delivered(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    push_batch(2);
    push_batch(5);
    push_batch(2);
    entry_of(log_of(topic), 4)->data_bytes ^= 1;
    expect_events(consumer, 0, 3, 0);
    expect_damage(consumer, "topic 'log', partition 0: the entry of event 4 is damaged");
    expect_damage(consumer, "the entry of event 4 is damaged");
    assert_string_equal(warning, "");
    expect_skipped(consumer, 1);
    expect_warning("topic 'log', partition 0: the entry of event 4 is damaged");
    expect_skipped(consumer, 0); /* nothing is reported any more */
    expect_events(consumer, 5, 8, 1);
    assert_int_equal(mofka_consumer_lost(consumer), 1);
    expect_nothing(consumer);
    end_all(consumer, topic);
}

/* All fields of an entry agree with its check, but not with where the log is. */
static void forge(const mmi_partition_t *p, uint64_t id, mmi_entry_t change) {
    mmi_entry_t *e = entry_of(p, id);
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
    mofka_topic_t *topic = create_filled_topic(SMALL);
    push_batch(2);
    push_batch(4);
    const mmi_partition_t *p = log_of(topic);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        mofka_consumer_t *consumer = create_consumer(topic, NULL);
        mmi_entry_t before = *entry_of(p, cases[i].id);
        forge(p, cases[i].id, cases[i].change);
        snprintf(text, sizeof text, "event %d", (int)cases[i].id);
        for (uint64_t id = 0; id < cases[i].id; id++) {
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, 0, &event));
            mofka_event_release(event);
        }
        expect_damage(consumer, text);
        *entry_of(p, cases[i].id) = before;
        OK(mofka_consumer_unsubscribe(consumer));
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
}

/* The entries of a batch are reported together, but not with those of the next batch. */
static void neighbours_are_reported_together(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    push_batch(4);
    push_batch(3);
    for (uint64_t id = 1; id < 5; id++)
        entry_of(log_of(topic), id)->metadata ^= UINT64_C(1) << 40;
    expect_events(consumer, 0, 0, 0);
    expect_damage(consumer, "the entries of events 1 to 3 are damaged");
    expect_skipped(consumer, 3);
    expect_damage(consumer, "the entry of event 4 is damaged");
    expect_skipped(consumer, 1);
    expect_events(consumer, 5, 6, 4);
    end_all(consumer, topic);
}

/* ---- flags ----------------------------------------------------------------------------------- */

/* The batch's entries show where it ends: at a batch, at one whose flag is damaged as well, at the
 * tail, and in front of what is not stored yet. */
static void a_damaged_flag_hides_its_batch_only(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    push_batch(2);
    push_batch(3);
    push_batch(1);
    push_batch(4);
    *flag_of(p, 2) ^= UINT64_C(1) << 17;
    *flag_of(p, 5) ^= UINT64_C(1) << 60;
    *flag_of(p, 6) ^= 1;
    expect_events(consumer, 0, 1, 0);
    expect_damage(consumer, "the flag of events 2 to 4 is damaged");
    expect_skipped(consumer, 3);
    expect_warning("the flag of events 2 to 4 is damaged");
    expect_damage(consumer, "the flag of event 5 is damaged");
    expect_skipped(consumer, 1);
    expect_damage(consumer, "the flag of events 6 to 9 is damaged");
    expect_skipped(consumer, 4);
    expect_nothing(consumer);
    assert_int_equal(mofka_consumer_lost(consumer), 8); /* although no event came */
    push_batch(3);
    expect_events(consumer, 10, 12, 8);
    assert_int_equal(mofka_consumer_lost(consumer), 8);
    end_all(consumer, topic);
}

/* A batch is reserved behind the damage, and stored later. */
static void a_hole_behind_damage_is_waited_for(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t stopped;
    uint64_t id;
    mofka_event_t *event;
    push_batch(16);
    expect_events(consumer, 0, 15, 0);
    expect_nothing(consumer);
    push_batch(3);
    sender_open(&stopped, topic, 2);
    sender_reserve_only(&stopped, p);
    pushed += 2;
    push_batch(1);
    *flag_of(p, 16) ^= UINT64_C(1) << 40;
    expect_damage(consumer, "the flag of events 16 to 18 is damaged");
    expect_skipped(consumer, 3);
    FAILS(mofka_consumer_pull(consumer, 1, &event), MOFKA_ERR_TIMEOUT,
          "partition 0: event 19 was reserved and is not stored");
    OK(stopped.ops->append(stopped.self, 0, &stopped.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 19);
    assert_int_equal(log_pull_id(consumer), 20);
    expect_events(consumer, 21, 21, 0);
    sender_close(&stopped);
    end_all(consumer, topic);
}

/* A flag that was damaged while its slot waited to be used again is nobody's event. */
static void a_damaged_flag_of_no_batch_is_no_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t slow;
    uint64_t id;
    push_batch(16);
    expect_events(consumer, 0, 15, 0);
    *flag_of(p, 16) ^= 2; /* of event 0 */
    expect_nothing(consumer);
    sender_open(&slow, topic, 2);
    sender_reserve_only(&slow, p);
    expect_nothing(consumer);
    OK(slow.ops->append(slow.self, 0, &slow.batch, 0, &id));
    assert_int_equal(log_pull_id(consumer), 16);
    assert_int_equal(log_pull_id(consumer), 17);
    sender_close(&slow);
    end_all(consumer, topic);
}

/* With retention "acknowledged", nothing may overwrite what was not read. */
static void an_overwritten_batch_is_reported(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    push_batch(2);
    push_batch(2);
    *flag_of(p, 0) = mmi_flag_value(p, 16, 2);
    expect_damage(consumer, "the flag of events 0 to 1 is damaged");
    expect_skipped(consumer, 2);
    expect_events(consumer, 2, 3, 2);
    end_all(consumer, topic);
}

/* A flag keeps 28 bits of its lap. Fails without damage_is_old_flag (mpi/consumer/damage.c). */
static void a_flag_of_very_long_ago_publishes_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":4096,\"partition_events\":4}");
    const mmi_partition_t *p = log_of(topic);
    const uint64_t long_ago = 5 * p->slots, now = long_ago + (p->slots << MMI_FLAG_LAP_BITS);
    OK(mmi_partition_format(p, (mmi_place_t){now, 0}));
    *flag_of(p, long_ago) = mmi_flag_value(p, long_ago, 2);
    mmi_entry_t old = {.id_1 = long_ago + 1, .metadata_bytes = 1};
    old.check = mmi_entry_check(&old);
    *entry_of(p, long_ago) = old;
    old.id_1++;
    old.check = mmi_entry_check(&old);
    *entry_of(p, long_ago + 1) = old;
    assert_int_equal(*flag_of(p, now), mmi_flag_value(p, now, 2));
    mofka_consumer_t *consumer = log_create_consumer(topic);
    mofka_event_t *event;
    sender_t sender;
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    /* And the consumer sleeps while it waits. */
    uint64_t fetches = atomic_load(&consumer->fetches);
    FAILS(mofka_consumer_pull(consumer, 50, &event), MOFKA_ERR_TIMEOUT, "no event");
    IN_RANGE(atomic_load(&consumer->fetches), fetches, fetches + 4);
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
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    push_batch(3);
    push_batch(2);
    push_batch(3);
    *flag_of(p, 3) ^= 4;
    entry_of(p, 6)->id_1 ^= 4;
    expect_events(consumer, 0, 2, 0);
    expect_events(consumer, 5, 5, 2);
    expect_warning("the flag of events 3 to 4 is damaged");
    expect_events(consumer, 7, 7, 1);
    expect_warning("the entry of event 6 is damaged");
    assert_int_equal(mofka_consumer_lost(consumer), 3);
    OK(mofka_topic_mark_complete(topic, 1000));
    assert_true(log_pull_id(consumer) == MOFKA_NO_MORE_EVENTS);
    end_all(consumer, topic);
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
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    mofka_event_t *event;
    push_batch(2);
    push_batch(3);
    OK(mofka_topic_mark_complete(topic, 1000));
    *flag_of(log_of(topic), 2) ^= UINT64_C(1) << 20;
    expect_events(consumer, 0, 1, 0);
    expect_damage(consumer, "the flag of events 2 to 4");
    expect_skipped(consumer, 3);
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
    assert_int_equal(mofka_consumer_lost(consumer), 3);
    end_all(consumer, topic);
}

/* Damage that heals before it is skipped: another thread looked at it in the meantime. */
static void what_is_right_again_is_not_skipped(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    push_batch(2);
    *flag_of(p, 0) ^= 8;
    expect_damage(consumer, "the flag of events 0 to 1");
    *flag_of(p, 0) ^= 8;
    expect_skipped(consumer, 0);
    entry_of(p, 1)->data ^= 8;
    expect_events(consumer, 0, 0, 0);
    expect_damage(consumer, "the entry of event 1");
    entry_of(p, 1)->data ^= 8;
    expect_skipped(consumer, 0);
    expect_events(consumer, 1, 1, 0);
    end_all(consumer, topic);
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
    entry_of(p, 2)->metadata_bytes ^= 1;
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
    expect_skipped(consumer, 1);
    assert_int_equal(log_pull_id(consumer), 3);
    log_end(consumer, topic);
}

/* ---- retention ------------------------------------------------------------------------------- */

/* Everything in the partition is damaged and skipped: there is nothing that could be acknowledged, and
 * still there is room again. The batch's units are known by the producer that waits for them. */
static void retention_goes_on_behind_a_partition_of_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic("{\"partition_bytes\":512,\"partition_events\":8}");
    mofka_consumer_t *consumer = create_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    for (int lap = 0; lap < 5; lap++) {
        uint64_t first = pushed;
        push_batch(1);
        push_batch(1);
        push_batch(2);
        push_batch(2);
        if (lap % 2)
            for (uint64_t id = first; id < pushed; id++)
                entry_of(p, id)->data_bytes ^= 2;
        else
            for (uint64_t id = first; id < pushed; id += id < first + 2 ? 1 : 2)
                *flag_of(p, id) ^= UINT64_C(1) << 30;
        expect_nothing(consumer);
        assert_int_equal(mofka_consumer_lost(consumer), pushed);
    }
    push_batch(2);
    expect_events(consumer, pushed - 2, pushed - 1, pushed - 2);
    end_all(consumer, topic);
}

/* The cursor goes no farther than what was acknowledged, and never into unread bytes. */
static void skipping_frees_no_unread_event(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(EIGHT);
    mofka_consumer_t *consumer = create_consumer(topic, "{\"skip_damaged\":true}");
    const mmi_partition_t *p = log_of(topic);
    mofka_event_t *event, *held;
    push_batch(2);
    push_batch(2);
    push_batch(2);
    entry_of(p, 1)->metadata ^= 64;
    entry_of(p, 3)->metadata ^= 64;
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
    expect_nothing(consumer); /* publishes that event 0, and with it the damaged event 1, is done */
    OK(other.ops->append(other.self, 0, &other.batch, 0, &id));
    assert_int_equal(id, 6);
    other.batch.reserved = false;
    FAILS(other.ops->append(other.self, 0, &other.batch, 0, &id), MOFKA_ERR_TIMEOUT,
          "since event 2");
    sender_close(&other);
    end_all(consumer, topic);
}

/* A consumer that comes back meets the damage that its predecessor did not skip. */
static void a_successor_meets_the_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(SMALL);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    push_batch(2);
    push_batch(3);
    entry_of(log_of(topic), 3)->check ^= 1;
    expect_events(consumer, 0, 2, 0);
    expect_damage(consumer, "event 3");
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    consumer = create_consumer(topic, NULL);
    expect_damage(consumer, "event 3");
    expect_skipped(consumer, 1);
    expect_events(consumer, 4, 4, 1);
    end_all(consumer, topic);
}

/* Failed while trimming answered CORRUPT for ever: no producer could store any more. */
static void discarding_goes_on_over_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(EIGHT_DISCARDED);
    const mmi_partition_t *p = log_of(topic);
    push_batch(2);
    push_batch(2);
    push_batch(2);
    push_batch(1);
    *flag_of(p, 0) ^= 1;
    entry_of(p, 3)->data ^= 1; /* the last one of a batch: the next batch shows where it ends */
    push_batch(2);
    expect_warning("the flag of events 0 to 1 is damaged; retention discards that");
    push_batch(2);
    expect_warning("the entry of event 3 is damaged; retention discards that");
    assert_int_equal(state_of(p).head.events, 4);
    assert_false(state_of(p).rough);
    entry_of(p, 4)->data ^= 1; /* does not matter */
    push_batch(2);
    assert_string_equal(warning, "");
    assert_int_equal(state_of(p).head.events, 6);
    mofka_consumer_t *consumer = create_consumer(topic, NULL);
    expect_events(consumer, 6, 12, 0);
    end_all(consumer, topic);
}

/* Its units are not known when the head passes the last batch of all; later they are. */
static void discarding_passes_the_last_batch(void **state) {
    (void)state;
    mofka_topic_t *topic = create_filled_topic(EIGHT_DISCARDED);
    const mmi_partition_t *p = log_of(topic);
    for (int lap = 0; lap < 4; lap++) {
        uint64_t first = pushed;
        push_batch(4);
        push_batch(4);
        entry_of(p, first + 3)->metadata_bytes ^= 1;
        entry_of(p, first + 7)->metadata_bytes ^= 1;
        *flag_of(p, first + 4) ^= UINT64_C(1) << (lap % 2 ? 63 : 3);
    }
    push_batch(1);
    push_batch(1);
    mofka_consumer_t *consumer = create_consumer(topic, "{\"skip_damaged\":true}");
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 0, &event));
    check_event(event);
    mofka_event_release(event);
    end_all(consumer, topic);
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
        DAMAGE_CASE(good_events_around_a_damaged_entry_are_delivered),
        DAMAGE_CASE(an_entry_that_points_elsewhere_is_damaged),
        DAMAGE_CASE(neighbours_are_reported_together),
        DAMAGE_CASE(a_damaged_flag_hides_its_batch_only),
        DAMAGE_CASE(a_hole_behind_damage_is_waited_for),
        DAMAGE_CASE(a_damaged_flag_of_no_batch_is_no_damage),
        DAMAGE_CASE(an_overwritten_batch_is_reported),
        DAMAGE_CASE(a_flag_of_very_long_ago_publishes_nothing),
        DAMAGE_CASE(the_option_skips_without_a_report),
        DAMAGE_CASE(an_option_that_is_unknown_is_refused),
        DAMAGE_CASE(damage_in_front_of_the_end_is_skipped),
        DAMAGE_CASE(what_is_right_again_is_not_skipped),
        DAMAGE_CASE(other_partitions_are_read_meanwhile),
        DAMAGE_CASE(retention_goes_on_behind_a_partition_of_damage),
        DAMAGE_CASE(skipping_frees_no_unread_event),
        DAMAGE_CASE(a_successor_meets_the_damage),
        DAMAGE_CASE(discarding_goes_on_over_damage),
        DAMAGE_CASE(discarding_passes_the_last_batch),
        cmocka_unit_test(a_damaged_stamp_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
