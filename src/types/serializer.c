/* SPDX-License-Identifier: BSD-3-Clause */
/* Serializers, which say how metadata is stored, and the type "default", which stores it as it
 * is. */
#include <mofka/register.h>
#include <mofka/serializer.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "types/helper.h"

struct mofka_serializer {
    mfi_helper_t helper;
    const mofka_serializer_ops_t *ops;
};

static const mofka_serializer_ops_t serializer_identity = {.size = sizeof serializer_identity};

static mofka_status_t serializer_create_default(const mofka_metadata_t *metadata,
                                                const mofka_serializer_ops_t **ops, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("default serializer", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    *ops = &serializer_identity;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_SERIALIZER(default, serializer_create_default);

mofka_status_t mofka_serializer_register(const char *type, mofka_serializer_create_fn create) {
    return mfi_registry_add(MFI_REGISTRY_SERIALIZER, type, (mfi_function_t)create);
}

static mofka_status_t serializer_start(mfi_helper_t *helper, mfi_function_t create,
                                       const void **ops) {
    const mofka_serializer_ops_t *table = NULL;
    mofka_status_t status =
        ((mofka_serializer_create_fn)create)(helper->metadata, &table, &helper->self);
    *ops = table;
    return status;
}

static bool serializer_adopt(mfi_helper_t *helper, const void *ops) {
    const mofka_serializer_ops_t *table = ops;
    if (table->size < sizeof *table || !table->serialize != !table->deserialize)
        return false;
    mfi_container_of(helper, mofka_serializer_t, helper)->ops = table;
    helper->destroy = table->destroy;
    return true;
}

static const mfi_helper_kind_t serializer_kind = {.name = "serializer",
                                                  .registry = MFI_REGISTRY_SERIALIZER,
                                                  .object = MFI_SERIALIZER,
                                                  .bytes = sizeof(mofka_serializer_t),
                                                  .start = serializer_start,
                                                  .adopt = serializer_adopt};

static mofka_status_t serializer_create(const char *json, mfi_named_by_t by,
                                        mofka_serializer_t **serializer) {
    void *made;
    mofka_status_t status = mfi_helper_create(&serializer_kind, json, by, &made);
    if (!status)
        *serializer = made;
    return status;
}

mofka_status_t mofka_serializer_from_metadata(const char *json, mofka_serializer_t **serializer) {
    MFI_KEEP_ERRNO;
    return serializer_create(json, MFI_NAMED_BY_OPTION, serializer);
}

mofka_status_t mfi_serializer_from_record(const char *json, mofka_serializer_t **serializer) {
    return serializer_create(json, MFI_NAMED_BY_RECORD, serializer);
}

mofka_status_t mofka_serializer_wrap(const mofka_serializer_ops_t *ops, void *self,
                                     mofka_serializer_t **serializer) {
    void *made;
    mofka_status_t status = mfi_helper_wrap(&serializer_kind, ops, self, &made);
    if (!status)
        *serializer = made;
    return status;
}

mofka_serializer_t *mofka_serializer_retain(const mofka_serializer_t *serializer) {
    return mfi_helper_retain(serializer, MFI_SERIALIZER);
}

void mofka_serializer_release(mofka_serializer_t *serializer) {
    MFI_KEEP_ERRNO;
    mfi_helper_release(serializer, MFI_SERIALIZER);
}

const mofka_metadata_t *mofka_serializer_metadata(const mofka_serializer_t *serializer) {
    return mfi_helper_metadata(serializer, MFI_SERIALIZER);
}

bool mofka_serializer_is_identity(const mofka_serializer_t *serializer) {
    return mfi_object_is(serializer, MFI_SERIALIZER) && !serializer->ops->serialize;
}

mofka_status_t mofka_serializer_serialize(const mofka_serializer_t *serializer,
                                          const mofka_archive_t *archive, const char *metadata,
                                          size_t metadata_bytes) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(serializer, MFI_SERIALIZER, "serializer");
    if (status)
        return status;
    if (mofka_serializer_is_identity(serializer))
        return archive->write(archive->context, metadata, metadata_bytes);
    return serializer->ops->serialize(serializer->helper.self, archive, metadata, metadata_bytes);
}

static mofka_status_t serializer_read_text(const mofka_archive_t *archive, size_t bytes,
                                           mofka_metadata_t **out) {
    char *text = malloc(bytes + 1);
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of metadata", bytes);
    mofka_status_t status = archive->read(archive->context, text, bytes);
    if (!status)
        status = mofka_metadata_create(text, bytes, out);
    free(text);
    return status;
}

mofka_status_t mofka_serializer_deserialize(const mofka_serializer_t *serializer,
                                            const mofka_archive_t *archive, size_t stored_bytes,
                                            mofka_metadata_t **metadata) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(serializer, MFI_SERIALIZER, "serializer");
    if (status)
        return status;
    assert(!serializer->ops->serialize == !serializer->ops->deserialize);
    if (mofka_serializer_is_identity(serializer))
        return serializer_read_text(archive, stored_bytes, metadata);
    return serializer->ops->deserialize(serializer->helper.self, archive, stored_bytes, metadata);
}

/* ---- from memory ----------------------------------------------------------------------------- */

/* The archive that a serializer reads from. */
typedef struct serialized {
    const char *bytes;
    size_t left;
} serialized_t;

static mofka_status_t serialized_read(void *context, void *bytes, size_t size) {
    serialized_t *cursor = context;
    if (size > cursor->left)
        return mofka_fail(MOFKA_ERR_CORRUPT, "reading %zu bytes of stored metadata, %zu are left",
                          size, cursor->left);
    memcpy(bytes, cursor->bytes, size);
    cursor->bytes += size;
    cursor->left -= size;
    return MOFKA_OK;
}

mofka_status_t mfi_serializer_read(const mofka_serializer_t *serializer, const char *bytes,
                                   size_t size, mofka_metadata_t **metadata) {
    serialized_t cursor = {bytes, size};
    mofka_archive_t archive = {.context = &cursor, .read = serialized_read};
    return mofka_serializer_deserialize(serializer, &archive, size, metadata);
}
