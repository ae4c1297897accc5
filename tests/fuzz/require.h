/* SPDX-License-Identifier: BSD-3-Clause */
/* The checks of a fuzz target. Unlike assert they stay in every build type. */
#ifndef MOFKA_TESTS_FUZZ_REQUIRE_H
#define MOFKA_TESTS_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(truth)                                                                             \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #truth);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
