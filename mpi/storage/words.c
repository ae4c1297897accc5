/* SPDX-License-Identifier: BSD-3-Clause */
/* The storage page of a partition, seen from any rank. */
#include "mpi/storage/storage.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Looks at words of another rank, where nothing wakes the one that waits. */
#define NAP_US_MAX 2000
/* A sleep at the bell. */
#define BELL_US_MAX 100000
/* A rank that waits for a log tells its owner again that there is one. */
#define TELL_MS 100

static mofka_status_t storage_check(const mmi_partition_t *p, const char *name, uint64_t word) {
    return mmi_is_sealed(word) ? MOFKA_OK : mmi_word_damaged(p, name, word);
}

mofka_status_t mmi_storage_load(const mmi_partition_t *p, size_t field, const char *name,
                                uint64_t *value) {
    uint64_t word = p->w->ops->load(p->w, p->owner, p->stored + field);
    mofka_status_t status = storage_check(p, name, word);
    if (!status)
        status = mmi_window_check(p->w, p->owner);
    *value = status ? 0 : mmi_unseal(word);
    return status;
}

mofka_status_t mmi_storage_fail(const mmi_partition_t *p, uint64_t failed) {
    uint64_t words[sizeof((mmi_stored_t *)NULL)->text / 8];
    char text[sizeof words];
    mofka_status_t status = mmi_window_read(p->w, p->owner, p->stored + MMI_STORED(text), words,
                                            sizeof words / 8, mmi_deadline(1000));
    if (status)
        return status;
    memcpy(text, words, sizeof text);
    text[sizeof text - 1] = '\0';
    return mofka_fail(-(mofka_status_t)failed, "topic '%s', partition %zu: %s", p->topic, p->index,
                      text);
}

/* In a node window all ranks do it by MPI. */
static void storage_tell_owner(const mmi_topic_t *topic, const mmi_partition_t *p) {
    mmi_window_t *w = topic->w;
    w->ops->fetch_add(w, p->owner, offsetof(mmi_share_t, stored_topics), 1);
}

mofka_status_t mmi_storage_await(const mmi_topic_t *topic, size_t partition, bool reads,
                                 int64_t deadline, bool *damaged) {
    const mmi_partition_t *p = &topic->partitions[partition];
    int64_t told_ms = mmi_now_ms();
    *damaged = false;
    for (int64_t us = MMI_STORAGE_NAP_US;; mmi_back_off(&us, NAP_US_MAX)) {
        uint64_t life, failed;
        mofka_status_t status = mmi_storage_load(p, MMI_STORED(life), "life", &life);
        if (!status && life == 0)
            status = mmi_storage_load(p, MMI_STORED(failed), "failed", &failed);
        if (status || life != 0)
            return status;
        *damaged = failed == (uint64_t)-MOFKA_ERR_CORRUPT;
        if (*damaged && reads)
            return MOFKA_OK;
        int64_t now_ms = mmi_now_ms();
        if (failed != 0 && (now_ms >= deadline || *damaged))
            return mmi_storage_fail(p, failed);
        if (now_ms >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT,
                              "topic '%s', partition %zu: rank %d has not opened its log", p->topic,
                              p->index, p->owner);
        if (now_ms - told_ms > TELL_MS) { /* the rank that made the topic may have died before */
            storage_tell_owner(topic, p);
            told_ms = now_ms;
        }
    }
}

/* ---- durability ------------------------------------------------------------------------------ */

static size_t storage_durable_field(const mmi_topic_t *topic) {
    return topic->storage.durability == MMI_DURABLE_SYNCED ? MMI_STORED(synced)
                                                           : MMI_STORED(written);
}

mofka_status_t mmi_storage_load_durable(const mmi_topic_t *topic, const mmi_partition_t *p,
                                        uint64_t *id) {
    return mmi_storage_load(p, storage_durable_field(topic), "durable", id);
}

/* As mmi_storage_load_durable, until a deadline. */
static mofka_status_t storage_read_durable(const mmi_topic_t *topic, const mmi_partition_t *p,
                                           int64_t deadline, uint64_t *id) {
    uint64_t word;
    mofka_status_t status = mmi_window_read(
        p->w, p->owner, p->stored + storage_durable_field(topic), &word, 1, deadline);
    if (!status)
        status = storage_check(p, "durable", word);
    if (!status)
        *id = mmi_unseal(word);
    return status;
}

/* Fail if there is an error that is for good. What became durable before it still is: *id. */
static mofka_status_t storage_read_end(const mmi_topic_t *topic, const mmi_partition_t *p,
                                       int64_t deadline, uint64_t *id) {
    uint64_t word;
    mofka_status_t status =
        mmi_window_read(p->w, p->owner, p->stored + MMI_STORED(failed), &word, 1, deadline);
    if (status || word != mmi_seal((uint64_t)-MOFKA_ERR_BUSY))
        return status;
    status = storage_read_durable(topic, p, deadline, id);
    return status ? status : mmi_storage_fail(p, mmi_unseal(word));
}

void mmi_storage_sleep(const mmi_partition_t *p, size_t field, uint64_t next, int64_t left_ms,
                       int64_t *nap_us) {
    mmi_window_t *w = p->w;
    uint64_t bell = p->stored + MMI_STORED(bell), id = 0;
    if (!w->ops->has_bells) {
        int64_t most = left_ms < NAP_US_MAX / 1000 ? left_ms * 1000 : NAP_US_MAX;
        mmi_back_off(nap_us, most);
        return;
    }
    uint64_t seen = w->ops->load(w, p->owner, bell);
    w->ops->fetch_add(w, p->owner, p->stored + MMI_STORED(waiters), 1);
    if (!mmi_storage_load(p, field, "durable", &id) && id < next)
        w->ops->sleep_on(w, p->owner, bell, seen,
                         left_ms < BELL_US_MAX / 1000 ? left_ms * 1000 : BELL_US_MAX);
    w->ops->fetch_add(w, p->owner, p->stored + MMI_STORED(waiters), UINT64_MAX); /* - 1 */
}

/* It has waited long enough. */
static mofka_status_t storage_late(const mmi_topic_t *topic, const mmi_partition_t *p,
                                   uint64_t durable) {
    uint64_t failed = 0;
    mofka_status_t status = mmi_window_read(p->w, p->owner, p->stored + MMI_STORED(failed), &failed,
                                            1, mmi_deadline(1000));
    if (!status && mmi_is_sealed(failed) && failed != 0)
        return mmi_storage_fail(p, mmi_unseal(failed));
    return mofka_fail(
        MOFKA_ERR_TIMEOUT,
        "topic '%s', partition %zu: events from %" PRIu64 " on are stored, and not %s "
        "yet by rank %d",
        p->topic, p->index, durable,
        topic->storage.durability == MMI_DURABLE_SYNCED ? "on disk" : "written", p->owner);
}

mofka_status_t mmi_storage_wait_durable(const mmi_topic_t *topic, const mmi_partition_t *p,
                                        uint64_t next, int64_t timeout_ms, uint64_t *durable) {
    /* A look at another rank's word has some time in any case. */
    int64_t deadline = mmi_deadline(timeout_ms), soon = mmi_deadline(100),
            nap_us = MMI_STORAGE_NAP_US;
    *durable = 0;
    for (bool first = true;; first = false) {
        int64_t until = deadline > soon ? deadline : soon;
        mofka_status_t status = storage_read_durable(topic, p, until, durable);
        if (!first && !status && *durable < next)
            status = storage_read_end(topic, p, until, durable);
        if (*durable >= next)
            return MOFKA_OK;
        if (status)
            return status;
        int64_t left_ms = deadline == INT64_MAX ? BELL_US_MAX / 1000 : deadline - mmi_now_ms();
        if (left_ms <= 0)
            return storage_late(topic, p, *durable);
        mmi_storage_sleep(p, storage_durable_field(topic), next, left_ms, &nap_us);
    }
}

void mmi_storage_describe(const mmi_partition_t *p, uint64_t id, char *text, size_t bytes) {
    uint64_t failed = 0;
    if (!mmi_storage_load(p, MMI_STORED(failed), "failed", &failed) && failed != 0) {
        (void)mmi_storage_fail(p, failed);
        snprintf(text, bytes, "event %" PRIu64 " cannot be written: %s", id, mofka_last_error());
        return;
    }
    snprintf(text, bytes,
             "its storage holds it up since event %" PRIu64 ": the file system is slower than the "
             "producers",
             id);
}

/* ---- the writing thread ---------------------------------------------------------------------- */

/* The publisher has stored the flag, and now reads the waiters; see bell.c. Without bells, the
 * thread looks by itself. */
void mmi_storage_ring(const mmi_partition_t *p) {
    mmi_window_t *w = p->w;
    if (w->ops->has_bells && w->ops->load(w, p->owner, offsetof(mmi_share_t, stored_waiters)) > 0)
        w->ops->wake(w, p->owner, offsetof(mmi_share_t, stored_bell), INT_MAX);
}
