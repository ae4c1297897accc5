/* SPDX-License-Identifier: BSD-3-Clause */
/* How claims end: they are committed, or aborted. What they are: producer/claims/claim.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "producer/claim.h"

/* ---- committing ------------------------------------------------------------------------------ */

static mofka_status_t claim_check(const mofka_claim_t *claim) {
    mofka_status_t status = mfi_check(claim, MFI_CLAIM, "claim");
    return !status && mfi_is_marked(claim->producer)
               ? mfi_check(claim->producer, MFI_PRODUCER, "claim's producer")
               : status;
}

/* Its producer has ended before it. */
static void claim_end_orphan(mofka_claim_t *claim) {
    mofka_producer_t *producer = claim->producer;
    if (!claim->in_place)
        mfi_claim_free_memory(claim);
    claim->object.kind = MFI_DEAD;
    free(claim);
    mfi_producer_release_memory(producer);
}

static mofka_status_t claim_fail_orphan(const mofka_claim_t *claim) {
    return mofka_fail(MOFKA_ERR_CLOSED,
                      "producer '%s' has ended with its driver; the claim can only be aborted",
                      claim->producer->name);
}

/* Consumers have passed its place: copy what it has to memory of the library. */
static mofka_status_t claim_leave_place(mofka_claim_t *claim) {
    mofka_producer_t *producer = claim->producer;
    const char *metadata = claim->metadata;
    const void *data = claim->data;
    mofka_claim_t copy = *claim;
    mofka_status_t status = mfi_claim_allocate(&copy);
    if (status)
        return status;
    memcpy(copy.metadata, metadata, claim->metadata_room);
    memcpy(copy.data, data, claim->data_bytes);
    mfi_monitor_enter(&producer->lock);
    status = mfi_claim_give_up(claim, false);
    claim->in_place = false;
    claim->memory = copy.memory;
    claim->metadata = copy.metadata;
    claim->data = copy.data;
    claim->data_view = copy.data_view;
    mfi_monitor_leave(&producer->lock);
    mfi_claim_warn(producer, status);
    return MOFKA_OK;
}

static bool claim_stays_open(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_BUSY || status == MOFKA_ERR_MEMORY ||
           status == MOFKA_ERR_CLOSED;
}

/* Commit memory of the library. */
static mofka_status_t claim_push(mofka_claim_t *claim, size_t metadata_bytes,
                                 mofka_future_t **future) {
    mofka_producer_t *producer = claim->producer;
    mofka_status_t status = mfi_producer_push(producer, claim->metadata, metadata_bytes,
                                              claim->data_view, claim->partition, future);
    if (claim_stays_open(status))
        return status;
    mfi_claim_free_memory(claim);
    mfi_monitor_enter(&producer->lock);
    mfi_claim_end(producer, claim);
    mfi_monitor_leave(&producer->lock);
    return status;
}

/* The validator's view of an event in place. */
static mofka_status_t claim_validate(const mofka_claim_t *claim, size_t metadata_bytes) {
    const mofka_producer_t *producer = claim->producer;
    mofka_data_view_t *data = NULL;
    mofka_status_t status = claim->data_bytes > 0
                                ? mofka_data_view_of(claim->data, claim->data_bytes, &data)
                                : MOFKA_OK;
    if (status)
        return status;
    status = mofka_validator_validate(producer->validator, claim->metadata, metadata_bytes, data);
    mofka_data_view_release(data);
    return status;
}

/* The validator refuses it. */
static mofka_status_t claim_refuse(mofka_claim_t *claim, mofka_status_t status,
                                   mofka_future_t **future) {
    mofka_producer_t *producer = claim->producer;
    status = mfi_push_refuse(producer, status, future);
    if (status == MOFKA_ERR_MEMORY) /* it is refused again */
        return status;
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", status ? mofka_last_error() : "");
    mfi_monitor_enter(&producer->lock);
    mofka_status_t given = mfi_claim_give_up(claim, false);
    mfi_claim_end(producer, claim);
    mfi_monitor_leave(&producer->lock);
    mfi_claim_warn(producer, given);
    return status ? mofka_fail(status, "%s", message) : MOFKA_OK;
}

/* With the lock. */
static void claim_count(mofka_claim_t *claim, mofka_status_t status) {
    mfi_producer_stats_t *stats = &claim->producer->stats;
    uint64_t bytes = claim->place.metadata_bytes + claim->data_bytes;
    stats->events_pushed++;
    stats->bytes_pushed += bytes;
    if (status) {
        stats->events_failed++;
        return;
    }
    stats->events_stored++;
    stats->bytes_stored += bytes;
    stats->batches_stored++;
    stats->claims_stored++;
}

/* With the lock: an event in place could not be published, and no future will say so. */
static void claim_note_failure(mofka_producer_t *producer, mofka_status_t status) {
    producer->unstored_sequence = ++producer->sequence;
    (void)mfi_account_of_thread(producer);
    mfi_failure_note(producer, 1, producer->sequence, status, mofka_last_error());
}

static void claim_complete(mfi_outcome_t *outcome, mofka_status_t status, size_t partition,
                           uint64_t id) {
    mofka_result_t result = {.event_id = id, .partition = partition};
    mfi_outcome_complete(outcome, status, status ? mofka_last_error() : NULL,
                         status ? MOFKA_NOT_STORED : MOFKA_STORED, &result);
}

/* With the lock: publish an event in place. */
static mofka_status_t claim_publish(mofka_claim_t *claim, size_t metadata_bytes, bool answers) {
    mofka_producer_t *producer = claim->producer;
    mfi_assert_inside(&producer->lock);
    claim->place.metadata_bytes = metadata_bytes;
    claim->place.timed = mfi_stats_times_next(&producer->stats);
    mofka_status_t status = producer->ops->commit(producer->self, claim->partition, &claim->place);
    claim_count(claim, status);
    if (status && !answers)
        claim_note_failure(producer, status);
    mfi_claim_end(producer, claim);
    return status;
}

/* A claim in place is committed, and its future is wanted. */
static mofka_status_t claim_publish_with_future(mofka_claim_t *claim, size_t metadata_bytes,
                                                mofka_future_t **future, bool *late) {
    MFI_KEEP_ERRNO;
    mofka_producer_t *producer = claim->producer;
    mofka_future_t *given;
    mfi_outcome_t *outcome = mfi_future_create(&mfi_push_future_ops, producer, &given);
    if (!outcome)
        return MOFKA_ERR_MEMORY;
    mfi_monitor_enter(&producer->lock);
    *late = claim->expired || claim->orphan;
    size_t partition = claim->partition;
    uint64_t id = claim->place.id;
    mofka_status_t status = *late ? MOFKA_OK : claim_publish(claim, metadata_bytes, true);
    mfi_monitor_leave(&producer->lock);
    claim_complete(outcome, status, partition, id);
    if (*late)
        mofka_future_release(given);
    else
        *future = given;
    return MOFKA_OK;
}

/* It has expired, or its producer has ended. */
static mofka_status_t claim_commit_late(mofka_claim_t *claim, size_t metadata_bytes,
                                        mofka_future_t **future) {
    MFI_KEEP_ERRNO;
    if (claim->orphan)
        return claim_fail_orphan(claim);
    mofka_status_t status = claim_leave_place(claim);
    return status ? status : claim_push(claim, metadata_bytes, future);
}

static mofka_status_t claim_commit_in_place(mofka_claim_t *claim, size_t metadata_bytes,
                                            mofka_future_t **future) {
    mofka_producer_t *producer = claim->producer;
    mofka_status_t status =
        producer->accepts_all ? MOFKA_OK : claim_validate(claim, metadata_bytes);
    if (status)
        return claim_refuse(claim, status, future);
    bool late = false;
    if (future) {
        status = claim_publish_with_future(claim, metadata_bytes, future, &late);
    } else {
        mfi_monitor_enter(&producer->lock);
        late = claim->expired || claim->orphan;
        status = late ? MOFKA_OK : claim_publish(claim, metadata_bytes, false);
        mfi_monitor_leave(&producer->lock);
    }
    return late ? claim_commit_late(claim, metadata_bytes, future) : status;
}

mofka_status_t mofka_claim_commit(mofka_claim_t *claim, size_t metadata_bytes,
                                  mofka_future_t **future) {
    mofka_status_t status = claim_check(claim);
    if (!status && metadata_bytes > claim->metadata_room)
        status = mofka_fail(MOFKA_ERR_INVALID, "metadata of %zu bytes; %zu were claimed",
                            metadata_bytes, claim->metadata_room);
    if (status)
        return status;
    if (claim->in_place)
        return claim_commit_in_place(claim, metadata_bytes, future);
    return claim->orphan ? claim_fail_orphan(claim) : claim_push(claim, metadata_bytes, future);
}

void mofka_claim_abort(mofka_claim_t *claim) {
    MFI_KEEP_ERRNO;
    if (!claim || claim_check(claim))
        return;
    mofka_producer_t *producer = claim->producer;
    mfi_monitor_enter(&producer->lock);
    bool orphan = claim->orphan;
    mofka_status_t status = MOFKA_OK;
    if (!orphan && claim->in_place)
        status = mfi_claim_give_up(claim, false);
    else if (!orphan)
        mfi_claim_free_memory(claim);
    if (!orphan)
        mfi_claim_end(producer, claim);
    mfi_monitor_leave(&producer->lock);
    mfi_claim_warn(producer, status);
    if (orphan)
        claim_end_orphan(claim);
}

/* ---- what it has ----------------------------------------------------------------------------- */

static bool claim_is_valid(const mofka_claim_t *handle) {
    return mfi_object_is(handle, MFI_CLAIM);
}

char *mofka_claim_metadata(mofka_claim_t *claim) {
    return claim_is_valid(claim) ? claim->metadata : NULL;
}

void *mofka_claim_data(mofka_claim_t *claim) {
    return claim_is_valid(claim) && claim->data_bytes > 0 ? claim->data : NULL;
}

size_t mofka_claim_metadata_bytes_max(const mofka_claim_t *claim) {
    return claim_is_valid(claim) ? claim->metadata_room : 0;
}

size_t mofka_claim_data_bytes(const mofka_claim_t *claim) {
    return claim_is_valid(claim) ? claim->data_bytes : 0;
}

bool mofka_claim_is_in_place(mofka_claim_t *claim) {
    if (claim_check(claim))
        return false;
    mfi_monitor_enter(&claim->producer->lock);
    bool in_place = claim->in_place && !claim->expired && !claim->orphan;
    mfi_monitor_leave(&claim->producer->lock);
    return in_place;
}
