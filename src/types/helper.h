/* SPDX-License-Identifier: BSD-3-Clause */
/* What validators, partition selectors and serializers have in common, and what the core asks of
 * them beyond their public functions. */
#ifndef MOFKA_SRC_TYPES_HELPER_H
#define MOFKA_SRC_TYPES_HELPER_H

#include <stdbool.h>
#include <mofka/mofka.h>
#include "base/object.h"
#include "types/registry.h"

/* The beginning of a helper's handle. */
typedef struct mfi_helper {
    mfi_object_t object;
    void *self;                  /* the type's own state */
    void (*destroy)(void *self); /* from the type's table, or NULL */
    mofka_metadata_t *metadata;  /* NULL: it was wrapped, and has no JSON */
} mfi_helper_t;

/* One of the three kinds of helper. */
typedef struct mfi_helper_kind {
    const char *name; /* for messages */
    mfi_registry_kind_t registry;
    mfi_kind_t object;
    size_t bytes; /* of its handle */
    /* Call the type's `create`. Give *ops, its table, and helper->self. */
    mofka_status_t (*start)(mfi_helper_t *helper, mfi_function_t create, const void **ops);
    /* Keep the table. False: it is incomplete. */
    bool (*adopt)(mfi_helper_t *helper, const void *ops);
} mfi_helper_kind_t;

/* Make a helper of the type that `json` (borrowed; NULL: {}) names. `by`: where the type's library
 * may come from. Give *helper: mfi_helper_release. MOFKA_ERR_JSON, MOFKA_ERR_OPTION,
 * MOFKA_ERR_NOT_FOUND: `json` is invalid, or no such type. */
mofka_status_t mfi_helper_create(const mfi_helper_kind_t *kind, const char *json, mfi_named_by_t by,
                                 void **helper);
/* Make a helper of a table and its `self` (taken). Give *helper: mfi_helper_release.
 * MOFKA_ERR_INVALID: the table lacks a function. */
mofka_status_t mfi_helper_wrap(const mfi_helper_kind_t *kind, const void *ops, void *self,
                               void **helper);
/* Each accepts NULL and handles of another kind. */
void *mfi_helper_retain(const void *helper, mfi_kind_t object);
void mfi_helper_release(void *helper, mfi_kind_t object);
const mofka_metadata_t *mfi_helper_metadata(const void *helper, mfi_kind_t object);

/* Make a helper from a topic's record. Its library comes from the plug-in folders only (plugin.h).
 * Else as mofka_validator_from_metadata, and so on. */
mofka_status_t mfi_validator_from_record(const char *json, mofka_validator_t **validator);
mofka_status_t mfi_serializer_from_record(const char *json, mofka_serializer_t **serializer);
/* Make metadata from `size` serialized bytes. Give: mofka_metadata_release. Errors: as
 * mofka_serializer_deserialize. */
mofka_status_t mfi_serializer_read(const mofka_serializer_t *serializer, const char *bytes,
                                   size_t size, mofka_metadata_t **metadata);
mofka_status_t mfi_partition_selector_from_record(const char *json,
                                                  mofka_partition_selector_t **selector);

/* Whether a validator accepts everything: it need not be called. */
bool mfi_validator_accepts_all(const mofka_validator_t *validator);
/* Whether a selector is the default one, which needs no call for a topic of one partition. */
bool mfi_partition_selector_takes_turns(const mofka_partition_selector_t *selector);
/* Whether it chooses without a look at metadata: it is `default` or `local`. */
bool mfi_partition_selector_ignores_metadata(const mofka_partition_selector_t *selector);
/* The table of the type `local`: selectors/local.c. */
extern const struct mofka_partition_selector_ops mfi_selector_local_ops;
/* Whether a selector wants a report of each batch that leaves. */
bool mfi_partition_selector_follows_batches(const mofka_partition_selector_t *selector);
/* Report that a batch of `partition` leaves. From any thread, with any locks held. */
void mfi_partition_selector_batch_left(mofka_partition_selector_t *selector, size_t partition);

#endif
