/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers over a backend that answers by script: when batches leave, and which threads send
 * them and wait for them.
 */
#include <pthread.h>
#include "producer/producer.h"
#include "support/scripted_backend.h"

/* ---- lingering ------------------------------------------------------------------------------- */

static mofka_producer_t *producer_with(mofka_thread_pool_t *pool, uint64_t linger_ms) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){.batch_size = 4, .thread_pool = pool, .linger_ms = linger_ms},
        &producer));
    return producer;
}

/* Pushes to one partition find what lingers in another, try to send it, and do not wait for it. */
static void calls_find_batches_of_other_partitions(void **state) {
    (void)state;
    for (int stuck = 0; stuck < 2; stuck++) {
        memset(&script, 0, sizeof script);
        script.answers[0] = stuck ? MOFKA_ERR_TIMEOUT : MOFKA_OK;
        mofka_producer_t *producer = producer_with(NULL, 50);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 2, NULL));
        clock_sleep_ms(60);
        for (int i = 0; i < 100 && script.appended_to[2] == 0; i++) {
            OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
            clock_sleep_ms(10);
        }
        assert_int_equal(script.appended_to[2], 1);
        assert_int_equal(script.timeout_ms[2], 0);
        scripted_end_producer(producer);
    }
}

/* A batch waits for its time without a worker; closing does not wait for that time. */
static void lingering_holds_no_worker(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    mofka_producer_t *producer = producer_with(pool, 1000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    clock_sleep_ms(20);
    assert_int_equal(mofka_thread_pool_size(pool), 0);
    assert_int_equal(script.appended, 0);
    for (int i = 0; i < 1000 && script.appended == 0; i++)
        clock_sleep_ms(10);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
    memset(&script, 0, sizeof script);
    producer = producer_with(pool, 3600000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    scripted_end_producer(producer);
    mofka_thread_pool_release(pool);
}

/* No age is more than that of a batch that shall never leave for its age. */
static void the_longest_linger_is_for_ever(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_with(NULL, UINT64_MAX);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    const mfi_batch_t *batch = producer->lanes[0].open;
    assert_false(mfi_batch_is_old(batch, batch->opened_ms));
    assert_false(mfi_batch_is_old(batch, batch->opened_ms - 1)); /* a clock read before that */
    assert_false(mfi_batch_is_old(batch, INT64_MAX));
    assert_int_equal(mofka_producer_linger_ms(producer), UINT64_MAX);
    scripted_end_producer(producer);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* One batch passes the gate after a while; the test opens it for the others. */
static void *open_the_gate(void *context) {
    (void)context;
    clock_sleep_ms(50);
    sem_post(&gate);
    return NULL;
}

typedef struct gated {
    mofka_thread_pool_t *pool;
    mofka_producer_t *producer;
    mofka_future_t *future; /* of the first batch */
    pthread_t opener;
    int64_t start_ms;
} gated_t;

/* Two full batches, the first at the gate, the second behind it. */
static void two_batches(gated_t *gated) {
    const mofka_thread_pool_options_t one = {.thread_count = 1};
    OK(mofka_thread_pool_create(&one, &gated->pool));
    script.gated = true;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 4,
                                                         .max_batches = 2,
                                                         .thread_pool = gated->pool,
                                                         .push_timeout_ms = 2000,
                                                         .linger_ms = 100000},
                             &gated->producer));
    gated->future = scripted_push(gated->producer);
    for (int i = 1; i < 8; i++)
        OK(mofka_producer_push(gated->producer, "{}", 2, NULL, 0, NULL));
    while (script.calls == 0) /* a worker sends */
        clock_sleep_ms(1);
    gated->start_ms = mfi_now_ms();
    assert_int_equal(pthread_create(&gated->opener, NULL, open_the_gate, NULL), 0);
}

/* The wait ended with the first batch. */
static void end_gated(gated_t *gated) {
    IN_RANGE(mfi_now_ms() - gated->start_ms, 49, 1000);
    assert_int_equal(script.appended, 4);
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    scripted_end_producer(gated->producer);
    pthread_join(gated->opener, NULL);
    mofka_future_release(gated->future);
    mofka_thread_pool_release(gated->pool);
    sem_destroy(&gate);
}

static void waiting_does_not_wait_for_later_batches(void **state) {
    (void)state;
    gated_t gated;
    two_batches(&gated);
    OK(mofka_future_wait(gated.future, 2000, NULL));
    end_gated(&gated);
}

static void a_push_takes_the_place_that_there_is(void **state) {
    (void)state;
    gated_t gated;
    two_batches(&gated);
    OK(mofka_producer_push(gated.producer, "{}", 2, NULL, 0, NULL));
    end_gated(&gated);
}

/* Waiting for room and sending what became full have one deadline. */
static void a_push_has_one_deadline(void **state) {
    (void)state;
    mofka_producer_t *producer;
    script.answers[0] = script.answers[1] =
        MOFKA_ERR_TIMEOUT;    /* what it fills, and a look around */
    script.delay_ms[2] = 150; /* the next push waits for that */
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){
            .batch_size = 1, .max_batches = 1, .push_timeout_ms = 200, .linger_ms = 100000},
        &producer));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_equal(script.calls, 2);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_equal(script.calls, 4);
    IN_RANGE(script.timeout_ms[0], 0, 60);
    scripted_end_producer(producer);
}

static mofka_producer_t *bulky;
static bool bulky_over;

/* A free callback: wait, without the producer's lock, until no delayed task is left. */
static void wait_for_the_linger_task(void *context) {
    (void)context;
    for (int i = 0; i < 1000 && !bulky_over; i++) {
        clock_sleep_ms(1);
        mfi_monitor_enter(&bulky->lock);
        bulky_over = !bulky->lingering;
        mfi_monitor_leave(&bulky->lock);
    }
}

static void push_bulky(mofka_data_free_fn release) {
    static char bytes[600];
    mofka_data_view_t *data;
    OK(mofka_data_view_create(&(mofka_segment_t){bytes, sizeof bytes}, 1, release, NULL, &data));
    OK(mofka_producer_push(bulky, "{}", 2, data, 0, NULL));
    mofka_data_view_release(data);
}

/* The push sends the batch before its own. While that one's data is released no batch is there, so
 * the delayed task ends. What the push opens is sent all the same. */
static void a_batch_behind_one_that_the_push_sends_lingers(void **state) {
    (void)state;
    script.any_thread = true;
    bulky_over = false;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.max_batches = 1, .linger_ms = 100},
                             &bulky));
    push_bulky(wait_for_the_linger_task);
    push_bulky(NULL);
    assert_true(bulky_over);
    for (int i = 0; i < 10000 && script.appended < 2; i++)
        clock_sleep_ms(1);
    assert_int_equal(script.appended, 2);
    scripted_end_producer(bulky);
}

static void look_again_in_an_hour(void) {
    mfi_monitor_enter(&bulky->lock);
    bulky->check_ms += 3600000;
    mfi_monitor_leave(&bulky->lock);
}

/* After a batch that lingered, the background thread looks once more. So the next push does not
 * wake it. */
static void a_push_after_a_batch_that_lingered_wakes_no_thread(void **state) {
    (void)state;
    script.any_thread = true;
    script.on_append = look_again_in_an_hour;
    bulky = producer_with(NULL, 20);
    OK(mofka_producer_push(bulky, "{}", 2, NULL, 0, NULL));
    bool lingers = true, again = false;
    for (int i = 0; i < 10000 && lingers && !again; i++) {
        clock_sleep_ms(1);
        mfi_monitor_enter(&bulky->lock);
        lingers = bulky->lingering;
        again = bulky->task_ms > mfi_now_ms() + 1800000;
        mfi_monitor_leave(&bulky->lock);
    }
    assert_int_equal(script.appended, 1);
    assert_true(lingers && again);
    scripted_end_producer(bulky);
}

/* A flush future covers the events pushed before it, and workers send those at once. */
static void a_flush_future_covers_what_was_before(void **state) {
    (void)state;
    mofka_future_t *flushed;
    static char bytes[2048];
    mofka_producer_t *producer = scripted_create_producer(3);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush_future(producer, &flushed));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_push(producer, bytes, sizeof bytes, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "at most");
    OK(mofka_future_wait(flushed, 1000, NULL));
    assert_int_equal(script.appended, 1);
    mofka_future_release(flushed);
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_TOO_LARGE, "1 events failed");
    scripted_end_producer(producer);
    memset(&script, 0, sizeof script);
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    producer = producer_with(pool, 3600000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush_future(producer, &flushed));
    for (int i = 0; i < 1000 && script.appended == 0; i++)
        clock_sleep_ms(1);
    assert_int_equal(script.appended, 1);
    OK(mofka_future_wait(flushed, 1000, NULL));
    mofka_future_release(flushed);
    scripted_end_producer(producer);
    mofka_thread_pool_release(pool);
}

/* ---- the oldest event ------------------------------------------------------------------------ */

/* The age of an event counts while it is in a batch: open, sealed, or without room. */
static void the_oldest_event_has_an_age(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_with(NULL, 3600000);
    assert_int_equal(mofka_producer_oldest_pending_ms(producer), 0);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
    assert_true(mofka_producer_oldest_pending_ms(producer) >= 1);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 2, NULL));
    producer->lanes[1].open->opened_ms -= 60000;
    producer->lanes[2].open->opened_ms -= 10000;
    IN_RANGE(mofka_producer_oldest_pending_ms(producer), 60000, 600000);
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    assert_int_equal(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT);
    assert_null(producer->lanes[1].open);
    IN_RANGE(mofka_producer_oldest_pending_ms(producer), 60000, 600000);
    script.answers[0] = MOFKA_OK;
    script.next = 0;
    OK(mofka_producer_flush(producer, 10000));
    assert_int_equal(mofka_producer_oldest_pending_ms(producer), 0);
    scripted_end_producer(producer);
}

/* What is possibly stored is not known to be stored. What was discarded, or refused, has no age. */
static void only_what_may_be_stored_later_has_an_age(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_with(NULL, 3600000);
    script.answers[0] = MOFKA_ERR_POSSIBLY_STORED;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_not_equal(mofka_producer_flush(producer, 0), MOFKA_OK);
    assert_true(mofka_producer_oldest_pending_ms(producer) >= 1);
    script.answers[0] = MOFKA_OK;
    script.next = 0;
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_discard(producer));
    assert_int_equal(mofka_producer_oldest_pending_ms(producer), 0);
    assert_int_equal(mofka_producer_oldest_pending_ms(NULL), -1);
    assert_int_equal(mofka_producer_oldest_pending_ms((mofka_producer_t *)topic), -1);
    assert_non_null(strstr(mofka_last_error(), "producer"));
    assert_int_equal(mofka_producer_flush(producer, 0), MOFKA_ERR_CLOSED);
    scripted_end_producer(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(calls_find_batches_of_other_partitions),
        CASE(lingering_holds_no_worker),
        CASE(the_longest_linger_is_for_ever),
        CASE(waiting_does_not_wait_for_later_batches),
        CASE(a_push_takes_the_place_that_there_is),
        CASE(a_push_has_one_deadline),
        CASE(a_batch_behind_one_that_the_push_sends_lingers),
        CASE(a_push_after_a_batch_that_lingered_wakes_no_thread),
        CASE(a_flush_future_covers_what_was_before),
        CASE(the_oldest_event_has_an_age),
        CASE(only_what_may_be_stored_later_has_an_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
