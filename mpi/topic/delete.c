/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deletes a topic.
 *
 *   step                                          a rank that dies after it leaves behind
 *   1 take the directory's lock                   the lock, so nothing can be deleted any more
 *   2 look at the directory: where is the topic?  the lock
 *   3 read the record's users word                the lock
 *   4 add the deleted bit to it                   the lock, and a topic that nobody can begin to
 *                                                 use: MOFKA_ERR_TIMEOUT
 *   it had users: take the bit back               the lock
 *   else 5 store the state "not made"             the lock; other ranks may find the topic, and
 *                                                 learn that it was deleted when they use it
 *        6 store `directory_changes` + 1          the lock
 *   7 give the lock back                          nothing
 *
 * Who begins to use the topic adds 1 to the word first, and looks at what it held. So either that
 * user sees the bit, or step 4 sees the user: mmi_topic_enter. A user that saw the bit takes itself
 * back, and waits for the state to say whether the topic is there.
 *
 * An earlier deletion may have left the bit after an error of MPI. Then the count that step 3 reads
 * is what step 4 would see: nobody stays in while the bit is there.
 */
#include "mpi/topic/directory.h"
#include "mpi/errand/errand.h"

#include <inttypes.h>

#define RECORD(word) ((word) * sizeof(uint64_t))

/* With the directory's lock: `*count` users have begun and not ended; if 0, nobody begins. */
static mofka_status_t deletion_close(const mmi_directory_t *d, const mmi_record_t *record,
                                     uint64_t *count) {
    mmi_window_t *w = d->w;
    const uint64_t place = record->at + RECORD(MMI_RECORD_USERS);
    uint64_t none, users, wanted = 2 * mmi_state_incarnation(atomic_load(&record->state));
    mmi_directory_assert_locked(d);
    mofka_status_t status = mmi_window_read(mmi_directory_window(d), 0, place, &users, 1,
                                            mmi_deadline(MMI_DIRECTORY_READ_MS));
    if (!status && mmi_users_half(users) >> 1 != wanted >> 1)
        status =
            mofka_fail(MOFKA_ERR_CORRUPT,
                       "topic '%s': the word 'users' of its record is damaged (0x%016" PRIx64 ")",
                       record->name, users);
    if (status)
        return status;
    if (mmi_users_half(users) == wanted)
        status = mmi_errand_add(w, 0, place, MMI_USERS_DELETED, &users);
    *count = mmi_users_count(users);
    if (!status && *count != 0)
        status = mmi_errand_add(w, 0, place, -MMI_USERS_DELETED, &none);
    return status;
}

/* The record as it will be. Give: mmi_record_release. */
static mofka_status_t deletion_prepare(mmi_directory_t *d, const mmi_record_t *record,
                                       mmi_record_t **none) {
    uint64_t state = atomic_load(&record->state), words[MMI_RECORD_WORDS] = {0};
    words[MMI_RECORD_LENGTH] = mmi_seal(record->length);
    words[MMI_RECORD_STATE] =
        mmi_record_state(MMI_NOT_MADE, mmi_state_maker(state), mmi_state_incarnation(state));
    return mmi_records_prepare(d, record->at, words, record->length, none);
}

/* With the directory's lock: nobody uses the topic. `none`: the record as it will be. */
static mofka_status_t deletion_store(mmi_directory_t *d, const mmi_record_t *record,
                                     mmi_record_t *none, const mmi_directory_words_t *before) {
    mmi_window_t *w = mmi_directory_window(d);
    mmi_directory_words_t after = *before;
    mmi_directory_assert_locked(d);
    w->ops->store(w, 0, record->at + RECORD(MMI_RECORD_STATE), atomic_load(&none->state));
    mofka_status_t status = mmi_window_check(w, 0);
    if (status)
        return status;
    after.changes++;
    w->ops->store(w, 0, offsetof(mmi_share_t, directory_changes), mmi_seal(after.changes));
    status = mmi_window_check(w, 0);
    if (!status)
        mmi_records_note(d, none, before, &after);
    return status;
}

/* With the directory's lock. */
static mofka_status_t deletion_of_record(mmi_directory_t *d, mmi_record_t *record,
                                         const mmi_directory_words_t *before) {
    uint64_t count = 0;
    mmi_record_t *none = NULL;
    if (record->topic && record->topic->store)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s' has storage: remove its folder in the store when the job is "
                          "over",
                          record->name);
    if (mmi_record_making(record) == MMI_MAKING && !mmi_record_is_abandoned(d, record))
        return mofka_fail(MOFKA_ERR_BUSY, "rank %d has not finished creating topic '%s'",
                          mmi_state_maker(atomic_load(&record->state)), record->name);
    mofka_status_t status = deletion_prepare(d, record, &none);
    if (!status)
        status = deletion_close(d, record, &count);
    if (!status && count != 0)
        status =
            mofka_fail(MOFKA_ERR_BUSY, "topic '%s' has %" PRIu64 " open producers and consumers",
                       record->name, count);
    if (!status)
        status = deletion_store(d, record, none, before);
    mmi_record_release(none);
    return status;
}

mofka_status_t mmi_directory_bury(mmi_directory_t *d, mmi_record_t *record,
                                  const mmi_directory_words_t *before) {
    mmi_directory_assert_locked(d);
    return deletion_of_record(d, record, before);
}

/* With the directory's lock. */
static mofka_status_t deletion_run(mmi_directory_t *d, const char *name) {
    int64_t deadline = mmi_deadline(MMI_DIRECTORY_READ_MS);
    mmi_directory_words_t words;
    mmi_record_t *record = NULL;
    mofka_status_t status = mmi_records_refresh(d, deadline, &words);
    if (!status)
        status = mmi_records_find(d, name, deadline, &record);
    if (!status)
        status = record ? deletion_of_record(d, record, &words)
                        : mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
    mmi_record_release(record);
    return status;
}

mofka_status_t mmi_directory_delete_topic(mmi_directory_t *d, const char *name) {
    mofka_status_t status = mmi_directory_lock(d);
    if (status)
        return status;
    status = deletion_run(d, name);
    mmi_directory_unlock(d);
    return status;
}
