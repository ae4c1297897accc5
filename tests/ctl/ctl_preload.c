/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests load this before mofkactl: an MPI that grants less than it is asked for, and calls that
 * begin late.
 *   CTL_TEST_LEVEL=1         MPI grants MPI_THREAD_SERIALIZED
 *   CTL_TEST_LIST_MS=N       listing topics begins N ms later
 *   CTL_TEST_CREATE_MS=N     creating a topic begins N ms later
 *   CTL_TEST_CONSUMER_MS=N   creating a consumer begins N ms later
 *   CTL_TEST_TRACE=FILE      fsync and acknowledging each append a line
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <mofka/mofka.h>

/* Exported, like the functions that they replace. */
#define SHOWN __attribute__((visibility("default")))

SHOWN int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    return PMPI_Init_thread(argc, argv, getenv("CTL_TEST_LEVEL") ? MPI_THREAD_SERIALIZED : required,
                            provided);
}

/* MPICH grants more than it is asked for. */
SHOWN int MPI_Query_thread(int *provided) {
    int status = PMPI_Query_thread(provided);
    if (getenv("CTL_TEST_LEVEL"))
        *provided = MPI_THREAD_SERIALIZED;
    return status;
}

static void preload_sleep(const char *name) {
    const char *ms = getenv(name);
    if (ms)
        nanosleep(&(struct timespec){.tv_sec = atol(ms) / 1000}, NULL);
}

SHOWN mofka_status_t mofka_driver_list_topics(mofka_driver_t *driver, mofka_topic_visit_fn visit,
                                              void *context) {
    mofka_status_t (*list)(mofka_driver_t *, mofka_topic_visit_fn, void *);
    *(void **)&list = dlsym(RTLD_NEXT, "mofka_driver_list_topics");
    preload_sleep("CTL_TEST_LIST_MS");
    return list(driver, visit, context);
}

SHOWN mofka_status_t mofka_driver_create_topic(mofka_driver_t *driver, const char *name,
                                               const mofka_topic_options_t *options) {
    mofka_status_t (*create)(mofka_driver_t *, const char *, const mofka_topic_options_t *);
    *(void **)&create = dlsym(RTLD_NEXT, "mofka_driver_create_topic");
    preload_sleep("CTL_TEST_CREATE_MS");
    return create(driver, name, options);
}

SHOWN mofka_status_t mofka_consumer_create(mofka_topic_t *topic,
                                           const mofka_consumer_options_t *options,
                                           mofka_consumer_t **consumer) {
    mofka_status_t (*create)(mofka_topic_t *, const mofka_consumer_options_t *,
                             mofka_consumer_t **);
    *(void **)&create = dlsym(RTLD_NEXT, "mofka_consumer_create");
    preload_sleep("CTL_TEST_CONSUMER_MS");
    return create(topic, options, consumer);
}

static void preload_trace(const char *what, uint64_t number) {
    const char *path = getenv("CTL_TEST_TRACE");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%s %" PRIu64 "\n", what, number);
    fclose(file);
}

/* The number is the size of a file, and 0 for a folder. */
SHOWN int fsync(int fd) {
    int (*sync)(int);
    *(void **)&sync = dlsym(RTLD_NEXT, "fsync");
    struct stat found;
    int code = sync(fd);
    if (code == 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode))
        preload_trace("file", (uint64_t)found.st_size);
    else if (code == 0)
        preload_trace("folder", 0);
    return code;
}

/* The number is the event's id. */
SHOWN mofka_status_t mofka_event_acknowledge(mofka_event_t *event) {
    mofka_status_t (*acknowledge)(mofka_event_t *);
    *(void **)&acknowledge = dlsym(RTLD_NEXT, "mofka_event_acknowledge");
    preload_trace("acknowledge", mofka_event_id(event));
    return acknowledge(event);
}
