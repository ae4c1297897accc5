/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver over a communicator of an MPI session, without MPI_Init. The argument is the window.
 * Exit 77 (skipped) where MPI has no sessions.
 */
#include <sys/wait.h>
#include <unistd.h>
#include <mofka/mpi.h>
#include "support/check.h"

static int rank;

#define NEEDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: %s: %s\n", rank, __LINE__, #condition,              \
                    mofka_last_error());                                                           \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void refuse_without_mpi(void) {
    mofka_driver_t *driver;
    NEEDS(mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver) == MOFKA_ERR_MPI);
    NEEDS(strstr(mofka_last_error(), "not initialised"));
    NEEDS(mofka_driver_create("mpi", NULL, &driver) == MOFKA_ERR_MPI);
    NEEDS(mofka_mpi_driver_create(MPI_COMM_NULL, NULL, &driver) == MOFKA_ERR_INVALID);
}

#if MPI_VERSION >= 4

static int size;

static MPI_Comm session_open(MPI_Session *session) {
    MPI_Info info;
    MPI_Group group;
    MPI_Comm comm;
    MPI_Info_create(&info);
    MPI_Info_set(info, "thread_level", "MPI_THREAD_MULTIPLE");
    NEEDS(!MPI_Session_init(info, MPI_ERRORS_RETURN, session));
    MPI_Info_free(&info);
    NEEDS(!MPI_Group_from_session_pset(*session, "mpi://WORLD", &group));
    NEEDS(!MPI_Comm_create_from_group(group, "mofka", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm));
    MPI_Group_free(&group);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    return comm;
}

/* A child has no MPI, although MPI_Initialized has always answered no. */
static void session_fork(MPI_Comm comm) {
    mofka_driver_t *driver;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(mofka_mpi_driver_create(comm, NULL, &driver) == MOFKA_ERR_MPI ? 0 : 1);
    NEEDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void session_stream(MPI_Comm comm, const char *window) {
    char options[64], name[16];
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    snprintf(options, sizeof options, "{\"window\":\"%s\"}", window);
    NEEDS(!mofka_mpi_driver_create(comm, options, &driver));
    if (rank == 0)
        NEEDS(!mofka_driver_create_topic(driver, "topic", NULL));
    NEEDS(!mofka_driver_open_topic(driver, "topic", 20000, &topic));
    NEEDS(!mofka_producer_create(topic, NULL, &producer));
    NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
    NEEDS(!mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
    snprintf(name, sizeof name, "reader %d", rank);
    NEEDS(!mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (int i = 0; i < size; i++) {
        NEEDS(!mofka_consumer_pull(consumer, 20000, &event));
        mofka_event_release(event);
    }
    session_fork(comm);
    NEEDS(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    NEEDS(!mofka_driver_close(driver, 20000));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    MPI_Session session;
    int initialized = 0;
    if (argc != 2)
        return 2;
    refuse_without_mpi();
    MPI_Comm comm = session_open(&session);
    MPI_Initialized(&initialized);
    NEEDS(!initialized);
    session_stream(comm, argv[1]);
    printf("rank %d: done\n", rank);
    fflush(stdout);
    MPI_Comm_free(&comm);
    MPI_Session_finalize(&session);
    return 0;
}

#else

int main(void) {
    refuse_without_mpi();
    printf("skipped: this MPI has no sessions (version %d)\n", MPI_VERSION);
    return 77;
}

#endif
