/* SPDX-License-Identifier: BSD-3-Clause */
/* A pattern in the first line, an event in the rest; in both dialects. */
#include <mofka/mofka.h>
#include "json/text.h"
#include "input.h"
#include "require.h"

/* A matcher keeps nothing of an event: it answers the same again. */
static void match_twice(const mofka_validator_t *validator, const char *event, size_t bytes) {
    mofka_status_t first = mofka_validator_validate(validator, event, bytes, NULL);
    REQUIRE(first == MOFKA_OK || first == MOFKA_ERR_REFUSED || first == MOFKA_ERR_JSON ||
            first == MOFKA_ERR_TOO_LARGE);
    REQUIRE(mofka_validator_validate(validator, event, bytes, NULL) == first);
}

/* `head` is all of the validator's options before the pattern. The first line is read, not
 * taken. */
static mofka_status_t match_in(const char *head, const uint8_t *data, size_t bytes) {
    char *json = take_line(&data, &bytes, head, "}");
    mofka_validator_t *validator;
    mofka_status_t status = mofka_validator_from_metadata(json, &validator);
    if (status == MOFKA_OK) {
        match_twice(validator, (const char *)data, bytes);
        mofka_validator_release(validator);
    }
    free(json);
    return status;
}

/* Whether the first line is one JSON value: it could also end the pattern and add options. */
static bool line_is_json(const uint8_t *data, size_t bytes) {
    char *line = take_line(&data, &bytes, "", "");
    bool json = mfi_json_check("the line", line, strlen(line)) == MOFKA_OK;
    free(line);
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    bool comparable = line_is_json(data, bytes);
    mofka_status_t amazon = match_in("{\"type\":\"eventbridge\",\"pattern\":", data, bytes);
    mofka_status_t original =
        match_in("{\"type\":\"eventbridge\",\"dialect\":\"original\",\"schema\":", data, bytes);
    /* What is a pattern of Amazon's is one of the original, too. That has more fields, and its
     * doubles are coarser: there may be none between two bounds. */
    REQUIRE(!comparable || amazon != MOFKA_OK || original == MOFKA_OK ||
            original == MOFKA_ERR_TOO_LARGE || strstr(mofka_last_error(), "no number meets"));
    return 0;
}
