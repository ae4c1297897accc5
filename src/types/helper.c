/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes, keeps and releases helpers: validators, partition selectors and serializers. */
#include "types/helper.h"

#include <assert.h>
#include <stdlib.h>

mofka_status_t mfi_helper_create(const mfi_helper_kind_t *kind, const char *json, void **out) {
    assert(kind->bytes >= sizeof(mfi_helper_t));
    mfi_function_t create;
    mfi_helper_t *helper = calloc(1, kind->bytes);
    if (!helper)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a %s", kind->name);
    mofka_status_t status =
        mfi_registry_from_json(kind->registry, json, &helper->metadata, &create);
    assert(status || (helper->metadata && create));
    if (!status)
        status = kind->start(helper, create);
    if (status) {
        mofka_metadata_release(helper->metadata);
        free(helper);
        return status;
    }
    mfi_object_init(&helper->object, kind->object);
    *out = helper;
    return MOFKA_OK;
}

mofka_status_t mfi_helper_refuse_table(const mfi_helper_t *helper, const char *name) {
    return mofka_fail(MOFKA_ERR_INVALID, "%s %s: its table is incomplete", name,
                      mofka_metadata_text(helper->metadata, NULL));
}

void *mfi_helper_retain(void *handle, mfi_kind_t object) {
    mfi_helper_t *helper = handle;
    if (!mfi_object_is(helper, object))
        return NULL;
    mfi_object_retain(&helper->object);
    return helper;
}

void mfi_helper_release(void *handle, mfi_kind_t object) {
    mfi_helper_t *helper = handle;
    if (!mfi_object_is(helper, object) || !mfi_object_release(&helper->object))
        return;
    assert(helper->metadata);
    if (helper->destroy)
        helper->destroy(helper->self);
    mofka_metadata_release(helper->metadata);
    free(helper);
}

const mofka_metadata_t *mfi_helper_metadata(const void *handle, mfi_kind_t object) {
    const mfi_helper_t *helper = handle;
    return mfi_object_is(helper, object) ? helper->metadata : NULL;
}
