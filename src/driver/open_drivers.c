/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open drivers of this process, and what a fork makes of them.
 *
 * A forked child has copies of all handles, no threads but its own, and the same window. It must not
 * use them: in the child each driver, and each open producer and consumer, becomes of a kind that every
 * call refuses, and releasing it does nothing. So the check that each call makes anyway is enough.
 * So it is with what could not be ended before MPI_Finalize, and with thread pools (pthread_pool.c).
 * The locks are held over the fork, so that none stays taken in the child; those of the log and of the
 * registry by their own files.
 */
#include "base/clock.h"
#include "driver/driver.h"

/* Guards the list; before any driver's lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mofka_driver_t *drivers;

static void before_fork(void) {
    pthread_mutex_lock(&lock);
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next) {
        pthread_mutex_lock(&driver->lock);
        for (mfi_child_t *child = driver->children; child; child = child->next)
            pthread_mutex_lock(child->lock);
    }
}

static void unlock_all(void) {
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

static void in_child(void) {
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next)
        mark(driver, MFI_FORKED);
    unlock_all();
    drivers = NULL;
}

static void watch_forks(void) {
    pthread_atfork(before_fork, unlock_all, in_child);
}

void mfi_drivers_add(mofka_driver_t *driver) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
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
