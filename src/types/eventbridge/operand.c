/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes operands from strings of the pattern, and compares scalars of an event with them. */
#include <arpa/inet.h>
#include <assert.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>
#include "base/text/message.h"
#include "types/eventbridge/pattern.h"

/* ---- locales --------------------------------------------------------------------------------- */

static pthread_once_t locales_once = PTHREAD_ONCE_INIT;
static locale_t unicode; /* knows the case of all characters; 0 if the system has no such locale */

static void locales_find(void) {
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!unicode)
        unicode = newlocale(LC_CTYPE_MASK, "C.utf8", (locale_t)0);
}

/* ---- ignoring case --------------------------------------------------------------------------- */

/* Read one character of valid UTF-8, and move `*at` past it. */
static uint32_t fold_next_character(const char **at) {
    const unsigned char *p = (const unsigned char *)*at;
    assert((p[0] & 0xc0) != 0x80);
    int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? p[0] : p[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++)
        code = code << 6 | (p[i] & 0x3f);
    *at += more + 1;
    return code;
}

static size_t fold_count_characters(const char *text, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* A character in both cases. The original dialect knows the case of ASCII letters only. */
static mfi_eb_fold_t fold_character(uint32_t code, bool original) {
    if (!original)
        return (mfi_eb_fold_t){code, towlower_l(code, unicode), towupper_l(code, unicode)};
    bool lower = code >= 'a' && code <= 'z', upper = code >= 'A' && code <= 'Z';
    return (mfi_eb_fold_t){code, upper ? code | 0x20 : code, lower ? code & ~0x20u : code};
}

static mofka_status_t fold_init(mfi_eb_place_t *place, mfi_eb_operand_t *operand) {
    bool original = place->pattern->original;
    pthread_once(&locales_once, locales_find);
    if (!unicode && !original)
        return mofka_fail(MOFKA_ERR_SYSTEM,
                          "pattern at %s: the system lacks the locale C.UTF-8, which defines upper "
                          "and lower case",
                          place->path);
    operand->count = fold_count_characters(operand->text, operand->bytes);
    mfi_eb_fold_t *folds = mfi_eb_allocate(place->pattern, operand->count, sizeof *folds);
    if (!folds)
        return MOFKA_ERR_MEMORY;
    const char *at = operand->text;
    for (size_t i = 0; i < operand->count; i++)
        folds[i] = fold_character(fold_next_character(&at), original);
    assert(at == operand->text + operand->bytes);
    operand->folds = folds;
    return MOFKA_OK;
}

/* If `text` begins with the operand's characters, the byte after them, else NULL. */
static const char *fold_skip(const mfi_eb_operand_t *operand, const char *text, const char *end) {
    assert(operand->folds);
    for (size_t i = 0; i < operand->count; i++) {
        if (text == end)
            return NULL;
        uint32_t code = fold_next_character(&text);
        const mfi_eb_fold_t *fold = &operand->folds[i];
        if (code != fold->same && code != fold->lower && code != fold->upper)
            return NULL;
    }
    return text;
}

/* Where the last `count` characters begin; NULL if there are fewer. */
static const char *fold_find_last(const char *text, const char *end, size_t count) {
    while (count > 0 && end > text)
        if (((unsigned char)*--end & 0xc0) != 0x80)
            count--;
    return count ? NULL : end;
}

/* ---- wildcards ------------------------------------------------------------------------------- */

/* Split a wildcard at its stars. `text` is the operand's own copy, which is unescaped in place. */
static mofka_status_t pieces_init(mfi_eb_place_t *place, mfi_eb_operand_t *operand, char *text) {
    size_t stars = 0, to = 0;
    for (size_t i = 0; i < operand->bytes; i++)
        stars += text[i] == '*';
    mfi_eb_piece_t *pieces = mfi_eb_allocate(place->pattern, stars + 1, sizeof *pieces);
    if (!pieces)
        return MOFKA_ERR_MEMORY;
    operand->count = 1;
    for (size_t i = 0; i < operand->bytes; i++) {
        if (text[i] == '*') {
            pieces[operand->count++].from = to;
            continue;
        }
        if (text[i] == '\\' && (++i == operand->bytes || (text[i] != '*' && text[i] != '\\')))
            return mfi_eb_bad(place, "the backslash at byte %zu must stand before * or \\", i - 1);
        text[to++] = text[i];
        pieces[operand->count - 1].bytes++;
    }
    assert(operand->count <= stars + 1 && to <= operand->bytes);
    operand->pieces = pieces;
    operand->bytes = to;
    return MOFKA_OK;
}

/* The text must begin with the first piece and end with the last one. The others are searched from
 * the left. The leftmost match leaves most text for the pieces after it, so no match is retried. */
static bool pieces_match(const mfi_eb_operand_t *o, const char *text, size_t bytes) {
    assert(o->count > 0);
    const mfi_eb_piece_t *first = &o->pieces[0], *last = &o->pieces[o->count - 1];
    const char *from = text + first->bytes, *end = text + bytes;
    if (first->bytes > bytes || memcmp(text, o->text, first->bytes) != 0)
        return false;
    if (o->count == 1)
        return from == end;
    if ((size_t)(end - from) < last->bytes)
        return false;
    end -= last->bytes;
    if (memcmp(end, o->text + last->from, last->bytes) != 0)
        return false;
    for (const mfi_eb_piece_t *piece = first + 1; piece < last; piece++) {
        const char *found = memmem(from, (size_t)(end - from), o->text + piece->from, piece->bytes);
        if (!found)
            return false;
        from = found + piece->bytes;
    }
    return true;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Read an IPv4 or IPv6 address. Its family, or 0 if it is not an address. */
static int network_read_address(const char *text, size_t bytes, unsigned char *address) {
    char name[INET6_ADDRSTRLEN];
    if (bytes >= sizeof name || memchr(text, '\0', bytes))
        return 0;
    memcpy(name, text, bytes);
    name[bytes] = '\0';
    int family = strchr(name, ':') ? AF_INET6 : AF_INET;
    return inet_pton(family, name, address) == 1 ? family : 0;
}

static mofka_status_t network_init(mfi_eb_place_t *place, mfi_eb_operand_t *operand) {
    const char *slash = memchr(operand->text, '/', operand->bytes);
    const char *end = operand->text + operand->bytes;
    size_t digits = slash ? (size_t)(end - slash - 1) : 0;
    if (slash)
        operand->family =
            network_read_address(operand->text, (size_t)(slash - operand->text), operand->address);
    unsigned most = operand->family == AF_INET ? 32 : 128;
    for (size_t i = 1; i <= digits && digits <= 3; i++) {
        unsigned digit = (unsigned char)slash[i] - (unsigned)'0';
        operand->bits = digit < 10 ? operand->bits * 10 + digit : most + 1;
        if (operand->bits > most)
            break;
    }
    if (!operand->family || digits == 0 || digits > 3 || operand->bits > most)
        return mfi_eb_bad(place,
                          "'%.*s' is not a network; give an address, a slash and a number of bits "
                          "(0 to 32, for IPv6 0 to 128)",
                          MFI_QUOTE(operand->text, operand->bytes, 60));
    return MOFKA_OK;
}

static bool network_contains(const mfi_eb_operand_t *operand, const char *text, size_t bytes) {
    unsigned char address[16] = {0};
    if (network_read_address(text, bytes, address) != operand->family)
        return false;
    assert(operand->bits <= (operand->family == AF_INET ? 32 : 128));
    size_t whole = operand->bits / 8;
    unsigned rest = 8 - operand->bits % 8;
    return memcmp(address, operand->address, whole) == 0 &&
           (rest == 8 || address[whole] >> rest == operand->address[whole] >> rest);
}

/* ---- making and comparing -------------------------------------------------------------------- */

mofka_status_t mfi_eb_string_operand(mfi_eb_place_t *place, mfi_eb_kind_t kind, const char *string,
                                     mfi_eb_operand_t **out) {
    assert(*string == '"' && kind >= MFI_EB_STRING && kind <= MFI_EB_CIDR && !*out);
    mfi_eb_operand_t *operand = *out = mfi_eb_allocate(place->pattern, 1, sizeof *operand);
    if (!operand)
        return MOFKA_ERR_MEMORY;
    operand->kind = kind;
    mofka_status_t status = mfi_eb_copy_string(place, string, &operand->text, &operand->bytes);
    if (status)
        return status;
    switch (kind) {
    case MFI_EB_FOLD:
    case MFI_EB_FOLD_PREFIX:
    case MFI_EB_FOLD_SUFFIX:
        return fold_init(place, operand);
    case MFI_EB_WILDCARD:
        return pieces_init(place, operand, (char *)operand->text); /* a copy that nobody else has */
    case MFI_EB_CIDR:
        return network_init(place, operand);
    default:
        return MOFKA_OK;
    }
}

static bool operand_equals_string(const mfi_eb_operand_t *o, const mfi_eb_value_t *s) {
    assert(o->text);
    const char *text = s->text, *end = text + s->bytes;
    switch (o->kind) {
    case MFI_EB_STRING:
        return o->bytes == s->bytes && memcmp(o->text, text, o->bytes) == 0;
    case MFI_EB_PREFIX:
        return o->bytes <= s->bytes && memcmp(o->text, text, o->bytes) == 0;
    case MFI_EB_SUFFIX:
        return o->bytes <= s->bytes && memcmp(o->text, end - o->bytes, o->bytes) == 0;
    case MFI_EB_FOLD:
        return fold_skip(o, text, end) == end;
    case MFI_EB_FOLD_PREFIX:
        return fold_skip(o, text, end);
    case MFI_EB_FOLD_SUFFIX:
        text = fold_find_last(text, end, o->count);
        return text && fold_skip(o, text, end) == end;
    case MFI_EB_WILDCARD:
        return pieces_match(o, text, s->bytes);
    case MFI_EB_CIDR:
        return network_contains(o, text, s->bytes);
    default:
        return false;
    }
}

bool mfi_eb_is_whole(const char *number, size_t bytes) {
    return !memchr(number, '.', bytes) && !memchr(number, 'e', bytes) &&
           !memchr(number, 'E', bytes);
}

/* Large whole numbers can differ and still be the same double: `text` is set for those. */
static bool operand_equals_real(const mfi_eb_operand_t *o, const mfi_eb_value_t *s) {
    size_t bytes = (size_t)(s->end - s->value);
    if (!s->has_real || s->real < o->from || s->real > o->to)
        return false;
    return !o->text || !mfi_eb_is_whole(s->value, bytes) ||
           (o->bytes == bytes && memcmp(o->text, s->value, bytes) == 0);
}

static bool operand_equals(const mfi_eb_operand_t *o, const mfi_eb_value_t *s) {
    size_t bytes = (size_t)(s->end - s->value);
    switch (o->kind) {
    case MFI_EB_EXISTS:
        return true;
    case MFI_EB_ABSENT:
        return false;
    case MFI_EB_WORD:
        return o->bytes == bytes && memcmp(o->text, s->value, bytes) == 0;
    case MFI_EB_NUMBER:
        return s->has_key && s->key >= o->low && s->key <= o->high;
    case MFI_EB_REAL:
        return operand_equals_real(o, s);
    default:
        return s->text && operand_equals_string(o, s);
    }
}

bool mfi_eb_matches_any(const mfi_eb_alternative_t *alternatives, const mfi_eb_value_t *value,
                        uint64_t *work) {
    for (const mfi_eb_alternative_t *alternative = alternatives; alternative;
         alternative = alternative->next) {
        bool found = false;
        for (const mfi_eb_operand_t *o = alternative->operands; o && !found; o = o->next) {
            *work += 1 + (o->kind > MFI_EB_STRING ? value->bytes : 0);
            found = operand_equals(o, value);
        }
        if (found != alternative->anything_but)
            return true;
    }
    return false;
}
