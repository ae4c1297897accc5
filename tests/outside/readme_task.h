/* SPDX-License-Identifier: BSD-3-Clause */
/* What a task's snippet of the README is given: `check` of the README's program. It defines the rest. */
#ifndef README_TASK_H
#define README_TASK_H

#include <mofka/mofka.h>

void check(mofka_status_t status);

extern const mofka_topic_options_t topic_options;
long produce(mofka_topic_t *topic); /* in rank 0; the events pushed */
long consume(mofka_topic_t *topic); /* in rank 1; the events read */

#endif
