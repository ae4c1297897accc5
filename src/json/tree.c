/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parses JSON with cJSON, and finds out why it did not. Prints trees.
 *
 * cJSON reads and writes a decimal point as the locale has it, if that is one byte. So it is called
 * in the C locale.
 *
 * cJSON answers the same for text that it refuses and for a failed allocation. So if it fails, the
 * text is checked. The one valid text that it refuses has a number of more than 63 characters
 * (before the correction of CVE-2023-26819): it stops inside the number. An allocation fails before
 * a value.
 */
#include "json/tree.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include "base/text/c_locale.h"
#include "json/text.h"

static bool tree_is_number_byte(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

mofka_status_t mfi_json_parse(const char *what, const char *text, size_t bytes, cJSON **tree) {
    const char *end = NULL;
    assert(text[bytes] == '\0');
    locale_t before = uselocale(mfi_c_locale());
    cJSON *parsed = cJSON_ParseWithLengthOpts(text, bytes + 1, &end, true);
    uselocale(before);
    if (parsed && end == text + bytes) {
        *tree = parsed;
        return MOFKA_OK;
    }
    cJSON_Delete(parsed);
    mofka_status_t status = mfi_json_check(what, text, bytes);
    if (status)
        return status;
    if (end > text && tree_is_number_byte(end[-1]) && tree_is_number_byte(*end))
        return mofka_fail(MOFKA_ERR_JSON, "%s has a number of too many characters before byte %zu",
                          what, (size_t)(end - text));
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory to parse %s", what);
}

char *mfi_json_print(const cJSON *tree, bool pretty) {
    assert(tree);
    locale_t before = uselocale(mfi_c_locale());
    char *text = pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    uselocale(before);
    return text;
}

bool mfi_json_add_count(cJSON *object, const char *key, uint64_t count) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    return cJSON_AddRawToObject(object, key, digits) != NULL;
}
