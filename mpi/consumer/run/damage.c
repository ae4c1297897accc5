/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader meets damage: it reports which events cannot be read, and stays in front of them until
 * it is allowed to skip them. Events before and behind them are delivered.
 *
 * A void is passed in the same way, without a report: its events were never stored, so they do not
 * count as lost.
 *
 * Skipped events count as lost. Nobody can acknowledge them, so a batch that ends with some is
 * acknowledged with the last event before them.
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/log.h>

/* The flag where the next batch begins is that of a void. Its only entry says where it ends; else
 * the next batch does. */
static mofka_status_t damage_find_void(const mmi_reader_t *r, uint64_t flag, mmi_damage_t *damage) {
    const mmi_partition_t *p = r->p;
    mmi_entry_t last;
    damage->of_void = true;
    damage->end = r->next + mmi_flag_extent(p, r->next, flag);
    mmi_entries_get(p, damage->end - 1, &last, 1);
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    mmi_chain_lose(&damage->chain);
    if (!status)
        (void)mmi_chain_follow(&damage->chain, &last, damage->end - 1, p->ring_bytes);
    mmi_chain_end_batch(&damage->chain);
    return status;
}

/* The flag where the next batch begins says that there is something, but not what. */
static mofka_status_t damage_find_by_flag(mmi_reader_t *r, mmi_damage_t *damage) {
    uint64_t flag = mmi_flag_load(r->p, r->next);
    mmi_flag_kind_t kind = mmi_flag_kind(r->p, r->next, flag);
    if (kind == MMI_FLAG_EARLIER || kind == MMI_FLAG_STORED)
        return mmi_window_check(r->p->w, r->p->owner);
    if (kind == MMI_FLAG_VOID)
        return damage_find_void(r, flag, damage);
    mofka_status_t status = mmi_damage_of_flag(r->p, r->next, r->chain, damage);
    if (!status && damage->end == r->next) {
        r->idle_at = r->next;
        r->idle_flag = flag;
    }
    return status;
}

/* Whether the flag of the batch at `next`, whose first entry this is, is so old that its lap counts
 * as the current one. */
static bool damage_is_old_flag(const mmi_reader_t *r, const mmi_entry_t *first) {
    return r->next == r->batch_start && mmi_entry_is_earlier(r->p, first, r->next) &&
           (r->next + 1 - first->id_1) % (r->p->slots << MMI_FLAG_LAP_BITS) == 0;
}

/* No batch is stored at `next` after all. */
static void damage_forget_batches(mmi_reader_t *r) {
    assert(r->next < r->batch_end);
    r->idle_at = r->next;
    r->idle_flag = mmi_flag_load(r->p, r->next);
    memset(r->ends, 0, sizeof r->ends);
    r->batch_end = r->settled_below = r->next;
}

/* The entry of `next` was read and is right: compare the metadata with its sum. */
static mofka_status_t damage_find_by_sum(const mmi_reader_t *r, mmi_damage_t *damage) {
    const mmi_partition_t *p = r->p;
    const mmi_entry_t *entry = r->entries;
    size_t bytes = entry->metadata_bytes;
    uint64_t sum;
    char *metadata = malloc(bytes + 1);
    if (!metadata)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of metadata", bytes);
    mmi_sums_get(p, r->next, &sum, 1);
    mmi_ring_get(p, entry->metadata, metadata, bytes);
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    if (status) /* MPI may still write there */
        return status;
    if (mmi_sum_bytes(p, r->next, MMI_SUM_METADATA, metadata, bytes) !=
        mmi_sum_half(sum, MMI_SUM_METADATA)) {
        mmi_chain_follow(&damage->chain, entry, r->next, p->ring_bytes);
        damage->of_metadata = true;
        damage->end++;
    }
    free(metadata);
    return MOFKA_OK;
}

/* The batch is stored, and its next entry is not right, or its metadata is not. */
static mofka_status_t damage_find_by_entries(mmi_reader_t *r, mmi_damage_t *damage) {
    const mmi_partition_t *p = r->p;
    uint64_t batch = mmi_reader_end_of_batch(r, r->next), most = batch - r->next;
    most = most < p->slots ? most : p->slots;
    most = most < MMI_RUN_EVENTS_MAX ? most : MMI_RUN_EVENTS_MAX;
    mmi_entries_get(p, r->next, r->entries, (size_t)most);
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    if (status)
        return status;
    if (damage_is_old_flag(r, r->entries)) {
        damage_forget_batches(r);
        return mmi_window_check(p->w, p->owner);
    }
    for (size_t i = 0; i < most; i++) {
        mmi_chain_t chain = damage->chain;
        if (mmi_chain_follow(&chain, &r->entries[i], r->next + i, p->ring_bytes))
            break;
        mmi_chain_lose(&damage->chain);
        damage->end++;
    }
    if (damage->end == damage->first && p->checksums)
        status = damage_find_by_sum(r, damage);
    if (damage->end == batch)
        mmi_chain_end_batch(&damage->chain);
    return status;
}

mofka_status_t mmi_reader_find_damage(mmi_reader_t *r, mmi_damage_t *damage) {
    *damage = (mmi_damage_t){.first = r->next, .end = r->next, .chain = r->chain};
    mofka_status_t status = r->next == r->batch_end ? damage_find_by_flag(r, damage)
                                                    : damage_find_by_entries(r, damage);
    if (status || damage->end == r->next || !r->may_lose)
        return status;
    mmi_state_t state;
    status = mmi_state_load(r->p, &state);
    /* What was overtaken is not damaged: it may be overwritten. */
    if (!status && state.head.events > r->next)
        damage->end = r->next;
    return status;
}

/* The events among the damaged ones that this consumer wants. */
static uint64_t damage_count_wanted(const mmi_reader_t *r, const mmi_damage_t *damage) {
    uint64_t first = damage->first > r->skip_below ? damage->first : r->skip_below;
    return damage->end > first ? damage->end - first : 0;
}

static void damage_warn(const mmi_reader_t *r, const mmi_damage_t *damage) {
    char text[MMI_DAMAGE_TEXT_BYTES];
    mmi_damage_describe(damage, text);
    mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu: %s, and a consumer skips that",
              r->p->topic, r->p->index, text);
}

/* Whether it is a claim's void, whose memory may still be written to. */
static bool damage_is_kept(const mmi_reader_t *r, const mmi_damage_t *damage) {
    return damage->of_void && !mmi_flag_is_settled(mmi_flag_load(r->p, damage->first));
}

/* Go on behind the damage. */
static mofka_status_t damage_pass(mmi_reader_t *r, const mmi_damage_t *damage) {
    bool ends_batch = damage->of_flag || damage->of_void ||
                      damage->end == mmi_reader_end_of_batch(r, damage->first);
    uint64_t units = mmi_chain_units(&damage->chain), wanted = damage_count_wanted(r, damage);
    uint64_t batch_start = ends_batch ? damage->end : r->batch_start;
    assert(damage->first == r->next && damage->end > r->next);
    mofka_status_t status =
        ends_batch
            ? mmi_reader_mark(r, (mmi_mark_t){damage->end, units, damage->first,
                                              damage_is_kept(r, damage) ? damage->first + 1 : 0})
            : MOFKA_OK;
    if (status)
        return status;
    if (damage->of_void) {
        atomic_fetch_add_explicit(&r->voided, wanted, memory_order_relaxed);
    } else if (wanted > 0) {
        damage_warn(r, damage);
        r->lost += wanted;
    }
    mmi_reader_go_to(r, damage->end, units);
    r->chain = damage->chain;
    r->batch_start = batch_start;
    return MOFKA_OK;
}

/* Add to what the partition's consumers have met, for statistics. */
static void damage_report(const mmi_partition_t *p, uint64_t count) {
    if (count > 0 && !mmi_partition_is_far(p)) /* else only processors change its words */
        p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(damaged), count * MMI_COUNT_ONE);
}

/* Count damaged events, the first time that they are met. */
static void damage_count(mmi_reader_t *r, const mmi_damage_t *damage) {
    if (damage->of_void || damage->end <= r->damage_end)
        return;
    mmi_damage_t more = *damage;
    more.first = more.first > r->damage_end ? more.first : r->damage_end;
    uint64_t count = damage_count_wanted(r, &more);
    r->damage_end = damage->end;
    damage_report(r->p, count);
    if (damage->of_metadata)
        atomic_store_explicit(&r->metadata_damaged,
                              atomic_load_explicit(&r->metadata_damaged, memory_order_relaxed) +
                                  count,
                              memory_order_relaxed);
}

mofka_status_t mmi_reader_meet_damage(mmi_reader_t *r, const mmi_damage_t *damage) {
    char text[MMI_DAMAGE_TEXT_BYTES];
    damage_count(r, damage);
    if (r->skips_damaged || damage->of_void || damage_count_wanted(r, damage) == 0)
        return damage_pass(r, damage);
    mmi_damage_describe(damage, text);
    r->reported = true;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: %s; mofka_consumer_skip_damaged goes on behind",
                      r->p->topic, r->p->index, text);
}

mofka_status_t mmi_consumer_skip_damaged(void *self, uint64_t *skipped) {
    mmi_consumer_t *c = self;
    mofka_status_t status = c->reader_count ? mmi_window_may_call(c->readers[0].p->w) : MOFKA_OK;
    for (size_t i = 0; i < c->reader_count && !status; i++) {
        mmi_reader_t *r = &c->readers[i];
        mmi_damage_t damage;
        status = mmi_behind_skip(r, skipped);
        if (status || !r->reported)
            continue;
        status = mmi_reader_find_damage(r, &damage);
        uint64_t wanted = damage_count_wanted(r, &damage);
        if (!status && damage.end > damage.first)
            status = damage_pass(r, &damage);
        r->reported = false;
        *skipped += status ? 0 : wanted;
    }
    return status;
}
