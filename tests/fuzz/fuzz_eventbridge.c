/* SPDX-License-Identifier: BSD-3-Clause */
/* A pattern in the first line, an event in the rest. */
#include <mofka/mofka.h>
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char *json = take_line(&data, &bytes, "{\"type\":\"eventbridge\",\"pattern\":", "}");
    mofka_validator_t *validator;
    if (mofka_validator_from_metadata(json, &validator) == MOFKA_OK) {
        mofka_status_t first = mofka_validator_validate(validator, (const char *)data, bytes, NULL);
        if (mofka_validator_validate(validator, (const char *)data, bytes, NULL) != first)
            abort(); /* a matcher keeps nothing of an event */
        mofka_validator_release(validator);
    }
    free(json);
    return 0;
}
