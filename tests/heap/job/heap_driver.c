/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver's directory, topics, producers and consumers behind a driver table of its own:
 * only creation and close, which are collective in MPI, differ. */
#include "heap/job/heap_driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "mpi/alive/alive.h"
#include "mpi/driver/driver.h"
#include <mofka/backend.h>

#define ARENA_BYTES ((uint64_t)64 << 20)
#define DIRECTORY_BYTES ((uint64_t)64 << 10)
#define SHARE_BYTES (MMI_PAGE_BYTES + DIRECTORY_BYTES + ARENA_BYTES)

/* Fresh pages are zero. Nobody may touch the pages around a share. */
static void heap_job_map(heap_job_t *job, int size, int flags) {
    job->size = size;
    for (int i = 0; i < size; i++) {
        char *around =
            mmap(NULL, SHARE_BYTES + 2 * MMI_PAGE_BYTES, PROT_NONE, flags | MAP_ANONYMOUS, -1, 0);
        if (around == MAP_FAILED ||
            mprotect(around + MMI_PAGE_BYTES, SHARE_BYTES, PROT_READ | PROT_WRITE))
            abort();
        job->bases[i] = around + MMI_PAGE_BYTES;
    }
}

void heap_job_start(heap_job_t *job, int size) {
    heap_job_map(job, size, MAP_PRIVATE);
}

void heap_job_start_shared(heap_job_t *job, int size) {
    heap_job_map(job, size, MAP_SHARED);
}

void heap_job_end(heap_job_t *job) {
    for (int i = 0; i < job->size; i++)
        munmap(job->bases[i] - MMI_PAGE_BYTES, SHARE_BYTES + 2 * MMI_PAGE_BYTES);
}

static mofka_status_t heap_driver_close_nothing(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static void heap_driver_destroy(void *self) {
    mmi_driver_t *d = self;
    d->directory.w->ops->destroy(d->directory.w);
    mmi_records_destroy(&d->directory.records);
    free(d->directory.owners);
    free(d);
}

bool heap_driver_has_threads;

static bool heap_driver_any_thread(void *self) {
    (void)self;
    return heap_driver_has_threads;
}

static const mofka_driver_ops_t heap_ops = {.size = sizeof heap_ops,
                                            .create_topic = mmi_driver_create_topic,
                                            .open_topic = mmi_driver_open_topic,
                                            .topic_exists = mmi_driver_topic_exists,
                                            .list_topics = mmi_driver_list_topics,
                                            .topic_stats = mmi_driver_topic_stats,
                                            .rank_stats = mmi_driver_rank_stats,
                                            .any_thread = heap_driver_any_thread,
                                            .close = heap_driver_close_nothing,
                                            .destroy = heap_driver_destroy,
                                            .delete_topic = mmi_driver_delete_topic};

mofka_status_t heap_driver_create(heap_job_t *job, int rank, mofka_driver_t **driver) {
    mmi_driver_t *d = calloc(1, sizeof *d);
    d->rank = rank;
    d->size = job->size;
    d->directory.topic_ops = &mmi_topic_ops;
    mmi_records_init(&d->directory.records);
    d->directory.owner_count = (size_t)job->size;
    d->directory.owners = calloc(d->directory.owner_count, sizeof *d->directory.owners);
    for (int i = 0; i < job->size; i++)
        d->directory.owners[i] = i;
    d->directory.arena_bytes = ARENA_BYTES;
    d->directory.directory_bytes = DIRECTORY_BYTES;
    mofka_status_t status = mmi_window_create_heap(job->bases, rank, job->size, &d->directory.w);
    if (!status)
        mmi_alive_announce(d->directory.w);
    return status ? status : mofka_driver_wrap("heap", &heap_ops, d, driver);
}
