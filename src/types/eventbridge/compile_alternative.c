/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles the alternatives of a field: values, and objects with one operator. */
#include <assert.h>
#include <string.h>
#include "types/eventbridge/pattern.h"

/* Compile an operator's value into the alternative. */
typedef mofka_status_t (*operator_compile_fn)(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative);

typedef struct operator_row {
    const char *name;
    operator_compile_fn compile;
} operator_row_t;

static bool word_is(const char *text, size_t bytes, const char *word) {
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

static mofka_status_t operand_create(mfi_eb_place_t *place, mfi_eb_kind_t kind,
                                     mfi_eb_operand_t **operand) {
    assert(!*operand);
    *operand = mfi_eb_allocate(place->pattern, 1, sizeof **operand);
    if (!*operand)
        return MOFKA_ERR_MEMORY;
    (*operand)->kind = kind;
    return MOFKA_OK;
}

/* Read an object that must have exactly one key, an operator. `*key` is a view, valid until the next
 * string is read. */
static mofka_status_t operator_read(mfi_eb_place_t *place, const char *object, const char **key,
                                    size_t *bytes, const char **value) {
    assert(*object == '{');
    mfi_json_walk_t walk = mfi_json_walk(object, place->limit);
    if (!mfi_json_next(&walk))
        return mfi_eb_bad(place, "the object is empty; it needs one operator");
    *value = walk.value;
    *key = mfi_json_string(walk.key, place->limit, &place->scratch, bytes);
    if (!*key)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a pattern's key");
    return mfi_json_next(&walk)
               ? mfi_eb_bad(place, "the object has more than one key; it needs one operator")
               : MOFKA_OK;
}

static mofka_status_t operator_refuse(mfi_eb_place_t *place, const char *key, size_t bytes,
                                      const char *known) {
    return mfi_eb_bad(place, "unknown operator '%.*s'; %s", (int)(bytes < 60 ? bytes : 60), key,
                      known);
}

/* ---- values ----------------------------------------------------------------------------------- */

static mofka_status_t operand_copy_text(mfi_eb_place_t *place, const char *from, size_t bytes,
                                        const char **text) {
    char *copy = mfi_eb_allocate(place->pattern, bytes + 1, 1);
    if (!copy)
        return MOFKA_ERR_MEMORY;
    memcpy(copy, from, bytes);
    *text = copy;
    return MOFKA_OK;
}

mofka_status_t mfi_eb_copy_string(mfi_eb_place_t *place, const char *string, const char **text,
                                  size_t *bytes) {
    assert(*string == '"');
    const char *said = mfi_json_string(string, place->limit, &place->scratch, bytes);
    return said ? operand_copy_text(place, said, *bytes, text)
                : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a pattern's string");
}

/* A number's key, if the key says the number exactly. */
static bool operand_read_key(const char *value, size_t bytes, int64_t *key) {
    return mfi_json_number_key(value, bytes, key) && *key % 2 == 0;
}

static mofka_status_t operand_compile(mfi_eb_place_t *place, const char *value,
                                      mfi_eb_operand_t **out) {
    if (*value == '"')
        return mfi_eb_string_operand(place, MFI_EB_STRING, value, out);
    size_t bytes = (size_t)(mfi_json_end(value, place->limit) - value);
    int64_t key;
    assert(*value != '{' && *value != '[');
    bool has_key = mfi_json_is_number(value) && operand_read_key(value, bytes, &key);
    mofka_status_t status = operand_create(place, has_key ? MFI_EB_NUMBER : MFI_EB_WORD, out);
    if (status)
        return status;
    if (has_key)
        (*out)->low = (*out)->high = key;
    (*out)->bytes = bytes;
    return has_key ? MOFKA_OK : operand_copy_text(place, value, bytes, &(*out)->text);
}

static mofka_status_t operand_read_number(mfi_eb_place_t *place, const char *value, int64_t *key) {
    if (!mfi_json_is_number(value))
        return mfi_eb_bad_value(place, value, "a number is needed");
    size_t bytes = (size_t)(mfi_json_end(value, place->limit) - value);
    if (!operand_read_key(value, bytes, key))
        return mfi_eb_bad(place, "%.*s is outside [-5e9, 5e9] or has more than six decimal places",
                          (int)(bytes < 60 ? bytes : 60), value);
    return MOFKA_OK;
}

/* ---- operators -------------------------------------------------------------------------------- */

static mofka_status_t operator_compile_string(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_kind_t kind,
                                              mfi_eb_alternative_t *alternative) {
    if (*value != '"')
        return mfi_eb_bad_value(place, value, "a string is needed");
    return mfi_eb_string_operand(place, kind, value, &alternative->operands);
}

static mofka_status_t operator_compile_ignore_case(mfi_eb_place_t *place, const char *value,
                                                   mfi_eb_alternative_t *alternative) {
    return operator_compile_string(place, value, MFI_EB_FOLD, alternative);
}

static mofka_status_t operator_compile_wildcard(mfi_eb_place_t *place, const char *value,
                                                mfi_eb_alternative_t *alternative) {
    return operator_compile_string(place, value, MFI_EB_WILDCARD, alternative);
}

static mofka_status_t operator_compile_cidr(mfi_eb_place_t *place, const char *value,
                                            mfi_eb_alternative_t *alternative) {
    return operator_compile_string(place, value, MFI_EB_CIDR, alternative);
}

/* A string, or {"equals-ignore-case": string}. */
static mofka_status_t operator_compile_affix(mfi_eb_place_t *place, const char *value,
                                             mfi_eb_alternative_t *alternative, mfi_eb_kind_t plain,
                                             mfi_eb_kind_t folded) {
    if (*value != '{')
        return operator_compile_string(place, value, plain, alternative);
    const char *key, *inner;
    size_t bytes;
    mofka_status_t status = operator_read(place, value, &key, &bytes, &inner);
    if (status)
        return status;
    if (!word_is(key, bytes, "equals-ignore-case"))
        return operator_refuse(place, key, bytes, "known here: equals-ignore-case");
    mfi_eb_enter_key(place, key, bytes);
    return operator_compile_string(place, inner, folded, alternative);
}

static mofka_status_t operator_compile_prefix(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    return operator_compile_affix(place, value, alternative, MFI_EB_PREFIX, MFI_EB_FOLD_PREFIX);
}

static mofka_status_t operator_compile_suffix(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    return operator_compile_affix(place, value, alternative, MFI_EB_SUFFIX, MFI_EB_FOLD_SUFFIX);
}

static mofka_status_t operator_compile_exists(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    if (*value != 't' && *value != 'f')
        return mfi_eb_bad_value(place, value, "must be true or false");
    return operand_create(place, *value == 't' ? MFI_EB_EXISTS : MFI_EB_ABSENT,
                          &alternative->operands);
}

/* Narrow the operand's range by one comparison. If `first`, any comparison is allowed, else only an
 * upper bound. `*lower`: it was a lower bound. */
static mofka_status_t numeric_narrow(mfi_eb_place_t *place, const char *name, const char *number,
                                     bool first, mfi_eb_operand_t *range, bool *lower) {
    const char *const known[] = {"<", "<=", "=", ">", ">="};
    size_t bytes = 0, which = 0;
    const char *said =
        *name == '"' ? mfi_json_string(name, place->limit, &place->scratch, &bytes) : "";
    if (!said)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a comparison");
    while (which < 5 && !word_is(said, bytes, known[which]))
        which++;
    if (which == 5 || (!first && which > 1))
        return mfi_eb_bad(place, "unknown comparison '%.*s'; %s", (int)(bytes < 60 ? bytes : 60),
                          said, first ? "known: = < <= > >=" : "known here: < <=");
    if (!number)
        return mfi_eb_bad(place, "a number is needed after '%s'", known[which]);
    int64_t key;
    mofka_status_t status = operand_read_number(place, number, &key);
    if (status)
        return status;
    assert(range->kind == MFI_EB_NUMBER && key % 2 == 0);
    if (which <= 2)
        range->high = which == 0 ? key - 1 : key;
    if (which >= 2)
        range->low = which == 3 ? key + 1 : key;
    *lower = which > 2;
    return MOFKA_OK;
}

/* Compile [comparison, number] or [lower bound, number, upper bound, number]. */
static mofka_status_t operator_compile_numeric(mfi_eb_place_t *place, const char *value,
                                               mfi_eb_alternative_t *alternative) {
    const char *items[5] = {0};
    size_t count = 0;
    if (*value != '[')
        return mfi_eb_bad_value(place, value, "must be an array such as [\">\", 0, \"<=\", 5]");
    mfi_json_walk_t walk = mfi_json_walk(value, place->limit);
    while (count < 5 && mfi_json_next(&walk))
        items[count++] = walk.value;
    if (count == 0 || count > 4)
        return mfi_eb_bad(place, "must be one comparison, or a lower and an upper bound");
    mofka_status_t status = operand_create(place, MFI_EB_NUMBER, &alternative->operands);
    if (status)
        return status;
    assert(alternative->operands->kind == MFI_EB_NUMBER);
    alternative->operands->low = INT64_MIN;
    alternative->operands->high = INT64_MAX;
    bool lower = false;
    status = numeric_narrow(place, items[0], items[1], true, alternative->operands, &lower);
    if (!status && items[2] && !lower)
        status = mfi_eb_bad(place, "only > and >= can be followed by an upper bound");
    if (!status && items[2])
        status = numeric_narrow(place, items[2], items[3], false, alternative->operands, &lower);
    if (!status && alternative->operands->low > alternative->operands->high)
        status = mfi_eb_bad(place, "the lower bound is not below the upper one");
    return status;
}

/* ---- anything-but ----------------------------------------------------------------------------- */

/* Compile one value of anything-but. `first` is the first byte of the list's first value: all values
 * of a list have one type. */
static mofka_status_t but_compile_value(mfi_eb_place_t *place, const char *value,
                                        mfi_eb_kind_t kind, char first,
                                        mfi_eb_operand_t **operand) {
    bool affix_kind = kind == MFI_EB_PREFIX || kind == MFI_EB_SUFFIX;
    if (*value != '"' && (kind != MFI_EB_STRING || !mfi_json_is_number(value)))
        return mfi_eb_bad_value(place, value,
                                kind == MFI_EB_STRING ? "a string or a number is needed"
                                                      : "a string is needed");
    if ((*value == '"') != (first == '"'))
        return mfi_eb_bad(place, "the list mixes strings and numbers; it must have one type");
    if (affix_kind && value[1] == '"')
        return mfi_eb_bad(place, "the string is empty, so no event could match");
    if (*value == '"')
        return mfi_eb_string_operand(place, kind, value, operand);
    int64_t key;
    mofka_status_t status = operand_read_number(place, value, &key);
    return status ? status : operand_compile(place, value, operand);
}

/* Compile one value of anything-but, or an array of them. */
static mofka_status_t but_compile_values(mfi_eb_place_t *place, const char *value,
                                         mfi_eb_kind_t kind, mfi_eb_alternative_t *alternative) {
    assert(alternative->anything_but);
    if (*value != '[')
        return but_compile_value(place, value, kind, *value, &alternative->operands);
    mfi_eb_operand_t **last = &alternative->operands;
    mfi_json_walk_t walk = mfi_json_walk(value, place->limit);
    char first = 0;
    for (size_t index = 0; mfi_json_next(&walk); index++) {
        first = index ? first : *walk.value;
        size_t before = mfi_eb_enter_index(place, index);
        mofka_status_t status = but_compile_value(place, walk.value, kind, first, last);
        if (status)
            return status;
        last = &(*last)->next;
        mfi_eb_leave(place, before);
    }
    return alternative->operands ? MOFKA_OK
                                 : mfi_eb_bad(place, "an empty array; give at least one value");
}

static mofka_status_t operator_compile_but(mfi_eb_place_t *place, const char *value,
                                           mfi_eb_alternative_t *alternative) {
    static const struct {
        const char *name;
        mfi_eb_kind_t kind;
    } known[] = {{"prefix", MFI_EB_PREFIX},
                 {"suffix", MFI_EB_SUFFIX},
                 {"wildcard", MFI_EB_WILDCARD},
                 {"equals-ignore-case", MFI_EB_FOLD}};
    assert(!alternative->operands);
    alternative->anything_but = true;
    if (*value != '{')
        return but_compile_values(place, value, MFI_EB_STRING, alternative);
    const char *key, *inner;
    size_t bytes;
    mofka_status_t status = operator_read(place, value, &key, &bytes, &inner);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (word_is(key, bytes, known[i].name)) {
            mfi_eb_enter_key(place, key, bytes);
            return but_compile_values(place, inner, known[i].kind, alternative);
        }
    return operator_refuse(place, key, bytes,
                           "known here: prefix, suffix, wildcard, equals-ignore-case");
}

/* ---- one alternative -------------------------------------------------------------------------- */

static const operator_row_t operators[] = {
    {"prefix", operator_compile_prefix},
    {"suffix", operator_compile_suffix},
    {"equals-ignore-case", operator_compile_ignore_case},
    {"anything-but", operator_compile_but},
    {"numeric", operator_compile_numeric},
    {"exists", operator_compile_exists},
    {"wildcard", operator_compile_wildcard},
    {"cidr", operator_compile_cidr},
};

#define OPERATOR_COUNT (sizeof operators / sizeof operators[0])

/* event-ruler reserves more words than those of its operators. They are reserved here, too, so that
 * a pattern is valid here if it is valid there. */
static const char *const reserved[] = {
    "exactly",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
};

bool mfi_eb_is_reserved(const char *key, size_t bytes) {
    for (size_t i = 0; i < OPERATOR_COUNT; i++)
        if (word_is(key, bytes, operators[i].name))
            return true;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (word_is(key, bytes, reserved[i]))
            return true;
    return false;
}

static mofka_status_t operator_compile(mfi_eb_place_t *place, const char *object,
                                       mfi_eb_alternative_t *alternative) {
    const char *key, *value;
    size_t bytes;
    mofka_status_t status = operator_read(place, object, &key, &bytes, &value);
    for (size_t i = 0; i < OPERATOR_COUNT && !status; i++)
        if (word_is(key, bytes, operators[i].name)) {
            mfi_eb_enter_key(place, key, bytes);
            return operators[i].compile(place, value, alternative);
        }
    return status ? status
                  : operator_refuse(
                        place, key, bytes,
                        "known: prefix, suffix, equals-ignore-case, anything-but, numeric, "
                        "exists, wildcard, cidr");
}

mofka_status_t mfi_eb_compile_alternative(mfi_eb_place_t *place, const char *value,
                                          mfi_eb_alternative_t **out) {
    assert(!*out);
    mfi_eb_alternative_t *alternative = *out =
        mfi_eb_allocate(place->pattern, 1, sizeof *alternative);
    if (!alternative)
        return MOFKA_ERR_MEMORY;
    if (*value == '[')
        return mfi_eb_bad(place, "an array within an array; a value or an operator is needed");
    return *value == '{' ? operator_compile(place, value, alternative)
                         : operand_compile(place, value, &alternative->operands);
}
