/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partitions without room: workers come back to them and do other work meanwhile; calls that wait
 * for room end when another thread discards or closes.
 */
#include <pthread.h>
#include "producer/producer.h"
#include "support/scripted_backend.h"

/* Until the condition holds; 20 s are enough for anything. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int ms_ = 0; !(condition); ms_++) {                                                   \
            if (ms_ == 20000)                                                                      \
                fail_msg("never: %s", #condition);                                                 \
            clock_sleep_ms(1);                                                                     \
        }                                                                                          \
    } while (0)

/* Without a pool, each push also looks at all lanes. With one, only what is full or flushed is
 * sent. */
static mofka_producer_t *room_create_producer(mofka_thread_pool_t *pool, size_t batch_size) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = batch_size,
                                                         .max_batches = 3,
                                                         .thread_pool = pool,
                                                         .push_timeout_ms = -1,
                                                         .linger_ms = pool ? 100000 : 1},
                             &producer));
    return producer;
}

static mofka_thread_pool_t *room_create_pool(void) {
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    return pool;
}

/* ---- a backend's own pool: it has no delayed tasks ------------------------------------------- */

static size_t own_thread_count(void *self) {
    return mofka_thread_pool_thread_count(self);
}

static mofka_status_t own_push_work(void *self, mofka_work_fn work, void *context,
                                    uint64_t priority) {
    return mofka_thread_pool_push_work(self, work, context, priority);
}

static size_t own_load(void *self) {
    return mofka_thread_pool_size(self);
}

static void own_close(void *self) {
    mofka_thread_pool_close(self);
}

static void own_destroy(void *self) {
    mofka_thread_pool_release(self);
}

static const mofka_thread_pool_ops_t own_ops = {.size = sizeof own_ops,
                                                .thread_count = own_thread_count,
                                                .push_work = own_push_work,
                                                .load = own_load,
                                                .close = own_close,
                                                .destroy = own_destroy};

static mofka_thread_pool_t *room_create_own_pool(void) {
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_wrap(&own_ops, room_create_pool(), &pool));
    return pool;
}

/* ---- workers --------------------------------------------------------------------------------- */

/* What found no room several times is stored without a further call, whether the answer takes the
 * time that append was given or comes at once. */
static void room_try_again(mofka_thread_pool_t *pool, size_t batch_size) {
    mofka_producer_t *producer = room_create_producer(pool, batch_size);
    script.full[0] = true;
    script.looks = 0;
    script.appended = 0;
    mofka_future_t *future = scripted_push(producer);
    UNTIL(script.looks >= 4);
    script.full[0] = false;
    UNTIL(script.appended == 1);
    OK(mofka_future_wait(future, 0, NULL));
    mofka_future_release(future);
    script.next = 0;
    for (int i = 0; i < 4; i++)
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    UNTIL(script.appended == 2);
    script.closed = script.destroyed = 0;
    scripted_end_producer(producer);
}

static void workers_try_again(void **state) {
    (void)state;
    for (int own = 0; own < 2; own++) {
        mofka_thread_pool_t *pool = own ? room_create_own_pool() : room_create_pool();
        room_try_again(pool, 1);
        room_try_again(pool, MOFKA_BATCH_ADAPTIVE);
        mofka_thread_pool_release(pool);
    }
}

/* One worker, a full partition, no end of push_timeout_ms: another partition and another producer
 * go on. */
static void a_full_partition_holds_no_worker(void **state) {
    (void)state;
    for (int own = 0; own < 2; own++) {
        mofka_thread_pool_t *pool = own ? room_create_own_pool() : room_create_pool();
        mofka_producer_t *producer = room_create_producer(pool, 1);
        mofka_producer_t *other = room_create_producer(pool, 1);
        script.appended_to[0] = script.appended_to[1] = script.appended_to[2] = 0;
        script.full[0] = true;
        script.looks = 0;
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        UNTIL(script.looks > 0);
        for (uint64_t i = 1; i <= 20; i++) {
            OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
            OK(mofka_producer_push(other, "{}", 2, NULL, 2, NULL));
            UNTIL(script.appended_to[1] == i && script.appended_to[2] == i);
        }
        assert_int_equal(script.appended_to[0], 0);
        script.full[0] = false;
        UNTIL(script.appended_to[0] == 1);
        OK(mofka_producer_close(producer, 20000));
        OK(mofka_producer_close(other, 20000));
        mofka_producer_release(producer);
        mofka_producer_release(other);
        mofka_thread_pool_release(pool);
    }
}

/* The oldest batch goes first, whoever sends: events are stored in push order. */
static void order_holds_when_workers_come_back(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = room_create_pool();
    mofka_producer_t *producer = room_create_producer(pool, 2);
    mofka_future_t *futures[60];
    for (int i = 0; i < 60; i += 6) {
        script.full[0] = true;
        for (int j = i; j < i + 6; j++) /* three batches */
            futures[j] = scripted_push(producer);
        size_t looks = script.looks;
        UNTIL(script.looks > looks + (size_t)(i % 4));
        script.full[0] = false;
        if (i % 12 == 0) /* this thread sends, too */
            OK(mofka_future_wait(futures[i + 3], 20000, NULL));
        UNTIL(script.appended == (uint64_t)i + 6);
    }
    OK(mofka_producer_flush(producer, 20000));
    for (int i = 0; i < 60; i++) {
        mofka_result_t result;
        OK(mofka_future_wait(futures[i], 0, &result));
        assert_int_equal(result.event_id, i);
        mofka_future_release(futures[i]);
    }
    scripted_end_producer(producer);
    mofka_thread_pool_release(pool);
}

/* Away for longer and longer, up to a bound; the next append that stores something ends that. */
static void looks_become_rare(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = room_create_pool();
    mofka_producer_t *producer = room_create_producer(pool, 1);
    mfi_lane_t *lane = &producer->lanes[0];
    int64_t before_ms = 0, away_ms = 0;
    script.full[0] = true;
    for (int i = 0; i < 3; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    for (int same = 0; same < 20;) { /* looks */
        size_t looks = script.looks;
        UNTIL(script.looks > looks);
        mfi_monitor_enter(&producer->lock);
        away_ms = lane->away_ms;
        mfi_monitor_leave(&producer->lock);
        assert_true(away_ms >= before_ms);
        same = away_ms == before_ms ? same + 1 : 0;
        before_ms = away_ms;
    }
    assert_true(away_ms > 1);
    assert_int_equal(mofka_thread_pool_size(pool) > 1, 0);
    script.full[0] = false;
    UNTIL(script.appended == 3);
    mfi_monitor_enter(&producer->lock);
    assert_int_equal(lane->away_ms, 0);
    mfi_monitor_leave(&producer->lock);
    scripted_end_producer(producer);
    mofka_thread_pool_release(pool);
}

/* A batch that is left in a closed pool waits for a call. */
static void a_closed_pool_leaves_it_to_calls(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = room_create_pool();
    mofka_producer_t *producer = room_create_producer(pool, 1);
    script.full[0] = true;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    UNTIL(script.looks > 1);
    OK(mofka_thread_pool_close(pool));
    script.full[0] = false;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
    assert_int_equal(script.appended_to[1], 1);
    OK(mofka_producer_flush(producer, 20000));
    assert_int_equal(script.appended_to[0], 1);
    scripted_end_producer(producer);
    mofka_thread_pool_release(pool);
}

/* Closing takes back the task that would come back. */
static void closing_leaves_no_task(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = room_create_pool();
    mofka_producer_t *producer = room_create_producer(pool, 1);
    script.full[0] = true;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    UNTIL(script.looks > 6);
    OK(mofka_producer_discard(producer));
    FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_CLOSED, "discarded");
    UNTIL(producer->keeps == 1);
    assert_false(producer->lanes[0].has_sender);
    mofka_producer_release(producer);
    mofka_thread_pool_release(pool);
}

/* ---- producers that drop --------------------------------------------------------------------- */

static uint64_t room_count_dropped(mofka_producer_t *producer) {
    mfi_monitor_enter(&producer->lock);
    uint64_t dropped = producer->stats.events_dropped;
    mfi_monitor_leave(&producer->lock);
    return dropped;
}

/* Without a place, a push drops its event; the batches that are there stay, and are stored. */
static void a_full_producer_drops_events(void **state) {
    (void)state;
    for (int workers = 0; workers < 2; workers++) {
        mofka_thread_pool_t *pool = workers ? room_create_pool() : NULL;
        mofka_producer_t *producer;
        mofka_future_t *future = NULL;
        OK(mofka_producer_create(
            topic,
            &(mofka_producer_options_t){.batch_size = 1,
                                        .max_batches = 2,
                                        .thread_pool = pool,
                                        .push_timeout_ms = -1,
                                        .when_full = MOFKA_WHEN_FULL_DROP_NEWEST},
            &producer));
        script.full[0] = true;
        script.appended = 0;
        for (int i = 0; i < 2; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        for (int i = 0; i < 3; i++)
            FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, &future), MOFKA_ERR_FULL,
                  "no room in partition 0; the event is dropped");
        assert_null(future);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL)); /* there is room */
        assert_int_equal(room_count_dropped(producer), 3);
        script.full[0] = false;
        OK(mofka_producer_flush(producer, 20000));
        assert_int_equal(script.appended, 3);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 20000));
        assert_int_equal(script.appended, 4);
        script.closed = script.destroyed = 0;
        scripted_end_producer(producer);
        mofka_thread_pool_release(pool);
    }
}

/* What would be dropped, and what is discarded, goes to another producer. */
static void a_fallback_takes_what_is_not_stored(void **state) {
    (void)state;
    mofka_producer_t *fallback = scripted_create_producer(8), *producer, *third;
    mofka_producer_options_t options = {.batch_size = 1,
                                        .max_batches = 2,
                                        .when_full = MOFKA_WHEN_FULL_DROP_NEWEST,
                                        .fallback = fallback};
    OK(mofka_producer_create(topic, &options, &producer));
    assert_ptr_equal(mofka_producer_fallback(producer), fallback);
    options.fallback = producer;
    FAILS(mofka_producer_create(topic, &options, &third), MOFKA_ERR_INVALID, "a fallback itself");
    script.full[1] = true;
    script.appended = 0;
    mofka_future_t *future;
    for (int i = 0; i < 2; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 1, &future));
    OK(mofka_future_wait(future, 20000, NULL)); /* the fallback's, which chose partition 0 */
    mofka_future_release(future);
    assert_int_equal(script.appended_to[0], 1);
    OK(mofka_producer_discard(producer));
    FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_CLOSED, "discarded");
    script.full[1] = false; /* the fallback goes there, too */
    OK(mofka_producer_flush(fallback, 20000));
    assert_int_equal(producer->stats.events_fallback, 3);
    assert_int_equal(room_count_dropped(producer), 0);
    mofka_producer_release(producer);
    script.closed = script.destroyed = 0;
    scripted_end_producer(fallback);
    assert_int_equal(script.appended, 3);
}

/* What the fallback does not take either is dropped. */
static void a_closed_fallback_takes_nothing(void **state) {
    (void)state;
    mofka_producer_t *fallback = scripted_create_producer(8), *producer;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 1,
                                                         .max_batches = 1,
                                                         .when_full = MOFKA_WHEN_FULL_DROP_NEWEST,
                                                         .fallback = fallback},
                             &producer));
    OK(mofka_producer_close(fallback, 1000));
    script.full[0] = true;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_CLOSED, "is closed");
    assert_int_equal(room_count_dropped(producer), 1);
    script.full[0] = false;
    script.closed = script.destroyed = 0;
    scripted_end_producer(producer);
    mofka_producer_release(fallback);
}

/* Without workers, the push itself sends what it finds, if there is room now. */
static void a_push_that_drops_looks_for_room_once(void **state) {
    (void)state;
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 1,
                                                         .max_batches = 1,
                                                         .linger_ms = 100000,
                                                         .when_full = MOFKA_WHEN_FULL_DROP_NEWEST},
                             &producer));
    script.full[0] = true;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    script.looks = 0;
    FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_FULL, "dropped");
    assert_true(script.looks >= 1);
    script.full[0] = false;
    mofka_status_t status;
    while ((status = mofka_producer_push(producer, "{}", 2, NULL, 0, NULL)) == MOFKA_ERR_FULL)
        clock_sleep_ms(1); /* after a look that took long, there is none for a while */
    OK(status);
    assert_true(room_count_dropped(producer) >= 1);
    scripted_end_producer(producer);
}

/* ---- calls that wait for room ---------------------------------------------------------------- */

typedef struct caller {
    mofka_producer_t *producer;
    pthread_t thread;
    _Atomic size_t accepted;
    mofka_status_t status; /* of the last call */
    char message[256];
} caller_t;

/* Pushes until a push is refused or `accepted` is 5. */
static void *push_all(void *context) {
    caller_t *caller = context;
    while (caller->accepted < 5 && !caller->status) {
        caller->status = mofka_producer_push(caller->producer, "{}", 2, NULL, 0, NULL);
        caller->accepted += !caller->status;
    }
    snprintf(caller->message, sizeof caller->message, "%s", mofka_last_error());
    return NULL;
}

static void *flush_all(void *context) {
    caller_t *caller = context;
    caller->status = mofka_producer_flush(caller->producer, -1);
    snprintf(caller->message, sizeof caller->message, "%s", mofka_last_error());
    return NULL;
}

static void caller_start(caller_t *caller, mofka_producer_t *producer, void *(*main)(void *)) {
    *caller = (caller_t){.producer = producer};
    size_t looks = script.looks;
    assert_int_equal(pthread_create(&caller->thread, NULL, main, caller), 0);
    UNTIL(script.looks > looks);
}

/* Without workers, the push that seals a batch sends it; a push that finds no place waits for
 * one. */
static void a_push_ends_when_another_thread_discards(void **state) {
    (void)state;
    mofka_producer_t *producer = room_create_producer(NULL, 1);
    caller_t caller;
    script.full[0] = true;
    caller_start(&caller, producer, push_all);
    for (size_t i = 1; i <= 5; i++) {
        UNTIL(script.looks > 0);
        OK(mofka_producer_discard(producer));
        UNTIL(caller.accepted >= i);
        script.looks = 0;
    }
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, MOFKA_OK);
    FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_CLOSED, "the event was discarded");
    assert_int_equal(script.appended, 0);
    mofka_producer_release(producer);
}

static void a_push_ends_when_another_thread_closes(void **state) {
    (void)state;
    mofka_producer_t *producer = room_create_producer(NULL, 1);
    caller_t caller;
    script.full[0] = true;
    caller_start(&caller, producer, push_all);
    for (size_t i = 1; i <= 3; i++) { /* each sends what it sealed; then there is no place */
        UNTIL(script.looks > 0);
        FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_TIMEOUT, "not stored yet");
        UNTIL(caller.accepted >= i);
        script.looks = 0;
    }
    UNTIL(script.looks > 0);
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_TIMEOUT, "3 events are not stored yet");
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, MOFKA_ERR_CLOSED);
    assert_non_null(strstr(caller.message, "another thread closes it"));
    assert_int_equal(caller.accepted, 3);
    script.full[0] = false;
    scripted_end_producer(producer);
    assert_int_equal(script.appended, 3);
}

static void a_flush_ends_when_another_thread_discards(void **state) {
    (void)state;
    for (int workers = 0; workers < 2; workers++) {
        mofka_thread_pool_t *pool = workers ? room_create_pool() : NULL;
        mofka_producer_t *producer = room_create_producer(pool, 4);
        caller_t caller;
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        script.full[0] = true;
        caller_start(&caller, producer, flush_all);
        OK(mofka_producer_discard(producer));
        pthread_join(caller.thread, NULL);
        assert_int_equal(caller.status, MOFKA_ERR_CLOSED);
        assert_non_null(strstr(caller.message, "the event was discarded"));
        FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_CLOSED, "the event was discarded");
        assert_int_equal(script.appended, 0);
        script.full[0] = false;
        script.closed = script.destroyed = 0;
        scripted_end_producer(producer);
        mofka_thread_pool_release(pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(workers_try_again),
        CASE(a_full_partition_holds_no_worker),
        CASE(order_holds_when_workers_come_back),
        CASE(looks_become_rare),
        CASE(a_closed_pool_leaves_it_to_calls),
        CASE(closing_leaves_no_task),
        CASE(a_full_producer_drops_events),
        CASE(a_push_that_drops_looks_for_room_once),
        CASE(a_fallback_takes_what_is_not_stored),
        CASE(a_closed_fallback_takes_nothing),
        CASE(a_push_ends_when_another_thread_discards),
        CASE(a_push_ends_when_another_thread_closes),
        CASE(a_flush_ends_when_another_thread_discards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
