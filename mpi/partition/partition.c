/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition's geometry and state: where its parts are, fresh memory, and the places that packed
 * words stand for.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>

/* The parts that come before the payload: see layout.h. */
static uint64_t partition_flags_bytes(uint64_t slots) {
    return mmi_round_up(MMI_FLAG_BYTES * slots, MMI_UNIT_BYTES);
}

static uint64_t partition_entries_bytes(uint64_t slots) {
    return mmi_round_up(sizeof(mmi_entry_t) * slots, MMI_UNIT_BYTES);
}

static uint64_t partition_sums_bytes(uint64_t slots, bool checksums) {
    return checksums ? mmi_round_up(sizeof(uint64_t) * slots, MMI_UNIT_BYTES) : 0;
}

/* Control block and storage page. */
static uint64_t partition_words_bytes(const mmi_partition_t *p) {
    return mmi_round_up(sizeof(mmi_control_t), MMI_PAGE_BYTES) +
           (p->retention == MMI_RETAIN_STORED ? MMI_PAGE_BYTES : 0);
}

/* Where CPUs write, each rank of the window has a row. Ranks that do not write know where they are,
 * too. A topic with storage has none: its files have no voids. */
static uint64_t partition_rows_bytes(const mmi_partition_t *p) {
    bool cpu = p->w->ops->has_addresses || p->of_node;
    return cpu && p->retention != MMI_RETAIN_STORED ? sizeof(mmi_row_t) * (uint64_t)p->w->size : 0;
}

uint64_t mmi_partition_bytes(const mmi_partition_t *p) {
    return mmi_round_up(partition_words_bytes(p) + partition_rows_bytes(p) +
                            partition_flags_bytes(p->slots) + partition_entries_bytes(p->slots) +
                            partition_sums_bytes(p->slots, p->checksums) + p->ring_bytes,
                        MMI_PAGE_BYTES);
}

void mmi_partition_place(mmi_partition_t *p) {
    assert(p->slots > 0 && p->ring_bytes >= MMI_UNIT_BYTES);
    assert(p->owner >= 0 && p->owner < p->w->size);
    uint64_t behind = p->base + partition_words_bytes(p);
    p->stored = p->base + mmi_round_up(sizeof(mmi_control_t), MMI_PAGE_BYTES);
    p->rows = partition_rows_bytes(p) > 0 ? behind : 0;
    p->flags = behind + partition_rows_bytes(p);
    p->entries = p->flags + partition_flags_bytes(p->slots);
    p->sums = p->entries + partition_entries_bytes(p->slots);
    p->ring = p->sums + partition_sums_bytes(p->slots, p->checksums);
    p->small_max = MMI_SMALL_TOGETHER / (uint64_t)p->w->size;
    p->salt = (p->base ^ (uint64_t)p->owner << 48) * MMI_CHECK_FACTOR;
}

/* Payload needs no zeros: it is read only behind an entry. */
mofka_status_t mmi_partition_clear(const mmi_partition_t *p) {
    uint64_t from = p->base + MMI_PAGE_BYTES;
    assert(from <= p->flags && p->flags < p->ring);
    return mmi_window_zero(p->w, p->owner, from, p->ring - from);
}

mofka_status_t mmi_partition_format(const mmi_partition_t *p, mmi_place_t start) {
    assert(p->base % MMI_PAGE_BYTES == 0 && p->base < p->flags && p->flags < p->entries);
    assert(p->ring_bytes % MMI_UNIT_BYTES == 0);
    uint64_t page[MMI_PAGE_BYTES / 8] = {0};
    page[MMI_CONTROL(reservation) / 8] = mmi_reservation_of(start.events, start.units);
    page[MMI_CONTROL(head_events) / 8] = mmi_seal(start.events);
    page[MMI_CONTROL(head_units) / 8] = mmi_seal(start.units);
    p->w->ops->put(p->w, p->owner, p->base, page, sizeof page);
    if (p->w->ops->opens_zeroed)
        return p->w->ops->flush(p->w, p->owner);
    /* MPI does not promise zeros: with one rank, shared windows are plain malloc in both MPIs, and
     * may hold the flags and entries of an earlier driver. */
    return mmi_partition_clear(p);
}

mofka_status_t mmi_word_damaged(const mmi_partition_t *p, const char *name, uint64_t word) {
    mofka_status_t status = mmi_window_check(p->w, p->owner); /* then the word was not read */
    if (status)
        return status;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: the word '%s' is damaged (0x%016" PRIx64 ")",
                      p->topic, p->index, name, word);
}

mofka_status_t mmi_sealed_load(const mmi_partition_t *p, size_t field, const char *name,
                               uint64_t *value) {
    uint64_t word = mmi_control_load(p, field);
    if (!mmi_is_sealed(word))
        return mmi_word_damaged(p, name, word);
    *value = mmi_unseal(word);
    return MOFKA_OK;
}

/* ---- state ----------------------------------------------------------------------------------- */

static mofka_status_t state_fail(const mmi_partition_t *p, const uint64_t *words) {
    static const char *const names[] = {"head_events", "head_units", "complete"};
    static_assert(sizeof names / sizeof names[0] == MMI_STATE_WORDS, "as they are read");
    size_t i = 0;
    while (i < MMI_STATE_WORDS - 1 && mmi_is_sealed(words[i]))
        i++;
    return mmi_word_damaged(p, names[i], words[i]);
}

/* On every append's path. After an error of MPI the words are 0, which would be a state. */
static inline mofka_status_t state_decode(const mmi_partition_t *p, const uint64_t *words,
                                          mmi_state_t *state) {
    if (!((int)mmi_is_sealed(words[0]) & (int)mmi_is_sealed(words[1]) &
          (int)mmi_is_sealed(words[2])))
        return state_fail(p, words);
    uint64_t units = mmi_unseal(words[1]);
    *state = (mmi_state_t){.head = {mmi_unseal(words[0]), units & ~MMI_HEAD_ROUGH},
                           .rough = (units & MMI_HEAD_ROUGH) != 0,
                           .complete = mmi_unseal(words[2])};
    return mmi_window_check(p->w, p->owner);
}

mofka_status_t mmi_state_of_words(const mmi_partition_t *p, const uint64_t *words,
                                  mmi_state_t *state) {
    return state_decode(p, words, state);
}

mofka_status_t mmi_state_load(const mmi_partition_t *p, mmi_state_t *state) {
    uint64_t words[MMI_STATE_WORDS];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(head_events), words, MMI_STATE_WORDS);
    return state_decode(p, words, state);
}

void mmi_state_get(const mmi_partition_t *p, uint64_t *words) {
    p->w->ops->get_words(p->w, p->owner, p->base + MMI_CONTROL(head_events), words,
                         MMI_STATE_WORDS);
}

void mmi_head_store(const mmi_partition_t *p, mmi_place_t head, bool rough) {
    assert(head.units < MMI_HEAD_ROUGH);
    mmi_control_store(p, MMI_CONTROL(head_events), mmi_seal(head.events));
    mmi_control_store(p, MMI_CONTROL(head_units),
                      mmi_seal(head.units | (rough ? MMI_HEAD_ROUGH : 0)));
}

/* ---- packed words ---------------------------------------------------------------------------- */

/* Units of a reservation. */
#define UNITS_BITS 31
#define UNITS_MAX ((UINT64_C(1) << UNITS_BITS) - 1)
/* How far the tail is ahead of a head that was read up to a second ago: see producer/turn.c. */
#define UNITS_AHEAD_MAX (UINT64_C(7) << (UNITS_BITS - 3))

/* How far the low half of a number is ahead of another number. */
static int32_t word_ahead(uint64_t low, uint64_t from) {
    return (int32_t)((uint32_t)low - (uint32_t)from);
}

mofka_status_t mmi_tail_unpack(const mmi_partition_t *p, uint64_t reservation, mmi_place_t head,
                               mmi_tail_t *tail) {
    uint64_t units = ((reservation >> 1) - head.units) & UNITS_MAX;
    uint64_t carries = (head.units + units) >> UNITS_BITS;
    int32_t events = word_ahead((reservation >> 32) - carries, head.events);
    if (units > UNITS_AHEAD_MAX || events < 0)
        return mmi_word_damaged(p, "reservation", reservation);
    *tail = (mmi_tail_t){{head.events + (uint32_t)events, head.units + units},
                         (reservation & MMI_RESERVATION_ENDED) != 0};
    return MOFKA_OK;
}

mmi_place_t mmi_cursor_unpack(uint64_t cursor, mmi_place_t head) {
    int32_t units = word_ahead(cursor, head.units), events = word_ahead(cursor >> 32, head.events);
    return (mmi_place_t){head.events + (events > 0 ? (uint32_t)events : 0),
                         head.units + (units > 0 ? (uint32_t)units : 0)};
}

/* One read of the words from the reservation to the state. If trimming moved the head meanwhile,
 * the tail may have been read before: then it is not at the head or behind it. */
static bool tail_load_at_once(const mmi_partition_t *p, mmi_state_t *state, mmi_tail_t *tail) {
    enum { STATE = MMI_CONTROL(head_events) / 8, WORDS = STATE + MMI_STATE_WORDS };
    uint64_t words[WORDS];
    static_assert(MMI_CONTROL(reservation) == 0, "the first word");
    p->w->ops->load_run(p->w, p->owner, p->base, words, WORDS);
    return !state_decode(p, words + STATE, state) &&
           !mmi_tail_unpack(p, words[0], state->head, tail);
}

mofka_status_t mmi_tail_load(const mmi_partition_t *p, mmi_state_t *state, mmi_tail_t *tail) {
    if (!p->w->ops->loads_are_cheap && tail_load_at_once(p, state, tail))
        return MOFKA_OK;
    mofka_status_t status = mmi_state_load(p, state);
    uint64_t word = mmi_control_load(p, MMI_CONTROL(reservation));
    return status ? status : mmi_tail_unpack(p, word, state->head, tail);
}
