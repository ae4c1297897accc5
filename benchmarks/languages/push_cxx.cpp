/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push_c.c in C++.
 *   push_cxx EVENTS metadata|data|future|object
 */
#include <mofka/mpi.hpp>
#include <cstdio>
#include <cstdlib>

static void push(const mofka::Producer &producer, long events, const std::string &what) {
    std::string text(what == "data" ? 64 : 128, 'x');
    std::vector<char> data(64);
    if (what == "metadata")
        for (long i = 0; i < events; i++)
            producer.post(text);
    else if (what == "data")
        for (long i = 0; i < events; i++)
            producer.post(text, data);
    else if (what == "future")
        for (long i = 0; i < events; i++)
            producer.push(text);
    else
        for (long i = 0; i < events; i++)
            producer.push(mofka::Metadata{text});
}

int main(int argc, char **argv) {
    int level;
    if (argc != 3)
        return 2;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    try {
        mofka::Driver driver = mofka::makeMpiDriver(MPI_COMM_WORLD, "{\"window\":\"shm\"}");
        driver.createTopic("t", "{\"retention\":\"discard_oldest\"}");
        mofka::Producer producer = driver.openTopic("t").producer();
        push(producer, std::strtol(argv[1], nullptr, 10), argv[2]);
        producer.close();
    } catch (const mofka::Exception &error) {
        std::fprintf(stderr, "push_cxx: %s\n", error.what());
        return 1;
    }
    return MPI_Finalize();
}
