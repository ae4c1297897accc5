/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The validator "schema": the input's text up to its first NUL is a schema, the rest an event. What
 * it takes for JSON, the core's strict reader takes, too. Linked against the shared libmofka, since
 * the plug-in is.
 */
#include <mofka/mofka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_json(const char *text, size_t bytes) {
    static mofka_validator_t *strict;
    if (!strict && mofka_validator_from_metadata("{\"type\":\"default\",\"json\":true}", &strict))
        abort();
    return mofka_validator_validate(strict, text, bytes, NULL) == MOFKA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t schema_bytes = end ? (size_t)(end - data) : size;
    char *config = malloc(schema_bytes + 64);
    mofka_validator_t *validator;
    if (!config)
        return 0;
    snprintf(config, schema_bytes + 64, "{\"type\":\"schema\",\"schema\":%.*s}", (int)schema_bytes,
             (const char *)data);
    mofka_status_t status = mofka_validator_from_metadata(config, &validator);
    if (status == MOFKA_ERR_NOT_FOUND)
        abort(); /* nothing would be tested */
    if (!status) {
        const char *event = end ? (const char *)end + 1 : "";
        status =
            mofka_validator_validate(validator, event, end ? size - schema_bytes - 1 : 0, NULL);
        if (status != MOFKA_OK && status != MOFKA_ERR_REFUSED && status != MOFKA_ERR_JSON)
            abort();
        if (status != MOFKA_ERR_JSON && !is_json(event, end ? size - schema_bytes - 1 : 0))
            abort();
        mofka_validator_release(validator);
    }
    free(config);
    return 0;
}
