/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks of a send (data's free callbacks, the backend's append) must not wait for what they are
 * part of; and giving up does not wait for a send for ever. */
#include <pthread.h>
#include "support/scripted_backend.h"

/* What each call of the callback answered. */
static struct {
    mofka_producer_t *producer;
    mofka_future_t *waiting, *flushed;
    size_t partition; /* that it pushes to */
    size_t calls;
    mofka_status_t flush, discard, close, wait, wait_flushed, push;
    bool completed;
    char message[256]; /* of flush */
} answers;

/* No call waits that long: it is refused at once. */
#define LONG_MS 2000

static void call_everything(void) {
    mofka_producer_t *producer = answers.producer;
    answers.calls++;
    answers.flush = mofka_producer_flush(producer, LONG_MS);
    snprintf(answers.message, sizeof answers.message, "%s", mofka_last_error());
    answers.discard = mofka_producer_discard(producer);
    answers.close = mofka_producer_close(producer, LONG_MS);
    answers.wait = mofka_future_wait(answers.waiting, LONG_MS, NULL);
    answers.wait_flushed = mofka_future_wait(answers.flushed, LONG_MS, NULL);
    answers.completed = mofka_future_completed(answers.waiting);
    for (int i = 0; i < 5 && !answers.push; i++) /* no more place */
        answers.push = mofka_producer_push(producer, "{}", 2, NULL, answers.partition, NULL);
}

static void on_free(void *context) {
    (void)context;
    call_everything();
}

static void all_were_refused(void) {
    assert_int_equal(answers.calls, 1);
    assert_int_equal(answers.flush, MOFKA_ERR_BUSY);
    assert_non_null(strstr(answers.message, "a callback of a send cannot wait for sends"));
    assert_int_equal(answers.discard, MOFKA_ERR_BUSY);
    assert_int_equal(answers.close, MOFKA_ERR_BUSY);
    assert_int_equal(answers.wait, MOFKA_ERR_BUSY);
    assert_int_equal(answers.wait_flushed, MOFKA_ERR_BUSY);
    assert_false(answers.completed);
    assert_int_equal(answers.push, MOFKA_ERR_BUSY);
}

/* Two events per batch, two batches: one with data, then two events with one future. */
static void begin_two_batches(mofka_thread_pool_t *pool) {
    memset(&answers, 0, sizeof answers);
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 2,
                                                         .max_batches = 2,
                                                         .thread_pool = pool,
                                                         .push_timeout_ms = -1,
                                                         .linger_ms = 100000},
                             &answers.producer));
}

static void push_two_batches(mofka_data_view_t *data) {
    OK(mofka_producer_push(answers.producer, "{}", 2, data, 0, NULL));
    OK(mofka_producer_push(answers.producer, "{}", 2, NULL, 0, NULL));
    answers.waiting = scripted_push(answers.producer);
    OK(mofka_producer_flush_future(answers.producer, &answers.flushed));
}

static void end_two_batches(uint64_t stored) {
    OK(mofka_producer_flush(answers.producer, 5000));
    assert_int_equal(script.appended, stored);
    OK(mofka_future_wait(answers.waiting, 0, NULL));
    OK(mofka_future_wait(answers.flushed, 0, NULL));
    mofka_future_release(answers.waiting);
    mofka_future_release(answers.flushed);
    scripted_end_producer(answers.producer);
}

static mofka_data_view_t *data_that_calls(void) {
    static char bytes[8];
    mofka_data_view_t *data;
    OK(mofka_data_view_create(&(mofka_segment_t){bytes, sizeof bytes}, 1, on_free, NULL, &data));
    return data;
}

/* In a worker: the first batch is held back until the second is there. */
static void free_callbacks_do_not_wait(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    script.gated = true;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    begin_two_batches(pool);
    mofka_data_view_t *data = data_that_calls();
    push_two_batches(data);
    mofka_data_view_release(data);
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    while (script.appended < 2)
        clock_sleep_ms(1);
    OK(mofka_producer_flush(answers.producer, 5000));
    all_were_refused();
    end_two_batches(5); /* one batch's place was free: it took two events */
    mofka_thread_pool_release(pool);
    sem_destroy(&gate);
}

static void append_does_not_wait(void **state) {
    (void)state;
    begin_two_batches(NULL);
    answers.waiting = scripted_push(answers.producer);
    OK(mofka_producer_flush_future(answers.producer, &answers.flushed));
    script.on_append = call_everything;
    OK(mofka_producer_flush(answers.producer, 5000));
    all_were_refused();
    end_two_batches(3);
}

/* The producer's events of partition 1 find no room, and one of partition 0 has data that calls. */
static void begin_with_a_full_partition(uint64_t linger_ms) {
    memset(&answers, 0, sizeof answers);
    script.full[1] = true;
    answers.partition = 1;
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){
            .batch_size = 2, .max_batches = 2, .push_timeout_ms = LONG_MS, .linger_ms = linger_ms},
        &answers.producer));
    OK(mofka_producer_push(answers.producer, "{}", 2, NULL, 1, &answers.waiting));
    OK(mofka_producer_flush_future(answers.producer, &answers.flushed));
    mofka_data_view_t *data = data_that_calls();
    OK(mofka_producer_push(answers.producer, "{}", 2, data, 0, NULL));
    mofka_data_view_release(data);
}

/* The callback has pushed two events, which filled a batch. */
static void end_with_a_full_partition(uint64_t stored) {
    all_were_refused();
    script.full[1] = false;
    end_two_batches(stored);
}

/* Stored by the driver's background thread: the next call releases the data. */
static void callbacks_of_what_the_background_stored_do_not_wait(void **state) {
    (void)state;
    script.any_thread = true;
    begin_with_a_full_partition(1);
    while (script.appended < 1)
        clock_sleep_ms(1);
    while (answers.calls == 0) {
        FAILS(mofka_producer_flush(answers.producer, 0), MOFKA_ERR_TIMEOUT, "");
        clock_sleep_ms(1);
    }
    end_with_a_full_partition(4);
}

static void callbacks_of_what_is_discarded_do_not_wait(void **state) {
    (void)state;
    begin_with_a_full_partition(100000);
    OK(mofka_producer_discard(answers.producer));
    assert_int_equal(answers.calls, 1);
    assert_int_equal(answers.flush, MOFKA_ERR_BUSY);
    assert_int_equal(answers.discard, MOFKA_ERR_BUSY);
    assert_int_equal(answers.close, MOFKA_ERR_BUSY);
    assert_int_equal(answers.push, MOFKA_ERR_BUSY);
    script.full[1] = false;
    /* Two were pushed before partition 1 was discarded. */
    FAILS(mofka_producer_flush(answers.producer, 5000), MOFKA_ERR_CLOSED, "3 events failed");
    FAILS(mofka_future_wait(answers.waiting, 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    mofka_future_release(answers.waiting);
    mofka_future_release(answers.flushed);
    scripted_end_producer(answers.producer);
}

/* The backend's close is called by one thread at a time; that is not to wait for itself, either. */
static void call_close(void) {
    answers.calls++;
    answers.close = mofka_producer_close(answers.producer, -1);
}

static void closing_in_close_is_refused(void **state) {
    (void)state;
    begin_two_batches(NULL);
    script.on_close = call_close;
    OK(mofka_producer_close(answers.producer, 1000));
    assert_int_equal(answers.calls, 1);
    assert_int_equal(answers.close, MOFKA_ERR_BUSY);
    assert_int_equal(script.closed, 1);
    mofka_producer_release(answers.producer);
}

/* ---- giving up while another thread sends ---------------------------------------------------- */

static mofka_status_t flush_status;
static char flush_message[256];

static void *flush_here(void *producer) {
    flush_status = mofka_producer_flush(producer, -1);
    snprintf(flush_message, sizeof flush_message, "%s", mofka_last_error());
    return NULL;
}

/* A flush's append waits for room, as long as it likes: at the gate. */
static pthread_t flush_at_the_gate(mofka_producer_t *producer) {
    pthread_t flusher;
    script.gated = true;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(pthread_create(&flusher, NULL, flush_here, producer), 0);
    while (script.calls == 0)
        clock_sleep_ms(1);
    return flusher;
}

static void end_flush(pthread_t flusher) {
    sem_post(&gate);
    pthread_join(flusher, NULL);
    sem_destroy(&gate);
    script.gated = false;
}

/* All events but those under way are discarded at once. Those follow when they find no room. */
static void discarding_does_not_wait_for_ever(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = scripted_create_producer(3);
    mofka_future_t *sent = scripted_push(producer);
    pthread_t flusher = flush_at_the_gate(producer);
    mofka_future_t *behind = scripted_push(producer);
    FAILS(mofka_producer_discard(producer), MOFKA_ERR_TIMEOUT,
          "1 events for partition 0 are being sent; if that does not store them, they are");
    FAILS(mofka_future_wait(behind, 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    FAILS(mofka_future_wait(sent, 0, NULL), MOFKA_ERR_TIMEOUT, "");
    end_flush(flusher);
    assert_int_equal(flush_status, MOFKA_OK); /* the futures report it */
    FAILS(mofka_future_wait(sent, 0, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    assert_int_equal(mofka_future_delivery(sent), MOFKA_NOT_STORED);
    assert_int_equal(script.appended, 0);
    mofka_future_release(sent);
    mofka_future_release(behind);
    scripted_end_producer(producer);
}

/* Events that the send under way stores are stored, and those that it reserves a place for stay. */
static void discarding_leaves_what_is_stored_meanwhile(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_POSSIBLY_STORED;
    mofka_producer_t *producer = scripted_create_producer(3);
    mofka_future_t *sent = scripted_push(producer);
    pthread_t flusher = flush_at_the_gate(producer);
    FAILS(mofka_producer_discard(producer), MOFKA_ERR_TIMEOUT, "1 events for partition 0");
    sem_post(&gate); /* the flush goes on with what is reserved */
    while (script.calls == 1)
        clock_sleep_ms(1);
    OK(mofka_producer_discard(producer)); /* it is not to be given up, so it is not waited for */
    end_flush(flusher);
    assert_int_equal(flush_status, MOFKA_OK);
    OK(mofka_future_wait(sent, 0, NULL));
    mofka_future_release(sent);
    assert_int_equal(script.appended, 1);
    scripted_end_producer(producer);
}

/* The send under way is late, so its events stay. The next call says that nothing is reserved. */
static void discarding_holds_until_a_late_send_is_over(void **state) {
    (void)state;
    script.unreserves = true;
    script.answers[0] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[1] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = scripted_create_producer(3);
    mofka_future_t *sent = scripted_push(producer);
    pthread_t flusher = flush_at_the_gate(producer);
    FAILS(mofka_producer_discard(producer), MOFKA_ERR_TIMEOUT, "1 events for partition 0");
    sem_post(&gate);
    while (script.calls == 1)
        clock_sleep_ms(1);
    end_flush(flusher);
    FAILS(mofka_future_wait(sent, 1000, NULL), MOFKA_ERR_CLOSED, "the event was discarded");
    assert_int_equal(mofka_future_delivery(sent), MOFKA_NOT_STORED);
    mofka_future_release(sent);
    assert_int_equal(script.appended, 0);
    scripted_end_producer(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(free_callbacks_do_not_wait),
        CASE(append_does_not_wait),
        CASE(callbacks_of_what_the_background_stored_do_not_wait),
        CASE(callbacks_of_what_is_discarded_do_not_wait),
        CASE(closing_in_close_is_refused),
        CASE(discarding_does_not_wait_for_ever),
        CASE(discarding_leaves_what_is_stored_meanwhile),
        CASE(discarding_holds_until_a_late_send_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
