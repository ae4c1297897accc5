/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two ways of putting a batch: which one is chosen, and that the one past the caches writes
 * what it is given, and nothing else.
 */
#include "support/check.h"
#include "support/count_bindings.h"
#include "mpi/producer/pace.h"

#define BYTES 16384
#define BATCH_BYTES 8192
#define LAP UINT64_C(8) /* batches of the ring */
/* A unit of cost, in ns for a MiB. A batch of one unit takes 0.8 s, against which a thread that is
 * kept from its core for a moment is nothing. */
#define COST INT64_C(100000000000)

static mmi_window_t *window;
static mmi_partition_t partition;
static char memory[BYTES], expected[BYTES], source[BYTES];

static int open_window(void **state) {
    (void)state;
    char *base = memory;
    partition = (mmi_partition_t){.ring_bytes = LAP * BATCH_BYTES};
    if (mmi_window_create_heap(&base, 0, 1, &window))
        return 1;
    partition.w = window;
    return 0;
}

static int close_window(void **state) {
    (void)state;
    window->ops->destroy(window);
    return 0;
}

/* A batch that took so many ns per MiB by its way: very many, against which the test's own time is
 * nothing. */
static mmi_way_t put_one(mmi_pace_t *pace, const int64_t costs[2]) {
    mmi_timed_t timed = mmi_pace_start(pace, &partition, BATCH_BYTES);
    if (timed.start_ns)
        timed.start_ns = mmi_now_ns() - costs[timed.way] * BATCH_BYTES / (1 << 20);
    mmi_pace_stop(pace, timed, BATCH_BYTES);
    return timed.way;
}

/* How many of the laps of such batches go past the caches. */
static int laps_past(mmi_pace_t *pace, int laps, int64_t plain, int64_t past) {
    int64_t costs[2] = {[MMI_PLAIN] = plain, [MMI_PAST_CACHES] = past};
    uint64_t count = 0, lap = partition.ring_bytes / BATCH_BYTES;
    for (uint64_t i = 0; i < (uint64_t)laps * lap; i++)
        count += put_one(pace, costs) == MMI_PAST_CACHES;
    return (int)(count / lap);
}

static int laps_past_anew(int64_t plain, int64_t past) {
    return laps_past(&(mmi_pace_t){.bytes = 0}, 100, plain, past);
}

/* Finding out the size of the caches takes no bindings, which wait for each CPU. */
static void windows_bind_nothing(void **state) {
    (void)state;
    assert_true(window->cache_bytes > 0);
    assert_int_equal(hwloc_bindings, 0);
}

static void past_the_caches_has_to_win_clearly(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    assert_int_equal(laps_past_anew(4 * COST, 3 * COST / 2), 2); /* the trial */
    assert_int_equal(laps_past_anew(4 * COST, 5 * COST / 4), 98);
    window->cache_bytes = partition.ring_bytes; /* it fits, just */
    assert_int_equal(laps_past_anew(4 * COST, 3 * COST), 2);
    window->cache_bytes /= 2; /* and is also what counts as a lap */
    assert_int_equal(laps_past_anew(4 * COST, 3 * COST), 99);
    assert_int_equal(laps_past_anew(4 * COST, 5 * COST), 1);
    window->cache_bytes = BATCH_BYTES / 4; /* a batch is of laps */
    mmi_pace_t pace = {.bytes = 0};
    int64_t costs[2] = {[MMI_PLAIN] = 4 * COST, [MMI_PAST_CACHES] = 3 * COST};
    for (int i = 0; i < 50; i++)
        assert_int_equal(put_one(&pace, costs), i < 2 ? MMI_PLAIN : MMI_PAST_CACHES);
}

static void the_choice_follows_the_machine(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    mmi_pace_t pace = {.bytes = 0};
    assert_int_equal(laps_past(&pace, 20, 2 * COST, 3 * COST), 2);
    IN_RANGE(laps_past(&pace, 100, 30 * COST, 3 * COST), 90, 100); /* seen at once */
    IN_RANGE(laps_past(&pace, 300, 2 * COST, 3 * COST), 150, 257); /* in a trial */
    assert_int_equal(laps_past(&pace, 50, 2 * COST, 3 * COST), 0);
    IN_RANGE(laps_past(&pace, 1024, 2 * COST, 3 * COST), 6, 8); /* trials go on */
}

/* Plain batches are cheap for a lap after others. That is no reason to stay with them. */
static void the_first_lap_does_not_count(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    mmi_pace_t pace = {.bytes = 0};
    assert_int_equal(laps_past(&pace, 100, 30 * COST, 3 * COST), 98);
    uint64_t plain = 0, on_end = 0;
    for (uint64_t i = 0; i < 1024 * LAP; i++) {
        int64_t costs[2] = {
            [MMI_PLAIN] = (on_end < LAP ? 3 : 30) * COST, [MMI_PAST_CACHES] = 3 * COST};
        bool is_plain = put_one(&pace, costs) == MMI_PLAIN;
        on_end = is_plain ? on_end + 1 : 0;
        plain += is_plain;
    }
    IN_RANGE(plain / LAP, 6, 8); /* the trials */
}

static void small_batches_are_plain_and_not_timed(void **state) {
    (void)state;
    mmi_pace_t pace = {.way = MMI_PAST_CACHES}, before = pace;
    mmi_timed_t timed = mmi_pace_start(&pace, &partition, BATCH_BYTES - 1);
    assert_int_equal(timed.way, MMI_PLAIN);
    mmi_pace_stop(&pace, timed, BATCH_BYTES - 1);
    assert_memory_equal(&pace, &before, sizeof pace);
}

static void one_slow_batch_counts_little(void **state) {
    (void)state;
    mmi_pace_t pace = {.cost = {1000, 0}};
    mmi_timed_t timed = {MMI_PLAIN, mmi_now_ns() - 3600 * COST};
    mmi_pace_stop(&pace, timed, 1 << 20);
    assert_int_equal(pace.cost[MMI_PLAIN], 1125);
    pace.cost[MMI_PLAIN] = 1; /* a clock that stood still runs again */
    for (int i = 0; i < 100; i++)
        mmi_pace_stop(&pace, timed, 1 << 20);
    assert_true(pace.cost[MMI_PLAIN] > 100000);
}

static void puts_are_exact(mmi_put_t put) {
    uint64_t seed = 4711;
    for (size_t i = 0; i < BYTES; i++)
        source[i] = (char)next_random(&seed);
    for (int i = 0; i < 20000; i++) {
        size_t most = i % 2 ? BYTES : 1200; /* the way changes at a length near that */
        size_t bytes = next_random(&seed) % (most + 1), from = next_random(&seed) % 64;
        size_t to = next_random(&seed) % (BYTES - bytes + 1);
        from = from < BYTES - bytes ? from : 0;
        put(window, 0, to, source + from, bytes);
        memcpy(expected + to, source + from, bytes);
        OK(window->ops->flush(window, 0));
        assert_memory_equal(memory, expected, BYTES);
    }
}

static void past_the_caches_goes_what_was_given(void **state) {
    (void)state;
    puts_are_exact(window->ops->put);
    if (!window->ops->put_past_caches)
        skip();
    puts_are_exact(window->ops->put_past_caches);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(windows_bind_nothing, open_window, close_window),
        cmocka_unit_test_setup_teardown(past_the_caches_has_to_win_clearly, open_window,
                                        close_window),
        cmocka_unit_test_setup_teardown(the_choice_follows_the_machine, open_window, close_window),
        cmocka_unit_test_setup_teardown(the_first_lap_does_not_count, open_window, close_window),
        cmocka_unit_test_setup_teardown(small_batches_are_plain_and_not_timed, open_window,
                                        close_window),
        cmocka_unit_test(one_slow_batch_counts_little),
        cmocka_unit_test_setup_teardown(past_the_caches_goes_what_was_given, open_window,
                                        close_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
