/* SPDX-License-Identifier: BSD-3-Clause */
/* The validator type "eventbridge", which accepts the events that match a pattern:
 * {"type": "eventbridge", "pattern": {...}}. */
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

/* Check the names of the options. Their values are not used: the pattern is compiled from the user's
 * own text, whose numbers have all their digits. */
static mofka_status_t eventbridge_check_options(const char *text) {
    char *type = NULL, *pattern = NULL;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "pattern", .kind = MOFKA_OPTION_JSON, .value = &pattern}};
    mofka_status_t status = mofka_options_read("eventbridge validator", text, options, 2);
    if (!status && !pattern)
        status =
            mofka_fail(MOFKA_ERR_OPTION, "eventbridge validator: option \"pattern\" is missing");
    free(type);
    free(pattern);
    return status;
}

static mofka_status_t eventbridge_create(const mofka_metadata_t *metadata,
                                         const mofka_validator_ops_t **out, void **self) {
    size_t bytes;
    const char *text = mofka_metadata_text(metadata, &bytes);
    mofka_status_t status = eventbridge_check_options(text);
    if (!status)
        status = mfi_json_check("eventbridge validator", text, bytes);
    if (status)
        return status;
    mfi_scratch_t scratch = {0};
    const char *pattern;
    status = mfi_json_member(mfi_json_begin(text), text + bytes, "pattern", 7, &scratch, &pattern);
    free(scratch.bytes);
    if (status)
        return status;
    assert(pattern);
    mfi_eb_pattern_t *compiled = NULL;
    status = mfi_eb_compile(pattern, text + bytes, &compiled);
    assert(status || compiled);
    *out = &eventbridge_ops;
    *self = compiled;
    return status;
}
MOFKA_REGISTER_VALIDATOR(eventbridge, eventbridge_create);
