/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Races between the ranks of a job, with the same cases for ranks that are processes (mpi_stress.c)
 * and ranks that are threads over the heap window (heap_stress.c, so that ThreadSanitizer sees
 * all).
 *
 * All logs begin just below 2^32 events and units. A failed check aborts the process, which fails
 * the test whatever the other ranks do.
 */
#ifndef MOFKA_TESTS_STRESS_H
#define MOFKA_TESTS_STRESS_H

#include <mofka/mofka.h>

typedef struct job {
    mofka_driver_t *driver;
    int rank, size;
    int scale;    /* work per case */
    bool by_copy; /* whether a reader may copy bytes that are being overwritten, and drop them */
    /* Collective over the job: wait for all, and the sum of all values. */
    long (*sum)(const struct job *job, long value);
    void *context;
} job_t;

/* Run every case, on every rank. */
void stress_run(const job_t *job);

#endif
