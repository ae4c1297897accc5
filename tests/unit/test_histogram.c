/* SPDX-License-Identifier: BSD-3-Clause */
/* The histogram of statistics and benchmarks, against the sorted array of what was recorded. */
#include "support/check.h"
#include "stats/histogram.h"

#define VALUES_MAX 20000

static const double quantiles[] = {0, 0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
static mfi_histogram_t histogram, first, second;
static uint64_t values[VALUES_MAX];

static int uint64_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* All magnitudes are equally likely: 64 random bits, less a random number of them. */
static uint64_t random_value(uint64_t *seed) {
    uint64_t bits =
        (uint64_t)next_random(seed) << 33 ^ (uint64_t)next_random(seed) << 16 ^ next_random(seed);
    uint32_t fewer = next_random(seed) >> 8 & 63;
    return bits >> fewer;
}

static uint64_t true_quantile(size_t count, double quantile) {
    size_t i = 0;
    while (i + 1 < count && (double)(i + 1) < quantile * (double)count)
        i++;
    return values[i];
}

/* `values` are sorted, and recorded in `histogram`. */
static void check_quantiles(size_t count) {
    assert_int_equal(histogram.total, count);
    assert_true(histogram.max == values[count - 1]);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        uint64_t expected = true_quantile(count, quantiles[i]);
        uint64_t found = mfi_histogram_quantile(&histogram, quantiles[i]);
        if (found < expected || found - expected > expected / 64 || found > histogram.max)
            fail_msg("quantile %g of %zu values: %llu, not %llu", quantiles[i], count,
                     (unsigned long long)found, (unsigned long long)expected);
        if (expected < 128)
            assert_true(found == expected);
    }
    assert_true(mfi_histogram_quantile(&histogram, 1) == values[count - 1]);
}

static void random_values_match_an_array(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 10, 100, 1000, VALUES_MAX};
    uint64_t seed = 1;
    for (int repeat = 0; repeat < 20; repeat++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            mfi_histogram_clear(&histogram);
            for (size_t i = 0; i < counts[c]; i++) {
                values[i] = random_value(&seed);
                mfi_histogram_record(&histogram, values[i]);
            }
            qsort(values, counts[c], sizeof *values, uint64_compare);
            check_quantiles(counts[c]);
        }
}

/* Around each power of two, and each bucket's border above it: a value alone, and in company. */
static void borders_of_buckets(void **state) {
    (void)state;
    static const uint64_t edges[] = {0, 1, 127, 128, 129, 255, 256, UINT64_MAX - 1, UINT64_MAX};
    size_t count = 0;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        values[count++] = edges[i];
    for (int power = 7; power < 64; power++)
        for (uint64_t step = 0; step < 64; step++) {
            uint64_t border = (64 + step) << (power - 6);
            values[count++] = border;
            values[count++] = border - 1;
        }
    for (size_t i = 0; i < count; i++) {
        mfi_histogram_clear(&histogram);
        mfi_histogram_record(&histogram, values[i]);
        mfi_histogram_record(&histogram,
                             UINT64_MAX); /* so that the maximum does not hide the end */
        uint64_t found = mfi_histogram_quantile(&histogram, 0.5);
        assert_true(found >= values[i] && found - values[i] <= values[i] / 64);
        assert_true(mfi_histogram_quantile(&histogram, 1) == UINT64_MAX);
    }
    mfi_histogram_clear(&histogram);
    for (size_t i = 0; i < count; i++)
        mfi_histogram_record(&histogram, values[i]);
    qsort(values, count, sizeof *values, uint64_compare);
    check_quantiles(count);
}

static void nothing_recorded(void **state) {
    (void)state;
    mfi_histogram_clear(&histogram);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        assert_int_equal(mfi_histogram_quantile(&histogram, quantiles[i]), 0);
    mfi_histogram_record(&histogram, 0);
    assert_int_equal(mfi_histogram_quantile(&histogram, 1), 0);
    assert_int_equal(histogram.total, 1);
}

static void adding_is_recording_all(void **state) {
    (void)state;
    uint64_t seed = 2;
    mfi_histogram_clear(&histogram);
    mfi_histogram_clear(&first);
    mfi_histogram_clear(&second);
    mfi_histogram_add(&histogram, &first); /* nothing to nothing */
    assert_int_equal(histogram.total, 0);
    for (size_t i = 0; i < VALUES_MAX; i++) {
        uint64_t value = random_value(&seed);
        mfi_histogram_record(&histogram, value);
        mfi_histogram_record(next_random(&seed) & 0x400 ? &first : &second, value);
    }
    mfi_histogram_add(&first, &second);
    assert_memory_equal(&first, &histogram, sizeof first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_values_match_an_array),
        cmocka_unit_test(borders_of_buckets),
        cmocka_unit_test(nothing_recorded),
        cmocka_unit_test(adding_is_recording_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
