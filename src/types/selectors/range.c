/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The selector type "range": {"type": "range", "pointer": "/x", "bounds": [b1, b2, ...]}.
 *
 * Numbers below b1 go to partition 0. Numbers that are at least b1 and below b2 go to partition 1,
 * and so on. Numbers are compared as doubles.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>
#include "base/text/c_locale.h"
#include "base/text/message.h"
#include "types/selectors/pointer.h"

typedef struct range_selector {
    mfi_pointer_t pointer;
    double *bounds; /* ascending */
    size_t count;   /* of bounds: one fewer than partitions */
} range_selector_t;

static mofka_status_t range_check_count(void *self, size_t count) {
    const range_selector_t *range = self;
    return range->count + 1 == count
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_RANGE,
                            "range selector: option \"bounds\" has %zu bounds, for %zu "
                            "partitions; the topic has %zu partitions, so it must have %zu",
                            range->count, range->count + 1, count, count - 1);
}

static mofka_status_t range_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                           size_t count) {
    (void)partitions;
    return range_check_count(self, count);
}

static mofka_status_t range_read_number(range_selector_t *range, const char *value,
                                        const char *limit, double *number) {
    assert(mfi_json_is_number(value));
    const char *end = mfi_json_end(value, limit);
    if (end == limit) { /* no byte after the number ends it for strtod */
        size_t bytes = (size_t)(end - value);
        if (!mfi_scratch_grow(&range->pointer.scratch, bytes + 1))
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an event's number");
        memcpy(range->pointer.scratch.bytes, value, bytes);
        range->pointer.scratch.bytes[bytes] = '\0';
        value = range->pointer.scratch.bytes;
    }
    *number = mfi_read_double(value);
    return MOFKA_OK;
}

static mofka_status_t range_select(void *self, const char *metadata, size_t metadata_bytes,
                                   size_t requested, size_t *partition) {
    range_selector_t *range = self;
    const char *value, *limit = metadata + metadata_bytes;
    double number = 0;
    if (requested != MOFKA_ANY_PARTITION) {
        *partition = requested % (range->count + 1);
        return MOFKA_OK;
    }
    mofka_status_t status = mfi_pointer_find(&range->pointer, metadata, metadata_bytes, &value);
    if (!status && !(value && mfi_json_is_number(value))) {
        const char *found = value ? value : "nothing";
        size_t bytes = value ? (size_t)(mfi_json_end(value, limit) - value) : strlen(found);
        status = mofka_fail(MOFKA_ERR_REFUSED,
                            "range selector: the event needs a number at '%.*s', but has %.*s",
                            MFI_QUOTE(range->pointer.text, strlen(range->pointer.text), 100),
                            MFI_QUOTE(found, bytes, 80));
    }
    if (!status)
        status = range_read_number(range, value, limit, &number);
    size_t low = 0, high = range->count; /* bounds[low - 1] <= number < bounds[high] */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (number < range->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    assert(low <= range->count);
    *partition = low;
    return status;
}

static void range_destroy(void *self) {
    range_selector_t *range = self;
    mfi_pointer_clear(&range->pointer);
    free(range->bounds);
    free(range);
}

static const mofka_partition_selector_ops_t range_ops = {.size = sizeof range_ops,
                                                         .set_partitions = range_set_partitions,
                                                         .select = range_select,
                                                         .destroy = range_destroy,
                                                         .check_count = range_check_count};

static mofka_status_t range_refuse_bound(const range_selector_t *range, const mfi_json_walk_t *walk,
                                         const char *allowed) {
    size_t bytes = (size_t)(walk->end - walk->value);
    return mofka_fail(MOFKA_ERR_OPTION,
                      "range selector: option \"bounds\": bound number %zu must be %s, not %.*s",
                      range->count + 1, allowed, MFI_QUOTE(walk->value, bytes, 80));
}

static mofka_status_t range_add_bound(range_selector_t *range, const mfi_json_walk_t *walk) {
    if (range->count + 1 == MOFKA_PARTITIONS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "range selector: option \"bounds\" has more than %d bounds; a topic has "
                          "at most one partition more",
                          MOFKA_PARTITIONS_MAX - 1);
    if (!mfi_json_is_number(walk->value))
        return range_refuse_bound(range, walk, "a number");
    double bound = mfi_read_double(walk->value);
    if (!isfinite(bound))
        return range_refuse_bound(range, walk, "within the range of a double");
    if (range->count && bound <= range->bounds[range->count - 1])
        return range_refuse_bound(range, walk, "above the bound before it");
    assert(range->bounds && range->count < MOFKA_PARTITIONS_MAX);
    range->bounds[range->count++] = bound;
    return MOFKA_OK;
}

/* `text` is the option's value, in JSON; NULL if the option is missing. */
static mofka_status_t range_read_bounds(range_selector_t *range, const char *text) {
    if (!text)
        return mofka_fail(MOFKA_ERR_OPTION, "range selector: option \"bounds\" is missing");
    if (*text != '[')
        return mofka_fail(MOFKA_ERR_OPTION,
                          "range selector: option \"bounds\" must be an array of numbers, not "
                          "%.*s",
                          MFI_QUOTE(text, strlen(text), 100));
    range->bounds = calloc(MOFKA_PARTITIONS_MAX, sizeof *range->bounds);
    if (!range->bounds)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    mofka_status_t status = MOFKA_OK;
    mfi_json_walk_t walk = mfi_json_walk(text, text + strlen(text));
    while (!status && mfi_json_next(&walk))
        status = range_add_bound(range, &walk);
    return status;
}

static mofka_status_t range_create_with(const char *pointer, const char *bounds, void **self) {
    range_selector_t *range = calloc(1, sizeof *range);
    if (!range)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    mofka_status_t status = mfi_pointer_init(&range->pointer, "range selector", pointer);
    if (!status)
        status = range_read_bounds(range, bounds);
    if (status)
        range_destroy(range);
    *self = range;
    return status;
}

static mofka_status_t range_create(const mofka_metadata_t *metadata,
                                   const mofka_partition_selector_ops_t **out, void **self) {
    char *type = NULL, *pointer = NULL, *bounds = NULL;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "pointer", .kind = MOFKA_OPTION_STRING, .value = &pointer},
        {.key = "bounds", .kind = MOFKA_OPTION_JSON, .value = &bounds}};
    mofka_status_t status =
        mofka_options_read("range selector", mofka_metadata_text(metadata, NULL), options, 3);
    if (!status)
        status = range_create_with(pointer, bounds, self);
    free(type);
    free(pointer);
    free(bounds);
    *out = &range_ops;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(range, range_create);
