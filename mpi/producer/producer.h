/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A producer of an MPI topic: what it keeps for each partition, and the parts of an append.
 *
 *   append.c   the steps in order, and the reservation
 *   together.c the steps of several appends to one owner, together
 *   room.c     waiting until a partition has room for a batch
 *   put.c      payload, entries and stamp into the owner's memory
 *   turn.c     reserving without room, and how far reservations may go
 *   commit.c   the flag that publishes a batch, the bells
 *   claim.c    a place for one event, which the user's program fills
 *   pace.c     which of two ways of copying is the cheaper one
 */
#ifndef MOFKA_MPI_PRODUCER_PRODUCER_H
#define MOFKA_MPI_PRODUCER_PRODUCER_H

#include <assert.h>
#include "mpi/clerk/clerk.h"
#include "mpi/producer/pace.h"
#include "mpi/rows/rows.h"
#include "mpi/topic/topic.h"

/* What a producer keeps for one partition. The core appends to a partition from one thread at a
 * time, so nothing here needs a lock. */
typedef struct mmi_sender {
    mmi_entry_t *entries; /* of the group under way; reused, as are the next three */
    size_t entry_room;
    uint64_t *sums; /* with checksums */
    size_t sum_room;
    char *packed; /* rma: small pieces of the group's payload */
    size_t packed_room;
    bool packs; /* there are such pieces, and memory for them */
    struct mmi_sender_mark {
        uint64_t stamp, flag; /* of a batch of the group; MPI reads them until the next flush */
    } * marks;                /* reused */
    size_t mark_room;
    /* The settled flags of the last group that was put with its flags, MMI_EARLY_BATCHES of them;
     * MPI reads them until the next flush. NULL: there was none. */
    uint64_t *settled;
    bool unsettled; /* this sender has not flushed since */
    /* rma: hints, which save round trips. They are of use for a short time; see append.c. */
    int64_t seen_ns;     /* monotonic time before the head was read; 0: no hint */
    mmi_place_t head;    /* as it was read then */
    mmi_place_t reached; /* where the log ended, when that was seen last */
    mmi_place_t tail;    /* the end of this sender's last batch */
    mmi_pace_t pace;
    int64_t full_ms;  /* monotonic time since which no append found room; 0: the last one did */
    bool warned_full; /* this was logged */
    uint64_t state[MMI_STATE_WORDS]; /* where MPI writes the state until the next flush */
    uint64_t reservation;            /* in memory: as it was read after `state` */
    bool known; /* head, reached and ended stand for those words; they were checked together */
    bool ended; /* the topic, when that was seen last */
    mmi_row_hold_t hold; /* where CPUs write: what says that a batch is reserved */
    uint64_t claim_row;  /* the entry of a row that the last claim used; 0: none yet */
} mmi_sender_t;

/* The head was read, and reading it began at `now_ns`. */
static inline void mmi_sender_note(mmi_sender_t *sender, mmi_place_t head, int64_t now_ns) {
    assert(head.events >= sender->head.events);
    sender->head = head;
    sender->seen_ns = now_ns;
}

/* Whether the sender has decoded these words already. */
static inline bool mmi_sender_knows(const mmi_sender_t *sender, const uint64_t *words,
                                    uint64_t reservation) {
    uint64_t differ = reservation ^ sender->reservation;
    for (size_t i = 0; i < MMI_STATE_WORDS; i++)
        differ |= words[i] ^ sender->state[i];
    return sender->known && differ == 0;
}

/* Complete the settled flags that this sender has left. */
static inline mofka_status_t mmi_sender_settle(const mmi_partition_t *p, mmi_sender_t *sender) {
    sender->unsettled = false;
    return p->w->ops->flush(p->w, p->owner);
}

typedef struct mmi_producer {
    mmi_topic_t *topic;     /* borrow: the core's handle keeps the topic open longer */
    bool entered;           /* it counts as a user of the topic */
    bool closing;           /* close was called */
    bool made;              /* it is counted as one that was made, and not finished */
    bool counted;           /* as one of the topic's finished producers */
    bool last;              /* counted, and the last one that the topic expects */
    mmi_sender_t senders[]; /* one per partition */
} mmi_producer_t;

/* The batch's scratch words hold its reserved place, for an append that is called again. */
enum {
    MMI_SCRATCH_EVENTS,
    MMI_SCRATCH_UNITS,
    MMI_SCRATCH_FULL_MS,  /* monotonic time of its first look without room; 0: none */
    MMI_SCRATCH_FULL_HEAD /* where the head was then, in events */
};

/* The place of a reserved batch: its first event's id and its first unit. */
static inline mmi_place_t mmi_batch_place(const mofka_batch_t *batch) {
    return (mmi_place_t){batch->scratch[MMI_SCRATCH_EVENTS], batch->scratch[MMI_SCRATCH_UNITS]};
}

static inline void mmi_batch_note_place(mofka_batch_t *batch, mmi_place_t place) {
    assert(!batch->reserved);
    batch->scratch[MMI_SCRATCH_EVENTS] = place.events;
    batch->scratch[MMI_SCRATCH_UNITS] = place.units;
    batch->first_id = place.events;
    batch->reserved = true;
}

/* What the batch takes of a partition. */
static inline mmi_place_t mmi_batch_size(const mofka_batch_t *batch) {
    return (mmi_place_t){batch->event_count,
                         mmi_units_of(batch->metadata_bytes + batch->data_bytes)};
}

static inline mmi_place_t mmi_place_add(mmi_place_t a, mmi_place_t b) {
    return (mmi_place_t){a.events + b.events, a.units + b.units};
}

/* Where the batch ends: exact if it is reserved, else as if it were reserved at `tail`. */
static inline mmi_place_t mmi_batch_end(const mofka_batch_t *batch, mmi_place_t tail) {
    return mmi_place_add(batch->reserved ? mmi_batch_place(batch) : tail, mmi_batch_size(batch));
}

/* Batches of one partition that are appended together, the oldest first. */
typedef struct mmi_group {
    mofka_batch_t *const *batches;
    size_t count;
    mmi_place_t size; /* of all of them */
} mmi_group_t;

/* When an append gives up. The clock is read only after something had to wait. */
typedef struct mmi_due {
    int64_t timeout_ms;
    int64_t deadline; /* 0: not computed yet */
    bool lock_taken;  /* the last look for room did not get the partition's lock */
} mmi_due_t;

/* The deadline in milliseconds of the monotonic clock; computed by the first call. */
int64_t mmi_due_deadline(mmi_due_t *due);
/* Whether an append has to give up: at its deadline, or because the window is shut. */
bool mmi_due_is_over(const mmi_partition_t *p, mmi_due_t *due, int64_t now_ms);

/* A slot of a topic's table; see mofka_topic_ops_t. */
mofka_status_t mmi_producer_create(void *self, const char *name, const char *options,
                                   const mofka_producer_ops_t **ops, void **producer);

/* The slot `refuse` of a producer's table: MOFKA_ERR_UNSUPPORTED, with a message that names both
 * nodes.
 */
mofka_status_t mmi_producer_refuse(void *self, size_t partition);

/* What is known once a group is reserved. */
typedef enum mmi_append_known {
    APPEND_ROOM_SEEN,  /* the head that was seen has room for the batch; no state was read */
    APPEND_STATE_READ, /* the state was read after the reservation */
} mmi_append_known_t;

/* Choose the group of an append, and have the memory for it, if room was seen for it and nothing of
 * it is reserved. */
bool mmi_append_prepare(const mmi_partition_t *p, mmi_sender_t *sender,
                        mofka_batch_t *const *batches, size_t count, mmi_group_t *group);
/* The group was added to the reservation, which was `old` before: note its place. With
 * APPEND_STATE_READ, sender->head was read. MOFKA_ERR_COMPLETE, MOFKA_ERR_CORRUPT: it has none. */
mofka_status_t mmi_append_take_place(const mmi_partition_t *p, mmi_sender_t *sender,
                                     const mmi_group_t *group, uint64_t old,
                                     mmi_append_known_t *known);
/* Read the state as it is now: sender->head. MOFKA_ERR_CORRUPT. */
mofka_status_t mmi_sender_read_state(const mmi_partition_t *p, mmi_sender_t *sender);
/* sender->state was read; reading it began at `now_ns`. */
mofka_status_t mmi_append_note_state(const mmi_partition_t *p, mmi_sender_t *sender,
                                     int64_t now_ns);

/* One of several appends to partitions of one owner; see together.c. */
typedef struct mmi_append {
    mmi_producer_t *producer; /* borrow; this and the next four are set by the caller */
    size_t partition;
    mofka_batch_t *const *batches;
    size_t count;
    int64_t timeout_ms;
    mmi_group_t group;       /* of its first batches; count 0: it does not take part any more */
    uint64_t add, old;       /* of the reservation; MPI uses them until a flush */
    struct mmi_append *next; /* in the list */
} mmi_append_t;

/* Append to partitions of one owner, step by step together. Afterwards, group.count of an append
 * says how many of its batches were stored. 0: the caller goes on with mmi_append_group, whatever
 * the reason is; batches may be reserved by then. */
void mmi_append_together(mmi_append_t *first);

/* The batch was added to the reservation, which was `old` before; the memory for mmi_put_group is
 * there: steps 3 to 6. */
mofka_status_t mmi_append_go_on(const mmi_partition_t *p, mmi_sender_t *sender,
                                mofka_batch_t *batch, uint64_t old, mmi_due_t *due);
/* An append has come to `status`. */
void mmi_append_end(const mmi_partition_t *p, mmi_sender_t *sender, mofka_status_t status);
/* near.c: append a small batch, if that is plain. False: it is not reserved. */
bool mmi_append_near(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                     mmi_due_t *due, mofka_status_t *status);

/* Append a group: see mofka_append_t. All of the batches are reserved, or none is. */
mofka_status_t mmi_append_group(void *self, size_t partition, mofka_batch_t *const *batches,
                                size_t count, int64_t timeout_ms, size_t *stored);
/* Append a batch; see the slot `append` of mofka_producer_ops_t. */
mofka_status_t mmi_append_batch(void *self, size_t partition, mofka_batch_t *batch,
                                int64_t timeout_ms, uint64_t *first_id);

/* Steps 1 and 3: wait until the batch fits behind the tail, or where it is reserved; or until its
 * turn has come to be reserved without room.
 * MOFKA_ERR_TIMEOUT without a message: it does not fit. MOFKA_ERR_COMPLETE: the topic ended. */
mofka_status_t mmi_room_wait(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                             mmi_due_t *due);
/* Where memory has addresses: read where the log begins and ends, in the order of mmi_tail_load. */
mofka_status_t mmi_room_read_near(const mmi_partition_t *p, mmi_sender_t *sender);
/* For the next function: it has waited. */
void mmi_room_leave(const mmi_partition_t *p, mmi_sender_t *sender);
/* The sender's batch does not wait for room any more: it is stored, it failed, or its producer
 * closes. */
static inline void mmi_room_end_wait(const mmi_partition_t *p, mmi_sender_t *sender) {
    if (sender->full_ms != 0)
        mmi_room_leave(p, sender);
}
/* What keeps the partition full: a producer that reserved and did not store, the partition's lock,
 * or the slowest consumer. */
#define MMI_HOLDER_BYTES 256
void mmi_room_describe_holder(const mmi_partition_t *p, const mmi_due_t *due, char *text,
                              size_t bytes);
/* MOFKA_ERR_TIMEOUT, with a message that says what keeps the partition full. */
mofka_status_t mmi_room_fail(const mmi_partition_t *p, const mmi_due_t *due);

/* A batch found no room at `now_ms`: its wait begins, unless it has. */
void mmi_turn_note_wait(const mmi_partition_t *p, mofka_batch_t *batch, int64_t now_ms);
/* A batch has waited for room while others got it: it may be reserved without room. */
bool mmi_turn_has_come(const mmi_partition_t *p, const mofka_batch_t *batch);
/* So much is reserved under the partition's lock. */
static inline bool mmi_turn_is_large(const mmi_partition_t *p, mmi_place_t size) {
    return size.events > p->small_max || size.units > p->small_max;
}
/* Take the lock to reserve such a batch. MOFKA_ERR_TIMEOUT: it is taken, or too much is
 * reserved. */
mofka_status_t mmi_turn_lock(const mmi_partition_t *p, const mofka_batch_t *batch, mmi_due_t *due);

/* A batch of at most so many bytes is small enough for a reader to check as a whole. */
#define MMI_EARLY_BYTES 16384
/* Batches of a group that is put with its flags, at most. */
#define MMI_EARLY_BATCHES 256
/* Whether each of its batches is small enough, and there are not too many. */
bool mmi_group_is_small(const mmi_group_t *group);
/* Whether the flags are put with the group, under the same flush: where readers can check it, and
 * where somebody settles the flags later. */
static inline bool mmi_group_is_early(const mmi_partition_t *p, const mmi_sender_t *sender,
                                      const mmi_group_t *group) {
    return p->checksums && sender->settled && mmi_group_is_small(group);
}
/* Have the memory that putting the group needs. */
mofka_status_t mmi_put_prepare(const mmi_partition_t *p, mmi_sender_t *sender,
                               const mmi_group_t *group);
/* The events from `id` on are reserved: the memory that step 4 looks at first begins to come to
 * this core, if that is how it is reached. It may be in another core's cache. */
static inline __attribute__((always_inline)) void mmi_put_expect(const mmi_partition_t *p,
                                                                 uint64_t id) {
    if (p->w->ops->has_addresses)
        __builtin_prefetch(mmi_window_address(p->w, p->owner, mmi_entry_offset(p, id)), 1);
}
/* Whether the place of event `id` was given out before, and used: the reservation went back.
 * MOFKA_ERR_CORRUPT. Where looking costs a round trip, it is not looked for. */
mofka_status_t mmi_put_fail_slot(const mmi_partition_t *p, uint64_t id);
static inline mofka_status_t mmi_put_check_slot(const mmi_partition_t *p, uint64_t id) {
    static_assert(offsetof(mmi_entry_t, id_1) == 0, "the first word");
    if (!p->w->ops->has_addresses || mmi_near_load(p, mmi_entry_offset(p, id)) != id + 1)
        return MOFKA_OK;
    return mmi_put_fail_slot(p, id);
}
/* Parts of step 4: the payload of one batch, in its order; and its entries. */
void mmi_put_plain(const mmi_partition_t *p, mmi_put_t put, const mofka_batch_t *batch);
void mmi_put_make_entries(const mofka_batch_t *batch, mmi_entry_t *entries);
/* The same of a place that was just reserved. What follows this sender's last place directly is not
 * looked at, which would cost a line of the readers' cores: nobody has reserved since. */
static inline mofka_status_t mmi_put_check_place(const mmi_partition_t *p,
                                                 const mmi_sender_t *sender, mmi_place_t at) {
    bool follows = at.events == sender->tail.events && at.units == sender->tail.units;
    return follows ? MOFKA_OK : mmi_put_check_slot(p, at.events);
}
/* Step 4 without the flush: write a reserved group, an early one with its flags. `with_state`: read
 * the partition's state as well, into sender->state. */
mofka_status_t mmi_put_start(const mmi_partition_t *p, mmi_sender_t *sender,
                             const mmi_group_t *group, bool with_state);
/* Step 4. */
static inline mofka_status_t mmi_put_group(const mmi_partition_t *p, mmi_sender_t *sender,
                                           const mmi_group_t *group, bool with_state) {
    mofka_status_t status = mmi_put_start(p, sender, group, with_state);
    return status ? status : p->w->ops->flush(p->w, p->owner);
}

/* Step 5 where CPUs write: the flag of a batch of `count` events. False: it was made void. */
bool mmi_commit_exchange_flag(const mmi_partition_t *p, uint64_t id, uint64_t count);
/* Put the flag of a batch, by way of `*flag`. Complete after a flush. */
void mmi_commit_put_flag(const mmi_partition_t *p, const mofka_batch_t *batch, bool settled,
                         uint64_t *flag);
/* Step 5 without the flush. False: it needs one. */
bool mmi_commit_start(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_group_t *group);
/* Step 6. */
void mmi_commit_ring(const mmi_partition_t *p);
/* Steps 5 and 6 where CPUs write. MOFKA_ERR_TIMEOUT: as mmi_commit_publish. */
mofka_status_t mmi_commit_publish_near(const mmi_partition_t *p, mmi_sender_t *sender,
                                       mofka_batch_t *batch);
/* Steps 5 and 6: publish a group that was put, or settle the flags of an early one; and wake its
 * readers. MOFKA_ERR_TIMEOUT: a batch of one was made void, and is not reserved any more. */
mofka_status_t mmi_commit_publish(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const mmi_group_t *group);
/* ---- claim.c: the slots of a producer's table; see mofka_producer_ops_t ---- */

mofka_status_t mmi_claim_take(void *self, size_t partition, mofka_place_t *place,
                              int64_t timeout_ms);
mofka_status_t mmi_claim_commit(void *self, size_t partition, mofka_place_t *place);
mofka_status_t mmi_claim_give_up(void *self, size_t partition, mofka_place_t *place, bool keep);

/* The topic has ended. MOFKA_ERR_COMPLETE, with a message; MOFKA_ERR_CORRUPT: that is not so. */
mofka_status_t mmi_commit_refuse(const mmi_partition_t *p);

#endif
