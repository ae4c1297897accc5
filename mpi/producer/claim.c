/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims: a place for one event is reserved, and the user's program fills it. Where CPUs write.
 *
 *   step                      written                  if the rank dies here
 *   1 look: is there room?    -                        nothing is reserved
 *   2 take an entry of a row  row                      nothing is reserved
 *   3 reserve, if nobody has  reservation, compare-    others make the place void, once it is in
 *     since step 1            exchange; its row        their way
 *   4 the program fills it    ring                     the same
 *   5 publish                 entry, stamp, flag; row  the same; behind the flag, it is stored
 *   or give it up: see rows/void.c. A place that is given up and still written to is void, and not
 *   settled: readers pass it, and the head does not. The row keeps its entry until it is settled.
 *
 * Step 3 reserves only what has room. So no claim waits for room with a place, and a program that
 * gives up before it leaves no hole.
 *
 * A claim is a batch of one event. Its bytes do not wrap: if they would, what is left of the ring's
 * lap is reserved with it, in front of it. Its metadata and its data begin at units. Readers allow
 * both gaps (partition/chain.h).
 *
 * Claims use the last two entries of a row, appends any. So claims that stay open never keep the
 * appends of their rank from an entry.
 */
#include "mpi/producer/producer.h"

#include <inttypes.h>

/* How often reserving is tried anew, because others have reserved. */
#define RESERVE_TRIES 8

enum { SCRATCH_BEGIN, SCRATCH_END, SCRATCH_ROW, SCRATCH_POSITION };

/* What a claim takes of a partition. */
typedef struct claim_need {
    uint64_t units; /* that are used */
    uint64_t pad;   /* in front of them */
} claim_need_t;

/* At the end of the log that the sender has seen. */
static inline claim_need_t claim_measure(const mmi_partition_t *p, const mmi_sender_t *sender,
                                         const mofka_place_t *place) {
    uint64_t ring = p->ring_bytes / MMI_UNIT_BYTES, at = sender->reached.units % ring;
    claim_need_t need = {mmi_units_of(place->metadata_bytes) + mmi_units_of(place->data_bytes), 0};
    if (need.units > ring - at)
        need.pad = ring - at;
    return need;
}

/* It is reserved. MOFKA_ERR_CORRUPT: that place was given out before. */
static mofka_status_t claim_note_place(const mmi_partition_t *p, mmi_sender_t *sender,
                                       mofka_place_t *place, claim_need_t need) {
    mmi_place_t at = sender->reached, end = {at.events + 1, at.units + need.pad + need.units};
    mofka_status_t status = mmi_put_check_place(p, sender, at);
    uint64_t position = (at.units + need.pad) * MMI_UNIT_BYTES;
    place->id = at.events;
    place->scratch[SCRATCH_BEGIN] = at.units;
    place->scratch[SCRATCH_END] = end.units;
    place->scratch[SCRATCH_POSITION] = position;
    place->metadata = mmi_window_address(p->w, p->owner, p->ring + position % p->ring_bytes);
    place->data = place->metadata + mmi_units_of(place->metadata_bytes) * MMI_UNIT_BYTES;
    sender->tail = sender->reached = end;
    return status;
}

/* Steps 2 and 3. MOFKA_ERR_TIMEOUT: others have reserved since the look, or this rank has too many
 * claims. */
static mofka_status_t claim_reserve(const mmi_partition_t *p, mmi_sender_t *sender,
                                    mofka_place_t *place, claim_need_t need) {
    uint64_t old = sender->reservation, add = mmi_reservation_of(1, need.pad + need.units);
    mmi_row_hold_t hold = {.at = sender->claim_row};
    if (mmi_rows_exist(p) && !mmi_row_take_for_claim(p, &hold, add))
        return MOFKA_ERR_TIMEOUT;
    if (!mmi_near_exchange(p, p->base + MMI_CONTROL(reservation), &old, old + add)) {
        mmi_row_empty(p, &hold);
        return MOFKA_ERR_TIMEOUT;
    }
    mmi_row_place(p, &hold, sender->reached);
    sender->reservation = old + add;
    sender->claim_row = place->scratch[SCRATCH_ROW] = hold.at;
    mofka_status_t status = claim_note_place(p, sender, place, need);
    if (status)
        mmi_row_empty(p, &hold);
    return status;
}

/* Steps 1 to 3, without waiting. `*bytes`: so many would have to fit. */
static mofka_status_t claim_try(const mmi_partition_t *p, mmi_sender_t *sender,
                                mofka_place_t *place, size_t *bytes) {
    mofka_status_t status = mmi_room_read_near(p, sender);
    if (status || sender->ended)
        return status ? status : MOFKA_ERR_COMPLETE;
    claim_need_t need = claim_measure(p, sender, place);
    mmi_place_t end = {sender->reached.events + 1, sender->reached.units + need.pad + need.units};
    *bytes = (need.pad + need.units) * MMI_UNIT_BYTES;
    if (!mmi_place_fits(p, sender->head, end))
        return *bytes > p->ring_bytes ? MOFKA_ERR_UNSUPPORTED : MOFKA_ERR_TIMEOUT;
    if (sender->reached.events < sender->tail.events || sender->reached.units < sender->tail.units)
        return mmi_word_damaged(p, "reservation", sender->reservation);
    return claim_reserve(p, sender, place, need);
}

/* The same, with waiting for room. */
static mofka_status_t claim_wait(const mmi_partition_t *p, mmi_sender_t *sender,
                                 mofka_place_t *place, int64_t timeout_ms) {
    mmi_due_t due = {.timeout_ms = timeout_ms};
    size_t bytes = 0;
    mofka_status_t status = claim_try(p, sender, place, &bytes);
    for (int i = 0; status == MOFKA_ERR_TIMEOUT && timeout_ms != 0 && i < RESERVE_TRIES; i++) {
        mofka_batch_t batch = {.event_count = 1, .metadata_bytes = bytes};
        status = mmi_room_wait(p, sender, &batch, &due);
        if (!status)
            status = claim_try(p, sender, place, &bytes);
        else if (status == MOFKA_ERR_TIMEOUT)
            break;
    }
    mmi_room_end_wait(p, sender);
    return status;
}

static inline const mmi_partition_t *claim_partition(const mmi_producer_t *producer,
                                                     size_t partition) {
    assert(partition < producer->topic->partition_count);
    return &producer->topic->partitions[partition];
}

/* Claims are counted while they use the window, as appends are. False: it is shut. */
static inline bool claim_enter(mmi_window_t *w) {
    atomic_fetch_add(&w->appends, 1);
    if (!atomic_load(&w->shut))
        return true;
    atomic_fetch_sub(&w->appends, 1);
    return false;
}

static inline void claim_leave(mmi_window_t *w) {
    int inside = atomic_fetch_sub(&w->appends, 1);
    assert(inside > 0);
    (void)inside;
}

mofka_status_t mmi_claim_take(void *self, size_t partition, mofka_place_t *place,
                              int64_t timeout_ms) {
    mmi_producer_t *producer = self;
    const mmi_partition_t *p = claim_partition(producer, partition);
    if (!p->w->ops->has_addresses || !claim_enter(p->w))
        return MOFKA_ERR_UNSUPPORTED;
    mmi_sender_t *sender = &producer->senders[partition];
    size_t bytes;
    mofka_status_t status = timeout_ms == 0 ? claim_try(p, sender, place, &bytes)
                                            : claim_wait(p, sender, place, timeout_ms);
    claim_leave(p->w);
    return status;
}

/* ---- the end of a claim ---------------------------------------------------------------------- */

static inline mmi_row_hold_t claim_hold(const mofka_place_t *place) {
    uint64_t at = place->scratch[SCRATCH_ROW];
    return (mmi_row_hold_t){.at = at, .held = at != 0};
}

static void claim_put_entry(const mmi_partition_t *p, const mofka_place_t *place) {
    mmi_entry_t *entry = (void *)mmi_window_address(p->w, p->owner, mmi_entry_offset(p, place->id));
    uint64_t metadata = place->scratch[SCRATCH_POSITION],
             data = metadata + (uint64_t)((char *)place->data - place->metadata);
    uint64_t sum = mmi_entry_place_sum(place->id + 1, metadata, data);
    *entry = (mmi_entry_t){
        .id_1 = place->id + 1,
        .metadata = metadata,
        .data = data,
        .data_bytes = place->data_bytes,
        .metadata_bytes = (uint32_t)place->metadata_bytes,
        .check = mmi_entry_check_of(sum, place->metadata_bytes, place->data_bytes),
    };
}

static void claim_put_sums(const mmi_partition_t *p, const mofka_place_t *place) {
    uint64_t sum = mmi_sum_word(
        mmi_sum_bytes(p, place->id, MMI_SUM_METADATA, place->metadata, place->metadata_bytes),
        mmi_sum_bytes(p, place->id, MMI_SUM_DATA, place->data, place->data_bytes));
    mmi_sums_put(p, place->id, &sum, 1);
}

/* Step 5. */
static mofka_status_t claim_publish(const mmi_partition_t *p, const mofka_place_t *place) {
    mmi_row_hold_t hold = claim_hold(place);
    uint64_t stamp = place->timed ? mmi_stamp_value(mmi_wall_ns()) : 0;
    claim_put_entry(p, place);
    if (p->checksums)
        claim_put_sums(p, place);
    mmi_stamp_put(p, place->id, &stamp);
    (void)p->w->ops->flush(p->w, p->owner); /* has no errors where CPUs write */
    bool published = mmi_commit_exchange_flag(p, place->id, 1);
    mmi_row_empty(p, &hold);
    if (!published)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "topic '%s', partition %zu: event %" PRIu64
                          " was claimed, and others have made it void",
                          p->topic, p->index, place->id);
    mmi_commit_ring(p);
    return MOFKA_OK;
}

mofka_status_t mmi_claim_commit(void *self, size_t partition, mofka_place_t *place) {
    const mmi_partition_t *p = claim_partition(self, partition);
    if (!claim_enter(p->w))
        return mofka_fail(MOFKA_ERR_CLOSED, "MPI_Finalize was called");
    mofka_status_t status = claim_publish(p, place);
    claim_leave(p->w);
    return status;
}

mofka_status_t mmi_claim_give_up(void *self, size_t partition, mofka_place_t *place, bool keep) {
    const mmi_partition_t *p = claim_partition(self, partition);
    mmi_row_hold_t hold = claim_hold(place);
    mmi_place_t from = {place->id, place->scratch[SCRATCH_BEGIN]},
                end = {place->id + 1, place->scratch[SCRATCH_END]};
    if (!claim_enter(p->w))
        return MOFKA_OK; /* the window goes away */
    mofka_status_t status = keep ? mmi_void_keep(p, from, end) : mmi_void_range(p, &from, end);
    if (!keep)
        mmi_row_empty(p, &hold);
    claim_leave(p->w);
    return status;
}
