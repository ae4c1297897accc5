/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The selector type "key": {"type": "key", "pointer": "/a/b"}. Equal keys go to the same partition.
 *
 * The partition is a hash of the key, modulo the number of partitions. The hash is the 64-bit XXH3,
 * whose result is stable since xxHash 0.8.0. It hashes the key's canonical bytes, and its seed is a
 * letter for the key's type. So every process, run and program computes the same partition.
 *
 *   key                seed  canonical bytes
 *   null, or missing   n     none
 *   false, true        f, t  none
 *   string             s     its characters in UTF-8, without escapes
 *   number             d     '-' if negative; the digits, without zeros at either end; 'e'; the
 *                            exponent of the last digit: 1, 1.0 and 10e-1 give "1e0". 0 gives "0"
 *
 * An object or an array is not a key: an event that has one there is refused.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>
#include "base/text/message.h"
#include "types/selectors/pointer.h"

typedef struct key_selector {
    size_t count;
    mfi_pointer_t pointer;
} key_selector_t;

static mofka_status_t key_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                         size_t count) {
    (void)partitions;
    assert(count > 0);
    ((key_selector_t *)self)->count = count;
    return MOFKA_OK;
}

/* Write a number's canonical bytes to `to`: at most 24 more than the number has. */
static size_t key_write_number(const char *number, const char *end, char *to) {
    const char *stop = number;
    char *digits = to;
    int64_t exponent = 0;
    bool fraction = false;
    while (stop < end && *stop != 'e' && *stop != 'E')
        stop++;
    if (stop < end)
        exponent = mfi_json_exponent(stop + 1, end);
    if (*number == '-')
        *digits++ = *number++;
    char *at = digits;
    for (; number < stop; number++) {
        if (*number == '.') {
            fraction = true;
            continue;
        }
        exponent -= fraction;
        if (at > digits || *number != '0')
            *at++ = *number;
    }
    for (; at > digits && at[-1] == '0'; at--)
        exponent++;
    if (at == digits) {
        *to = '0';
        return 1;
    }
    assert(*digits != '0' && at[-1] != '0');
    return (size_t)(at - to) + (size_t)sprintf(at, "e%lld", (long long)exponent);
}

static mofka_status_t key_hash(mfi_pointer_t *pointer, const char *value, const char *limit,
                               uint64_t *hash) {
    size_t bytes = 0;
    const char *text = "";
    char seed = value ? *value : 'n';
    if (seed == '{' || seed == '[')
        return mofka_fail(MOFKA_ERR_REFUSED,
                          "key selector: the event has an %s at '%.*s'; a key is a string, a "
                          "number, true, false or null",
                          seed == '{' ? "object" : "array",
                          MFI_QUOTE(pointer->text, strlen(pointer->text), 100));
    if (seed == '"') {
        seed = 's';
        text = mfi_json_string(value, limit, &pointer->scratch, &bytes);
    } else if (value && mfi_json_is_number(value)) {
        seed = 'd';
        const char *end = mfi_json_end(value, limit);
        text = mfi_scratch_grow(&pointer->scratch, (size_t)(end - value) + 24)
                   ? pointer->scratch.bytes
                   : NULL;
        bytes = text ? key_write_number(value, end, pointer->scratch.bytes) : 0;
        assert(bytes <= (size_t)(end - value) + 24);
    }
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an event's key");
    *hash = XXH3_64bits_withSeed(text, bytes, (XXH64_hash_t)seed);
    return MOFKA_OK;
}

static mofka_status_t key_select(void *self, const char *metadata, size_t metadata_bytes,
                                 size_t requested, size_t *partition) {
    key_selector_t *key = self;
    if (requested != MOFKA_ANY_PARTITION) {
        *partition = requested % key->count;
        return MOFKA_OK;
    }
    assert(key->count > 0);
    const char *value;
    uint64_t hash = 0;
    mofka_status_t status = mfi_pointer_find(&key->pointer, metadata, metadata_bytes, &value);
    if (!status)
        status = key_hash(&key->pointer, value, metadata + metadata_bytes, &hash);
    *partition = (size_t)(hash % key->count);
    return status;
}

static void key_destroy(void *self) {
    mfi_pointer_clear(&((key_selector_t *)self)->pointer);
    free(self);
}

static const mofka_partition_selector_ops_t key_ops = {.size = sizeof key_ops,
                                                       .set_partitions = key_set_partitions,
                                                       .select = key_select,
                                                       .destroy = key_destroy};

static mofka_status_t key_create_with(const char *pointer, void **self) {
    key_selector_t *key = calloc(1, sizeof *key);
    if (!key)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition selector");
    mofka_status_t status = mfi_pointer_init(&key->pointer, "key selector", pointer);
    if (status)
        key_destroy(key);
    *self = key;
    return status;
}

static mofka_status_t key_create(const mofka_metadata_t *metadata,
                                 const mofka_partition_selector_ops_t **out, void **self) {
    char *type = NULL, *pointer = NULL;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "pointer", .kind = MOFKA_OPTION_STRING, .value = &pointer}};
    mofka_status_t status =
        mofka_options_read("key selector", mofka_metadata_text(metadata, NULL), options, 2);
    if (!status)
        status = key_create_with(pointer, self);
    free(type);
    free(pointer);
    *out = &key_ops;
    return status;
}
MOFKA_REGISTER_PARTITION_SELECTOR(key, key_create);
