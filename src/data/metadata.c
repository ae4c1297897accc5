/* SPDX-License-Identifier: BSD-3-Clause */
/* Metadata: exact bytes, parsed when a caller first needs the tree. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/limits.h>
#include <mofka/metadata.h>
#include "base/text/message.h"
#include "base/object.h"
#include "json/tree.h"

struct mofka_metadata {
    mfi_object_t object;
    bool is_string;
    size_t bytes;
    _Atomic(cJSON *) json; /* the tree of the first thread that parsed it; NULL: not parsed */
    _Atomic(void *) user;  /* set once; NULL: not set */
    mofka_user_free_fn free_user; /* written by the thread that set it; read by the last release */
    char text[];
};

static mofka_status_t metadata_create(const char *text, size_t bytes, bool is_string,
                                      mofka_metadata_t **out) {
    if (bytes > MOFKA_METADATA_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata of %zu bytes, at most %zu", bytes,
                          MOFKA_METADATA_BYTES_MAX);
    if (!out || (!text && bytes > 0))
        return mofka_fail(MOFKA_ERR_INVALID, "metadata: NULL text or output");
    mofka_metadata_t *metadata = malloc(sizeof *metadata + bytes + 1);
    if (!metadata)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of metadata", bytes);
    mfi_object_init(&metadata->object, MFI_METADATA);
    metadata->is_string = is_string;
    metadata->bytes = bytes;
    atomic_init(&metadata->json, NULL);
    atomic_init(&metadata->user, NULL);
    metadata->free_user = NULL;
    if (bytes > 0)
        memcpy(metadata->text, text, bytes);
    metadata->text[bytes] = '\0';
    *out = metadata;
    return MOFKA_OK;
}

mofka_status_t mofka_metadata_create(const char *text, size_t bytes, mofka_metadata_t **metadata) {
    return text ? metadata_create(text, bytes, false, metadata)
                : metadata_create("{}", 2, false, metadata);
}

mofka_status_t mofka_metadata_create_string(const char *text, size_t bytes,
                                            mofka_metadata_t **metadata) {
    return metadata_create(text, bytes, true, metadata);
}

mofka_status_t mofka_metadata_create_json(cJSON *json, mofka_metadata_t **metadata) {
    char *text = json ? mfi_json_print(json, false) : NULL;
    if (!text)
        return json ? mofka_fail(MOFKA_ERR_MEMORY, "no memory to print JSON")
                    : mofka_fail(MOFKA_ERR_INVALID, "metadata: NULL JSON");
    mofka_status_t status = metadata_create(text, strlen(text), false, metadata);
    cJSON_free(text);
    assert(status || !atomic_load(&(*metadata)->json));
    if (!status)
        atomic_store(&(*metadata)->json, json);
    return status;
}

mofka_status_t mofka_metadata_copy(const mofka_metadata_t *metadata, mofka_metadata_t **copy) {
    mofka_status_t status = mfi_check(metadata, MFI_METADATA, "metadata");
    return status ? status
                  : metadata_create(metadata->text, metadata->bytes, metadata->is_string, copy);
}

mofka_metadata_t *mofka_metadata_retain(const mofka_metadata_t *metadata) {
    mofka_metadata_t *counted = (mofka_metadata_t *)metadata; /* only its count changes */
    if (counted)
        mfi_object_retain(&counted->object);
    return counted;
}

void mofka_metadata_release(mofka_metadata_t *metadata) {
    if (!metadata || !mfi_object_release(&metadata->object))
        return;
    MFI_KEEP_ERRNO;
    assert(metadata->text[metadata->bytes] == '\0');
    cJSON_Delete(atomic_load(&metadata->json));
    if (metadata->free_user)
        metadata->free_user(atomic_load(&metadata->user));
    free(metadata);
}

const char *mofka_metadata_text(const mofka_metadata_t *metadata, size_t *bytes) {
    if (bytes)
        *bytes = metadata ? metadata->bytes : 0;
    return metadata ? metadata->text : "";
}

bool mofka_metadata_is_string(const mofka_metadata_t *metadata) {
    return metadata && metadata->is_string;
}

static mofka_status_t metadata_parse(const mofka_metadata_t *metadata, cJSON **json) {
    if (metadata->is_string) {
        *json = cJSON_CreateString(metadata->text);
        return *json ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a JSON string");
    }
    return mfi_json_parse("metadata", metadata->text, metadata->bytes, json);
}

mofka_status_t mofka_metadata_json(const mofka_metadata_t *metadata, const cJSON **json) {
    mofka_status_t status = mfi_check(metadata, MFI_METADATA, "metadata");
    if (status)
        return status;
    mofka_metadata_t *lazy = (mofka_metadata_t *)metadata; /* only the cached tree changes */
    cJSON *tree = atomic_load(&lazy->json);
    if (!tree) {
        cJSON *fresh;
        status = metadata_parse(metadata, &fresh);
        if (status)
            return status;
        if (atomic_compare_exchange_strong(&lazy->json, &tree, fresh))
            tree = fresh;
        else
            cJSON_Delete(fresh);
    }
    *json = tree;
    return MOFKA_OK;
}

mofka_status_t mofka_metadata_string(const mofka_metadata_t *metadata, const char **string) {
    mofka_status_t status = mfi_check(metadata, MFI_METADATA, "metadata");
    if (status)
        return status;
    if (metadata->is_string) {
        *string = metadata->text;
        return MOFKA_OK;
    }
    const cJSON *json;
    status = mofka_metadata_json(metadata, &json);
    if (status)
        return status;
    if (!cJSON_IsString(json))
        return mofka_fail(MOFKA_ERR_JSON, "metadata is JSON, but not a string: '%.*s'",
                          MFI_QUOTE(metadata->text, metadata->bytes, 60));
    *string = json->valuestring;
    return MOFKA_OK;
}

mofka_status_t mofka_metadata_dump(const mofka_metadata_t *metadata, bool pretty, char **text) {
    const cJSON *json;
    mofka_status_t status = mofka_metadata_json(metadata, &json);
    if (status)
        return status;
    char *print = mfi_json_print(json, pretty);
    if (!print)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to print metadata");
    *text = print;
    return MOFKA_OK;
}

mofka_status_t mofka_metadata_set_user(const mofka_metadata_t *metadata, void *user,
                                       mofka_user_free_fn free_fn) {
    mofka_status_t status = mfi_check(metadata, MFI_METADATA, "metadata");
    if (status)
        return status;
    if (!user)
        return mofka_fail(MOFKA_ERR_INVALID, "metadata: NULL user pointer");
    mofka_metadata_t *holder = (mofka_metadata_t *)metadata; /* what it describes does not change */
    void *none = NULL;
    if (!atomic_compare_exchange_strong(&holder->user, &none, user))
        return mofka_fail(MOFKA_ERR_EXISTS, "the metadata has a user pointer already");
    holder->free_user = free_fn;
    return MOFKA_OK;
}

void *mofka_metadata_user(const mofka_metadata_t *metadata) {
    return mfi_object_is(metadata, MFI_METADATA) ? atomic_load(&metadata->user) : NULL;
}
