/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups: a backend with append_start takes all batches that were sealed while it appended others.
 */
#include <pthread.h>
#include "support/scripted_backend.h"

#define BATCH 4 /* events: the backend's limit */

static mofka_producer_t *groups_create_producer(void) {
    script.starts = true;
    return scripted_create_producer(8);
}

static void groups_push(mofka_producer_t *producer, int batches) {
    for (int i = 0; i < batches * BATCH; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
}

static void groups_expect(size_t count) {
    assert_non_null(script.under_way);
    assert_int_equal(script.under_way->count, count);
}

static void groups_wait_future(mofka_future_t *future, uint64_t id) {
    mofka_result_t result;
    OK(mofka_future_wait(future, 0, &result));
    assert_int_equal(result.event_id, id);
    mofka_future_release(future);
}

static void what_is_sealed_meanwhile_leaves_together(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    groups_push(producer, 1);
    groups_expect(1);
    mofka_future_t *future = scripted_push(producer);
    groups_push(producer, 3); /* the last three events stay in an open batch */
    scripted_answer(1, MOFKA_OK);
    groups_expect(3);
    assert_false(mofka_future_delivery(future) == MOFKA_STORED);
    scripted_answer(3, MOFKA_OK);
    assert_null(script.under_way);
    groups_wait_future(future, BATCH);
    script.late_answer = MOFKA_ERR_TIMEOUT;
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "rank 7 has not answered");
    scripted_answer(1, MOFKA_OK);
    OK(mofka_producer_flush(producer, 0));
    assert_int_equal(script.appended, 4 * BATCH + 1);
    scripted_end_producer(producer);
}

static void a_group_can_be_cut_short(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    groups_push(producer, 4);
    scripted_answer(1, MOFKA_OK);
    groups_expect(3);
    scripted_answer(1, MOFKA_OK);
    groups_expect(2);
    scripted_answer(2, MOFKA_OK);
    OK(mofka_producer_flush(producer, 0));
    scripted_end_producer(producer);
}

static void one_batch_of_a_group_fails(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    groups_push(producer, 4);
    scripted_answer(1, MOFKA_OK);
    scripted_answer(1, MOFKA_ERR_MPI);
    groups_expect(1); /* the one behind it */
    scripted_answer(1, MOFKA_OK);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_MPI, "4 events failed");
    assert_int_equal(script.appended, 3 * BATCH);
    scripted_end_producer(producer);
}

static void a_reserved_group_goes_on_alone(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    groups_push(producer, 1);
    mofka_future_t *future = scripted_push(producer);
    for (int i = 1; i < BATCH; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    groups_push(producer, 1);
    scripted_answer(1, MOFKA_OK);
    groups_expect(2);
    groups_push(producer, 1);
    script.under_way->batches[0]->reserved = script.under_way->batches[1]->reserved = true;
    scripted_answer(0, MOFKA_ERR_POSSIBLY_STORED);
    assert_int_equal(mofka_future_delivery(future), MOFKA_POSSIBLY_STORED);
    assert_null(script.under_way);
    script.late_answer = MOFKA_ERR_POSSIBLY_STORED;
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "rank 7");
    groups_expect(2); /* without the third, which is not reserved */
    scripted_answer(2, MOFKA_OK);
    groups_expect(1);
    scripted_answer(1, MOFKA_OK);
    groups_wait_future(future, BATCH);
    OK(mofka_producer_flush(producer, 0));
    scripted_end_producer(producer);
}

static void a_late_group_is_possibly_stored(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    mofka_future_t *future = scripted_push(producer);
    script.late_answer = MOFKA_ERR_POSSIBLY_STORED;
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "rank 7 has not answered");
    assert_int_equal(mofka_future_delivery(future), MOFKA_POSSIBLY_STORED);
    scripted_answer(0, MOFKA_ERR_TIMEOUT); /* after all, it was not reserved */
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_POSSIBLY_STORED,
          "as the case says; since then rank 7 has not answered");
    scripted_answer(1, MOFKA_OK);
    groups_wait_future(future, 0);
    scripted_end_producer(producer);
}

static void a_group_is_discarded_once_it_is_not_stored(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    groups_push(producer, 3);
    scripted_answer(1, MOFKA_OK);
    groups_expect(2);
    groups_push(producer, 1);
    FAILS(mofka_producer_discard(producer), MOFKA_ERR_TIMEOUT, "are being sent");
    scripted_answer(0, MOFKA_ERR_TIMEOUT);
    assert_null(script.under_way);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_CLOSED, "12 events failed");
    assert_int_equal(script.appended, BATCH);
    scripted_end_producer(producer);
}

static void what_does_not_start_is_started_again(void **state) {
    (void)state;
    mofka_producer_t *producer = groups_create_producer();
    script.start_answer = MOFKA_ERR_SYSTEM;
    groups_push(producer, 2);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "it does not start");
    script.start_answer = MOFKA_OK;
    script.late_answer = MOFKA_ERR_TIMEOUT;
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "rank 7");
    groups_expect(2);
    scripted_answer(2, MOFKA_OK);
    scripted_end_producer(producer);
}

/* ---- whose thread runs a free callback ------------------------------------------------------- */

static pthread_t freed_by;
static int freed;

static void note_free(void *context) {
    (void)context;
    freed_by = pthread_self();
    freed++;
}

static void *answer_from_a_thread(void *context) {
    (void)context;
    scripted_answer(1, MOFKA_OK);
    return NULL;
}

static void data_is_freed_by_a_call_of_the_user(void **state) {
    (void)state;
    char bytes[8] = "data";
    mofka_segment_t segment = {bytes, sizeof bytes};
    mofka_data_view_t *view;
    mofka_future_t *future;
    pthread_t thread;
    mofka_producer_t *producer = groups_create_producer();
    freed = 0;
    OK(mofka_data_view_create(&segment, 1, note_free, NULL, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, 0, &future));
    mofka_data_view_release(view);
    groups_push(producer, 1);
    assert_int_equal(pthread_create(&thread, NULL, answer_from_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(freed, 0);
    groups_wait_future(future, 0);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_equal(freed, 1);
    assert_true(pthread_equal(freed_by, pthread_self()));
    OK(mofka_producer_discard(producer));
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_CLOSED, "discarded");
    mofka_producer_release(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_is_sealed_meanwhile_leaves_together),
        CASE(a_group_can_be_cut_short),
        CASE(one_batch_of_a_group_fails),
        CASE(a_reserved_group_goes_on_alone),
        CASE(a_late_group_is_possibly_stored),
        CASE(a_group_is_discarded_once_it_is_not_stored),
        CASE(what_does_not_start_is_started_again),
        CASE(data_is_freed_by_a_call_of_the_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
