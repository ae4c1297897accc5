/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl top: rates, fill and sums are added to a driver's statistics.
 *
 * Topics are matched by their names: other topics come and go meanwhile. A topic's partitions are
 * always in the same order.
 */
#include <assert.h>
#include <cjson/cJSON.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/out/rates.h"
#include "json/text.h"

/* How long one reading of the statistics may take. */
#define READ_MS 1000
/* Up to this number, a double holds every whole number. */
#define EXACT_MAX (UINT64_C(1) << 53)

cJSON *rates_member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool rates_is_number(const cJSON *item) {
    return cJSON_IsNumber(item) || cJSON_IsRaw(item);
}

double rates_number(const cJSON *object, const char *key) {
    const cJSON *item = rates_member(object, key);
    return rates_is_number(item) ? item->valuedouble : 0;
}

uint64_t rates_count(const cJSON *object, const char *key) {
    const cJSON *item = rates_member(object, key);
    if (cJSON_IsRaw(item))
        return strtoull(item->valuestring, NULL, 10);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

/* NULL: no memory. */
static cJSON *rates_make_count(uint64_t value) {
    char digits[24];
    if (value <= EXACT_MAX)
        return cJSON_CreateNumber((double)value);
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    cJSON *item = cJSON_CreateRaw(digits);
    if (item)
        item->valuedouble = (double)value;
    return item;
}

static bool rates_add_count(cJSON *object, const char *key, uint64_t value) {
    cJSON *item = rates_make_count(value);
    if (cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

/* Let numbers that the tree rounds keep their text. False: no memory. */
static bool rates_keep_digits(cJSON *item, const char *value, const char *end) {
    bool good = true;
    if (cJSON_IsNumber(item) && item->valuedouble >= (double)EXACT_MAX) {
        item->valuestring = strndup(value, (size_t)(end - value));
        item->type = cJSON_Raw;
        return item->valuestring;
    }
    if (!item->child)
        return true;
    mfi_json_walk_t walk = mfi_json_walk(value, end);
    for (cJSON *child = item->child; good && mfi_json_next(&walk); child = child->next) {
        assert(child);
        good = rates_keep_digits(child, walk.value, walk.end);
    }
    return good;
}

cJSON *rates_read(const char *text, size_t bytes) {
    cJSON *stats = mfi_json_check("statistics", text, bytes) ? NULL : cJSON_Parse(text);
    if (stats && rates_keep_digits(stats, mfi_json_begin(text), text + bytes))
        return stats;
    cJSON_Delete(stats);
    return NULL;
}

static bool rates_add_number(cJSON *object, const char *key, double value) {
    return isnan(value) ? cJSON_AddNullToObject(object, key) != NULL
                        : cJSON_AddNumberToObject(object, key, value) != NULL;
}

/* Rounded to a tenth: further digits are noise. An object that is new since `before` began at 0. */
static double rates_of(const cJSON *now, const cJSON *before, const char *key, double seconds) {
    assert(now && key);
    if (seconds <= 0)
        return NAN;
    uint64_t count = rates_count(now, key), counted = rates_count(before, key);
    uint64_t more = counted <= count ? count - counted : count; /* less: a topic of the same name */
    return round((double)more / seconds * 10) / 10;
}

/* Held events and bytes include batches that have a place and wait for room. They may change while
 * they are read. */
static bool rates_add_fill(cJSON *object) {
    assert(cJSON_IsObject(object));
    double events =
        rates_number(object, "held_events") / fmax(rates_number(object, "room_events"), 1);
    double bytes = rates_number(object, "held_bytes") / fmax(rates_number(object, "room_bytes"), 1);
    return rates_add_number(object, "events_fill", round(fmin(events, 1) * 1e4) / 1e4) &&
           rates_add_number(object, "bytes_fill", round(fmin(bytes, 1) * 1e4) / 1e4);
}

static bool rates_add_partition(cJSON *now, const cJSON *before, double seconds) {
    return rates_add_number(now, "events_per_s", rates_of(now, before, "tail_events", seconds)) &&
           rates_add_number(now, "bytes_per_s", rates_of(now, before, "tail_bytes", seconds)) &&
           rates_add_fill(now);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static bool rates_add_sum(cJSON *topic, const char *key) {
    assert(cJSON_IsObject(topic));
    const cJSON *partition;
    uint64_t sum = 0;
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        sum += rates_count(partition, key);
    }
    return rates_add_count(topic, key, sum);
}

static bool rates_add_sum_of_rates(cJSON *topic, const char *key) {
    assert(cJSON_IsObject(topic));
    const cJSON *partition;
    double sum = 0;
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        const cJSON *item = rates_member(partition, key);
        sum += cJSON_IsNumber(item) ? item->valuedouble : NAN;
    }
    return rates_add_number(topic, key, sum);
}

static cJSON *rates_find_consumer(cJSON *list, const char *name) {
    assert(name);
    cJSON *consumer;
    cJSON_ArrayForEach(consumer, list) {
        if (strcmp(rates_member(consumer, "name")->valuestring, name) == 0)
            return consumer;
    }
    consumer = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, consumer) &&
                   cJSON_AddStringToObject(consumer, "name", name) &&
                   cJSON_AddFalseToObject(consumer, "live") && rates_add_count(consumer, "lag", 0)
               ? consumer
               : NULL;
}

/* A consumer is live if it is live in some partition. */
static bool rates_add_consumers(cJSON *topic) {
    const cJSON *partition, *each;
    cJSON *list = cJSON_AddArrayToObject(topic, "consumers");
    if (!list)
        return false;
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        cJSON_ArrayForEach(each, rates_member(partition, "consumers")) {
            cJSON *sum = rates_find_consumer(list, rates_member(each, "name")->valuestring);
            if (!sum)
                return false;
            cJSON *lag = rates_make_count(rates_count(sum, "lag") + rates_count(each, "lag"));
            if (!lag)
                return false;
            cJSON_ReplaceItemInObjectCaseSensitive(sum, "lag", lag);
            if (cJSON_IsTrue(rates_member(each, "live")) &&
                !cJSON_ReplaceItemInObjectCaseSensitive(sum, "live", cJSON_CreateTrue()))
                return false;
        }
    }
    return true;
}

static bool rates_add_sums(cJSON *topic) {
    static const char *const keys[] = {"tail_events", "tail_bytes",  "held_events",
                                       "held_bytes",  "room_events", "room_bytes"};
    bool good = true, complete = true;
    const cJSON *partition;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        good &= rates_add_sum(topic, keys[i]);
    good &= rates_add_sum_of_rates(topic, "events_per_s");
    good &= rates_add_sum_of_rates(topic, "bytes_per_s");
    good &= rates_add_sum(topic, "blocked_producers");
    good &= rates_add_sum(topic, "damaged_events");
    good &= rates_add_sum(topic, "voided_events");
    partition = cJSON_GetArrayItem(rates_member(topic, "partitions"), 0);
    if (partition && rates_member(partition, "unwritten_events"))
        good &= rates_add_sum(topic, "unwritten_events");
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        complete &= cJSON_IsTrue(rates_member(partition, "complete"));
    }
    return good && rates_add_fill(topic) && cJSON_AddBoolToObject(topic, "complete", complete) &&
           rates_add_consumers(topic);
}

/* ---- all ------------------------------------------------------------------------------------- */

static const cJSON *rates_first_of(const cJSON *object, const char *list) {
    const cJSON *items = rates_member(object, list);
    return items ? items->child : NULL;
}

static bool rates_add_topic(cJSON *topic, const cJSON *before, double seconds) {
    assert(cJSON_IsObject(topic));
    const cJSON *earlier = rates_first_of(before, "partitions");
    cJSON *partition;
    bool good = true;
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        good &= rates_add_partition(partition, earlier, seconds);
        earlier = earlier ? earlier->next : NULL;
    }
    return good && rates_add_sums(topic);
}

static const char *rates_name(const cJSON *topic) {
    const char *name = cJSON_GetStringValue(rates_member(topic, "name"));
    return name ? name : "";
}

/* The topic of that name in a list. `expected` is tried first; NULL: none is. */
static const cJSON *rates_find_topic(const cJSON *topics, const cJSON *expected, const char *name) {
    const cJSON *topic;
    if (expected && strcmp(rates_name(expected), name) == 0)
        return expected;
    cJSON_ArrayForEach(topic, topics) {
        if (strcmp(rates_name(topic), name) == 0)
            return topic;
    }
    return NULL;
}

static void rates_keep_matching(cJSON *topics, const char *pattern) {
    for (cJSON *topic = topics ? topics->child : NULL, *next; topic; topic = next) {
        next = topic->next;
        if (pattern && fnmatch(pattern, rates_name(topic), 0) != 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(topics, topic));
    }
}

bool rates_add(cJSON *now, const cJSON *before, const char *pattern) {
    assert(cJSON_IsObject(now) && (!before || cJSON_IsObject(before)));
    /* Topics may be missing in `before` because they could not be read. They are not new. */
    bool known = before && !rates_member(before, "topics_status");
    double seconds =
        known ? (rates_number(now, "time_us") - rates_number(before, "time_us")) * 1e-6 : 0;
    const cJSON *earlier = rates_member(before, "topics"), *next = earlier ? earlier->child : NULL;
    cJSON *topic;
    bool good = true;
    rates_keep_matching(rates_member(now, "topics"), pattern);
    cJSON_ArrayForEach(topic, rates_member(now, "topics")) {
        const cJSON *found = rates_find_topic(earlier, next, rates_name(topic));
        good &= rates_add_topic(topic, found, seconds);
        next = found ? found->next : next;
    }
    return good;
}

mofka_status_t rates_take(mofka_driver_t *driver, const char *pattern, cJSON **latest) {
    mofka_metadata_t *metadata;
    mofka_status_t status = mofka_driver_stats(driver, READ_MS, &metadata);
    if (status)
        return status;
    size_t bytes;
    const char *text = mofka_metadata_text(metadata, &bytes);
    cJSON *now = rates_read(text, bytes);
    mofka_metadata_release(metadata);
    if (!(now && rates_add(now, *latest, pattern))) {
        cJSON_Delete(now);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for statistics");
    }
    cJSON_Delete(*latest);
    *latest = now;
    return MOFKA_OK;
}

bool rates_write_json(const cJSON *stats, sink_t *line) {
    assert(cJSON_IsObject(stats));
    static const char *const keys[] = {"time_us", "rank",          "size",
                                       "ranks",   "topics_status", "topics"};
    cJSON *object = cJSON_CreateObject();
    bool good = object != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && good; i++) {
        cJSON *item = cJSON_GetObjectItemCaseSensitive(stats, keys[i]);
        good = !item || cJSON_AddItemReferenceToObject(object, keys[i], item);
    }
    char *text = good ? cJSON_PrintUnformatted(object) : NULL;
    if (text)
        event_line_write_json(line, text, strlen(text)); /* names may hold any byte */
    cJSON_free(text);
    cJSON_Delete(object);
    return text != NULL && !line->error;
}
