/* SPDX-License-Identifier: BSD-3-Clause */
/* The validator type "eventbridge", which accepts the events that match a pattern:
 * {"type": "eventbridge", "pattern": {...}, "dialect": "amazon"}. "schema" is the key of the
 * pattern in the original API, and means the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/validator.h>
#include "types/eventbridge/pattern.h"

static mofka_status_t eventbridge_validate(void *self, const char *metadata, size_t metadata_bytes,
                                           const mofka_data_view_t *data) {
    (void)data;
    return mfi_eb_match(self, metadata, metadata_bytes);
}

static void eventbridge_destroy(void *self) {
    mfi_eb_destroy(self);
}

static const mofka_validator_ops_t eventbridge_ops = {.size = sizeof eventbridge_ops,
                                                      .validate = eventbridge_validate,
                                                      .destroy = eventbridge_destroy};

/* Read the options. The key of the pattern goes to `*key`; the pattern itself is compiled from the
 * user's own text, whose numbers have all their digits. */
static mofka_status_t eventbridge_read_options(const char *text, const char **key, bool *original) {
    static const char *const dialects[] = {"amazon", "original", NULL};
    char *type = NULL, *pattern = NULL, *schema = NULL;
    int dialect = 0;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "pattern", .kind = MOFKA_OPTION_JSON, .value = &pattern},
        {.key = "schema", .kind = MOFKA_OPTION_JSON, .value = &schema},
        {.key = "dialect", .kind = MOFKA_OPTION_CHOICE, .value = &dialect, .choices = dialects}};
    mofka_status_t status = mofka_options_read("eventbridge validator", text, options, 4);
    if (!status && !pattern && !schema)
        status =
            mofka_fail(MOFKA_ERR_OPTION, "eventbridge validator: option \"pattern\" is missing");
    if (!status && pattern && schema)
        status = mofka_fail(MOFKA_ERR_OPTION, "eventbridge validator: options \"pattern\" and "
                                              "\"schema\" are the same; give one of them");
    *key = pattern ? "pattern" : "schema";
    *original = dialect == 1;
    free(type);
    free(pattern);
    free(schema);
    return status;
}

static mofka_status_t eventbridge_create(const mofka_metadata_t *metadata,
                                         const mofka_validator_ops_t **out, void **self) {
    size_t bytes;
    const char *text = mofka_metadata_text(metadata, &bytes);
    const char *key;
    bool original;
    mofka_status_t status = eventbridge_read_options(text, &key, &original);
    if (!status)
        status = mfi_json_check("eventbridge validator", text, bytes);
    if (status)
        return status;
    mfi_scratch_t scratch = {0};
    const char *pattern;
    status =
        mfi_json_member(mfi_json_begin(text), text + bytes, key, strlen(key), &scratch, &pattern);
    free(scratch.bytes);
    if (status)
        return status;
    assert(pattern);
    mfi_eb_pattern_t *compiled = NULL;
    status = mfi_eb_compile(pattern, text + bytes, original, &compiled);
    assert(status || compiled);
    *out = &eventbridge_ops;
    *self = compiled;
    return status;
}
MOFKA_REGISTER_VALIDATOR(eventbridge, eventbridge_create);
