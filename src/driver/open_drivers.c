/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open drivers of this process, and what a fork makes of them.
 *
 * A forked child has copies of all handles, no threads but its own, and the same window. It must not
 * use them: in the child each driver, and each open producer and consumer, becomes of a kind that every
 * call refuses, and releasing it does nothing. So the check that each call makes anyway is enough.
 * So it is with what could not be ended before MPI_Finalize, and with thread pools (pthread_pool.c).
 * The locks are held over the fork: base/at_fork.h.
 */
#include "base/at_fork.h"
#include "driver/driver.h"

/* Guards the list; before any driver's lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mofka_driver_t *drivers;

static void drivers_before_fork(void) {
    pthread_mutex_lock(&lock);
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next) {
        pthread_mutex_lock(&driver->lock);
        for (mfi_child_t *child = driver->children; child; child = child->next)
            pthread_mutex_lock(child->lock);
    }
}

static void drivers_unlock_all(void) {
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next) {
        for (mfi_child_t *child = driver->children; child; child = child->next)
            pthread_mutex_unlock(child->lock);
        pthread_mutex_unlock(&driver->lock);
    }
    pthread_mutex_unlock(&lock);
}

static void mark(mofka_driver_t *driver, mfi_kind_t kind) {
    for (mfi_child_t *child = driver->children; child; child = child->next)
        child->object->kind = kind;
    driver->object.kind = kind;
}

static void drivers_in_child(void) {
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next)
        mark(driver, MFI_FORKED);
    drivers_unlock_all();
    drivers = NULL;
}

static const mfi_fork_handlers_t drivers_fork_handlers = {drivers_before_fork, drivers_unlock_all,
                                                          drivers_in_child};

__attribute__((constructor)) static void drivers_watch_forks(void) {
    mfi_at_fork(MFI_FORK_DRIVERS, &drivers_fork_handlers);
}

void mfi_drivers_add(mofka_driver_t *driver) {
    pthread_mutex_lock(&lock);
    driver->next = drivers;
    if (drivers)
        drivers->previous = driver;
    drivers = driver;
    pthread_mutex_unlock(&lock);
}

void mfi_drivers_remove(mofka_driver_t *driver) {
    pthread_mutex_lock(&lock);
    if (driver->previous)
        driver->previous->next = driver->next;
    else
        drivers = driver->next;
    if (driver->next)
        driver->next->previous = driver->previous;
    pthread_mutex_unlock(&lock);
}

void mfi_drivers_lose(mofka_driver_t *driver) {
    pthread_mutex_lock(&driver->lock);
    mark(driver, MFI_LOST);
    pthread_mutex_unlock(&driver->lock);
    mfi_drivers_remove(driver);
}

mofka_driver_t *mfi_drivers_find(const void *self) {
    pthread_mutex_lock(&lock);
    mofka_driver_t *driver = drivers;
    while (driver && driver->self != self)
        driver = driver->next;
    pthread_mutex_unlock(&lock);
    return driver;
}
