/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that knows nothing of this library: for benchmarks/tasks/instrument.c. Each rank writes
 * 20 times, forks a child that writes, too, and ends MPI, or with the argument "exit" does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void plain_fail(const char *what) {
    fprintf(stderr, "plain_mpi: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

static void plain_fork(int file) {
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(write(file, "child\n", 6) == 6 ? 0 : 1);
    if (waitpid(child, &status, 0) != child || status != 0)
        plain_fail("the forked child did not end as it should");
}

int main(int argc, char **argv) {
    int rank, file = open("/dev/null", O_WRONLY);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < 20; i++)
        if (write(file, "a line\n", 7) != 7)
            plain_fail("write");
    if (write(-1, "", 1) != -1 || errno != EBADF)
        plain_fail("errno is not that of write");
    plain_fork(file);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        puts("the program is done");
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        exit(0);
    return MPI_Finalize();
}
