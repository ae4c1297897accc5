/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up: what a producer discards is not stored, what it has reserved stays. */
#include "support/scripted_backend.h"

static void what_found_no_room_is_given_up(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++)
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = scripted_create_producer(2);
    mofka_future_t *futures[6];
    for (int i = 0; i < 6; i++) /* a full batch and an open one */
        futures[i] = scripted_push(producer);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_TIMEOUT, "7 events are not stored yet");
    OK(mofka_producer_discard(producer));
    for (int i = 0; i < 6; i++) {
        assert_true(mofka_future_completed(futures[i]));
        FAILS(mofka_future_wait(futures[i], 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
        assert_int_equal(mofka_future_delivery(futures[i]), MOFKA_NOT_STORED);
        mofka_future_release(futures[i]);
    }
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_CLOSED, "1 events failed");
    assert_int_equal(script.appended, 0);
    assert_int_equal(script.closed, 1);
    assert_int_equal(script.flushed, 0); /* an accepted event is missing, and nothing reported it */
    FAILS(mofka_producer_discard(producer), MOFKA_ERR_CLOSED, "is closed");
    mofka_producer_release(producer);
}

static void a_producer_goes_on_after_discarding(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    script.answers[1] = MOFKA_OK;
    mofka_producer_t *producer = scripted_create_producer(1);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "1 events are not stored yet");
    OK(mofka_producer_discard(producer));
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_CLOSED, "the event was discarded");
    OK(mofka_producer_discard(producer)); /* nothing is there */
    mofka_future_t *future = scripted_push(producer);
    OK(mofka_future_wait(future, 1000, NULL));
    mofka_future_release(future);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
}

static void what_is_reserved_stays(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[1] = MOFKA_OK;
    mofka_producer_t *producer = scripted_create_producer(2);
    mofka_future_t *reserved = scripted_push(producer);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "1 events");
    mofka_future_t *other = scripted_push(producer);
    OK(mofka_producer_discard(producer));
    assert_true(mofka_future_completed(other));
    FAILS(mofka_future_wait(other, 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    assert_int_equal(mofka_future_delivery(reserved), MOFKA_POSSIBLY_STORED);
    OK(mofka_future_wait(reserved, 1000, NULL));
    mofka_future_release(reserved);
    mofka_future_release(other);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
}

/* The append of the event answers that it may be stored; the next one, that it is not reserved. */
static mofka_producer_t *discard_push_late(mofka_future_t **late) {
    script.unreserves = true;
    script.answers[0] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[1] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = scripted_create_producer(2);
    *late = scripted_push(producer);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "1 events");
    return producer;
}

/* A late append cannot say more than that the batch may be stored. A later call says that it is not
 * even reserved. */
static void what_was_late_and_is_not_reserved_is_given_up(void **state) {
    (void)state;
    mofka_future_t *late;
    mofka_producer_t *producer = discard_push_late(&late);
    OK(mofka_producer_discard(producer));
    assert_int_equal(mofka_future_delivery(late), MOFKA_POSSIBLY_STORED);
    OK(mofka_producer_flush(producer, 0));
    FAILS(mofka_future_wait(late, 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    assert_int_equal(mofka_future_delivery(late), MOFKA_NOT_STORED);
    mofka_future_release(late);
    mofka_future_t *next = scripted_push(producer); /* of the same batch's memory */
    script.next = 1;
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "1 events");
    OK(mofka_future_wait(next, 1000, NULL));
    mofka_future_release(next);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
}

/* With nothing to give up, a late batch that is not reserved is an ordinary one again. */
static void what_was_late_and_is_not_reserved_is_sent_again(void **state) {
    (void)state;
    mofka_future_t *late;
    mofka_producer_t *producer = discard_push_late(&late);
    assert_int_equal(mofka_future_delivery(late), MOFKA_POSSIBLY_STORED);
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TIMEOUT, "1 events");
    assert_int_equal(mofka_future_delivery(late), MOFKA_NOT_STORED);
    OK(mofka_future_wait(late, 1000, NULL));
    mofka_future_release(late);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_found_no_room_is_given_up),
        CASE(a_producer_goes_on_after_discarding),
        CASE(what_is_reserved_stays),
        CASE(what_was_late_and_is_not_reserved_is_given_up),
        CASE(what_was_late_and_is_not_reserved_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
