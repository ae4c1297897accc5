/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of a rank that owns partitions of topics with storage. A file system that stands
 * still may hold up those that use it; the watching one then still warns that it is slow. A fourth
 * one reads files for ranks that do not see them (staging/serve.c).
 *
 * The writing thread finds the topics: who makes one adds to the word `stored_topics` of its
 * owners' shares, and this thread then looks at the directory. It sleeps at `stored_bell`, as a
 * consumer does at its bell; where there are no bells, it looks again after naps that grow.
 */
#include "mpi/storage/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <mofka/log.h>
#include "base/thread.h"

#define NAP_US 20
#define NAP_US_MAX 5000
#define BELL_US_MAX 50000
/* The syncing thread looks at all partitions so often. */
#define TEND_MS 200
/* Places, retention and stamps of locks. */
#define PLACES_MS 1000
/* How long a look at the directory waits for rank 0. */
#define LOOK_MS 1000
/* How long the end of a driver tries to write what is left. */
#define END_MS 10000

/* ---- topics ---------------------------------------------------------------------------------- */

static bool storage_has(const mmi_storage_t *s, const mmi_partition_t *p) {
    for (const mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next)
        if (k->p->base == p->base)
            return true;
    return false;
}

static mofka_status_t storage_add(mmi_storage_t *s, mmi_topic_t *topic, const mmi_partition_t *p) {
    mmi_keeper_t *k = calloc(1, sizeof *k);
    if (!k)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to write topic '%s'", topic->name);
    mmi_topic_retain(topic);
    k->storage = s;
    k->topic = topic;
    k->p = p;
    k->words = mmi_storage_own(p->w, p->stored);
    k->control = mmi_storage_own(p->w, p->base);
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->sync_lock, NULL);
    mmi_keeper_open(k);
    k->next = atomic_load(&s->keepers);
    atomic_store(&s->keepers, k);
    return MOFKA_OK;
}

/* Add this rank's partitions of a topic that is made. */
static mofka_status_t storage_add_topic(mmi_storage_t *s, mmi_record_t *record) {
    mofka_status_t status = MOFKA_OK;
    if (!record->topic || !record->topic->store)
        return MOFKA_OK;
    if (mmi_record_making(record) == MMI_MAKING)
        status = mmi_record_look(s->d, record, mmi_deadline(LOOK_MS));
    if (status || mmi_record_making(record) != MMI_MADE)
        return status;
    mmi_topic_t *topic = record->topic;
    for (size_t i = 0; i < topic->partition_count && !status; i++) {
        const mmi_partition_t *p = &topic->partitions[i];
        if (p->owner == s->d->w->rank && !storage_has(s, p))
            status = storage_add(s, topic, p);
    }
    return status;
}

static void storage_look(mmi_storage_t *s) {
    uint64_t *word = mmi_storage_own(s->d->w, offsetof(mmi_share_t, stored_topics));
    uint64_t seen = mmi_keeper_load(word);
    mmi_record_t *record;
    if (s->looked && seen == s->topics_seen)
        return;
    mofka_status_t status = mmi_records_refresh(s->d, mmi_deadline(LOOK_MS), NULL);
    for (size_t i = 0; !status && (record = mmi_records_get(s->d, i)); i++) {
        status = storage_add_topic(s, record);
        mmi_record_release(record);
    }
    s->looked = !status;
    s->topics_seen = seen;
    if (status && status != MOFKA_ERR_TIMEOUT)
        mofka_log(MOFKA_LOG_WARN, "rank %d looks for topics with storage: %s", s->d->w->rank,
                  mofka_last_error());
}

/* ---- the writing thread ---------------------------------------------------------------------- */

static void storage_want_sync(mmi_storage_t *s) {
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

/* Whether a rank wants what is written on disk, since this thread last looked. */
static bool keeper_is_asked(mmi_keeper_t *k) {
    uint64_t before = k->asked_seen;
    k->asked_seen = mmi_keeper_load(&k->words->asked);
    return k->asked_seen != before;
}

/* True: something was written. */
static bool storage_write_all(mmi_storage_t *s) {
    bool found = false, wants = false;
    storage_look(s);
    mmi_server_look(s->server);
    for (mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next) {
        bool wrote = mmi_keeper_write(k, &s->write);
        found |= wrote;
        wants |= wrote && k->topic->storage.durability == MMI_DURABLE_SYNCED;
        wants |= keeper_is_asked(k);
    }
    if (wants)
        storage_want_sync(s);
    return found;
}

static void storage_sleep(mmi_storage_t *s, int64_t *nap_us) {
    mmi_window_t *w = s->d->w;
    const uint64_t bell = offsetof(mmi_share_t, stored_bell);
    if (!w->ops->has_bells) {
        mmi_back_off(&(int64_t){*nap_us}, *nap_us);
        *nap_us += *nap_us / 8 + 1;
        *nap_us = *nap_us < NAP_US_MAX ? *nap_us : NAP_US_MAX;
        return;
    }
    uint64_t seen = w->ops->load(w, w->rank, bell);
    w->ops->fetch_add(w, w->rank, offsetof(mmi_share_t, stored_waiters), 1);
    if (!storage_write_all(s) && !atomic_load(&s->ends))
        w->ops->sleep_on(w, w->rank, bell, seen, BELL_US_MAX);
    w->ops->fetch_add(w, w->rank, offsetof(mmi_share_t, stored_waiters), UINT64_MAX); /* - 1 */
}

/* Whether all that is published is written, or cannot be. */
static bool storage_is_done(const mmi_storage_t *s) {
    bool failed = false;
    for (const mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next)
        failed |=
            k->writer && !atomic_load(&k->taken) && (k->failed || atomic_load(&k->sync_failed));
    return !failed;
}

static void *storage_run_writing(void *argument) {
    mmi_storage_t *s = argument;
    int64_t nap_us = NAP_US, deadline = INT64_MAX;
    for (;;) {
        bool ends = atomic_load(&s->ends);
        if (ends && deadline == INT64_MAX)
            deadline = mmi_deadline(END_MS);
        if (storage_write_all(s)) {
            nap_us = NAP_US;
            continue;
        }
        if (ends && (storage_is_done(s) || mmi_now_ms() >= deadline))
            break;
        if (ends)
            mmi_back_off(&(int64_t){NAP_US_MAX}, NAP_US_MAX);
        else
            storage_sleep(s, &nap_us);
    }
    atomic_store(&s->written, true);
    storage_want_sync(s);
    return NULL;
}

/* ---- the syncing thread ---------------------------------------------------------------------- */

static bool keeper_sync_is_due(mmi_keeper_t *k, int64_t now_ms) {
    const mmi_storage_wish_t *wish = &k->topic->storage;
    if (!k->writer || !atomic_load(&k->dirty) || atomic_load(&k->sync_failed) ||
        atomic_load(&k->taken))
        return false;
    return wish->durability == MMI_DURABLE_SYNCED ||
           (wish->sync_ms > 0 && now_ms - k->synced_ms >= (int64_t)wish->sync_ms);
}

static bool keeper_is_to_answer(const mmi_keeper_t *k) {
    return mmi_keeper_load(&k->words->asked) != k->asked_done && !atomic_load(&k->sync_failed);
}

static void keeper_sync_and_answer(mmi_keeper_t *k) {
    uint64_t asked = mmi_keeper_load(&k->words->asked);
    if (!mmi_keeper_sync(k) || asked == k->asked_done)
        return;
    k->asked_done = asked;
    mmi_keeper_ring(k);
}

static void storage_sync_all(mmi_storage_t *s, int64_t *tended_ms) {
    int64_t now_ms = mmi_now_ms();
    bool tends = now_ms - *tended_ms >= PLACES_MS;
    for (mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next) {
        bool open = mmi_keeper_load(&k->words->life) != 0;
        if (open && (keeper_sync_is_due(k, now_ms) || keeper_is_to_answer(k)))
            keeper_sync_and_answer(k);
        if (open && tends)
            mmi_keeper_tend(k);
    }
    if (tends)
        *tended_ms = now_ms;
}

static struct timespec storage_next_round(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TEND_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

static void storage_await_work(mmi_storage_t *s) {
    const struct timespec until = storage_next_round();
    pthread_mutex_lock(&s->lock);
    if (!s->wanted)
        pthread_cond_timedwait(&s->work, &s->lock, &until);
    s->wanted = false;
    pthread_mutex_unlock(&s->lock);
}

static void *storage_run_syncing(void *argument) {
    mmi_storage_t *s = argument;
    int64_t tended_ms = mmi_now_ms();
    while (!atomic_load(&s->written)) {
        storage_await_work(s);
        storage_sync_all(s, &tended_ms);
    }
    return NULL;
}

/* ---- the watching thread --------------------------------------------------------------------- */

static void storage_watch_all(mmi_storage_t *s) {
    for (mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next)
        if (mmi_keeper_load(&k->words->life) != 0)
            mmi_keeper_watch_backlog(k);
}

static void *storage_run_watching(void *argument) {
    mmi_storage_t *s = argument;
    while (!atomic_load(&s->ends)) {
        const struct timespec until = storage_next_round();
        pthread_mutex_lock(&s->lock);
        if (!atomic_load(&s->ends))
            pthread_cond_timedwait(&s->end, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
        storage_watch_all(s);
    }
    return NULL;
}

/* ---- the serving thread ---------------------------------------------------------------------- */

static int storage_find_log(void *context, uint64_t partition, const mfi_log_t **log) {
    const mmi_storage_t *s = context;
    for (const mmi_keeper_t *k = atomic_load(&s->keepers); k; k = k->next) {
        if (k->p->base != partition || !atomic_load(&k->has_log))
            continue;
        *log = &k->log;
        return atomic_load(&k->taken) ? EBUSY : 0;
    }
    return ENOENT;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void storage_free(mmi_storage_t *s) {
    mmi_server_stop(s->server);
    for (mmi_keeper_t *k = atomic_load(&s->keepers), *next; k; k = next) {
        next = k->next;
        mmi_keeper_close(k);
        pthread_mutex_destroy(&k->lock);
        pthread_mutex_destroy(&k->sync_lock);
        mmi_topic_destroy(k->topic);
        free(k);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->end);
    free(s->write.sizes);
    free(s);
}

static void storage_end_writing(mmi_storage_t *s) {
    mmi_window_t *w = s->d->w;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->ends, true);
    pthread_cond_signal(&s->end);
    pthread_mutex_unlock(&s->lock);
    if (w->ops->has_bells)
        w->ops->wake(w, w->rank, offsetof(mmi_share_t, stored_bell), 1);
    pthread_join(s->writing, NULL);
}

/* All threads, or none. */
static int storage_start_threads(mmi_storage_t *s) {
    int error = mfi_thread_start(&s->writing, storage_run_writing, s);
    if (error)
        return error;
    error = mfi_thread_start(&s->syncing, storage_run_syncing, s);
    if (error) {
        storage_end_writing(s);
        return error;
    }
    error = mfi_thread_start(&s->watching, storage_run_watching, s);
    if (error) {
        storage_end_writing(s);
        pthread_join(s->syncing, NULL);
    }
    return error;
}

mofka_status_t mmi_storage_start(mmi_directory_t *d, mmi_storage_t **out) {
    pthread_condattr_t monotonic;
    mmi_storage_t *s = calloc(1, sizeof *s);
    if (!s)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to write topics to files");
    s->d = d;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    mofka_status_t status = mmi_server_start(d->stage, storage_find_log, s, &s->server);
    int error = status ? 0 : storage_start_threads(s);
    if (status || error)
        storage_free(s);
    if (status)
        return status;
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "a thread that writes topics to files: error %d",
                          error);
    *out = s;
    return MOFKA_OK;
}

void mmi_storage_stop(mmi_storage_t *s) {
    if (!s)
        return;
    storage_end_writing(s);
    pthread_join(s->syncing, NULL);
    pthread_join(s->watching, NULL);
    storage_free(s);
}
