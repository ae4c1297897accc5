/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeps a partition full is found out, and reported: in errors, and in a warning after 1 s. */
#include <pthread.h>
#include <stdatomic.h>
#include "heap/job/log_fixture.h"
#include "mpi/producer/producer.h"
#include "support/clock.h"
#include "support/json_path.h"

#define FOUR_EVENTS "{\"partition_bytes\":512,\"partition_events\":4}"
#define FOUR_EVENTS_DISCARDED                                                                      \
    "{\"partition_bytes\":512,\"partition_events\":4,\"retention\":\"discard_oldest\"}"

/* The first warning, once `warned` is set. */
static char warning[512];
static _Atomic bool warned;

static void full_take_warning(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    if (level == MOFKA_LOG_WARN && !atomic_load(&warned)) {
        snprintf(warning, sizeof warning, "%s", message);
        atomic_store(&warned, true);
    }
}

/* An append in a thread, without a limit of time. */
typedef struct waiter {
    sender_t *sender;
    pthread_t thread;
    mofka_status_t status;
} waiter_t;

static void *waiter_append(void *context) {
    waiter_t *waiter = context;
    uint64_t id;
    waiter->status =
        waiter->sender->ops->append(waiter->sender->self, 0, &waiter->sender->batch, -1, &id);
    return NULL;
}

static void waiter_start(waiter_t *waiter, sender_t *sender) {
    atomic_store(&warned, false);
    mofka_log_set_callback(full_take_warning, NULL);
    *waiter = (waiter_t){.sender = sender};
    assert_int_equal(pthread_create(&waiter->thread, NULL, waiter_append, waiter), 0);
}

/* The waiter warns although its time has no limit. */
static void waiter_expect_warning(const char *text) {
    while (!atomic_load(&warned))
        clock_sleep_ms(1);
    if (!strstr(warning, text))
        fail_msg("'%s' is not in '%s'", text, warning);
}

static void waiter_end(waiter_t *waiter) {
    pthread_join(waiter->thread, NULL);
    mofka_log_set_callback(NULL, NULL);
    OK(waiter->status);
}

/* The partition's number with this key, in the driver's statistics. */
static double full_stats_number(const char *key) {
    mofka_metadata_t *stats;
    OK(mofka_driver_stats(log_driver, 1000, &stats));
    char path[64];
    snprintf(path, sizeof path, "topics/0/partitions/0/%s", key);
    double number = number_at(stats, path);
    mofka_metadata_release(stats);
    return number;
}

static void check_reservation_is_named(const char *options) {
    mofka_topic_t *topic = log_create_topic(options);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t stopped, other;
    uint64_t id;
    sender_open(&stopped, topic, 1);
    sender_open(&other, topic, 1);
    sender_append(&other, 1);
    assert_int_equal(log_pull_id(consumer), 0);
    assert_true(log_pull_id(consumer) == NOTHING_YET); /* publishes the acknowledgement */
    sender_reserve_only(&stopped, log_of(topic));
    for (int i = 0; i < 3; i++)
        sender_append(&other, 1);
    assert_true(full_stats_number("unstored_events") == 4);
    clock_sleep_ms(2);
    assert_true(full_stats_number("unstored_ms") >= 1); /* since the call before */
    const char *text = "event 1 was reserved and is not stored";
    FAILS(other.ops->append(other.self, 0, &other.batch, 20, &id), MOFKA_ERR_TIMEOUT, text);
    waiter_t waiter;
    waiter_start(&waiter, &other);
    waiter_expect_warning(text);
    OK(stopped.ops->append(stopped.self, 0, &stopped.batch, 0, &id));
    while (log_pull_id(consumer) != 5) /* the waiter's event; reading makes room for it */
        clock_sleep_ms(1);
    log_pull_id(consumer);
    waiter_end(&waiter);
    assert_true(full_stats_number("unstored_events") == 0);
    assert_true(full_stats_number("unstored_ms") == 0);
    sender_close(&stopped);
    sender_close(&other);
    log_end(consumer, topic);
}

static void a_reservation_that_is_not_stored_is_named(void **state) {
    (void)state;
    check_reservation_is_named(FOUR_EVENTS);
}

#ifndef __SANITIZE_THREAD__ /* a reader may read what is overwritten, and then finds that out */
static void so_it_is_where_the_oldest_are_discarded(void **state) {
    (void)state;
    check_reservation_is_named(FOUR_EVENTS_DISCARDED);
}
#endif

/* All is acknowledged, but a rank stopped with the lock that trimming needs. */
static void a_lock_that_stays_taken_is_named(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(FOUR_EVENTS);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    uint64_t id;
    sender_open(&sender, topic, 4);
    sender_append(&sender, 4);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(log_pull_id(consumer), i);
    assert_true(log_pull_id(consumer) == NOTHING_YET);
    mmi_control_store(log_of(topic), MMI_CONTROL(lock), mmi_seal(1)); /* rank 0 */
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 20, &id), MOFKA_ERR_TIMEOUT,
          "its lock stays taken");
    waiter_t waiter;
    waiter_start(&waiter, &sender);
    waiter_expect_warning("its lock stays taken");
    mmi_control_store(log_of(topic), MMI_CONTROL(lock), 0);
    waiter_end(&waiter);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* Nothing else holds the partition up: the slowest consumer does. */
static void the_slowest_consumer_is_named(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(FOUR_EVENTS);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    uint64_t id;
    sender_open(&sender, topic, 4);
    sender_append(&sender, 4);
    const char *text = "consumer 'reader' holds it up since event 0";
    const char *whole =
        "topic 'log', partition 0 has been full for 1000 ms: consumer 'reader' holds "
        "it up since event 0";
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 20, &id), MOFKA_ERR_TIMEOUT, text);
    sender_reserve_only(&sender, log_of(topic));
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 20, &id), MOFKA_ERR_POSSIBLY_STORED,
          text);
    waiter_t waiter;
    waiter_start(&waiter, &sender);
    waiter_expect_warning(whole);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(log_pull_id(consumer), i);
    log_pull_id(consumer);
    waiter_end(&waiter);
    sender_close(&sender);
    log_end(consumer, topic);
}

/* What the next load of a word does first. */
static struct hook {
    const mmi_window_ops_t *ops; /* those that it stands before */
    uint64_t offset;             /* of the word */
    sender_t *sender;            /* stores a batch */
} hook;

static uint64_t hook_load(mmi_window_t *w, int rank, uint64_t offset) {
    if (offset == hook.offset && hook.sender) {
        sender_t *sender = hook.sender;
        hook.sender = NULL;
        sender_append(sender, 4);
    }
    return hook.ops->load(w, rank, offset);
}

/* Between the look at the head and that at its flag, others store a whole lap. */
static void a_head_that_has_moved_is_no_damage(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(FOUR_EVENTS_DISCARDED);
    const mmi_partition_t *p = log_of(topic);
    const mmi_due_t due = {0};
    char text[MMI_HOLDER_BYTES];
    sender_t sender;
    sender_open(&sender, topic, 4);
    sender_append(&sender, 4);
    hook = (struct hook){p->w->ops, mmi_flag_offset(p, 0), &sender};
    mmi_window_ops_t ops = *hook.ops;
    ops.load = hook_load;
    p->w->ops = &ops;
    mmi_room_describe_holder(p, &due, text, sizeof text);
    p->w->ops = hook.ops;
    assert_null(hook.sender);
    assert_null(strstr(text, "damaged"));
    sender_close(&sender);
    mofka_topic_release(topic);
}

/* A name that begins at the end has acknowledged what is reserved; and what is reserved behind a
 * topic's end is never stored. */
static void statistics_count_what_will_be_stored(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic(NULL);
    mofka_consumer_t *consumer;
    sender_t stopped, behind;
    uint64_t id;
    sender_open(&stopped, topic, 2);
    sender_open(&behind, topic, 3);
    sender_append(&stopped, 2);
    sender_reserve_only(&stopped, log_of(topic));
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "late", .start = MOFKA_START_END}, &consumer));
    assert_true(full_stats_number("unstored_events") == 2);
    OK(mofka_topic_mark_complete(topic, 1000));
    sender_reserve_only(&behind, log_of(topic));
    assert_true(full_stats_number("unstored_events") == 2);
    OK(stopped.ops->append(stopped.self, 0, &stopped.batch, 0, &id));
    assert_true(full_stats_number("unstored_events") == 0);
    sender_close(&stopped);
    sender_close(&behind);
    log_end(consumer, topic);
}

/* Pull what can be read; acknowledge every fifth event, as programs do to save calls. */
static void pull_in_fives(mofka_consumer_t *consumer, uint64_t *next) {
    mofka_event_t *event;
    while (mofka_consumer_pull(consumer, 0, &event) == MOFKA_OK) {
        assert_int_equal(mofka_event_id(event), *next);
        if (++*next % 5 == 0)
            OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

/* Batches of any size that a producer makes fit beside what such a consumer holds back. */
static void a_consumer_may_acknowledge_every_few_events(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{\"partition_bytes\":65536,\"partition_events\":16}");
    mofka_consumer_t *consumer = log_create_consumer(topic);
    mofka_producer_t *producer;
    uint64_t next = 0, seed = 1;
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 16, .push_timeout_ms = 1}, &producer));
    for (uint64_t pushed = 0; pushed < 2000; pushed++) {
        for (int tries = 0; mofka_producer_push(producer, "{}", 2, NULL, 0, NULL); tries++) {
            pull_in_fives(consumer, &next);
            assert_true(tries < 3); /* else neither side goes on */
        }
        seed = seed * UINT64_C(6364136223846793005) + 1;
        if (seed >> 33 & 3) /* flushes at any event */
            continue;
        for (int tries = 0; mofka_producer_flush(producer, 0) != MOFKA_OK; tries++) {
            pull_in_fives(consumer, &next);
            assert_true(tries < 3);
        }
    }
    for (int tries = 0; mofka_producer_close(producer, 0) != MOFKA_OK; tries++) {
        pull_in_fives(consumer, &next);
        assert_true(tries < 3);
    }
    mofka_producer_release(producer);
    pull_in_fives(consumer, &next);
    assert_int_equal(next, 2000);
    log_end(consumer, topic);
}

/* As if other ranks had reserved so much, and stored nothing of it. */
static void full_reserve(const mmi_partition_t *p, uint64_t events, uint64_t units) {
    p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation),
                         mmi_reservation_of(events, units));
}

static void full_expect_unreserved(sender_t *sender) {
    uint64_t id;
    for (int i = 0; i < 3; i++)
        FAILS(sender->ops->append(sender->self, 0, &sender->batch, 150, &id), MOFKA_ERR_TIMEOUT,
              "");
    assert_false(sender->batch.reserved);
}

/* A batch is reserved without room once room has become free for others, and not because others
 * reserved. It is not reserved so far from the head that its place could not be told. */
static void a_turn_comes_when_others_get_room(void **state) {
    mofka_topic_t *topic = log_create_topic(FOUR_EVENTS);
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t sender;
    uint64_t id;
    (void)state;
    sender_open(&sender, topic, 1);
    sender_append(&sender, 1);
    full_reserve(p, 3, 7);
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_TIMEOUT, "");
    full_reserve(p, 1, 1); /* the tail moves, the head does not */
    full_expect_unreserved(&sender);
    assert_int_equal(log_pull_id(consumer), 0);
    assert_int_equal(log_pull_id(consumer), NOTHING_YET);
    full_reserve(p, 0, UINT64_C(1) << 30);
    full_expect_unreserved(&sender); /* out of reach */
    full_reserve(p, 0, -(UINT64_C(1) << 30));
    FAILS(sender.ops->append(sender.self, 0, &sender.batch, 0, &id), MOFKA_ERR_POSSIBLY_STORED,
          "reserved");
    assert_true(sender.batch.reserved);
    sender_close(&sender);
    log_end(consumer, topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_CASE(a_reservation_that_is_not_stored_is_named),
#ifndef __SANITIZE_THREAD__
        LOG_CASE(so_it_is_where_the_oldest_are_discarded),
#endif
        LOG_CASE(a_lock_that_stays_taken_is_named),
        LOG_CASE(the_slowest_consumer_is_named),
        LOG_CASE(a_head_that_has_moved_is_no_damage),
        LOG_CASE(statistics_count_what_will_be_stored),
        LOG_CASE(a_turn_comes_when_others_get_room),
        LOG_CASE(a_consumer_may_acknowledge_every_few_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
