/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializer type "schema", which stores metadata as a JSON Schema plans it: {"type": "schema",
 * "schema": {...}}. The library libmofka-schema also has the validator of that name. */
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <assert.h>
#include <stdlib.h>
#include "plugins/schema_serializer/plan.h"

static void plans_write_tokens(const void *self, mfi_bytes_t *out, const mfi_tape_t *tape) {
    const mfi_plans_t *plans = self;
    assert(plans->first);
    mfi_plan_write(plans->first, out, tape, 0);
}

static mofka_status_t plans_store(void *self, const mofka_archive_t *archive, const char *metadata,
                                  size_t metadata_bytes) {
    return mfi_archive_store(plans_write_tokens, self, archive, metadata, metadata_bytes);
}

static mofka_status_t plans_read_text(void *self, mfi_bytes_t *text, mfi_reader_t *reader) {
    const mfi_plans_t *plans = self;
    assert(plans->first);
    return mfi_plan_read(plans->first, text, reader, 0);
}

static mofka_status_t plans_restore(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                    mofka_metadata_t **metadata) {
    return mfi_archive_restore(plans_read_text, self, archive, stored_bytes, metadata);
}

static void plans_destroy(void *self) {
    mfi_plans_clear(self);
    free(self);
}

static mofka_status_t plans_create_with(const char *schema, void **self) {
    if (!schema)
        return mofka_fail(MOFKA_ERR_OPTION, "schema serializer: option \"schema\" is missing");
    mfi_plans_t *plans = malloc(sizeof *plans);
    if (!plans)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema serializer");
    mofka_status_t status = mfi_plans_init(plans, schema);
    if (status)
        plans_destroy(plans);
    *self = plans;
    return status;
}

static const mofka_serializer_ops_t plans_ops = {.size = sizeof plans_ops,
                                                 .serialize = plans_store,
                                                 .deserialize = plans_restore,
                                                 .destroy = plans_destroy};

static mofka_status_t plans_create(const mofka_metadata_t *metadata,
                                   const mofka_serializer_ops_t **ops, void **self) {
    char *type = NULL, *schema = NULL;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "schema", .kind = MOFKA_OPTION_JSON, .value = &schema}};
    mofka_status_t status =
        mofka_options_read("schema serializer", mofka_metadata_text(metadata, NULL), options, 2);
    if (!status)
        status = plans_create_with(schema, self);
    free(type);
    free(schema);
    *ops = &plans_ops;
    return status;
}
MOFKA_REGISTER_SERIALIZER(schema, plans_create);
