/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl top: what two looks at a driver's statistics say about the time between them. */
#ifndef MOFKA_MPI_CTL_RATES_H
#define MOFKA_MPI_CTL_RATES_H

#include <stdbool.h>

struct cJSON;

/* Adds to each partition of `now` (a driver's statistics; `before`: what this made of earlier ones, or
 * NULL) "events_per_s" and "bytes_per_s" (null where that lacks some), and "events_fill" and "bytes_fill",
 * the shares of its room that are held, from 0 to 1. A topic gets its partitions' sums under the same
 * keys, and its consumers with the sums of their lags. Topics whose names `pattern` (as of a shell,
 * always the same; NULL: all) does not match are left out. False: no memory. */
bool rates_add(struct cJSON *now, const struct cJSON *before, const char *pattern);

/* A member of an object of statistics; NULL: it has none of that key. */
struct cJSON *rates_member(const struct cJSON *object, const char *key);

/* A member that is a number; 0: it is missing or not a number. */
double rates_number(const struct cJSON *object, const char *key);

#endif
