/* SPDX-License-Identifier: BSD-3-Clause */
/* A case over a topic of stored.h, as a list of steps. A step that fails names its line in the
 * list. */
#ifndef MOFKA_TESTS_STEPS_H
#define MOFKA_TESTS_STEPS_H

#include "heap/damage/stored.h"

/* What the steps of a case work on. */
typedef struct scene {
    mofka_topic_t *topic;
    mofka_consumer_t *consumer; /* NULL before the step CONSUMER */
    const mmi_partition_t *p;
    sender_t slow; /* of RESERVE */
} scene_t;

typedef struct step {
    void (*run)(scene_t *scene, const struct step *step);
    int line;
    uint64_t numbers[3];
    const char *text;
} step_t;

typedef struct steps_case {
    const char *name;
    const char *options; /* of the topic */
    const step_t *steps; /* up to END */
} steps_case_t;

void step_consumer(scene_t *scene, const step_t *step);
void step_push(scene_t *scene, const step_t *step);
void step_full(scene_t *scene, const step_t *step);
void step_reserve(scene_t *scene, const step_t *step);
void step_append(scene_t *scene, const step_t *step);
void step_complete(scene_t *scene, const step_t *step);
void step_flag(scene_t *scene, const step_t *step);
void step_flag_of(scene_t *scene, const step_t *step);
void step_entry(scene_t *scene, const step_t *step);
void step_events(scene_t *scene, const step_t *step);
void step_pulls(scene_t *scene, const step_t *step);
void step_ends(scene_t *scene, const step_t *step);
void step_corrupt(scene_t *scene, const step_t *step);
void step_nothing(scene_t *scene, const step_t *step);
void step_sleeps(scene_t *scene, const step_t *step);
void step_hole(scene_t *scene, const step_t *step);
void step_skips(scene_t *scene, const step_t *step);
void step_lost(scene_t *scene, const step_t *step);
void step_counted(scene_t *scene, const step_t *step);
void step_warns(scene_t *scene, const step_t *step);
void step_warns_not(scene_t *scene, const step_t *step);
void step_head(scene_t *scene, const step_t *step);

#define STEP(function, word, ...)                                                                  \
    {                                                                                              \
        .run = (function), .line = __LINE__, .text = (word), .numbers = { __VA_ARGS__ }            \
    }

/* Create the consumer, with those options; one that is there is closed before. */
#define CONSUMER(options) STEP(step_consumer, options, 0)
/* Push `count` events, as one batch. */
#define PUSH(count) STEP(step_push, NULL, count)
/* Push `count` events, which find no room, twice. The next PUSH stores them. */
#define FULL(count) STEP(step_full, NULL, count)
/* Another producer reserves `count` events, and stops. APPEND stores them. */
#define RESERVE(count) STEP(step_reserve, NULL, count)
#define APPEND STEP(step_append, NULL, 0)
/* Mark the topic complete. */
#define COMPLETE STEP(step_complete, NULL, 0)
/* Change these bits of the flag of event `id`. */
#define FLAG(id, bits) STEP(step_flag, NULL, id, bits)
/* Event `id` has the flag of another batch, which begins at `other`. */
#define FLAG_OF(id, other, count) STEP(step_flag_of, NULL, id, other, count)
/* Change these bits of a field of the entry of event `id`. */
#define ENTRY(id, field, bits) STEP(step_entry, #field, id, bits, offsetof(mmi_entry_t, field))
/* The next events are those from `first` to `last`, as pushed; the first reports `lost`. */
#define EVENTS(first, last, lost) STEP(step_events, NULL, first, last, lost)
/* A pull that does not wait returns the event `id`, or MOFKA_NO_MORE_EVENTS. */
#define PULLS(id) STEP(step_pulls, NULL, id)
/* A pull that may wait returns the end. */
#define ENDS STEP(step_ends, NULL, 0)
/* A pull returns MOFKA_ERR_CORRUPT, with that text. */
#define CORRUPT(text) STEP(step_corrupt, text, 0)
/* A pull times out: there is no event. SLEEPS: nor does it look again and again. */
#define NOTHING STEP(step_nothing, NULL, 0)
#define SLEEPS STEP(step_sleeps, NULL, 0)
/* A pull times out, with that text. */
#define HOLE(text) STEP(step_hole, text, 0)
/* mofka_consumer_skip_damaged skips `count` events. */
#define SKIPS(count) STEP(step_skips, NULL, count)
/* The consumer has lost `count` events. */
#define LOST(count) STEP(step_lost, NULL, count)
/* Statistics of the topic have `count` damaged events. */
#define COUNTED(count) STEP(step_counted, NULL, count)
/* The last warning has that text in it; "": there was none since the last WARNS. */
#define WARNS(text) STEP(step_warns, text, 0)
/* The last warning has not that text in it. */
#define WARNS_NOT(text) STEP(step_warns_not, text, 0)
/* The head is at event `id`, and its units are exact. */
#define HEAD(id) STEP(step_head, NULL, id)
#define END                                                                                        \
    { .run = NULL }

/* cmocka's test of a case. */
struct CMUnitTest steps_test(const steps_case_t *c);

/* A consumer does not look again and again while nothing changes. */
void steps_expect_sleep(mofka_consumer_t *consumer);

#endif
