/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims: memory for one event, in place or of the library.
 *
 *               claim                    commit, or abort
 *   in place    the backend reserves     the backend publishes the event, or makes it void
 *   else        memory is allocated      a push of that memory, or nothing
 *
 * Only one append of a lane is under way at a time, and so is one claim: a claim first has the
 * lane's batches stored, which also keeps the order, and then reserves with the lock; or, where it
 * has to wait for room, as if it were an append (`sending`).
 *
 * A task looks at the claims in place every claim_ms. What it sees for the second time has expired:
 * the backend lets consumers pass. The memory stays as it is until the user ends the claim, because
 * nobody can take a pointer back.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "producer/claim.h"

/* How long a claim waits for its place. */
#define PLACE_MS 200
#define LINE_BYTES ((size_t)64)
/* Keeps sums of times far from overflow. */
#define LOOK_MS_MAX 3600000

/* ---- the list of open claims: with the lock -------------------------------------------------- */

/* A claim for use. NULL: no memory. */
static mofka_claim_t *claim_take_spare(mofka_producer_t *producer) {
    mofka_claim_t *claim = producer->spare_claims;
    mfi_assert_inside(&producer->lock);
    if (claim)
        producer->spare_claims = claim->next;
    else if (!(claim = malloc(sizeof *claim)))
        return NULL;
    return claim;
}

static void claim_put_spare(mofka_producer_t *producer, mofka_claim_t *claim) {
    claim->object.kind = MFI_DEAD;
    claim->next = producer->spare_claims;
    producer->spare_claims = claim;
}

static void claim_link(mofka_producer_t *producer, mofka_claim_t *claim) {
    claim->previous = NULL;
    claim->next = producer->claims;
    if (claim->next)
        claim->next->previous = claim;
    producer->claims = claim;
}

static void claim_unlink(mofka_producer_t *producer, mofka_claim_t *claim) {
    if (claim->next)
        claim->next->previous = claim->previous;
    if (claim->previous)
        claim->previous->next = claim->next;
    else
        producer->claims = claim->next;
}

void mfi_claim_end(mofka_producer_t *producer, mofka_claim_t *claim) {
    mfi_assert_inside(&producer->lock);
    claim_unlink(producer, claim);
    claim_put_spare(producer, claim);
}

size_t mfi_claims_count(const mofka_producer_t *producer) {
    size_t count = 0;
    for (const mofka_claim_t *claim = producer->claims; claim; claim = claim->next)
        count++;
    return count;
}

void mfi_claims_destroy(mofka_producer_t *producer) {
    assert(!producer->claims);
    while (producer->spare_claims) {
        mofka_claim_t *next = producer->spare_claims->next;
        free(producer->spare_claims);
        producer->spare_claims = next;
    }
}

/* ---- claims that stay open --------------------------------------------------------------------
 */

mofka_status_t mfi_claim_give_up(mofka_claim_t *claim, bool keep) {
    mofka_producer_t *producer = claim->producer;
    mfi_assert_inside(&producer->lock);
    assert(claim->in_place);
    producer->stats.claims_void += !claim->expired;
    return producer->ops->give_up(producer->self, claim->partition, &claim->place, keep);
}

void mfi_claim_warn(const mofka_producer_t *producer, mofka_status_t status) {
    if (status)
        mfi_log(MOFKA_LOG_WARN, "producer '%s' of topic '%s': giving up a claim: %s",
                producer->name, producer->topic->name, mofka_last_error());
}

/* With the lock: the oldest claim in place that two looks have seen. NULL: there is none. */
static mofka_claim_t *claim_find_old(const mofka_producer_t *producer) {
    mofka_claim_t *old = NULL;
    mfi_assert_inside(&producer->lock);
    for (mofka_claim_t *claim = producer->claims; claim; claim = claim->next)
        if (claim->in_place && !claim->expired && producer->claim_look - claim->look >= 2)
            old = claim;
    return old;
}

/* Releases the lock meanwhile. */
static void claim_expire(mofka_claim_t *claim) {
    mofka_producer_t *producer = claim->producer;
    uint64_t id = claim->place.id;
    size_t partition = claim->partition;
    mofka_status_t status = mfi_claim_give_up(claim, true);
    claim->expired = true;
    mfi_monitor_leave(&producer->lock);
    mfi_claim_warn(producer, status);
    mfi_log(MOFKA_LOG_WARN,
            "producer '%s' of topic '%s': the claim of event %" PRIu64
            " of partition %zu has been open for more than %" PRIu64
            " ms (claim_ms); consumers pass it, and its memory is kept until it is committed or "
            "aborted",
            producer->name, producer->topic->name, id, partition, producer->claim_ms);
    mfi_monitor_enter(&producer->lock);
}

static void claim_look_task(void *context);

/* With the lock. False: no thread will look. */
static bool claim_look_later(mofka_producer_t *producer) {
    MFI_KEEP_ERRNO;
    int64_t ms = producer->claim_ms < LOOK_MS_MAX ? (int64_t)producer->claim_ms : LOOK_MS_MAX;
    mfi_assert_inside(&producer->lock);
    assert(!producer->claim_looks);
    if (!producer->timer)
        return false;
    mfi_producer_retain_memory(producer);
    producer->claim_looks =
        mfi_thread_pool_push_later(producer->timer, claim_look_task, producer, ms);
    if (!producer->claim_looks)
        mfi_producer_release_memory(producer); /* not the last: the caller keeps it, too */
    return producer->claim_looks;
}

/* While a program goes on claiming, the look goes on: no claim has to begin it. */
static void claim_look_task(void *context) {
    mofka_producer_t *producer = context;
    mfi_caller_t caller;
    mfi_monitor_enter(&producer->lock);
    mfi_caller_begin(producer, &caller); /* of the log's callback */
    producer->claim_look++;
    for (mofka_claim_t *claim; (claim = claim_find_old(producer));)
        claim_expire(claim);
    bool again = producer->claimed_since;
    for (const mofka_claim_t *claim = producer->claims; claim; claim = claim->next)
        again |= claim->in_place && !claim->expired;
    producer->claimed_since = false;
    producer->claim_looks = false;
    mfi_caller_end(producer, &caller);
    if (again && !producer->closed)
        (void)claim_look_later(producer); /* else with the next claim */
    mfi_monitor_leave(&producer->lock);
    mfi_producer_release_memory(producer);
}

void mfi_claims_stop_looking(mofka_producer_t *producer) {
    if (producer->timer && mfi_thread_pool_cancel_later(producer->timer, claim_look_task, producer))
        mfi_producer_release_memory(producer);
}

void mfi_claims_orphan(mofka_producer_t *producer) {
    mfi_monitor_enter(&producer->lock);
    for (mofka_claim_t *claim; (claim = producer->claims);) {
        mofka_status_t status = claim->in_place ? mfi_claim_give_up(claim, false) : MOFKA_OK;
        claim_unlink(producer, claim);
        claim->orphan = true;
        mfi_producer_retain_memory(producer);
        mfi_monitor_leave(&producer->lock);
        mfi_claim_warn(producer, status);
        mfi_log(MOFKA_LOG_WARN,
                "producer '%s' of topic '%s' ends, and a claim is open: it is aborted",
                producer->name, producer->topic->name);
        mfi_monitor_enter(&producer->lock);
    }
    mfi_monitor_leave(&producer->lock);
}

/* ---- a place in the partition: with the lock ------------------------------------------------- */

static bool producer_has_places(const mofka_producer_t *producer) {
    const mofka_producer_ops_t *ops = producer->ops;
    return producer->claims_early && ops->size > offsetof(mofka_producer_ops_t, give_up) &&
           ops->claim;
}

/* Nothing is there that is to be stored before the claim. */
static inline bool lane_is_idle(const mfi_lane_t *lane) {
    return !lane->sending && !lane->first && (!lane->open || lane->open->out.event_count == 0);
}

/* Wait for room as an append does. Releases the lock meanwhile. */
static mofka_status_t lane_wait_for_place(mfi_lane_t *lane, mofka_place_t *place,
                                          int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    mfi_caller_t caller;
    mfi_caller_begin(producer, &caller); /* of the log's callback */
    lane->sending = true;
    lane->sending_sequence = UINT64_MAX; /* of no batch */
    lane->group_count = 0;
    mfi_monitor_leave(&producer->lock);
    mofka_status_t status =
        producer->ops->claim(producer->self, lane->partition, place, mfi_remaining(deadline));
    mfi_monitor_enter(&producer->lock);
    lane->sending = false;
    mfi_caller_end(producer, &caller);
    if (lane->first)
        mfi_producer_retry_soon(producer);
    mfi_monitor_notify(&producer->lock);
    return status;
}

/* The lane has batches, or there is no room. Releases the lock meanwhile. */
static mofka_status_t lane_find_place_late(mfi_lane_t *lane, mofka_place_t *place) {
    MFI_KEEP_ERRNO;
    mofka_producer_t *producer = lane->producer;
    if (producer->when_full != MOFKA_WHEN_FULL_WAIT)
        return MOFKA_ERR_TIMEOUT;
    int64_t deadline = mfi_deadline(PLACE_MS);
    mfi_batch_seal(lane, MFI_SEAL_FLUSH);
    mofka_status_t status = mfi_lane_store(lane, UINT64_MAX, deadline);
    if (status || lane->sending || producer->closed)
        return MOFKA_ERR_TIMEOUT;
    status = producer->ops->claim(producer->self, lane->partition, place, 0);
    return status == MOFKA_ERR_TIMEOUT ? lane_wait_for_place(lane, place, deadline) : status;
}

/* Have a place for the claim. False: the library's memory will do. Releases the lock meanwhile. */
static bool claim_find_place(mofka_claim_t *claim) {
    mofka_producer_t *producer = claim->producer;
    mfi_lane_t *lane = &producer->lanes[claim->partition];
    mofka_place_t *place = &claim->place;
    place->metadata_bytes = claim->metadata_room;
    place->data_bytes = claim->data_bytes;
    if ((!producer->claim_looks && !claim_look_later(producer)) ||
        claim->metadata_room + claim->data_bytes > lane->limits.event_bytes_max)
        return false;
    mofka_status_t status = MOFKA_ERR_TIMEOUT;
    if (__builtin_expect(lane_is_idle(lane), 1))
        status = producer->ops->claim(producer->self, claim->partition, place, 0);
    if (status == MOFKA_ERR_TIMEOUT)
        status = lane_find_place_late(lane, place);
    claim->in_place = !status;
    claim->metadata = place->metadata;
    claim->data = place->data;
    claim->look = producer->claim_look;
    producer->claimed_since = true;
    return claim->in_place;
}

/* ---- claiming -------------------------------------------------------------------------------- */

mofka_status_t mfi_claim_allocate(mofka_claim_t *claim) {
    size_t data_at = (claim->metadata_room + LINE_BYTES - 1) & ~(LINE_BYTES - 1),
           data_bytes = (claim->data_bytes + LINE_BYTES - 1) & ~(LINE_BYTES - 1);
    claim->in_place = false;
    claim->data_view = NULL;
    claim->memory = aligned_alloc(LINE_BYTES, data_at + data_bytes + LINE_BYTES);
    if (!claim->memory)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a claim of %zu + %zu bytes",
                          claim->metadata_room, claim->data_bytes);
    claim->metadata = claim->memory;
    claim->data = claim->memory + data_at;
    if (claim->data_bytes == 0)
        return MOFKA_OK;
    mofka_segment_t segment = {claim->data, claim->data_bytes};
    mofka_status_t status =
        mofka_data_view_create(&segment, 1, free, claim->memory, &claim->data_view);
    if (status)
        free(claim->memory);
    return status;
}

void mfi_claim_free_memory(mofka_claim_t *claim) {
    if (claim->data_view)
        mofka_data_view_release(claim->data_view);
    else
        free(claim->memory);
}

static mofka_status_t claim_check_sizes(size_t metadata_bytes, size_t data_bytes) {
    if (metadata_bytes <= MOFKA_METADATA_BYTES_MAX && data_bytes <= SIZE_MAX / 4)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_TOO_LARGE,
                      "a claim of %zu bytes of metadata, at most %zu, and %zu bytes of data",
                      metadata_bytes, MOFKA_METADATA_BYTES_MAX, data_bytes);
}

/* A claim whose memory the library has, without the lock. */
static mofka_status_t claim_begin_late(mofka_producer_t *producer, mofka_claim_t *made) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_claim_allocate(made);
    mfi_monitor_enter(&producer->lock);
    if (!status && producer->closed) {
        mfi_claim_free_memory(made);
        status = mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
    }
    if (status)
        claim_put_spare(producer, made);
    else
        claim_link(producer, made);
    mfi_monitor_leave(&producer->lock);
    return status;
}

/* The partition of a claim in place, which is chosen before there is metadata. */
static mofka_status_t claim_choose_partition(mofka_producer_t *producer, size_t requested,
                                             size_t *partition) {
    if (!producer->one_choice)
        return mfi_push_choose(producer, "", 0, requested, partition);
    *partition = 0;
    return MOFKA_OK;
}

/* With the lock, releases it meanwhile. NULL: no memory, or the producer is closed. */
static mofka_status_t claim_make(mofka_producer_t *producer, size_t metadata_bytes_max,
                                 size_t data_bytes, mofka_claim_t **made) {
    if (producer->closed)
        return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
    mofka_claim_t *claim = claim_take_spare(producer);
    if (!claim)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a claim");
    mfi_object_init(&claim->object, MFI_CLAIM);
    claim->producer = producer;
    claim->metadata_room = metadata_bytes_max;
    claim->data_bytes = data_bytes;
    claim->in_place = claim->expired = claim->orphan = false;
    *made = claim;
    return MOFKA_OK;
}

mofka_status_t mofka_producer_claim(mofka_producer_t *producer, size_t metadata_bytes_max,
                                    size_t data_bytes, size_t partition, mofka_claim_t **out) {
    mofka_claim_t *claim = NULL;
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (!status)
        status = claim_check_sizes(metadata_bytes_max, data_bytes);
    if (status)
        return status;
    size_t chosen = partition;
    bool places = producer_has_places(producer) &&
                  !claim_choose_partition(producer, partition, &chosen); /* else a push fails */
    mfi_monitor_enter(&producer->lock);
    status = claim_make(producer, metadata_bytes_max, data_bytes, &claim);
    if (!status) {
        claim->partition = chosen;
        places = places && claim_find_place(claim);
        if (places)
            claim_link(producer, claim);
    }
    mfi_monitor_leave(&producer->lock);
    if (!status && !places)
        status = claim_begin_late(producer, claim);
    if (!status)
        *out = claim;
    return status;
}
