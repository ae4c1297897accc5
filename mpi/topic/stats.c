/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads what the job's topics hold: from the directory and the partitions' control blocks, on any
 * rank, without a topic's handle and without another rank's help.
 *
 * Every read gives up at the caller's deadline.
 */
#include "mpi/topic/stats.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <mofka/log.h>

#define WORDS(bytes) ((bytes) / 8)

/* What is read of a partition: the words from the head to `blocked` at once, then the
 * reservation. */
typedef struct snapshot {
    uint64_t words[WORDS(MMI_CONTROL(blocked) - MMI_CONTROL(head_events)) + 1];
    uint64_t reservation;
    mmi_consumers_t consumers;
    uint64_t acknowledged[MMI_CONSUMERS_MAX];
    /* What they say. */
    mmi_state_t state;
    mmi_tail_t tail;
} snapshot_t;

static_assert(sizeof((snapshot_t *)NULL)->words / 8 <= MMI_RUN_WORDS_MAX, "one run");

static uint64_t snapshot_word(const snapshot_t *s, size_t field) {
    assert(field >= MMI_CONTROL(head_events) && field <= MMI_CONTROL(blocked));
    return s->words[WORDS(field - MMI_CONTROL(head_events))];
}

static mofka_status_t snapshot_read_words(const mmi_partition_t *p, size_t field, uint64_t *words,
                                          size_t count, int64_t deadline) {
    assert(count >= 1 && count <= MMI_RUN_WORDS_MAX);
    return p->w->ops->read_within(p->w, p->owner, p->base + field, words, count, deadline);
}

/* Reads the head before the reservation: see mmi_tail_load. */
static mofka_status_t snapshot_read(const mmi_partition_t *p, snapshot_t *s, int64_t deadline) {
    mmi_window_nudge(p->w, p->owner);
    mofka_status_t status = snapshot_read_words(p, MMI_CONTROL(head_events), s->words,
                                                sizeof s->words / sizeof s->words[0], deadline);
    if (!status)
        status = snapshot_read_words(p, MMI_CONTROL(reservation), &s->reservation, 1, deadline);
    if (!status)
        status = snapshot_read_words(p, MMI_CONTROL(state), s->consumers.words, MMI_CONSUMERS_MAX,
                                     deadline);
    if (!status)
        status = snapshot_read_words(p, MMI_CONTROL(acknowledged), s->acknowledged,
                                     MMI_CONSUMERS_MAX, deadline);
    if (!status)
        status = mmi_state_of_words(p, s->words, &s->state);
    if (!status)
        status = mmi_tail_unpack(p, s->reservation, s->state.head, &s->tail);
    return status ? status : mmi_consumers_check(p, &s->consumers);
}

static mofka_status_t stats_check_memory(bool good) {
    return good ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for statistics");
}

/* Append an object to an array. NULL: no memory. */
static cJSON *stats_append_object(cJSON *list) {
    cJSON *object = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, object) ? object : NULL;
}

static bool mmi_stats_add_consumer(cJSON *list, const char *name, bool live, uint64_t acknowledged,
                                   uint64_t tail) {
    cJSON *consumer = stats_append_object(list);
    return cJSON_AddStringToObject(consumer, "name", name) &&
           cJSON_AddBoolToObject(consumer, "live", live) &&
           mmi_record_add_number(consumer, "acknowledged", acknowledged) &&
           mmi_record_add_number(consumer, "lag", acknowledged < tail ? tail - acknowledged : 0);
}

static mofka_status_t mmi_stats_add_consumers(const mmi_partition_t *p, const snapshot_t *s,
                                              uint64_t tail, cJSON *json, int64_t deadline) {
    cJSON *list = cJSON_AddArrayToObject(json, "consumers");
    mofka_status_t status = stats_check_memory(list != NULL);
    for (size_t i = 0; i < s->consumers.count && !status; i++) {
        char name[MOFKA_NAME_BYTES_MAX + 1];
        uint64_t state = mmi_state_of(s->consumers.words[i]);
        if (state == MMI_CONSUMER_FREE)
            continue;
        if (!mmi_is_sealed(s->acknowledged[i]))
            return mmi_consumer_damaged(p, i, "acknowledged", s->acknowledged[i]);
        status = mmi_consumer_name(p, i, name, deadline);
        if (!status)
            status = stats_check_memory(mmi_stats_add_consumer(
                list, name, state == MMI_CONSUMER_LIVE, mmi_unseal(s->acknowledged[i]), tail));
    }
    return status;
}

static mofka_status_t stats_read_head(const mmi_partition_t *p, uint64_t *events,
                                      int64_t deadline) {
    uint64_t word;
    mofka_status_t status = snapshot_read_words(p, MMI_CONTROL(head_events), &word, 1, deadline);
    if (!status && !mmi_is_sealed(word))
        status = mmi_word_damaged(p, "head_events", word);
    if (!status)
        *events = mmi_unseal(word);
    return status;
}

/* The number that both halves of a counter should be. If they differ, the lower one is not
 * absurd. */
static uint64_t stats_count(uint64_t word) {
    uint64_t low = (uint32_t)word;
    return low < word >> 32 ? low : word >> 32;
}

/* Find the first event below `tail` that is not stored, from the last one found on. With
 * discard_oldest, the head may have passed an event that looks so. */
static mofka_status_t stats_find_unstored(mmi_partition_t *p, uint64_t head, uint64_t tail,
                                          int64_t deadline) {
    uint64_t from = p->unstored;
    bool stuck = false;
    mofka_status_t status = MOFKA_OK;
    do {
        from = head > from ? head : from;
        while (!status && !stuck && from < tail)
            status = mmi_flags_pass(p, tail, false, deadline, &from, &stuck);
        if (!status && stuck && p->retention == MMI_DISCARD_OLDEST)
            status = stats_read_head(p, &head, deadline);
        stuck = stuck && head <= from;
    } while (!status && !stuck && from < tail);
    if (from != p->unstored || p->unstored_ms == 0)
        p->unstored_ms = mmi_now_ms();
    p->unstored = from;
    return status;
}

static bool mmi_stats_add_unstored(const mmi_partition_t *p, uint64_t tail, cJSON *json) {
    uint64_t count = tail > p->unstored ? tail - p->unstored : 0;
    return mmi_record_add_number(json, "unstored_events", count) &&
           mmi_record_add_number(json, "unstored_ms",
                                 count > 0 ? (uint64_t)(mmi_now_ms() - p->unstored_ms) : 0);
}

static bool mmi_stats_add_words(const mmi_partition_t *p, const snapshot_t *s, cJSON *json) {
    mmi_place_t head = s->state.head, tail = s->tail.at;
    return mmi_record_add_number(json, "partition", p->index) &&
           mmi_record_add_number(json, "owner", (uint64_t)p->owner) &&
           mmi_record_add_number(json, "tail_events", tail.events) &&
           mmi_record_add_number(json, "tail_bytes", tail.units * MMI_UNIT_BYTES) &&
           mmi_record_add_number(json, "head_events", head.events) &&
           mmi_record_add_number(json, "head_bytes", head.units * MMI_UNIT_BYTES) &&
           mmi_record_add_number(json, "held_events", tail.events - head.events) &&
           mmi_record_add_number(json, "held_bytes", (tail.units - head.units) * MMI_UNIT_BYTES) &&
           mmi_record_add_number(json, "room_events", p->slots) &&
           mmi_record_add_number(json, "room_bytes", p->ring_bytes) &&
           cJSON_AddBoolToObject(json, "complete", s->state.complete != 0) &&
           mmi_record_add_number(json, "blocked_producers",
                                 stats_count(snapshot_word(s, MMI_CONTROL(blocked))));
}

static mofka_status_t mmi_stats_add_partition(mmi_partition_t *p, cJSON *list, int64_t deadline) {
    snapshot_t s;
    mofka_status_t status = snapshot_read(p, &s, deadline);
    if (status)
        return status;
    /* What was reserved behind a topic's end is never stored. */
    uint64_t complete = s.state.complete, tail = s.tail.at.events;
    uint64_t end = complete && complete - 1 < tail ? complete - 1 : tail;
    status = stats_find_unstored(p, s.state.head.events, end, deadline);
    if (status)
        return status;
    cJSON *json = cJSON_CreateObject();
    status = stats_check_memory(mmi_stats_add_words(p, &s, json) &&
                                mmi_stats_add_unstored(p, end, json));
    if (!status)
        status = mmi_stats_add_consumers(p, &s, tail, json, deadline);
    if (status)
        cJSON_Delete(json);
    else
        cJSON_AddItemToArray(list, json);
    return status;
}

static mofka_status_t mmi_stats_add_topic(mmi_topic_t *topic, cJSON *topics, int64_t deadline) {
    cJSON *json = stats_append_object(topics);
    bool discards = topic->partitions[0].retention == MMI_DISCARD_OLDEST;
    bool good =
        cJSON_AddStringToObject(json, "name", topic->name) &&
        cJSON_AddStringToObject(json, "retention", discards ? "discard_oldest" : "acknowledged");
    cJSON *list = good ? cJSON_AddArrayToObject(json, "partitions") : NULL;
    mofka_status_t status = stats_check_memory(list != NULL);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_stats_add_partition(&topic->partitions[i], list, deadline);
    return status;
}

/* ---- the topics ------------------------------------------------------------------------------ */

void mmi_known_topics_init(mmi_known_topics_t *known) {
    *known = (mmi_known_topics_t){.next = MMI_DIRECTORY_START};
    pthread_mutex_init(&known->lock, NULL);
}

void mmi_known_topics_destroy(mmi_known_topics_t *known) {
    for (size_t i = 0; i < known->count; i++)
        mmi_topic_destroy(known->topics[i].topic);
    free(known->topics);
    pthread_mutex_destroy(&known->lock);
}

/* The lock is held, by this thread or another. */
#define known_topics_assert_locked(known) assert(pthread_mutex_trylock(&(known)->lock) == EBUSY)

/* With the lock. */
static mofka_status_t known_topics_add(mmi_known_topics_t *known, const mmi_directory_t *d,
                                       const mmi_record_t *record) {
    known_topics_assert_locked(known);
    mmi_known_topic_t *more = realloc(known->topics, (known->count + 1) * sizeof *more);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    known->topics = more;
    mmi_known_topic_t *topic = &more[known->count];
    topic->record = *record;
    topic->record.json = NULL;
    mofka_status_t status = mmi_topic_create(d, record->json, &topic->topic);
    known->count += !status;
    return status;
}

/* With the lock: add the topics whose records came since the last time. */
static mofka_status_t known_topics_update(mmi_known_topics_t *known, const mmi_directory_t *d,
                                          int64_t deadline) {
    known_topics_assert_locked(known);
    for (;;) {
        mmi_record_t record;
        uint64_t next = known->next;
        mofka_status_t status = mmi_directory_next(d, &next, deadline, &record);
        if (status || (!record.json && !record.damaged))
            return status;
        status = record.damaged ? mmi_record_damaged(&record) : known_topics_add(known, d, &record);
        mmi_record_end(&record);
        if (status == MOFKA_ERR_CORRUPT)
            mofka_log(MOFKA_LOG_WARN, "statistics leave a topic out: %s", mofka_last_error());
        else if (status)
            return status;
        known->next = next;
    }
}

/* A caller that waits for another one gives up at its own deadline. ThreadSanitizer does not know
 * pthread_mutex_clocklock. */
static mofka_status_t known_topics_lock(mmi_known_topics_t *known, int64_t deadline) {
    for (int64_t us = 10; pthread_mutex_trylock(&known->lock);) {
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "another call is reading the statistics");
        mmi_back_off(&us, 1000);
    }
    return MOFKA_OK;
}

/* A topic whose partitions are not made is left out. */
static mofka_status_t known_topic_read(const mmi_directory_t *d, mmi_known_topic_t *known,
                                       cJSON *topics, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    if (known->record.making == MMI_MAKING)
        status = mmi_record_look(d, &known->record, deadline);
    if (status || known->record.making != MMI_MADE)
        return status;
    return mmi_stats_add_topic(known->topic, topics, deadline);
}

mofka_status_t mmi_topic_stats_read(const mmi_directory_t *d, mmi_known_topics_t *known,
                                    int64_t timeout_ms, cJSON *topics) {
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = mmi_window_may_call(d->w);
    if (!status)
        status = known_topics_lock(known, deadline);
    if (status)
        return status;
    status = known_topics_update(known, d, deadline);
    for (size_t i = 0; i < known->count && !status; i++)
        status = known_topic_read(d, &known->topics[i], topics, deadline);
    pthread_mutex_unlock(&known->lock);
    return status;
}
