/* SPDX-License-Identifier: BSD-3-Clause */
/* Payload ring, entries and sums: copies that wrap at the end. */
#include "mpi/partition/partition.h"

#include <assert.h>

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

void mmi_ring_put_wrapped(const mmi_partition_t *p, mmi_put_t put, uint64_t position,
                          const void *source, size_t bytes) {
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

void mmi_sums_put(const mmi_partition_t *p, uint64_t id, const uint64_t *sums, size_t count) {
    const uint64_t size = sizeof *sums;
    assert(p->checksums);
    ring_put(p, p->w->ops->put, p->sums, p->slots * size, id % p->slots * size, sums, count * size);
}

void mmi_sums_get(const mmi_partition_t *p, uint64_t id, uint64_t *sums, size_t count) {
    const uint64_t size = sizeof *sums;
    assert(p->checksums);
    ring_get(p, p->sums, p->slots * size, id % p->slots * size, sums, count * size);
}

void mmi_entries_get_wrapped(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries,
                             size_t count) {
    const uint64_t size = sizeof *entries;
    ring_get(p, p->entries, p->slots * size, id % p->slots * size, entries, count * size);
}
