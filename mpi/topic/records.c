/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of the directory that this rank has read.
 *
 * Records are read without a lock, many at a time. One that is used again meanwhile is a mix of two
 * topics' words: then its check does not hold, because it is seeded with the incarnation in the
 * state. It is read until it is intact, or has not changed since the last time: then it is damaged.
 * (A creation puts the text between two states, with flushes. So what was a mix because the text
 * was too old or too new is not there any more when it is read again.)
 *
 * A damaged record hides its own topic only, as long as its length is intact.
 *
 * MPI is never called with the records' lock.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/topic/directory.h"

#define SHARE(field) offsetof(mmi_share_t, field)

/* The lock is held, by this thread or another. */
#define records_assert_locked(r) assert(pthread_mutex_trylock(&(r)->lock) == EBUSY)

static mofka_status_t record_no_memory(void) {
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
}

/* ---- one record ------------------------------------------------------------------------------ */

uint64_t mmi_record_check(const uint64_t *words, uint64_t length, uint64_t incarnation) {
    const size_t first = MMI_RECORD_NAME; /* behind the check itself */
    uint64_t check =
        mmi_bytes_check(words + first, (size_t)mmi_record_bytes(length) - sizeof *words * first);
    return (check ^ incarnation) * MMI_CHECK_FACTOR;
}

static bool record_has_state(const mmi_directory_t *d, uint64_t state) {
    return mmi_is_sealed(state) && mmi_state_making(state) != 0 &&
           mmi_state_maker(state) < d->w->size;
}

/* Whether the words are what was stored. Of a record without a topic, the text does not matter. */
static bool record_is_intact(const mmi_directory_t *d, const uint64_t *words, uint64_t length) {
    uint64_t state = words[MMI_RECORD_STATE];
    if (!record_has_state(d, state))
        return false;
    return mmi_state_making(state) == MMI_NOT_MADE ||
           words[MMI_RECORD_CHECK] == mmi_record_check(words, length, mmi_state_incarnation(state));
}

void mmi_record_release(mmi_record_t *record) {
    if (!record || atomic_fetch_sub(&record->users, 1) > 1)
        return;
    if (record->topic)
        mmi_topic_destroy(record->topic);
    cJSON_Delete(record->json);
    free(record);
}

/* Whether text is JSON. cJSON answers the same for text that it refuses and for a failed
 * allocation. Metadata does not. */
static mofka_status_t record_check_json(const char *text, size_t length, bool *good) {
    mofka_metadata_t *metadata;
    const cJSON *json;
    mofka_status_t status = mofka_metadata_create(text, length, &metadata);
    if (!status) {
        status = mofka_metadata_json(metadata, &json);
        mofka_metadata_release(metadata);
    }
    *good = status != MOFKA_ERR_JSON;
    return *good ? record_no_memory() : MOFKA_OK;
}

static mofka_status_t record_parse(const mmi_directory_t *d, const char *text,
                                   mmi_record_t *record) {
    bool good;
    /* Its numbers are whole, so they are read alike in every locale. */
    record->json = cJSON_ParseWithLength(text, (size_t)record->length);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(record->json, "name");
    if (cJSON_IsString(name))
        record->name = name->valuestring;
    if (record->damaged)
        return MOFKA_OK;
    if (!record->json) {
        mofka_status_t status = record_check_json(text, (size_t)record->length, &good);
        record->damaged = !good;
        return status;
    }
    mofka_status_t status = mmi_topic_create(d, record->json, &record->topic);
    if (status == MOFKA_ERR_CORRUPT) /* who opens it is told */
        return MOFKA_OK;
    if (!status) {
        uint64_t state = atomic_load(&record->state);
        record->topic->record = record->at;
        record->topic->state =
            mmi_record_state(MMI_MADE, mmi_state_maker(state), mmi_state_incarnation(state));
    }
    return status;
}

/* The record of words that were read at `at`. Give: mmi_record_release. */
static mofka_status_t record_create(const mmi_directory_t *d, uint64_t at, const uint64_t *words,
                                    uint64_t length, mmi_record_t **out) {
    mmi_record_t *record = calloc(1, sizeof *record);
    if (!record)
        return record_no_memory();
    atomic_init(&record->users, 1);
    atomic_init(&record->state, words[MMI_RECORD_STATE]);
    record->at = at;
    record->length = length;
    record->name = "";
    record->damaged = !record_is_intact(d, words, length);
    mofka_status_t status = MOFKA_OK;
    if (record->damaged || mmi_record_making(record) != MMI_NOT_MADE) {
        record->name_check = words[MMI_RECORD_NAME];
        status = record_parse(d, (const char *)(words + MMI_RECORD_WORDS), record);
    }
    if (status)
        mmi_record_release(record);
    else
        *out = record;
    return status;
}

mofka_status_t mmi_record_damaged(const mmi_record_t *record) {
    const char *name = record->name;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "a record of the directory, at byte %" PRIu64 ", is damaged%s%.*s%s",
                      record->at - MMI_DIRECTORY_START, name[0] ? "; its topic may be '" : "",
                      MOFKA_NAME_BYTES_MAX, name, name[0] ? "'" : "");
}

/* Of the topic that had the state `before`: what the word `now` says. */
static uint64_t record_next_state(uint64_t before, uint64_t now) {
    return mmi_state_incarnation(now) == mmi_state_incarnation(before)
               ? now
               : mmi_record_state(MMI_NOT_MADE, mmi_state_maker(before),
                                  mmi_state_incarnation(before));
}

mofka_status_t mmi_record_look(const mmi_directory_t *d, mmi_record_t *record, int64_t deadline) {
    uint64_t word, state = atomic_load(&record->state);
    assert(!record->damaged);
    mofka_status_t status =
        mmi_window_read(mmi_directory_window(d), 0, record->at + MMI_RECORD_STATE * sizeof word,
                        &word, 1, deadline);
    if (!status && !record_has_state(d, word))
        status = mofka_fail(MOFKA_ERR_CORRUPT,
                            "a record of the directory, at byte %" PRIu64
                            ", is damaged (0x%016" PRIx64 ")",
                            record->at - MMI_DIRECTORY_START, word);
    if (!status)
        atomic_store(&record->state, record_next_state(state, word));
    return status;
}

/* ---- what is known --------------------------------------------------------------------------- */

void mmi_records_init(mmi_records_t *r) {
    *r = (mmi_records_t){0};
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->stats_lock, NULL);
}

void mmi_records_forget(mmi_records_t *r) {
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++)
        mmi_record_release(r->list[i]);
    free(r->list);
    free(r->extents);
    r->list = NULL;
    r->extents = NULL;
    r->count = r->room = r->extent_count = r->extent_room = r->unknown = 0;
    r->end = r->changes = 0;
    pthread_mutex_unlock(&r->lock);
}

void mmi_records_destroy(mmi_records_t *r) {
    mmi_records_forget(r);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->stats_lock);
}

mmi_record_t *mmi_records_get(mmi_directory_t *d, size_t index) {
    mmi_records_t *r = &d->records;
    pthread_mutex_lock(&r->lock);
    mmi_record_t *record = index < r->count ? r->list[index] : NULL;
    if (record)
        atomic_fetch_add(&record->users, 1);
    pthread_mutex_unlock(&r->lock);
    return record;
}

/* With the lock. */
static mofka_status_t records_reserve(mmi_records_t *r) {
    if (r->count < r->room)
        return MOFKA_OK;
    size_t room = r->room ? 2 * r->room : 16;
    mmi_record_t **list = realloc(r->list, room * sizeof *list);
    if (!list)
        return record_no_memory();
    r->list = list;
    r->room = room;
    return MOFKA_OK;
}

/* Whether a known record is of the topic whose state was read. Without a topic, it has no text. */
static bool record_still_is(const mmi_record_t *known, uint64_t state) {
    uint64_t before = atomic_load(&known->state);
    return !known->damaged && mmi_is_sealed(state) &&
           mmi_unseal(before) >> MMI_STATE_MAKING_BITS ==
               mmi_unseal(state) >> MMI_STATE_MAKING_BITS &&
           (mmi_state_making(state) != MMI_NOT_MADE || !known->json);
}

/* With the lock: `record` (keep) is the one of `index`, which is known or the next one. */
static mofka_status_t records_set(mmi_records_t *r, size_t index, mmi_record_t *record) {
    mmi_record_t *known = index < r->count ? r->list[index] : NULL;
    mofka_status_t status = records_reserve(r);
    if (!status)
        status = mmi_places_add(r, record);
    if (status)
        return status;
    if (known) {
        mmi_places_remove(r, known);
        mmi_record_release(known);
    }
    atomic_fetch_add(&record->users, 1);
    r->list[index] = record;
    r->count += !known;
    return MOFKA_OK;
}

/* With the lock: have the record of `index`, which is known or the next one, from its words. */
static mofka_status_t records_take(mmi_directory_t *d, size_t index, uint64_t at,
                                   const uint64_t *words, uint64_t length) {
    mmi_records_t *r = &d->records;
    mmi_record_t *known = index < r->count ? r->list[index] : NULL, *record = NULL;
    records_assert_locked(r);
    assert(index <= r->count && (!known || known->at == at));
    if (known && record_still_is(known, words[MMI_RECORD_STATE])) {
        atomic_store(&known->state, words[MMI_RECORD_STATE]);
        return MOFKA_OK;
    }
    mofka_status_t status = record_create(d, at, words, length, &record);
    if (!status)
        status = records_set(r, index, record);
    mmi_record_release(record);
    return status;
}

/* The length of the text of the record at `at` of the directory, whose records end at `end`. */
static mofka_status_t records_length(uint64_t word, uint64_t at, uint64_t end, uint64_t *length) {
    *length = mmi_unseal(word);
    if (word != 0 && mmi_is_sealed(word) && *length <= end && mmi_record_bytes(*length) <= end - at)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "the directory is damaged at byte %" PRIu64 ": no length of a record "
                      "(0x%016" PRIx64 ")",
                      at, word);
}

/* With the lock: take what was read of the directory, from `from` to `end`. */
static mofka_status_t records_merge(mmi_directory_t *d, const uint64_t *words, uint64_t from,
                                    uint64_t end) {
    mmi_records_t *r = &d->records;
    size_t index = from == 0 ? 0 : r->count;
    uint64_t length;
    for (uint64_t at = from; at < end; at += mmi_record_bytes(length)) {
        const uint64_t *here = words + (at - from) / 8;
        mofka_status_t status = records_length(*here, at, end, &length);
        if (!status)
            status = records_take(d, index, MMI_DIRECTORY_START + at, here, length);
        if (status)
            return status;
        if (++index == r->count)
            r->end = at + mmi_record_bytes(length);
    }
    return MOFKA_OK;
}

/* ---- looks ----------------------------------------------------------------------------------- */

/* Read the words of the header. */
static mofka_status_t records_load_words(const mmi_directory_t *d, int64_t deadline,
                                         mmi_directory_words_t *out) {
    static const char *const names[] = {"directory_end", "directory_next", "directory_high",
                                        "directory_changes"};
    enum { COUNT = sizeof names / sizeof names[0] };
    static_assert(SHARE(directory_next) == SHARE(directory_end) + 8 &&
                      SHARE(directory_high) == SHARE(directory_end) + 16 &&
                      SHARE(directory_changes) == SHARE(directory_end) + 24,
                  "one run");
    uint64_t words[COUNT], values[COUNT];
    mofka_status_t status =
        mmi_window_read(mmi_directory_window(d), 0, SHARE(directory_end), words, COUNT, deadline);
    for (size_t i = 0; i < COUNT && !status; i++) {
        uint64_t max = i == 0 ? d->directory_bytes : i == 2 ? d->arena_bytes : MMI_SEAL_MAX;
        values[i] = mmi_unseal(words[i]);
        if (!mmi_is_sealed(words[i]) || values[i] > max)
            status =
                mofka_fail(MOFKA_ERR_CORRUPT,
                           "the word '%s' in the memory of rank 0 is damaged (0x%016" PRIx64 ")",
                           names[i], words[i]);
    }
    if (!status)
        *out = (mmi_directory_words_t){values[0], values[1], values[2], values[3]};
    mmi_window_sync(mmi_directory_window(d)); /* a rank elsewhere puts records by MPI */
    return status;
}

/* Read a record until it is intact, or has not changed since. */
static mofka_status_t record_settle(const mmi_directory_t *d, uint64_t at, uint64_t *words,
                                    uint64_t length, int64_t deadline) {
    size_t count = (size_t)mmi_record_bytes(length) / sizeof *words;
    uint64_t *again = NULL;
    mofka_status_t status = MOFKA_OK;
    for (bool same = false; !status && !same && !record_is_intact(d, words, length);) {
        again = again ? again : malloc(count * sizeof *again);
        if (!again)
            return record_no_memory();
        status = mmi_window_read(mmi_directory_window(d), 0, at, again, count, deadline);
        if (status)
            break;
        again[MMI_RECORD_LENGTH] = words[MMI_RECORD_LENGTH];
        words[MMI_RECORD_USERS] = again[MMI_RECORD_USERS];
        same = memcmp(words, again, count * sizeof *again) == 0;
        memcpy(words, again, count * sizeof *again);
    }
    free(again);
    return status;
}

/* Read the directory from `from` to `end`. Give: free(). */
static mofka_status_t records_read(const mmi_directory_t *d, uint64_t from, uint64_t end,
                                   int64_t deadline, uint64_t **out) {
    uint64_t length, start = MMI_DIRECTORY_START + from;
    assert(from < end && from % 8 == 0);
    uint64_t *words = malloc((size_t)(end - from));
    if (!words)
        return record_no_memory();
    mofka_status_t status = mmi_window_read(mmi_directory_window(d), 0, start, words,
                                            (size_t)(end - from) / 8, deadline);
    for (uint64_t at = from; at < end && !status; at += mmi_record_bytes(length)) {
        uint64_t *here = words + (at - from) / 8;
        if (records_length(*here, at, end, &length)) /* records_merge reports it */
            break;
        status = record_settle(d, MMI_DIRECTORY_START + at, here, length, deadline);
    }
    if (status)
        free(words);
    else
        *out = words;
    return status;
}

/* Read what the words of the header say that is not known. `*known`: nothing is missing. */
static mofka_status_t records_update(mmi_directory_t *d, const mmi_directory_words_t *words,
                                     int64_t deadline, bool *known) {
    mmi_records_t *r = &d->records;
    uint64_t *read = NULL;
    pthread_mutex_lock(&r->lock);
    uint64_t end = r->end, changes = r->changes;
    pthread_mutex_unlock(&r->lock);
    *known = end >= words->end && changes >= words->changes;
    if (*known)
        return MOFKA_OK;
    uint64_t from = changes >= words->changes ? end : 0;
    if (words->end <= from)
        return mofka_fail(MOFKA_ERR_CORRUPT, "the directory is damaged: its end has moved back");
    mofka_status_t status = records_read(d, from, words->end, deadline, &read);
    if (status)
        return status;
    pthread_mutex_lock(&r->lock);
    if (r->end == end && r->changes == changes) { /* else another thread has read it */
        status = records_merge(d, read, from, words->end);
        if (!status && from == 0)
            r->changes = words->changes;
    }
    pthread_mutex_unlock(&r->lock);
    free(read);
    return status;
}

mofka_status_t mmi_records_refresh(mmi_directory_t *d, int64_t deadline,
                                   mmi_directory_words_t *out) {
    mmi_directory_words_t words;
    bool known = false;
    mofka_status_t status = records_load_words(d, deadline, &words);
    while (!status && !known)
        status = records_update(d, &words, deadline, &known);
    if (!status && out)
        *out = words;
    return status;
}

/* ---- this rank's own changes ----------------------------------------------------------------- */

/* With the lock: the index of the known record at `at`; the number of records: it is not known. */
static size_t records_index(const mmi_records_t *r, uint64_t at) {
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->list[middle]->at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->count && r->list[low]->at == at ? low : r->count;
}

mofka_status_t mmi_records_prepare(mmi_directory_t *d, uint64_t at, const uint64_t *words,
                                   uint64_t length, mmi_record_t **out) {
    mmi_records_t *r = &d->records;
    mmi_record_t *record = NULL;
    mofka_status_t status = record_create(d, at, words, length, &record);
    if (status)
        return status;
    pthread_mutex_lock(&r->lock);
    status = records_reserve(r);
    if (!status)
        status = mmi_places_reserve(r, record);
    pthread_mutex_unlock(&r->lock);
    if (status)
        mmi_record_release(record);
    else
        *out = record;
    return status;
}

/* If another thread has read something new, or used the memory, it is read like another rank's. */
void mmi_records_note(mmi_directory_t *d, mmi_record_t *record, const mmi_directory_words_t *before,
                      const mmi_directory_words_t *after) {
    mmi_records_t *r = &d->records;
    mmi_directory_assert_locked(d);
    pthread_mutex_lock(&r->lock);
    if (r->end == before->end && r->changes == before->changes &&
        !records_set(r, records_index(r, record->at), record)) {
        r->end = after->end;
        r->changes = after->changes;
    }
    pthread_mutex_unlock(&r->lock);
}

void mmi_records_note_state(mmi_directory_t *d, uint64_t at, uint64_t state) {
    mmi_records_t *r = &d->records;
    pthread_mutex_lock(&r->lock);
    size_t index = records_index(r, at);
    if (index < r->count && record_still_is(r->list[index], state))
        atomic_store(&r->list[index]->state, state);
    pthread_mutex_unlock(&r->lock);
}

/* ---- find ------------------------------------------------------------------------------------ */

/* Whether the record is of the topic `name`. One that is damaged may be. */
static bool record_is(const mmi_record_t *record, const char *name, uint64_t check) {
    if (!record->damaged)
        return record->name_check == check && strcmp(record->name, name) == 0 &&
               mmi_record_making(record) != MMI_NOT_MADE;
    return strcmp(record->name, name) == 0 || record->name_check == check;
}

/* From `*index` on; it moves behind what was found. NULL: there is none. */
static mmi_record_t *records_search(mmi_directory_t *d, const char *name, size_t *index) {
    mmi_records_t *r = &d->records;
    uint64_t check = mmi_name_check(name);
    mmi_record_t *found = NULL;
    pthread_mutex_lock(&r->lock);
    while (!found && *index < r->count) {
        mmi_record_t *record = r->list[(*index)++];
        if (record_is(record, name, check))
            found = record;
    }
    if (found)
        atomic_fetch_add(&found->users, 1);
    pthread_mutex_unlock(&r->lock);
    return found;
}

mofka_status_t mmi_records_find(mmi_directory_t *d, const char *name, int64_t deadline,
                                mmi_record_t **out) {
    size_t index = 0;
    bool damaged = false;
    for (mmi_record_t *record; (record = records_search(d, name, &index));) {
        mofka_status_t status = MOFKA_OK;
        if (!record->damaged && mmi_record_making(record) == MMI_MAKING)
            status = mmi_record_look(d, record, deadline);
        if (!status && !record->damaged && mmi_record_making(record) != MMI_NOT_MADE) {
            *out = record;
            return MOFKA_OK;
        }
        damaged |= record->damaged;
        mmi_record_release(record);
        if (status)
            return status;
    }
    *out = NULL;
    return damaged ? mofka_fail(MOFKA_ERR_CORRUPT,
                                "the record of topic '%s' in the directory is damaged", name)
                   : MOFKA_OK;
}

mmi_record_t *mmi_records_find_free(mmi_directory_t *d, uint64_t length) {
    mmi_records_t *r = &d->records;
    mmi_record_t *best = NULL;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++) {
        mmi_record_t *record = r->list[i];
        if (!record->damaged && mmi_record_making(record) == MMI_NOT_MADE &&
            record->length >= length && (!best || record->length < best->length))
            best = record;
    }
    if (best)
        atomic_fetch_add(&best->users, 1);
    pthread_mutex_unlock(&r->lock);
    return best;
}
