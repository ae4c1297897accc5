/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serializers, and the default one, which stores metadata as it is.
 * Path: push 4/7. Before: partition_selector.c. After: batch.c.
 * Path: pull 3/7. Before: mpi_index.c. After: data_select.c.
 */
#include <mofka/serializer.h>

#include <stdlib.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "base/object.h"
#include "types/registry.h"

struct mofka_serializer {
    mfi_object_t object;
    const mofka_serializer_ops_t *ops;
    void *self;
    mofka_metadata_t *metadata;
};

static const mofka_serializer_ops_t identity = {.size = sizeof identity};

static mofka_status_t default_create(const mofka_metadata_t *metadata,
                                     const mofka_serializer_ops_t **ops, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("default serializer", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    *ops = &identity;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_SERIALIZER(default, default_create);

mofka_status_t mofka_serializer_register(const char *type, mofka_serializer_create_fn create) {
    return mfi_register(MFI_REGISTRY_SERIALIZER, type, (mfi_function_t)create);
}

mofka_status_t mofka_serializer_from_metadata(const char *json, mofka_serializer_t **serializer) {
    mfi_function_t create;
    mofka_serializer_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a serializer");
    mofka_status_t status =
        mfi_registry_from_json(MFI_REGISTRY_SERIALIZER, json, &made->metadata, &create);
    if (!status)
        status = ((mofka_serializer_create_fn)create)(made->metadata, &made->ops, &made->self);
    if (!status && (!made->ops || made->ops->size < sizeof *made->ops ||
                    !made->ops->serialize != !made->ops->deserialize))
        status = mofka_fail(MOFKA_ERR_INVALID, "serializer %s: its table is incomplete",
                            mofka_metadata_text(made->metadata, NULL));
    if (status) {
        mofka_metadata_release(made->metadata);
        free(made);
        return status;
    }
    mfi_object_init(&made->object, MFI_SERIALIZER);
    *serializer = made;
    return MOFKA_OK;
}

mofka_serializer_t *mofka_serializer_retain(mofka_serializer_t *serializer) {
    if (!mfi_object_is(serializer, MFI_SERIALIZER))
        return NULL;
    mfi_object_retain(&serializer->object);
    return serializer;
}

void mofka_serializer_release(mofka_serializer_t *serializer) {
    if (!mfi_object_is(serializer, MFI_SERIALIZER) || !mfi_object_release(&serializer->object))
        return;
    if (serializer->ops->destroy)
        serializer->ops->destroy(serializer->self);
    mofka_metadata_release(serializer->metadata);
    free(serializer);
}

const mofka_metadata_t *mofka_serializer_metadata(const mofka_serializer_t *serializer) {
    return mfi_object_is(serializer, MFI_SERIALIZER) ? serializer->metadata : NULL;
}

bool mofka_serializer_is_identity(const mofka_serializer_t *serializer) {
    return mfi_object_is(serializer, MFI_SERIALIZER) && !serializer->ops->serialize;
}

mofka_status_t mofka_serializer_serialize(const mofka_serializer_t *serializer,
                                          const mofka_archive_t *archive, const char *metadata,
                                          size_t metadata_bytes) {
    mofka_status_t status = mfi_check(serializer, MFI_SERIALIZER, "serializer");
    if (status)
        return status;
    if (mofka_serializer_is_identity(serializer))
        return archive->write(archive->context, metadata, metadata_bytes);
    return serializer->ops->serialize(serializer->self, archive, metadata, metadata_bytes);
}

static mofka_status_t read_text(const mofka_archive_t *archive, size_t bytes,
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
    mofka_status_t status = mfi_check(serializer, MFI_SERIALIZER, "serializer");
    if (status)
        return status;
    if (mofka_serializer_is_identity(serializer))
        return read_text(archive, stored_bytes, metadata);
    return serializer->ops->deserialize(serializer->self, archive, stored_bytes, metadata);
}
