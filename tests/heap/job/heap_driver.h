/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver's logic over the heap window: ranks are threads of this process, and MPI is never
 * entered. */
#ifndef MOFKA_TESTS_HEAP_DRIVER_H
#define MOFKA_TESTS_HEAP_DRIVER_H

#include <stdbool.h>
#include <mofka/mofka.h>

#define HEAP_RANKS_MAX 8

/* The memory of a job of `size` ranks. */
typedef struct heap_job {
    int size;
    char *bases[HEAP_RANKS_MAX];
} heap_job_t;

void heap_job_start(heap_job_t *job, int size);
/* The same, for ranks that are processes: forks of the caller. */
void heap_job_start_shared(heap_job_t *job, int size);
void heap_job_end(heap_job_t *job);
/* A rank's driver; closing it does not wait for other ranks. */
mofka_status_t heap_driver_create(heap_job_t *job, int rank, mofka_driver_t **driver);

/* Whether threads of the core may call the backend: what lingers is sent, and claims are in place.
 * Set before drivers are created; false at first. */
extern bool heap_driver_has_threads;

#endif
