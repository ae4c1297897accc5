/* SPDX-License-Identifier: BSD-3-Clause */
/* Errands: they are written, sent to the owner, and read there. */
#include "mpi/errand/errand.h"

#include <inttypes.h>
#include <string.h>

mmi_errand_t mmi_errand_at(const mmi_partition_t *p, mmi_errand_kind_t kind) {
    mmi_errand_t errand = {.kind = kind,
                           .base = p->base,
                           .index = p->index,
                           .slots = p->slots,
                           .ring_bytes = p->ring_bytes,
                           .retention = p->retention,
                           .checksums = p->checksums,
                           .bells_owner = (uint64_t)p->bells->owner,
                           .bells_base = p->bells->base};
    assert(mmi_partition_is_far(p) && strlen(p->topic) < sizeof errand.topic);
    strcpy(errand.topic, p->topic);
    return errand;
}

mofka_status_t mmi_errand_send(const mmi_partition_t *p, const mmi_errand_t *errand,
                               int64_t deadline, uint64_t results[MMI_RESULT_WORDS]) {
    uint64_t words[sizeof *errand / 8];
    assert(p->w->clerk); /* in a node window all owners run progress threads */
    memcpy(words, errand, sizeof words);
    return mmi_clerk_request(p->w->clerk, p->owner, words, sizeof words / sizeof words[0], deadline,
                             results);
}

/* ---- the owner ------------------------------------------------------------------------------- */

/* Whether the errand names a partition that this rank's share can hold, and one of its node. */
static bool errand_is_valid(mmi_window_t *near, uint64_t share_bytes, const mmi_errand_t *e) {
    if (e->base % MMI_PAGE_BYTES != 0 || e->bells_base % MMI_PAGE_BYTES != 0 || e->slots == 0 ||
        e->slots > MMI_SLOTS_MAX || e->ring_bytes < MMI_UNIT_BYTES ||
        e->ring_bytes > MMI_RING_BYTES_MAX || e->ring_bytes % MMI_UNIT_BYTES != 0 ||
        e->retention > MMI_RETAIN_STORED || e->checksums > 1)
        return false;
    const mmi_partition_t shape = {.w = near,
                                   .slots = e->slots,
                                   .ring_bytes = e->ring_bytes,
                                   .retention = (mmi_retention_t)e->retention,
                                   .checksums = e->checksums != 0,
                                   .of_node = true};
    uint64_t bytes = mmi_partition_bytes(&shape);
    return bytes <= share_bytes && e->base <= share_bytes - bytes &&
           e->bells_owner < (uint64_t)near->size && near->base[e->bells_owner] &&
           memchr(e->topic, 0, sizeof e->topic) && memchr(e->name, 0, sizeof e->name);
}

mofka_status_t mmi_errand_read(mmi_window_t *w, uint64_t share_bytes, const uint64_t *words,
                               size_t count, mmi_errand_t *errand, mmi_partition_t partitions[2]) {
    if (count == sizeof *errand / 8)
        memcpy(errand, words, sizeof *errand);
    if (count != sizeof *errand / 8 || !errand_is_valid(w->near, share_bytes, errand))
        return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
    partitions[0] = (mmi_partition_t){.w = w->near,
                                      .topic = errand->topic,
                                      .index = (size_t)errand->index,
                                      .owner = w->rank,
                                      .base = errand->base,
                                      .slots = errand->slots,
                                      .ring_bytes = errand->ring_bytes,
                                      .retention = (mmi_retention_t)errand->retention,
                                      .checksums = errand->checksums != 0,
                                      .of_node = true,
                                      .bells = &partitions[1]};
    partitions[1] = partitions[0];
    partitions[1].owner = (int)errand->bells_owner;
    partitions[1].base = errand->bells_base;
    for (int i = 0; i < 2; i++)
        mmi_partition_place(&partitions[i]);
    mmi_window_sync(w->near);
    return MOFKA_OK;
}

/* ---- what needs no reader -------------------------------------------------------------------- */

mofka_status_t mmi_errand_complete(const mmi_partition_t *p, int64_t deadline) {
    uint64_t none[MMI_RESULT_WORDS];
    if (!mmi_partition_is_far(p))
        return mmi_partition_complete(p, deadline);
    mmi_errand_t errand = mmi_errand_at(p, MMI_ERRAND_COMPLETE);
    return mmi_errand_send(p, &errand, deadline, none);
}

mofka_status_t mmi_errand_evict(const mmi_partition_t *p, const char *name, int64_t deadline,
                                bool *found) {
    uint64_t results[MMI_RESULT_WORDS] = {0};
    if (!mmi_partition_is_far(p))
        return mmi_consumer_evict(p, name, deadline, found);
    mmi_errand_t errand = mmi_errand_at(p, MMI_ERRAND_EVICT);
    assert(strlen(name) < sizeof errand.name);
    strcpy(errand.name, name);
    mofka_status_t status = mmi_errand_send(p, &errand, deadline, results);
    *found = !status && results[0] != 0;
    return status;
}

void mmi_errand_look(const mmi_partition_t *p, uint64_t id) {
    mmi_errand_t errand = mmi_errand_at(p, MMI_ERRAND_LOOK);
    uint64_t words[sizeof errand / 8];
    errand.numbers[0] = id;
    memcpy(words, &errand, sizeof words);
    mmi_clerk_tell(p->w->clerk, p->owner, words, sizeof words / sizeof words[0]);
}

mofka_status_t mmi_errand_count(const mmi_partition_t *p, uint64_t add, uint64_t *total) {
    uint64_t results[MMI_RESULT_WORDS] = {0};
    if (!mmi_partition_is_far(p))
        return mmi_producers_count(p, p->w->rank, add, total);
    mmi_errand_t errand = mmi_errand_at(p, MMI_ERRAND_COUNT);
    errand.numbers[0] = add;
    errand.numbers[1] = (uint64_t)p->w->rank;
    mofka_status_t status = mmi_errand_send(p, &errand, mmi_deadline(MMI_LOCK_TIMEOUT_MS), results);
    *total = results[0];
    return status;
}
