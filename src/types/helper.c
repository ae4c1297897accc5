/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes, keeps and releases helpers: validators, partition selectors and serializers. */
#include "types/helper.h"

#include <assert.h>
#include <stdlib.h>

/* Ends what makes a helper: after an error frees it, else keeps its table and gives it. */
static mofka_status_t helper_finish(const mfi_helper_kind_t *kind, mfi_helper_t *helper,
                                    mofka_status_t status, const void *ops, void **out) {
    if (!status && !(ops && kind->adopt(helper, ops)))
        status =
            mofka_fail(MOFKA_ERR_INVALID, "%s %s: its table is incomplete", kind->name,
                       helper->metadata ? mofka_metadata_text(helper->metadata, NULL) : "to wrap");
    if (status) {
        mofka_metadata_release(helper->metadata);
        free(helper);
        return status;
    }
    mfi_object_init(&helper->object, kind->object);
    *out = helper;
    return MOFKA_OK;
}

static mfi_helper_t *helper_allocate(const mfi_helper_kind_t *kind) {
    assert(kind->bytes >= sizeof(mfi_helper_t));
    mfi_helper_t *helper = calloc(1, kind->bytes);
    if (!helper)
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for a %s", kind->name);
    return helper;
}

mofka_status_t mfi_helper_create(const mfi_helper_kind_t *kind, const char *json, mfi_named_by_t by,
                                 void **out) {
    mfi_function_t create;
    const void *ops = NULL;
    mfi_helper_t *helper = helper_allocate(kind);
    if (!helper)
        return MOFKA_ERR_MEMORY;
    mofka_status_t status =
        mfi_registry_from_json(kind->registry, json, by, &helper->metadata, &create);
    assert(status || (helper->metadata && create));
    if (!status)
        status = kind->start(helper, create, &ops);
    return helper_finish(kind, helper, status, ops, out);
}

mofka_status_t mfi_helper_wrap(const mfi_helper_kind_t *kind, const void *ops, void *self,
                               void **out) {
    mfi_helper_t *helper = helper_allocate(kind);
    if (!helper)
        return MOFKA_ERR_MEMORY;
    helper->self = self;
    return helper_finish(kind, helper, MOFKA_OK, ops, out);
}

void *mfi_helper_retain(const void *handle, mfi_kind_t object) {
    mfi_helper_t *helper = (mfi_helper_t *)handle; /* only its count changes */
    if (!mfi_object_is(helper, object))
        return NULL;
    mfi_object_retain(&helper->object);
    return helper;
}

void mfi_helper_release(void *handle, mfi_kind_t object) {
    mfi_helper_t *helper = handle;
    if (!mfi_object_is(helper, object) || !mfi_object_release(&helper->object))
        return;
    if (helper->destroy)
        helper->destroy(helper->self);
    mofka_metadata_release(helper->metadata);
    free(helper);
}

const mofka_metadata_t *mfi_helper_metadata(const void *handle, mfi_kind_t object) {
    const mfi_helper_t *helper = handle;
    return mfi_object_is(helper, object) ? helper->metadata : NULL;
}
