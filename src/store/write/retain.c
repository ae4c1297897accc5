/* SPDX-License-Identifier: BSD-3-Clause */
/* Retention: deletes the oldest segments that the options no longer keep. */
#include "base/clock.h"
#include "store/write/writing.h"

static uint64_t chain_bytes(const mfi_chain_t *chain) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < chain->count; i++)
        bytes += chain->parts[i].is_void ? 0 : chain->parts[i].bytes;
    return bytes;
}

/* Whether the options let a part go. All of its events are before `next`. Where the header of that
 * is damaged, their age is not known. */
static bool part_is_old(const mfi_writer_t *w, const mfi_part_t *next, uint64_t bytes,
                        uint64_t floor) {
    uint64_t now = mfi_wall_ns(), stamp = next->stamp_max;
    bool too_many = w->options.retain_bytes > 0 && bytes > w->options.retain_bytes;
    bool too_old = w->options.retain_ms > 0 && !next->header_bad && stamp < now &&
                   (now - stamp) / 1000000 > w->options.retain_ms;
    return (too_many || too_old) && next->first_id <= floor && next->first_id <= w->synced;
}

/* A segment that this one makes void counts again without it. So that one goes first. */
static mofka_status_t part_remove_under(const mfi_log_t *log, const mfi_chain_t *chain,
                                        const mfi_part_t *part) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < chain->count && !status; i++) {
        const mfi_part_t *other = &chain->parts[i];
        if (other->life < part->life && other->first_id >= part->first_id)
            status = mfi_part_remove(log, other);
    }
    return status ? status : mfi_part_remove(log, part);
}

static mofka_status_t writer_retain(mfi_writer_t *w, uint64_t floor) {
    mofka_status_t status = mfi_chain_load(w->log, &w->chain);
    if (status)
        return status;
    for (size_t i = 0; i < w->chain.count; i++) /* they grew */
        for (const mfi_written_t *s = w->first; s; s = s->next)
            if (w->chain.parts[i].life == s->life && w->chain.parts[i].first_id == s->first_id)
                w->chain.parts[i].bytes = s->offset;
    uint64_t bytes = chain_bytes(&w->chain);
    const mfi_part_t *part = mfi_chain_find(&w->chain, 0), *next;
    for (; part && !status; part = next) {
        next = mfi_chain_next(&w->chain, part);
        bool ours = part->life == w->first->life && part->first_id >= w->first->first_id;
        if (!next || ours || !part_is_old(w, next, bytes, floor))
            break;
        status = part_remove_under(w->log, &w->chain, part);
        bytes -= part->bytes;
        w->oldest = next->first_id;
    }
    mofka_status_t again = mfi_chain_load(w->log, &w->chain);
    return status ? status : again;
}

mofka_status_t mfi_writer_retain(mfi_writer_t *w, uint64_t floor) {
    if (w->options.retain_bytes == 0 && w->options.retain_ms == 0)
        return MOFKA_OK;
    pthread_mutex_lock(&w->lock);
    mofka_status_t status = writer_retain(w, floor);
    pthread_mutex_unlock(&w->lock);
    return status;
}
