/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of what events hold: XXH3 (https://xxhash.com) of the bytes, seeded with the event's id
 * and its partition's place, so that bytes of an earlier lap do not pass for this one's.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static XXH64_hash_t sum_seed(const mmi_partition_t *p, uint64_t id, mmi_sum_part_t part) {
    return p->salt + (id << 1 | (part == MMI_SUM_DATA)) * MMI_CHECK_FACTOR;
}

uint32_t mmi_sum_bytes(const mmi_partition_t *p, uint64_t id, mmi_sum_part_t part,
                       const void *bytes, size_t size) {
    return (uint32_t)XXH3_64bits_withSeed(bytes, size, sum_seed(p, id, part));
}

/* The longest part of the segments that is in one piece, at most `most` bytes. */
static size_t segments_take(mmi_segments_t *from, size_t most, const char **bytes) {
    while (from->used == from->first->size)
        *from = (mmi_segments_t){from->first + 1, 0};
    size_t left = from->first->size - from->used, take = left < most ? left : most;
    *bytes = (const char *)from->first->ptr + from->used;
    from->used += take;
    return take;
}

uint32_t mmi_sum_segments(const mmi_partition_t *p, uint64_t id, mmi_sum_part_t part,
                          mmi_segments_t *from, size_t size) {
    const char *bytes = "";
    size_t take = size > 0 ? segments_take(from, size, &bytes) : 0;
    if (take == size)
        return mmi_sum_bytes(p, id, part, bytes, size);
    XXH3_state_t hash;
    XXH3_INITSTATE(&hash);
    XXH3_64bits_reset_withSeed(&hash, sum_seed(p, id, part));
    for (size_t done = 0;; take = segments_take(from, size - done, &bytes)) {
        XXH3_64bits_update(&hash, bytes, take);
        done += take;
        if (done == size)
            return (uint32_t)XXH3_64bits_digest(&hash);
    }
}
