/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics as text for Prometheus: its text format 0.0.4, or OpenMetrics 1.0.
 *
 *   statistics of a driver, JSON  ->  the job's topics, partitions and their consumers
 *   counters of a process         ->  its producers and consumers, with the label "rank"
 *
 * A text is the parts that the writer wants, then mfi_prometheus_write_end. The two formats differ
 * in how a counter is declared: "# TYPE x_total counter", or "# TYPE x counter". Labels are UTF-8
 * without control characters. Of a name that has others, each such byte becomes \xHH.
 */
#ifndef MOFKA_SRC_STATS_PROMETHEUS_H
#define MOFKA_SRC_STATS_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct mfi_totals;

typedef enum mfi_prometheus_format { MFI_PROMETHEUS_TEXT, MFI_OPENMETRICS } mfi_prometheus_format_t;

typedef enum mfi_metric_type {
    MFI_METRIC_GAUGE,
    MFI_METRIC_COUNTER,
    MFI_METRIC_INFO,
    MFI_METRIC_HISTOGRAM
} mfi_metric_type_t;

/* Write the lines HELP and TYPE of a metric. `name` has no suffix such as "_total". */
void mfi_prometheus_write_head(FILE *out, mfi_prometheus_format_t format, const char *name,
                               mfi_metric_type_t type, const char *help);
/* Write `value` / 10^`decimals` without rounding, and the end of the line. */
void mfi_prometheus_write_value(FILE *out, uint64_t value, unsigned decimals);

/* Write the part of the job's topics. `stats`: JSON that mfi_json_check accepted, of
 * mofka_driver_stats; other keys may be there, too. False: no memory, or an error of `out`. */
bool mfi_prometheus_write_job(FILE *out, mfi_prometheus_format_t format, const char *stats,
                              size_t bytes);

/* What a process has: its rank, its open producers and consumers, and the counters of all that it
 * ever had. */
typedef struct mfi_prometheus_process {
    size_t rank;
    uint64_t time_us; /* of the real-time clock */
    uint64_t producers, consumers;
    const struct mfi_totals *sums;
} mfi_prometheus_process_t;

/* Write the part of a process. */
void mfi_prometheus_write_process(FILE *out, mfi_prometheus_format_t format,
                                  const mfi_prometheus_process_t *process);
/* Write the last line, "# EOF". */
void mfi_prometheus_write_end(FILE *out);

#endif
