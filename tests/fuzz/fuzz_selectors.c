/* SPDX-License-Identifier: BSD-3-Clause */
/* A letter for the type and the rest of its configuration in the first line, metadata in the
 * rest. */
#include <mofka/mofka.h>
#include "input.h"

static mofka_partition_selector_t *made_of(const char *json, size_t *count) {
    const mofka_metadata_t *none[8] = {NULL};
    mofka_partition_selector_t *selector;
    if (mofka_partition_selector_from_metadata(json, &selector) != MOFKA_OK)
        return NULL;
    for (*count = 8; *count > 0; --*count) /* a range has one number of partitions only */
        if (mofka_partition_selector_set_partitions(selector, none, *count) == MOFKA_OK)
            return selector;
    mofka_partition_selector_release(selector);
    return NULL;
}

static void select_twice(mofka_partition_selector_t *selector, const char *text, size_t bytes,
                         size_t count) {
    size_t first = 0, second = 0;
    mofka_status_t status =
        mofka_partition_selector_select(selector, text, bytes, MOFKA_ANY_PARTITION, &first);
    if (mofka_partition_selector_select(selector, text, bytes, MOFKA_ANY_PARTITION, &second) !=
            status ||
        first != second || first >= count)
        abort(); /* the same event, the same partition */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char letter = bytes ? (char)*data : 's';
    const char *head = letter == 'k'   ? "{\"type\":\"key\","
                       : letter == 'r' ? "{\"type\":\"range\","
                                       : "{\"type\":\"sticky\"";
    data += bytes > 0;
    bytes -= bytes > 0;
    size_t count = 0;
    char *json = take_line(&data, &bytes, head, "}");
    mofka_partition_selector_t *selector = made_of(json, &count);
    if (selector)
        select_twice(selector, (const char *)data, bytes, count);
    mofka_partition_selector_release(selector);
    free(json);
    return 0;
}
