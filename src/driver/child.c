/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of a driver's open producers and consumers, and ending them. */
#include "driver/driver.h"

#include "base/clock.h"
#include "base/log.h"

mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child) {
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&driver->lock);
    if (driver->closed) {
        status = MOFKA_ERR_CLOSED;
    } else {
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
    child->fold(child, driver->totals);
    if (child->previous)
        child->previous->next = child->next;
    else
        driver->children = child->next;
    if (child->next)
        child->next->previous = child->previous;
    pthread_mutex_unlock(&driver->lock);
}

/* Children that their user let go of are driven to their end; others keep the driver busy. */
mofka_status_t mfi_driver_end_children(mofka_driver_t *driver, int64_t deadline) {
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = driver->children;
        mofka_status_t status = MOFKA_OK;
        if (child && !child->drive)
            status = mofka_fail(MOFKA_ERR_BUSY, "%s '%s' of topic '%s' is open", child->what,
                                child->name, child->topic_name);
        driver->closed = !child;
        pthread_mutex_unlock(&driver->lock);
        if (status || !child)
            return status;
        status = child->drive(child, mfi_remaining(deadline)); /* removes itself when it ended */
        if (status)
            return status;
    }
}

/* With the lock: one that was not tried yet, which is so from now on. */
static mfi_child_t *next_forgotten(mofka_driver_t *driver) {
    mfi_child_t *child = driver->children;
    while (child && child->forgotten)
        child = child->next;
    if (child)
        child->forgotten = true;
    return child;
}

void mfi_driver_end_forgotten(mofka_driver_t *driver, int64_t deadline) {
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = next_forgotten(driver);
        pthread_mutex_unlock(&driver->lock);
        if (!child)
            break;
        if ((child->drive ? child->drive : child->end)(child, mfi_remaining(deadline)))
            mfi_log(MOFKA_LOG_WARN, "ending a forgotten %s: %s", child->what, mofka_last_error());
    }
}
