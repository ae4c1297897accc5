/* SPDX-License-Identifier: BSD-3-Clause */
/* What a flag that was read says. */
#include "mpi/partition/partition.h"

#include <assert.h>

mmi_flag_kind_t mmi_flag_kind(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = mmi_flag_low(flag) & MMI_BATCH_EVENTS_MAX;
    uint64_t lap_1 = flag >> (2 + MMI_FLAG_COUNT_BITS + MMI_FLAG_CHECK_BITS);
    uint64_t ahead = (lap_1 - (id / p->slots + 1)) & MMI_FLAG_LAP_MAX;
    bool is_void = (flag >> MMI_FLAG_CHECK_BITS & MMI_FLAG_IS_VOID) != 0;
    uint64_t low = mmi_flag_low(flag) | (is_void ? MMI_FLAG_IS_VOID : 0);
    if (flag == 0)
        return MMI_FLAG_EARLIER;
    if (count == 0 || count > p->slots || flag != mmi_flag_make(p, id % p->slots, lap_1, low))
        return MMI_FLAG_DAMAGED;
    return ahead == 0                      ? (is_void ? MMI_FLAG_VOID : MMI_FLAG_STORED)
           : ahead <= MMI_FLAG_LAP_MAX / 2 ? MMI_FLAG_LATER
                                           : MMI_FLAG_EARLIER;
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
        uint64_t flag = words[2 * (*from - first)], count = mmi_flag_extent(p, *from, flag);
        *stuck = count == 0 || count > end - *from || (settled && !mmi_flag_is_settled(flag));
        *from += *stuck ? 0 : count;
    }
    return status;
}
