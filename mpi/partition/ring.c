/* SPDX-License-Identifier: BSD-3-Clause */
/* Payload ring, entries, flags and stamps: copies that wrap at the end, and what a flag says. */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>

#define STAMP_OFFSET 8 /* from its flag */

/* Copy into a ring of `size` bytes at `ring` in the owner's share, from `at` on. */
static inline void ring_put(const mmi_partition_t *p, mmi_put_t put, uint64_t ring, uint64_t size,
                            uint64_t at, const void *source, uint64_t bytes) {
    uint64_t first = bytes < size - at ? bytes : size - at;
    assert(bytes <= size);
    if (first > 0)
        put(p->w, p->owner, ring + at, source, (size_t)first);
    if (bytes > first)
        put(p->w, p->owner, ring, (const char *)source + first, (size_t)(bytes - first));
}

static inline void ring_get(const mmi_partition_t *p, uint64_t ring, uint64_t size, uint64_t at,
                            void *target, uint64_t bytes) {
    uint64_t first = bytes < size - at ? bytes : size - at;
    assert(bytes <= size);
    if (first > 0)
        p->w->ops->get(p->w, p->owner, ring + at, target, (size_t)first);
    if (bytes > first)
        p->w->ops->get(p->w, p->owner, ring, (char *)target + first, (size_t)(bytes - first));
}

void mmi_ring_put(const mmi_partition_t *p, mmi_put_t put, uint64_t position, const void *source,
                  size_t bytes) {
    ring_put(p, put, p->ring, p->ring_bytes, position % p->ring_bytes, source, bytes);
}

void mmi_ring_get(const mmi_partition_t *p, uint64_t position, void *target, size_t bytes) {
    ring_get(p, p->ring, p->ring_bytes, position % p->ring_bytes, target, bytes);
}

void mmi_entries_put(const mmi_partition_t *p, uint64_t id, const mmi_entry_t *entries,
                     size_t count) {
    const uint64_t size = sizeof *entries;
    ring_put(p, p->w->ops->put, p->entries, p->slots * size, id % p->slots * size, entries,
             count * size);
}

void mmi_entries_get(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries, size_t count) {
    const uint64_t size = sizeof *entries;
    ring_get(p, p->entries, p->slots * size, id % p->slots * size, entries, count * size);
}

void mmi_stamp_put(const mmi_partition_t *p, uint64_t id, const uint64_t *stamp) {
    p->w->ops->put(p->w, p->owner, mmi_flag_offset(p, id) + STAMP_OFFSET, stamp, sizeof *stamp);
}

void mmi_stamp_get(const mmi_partition_t *p, uint64_t id, uint64_t *stamp) {
    p->w->ops->get(p->w, p->owner, mmi_flag_offset(p, id) + STAMP_OFFSET, stamp, sizeof *stamp);
}

/* Without a check of `count`, for flags that were read. */
static uint64_t flag_make(const mmi_partition_t *p, uint64_t id, uint64_t count) {
    return (id / p->slots + 1) << MMI_FLAG_COUNT_BITS | count;
}

uint64_t mmi_flag_value(const mmi_partition_t *p, uint64_t id, uint64_t count) {
    assert(count > 0 && count <= p->slots && count >> MMI_FLAG_COUNT_BITS == 0);
    return flag_make(p, id, count);
}

uint64_t mmi_flag_count(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = flag & ((UINT64_C(1) << MMI_FLAG_COUNT_BITS) - 1);
    return flag == flag_make(p, id, count) ? count : 0;
}

uint64_t mmi_flag_load(const mmi_partition_t *p, uint64_t id) {
    return mmi_flag_count(p, id, p->w->ops->load(p->w, p->owner, mmi_flag_offset(p, id)));
}

mofka_status_t mmi_flags_pass(const mmi_partition_t *p, uint64_t end, int64_t deadline,
                              uint64_t *from, bool *stuck) {
    uint64_t words[MMI_RUN_WORDS_MAX], first = *from;
    uint64_t flags = p->slots - first % p->slots, most = (p->w->run_words + 1) / 2;
    assert(first < end && most >= 1 && 2 * most - 1 <= MMI_RUN_WORDS_MAX);
    flags = flags < most ? flags : most;
    flags = flags < end - first ? flags : end - first;
    mofka_status_t status = mmi_window_read(p->w, p->owner, mmi_flag_offset(p, first), words,
                                            2 * (size_t)flags - 1, deadline);
    *stuck = false;
    while (!status && !*stuck && *from - first < flags) {
        uint64_t count = mmi_flag_count(p, *from, words[2 * (*from - first)]);
        *stuck = count == 0 || count > end - *from;
        *from += *stuck ? 0 : count;
    }
    return status;
}

mofka_status_t mmi_entry_damaged(const mmi_partition_t *p, uint64_t id) {
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: entry of event %" PRIu64 " is damaged", p->topic,
                      p->index, id);
}
