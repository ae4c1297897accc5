/* SPDX-License-Identifier: BSD-3-Clause */
/* A C++ program over the MPI driver: rank 0 produces, and the last rank consumes. */
#include <mofka/mpi.hpp>
#include <cstdio>

static int exchange(int rank, int size) {
    mofka::Driver driver = mofka::makeMpiDriver(MPI_COMM_WORLD);
    if (rank == 0) {
        driver.createTopic("numbers", "{\"expected_producers\":1}");
        mofka::Producer producer = driver.openTopic("numbers").producer();
        for (int i = 0; i < 10; i++)
            producer.post("{\"n\":" + std::to_string(i) + "}");
    }
    int events = 0;
    if (rank == size - 1)
        for (mofka::Event &event : driver.openTopic("numbers", 10000).consumer("c").events(10000))
            events += event.text() == "{\"n\":" + std::to_string(event.id()) + "}";
    return rank == size - 1 && events != 10;
}

int main(int argc, char **argv) {
    int level, rank, size, failed = 1;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    try {
        failed = exchange(rank, size);
    } catch (const mofka::Exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    MPI_Finalize();
    return failed;
}
