/* SPDX-License-Identifier: BSD-3-Clause */
/* Unsubscribes and closes a consumer: its last turns. Releases its handles. */
#include "consumer/consumer.h"
#include "base/log.h"

/* With the lock, which it releases on success: set *why, end all requests, take the turn. */
static mofka_status_t consumer_take_last_turn(mofka_consumer_t *consumer, _Atomic bool *why) {
    mfi_assert_inside(&consumer->lock);
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    if (!status && consumer->options.zero_copy && consumer->held > 0)
        status = mofka_fail(MOFKA_ERR_BUSY,
                            "%zu events of zero-copy consumer '%s' are held: release them first",
                            consumer->held, consumer->name);
    if (status)
        return status;
    *why = true;
    mfi_monitor_notify(&consumer->lock);
    while (consumer->fetching)
        mfi_monitor_wait(&consumer->lock, INT64_MAX);
    mfi_outcome_t *done = NULL;
    mfi_requests_serve(consumer, &done);
    assert(!consumer->first_request);
    mfi_consumer_begin_turn(consumer);
    mfi_requests_release(done);
    return MOFKA_OK;
}

mofka_status_t mofka_consumer_unsubscribe(mofka_consumer_t *consumer) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    mfi_monitor_enter(&consumer->lock);
    if (consumer->closed)
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    else
        status = consumer_take_last_turn(consumer, &consumer->unsubscribed);
    if (!status) {
        if (consumer->gone) /* closed while this thread waited for the turn */
            status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
        else if (!consumer->forgotten)
            status = consumer->ops->unsubscribe(consumer->self);
        consumer->forgotten |= !status;
        mfi_consumer_end_turn(consumer);
    }
    mfi_monitor_leave(&consumer->lock);
    return status;
}

/* In the turn: release the events that nobody pulled. */
static void consumer_drop_ready(mofka_consumer_t *consumer) {
    mfi_monitor_enter(&consumer->lock);
    mofka_event_t *events = mfi_consumer_take_ready(consumer, SIZE_MAX);
    mfi_monitor_leave(&consumer->lock);
    mfi_events_drop(events);
}

/* In the turn. MOFKA_ERR_TIMEOUT: not closed yet; a later close tries again. */
static mofka_status_t consumer_end_backend(mofka_consumer_t *consumer) {
    assert(consumer->closed && !consumer->gone);
    consumer_drop_ready(consumer);
    mfi_run_give_up(consumer);
    if (consumer->untaken)
        consumer->ops->release_run(consumer->self, consumer->untaken);
    consumer->untaken = NULL;
    mofka_status_t status = consumer->ops->close(consumer->self);
    consumer->gone = status != MOFKA_ERR_TIMEOUT;
    if (consumer->gone) {
        mfi_driver_remove_child(consumer->topic->driver, &consumer->child);
        mfi_log(MOFKA_LOG_DEBUG, "consumer '%s' of topic '%s' is closed", consumer->name,
                consumer->topic->name);
    }
    return status;
}

mofka_status_t mfi_consumer_end(mofka_consumer_t *consumer) {
    mfi_monitor_enter(&consumer->lock);
    mofka_status_t status = consumer_take_last_turn(consumer, &consumer->closed);
    if (!status) {
        if (!consumer->gone)
            status = consumer_end_backend(consumer);
        mfi_consumer_end_turn(consumer);
    }
    mfi_monitor_leave(&consumer->lock);
    return status;
}

mofka_status_t mfi_consumer_child_end(mfi_child_t *child, int64_t timeout_ms) {
    (void)timeout_ms;
    return mfi_consumer_end(mfi_container_of(child, mofka_consumer_t, child));
}

mofka_status_t mofka_consumer_close(mofka_consumer_t *consumer) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    return status ? status : mfi_consumer_end(consumer);
}

static mofka_status_t consumer_drive_abandoned(mfi_child_t *child, int64_t timeout_ms) {
    mofka_consumer_t *consumer = mfi_container_of(child, mofka_consumer_t, child);
    (void)timeout_ms;
    mofka_status_t status = mfi_consumer_end(consumer);
    if (consumer->gone) /* read without the lock: there are no users */
        mfi_consumer_release_memory(consumer);
    return status;
}

void mofka_consumer_release(mofka_consumer_t *consumer) {
    MFI_KEEP_ERRNO;
    if (!consumer || !mfi_handle_release(&consumer->object))
        return;
    if (consumer->gone) { /* read without the lock: no other thread has a handle */
        mfi_consumer_release_memory(consumer);
        return;
    }
    mfi_log(
        MOFKA_LOG_WARN,
        consumer->forgotten
            ? "consumer '%s' of topic '%s' was released but not closed; the driver's close ends it"
            : "consumer '%s' of topic '%s' was released but not closed; its name is taken until "
              "the driver closes",
        consumer->name, consumer->topic->name);
    mofka_driver_t *driver = consumer->topic->driver;
    pthread_mutex_lock(&driver->lock);
    consumer->child.drive = consumer_drive_abandoned;
    pthread_mutex_unlock(&driver->lock);
}
