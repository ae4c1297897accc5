/* SPDX-License-Identifier: BSD-3-Clause */
/* Parses JSON (RFC 8259) into tokens, without recursion. */
#include "plugins/tape/json_tape.h"

#include <stdlib.h>

typedef struct tape_parser {
    mfi_tape_t *tape;
    const char *what, *text;
    size_t bytes, at;
    uint32_t open[MOFKA_JSON_DEPTH_MAX]; /* the arrays and objects that are not closed yet */
    size_t depth;
} tape_parser_t;

static mofka_status_t tape_fail(const tape_parser_t *parser, const char *why) {
    return mofka_fail(MOFKA_ERR_JSON, "%s: %s at byte %zu of %zu", parser->what, why, parser->at,
                      parser->bytes);
}

/* The next byte, or 0 at the end of the text; no token begins with 0. */
static char tape_peek(const tape_parser_t *parser) {
    return parser->at < parser->bytes ? parser->text[parser->at] : '\0';
}

static char tape_skip_space(tape_parser_t *parser) {
    char c = tape_peek(parser);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        parser->at++;
        c = tape_peek(parser);
    }
    return c;
}

static mofka_status_t tape_add_token(tape_parser_t *parser, mfi_token_kind_t kind, size_t at,
                                     size_t bytes) {
    mfi_tape_t *tape = parser->tape;
    assert(tape->count <= tape->room && at <= parser->bytes && bytes <= parser->bytes - at);
    if (tape->count == tape->room) {
        uint32_t room = 2 * tape->room;
        bool is_small = tape->tokens == tape->small;
        mfi_token_t *more = realloc(is_small ? NULL : tape->tokens, room * sizeof *more);
        if (!more)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %u JSON values", room);
        if (is_small)
            memcpy(more, tape->small, sizeof tape->small);
        tape->tokens = more;
        tape->room = room;
    }
    tape->tokens[tape->count] = (mfi_token_t){.at = (uint32_t)at,
                                              .bytes = (uint32_t)bytes,
                                              .next = tape->count + 1,
                                              .kind = (uint8_t)kind};
    tape->count++;
    return MOFKA_OK;
}

/* ---- strings -------------------------------------------------------------------------------- */

static mofka_status_t tape_parse_escape(tape_parser_t *parser, mfi_token_t *token) {
    const char *text = parser->text + parser->at;
    size_t left = parser->bytes - parser->at, used = 2;
    assert(left > 0 && *text == '\\');
    token->has_escapes = true;
    if (left > 1 && text[1] == 'u') {
        int unit = mfi_escape_unit(text, left, &used);
        if (unit < 0)
            return tape_fail(parser, "\\u needs four hexadecimal digits");
        token->is_lone |= unit >= 0xD800 && unit <= 0xDFFF;
    } else if (left < 2 || text[1] == '\0' || !strchr("\"\\/bfnrt", text[1])) {
        return tape_fail(parser, "an unknown escape");
    }
    parser->at += used;
    return MOFKA_OK;
}

static mofka_status_t tape_parse_string(tape_parser_t *parser) {
    assert(tape_peek(parser) == '"');
    mofka_status_t status = tape_add_token(parser, MFI_TOKEN_STRING, ++parser->at, 0);
    mfi_token_t *token = &parser->tape->tokens[parser->tape->count - 1];
    while (!status) {
        if (parser->at == parser->bytes)
            return tape_fail(parser, "a string has no end");
        unsigned char c = (unsigned char)parser->text[parser->at];
        if (c == '"')
            break;
        if (c == '\\') {
            status = tape_parse_escape(parser, token);
        } else if (c >= 0x20 && c < 0x80) {
            parser->at++;
        } else {
            size_t length = mfi_utf8_length((const unsigned char *)parser->text + parser->at,
                                            parser->bytes - parser->at);
            if (c < 0x20 || length == 0)
                return tape_fail(parser,
                                 c < 0x20 ? "a control character in a string" : "invalid UTF-8");
            parser->at += length;
        }
    }
    assert(status || parser->text[parser->at] == '"');
    if (!status)
        token->bytes = (uint32_t)(parser->at++ - token->at);
    return status;
}

/* ---- other values --------------------------------------------------------------------------- */

static size_t tape_skip_digits(tape_parser_t *parser) {
    size_t begin = parser->at;
    while (tape_peek(parser) >= '0' && tape_peek(parser) <= '9')
        parser->at++;
    return parser->at - begin;
}

static mofka_status_t tape_parse_number(tape_parser_t *parser) {
    size_t begin = parser->at;
    if (tape_peek(parser) == '-')
        parser->at++;
    size_t whole = parser->at;
    bool is_good =
        tape_skip_digits(parser) > 0 && (parser->text[whole] != '0' || parser->at == whole + 1);
    if (is_good && tape_peek(parser) == '.') {
        parser->at++;
        is_good = tape_skip_digits(parser) > 0;
    }
    if (is_good && (tape_peek(parser) == 'e' || tape_peek(parser) == 'E')) {
        parser->at++;
        if (tape_peek(parser) == '+' || tape_peek(parser) == '-')
            parser->at++;
        is_good = tape_skip_digits(parser) > 0;
    }
    return is_good ? tape_add_token(parser, MFI_TOKEN_NUMBER, begin, parser->at - begin)
                   : tape_fail(parser, "an invalid number");
}

static mofka_status_t tape_parse_word(tape_parser_t *parser, const char *word,
                                      mfi_token_kind_t kind) {
    size_t length = strlen(word);
    if (length > parser->bytes - parser->at || memcmp(parser->text + parser->at, word, length) != 0)
        return tape_fail(parser, "an invalid value");
    parser->at += length;
    return tape_add_token(parser, kind, parser->at - length, length);
}

static mofka_status_t tape_parse_name(tape_parser_t *parser) {
    if (tape_skip_space(parser) != '"')
        return tape_fail(parser, "a name is missing");
    mofka_status_t status = tape_parse_string(parser);
    if (!status && tape_skip_space(parser) != ':')
        status = tape_fail(parser, "a ':' is missing");
    parser->at++;
    return status;
}

/* Begin an array or an object. *is_inside: its first value follows. */
static mofka_status_t tape_parse_open(tape_parser_t *parser, mfi_token_kind_t kind,
                                      bool *is_inside) {
    if (parser->depth == MOFKA_JSON_DEPTH_MAX)
        return mofka_fail(MOFKA_ERR_JSON, "%s: nested deeper than %d at byte %zu of %zu",
                          parser->what, MOFKA_JSON_DEPTH_MAX, parser->at, parser->bytes);
    mofka_status_t status = tape_add_token(parser, kind, parser->at++, 0);
    if (status)
        return status;
    *is_inside = tape_skip_space(parser) != (kind == MFI_TOKEN_ARRAY ? ']' : '}');
    assert(parser->tape->count > 0);
    uint32_t index = parser->tape->count - 1;
    mfi_token_t *open = &parser->tape->tokens[index];
    if (!*is_inside) {
        open->bytes = (uint32_t)(++parser->at - open->at);
        return MOFKA_OK;
    }
    parser->open[parser->depth++] = index;
    open->count = 1;
    return kind == MFI_TOKEN_OBJECT ? tape_parse_name(parser) : MOFKA_OK;
}

static mofka_status_t tape_parse_value(tape_parser_t *parser, bool *is_inside) {
    char c = tape_skip_space(parser);
    *is_inside = false;
    switch (c) {
    case '{':
        return tape_parse_open(parser, MFI_TOKEN_OBJECT, is_inside);
    case '[':
        return tape_parse_open(parser, MFI_TOKEN_ARRAY, is_inside);
    case '"':
        return tape_parse_string(parser);
    case 't':
        return tape_parse_word(parser, "true", MFI_TOKEN_TRUE);
    case 'f':
        return tape_parse_word(parser, "false", MFI_TOKEN_FALSE);
    case 'n':
        return tape_parse_word(parser, "null", MFI_TOKEN_NULL);
    default:
        return c == '-' || (c >= '0' && c <= '9') ? tape_parse_number(parser)
                                                  : tape_fail(parser, "an invalid value");
    }
}

/* After a value: move on to the next value of its array or object, or end those that end here. */
static mofka_status_t tape_parse_after(tape_parser_t *parser) {
    while (parser->depth > 0) {
        assert(parser->depth <= MOFKA_JSON_DEPTH_MAX);
        mfi_token_t *open = &parser->tape->tokens[parser->open[parser->depth - 1]];
        char c = tape_skip_space(parser);
        bool is_array = open->kind == MFI_TOKEN_ARRAY;
        if (c == ',') {
            parser->at++;
            open->count++;
            return is_array ? MOFKA_OK : tape_parse_name(parser);
        }
        if (c != (is_array ? ']' : '}'))
            return tape_fail(parser,
                             is_array ? "a ',' or ']' is missing" : "a ',' or '}' is missing");
        open->bytes = (uint32_t)(++parser->at - open->at);
        open->next = parser->tape->count;
        parser->depth--;
    }
    return MOFKA_OK;
}

mofka_status_t mfi_tape_parse(mfi_tape_t *tape, const char *what, const char *text, size_t bytes) {
    tape->text = text;
    tape->tokens = tape->small;
    tape->count = 0;
    tape->room = sizeof tape->small / sizeof *tape->small;
    if (bytes > MOFKA_METADATA_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "%s has %zu bytes, at most %zu are allowed", what,
                          bytes, MOFKA_METADATA_BYTES_MAX);
    tape_parser_t parser = {.tape = tape, .what = what, .text = text, .bytes = bytes};
    if (bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        return tape_fail(&parser, "a byte order mark");
    mofka_status_t status = MOFKA_OK;
    bool is_inside = false;
    do {
        status = tape_parse_value(&parser, &is_inside);
        if (!status && !is_inside)
            status = tape_parse_after(&parser);
    } while (!status && parser.depth > 0);
    tape_skip_space(&parser);
    if (!status && parser.at < bytes)
        status = tape_fail(&parser, "there are bytes after the value");
    assert(status || (tape->count > 0 && tape->tokens[0].next == tape->count));
    return status;
}

void mfi_tape_clear(mfi_tape_t *tape) {
    if (tape->tokens != tape->small)
        free(tape->tokens);
}

mofka_status_t mfi_archive_store(mfi_write_fn write, const void *self,
                                 const mofka_archive_t *archive, const char *metadata,
                                 size_t metadata_bytes) {
    mfi_tape_t tape;
    mfi_bytes_t out;
    mfi_bytes_init(&out);
    mofka_status_t status = mfi_tape_parse(&tape, "metadata", metadata, metadata_bytes);
    if (!status) {
        write(self, &out, &tape);
        status = out.status;
    }
    if (!status)
        status = archive->write(archive->context, out.data, out.used);
    mfi_bytes_clear(&out);
    mfi_tape_clear(&tape);
    return status;
}
