/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of a driver's open producers and consumers (its children), and how it ends them. */
#include "driver/driver.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child) {
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&driver->lock);
    if (driver->closed) {
        status = MOFKA_ERR_CLOSED;
    } else {
        assert(child->what && child->name && child->topic_name && !child->drive);
        assert(child->object && child->lock && child->end && child->stats && child->fold);
        child->previous = NULL;
        child->next = driver->children;
        if (child->next)
            child->next->previous = child;
        driver->children = child;
    }
    pthread_mutex_unlock(&driver->lock);
    return status ? mofka_fail(status, "the driver is closed") : MOFKA_OK;
}

void mfi_driver_remove_child(mofka_driver_t *driver, mfi_child_t *child) {
    pthread_mutex_lock(&driver->lock);
    assert(!driver->closed && driver->totals);
    assert(child->previous ? child->previous->next == child : driver->children == child);
    child->fold(child, driver->totals);
    if (child->previous)
        child->previous->next = child->next;
    else
        driver->children = child->next;
    if (child->next)
        child->next->previous = child->previous;
    pthread_mutex_unlock(&driver->lock);
}

mofka_status_t mfi_driver_end_children(mofka_driver_t *driver, int64_t deadline) {
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = driver->children;
        mofka_status_t status = MOFKA_OK;
        assert(!child || (!driver->closed && !child->previous));
        if (child && !child->drive)
            status = mofka_fail(MOFKA_ERR_BUSY, "%s '%s' of topic '%s' is open", child->what,
                                child->name, child->topic_name);
        driver->closed = !child;
        pthread_mutex_unlock(&driver->lock);
        if (status || !child)
            return status;
        status = child->drive(child, mfi_remaining(deadline)); /* an ended child removes itself */
        if (status)
            return status;
    }
}

/* With the lock: the next child that was not tried, and mark it as tried. NULL: all were. */
static mfi_child_t *child_next_forgotten(mofka_driver_t *driver) {
    mfi_assert_locked(&driver->lock);
    mfi_child_t *child = driver->children;
    while (child && child->forgotten)
        child = child->next;
    assert(!child || child->end);
    if (child)
        child->forgotten = true;
    return child;
}

void mfi_driver_end_forgotten(mofka_driver_t *driver, int64_t deadline) {
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = child_next_forgotten(driver);
        pthread_mutex_unlock(&driver->lock);
        if (!child)
            break;
        if ((child->drive ? child->drive : child->end)(child, mfi_remaining(deadline)))
            mfi_log(MOFKA_LOG_WARN, "ending a forgotten %s: %s", child->what, mofka_last_error());
    }
}
