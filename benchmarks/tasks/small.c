/* SPDX-License-Identifier: BSD-3-Clause */
/* A validator type in a library of its own. It limits the size of an event's metadata. */
#include <stdlib.h>
#include <mofka/register.h>
#include <mofka/mofka.h>

static mofka_status_t small_validate(void *self, const char *metadata, size_t metadata_bytes,
                                     const mofka_data_view_t *data) {
    const uint64_t *bytes_max = self;
    (void)metadata, (void)data;
    if (metadata_bytes <= *bytes_max)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_REFUSED, "%zu bytes of metadata, at most %zu are allowed",
                      metadata_bytes, (size_t)*bytes_max);
}

static const mofka_validator_ops_t ops = {
    .size = sizeof ops, .validate = small_validate, .destroy = free};

static mofka_status_t small_create(const mofka_metadata_t *json,
                                   const mofka_validator_ops_t **table, void **self) {
    char *type = NULL;
    uint64_t *bytes_max = malloc(sizeof *bytes_max);
    if (!bytes_max)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a validator");
    *bytes_max = 64; /* the default */
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "bytes_max", .kind = MOFKA_OPTION_UINT, .value = bytes_max, .min = 1}};
    mofka_status_t status =
        mofka_options_read("validator 'small'", mofka_metadata_text(json, NULL), options, 2);
    free(type);
    if (status) {
        free(bytes_max);
        return status;
    }
    *table = &ops;
    *self = bytes_max;
    return MOFKA_OK;
}

MOFKA_REGISTER_VALIDATOR(small, small_create);
