/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by a task of this folder and the main program around it. Each task defines
 * `readme_task`. */
#ifndef README_TASK_H
#define README_TASK_H

#include <mofka/mofka.h>

/* Ends the job if `status` is an error. */
void check(mofka_status_t status);

typedef struct readme_task {
    mofka_topic_options_t topic_options;
    long (*produce)(mofka_topic_t *topic); /* runs in rank 0; returns the number of events pushed */
    long (*consume)(mofka_topic_t *topic); /* runs in rank 1; returns the number of events read */
} readme_task_t;

extern const readme_task_t readme_task;

#endif
