/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creates a topic: puts its record into the directory, then makes its partitions.
 *
 *   step                                        a rank that dies after it leaves behind
 *   1 take the directory's lock                 the lock, so nothing can be created any more
 *   2 look at the directory: is the name free?  the lock
 *     which record is free, where is room?
 *   - of a topic with storage: make its files    the lock, and files that the next job finds
 *   3 put the record, and the words "next"      the lock; nobody reads behind the end of the list,
 *     and "high"; flush                         or the text of a record that is not made
 *   a new record
 *     4 store the end of the list               the lock, and a topic that is never made
 *   a record that is used again
 *     4 add to its users word: the next         the lock
 *       incarnation, which is not deleted
 *     5 store the state "making"                the lock, and a topic that is never made
 *     6 store `directory_changes` + 1           the same
 *   7 give the lock back                        a topic that is never made
 *   8 populate and format the partitions        a topic that is never made
 *   9 store the state "made"                    a topic
 *   - of a topic with storage: tell its owners    a topic; who waits for its log tells them
 *
 * Step 8 takes long for large partitions, so it needs no lock: other topics are created and opened
 * meanwhile. From step 4 or 5 on the name is taken. Opening waits for step 9, and names the rank
 * that it waits for; statistics leave the topic out until then.
 *
 * If step 8 fails, the state is "not made", as that of a topic that was deleted: the name, the
 * record and the space are free.
 *
 * In steps 3 to 6, another rank's look may find a mix of two topics' words in a record: see
 * records.c.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mofka/partition_selector.h>
#include "mpi/errand/errand.h"
#include "mpi/staging/staging.h"
#include "mpi/topic/directory.h"
#include "mpi/topic/wish.h"

#define SHARE(field) offsetof(mmi_share_t, field)
#define RECORD(word) ((word) * sizeof(uint64_t))
/* A new record has room for a multiple of this, so that texts of later topics fit. */
#define TEXT_UNIT 128

/* A topic on its way into the directory. */
typedef struct creation {
    mmi_directory_t *d;
    const mofka_topic_config_t *config;
    mmi_wish_t wish;
    mmi_directory_words_t before, after; /* of the header */
    uint64_t at;                         /* offset of the record */
    uint64_t length;                     /* of its text */
    uint64_t incarnation;
    bool per_owner;              /* see the option "partitions" */
    uint64_t sealed[4];          /* words that are being put */
    mmi_partition_t *partitions; /* where each partition will be */
    bool resumes;                /* the store has the topic */
} creation_t;

/* auto: where bytes are put by MPI. */
static bool creation_has_checksums(const creation_t *c) {
    bool by_mpi = !c->d->w->ops->puts_are_cheap && c->wish.producers == MMI_PRODUCERS_ANY;
    return c->wish.checksum == MMI_CHECKSUM_ON || (c->wish.checksum == MMI_CHECKSUM_AUTO && by_mpi);
}

/* Where ranks of one node share no memory, all producers use MPI. */
static mofka_status_t creation_check_producers(const creation_t *c) {
    const mmi_window_t *w = c->d->w;
    if (c->wish.producers == MMI_PRODUCERS_ANY || w->near || w->ops->has_addresses)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "topic '%s': \"producers\": \"node\" needs the window \"node\", or \"shm\"; "
                      "the driver has \"%s\"",
                      c->config->name, w->name);
}

/* With the directory's lock: give each partition a place. */
static mofka_status_t creation_place(creation_t *c) {
    for (size_t i = 0; i < c->wish.partition_count; i++)
        c->partitions[i] = (mmi_partition_t){.w = c->d->w,
                                             .topic = c->config->name,
                                             .index = i,
                                             .of_node = c->wish.producers == MMI_PRODUCERS_NODE,
                                             .slots = c->wish.slots,
                                             .ring_bytes = c->wish.ring_bytes,
                                             .retention = (mmi_retention_t)c->wish.retention,
                                             .checksums = creation_has_checksums(c)};
    uint64_t first = 0; /* the option "per_owner": the owners in order, and no turn is taken */
    mofka_status_t status = mmi_places_find(c->d, c->partitions, (size_t)c->wish.partition_count,
                                            c->per_owner ? &first : &c->after.next, &c->after.high);
    for (size_t i = 0; i < c->wish.partition_count && !status; i++)
        if (c->partitions[i].of_node)
            c->partitions[i].w = mmi_window_by_node(c->d->w, c->partitions[i].owner);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool creation_has_storage(const creation_t *c) {
    return c->wish.retention == MMI_RETAIN_STORED;
}

/* With the directory's lock: one process at a time makes topics of a store. */
static mofka_status_t creation_make_files(const creation_t *c) {
    char host[256] = "";
    size_t count = (size_t)c->wish.partition_count;
    mmi_directory_assert_locked(c->d);
    if (!creation_has_storage(c) || c->resumes)
        return MOFKA_OK;
    gethostname(host, sizeof host - 1);
    const char **hosts = calloc(count, sizeof *hosts);
    if (!hosts)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", c->config->name);
    for (size_t i = 0; i < count; i++)
        hosts[i] = host;
    mofka_status_t status = mfi_store_create_topic(c->d->store, c->config, count, hosts, true);
    free(hosts);
    return status;
}

/* Have the owners' threads of storage look at the directory. */
static mofka_status_t creation_tell_owners(const creation_t *c) {
    mmi_window_t *w = c->d->w;
    for (size_t i = 0; i < c->wish.partition_count && creation_has_storage(c); i++)
        w->ops->fetch_add(w, c->partitions[i].owner, SHARE(stored_topics), 1);
    return mmi_window_check(w, MMI_ANY_RANK);
}

/* ---- the record ------------------------------------------------------------------------------ */

static bool creation_record_places(const creation_t *c, cJSON *record) {
    cJSON *places = cJSON_AddArrayToObject(record, "partitions");
    for (size_t i = 0; places && i < c->wish.partition_count; i++) {
        char place[48];
        snprintf(place, sizeof place, "[%d,%" PRIu64 "]", c->partitions[i].owner,
                 c->partitions[i].base);
        if (!cJSON_AddItemToArray(places, cJSON_CreateRaw(place)))
            return false;
    }
    return places != NULL;
}

bool mmi_record_add_number(cJSON *object, const char *key, uint64_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    return cJSON_AddRawToObject(object, key, digits) != NULL;
}

/* Give: cJSON_free. NULL: no memory. */
static char *creation_record(const creation_t *c) {
    const mofka_topic_config_t *config = c->config;
    cJSON *record = cJSON_CreateObject();
    /* JSON as strings: parsed, its numbers would lose digits. */
    bool good = cJSON_AddStringToObject(record, "name", config->name) &&
                cJSON_AddStringToObject(record, "options", config->options) &&
                cJSON_AddStringToObject(record, "validator", config->validator) &&
                cJSON_AddStringToObject(record, "selector", config->selector) &&
                cJSON_AddStringToObject(record, "serializer", config->serializer) &&
                mmi_record_add_number(record, "slots", c->wish.slots) &&
                mmi_record_add_number(record, "ring", c->wish.ring_bytes) &&
                mmi_record_add_number(record, "retention", (uint64_t)c->wish.retention) &&
                mmi_record_add_number(record, "checksums", creation_has_checksums(c)) &&
                mmi_record_add_number(record, "producers", (uint64_t)c->wish.producers) &&
                mmi_record_add_number(record, "expected_producers", c->wish.expected_producers) &&
                creation_record_places(c, record);
    char *text = good ? cJSON_PrintUnformatted(record) : NULL;
    cJSON_Delete(record);
    return text;
}

/* The words of the record; the text is padded to its length. Give: free(). NULL: no memory. */
static uint64_t *creation_words(const creation_t *c, const char *text) {
    uint64_t *words = calloc(1, (size_t)mmi_record_bytes(c->length));
    if (!words)
        return NULL;
    size_t bytes = strlen(text);
    assert(bytes <= c->length);
    memset(words + MMI_RECORD_WORDS, ' ', (size_t)c->length);
    memcpy(words + MMI_RECORD_WORDS, text, bytes);
    words[MMI_RECORD_LENGTH] = mmi_seal(c->length);
    words[MMI_RECORD_STATE] = mmi_record_state(MMI_MAKING, c->d->w->rank, c->incarnation);
    words[MMI_RECORD_USERS] = 2 * c->incarnation * MMI_USERS_DELETED;
    words[MMI_RECORD_NAME] = mmi_name_check(c->config->name);
    words[MMI_RECORD_CHECK] = mmi_record_check(words, c->length, c->incarnation);
    return words;
}

/* Put words of the record, from `first` on. In memory that all ranks address, each is stored:
 * others may read a record that is used again. Complete after a flush. */
static void creation_put(const creation_t *c, const uint64_t *words, size_t first) {
    mmi_window_t *w = mmi_directory_window(c->d);
    size_t count = (size_t)mmi_record_bytes(c->length) / sizeof *words;
    if (!w->ops->puts_are_cheap)
        w->ops->put(w, 0, c->at + RECORD(first), words + first, RECORD(count - first));
    for (size_t i = first; w->ops->puts_are_cheap && i < count; i++)
        w->ops->put_word(w, 0, c->at + RECORD(i), &words[i]);
}

/* What may be stored before the record exists, and stay if it never does. */
static mofka_status_t creation_put_hidden(creation_t *c, const uint64_t *words, size_t first) {
    mmi_window_t *w = mmi_directory_window(c->d);
    c->sealed[0] = mmi_seal(c->after.next);
    c->sealed[1] = mmi_seal(c->after.high);
    creation_put(c, words, first);
    w->ops->put_word(w, 0, SHARE(directory_next), &c->sealed[0]);
    w->ops->put_word(w, 0, SHARE(directory_high), &c->sealed[1]);
    return w->ops->flush(w, 0);
}

/* With the directory's lock: the record becomes one more of the list. */
static mofka_status_t creation_append(creation_t *c, const uint64_t *words) {
    mmi_window_t *w = mmi_directory_window(c->d);
    mmi_directory_assert_locked(c->d);
    mofka_status_t status = creation_put_hidden(c, words, 0);
    if (status)
        return status;
    c->sealed[2] = mmi_seal(c->after.end);
    w->ops->put_word(w, 0, SHARE(directory_end), &c->sealed[2]);
    return w->ops->flush(w, 0);
}

/* With the directory's lock: the record, which is not made, becomes the topic's. `half`: the upper
 * half of its users word. */
static mofka_status_t creation_use_again(creation_t *c, const uint64_t *words, uint64_t half) {
    mmi_window_t *w = mmi_directory_window(c->d);
    uint64_t none;
    mmi_directory_assert_locked(c->d);
    mofka_status_t status = creation_put_hidden(c, words, MMI_RECORD_CHECK);
    if (!status)
        status = mmi_errand_add(c->d->w, 0, c->at + RECORD(MMI_RECORD_USERS),
                                words[MMI_RECORD_USERS] - half * MMI_USERS_DELETED, &none);
    if (status)
        return status;
    w->ops->store(w, 0, c->at + RECORD(MMI_RECORD_STATE), words[MMI_RECORD_STATE]);
    w->ops->store(w, 0, SHARE(directory_changes), mmi_seal(c->after.changes));
    return mmi_window_check(w, 0);
}

/* ---- where it goes --------------------------------------------------------------------------- */

/* With the directory's lock: a record that is not made, if it is free indeed. `*half`: the upper
 * half of its users word. */
static mofka_status_t creation_find_record(creation_t *c, uint64_t length, uint64_t *half,
                                           bool *found) {
    uint64_t words[MMI_RECORD_USERS + 1] = {0};
    *found = false;
    mmi_record_t *record = mmi_records_find_free(c->d, length);
    if (!record)
        return MOFKA_OK;
    c->at = record->at;
    c->length = record->length;
    mmi_record_release(record);
    mofka_status_t status =
        mmi_window_read(mmi_directory_window(c->d), 0, c->at, words, sizeof words / sizeof words[0],
                        mmi_deadline(MMI_DIRECTORY_READ_MS));
    *half = mmi_users_half(words[MMI_RECORD_USERS]);
    c->incarnation = *half / 2 + 1;
    *found = !status && words[MMI_RECORD_LENGTH] == mmi_seal(c->length) &&
             mmi_is_sealed(words[MMI_RECORD_STATE]) &&
             mmi_state_making(words[MMI_RECORD_STATE]) == MMI_NOT_MADE &&
             c->incarnation > mmi_state_incarnation(words[MMI_RECORD_STATE]) &&
             c->incarnation < MMI_INCARNATIONS;
    c->after.changes += *found;
    return status;
}

/* With the directory's lock: the room behind the last record. */
static mofka_status_t creation_find_end(creation_t *c, uint64_t length) {
    const mmi_directory_t *d = c->d;
    uint64_t room = d->directory_bytes - c->before.end, bytes = mmi_record_bytes(length);
    uint64_t rounded = mmi_round_up(length, TEXT_UNIT);
    if (mmi_record_bytes(rounded) <= room) {
        length = rounded;
        bytes = mmi_record_bytes(length);
    }
    if (bytes > room)
        return mofka_fail(MOFKA_ERR_FULL,
                          "the directory is full: %" PRIu64 " of %" PRIu64
                          " bytes are used, the topic needs "
                          "%" PRIu64 " more; raise \"directory_bytes\"",
                          c->before.end, d->directory_bytes, bytes);
    c->at = MMI_DIRECTORY_START + c->before.end;
    c->length = length;
    c->incarnation = 0;
    c->after.end = c->before.end + bytes;
    return MOFKA_OK;
}

/* With the directory's lock: what can fail comes before the stores that make the record exist. */
static mofka_status_t creation_publish(creation_t *c, const char *text) {
    uint64_t half = 0, length = strlen(text);
    bool again;
    mofka_status_t status = creation_find_record(c, length, &half, &again);
    if (!status && !again)
        status = creation_find_end(c, length);
    if (status)
        return status;
    uint64_t *words = creation_words(c, text);
    if (!words)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    mmi_record_t *record = NULL;
    status = mmi_records_prepare(c->d, c->at, words, c->length, &record);
    if (!status)
        status = again ? creation_use_again(c, words, half) : creation_append(c, words);
    if (!status)
        mmi_records_note(c->d, record, &c->before, &c->after);
    mmi_record_release(record);
    free(words);
    return status;
}

/* With the directory's lock. */
static mofka_status_t creation_add_record(creation_t *c) {
    mmi_record_t *known = NULL;
    int64_t deadline = mmi_deadline(MMI_DIRECTORY_READ_MS);
    mofka_status_t status = mmi_records_refresh(c->d, deadline, &c->before);
    if (!status)
        status = mmi_records_find(c->d, c->config->name, deadline, &known);
    if (!status && known && mmi_record_is_abandoned(c->d, known)) {
        status = mmi_directory_bury(c->d, known, &c->before);
        if (!status)
            status = mmi_records_refresh(c->d, deadline, &c->before);
    } else if (!status && known) {
        status = mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", c->config->name);
    }
    mmi_record_release(known);
    c->after = c->before;
    if (!status)
        status = creation_place(c);
    if (status)
        return status;
    status = creation_make_files(c);
    if (status)
        return status;
    char *text = creation_record(c);
    status = text ? creation_publish(c, text)
                  : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    cJSON_free(text);
    return status;
}

/* ---- the partitions -------------------------------------------------------------------------- */

/* Make the partitions' memory real, and their logs empty. */
static mofka_status_t creation_format(const creation_t *c) {
    const mmi_window_t *w = c->d->w;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->wish.partition_count && !status; i++) {
        const mmi_partition_t *p = &c->partitions[i];
        status = w->ops->populate(p->w, p->owner, p->base, mmi_partition_bytes(p));
    }
    for (size_t i = 0; i < c->wish.partition_count && !status; i++) {
        const mmi_partition_t *p = &c->partitions[i];
        bool used = p->base - mmi_directory_arena_start(c->d, p->owner) < c->before.high;
        if (used && w->ops->opens_zeroed)
            status = mmi_partition_clear(p);
        if (!status)
            status = mmi_partition_format(p, (mmi_place_t){0, 0});
    }
    return status;
}

static void creation_store_state(const creation_t *c, mmi_making_t making) {
    mmi_window_t *w = mmi_directory_window(c->d);
    uint64_t state = mmi_record_state(making, w->rank, c->incarnation);
    assert(c->at >= MMI_DIRECTORY_START);
    w->ops->store(w, 0, c->at + RECORD(MMI_RECORD_STATE), state);
    if (making == MMI_MADE && !mmi_window_check(w, 0))
        mmi_records_note_state(c->d, c->at, state);
}

/* The partitions could not be made: let the name, the record and the space go. */
static void creation_give_up(const creation_t *c) {
    mmi_window_t *w = mmi_directory_window(c->d);
    mmi_directory_words_t words;
    creation_store_state(c, MMI_NOT_MADE);
    if (mmi_directory_lock(c->d))
        return;
    if (!mmi_records_refresh(c->d, mmi_deadline(MMI_DIRECTORY_READ_MS), &words))
        w->ops->store(w, 0, SHARE(directory_changes), mmi_seal(words.changes + 1));
    mmi_directory_unlock(c->d);
}

/* Without the lock. */
static mofka_status_t creation_make_partitions(const creation_t *c) {
    mofka_status_t status = creation_format(c);
    if (!status) {
        creation_store_state(c, MMI_MADE);
        status = mmi_window_check(mmi_directory_window(c->d), 0);
        return status ? status : creation_tell_owners(c);
    }
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    creation_give_up(c);
    return mofka_fail(status, "%s", message);
}

static mofka_status_t creation_run(creation_t *c) {
    mofka_status_t status = mmi_directory_lock(c->d);
    if (status)
        return status;
    status = creation_add_record(c);
    mmi_directory_unlock(c->d);
    return status ? status : creation_make_partitions(c);
}

/* With what the topic's options say. */
static mofka_status_t creation_begin(creation_t *c) {
    assert(c->d->owner_count >= 1);
    if (creation_has_storage(c) && !c->d->store)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "topic '%s' has \"storage\": the MPI driver needs its option \"store\"",
                          c->config->name);
    if (creation_has_storage(c) && !c->d->stage->sees)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s' has \"storage\", and this rank does not see the store %s: "
                          "create it on rank 0, or on an owner's rank",
                          c->config->name, c->d->store->path);
    c->partitions = calloc(c->wish.partition_count, sizeof *c->partitions);
    mofka_status_t status =
        c->partitions
            ? creation_run(c)
            : mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", c->config->name);
    free(c->partitions);
    return status;
}

mofka_status_t mmi_directory_create_topic(mmi_directory_t *d, const mofka_topic_config_t *config) {
    creation_t c = {.d = d, .config = config};
    mofka_status_t status = mmi_wish_read(config, &c.wish);
    c.per_owner = c.wish.partition_count == 0;
    if (c.per_owner)
        c.wish.partition_count = d->owner_count;
    if (!status && c.wish.partition_count > MOFKA_PARTITIONS_MAX)
        status =
            mofka_fail(MOFKA_ERR_RANGE, "topic '%s': \"per_owner\" are %zu partitions, at most %d",
                       config->name, d->owner_count, MOFKA_PARTITIONS_MAX);
    if (!status)
        status = creation_check_producers(&c);
    if (!status)
        status = mofka_partition_selector_check_count(config->selector, c.wish.partition_count);
    return status ? status : creation_begin(&c);
}

mofka_status_t mmi_directory_resume_topic(mmi_directory_t *d, const mofka_topic_config_t *config,
                                          size_t partitions) {
    creation_t c = {.d = d, .config = config, .resumes = true};
    mofka_status_t status = mmi_wish_read(config, &c.wish);
    c.per_owner = c.wish.partition_count == 0;
    c.wish.partition_count = partitions;
    if (!status)
        status = creation_check_producers(&c);
    return status ? status : creation_begin(&c);
}
