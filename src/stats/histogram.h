/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log-linear histogram of whole numbers (nanoseconds): below 128 exact, above that 64 buckets per
 * power of two, so a value is known within 1/64 (the idea of HdrHistogram, G. Tene,
 * hdrhistogram.org). Fixed size, no allocation when recording; sums over ranks by adding counts.
 */
#ifndef MOFKA_SRC_HISTOGRAM_H
#define MOFKA_SRC_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define MFI_HISTOGRAM_BUCKETS (128 + 57 * 64)

typedef struct mfi_histogram {
    uint64_t total, max;
    uint64_t counts[MFI_HISTOGRAM_BUCKETS];
} mfi_histogram_t;

void mfi_histogram_clear(mfi_histogram_t *h);
void mfi_histogram_record(mfi_histogram_t *h, uint64_t value);
void mfi_histogram_add(mfi_histogram_t *h, const mfi_histogram_t *other);
/* The smallest recorded value that at least `quantile` (0 to 1) of all values are not above, rounded
 * up to its bucket's end and never above the maximum; 0 when nothing was recorded. */
uint64_t mfi_histogram_quantile(const mfi_histogram_t *h, double quantile);

#endif
