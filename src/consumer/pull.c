/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pulling: hands out the next ready event. If none is ready, fetches one, or waits for it.
 * Path: pull 1/7. Before: the caller. After: mpi/consumer/run/read_run.c.
 */
#include "consumer/consumer.h"

/* With the lock: no later event of the run follows the event in the FIFO. Then it stands for such
 * ones, or the run leaves the FIFO. */
static void pull_end_of_run(mofka_consumer_t *consumer, mofka_event_t *event) {
    if (mfi_event_unmade(event) > 0) {
        mfi_run_make_more(consumer, event);
        return;
    }
    assert(consumer->ready_runs > 0);
    consumer->ready_runs--;
}

mofka_event_t *mfi_consumer_pop(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    mofka_event_t *event = consumer->first;
    if (event) {
        assert(!event->held);
        /* The FIFO keeps each run's events together: an event that comes back joins its run. */
        if (!event->next || event->next->run != event->run)
            pull_end_of_run(consumer, event);
        consumer->first = event->next;
        if (!consumer->first)
            consumer->last = NULL;
        event->next = NULL;
        event->held = true;
        consumer->held++;
    }
    return event;
}

mofka_status_t mfi_event_pass_over(mofka_event_t *event) {
    mofka_status_t status = event->status;
    assert(status != MOFKA_OK && event->held);
    mofka_fail(status, "%s", event->message ? event->message : mofka_status_text(status));
    event->undelivered = !event->damaged; /* nobody can have what is damaged */
    mofka_event_release(event);
    return status;
}

mofka_status_t mfi_consumer_make_end(mofka_consumer_t *consumer, mofka_event_t **event) {
    mfi_run_t *end;
    assert(consumer->ended);
    mofka_status_t status = mfi_run_create(consumer, NULL, &end);
    if (!status)
        *event = end->events;
    return status;
}

/* With the lock: MOFKA_ERR_TIMEOUT, with a message. */
static mofka_status_t pull_time_out(const mofka_consumer_t *consumer, int64_t timeout_ms) {
    const char *topic = consumer->topic->name;
    mfi_assert_inside(&consumer->lock);
    if (consumer->waits_for[0])
        return mofka_fail(MOFKA_ERR_TIMEOUT,
                          "topic '%s', consumer '%s': no event within %lld ms; %s", topic,
                          consumer->name, (long long)timeout_ms, consumer->waits_for);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "topic '%s', consumer '%s': no event within %lld ms",
                      topic, consumer->name, (long long)timeout_ms);
}

mofka_status_t mfi_consumer_await_more(mofka_consumer_t *consumer, int64_t timeout_ms) {
    mfi_assert_inside(&consumer->lock);
    int64_t deadline = 0; /* the clock is read only if nothing is ready */
    bool waited = false;
    for (;;) {
        if (mfi_consumer_is_over(consumer))
            return mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
        if (consumer->first || consumer->ended)
            return MOFKA_OK;
        if (deadline == 0)
            deadline = mfi_deadline(timeout_ms);
        else if (mfi_remaining(deadline) == 0)
            return pull_time_out(consumer, timeout_ms);
        mofka_status_t status = mfi_consumer_advance(consumer, deadline, &waited);
        if (status)
            return status;
    }
}

/* With the lock, releases it meanwhile: wait for an event or the end. */
static mofka_status_t pull_first(mofka_consumer_t *consumer, int64_t timeout_ms,
                                 mofka_event_t **event) {
    mofka_status_t status = mfi_consumer_await(consumer, timeout_ms);
    if (!status && consumer->pulls_runs)
        status = mfi_consumer_end_runs(consumer);
    if (status)
        return status;
    *event = mfi_consumer_pop(consumer);
    return *event ? MOFKA_OK : mfi_consumer_make_end(consumer, event);
}

mofka_status_t mofka_consumer_pull_many(mofka_consumer_t *consumer, size_t events_max,
                                        int64_t timeout_ms, mofka_event_t **events, size_t *count) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status && events_max == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "events_max is 0; it must be at least 1");
    if (status)
        return status;
    mofka_event_t *first = NULL;
    size_t taken = 1;
    mfi_monitor_enter(&consumer->lock);
    status = pull_first(consumer, timeout_ms, &first);
    if (first &&
        !first->status) /* an event with an error ends the list: the next pull reports it */
        for (events[0] = first; taken < events_max && consumer->first && !consumer->first->status;)
            events[taken++] = mfi_consumer_pop(consumer);
    bool more = first && consumer->workers && mfi_consumer_wants_prefetch(consumer);
    mfi_monitor_leave(&consumer->lock);
    assert(status || first);
    if (more)
        mfi_consumer_start_prefetch(consumer);
    if (!status && first->status)
        status = mfi_event_pass_over(first);
    if (!status)
        *count = taken;
    return status;
}

/* The next event, if nothing but to take it is to be done; else NULL. */
static mofka_event_t *pull_ready(mofka_consumer_t *consumer) {
    mfi_monitor_enter(&consumer->lock);
    const mofka_event_t *first = consumer->first;
    bool plain = first && !first->status && !consumer->workers && !mfi_consumer_is_over(consumer) &&
                 !atomic_load_explicit(&consumer->pulls_runs, memory_order_relaxed);
    mofka_event_t *event = plain ? mfi_consumer_pop(consumer) : NULL;
    mfi_monitor_leave(&consumer->lock);
    return event;
}

mofka_status_t mofka_consumer_pull(mofka_consumer_t *consumer, int64_t timeout_ms,
                                   mofka_event_t **event) {
    size_t one;
    mofka_event_t *pulled;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    pulled = pull_ready(consumer);
    if (!pulled)
        status = mofka_consumer_pull_many(consumer, 1, timeout_ms, &pulled, &one);
    if (!status)
        *event = pulled;
    return status;
}
