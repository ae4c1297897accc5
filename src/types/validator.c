/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Validators, which accept or refuse events, and the type "default".
 * Path: push 2/7. Before: producer/push.c. After: types/partition_selector.c.
 */
#include <mofka/register.h>
#include <mofka/validator.h>

#include <assert.h>
#include <stdlib.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include "json/text.h"
#include "types/helper.h"

struct mofka_validator {
    mfi_helper_t helper;
    const mofka_validator_ops_t *ops;
};

static mofka_status_t validator_check_json(void *self, const char *metadata, size_t metadata_bytes,
                                           const mofka_data_view_t *data) {
    (void)self, (void)data;
    return mfi_json_check("metadata", metadata, metadata_bytes);
}

static const mofka_validator_ops_t validator_accepts_all = {.size = sizeof validator_accepts_all};
static const mofka_validator_ops_t validator_accepts_json = {.size = sizeof validator_accepts_json,
                                                             .validate = validator_check_json};

static mofka_status_t validator_create_default(const mofka_metadata_t *metadata,
                                               const mofka_validator_ops_t **ops, void **self) {
    char *type = NULL;
    bool json = false;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
                                      {.key = "json", .kind = MOFKA_OPTION_BOOL, .value = &json}};
    mofka_status_t status =
        mofka_options_read("default validator", mofka_metadata_text(metadata, NULL), options, 2);
    free(type);
    *ops = json ? &validator_accepts_json : &validator_accepts_all;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_VALIDATOR(default, validator_create_default);

mofka_status_t mofka_validator_register(const char *type, mofka_validator_create_fn create) {
    return mfi_registry_add(MFI_REGISTRY_VALIDATOR, type, (mfi_function_t)create);
}

static mofka_status_t validator_start(mfi_helper_t *helper, mfi_function_t create,
                                      const void **ops) {
    const mofka_validator_ops_t *table = NULL;
    mofka_status_t status =
        ((mofka_validator_create_fn)create)(helper->metadata, &table, &helper->self);
    *ops = table;
    return status;
}

static bool validator_adopt(mfi_helper_t *helper, const void *ops) {
    const mofka_validator_ops_t *table = ops;
    if (table->size < sizeof *table)
        return false;
    mfi_container_of(helper, mofka_validator_t, helper)->ops = table;
    helper->destroy = table->destroy;
    return true;
}

static const mfi_helper_kind_t validator_kind = {.name = "validator",
                                                 .registry = MFI_REGISTRY_VALIDATOR,
                                                 .object = MFI_VALIDATOR,
                                                 .bytes = sizeof(mofka_validator_t),
                                                 .start = validator_start,
                                                 .adopt = validator_adopt};

static mofka_status_t validator_create(const char *json, mfi_named_by_t by,
                                       mofka_validator_t **validator) {
    void *made;
    mofka_status_t status = mfi_helper_create(&validator_kind, json, by, &made);
    if (!status)
        *validator = made;
    return status;
}

mofka_status_t mofka_validator_from_metadata(const char *json, mofka_validator_t **validator) {
    MFI_KEEP_ERRNO;
    return validator_create(json, MFI_NAMED_BY_OPTION, validator);
}

mofka_status_t mfi_validator_from_record(const char *json, mofka_validator_t **validator) {
    return validator_create(json, MFI_NAMED_BY_RECORD, validator);
}

mofka_status_t mofka_validator_wrap(const mofka_validator_ops_t *ops, void *self,
                                    mofka_validator_t **validator) {
    void *made;
    mofka_status_t status = mfi_helper_wrap(&validator_kind, ops, self, &made);
    if (!status)
        *validator = made;
    return status;
}

mofka_validator_t *mofka_validator_retain(const mofka_validator_t *validator) {
    return mfi_helper_retain(validator, MFI_VALIDATOR);
}

void mofka_validator_release(mofka_validator_t *validator) {
    MFI_KEEP_ERRNO;
    mfi_helper_release(validator, MFI_VALIDATOR);
}

const mofka_metadata_t *mofka_validator_metadata(const mofka_validator_t *validator) {
    return mfi_helper_metadata(validator, MFI_VALIDATOR);
}

bool mfi_validator_accepts_all(const mofka_validator_t *validator) {
    assert(mfi_object_is(validator, MFI_VALIDATOR));
    return !validator->ops->validate;
}

mofka_status_t mofka_validator_validate(const mofka_validator_t *validator, const char *metadata,
                                        size_t metadata_bytes, const mofka_data_view_t *data) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(validator, MFI_VALIDATOR, "validator");
    if (status || !validator->ops->validate)
        return status;
    return validator->ops->validate(validator->helper.self, metadata, metadata_bytes, data);
}
