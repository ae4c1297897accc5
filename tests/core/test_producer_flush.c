/* SPDX-License-Identifier: BSD-3-Clause */
/* Which flush reports which failure: each flush, flush future and close answers for what it
 * covers. */
#include <pthread.h>
#include "support/scripted_backend.h"

static void fail_each_append(void) {
    for (size_t i = 0; i < sizeof script.answers / sizeof script.answers[0]; i++)
        script.answers[i] = MOFKA_ERR_COMPLETE;
    script.next = 0;
}

static void push_without_future(mofka_producer_t *producer) {
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
}

static mofka_future_t *start_flush(mofka_producer_t *producer) {
    mofka_future_t *future;
    OK(mofka_producer_flush_future(producer, &future));
    return future;
}

static void expect_failures(mofka_future_t *future, const char *message) {
    FAILS(mofka_future_wait(future, 1000, NULL), MOFKA_ERR_COMPLETE, message);
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
}

static void flush_futures_answer_for_their_own_events(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        fail_each_append();
        mofka_producer_t *producer = scripted_create_producer(4);
        push_without_future(producer);
        mofka_future_t *one = start_flush(producer);
        push_without_future(producer);
        mofka_future_t *two = start_flush(producer);
        if (first == 0) {
            expect_failures(one, "1 events failed");
            expect_failures(two, "1 events failed");
        } else {
            expect_failures(two, "2 events failed"); /* the older flush has not reported yet */
            expect_failures(one, "1 events failed");
        }
        OK(mofka_producer_flush(producer, 1000)); /* all is reported */
        scripted_end_producer(producer);
        assert_true(script.flushed);
        script.closed = script.destroyed = 0;
    }
}

static void a_flush_future_takes_no_failure_of_later_events(void **state) {
    (void)state;
    script.answers[0] = MOFKA_OK;
    script.answers[1] = MOFKA_ERR_COMPLETE;
    mofka_producer_t *producer = scripted_create_producer(4);
    push_without_future(producer);
    mofka_future_t *one = start_flush(producer);
    push_without_future(producer);
    mofka_future_t *two = start_flush(producer);
    expect_failures(two, "1 events failed");
    OK(mofka_future_wait(one, 1000, NULL));
    assert_int_equal(mofka_future_delivery(one), MOFKA_STORED);
    mofka_future_release(one);
    scripted_end_producer(producer);
}

static void a_flush_future_without_a_wait_leaves_its_failures(void **state) {
    (void)state;
    fail_each_append();
    mofka_producer_t *producer = scripted_create_producer(4);
    push_without_future(producer);
    mofka_future_release(start_flush(producer));
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_COMPLETE, "1 events failed");
    OK(mofka_producer_flush(producer, 1000));
    push_without_future(producer);
    mofka_future_t *kept = start_flush(producer);
    FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_COMPLETE, "1 events failed");
    assert_false(script.flushed); /* no flush had reported the second event before */
    expect_failures(kept, "1 events failed");
    mofka_producer_release(producer);
}

/* ---- threads --------------------------------------------------------------------------------- */

typedef mofka_status_t end_function(mofka_producer_t *producer, int64_t timeout_ms);

typedef struct sharer {
    mofka_producer_t *producer;
    pthread_barrier_t *pushed;
    sem_t *before, *after; /* waits for one before its end, and posts the other after it */
    end_function *end;     /* flush or close */
    mofka_status_t status;
} sharer_t;

static void *sharer_push_and_end(void *context) {
    sharer_t *sharer = context;
    mofka_producer_push(sharer->producer, "{}", 2, NULL, 0, NULL);
    pthread_barrier_wait(sharer->pushed);
    sem_wait(sharer->before);
    sharer->status = sharer->end(sharer->producer, 5000);
    sem_post(sharer->after);
    return NULL;
}

/* Two threads push an event each that will fail. Then one of them flushes; when it has returned,
 * the other one flushes or closes. */
static void check_both_are_answered(end_function *second_end) {
    fail_each_append();
    mofka_producer_t *producer = scripted_create_producer(4);
    pthread_barrier_t pushed;
    sem_t turn[3];
    pthread_barrier_init(&pushed, NULL, 2);
    for (int i = 0; i < 3; i++)
        sem_init(&turn[i], 0, i == 0);
    sharer_t sharers[2] = {{producer, &pushed, &turn[0], &turn[1], mofka_producer_flush, MOFKA_OK},
                           {producer, &pushed, &turn[1], &turn[2], second_end, MOFKA_OK}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sharer_push_and_end, &sharers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(sharers[0].status, MOFKA_ERR_COMPLETE);
    assert_int_equal(sharers[1].status, MOFKA_ERR_COMPLETE);
    if (second_end == mofka_producer_flush)
        OK(mofka_producer_flush(producer, 0)); /* this thread had not pushed, and all is reported */
    for (int i = 0; i < 3; i++)
        sem_destroy(&turn[i]);
    pthread_barrier_destroy(&pushed);
    OK(mofka_producer_close(producer, 1000));
    assert_true(script.flushed); /* a flush had reported both */
    mofka_producer_release(producer);
}

static void each_thread_is_answered(void **state) {
    (void)state;
    check_both_are_answered(mofka_producer_flush);
}

static void a_flush_hides_nothing_from_a_close(void **state) {
    (void)state;
    check_both_are_answered(mofka_producer_close);
}

static void *sharer_only_push(void *producer) {
    mofka_producer_push(producer, "{}", 2, NULL, 0, NULL);
    return NULL;
}

/* A thread pushes and ends; the flush of a thread that never pushed reports the failure, once. */
static void a_thread_that_only_flushes_is_answered(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_COMPLETE;
    script.answers[1] = MOFKA_OK;
    mofka_producer_t *producer = scripted_create_producer(4);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sharer_only_push, producer), 0);
    pthread_join(thread, NULL);
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_COMPLETE, "1 events failed");
    OK(mofka_producer_flush(producer, 1000));
    scripted_end_producer(producer);
    assert_true(script.flushed);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(flush_futures_answer_for_their_own_events),
        CASE(a_flush_future_takes_no_failure_of_later_events),
        CASE(a_flush_future_without_a_wait_leaves_its_failures),
        CASE(each_thread_is_answered),
        CASE(a_flush_hides_nothing_from_a_close),
        CASE(a_thread_that_only_flushes_is_answered),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
