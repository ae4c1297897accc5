/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks over checked JSON text, and reads its strings and numbers. */
#include "json/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/utf8.h"

static const char *text_skip_space(const char *at) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

const char *mfi_json_begin(const char *text) {
    return text_skip_space(text);
}

/* The quote that ends a string is the first one after an even number of backslashes. */
static const char *text_end_of_string(const char *string, const char *limit) {
    const char *at = string;
    assert(*string == '"' && string < limit);
    for (;;) {
        at = memchr(at + 1, '"', (size_t)(limit - at - 1));
        assert(at); /* the text was checked */
        const char *slashes = at;
        while (slashes[-1] == '\\')
            slashes--;
        if ((at - slashes) % 2 == 0)
            return at + 1;
    }
}

/* Numbers and words end before a character that may follow them. */
static const char *text_end_of_word(const char *at, const char *limit) {
    while (at < limit && *at != ',' && *at != ']' && *at != '}' && *at != ' ' && *at != '\n' &&
           *at != '\t' && *at != '\r')
        at++;
    return at;
}

const char *mfi_json_end(const char *value, const char *limit) {
    if (*value == '"')
        return text_end_of_string(value, limit);
    if (*value != '{' && *value != '[')
        return text_end_of_word(value, limit);
    size_t depth = 0;
    for (const char *at = value;; at++) {
        if (*at == '"')
            at = text_end_of_string(at, limit) - 1;
        else if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && --depth == 0) {
            assert(at < limit);
            return at + 1;
        }
    }
}

mfi_json_walk_t mfi_json_walk(const char *container, const char *limit) {
    assert(container < limit && (*container == '{' || *container == '['));
    return (mfi_json_walk_t){.at = container + 1, .limit = limit, .object = *container == '{'};
}

bool mfi_json_next(mfi_json_walk_t *walk) {
    const char *at = text_skip_space(walk->at);
    if (*at == ',')
        at = text_skip_space(at + 1);
    if (*at == '}' || *at == ']')
        return false;
    if (walk->object) {
        walk->key = at;
        at = text_skip_space(text_end_of_string(at, walk->limit));
        assert(*at == ':');
        at = text_skip_space(at + 1);
    }
    assert(at < walk->limit);
    walk->value = at;
    walk->end = walk->at = mfi_json_end(at, walk->limit);
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static unsigned text_read_hex4(const char *at) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        unsigned digit = (unsigned char)at[i];
        digit = digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10;
        assert(digit < 16); /* the text was checked */
        code = code * 16 + digit;
    }
    return code;
}

/* `*at` is past the backslash; it is moved past the escape. */
static char *text_put_escape(char *to, const char **at) {
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char name = *(*at)++;
    const char *known = strchr(names, name);
    if (name != 'u') {
        *to++ = known ? meanings[known - names] : name;
        return to;
    }
    uint32_t code = text_read_hex4(*at);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (text_read_hex4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return mfi_utf8_write(to, code);
}

bool mfi_scratch_grow(mfi_scratch_t *scratch, size_t bytes) {
    assert(!scratch->bytes == (scratch->room == 0));
    if (bytes <= scratch->room)
        return true;
    char *more = realloc(scratch->bytes, bytes);
    if (!more)
        return false;
    scratch->bytes = more;
    scratch->room = bytes;
    return true;
}

const char *mfi_json_string(const char *string, const char *limit, mfi_scratch_t *scratch,
                            size_t *bytes) {
    const char *from = string + 1, *end = mfi_json_end(string, limit) - 1;
    size_t raw = (size_t)(end - from);
    *bytes = raw;
    if (raw == 0 || !memchr(from, '\\', raw))
        return from;
    if (!mfi_scratch_grow(scratch, raw))
        return NULL;
    char *to = scratch->bytes;
    while (from < end) {
        if (*from != '\\') {
            *to++ = *from++;
        } else {
            from++;
            to = text_put_escape(to, &from); /* at most as long as the escape */
        }
    }
    assert(from == end && to <= scratch->bytes + raw);
    *bytes = (size_t)(to - scratch->bytes);
    return scratch->bytes;
}

/* In checked text, a zero byte can only be an escape. */
bool mfi_json_has_zero(const char *value, const char *limit) {
    if (*value != '"')
        return false;
    const char *end = mfi_json_end(value, limit) - 1;
    for (const char *at = value + 1; at < end; at++)
        if (*at == '\\' && *++at == 'u' && text_read_hex4(at + 1) == 0)
            return true;
    return false;
}

mofka_status_t mfi_json_member(const char *object, const char *limit, const char *key, size_t bytes,
                               mfi_scratch_t *scratch, const char **value) {
    assert(*object == '{');
    *value = NULL;
    mfi_json_walk_t walk = mfi_json_walk(object, limit);
    while (mfi_json_next(&walk)) {
        size_t found_bytes;
        const char *found = mfi_json_string(walk.key, limit, scratch, &found_bytes);
        if (!found)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a JSON key");
        if (found_bytes == bytes && memcmp(found, key, bytes) == 0) {
            *value = walk.value;
            return MOFKA_OK;
        }
    }
    return MOFKA_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

#define MILLIONTHS_MAX ((int64_t)5000000000 * 1000000)

int64_t mfi_json_exponent(const char *at, const char *end) {
    bool negative = at < end && *at == '-';
    int64_t exponent = 0;
    assert(at <= end);
    for (at += at < end && (*at == '-' || *at == '+'); at < end; at++)
        if (exponent < INT64_C(1000000000000))
            exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

bool mfi_json_number_key(const char *number, size_t bytes, int64_t *key) {
    const char *end = number + bytes, *from = number + (*number == '-'), *stop = from;
    int64_t places = 6; /* decimal places that still count */
    int64_t millionths = 0;
    assert(bytes > 0 && mfi_json_is_number(number));
    while (stop < end && *stop != 'e' && *stop != 'E')
        stop++;
    if (stop < end)
        places += mfi_json_exponent(stop + 1, end);
    for (const char *at = from; at < stop && *at != '.'; at++)
        places++;
    bool rest = false;
    for (const char *at = from; at < stop; at++) {
        if (*at == '.')
            continue;
        if (places <= 0) {
            rest |= *at != '0';
            continue;
        }
        places--;
        millionths = millionths * 10 + (*at - '0');
        if (millionths > MILLIONTHS_MAX)
            return false;
    }
    for (; places > 0 && millionths > 0; places--)
        if ((millionths *= 10) > MILLIONTHS_MAX)
            return false;
    if (millionths == MILLIONTHS_MAX && rest)
        return false;
    assert(millionths <= MILLIONTHS_MAX);
    *key = millionths * 2 + rest;
    if (*number == '-')
        *key = -*key;
    return true;
}
