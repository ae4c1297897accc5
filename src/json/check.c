/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that text is JSON: in one pass, with a bit for each open container, without recursion. */
#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <mofka/limits.h>
#include "json/text.h"
#include "base/text/message.h"

/* The digits of a macro. */
#define DIGITS(number) #number
#define DIGITS_OF(macro) DIGITS(macro)

typedef struct json_checker {
    const char *at, *end;
    const char *why; /* the first fault; NULL: none */
    size_t depth;    /* open containers */
    /* A bit for each open container: it is an object. */
    unsigned char objects[(MOFKA_JSON_TEXT_DEPTH_MAX + 7) / 8];
} json_checker_t;

static bool checker_fault(json_checker_t *c, const char *why) {
    assert(!c->why && c->at <= c->end);
    c->why = why;
    return false;
}

static void checker_skip_space(json_checker_t *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static bool checker_take(json_checker_t *c, char wanted) {
    assert(c->at <= c->end);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* ---- scalars --------------------------------------------------------------------------------- */

static bool checker_pass_character(json_checker_t *c) {
    const char *next = mfi_utf8_next(c->at, c->end);
    if (!next)
        return checker_fault(c, "not UTF-8");
    c->at = next;
    return true;
}

static bool checker_pass_hex4(json_checker_t *c, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        const char *const digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = c->at < c->end && *c->at ? strchr(digits, *c->at) : NULL;
        if (!digit)
            return checker_fault(c, "\\u without four hexadecimal digits");
        *code = *code * 16 + (unsigned)(digit - digits) % 16;
    }
    return true;
}

/* `at` is past the backslash. */
static bool checker_pass_escape(json_checker_t *c) {
    if (c->at == c->end || !*c->at || !strchr("\"\\/bfnrtu", *c->at))
        return checker_fault(c, "an unknown escape in a string");
    unsigned code, second;
    if (*c->at++ != 'u')
        return true;
    if (!checker_pass_hex4(c, &code))
        return false;
    if (code < 0xd800 || code > 0xdfff)
        return true;
    if (code > 0xdbff || !checker_take(c, '\\') || !checker_take(c, 'u'))
        return checker_fault(c, "half a surrogate pair");
    if (!checker_pass_hex4(c, &second))
        return false;
    return (second >= 0xdc00 && second <= 0xdfff) || checker_fault(c, "half a surrogate pair");
}

/* Whether a byte of a string means itself. */
static inline bool checker_is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Skip the bytes of a string that mean themselves, sixteen at a time where that can be. */
static void checker_skip_plain(json_checker_t *c) {
    const char *at = c->at;
#ifdef __SSE2__ /* every x86-64 has it */
    const __m128i control = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'),
                  slash = _mm_set1_epi8('\\');
    for (; c->end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i odd =
            _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
        int mask = _mm_movemask_epi8(_mm_or_si128(odd, bytes)); /* 0x80 is a byte's highest bit */
        if (mask) {
            c->at = at + __builtin_ctz((unsigned)mask);
            return;
        }
    }
#endif
    while (at < c->end && checker_is_plain((unsigned char)*at))
        at++;
    c->at = at;
}

static bool checker_pass_string(json_checker_t *c) {
    if (!checker_take(c, '"'))
        return checker_fault(c, "a string is needed");
    for (;;) {
        checker_skip_plain(c);
        if (c->at == c->end)
            return checker_fault(c, "a string without an end");
        unsigned char byte = (unsigned char)*c->at;
        if (byte < 0x20)
            return checker_fault(c, "a control character in a string");
        if (byte >= 0x80) {
            if (!checker_pass_character(c))
                return false;
            continue;
        }
        c->at++;
        if (byte == '"')
            return true;
        if (!checker_pass_escape(c))
            return false;
    }
}

static bool checker_pass_digits(json_checker_t *c) {
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > from || checker_fault(c, "a digit is needed");
}

static bool checker_pass_number(json_checker_t *c) {
    checker_take(c, '-');
    if (!checker_take(c, '0') && !checker_pass_digits(c))
        return false;
    if (checker_take(c, '.') && !checker_pass_digits(c))
        return false;
    if (checker_take(c, 'e') || checker_take(c, 'E')) {
        if (!checker_take(c, '+'))
            checker_take(c, '-');
        return checker_pass_digits(c);
    }
    return true;
}

static bool checker_pass_scalar(json_checker_t *c) {
    static const char *const words[] = {"true", "false", "null"};
    if (c->at < c->end && *c->at == '"')
        return checker_pass_string(c);
    if (c->at < c->end && mfi_json_is_number(c->at))
        return checker_pass_number(c);
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(c->end - c->at) >= length && memcmp(c->at, words[i], length) == 0) {
            c->at += length;
            return true;
        }
    }
    return checker_fault(c, "a value is needed");
}

/* ---- structure ------------------------------------------------------------------------------- */

/* Whether the innermost open container is an object. */
static bool checker_in_object(const json_checker_t *c) {
    assert(c->depth > 0);
    return c->objects[(c->depth - 1) / 8] >> (c->depth - 1) % 8 & 1;
}

static bool checker_open(json_checker_t *c, bool object) {
    assert(c->depth <= MOFKA_JSON_TEXT_DEPTH_MAX);
    if (c->depth == MOFKA_JSON_TEXT_DEPTH_MAX)
        return checker_fault(c, "nested too deeply (more than " DIGITS_OF(
                                    MOFKA_JSON_TEXT_DEPTH_MAX) " arrays and objects)");
    unsigned char bit = (unsigned char)(1 << c->depth % 8), *byte = &c->objects[c->depth / 8];
    *byte = (unsigned char)(object ? *byte | bit : *byte & ~bit);
    c->depth++;
    return true;
}

static bool checker_close(json_checker_t *c) {
    checker_skip_space(c);
    if (c->depth == 0 || !checker_take(c, checker_in_object(c) ? '}' : ']'))
        return false;
    c->depth--;
    return true;
}

static bool checker_pass_key(json_checker_t *c) {
    if (!checker_in_object(c))
        return true;
    checker_skip_space(c);
    if (!checker_pass_string(c))
        return false;
    checker_skip_space(c);
    return checker_take(c, ':') || checker_fault(c, "':' is needed");
}

/* Pass the beginning of a value: all of a scalar or of an empty container; else each opening
 * bracket, down to the first scalar or empty container, which is passed. */
static bool checker_descend(json_checker_t *c) {
    for (;;) {
        checker_skip_space(c);
        bool object = c->at < c->end && *c->at == '{';
        if (!object && !(c->at < c->end && *c->at == '['))
            return checker_pass_scalar(c);
        c->at++;
        if (!checker_open(c, object))
            return false;
        if (checker_close(c))
            return true;
        if (!checker_pass_key(c))
            return false;
    }
}

static bool checker_pass_document(json_checker_t *c) {
    for (;;) {
        if (!checker_descend(c))
            return false;
        while (checker_close(c))
            ;
        assert(c->at <= c->end);
        if (c->depth == 0)
            return c->at == c->end || checker_fault(c, "something follows the value");
        if (!checker_take(c, ','))
            return checker_fault(c, checker_in_object(c) ? "',' or '}' is needed"
                                                         : "',' or ']' is needed");
        if (!checker_pass_key(c))
            return false;
    }
}

mofka_status_t mfi_json_check(const char *what, const char *text, size_t bytes) {
    json_checker_t checker = {.at = text, .end = text + bytes};
    if (checker_pass_document(&checker))
        return MOFKA_OK;
    assert(checker.why);
    size_t at = (size_t)(checker.at - text), left = bytes - at;
    return mofka_fail(MOFKA_ERR_JSON, "%s is not JSON: %s at byte %zu of %zu: '%.*s'", what,
                      checker.why, at, bytes, MFI_QUOTE(text + at, left, 40));
}
