/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl top: rates, from two readings of a driver's statistics. */
#ifndef MOFKA_MPI_CTL_OUT_RATES_H
#define MOFKA_MPI_CTL_OUT_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mofka/stats.h>
#include "mpi/ctl/out/sink.h"

struct cJSON;

/* Give the tree of a driver's statistics: cJSON_Delete. A number that a double would round is a raw
 * item, with its text and the rounded number. NULL: no memory, or the text is not JSON. */
struct cJSON *rates_read(const char *text, size_t bytes);

/* Add rates and fill to `now`, a driver's statistics. `before`: earlier statistics that this
 * function has changed, or NULL. Each partition gets "events_per_s" and "bytes_per_s" (null without
 * `before`), and "events_fill" and "bytes_fill", the share of its room that is held, from 0 to 1. A
 * topic gets the sums of its partitions under the same keys, and its consumers with the sums of
 * their lags. Topics whose names do not match `pattern` (a shell pattern, the same in each call;
 * NULL: all match) are removed. False: no memory. */
bool rates_add(struct cJSON *now, const struct cJSON *before, const char *pattern);

/* Read the statistics of a driver and add rates, from `*latest` to now. `*latest`: the statistics
 * that this function gave before, or NULL; on success they are freed and replaced. Give:
 * cJSON_Delete. `pattern`: see rates_add. */
mofka_status_t rates_take(mofka_driver_t *driver, const char *pattern, struct cJSON **latest);

/* Write the statistics as one line of JSON without control characters, and without what only this
 * rank has. False: no memory. */
bool rates_write_json(const struct cJSON *stats, sink_t *line);

/* Give a member of an object of statistics; NULL: the object has no such member. */
struct cJSON *rates_member(const struct cJSON *object, const char *key);

bool rates_is_number(const struct cJSON *item);

/* Give a member that is a whole number, with all digits; 0: the member is missing or not a number.
 */
uint64_t rates_count(const struct cJSON *object, const char *key);

/* Give a member that is a number; 0: the member is missing or not a number. */
double rates_number(const struct cJSON *object, const char *key);

#endif
