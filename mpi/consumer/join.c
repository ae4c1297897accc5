/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A named consumer joins a partition, under its lock, and leaves it.
 *
 * The place of a consumer whose rank is proven dead is taken over: nobody else stores there any
 * more. A rank that is only stopped keeps its name, unless a user evicts it
 * (partition/consumers.c).
 *
 * What an earlier consumer of the name left in the table is checked first. A damaged name is
 * written again, if the check in its state is that of the name. A cursor that cannot be right is
 * replaced by the head, from which the consumer passes what it acknowledged.
 *
 * A far partition's owner does that, and the consumer begins with what it answers. From the join to
 * the leave, the cursor and what is acknowledged are stored by the consumer alone, by MPI; before
 * and after, by the owner's node.
 */
#include "mpi/consumer/consumer.h"
#include "mpi/errand/errand.h"
#include "mpi/storage/storage.h"

#include <inttypes.h>
#include <string.h>
#include <mofka/log.h>
#include "mpi/alive/alive.h"

/* What a look is taken to find before there was one: events, and bytes of each. */
#define FIRST_EVENTS 64
#define FIRST_METADATA 128
#define FIRST_PAYLOAD 256

/* With the partition's lock: write the reader's name into its place. */
static void join_put_name(const mmi_reader_t *r, const char *name) {
    const mmi_partition_t *p = r->p;
    char padded[MOFKA_NAME_BYTES_MAX + 1] = "";
    mmi_assert_locked(p);
    assert(strlen(name) < sizeof padded);
    memcpy(padded, name, strlen(name));
    p->w->ops->put(p->w, p->owner, p->base + MMI_CONTROL(name) + r->place * sizeof padded, padded,
                   sizeof padded);
    p->w->ops->flush(p->w, p->owner);
}

/* The rank whose consumer has a place; -1: not known. */
static int join_holder(const mmi_partition_t *p, size_t place) {
    uint64_t word =
        p->w->ops->has_addresses ? mmi_control_load(p, MMI_CONTROL(holder) + 8 * place) : 0;
    uint64_t rank_1 = mmi_is_sealed(word) ? mmi_unseal(word) : 0;
    return rank_1 >= 1 && rank_1 <= (uint64_t)p->w->size ? (int)(rank_1 - 1) : -1;
}

/* The consumer that is live in a place will not use it any more: it counts as away. */
static bool join_holder_is_dead(const mmi_partition_t *p, size_t place) {
    int rank = join_holder(p, place);
    return rank >= 0 && mmi_alive_is_dead(p->w, rank);
}

static mofka_status_t join_fail_live(const mmi_partition_t *p, size_t place, const char *name) {
    char text[MMI_ALIVE_TEXT_BYTES] = "";
    int rank = join_holder(p, place);
    if (rank >= 0)
        mmi_alive_describe(p->w, rank, text);
    return mofka_fail(MOFKA_ERR_BUSY,
                      "consumer '%s' is already live on topic '%s', partition %zu%s%s", name,
                      p->topic, p->index, rank >= 0 ? ", of " : "", text);
}

/* With the partition's lock: the place that has the name, or a free one. */
static mofka_status_t join_find_place(mmi_reader_t *r, const char *name) {
    const mmi_partition_t *p = r->p;
    mmi_consumers_t consumers;
    size_t free_place = MMI_CONSUMERS_MAX;
    mmi_assert_locked(p);
    assert(!mmi_reader_has_place(r));
    mofka_status_t status = mmi_consumers_load(p, &consumers);
    for (size_t i = MMI_CONSUMERS_MAX; i-- > 0 && !status;) {
        uint64_t state = mmi_state_of(consumers.words[i]);
        bool damaged;
        if (state == MMI_CONSUMER_FREE ||
            (state == MMI_CONSUMER_EVICTED && join_holder_is_dead(p, i)))
            free_place = i;
        if (!mmi_state_keeps(consumers.words[i]) ||
            mmi_state_name_check(consumers.words[i]) != r->name_check ||
            !mmi_consumer_is(p, i, name, &damaged))
            continue;
        if (state == MMI_CONSUMER_LIVE && !join_holder_is_dead(p, i))
            return join_fail_live(p, i, name);
        r->place = i;
        r->fresh = false;
        if (damaged) {
            mofka_log(MOFKA_LOG_WARN,
                      "topic '%s', partition %zu: the name of consumer '%s' was damaged, and is "
                      "written again",
                      p->topic, p->index, name);
            join_put_name(r, name);
        }
        return MOFKA_OK;
    }
    if (!status && free_place == MMI_CONSUMERS_MAX)
        status = mofka_fail(MOFKA_ERR_FULL,
                            "topic '%s', partition %zu already has %d named consumers, the maximum",
                            p->topic, p->index, MMI_CONSUMERS_MAX);
    r->place = status ? MMI_CONSUMERS_MAX : free_place;
    r->fresh = true;
    return status;
}

/* Read from batch start `at`, and deliver what is at or above `acknowledged`. The head's units are
 * where the batch's payload begins, at least. */
static void join_start(mmi_reader_t *r, uint64_t at, uint64_t acknowledged, mmi_place_t head) {
    r->next = r->batch_end = r->batch_start = r->settled_below = at;
    r->chain = mmi_chain_from(head.units);
    r->expects = true;
    r->run_events = FIRST_EVENTS;
    r->event_metadata = FIRST_METADATA;
    r->event_payload = FIRST_PAYLOAD;
    r->skip_below = r->published = acknowledged;
    r->standing_ms = mmi_now_ms();
    r->kept = (mmi_place_t){at, head.units};
    atomic_store(&r->acknowledged, acknowledged);
}

static void join_store_cursor(const mmi_reader_t *r, mmi_place_t at) {
    mmi_control_store(r->p, mmi_reader_field(r, MMI_CONTROL(cursor)),
                      at.events << 32 | (uint32_t)at.units);
}

/* With the partition's lock: where the name's cursor lets it begin. A batch begins there, or will.
 * If that cannot be seen, the head is right as well. */
static mofka_status_t join_find_start(const mmi_reader_t *r, mmi_place_t head,
                                      uint64_t acknowledged, mmi_place_t *at) {
    const mmi_partition_t *p = r->p;
    mmi_state_t state;
    mmi_tail_t tail;
    mmi_assert_locked(p);
    *at = mmi_cursor_unpack(mmi_control_load(p, mmi_reader_field(r, MMI_CONTROL(cursor))), head);
    if (at->events <= acknowledged &&
        mmi_flag_extent(p, at->events, mmi_flag_load(p, at->events)) > 0)
        return MOFKA_OK;
    mofka_status_t status = mmi_tail_load(p, &state, &tail);
    if (!status && (at->events > acknowledged || at->events != tail.at.events)) {
        *at = head;
        join_store_cursor(r, head);
    }
    return status;
}

/* With the partition's lock: go on where the last consumer of the name stopped. */
static mofka_status_t join_resume(mmi_reader_t *r, mmi_place_t head) {
    const mmi_partition_t *p = r->p;
    mmi_place_t at = head;
    mmi_assert_locked(p);
    uint64_t word = mmi_control_load(p, mmi_reader_field(r, MMI_CONTROL(acknowledged)));
    uint64_t acknowledged = mmi_unseal(word);
    mofka_status_t status = MOFKA_OK;
    if (!mmi_is_sealed(word))
        return mmi_consumer_damaged(p, r->place, "acknowledged", word);
    if (p->retention == MMI_DISCARD_OLDEST && acknowledged < head.events) {
        r->lost = head.events - acknowledged;
        acknowledged = head.events;
    } else {
        status = join_find_start(r, head, acknowledged, &at);
    }
    if (!status)
        join_start(r, at.events, acknowledged, head);
    return status;
}

/* The same with storage: at the oldest event of the files, or at the tail, where a batch begins. */
static mofka_status_t join_begin_stored(mmi_reader_t *r, const char *name, mmi_place_t head,
                                        bool from_end) {
    const mmi_partition_t *p = r->p;
    mmi_state_t state;
    mmi_tail_t tail = {.at = {r->oldest, 0}};
    mmi_assert_locked(p);
    mofka_status_t status = from_end && !r->ringless ? mmi_tail_load(p, &state, &tail) : MOFKA_OK;
    if (status)
        return status;
    uint64_t most = head.events + p->slots, start = tail.at.events;
    start = from_end && start > most ? most : start;
    join_put_name(r, name);
    mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(acknowledged)), mmi_seal(start));
    join_start(r, start, start, head);
    return MOFKA_OK;
}

/* With storage: where the last consumer of the name stopped. */
static mofka_status_t join_resume_stored(mmi_reader_t *r, mmi_place_t head) {
    uint64_t word = mmi_control_load(r->p, mmi_reader_field(r, MMI_CONTROL(acknowledged)));
    mmi_assert_locked(r->p);
    if (!mmi_is_sealed(word))
        return mmi_consumer_damaged(r->p, r->place, "acknowledged", word);
    join_start(r, mmi_unseal(word), mmi_unseal(word), head);
    return MOFKA_OK;
}

/* By how many events the opening of the log set the name back. */
static mofka_status_t join_read_rewound(mmi_reader_t *r, const char *name) {
    mofka_status_t status =
        mmi_storage_load(r->p, MMI_STORED(rewound) + 8 * r->place, "rewound", &r->rewound);
    r->was_rewound = r->rewound > 0;
    if (r->was_rewound)
        mofka_log(MOFKA_LOG_WARN,
                  "topic '%s', partition %zu: consumer '%s' is set back by %" PRIu64
                  " events, to event %" PRIu64 ", where the topic was cut or torn",
                  r->p->topic, r->p->index, name, r->rewound, r->next);
    return status;
}

/* Begin in the files. The owner of a far reader's partition joins in its name, and has no log. */
static mofka_status_t join_seek(mmi_reader_t *r, const char *name, bool from_end) {
    r->behind = true;
    if (!r->log)
        return MOFKA_OK;
    mofka_status_t status = mmi_log_seek(r->log, r->next);
    if (!status)
        r->log->boundary = r->fresh && from_end && !r->ringless; /* it is at the tail */
    return status || r->fresh ? status : join_read_rewound(r, name);
}

/* Where a name that is new begins: behind what is stored now, or at the head. */
static uint64_t join_first(const mmi_partition_t *p, mmi_place_t head, const mmi_tail_t *tail) {
    uint64_t stored = tail->at.events - head.events;
    return head.events + (stored < p->slots ? stored : p->slots);
}

/* With the partition's lock: register the name, and start at the head, or behind what is stored.
 * What is reserved without room is not stored. */
static mofka_status_t join_begin(mmi_reader_t *r, const char *name, mmi_place_t head,
                                 bool from_end) {
    const mmi_partition_t *p = r->p;
    mmi_state_t state;
    mmi_tail_t tail = {.at = head};
    mmi_assert_locked(p);
    mofka_status_t status = from_end ? mmi_tail_load(p, &state, &tail) : MOFKA_OK;
    if (status)
        return status;
    uint64_t start = join_first(p, head, &tail);
    join_put_name(r, name);
    join_store_cursor(r, head);
    mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(acknowledged)), mmi_seal(start));
    join_start(r, head.events, start, head);
    return MOFKA_OK;
}

/* With the partition's lock, for a consumer of `rank`. */
static mofka_status_t join_take_place(mmi_reader_t *r, const char *name, bool from_end, int rank) {
    const mmi_partition_t *p = r->p;
    mmi_state_t state;
    mmi_assert_locked(p);
    mofka_status_t status = mmi_state_load(p, &state);
    if (!status)
        status = join_find_place(r, name);
    if (!status && p->retention == MMI_RETAIN_STORED)
        status = r->fresh ? join_begin_stored(r, name, state.head, from_end)
                          : join_resume_stored(r, state.head);
    else if (!status)
        status = r->fresh ? join_begin(r, name, state.head, from_end) : join_resume(r, state.head);
    if (!status)
        status = mmi_window_check(p->w, p->owner);
    if (status) {
        r->place = MMI_CONSUMERS_MAX;
        return status;
    }
    if (p->w->ops->has_addresses)
        mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(holder)),
                          mmi_seal((uint64_t)rank + 1));
    mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(state)),
                      mmi_state_word(MMI_CONSUMER_LIVE, r->name_check));
    return MOFKA_OK;
}

/* The owner lets the consumer join. */
static mofka_status_t join_far(mmi_reader_t *r, const char *name, bool from_end) {
    mmi_joined_t joined = {0};
    uint64_t results[MMI_RESULT_WORDS];
    mmi_errand_t errand = mmi_errand_at(r->p, MMI_ERRAND_JOIN);
    errand.numbers[0] = from_end;
    errand.numbers[1] = r->oldest;
    errand.numbers[2] = r->ringless;
    errand.numbers[3] = (uint64_t)r->p->w->rank;
    assert(strlen(name) < sizeof errand.name);
    strcpy(errand.name, name);
    mofka_status_t status =
        mmi_errand_send(r->p, &errand, mmi_deadline(MMI_LOCK_TIMEOUT_MS), results);
    if (status)
        return status;
    memcpy(&joined, results, sizeof joined);
    r->place = (size_t)joined.place;
    r->fresh = joined.fresh != 0;
    r->lost = joined.lost;
    join_start(r, joined.at, joined.acknowledged, (mmi_place_t){joined.at, joined.head_units});
    return MOFKA_OK;
}

void mmi_reader_describe_join(const mmi_reader_t *r, uint64_t results[MMI_RESULT_WORDS]) {
    const mmi_joined_t joined = {.place = r->place,
                                 .fresh = r->fresh,
                                 .at = r->next,
                                 .acknowledged = r->published,
                                 .head_units = mmi_chain_units(&r->chain),
                                 .lost = r->lost};
    assert(mmi_reader_has_place(r));
    memcpy(results, &joined, sizeof joined);
}

mofka_status_t mmi_reader_observe(mmi_reader_t *r, const mmi_partition_t *p, bool from_end) {
    mmi_state_t state;
    r->p = p;
    r->place = MMI_CONSUMERS_MAX;
    r->may_lose = true;
    mofka_status_t status = mmi_state_load(p, &state);
    if (status)
        return status;
    mmi_tail_t tail = {.at = state.head};
    if (from_end)
        status = mmi_tail_load(p, &state, &tail);
    if (!status)
        join_start(r, state.head.events, join_first(p, state.head, &tail), state.head);
    return status;
}

mofka_status_t mmi_reader_join_for(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                                   bool from_end, int rank, int64_t deadline) {
    r->p = p;
    r->place = MMI_CONSUMERS_MAX;
    r->may_lose = mmi_partition_overtakes(p);
    r->name_check = mmi_name_check(name);
    bool far = mmi_partition_is_far(p);
    mofka_status_t status = far ? join_far(r, name, from_end) : mmi_partition_lock(p, deadline);
    if (!status && !far) {
        status = join_take_place(r, name, from_end, rank);
        mmi_partition_unlock(p);
    }
    if (!status && p->retention == MMI_RETAIN_STORED)
        status = join_seek(r, name, from_end);
    return status ? status : mmi_window_check(p->w, p->owner);
}

mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end, int64_t deadline) {
    return mmi_reader_join_for(r, p, name, from_end, p->w->rank, deadline);
}

/* The owner gives the place up. What this rank has stored there is complete: each store is. */
static mofka_status_t leave_far(mmi_reader_t *r, uint64_t state, int64_t deadline) {
    uint64_t none[MMI_RESULT_WORDS];
    mmi_errand_t errand = mmi_errand_at(r->p, MMI_ERRAND_LEAVE);
    errand.numbers[0] = r->place;
    errand.numbers[1] = state;
    errand.numbers[2] = r->name_check;
    mofka_status_t status = mmi_errand_send(r->p, &errand, deadline, none);
    if (!status)
        r->place = MMI_CONSUMERS_MAX;
    return status;
}

/* Store that the place is away, unless it was evicted: then nobody else uses it, and it is free.
 * Where CPUs write, trimmers treat AWAY as LIVE, and the next consumer of the name comes later: so
 * this needs no lock. Elsewhere an eviction must not come in between, so the lock is taken. */
static void leave_away(const mmi_reader_t *r) {
    const mmi_partition_t *p = r->p;
    const uint64_t live = mmi_state_word(MMI_CONSUMER_LIVE, r->name_check);
    const uint64_t away = mmi_state_word(MMI_CONSUMER_AWAY, r->name_check);
    const size_t at = mmi_reader_field(r, MMI_CONTROL(state));
    uint64_t word = live;
    if (p->w->ops->compare_exchange && mmi_near_exchange(p, p->base + at, &word, away))
        return;
    if (!p->w->ops->compare_exchange)
        word = mmi_control_load(p, at);
    bool evicted = mmi_is_sealed(word) && mmi_state_of(word) == MMI_CONSUMER_EVICTED;
    mmi_control_store(p, at, evicted ? 0 : away);
}

mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state, int64_t deadline) {
    assert(state == MMI_CONSUMER_FREE || state == MMI_CONSUMER_AWAY);
    if (!mmi_reader_has_place(r))
        return MOFKA_OK;
    if (mmi_partition_is_far(r->p))
        return leave_far(r, state, deadline);
    bool lock = state == MMI_CONSUMER_FREE || !r->p->w->ops->compare_exchange;
    mofka_status_t status = lock ? mmi_partition_lock(r->p, deadline) : MOFKA_OK;
    if (status)
        return status;
    if (state == MMI_CONSUMER_FREE)
        mmi_control_store(r->p, mmi_reader_field(r, MMI_CONTROL(state)), 0);
    else
        leave_away(r);
    if (lock)
        mmi_partition_unlock(r->p);
    r->place = MMI_CONSUMERS_MAX;
    mmi_bell_ring_room(r->p);
    return mmi_window_check(r->p->w, r->p->owner);
}

/* Between two looks of a consumer at its state, where each costs a round trip. */
#define STANDING_MS 100

bool mmi_reader_is_evicted(mmi_reader_t *r) {
    const mmi_partition_t *p = r->p;
    if (r->evicted || !mmi_reader_has_place(r))
        return r->evicted;
    if (!p->w->ops->loads_are_cheap) {
        int64_t now_ms = mmi_now_ms();
        if (now_ms - r->standing_ms < STANDING_MS)
            return false;
        r->standing_ms = now_ms;
    }
    uint64_t word = mmi_control_load(p, mmi_reader_field(r, MMI_CONTROL(state)));
    r->evicted = mmi_is_sealed(word) && mmi_state_of(word) == MMI_CONSUMER_EVICTED;
    return r->evicted;
}

mofka_status_t mmi_reader_fail_evicted(const mmi_reader_t *r) {
    char name[MOFKA_NAME_BYTES_MAX + 1];
    mmi_consumer_name(r->p, r->place, name, INT64_MAX);
    return mofka_fail(MOFKA_ERR_CLOSED,
                      "consumer '%s' of topic '%s' was evicted from partition %zu: its name is no "
                      "longer its own, and its acknowledgements do not count; close it",
                      name, r->p->topic, r->p->index);
}
