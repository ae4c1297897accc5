/* SPDX-License-Identifier: BSD-3-Clause */
/* Flags and stamps: what they are made of, and what a flag that was read says. */
#include "mpi/partition/partition.h"

#include <assert.h>

#define STAMP_OFFSET 8 /* from its flag */
#define LAP_MAX ((UINT64_C(1) << MMI_FLAG_LAP_BITS) - 1)

#define SETTLED (UINT64_C(1) << MMI_FLAG_COUNT_BITS)

/* Without a check of `low`, the bits between lap and check, for flags that were read. `lap_1` may
 * be more than its bits. */
static uint64_t flag_make(const mmi_partition_t *p, uint64_t slot, uint64_t lap_1, uint64_t low) {
    uint64_t text = (lap_1 & LAP_MAX) << (MMI_FLAG_COUNT_BITS + 1) | low;
    uint64_t place = p->salt + slot * UINT64_C(0xff51afd7ed558ccd);
    uint64_t check = (text + place) * MMI_CHECK_FACTOR >> (64 - MMI_FLAG_CHECK_BITS);
    return text << MMI_FLAG_CHECK_BITS | check;
}

static uint64_t flag_low(uint64_t flag) {
    return flag >> MMI_FLAG_CHECK_BITS & (SETTLED | MMI_BATCH_EVENTS_MAX);
}

static uint64_t flag_events(uint64_t flag) {
    return flag >> MMI_FLAG_CHECK_BITS & MMI_BATCH_EVENTS_MAX;
}

uint64_t mmi_flag_value(const mmi_partition_t *p, uint64_t id, uint64_t count, bool settled) {
    assert(count > 0 && count <= p->slots && count <= MMI_BATCH_EVENTS_MAX);
    return flag_make(p, id % p->slots, id / p->slots + 1, (settled ? SETTLED : 0) | count);
}

bool mmi_flag_is_settled(uint64_t flag) {
    return (flag_low(flag) & SETTLED) != 0;
}

uint64_t mmi_flag_count(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = flag_events(flag);
    bool stored = flag == flag_make(p, id % p->slots, id / p->slots + 1, flag_low(flag));
    return stored && count <= p->slots ? count : 0;
}

mmi_flag_kind_t mmi_flag_kind(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = flag_events(flag);
    uint64_t lap_1 = flag >> (1 + MMI_FLAG_COUNT_BITS + MMI_FLAG_CHECK_BITS);
    uint64_t ahead = (lap_1 - (id / p->slots + 1)) & LAP_MAX;
    if (flag == 0)
        return MMI_FLAG_EARLIER;
    if (count == 0 || count > p->slots ||
        flag != flag_make(p, id % p->slots, lap_1, flag_low(flag)))
        return MMI_FLAG_DAMAGED;
    return ahead == 0 ? MMI_FLAG_STORED : ahead <= LAP_MAX / 2 ? MMI_FLAG_LATER : MMI_FLAG_EARLIER;
}

mofka_status_t mmi_flags_pass(const mmi_partition_t *p, uint64_t end, bool settled,
                              int64_t deadline, uint64_t *from, bool *stuck) {
    uint64_t words[MMI_RUN_WORDS_MAX], first = *from;
    uint64_t flags = p->slots - first % p->slots, most = (p->w->run_words + 1) / 2;
    assert(first < end && most >= 1 && 2 * most - 1 <= MMI_RUN_WORDS_MAX);
    flags = flags < most ? flags : most;
    flags = flags < end - first ? flags : end - first;
    mofka_status_t status = mmi_window_read(p->w, p->owner, mmi_flag_offset(p, first), words,
                                            2 * (size_t)flags - 1, deadline);
    *stuck = false;
    while (!status && !*stuck && *from - first < flags) {
        uint64_t flag = words[2 * (*from - first)], count = mmi_flag_count(p, *from, flag);
        *stuck = count == 0 || count > end - *from || (settled && !mmi_flag_is_settled(flag));
        *from += *stuck ? 0 : count;
    }
    return status;
}

uint64_t mmi_stamp_value(uint64_t ns) {
    return mmi_seal(ns / MMI_STAMP_NS);
}

uint64_t mmi_stamp_ns(uint64_t stamp) {
    return mmi_is_sealed(stamp) ? mmi_unseal(stamp) * MMI_STAMP_NS : 0;
}

void mmi_stamp_put(const mmi_partition_t *p, uint64_t id, const uint64_t *stamp) {
    p->w->ops->put(p->w, p->owner, mmi_flag_offset(p, id) + STAMP_OFFSET, stamp, sizeof *stamp);
}

void mmi_stamp_get(const mmi_partition_t *p, uint64_t id, uint64_t *stamp) {
    p->w->ops->get(p->w, p->owner, mmi_flag_offset(p, id) + STAMP_OFFSET, stamp, sizeof *stamp);
}
