/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pull futures: the oldest request meets the next event that is ready; what nobody took comes back.
 */
#include "consumer/consumer.h"

/* With the lock: the oldest requests get what is ready. What must be let go of without the lock is
 * linked into *done. Requests that only this list still holds are abandoned ones. */
void mfi_requests_serve(mofka_consumer_t *consumer, mfi_outcome_t **done) {
    bool over = mfi_consumer_is_over(consumer);
    while (consumer->first_request && (consumer->first || consumer->ended || over)) {
        mfi_outcome_t *request = consumer->first_request;
        consumer->first_request = request->next;
        request->next = *done;
        *done = request;
        if (atomic_load(&request->users) == 1)
            continue;
        mofka_event_t *event = over ? NULL : mfi_consumer_pop(consumer);
        mofka_status_t status = event ? event->status : MOFKA_OK;
        mofka_result_t result = {.event = status ? NULL : event};
        request->batch = status ? event : NULL; /* nobody gets it */
        const char *message = event ? event->message : "the consumer is closed";
        if (over) {
            status = MOFKA_ERR_CLOSED;
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

void mfi_requests_drop(mfi_outcome_t *done) {
    while (done) {
        mfi_outcome_t *next = done->next;
        mofka_event_t *passed_over = done->batch;
        mfi_outcome_let_go(done);
        mofka_event_release(passed_over);
        done = next;
    }
}

/* With the lock, let go meanwhile. */
void mfi_requests_serve_and_drop(mofka_consumer_t *consumer) {
    mfi_outcome_t *done = NULL;
    mfi_requests_serve(consumer, &done);
    if (!done)
        return;
    pthread_mutex_unlock(&consumer->lock);
    mfi_requests_drop(done);
    pthread_mutex_lock(&consumer->lock);
}

static mofka_status_t drive(void *owner, mfi_outcome_t *request, int64_t timeout_ms) {
    mofka_consumer_t *consumer = owner;
    int64_t deadline = mfi_deadline(timeout_ms);
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&consumer->lock);
    mfi_requests_serve_and_drop(consumer);
    while (!status && !atomic_load(&request->done)) {
        status = mfi_consumer_advance(consumer, deadline);
        if (mfi_remaining(deadline) == 0)
            break;
    }
    pthread_mutex_unlock(&consumer->lock);
    return status;
}

/* With the lock: back among what is ready, before later events of its partition. */
static void put_back(mofka_consumer_t *consumer, mofka_event_t *event) {
    mofka_event_t **at = &consumer->first, *before = NULL;
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
    pthread_cond_broadcast(&consumer->changed);
}

/* Nobody took its event: a later pull gets it. */
static void abandoned(void *owner, mfi_outcome_t *request) {
    mofka_consumer_t *consumer = owner;
    mofka_event_t *event = request->result.event;
    if (!event || atomic_load(&request->taken))
        return;
    pthread_mutex_lock(&consumer->lock);
    bool back = event->run->run && !consumer->closed;
    if (back)
        put_back(consumer, event);
    pthread_mutex_unlock(&consumer->lock);
    if (!back)
        mofka_event_release(event);
}

const mfi_future_ops_t mfi_pull_future_ops = {.drive = drive,
                                              .owner_retain = mfi_consumer_keep,
                                              .owner_release = mfi_consumer_drop,
                                              .abandoned = abandoned};

mofka_status_t mofka_consumer_pull_future(mofka_consumer_t *consumer, mofka_future_t **out) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    pthread_mutex_lock(&consumer->lock);
    mfi_outcome_t *request = NULL;
    if (mfi_consumer_is_over(consumer))
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    else if (!(request = mfi_outcome_create(&mfi_pull_future_ops, consumer, 1)))
        status = MOFKA_ERR_MEMORY;
    if (request) {
        *out = mfi_outcome_give(request, 0);
        if (consumer->first_request)
            consumer->last_request->next = request;
        else
            consumer->first_request = request;
        consumer->last_request = request;
    }
    pthread_mutex_unlock(&consumer->lock);
    return status;
}
