/* Writing values as planned. */
#include "cbor_text.h"
#include "plan.h"

/* Twice the magnitude and more must fit 64 bits. */
#define MAGNITUDE_MAX (UINT64_C(1) << 62)

static void not_as_planned(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_bytes_put_char(out, 0);
    mfi_cbor_write(out, tape, index);
}

static uint64_t zigzag(const mfi_number_t *number) {
    return 2 * number->magnitude - (number->is_negative ? 1 : 0);
}

static bool read_number(const mfi_tape_t *tape, const mfi_token_t *token, mfi_number_t *number) {
    return token->kind == MFI_TOKEN_NUMBER &&
           mfi_number_read(tape->text + token->at, token->bytes, number) &&
           number->magnitude <= MAGNITUDE_MAX;
}

static void write_integer(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_number_t number;
    if (read_number(tape, &tape->tokens[index], &number) && number.fraction_digits == 0)
        mfi_bytes_put_varint(out, 1 + zigzag(&number));
    else
        not_as_planned(out, tape, index);
}

static void write_number(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    mfi_number_t number;
    if (!read_number(tape, &tape->tokens[index], &number)) {
        not_as_planned(out, tape, index);
        return;
    }
    mfi_bytes_put_varint(out, 1 + number.fraction_digits);
    mfi_bytes_put_varint(out, zigzag(&number));
}

static void write_string(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index) {
    const mfi_token_t *token = &tape->tokens[index];
    if (token->kind != MFI_TOKEN_STRING || token->is_lone) {
        not_as_planned(out, tape, index);
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
    mfi_bytes_free(&unescaped);
}

/* Escaped strings are not looked for: they are stored as what they are. */
static bool is_choice(const mfi_choice_t *choice, const mfi_tape_t *tape,
                      const mfi_token_t *token) {
    bool is_string = choice->kind == MFI_TOKEN_STRING;
    const char *text = is_string ? choice->utf8 : choice->text;
    size_t bytes = is_string ? choice->utf8_bytes : choice->text_bytes;
    return token->kind == choice->kind && token->kind < MFI_TOKEN_ARRAY && !token->has_escapes &&
           token->bytes == bytes && memcmp(tape->text + token->at, text, bytes) == 0;
}

static void write_enum(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                       uint32_t index) {
    size_t i = 0;
    while (i < plan->choice_count && !is_choice(&plan->choices[i], tape, &tape->tokens[index]))
        i++;
    if (i < plan->choice_count)
        mfi_bytes_put_varint(out, 1 + i);
    else
        not_as_planned(out, tape, index);
}

static void write_array(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                        uint32_t index) {
    const mfi_token_t *token = &tape->tokens[index];
    if (token->kind != MFI_TOKEN_ARRAY) {
        not_as_planned(out, tape, index);
        return;
    }
    mfi_bytes_put_varint(out, 1 + (uint64_t)token->count);
    for (uint32_t i = index + 1; i < token->next; i = tape->tokens[i].next)
        mfi_plan_write(plan->items, out, tape, i);
}

/* The first property from `from` on that has the token's name; property_count: none. */
static size_t find_property(const mfi_plan_t *plan, size_t from, const mfi_tape_t *tape,
                            const mfi_token_t *name) {
    const char *text = tape->text + name->at;
    size_t i = name->has_escapes ? plan->property_count : from;
    while (i < plan->property_count && (plan->properties[i].name_bytes != name->bytes ||
                                        memcmp(plan->properties[i].name, text, name->bytes) != 0))
        i++;
    return i;
}

/* Write the bits of FORM_ORDER; false, and nothing, where the object is not of that form. */
static bool write_order(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                        uint32_t index) {
    size_t begin = out->used, at = 0;
    if (!mfi_bytes_reserve(out, plan->form_bytes))
        return true;
    unsigned char *bits = (unsigned char *)out->data + begin;
    memset(bits, 0, plan->form_bytes);
    bits[0] = FORM_ORDER;
    bool is_good = true;
    uint32_t i = index + 1;
    for (; is_good && i < tape->tokens[index].next; i = tape->tokens[i + 1].next) {
        size_t found = find_property(plan, at, tape, &tape->tokens[i]);
        for (; at < found && is_good; at++)
            is_good = !plan->properties[at].is_required;
        is_good = is_good && at++ < plan->property_count;
        size_t bit = is_good ? plan->properties[found].bit : 0;
        if (bit > 0)
            bits[bit / 8] = (unsigned char)(bits[bit / 8] | (1U << bit % 8));
    }
    for (; at < plan->property_count && is_good; at++)
        is_good = !plan->properties[at].is_required;
    out->used = is_good ? begin + plan->form_bytes : begin;
    return is_good;
}

static void write_list(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                       uint32_t index) {
    mfi_bytes_put_char(out, FORM_LIST);
    mfi_bytes_put_varint(out, tape->tokens[index].count);
    for (uint32_t i = index + 1; i < tape->tokens[index].next; i = tape->tokens[i + 1].next) {
        size_t found = find_property(plan, 0, tape, &tape->tokens[i]);
        bool is_known = found < plan->property_count;
        mfi_bytes_put_varint(out, is_known ? 1 + found : 0);
        if (is_known) {
            mfi_plan_write(plan->properties[found].plan, out, tape, i + 1);
        } else {
            mfi_cbor_write(out, tape, i);
            mfi_cbor_write(out, tape, i + 1);
        }
    }
}

static void write_object(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                         uint32_t index) {
    if (tape->tokens[index].kind != MFI_TOKEN_OBJECT) {
        mfi_bytes_put_char(out, FORM_CBOR);
        mfi_cbor_write(out, tape, index);
    } else if (write_order(plan, out, tape, index)) {
        size_t at = 0;
        for (uint32_t i = index + 1; i < tape->tokens[index].next && !out->status;
             i = tape->tokens[i + 1].next) {
            at = find_property(plan, at, tape, &tape->tokens[i]);
            mfi_plan_write(plan->properties[at++].plan, out, tape, i + 1);
        }
    } else {
        write_list(plan, out, tape, index);
    }
}

void mfi_plan_write(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                    uint32_t index) {
    switch (plan->kind) {
    case MFI_PLAN_ANY:
        mfi_cbor_write(out, tape, index);
        break;
    case MFI_PLAN_ENUM:
        write_enum(plan, out, tape, index);
        break;
    case MFI_PLAN_INTEGER:
        write_integer(out, tape, index);
        break;
    case MFI_PLAN_NUMBER:
        write_number(out, tape, index);
        break;
    case MFI_PLAN_STRING:
        write_string(out, tape, index);
        break;
    case MFI_PLAN_ARRAY:
        write_array(plan, out, tape, index);
        break;
    case MFI_PLAN_OBJECT:
        write_object(plan, out, tape, index);
        break;
    }
}
