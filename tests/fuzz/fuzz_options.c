/* SPDX-License-Identifier: BSD-3-Clause */
/* An options object, read against a table with every kind of option. */
#include <mofka/mofka.h>
#include <mofka/options.h>
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const words[] = {"red", "green", NULL};
    bool flag = false;
    uint64_t count = 7;
    int64_t timeout_ms = 9;
    int colour = 0;
    char *text = NULL, *json = NULL;
    const mofka_option_t table[] = {
        {.key = "flag", .kind = MOFKA_OPTION_BOOL, .value = &flag},
        {.key = "count", .kind = MOFKA_OPTION_UINT, .value = &count, .min = 1, .max = 100},
        {.key = "timeout_ms", .kind = MOFKA_OPTION_TIMEOUT, .value = &timeout_ms},
        {.key = "colour", .kind = MOFKA_OPTION_CHOICE, .value = &colour, .choices = words},
        {.key = "text", .kind = MOFKA_OPTION_STRING, .value = &text},
        {.key = "json", .kind = MOFKA_OPTION_JSON, .value = &json}};
    char *options = take_line(&data, &bytes, "", "");
    mofka_status_t status = mofka_options_read("fuzzed", options, table, 6);
    bool changed = flag || count != 7 || timeout_ms != 9 || colour || text || json;
    if (status ? changed : count < 1 || count > 100 || colour < 0 || colour > 1)
        abort(); /* wrong options change no value; values that are read are in their range */
    free(options);
    free(text);
    free(json);
    return 0;
}
