/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of a partition's control block that are not what was stored: what each call answers, and
 * what goes on. heap_flips.c changes every bit; here are the reasons. */
#include "heap/damage/stored.h"
#include "support/callbacks.h"
#include "support/json_path.h"

#define SMALL "{\"partition_bytes\":4096,\"partition_events\":16}"
#define EIGHT "{\"partition_bytes\":1024,\"partition_events\":8}"

static mofka_status_t try_to_join(mofka_topic_t *topic, const char *name, mofka_start_t start) {
    mofka_consumer_t *consumer;
    mofka_status_t status = mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .start = start}, &consumer);
    if (!status) {
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    return status;
}

static void leave(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void end_producer(mofka_topic_t *topic) {
    OK(mofka_producer_close(stored_producer, 1000));
    mofka_producer_release(stored_producer);
    mofka_topic_release(topic);
}

/* ---- the checks ------------------------------------------------------------------------------ */

/* A sealed word with one changed bit is none; nor is a word of one bit. */
static void a_seal_finds_each_changed_bit(void **state) {
    (void)state;
    uint64_t seed = 1;
    assert_true(mmi_is_sealed(0));
    for (int i = 0; i < 20000; i++) {
        uint64_t value = (uint64_t)next_random(&seed) << (next_random(&seed) % 26);
        uint64_t word = mmi_seal(i < 1000 ? (uint64_t)i : value);
        assert_true(mmi_is_sealed(word));
        for (int bit = 0; bit < 64; bit++)
            assert_false(mmi_is_sealed(word ^ UINT64_C(1) << bit));
    }
}

/* Nor is a flag, whatever its lap, slot and partition are; and a flag of another slot is
 * damaged. */
static void a_flag_finds_each_changed_bit(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_events\":2000}");
    mmi_partition_t p = *log_of(topic);
    uint64_t seed = 2, doubles = 0, missed = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t id = (uint64_t)next_random(&seed) << (next_random(&seed) % 25);
        uint64_t count = 1 + next_random(&seed) % 2000,
                 flag = mmi_flag_value(&p, id, count, next_random(&seed) % 2);
        assert_int_equal(mmi_flag_count(&p, id, flag), count);
        assert_int_equal(mmi_flag_kind(&p, id, flag), MMI_FLAG_STORED);
        assert_int_equal(mmi_flag_kind(&p, id + p.slots, flag), MMI_FLAG_EARLIER);
        assert_int_equal(mmi_flag_count(&p, id + p.slots, flag), 0);
        if (id >= p.slots)
            assert_int_equal(mmi_flag_kind(&p, id - p.slots, flag), MMI_FLAG_LATER);
        assert_int_equal(mmi_flag_kind(&p, id + 1, flag), MMI_FLAG_DAMAGED);
        for (int bit = 0; bit < 64; bit++) {
            uint64_t changed = flag ^ UINT64_C(1) << bit;
            assert_int_equal(mmi_flag_kind(&p, id, changed), MMI_FLAG_DAMAGED);
            doubles++;
            changed ^= UINT64_C(1) << (bit + 1 + (int)(next_random(&seed) % 63)) % 64;
            missed += mmi_flag_kind(&p, id, changed) != MMI_FLAG_DAMAGED;
        }
    }
    printf("%llu of %llu changes of two bits of a flag were not found\n",
           (unsigned long long)missed, (unsigned long long)doubles);
    assert_true(missed < doubles / 1000);
    mofka_topic_release(topic);
}

/* ---- head, complete -------------------------------------------------------------------------- */

static void a_damaged_state_is_named(void **state) {
    (void)state;
    static const struct {
        size_t field;
        const char *text;
    } words[] = {
        {MMI_CONTROL(head_events), "topic 'log', partition 0: the word 'head_events' is damaged"},
        {MMI_CONTROL(head_units), "topic 'log', partition 0: the word 'head_units' is damaged"},
        {MMI_CONTROL(complete), "topic 'log', partition 0: the word 'complete' is damaged"},
    };
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t sender;
    uint64_t id;
    sender_open(&sender, topic, 1);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        *stored_control(p, words[i].field) ^= 1;
        FAILS(try_to_join(topic, "other", MOFKA_START_BEGINNING), MOFKA_ERR_CORRUPT, words[i].text);
        FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT,
              words[i].text);
        assert_false(sender.batch.reserved);
        FAILS(mofka_topic_mark_complete(topic, 100), MOFKA_ERR_CORRUPT, words[i].text);
        *stored_control(p, words[i].field) ^= 1;
    }
    *stored_control(p, MMI_CONTROL(complete)) ^= 1; /* a reader without events looks at it */
    stored_expect_damage(consumer, words[2].text);
    *stored_control(p, MMI_CONTROL(complete)) ^= 1;
    stored_push(2);
    stored_expect(consumer, 0, 1, 0);
    sender_close(&sender);
    stored_end(consumer, topic);
}

/* A producer that has decoded the words before compares them at each look. */
static void what_a_producer_has_decoded_is_compared(void **state) {
    (void)state;
    static const size_t fields[] = {MMI_CONTROL(head_events), MMI_CONTROL(head_units),
                                    MMI_CONTROL(complete)};
    mofka_topic_t *topic = log_create_topic(SMALL);
    const mmi_partition_t *p = log_of(topic);
    sender_t sender;
    uint64_t id, next = 0;
    sender_open(&sender, topic, 1);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        assert_int_equal(sender_append(&sender, 1), next++);
        assert_int_equal(sender_append(&sender, 1), next++);
        *stored_control(p, fields[i]) ^= 1;
        for (int look = 0; look < 2; look++)
            FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT,
                  "is damaged");
        assert_false(sender.batch.reserved);
        *stored_control(p, fields[i]) ^= 1;
    }
    assert_int_equal(sender_append(&sender, 1), next);
    sender_close(&sender);
    mofka_topic_release(topic);
}

/* An end that is before what is stored. */
static void an_end_before_stored_events_is_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(4);
    *stored_control(log_of(topic), MMI_CONTROL(complete)) = mmi_seal(3);
    stored_expect(consumer, 0, 3, 0);
    stored_expect_damage(consumer, "'complete'");
    stored_end(consumer, topic);
}

/* ---- reservation ----------------------------------------------------------------------------- */

static void a_reservation_before_the_head_is_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    const char *text = "topic 'log', partition 0: the word 'reservation' is damaged";
    sender_t sender;
    uint64_t id;
    sender_open(&sender, topic, 1);
    stored_push(16);
    stored_expect(consumer, 0, 15, 0);
    stored_expect_nothing(consumer);
    stored_push(2);
    assert_int_equal(stored_state(p).head.events, 16);
    *stored_control(p, MMI_CONTROL(reservation)) -= UINT64_C(3) << 32;
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT, text);
    FAILS(try_to_join(topic, "other", MOFKA_START_END), MOFKA_ERR_CORRUPT, text);
    FAILS(mofka_topic_mark_complete(topic, 100), MOFKA_ERR_CORRUPT, text);
    stored_expect(consumer, 16, 17, 0);
    sender_close(&sender);
    stored_end(consumer, topic);
}

/* Behind the head, but before what a producer has stored itself, or another producer. */
static void a_reservation_that_goes_back_overwrites_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    sender_t own, fresh;
    uint64_t id;
    sender_open(&own, topic, 1);
    sender_open(&fresh, topic, 1);
    stored_push(4);
    assert_int_equal(sender_append(&own, 1), 4);
    uint64_t reservation = *stored_control(p, MMI_CONTROL(reservation));
    for (uint64_t back = 1; back <= 2; back++) {
        *stored_control(p, MMI_CONTROL(reservation)) = reservation - mmi_reservation_of(0, back);
        FAILS(own.ops->append(own.self, 0, &own.batch, 0, &id), MOFKA_ERR_CORRUPT, "reservation");
        *stored_control(p, MMI_CONTROL(reservation)) = reservation - (back << 32);
        FAILS(own.ops->append(own.self, 0, &own.batch, 0, &id), MOFKA_ERR_CORRUPT, "reservation");
        *stored_control(p, MMI_CONTROL(reservation)) = reservation - (back << 32);
        fresh.batch.reserved = false;
        FAILS(fresh.ops->append(fresh.self, 0, &fresh.batch, 0, &id), MOFKA_ERR_CORRUPT,
              "reservation");
    }
    stored_expect(consumer, 0, 3, 0);
    assert_int_equal(log_pull_id(consumer), 4);
    sender_close(&own);
    sender_close(&fresh);
    stored_end(consumer, topic);
}

/* A consumer that starts at the end does not pass by what will be stored. */
static void the_end_is_not_beyond_the_room(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer;
    stored_push(2);
    *stored_control(p, MMI_CONTROL(reservation)) += UINT64_C(1) << 50;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "late", .start = MOFKA_START_END}, &consumer));
    const mmi_consumer_t *c = consumer->self;
    assert_int_equal(c->readers[0].skip_below, 16);
    leave(consumer);
    end_producer(topic);
}

/* ---- the lock -------------------------------------------------------------------------------- */

static void a_damaged_lock_is_set_right(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    for (int bit = 0; bit < 64; bit++) {
        *stored_control(log_of(topic), MMI_CONTROL(lock)) ^= UINT64_C(1) << bit;
        OK(try_to_join(topic, "reader", MOFKA_START_BEGINNING));
        stored_expect_warning("the lock of log at rank 0 was damaged");
        assert_int_equal(*stored_control(log_of(topic), MMI_CONTROL(lock)), 0);
    }
    *stored_control(log_of(topic), MMI_CONTROL(lock)) = 1 | UINT64_C(1) << 40; /* taken */
    FAILS(mofka_topic_mark_complete(topic, 20), MOFKA_ERR_TIMEOUT, "stays taken");
    *stored_control(log_of(topic), MMI_CONTROL(lock)) = 0;
    end_producer(topic);
}

/* ---- named consumers ------------------------------------------------------------------------- */

static void damaged_states_are_named(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    const mmi_partition_t *p = log_of(topic);
    stored_push(8);
    for (size_t place = 0; place < 64; place += 63) {
        char text[32];
        snprintf(text, sizeof text, "the word 'state[%zu]'", place);
        *stored_control(p, MMI_CONTROL(state) + 8 * place) ^= 2; /* LIVE to FREE, FREE to LIVE */
        FAILS(try_to_join(topic, "other", MOFKA_START_BEGINNING), MOFKA_ERR_CORRUPT, text);
        FAILS(stored_try_push(1, 0), MOFKA_ERR_CORRUPT, text);
        *stored_control(p, MMI_CONTROL(state) + 8 * place) ^= 2;
    }
    stored_expect(consumer, 0, 7, 0);
    leave(consumer);
    mofka_producer_close(stored_producer, 1000); /* reports what was not stored */
    mofka_producer_release(stored_producer);
    mofka_topic_release(topic);
}

/* The check in the state says whose name it is. */
static void a_damaged_name_is_written_again(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    char name[MOFKA_NAME_BYTES_MAX + 1];
    stored_push(4);
    stored_expect(consumer, 0, 1, 0);
    leave(consumer);
    *stored_control(p, MMI_CONTROL(name)) ^= 1;
    OK(try_to_join(topic, "other", MOFKA_START_BEGINNING)); /* takes another place */
    consumer = stored_consumer(topic, NULL);
    stored_expect_warning("the name of consumer 'reader' was damaged");
    OK(mmi_consumer_name(p, 0, name, INT64_MAX));
    assert_string_equal(name, "reader");
    *stored_control(p, MMI_CONTROL(name)) ^= 1;
    FAILS(try_to_join(topic, "reader", MOFKA_START_BEGINNING), MOFKA_ERR_BUSY, "already live");
    stored_expect(consumer, 2, 3, 0);
    stored_end(consumer, topic);
}

/* Failed while a cursor 5 behind a head of 1000 was completed to 2^32 + 995: a trimmer moved the
 * head there. */
static void a_cursor_behind_the_head_is_at_the_head(void **state) {
    (void)state;
    const mmi_place_t head = {1000, UINT64_C(7) << 32 | 3};
    mmi_place_t at = mmi_cursor_unpack(UINT64_C(995) << 32 | 1, head);
    assert_int_equal(at.events, head.events);
    assert_int_equal(at.units, head.units);
    at = mmi_cursor_unpack(UINT64_C(1005) << 32 | 9, head);
    assert_int_equal(at.events, 1005);
    assert_int_equal(at.units, head.units + 6);
}

/* It would free events that its consumer has not read, or their bytes. */
static void a_cursor_that_is_too_far_frees_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(EIGHT);
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    sender_t sender;
    uint64_t id, *cursor = stored_control(p, MMI_CONTROL(cursor));
    const char *text = "the word 'cursor[0]' of consumer 'reader' is damaged";
    sender_open(&sender, topic, 2);
    for (int i = 0; i < 4; i++)
        stored_push(2);
    stored_expect(consumer, 0, 2, 0);
    leave(consumer); /* cursor 2, acknowledged 3 */
    uint64_t right = *cursor;
    assert_int_equal(right >> 32, 2);
    *cursor = right + (UINT64_C(2) << 32);
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT, text);
    *cursor = right + 4; /* its units only */
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT, text);
    *cursor = right + (UINT64_C(1) << 32); /* within a batch */
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_CORRUPT, text);
    assert_int_equal(stored_state(p).head.events, 0);
    /* Its consumer comes back, and starts at the head. */
    consumer = stored_consumer(topic, NULL);
    stored_expect(consumer, 3, 7, 0);
    stored_expect_nothing(consumer);
    assert_int_equal(sender_append(&sender, 2), 8);
    assert_int_equal(log_pull_id(consumer), 8);
    sender_close(&sender);
    stored_end(consumer, topic);
}

/* What a name has acknowledged is not guessed. */
static void a_damaged_acknowledgement_is_named(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer = stored_consumer(topic, NULL);
    stored_push(2);
    stored_expect(consumer, 0, 1, 0);
    leave(consumer);
    *stored_control(p, MMI_CONTROL(acknowledged)) ^= 2;
    FAILS(try_to_join(topic, "reader", MOFKA_START_BEGINNING), MOFKA_ERR_CORRUPT,
          "the word 'acknowledged[0]' of consumer 'reader' is damaged");
    *stored_control(p, MMI_CONTROL(acknowledged)) ^= 2;
    OK(try_to_join(topic, "reader", MOFKA_START_BEGINNING));
    end_producer(topic);
}

/* ---- counters -------------------------------------------------------------------------------- */

/* The topic would be complete too early, or never. */
static void a_damaged_count_of_producers_is_named(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open("{\"expected_producers\":2}");
    *stored_control(log_of(topic), MMI_CONTROL(finished)) ^= 8;
    FAILS(mofka_producer_close(stored_producer, 1000), MOFKA_ERR_CORRUPT, "'finished'");
    mofka_producer_release(stored_producer);
    assert_int_equal(stored_state(log_of(topic)).complete, 0);
    mofka_topic_release(topic);
}

static void statistics_show_no_absurd_count(void **state) {
    (void)state;
    mofka_topic_t *topic = stored_open(SMALL);
    static const size_t counters[] = {MMI_CONTROL(blocked), MMI_CONTROL(damaged)};
    for (size_t i = 0; i < 2 * 64; i++) {
        mofka_metadata_t *stats;
        uint64_t bit = UINT64_C(1) << i % 64;
        *stored_control(log_of(topic), counters[i / 64]) ^= bit;
        OK(mofka_driver_stats(log_driver, -1, &stats));
        NUMBER(stats, "topics/0/partitions/0/blocked_producers", 0);
        NUMBER(stats, "topics/0/partitions/0/damaged_events", 0);
        mofka_metadata_release(stats);
        *stored_control(log_of(topic), counters[i / 64]) ^= bit;
    }
    end_producer(topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seal_finds_each_changed_bit),
        STORED_CASE(a_flag_finds_each_changed_bit),
        STORED_CASE(a_damaged_state_is_named),
        STORED_CASE(what_a_producer_has_decoded_is_compared),
        STORED_CASE(an_end_before_stored_events_is_damage),
        STORED_CASE(a_reservation_before_the_head_is_damage),
        STORED_CASE(a_reservation_that_goes_back_overwrites_nothing),
        STORED_CASE(the_end_is_not_beyond_the_room),
        STORED_CASE(a_damaged_lock_is_set_right),
        STORED_CASE(damaged_states_are_named),
        STORED_CASE(a_damaged_name_is_written_again),
        cmocka_unit_test(a_cursor_behind_the_head_is_at_the_head),
        STORED_CASE(a_cursor_that_is_too_far_frees_nothing),
        STORED_CASE(a_damaged_acknowledgement_is_named),
        STORED_CASE(a_damaged_count_of_producers_is_named),
        STORED_CASE(statistics_show_no_absurd_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
