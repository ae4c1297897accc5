/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partition selectors, which choose an event's partition, and the type "default", which takes
 * turns. Path: push 3/7. Before: types/validator.c. After: producer/lanes/lane.c.
 */
#include <mofka/register.h>
#include <mofka/partition_selector.h>

#include <assert.h>
#include <stdlib.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "types/helper.h"

struct mofka_partition_selector {
    mfi_helper_t helper;
    const mofka_partition_selector_ops_t *ops;
    size_t count; /* of partitions; 0 until set_partitions */
};

/* The table of an older build ends before the slots that are newer than it. */
#define OPS_SIZE_MIN offsetof(mofka_partition_selector_ops_t, batch_left)
#define OPS_HAS(ops, slot)                                                                         \
    ((ops)->size > offsetof(mofka_partition_selector_ops_t, slot) && (ops)->slot)

typedef struct turns {
    size_t count, next;
} turns_t;

static mofka_status_t turns_set(void *self, const mofka_metadata_t *const *partitions,
                                size_t count) {
    (void)partitions;
    assert(count > 0);
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
    assert(turns->next < turns->count);
    return MOFKA_OK;
}

static const mofka_partition_selector_ops_t turns_ops = {
    .size = sizeof turns_ops, .set_partitions = turns_set, .select = turns_select, .destroy = free};

static mofka_status_t turns_create(const mofka_metadata_t *metadata,
                                   const mofka_partition_selector_ops_t **ops, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status = mofka_options_read("default partition selector",
                                               mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    turns_t *turns = status ? NULL : calloc(1, sizeof *turns);
    if (!status && !turns)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    assert(status || turns);
    *ops = &turns_ops;
    *self = turns;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(default, turns_create);

bool mfi_partition_selector_takes_turns(const mofka_partition_selector_t *selector) {
    assert(mfi_object_is(selector, MFI_SELECTOR));
    return selector->ops == &turns_ops;
}

bool mfi_partition_selector_ignores_metadata(const mofka_partition_selector_t *selector) {
    return mfi_partition_selector_takes_turns(selector) || selector->ops == &mfi_selector_local_ops;
}

bool mfi_partition_selector_follows_batches(const mofka_partition_selector_t *selector) {
    assert(mfi_object_is(selector, MFI_SELECTOR));
    return OPS_HAS(selector->ops, batch_left);
}

void mfi_partition_selector_batch_left(mofka_partition_selector_t *selector, size_t partition) {
    assert(mfi_partition_selector_follows_batches(selector) && partition < selector->count);
    selector->ops->batch_left(selector->helper.self, partition);
}

mofka_status_t mofka_partition_selector_register(const char *type,
                                                 mofka_partition_selector_create_fn create) {
    return mfi_registry_add(MFI_REGISTRY_SELECTOR, type, (mfi_function_t)create);
}

static mofka_status_t selector_start(mfi_helper_t *helper, mfi_function_t create,
                                     const void **ops) {
    const mofka_partition_selector_ops_t *table = NULL;
    mofka_status_t status =
        ((mofka_partition_selector_create_fn)create)(helper->metadata, &table, &helper->self);
    *ops = table;
    return status;
}

static bool selector_adopt(mfi_helper_t *helper, const void *ops) {
    const mofka_partition_selector_ops_t *table = ops;
    if (table->size < OPS_SIZE_MIN || !table->set_partitions || !table->select)
        return false;
    mfi_container_of(helper, mofka_partition_selector_t, helper)->ops = table;
    helper->destroy = table->destroy;
    return true;
}

static const mfi_helper_kind_t selector_kind = {.name = "partition selector",
                                                .registry = MFI_REGISTRY_SELECTOR,
                                                .object = MFI_SELECTOR,
                                                .bytes = sizeof(mofka_partition_selector_t),
                                                .start = selector_start,
                                                .adopt = selector_adopt};

static mofka_status_t selector_create(const char *json, mfi_named_by_t by,
                                      mofka_partition_selector_t **selector) {
    void *made;
    mofka_status_t status = mfi_helper_create(&selector_kind, json, by, &made);
    if (!status)
        *selector = made;
    return status;
}

mofka_status_t mofka_partition_selector_from_metadata(const char *json,
                                                      mofka_partition_selector_t **selector) {
    MFI_KEEP_ERRNO;
    return selector_create(json, MFI_NAMED_BY_OPTION, selector);
}

mofka_status_t mfi_partition_selector_from_record(const char *json,
                                                  mofka_partition_selector_t **selector) {
    return selector_create(json, MFI_NAMED_BY_RECORD, selector);
}

mofka_status_t mofka_partition_selector_wrap(const mofka_partition_selector_ops_t *ops, void *self,
                                             mofka_partition_selector_t **selector) {
    void *made;
    mofka_status_t status = mfi_helper_wrap(&selector_kind, ops, self, &made);
    if (!status)
        *selector = made;
    return status;
}

mofka_partition_selector_t *mofka_partition_selector_retain(mofka_partition_selector_t *selector) {
    return mfi_helper_retain(selector, MFI_SELECTOR);
}

void mofka_partition_selector_release(mofka_partition_selector_t *selector) {
    MFI_KEEP_ERRNO;
    mfi_helper_release(selector, MFI_SELECTOR);
}

const mofka_metadata_t *
mofka_partition_selector_metadata(const mofka_partition_selector_t *selector) {
    return mfi_helper_metadata(selector, MFI_SELECTOR);
}

mofka_status_t mofka_partition_selector_set_partitions(mofka_partition_selector_t *selector,
                                                       const mofka_metadata_t *const *partitions,
                                                       size_t count) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(selector, MFI_SELECTOR, "partition selector");
    if (!status && count == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "a partition selector needs at least one partition");
    if (!status && selector->count > 0)
        status = mofka_fail(MOFKA_ERR_BUSY, "the partition selector serves a producer already");
    if (!status)
        status = selector->ops->set_partitions(selector->helper.self, partitions, count);
    if (!status)
        selector->count = count;
    return status;
}

mofka_status_t mofka_partition_selector_check_count(const char *json, size_t count) {
    MFI_KEEP_ERRNO;
    mofka_partition_selector_t *selector = NULL;
    mofka_status_t status = mofka_partition_selector_from_metadata(json, &selector);
    if (!status && OPS_HAS(selector->ops, check_count))
        status = selector->ops->check_count(selector->helper.self, count);
    mofka_partition_selector_release(selector);
    return status;
}

mofka_status_t mofka_partition_selector_select(mofka_partition_selector_t *selector,
                                               const char *metadata, size_t metadata_bytes,
                                               size_t requested, size_t *partition) {
    MFI_KEEP_ERRNO;
    size_t chosen = 0;
    mofka_status_t status = mfi_check(selector, MFI_SELECTOR, "partition selector");
    if (!status && selector->count == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "the partition selector has no partitions yet");
    if (!status)
        status = selector->ops->select(selector->helper.self, metadata, metadata_bytes, requested,
                                       &chosen);
    if (status)
        return status;
    if (chosen >= selector->count)
        return mofka_fail(MOFKA_ERR_RANGE, "the partition selector chose %zu of %zu partitions",
                          chosen, selector->count);
    *partition = chosen;
    return MOFKA_OK;
}
