/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes values as planned. */
#include <assert.h>
#include "plugins/cbor/cbor_text.h"
#include "plugins/schema_serializer/plan.h"

/* A head is 1 + twice the magnitude, and must fit 64 bits. */
#define MAGNITUDE_MAX (UINT64_C(1) << 62)

static void plan_write_unplanned(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_bytes_put_char(out, 0);
    mfi_cbor_write(out, tape, index);
}

static uint64_t plan_zigzag(const mfi_number_t *number) {
    assert(number->magnitude <= MAGNITUDE_MAX && (!number->is_negative || number->magnitude > 0));
    return 2 * number->magnitude - (number->is_negative ? 1 : 0);
}

static bool plan_take_number(const mfi_tape_t *tape, const mfi_token_t *token,
                             mfi_number_t *number) {
    return token->kind == MFI_TOKEN_NUMBER &&
           mfi_number_read(tape->text + token->at, token->bytes, number) &&
           number->magnitude <= MAGNITUDE_MAX;
}

static void plan_write_integer(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_number_t number;
    if (plan_take_number(tape, &tape->tokens[index], &number) && number.fraction_digits == 0)
        mfi_bytes_put_varint(out, 1 + plan_zigzag(&number));
    else
        plan_write_unplanned(out, tape, index);
}

static void plan_write_number(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_number_t number;
    if (!plan_take_number(tape, &tape->tokens[index], &number)) {
        plan_write_unplanned(out, tape, index);
        return;
    }
    mfi_bytes_put_varint(out, 1 + number.fraction_digits);
    mfi_bytes_put_varint(out, plan_zigzag(&number));
}

static void plan_write_string(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    const mfi_token_t *token = &tape->tokens[index];
    if (token->kind != MFI_TOKEN_STRING || token->is_lone) {
        plan_write_unplanned(out, tape, index);
        return;
    }
    mfi_bytes_t unescaped;
    size_t bytes;
    mfi_bytes_init(&unescaped);
    const char *utf8 = mfi_token_utf8(tape, token, &unescaped, &bytes);
    mfi_bytes_put_varint(out, 1 + (uint64_t)bytes);
    mfi_bytes_put(out, utf8, bytes);
    if (unescaped.status)
        out->status = unescaped.status;
    mfi_bytes_clear(&unescaped);
}

/* Compares what is wanted with the plan's choice or property of that index. */
typedef int plan_compare_fn(const mfi_plan_t *plan, const mfi_choice_t *wanted, uint32_t index);

/* The index for which `compare` is 0; `count` if there is none. */
static inline uint32_t plan_search(const mfi_plan_t *plan, const mfi_choice_t *wanted,
                                   plan_compare_fn *compare) {
    uint32_t low = 0, high = plan->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(plan, wanted, plan->sorted[middle]);
        if (order == 0)
            return plan->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return plan->count;
}

static int plan_compare_choice(const mfi_plan_t *plan, const mfi_choice_t *wanted, uint32_t index) {
    return mfi_choice_order(wanted, &plan->choices[index]);
}

/* The index of the choice that equals the token; `count` if none does. A string with escapes is not
 * searched for: it is stored as CBOR. */
static uint32_t plan_find_choice(const mfi_plan_t *plan, const mfi_tape_t *tape,
                                 const mfi_token_t *token) {
    assert(plan->kind == MFI_PLAN_ENUM && plan->count > 0);
    if (token->kind >= MFI_TOKEN_ARRAY || token->has_escapes)
        return plan->count;
    const mfi_choice_t wanted = {(mfi_token_kind_t)token->kind, tape->text + token->at,
                                 token->bytes};
    return plan_search(plan, &wanted, plan_compare_choice);
}

static void plan_write_enum(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                            uint32_t index) {
    uint32_t found = plan_find_choice(plan, tape, &tape->tokens[index]);
    if (found < plan->count)
        mfi_bytes_put_varint(out, 1 + (uint64_t)found);
    else
        plan_write_unplanned(out, tape, index);
}

static void plan_write_array(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                             uint32_t index) {
    const mfi_token_t *token = &tape->tokens[index];
    if (token->kind != MFI_TOKEN_ARRAY) {
        plan_write_unplanned(out, tape, index);
        return;
    }
    assert(plan->items);
    mfi_bytes_put_varint(out, 1 + (uint64_t)token->count);
    for (uint32_t i = index + 1; i < token->next; i = tape->tokens[i].next)
        mfi_plan_write(plan->items, out, tape, i);
}

static int plan_compare_name(const mfi_plan_t *plan, const mfi_choice_t *wanted, uint32_t index) {
    const mfi_property_t *property = &plan->properties[index];
    size_t bytes = wanted->bytes;
    int order = memcmp(wanted->text, property->name,
                       bytes < property->name_bytes ? bytes : property->name_bytes);
    return order ? order : (bytes > property->name_bytes) - (bytes < property->name_bytes);
}

/* The index of the property with the token's name; `count` if there is none. `guess` is tried
 * first: in most objects it is right. */
static uint32_t plan_find_property(const mfi_plan_t *plan, uint32_t guess, const mfi_tape_t *tape,
                                   const mfi_token_t *name) {
    assert(name->kind == MFI_TOKEN_STRING);
    if (name->has_escapes)
        return plan->count;
    const mfi_choice_t wanted = {MFI_TOKEN_STRING, tape->text + name->at, name->bytes};
    if (guess < plan->count && plan_compare_name(plan, &wanted, guess) == 0)
        return guess;
    return plan_search(plan, &wanted, plan_compare_name);
}

/* Write the form and the bits of FORM_ORDER. False, and nothing is written: the object is not of
 * that form. */
static bool plan_write_order(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                             uint32_t index) {
    const mfi_token_t *object = &tape->tokens[index];
    size_t begin = out->used;
    if (plan->form_bytes > 8 + 2 * (size_t)object->count)
        return false;
    if (!mfi_bytes_reserve(out, plan->form_bytes))
        return true;
    unsigned char *bits = (unsigned char *)out->data + begin;
    memset(bits, 0, plan->form_bytes);
    bits[0] = FORM_ORDER;
    uint32_t at = 0, required = 0;
    for (uint32_t i = index + 1; i < object->next; i = tape->tokens[i + 1].next) {
        uint32_t found = plan_find_property(plan, at, tape, &tape->tokens[i]);
        if (found < at || found == plan->count)
            return false;
        const mfi_property_t *property = &plan->properties[found];
        assert(property->bit < 8 * plan->form_bytes);
        required += property->is_required;
        if (!property->is_required)
            bits[property->bit / 8] =
                (unsigned char)(bits[property->bit / 8] | (1U << property->bit % 8));
        at = found + 1;
    }
    assert(required <= plan->required_count);
    if (required == plan->required_count)
        out->used = begin + plan->form_bytes;
    return required == plan->required_count;
}

static void plan_write_list(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                            uint32_t index) {
    mfi_bytes_put_char(out, FORM_LIST);
    mfi_bytes_put_varint(out, tape->tokens[index].count);
    uint32_t at = 0;
    for (uint32_t i = index + 1; i < tape->tokens[index].next; i = tape->tokens[i + 1].next) {
        uint32_t found = plan_find_property(plan, at, tape, &tape->tokens[i]);
        bool is_known = found < plan->count;
        mfi_bytes_put_varint(out, is_known ? 1 + (uint64_t)found : 0);
        if (is_known) {
            mfi_plan_write(plan->properties[found].plan, out, tape, i + 1);
            at = found + 1;
        } else {
            mfi_cbor_write(out, tape, i);
            mfi_cbor_write(out, tape, i + 1);
        }
    }
}

static void plan_write_object(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                              uint32_t index) {
    if (tape->tokens[index].kind != MFI_TOKEN_OBJECT) {
        mfi_bytes_put_char(out, FORM_CBOR);
        mfi_cbor_write(out, tape, index);
    } else if (plan_write_order(plan, out, tape, index)) {
        uint32_t at = 0;
        for (uint32_t i = index + 1; i < tape->tokens[index].next && !out->status;
             i = tape->tokens[i + 1].next) {
            at = plan_find_property(plan, at, tape, &tape->tokens[i]);
            assert(at < plan->count);
            mfi_plan_write(plan->properties[at++].plan, out, tape, i + 1);
        }
    } else {
        plan_write_list(plan, out, tape, index);
    }
}

void mfi_plan_write(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                    uint32_t index) {
    assert(index < tape->count);
    switch (plan->kind) {
    case MFI_PLAN_ANY:
        mfi_cbor_write(out, tape, index);
        break;
    case MFI_PLAN_ENUM:
        plan_write_enum(plan, out, tape, index);
        break;
    case MFI_PLAN_INTEGER:
        plan_write_integer(out, tape, index);
        break;
    case MFI_PLAN_NUMBER:
        plan_write_number(out, tape, index);
        break;
    case MFI_PLAN_STRING:
        plan_write_string(out, tape, index);
        break;
    case MFI_PLAN_ARRAY:
        plan_write_array(plan, out, tape, index);
        break;
    case MFI_PLAN_OBJECT:
        plan_write_object(plan, out, tape, index);
        break;
    }
}
