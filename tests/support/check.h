/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the suites: checks that name the call and the library's message. */
#ifndef MOFKA_TESTS_CHECK_H
#define MOFKA_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <mofka/mofka.h>

/* The call succeeds. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            fail_msg("%s: %s: %s", #call, mofka_status_name(status_), mofka_last_error());         \
    } while (0)

/* The call fails with that status, and its message has `text` in it. */
#define FAILS(call, expected, text)                                                                \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_ != (expected))                                                                 \
            fail_msg("%s: %s, not %s: %s", #call, mofka_status_name(status_),                      \
                     mofka_status_name(expected), mofka_last_error());                             \
        if (!strstr(mofka_last_error(), (text)))                                                   \
            fail_msg("%s: '%s' is not in '%s'", #call, (text), mofka_last_error());                \
    } while (0)

/* A whole number is in a range, both ends included. (cmocka's assert_in_range is deprecated since
 * 2.0, what replaces it is not in 1.1.) */
#define IN_RANGE(number, least, most)                                                              \
    do {                                                                                           \
        int64_t number_ = (int64_t)(number);                                                       \
        if (number_ < (int64_t)(least) || number_ > (int64_t)(most))                               \
            fail_msg("%s is %lld, not in %lld to %lld", #number, (long long)number_,               \
                     (long long)(least), (long long)(most));                                       \
    } while (0)

/* The same numbers in every run; another seed, another sequence. */
static inline uint32_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

#endif
