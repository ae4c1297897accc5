/* SPDX-License-Identifier: BSD-3-Clause */
/* The beginning and the end of every MPI program, and a check for those that are not cmocka's. */
#ifndef MOFKA_TESTS_MPI_MAIN_H
#define MOFKA_TESTS_MPI_MAIN_H

#include <stdlib.h>
#include <unistd.h>
#include <mofka/mpi.h>
#include "support/check.h"

static const char *window; /* the program's argument: shm, rma */
static int rank, size;
static pid_t mpi_main_process; /* the one that started MPI, and not a child of it */

static inline void mpi_main_start(int *argc, char ***argv) {
    int level;
    MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    window = *argc > 1 ? (*argv)[1] : "auto";
    mpi_main_process = getpid();
}

#ifdef __SANITIZE_ADDRESS__
/* Keep every library loaded to the end. Leaks of MPI are recognised by the names of its libraries
 * (leaks_of_mpi.supp), and both MPIs unload some. */
__attribute__((visibility("default"))) int dlclose(void *handle);
int dlclose(void *handle) {
    (void)handle;
    return 0;
}
#endif

/* End the whole job: other ranks may be waiting for this one. MPI_Abort may return (MPICH 5). */
static inline _Noreturn void mpi_main_abort(void) {
    MPI_Abort(MPI_COMM_WORLD, 1);
    _Exit(1);
}

/* What the library has logged since mpi_main_collect_warnings. */
static char mpi_main_warnings[4096];

static inline void mpi_main_add_warning(void *context, mofka_log_level_t level,
                                        const char *message) {
    size_t used = strlen(mpi_main_warnings);
    (void)context, (void)level;
    snprintf(mpi_main_warnings + used, sizeof mpi_main_warnings - used, "%s\n", message);
}

static inline void mpi_main_collect_warnings(void) {
    mofka_log_set_callback(mpi_main_add_warning, NULL);
}

/* A process without MPI ends itself: before MPI_Init, after MPI_Finalize, and a forked child. */
static inline _Noreturn void mpi_main_fail(const char *file, int line, const char *condition) {
    int finalized = 1;
    fprintf(stderr, "rank %d, %s:%d: %s: %s\n%s", rank, file, line, condition, mofka_last_error(),
            mpi_main_warnings);
    fflush(stderr);
    if (getpid() == mpi_main_process)
        MPI_Finalized(&finalized);
    if (!finalized)
        mpi_main_abort();
    _exit(1);
}

/* The condition is true; else the whole job fails. */
#define NEEDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            mpi_main_fail(__FILE__, __LINE__, #condition);                                         \
    } while (0)

/* Any rank's failure fails the program. The last line comes before MPI_Finalize, which may hang. */
static inline int mpi_main_end(int failed) {
    int worst;
    if (failed)
        mpi_main_abort();
    MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0 && !worst) {
        printf("every rank passed\n");
        fflush(stdout);
    }
    MPI_Finalize();
    return worst ? 1 : 0;
}

/* Rank 0 reports; of the others, only failures. */
#define RUN_MPI_TESTS(tests)                                                                       \
    (rank == 0 ? (void)0 : cmocka_set_message_output(CM_OUTPUT_SUBUNIT),                           \
     cmocka_run_group_tests(tests, NULL, NULL))

#endif
