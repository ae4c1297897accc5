/* SPDX-License-Identifier: BSD-3-Clause */
/* Pull futures: the oldest request gets the next ready event. An event that nobody takes comes
 * back. */
#include "consumer/consumer.h"

/* With the lock: put a request at the end of the list. */
static void request_append(mofka_consumer_t *consumer, mfi_outcome_t *request) {
    mfi_assert_inside(&consumer->lock);
    assert(!request->previous && !request->next);
    request->previous = consumer->last_request;
    if (request->previous)
        request->previous->next = request;
    else
        consumer->first_request = request;
    consumer->last_request = request;
}

/* With the lock. */
static void request_unlink(mofka_consumer_t *consumer, mfi_outcome_t *request) {
    mfi_assert_inside(&consumer->lock);
    assert((request->previous ? request->previous->next : consumer->first_request) == request);
    assert((request->next ? request->next->previous : consumer->last_request) == request);
    if (request->previous)
        request->previous->next = request->next;
    else
        consumer->first_request = request->next;
    if (request->next)
        request->next->previous = request->previous;
    else
        consumer->last_request = request->previous;
    request->previous = request->next = NULL;
}

void mfi_requests_serve(mofka_consumer_t *consumer, mfi_outcome_t **done) {
    bool over = mfi_consumer_is_over(consumer);
    mfi_assert_inside(&consumer->lock);
    while (consumer->first_request && (consumer->first || consumer->ended || over)) {
        mfi_outcome_t *request = consumer->first_request;
        request_unlink(consumer, request);
        request->next = *done;
        *done = request;
        bool poor = !over && consumer->pulls_runs && mfi_consumer_end_runs(consumer);
        mofka_event_t *event = over || poor ? NULL : mfi_consumer_pop(consumer);
        mofka_status_t status = event ? event->status : MOFKA_OK;
        mofka_result_t result = {.event = status ? NULL : event};
        request->batch = status ? event : NULL; /* an event that nobody gets */
        const char *message = status ? event->message : "the consumer is closed";
        if (over) {
            status = MOFKA_ERR_CLOSED;
        } else if (poor) {
            status = MOFKA_ERR_MEMORY;
            message = "no memory for the metadata of ready events";
        } else if (!event) {
            mfi_run_t *end;
            status = mfi_run_create(consumer, NULL, &end);
            message = "no memory for the end event";
            result.event = status ? NULL : end->events;
        }
        if (!status && event) {
            result.event_id = mofka_event_id(event);
            result.partition = event->run->partition;
        }
        mfi_outcome_complete(request, status, message, MOFKA_STORED, &result);
    }
}

void mfi_requests_release(mfi_outcome_t *done) {
    while (done) {
        mfi_outcome_t *next = done->next;
        mofka_event_t *passed_over = done->batch;
        assert(!passed_over || passed_over->status != MOFKA_OK);
        mfi_outcome_let_go(done);
        if (passed_over)
            passed_over->undelivered = true;
        mofka_event_release(passed_over);
        done = next;
    }
}

void mfi_requests_serve_all(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    mfi_outcome_t *done = NULL;
    mfi_requests_serve(consumer, &done);
    if (!done)
        return;
    mfi_monitor_leave(&consumer->lock);
    mfi_requests_release(done);
    mfi_monitor_enter(&consumer->lock);
}

static mofka_status_t request_drive(void *owner, mfi_outcome_t *request, int64_t timeout_ms) {
    mofka_consumer_t *consumer = owner;
    int64_t deadline = mfi_deadline(timeout_ms);
    mofka_status_t status = MOFKA_OK;
    bool waited = false;
    mfi_monitor_enter(&consumer->lock);
    mfi_requests_serve_and_release(consumer);
    while (!status && !atomic_load(&request->done)) {
        status = mfi_consumer_advance(consumer, deadline, &waited);
        if (mfi_remaining(deadline) == 0)
            break;
    }
    mfi_monitor_leave(&consumer->lock);
    return status;
}

/* With the lock: put the event back into the ready FIFO, before later events of its partition. */
static void request_put_back(mofka_consumer_t *consumer, mofka_event_t *event) {
    mofka_event_t **at = &consumer->first, *before = NULL;
    mfi_assert_inside(&consumer->lock);
    assert(event->held && consumer->held > 0);
    while (*at && (*at)->run->partition == event->run->partition &&
           mofka_event_id(*at) < mofka_event_id(event)) {
        before = *at;
        at = &before->next;
    }
    bool joins = (before && before->run == event->run) || (*at && (*at)->run == event->run);
    consumer->ready_runs += !joins;
    event->next = *at;
    *at = event;
    if (!event->next)
        consumer->last = event;
    event->held = false;
    consumer->held--;
    mfi_monitor_notify(&consumer->lock);
}

/* Nobody waits for the request any more: take it out of the list, unless it is served already. */
static bool request_withdraw(void *owner, mfi_outcome_t *request) {
    mofka_consumer_t *consumer = owner;
    mfi_monitor_enter(&consumer->lock);
    bool waits = !atomic_load(&request->done);
    if (waits)
        request_unlink(consumer, request);
    mfi_monitor_leave(&consumer->lock);
    return waits;
}

/* The request is released, and nobody took its event: a later pull gets the event. */
static void request_abandoned(void *owner, mfi_outcome_t *request) {
    mofka_consumer_t *consumer = owner;
    mofka_event_t *event = request->result.event;
    if (!event || atomic_load(&request->taken))
        return;
    assert(event->run->consumer == consumer);
    mfi_monitor_enter(&consumer->lock);
    bool back = event->run->run && !consumer->closed && !mfi_run_is_stale(event->run);
    if (back)
        request_put_back(consumer, event);
    mfi_monitor_leave(&consumer->lock);
    if (!back)
        mofka_event_release(event);
}

const mfi_future_ops_t mfi_pull_future_ops = {.drive = request_drive,
                                              .owner_retain = mfi_consumer_retain_memory,
                                              .owner_release = mfi_consumer_release_memory,
                                              .withdraw = request_withdraw,
                                              .abandoned = request_abandoned};

mofka_status_t mofka_consumer_pull_future(mofka_consumer_t *consumer, mofka_future_t **out) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    mfi_monitor_enter(&consumer->lock);
    mfi_outcome_t *request = NULL;
    if (mfi_consumer_is_over(consumer))
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    else if (!(request = mfi_outcome_create(&mfi_pull_future_ops, consumer, 1)))
        status = MOFKA_ERR_MEMORY;
    if (request) {
        *out = mfi_outcome_give(request, 0);
        request_append(consumer, request);
    }
    mfi_monitor_leave(&consumer->lock);
    return status;
}
