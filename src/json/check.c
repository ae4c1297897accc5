/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker of json_text.h: one pass, a bit per open container, no recursion. */
#include <string.h>
#include "json/text.h"

typedef struct check {
    const char *at, *end;
    const char *why; /* the first fault */
    size_t depth;
    unsigned char objects[(MFI_JSON_DEPTH_MAX + 7) / 8]; /* which open containers are objects */
} check_t;

static bool fault(check_t *c, const char *why) {
    c->why = why;
    return false;
}

static void skip_space(check_t *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static bool take(check_t *c, char wanted) {
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* ---- scalars --------------------------------------------------------------------------------- */

const char *mfi_utf8_next(const char *at, const char *end) {
    const unsigned char *p = (const unsigned char *)at;
    unsigned char low = 0x80, high = 0xbf;
    size_t more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : 1;
    if (p[0] < 0x80)
        return at + 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - at) <= more)
        return NULL;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xbf)
        if (p[i] < low || p[i] > high)
            return NULL;
    return at + more + 1;
}

static bool wide(check_t *c) {
    const char *next = mfi_utf8_next(c->at, c->end);
    if (!next)
        return fault(c, "not UTF-8");
    c->at = next;
    return true;
}

static bool hex4(check_t *c, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        const char *const digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = c->at < c->end && *c->at ? strchr(digits, *c->at) : NULL;
        if (!digit)
            return fault(c, "\\u without four hexadecimal digits");
        *code = *code * 16 + (unsigned)(digit - digits) % 16;
    }
    return true;
}

/* Behind the backslash. */
static bool escape(check_t *c) {
    if (c->at == c->end || !*c->at || !strchr("\"\\/bfnrtu", *c->at))
        return fault(c, "an unknown escape in a string");
    unsigned code, second;
    if (*c->at++ != 'u')
        return true;
    if (!hex4(c, &code))
        return false;
    if (code < 0xd800 || code > 0xdfff)
        return true;
    if (code > 0xdbff || !take(c, '\\') || !take(c, 'u') || !hex4(c, &second) || second < 0xdc00 ||
        second > 0xdfff)
        return fault(c, "half a surrogate pair");
    return true;
}

/* Pass the bytes that need no second look, eight at a time where it goes. */
static void skip_plain(check_t *c) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    const char *at = c->at;
    for (uint64_t word; c->end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        /* A high bit is set where a byte is below 0x20, is one of the two, or has it already. */
        if (((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & high)
            break;
    }
    while (at < c->end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    c->at = at;
}

static bool string(check_t *c) {
    if (!take(c, '"'))
        return fault(c, "a string is needed");
    for (;;) {
        skip_plain(c);
        if (c->at == c->end)
            return fault(c, "a string without an end");
        unsigned char byte = (unsigned char)*c->at;
        if (byte < 0x20)
            return fault(c, "a control character in a string");
        if (byte >= 0x80) {
            if (!wide(c))
                return false;
            continue;
        }
        c->at++;
        if (byte == '"')
            return true;
        if (!escape(c))
            return false;
    }
}

static bool digits(check_t *c) {
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > from || fault(c, "a digit is needed");
}

static bool number(check_t *c) {
    take(c, '-');
    if (!take(c, '0') && !digits(c))
        return false;
    if (take(c, '.') && !digits(c))
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        return digits(c);
    }
    return true;
}

static bool scalar(check_t *c) {
    static const char *const words[] = {"true", "false", "null"};
    if (c->at < c->end && *c->at == '"')
        return string(c);
    if (c->at < c->end && mfi_json_is_number(c->at))
        return number(c);
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(c->end - c->at) >= length && memcmp(c->at, words[i], length) == 0) {
            c->at += length;
            return true;
        }
    }
    return fault(c, "a value is needed");
}

/* ---- structure ------------------------------------------------------------------------------- */

static bool in_object(const check_t *c) {
    return c->objects[(c->depth - 1) / 8] >> (c->depth - 1) % 8 & 1;
}

static bool push(check_t *c, bool object) {
    if (c->depth == MFI_JSON_DEPTH_MAX)
        return fault(c, "nested too deeply");
    unsigned char bit = (unsigned char)(1 << c->depth % 8), *byte = &c->objects[c->depth / 8];
    *byte = (unsigned char)(object ? *byte | bit : *byte & ~bit);
    c->depth++;
    return true;
}

static bool closes(check_t *c) {
    skip_space(c);
    if (c->depth == 0 || !take(c, in_object(c) ? '}' : ']'))
        return false;
    c->depth--;
    return true;
}

static bool key(check_t *c) {
    if (!in_object(c))
        return true;
    skip_space(c);
    if (!string(c))
        return false;
    skip_space(c);
    return take(c, ':') || fault(c, "':' is needed");
}

/* A value begins: a scalar is passed, of containers the openings, down to a scalar or to an empty
 * one, which is passed. */
static bool descend(check_t *c) {
    for (;;) {
        skip_space(c);
        bool object = c->at < c->end && *c->at == '{';
        if (!object && !(c->at < c->end && *c->at == '['))
            return scalar(c);
        c->at++;
        if (!push(c, object))
            return false;
        if (closes(c))
            return true;
        if (!key(c))
            return false;
    }
}

static bool document(check_t *c) {
    for (;;) {
        if (!descend(c))
            return false;
        while (closes(c))
            ;
        if (c->depth == 0)
            return c->at == c->end || fault(c, "something follows the value");
        if (!take(c, ','))
            return fault(c, in_object(c) ? "',' or '}' is needed" : "',' or ']' is needed");
        if (!key(c))
            return false;
    }
}

mofka_status_t mfi_json_check(const char *what, const char *text, size_t bytes) {
    check_t check = {.at = text, .end = text + bytes};
    if (document(&check))
        return MOFKA_OK;
    size_t at = (size_t)(check.at - text), left = bytes - at;
    return mofka_fail(MOFKA_ERR_JSON, "%s is not JSON: %s at byte %zu of %zu: '%.*s'", what,
                      check.why, at, bytes, (int)(left < 40 ? left : 40), text + at);
}
