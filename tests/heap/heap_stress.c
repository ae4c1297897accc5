/* SPDX-License-Identifier: BSD-3-Clause */
/* The races between ranks that are threads. Not the case in which readers copy bytes that are being
 * overwritten: that is a data race by design (the copy is dropped), and C has no word for it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include "heap/job/heap_driver.h"
#include "support/stress/stress.h"

typedef struct meeting {
    pthread_barrier_t barrier;
    atomic_long values[2];
} meeting_t;

/* Two sums take turns, so that one can be cleared while the other is in use. */
static long heap_stress_sum(const job_t *job, long value) {
    static _Thread_local unsigned turn;
    meeting_t *meeting = job->context;
    atomic_long *own = &meeting->values[turn % 2], *other = &meeting->values[++turn % 2];
    atomic_fetch_add(own, value);
    pthread_barrier_wait(&meeting->barrier);
    long all = atomic_load(own);
    atomic_store(other, 0);
    pthread_barrier_wait(&meeting->barrier);
    return all;
}

static void *rank_main(void *context) {
    stress_run(context);
    return NULL;
}

int main(void) {
    for (int size = 1; size <= 3; size++) {
        heap_job_t memory;
        meeting_t meeting = {.values = {0, 0}};
        job_t jobs[3];
        pthread_t threads[3];
        heap_job_start(&memory, size);
        pthread_barrier_init(&meeting.barrier, NULL, (unsigned)size);
        for (int i = 0; i < size; i++) {
            jobs[i] = (job_t){
                .rank = i, .size = size, .scale = 300, .sum = heap_stress_sum, .context = &meeting};
            if (heap_driver_create(&memory, i, &jobs[i].driver))
                return 1;
        }
        for (int i = 0; i < size; i++)
            pthread_create(&threads[i], NULL, rank_main, &jobs[i]);
        for (int i = 0; i < size; i++) {
            pthread_join(threads[i], NULL);
            if (mofka_driver_close(jobs[i].driver, 0)) {
                fprintf(stderr, "close: %s\n", mofka_last_error());
                return 1;
            }
            mofka_driver_release(jobs[i].driver);
        }
        pthread_barrier_destroy(&meeting.barrier);
        heap_job_end(&memory);
    }
    return 0;
}
