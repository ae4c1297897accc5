/* SPDX-License-Identifier: BSD-3-Clause */
/* The types that read metadata, with a configuration each. */
#include "plugins/readers/readers.h"

mofka_status_t reader_validate(const char *config, const char *text, size_t bytes) {
    mofka_validator_t *validator;
    OK(mofka_validator_from_metadata(config, &validator));
    mofka_status_t status = mofka_validator_validate(validator, text, bytes, NULL);
    mofka_validator_release(validator);
    return status;
}

mofka_status_t reader_select(const char *config, const char *text, size_t bytes) {
    const mofka_metadata_t *none[2] = {NULL};
    mofka_partition_selector_t *selector;
    size_t partition;
    OK(mofka_partition_selector_from_metadata(config, &selector));
    OK(mofka_partition_selector_set_partitions(selector, none, 2));
    mofka_status_t status =
        mofka_partition_selector_select(selector, text, bytes, MOFKA_ANY_PARTITION, &partition);
    mofka_partition_selector_release(selector);
    return status;
}

mofka_status_t reader_serialize(const char *config, const char *text, size_t bytes) {
    mofka_serializer_t *serializer;
    buffer_t stored = {0};
    OK(mofka_serializer_from_metadata(config, &serializer));
    mofka_status_t status = to_bytes(serializer, text, bytes, &stored);
    if (status)
        assert_int_equal(stored.used, 0);
    free(stored.bytes);
    mofka_serializer_release(serializer);
    return status;
}

const reader_t readers[READERS] = {
    {reader_validate, "{\"type\":\"default\",\"json\":true}"},
    {reader_validate, "{\"type\":\"schema\",\"schema\":true}"},
    {reader_validate, "{\"type\":\"eventbridge\",\"pattern\":{\"x\":[{\"exists\":false},1,5,2]}}"},
    {reader_select, "{\"type\":\"key\",\"pointer\":\"/x\"}"},
    {reader_select, "{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":[2]}"},
    {reader_serialize, "{\"type\":\"cbor\"}"},
    {reader_serialize,
     "{\"type\":\"schema\",\"schema\":{\"properties\":{\"x\":{\"type\":\"integer\"}}}}"},
    {reader_serialize, "{\"type\":\"schema\",\"schema\":true}"},
};
void all_answer(const char *text, size_t bytes, mofka_status_t expected) {
    char *exact = malloc(bytes + !bytes); /* so that a sanitizer sees a read behind it */
    assert_non_null(exact);
    memcpy(exact, text, bytes);
    for (size_t i = 0; i < READERS; i++) {
        mofka_status_t status = readers[i].read(readers[i].config, exact, bytes);
        if (status != expected)
            fail_msg("%s: %.*s (%zu bytes): %s, not %s: %s", readers[i].config,
                     (int)(bytes < 100 ? bytes : 100), text, bytes, mofka_status_name(status),
                     mofka_status_name(expected), mofka_last_error());
    }
    free(exact);
}
