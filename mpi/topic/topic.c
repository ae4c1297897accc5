/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic as this process sees it: made from its record, which is checked first. */
#include "mpi/topic/topic.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/errand/errand.h"
#include "mpi/topic/directory.h"
#include "mpi/topic/wish.h"

mofka_status_t mmi_topic_partition_info(void *self, size_t index, mofka_metadata_t **info) {
    const mmi_topic_t *topic = self;
    assert(index < topic->partition_count);
    const mmi_partition_t *p = &topic->partitions[index];
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(json, "partition", (double)index) &&
                cJSON_AddNumberToObject(json, "owner", p->owner) &&
                cJSON_AddBoolToObject(json, "local",
                                      mmi_window_same_node(topic->w, p->owner, topic->w->rank)) &&
                cJSON_AddNumberToObject(json, "bytes", (double)p->ring_bytes) &&
                cJSON_AddNumberToObject(json, "events", (double)p->slots) &&
                cJSON_AddBoolToObject(json, "checksums", p->checksums) &&
                cJSON_AddBoolToObject(json, "storage", topic->store != NULL) &&
                cJSON_AddStringToObject(json, "window", p->w->ops->name);
    mofka_status_t status =
        good ? mofka_metadata_create_json(json, info)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition's description");
    if (status)
        cJSON_Delete(json);
    return status;
}

mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    assert(topic->partition_count >= 1);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_errand_complete(&topic->partitions[i], deadline);
    return status;
}

/* End a call that counted as a user. `status`, which has the message, or the error of this. */
static mofka_status_t topic_leave_after(mmi_topic_t *topic, mofka_status_t status) {
    if (!status)
        return mmi_topic_leave(topic);
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    (void)mmi_topic_leave(topic); /* the first error counts */
    return mofka_fail(status, "%s", message);
}

mofka_status_t mmi_topic_mark_complete(void *self, int64_t timeout_ms) {
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = mmi_topic_enter(self, mmi_deadline(MMI_DIRECTORY_READ_MS));
    return status ? status : topic_leave_after(self, mmi_topic_complete(self, deadline));
}

static mofka_status_t topic_evict(mmi_topic_t *topic, const char *consumer, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    bool any = false;
    for (size_t i = 0; i < topic->partition_count && !status; i++) {
        bool found = false;
        status = mmi_errand_evict(&topic->partitions[i], consumer, deadline, &found);
        any |= found;
    }
    if (!status && !any)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' has no consumer '%s'", topic->name,
                            consumer);
    return status;
}

mofka_status_t mmi_topic_evict(void *self, const char *consumer, int64_t timeout_ms) {
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = mmi_topic_enter(self, mmi_deadline(MMI_DIRECTORY_READ_MS));
    return status ? status : topic_leave_after(self, topic_evict(self, consumer, deadline));
}

/* ---- users ----------------------------------------------------------------------------------- */

/* Add to the users word. `*users`: what it was. */
static mofka_status_t topic_add_user(const mmi_topic_t *topic, uint64_t add, uint64_t *users) {
    uint64_t place = topic->record + MMI_RECORD_USERS * sizeof(uint64_t);
    return mmi_errand_add(topic->w, 0, place, add, users);
}

/* This user found the upper half of the users word to be `half`, which is not the topic's, and has
 * taken itself back. MOFKA_OK: a rank is deleting the topic; look again. */
static mofka_status_t topic_refused(mmi_topic_t *topic, uint64_t half, int64_t deadline) {
    uint64_t state;
    mofka_status_t status =
        mmi_window_read(mmi_window_by_node(topic->w, 0), 0,
                        topic->record + MMI_RECORD_STATE * sizeof state, &state, 1, deadline);
    if (status)
        return status;
    if (state != topic->state) {
        atomic_store(&topic->deleted, true);
        return MOFKA_OK;
    }
    if (half != 2 * mmi_state_incarnation(state) + 1)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "topic '%s': the word 'users' of its record is damaged", topic->name);
    if (mmi_now_ms() >= deadline)
        return mofka_fail(MOFKA_ERR_TIMEOUT, "a rank has not finished deleting topic '%s'",
                          topic->name);
    return MOFKA_OK;
}

mofka_status_t mmi_topic_enter(mmi_topic_t *topic, int64_t deadline) {
    uint64_t wanted = 2 * mmi_state_incarnation(topic->state);
    assert(topic->record != 0 && mmi_state_making(topic->state) == MMI_MADE);
    for (int64_t us = 20; !atomic_load(&topic->deleted); mmi_back_off(&us, 1000)) {
        uint64_t users, none;
        mofka_status_t status = topic_add_user(topic, 1, &users);
        if (status)
            return status;
        if (mmi_users_half(users) == wanted) {
            if (topic->w->near) /* another rank may have put what is there */
                mmi_window_sync(topic->w->near);
            return MOFKA_OK;
        }
        status = topic_add_user(topic, UINT64_MAX, &none); /* - 1 */
        if (!status)
            status = topic_refused(topic, mmi_users_half(users), deadline);
        if (status)
            return status;
    }
    return mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' was deleted", topic->name);
}

/* Words of a consumer may be under way, because nobody waits for them. */
mofka_status_t mmi_topic_leave(mmi_topic_t *topic) {
    mmi_window_t *w = topic->w;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < topic->partition_count && w->unflushed && !status; i++)
        if (atomic_load(&w->unflushed[topic->partitions[i].owner]))
            status = w->ops->flush(w, topic->partitions[i].owner);
    if (status) /* puts may still land in the partitions: they stay in use */
        return status;
    uint64_t none;
    return topic_add_user(topic, UINT64_MAX, &none); /* - 1 */
}

void mmi_topic_retain(mmi_topic_t *topic) {
    atomic_fetch_add(&topic->users, 1);
}

void mmi_topic_destroy(void *self) {
    mmi_topic_t *topic = self;
    if (atomic_fetch_sub(&topic->users, 1) > 1)
        return;
    free(topic->name);
    free(topic);
}

/* ---- from a record -------------------------------------------------------------------------- */

/* A whole number in a range. False: it is missing, or another one. */
static bool record_get_number(const cJSON *item, uint64_t min, uint64_t max, uint64_t *number) {
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(value >= (double)min && value <= (double)max) || value != floor(value))
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool record_get(const cJSON *record, const char *key, uint64_t min, uint64_t max,
                       uint64_t *number) {
    return record_get_number(cJSON_GetObjectItemCaseSensitive(record, key), min, max, number);
}

static mofka_status_t record_refuse(const char *name, const char *what) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "topic '%s': its record in the directory has no valid %s",
                      name, what);
}

/* Where the next partition of each rank may begin; UINT64_MAX: nowhere, the rank owns none. Give:
 * free(). NULL: no memory. */
static uint64_t *record_find_arenas(const mmi_directory_t *d) {
    uint64_t *next = malloc((size_t)d->w->size * sizeof *next);
    for (int i = 0; next && i < d->w->size; i++)
        next[i] = UINT64_MAX;
    for (size_t i = 0; next && i < d->owner_count; i++)
        next[d->owners[i]] = mmi_directory_arena_start(d, d->owners[i]);
    return next;
}

/* The place of a partition whose geometry is set. It is in its owner's arena, behind the topic's
 * partitions before it. */
static bool record_place_partition(const mmi_directory_t *d, const cJSON *place, uint64_t *next,
                                   mmi_partition_t *p) {
    uint64_t owner, bytes = mmi_partition_bytes(p);
    if (cJSON_GetArraySize(place) != 2 ||
        !record_get_number(place->child, 0, (uint64_t)d->w->size - 1, &owner) ||
        next[owner] == UINT64_MAX)
        return false;
    uint64_t end = mmi_directory_arena_start(d, (int)owner) + d->arena_bytes;
    if (bytes > end - next[owner] ||
        !record_get_number(place->child->next, next[owner], end - bytes, &p->base) ||
        p->base % MMI_PAGE_BYTES != 0)
        return false;
    p->owner = (int)owner;
    next[owner] = p->base + bytes;
    mmi_partition_place(p);
    return true;
}

/* Its partitions are used by processors of their owners' nodes. Each node has a bell of its own.
 * `first`: room for a number of each rank. */
static void record_use_nodes(const mmi_directory_t *d, mmi_topic_t *topic, uint64_t *first) {
    for (int i = 0; i < d->w->size; i++)
        first[i] = UINT64_MAX;
    for (size_t i = 0; i < topic->partition_count; i++) {
        mmi_partition_t *p = &topic->partitions[i];
        int node = d->w->node_of ? d->w->node_of[p->owner] : 0;
        if (first[node] == UINT64_MAX)
            first[node] = i;
        p->w = mmi_window_by_node(d->w, p->owner);
        p->bells = &topic->partitions[first[node]];
    }
}

/* What a record says is checked against the window before it is used. */
static mofka_status_t mmi_topic_place_partitions(const mmi_directory_t *d, const cJSON *record,
                                                 mmi_topic_t *topic) {
    uint64_t slots, ring, retention, checksums, producers;
    if (!record_get(record, "slots", 1, MMI_SLOTS_MAX, &slots) ||
        !record_get(record, "ring", MMI_UNIT_BYTES, MMI_RING_BYTES_MAX, &ring) ||
        ring % MMI_UNIT_BYTES != 0 ||
        !record_get(record, "retention", 0, MMI_RETAIN_STORED, &retention) ||
        !record_get(record, "checksums", 0, 1, &checksums) ||
        !record_get(record, "producers", 0, MMI_PRODUCERS_NODE, &producers) ||
        !record_get(record, "expected_producers", 0, MMI_EXPECTED_MAX, &topic->expected_producers))
        return record_refuse(topic->name, "geometry");
    uint64_t *next = record_find_arenas(d);
    if (!next)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic");
    assert(topic->partition_count >= 1);
    bool good = true;
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(record, "partitions")->child;
    for (size_t i = 0; i < topic->partition_count && good; i++, place = place->next) {
        topic->partitions[i] = (mmi_partition_t){.w = d->w,
                                                 .topic = topic->name,
                                                 .index = i,
                                                 .slots = slots,
                                                 .ring_bytes = ring,
                                                 .retention = (mmi_retention_t)retention,
                                                 .checksums = checksums != 0,
                                                 .of_node = producers == MMI_PRODUCERS_NODE,
                                                 .bells = &topic->partitions[0]};
        good = record_place_partition(d, place, next, &topic->partitions[i]);
    }
    if (good && producers == MMI_PRODUCERS_NODE)
        record_use_nodes(d, topic, next);
    free(next);
    return good ? MOFKA_OK : record_refuse(topic->name, "partition");
}

/* What the topic's options say of its storage. */
static mofka_status_t record_read_storage(const mmi_directory_t *d, const cJSON *record,
                                          mmi_topic_t *topic) {
    mmi_wish_t wish;
    const char *options = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "options"));
    if (topic->partitions[0].retention != MMI_RETAIN_STORED)
        return MOFKA_OK;
    if (!options || !d->store)
        return record_refuse(topic->name, "storage");
    mofka_status_t status =
        mmi_wish_read(&(mofka_topic_config_t){.name = topic->name, .options = options}, &wish);
    topic->store = d->store;
    topic->stage = d->stage;
    topic->storage = wish.storage;
    return status;
}

mofka_status_t mmi_topic_create(const mmi_directory_t *d, const cJSON *record, mmi_topic_t **out) {
    const cJSON *places = cJSON_GetObjectItemCaseSensitive(record, "partitions");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "name"));
    int count = cJSON_GetArraySize(places);
    if (!name || !name[0] || strlen(name) > MOFKA_NAME_BYTES_MAX)
        return record_refuse("?", "name");
    if (!cJSON_IsArray(places) || count < 1 || count > MOFKA_PARTITIONS_MAX)
        return record_refuse(name, "partitions");
    mmi_topic_t *topic = calloc(1, sizeof *topic + (size_t)count * sizeof topic->partitions[0]);
    if (!topic || !(topic->name = strdup(name))) {
        free(topic);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic");
    }
    atomic_init(&topic->users, 1);
    topic->w = d->w;
    topic->partition_count = (size_t)count;
    mofka_status_t status = mmi_topic_place_partitions(d, record, topic);
    if (!status)
        status = record_read_storage(d, record, topic);
    if (status)
        mmi_topic_destroy(topic);
    else
        *out = topic;
    return status;
}
