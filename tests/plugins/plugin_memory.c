/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types that need other libraries, made and used over and over, with one more allocation that
 * succeeds each time until nothing fails any more: each failure is MOFKA_ERR_MEMORY, and leaves
 * nothing behind. The allocations of those libraries are counted, too.
 */
#include "support/check.h"
#include "support/failing_memory.h"
#include <zstd.h>

/* Go on while all is well. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            return status_;                                                                        \
    } while (0)

/* ---- the types ------------------------------------------------------------------------------- */

static mofka_status_t plugin_validate(const char *config, const char *event) {
    mofka_validator_t *validator;
    TRY(mofka_validator_from_metadata(config, &validator));
    mofka_status_t status = mofka_validator_validate(validator, event, strlen(event), NULL);
    mofka_validator_release(validator);
    return status;
}

/* Every kind of keyword, numbers that need much room, and a document more. Not "enum": valijson
 * drops a value of it when its list finds no memory. */
static mofka_status_t plugin_accept(void) {
    static const char config[] =
        "{\"type\":\"schema\",\"schema\":{\"properties\":{"
        "\"far\":{\"multipleOf\":123456789012345678901234567890e9999999999999999999999,"
        "\"maximum\":1e99999999999999999999999},"
        "\"near\":{\"multipleOf\":1e-8,\"minimum\":1,\"exclusiveMaximum\":1e30},"
        "\"text\":{\"pattern\":\"^(a|b)+$\",\"minLength\":2.0,\"const\":\"ab\"},"
        "\"list\":{\"items\":{\"$ref\":\"urn:other\"},\"uniqueItems\":true}},"
        "\"patternProperties\":{\"^x\":{\"const\":{\"a\":[1.50]}}},\"required\":[\"near\"],"
        "\"dependencies\":{\"text\":[\"near\"]},\"propertyNames\":{\"maxLength\":9},"
        "\"anyOf\":[{\"not\":{}},{\"if\":true,\"then\":{\"minProperties\":1}}]},"
        "\"documents\":{\"urn:other\":{\"type\":[\"integer\",\"string\"]}}}";
    return plugin_validate(
        config,
        "{\"near\":12391239123.00000001,\"text\":\"ab\",\"x\":{\"a\":[15e-1]},"
        "\"far\":246913578024691357802469135780e9999999999999999999999,"
        "\"list\":[1e2,1e3,123456789012345678901234567890,\"\\u0041 string of some length\"]}");
}

/* A refusal needs memory for its message. */
static mofka_status_t plugin_refuse(void) {
    static const char config[] = "{\"type\":\"schema\",\"schema\":{\"items\":{\"multipleOf\":7}}}";
    mofka_status_t status = plugin_validate(config, "[7,77777777777777777777777,8]");
    return status == MOFKA_ERR_REFUSED ? MOFKA_OK : status;
}

static struct {
    char bytes[1000];
    size_t used, at;
} stored;

static mofka_status_t stored_write(void *context, const void *bytes, size_t size) {
    (void)context;
    assert_true(size <= sizeof stored.bytes - stored.used);
    memcpy(stored.bytes + stored.used, bytes, size);
    stored.used += size;
    return MOFKA_OK;
}

static mofka_status_t stored_read(void *context, void *bytes, size_t size) {
    (void)context;
    assert_true(size <= stored.used - stored.at);
    memcpy(bytes, stored.bytes + stored.at, size);
    stored.at += size;
    return MOFKA_OK;
}

static mofka_status_t plugin_store(const char *config) {
    static const char event[] = "{\"id\":-12345678901234567890,\"name\":\"\\u0041 longer name\","
                                "\"list\":[1.5e300,null,true,{\"\":[]}],\"kind\":\"b\"}";
    const mofka_archive_t archive = {.write = stored_write, .read = stored_read};
    mofka_serializer_t *serializer;
    mofka_metadata_t *metadata;
    stored.used = stored.at = 0;
    TRY(mofka_serializer_from_metadata(config, &serializer));
    mofka_status_t status =
        mofka_serializer_serialize(serializer, &archive, event, sizeof event - 1);
    if (!status)
        status = mofka_serializer_deserialize(serializer, &archive, stored.used, &metadata);
    if (!status)
        mofka_metadata_release(metadata);
    mofka_serializer_release(serializer);
    return status;
}

static mofka_status_t plugin_store_as_cbor(void) {
    return plugin_store("{\"type\":\"cbor\"}");
}

static mofka_status_t plugin_store_by_schema(void) {
    return plugin_store("{\"type\":\"schema\",\"schema\":{\"definitions\":{\"n\":{\"type\":"
                        "\"integer\"}},\"properties\":{\"id\":{\"$ref\":\"#/definitions/n\"},"
                        "\"name\":{\"type\":\"string\"},\"list\":{\"type\":\"array\"},"
                        "\"kind\":{\"enum\":[\"a\",\"b\"]}},\"required\":[\"id\"]}}");
}

static mofka_status_t plugin_store_compressed(void) {
    return plugin_store("{\"type\":\"zstd\"}");
}

/* An older libzstd than 1.5.6 itself crashes if it finds no memory for a dictionary. */
static mofka_status_t plugin_store_by_dictionary(void) {
    return plugin_store("{\"type\":\"zstd\",\"level\":5,\"dictionary\":\"eyJpZCI6LCJuYW1lIjoi\"}");
}

/* ---- the loop -------------------------------------------------------------------------------- */

typedef mofka_status_t (*use_fn)(void);

/* For good, only every seventh allocation is tried as the first that fails. */
static void use_with_failures(use_fn use, bool for_good) {
    OK(use()); /* one-time allocations are made before the count: also those of a first exception */
    FAILS(plugin_validate("{\"type\":\"schema\",\"schema\":7}", ""), MOFKA_ERR_OPTION, "at ''");
    OK(use());
    long before = memory_live(), allowed = 0;
    for (bool whole = false; !whole; allowed += for_good ? 7 : 1) {
        memory_fail_after(allowed, for_good);
        mofka_status_t status = use();
        whole = !memory_fail_no_more();
        if (status != (whole ? MOFKA_OK : MOFKA_ERR_MEMORY))
            fail_msg("after %ld allocations: %s: %s", allowed, mofka_status_name(status),
                     mofka_last_error());
        OK(use()); /* a new thread also takes the place of one that left its variables behind */
        if (memory_live() != before)
            fail_msg("after %ld allocations: %ld are left", allowed, memory_live() - before);
    }
    if (!for_good)
        print_message("%ld allocations\n", allowed - 1);
    assert_true(allowed > 5);
}

static void every_allocation_may_fail(void **state) {
    use_fn use = *(use_fn *)*state;
    if (use == plugin_store_by_dictionary && ZSTD_versionNumber() < 10506) {
        print_message("libzstd %s is too old\n", ZSTD_versionString());
        skip();
    }
    use_with_failures(use, false);
    use_with_failures(use, true);
}

#define MEMORY_CASE(function)                                                                      \
    {                                                                                              \
#function, every_allocation_may_fail, NULL, NULL, &(use_fn) {                              \
            function                                                                               \
        }                                                                                          \
    }

int main(void) {
    memory_start();
    const struct CMUnitTest tests[] = {
        MEMORY_CASE(plugin_accept),           MEMORY_CASE(plugin_refuse),
        MEMORY_CASE(plugin_store_as_cbor),    MEMORY_CASE(plugin_store_by_schema),
        MEMORY_CASE(plugin_store_compressed), MEMORY_CASE(plugin_store_by_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
