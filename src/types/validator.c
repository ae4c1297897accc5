/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Validators, and the default one.
 * Path: push 2/7. Before: producer.c. After: partition_selector.c.
 */
#include <mofka/validator.h>

#include <stdlib.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "base/object.h"
#include "types/helper.h"
#include "json/text.h"
#include "base/object.h"
#include "types/registry.h"

struct mofka_validator {
    mfi_object_t object;
    const mofka_validator_ops_t *ops;
    void *self;
    mofka_metadata_t *metadata;
};

static mofka_status_t default_validate(void *self, const char *metadata, size_t metadata_bytes,
                                       const mofka_data_view_t *data) {
    (void)self, (void)data;
    return mfi_json_check("metadata", metadata, metadata_bytes);
}

static const mofka_validator_ops_t accepts_all = {.size = sizeof accepts_all};
static const mofka_validator_ops_t accepts_json = {.size = sizeof accepts_json,
                                                   .validate = default_validate};

static mofka_status_t default_create(const mofka_metadata_t *metadata,
                                     const mofka_validator_ops_t **ops, void **self) {
    char *type = NULL;
    bool json = false;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
                                      {.key = "json", .kind = MOFKA_OPTION_BOOL, .value = &json}};
    mofka_status_t status =
        mofka_options_read("default validator", mofka_metadata_text(metadata, NULL), options, 2);
    free(type);
    *ops = json ? &accepts_json : &accepts_all;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_VALIDATOR(default, default_create);

mofka_status_t mofka_validator_register(const char *type, mofka_validator_create_fn create) {
    return mfi_register(MFI_REGISTRY_VALIDATOR, type, (mfi_function_t)create);
}

mofka_status_t mofka_validator_from_metadata(const char *json, mofka_validator_t **validator) {
    mfi_function_t create;
    mofka_validator_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a validator");
    mofka_status_t status =
        mfi_registry_from_json(MFI_REGISTRY_VALIDATOR, json, &made->metadata, &create);
    if (!status)
        status = ((mofka_validator_create_fn)create)(made->metadata, &made->ops, &made->self);
    if (!status && (!made->ops || made->ops->size < sizeof *made->ops))
        status = mofka_fail(MOFKA_ERR_INVALID, "validator %s: its table is too short",
                            mofka_metadata_text(made->metadata, NULL));
    if (status) {
        mofka_metadata_release(made->metadata);
        free(made);
        return status;
    }
    mfi_object_init(&made->object, MFI_VALIDATOR);
    *validator = made;
    return MOFKA_OK;
}

mofka_validator_t *mofka_validator_retain(mofka_validator_t *validator) {
    if (!mfi_object_is(validator, MFI_VALIDATOR))
        return NULL;
    mfi_object_retain(&validator->object);
    return validator;
}

void mofka_validator_release(mofka_validator_t *validator) {
    if (!mfi_object_is(validator, MFI_VALIDATOR) || !mfi_object_release(&validator->object))
        return;
    if (validator->ops->destroy)
        validator->ops->destroy(validator->self);
    mofka_metadata_release(validator->metadata);
    free(validator);
}

const mofka_metadata_t *mofka_validator_metadata(const mofka_validator_t *validator) {
    return mfi_object_is(validator, MFI_VALIDATOR) ? validator->metadata : NULL;
}

bool mfi_validator_accepts_all(const mofka_validator_t *validator) {
    return !validator->ops->validate;
}

mofka_status_t mofka_validator_validate(const mofka_validator_t *validator, const char *metadata,
                                        size_t metadata_bytes, const mofka_data_view_t *data) {
    mofka_status_t status = mfi_check(validator, MFI_VALIDATOR, "validator");
    if (status || !validator->ops->validate)
        return status;
    return validator->ops->validate(validator->self, metadata, metadata_bytes, data);
}
