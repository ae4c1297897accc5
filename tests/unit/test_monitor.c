/* SPDX-License-Identifier: BSD-3-Clause */
/* Monitors: one thread at a time is inside, whoever is the favourite; those who wait get turns. */
#include <pthread.h>
#include <sched.h>
#include "base/clock.h"
#include "base/monitor.h"
#include "support/check.h"

#define ENTRIES 200000
#define VISITS 300

/* What the monitor guards. Without a lock, the sum would be wrong, and ThreadSanitizer complain. */
typedef struct guarded {
    mfi_monitor_t monitor;
    uint64_t sum;
    bool taken; /* by the thread inside */
    int turn;   /* whose it is */
} guarded_t;

static void visit(guarded_t *g) {
    mfi_monitor_enter(&g->monitor);
    assert_false(g->taken);
    g->taken = true;
    g->sum++;
    g->taken = false;
    mfi_monitor_leave(&g->monitor);
}

static void *visit_often(void *context) {
    for (int i = 0; i < ENTRIES; i++)
        visit(context);
    return NULL;
}

static void *visit_seldom(void *context) {
    for (int i = 0; i < VISITS; i++) {
        visit(context);
        for (int k = 0; k < i % 7; k++)
            sched_yield();
    }
    return NULL;
}

static pthread_t start(void *(*run)(void *), guarded_t *g) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, g), 0);
    return thread;
}

static void end(pthread_t thread) {
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static bool has_favourite(const guarded_t *g) {
    return atomic_load(&g->monitor.favourite) != 0;
}

/* One thread becomes the favourite, and stays it. */
static void one_thread_is_the_favourite(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    visit(&g);
    assert_false(has_favourite(&g));
    visit_often(&g);
    assert_true(has_favourite(&g));
    assert_int_equal(g.sum, 1 + ENTRIES);
    assert_int_equal(atomic_load(&g.monitor.word), 0);
    mfi_monitor_enter(&g.monitor);
    assert_true(mfi_monitor_is_entered(&g.monitor));
    assert_int_equal(atomic_load(&g.monitor.word), 0); /* the word was not needed */
    mfi_monitor_leave(&g.monitor);
    assert_false(mfi_monitor_is_entered(&g.monitor));
}

/* Fails without the membarrier, and without the second look at the favourite. */
static void others_take_the_favour_back(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    pthread_t often = start(visit_often, &g),
              seldom[] = {start(visit_seldom, &g), start(visit_seldom, &g)};
    end(often);
    end(seldom[0]);
    end(seldom[1]);
    assert_int_equal(g.sum, ENTRIES + 2 * VISITS);
    assert_false(mfi_monitor_is_entered(&g.monitor));
}

/* The favourite is inside: another thread waits until it has left. */
static void the_favourite_is_waited_for(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    visit_often(&g);
    assert_true(has_favourite(&g));
    mfi_monitor_enter(&g.monitor);
    uint64_t before = g.sum;
    pthread_t other = start(visit_seldom, &g);
    while (has_favourite(&g))
        sched_yield();
    for (int i = 0; i < 100; i++)
        sched_yield();
    assert_int_equal(g.sum, before);
    mfi_monitor_leave(&g.monitor);
    end(other);
    assert_int_equal(g.sum, before + VISITS);
}

/* A favourite that seldom enters is not worth a barrier each time. */
static void favours_become_rarer(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    uint32_t wanted = g.monitor.wanted;
    for (int i = 0; i < 3; i++) {
        while (!has_favourite(&g))
            visit(&g);
        end(start(visit_seldom, &g));
    }
    IN_RANGE(g.monitor.wanted, 64 * wanted, UINT32_MAX);
}

/* Turns from thread to thread; each sleeps until it is notified. */
static void *take_turns(void *context) {
    guarded_t *g = context;
    mfi_monitor_enter(&g->monitor);
    for (int i = 0; i < 2000; i++) {
        while (g->turn % 2 == 0)
            assert_true(mfi_monitor_wait(&g->monitor, INT64_MAX));
        g->turn++;
        mfi_monitor_notify(&g->monitor);
    }
    mfi_monitor_leave(&g->monitor);
    return NULL;
}

static void turns_are_given(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    visit_often(&g); /* so that the favourite waits, too */
    pthread_t other = start(take_turns, &g);
    mfi_monitor_enter(&g.monitor);
    for (int i = 0; i < 2000; i++) {
        while (g.turn % 2 == 1)
            assert_true(mfi_monitor_wait(&g.monitor, INT64_MAX));
        g.turn++;
        mfi_monitor_notify(&g.monitor);
    }
    mfi_monitor_leave(&g.monitor);
    end(other);
    assert_int_equal(g.turn, 4000);
}

static void waiting_ends_at_the_deadline(void **state) {
    (void)state;
    guarded_t g = {0};
    mfi_monitor_init(&g.monitor);
    mfi_monitor_enter(&g.monitor);
    int64_t deadline = mfi_deadline(20);
    while (mfi_monitor_wait(&g.monitor, deadline))
        ;
    assert_int_equal(mfi_remaining(deadline), 0);
    assert_true(mfi_monitor_is_entered(&g.monitor));
    mfi_monitor_leave(&g.monitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_is_the_favourite),
        cmocka_unit_test(others_take_the_favour_back),
        cmocka_unit_test(the_favourite_is_waited_for),
        cmocka_unit_test(favours_become_rarer),
        cmocka_unit_test(turns_are_given),
        cmocka_unit_test(waiting_ends_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
