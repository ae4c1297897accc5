/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of the open drivers of this process, and what a fork does to them.
 *
 * A forked child has copies of all handles and the same window, but only one thread. It must not
 * use the handles. So in the child, each driver, producer and consumer gets a kind that every call
 * refuses and that release ignores. That costs nothing: each call checks the kind anyway. Children
 * that could not be ended before MPI_Finalize are marked in the same way, and so are thread pools
 * (pool/pthread_pool.c). The locks are held over the fork: base/at_fork.h.
 */
#include "base/at_fork.h"
#include "base/lock.h"
#include "driver/driver.h"

/* Guards the list. Taken before any driver's lock. */
static pthread_mutex_t drivers_lock = PTHREAD_MUTEX_INITIALIZER;
static mofka_driver_t *drivers;

static void drivers_before_fork(void) {
    pthread_mutex_lock(&drivers_lock);
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next) {
        pthread_mutex_lock(&driver->lock);
        for (mfi_child_t *child = driver->children; child; child = child->next)
            mfi_monitor_enter(child->lock);
    }
}

static void drivers_unlock_all(void) {
    mfi_assert_locked(&drivers_lock);
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next) {
        for (mfi_child_t *child = driver->children; child; child = child->next)
            mfi_monitor_leave(child->lock);
        pthread_mutex_unlock(&driver->lock);
    }
    pthread_mutex_unlock(&drivers_lock);
}

/* With the driver's lock: all calls on the driver and its children are refused from now on. */
static void driver_mark(mofka_driver_t *driver, mfi_kind_t kind) {
    mfi_assert_locked(&driver->lock);
    assert(kind == MFI_FORKED || kind == MFI_LOST);
    for (mfi_child_t *child = driver->children; child; child = child->next)
        child->object->kind = kind;
    driver->object.kind = kind;
}

static void drivers_in_child(void) {
    for (mofka_driver_t *driver = drivers; driver; driver = driver->next)
        driver_mark(driver, MFI_FORKED);
    drivers_unlock_all();
    drivers = NULL;
}

static const mfi_fork_handlers_t drivers_fork_handlers = {drivers_before_fork, drivers_unlock_all,
                                                          drivers_in_child};

__attribute__((constructor)) static void drivers_watch_forks(void) {
    mfi_at_fork(MFI_FORK_DRIVERS, &drivers_fork_handlers);
}

void mfi_drivers_add(mofka_driver_t *driver) {
    pthread_mutex_lock(&drivers_lock);
    assert(driver->ops && !driver->next && !driver->previous);
    driver->next = drivers;
    if (drivers)
        drivers->previous = driver;
    drivers = driver;
    pthread_mutex_unlock(&drivers_lock);
}

void mfi_drivers_remove(mofka_driver_t *driver) {
    pthread_mutex_lock(&drivers_lock);
    assert(driver->previous ? driver->previous->next == driver : drivers == driver);
    if (driver->previous)
        driver->previous->next = driver->next;
    else
        drivers = driver->next;
    assert(!driver->next || driver->next->previous == driver);
    if (driver->next)
        driver->next->previous = driver->previous;
    pthread_mutex_unlock(&drivers_lock);
}

void mfi_drivers_lose(mofka_driver_t *driver) {
    /* Dead: its user has released it without a close; it stays in the list. */
    assert(driver->ops && (driver->object.kind == MFI_DRIVER || driver->object.kind == MFI_DEAD));
    pthread_mutex_lock(&driver->lock);
    driver_mark(driver, MFI_LOST);
    pthread_mutex_unlock(&driver->lock);
    mfi_drivers_remove(driver);
}

mofka_driver_t *mfi_drivers_find(const void *self) {
    pthread_mutex_lock(&drivers_lock);
    mofka_driver_t *driver = drivers;
    while (driver && driver->self != self)
        driver = driver->next;
    pthread_mutex_unlock(&drivers_lock);
    return driver;
}
