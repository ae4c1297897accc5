/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition's table of named consumers: it is read, and names are given up by a user's word.
 *
 * Nobody proves that the consumer of such a name has ended: its rank may only be stopped, and then
 * go on to store its cursor. So its place is not free: it is EVICTED, which retention ignores, and
 * no other consumer gets it. Whoever takes the name again gets another place.
 *
 *   who                           from         to          when
 *   evicts, with the lock         AWAY         FREE        nobody stores there
 *                                 LIVE         EVICTED
 *   the evicted consumer          EVICTED      FREE        it closes
 *   joins, with the lock          EVICTED      LIVE        the rank that had it is proven dead
 *
 * The consumer looks at its state after it has read. While that was LIVE, retention waited for it.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t mmi_name_check(const char *name) {
    char padded[MOFKA_NAME_BYTES_MAX + 1] = "";
    assert(strlen(name) < sizeof padded);
    memcpy(padded, name, strlen(name));
    return mmi_bytes_check(padded, sizeof padded) >> (64 - MMI_SEAL_BITS + MMI_STATE_BITS);
}

uint64_t mmi_state_word(uint64_t state, uint64_t name_check) {
    assert(state <= MMI_CONSUMER_EVICTED && (state != MMI_CONSUMER_FREE || name_check == 0));
    return mmi_seal(name_check << MMI_STATE_BITS | state);
}

mofka_status_t mmi_consumers_check(const mmi_partition_t *p, mmi_consumers_t *consumers) {
    consumers->count = 0;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX; i++) {
        char name[16];
        uint64_t word = consumers->words[i];
        if (word == 0) /* most are */
            continue;
        if (mmi_is_sealed(word) && mmi_state_of(word) <= MMI_CONSUMER_EVICTED) {
            consumers->count = i + 1;
            continue;
        }
        snprintf(name, sizeof name, "state[%zu]", i);
        return mmi_word_damaged(p, name, word);
    }
    return MOFKA_OK;
}

mofka_status_t mmi_consumers_load(const mmi_partition_t *p, mmi_consumers_t *consumers) {
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(state), consumers->words,
                        MMI_CONSUMERS_MAX);
    return mmi_consumers_check(p, consumers);
}

mofka_status_t mmi_consumer_name(const mmi_partition_t *p, size_t place, char *name,
                                 int64_t deadline) {
    uint64_t words[(MOFKA_NAME_BYTES_MAX + 1) / 8] = {0};
    static_assert(sizeof words == sizeof((mmi_control_t *)NULL)->name[0], "a name is whole words");
    assert(place < MMI_CONSUMERS_MAX);
    mofka_status_t status =
        mmi_window_read(p->w, p->owner, p->base + MMI_CONTROL(name) + place * sizeof words, words,
                        sizeof words / sizeof words[0], deadline);
    memcpy(name, words, sizeof words);
    name[MOFKA_NAME_BYTES_MAX] = '\0';
    return status;
}

mofka_status_t mmi_consumer_damaged(const mmi_partition_t *p, size_t place, const char *what,
                                    uint64_t word) {
    char name[MOFKA_NAME_BYTES_MAX + 1];
    if (place == MMI_STORAGE_PLACE)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "topic '%s', partition %zu: the word '%s' of its storage is damaged "
                          "(0x%016" PRIx64 ")",
                          p->topic, p->index, what, word);
    mmi_consumer_name(p, place, name, INT64_MAX);
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: the word '%s[%zu]' of consumer '%s' is damaged "
                      "(0x%016" PRIx64 ")",
                      p->topic, p->index, what, place, name, word);
}

/* A consumer stores what it acknowledged before its cursor, so this is read behind the cursors. */
static mofka_status_t consumers_check_cursors(const mmi_partition_t *p,
                                              const mmi_consumers_t *consumers,
                                              const uint64_t *cursors, mmi_place_t head) {
    uint64_t acknowledged[MMI_CONSUMERS_MAX];
    mmi_assert_locked(p);
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(acknowledged), acknowledged,
                        consumers->count);
    for (size_t i = 0; i < consumers->count; i++) {
        if (!mmi_state_keeps(consumers->words[i]))
            continue;
        if (!mmi_is_sealed(acknowledged[i]))
            return mmi_consumer_damaged(p, i, "acknowledged", acknowledged[i]);
        uint64_t at = mmi_cursor_unpack(cursors[i], head).events;
        if (at > head.events && at > mmi_unseal(acknowledged[i]))
            return mmi_consumer_damaged(p, i, "cursor", cursors[i]);
    }
    return MOFKA_OK;
}

mofka_status_t mmi_consumers_find_slowest(const mmi_partition_t *p, mmi_place_t head, bool check,
                                          mmi_slowest_t *slowest) {
    mmi_consumers_t consumers;
    uint64_t cursors[MMI_CONSUMERS_MAX];
    if (p->retention == MMI_RETAIN_STORED) {
        uint64_t cursor = p->w->ops->load(p->w, p->owner, p->stored + MMI_STORED(cursor));
        *slowest = (mmi_slowest_t){MMI_STORAGE_PLACE, mmi_cursor_unpack(cursor, head)};
        return mmi_window_check(p->w, p->owner);
    }
    *slowest = (mmi_slowest_t){MMI_CONSUMERS_MAX, head};
    mofka_status_t status = mmi_consumers_load(p, &consumers);
    if (status || consumers.count == 0)
        return status;
    if (p->of_node && check) /* a consumer elsewhere puts its cursor by MPI */
        mmi_window_sync(p->w);
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(cursor), cursors, consumers.count);
    for (size_t i = 0; i < consumers.count; i++) {
        mmi_place_t at = mmi_cursor_unpack(cursors[i], head);
        if (mmi_state_keeps(consumers.words[i]) &&
            (slowest->place == MMI_CONSUMERS_MAX || at.events < slowest->at.events))
            *slowest = (mmi_slowest_t){i, at};
    }
    return check ? consumers_check_cursors(p, &consumers, cursors, head) : MOFKA_OK;
}

bool mmi_consumer_is(const mmi_partition_t *p, size_t place, const char *name, bool *damaged) {
    char other[MOFKA_NAME_BYTES_MAX + 1];
    mmi_consumer_name(p, place, other, INT64_MAX);
    *damaged = mmi_name_check(other) != mmi_name_check(name);
    return *damaged || strcmp(other, name) == 0;
}

/* With the lock. `word` is the place's state. A consumer that lives may leave meanwhile. */
static void consumer_evict_place(const mmi_partition_t *p, size_t place, uint64_t word) {
    const uint64_t at = MMI_CONTROL(state) + 8 * place;
    const uint64_t check = mmi_state_name_check(word);
    uint64_t evicted = mmi_state_word(MMI_CONSUMER_EVICTED, check);
    mmi_assert_locked(p);
    if (mmi_state_of(word) != MMI_CONSUMER_LIVE)
        mmi_control_store(p, at, 0);
    else if (!p->w->ops->compare_exchange) /* whoever leaves has the lock */
        mmi_control_store(p, at, evicted);
    else if (!mmi_near_exchange(p, p->base + at, &word, evicted))
        mmi_control_store(p, at, 0);
}

/* With the lock. */
static mofka_status_t consumer_evict_name(const mmi_partition_t *p, const char *name, bool *found) {
    mmi_consumers_t consumers;
    const uint64_t check = mmi_name_check(name);
    mmi_assert_locked(p);
    mofka_status_t status = mmi_consumers_load(p, &consumers);
    for (size_t i = 0; i < consumers.count && !status; i++) {
        bool damaged;
        if (!mmi_state_keeps(consumers.words[i]) ||
            mmi_state_name_check(consumers.words[i]) != check ||
            !mmi_consumer_is(p, i, name, &damaged))
            continue;
        consumer_evict_place(p, i, consumers.words[i]);
        *found = true;
    }
    return status;
}

mofka_status_t mmi_consumer_evict(const mmi_partition_t *p, const char *name, int64_t deadline,
                                  bool *found) {
    assert(!mmi_partition_is_far(p));
    *found = false;
    mofka_status_t status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    status = consumer_evict_name(p, name, found);
    mmi_partition_unlock(p);
    if (*found) {
        mmi_bell_ring_room(p);
        mmi_bell_ring_data(p); /* the evicted one may wait there */
    }
    return status ? status : mmi_window_check(p->w, p->owner);
}
