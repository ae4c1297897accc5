/* The serializer type "schema". The library libmofka-schema has the validator of that name, too. */
#include <cjson/cJSON.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <stdlib.h>
#include "plan.h"

static mofka_status_t serialize(void *self, const mofka_archive_t *archive, const char *metadata,
                                size_t metadata_bytes) {
    const mfi_plans_t *plans = self;
    mfi_tape_t tape;
    mfi_bytes_t out;
    mfi_bytes_init(&out);
    mofka_status_t status = mfi_tape_parse(&tape, metadata, metadata_bytes);
    if (!status) {
        mfi_plan_write(plans->plans[0], &out, &tape, 0);
        status = out.status;
    }
    if (!status)
        status = archive->write(archive->context, out.data, out.used);
    mfi_bytes_free(&out);
    mfi_tape_free(&tape);
    return status;
}

static mofka_status_t deserialize(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                  mofka_metadata_t **metadata) {
    const mfi_plans_t *plans = self;
    mfi_bytes_t stored, text;
    mfi_reader_t reader;
    mfi_bytes_init(&stored);
    mfi_bytes_init(&text);
    mofka_status_t status = mfi_read_stored(archive, stored_bytes, &stored, &reader);
    if (!status)
        status = mfi_plan_read(plans->plans[0], &text, &reader, 0);
    if (!status && reader.at < reader.size)
        status = mfi_reader_corrupt(&reader, "something after the value");
    status = mfi_make_metadata(status, &text, metadata);
    mfi_bytes_free(&stored);
    mfi_bytes_free(&text);
    return status;
}

static void destroy(void *self) {
    mfi_plans_free(self);
    free(self);
}

static mofka_status_t make_plans(const char *schema, mfi_plans_t **out) {
    cJSON *tree = cJSON_Parse(schema);
    mfi_plans_t *plans = calloc(1, sizeof *plans);
    mofka_status_t status = tree && plans
                                ? mfi_plans_make(plans, tree)
                                : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema serializer");
    cJSON_Delete(tree);
    if (status && plans)
        destroy(plans);
    *out = plans;
    return status;
}

static mofka_status_t create(const mofka_metadata_t *metadata, const mofka_serializer_ops_t **ops,
                             void **self) {
    static const mofka_serializer_ops_t table = {.size = sizeof table,
                                                 .serialize = serialize,
                                                 .deserialize = deserialize,
                                                 .destroy = destroy};
    char *type = NULL, *schema = NULL;
    mfi_plans_t *plans = NULL;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "schema", .kind = MOFKA_OPTION_JSON, .value = &schema}};
    mofka_status_t status =
        mofka_options_read("schema serializer", mofka_metadata_text(metadata, NULL), options, 2);
    if (!status && !schema)
        status = mofka_fail(MOFKA_ERR_OPTION, "schema serializer: option \"schema\" is missing");
    if (!status)
        status = make_plans(schema, &plans);
    free(type);
    free(schema);
    *ops = &table;
    *self = plans;
    return status;
}
MOFKA_REGISTER_SERIALIZER(schema, create);
