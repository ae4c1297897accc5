/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the topics of the job hold, read from the directory and from the partitions' control blocks by
 * any rank, with no handle of a topic and with no rank's help.
 *
 * Every read gives up at the caller's deadline. Records of the directory never change, so the driver
 * keeps what it has read, and the next time goes on where it stopped.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include "mpi/driver/driver.h"
#include <mofka/backend.h>

#define WORDS(bytes) ((bytes) / 8)

/* The words from the head to `blocked`, read in one go; and the reservation, read after them. */
typedef struct snapshot {
    uint64_t words[WORDS(MMI_CONTROL(blocked) - MMI_CONTROL(head_events)) + 1];
    uint64_t reservation;
    uint64_t state[MMI_CONSUMERS_MAX];
    uint64_t acknowledged[MMI_CONSUMERS_MAX];
} snapshot_t;

static_assert(sizeof((snapshot_t *)NULL)->words / 8 <= MMI_RUN_WORDS_MAX, "one run");

static uint64_t word(const snapshot_t *s, size_t field) {
    return s->words[WORDS(field - MMI_CONTROL(head_events))];
}

static mofka_status_t read_words(const mmi_partition_t *p, size_t field, uint64_t *words,
                                 size_t count, int64_t deadline) {
    return p->w->ops->read_within(p->w, p->owner, p->base + field, words, count, deadline);
}

/* The head is read before the reservation: see mmi_tail. */
static mofka_status_t read_snapshot(const mmi_partition_t *p, snapshot_t *s, int64_t deadline) {
    p->w->ops->nudge(p->w, p->owner);
    mofka_status_t status = read_words(p, MMI_CONTROL(head_events), s->words,
                                       sizeof s->words / sizeof s->words[0], deadline);
    if (!status)
        status = read_words(p, MMI_CONTROL(reservation), &s->reservation, 1, deadline);
    if (!status)
        status = read_words(p, MMI_CONTROL(state), s->state, MMI_CONSUMERS_MAX, deadline);
    if (!status)
        status =
            read_words(p, MMI_CONTROL(acknowledged), s->acknowledged, MMI_CONSUMERS_MAX, deadline);
    return status;
}

static void add(cJSON *json, const char *key, uint64_t value) {
    cJSON_AddNumberToObject(json, key, (double)value);
}

static mofka_status_t add_consumers(const mmi_partition_t *p, const snapshot_t *s, uint64_t tail,
                                    cJSON *json, int64_t deadline) {
    cJSON *list = cJSON_AddArrayToObject(json, "consumers");
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX && !status; i++) {
        uint64_t name[WORDS(MOFKA_NAME_BYTES_MAX + 1) + 1] = {
            0}; /* ends in a NUL, whatever is read */
        if (s->state[i] == MMI_CONSUMER_FREE)
            continue;
        status = read_words(p, MMI_CONTROL(name) + i * (MOFKA_NAME_BYTES_MAX + 1), name,
                            WORDS(MOFKA_NAME_BYTES_MAX + 1), deadline);
        if (status)
            return status;
        cJSON *consumer = cJSON_CreateObject();
        cJSON_AddStringToObject(consumer, "name", (const char *)name);
        cJSON_AddBoolToObject(consumer, "live", s->state[i] == MMI_CONSUMER_LIVE);
        add(consumer, "acknowledged", s->acknowledged[i]);
        add(consumer, "lag", s->acknowledged[i] < tail ? tail - s->acknowledged[i] : 0);
        cJSON_AddItemToArray(list, consumer);
    }
    return status;
}

static mofka_status_t add_partition(const mmi_partition_t *p, cJSON *list, int64_t deadline) {
    snapshot_t s;
    mofka_status_t status = read_snapshot(p, &s, deadline);
    if (status)
        return status;
    mmi_place_t head = {word(&s, MMI_CONTROL(head_events)), word(&s, MMI_CONTROL(head_units))};
    mmi_place_t tail = mmi_complete_word(s.reservation, head, true);
    cJSON *json = cJSON_CreateObject();
    add(json, "partition", p->index);
    add(json, "owner", (uint64_t)p->owner);
    add(json, "tail_events", tail.events);
    add(json, "tail_bytes", tail.units * MMI_UNIT_BYTES);
    add(json, "head_events", head.events);
    add(json, "head_bytes", head.units * MMI_UNIT_BYTES);
    add(json, "held_events", tail.events - head.events);
    add(json, "held_bytes", (tail.units - head.units) * MMI_UNIT_BYTES);
    add(json, "room_events", p->slots);
    add(json, "room_bytes", p->ring_bytes);
    cJSON_AddBoolToObject(json, "complete", word(&s, MMI_CONTROL(complete)) != 0);
    add(json, "blocked_producers", word(&s, MMI_CONTROL(blocked)));
    status = add_consumers(p, &s, tail.events, json, deadline);
    if (status)
        cJSON_Delete(json);
    else
        cJSON_AddItemToArray(list, json);
    return status;
}

static mofka_status_t add_topic(const mmi_topic_t *topic, cJSON *topics, int64_t deadline) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", topic->name);
    cJSON_AddStringToObject(json, "retention",
                            topic->partitions[0].retention == MMI_DISCARD_OLDEST ? "discard_oldest"
                                                                                 : "acknowledged");
    cJSON *list = cJSON_AddArrayToObject(json, "partitions");
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = add_partition(&topic->partitions[i], list, deadline);
    cJSON_AddItemToArray(topics, json);
    return status;
}

/* ---- the directory --------------------------------------------------------------------------- */

static mofka_status_t read_text(mmi_driver_t *d, uint64_t at, uint64_t *text, size_t words,
                                int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    for (size_t done = 0, here; done < words && !status; done += here) {
        here = words - done < MMI_RUN_WORDS_MAX ? words - done : MMI_RUN_WORDS_MAX;
        status = d->w->ops->read_within(d->w, 0, at + 8 * done, text + done, here, deadline);
    }
    return status;
}

static mofka_status_t learn_record(mmi_driver_t *d, uint64_t length, int64_t deadline) {
    size_t words = (size_t)((length + 7) / 8);
    uint64_t *text = malloc(8 * words);
    mofka_topic_made_t *more = realloc(d->known, (d->known_count + 1) * sizeof *more);
    d->known = more ? more : d->known;
    mofka_status_t status = MOFKA_OK;
    if (!text || !more)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    if (!status)
        status = read_text(d, d->known_end + 8, text, words, deadline);
    cJSON *record = status ? NULL : cJSON_ParseWithLength((const char *)text, length);
    if (!status)
        status = mmi_topic_from_record(d, record, &d->known[d->known_count]);
    cJSON_Delete(record);
    free(text);
    if (status)
        return status;
    mofka_topic_made_t *made = &d->known[d->known_count++];
    free(made->validator), free(made->selector), free(made->serializer);
    d->known_end += 8 + 8 * (uint64_t)words;
    return MOFKA_OK;
}

/* Records that came since the last time. */
static mofka_status_t learn_topics(mmi_driver_t *d, int64_t deadline) {
    uint64_t end = MMI_PAGE_BYTES + d->directory_bytes;
    if (d->known_end == 0)
        d->known_end = MMI_PAGE_BYTES;
    while (d->known_end + 8 <= end) {
        uint64_t length;
        mofka_status_t status = d->w->ops->read_within(d->w, 0, d->known_end, &length, 1, deadline);
        if (status || length == 0)
            return status;
        if (length > end - d->known_end - 8)
            return mofka_fail(MOFKA_ERR_CORRUPT, "a directory record of %" PRIu64 " bytes", length);
        status = learn_record(d, length, deadline);
        if (status)
            return status;
    }
    return MOFKA_OK;
}

void mmi_forget_topics(mmi_driver_t *d) {
    for (size_t i = 0; i < d->known_count; i++)
        d->known[i].ops->destroy(d->known[i].self);
    free(d->known);
    d->known = NULL;
    d->known_count = 0;
}

/* One caller at a time; who waits for another gives up at its own deadline. */
static mofka_status_t begin(mmi_driver_t *d, int64_t deadline) {
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int error = deadline == INT64_MAX
                    ? pthread_mutex_lock(&d->known_lock)
                    : pthread_mutex_clocklock(&d->known_lock, CLOCK_MONOTONIC, &until);
    return error ? mofka_fail(MOFKA_ERR_TIMEOUT, "another call reads the statistics") : MOFKA_OK;
}

mofka_status_t mmi_topic_stats(void *self, int64_t timeout_ms, cJSON *topics) {
    mmi_driver_t *d = self;
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = mmi_window_may_call(d->w);
    if (!status)
        status = begin(d, deadline);
    if (status)
        return status;
    status = learn_topics(d, deadline);
    for (size_t i = 0; i < d->known_count && !status; i++)
        status = add_topic(d->known[i].self, topics, deadline);
    pthread_mutex_unlock(&d->known_lock);
    return status;
}
