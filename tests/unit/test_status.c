/* SPDX-License-Identifier: BSD-3-Clause */
/* Status codes and the last error message. */
#include "support/check.h"
#include <errno.h>
#include <wchar.h>
#include "base/text/message.h"

static void names_sentences_and_classes(void **state) {
    (void)state;
    assert_string_equal(mofka_status_name(MOFKA_ERR_TIMEOUT), "MOFKA_ERR_TIMEOUT");
    assert_string_equal(mofka_status_text(MOFKA_OK), "success");
    assert_int_equal(mofka_status_class(MOFKA_ERR_FULL), MOFKA_CLASS_FREE);
    assert_string_equal(mofka_status_name((mofka_status_t)-999), "unknown status");
}

static void message_keeps_values_and_errno(void **state) {
    (void)state;
    errno = EINTR;
    assert_int_equal(mofka_fail(MOFKA_ERR_RANGE, "partition %d of %d", 5, 3), MOFKA_ERR_RANGE);
    assert_int_equal(errno, EINTR);
    assert_string_equal(mofka_last_error(), "partition 5 of 3");
    mofka_fail(MOFKA_ERR_RANGE, "topic 'a': %s", mofka_last_error());
    assert_string_equal(mofka_last_error(), "topic 'a': partition 5 of 3");
}

/* ---- any bytes ------------------------------------------------------------------------------- */

static bool text_is_utf8(const char *text) {
    const char *end = text + strlen(text);
    while (text && text < end)
        text = mfi_utf8_next(text, end);
    return text != NULL;
}

/* A text of any bytes, half of them in characters of 1 to 4 bytes. */
static void text_make(uint64_t *seed, char *text, size_t bytes) {
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t used = 0; used < bytes;) {
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned random = (unsigned)(*seed >> 40);
        const char *character = characters[random >> 1 & 3];
        if (random & 1 && strlen(character) <= bytes - used) {
            memcpy(text + used, character, strlen(character));
            used += strlen(character);
        } else {
            text[used++] = (char)(1 + (random >> 8) % 255);
        }
    }
    text[bytes] = '\0';
}

static void last_error_is_utf8_at_every_length(void **state) {
    (void)state;
    uint64_t seed = 1;
    char text[1301];
    for (size_t bytes = 0; bytes < sizeof text; bytes++)
        for (int round = 0; round < 10; round++) {
            text_make(&seed, text, bytes);
            mofka_fail(MOFKA_ERR_JSON, "'%s': %.*s", text, (int)(seed >> 60), text);
            assert_true(text_is_utf8(mofka_last_error()));
            mofka_fail(MOFKA_ERR_JSON, "%s, after %s", text, mofka_last_error());
            assert_true(text_is_utf8(mofka_last_error()));
        }
}

static void foreign_bytes_are_escaped_and_others_kept(void **state) {
    (void)state;
    mofka_fail(MOFKA_ERR_JSON, "'%s'", "caf\xe9, caf\xc3\xa9 \xff\xed\xa0\x80");
    assert_string_equal(mofka_last_error(), "'caf\\xe9, caf\xc3\xa9 \\xff\\xed\\xa0\\x80'");
    mofka_fail(MOFKA_ERR_JSON, "again: %s", mofka_last_error());
    assert_string_equal(mofka_last_error(), "again: 'caf\\xe9, caf\xc3\xa9 \\xff\\xed\\xa0\\x80'");
}

/* Before the cut: `before` bytes; then characters, or bytes that are escaped, that do not all
 * fit. */
static void message_expect_cut(size_t before, const char *unit, const char *shown) {
    char text[3000], expected[3000];
    memset(text, 'x', before);
    memset(expected, 'x', before);
    text[before] = expected[before] = '\0';
    size_t fit = (MOFKA_MESSAGE_BYTES_MAX - before) / strlen(shown);
    for (size_t i = 0; i < 2 * fit + 2; i++)
        strcat(text, unit);
    for (size_t i = 0; i < fit; i++)
        strcat(expected, shown);
    mofka_fail(MOFKA_ERR_JSON, "%s", text);
    assert_string_equal(mofka_last_error(), expected);
}

static void long_messages_are_cut_between_characters(void **state) {
    (void)state;
    for (size_t before = 900; before < 910; before++) {
        message_expect_cut(before, "y", "y");
        message_expect_cut(before, "\xc3\xa9", "\xc3\xa9");
        message_expect_cut(before, "\xe2\x82\xac", "\xe2\x82\xac");
        message_expect_cut(before, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
        message_expect_cut(before, "\xff", "\\xff");
    }
}

/* In the C locale, a wide character that it lacks cannot be formatted. */
static void a_message_that_cannot_be_formatted_is_valid(void **state) {
    (void)state;
    mofka_fail(MOFKA_ERR_JSON, "old");
    mofka_fail(MOFKA_ERR_JSON, "%ls", (const wchar_t[]){0x20ac, 0});
    assert_string_equal(mofka_last_error(), "");
}

static void quotes_are_cut_between_characters(void **state) {
    (void)state;
    mofka_fail(MOFKA_ERR_JSON, "'%.*s'", MFI_QUOTE("ab\xe2\x82\xac", 5, 4));
    assert_string_equal(mofka_last_error(), "'ab'");
    mofka_fail(MOFKA_ERR_JSON, "'%.*s'", MFI_QUOTE("ab\xe2\x82\xac", 5, 5));
    assert_string_equal(mofka_last_error(), "'ab\xe2\x82\xac'");
    mofka_fail(MOFKA_ERR_JSON, "'%.*s'", MFI_QUOTE("ab\xe2", 3, 5));
    assert_string_equal(mofka_last_error(), "'ab\\xe2'");
    mofka_fail(MOFKA_ERR_JSON, "'%.*s'", MFI_QUOTE("\x80\x80\x80\x80\x80", 5, 4));
    assert_string_equal(mofka_last_error(), "'\\x80\\x80\\x80\\x80'");
}

/* Each message quotes 'x' times `pad`, then characters of three bytes. */
static void messages_of_the_library_cut_no_character(void **state) {
    (void)state;
    for (int pad = 0; pad < 3; pad++) {
        char text[1000] = "", json[1300];
        for (int i = 0; i < pad; i++)
            strcat(text, "x");
        for (int i = 0; i < 300; i++)
            strcat(text, "\xe2\x82\xac");
        mofka_validator_t *validator;
        mofka_partition_selector_t *selector;
        mofka_metadata_t *metadata;
        const char *string;
        const mofka_option_t option = {.key = "k", .kind = MOFKA_OPTION_BOOL};
        static const char *const patterns[] = {
            "{\"%s\":[{\"ends\":1}]}", "{\"a\":[{\"%s\":1}]}", "{\"a\":[{\"cidr\":\"%s\"}]}",
            "{\"a\":[{\"numeric\":[\"%s\",1]}]}", "{\"a\":[{\"exists\":\"%s\"}]}"};
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
            char pattern[1100];
            snprintf(pattern, sizeof pattern, patterns[i], text);
            snprintf(json, sizeof json, "{\"type\":\"eventbridge\",\"pattern\":%s}", pattern);
            FAILS(mofka_validator_from_metadata(json, &validator), MOFKA_ERR_OPTION,
                  "\xe2\x82\xac");
            assert_null(strstr(mofka_last_error(), "\\x"));
        }
        snprintf(json, sizeof json, "[\"%s\"]", text);
        FAILS(mofka_options_read("o", json, &option, 1), MOFKA_ERR_JSON, "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        snprintf(json, sizeof json, "{\"%s\":1}", text);
        FAILS(mofka_options_read("o", json, &option, 1), MOFKA_ERR_OPTION, "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        snprintf(json, sizeof json, "{\"k\":\"%s\"}", text);
        FAILS(mofka_options_read("o", json, &option, 1), MOFKA_ERR_OPTION, "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        FAILS(mofka_options_read("o", text, &option, 1), MOFKA_ERR_JSON,
              pad ? "x\xe2\x82\xac" : "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        snprintf(json, sizeof json, "{\"type\":\"%s\"}", text);
        FAILS(mofka_validator_from_metadata(json, &validator), MOFKA_ERR_NOT_FOUND, "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        snprintf(json, sizeof json, "{\"type\":\"key\",\"pointer\":\"%s\"}", text);
        FAILS(mofka_partition_selector_from_metadata(json, &selector), MOFKA_ERR_OPTION,
              "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        snprintf(json, sizeof json, "[\"%s\"]", text);
        OK(mofka_metadata_create(json, strlen(json), &metadata));
        FAILS(mofka_metadata_string(metadata, &string), MOFKA_ERR_JSON, "\xe2\x82\xac");
        assert_null(strstr(mofka_last_error(), "\\x"));
        mofka_metadata_release(metadata);
    }
}

static void log_keep(void *context, mofka_log_level_t level, const char *message) {
    (void)level;
    assert_true(text_is_utf8(message));
    snprintf(context, 100, "%.99s", message);
}

static void log_lines_are_utf8(void **state) {
    (void)state;
    uint64_t seed = 2;
    char text[1301], line[100] = "";
    mofka_log_set_callback(log_keep, line);
    for (size_t bytes = 0; bytes < sizeof text; bytes += 7) {
        text_make(&seed, text, bytes);
        mofka_log(MOFKA_LOG_ERROR, "%s", text);
    }
    mofka_log(MOFKA_LOG_ERROR, "caf%c", 0xe9);
    assert_string_equal(line, "caf\\xe9");
    mofka_log_set_callback(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_sentences_and_classes),
        cmocka_unit_test(message_keeps_values_and_errno),
        cmocka_unit_test(last_error_is_utf8_at_every_length),
        cmocka_unit_test(foreign_bytes_are_escaped_and_others_kept),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(a_message_that_cannot_be_formatted_is_valid),
        cmocka_unit_test(quotes_are_cut_between_characters),
        cmocka_unit_test(messages_of_the_library_cut_no_character),
        cmocka_unit_test(log_lines_are_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
