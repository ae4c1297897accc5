/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pools: order, closing, binding. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <hwloc.h>
#include <cmocka.h>
#include <mofka/thread_pool.h>

static int order[64];
static _Atomic int ran;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void task_note(void *context) {
    order[atomic_fetch_add(&ran, 1)] = (int)(intptr_t)context;
}

static void note_nothing(void *context) {
    (void)context;
}

static void wait_at_gate(void *context) {
    (void)context;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static mofka_thread_pool_t *pool_create(size_t threads, mofka_binding_t binding, size_t index,
                                        size_t count) {
    mofka_thread_pool_t *pool;
    mofka_thread_pool_options_t options = {threads, binding, count, index};
    assert_int_equal(mofka_thread_pool_create(&options, &pool), MOFKA_OK);
    return pool;
}

static void priorities_then_order_of_submission(void **state) {
    (void)state;
    const uint64_t priorities[] = {1, 7, 1, UINT64_MAX, 7, 0};
    const int expected[] = {3, 1, 4, 0, 2, 5};
    mofka_thread_pool_t *pool = pool_create(1, MOFKA_BINDING_COMPACT, 0, 0);
    atomic_store(&ran, 0);
    pthread_mutex_lock(&gate);
    mofka_thread_pool_push_work(pool, wait_at_gate, NULL, MOFKA_PRIORITY_DEFAULT);
    for (int i = 0; i < 6; i++)
        assert_int_equal(
            mofka_thread_pool_push_work(pool, task_note, (void *)(intptr_t)i, priorities[i]),
            MOFKA_OK);
    assert_int_equal(mofka_thread_pool_size(pool), 7);
    pthread_mutex_unlock(&gate);
    assert_int_equal(mofka_thread_pool_close(pool), MOFKA_OK); /* runs what is queued */
    assert_int_equal(atomic_load(&ran), 6);
    assert_memory_equal(order, expected, sizeof expected);
    assert_int_equal(mofka_thread_pool_push_work(pool, task_note, NULL, 0), MOFKA_ERR_CLOSED);
    mofka_thread_pool_release(pool);
}

static void task_note_size(void *context) {
    mofka_thread_pool_t *pool = context;
    atomic_store(&ran, (int)mofka_thread_pool_size(pool));
}

static void no_threads_run_in_the_caller(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = pool_create(0, MOFKA_BINDING_COMPACT, 0, 0);
    atomic_store(&ran, 0);
    mofka_thread_pool_push_work(pool, task_note, NULL, 0);
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(mofka_thread_pool_size(pool), 0);
    atomic_store(&ran, 0);
    mofka_thread_pool_push_work(pool, task_note_size, pool, 0);
    assert_int_equal(atomic_load(&ran), 1); /* running work counts */
    mofka_thread_pool_release(pool);
}

static mofka_status_t closed_by_worker;

static void close_own(void *pool) {
    closed_by_worker = mofka_thread_pool_close(pool);
}

static void a_worker_cannot_close_its_pool(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = pool_create(2, MOFKA_BINDING_NONE, 0, 0);
    mofka_thread_pool_push_work(pool, close_own, pool, 0);
    mofka_thread_pool_close(pool);
    assert_int_equal(closed_by_worker, MOFKA_ERR_BUSY);
    mofka_thread_pool_release(pool);
}

static hwloc_bitmap_t cpus_of(mofka_thread_pool_t *pool, size_t worker) {
    char text[256];
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    assert_int_equal(mofka_thread_pool_worker_cpus(pool, worker, text, sizeof text), MOFKA_OK);
    hwloc_bitmap_list_sscanf(set, text);
    return set;
}

static void workers_are_bound_inside_the_process_and_apart(void **state) {
    (void)state;
    hwloc_topology_t topology;
    hwloc_topology_init(&topology);
    hwloc_topology_load(topology);
    hwloc_bitmap_t own = hwloc_bitmap_alloc();
    hwloc_get_cpubind(topology, own, HWLOC_CPUBIND_PROCESS);
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE);
    for (mofka_binding_t binding = MOFKA_BINDING_COMPACT; binding <= MOFKA_BINDING_NONE;
         binding++) {
        mofka_thread_pool_t *first = pool_create(1, binding, 0, 2),
                            *second = pool_create(1, binding, 1, 2);
        hwloc_bitmap_t a = cpus_of(first, 0), b = cpus_of(second, 0);
        assert_true(hwloc_bitmap_isincluded(a, own) && hwloc_bitmap_isincluded(b, own));
        assert_false(hwloc_bitmap_iszero(a) || hwloc_bitmap_iszero(b));
        if (cores >= 2 && binding != MOFKA_BINDING_NONE)
            assert_false(hwloc_bitmap_intersects(a, b));
        hwloc_bitmap_free(a);
        hwloc_bitmap_free(b);
        mofka_thread_pool_release(first);
        mofka_thread_pool_release(second);
    }
    hwloc_bitmap_free(own);
    hwloc_topology_destroy(topology);
}

static void refuses_too_many_threads(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    mofka_thread_pool_options_t options = {.thread_count = MOFKA_THREADS_MAX + 1};
    assert_int_equal(mofka_thread_pool_create(&options, &pool), MOFKA_ERR_RANGE);
    assert_int_equal(mofka_thread_pool_close(NULL), MOFKA_ERR_INVALID);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static _Atomic int over;

static void *push_for_ever(void *pool) {
    while (!over)
        if (mofka_thread_pool_size(pool) < 1000)
            mofka_thread_pool_push_work(pool, note_nothing, NULL, 0);
    return NULL;
}

/* Whatever the pool's workers and other threads were doing when it was forked. */
static int pool_run_child(mofka_thread_pool_t *pool) {
    char cpus[64];
    bool good = mofka_thread_pool_push_work(pool, note_nothing, NULL, 0) == MOFKA_ERR_INVALID &&
                strstr(mofka_last_error(), "process that forked this one") &&
                mofka_thread_pool_worker_cpus(pool, 0, cpus, sizeof cpus) == MOFKA_ERR_INVALID &&
                mofka_thread_pool_close(pool) == MOFKA_ERR_INVALID &&
                mofka_thread_pool_size(pool) == 0 && !mofka_thread_pool_retain(pool);
    mofka_thread_pool_release(pool);
    return good ? 0 : 1;
}

static void a_forked_child_is_refused_the_pool(void **state) {
    (void)state;
    mofka_thread_pool_t *pool = pool_create(1, MOFKA_BINDING_NONE, 0, 1);
    pthread_t pusher;
    over = 0;
    assert_int_equal(pthread_create(&pusher, NULL, push_for_ever, pool), 0);
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            _exit(pool_run_child(pool));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    over = 1;
    pthread_join(pusher, NULL);
    assert_int_equal(mofka_thread_pool_close(pool), MOFKA_OK);
    mofka_thread_pool_release(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priorities_then_order_of_submission),
        cmocka_unit_test(no_threads_run_in_the_caller),
        cmocka_unit_test(a_worker_cannot_close_its_pool),
        cmocka_unit_test(workers_are_bound_inside_the_process_and_apart),
        cmocka_unit_test(refuses_too_many_threads),
        cmocka_unit_test(a_forked_child_is_refused_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
