/* SPDX-License-Identifier: BSD-3-Clause */
/* The log-linear histogram: the bucket of a value, and the largest value of a bucket. */
#include "stats/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Values below EXACT have a bucket each; above, each power of two has STEPS buckets. */
#define EXACT 128
#define EXACT_BITS 7
#define STEPS 64
#define STEP_BITS 6

static_assert(MFI_HISTOGRAM_BUCKETS == EXACT + (64 - EXACT_BITS) * STEPS,
              "a bucket for every value");

static size_t histogram_bucket(uint64_t value) {
    if (value < EXACT)
        return (size_t)value;
    int power = 63 - __builtin_clzll(value);
    uint64_t step = value >> (power - STEP_BITS) & (STEPS - 1);
    return EXACT + (size_t)(power - EXACT_BITS) * STEPS + (size_t)step;
}

/* The largest value of a bucket. */
static uint64_t histogram_bucket_end(size_t bucket) {
    assert(bucket < MFI_HISTOGRAM_BUCKETS);
    if (bucket < EXACT)
        return bucket;
    size_t power = EXACT_BITS + (bucket - EXACT) / STEPS;
    uint64_t step = (bucket - EXACT) % STEPS;
    /* The end of the last bucket wraps to UINT64_MAX, which is right. */
    return ((STEPS + step + 1) << (power - STEP_BITS)) - 1;
}

void mfi_histogram_clear(mfi_histogram_t *h) {
    memset(h, 0, sizeof *h);
}

void mfi_histogram_record(mfi_histogram_t *h, uint64_t value) {
    size_t bucket = histogram_bucket(value);
    assert(bucket < MFI_HISTOGRAM_BUCKETS);
    h->counts[bucket]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

void mfi_histogram_add(mfi_histogram_t *h, const mfi_histogram_t *other) {
    assert(h != other);
    for (size_t i = 0; i < MFI_HISTOGRAM_BUCKETS; i++)
        h->counts[i] += other->counts[i];
    h->total += other->total;
    if (other->max > h->max)
        h->max = other->max;
}

uint64_t mfi_histogram_quantile(const mfi_histogram_t *h, double quantile) {
    assert(quantile >= 0 && quantile <= 1);
    if (h->total == 0)
        return 0;
    double wanted = ceil(quantile * (double)h->total);
    uint64_t seen = 0;
    for (size_t i = 0; i < MFI_HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        /* Quantile 0 is the smallest value, not the first bucket. */
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = histogram_bucket_end(i);
            return end < h->max ? end : h->max;
        }
    }
    assert(seen == h->total);
    return h->max;
}

uint64_t mfi_histogram_count(const mfi_histogram_t *h, uint64_t value) {
    size_t last = histogram_bucket(value);
    uint64_t count = 0;
    assert(last < MFI_HISTOGRAM_BUCKETS);
    for (size_t i = 0; i <= last; i++)
        count += h->counts[i];
    return count;
}

uint64_t mfi_histogram_sum(const mfi_histogram_t *h) {
    uint64_t sum = 0;
    for (size_t i = 0; i < MFI_HISTOGRAM_BUCKETS; i++) {
        uint64_t end = histogram_bucket_end(i);
        sum += h->counts[i] * (end < h->max ? end : h->max);
    }
    return sum;
}
