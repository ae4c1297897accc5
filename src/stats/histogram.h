/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A log-linear histogram of whole numbers (nanoseconds), after HdrHistogram (G. Tene,
 * hdrhistogram.org).
 *
 * Values below 128 are exact. Above, each power of two has 64 buckets, so a value is known within
 * 1/64. The size is fixed, recording allocates nothing, and histograms of several ranks can be
 * added.
 */
#ifndef MOFKA_SRC_STATS_HISTOGRAM_H
#define MOFKA_SRC_STATS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define MFI_HISTOGRAM_BUCKETS (128 + 57 * 64)

typedef struct mfi_histogram {
    uint64_t total, max;
    uint64_t counts[MFI_HISTOGRAM_BUCKETS];
} mfi_histogram_t;

void mfi_histogram_clear(mfi_histogram_t *h);
void mfi_histogram_record(mfi_histogram_t *h, uint64_t value);
/* Add another histogram's values. */
void mfi_histogram_add(mfi_histogram_t *h, const mfi_histogram_t *other);
/* The smallest recorded value v such that a share of at least `quantile` (0 to 1) of all values is
 * at most v. It is rounded up to the end of its bucket, but not above the maximum. 0: nothing was
 * recorded. */
uint64_t mfi_histogram_quantile(const mfi_histogram_t *h, double quantile);
/* How many recorded values are at most `value`. Values in its bucket count, too: they are above it
 * by less than 1/64. */
uint64_t mfi_histogram_count(const mfi_histogram_t *h, uint64_t value);
/* The sum of the recorded values, at most 1/64 too large. */
uint64_t mfi_histogram_sum(const mfi_histogram_t *h);

#endif
