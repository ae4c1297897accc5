/* SPDX-License-Identifier: BSD-3-Clause */
#include "checksum.h"

#include <assert.h>
#include <string.h>

uint64_t field_checksum(uint64_t sum, const double *values, size_t count, size_t stride) {
    assert(stride > 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i * stride], sizeof bits);
        sum = (sum ^ bits) * UINT64_C(0xff51afd7ed558ccd);
        sum ^= sum >> 29;
    }
    return sum;
}
