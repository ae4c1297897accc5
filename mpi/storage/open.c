/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens the log of a partition that this rank owns.
 *
 *   step                                    a rank that dies after it leaves behind
 *   1 take the lock file, open the places   a lock that the next owner takes over
 *   2 open the log: recovery, a new life    the same, and an empty segment
 *   3 store where the ring begins           nothing more: nobody uses the partition yet
 *   4 put consumers' names and places       the same
 *   5 store `life`                          a partition that is in use
 *
 * The ring is empty. Its first event is the log's next one; units begin at 0.
 */
#include "mpi/storage/keeper.h"

#include <inttypes.h>
#include <string.h>
#include <mofka/log.h>

static mofka_status_t open_find_log(mmi_keeper_t *k) {
    mfi_topic_record_t record = {0};
    mofka_status_t status = mfi_store_load_topic(k->topic->store, k->topic->name, &record);
    if (!status && record.partitions != k->topic->partition_count)
        status =
            mofka_fail(MOFKA_ERR_INVALID, "the store has %zu partitions of topic '%s', not %zu",
                       record.partitions, record.name, k->topic->partition_count);
    if (!status)
        status = mfi_store_log(k->topic->store, &record, k->p->index, &k->log);
    mfi_topic_record_clear(&record);
    k->has_log = !status;
    return status;
}

static mofka_status_t open_files(mmi_keeper_t *k, mfi_opened_t *opened) {
    const mmi_storage_wish_t *wish = &k->topic->storage;
    const mfi_writer_options_t options = {.segment_bytes = wish->segment_bytes,
                                          .retain_bytes = wish->retain_bytes,
                                          .retain_ms = wish->retain_ms,
                                          .cut = MFI_NO_CUT};
    mofka_status_t status = k->has_log ? MOFKA_OK : open_find_log(k);
    if (!status)
        status = mfi_lock_take(&k->log, NULL, &k->lock_file);
    if (!status)
        status = mfi_places_open(&k->log, true, &k->places);
    if (!status)
        status = mfi_writer_open(&k->log, &options, opened, &k->writer);
    return status;
}

/* ---- consumers' places ----------------------------------------------------------------------- */

typedef struct open_places {
    mmi_keeper_t *k;
    const mfi_reader_t *reader;
    size_t count;
    mofka_status_t status;
} open_places_t;

/* A name of the file: it is away, and goes on where it was, as far as the log has that still. */
static void open_put_name(void *context, const mfi_place_t *place) {
    open_places_t *places = context;
    mmi_keeper_t *k = places->k;
    size_t i = places->count;
    mfi_place_t joined = *place;
    bool fresh;
    if (places->status || i == MMI_CONSUMERS_MAX)
        return;
    uint64_t id = mfi_reader_place(places->reader, place->life, place->id);
    places->status = mfi_places_join(k->places, place->name, &joined, &fresh, &k->names[i].slot);
    if (places->status)
        return;
    k->names[i].name_check = mmi_name_check(place->name);
    k->names[i].stored = id;
    memcpy(k->control->name[i], place->name, sizeof k->control->name[i]);
    mmi_keeper_store(&k->control->acknowledged[i], mmi_seal(id));
    mmi_keeper_store(&k->control->state[i],
                     mmi_state_word(MMI_CONSUMER_AWAY, k->names[i].name_check));
    mmi_keeper_store(&k->words->rewound[i], mmi_seal(place->id > id ? place->id - id : 0));
    places->count++;
}

typedef struct open_list {
    size_t count;
    mfi_place_t places[MMI_CONSUMERS_MAX];
} open_list_t;

static void open_note_place(void *context, const mfi_place_t *place) {
    open_list_t *list = context;
    if (list->count < MMI_CONSUMERS_MAX)
        list->places[list->count++] = *place;
}

static mofka_status_t open_put_names(mmi_keeper_t *k) {
    size_t damaged = 0;
    open_list_t list = {0}; /* while the file is listed, no name can join */
    mfi_reader_t *reader = NULL;
    static_assert(sizeof k->control->name[0] == MFI_PLACE_NAME_BYTES, "the same names");
    mofka_status_t status = mfi_places_list(k->places, open_note_place, &list, &damaged);
    if (!status && damaged > 0)
        mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu: %zu places of consumers are damaged",
                  k->topic->name, k->p->index, damaged);
    if (!status)
        status = mfi_reader_open(&k->log, &reader);
    if (status)
        return status;
    open_places_t places = {.k = k, .reader = reader};
    for (size_t i = 0; i < list.count; i++)
        open_put_name(&places, &list.places[i]);
    mfi_reader_close(reader);
    return places.status;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Nobody uses the partition yet. The reservation's first value may be stored. */
static mofka_status_t open_begin_ring(mmi_keeper_t *k, const mfi_opened_t *opened) {
    const mmi_partition_t *p = k->p;
    mmi_window_t *w = p->w;
    uint64_t next = opened->next;
    k->at = k->disk = (mmi_place_t){next, 0};
    k->chain = mmi_chain_from(0);
    k->life = opened->life;
    k->complete = opened->complete;
    w->ops->store(w, p->owner, p->base + MMI_CONTROL(reservation),
                  mmi_reservation_of(next, 0) | (opened->complete ? MMI_RESERVATION_ENDED : 0));
    mmi_head_store(p, k->at, false);
    mmi_control_store(p, MMI_CONTROL(complete), mmi_seal(opened->complete ? next + 1 : 0));
    mmi_keeper_store(&k->words->cursor, next << 32);
    mmi_keeper_store(&k->words->written, mmi_seal(next));
    mmi_keeper_store(&k->words->synced, mmi_seal(next));
    mofka_status_t status = mmi_window_check(w, p->owner);
    return status ? status : open_put_names(k);
}

static void open_undo(mmi_keeper_t *k) {
    if (k->writer)
        (void)mfi_writer_close(k->writer);
    if (k->places)
        mfi_places_close(k->places);
    mfi_lock_release(k->lock_file);
    k->writer = NULL;
    k->places = NULL;
    k->lock_file = NULL;
    memset(k->names, 0, sizeof k->names);
}

void mmi_keeper_open(mmi_keeper_t *k) {
    mfi_opened_t opened = {0};
    mofka_status_t status = open_files(k, &opened);
    if (!status)
        status = open_begin_ring(k, &opened);
    if (status) {
        open_undo(k);
        k->hopeless = status != MOFKA_ERR_BUSY && status != MOFKA_ERR_STORAGE;
        mmi_keeper_fail(k, status, "its log cannot be opened");
        return;
    }
    if (opened.torn_bytes > 0)
        mofka_log(MOFKA_LOG_WARN,
                  "topic '%s', partition %zu: the log ends at event %" PRIu64 "; %" PRIu64
                  " bytes behind it were torn by a failure",
                  k->topic->name, k->p->index, opened.next, opened.torn_bytes);
    k->failed = false;
    k->synced_ms = mmi_now_ms();
    mmi_keeper_store(&k->words->failed, 0);
    mmi_keeper_store(&k->words->lock, mmi_seal(mfi_lock_identity(k->lock_file) & MMI_SEAL_MAX));
    mmi_keeper_store(&k->words->life, mmi_seal(k->life));
}

void mmi_keeper_close(mmi_keeper_t *k) {
    if (!k->writer) {
        open_undo(k);
        return;
    }
    uint64_t next = k->at.events;
    if (!mmi_keeper_holds_lock(k)) {
        mfi_writer_abandon(k->writer);
        k->writer = NULL;
        open_undo(k);
        return;
    }
    mmi_keeper_tend(k);
    mofka_status_t status = mfi_places_sync(k->places);
    mofka_status_t closed = mfi_writer_close(k->writer);
    k->writer = NULL;
    if (status || closed)
        mofka_log(MOFKA_LOG_ERROR,
                  "topic '%s', partition %zu: closing its log at event %" PRIu64 ": %s",
                  k->topic->name, k->p->index, next, mofka_last_error());
    open_undo(k);
}
