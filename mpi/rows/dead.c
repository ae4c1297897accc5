/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has reserved an event that is not stored; and making void what the dead have reserved.
 *
 * All readers stop at the first event that is not stored. Who waits there looks at the rows:
 *
 *   1 the tail
 *   2 all rows; of a rank that has an intent: is it dead? then its row again, which is final
 *   3 flags of batches behind the event
 *   4 the flag of the event, once more: it is still not stored
 *
 * Whoever reserved the event has had an entry since before step 1, and up to step 4: with a place
 * that covers the event, or without a place. So
 *
 *   a living rank's entry covers it       wait, and name the rank
 *   a dead rank's entry covers it         what that entry has from there on becomes void
 *   none does, and a living rank has an   wait, and name that rank, which may be the one
 *     intent without a place
 *   none does, and dead ranks have        what begins there becomes void, up to the next place of
 *     intents without a place             an entry, the next stored batch, or the tail of step 1
 *
 * In the last case the range may be of several dead ranks. A living rank has nothing in it: its
 * entry would have been seen in step 2, or its flag in step 3. A range ends in front of a stored
 * batch in any case: a dead rank may have published a part of what it had reserved.
 *
 * Voids are made under the partition's lock, after a second look. The model is
 * partition/model/void.pml.
 */
#include "mpi/rows/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <mofka/log.h>
#include "mpi/alive/alive.h"

/* What a look at the rows has found. */
typedef struct dead_look {
    const mmi_partition_t *p;
    uint64_t id;
    uint64_t head;     /* events */
    mmi_place_t end;   /* what could be made void ends here at the latest */
    int living, died;  /* a rank without a place, if there is one; else -1 */
    int covers;        /* the rank whose entry covers the event; else -1 */
    bool covers_alive; /* it is not proven dead */
} dead_look_t;

static void look_end_at(dead_look_t *look, mmi_place_t end) {
    if (end.events < look->end.events)
        look->end = end;
}

/* An entry of a rank. */
static void look_at_entry(dead_look_t *look, int rank, bool dead, const uint64_t *words) {
    uint64_t intent = words[0], first = words[offsetof(mmi_row_entry_t, first) / 8];
    mmi_place_t from = {first - 1, words[offsetof(mmi_row_entry_t, units) / 8]};
    if (intent == 0)
        return;
    if (first == 0) {
        *(dead ? &look->died : &look->living) = rank;
        return;
    }
    mmi_place_t end = {from.events + (intent >> 32), from.units + ((uint32_t)intent >> 1)};
    if (from.events > look->id) {
        look_end_at(look, from);
    } else if (look->id < end.events && !(look->covers >= 0 && look->covers_alive)) {
        look->covers = rank;
        look->covers_alive = !dead;
        if (dead)
            look_end_at(look, end);
    }
}

static bool look_read_row(const dead_look_t *look, int rank, uint64_t *words) {
    const mmi_partition_t *p = look->p;
    const size_t count = sizeof(mmi_row_t) / sizeof *words;
    bool any = false;
    p->w->ops->load_run(p->w, p->owner, p->rows + (uint64_t)rank * sizeof(mmi_row_t), words, count);
    for (size_t i = 0; i < count; i += sizeof(mmi_row_entry_t) / sizeof *words)
        any |= words[i] != 0;
    return any;
}

static void look_at_row(dead_look_t *look, int rank) {
    uint64_t words[sizeof(mmi_row_t) / sizeof(uint64_t)];
    if (!look_read_row(look, rank, words))
        return;
    bool dead = mmi_alive_is_dead(look->p->w, rank);
    if (dead && !look_read_row(look, rank, words))
        return;
    for (size_t i = 0; i < MMI_ROW_ENTRIES; i++)
        look_at_entry(look, rank, dead, words + i * sizeof(mmi_row_entry_t) / sizeof *words);
}

/* Let the range end in front of the next stored batch. False: it is not known where that begins. */
static bool look_at_flags(dead_look_t *look) {
    const mmi_partition_t *p = look->p;
    uint64_t most = look->head + p->slots;
    most = most < look->end.events ? most : look->end.events;
    for (uint64_t id = look->id + 1; id < most; id++) {
        mmi_entry_t entry;
        uint64_t flag = mmi_flag_load(p, id), count = mmi_flag_extent(p, id, flag);
        if (count == 0)
            continue;
        /* The entry of a void says where its own units end. That will do: nobody uses them. */
        uint64_t known = mmi_flag_count(p, id, flag) > 0 ? id : id + count - 1;
        mmi_entries_get(p, known, &entry, 1);
        if (entry.id_1 != known + 1 || entry.check != mmi_entry_check(&entry))
            return false;
        look_end_at(look, (mmi_place_t){id, entry.metadata / MMI_UNIT_BYTES});
        break;
    }
    return true;
}

/* Step 1. False: there is no such event, or nobody will store it. */
static mofka_status_t look_begin(dead_look_t *look, bool *any) {
    mmi_state_t state;
    mmi_tail_t tail;
    mofka_status_t status = mmi_tail_load(look->p, &state, &tail);
    if (status)
        return status;
    look->head = state.head.events;
    look->end = tail.at;
    if (state.complete && state.complete - 1 < tail.at.events)
        look->end.events = state.complete - 1;
    /* While the end is being decided, it is not known which reservations are behind it. */
    *any = look->id >= look->head && look->id < look->end.events &&
           (!tail.ended || state.complete != 0);
    return MOFKA_OK;
}

/* The event is not stored, or it is that of a claim that has expired and not ended. */
static bool look_is_open(const mmi_partition_t *p, uint64_t id) {
    uint64_t flag = mmi_flag_load(p, id);
    mmi_flag_kind_t kind = mmi_flag_kind(p, id, flag);
    return kind == MMI_FLAG_EARLIER || (kind == MMI_FLAG_VOID && !mmi_flag_is_settled(flag));
}

mofka_status_t mmi_holder_find(const mmi_partition_t *p, uint64_t id, mmi_holder_t *holder) {
    dead_look_t look = {.p = p, .id = id, .living = -1, .died = -1, .covers = -1};
    bool any = false;
    *holder = (mmi_holder_t){.rank = -1};
    mofka_status_t status = mmi_rows_exist(p) ? look_begin(&look, &any) : MOFKA_OK;
    if (status || !any)
        return status;
    for (int rank = 0; rank < p->w->size; rank++)
        look_at_row(&look, rank);
    bool known = look_at_flags(&look);
    if (!look_is_open(p, id))
        return MOFKA_OK;
    holder->rank = look.covers >= 0 ? look.covers : look.living >= 0 ? look.living : look.died;
    holder->dead = look.covers >= 0 ? !look.covers_alive : look.living < 0 && look.died >= 0;
    holder->from.events = id;
    holder->end = look.end;
    if (!known)
        holder->dead = false;
    return MOFKA_OK;
}

static void dead_warn(const mmi_partition_t *p, const mmi_holder_t *holder, uint64_t end) {
    char rank[MMI_ALIVE_TEXT_BYTES];
    mmi_alive_describe(p->w, holder->rank, rank);
    mofka_log(MOFKA_LOG_WARN,
              "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
              " are void: reserved, and never stored, by %s",
              p->topic, p->index, holder->from.events, end - 1, rank);
}

/* With the lock. */
static mofka_status_t dead_void(const mmi_partition_t *p, uint64_t id, bool *passed) {
    mmi_holder_t holder;
    mmi_assert_locked(p);
    mofka_status_t status = mmi_holder_find(p, id, &holder);
    mmi_place_t at = holder.from;
    if (!status && holder.dead)
        status = mmi_void_range(p, &at, holder.end);
    *passed = at.events > holder.from.events;
    if (*passed)
        dead_warn(p, &holder, at.events);
    return status;
}

mofka_status_t mmi_dead_pass(const mmi_partition_t *p, uint64_t id, int64_t deadline,
                             bool *passed) {
    mmi_holder_t holder;
    mmi_state_t state;
    *passed = false;
    mofka_status_t status = mmi_holder_find(p, id, &holder);
    if (status || !holder.dead)
        return status;
    status = mmi_state_load(p, &state);
    if (status || id - state.head.events >= p->slots) /* it does not fit yet */
        return status;
    status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    status = dead_void(p, id, passed);
    mmi_partition_unlock(p);
    return status;
}

void mmi_holder_describe(const mmi_partition_t *p, uint64_t id, char text[MMI_HOLDER_TEXT_BYTES]) {
    mmi_holder_t holder;
    char rank[MMI_ALIVE_TEXT_BYTES];
    if (mmi_holder_find(p, id, &holder) || holder.rank < 0) {
        snprintf(text, MMI_HOLDER_TEXT_BYTES, "its producer is slow or has stopped");
        return;
    }
    mmi_alive_describe(p->w, holder.rank, rank);
    snprintf(text, MMI_HOLDER_TEXT_BYTES, "%s %s", rank,
             holder.dead ? "reserved it" : "is slow or has stopped");
}
