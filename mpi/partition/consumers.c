/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a partition's table of named consumers. */
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
    assert(state <= MMI_CONSUMER_LIVE && (state != MMI_CONSUMER_FREE || name_check == 0));
    return mmi_seal(name_check << MMI_STATE_BITS | state);
}

mofka_status_t mmi_consumers_check(const mmi_partition_t *p, mmi_consumers_t *consumers) {
    consumers->count = 0;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX; i++) {
        char name[16];
        uint64_t word = consumers->words[i];
        if (word == 0) /* most are */
            continue;
        if (mmi_is_sealed(word) && mmi_state_of(word) <= MMI_CONSUMER_LIVE) {
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
        if (mmi_state_of(consumers->words[i]) == MMI_CONSUMER_FREE)
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
        if (mmi_state_of(consumers.words[i]) != MMI_CONSUMER_FREE &&
            (slowest->place == MMI_CONSUMERS_MAX || at.events < slowest->at.events))
            *slowest = (mmi_slowest_t){i, at};
    }
    return check ? consumers_check_cursors(p, &consumers, cursors, head) : MOFKA_OK;
}
