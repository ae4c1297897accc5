/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks that do not come to what all do, or stop in what they do. One mode a run; the
 * second argument is the window. A rank that stops is woken by the first of the others.
 *   late      one rank comes when the others have given up; it fails, too; then all try again. With
 *             70 ranks, those from 64 on do not know its name
 *   first     the same of rank 0
 *   creating  one rank stops within the creation
 *   closing   one rank stops after it has voted to free the window
 *   absent    one rank does not come to the close at first
 *   making    one rank stops while it makes the partitions of a topic
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
/* ---- a rank that stops ----------------------------------------------------------------------- */

static int operations_left; /* this rank stops after so many more operations; 0: it does not */
static pid_t pids[64];

static void meet_may_stop(void) {
    if (operations_left > 0 && --operations_left == 0)
        raise(SIGSTOP);
}

/* In place of MPI's: stops after the operation has begun. */
int MPI_Iallreduce(const void *own, void *all, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request *request) {
    int error = PMPI_Iallreduce(own, all, count, type, op, comm, request);
    meet_may_stop();
    return error;
}

static bool stops_at_memory; /* this rank stops when it makes or puts a page or more */

static void meet_may_stop_at_memory(size_t bytes) {
    if (stops_at_memory && bytes >= 4096) {
        stops_at_memory = false;
        raise(SIGSTOP);
    }
}

/* In place of libc's. */
int madvise(void *start, size_t bytes, int advice) {
    meet_may_stop_at_memory(bytes);
    return (int)syscall(SYS_madvise, start, bytes, advice);
}

int MPI_Put(const void *source, int count, MPI_Datatype type, int target, MPI_Aint place,
            int target_count, MPI_Datatype target_type, MPI_Win win) {
    meet_may_stop_at_memory((size_t)count);
    return PMPI_Put(source, count, type, target, place, target_count, target_type, win);
}

static void exchange_pids(void) {
    pid_t own = getpid();
    MPI_Allgather(&own, sizeof own, MPI_BYTE, pids, sizeof own, MPI_BYTE, MPI_COMM_WORLD);
}

/* ---- the driver ------------------------------------------------------------------------------ */

static mofka_status_t meet_create(int timeout_ms) {
    char text[100];
    snprintf(text, sizeof text,
             "{\"window\":\"%s\",\"arena_bytes\":2097152,\"create_timeout_ms\":%d,\"owners\":[0]}",
             window, timeout_ms);
    return mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver);
}

static bool meet_fails(mofka_status_t status, const char *names) {
    if (status == MOFKA_ERR_TIMEOUT && strstr(mofka_last_error(), names))
        return true;
    fprintf(stderr, "rank %d: %s, '%s' wanted\n", rank, mofka_status_name(status), names);
    return false;
}

static void meet_use_and_close(void) {
    mofka_topic_t *topic;
    if (rank == 0)
        NEEDS(!mofka_driver_create_topic(
            driver, "topic",
            &(mofka_topic_options_t){.options =
                                         "{\"partition_bytes\":4096,\"partition_events\":16}"}));
    NEEDS(!mofka_driver_open_topic(driver, "topic", 20000, &topic));
    mofka_topic_release(topic);
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* Those but one. */
static MPI_Comm split_others(int last) {
    MPI_Comm others;
    MPI_Comm_split(MPI_COMM_WORLD, rank == last, rank, &others);
    return others;
}

/* Others name the late rank. It fails soon after, whatever its own time-out is. */
static void come_late(int late) {
    int word = 0;
    char name[40];
    MPI_Request any;
    MPI_Comm others = split_others(late);
    snprintf(name, sizeof name, rank < 64 ? "rank %d did not call" : "rank 0 names them", late);
    MPI_Irecv(&word, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &any);
    if (rank == late) {
        int got;
        do
            MPI_Test(&any, &got, MPI_STATUS_IGNORE);
        while (!got);
        NEEDS(word == 4711);
        NEEDS(meet_fails(meet_create(-1), "had given up"));
    } else {
        NEEDS(meet_fails(meet_create(size < 8 ? 500 : 10000), name));
        MPI_Barrier(others);
        for (int i = 0; i < size && rank == (late + 1) % size; i++) {
            word = 4711;
            MPI_Send(&word, 1, MPI_INT, i, 3, MPI_COMM_WORLD);
        }
        MPI_Wait(&any, MPI_STATUS_IGNORE);
        NEEDS(word == 4711); /* not a byte of the library */
    }
    NEEDS(!meet_create(30000));
    meet_use_and_close();
    MPI_Comm_free(&others);
}

/* The stopped rank is the last one; rank 0 wakes it. */
static void stop_while_creating(void) {
    int last = size - 1;
    char name[40];
    snprintf(name, sizeof name, "rank %d did not finish", last);
    exchange_pids();
    MPI_Comm others = split_others(last);
    if (rank == last)
        operations_left = 6; /* looking at its node */
    mofka_status_t status = meet_create(2000);
    if (rank != last) {
        NEEDS(meet_fails(status, name));
        MPI_Barrier(others);
        if (rank == 0)
            kill(pids[last], SIGCONT);
    } else {
        NEEDS(status == MOFKA_ERR_TIMEOUT);
    }
    MPI_Comm_free(&others);
}

/* It votes, and stops before it knows the others' votes. When it is back, the others have given up:
 * it must not free the window, which would wait for them. Fails if one vote is taken for a
 * meeting. */
static void stop_while_closing(void) {
    int last = size - 1;
    char name[40];
    snprintf(name, sizeof name, "time: rank %d did not", last);
    exchange_pids();
    MPI_Comm others = split_others(last);
    NEEDS(!meet_create(30000));
    if (rank == last) {
        operations_left = 1;
        NEEDS(meet_fails(mofka_driver_close(driver, 8000), "did not"));
    } else {
        NEEDS(meet_fails(mofka_driver_close(driver, 500), name));
        MPI_Barrier(others);
        if (rank == 0)
            kill(pids[last], SIGCONT);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    NEEDS(!mofka_driver_close(driver, 30000));
    NEEDS(!strstr(mpi_main_warnings, "memory stays"));
    mofka_driver_release(driver);
    MPI_Comm_free(&others);
}

static void be_absent(void) {
    int last = size - 1;
    char name[40];
    MPI_Comm others = split_others(last);
    snprintf(name, sizeof name, "time: rank %d did not", last);
    NEEDS(!meet_create(30000));
    if (rank != last) {
        NEEDS(meet_fails(mofka_driver_close(driver, 500), name));
        MPI_Barrier(others);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
    NEEDS(!strstr(mpi_main_warnings, "memory stays"));
    MPI_Comm_free(&others);
}

static mofka_status_t meet_open_topic(const char *name, int64_t timeout_ms) {
    mofka_topic_t *topic;
    mofka_status_t status = mofka_driver_open_topic(driver, name, timeout_ms, &topic);
    if (!status)
        mofka_topic_release(topic);
    return status;
}

#define SMALL "{\"partition_bytes\":4096,\"partition_events\":16}"
#define LARGE "{\"partition_bytes\":4096,\"partition_events\":16384}"

/* Other topics are created and opened meanwhile. Opening this one names the rank. */
static void stop_while_making(void) {
    int last = size - 1;
    char name[80];
    snprintf(name, sizeof name, "rank %d", last);
    exchange_pids();
    MPI_Comm others = split_others(last);
    NEEDS(!meet_create(30000));
    if (rank == last) {
        stops_at_memory = true;
        NEEDS(!mofka_driver_create_topic(driver, "large",
                                         &(mofka_topic_options_t){.options = LARGE}));
    } else {
        bool exists = false;
        while (!exists)
            NEEDS(!mofka_driver_topic_exists(driver, "large", &exists));
        if (rank == 0)
            NEEDS(!mofka_driver_create_topic(driver, "small",
                                             &(mofka_topic_options_t){.options = SMALL}));
        NEEDS(!meet_open_topic("small", 20000));
        NEEDS(meet_fails(meet_open_topic("large", 100), name));
        NEEDS(strstr(mofka_last_error(), "has not finished creating topic 'large'"));
        MPI_Barrier(others);
        if (rank == 0)
            kill(pids[last], SIGCONT);
    }
    NEEDS(!meet_open_topic("large", 20000));
    MPI_Comm_free(&others);
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    if (argc != 3)
        return 2;
    const char *mode = argv[1];
    window = argv[2];
    mpi_main_collect_warnings();
    if (strcmp(mode, "late") == 0)
        come_late(size - 1);
    else if (strcmp(mode, "first") == 0)
        come_late(0);
    else if (strcmp(mode, "creating") == 0)
        stop_while_creating();
    else if (strcmp(mode, "closing") == 0)
        stop_while_closing();
    else if (strcmp(mode, "absent") == 0)
        be_absent();
    else if (strcmp(mode, "making") == 0)
        stop_while_making();
    else
        return 2;
    printf("rank %d: done\n", rank);
    fflush(stdout);
    return mpi_main_end(0);
}
