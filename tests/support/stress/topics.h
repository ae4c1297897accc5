/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics that many ranks create, open, use and delete at once. */
#ifndef MOFKA_TESTS_STRESS_TOPICS_H
#define MOFKA_TESTS_STRESS_TOPICS_H

#include <mofka/mofka.h>

/* What a rank's calls answered. */
typedef struct topics_counts {
    int created, existed, opened, missing, pushed, pulled, deleted, busy, refused;
} topics_counts_t;

/* Do `rounds` things in random order, each with one of a few topics. Whatever is pulled was pushed
 * into that very topic, and not into another one of its name. False: a message was printed. */
bool topics_stress(mofka_driver_t *driver, int rank, int rounds, topics_counts_t *counts);
/* After all ranks: delete what is left. */
bool topics_clean(mofka_driver_t *driver);

/* Create and delete `count` topics with these options, of which two exist at a time. Neither the
 * directory nor the arenas nor this process's memory grow. */
bool topics_churn(mofka_driver_t *driver, int count, const char *options);

#endif
