/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads what the job's topics hold: from the directory and the partitions' control blocks, on any
 * rank, without a topic's handle and without another rank's help.
 *
 * Every read gives up at the caller's deadline.
 */
#include "mpi/topic/stats.h"
#include "mpi/topic/stats_ranks.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <mofka/log.h>

#define WORDS(bytes) ((bytes) / 8)

/* What is read of a partition, at two times: the words from the head to the consumers' states, then
 * those from the reservation to what consumers acknowledged. So the head is not behind the
 * reservation (see mmi_tail_load), and a consumer that is there has its other words. */
typedef struct snapshot {
    uint64_t first[WORDS(MMI_CONTROL(cursor) - MMI_CONTROL(head_events))];
    uint64_t second[WORDS(MMI_CONTROL(name))];
    mmi_consumers_t consumers;
    /* What they say. */
    mmi_state_t state;
    mmi_tail_t tail;
} snapshot_t;

static uint64_t snapshot_word(const snapshot_t *s, size_t field) {
    assert(field >= MMI_CONTROL(head_events) && field < MMI_CONTROL(cursor));
    return s->first[WORDS(field - MMI_CONTROL(head_events))];
}

static uint64_t snapshot_cursor(const snapshot_t *s, size_t place) {
    assert(place < MMI_CONSUMERS_MAX);
    return s->second[WORDS(MMI_CONTROL(cursor)) + place];
}

static uint64_t snapshot_acknowledged(const snapshot_t *s, size_t place) {
    assert(place < MMI_CONSUMERS_MAX);
    return s->second[WORDS(MMI_CONTROL(acknowledged)) + place];
}

static mofka_status_t snapshot_read_words(const mmi_partition_t *p, size_t field, uint64_t *words,
                                          size_t count, int64_t deadline) {
    assert(count >= 1 && count <= MMI_READ_WORDS_MAX);
    return p->w->ops->read_within(p->w, p->owner, p->base + field, words, count, deadline);
}

static mofka_status_t snapshot_read(const mmi_partition_t *p, snapshot_t *s, int64_t deadline) {
    mmi_window_nudge(p->w, p->owner);
    mofka_status_t status = snapshot_read_words(p, MMI_CONTROL(head_events), s->first,
                                                sizeof s->first / sizeof s->first[0], deadline);
    if (!status)
        status = snapshot_read_words(p, MMI_CONTROL(reservation), s->second,
                                     sizeof s->second / sizeof s->second[0], deadline);
    if (status)
        return status;
    memcpy(s->consumers.words, &s->first[WORDS(MMI_CONTROL(state) - MMI_CONTROL(head_events))],
           sizeof s->consumers.words);
    status = mmi_state_of_words(p, s->first, &s->state);
    if (!status)
        status = mmi_tail_unpack(p, s->second[0], s->state.head, &s->tail);
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

/* What a partition's statistics are made of. */
typedef struct look {
    mmi_window_t *w; /* of the job */
    mmi_partition_t *p;
    snapshot_t s;
    uint64_t end;                /* events; what is reserved behind a topic's end does not count */
    mmi_stats_slowest_t slowest; /* `name` is slowest_name, or NULL */
    char slowest_name[MOFKA_NAME_BYTES_MAX + 1];
    int64_t deadline;
} look_t;

static bool mmi_stats_add_consumer(const look_t *look, cJSON *list, const char *name, size_t place,
                                   int rank) {
    uint64_t acknowledged = mmi_unseal(snapshot_acknowledged(&look->s, place));
    uint64_t tail = look->s.tail.at.events;
    bool live = mmi_state_of(look->s.consumers.words[place]) == MMI_CONSUMER_LIVE;
    cJSON *consumer = stats_append_object(list);
    return cJSON_AddStringToObject(consumer, "name", name) &&
           cJSON_AddBoolToObject(consumer, "live", live) &&
           mmi_stats_add_rank(consumer, look->w, rank, look->deadline) &&
           mmi_record_add_number(consumer, "acknowledged", acknowledged) &&
           mmi_record_add_number(consumer, "lag", acknowledged < tail ? tail - acknowledged : 0);
}

/* The rank whose consumer is live in a place; -1: there is none, or it is not known. */
static mofka_status_t stats_read_rank(const look_t *look, size_t place, int *rank) {
    const mmi_partition_t *p = look->p;
    uint64_t word = 0;
    mofka_status_t status = MOFKA_OK;
    if (mmi_state_of(look->s.consumers.words[place]) == MMI_CONSUMER_LIVE)
        status = snapshot_read_words(p, MMI_CONTROL(holder) + 8 * place, &word, 1, look->deadline);
    *rank = mmi_lock_holder(p->w, word);
    return status;
}

/* Remember the consumer with the lowest cursor. */
static void stats_note_slowest(look_t *look, const char *name, size_t place, int rank) {
    mmi_place_t head = look->s.state.head;
    uint64_t cursor = snapshot_cursor(&look->s, place);
    if (mmi_partition_overtakes(look->p) ||
        (look->slowest.name && mmi_cursor_unpack(cursor, head).events >=
                                   mmi_cursor_unpack(look->slowest.cursor, head).events))
        return;
    strcpy(look->slowest_name, name);
    look->slowest = (mmi_stats_slowest_t){look->slowest_name, rank, cursor};
}

static mofka_status_t mmi_stats_add_consumers(look_t *look, cJSON *json) {
    const snapshot_t *s = &look->s;
    cJSON *list = cJSON_AddArrayToObject(json, "consumers");
    mofka_status_t status = stats_check_memory(list != NULL);
    for (size_t i = 0; i < s->consumers.count && !status; i++) {
        char name[MOFKA_NAME_BYTES_MAX + 1];
        int rank;
        if (!mmi_state_keeps(s->consumers.words[i]))
            continue;
        uint64_t acknowledged = snapshot_acknowledged(s, i);
        if (!mmi_is_sealed(acknowledged))
            return mmi_consumer_damaged(look->p, i, "acknowledged", acknowledged);
        status = mmi_consumer_name(look->p, i, name, look->deadline);
        if (!status)
            status = stats_read_rank(look, i, &rank);
        if (status)
            return status;
        stats_note_slowest(look, name, i, rank);
        status = stats_check_memory(mmi_stats_add_consumer(look, list, name, i, rank));
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
        if (!status && stuck && mmi_partition_overtakes(p))
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
                                 stats_count(snapshot_word(s, MMI_CONTROL(blocked)))) &&
           mmi_record_add_number(json, "damaged_events",
                                 stats_count(snapshot_word(s, MMI_CONTROL(damaged)))) &&
           mmi_record_add_number(json, "voided_events",
                                 stats_count(snapshot_word(s, MMI_CONTROL(voided))));
}

/* With storage: what its owner has written and synced. Before its log is open, that is nothing. */
static mofka_status_t stats_add_storage(const mmi_partition_t *p, uint64_t tail, cJSON *json,
                                        int64_t deadline) {
    uint64_t words[2], failed;
    mmi_stored_counts_t counts;
    uint64_t *const count_words = (uint64_t *)(void *)&counts;
    mofka_status_t status = p->w->ops->read_within(p->w, p->owner, p->stored + MMI_STORED(written),
                                                   words, WORDS(sizeof words), deadline);
    if (!status)
        status = p->w->ops->read_within(p->w, p->owner, p->stored + MMI_STORED(failed), &failed, 1,
                                        deadline);
    if (!status)
        status = p->w->ops->read_within(p->w, p->owner, p->stored + MMI_STORED(counts), count_words,
                                        WORDS(sizeof counts), deadline);
    if (status)
        return status;
    if (!mmi_is_sealed(words[0]) || !mmi_is_sealed(words[1]) || !mmi_is_sealed(failed))
        return mmi_word_damaged(p, "written", words[0]);
    for (size_t i = 0; i < WORDS(sizeof counts); i++)
        count_words[i] = mmi_unseal(count_words[i]);
    uint64_t written = mmi_unseal(words[0]), synced = mmi_unseal(words[1]);
    return stats_check_memory(
        mmi_record_add_number(json, "written_events", written) &&
        mmi_record_add_number(json, "written_bytes", counts.written_units * MMI_UNIT_BYTES) &&
        mmi_record_add_number(json, "synced_events", synced) &&
        mmi_record_add_number(json, "synced_bytes", counts.synced_units * MMI_UNIT_BYTES) &&
        mmi_record_add_number(json, "unwritten_events", tail > written ? tail - written : 0) &&
        mmi_record_add_number(json, "unsynced_events", tail > synced ? tail - synced : 0) &&
        mmi_record_add_number(json, "log_segments", counts.segments) &&
        mmi_record_add_number(json, "log_bytes", counts.log_bytes) &&
        mmi_record_add_number(json, "log_writes", counts.writes) &&
        mmi_record_add_number(json, "log_write_us", counts.write_us) &&
        mmi_record_add_number(json, "log_write_us_max", counts.write_us_max) &&
        mmi_record_add_number(json, "log_syncs", counts.syncs) &&
        mmi_record_add_number(json, "log_sync_us", counts.sync_us) &&
        mmi_record_add_number(json, "log_sync_us_max", counts.sync_us_max) &&
        cJSON_AddBoolToObject(json, "log_failed", failed != 0));
}

/* What consumers and producers wait for there. */
static bool stats_add_waits(look_t *look, cJSON *json) {
    const snapshot_t *s = &look->s;
    if (stats_count(snapshot_word(s, MMI_CONTROL(blocked))) == 0)
        look->slowest.name = NULL;
    return mmi_stats_add_waits(look->p, look->w, look->p->unstored < look->end,
                               snapshot_word(s, MMI_CONTROL(lock)), &look->slowest, json,
                               look->deadline);
}

static mofka_status_t stats_describe_partition(look_t *look, cJSON *json) {
    const mmi_partition_t *p = look->p;
    mofka_status_t status = stats_check_memory(mmi_stats_add_words(p, &look->s, json) &&
                                               mmi_stats_add_unstored(p, look->end, json));
    if (!status && p->retention == MMI_RETAIN_STORED)
        status = stats_add_storage(p, look->end, json, look->deadline);
    if (!status)
        status = mmi_stats_add_consumers(look, json);
    return status ? status : stats_check_memory(stats_add_waits(look, json));
}

static mofka_status_t mmi_stats_add_partition(mmi_window_t *w, mmi_partition_t *p, cJSON *list,
                                              int64_t deadline) {
    look_t look = {.w = w, .p = p, .deadline = deadline};
    mofka_status_t status = snapshot_read(p, &look.s, deadline);
    if (status)
        return status;
    uint64_t complete = look.s.state.complete, tail = look.s.tail.at.events;
    look.end = complete && complete - 1 < tail ? complete - 1 : tail;
    status = stats_find_unstored(p, look.s.state.head.events, look.end, deadline);
    if (status)
        return status;
    cJSON *json = cJSON_CreateObject();
    status = stats_describe_partition(&look, json);
    if (status)
        cJSON_Delete(json);
    else
        cJSON_AddItemToArray(list, json);
    return status;
}

static mofka_status_t mmi_stats_add_topic(mmi_topic_t *topic, cJSON *topics, int64_t deadline) {
    cJSON *json = stats_append_object(topics);
    static const char *const retentions[] = {"acknowledged", "discard_oldest", "stored"};
    bool good =
        cJSON_AddStringToObject(json, "name", topic->name) &&
        cJSON_AddStringToObject(json, "retention", retentions[topic->partitions[0].retention]);
    cJSON *list = good ? cJSON_AddArrayToObject(json, "partitions") : NULL;
    mofka_status_t status = stats_check_memory(list != NULL);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_stats_add_partition(topic->w, &topic->partitions[i], list, deadline);
    return status;
}

/* ---- the topics ------------------------------------------------------------------------------ */

/* A caller that waits for another one gives up at its own deadline. ThreadSanitizer does not know
 * pthread_mutex_clocklock. */
static mofka_status_t stats_lock(mmi_records_t *records, int64_t deadline) {
    for (int64_t us = 10; pthread_mutex_trylock(&records->stats_lock);) {
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "another call is reading the statistics");
        mmi_back_off(&us, 1000);
    }
    return MOFKA_OK;
}

/* With the lock: statistics have no topic for this record, and say so once. */
static void stats_leave_out(mmi_record_t *record) {
    if (!record->reported)
        mofka_log(MOFKA_LOG_WARN, "statistics leave a topic out: %s", mofka_last_error());
    record->reported = true;
}

/* The topic was not deleted while its partitions were read: then other bytes may have been read. */
static mofka_status_t stats_check_topic(const mmi_directory_t *d, mmi_record_t *record,
                                        int64_t deadline, bool *is_there) {
    mofka_status_t status = mmi_record_look(d, record, deadline);
    *is_there = !status && mmi_record_making(record) == MMI_MADE;
    return status;
}

/* A topic whose partitions are not made is left out; so is one that is deleted meanwhile. */
static mofka_status_t stats_read_topic(const mmi_directory_t *d, mmi_record_t *record,
                                       cJSON *topics, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    bool is_there = false;
    if (mmi_record_making(record) == MMI_MAKING)
        status = mmi_record_look(d, record, deadline);
    if (status || mmi_record_making(record) != MMI_MADE)
        return status;
    int before = cJSON_GetArraySize(topics);
    mofka_status_t read = mmi_stats_add_topic(record->topic, topics, deadline);
    if (read == MOFKA_ERR_TIMEOUT || read == MOFKA_ERR_MEMORY)
        return read;
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    status = stats_check_topic(d, record, deadline, &is_there);
    if (!status && !is_there) {
        cJSON_DeleteItemFromArray(topics, before);
        return MOFKA_OK;
    }
    return read ? mofka_fail(read, "%s", message) : status;
}

/* With the lock. */
static mofka_status_t stats_read_record(const mmi_directory_t *d, mmi_record_t *record,
                                        cJSON *topics, int64_t deadline) {
    mmi_topic_t *topic;
    if (record->damaged) {
        mmi_record_damaged(record);
        stats_leave_out(record);
        return MOFKA_OK;
    }
    if (mmi_record_making(record) == MMI_NOT_MADE)
        return MOFKA_OK;
    if (record->topic)
        return stats_read_topic(d, record, topics, deadline);
    mofka_status_t status = mmi_topic_create(d, record->json, &topic);
    if (!status)
        mmi_topic_destroy(topic);
    if (status == MOFKA_ERR_CORRUPT)
        stats_leave_out(record);
    return status == MOFKA_ERR_CORRUPT ? MOFKA_OK : status;
}

mofka_status_t mmi_topic_stats_read(mmi_directory_t *d, int64_t timeout_ms, cJSON *topics) {
    int64_t deadline = mmi_deadline(timeout_ms);
    mmi_record_t *record;
    mofka_status_t status = mmi_window_may_call(d->w);
    if (!status)
        status = mmi_records_refresh(d, deadline, NULL);
    if (!status)
        status = stats_lock(&d->records, deadline);
    if (status)
        return status;
    for (size_t i = 0; !status && (record = mmi_records_get(d, i)); i++) {
        status = stats_read_record(d, record, topics, deadline);
        mmi_record_release(record);
    }
    pthread_mutex_unlock(&d->records.stats_lock);
    return status;
}
