/*
 * The two ways of putting a batch: which one is chosen, and that the one past the caches writes what
 * it is given, and nothing else.
 */
#include "check.h"
#include "mpi_pace.h"

#define BYTES 16384

static mofka_mpi_window_t *window;
static mofka_mpi_partition_t partition;
static char memory[BYTES], expected[BYTES], source[BYTES];

static int open_window(void **state) {
    (void)state;
    char *base = memory;
    partition = (mofka_mpi_partition_t){.ring_bytes = BYTES};
    if (mofka_mpi_window_heap(&base, 0, 1, &window))
        return 1;
    partition.w = window;
    return 0;
}

static int close_window(void **state) {
    (void)state;
    window->ops->destroy(window);
    return 0;
}

static bool is_past(mofka_mpi_pace_t *pace, size_t bytes) {
    return mofka_mpi_pace_start(pace, &partition, bytes).way == MOFKA_MPI_PAST_CACHES;
}

/* Known costs: plain ones, those past the caches. */
static bool chosen(uint64_t plain, uint64_t past) {
    mofka_mpi_pace_t pace = {.cost = {plain, past}};
    return is_past(&pace, 1 << 20);
}

static void past_the_caches_has_to_win_clearly(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    assert_true(chosen(401, 100));
    assert_false(chosen(400, 100));
    assert_false(chosen(100, 100));
    partition.ring_bytes = window->cache_bytes;
    assert_false(chosen(400, 100));
    partition.ring_bytes++; /* leaves the cache anyway */
    assert_true(chosen(101, 100));
    assert_false(chosen(100, 100));
}

static void both_ways_are_timed(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    mofka_mpi_pace_t pace = {.turn = 0};
    mofka_mpi_timed_t timed = mofka_mpi_pace_start(&pace, &partition, 1 << 20);
    assert_int_equal(timed.way, MOFKA_MPI_PLAIN);
    mofka_mpi_pace_stop(&pace, timed, 1 << 20);
    assert_true(pace.cost[MOFKA_MPI_PLAIN] > 0);
    timed = mofka_mpi_pace_start(&pace, &partition, 1 << 20);
    assert_int_equal(timed.way, MOFKA_MPI_PAST_CACHES); /* never timed */
    mofka_mpi_pace_stop(&pace, timed, 1 << 20);
    assert_true(pace.cost[MOFKA_MPI_PAST_CACHES] > 0);
    pace = (mofka_mpi_pace_t){.cost = {100, 100}};
    int others = 0;
    for (int i = 0; i < 25100; i++)
        others += is_past(&pace, 1 << 20);
    assert_int_equal(others, 100);
    pace.cost[MOFKA_MPI_PLAIN] = 1000;
    for (int i = 0; i < 25100; i++)
        others -= !is_past(&pace, 1 << 20);
    assert_int_equal(others, 0);
    timed = mofka_mpi_pace_start(&pace, &partition, 100); /* too small to be worth a clock */
    assert_int_equal(timed.way, MOFKA_MPI_PLAIN);
    assert_true(timed.start_ns == 0);
    mofka_mpi_pace_t before = pace;
    mofka_mpi_pace_stop(&pace, timed, 100);
    assert_memory_equal(&pace, &before, sizeof pace);
}

static void batch_of(mofka_mpi_pace_t *pace, mofka_mpi_way_t way, int64_t ns, size_t bytes) {
    mofka_mpi_pace_stop(pace, (mofka_mpi_timed_t){way, mofka_mpi_now_ns() - ns}, bytes);
}

static void one_slow_batch_counts_little(void **state) {
    (void)state;
    mofka_mpi_pace_t pace = {.cost = {1000, 0}};
    batch_of(&pace, MOFKA_MPI_PLAIN, 3600 * INT64_C(1000000000), 1 << 20); /* an hour */
    assert_int_equal(pace.cost[MOFKA_MPI_PLAIN], 1125);
    batch_of(&pace, MOFKA_MPI_PLAIN, 0, SIZE_MAX >> 21 << 20); /* no time for so much */
    assert_int_equal(pace.cost[MOFKA_MPI_PLAIN], 1);
    for (int i = 0; i < 100; i++)
        batch_of(&pace, MOFKA_MPI_PLAIN, 1000000, 1 << 20);
    assert_in_range(pace.cost[MOFKA_MPI_PLAIN], 100000, 1100000);
}

/* Batches of 1 MiB at so many ns each, until the choice is `past`: how many. */
static int until(mofka_mpi_pace_t *pace, bool past, int64_t plain_ns, int64_t past_ns) {
    int count = 0;
    for (; is_past(&(mofka_mpi_pace_t){.cost = {pace->cost[0], pace->cost[1]}}, 1 << 20) != past;
         count++) {
        assert_true(count < 1000);
        mofka_mpi_way_t way = mofka_mpi_pace_start(pace, &partition, 1 << 20).way;
        batch_of(pace, way, way == MOFKA_MPI_PAST_CACHES ? past_ns : plain_ns, 1 << 20);
    }
    return count;
}

static void choices_follow_the_machine(void **state) {
    (void)state;
    if (!window->ops->put_past_caches)
        skip();
    mofka_mpi_pace_t pace = {.turn = 0};
    batch_of(&pace, MOFKA_MPI_PLAIN, 4000000000, 1 << 20); /* the first one was interrupted */
    assert_true(until(&pace, false, 25000000, 40000000) <= 600);
    assert_true(until(&pace, true, 300000000, 40000000) <= 200);
    assert_true(until(&pace, false, 25000000, 60000000) <= 600);
}

static void puts_are_exact(mofka_mpi_put_t put) {
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
        cmocka_unit_test_setup_teardown(past_the_caches_has_to_win_clearly, open_window,
                                        close_window),
        cmocka_unit_test_setup_teardown(both_ways_are_timed, open_window, close_window),
        cmocka_unit_test(one_slow_batch_counts_little),
        cmocka_unit_test_setup_teardown(choices_follow_the_machine, open_window, close_window),
        cmocka_unit_test_setup_teardown(past_the_caches_goes_what_was_given, open_window,
                                        close_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
