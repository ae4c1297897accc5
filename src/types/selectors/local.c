/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The selector type "local": {"type": "local"}. It takes those partitions in turn that are in the
 * memory of this process's node. A partition whose description does not say where it is counts as
 * such a one.
 */
#include "types/helper.h"
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>

typedef struct local_selector {
    size_t count;       /* of all partitions */
    size_t *local;      /* indices; `local_count` of them */
    size_t local_count; /* 0: no partition is local */
    size_t next;        /* of these */
} local_selector_t;

static bool partition_is_local(const mofka_metadata_t *info) {
    const cJSON *json = NULL;
    if (!info || mofka_metadata_json(info, &json))
        return true;
    return !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "local"));
}

static mofka_status_t local_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                           size_t count) {
    local_selector_t *selector = self;
    assert(count > 0 && !selector->local);
    selector->local = malloc(count * sizeof *selector->local);
    if (!selector->local)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    selector->count = count;
    for (size_t i = 0; i < count; i++)
        if (partition_is_local(partitions[i]))
            selector->local[selector->local_count++] = i;
    return MOFKA_OK;
}

static mofka_status_t local_select(void *self, const char *metadata, size_t metadata_bytes,
                                   size_t requested, size_t *partition) {
    local_selector_t *selector = self;
    (void)metadata, (void)metadata_bytes;
    if (requested != MOFKA_ANY_PARTITION) {
        *partition = requested % selector->count;
        return MOFKA_OK;
    }
    if (selector->local_count == 0)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "the selector \"local\" finds none of %zu partitions on this node",
                          selector->count);
    *partition = selector->local[selector->next];
    selector->next = selector->next + 1 == selector->local_count ? 0 : selector->next + 1;
    assert(*partition < selector->count);
    return MOFKA_OK;
}

static void local_destroy(void *self) {
    local_selector_t *selector = self;
    free(selector->local);
    free(selector);
}

const mofka_partition_selector_ops_t mfi_selector_local_ops = {
    .size = sizeof mfi_selector_local_ops,
    .set_partitions = local_set_partitions,
    .select = local_select,
    .destroy = local_destroy};

static mofka_status_t local_create(const mofka_metadata_t *metadata,
                                   const mofka_partition_selector_ops_t **out, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("local selector", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    local_selector_t *selector = status ? NULL : calloc(1, sizeof *selector);
    if (!status && !selector)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    *out = &mfi_selector_local_ops;
    *self = selector;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(local, local_create);
