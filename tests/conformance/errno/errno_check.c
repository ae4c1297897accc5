/* SPDX-License-Identifier: BSD-3-Clause */
#include "conformance/errno/errno_check.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/check.h"

#define ERRNO_VALUE 77

static const char *const errno_names[] = {
#define ERRNO_NAME(name) #name,
    ERRNO_CALLS(ERRNO_NAME)
#undef ERRNO_NAME
};

static _Atomic bool errno_called[ERRNO_CALL_COUNT];

void errno_before(size_t call) {
    assert(call < ERRNO_CALL_COUNT);
    errno = ERRNO_VALUE;
}

void errno_after(size_t call) {
    int found = errno;
    errno_called[call] = true;
    if (found == ERRNO_VALUE)
        return;
    fprintf(stderr, "%s changed errno from %d to %d\n", errno_names[call], ERRNO_VALUE, found);
    abort();
}

void errno_check_called(void **state) {
    (void)state;
    size_t missed = 0;
    for (size_t i = 0; i < ERRNO_CALL_COUNT; i++)
        if (!errno_called[i]) {
            printf("not called: %s\n", errno_names[i]);
            missed++;
        }
    assert_int_equal(missed, 0);
}
