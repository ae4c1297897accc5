/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes JSON tokens as CBOR items, and reads them back. Each item goes through libcbor's encoders
 * and its stream decoder. */
#include "plugins/cbor/cbor_text.h"

#include <assert.h>
#include <cbor.h>

#define TAG_DECIMAL 4
#define TAG_JSON 262
#define HEAD_BYTES 9 /* the longest head of an item */

/* ---- writing -------------------------------------------------------------------------------- */

typedef size_t (*item_encode_fn)(uint64_t value, unsigned char *buffer, size_t size);

static void item_put_head(mfi_bytes_t *out, item_encode_fn encode, uint64_t value) {
    if (mfi_bytes_reserve(out, HEAD_BYTES))
        out->used += encode(value, (unsigned char *)out->data + out->used, HEAD_BYTES);
}

static void item_put_integer(mfi_bytes_t *out, uint64_t magnitude, bool is_negative) {
    assert(!is_negative || magnitude > 0);
    item_put_head(out, is_negative ? cbor_encode_negint : cbor_encode_uint,
                  is_negative ? magnitude - 1 : magnitude);
}

static void item_put_embedded(mfi_bytes_t *out, const char *text, size_t bytes) {
    assert(bytes > 0);
    item_put_head(out, cbor_encode_tag, TAG_JSON);
    item_put_head(out, cbor_encode_bytestring_start, bytes);
    mfi_bytes_put(out, text, bytes);
}

static void item_put_number(mfi_bytes_t *out, const char *text, size_t bytes) {
    mfi_number_t number;
    if (!mfi_number_read(text, bytes, &number)) {
        item_put_embedded(out, text, bytes);
        return;
    }
    if (number.fraction_digits > 0) {
        item_put_head(out, cbor_encode_tag, TAG_DECIMAL);
        item_put_head(out, cbor_encode_array_start, 2);
        item_put_integer(out, number.fraction_digits, true);
    }
    item_put_integer(out, number.magnitude, number.is_negative);
}

static void item_put_string(mfi_bytes_t *out, const mfi_tape_t *tape, const mfi_token_t *token) {
    assert(token->kind == MFI_TOKEN_STRING);
    if (token->is_lone) {
        item_put_embedded(out, tape->text + token->at - 1, (size_t)token->bytes + 2);
        return;
    }
    mfi_bytes_t unescaped;
    size_t bytes;
    mfi_bytes_init(&unescaped);
    const char *utf8 = mfi_token_utf8(tape, token, &unescaped, &bytes);
    item_put_head(out, cbor_encode_string_start, bytes);
    mfi_bytes_put(out, utf8, bytes);
    if (unescaped.status)
        out->status = unescaped.status;
    mfi_bytes_clear(&unescaped);
}

void mfi_cbor_write(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    assert(index < tape->count && tape->tokens[index].next <= tape->count);
    for (uint32_t i = index; i < tape->tokens[index].next && !out->status; i++) {
        const mfi_token_t *token = &tape->tokens[i];
        switch ((mfi_token_kind_t)token->kind) {
        case MFI_TOKEN_NULL:
            mfi_bytes_put_char(out, (char)0xF6);
            break;
        case MFI_TOKEN_FALSE:
            mfi_bytes_put_char(out, (char)0xF4);
            break;
        case MFI_TOKEN_TRUE:
            mfi_bytes_put_char(out, (char)0xF5);
            break;
        case MFI_TOKEN_NUMBER:
            item_put_number(out, tape->text + token->at, token->bytes);
            break;
        case MFI_TOKEN_STRING:
            item_put_string(out, tape, token);
            break;
        case MFI_TOKEN_ARRAY:
            item_put_head(out, cbor_encode_array_start, token->count);
            break;
        case MFI_TOKEN_OBJECT:
            item_put_head(out, cbor_encode_map_start, token->count);
            break;
        }
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef enum item_kind {
    ITEM_OTHER,
    ITEM_UINT,
    ITEM_NEGINT,
    ITEM_BYTES,
    ITEM_TEXT,
    ITEM_ARRAY,
    ITEM_MAP,
    ITEM_TAG,
    ITEM_WORD
} item_kind_t;

typedef struct item {
    item_kind_t kind;
    uint64_t value;   /* the number, length or tag */
    const char *text; /* of the bytes, text or word */
} item_t;

static void item_on_uint64(void *item, uint64_t value) {
    *(item_t *)item = (item_t){.kind = ITEM_UINT, .value = value};
}
static void item_on_uint32(void *item, uint32_t value) {
    item_on_uint64(item, value);
}
static void item_on_uint16(void *item, uint16_t value) {
    item_on_uint64(item, value);
}
static void item_on_uint8(void *item, uint8_t value) {
    item_on_uint64(item, value);
}
static void item_on_negint64(void *item, uint64_t value) {
    *(item_t *)item = (item_t){.kind = ITEM_NEGINT, .value = value};
}
static void item_on_negint32(void *item, uint32_t value) {
    item_on_negint64(item, value);
}
static void item_on_negint16(void *item, uint16_t value) {
    item_on_negint64(item, value);
}
static void item_on_negint8(void *item, uint8_t value) {
    item_on_negint64(item, value);
}
static void item_on_bytes(void *item, cbor_data data, size_t length) {
    *(item_t *)item = (item_t){.kind = ITEM_BYTES, .value = length, .text = (const char *)data};
}
static void item_on_text(void *item, cbor_data data, size_t length) {
    *(item_t *)item = (item_t){.kind = ITEM_TEXT, .value = length, .text = (const char *)data};
}
static void item_on_array(void *item, size_t count) {
    *(item_t *)item = (item_t){.kind = ITEM_ARRAY, .value = count};
}
static void item_on_map(void *item, size_t count) {
    *(item_t *)item = (item_t){.kind = ITEM_MAP, .value = count};
}
static void item_on_tag(void *item, uint64_t value) {
    *(item_t *)item = (item_t){.kind = ITEM_TAG, .value = value};
}
static void item_on_null(void *item) {
    *(item_t *)item = (item_t){.kind = ITEM_WORD, .text = "null"};
}
static void item_on_bool(void *item, bool value) {
    *(item_t *)item = (item_t){.kind = ITEM_WORD, .text = value ? "true" : "false"};
}
/* An item that mfi_cbor_write never writes. */
static void item_on_other(void *item) {
    *(item_t *)item = (item_t){.kind = ITEM_OTHER};
}
static void item_on_float(void *item, float value) {
    (void)value;
    item_on_other(item);
}
static void item_on_double(void *item, double value) {
    (void)value;
    item_on_other(item);
}

static const struct cbor_callbacks item_callbacks = {
    .uint8 = item_on_uint8,
    .uint16 = item_on_uint16,
    .uint32 = item_on_uint32,
    .uint64 = item_on_uint64,
    .negint8 = item_on_negint8,
    .negint16 = item_on_negint16,
    .negint32 = item_on_negint32,
    .negint64 = item_on_negint64,
    .byte_string = item_on_bytes,
    .byte_string_start = item_on_other,
    .string = item_on_text,
    .string_start = item_on_other,
    .array_start = item_on_array,
    .indef_array_start = item_on_other,
    .map_start = item_on_map,
    .indef_map_start = item_on_other,
    .tag = item_on_tag,
    .float2 = item_on_float,
    .float4 = item_on_float,
    .float8 = item_on_double,
    .null = item_on_null,
    .undefined = item_on_other,
    .boolean = item_on_bool,
    .indef_break = item_on_other,
};

static mofka_status_t item_read(mfi_reader_t *reader, item_t *item) {
    assert(reader->at <= reader->size);
    item->kind = ITEM_OTHER;
    struct cbor_decoder_result result = cbor_stream_decode(
        reader->data + reader->at, reader->size - reader->at, &item_callbacks, item);
    if (result.status != CBOR_DECODER_FINISHED)
        return mfi_reader_corrupt(reader, result.status == CBOR_DECODER_NEDATA
                                              ? "a CBOR item is cut off"
                                              : "not a CBOR item");
    assert(result.read > 0 && result.read <= reader->size - reader->at);
    reader->at += result.read;
    return MOFKA_OK;
}

static bool item_as_number(const item_t *item, mfi_number_t *number) {
    number->is_negative = item->kind == ITEM_NEGINT;
    number->magnitude = item->value + (item->kind == ITEM_NEGINT ? 1 : 0);
    return item->kind == ITEM_UINT || (item->kind == ITEM_NEGINT && item->value < UINT64_MAX);
}

static mofka_status_t item_read_decimal(mfi_bytes_t *out, mfi_reader_t *reader) {
    item_t array, exponent, mantissa;
    mfi_number_t number;
    mofka_status_t status = item_read(reader, &array);
    if (!status)
        status = item_read(reader, &exponent);
    if (!status)
        status = item_read(reader, &mantissa);
    if (status)
        return status;
    if (array.kind != ITEM_ARRAY || array.value != 2 || exponent.kind != ITEM_NEGINT ||
        exponent.value >= MFI_FRACTION_DIGITS_MAX || !item_as_number(&mantissa, &number))
        return mfi_reader_corrupt(reader, "an invalid decimal fraction");
    number.fraction_digits = (unsigned)exponent.value + 1;
    mfi_bytes_put_number(out, &number);
    return MOFKA_OK;
}

/* Read embedded JSON, the text of a number or a string. *is_string: it is a string. */
static mofka_status_t item_read_embedded(mfi_bytes_t *out, mfi_reader_t *reader, bool *is_string) {
    item_t item;
    mofka_status_t status = item_read(reader, &item);
    if (status)
        return status;
    if (item.kind != ITEM_BYTES)
        return mfi_reader_corrupt(reader, "embedded JSON is not a byte string");
    mfi_tape_t tape;
    bool is_good =
        !mfi_tape_parse(&tape, "embedded JSON", item.text, item.value) && tape.tokens[0].at <= 1 &&
        (tape.tokens[0].kind == MFI_TOKEN_NUMBER || tape.tokens[0].kind == MFI_TOKEN_STRING);
    *is_string = is_good && tape.tokens[0].kind == MFI_TOKEN_STRING;
    mfi_tape_clear(&tape);
    if (!is_good)
        return mfi_reader_corrupt(reader, "embedded JSON is neither a number nor a string");
    mfi_bytes_put(out, item.text, item.value);
    return MOFKA_OK;
}

/* Read an item that is neither an array nor a map. *is_string: it may be a name. */
static mofka_status_t item_read_scalar(mfi_bytes_t *out, mfi_reader_t *reader, const item_t *item,
                                       bool *is_string) {
    mfi_number_t number = {0};
    *is_string = item->kind == ITEM_TEXT;
    if (item->kind == ITEM_TAG && item->value == TAG_DECIMAL)
        return item_read_decimal(out, reader);
    if (item->kind == ITEM_TAG && item->value == TAG_JSON)
        return item_read_embedded(out, reader, is_string);
    if (item->kind == ITEM_WORD) {
        mfi_bytes_put(out, item->text, strlen(item->text));
    } else if (item->kind == ITEM_TEXT) {
        if (!mfi_utf8_is_valid(item->text, item->value))
            return mfi_reader_corrupt(reader, "a string is not UTF-8");
        mfi_bytes_put_quoted(out, item->text, item->value);
    } else {
        if (!item_as_number(item, &number))
            return mfi_reader_corrupt(reader, "an item that JSON does not have");
        mfi_bytes_put_number(out, &number);
    }
    return MOFKA_OK;
}

/* An open array or map: how many items it has (two for each member), and how many are read. */
typedef struct level {
    uint64_t count, done;
    bool is_map;
} level_t;

/* After an item: write the separator, or close the arrays and maps that end with it. */
static size_t levels_close(mfi_bytes_t *out, level_t *levels, size_t depth) {
    while (depth > 0) {
        level_t *level = &levels[depth - 1];
        assert(level->done <= level->count);
        if (level->done < level->count) {
            if (level->done > 0)
                mfi_bytes_put_char(out, level->is_map && level->done % 2 == 1 ? ':' : ',');
            break;
        }
        mfi_bytes_put_char(out, level->is_map ? '}' : ']');
        depth--;
    }
    return depth;
}

mofka_status_t mfi_cbor_read(mfi_bytes_t *out, mfi_reader_t *reader, size_t outer, bool is_name) {
    assert(outer <= MOFKA_JSON_DEPTH_MAX);
    level_t levels[MOFKA_JSON_DEPTH_MAX];
    size_t depth = 0;
    mofka_status_t status;
    do {
        item_t item;
        bool is_string = false;
        level_t *level = depth > 0 ? &levels[depth - 1] : NULL;
        bool wants_name = level ? level->is_map && level->done % 2 == 0 : is_name;
        status = item_read(reader, &item);
        if (level)
            level->done++;
        if (!status && (item.kind == ITEM_ARRAY || item.kind == ITEM_MAP)) {
            if (outer + depth == MOFKA_JSON_DEPTH_MAX || item.value > UINT32_MAX)
                return mfi_reader_corrupt(reader, "an array or a map is too deep or too large");
            levels[depth++] = (level_t){.count = item.value << (item.kind == ITEM_MAP),
                                        .is_map = item.kind == ITEM_MAP};
            mfi_bytes_put_char(out, item.kind == ITEM_MAP ? '{' : '[');
        } else if (!status) {
            status = item_read_scalar(out, reader, &item, &is_string);
        }
        if (!status && wants_name && !is_string)
            status = mfi_reader_corrupt(reader, "a name is not a string");
        if (!status)
            depth = levels_close(out, levels, depth);
    } while (!status && !out->status && depth > 0);
    return status ? status : out->status;
}
