/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One partition, seen from this process: where it is, its geometry, and the operations that
 * appending, reading, trimming and completing share. layout.h draws its bytes; read that first.
 */
#ifndef MOFKA_MPI_PARTITION_PARTITION_H
#define MOFKA_MPI_PARTITION_PARTITION_H

#include <mofka/data_view.h>
#include "mpi/partition/chain.h"
#include <string.h>
#include "mpi/partition/layout.h"
#include "mpi/window/window.h"

/* Events, and units, that all ranks together reserve at the same time without the lock: see
 * producer/turn.c. */
#define MMI_SMALL_TOGETHER (UINT64_C(1) << 29)

/* For whom the ring keeps events: until all named consumers acknowledged them, until their room is
 * needed, or until they have the durability that the topic promises. */
typedef enum mmi_retention {
    MMI_RETAIN_ACKNOWLEDGED,
    MMI_DISCARD_OLDEST,
    MMI_RETAIN_STORED
} mmi_retention_t;

typedef struct mmi_partition {
    mmi_window_t *w;
    const char *topic; /* view, for messages */
    size_t index;
    int owner;
    uint64_t base; /* offset of the control block in the owner's share */
    uint64_t slots;
    uint64_t ring_bytes;
    mmi_retention_t retention;
    bool checksums; /* events have sums */
    bool of_node;   /* its words are changed by processors of its owner's node: see layout.h */
    /* Offsets in the owner's share; see mmi_partition_place. rows 0: there are none. */
    uint64_t rows, flags, entries, sums, ring;
    uint64_t stored;    /* the storage page; with MMI_RETAIN_STORED only */
    uint64_t salt;      /* of the checks of its flags; likewise */
    uint64_t small_max; /* events and units of a batch that is reserved without the lock */
    /* The partition of the topic that has the data bell: the first one; with of_node, the first one
     * of the same node. */
    const struct mmi_partition *bells;
    /* Of topics that statistics read, with their lock: the first event that was not stored at the
     * last look, and the monotonic time of the first look that found it so. */
    uint64_t unstored;
    int64_t unstored_ms;
    /* The same of the lock's word, and of the slowest consumer's cursor. */
    uint64_t lock_word, slow_cursor;
    int64_t lock_ms, slow_ms;
} mmi_partition_t;

/* A place in the log: the number of events before it, and of units. */
typedef struct mmi_place {
    uint64_t events, units;
} mmi_place_t;

/* How far a partition is. Its head only grows, so an older state is a lower bound. */
typedef struct mmi_state {
    mmi_place_t head;
    bool rough; /* the head's units may be lower than the true ones */
    uint64_t complete;
} mmi_state_t;

#define MMI_STATE_WORDS 3

/* Where the next batch would be reserved. */
typedef struct mmi_tail {
    mmi_place_t at;
    bool ended; /* the topic has: what is reserved from now on is not stored */
} mmi_tail_t;

/* How long a call that has no deadline of its own waits for a lock of the window. A lock is held
 * for microseconds; one that stays taken this long belongs to a rank that died. */
#define MMI_LOCK_TIMEOUT_MS 10000

/* ---- partition.c: geometry and state --------------------------------------------------------- */

/* Bytes that a partition takes whose window, slots, ring_bytes, retention, checksums and of_node
 * are set; whole pages. */
uint64_t mmi_partition_bytes(const mmi_partition_t *p);
/* Set the offsets that follow from these and from base. */
void mmi_partition_place(mmi_partition_t *p);
/* Make the parts that must be zero so, where another partition may have been: what is before the
 * payload, but for the first page. Complete on return. */
mofka_status_t mmi_partition_clear(const mmi_partition_t *p);
/* Make fresh memory, or memory that was cleared, an empty partition whose log starts at `start`. In
 * a window that does not open zeroed, of any contents. */
mofka_status_t mmi_partition_format(const mmi_partition_t *p, mmi_place_t start);

/* Whether this rank may not change its words: it asks the owner (mpi/errand), and stores only what
 * is said in layout.h. */
static inline bool mmi_partition_is_far(const mmi_partition_t *p) {
    return p->of_node && !p->w->ops->has_addresses;
}

/* Whether a log from `head` to `end` fits the partition. */
static inline bool mmi_place_fits(const mmi_partition_t *p, mmi_place_t head, mmi_place_t end) {
    return (int64_t)(end.events - head.events) <= (int64_t)p->slots &&
           (int64_t)(end.units - head.units) <= (int64_t)(p->ring_bytes / MMI_UNIT_BYTES);
}

/* Load a word of the control block. */
static inline uint64_t mmi_control_load(const mmi_partition_t *p, size_t field) {
    return p->w->ops->load(p->w, p->owner, p->base + field);
}

/* Exchange a word of the owner's share, if it is `*expected`, in a window that has addresses. Else
 * false, and *expected is what it is. */
static inline bool mmi_near_exchange(const mmi_partition_t *p, uint64_t offset, uint64_t *expected,
                                     uint64_t value) {
    return p->w->ops->compare_exchange(p->w, p->owner, offset, expected, value);
}

/* Load a word of the owner's share, in a window that has addresses. */
static inline uint64_t mmi_near_load(const mmi_partition_t *p, uint64_t offset) {
    return atomic_load((_Atomic uint64_t *)(void *)mmi_window_address(p->w, p->owner, offset));
}

/* Store a word of the control block. */
static inline void mmi_control_store(const mmi_partition_t *p, size_t field, uint64_t value) {
    p->w->ops->store(p->w, p->owner, p->base + field, value);
}

/* Whether readers may be overtaken: the head does not wait for them. */
static inline bool mmi_partition_overtakes(const mmi_partition_t *p) {
    return p->retention != MMI_RETAIN_ACKNOWLEDGED;
}

/* MOFKA_ERR_CORRUPT, with a message that names a word of the control block. */
mofka_status_t mmi_word_damaged(const mmi_partition_t *p, const char *name, uint64_t word);
/* Load the value of a sealed word. MOFKA_ERR_CORRUPT: it is damaged. */
mofka_status_t mmi_sealed_load(const mmi_partition_t *p, size_t field, const char *name,
                               uint64_t *value);

/* Read the state. MOFKA_ERR_CORRUPT: a word of it is damaged. */
mofka_status_t mmi_state_load(const mmi_partition_t *p, mmi_state_t *state);
/* Start to read the state: MMI_STATE_WORDS words, which are there after a flush. */
void mmi_state_get(const mmi_partition_t *p, uint64_t *words);
/* The state that was read so. MOFKA_ERR_CORRUPT. */
mofka_status_t mmi_state_of_words(const mmi_partition_t *p, const uint64_t *words,
                                  mmi_state_t *state);
/* Store the head, with the lock. `rough`: its units may be lower than the true ones. */
void mmi_head_store(const mmi_partition_t *p, mmi_place_t head, bool rough);
/* What a reservation stands for. MOFKA_ERR_CORRUPT: it is not at the head or behind it, or too far
 * behind. */
mofka_status_t mmi_tail_unpack(const mmi_partition_t *p, uint64_t reservation, mmi_place_t head,
                               mmi_tail_t *tail);
/* The place that a cursor stands for; the head, if the head has passed it. */
mmi_place_t mmi_cursor_unpack(uint64_t cursor, mmi_place_t head);
/* Read the state, then the tail. In the other order, trimming could move the head past the tail
 * that was read, which could not be completed from it. MOFKA_ERR_CORRUPT. */
mofka_status_t mmi_tail_load(const mmi_partition_t *p, mmi_state_t *state, mmi_tail_t *tail);

/* ---- lock.c ---------------------------------------------------------------------------------- */

/* Take the lock in a word of the window. MOFKA_ERR_TIMEOUT: `what` stayed locked. *from_dead: a
 * rank died with it, perhaps between two stores. */
mofka_status_t mmi_word_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                             const char *what, bool *from_dead);
/* The same where the word names its holder, for the rank `taker`. */
mofka_status_t mmi_word_lock_for(mmi_window_t *w, int rank, uint64_t offset, int taker,
                                 int64_t deadline, const char *what, bool *from_dead);
/* The rank that a lock's word names; -1: none. */
int mmi_lock_holder(const mmi_window_t *w, uint64_t word);
/* Flush what was put with the lock, then give it back. */
void mmi_word_unlock(mmi_window_t *w, int rank, uint64_t offset);
/* Assert that the partition's lock is taken, in windows where looking costs next to nothing. */
#define mmi_assert_locked(p)                                                                       \
    assert(!(p)->w->ops->loads_are_cheap || mmi_control_load((p), MMI_CONTROL(lock)) != 0)
/* Take the partition's lock, and set right what a rank left that died with it. */
mofka_status_t mmi_partition_lock(const mmi_partition_t *p, int64_t deadline);
/* Describe who has the lock: "rank 3 (process 4711 on host n1)", or "the rank that took it". */
#define MMI_LOCK_TEXT_BYTES 192
void mmi_partition_describe_lock(const mmi_partition_t *p, char text[MMI_LOCK_TEXT_BYTES]);
/* Give the partition's lock back. */
void mmi_partition_unlock(const mmi_partition_t *p);

/* ---- trim.c ---------------------------------------------------------------------------------- */

/* Move the head as far as retention lets it. With discard_oldest: as far as `end` needs to fit,
 * over published batches. `start` is where a batch begins, or will begin. Waits for the lock until
 * the deadline, at most `lock_ms`. */
mofka_status_t mmi_trim_head(const mmi_partition_t *p, mmi_place_t start, mmi_place_t end,
                             int64_t deadline, int64_t lock_ms);

/* ---- ring.c ---------------------------------------------------------------------------------- */

/* For the next function: the bytes wrap. */
void mmi_ring_put_wrapped(const mmi_partition_t *p, mmi_put_t put, uint64_t position,
                          const void *source, size_t bytes);
/* Copy into the payload ring by one of the window's puts. Complete after a flush. */
static inline void mmi_ring_put(const mmi_partition_t *p, mmi_put_t put, uint64_t position,
                                const void *source, size_t bytes) {
    uint64_t at = position % p->ring_bytes;
    if (bytes > p->ring_bytes - at)
        mmi_ring_put_wrapped(p, put, position, source, bytes);
    else if (bytes > 0)
        put(p->w, p->owner, p->ring + at, source, bytes);
}
/* Copy out of the payload ring. Complete after a flush. */
void mmi_ring_get(const mmi_partition_t *p, uint64_t position, void *target, size_t bytes);
/* Where the entry of `id` is in the owner's share. */
static inline uint64_t mmi_entry_offset(const mmi_partition_t *p, uint64_t id) {
    return p->entries + id % p->slots * sizeof(mmi_entry_t);
}
/* Put the entries of `count` events from `id` on. Complete after a flush. */
void mmi_entries_put(const mmi_partition_t *p, uint64_t id, const mmi_entry_t *entries,
                     size_t count);
/* The same of their sums. */
void mmi_sums_put(const mmi_partition_t *p, uint64_t id, const uint64_t *sums, size_t count);
void mmi_sums_get(const mmi_partition_t *p, uint64_t id, uint64_t *sums, size_t count);
/* For the next function: the entries wrap. */
void mmi_entries_get_wrapped(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries,
                             size_t count);
/* Get the entries of `count` events from `id` on. Complete after a flush. */
static inline void mmi_entries_get(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries,
                                   size_t count) {
    uint64_t slot = id % p->slots;
    if (count > p->slots - slot)
        mmi_entries_get_wrapped(p, id, entries, count);
    else if (count > 0)
        p->w->ops->get(p->w, p->owner, p->entries + slot * sizeof *entries, entries,
                       count * sizeof *entries);
}

/* ---- flag.c ---------------------------------------------------------------------------------- */

/* What a flag says of the batch that begins in its slot; see layout.h. */
typedef enum mmi_flag_kind {
    MMI_FLAG_STORED,
    MMI_FLAG_VOID,
    MMI_FLAG_EARLIER,
    MMI_FLAG_LATER,
    MMI_FLAG_DAMAGED
} mmi_flag_kind_t;

#define MMI_FLAG_SETTLED (UINT64_C(1) << MMI_FLAG_COUNT_BITS)
#define MMI_FLAG_IS_VOID (UINT64_C(1) << (MMI_FLAG_COUNT_BITS + 1))
#define MMI_FLAG_LAP_MAX ((UINT64_C(1) << MMI_FLAG_LAP_BITS) - 1)

/* A flag with the right check. `low` are the bits between lap and check; `lap_1` may be more than
 * its bits. */
static inline uint64_t mmi_flag_make(const mmi_partition_t *p, uint64_t slot, uint64_t lap_1,
                                     uint64_t low) {
    uint64_t text = (lap_1 & MMI_FLAG_LAP_MAX) << (MMI_FLAG_COUNT_BITS + 2) | low;
    uint64_t place = p->salt + slot * UINT64_C(0xff51afd7ed558ccd);
    uint64_t check = (text + place) * MMI_CHECK_FACTOR >> (64 - MMI_FLAG_CHECK_BITS);
    return text << MMI_FLAG_CHECK_BITS | check;
}
/* Those bits of a flag, but for that of a void. */
static inline uint64_t mmi_flag_low(uint64_t flag) {
    return flag >> MMI_FLAG_CHECK_BITS & (MMI_FLAG_SETTLED | MMI_BATCH_EVENTS_MAX);
}
/* The flag that publishes a batch of `count` events at `id`. `settled`: all of the batch's puts
 * have been flushed. */
static inline uint64_t mmi_flag_value(const mmi_partition_t *p, uint64_t id, uint64_t count,
                                      bool settled) {
    assert(count > 0 && count <= p->slots && count <= MMI_BATCH_EVENTS_MAX);
    return mmi_flag_make(p, id % p->slots, id / p->slots + 1,
                         (settled ? MMI_FLAG_SETTLED : 0) | count);
}
/* Whether a stored flag is settled. */
static inline bool mmi_flag_is_settled(uint64_t flag) {
    return (mmi_flag_low(flag) & MMI_FLAG_SETTLED) != 0;
}
/* Whether two flags are of the same lap, if both are right. */
static inline bool mmi_flag_is_of_lap(uint64_t a, uint64_t b) {
    return (a ^ b) >> (2 + MMI_FLAG_COUNT_BITS + MMI_FLAG_CHECK_BITS) == 0;
}
/* What a flag that was read in the slot of `id` says. */
mmi_flag_kind_t mmi_flag_kind(const mmi_partition_t *p, uint64_t id, uint64_t flag);
/* The number of events in the batch that begins at `id`; 0: the flag does not say that it is
 * stored. */
static inline uint64_t mmi_flag_count(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = mmi_flag_low(flag) & MMI_BATCH_EVENTS_MAX;
    bool stored = flag == mmi_flag_make(p, id % p->slots, id / p->slots + 1, mmi_flag_low(flag));
    return stored && count <= p->slots ? count : 0;
}
/* The flag that makes `count` events from `id` on void. `settled`: nobody writes to their memory
 * any more. */
static inline uint64_t mmi_flag_void(const mmi_partition_t *p, uint64_t id, uint64_t count,
                                     bool settled) {
    assert(count > 0 && count <= p->slots && count <= MMI_BATCH_EVENTS_MAX);
    return mmi_flag_make(p, id % p->slots, id / p->slots + 1,
                         MMI_FLAG_IS_VOID | (settled ? MMI_FLAG_SETTLED : 0) | count);
}
/* The number of events in the batch, or the void, that begins at `id`; 0: neither does. */
static inline uint64_t mmi_flag_extent(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t stored = mmi_flag_count(p, id, flag),
             count = mmi_flag_low(flag) & MMI_BATCH_EVENTS_MAX;
    if (stored > 0 || count == 0 || count > p->slots)
        return stored;
    return flag == mmi_flag_void(p, id, count, mmi_flag_is_settled(flag)) ? count : 0;
}
/* Look at flags from the batch at `*from` on, below `end`, and move `*from` behind the voids and
 * stored batches among them; with `settled`, behind those with settled flags. *stuck: the batch at
 * `*from` is not such a one, or it ends behind `end`. Blocks: until the owner answers, at most
 * until `deadline`. */
mofka_status_t mmi_flags_pass(const mmi_partition_t *p, uint64_t end, bool settled,
                              int64_t deadline, uint64_t *from, bool *stuck);
/* Where the flag of `id` is in the owner's share. */
static inline uint64_t mmi_flag_offset(const mmi_partition_t *p, uint64_t id) {
    return p->flags + MMI_FLAG_BYTES * (id % p->slots);
}
/* Load the flag in the slot of `id`. */
static inline uint64_t mmi_flag_load(const mmi_partition_t *p, uint64_t id) {
    return p->w->ops->load(p->w, p->owner, mmi_flag_offset(p, id));
}

/* The stamp of a time in ns of the real-time clock, and back. 0 is no time; so is a damaged
 * stamp. */
#define MMI_STAMP_NS 64
static inline uint64_t mmi_stamp_value(uint64_t ns) {
    return mmi_seal(ns / MMI_STAMP_NS);
}
static inline uint64_t mmi_stamp_ns(uint64_t stamp) {
    return mmi_is_sealed(stamp) ? mmi_unseal(stamp) * MMI_STAMP_NS : 0;
}
/* Put the stamp of the batch that begins at `id`. Complete after a flush. */
static inline void mmi_stamp_put(const mmi_partition_t *p, uint64_t id, const uint64_t *stamp) {
    uint64_t at = mmi_flag_offset(p, id) + MMI_STAMP_OFFSET;
    if (p->w->ops->has_addresses)
        memcpy(mmi_window_address(p->w, p->owner, at), stamp, sizeof *stamp);
    else
        p->w->ops->put(p->w, p->owner, at, stamp, sizeof *stamp);
}
/* Get it. Complete after a flush. */
static inline void mmi_stamp_get(const mmi_partition_t *p, uint64_t id, uint64_t *stamp) {
    uint64_t at = mmi_flag_offset(p, id) + MMI_STAMP_OFFSET;
    if (p->w->ops->has_addresses)
        memcpy(stamp, mmi_window_address(p->w, p->owner, at), sizeof *stamp);
    else
        p->w->ops->get(p->w, p->owner, at, stamp, sizeof *stamp);
}

/* ---- sum.c ----------------------------------------------------------------------------------- */

/* What a check is of: its half of the sum. */
typedef enum mmi_sum_part { MMI_SUM_METADATA, MMI_SUM_DATA } mmi_sum_part_t;

/* The check of bytes of event `id`. */
uint32_t mmi_sum_bytes(const mmi_partition_t *p, uint64_t id, mmi_sum_part_t part,
                       const void *bytes, size_t size);
/* Bytes that follow each other in segments, from `used` bytes of the first one on. */
typedef struct mmi_segments {
    const mofka_segment_t *first;
    size_t used;
} mmi_segments_t;
/* The same, of `size` bytes in segments; `*from` moves behind them. */
uint32_t mmi_sum_segments(const mmi_partition_t *p, uint64_t id, mmi_sum_part_t part,
                          mmi_segments_t *from, size_t size);
static inline uint64_t mmi_sum_word(uint32_t metadata, uint32_t data) {
    return (uint64_t)data << 32 | metadata;
}
static inline uint32_t mmi_sum_half(uint64_t sum, mmi_sum_part_t part) {
    return (uint32_t)(part == MMI_SUM_DATA ? sum >> 32 : sum);
}

/* ---- damage.c -------------------------------------------------------------------------------- */

/* Events that cannot be read. */
typedef struct mmi_damage {
    uint64_t first, end; /* ids; equal: there is no damage */
    bool of_flag;        /* the flag of their batch is at fault; else their entries, or */
    bool of_metadata;    /* the metadata of the only one */
    bool of_void;        /* nothing is at fault: they were never stored */
    mmi_chain_t chain;   /* for what follows `end` */
} mmi_damage_t;

/* The flag at `id`, where a batch begins, is damaged or of a later lap. Find where the batch ends,
 * and set *damage. If nothing was put there, or the flag is right by now, *damage has no events.
 * `chain` describes the batches before it. */
mofka_status_t mmi_damage_of_flag(const mmi_partition_t *p, uint64_t id, mmi_chain_t chain,
                                  mmi_damage_t *damage);
/* Whether an entry in the slot of `id` is a good one of an earlier lap: nothing was put there. */
bool mmi_entry_is_earlier(const mmi_partition_t *p, const mmi_entry_t *entry, uint64_t id);
/* Describe the damage: "the entries of events 5 to 7 are damaged". */
#define MMI_DAMAGE_TEXT_BYTES 128
void mmi_damage_describe(const mmi_damage_t *damage, char text[MMI_DAMAGE_TEXT_BYTES]);

/* ---- bell.c ---------------------------------------------------------------------------------- */

/* Wake all consumers that wait for data. */
void mmi_bell_ring_data(const mmi_partition_t *p);
/* Wake one producer that waits for room. It rings again if there is more. */
void mmi_bell_ring_room(const mmi_partition_t *p);
/* Wake all producers that wait for room: the topic ended. */
void mmi_bell_ring_room_all(const mmi_partition_t *p);
/* Count this thread as a waiter at a bell (1), or no longer (-1). */
void mmi_bell_add_waiter(const mmi_partition_t *p, size_t bell, int64_t add);

/* ---- consumers.c: the table of named consumers ----------------------------------------------- */

/* The states of all places, as they were read. */
typedef struct mmi_consumers {
    uint64_t words[MMI_CONSUMERS_MAX];
    size_t count; /* places up to the last that has a name */
} mmi_consumers_t;

/* The check of a name that is in a state word. */
uint64_t mmi_name_check(const char *name);
/* The word of a place: its state, and the check of its name (0 with MMI_CONSUMER_FREE). */
uint64_t mmi_state_word(uint64_t state, uint64_t name_check);
/* The parts of such a word. */
static inline uint64_t mmi_state_of(uint64_t word) {
    return mmi_unseal(word) & MMI_STATE_MAX;
}
static inline uint64_t mmi_state_name_check(uint64_t word) {
    return mmi_unseal(word) >> MMI_STATE_BITS;
}
/* Whether the place has a name, for which retention keeps events. */
static inline bool mmi_state_keeps(uint64_t word) {
    uint64_t state = mmi_state_of(word);
    return state == MMI_CONSUMER_AWAY || state == MMI_CONSUMER_LIVE;
}

/* Load the states. MOFKA_ERR_CORRUPT: one is damaged. */
mofka_status_t mmi_consumers_load(const mmi_partition_t *p, mmi_consumers_t *consumers);
/* Check states that were read. MOFKA_ERR_CORRUPT. */
mofka_status_t mmi_consumers_check(const mmi_partition_t *p, mmi_consumers_t *consumers);
/* Read the name in a place, MOFKA_NAME_BYTES_MAX + 1 bytes. On failure it is empty. Blocks: until
 * the owner answers, at most until `deadline`. */
mofka_status_t mmi_consumer_name(const mmi_partition_t *p, size_t place, char *name,
                                 int64_t deadline);

/* The place of a partition's storage, which is in no table. */
#define MMI_STORAGE_PLACE (MMI_CONSUMERS_MAX + 1)

/* The consumer that retention waits for. */
typedef struct mmi_slowest {
    size_t place;   /* MMI_CONSUMERS_MAX: there is no consumer. MMI_STORAGE_PLACE: the storage */
    mmi_place_t at; /* where its cursor is; if no consumer is registered, the head */
} mmi_slowest_t;

/* Find the smallest cursor. `check`: with the lock; MOFKA_ERR_CORRUPT if a consumer's cursor is
 * behind what it acknowledged. */
mofka_status_t mmi_consumers_find_slowest(const mmi_partition_t *p, mmi_place_t head, bool check,
                                          mmi_slowest_t *slowest);
/* Whether a place, whose state has the check of `name`, is that name's. *damaged: it is, but the
 * name in it is another one. */
bool mmi_consumer_is(const mmi_partition_t *p, size_t place, const char *name, bool *damaged);
/* Give a consumer's name up, whoever has it: *found, whether there was one. Where a consumer is
 * live, its place becomes EVICTED. Not of a far partition. */
mofka_status_t mmi_consumer_evict(const mmi_partition_t *p, const char *name, int64_t deadline,
                                  bool *found);
/* MOFKA_ERR_CORRUPT, with a message that names the consumer: one of its words is damaged. */
mofka_status_t mmi_consumer_damaged(const mmi_partition_t *p, size_t place, const char *what,
                                    uint64_t word);

/* ---- producers.c ----------------------------------------------------------------------------- */

/* Producers that a rank makes of a topic that expects producers, but for those that did not count.
 */
#define MMI_RANK_PRODUCERS_MAX UINT16_MAX
/* What is added to the count of a rank's producers: one is made; it has closed, and counts; it has
 * closed, and does not. */
#define MMI_PRODUCER_MADE (UINT64_C(1) << 48 | UINT64_C(1) << 16)
#define MMI_PRODUCER_FINISHED (UINT64_C(1) << 32 | UINT64_C(1))
#define MMI_PRODUCER_DROPPED (-MMI_PRODUCER_MADE)
/* Add that to the count of rank `rank`, or 0, in partition 0 of a topic. `*total`: its producers
 * that count as finished. Where there are no rows, only MMI_PRODUCER_FINISHED is counted, and
 * `*total` is 0 for all else. Not of a far partition. MOFKA_ERR_CORRUPT, MOFKA_ERR_FULL. */
mofka_status_t mmi_producers_count(const mmi_partition_t *p, int rank, uint64_t add,
                                   uint64_t *total);

/* ---- complete.c ------------------------------------------------------------------------------ */

/* Decide the partition's end, once: the tail as it is now. Not of a far partition. */
mofka_status_t mmi_partition_complete(const mmi_partition_t *p, int64_t deadline);
/* With the lock, where CPUs write: if a rank died while it decided the end, store what it had
 * decided. */
mofka_status_t mmi_partition_complete_again(const mmi_partition_t *p);

#endif
