/*
 * Log-linear histogram of whole numbers (nanoseconds): below 128 exact, above that 64 buckets per
 * power of two, so a value is known within 1/64 (the idea of HdrHistogram, G. Tene,
 * hdrhistogram.org). Fixed size, no allocation when recording; sums over ranks by adding counts.
 */
#ifndef MOFKA_BENCH_HISTOGRAM_H
#define MOFKA_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS (128 + 57 * 64)

typedef struct histogram {
    uint64_t total, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
} histogram_t;

void histogram_clear(histogram_t *h);
void histogram_record(histogram_t *h, uint64_t value);
void histogram_add(histogram_t *h, const histogram_t *other);
/* The smallest recorded value that at least `quantile` (0 to 1) of all values are not above, rounded
 * up to its bucket's end and never above the maximum; 0 when nothing was recorded. */
uint64_t histogram_quantile(const histogram_t *h, double quantile);

#endif
