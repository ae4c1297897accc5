/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call of a public function keeps errno. A file that is compiled with
 *
 *   -include conformance/errno/errno_check.h -DERRNO_CHECKS_CALLS
 *
 * checks its calls. errno_calls.h is generated from the public headers.
 */
#ifndef MOFKA_TESTS_ERRNO_CHECK_H
#define MOFKA_TESTS_ERRNO_CHECK_H

#include <stddef.h>
#include <mofka/backend.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>
#include <mofka/register.h>
#include "errno_calls.h"

enum {
#define ERRNO_ENUM(name) ERRNO_OF_##name,
    ERRNO_CALLS(ERRNO_ENUM)
#undef ERRNO_ENUM
        ERRNO_CALL_COUNT
};

/* Before a call: set errno. Threads: any. */
void errno_before(size_t call);
/* After it: errno must be as it was; else the program ends with a message. Threads: any. */
void errno_after(size_t call);
/* A case that calls the functions that the conformance suite does not call. */
void errno_call_others(void **state);
/* A case behind all others: every public function was called. */
void errno_check_called(void **state);

#pragma GCC diagnostic ignored "-Wshadow" /* of nested calls */
#define ERRNO_PROCEDURE(function, ...)                                                             \
    (errno_before(ERRNO_OF_##function), function(__VA_ARGS__), errno_after(ERRNO_OF_##function))
#define ERRNO_FUNCTION(function, ...)                                                              \
    __extension__({                                                                                \
        errno_before(ERRNO_OF_##function);                                                         \
        __auto_type errno_result_ = function(__VA_ARGS__);                                         \
        errno_after(ERRNO_OF_##function);                                                          \
        errno_result_;                                                                             \
    })

#endif
