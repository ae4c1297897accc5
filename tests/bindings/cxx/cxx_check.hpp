/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of C++ programs. A condition that is false ends the whole job. */
#ifndef MOFKA_TESTS_CXX_CHECK_HPP
#define MOFKA_TESTS_CXX_CHECK_HPP

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <mofka/mpi.hpp>

#ifdef __SANITIZE_ADDRESS__
/* Keep every library loaded to the end: see support/mpi/mpi_main.h. A program has one source. */
extern "C" __attribute__((visibility("default"))) int dlclose(void *) noexcept {
    return 0;
}
#endif

[[noreturn]] inline void cxx_fail(const char *file, int line, const std::string &what) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1); /* MPI_Abort may return */
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            cxx_fail(__FILE__, __LINE__, #condition);                                              \
    } while (0)

/* The expression throws an Exception of that status, whose message has `text` in it. */
#define THROWS(expression, expected, text)                                                         \
    do {                                                                                           \
        bool thrown_ = false;                                                                      \
        try {                                                                                      \
            (void)(expression);                                                                    \
        } catch (const mofka::Exception &error) {                                                  \
            thrown_ = true;                                                                        \
            if (error.status() != (expected) || !std::strstr(error.what(), text))                  \
                cxx_fail(__FILE__, __LINE__,                                                       \
                         std::string(mofka_status_name(error.status())) + ": " + error.what());    \
        }                                                                                          \
        if (!thrown_)                                                                              \
            cxx_fail(__FILE__, __LINE__, #expression " does not throw");                           \
    } while (0)

/* Starts and ends MPI around a program's blocks. A warning fails, such as one that something was
 * not closed; but not the one that the window "rma" is slower on one node. */
class CxxJob {
  public:
    CxxJob(int *argc, char ***argv) {
        int level;
        MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        mofka_log_set_callback(&note, nullptr);
        options = std::string("{\"window\":\"") + (*argc > 1 ? (*argv)[1] : "auto") + "\"}";
    }
    CxxJob(const CxxJob &) = delete;
    CxxJob &operator=(const CxxJob &) = delete;
    ~CxxJob() {
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Finalize();
        if (warned)
            std::_Exit(1);
        if (rank == 0)
            std::puts("every rank passed");
    }
    int rank = 0;
    std::string options; /* of the driver */

  private:
    static void note(void *, mofka_log_level_t, const char *message) {
        std::fprintf(stderr, "%s\n", message);
        warned = warned || !std::strstr(message, "window \"rma\"");
    }
    static inline bool warned = false;
};

#endif
