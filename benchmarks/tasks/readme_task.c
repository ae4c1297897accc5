/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main program around each task: rank 0 produces, rank 1 consumes, and every event pushed must
 * be read. Further ranks may be other programs.
 *   readme_NAME [WINDOW]
 */
#include <mofka/mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "readme_task.h"

void check(mofka_status_t status) {
    if (status == MOFKA_OK)
        return;
    fprintf(stderr, "%s: %s\n", mofka_status_name(status), mofka_last_error());
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1); /* MPI_Abort may return */
}

/* Half a second after the start, SIGTERM asks the process to stop. Only the task `stop` needs
 * it. */
static void ask_to_stop(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    const struct itimerspec once = {.it_value = {.tv_nsec = 500000000}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &once, NULL)) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        exit(1);
    }
}

static void task_compare_counts(int rank, long events) {
    long read = events;
    if (rank == 1) {
        MPI_Send(&events, 1, MPI_LONG, 0, 0, MPI_COMM_WORLD);
        return;
    }
    MPI_Recv(&read, 1, MPI_LONG, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    fflush(stdout);
    printf("%ld events pushed, %s\n", events, read == events ? "all read" : "NOT all read");
    if (read != events || events == 0) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        exit(1);
    }
}

int main(int argc, char **argv) {
    int level, rank;
    char options[64] = "{}";
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (argc > 1)
        snprintf(options, sizeof options, "{\"window\":\"%s\"}", argv[1]);
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    check(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    if (rank == 0)
        check(mofka_driver_create_topic(driver, "fields", &readme_task.topic_options));
    check(mofka_driver_open_topic(driver, "fields", 10000, &topic));
    if (strstr(argv[0], "stop") && rank == 0)
        ask_to_stop();
    task_compare_counts(rank, rank == 0 ? readme_task.produce(topic) : readme_task.consume(topic));
    mofka_topic_release(topic);
    check(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return MPI_Finalize();
}
