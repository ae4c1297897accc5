/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the options of a new topic. */
#include "mpi/topic/wish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/options.h>
#include "mpi/partition/partition.h"

static mofka_status_t wish_read_storage(const char *what, const char *json,
                                        mmi_storage_wish_t *storage) {
    static const char *const durabilities[] = {"memory", "written", "synced", NULL};
    static const char *const deliveries[] = {"published", "durable", NULL};
    *storage = (mmi_storage_wish_t){
        .durability = MMI_DURABLE_WRITTEN, .sync_ms = 1000, .segment_bytes = 256 << 20};
    const mofka_option_t options[] = {
        {"durability", MOFKA_OPTION_CHOICE, &storage->durability, 0, 0, durabilities},
        {"deliver", MOFKA_OPTION_CHOICE, &storage->deliver, 0, 0, deliveries},
        {"sync_ms", MOFKA_OPTION_UINT, &storage->sync_ms, 0, 3600000, NULL},
        {"segment_bytes", MOFKA_OPTION_UINT, &storage->segment_bytes, 4096, 0, NULL},
        {"retain_bytes", MOFKA_OPTION_UINT, &storage->retain_bytes, 0, 0, NULL},
        {"retain_ms", MOFKA_OPTION_UINT, &storage->retain_ms, 0, 0, NULL},
    };
    return mofka_options_read(what, json, options, sizeof options / sizeof options[0]);
}

/* With storage, the ring keeps what is not durable yet. */
static mofka_status_t wish_add_storage(const char *what, const char *json, mmi_wish_t *wish) {
    char text[MOFKA_NAME_BYTES_MAX + 32];
    snprintf(text, sizeof text, "%s, \"storage\"", what);
    if (wish->retention == MMI_DISCARD_OLDEST)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: \"retention\" \"discard_oldest\" does not go with \"storage\": all "
                          "events are kept in files; see \"retain_bytes\"",
                          what);
    wish->retention = MMI_RETAIN_STORED;
    return wish_read_storage(text, json, &wish->storage);
}

/* The option "partitions": a number, or a word. */
static mofka_status_t wish_read_count(const char *what, const char *json, uint64_t *count) {
    char number[64];
    const mofka_option_t option = {.key = "partitions",
                                   .kind = MOFKA_OPTION_UINT,
                                   .value = count,
                                   .min = 1,
                                   .max = MOFKA_PARTITIONS_MAX};
    if (!json)
        return MOFKA_OK;
    if (strcmp(json, "\"per_owner\"") == 0) {
        *count = 0;
        return MOFKA_OK;
    }
    if (json[strspn(json, "0123456789.eE+-")] != '\0' || strlen(json) > sizeof number / 2)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: option \"partitions\" must be a whole number in [1, %d], or "
                          "\"per_owner\", not %.100s",
                          what, MOFKA_PARTITIONS_MAX, json);
    snprintf(number, sizeof number, "{\"partitions\":%s}", json);
    return mofka_options_read(what, number, &option, 1);
}

mofka_status_t mmi_wish_read(const mofka_topic_config_t *config, mmi_wish_t *wish) {
    static const char *const policies[] = {"acknowledged", "discard_oldest", NULL};
    static const char *const checksums[] = {"auto", "on", "off", NULL};
    static const char *const producers[] = {"any", "node", NULL};
    char *partitions = NULL;
    char *storage = NULL;
    *wish = (mmi_wish_t){.partition_count = 1, .ring_bytes = 8 << 20, .slots = 32768};
    const mofka_option_t options[] = {
        {.key = "partitions", .kind = MOFKA_OPTION_JSON, .value = &partitions},
        {.key = "producers",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->producers,
         .choices = producers},
        {.key = "partition_bytes",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->ring_bytes,
         .min = MMI_UNIT_BYTES,
         .max = MMI_RING_BYTES_MAX},
        {.key = "partition_events",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->slots,
         .min = 1,
         .max = MMI_SLOTS_MAX},
        {.key = "retention",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->retention,
         .choices = policies},
        {.key = "checksum",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->checksum,
         .choices = checksums},
        {.key = "expected_producers",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->expected_producers,
         .max = MMI_EXPECTED_MAX},
        {.key = "storage", .kind = MOFKA_OPTION_JSON, .value = &storage},
    };
    char what[MOFKA_NAME_BYTES_MAX + 16];
    snprintf(what, sizeof what, "topic '%s'", config->name);
    mofka_status_t status =
        mofka_options_read(what, config->options, options, sizeof options / sizeof options[0]);
    if (!status)
        status = wish_read_count(what, partitions, &wish->partition_count);
    free(partitions);
    if (!status && storage)
        status = wish_add_storage(what, storage, wish);
    free(storage);
    wish->ring_bytes = mmi_round_up(wish->ring_bytes, MMI_UNIT_BYTES);
    return status;
}
