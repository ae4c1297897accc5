/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializers of the plug-ins: every JSON value comes back as it was. Linked against the shared
 * library, as the plug-ins are. */
#include <pthread.h>
#include "plugins/serializers.h"

static const char *const values[] = {
    "null",
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "0",
    "-0",
    "-1",
    "7",
    "23",
    "24",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "4611686018427387904",
    "4611686018427387905",
    "-4611686018427387904",
    "-4611686018427387905",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "-18446744073709551615",
    "-18446744073709551616",
    "123456789012345678901234567890",
    "1.0",
    "-1.50",
    "0.1",
    "-0.0",
    "0.000",
    "0.05",
    "1e400",
    "-1E-400",
    "1e5",
    "6.02E+23",
    "0e0",
    "3.141592653589793",
    "0.30000000000000004",
    "184467440737095516.15",
    "1844674407370955161.6",
    "0.000000000000000000000000000001",
    "0.0000000000000000000000000000001",
    "\"\\u0000\"",
    "\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\\u001f\"",
    "\"\\ud800\"",
    "\"x\\udc00\\u0041\"",
    "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"",
    "{\"a\":1,\"a\":2,\"a\":3}",
    "{\"b\":1,\"a\":2}",
    "{\"\":1,\"\\u0000\":2,\"\\ud800\":3}",
    "[[[[]]],{\"a\":{\"b\":[]}}]",
    "[1,\"a\",null,true,{}]",
    "{\"id\":1,\"name\":\"n\"}",
    "{\"name\":\"n\",\"id\":1}",
    "{\"id\":1}",
    "{\"name\":\"n\"}",
    "{\"id\":1,\"name\":\"n\",\"x\":2.5,\"on\":true,\"none\":null,\"kind\":\"cd\",\"tags\":[\"a\","
    "\"b\"],\"open\":{\"z\":[1]},\"more\":{\"more\":{\"n\":-5}},\"a/b~\\\"\":3}",
    "{\"id\":1.5,\"name\":2,\"x\":\"s\",\"on\":0,\"none\":1,\"kind\":\"ef\",\"tags\":{},\"more\":[]"
    "}",
    "{\"id\":1,\"name\":\"n\",\"kind\":7}",
    "{\"id\":1,\"name\":\"n\",\"kind\":7.0}",
    "{\"id\":1,\"name\":\"n\",\"kind\":1.5}",
    "{\"id\":1,\"name\":\"n\",\"kind\":[1]}",
    "{\"id\":1,\"name\":\"n\",\"kind\":\"\\u0007\"}",
    "{\"id\":1,\"name\":\"n\",\"kind\":null}",
    "{\"id\":1,\"name\":\"n\",\"other\":[1]}",
    "{\"id\":1,\"id\":2,\"name\":\"n\",\"name\":\"m\"}",
    "{\"name\":\"\\ud800\",\"id\":18446744073709551615}",
    "{\"id\":1,\"n\\u0000\":1}",
    "{\"id\":1,\"name\":\"n\",\"none\":null,\"x\":1}",
    "[[1,2.5,-0.25],[\"a\"],7,[1e9]]",
};

static void every_value_comes_back(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            serializer_keeps_text(serializer, values[i]);
        mofka_serializer_release(serializer);
    }
}

/* White space between tokens is dropped, and escapes become the shortest. zstd keeps both. */
static void tokens_come_back_without_space(void **state) {
    (void)state;
    static const char text[] =
        " { \"\\u0041\\/\" :\t[ 1 ,\r\n 2.50 ] , \"\\ud83d\\ude00\\u00e9\":1 } ";
    static const char tokens[] = "{\"A/\":[1,2.50],\"\xF0\x9F\x98\x80\xC3\xA9\":1}";
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        comes_back(serializer, text, sizeof text - 1, keeps_bytes(configs[c]) ? text : tokens,
                   (keeps_bytes(configs[c]) ? sizeof text : sizeof tokens) - 1);
        mofka_serializer_release(serializer);
    }
}

static void what_is_stored_is_small(void **state) {
    (void)state;
    mofka_serializer_t *cbor, *schema;
    serializer_create_from(configs[CBOR], &cbor);
    serializer_create_from(configs[BY_SCHEMA], &schema);
    assert_int_equal(serializer_keeps_text(cbor, "{\"a\":[1,-2,2.5],\"b\":null}"), 14);
    /* form and bits, id, length and bytes of the name, digits and number, bit of `on`, a word */
    assert_int_equal(
        serializer_keeps_text(schema, "{\"id\":12,\"name\":\"abc\",\"x\":2.5,\"on\":true}"), 10);
    assert_int_equal(serializer_keeps_text(schema, "{\"id\":12,\"name\":\"abc\",\"kind\":\"cd\"}"),
                     8);
    mofka_serializer_release(cbor);
    mofka_serializer_release(schema);
}

static void random_values_come_back(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        pair_t pair = {.seed = 4711 + c};
        for (int i = 0; i < 3000; i++) {
            make_value(&pair, i % 7);
            const buffer_t *expected = keeps_bytes(configs[c]) ? &pair.rich : &pair.plain;
            comes_back(serializer, pair.rich.bytes, pair.rich.used, expected->bytes,
                       expected->used);
        }
        free_pair(&pair);
        mofka_serializer_release(serializer);
    }
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *values_run_in_thread(void *serializer) {
    for (int i = 0; i < 300; i++)
        serializer_keeps_text(serializer, values[(size_t)i % (sizeof values / sizeof *values)]);
    return NULL;
}

static void threads_share_a_serializer(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        pthread_t threads[4];
        serializer_create_from(configs[c], &serializer);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, values_run_in_thread, serializer),
                             0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        mofka_serializer_release(serializer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_back),
        cmocka_unit_test(tokens_come_back_without_space),
        cmocka_unit_test(what_is_stored_is_small),
        cmocka_unit_test(random_values_come_back),
        cmocka_unit_test(threads_share_a_serializer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
