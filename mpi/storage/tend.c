/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the syncing thread does for a partition: sync, consumers' places, retention of files, the
 * stamp of the lock.
 *
 * All of it ends when another process has taken the lock over. As in write.c, what is synced is
 * promised only if the lock is found as it was, after the sync.
 *
 * A place of a consumer is written only when its events have the topic's durability: what a
 * consumer acknowledged early stays in the window until then.
 */
#include "mpi/storage/keeper.h"

#include <inttypes.h>
#include <string.h>
#include <mofka/log.h>

bool mmi_keeper_sync(mmi_keeper_t *k) {
    uint64_t synced;
    pthread_mutex_lock(&k->lock);
    mmi_place_t at = k->at;
    pthread_mutex_unlock(&k->lock);
    atomic_store(&k->dirty, false);
    pthread_mutex_lock(&k->sync_lock);
    int64_t began_ns = mmi_now_ns();
    mofka_status_t status =
        atomic_load(&k->sync_failed) ? MOFKA_ERR_STORAGE : mfi_writer_sync(k->writer, &synced);
    k->synced_ms = mmi_now_ms();
    if (!status)
        k->disk = at.events > k->disk.events ? at : k->disk;
    else if (!atomic_exchange(&k->sync_failed, true))
        mofka_log(MOFKA_LOG_ERROR, "topic '%s', partition %zu: %s", k->topic->name, k->p->index,
                  mofka_last_error());
    at = k->disk;
    pthread_mutex_unlock(&k->sync_lock);
    if (status || !mmi_keeper_holds_lock(k))
        return false;
    mmi_keeper_store(&k->words->synced, mmi_seal(at.events));
    mmi_keeper_count_sync(k, began_ns);
    if (k->topic->storage.durability == MMI_DURABLE_SYNCED) {
        mmi_keeper_store(&k->words->cursor, at.events << 32 | (uint32_t)at.units);
        mmi_keeper_ring(k);
    }
    return true;
}

/* ---- places ---------------------------------------------------------------------------------- */

/* One past the last event that a place may cover. */
static uint64_t tend_durable(const mmi_keeper_t *k) {
    const uint64_t *word =
        k->topic->storage.durability == MMI_DURABLE_SYNCED ? &k->words->synced : &k->words->written;
    return mmi_unseal(mmi_keeper_load(word));
}

/* The name of a place of the table has left, or another one has it. */
static mofka_status_t tend_remove_name(mmi_keeper_t *k, mmi_kept_name_t *name) {
    mofka_status_t status = name->name_check ? mfi_places_remove(k->places, name->slot) : MOFKA_OK;
    if (!status)
        *name = (mmi_kept_name_t){0};
    return status;
}

static mofka_status_t tend_add_name(mmi_keeper_t *k, size_t i, uint64_t check, uint64_t id) {
    mfi_place_t place = {.life = k->life, .id = id};
    char text[MFI_PLACE_NAME_BYTES];
    bool fresh;
    for (size_t j = 0; j < MMI_CONSUMERS_MAX; j++)
        if (k->names[j].name_check ==
            check) /* of the place that the name had: it is removed first */
            return MOFKA_OK;
    memcpy(text, k->control->name[i], sizeof text);
    text[sizeof text - 1] = '\0';
    if (mmi_name_check(text) != check) /* it is being put, or is damaged */
        return MOFKA_OK;
    mofka_status_t status = mfi_places_join(k->places, text, &place, &fresh, &k->names[i].slot);
    if (!status)
        k->names[i] = (mmi_kept_name_t){check, k->names[i].slot, fresh ? id : 0};
    return status;
}

static mofka_status_t tend_place(mmi_keeper_t *k, size_t i, uint64_t durable) {
    mmi_kept_name_t *name = &k->names[i];
    uint64_t state = mmi_keeper_load(&k->control->state[i]);
    uint64_t word = mmi_keeper_load(&k->control->acknowledged[i]);
    if (!mmi_is_sealed(state) || !mmi_is_sealed(word))
        return MOFKA_OK;
    uint64_t id = mmi_unseal(word) < durable ? mmi_unseal(word) : durable;
    uint64_t check = mmi_state_keeps(state) ? mmi_state_name_check(state) : 0;
    mofka_status_t status = check != name->name_check ? tend_remove_name(k, name) : MOFKA_OK;
    if (!status && check && !name->name_check)
        status = tend_add_name(k, i, check, id);
    if (!status && name->name_check && id > name->stored) {
        status = mfi_places_set(k->places, name->slot, k->life, id);
        name->stored = status ? name->stored : id;
    }
    return status;
}

static mofka_status_t tend_places(mmi_keeper_t *k) {
    uint64_t durable = tend_durable(k);
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX && !status; i++)
        status = tend_place(k, i, durable);
    return status ? status : mfi_places_sync(k->places);
}

static mofka_status_t tend_retain(mmi_keeper_t *k) {
    uint64_t floor;
    if (!k->topic->storage.retain_bytes && !k->topic->storage.retain_ms)
        return MOFKA_OK;
    mofka_status_t status = mfi_places_floor(k->places, &floor);
    return status ? status : mfi_writer_retain(k->writer, floor);
}

void mmi_keeper_tend(mmi_keeper_t *k) {
    mofka_status_t status = MOFKA_OK;
    if (!mmi_keeper_holds_lock(k)) /* the writing thread reports it */
        return;
    (void)mfi_lock_touch(k->lock_file);
    status = tend_places(k);
    if (!status)
        status = tend_retain(k);
    mmi_keeper_count_files(k);
    if (status)
        mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu: %s", k->topic->name, k->p->index,
                  mofka_last_error());
}
