/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic of a store, and its partitions, as JSON. */
#include "mpi/ctl/out/store_info.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <mofka/backend.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "json/tree.h"
#include "store/record.h"

/* A time in ns since 1970 as text: all of its digits, in UTC. */
static bool store_info_add_time(cJSON *object, const char *key, uint64_t ns) {
    char text[64];
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    size_t bytes =
        gmtime_r(&seconds, &tm) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    snprintf(text + bytes, sizeof text - bytes, ".%09" PRIu64 "Z", ns % 1000000000);
    return cJSON_AddStringToObject(object, key, text);
}

cJSON *store_info_begin(const mfi_topic_record_t *record) {
    char uuid[33];
    cJSON *topic = cJSON_CreateObject();
    mfi_uuid_print(&record->uuid, uuid);
    if (cJSON_AddStringToObject(topic, "topic", record->name) &&
        cJSON_AddStringToObject(topic, "uuid", uuid) &&
        cJSON_AddRawToObject(topic, "options", record->options) &&
        cJSON_AddRawToObject(topic, "validator", record->validator) &&
        cJSON_AddRawToObject(topic, "selector", record->selector) &&
        cJSON_AddRawToObject(topic, "serializer", record->serializer) &&
        cJSON_AddArrayToObject(topic, "partitions"))
        return topic;
    cJSON_Delete(topic);
    return NULL;
}

/* ---- a partition ----------------------------------------------------------------------------- */

/* One partition under way. */
typedef struct info_partition {
    const mfi_log_t *log;
    mfi_chain_t chain;
    mfi_scan_t scan;
    cJSON *json, *consumers;
    bool whole; /* all of it found memory */
} info_partition_t;

static void info_add_segment(info_partition_t *p, cJSON *list, const mfi_part_t *part) {
    char path[MFI_PATH_BYTES_MAX];
    cJSON *segment = cJSON_CreateObject();
    if (mfi_part_path(p->log, part->life, part->first_id, ".log", path))
        path[0] = '\0';
    const char *slash = strrchr(path, '/');
    p->whole = cJSON_AddStringToObject(segment, "file", slash ? slash + 1 : path) &&
               mfi_json_add_count(segment, "first_id", part->first_id) &&
               mfi_json_add_count(segment, "life", part->life) &&
               mfi_json_add_count(segment, "bytes", part->bytes) &&
               cJSON_AddBoolToObject(segment, "counts", !part->is_void) && p->whole;
    if (!cJSON_AddItemToArray(list, segment))
        cJSON_Delete(segment);
}

static mofka_status_t info_add_files(info_partition_t *p) {
    uint64_t bytes = 0;
    mofka_status_t status = mfi_chain_load(p->log, &p->chain);
    if (!status)
        status = mfi_scan_run(p->log, &p->chain, &p->scan);
    if (status)
        return status;
    for (size_t i = 0; i < p->chain.count; i++)
        bytes += p->chain.parts[i].bytes;
    p->whole = mfi_json_add_count(p->json, "first_id", p->scan.oldest) &&
               mfi_json_add_count(p->json, "next_id", p->scan.end) &&
               mfi_json_add_count(p->json, "synced_id", p->scan.synced) &&
               cJSON_AddBoolToObject(p->json, "complete", p->scan.complete) &&
               mfi_json_add_count(p->json, "bytes", bytes) &&
               mfi_json_add_count(p->json, "torn_bytes", p->scan.torn_bytes) && p->whole;
    cJSON *list = cJSON_AddArrayToObject(p->json, "segments");
    for (size_t i = 0; i < p->chain.count && list; i++)
        info_add_segment(p, list, &p->chain.parts[i]);
    p->whole = list && p->whole;
    return MOFKA_OK;
}

/* When the oldest event was stored, and the newest. */
static mofka_status_t info_add_times(info_partition_t *p) {
    mfi_reader_t *reader;
    mfi_read_t read = {.kind = MFI_FRAME_VOID};
    if (p->scan.oldest == p->scan.end)
        return MOFKA_OK;
    mofka_status_t status = mfi_reader_open(p->log, &reader);
    if (status)
        return status;
    while (!(status = mfi_reader_next(reader, 0, &read)) && read.kind != MFI_FRAME_BATCH)
        ;
    if (!status)
        p->whole = store_info_add_time(p->json, "first_stored", read.stamp) &&
                   store_info_add_time(p->json, "last_stored", p->scan.stamp_max) && p->whole;
    mfi_reader_close(reader);
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

static void info_add_consumer(void *context, const mfi_place_t *place) {
    info_partition_t *p = context;
    uint64_t id = mfi_chain_place(&p->chain, place->life, place->id);
    cJSON *consumer = cJSON_CreateObject();
    p->whole = cJSON_AddStringToObject(consumer, "name", place->name) &&
               mfi_json_add_count(consumer, "acknowledged", id) &&
               mfi_json_add_count(consumer, "lag", id < p->scan.end ? p->scan.end - id : 0) &&
               p->whole;
    if (!cJSON_AddItemToArray(p->consumers, consumer))
        cJSON_Delete(consumer);
}

static mofka_status_t info_add_consumers(info_partition_t *p) {
    mfi_places_t *places;
    size_t damaged = 0;
    mofka_status_t status = mfi_places_open(p->log, false, &places);
    if (status)
        return status;
    p->consumers = cJSON_AddArrayToObject(p->json, "consumers");
    p->whole = p->consumers && p->whole;
    status = mfi_places_list(places, info_add_consumer, p, &damaged);
    mfi_places_close(places);
    if (!status && damaged > 0)
        status = mofka_fail(MOFKA_ERR_CORRUPT,
                            "%s/places: %zu places are damaged; \"mofkactl log repair\" removes "
                            "them, and their consumers begin at the oldest event",
                            p->log->folder, damaged);
    return status;
}

static mofka_status_t info_add_writer(info_partition_t *p) {
    mfi_lock_owner_t owner;
    bool owned;
    mofka_status_t status = mfi_lock_look(p->log, &owner, &owned);
    if (status)
        return status;
    if (!owned) {
        p->whole = cJSON_AddNullToObject(p->json, "writer") && p->whole;
        return MOFKA_OK;
    }
    cJSON *writer = cJSON_AddObjectToObject(p->json, "writer");
    p->whole = cJSON_AddStringToObject(writer, "host", owner.host) &&
               mfi_json_add_count(writer, "pid", owner.pid) &&
               store_info_add_time(writer, "since", owner.since * 1000000000) &&
               store_info_add_time(writer, "stamp", owner.stamp) &&
               cJSON_AddBoolToObject(writer, "locked", owner.locked) && p->whole;
    return MOFKA_OK;
}

/* The first error, after which the other parts are tried all the same. */
static mofka_status_t info_fill(info_partition_t *p) {
    mofka_status_t (*const steps[])(info_partition_t *) = {info_add_files, info_add_times,
                                                           info_add_consumers, info_add_writer};
    mofka_status_t first = MOFKA_OK;
    char message[MOFKA_MESSAGE_BYTES_MAX + 1] = "";
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        mofka_status_t status = steps[i](p);
        if (status && !first) {
            first = status;
            snprintf(message, sizeof message, "%s", mofka_last_error());
        }
    }
    return first ? mofka_fail(first, "%s", message) : MOFKA_OK;
}

mofka_status_t store_info_add(cJSON *topic, const mfi_topic_record_t *record,
                              const mfi_log_t *log) {
    info_partition_t p = {.log = log, .json = cJSON_CreateObject()};
    p.whole = mfi_json_add_count(p.json, "partition", log->partition) &&
              cJSON_AddStringToObject(p.json, "host", record->hosts[log->partition]) &&
              cJSON_AddStringToObject(p.json, "folder", log->folder);
    mofka_status_t status = info_fill(&p);
    mfi_chain_clear(&p.chain);
    if (!cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(topic, "partitions"), p.json)) {
        cJSON_Delete(p.json);
        p.whole = false;
    }
    return p.whole ? status : mofka_fail(MOFKA_ERR_MEMORY, "no memory to describe %s", log->folder);
}
