/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The selector type "sticky": {"type": "sticky"}. It keeps choosing one partition until the
 * producer's open batch of that partition leaves; then it moves on to the next partition. Only one
 * batch fills at a time. So a batch that leaves by its linger time or by a flush is fuller than
 * with the type "default".
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>

typedef struct sticky_selector {
    size_t count;
    _Atomic size_t current; /* moved by the thread that seals the batch */
} sticky_selector_t;

/* Producers begin at different partitions; else all would fill the same partition at a time. */
static size_t sticky_choose_first(size_t count) {
    static _Atomic uint32_t made;
    const uint32_t name[] = {(uint32_t)getpid(), atomic_fetch_add(&made, 1)};
    return (size_t)(XXH3_64bits(name, sizeof name) % count);
}

static mofka_status_t sticky_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                            size_t count) {
    sticky_selector_t *sticky = self;
    (void)partitions;
    assert(count > 0);
    sticky->count = count;
    atomic_store(&sticky->current, sticky_choose_first(count));
    return MOFKA_OK;
}

static mofka_status_t sticky_select(void *self, const char *metadata, size_t metadata_bytes,
                                    size_t requested, size_t *partition) {
    sticky_selector_t *sticky = self;
    (void)metadata, (void)metadata_bytes;
    *partition = requested != MOFKA_ANY_PARTITION
                     ? requested % sticky->count
                     : atomic_load_explicit(&sticky->current, memory_order_relaxed);
    assert(*partition < sticky->count);
    return MOFKA_OK;
}

/* The batch of a partition that is not current is ignored: a push had named that partition, or the
 * selector has moved on already. */
static void sticky_batch_left(void *self, size_t partition) {
    sticky_selector_t *sticky = self;
    assert(partition < sticky->count);
    size_t next = partition + 1 == sticky->count ? 0 : partition + 1;
    atomic_compare_exchange_strong(&sticky->current, &partition, next);
}

static const mofka_partition_selector_ops_t sticky_ops = {.size = sizeof sticky_ops,
                                                          .set_partitions = sticky_set_partitions,
                                                          .select = sticky_select,
                                                          .destroy = free,
                                                          .batch_left = sticky_batch_left};

static mofka_status_t sticky_create(const mofka_metadata_t *metadata,
                                    const mofka_partition_selector_ops_t **out, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("sticky selector", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    sticky_selector_t *sticky = status ? NULL : calloc(1, sizeof *sticky);
    if (!status && !sticky)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    *out = &sticky_ops;
    *self = sticky;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(sticky, sticky_create);
