/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creates a topic: appends its record to the directory, then makes its partitions.
 *
 *   step                                        a rank that dies after it leaves behind
 *   1 take the directory's lock                 the lock, so nothing can be created any more
 *   2 is the name free? where is room?          the lock
 *   3 put the record, in the state "making"     the lock; nobody reads behind the end of the list
 *   4 store what each owner has used, the end   the lock, and space that is lost
 *   5 store the record's length                 the lock, and a topic that is never made
 *   6 give the lock back                        a topic that is never made
 *   7 populate and format the partitions        a topic that is never made
 *   8 store the state "made"                    a topic
 *
 * Step 7 takes long for large partitions, so it needs no lock: other topics are created and opened
 * meanwhile. From step 5 on the name is taken. Opening waits for step 8, and names the rank that it
 * waits for; statistics leave the topic out until then.
 *
 * If step 7 fails, the state is "not made": the record is passed over, and the name is free. The
 * space is given back where no other topic was placed behind it.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/partition_selector.h>
#include "mpi/topic/directory.h"
#include "mpi/topic/wish.h"

#define SHARE(field) offsetof(mmi_share_t, field)

/* A topic on its way into the directory. */
typedef struct creation {
    const mmi_directory_t *d;
    const mofka_topic_config_t *config;
    mmi_wish_t wish;
    uint64_t *used, *before;     /* what each owner will have used of its arena, and has */
    uint64_t at;                 /* offset of the record, once it is stored */
    mmi_partition_t *partitions; /* where each partition will be */
} creation_t;

/* The directory's lock is taken; asserted where a load costs next to nothing. */
#define creation_assert_locked(c)                                                                  \
    assert(!(c)->d->w->ops->loads_are_cheap ||                                                     \
           (c)->d->w->ops->load((c)->d->w, 0, SHARE(directory_lock)) != 0)

/* Load a sealed word of a share's header. */
static mofka_status_t creation_load(const creation_t *c, int rank, size_t field, const char *name,
                                    uint64_t *value) {
    mmi_window_t *w = c->d->w;
    uint64_t word = w->ops->load(w, rank, field);
    if (!mmi_is_sealed(word))
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "the word '%s' in the memory of rank %d is damaged (0x%016" PRIx64 ")",
                          name, rank, word);
    *value = mmi_unseal(word);
    return MOFKA_OK;
}

/* With the directory's lock: what each owner has used, and the number of partitions placed so
 * far. */
static mofka_status_t creation_load_places(const creation_t *c, uint64_t *next) {
    const mmi_directory_t *d = c->d;
    creation_assert_locked(c);
    mofka_status_t status = creation_load(c, 0, SHARE(directory_next), "directory_next", next);
    for (size_t i = 0; i < d->owner_count && !status; i++)
        status = creation_load(c, d->owners[i], SHARE(used), "used", &c->before[i]);
    memcpy(c->used, c->before, d->owner_count * sizeof *c->used);
    return status;
}

static bool creation_has_checksums(const creation_t *c) {
    return c->wish.checksum == MMI_CHECKSUM_ON ||
           (c->wish.checksum == MMI_CHECKSUM_AUTO && !c->d->w->ops->puts_are_cheap);
}

/* With the directory's lock: give each partition a place. */
static mofka_status_t creation_place(const creation_t *c) {
    const mmi_directory_t *d = c->d;
    creation_assert_locked(c);
    size_t owner_count = d->owner_count;
    assert(owner_count > 0);
    bool checksums = creation_has_checksums(c);
    uint64_t next = 0, bytes = mmi_partition_bytes(c->wish.slots, c->wish.ring_bytes, checksums);
    mofka_status_t status = creation_load_places(c, &next);
    if (status)
        return status;
    for (size_t i = 0; i < c->wish.partition_count; i++) {
        size_t turn = (size_t)((next + i) % owner_count);
        uint64_t *used = &c->used[turn];
        int owner = d->owners[turn];
        if (bytes > d->arena_bytes || *used > d->arena_bytes - bytes)
            return mofka_fail(
                MOFKA_ERR_FULL,
                "topic '%s', partition %zu: needs %" PRIu64 " bytes of the arena of rank %d, "
                "which has %" PRIu64 " of %" PRIu64 " left; \"arena_bytes\" must be at least "
                "%" PRIu64,
                c->config->name, i, bytes, owner, d->arena_bytes - *used, d->arena_bytes,
                *used + bytes * ((c->wish.partition_count - i + owner_count - 1) / owner_count));
        c->partitions[i] = (mmi_partition_t){.w = d->w,
                                             .topic = c->config->name,
                                             .index = i,
                                             .owner = owner,
                                             .base = mmi_directory_arena_start(d, owner) + *used,
                                             .slots = c->wish.slots,
                                             .ring_bytes = c->wish.ring_bytes,
                                             .checksums = checksums};
        mmi_partition_place(&c->partitions[i]);
        *used += bytes;
    }
    return mmi_window_check(d->w, MMI_ANY_RANK);
}

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
                mmi_record_add_number(record, "expected_producers", c->wish.expected_producers) &&
                creation_record_places(c, record);
    char *text = good ? cJSON_PrintUnformatted(record) : NULL;
    cJSON_Delete(record);
    return text;
}

/* Make the partitions' memory real, and their logs empty. */
static mofka_status_t creation_format(const creation_t *c) {
    const mmi_window_t *w = c->d->w;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->wish.partition_count && !status; i++) {
        const mmi_partition_t *p = &c->partitions[i];
        status = w->ops->populate(p->w, p->owner, p->base,
                                  mmi_partition_bytes(p->slots, p->ring_bytes, p->checksums));
    }
    for (size_t i = 0; i < c->wish.partition_count && !status; i++)
        status = mmi_partition_format(&c->partitions[i], (mmi_place_t){0, 0});
    return status;
}

/* The words of the record but its length, which is 0. Give: free(). NULL: no memory. */
static uint64_t *creation_words(const creation_t *c, const char *text, uint64_t length) {
    uint64_t *words = calloc(1, (size_t)mmi_record_bytes(length));
    if (!words)
        return NULL;
    memcpy(words + MMI_RECORD_WORDS, text, (size_t)length);
    words[MMI_RECORD_STATE] = mmi_record_state(MMI_MAKING, c->d->w->rank);
    words[MMI_RECORD_NAME] = mmi_name_check(c->config->name);
    words[MMI_RECORD_CHECK] = mmi_record_check(words, length);
    return words;
}

/* With the directory's lock: the stores that make the record exist, when all else is done. If they
 * end early, space may be taken for nothing, but never twice. */
static mofka_status_t creation_store(const creation_t *c, uint64_t at, uint64_t length,
                                     uint64_t next) {
    mmi_window_t *w = c->d->w;
    uint64_t end = at + mmi_record_bytes(length) - MMI_DIRECTORY_START;
    creation_assert_locked(c);
    for (size_t i = 0; i < c->d->owner_count; i++)
        w->ops->store(w, c->d->owners[i], SHARE(used), mmi_seal(c->used[i]));
    mofka_status_t status = mmi_window_check(w, MMI_ANY_RANK);
    if (status)
        return status;
    w->ops->store(w, 0, SHARE(directory_end), mmi_seal(end));
    w->ops->store(w, 0, SHARE(directory_next), mmi_seal(next + c->wish.partition_count));
    w->ops->store(w, 0, at, mmi_seal(length));
    return mmi_window_check(w, 0);
}

/* With the directory's lock: what can fail comes before the stores that make the record exist. */
static mofka_status_t creation_publish(creation_t *c, const char *text) {
    const mmi_directory_t *d = c->d;
    uint64_t end = 0, next = 0, length = strlen(text), bytes = mmi_record_bytes(length);
    creation_assert_locked(c);
    mofka_status_t status = creation_load(c, 0, SHARE(directory_end), "directory_end", &end);
    if (!status)
        status = creation_load(c, 0, SHARE(directory_next), "directory_next", &next);
    if (!status && end + bytes > d->directory_bytes)
        status = mofka_fail(MOFKA_ERR_FULL,
                            "the directory is full: %" PRIu64 " of %" PRIu64
                            " bytes are used, the topic needs "
                            "%" PRIu64 " more; raise \"directory_bytes\"",
                            end, d->directory_bytes, bytes);
    if (status)
        return status;
    uint64_t *words = creation_words(c, text, length);
    if (!words)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    uint64_t at = MMI_DIRECTORY_START + end;
    d->w->ops->put(d->w, 0, at + 8, words + 1, (size_t)bytes - 8);
    status = d->w->ops->flush(d->w, 0);
    free(words);
    if (status)
        return status;
    c->at = at;
    return creation_store(c, at, length, next);
}

/* With the directory's lock. */
static mofka_status_t creation_add_record(creation_t *c) {
    bool exists;
    creation_assert_locked(c);
    mofka_status_t status = mmi_directory_has_topic(c->d, c->config->name, &exists);
    if (!status && exists)
        status = mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", c->config->name);
    if (!status)
        status = creation_place(c);
    if (status)
        return status;
    char *text = creation_record(c);
    status = text ? creation_publish(c, text)
                  : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    cJSON_free(text);
    return status;
}

static mofka_status_t creation_lock(const creation_t *c) {
    return mmi_word_lock(c->d->w, 0, SHARE(directory_lock), mmi_deadline(MMI_LOCK_TIMEOUT_MS),
                         "the directory");
}

static void creation_unlock(const creation_t *c) {
    mmi_word_unlock(c->d->w, 0, SHARE(directory_lock));
}

static void creation_store_state(const creation_t *c, mmi_making_t making) {
    mmi_window_t *w = c->d->w;
    assert(c->at >= MMI_DIRECTORY_START);
    w->ops->store(w, 0, c->at + MMI_RECORD_STATE * sizeof(uint64_t),
                  mmi_record_state(making, w->rank));
}

/* The partitions could not be made: let the name go, and the space if it is the last that was
 * taken. */
static void creation_give_up(const creation_t *c) {
    mmi_window_t *w = c->d->w;
    creation_store_state(c, MMI_NOT_MADE);
    if (creation_lock(c))
        return;
    for (size_t i = 0; i < c->d->owner_count; i++) {
        uint64_t used = 0;
        if (!creation_load(c, c->d->owners[i], SHARE(used), "used", &used) && used == c->used[i])
            w->ops->store(w, c->d->owners[i], SHARE(used), mmi_seal(c->before[i]));
    }
    creation_unlock(c);
}

/* Without the lock. */
static mofka_status_t creation_make_partitions(const creation_t *c) {
    mofka_status_t status = creation_format(c);
    if (!status) {
        creation_store_state(c, MMI_MADE);
        return mmi_window_check(c->d->w, 0);
    }
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    creation_give_up(c);
    return mofka_fail(status, "%s", message);
}

static mofka_status_t creation_run(creation_t *c) {
    mofka_status_t status = creation_lock(c);
    if (status)
        return status;
    status = creation_add_record(c);
    creation_unlock(c);
    return status ? status : creation_make_partitions(c);
}

mofka_status_t mmi_directory_create_topic(const mmi_directory_t *d,
                                          const mofka_topic_config_t *config) {
    creation_t c = {.d = d, .config = config};
    assert(d->owner_count >= 1);
    mofka_status_t status = mmi_wish_read(config, &c.wish);
    if (!status)
        status = mofka_partition_selector_check_count(config->selector, c.wish.partition_count);
    if (status)
        return status;
    c.used = calloc(d->owner_count, sizeof *c.used);
    c.before = calloc(d->owner_count, sizeof *c.before);
    c.partitions = calloc(c.wish.partition_count, sizeof *c.partitions);
    status = c.used && c.before && c.partitions
                 ? creation_run(&c)
                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", config->name);
    free(c.used);
    free(c.before);
    free(c.partitions);
    return status;
}
