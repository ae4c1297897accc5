/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles the alternatives of a field: values, and objects with one operator. */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "base/text/c_locale.h"
#include "base/text/message.h"
#include "types/eventbridge/pattern.h"

/* Compile an operator's value into the alternative. */
typedef mofka_status_t (*operator_compile_fn)(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative);

typedef struct operator_row {
    const char *name;
    operator_compile_fn compile;
    bool in_but; /* anything-but can negate it */
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

/* Read an object that must have exactly one key, an operator. `*key` is a view, valid until the
 * next string is read. */
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
    return mfi_eb_bad(place, "unknown operator '%.*s'; %s", MFI_QUOTE(key, bytes, 60), known);
}

/* ---- values ---------------------------------------------------------------------------------- */

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

/* Above this, whole numbers can differ and still be the same double. */
#define WHOLE_DOUBLES_MAX 9007199254740992.0

static mofka_status_t operand_compile_real(mfi_eb_place_t *place, const char *value, size_t bytes,
                                           mfi_eb_operand_t **out) {
    mofka_status_t status = operand_create(place, MFI_EB_REAL, out);
    if (status)
        return status;
    mfi_eb_operand_t *operand = *out;
    operand->from = operand->to = mfi_read_double(value);
    operand->bytes = bytes;
    bool exact = !mfi_eb_is_whole(value, bytes) || fabs(operand->from) < WHOLE_DOUBLES_MAX;
    return exact ? MOFKA_OK : operand_copy_text(place, value, bytes, &operand->text);
}

static mofka_status_t operand_compile(mfi_eb_place_t *place, const char *value,
                                      mfi_eb_operand_t **out) {
    if (*value == '"')
        return mfi_eb_string_operand(place, MFI_EB_STRING, value, out);
    if (place->pattern->original && mfi_json_is_number(value))
        return operand_compile_real(place, value,
                                    (size_t)(mfi_json_end(value, place->limit) - value), out);
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
                          MFI_QUOTE(value, bytes, 60));
    return MOFKA_OK;
}

/* ---- operators of strings -------------------------------------------------------------------- */

/* Compiles one value as an operand of `kind`. */
typedef mofka_status_t (*operand_compile_fn)(mfi_eb_place_t *place, const char *value,
                                             mfi_eb_kind_t kind, mfi_eb_operand_t **operand);

/* Compile each element of an array, which must not be empty. `what`: one element, for messages. */
static mofka_status_t operand_compile_each(mfi_eb_place_t *place, const char *array,
                                           operand_compile_fn compile, mfi_eb_kind_t kind,
                                           const char *what, mfi_eb_alternative_t *alternative) {
    mfi_eb_operand_t **last = &alternative->operands;
    mfi_json_walk_t walk = mfi_json_walk(array, place->limit);
    for (size_t index = 0; mfi_json_next(&walk); index++) {
        size_t before = mfi_eb_enter_index(place, index);
        mofka_status_t status = compile(place, walk.value, kind, last);
        if (status)
            return status;
        assert(*last);
        last = &(*last)->next;
        mfi_eb_leave(place, before);
    }
    return alternative->operands ? MOFKA_OK
                                 : mfi_eb_bad(place, "an empty array; give at least one %s", what);
}

static mofka_status_t operand_compile_string(mfi_eb_place_t *place, const char *value,
                                             mfi_eb_kind_t kind, mfi_eb_operand_t **operand) {
    return *value == '"' ? mfi_eb_string_operand(place, kind, value, operand)
                         : mfi_eb_bad_value(place, value, "a string is needed");
}

/* Compile a string, or each string of an array, as an operand of `kind`. */
static mofka_status_t operator_compile_strings(mfi_eb_place_t *place, const char *value,
                                               mfi_eb_kind_t kind,
                                               mfi_eb_alternative_t *alternative) {
    if (*value == '"')
        return mfi_eb_string_operand(place, kind, value, &alternative->operands);
    if (*value != '[')
        return mfi_eb_bad_value(place, value, "a string or an array of strings is needed");
    return operand_compile_each(place, value, operand_compile_string, kind, "string", alternative);
}

static mofka_status_t operator_compile_ignore_case(mfi_eb_place_t *place, const char *value,
                                                   mfi_eb_alternative_t *alternative) {
    return operator_compile_strings(place, value, MFI_EB_FOLD, alternative);
}

static mofka_status_t operator_compile_wildcard(mfi_eb_place_t *place, const char *value,
                                                mfi_eb_alternative_t *alternative) {
    return operator_compile_strings(place, value, MFI_EB_WILDCARD, alternative);
}

static mofka_status_t operator_compile_cidr(mfi_eb_place_t *place, const char *value,
                                            mfi_eb_alternative_t *alternative) {
    return *value == '"' ? mfi_eb_string_operand(place, MFI_EB_CIDR, value, &alternative->operands)
                         : mfi_eb_bad_value(place, value, "a string is needed");
}

/* Strings, or {"equals-ignore-case": strings}. */
static mofka_status_t operator_compile_affix(mfi_eb_place_t *place, const char *value,
                                             mfi_eb_alternative_t *alternative, mfi_eb_kind_t plain,
                                             mfi_eb_kind_t folded) {
    if (*value != '{')
        return operator_compile_strings(place, value, plain, alternative);
    const char *key = NULL, *inner = NULL;
    size_t bytes = 0;
    mofka_status_t status = operator_read(place, value, &key, &bytes, &inner);
    if (status)
        return status;
    if (!word_is(key, bytes, "equals-ignore-case"))
        return operator_refuse(place, key, bytes, "known here: equals-ignore-case");
    mfi_eb_enter_key(place, key, bytes);
    return operator_compile_strings(place, inner, folded, alternative);
}

static mofka_status_t operator_compile_prefix(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    return operator_compile_affix(place, value, alternative, MFI_EB_PREFIX, MFI_EB_FOLD_PREFIX);
}

static mofka_status_t operator_compile_suffix(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    return operator_compile_affix(place, value, alternative, MFI_EB_SUFFIX, MFI_EB_FOLD_SUFFIX);
}

/* ---- other operators ------------------------------------------------------------------------- */

static mofka_status_t operator_compile_exists(mfi_eb_place_t *place, const char *value,
                                              mfi_eb_alternative_t *alternative) {
    if (*value != 't' && *value != 'f')
        return mfi_eb_bad_value(place, value, "must be true or false");
    return operand_create(place, *value == 't' ? MFI_EB_EXISTS : MFI_EB_ABSENT,
                          &alternative->operands);
}

mofka_status_t mfi_eb_exists_alternative(mfi_eb_place_t *place, mfi_eb_alternative_t **out) {
    mfi_eb_alternative_t *alternative = *out =
        mfi_eb_allocate(place->pattern, 1, sizeof *alternative);
    return alternative ? operand_create(place, MFI_EB_EXISTS, &alternative->operands)
                       : MOFKA_ERR_MEMORY;
}

/* What a comparison allows, beside or instead of the number itself. */
typedef struct comparison {
    const char *name;
    bool below, same, above;
} comparison_t;

static const comparison_t comparisons[] = {{"=", false, true, false},
                                           {"<", true, false, false},
                                           {"<=", true, true, false},
                                           {">", false, false, true},
                                           {">=", false, true, true}};

#define COMPARISON_COUNT (sizeof comparisons / sizeof comparisons[0])

static mofka_status_t comparison_find(mfi_eb_place_t *place, const char *name,
                                      const comparison_t **found) {
    size_t bytes = 0;
    if (*name != '"')
        return mfi_eb_bad_value(place, name, "a comparison is needed: = < <= > >=");
    const char *said = mfi_json_string(name, place->limit, &place->scratch, &bytes);
    if (!said)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a comparison");
    for (size_t i = 0; i < COMPARISON_COUNT; i++)
        if (word_is(said, bytes, comparisons[i].name)) {
            *found = &comparisons[i];
            return MOFKA_OK;
        }
    return mfi_eb_bad(place,
                      "unknown comparison '%.*s'; known: = < <= > >=", MFI_QUOTE(said, bytes, 60));
}

/* Numbers between two keys are not the number of a key: one key more is the next larger number. */
static mofka_status_t range_narrow_key(mfi_eb_place_t *place, mfi_eb_operand_t *range,
                                       const comparison_t *comparison, const char *number) {
    int64_t key = 0;
    mofka_status_t status = operand_read_number(place, number, &key);
    if (status)
        return status;
    int64_t low = comparison->same ? key : key + 1, high = comparison->same ? key : key - 1;
    assert(range->kind == MFI_EB_NUMBER && key % 2 == 0);
    if (!comparison->below && low > range->low)
        range->low = low;
    if (!comparison->above && high < range->high)
        range->high = high;
    return range->low <= range->high ? MOFKA_OK
                                     : mfi_eb_bad(place, "no number meets all comparisons");
}

static mofka_status_t range_narrow_real(mfi_eb_place_t *place, mfi_eb_operand_t *range,
                                        const comparison_t *comparison, const char *number) {
    if (!mfi_json_is_number(number))
        return mfi_eb_bad_value(place, number, "a number is needed");
    double real = mfi_read_double(number);
    assert(range->kind == MFI_EB_REAL);
    if (!comparison->below)
        range->from = fmax(range->from, comparison->same ? real : nextafter(real, INFINITY));
    if (!comparison->above)
        range->to = fmin(range->to, comparison->same ? real : nextafter(real, -INFINITY));
    return range->from <= range->to ? MOFKA_OK
                                    : mfi_eb_bad(place, "no number meets all comparisons");
}

/* Compile [comparison, number, …]: a number must meet all comparisons. */
static mofka_status_t operator_compile_numeric(mfi_eb_place_t *place, const char *value,
                                               mfi_eb_alternative_t *alternative) {
    bool original = place->pattern->original;
    if (*value != '[')
        return mfi_eb_bad_value(place, value, "must be an array such as [\">\", 0, \"<=\", 5]");
    mofka_status_t status =
        operand_create(place, original ? MFI_EB_REAL : MFI_EB_NUMBER, &alternative->operands);
    if (status)
        return status;
    mfi_eb_operand_t *range = alternative->operands;
    range->low = INT64_MIN;
    range->high = INT64_MAX;
    range->from = -INFINITY;
    range->to = INFINITY;
    mfi_json_walk_t walk = mfi_json_walk(value, place->limit);
    if (!mfi_json_next(&walk))
        return mfi_eb_bad(place, "an empty array; give at least one comparison and its number");
    do {
        const comparison_t *comparison = NULL;
        status = comparison_find(place, walk.value, &comparison);
        assert(status || comparison);
        if (!status && !mfi_json_next(&walk))
            status = mfi_eb_bad(place, "a number is needed after '%s'", comparison->name);
        if (!status)
            status = original ? range_narrow_real(place, range, comparison, walk.value)
                              : range_narrow_key(place, range, comparison, walk.value);
    } while (!status && mfi_json_next(&walk));
    return status;
}

/* ---- anything-but ---------------------------------------------------------------------------- */

/* The value decides the operand's kind. Amazon's dialect compares numbers here by their value
 * only. */
static mofka_status_t but_compile_value(mfi_eb_place_t *place, const char *value,
                                        mfi_eb_kind_t unused, mfi_eb_operand_t **operand) {
    int64_t key;
    (void)unused;
    if (*value == '{' || *value == '[')
        return mfi_eb_bad_value(place, value, "a string, a number, true, false or null is needed");
    mofka_status_t status = mfi_json_is_number(value) && !place->pattern->original
                                ? operand_read_number(place, value, &key)
                                : MOFKA_OK;
    return status ? status : operand_compile(place, value, operand);
}

static mofka_status_t but_compile_operator(mfi_eb_place_t *place, const char *object,
                                           mfi_eb_alternative_t *alternative);

static mofka_status_t operator_compile_but(mfi_eb_place_t *place, const char *value,
                                           mfi_eb_alternative_t *alternative) {
    assert(!alternative->operands);
    alternative->anything_but = !alternative->anything_but;
    return *value == '{'   ? but_compile_operator(place, value, alternative)
           : *value == '[' ? operand_compile_each(place, value, but_compile_value, MFI_EB_WORD,
                                                  "value", alternative)
                           : but_compile_value(place, value, MFI_EB_WORD, &alternative->operands);
}

/* ---- one alternative ------------------------------------------------------------------------- */

static const operator_row_t operators[] = {
    {"prefix", operator_compile_prefix, true},
    {"suffix", operator_compile_suffix, true},
    {"equals-ignore-case", operator_compile_ignore_case, true},
    {"anything-but", operator_compile_but, true},
    {"numeric", operator_compile_numeric, true},
    {"wildcard", operator_compile_wildcard, true},
    {"exists", operator_compile_exists, false},
    {"cidr", operator_compile_cidr, false},
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

/* Compile {operator: value}. `in_but`: only an operator that anything-but can negate. */
static mofka_status_t operator_compile(mfi_eb_place_t *place, const char *object, bool in_but,
                                       mfi_eb_alternative_t *alternative) {
    const char *key = NULL, *value = NULL;
    size_t bytes = 0;
    mofka_status_t status = operator_read(place, object, &key, &bytes, &value);
    assert(status || key);
    for (size_t i = 0; i < OPERATOR_COUNT && !status; i++)
        if (word_is(key, bytes, operators[i].name) && (operators[i].in_but || !in_but)) {
            mfi_eb_enter_key(place, key, bytes);
            return operators[i].compile(place, value, alternative);
        }
    return status ? status
                  : operator_refuse(
                        place, key, bytes,
                        in_but ? "known here: prefix, suffix, equals-ignore-case, anything-but, "
                                 "numeric, wildcard"
                               : "known: prefix, suffix, equals-ignore-case, anything-but, "
                                 "numeric, wildcard, exists, cidr, $or");
}

static mofka_status_t but_compile_operator(mfi_eb_place_t *place, const char *object,
                                           mfi_eb_alternative_t *alternative) {
    return operator_compile(place, object, true, alternative);
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
    return *value == '{' ? operator_compile(place, value, false, alternative)
                         : operand_compile(place, value, &alternative->operands);
}
