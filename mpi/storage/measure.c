/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the storage of a partition has done, and whether it keeps up.
 *
 * Two threads look at the backlog: the one that writes, after each write, and one that does nothing
 * else, and so sees it also while a write hangs.
 */
#include "mpi/storage/keeper.h"

#include <inttypes.h>
#include <mofka/log.h>

/* A warning that the disk is slow comes so often, of a partition. */
#define WARN_MS 60000

/* ---- counts ---------------------------------------------------------------------------------- */

/* Only one thread stores the word. */
static void count_store(uint64_t *word, uint64_t value) {
    mmi_keeper_store(word, mmi_seal(value & MMI_SEAL_MAX));
}

static void count_add(uint64_t *word, uint64_t add) {
    count_store(word, mmi_unseal(mmi_keeper_load(word)) + add);
}

/* Add what has passed since then, in us, and keep the longest. */
static void count_time(uint64_t *calls, uint64_t *sum_us, uint64_t *most_us, int64_t began_ns) {
    int64_t ns = mmi_now_ns() - began_ns;
    uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    count_add(calls, 1);
    count_add(sum_us, us);
    if (us > mmi_unseal(mmi_keeper_load(most_us)))
        count_store(most_us, us);
}

void mmi_keeper_count_write(mmi_keeper_t *k, int64_t began_ns) {
    mmi_stored_counts_t *counts = &k->words->counts;
    count_time(&counts->writes, &counts->write_us, &counts->write_us_max, began_ns);
    count_store(&counts->written_units, k->at.units);
}

void mmi_keeper_count_sync(mmi_keeper_t *k, int64_t began_ns) {
    mmi_stored_counts_t *counts = &k->words->counts;
    count_time(&counts->syncs, &counts->sync_us, &counts->sync_us_max, began_ns);
    count_store(&counts->synced_units, k->disk.units);
}

void mmi_keeper_count_files(mmi_keeper_t *k) {
    mfi_writer_state_t is;
    mfi_writer_state(k->writer, &is);
    count_store(&k->words->counts.segments, is.segments);
    count_store(&k->words->counts.log_bytes, is.bytes);
}

/* ---- the backlog ----------------------------------------------------------------------------- */

/* What is reserved, and has not the durability that the ring waits for. */
static bool backlog_find(const mmi_keeper_t *k, mmi_place_t *waits) {
    mmi_state_t state;
    mmi_tail_t tail;
    uint64_t cursor = mmi_keeper_load(&k->words->cursor);
    if (mmi_state_load(k->p, &state))
        return false;
    if (mmi_tail_unpack(k->p, mmi_keeper_load(&k->control->reservation), state.head, &tail))
        return false;
    mmi_place_t durable = mmi_cursor_unpack(cursor, state.head);
    *waits = (mmi_place_t){tail.at.events - durable.events, tail.at.units - durable.units};
    return (int64_t)waits->events >= 0 && (int64_t)waits->units >= 0;
}

void mmi_keeper_watch_backlog(mmi_keeper_t *k) {
    mmi_place_t waits;
    int64_t now_ms = mmi_now_ms(), warned_ms = atomic_load(&k->warned_ms);
    if ((warned_ms != 0 && now_ms - warned_ms < WARN_MS) || !backlog_find(k, &waits))
        return;
    uint64_t events = waits.events * 100 / k->p->slots,
             bytes = waits.units * MMI_UNIT_BYTES * 100 / k->p->ring_bytes,
             percent = events > bytes ? events : bytes;
    if (percent < 50 || !atomic_compare_exchange_strong(&k->warned_ms, &warned_ms, now_ms))
        return;
    mofka_log(
        MOFKA_LOG_WARN,
        "topic '%s', partition %zu: the file system of %s is slower than the producers: %" PRIu64
        " events, %" PRIu64 " %% of the ring, are not %s yet; when it is full, producers wait",
        k->topic->name, k->p->index, k->log.folder, waits.events, percent < 100 ? percent : 100,
        k->topic->storage.durability == MMI_DURABLE_SYNCED ? "on disk" : "written");
}
