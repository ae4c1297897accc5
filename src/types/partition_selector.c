/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partition selectors, and the default one, which takes turns.
 * Path: push 3/7. Before: validator.c. After: serializer.c.
 */
#include <mofka/partition_selector.h>

#include <stdlib.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "base/object.h"
#include "types/helper.h"
#include "base/object.h"
#include "types/registry.h"

struct mofka_partition_selector {
    mfi_object_t object;
    const mofka_partition_selector_ops_t *ops;
    void *self;
    size_t count;
    mofka_metadata_t *metadata;
};

/* Tables of builds that did not know of a slot end before it. */
#define OPS_SIZE_MIN offsetof(mofka_partition_selector_ops_t, batch_left)
#define HAS_SLOT(ops, slot)                                                                        \
    ((ops)->size > offsetof(mofka_partition_selector_ops_t, slot) && (ops)->slot)

typedef struct turns {
    size_t count, next;
} turns_t;

static mofka_status_t turns_set(void *self, const mofka_metadata_t *const *partitions,
                                size_t count) {
    (void)partitions;
    *(turns_t *)self = (turns_t){.count = count};
    return MOFKA_OK;
}

static mofka_status_t turns_select(void *self, const char *metadata, size_t metadata_bytes,
                                   size_t requested, size_t *partition) {
    turns_t *turns = self;
    (void)metadata, (void)metadata_bytes;
    if (requested != MOFKA_ANY_PARTITION) {
        *partition = requested % turns->count;
        return MOFKA_OK;
    }
    *partition = turns->next;
    turns->next = turns->next + 1 == turns->count ? 0 : turns->next + 1;
    return MOFKA_OK;
}

static const mofka_partition_selector_ops_t turns_ops = {
    .size = sizeof turns_ops, .set_partitions = turns_set, .select = turns_select, .destroy = free};

static mofka_status_t default_create(const mofka_metadata_t *metadata,
                                     const mofka_partition_selector_ops_t **ops, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status = mofka_options_read("default partition selector",
                                               mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    turns_t *turns = status ? NULL : calloc(1, sizeof *turns);
    if (!status && !turns)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    *ops = &turns_ops;
    *self = turns;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(default, default_create);

bool mfi_partition_selector_takes_turns(const mofka_partition_selector_t *selector) {
    return selector->ops == &turns_ops;
}

bool mfi_partition_selector_follows_batches(const mofka_partition_selector_t *selector) {
    return HAS_SLOT(selector->ops, batch_left);
}

void mfi_partition_selector_batch_left(mofka_partition_selector_t *selector, size_t partition) {
    selector->ops->batch_left(selector->self, partition);
}

mofka_status_t mofka_partition_selector_register(const char *type,
                                                 mofka_partition_selector_create_fn create) {
    return mfi_register(MFI_REGISTRY_SELECTOR, type, (mfi_function_t)create);
}

mofka_status_t mofka_partition_selector_from_metadata(const char *json,
                                                      mofka_partition_selector_t **selector) {
    mfi_function_t create;
    mofka_partition_selector_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    mofka_status_t status =
        mfi_registry_from_json(MFI_REGISTRY_SELECTOR, json, &made->metadata, &create);
    if (!status)
        status =
            ((mofka_partition_selector_create_fn)create)(made->metadata, &made->ops, &made->self);
    if (!status && (!made->ops || made->ops->size < OPS_SIZE_MIN || !made->ops->set_partitions ||
                    !made->ops->select))
        status = mofka_fail(MOFKA_ERR_INVALID, "partition selector %s: its table is incomplete",
                            mofka_metadata_text(made->metadata, NULL));
    if (status) {
        mofka_metadata_release(made->metadata);
        free(made);
        return status;
    }
    mfi_object_init(&made->object, MFI_SELECTOR);
    *selector = made;
    return MOFKA_OK;
}

mofka_partition_selector_t *mofka_partition_selector_retain(mofka_partition_selector_t *selector) {
    if (!mfi_object_is(selector, MFI_SELECTOR))
        return NULL;
    mfi_object_retain(&selector->object);
    return selector;
}

void mofka_partition_selector_release(mofka_partition_selector_t *selector) {
    if (!mfi_object_is(selector, MFI_SELECTOR) || !mfi_object_release(&selector->object))
        return;
    if (selector->ops->destroy)
        selector->ops->destroy(selector->self);
    mofka_metadata_release(selector->metadata);
    free(selector);
}

const mofka_metadata_t *
mofka_partition_selector_metadata(const mofka_partition_selector_t *selector) {
    return mfi_object_is(selector, MFI_SELECTOR) ? selector->metadata : NULL;
}

mofka_status_t mofka_partition_selector_set_partitions(mofka_partition_selector_t *selector,
                                                       const mofka_metadata_t *const *partitions,
                                                       size_t count) {
    mofka_status_t status = mfi_check(selector, MFI_SELECTOR, "partition selector");
    if (!status && count == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "a partition selector needs at least one partition");
    if (status)
        return status;
    selector->count = count;
    return selector->ops->set_partitions(selector->self, partitions, count);
}

mofka_status_t mofka_partition_selector_check_count(const char *json, size_t count) {
    mofka_partition_selector_t *selector = NULL;
    mofka_status_t status = mofka_partition_selector_from_metadata(json, &selector);
    if (!status && HAS_SLOT(selector->ops, check_count))
        status = selector->ops->check_count(selector->self, count);
    mofka_partition_selector_release(selector);
    return status;
}

mofka_status_t mofka_partition_selector_select(mofka_partition_selector_t *selector,
                                               const char *metadata, size_t metadata_bytes,
                                               size_t requested, size_t *partition) {
    size_t chosen = 0;
    mofka_status_t status = mfi_check(selector, MFI_SELECTOR, "partition selector");
    if (!status)
        status =
            selector->ops->select(selector->self, metadata, metadata_bytes, requested, &chosen);
    if (status)
        return status;
    if (chosen >= selector->count)
        return mofka_fail(MOFKA_ERR_RANGE, "the partition selector chose %zu of %zu partitions",
                          chosen, selector->count);
    *partition = chosen;
    return MOFKA_OK;
}
