/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the ring into files: batches in order, a frame for each, from where they are.
 *
 * Only batches with settled flags are written: all of their bytes are there. What is damaged in the
 * ring becomes a frame that says so, so that ids stay dense.
 *
 *   step                                      a crash after it leaves behind
 *   1 look at the lock                        nothing
 *   2 append frames to the log                events that nobody was promised; they count
 *   3 look at the lock                        the same
 *   4 store `written`                         the same; a producer may have seen its promise
 *   5 store `cursor`                          the head may pass what is written
 *   6 ring
 *
 * With "synced", the syncing thread stores the cursor: it does not pass what is on disk.
 *
 * Another process may take the lock over, if it takes this one for dead: this one was stopped for
 * long, on another node. It writes its name into the lock file, and reads the log then. So if the
 * look in step 3 finds the lock as it was, the other process will find what step 2 wrote; if not,
 * nothing is promised any more. A step 2 that comes too late writes to a segment of a lower life,
 * which does not count.
 */
#include "mpi/storage/keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/log.h>

/* A write of a batch that is not settled for so long is not this thread's concern. */
#define LOCK_MS 1000

void mmi_keeper_fail(mmi_keeper_t *k, mofka_status_t status, const char *what) {
    char text[sizeof k->words->text];
    bool before = k->failed;
    snprintf(text, sizeof text, "%s: %s", what, mofka_last_error());
    if (!before)
        mofka_log(MOFKA_LOG_ERROR, "topic '%s', partition %zu: %s", k->topic->name, k->p->index,
                  text);
    k->failed = true;
    k->retry_ms = mmi_now_ms() + MMI_KEEP_RETRY_MS;
    memcpy(k->words->text, text, sizeof text);
    mmi_keeper_store(&k->words->failed, mmi_seal((uint64_t) - (int64_t)status));
}

/* Another process has the log: write no more. */
static void keeper_lose(mmi_keeper_t *k) {
    assert(atomic_load(&k->taken));
    (void)mfi_lock_check(k->lock_file); /* its message */
    k->failed = false;                  /* this one is worth a line of the log */
    mmi_keeper_fail(k, MOFKA_ERR_BUSY, "its log is written no more");
    k->hopeless = true;
    mmi_keeper_ring(k);
}

bool mmi_keeper_holds_lock(mmi_keeper_t *k) {
    if (atomic_load(&k->taken))
        return false;
    if (mfi_lock_check(k->lock_file) == MOFKA_OK)
        return true;
    atomic_store(&k->taken, true);
    return false;
}

static void keeper_recover(mmi_keeper_t *k) {
    if (!k->failed)
        return;
    k->failed = false;
    mmi_keeper_store(&k->words->failed, 0);
    mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu: its log is written again", k->topic->name,
              k->p->index);
}

void mmi_keeper_ring(const mmi_keeper_t *k) {
    const mmi_partition_t *p = k->p;
    if (!p->w->ops->has_bells) /* others look by themselves */
        return;
    if (mmi_keeper_load(&k->words->waiters) > 0)
        p->w->ops->wake(p->w, p->owner, p->stored + MMI_STORED(bell), INT32_MAX);
    mmi_bell_ring_data(p);
    mmi_bell_ring_room(p);
}

/* ---- batches --------------------------------------------------------------------------------- */

static bool write_has_room(mmi_write_t *write, size_t events) {
    if (write->size_count + events <= write->size_room)
        return true;
    if (write->count > 0) /* what is collected has pointers into the list */
        return false;
    mofka_batch_event_t *more = realloc(write->sizes, events * sizeof *more);
    if (!more)
        return false;
    write->sizes = more;
    write->size_room = events;
    return true;
}

/* Bytes of the ring, as one or two pieces; returns how many. */
static size_t write_pieces(const mmi_partition_t *p, uint64_t position, uint64_t bytes,
                           mofka_segment_t *pieces) {
    uint64_t at = position % p->ring_bytes;
    char *ring = mmi_storage_own(p->w, p->ring);
    uint64_t first = bytes < p->ring_bytes - at ? bytes : p->ring_bytes - at;
    if (bytes == 0)
        return 0;
    pieces[0] = (mofka_segment_t){ring + at, (size_t)first};
    pieces[1] = (mofka_segment_t){ring, (size_t)(bytes - first)};
    return bytes > first ? 2 : 1;
}

static mmi_entry_t write_entry(const mmi_partition_t *p, uint64_t id) {
    mmi_entry_t entry;
    memcpy(&entry, mmi_storage_own(p->w, mmi_entry_offset(p, id)), sizeof entry);
    return entry;
}

/* With checksums: whether the batch's bytes are what was pushed. */
static bool write_sums_are_right(const mmi_partition_t *p, const mfi_append_t *a) {
    mmi_segments_t metadata = {a->metadata, 0}, data = {a->data, 0};
    bool right = true;
    for (uint64_t i = 0; p->checksums && i < a->events && right; i++) {
        uint64_t id = a->first_id + i, sum;
        memcpy(&sum, mmi_storage_own(p->w, p->sums + id % p->slots * sizeof sum), sizeof sum);
        right = mmi_sum_segments(p, id, MMI_SUM_METADATA, &metadata, a->sizes[i].metadata_bytes) ==
                    mmi_sum_half(sum, MMI_SUM_METADATA) &&
                mmi_sum_segments(p, id, MMI_SUM_DATA, &data, a->sizes[i].data_bytes) ==
                    mmi_sum_half(sum, MMI_SUM_DATA);
    }
    return right;
}

/* Add the batch of `count` events at `id`. Its entries are checked; if one is damaged, or bytes
 * are, all of the batch is. */
static void write_add_batch(const mmi_partition_t *p, mmi_write_t *write, uint64_t id,
                            uint64_t count, mmi_chain_t *chain) {
    size_t i = write->count++;
    mfi_append_t *a = &write->appends[i];
    mofka_batch_event_t *sizes = write->sizes + write->size_count;
    uint64_t metadata = 0, data = 0;
    mmi_entry_t first = write_entry(p, id);
    bool good = true;
    for (uint64_t k = 0; k < count; k++) {
        mmi_entry_t e = write_entry(p, id + k);
        if (!mmi_chain_follow(chain, &e, id + k, p->ring_bytes)) {
            mmi_chain_lose(chain);
            good = false;
            continue;
        }
        sizes[k] = (mofka_batch_event_t){e.metadata_bytes, (size_t)e.data_bytes};
        metadata += e.metadata_bytes;
        data += e.data_bytes;
    }
    mmi_chain_end_batch(chain);
    write->ends[i] = (mmi_place_t){id + count, mmi_chain_units(chain)};
    write->chains[i] = *chain;
    *a = (mfi_append_t){.kind = MFI_FRAME_DAMAGED, .first_id = id, .events = (uint32_t)count};
    if (!good)
        return;
    uint64_t stamp;
    memcpy(&stamp, mmi_storage_own(p->w, mmi_flag_offset(p, id) + MMI_STAMP_OFFSET), sizeof stamp);
    uint64_t stored_ns = mmi_stamp_ns(stamp);
    mofka_segment_t *pieces = write->pieces[i];
    a->sizes = sizes;
    a->metadata = pieces;
    a->metadata_count = write_pieces(p, first.metadata, metadata, pieces);
    a->data = pieces + 2;
    a->data_count = write_pieces(p, first.data, data, pieces + 2);
    a->stamp = stored_ns ? stored_ns : mmi_wall_ns();
    a->kind = write_sums_are_right(p, a) ? MFI_FRAME_BATCH : MFI_FRAME_DAMAGED;
    write->size_count += (size_t)count;
}

/* The flag at `id` is damaged: find where its batch ends. */
static void write_add_damage(const mmi_partition_t *p, mmi_write_t *write, uint64_t id,
                             mmi_chain_t *chain) {
    mmi_damage_t damage = {.first = id, .end = id, .chain = *chain};
    if (mmi_damage_of_flag(p, id, *chain, &damage) || damage.end == damage.first)
        return;
    size_t i = write->count++;
    *chain = damage.chain;
    write->appends[i] = (mfi_append_t){
        .kind = MFI_FRAME_DAMAGED, .first_id = id, .events = (uint32_t)(damage.end - damage.first)};
    write->ends[i] = (mmi_place_t){damage.end, mmi_chain_units(chain)};
    write->chains[i] = *chain;
}

/* Collect what is published, in order. */
static void write_collect(const mmi_keeper_t *k, mmi_write_t *write) {
    const mmi_partition_t *p = k->p;
    mmi_chain_t chain = k->chain;
    uint64_t id = k->at.events, units = k->at.units;
    write->count = write->size_count = 0;
    while (write->count < MMI_WRITE_BATCHES) {
        uint64_t flag = mmi_keeper_load(mmi_storage_own(p->w, mmi_flag_offset(p, id)));
        uint64_t count = mmi_flag_count(p, id, flag);
        if (count == 0) {
            mmi_flag_kind_t kind = mmi_flag_kind(p, id, flag);
            if (write->count == 0 && (kind == MMI_FLAG_DAMAGED || kind == MMI_FLAG_LATER))
                write_add_damage(p, write, id, &chain);
            return;
        }
        if (!mmi_flag_is_settled(flag) || !write_has_room(write, (size_t)count))
            return;
        write_add_batch(p, write, id, count, &chain);
        id += count;
        if ((write->ends[write->count - 1].units - units) * MMI_UNIT_BYTES >= MMI_WRITE_BYTES)
            return;
    }
}

static void write_warn_damage(const mmi_keeper_t *k, const mfi_append_t *a) {
    if (a->kind == MFI_FRAME_DAMAGED)
        mofka_log(MOFKA_LOG_WARN,
                  "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
                  " are damaged in memory; its log has them as damaged",
                  k->topic->name, k->p->index, a->first_id, a->first_id + a->events - 1);
}

/* Store how far the log is. */
static void keeper_advance(mmi_keeper_t *k, const mmi_write_t *write, size_t appended) {
    mmi_place_t end = write->ends[appended - 1];
    for (size_t i = 0; i < appended; i++)
        write_warn_damage(k, &write->appends[i]);
    k->chain = write->chains[appended - 1];
    pthread_mutex_lock(&k->lock);
    k->at = end;
    pthread_mutex_unlock(&k->lock);
    atomic_store(&k->dirty, true);
    if (end.events > mmi_unseal(mmi_keeper_load(&k->words->written)))
        mmi_keeper_store(&k->words->written, mmi_seal(end.events));
    if (k->topic->storage.durability != MMI_DURABLE_SYNCED)
        mmi_keeper_store(&k->words->cursor, end.events << 32 | (uint32_t)end.units);
    mmi_keeper_ring(k);
}

/* ---- the end of the topic -------------------------------------------------------------------- */

static bool keeper_complete(mmi_keeper_t *k) {
    uint64_t word = mmi_keeper_load(&k->control->complete);
    if (k->complete || word == 0 || !mmi_is_sealed(word) || mmi_unseal(word) - 1 != k->at.events)
        return false;
    if (!mmi_keeper_holds_lock(k))
        return false;
    mofka_status_t status = mfi_writer_complete(k->writer);
    if (status)
        mmi_keeper_fail(k, status, "its end cannot be written");
    k->complete = !status;
    atomic_store(&k->dirty, true);
    return !status;
}

/* ---- after a failed sync --------------------------------------------------------------------- */

/* Where the ring begins; the cursor goes back there, so that it stays. */
static mofka_status_t rewrite_hold_ring(mmi_keeper_t *k, mmi_place_t *head) {
    mmi_state_t state;
    mofka_status_t status = mmi_partition_lock(k->p, mmi_deadline(LOCK_MS));
    if (status)
        return status;
    status = mmi_state_load(k->p, &state);
    if (!status)
        mmi_keeper_store(&k->words->cursor, state.head.events << 32 | (uint32_t)state.head.units);
    mmi_partition_unlock(k->p);
    *head = state.head;
    return status;
}

/* With sync_lock: write again what may not be on disk, as far as the ring has it. */
static mofka_status_t keeper_rewrite(mmi_keeper_t *k) {
    mmi_place_t from = k->disk, head = k->disk;
    mofka_status_t status = MOFKA_OK;
    if (k->topic->storage.durability != MMI_DURABLE_SYNCED)
        status = rewrite_hold_ring(k, &head);
    from = head.events > from.events ? head : from;
    if (!status)
        status = mfi_writer_rewrite(k->writer, from.events);
    if (status)
        return status;
    if (from.events > k->disk.events)
        mofka_log(MOFKA_LOG_ERROR,
                  "topic '%s', partition %zu: after a failed sync, events %" PRIu64 " to %" PRIu64
                  " may not be on disk",
                  k->topic->name, k->p->index, k->disk.events, from.events - 1);
    k->complete = false;
    k->chain = mmi_chain_from(from.units);
    pthread_mutex_lock(&k->lock);
    k->at = from;
    pthread_mutex_unlock(&k->lock);
    atomic_store(&k->sync_failed, false);
    return MOFKA_OK;
}

/* ---- one step -------------------------------------------------------------------------------- */

/* True: the log can be written. */
static bool keeper_is_ready(mmi_keeper_t *k) {
    if (k->failed && (k->hopeless || mmi_now_ms() < k->retry_ms))
        return false;
    if (!k->writer)
        mmi_keeper_open(k);
    if (!k->writer)
        return false;
    if (atomic_load(&k->taken))
        keeper_lose(k);
    if (k->hopeless)
        return false;
    if (!atomic_load(&k->sync_failed))
        return true;
    if (!mmi_keeper_holds_lock(k))
        return false;
    pthread_mutex_lock(&k->sync_lock);
    mofka_status_t status = keeper_rewrite(k);
    pthread_mutex_unlock(&k->sync_lock);
    if (status)
        mmi_keeper_fail(k, status, "its log cannot be written again after a failed sync");
    return !status;
}

bool mmi_keeper_write(mmi_keeper_t *k, mmi_write_t *write) {
    size_t appended = 0;
    if (!keeper_is_ready(k))
        return false;
    write_collect(k, write);
    if (write->count == 0)
        return keeper_complete(k);
    if (!mmi_keeper_holds_lock(k))
        return false;
    int64_t began_ns = mmi_now_ns();
    mofka_status_t status = mfi_writer_append(k->writer, write->appends, write->count, &appended);
    if (!mmi_keeper_holds_lock(k))
        return false;
    if (appended > 0) {
        keeper_advance(k, write, appended);
        mmi_keeper_count_write(k, began_ns);
        mmi_keeper_watch_backlog(k);
    }
    if (status && !atomic_load(&k->sync_failed))
        mmi_keeper_fail(k, status, "its log cannot be written");
    if (!status)
        keeper_recover(k);
    return appended > 0;
}
