/* SPDX-License-Identifier: BSD-3-Clause */
/* A backend that answers append by script, the topic of it that each case gets, and producers of
 * that. */
#ifndef MOFKA_TESTS_SCRIPTED_BACKEND_H
#define MOFKA_TESTS_SCRIPTED_BACKEND_H

#include <mofka/backend.h>
#include <semaphore.h>
#include "support/check.h"
#include "support/clock.h"

#define PARTITIONS 3

/* Answers of append, in turn; the last one stays. */
typedef struct script {
    mofka_status_t answers[8];
    bool reserves;           /* append reserves, whatever it answers */
    bool unreserves;         /* what answers MOFKA_ERR_TIMEOUT says that nothing is reserved */
    bool any_thread;         /* the driver's background thread may append */
    bool eventless;          /* its batches take no event */
    bool gated;              /* append waits for the gate first */
    void (*on_append)(void); /* called by the first append; NULL: nothing */
    void (*on_close)(void);  /* called by close; NULL: nothing */
    int delay_ms[8];
    const char *serializer; /* NULL: the default */
    const char *selector;   /* likewise */
    size_t next;
    _Atomic uint64_t appended; /* events */
    _Atomic uint64_t appended_to[PARTITIONS];
    int64_t timeout_ms[PARTITIONS]; /* of the last append */
    _Atomic bool full[PARTITIONS]; /* append finds no room, and answers MOFKA_ERR_TIMEOUT in time */
    _Atomic size_t looks;          /* appends that began while it was full */
    bool waits;                    /* what answers MOFKA_ERR_TIMEOUT takes that long */
    int64_t waited_ms;             /* by that, together */
    mofka_status_t close_answers[2];
    _Atomic size_t calls;
    size_t closed, destroyed;
    bool flushed;
    /* With append_start, whose answers the case gives itself. */
    bool starts;                 /* producers have it in place of append */
    mofka_append_t *under_way;   /* started, and not answered; NULL: none */
    mofka_status_t start_answer; /* of append_start */
    mofka_status_t late_answer;  /* of append_late */
} script_t;

extern script_t script;
extern sem_t gate; /* made by the case that gates */
extern const mofka_driver_ops_t driver_ops;
extern mofka_driver_t *driver;
extern mofka_topic_t *topic;

/* Before and after each case: an empty script, the driver and its topic. */
int scripted_setup(void **state);
int scripted_teardown(void **state);

mofka_producer_t *scripted_create_producer(size_t max_batches);
mofka_future_t *scripted_push(mofka_producer_t *producer);
/* Answer the append under way: its first `stored` batches are. */
void scripted_answer(size_t stored, mofka_status_t status);
/* Closes it, checks that the backend's is closed and destroyed, releases it. */
void scripted_end_producer(mofka_producer_t *producer);

#define CASE(name) cmocka_unit_test_setup_teardown(name, scripted_setup, scripted_teardown)

#endif
