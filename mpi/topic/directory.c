/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of topics, in rank 0's share: a list of records, appended under the directory's
 * lock and never changed. A record's length is stored last, so readers need no lock: they stop at
 * length 0.
 *
 *   creator under the lock: reads the list (is the name taken?) and each owner's `used`; populates
 * and formats the partitions; puts the record's text; stores `used` of each owner; stores the
 * length. A rank that dies in between leaves the lock taken, and the list as it was.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/partition_selector.h>
#include <mofka/backend.h>
#include <mofka/options.h>
#include "mpi/driver/driver.h"

#define LOCK_TIMEOUT_MS 10000
#define SHARE(field) offsetof(mmi_share_t, field)

mmi_place_t mmi_log_start;

/* What a topic asks for. */
typedef struct wish {
    uint64_t partitions, bytes, events, expected_producers;
    int retention;
} wish_t;

uint64_t mmi_arena_start(const mmi_driver_t *d, int rank) {
    return MMI_PAGE_BYTES + (rank == 0 ? d->directory_bytes : 0);
}

static uint64_t padded(uint64_t length) {
    return (length + 7) / 8 * 8;
}

/* Read record after record; visit answers MOFKA_STOP to end. */
typedef mofka_status_t (*record_fn)(void *context, cJSON *record);

static mofka_status_t read_record(mmi_driver_t *d, uint64_t at, uint64_t length, cJSON **record) {
    char *text = malloc(length);
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    d->w->ops->get(d->w, 0, at + 8, text, length);
    mofka_status_t status = d->w->ops->flush(d->w, 0);
    *record = status ? NULL : cJSON_ParseWithLength(text, length);
    free(text);
    if (!status && !*record)
        status = mofka_fail(MOFKA_ERR_CORRUPT, "a directory record is not JSON");
    return status;
}

static mofka_status_t walk(mmi_driver_t *d, record_fn visit, void *context) {
    uint64_t at = MMI_PAGE_BYTES, end = MMI_PAGE_BYTES + d->directory_bytes;
    while (at + 8 <= end) {
        uint64_t length = d->w->ops->load(d->w, 0, at);
        mofka_status_t status = mmi_window_check(d->w);
        if (status || length == 0)
            return status;
        if (length > end - at - 8)
            return mofka_fail(MOFKA_ERR_CORRUPT, "a directory record of %" PRIu64 " bytes", length);
        cJSON *record;
        status = read_record(d, at, length, &record);
        if (!status) {
            status = visit(context, record);
            cJSON_Delete(record);
        }
        if (status)
            return status;
        at += 8 + padded(length);
    }
    return MOFKA_OK;
}

static const char *name_of(const cJSON *record) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "name"));
    return name ? name : "";
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct opening {
    mmi_driver_t *d;
    const char *name;
    mofka_topic_made_t *made; /* NULL: only look */
} opening_t;

static mofka_status_t open_if_named(void *context, cJSON *record) {
    opening_t *opening = context;
    if (strcmp(name_of(record), opening->name) != 0)
        return MOFKA_OK;
    mofka_status_t status = MOFKA_OK;
    if (opening->made)
        status = mmi_topic_from_record(opening->d, record, opening->made);
    return status ? status : MOFKA_STOP;
}

mofka_status_t mmi_open_topic(void *self, const char *name, mofka_topic_made_t *made) {
    opening_t opening = {self, name, made};
    mofka_status_t status = walk(self, open_if_named, &opening);
    if (status == MOFKA_STOP)
        return MOFKA_OK;
    return status ? status : mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
}

mofka_status_t mmi_topic_exists(void *self, const char *name, bool *exists) {
    opening_t opening = {self, name, NULL};
    mofka_status_t status = walk(self, open_if_named, &opening);
    if (status < 0)
        return status;
    *exists = status == MOFKA_STOP;
    return MOFKA_OK;
}

typedef struct listing {
    mofka_topic_visit_fn visit;
    void *context;
} listing_t;

static const char *text_of(const cJSON *record, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, key));
    return text ? text : "null";
}

/* What a record says to users: the rest is how its partitions are found. */
static mofka_status_t describe(void *context, cJSON *record) {
    static const char *const keys[] = {"options", "validator", "selector", "serializer"};
    listing_t *listing = context;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", name_of(record));
    cJSON_AddNumberToObject(
        json, "partitions",
        cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(record, "partitions")));
    for (int i = 0; i < 4; i++)
        cJSON_AddRawToObject(json, keys[i], text_of(record, keys[i]));
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    mofka_metadata_t *description;
    mofka_status_t status =
        text ? mofka_metadata_create(text, strlen(text), &description)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic's description");
    cJSON_free(text);
    if (status)
        return status;
    status = listing->visit(listing->context, name_of(record), description);
    mofka_metadata_release(description);
    return status;
}

mofka_status_t mmi_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    listing_t listing = {visit, context};
    return walk(self, describe, &listing);
}

/* ---- creating ------------------------------------------------------------------------------- */

static mofka_status_t read_wish(const mofka_topic_config_t *config, wish_t *wish) {
    static const char *const policies[] = {"acknowledged", "discard_oldest", NULL};
    *wish = (wish_t){.partitions = 1, .bytes = 8 << 20, .events = 32768};
    const mofka_option_t options[] = {
        {.key = "partitions",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->partitions,
         .min = 1,
         .max = MOFKA_PARTITIONS_MAX},
        {.key = "partition_bytes",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->bytes,
         .min = MMI_UNIT_BYTES,
         .max = UINT64_C(1) << 36},
        {.key = "partition_events",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->events,
         .min = 1,
         .max = UINT64_C(1) << 30},
        {.key = "retention",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->retention,
         .choices = policies},
        {.key = "expected_producers",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->expected_producers},
    };
    char what[MOFKA_NAME_BYTES_MAX + 16];
    snprintf(what, sizeof what, "topic '%s'", config->name);
    mofka_status_t status =
        mofka_options_read(what, config->options, options, sizeof options / sizeof options[0]);
    wish->bytes = (wish->bytes + MMI_UNIT_BYTES - 1) / MMI_UNIT_BYTES * MMI_UNIT_BYTES;
    return status;
}

/* With the lock: give each partition a place. `used` is what each owner of the list will have used.
 */
static mofka_status_t choose_places(mmi_driver_t *d, const wish_t *wish, const char *name,
                                    uint64_t *used, mmi_partition_t *partitions) {
    uint64_t bytes = mmi_partition_bytes(wish->events, wish->bytes);
    uint64_t next = d->w->ops->load(d->w, 0, SHARE(directory_next));
    for (size_t i = 0; i < d->owner_count; i++)
        used[i] = d->w->ops->load(d->w, d->owners[i], SHARE(used));
    for (size_t i = 0; i < wish->partitions; i++) {
        size_t turn = (size_t)((next + i) % d->owner_count);
        if (bytes > d->arena_bytes || used[turn] > d->arena_bytes - bytes)
            return mofka_fail(
                MOFKA_ERR_FULL,
                "topic '%s', partition %zu: needs %" PRIu64 " bytes of the arena of rank %d, "
                "which has %" PRIu64 " of %" PRIu64 " left; \"arena_bytes\" must be at least "
                "%" PRIu64,
                name, i, bytes, d->owners[turn], d->arena_bytes - used[turn], d->arena_bytes,
                used[turn] +
                    bytes * ((wish->partitions - i + d->owner_count - 1) / d->owner_count));
        partitions[i] = (mmi_partition_t){.w = d->w,
                                          .topic = name,
                                          .index = i,
                                          .owner = d->owners[turn],
                                          .base = mmi_arena_start(d, d->owners[turn]) + used[turn],
                                          .slots = wish->events,
                                          .ring_bytes = wish->bytes};
        mmi_partition_place(&partitions[i]);
        used[turn] += bytes;
    }
    return mmi_window_check(d->w);
}

static cJSON *make_record(const mofka_topic_config_t *config, const wish_t *wish,
                          const mmi_partition_t *partitions) {
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "name", config->name);
    /* JSON within strings: as a tree it would lose digits of numbers. */
    cJSON_AddStringToObject(record, "options", config->options);
    cJSON_AddStringToObject(record, "validator", config->validator);
    cJSON_AddStringToObject(record, "selector", config->selector);
    cJSON_AddStringToObject(record, "serializer", config->serializer);
    cJSON_AddNumberToObject(record, "slots", (double)wish->events);
    cJSON_AddNumberToObject(record, "ring", (double)wish->bytes);
    cJSON_AddNumberToObject(record, "retention", wish->retention);
    cJSON_AddNumberToObject(record, "expected_producers", (double)wish->expected_producers);
    cJSON *places = cJSON_AddArrayToObject(record, "partitions");
    for (size_t i = 0; i < wish->partitions; i++) {
        double place[] = {partitions[i].owner, (double)partitions[i].base};
        cJSON_AddItemToArray(places, cJSON_CreateDoubleArray(place, 2));
    }
    return record;
}

/* With the lock: all that can fail comes before the stores that make it so. */
static mofka_status_t publish(mmi_driver_t *d, const wish_t *wish, const char *text,
                              const uint64_t *used, const mmi_partition_t *partitions) {
    const mmi_window_ops_t *ops = d->w->ops;
    uint64_t length = strlen(text), end = ops->load(d->w, 0, SHARE(directory_end));
    if (end + 8 + padded(length) > d->directory_bytes)
        return mofka_fail(MOFKA_ERR_FULL,
                          "the directory is full: %" PRIu64 " of %" PRIu64
                          " bytes are used, topic needs "
                          "%" PRIu64 "; raise \"directory_bytes\"",
                          end, d->directory_bytes, 8 + padded(length));
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < wish->partitions && !status; i++) {
        const mmi_partition_t *p = &partitions[i];
        status =
            ops->populate(d->w, p->owner, p->base, mmi_partition_bytes(p->slots, p->ring_bytes));
    }
    for (size_t i = 0; i < wish->partitions && !status; i++)
        status = mmi_partition_format(&partitions[i], mmi_log_start);
    if (status)
        return status;
    uint64_t at = MMI_PAGE_BYTES + end;
    ops->put(d->w, 0, at + 8, text, length);
    status = ops->flush(d->w, 0);
    if (status)
        return status;
    for (size_t i = 0; i < d->owner_count; i++)
        ops->store(d->w, d->owners[i], SHARE(used), used[i]);
    ops->store(d->w, 0, SHARE(directory_end), end + 8 + padded(length));
    uint64_t next = ops->load(d->w, 0, SHARE(directory_next));
    ops->store(d->w, 0, SHARE(directory_next), next + wish->partitions);
    ops->store(d->w, 0, at, length);
    return mmi_window_check(d->w);
}

static mofka_status_t create_locked(mmi_driver_t *d, const mofka_topic_config_t *config,
                                    const wish_t *wish, uint64_t *used,
                                    mmi_partition_t *partitions) {
    bool exists;
    mofka_status_t status = mmi_topic_exists(d, config->name, &exists);
    if (!status && exists)
        status = mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", config->name);
    if (!status)
        status = choose_places(d, wish, config->name, used, partitions);
    if (status)
        return status;
    cJSON *record = make_record(config, wish, partitions);
    char *text = cJSON_PrintUnformatted(record);
    cJSON_Delete(record);
    status = text ? publish(d, wish, text, used, partitions)
                  : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    free(text);
    return status;
}

mofka_status_t mmi_create_topic(void *self, const mofka_topic_config_t *config) {
    mmi_driver_t *d = self;
    wish_t wish;
    mofka_status_t status = read_wish(config, &wish);
    if (!status)
        status = mofka_partition_selector_check_count(config->selector, wish.partitions);
    if (status)
        return status;
    uint64_t *used = calloc(d->owner_count, sizeof *used);
    mmi_partition_t *partitions = calloc(wish.partitions, sizeof *partitions);
    if (!used || !partitions)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", config->name);
    if (!status)
        status = mmi_lock(d->w, 0, SHARE(directory_lock), mmi_deadline(LOCK_TIMEOUT_MS),
                          "the directory");
    if (!status) {
        status = create_locked(d, config, &wish, used, partitions);
        mmi_unlock(d->w, 0, SHARE(directory_lock));
    }
    free(used);
    free(partitions);
    return status;
}
