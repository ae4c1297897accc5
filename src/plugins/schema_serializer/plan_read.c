/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads values as planned. Every value takes at least one stored byte, so the stored size limits
 * the work. MOFKA_METADATA_BYTES_MAX limits the text.
 */
#include <assert.h>
#include "plugins/cbor/cbor_text.h"
#include "plugins/schema_serializer/plan.h"

static mofka_status_t plan_put_zigzag(mfi_bytes_t *out, mfi_reader_t *reader, uint64_t number,
                                      uint64_t fraction_digits) {
    if (fraction_digits > MFI_FRACTION_DIGITS_MAX)
        return mfi_reader_corrupt(reader, "a number has too many digits");
    mfi_number_t value = {.magnitude = number / 2 + number % 2,
                          .fraction_digits = (unsigned)fraction_digits,
                          .is_negative = number % 2 == 1};
    mfi_bytes_put_number(out, &value);
    return MOFKA_OK;
}

static mofka_status_t plan_read_number(mfi_bytes_t *out, mfi_reader_t *reader, uint64_t head) {
    uint64_t number;
    mofka_status_t status = mfi_reader_varint(reader, &number);
    return status ? status : plan_put_zigzag(out, reader, number, head - 1);
}

static mofka_status_t plan_read_enum(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                                     uint64_t head) {
    assert(head > 0);
    if (head > plan->count)
        return mfi_reader_corrupt(reader, "an index is outside its enum");
    const mfi_choice_t *choice = &plan->choices[head - 1];
    size_t quote = choice->kind == MFI_TOKEN_STRING;
    mfi_bytes_put(out, choice->text - quote, choice->bytes + 2 * quote);
    return MOFKA_OK;
}

static mofka_status_t plan_read_string(mfi_bytes_t *out, mfi_reader_t *reader, uint64_t head) {
    assert(head > 0 && reader->at <= reader->size);
    const char *text = (const char *)reader->data + reader->at;
    if (head - 1 > reader->size - reader->at)
        return mfi_reader_corrupt(reader, "a string is cut off");
    if (!mfi_utf8_is_valid(text, head - 1))
        return mfi_reader_corrupt(reader, "a string is not UTF-8");
    reader->at += head - 1;
    mfi_bytes_put_quoted(out, text, head - 1);
    return MOFKA_OK;
}

static mofka_status_t plan_read_array(const mfi_plan_t *plan, mfi_bytes_t *out,
                                      mfi_reader_t *reader, uint64_t head, size_t depth) {
    assert(plan->items && depth < MOFKA_JSON_DEPTH_MAX);
    mofka_status_t status = MOFKA_OK;
    mfi_bytes_put_char(out, '[');
    for (uint64_t i = 1; i < head && !status && !out->status; i++) {
        if (i > 1)
            mfi_bytes_put_char(out, ',');
        status = mfi_plan_read(plan->items, out, reader, depth + 1);
    }
    mfi_bytes_put_char(out, ']');
    return status;
}

/* ---- objects -------------------------------------------------------------------------------- */

static mofka_status_t plan_read_property(const mfi_property_t *property, mfi_bytes_t *out,
                                         mfi_reader_t *reader, size_t depth) {
    mfi_bytes_put(out, property->name - 1, property->name_bytes + 3);
    return mfi_plan_read(property->plan, out, reader, depth + 1);
}

static mofka_status_t plan_read_order(const mfi_plan_t *plan, mfi_bytes_t *out,
                                      mfi_reader_t *reader, size_t depth) {
    assert(plan->form_bytes > 0 && reader->at < reader->size);
    const unsigned char *bits = reader->data + reader->at;
    if (plan->form_bytes > reader->size - reader->at)
        return mfi_reader_corrupt(reader, "an object is cut off");
    reader->at += plan->form_bytes;
    mofka_status_t status = MOFKA_OK;
    bool is_first = true;
    for (size_t i = 0; i < plan->count && !status && !out->status; i++) {
        const mfi_property_t *property = &plan->properties[i];
        assert(property->bit < 8 * plan->form_bytes);
        if (!property->is_required && !(bits[property->bit / 8] >> property->bit % 8 & 1))
            continue;
        if (!is_first)
            mfi_bytes_put_char(out, ',');
        is_first = false;
        status = plan_read_property(property, out, reader, depth);
    }
    return status;
}

static mofka_status_t plan_read_listed(const mfi_plan_t *plan, mfi_bytes_t *out,
                                       mfi_reader_t *reader, size_t depth) {
    uint64_t index;
    mofka_status_t status = mfi_reader_varint(reader, &index);
    if (status)
        return status;
    if (index > plan->count)
        return mfi_reader_corrupt(reader, "an index is outside the properties");
    if (index > 0)
        return plan_read_property(&plan->properties[index - 1], out, reader, depth);
    status = mfi_cbor_read(out, reader, depth + 1, true);
    mfi_bytes_put_char(out, ':');
    return status ? status : mfi_cbor_read(out, reader, depth + 1, false);
}

static mofka_status_t plan_read_list(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                                     size_t depth) {
    uint64_t count;
    assert(reader->at < reader->size);
    reader->at++;
    mofka_status_t status = mfi_reader_varint(reader, &count);
    for (uint64_t i = 0; !status && !out->status && i < count; i++) {
        if (i > 0)
            mfi_bytes_put_char(out, ',');
        status = plan_read_listed(plan, out, reader, depth);
    }
    return status;
}

static mofka_status_t plan_read_object(const mfi_plan_t *plan, mfi_bytes_t *out,
                                       mfi_reader_t *reader, size_t depth) {
    unsigned form = reader->at < reader->size ? reader->data[reader->at] & FORM_MASK : FORM_MASK;
    if (form == FORM_CBOR) {
        reader->at++;
        return mfi_cbor_read(out, reader, depth, false);
    }
    if (form == FORM_MASK)
        return mfi_reader_corrupt(reader, "an object has an unknown form, or is cut off");
    mfi_bytes_put_char(out, '{');
    mofka_status_t status = form == FORM_ORDER ? plan_read_order(plan, out, reader, depth)
                                               : plan_read_list(plan, out, reader, depth);
    mfi_bytes_put_char(out, '}');
    return status;
}

mofka_status_t mfi_plan_read(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                             size_t depth) {
    assert(depth <= MOFKA_JSON_DEPTH_MAX);
    if (plan->kind == MFI_PLAN_ANY)
        return mfi_cbor_read(out, reader, depth, false);
    bool is_nested = plan->kind == MFI_PLAN_ARRAY || plan->kind == MFI_PLAN_OBJECT;
    if (is_nested && depth == MOFKA_JSON_DEPTH_MAX)
        return mfi_reader_corrupt(reader, "an array or an object is nested too deep");
    if (plan->kind == MFI_PLAN_OBJECT)
        return plan_read_object(plan, out, reader, depth);
    uint64_t head;
    mofka_status_t status = mfi_reader_varint(reader, &head);
    if (status)
        return status;
    if (head == 0)
        return mfi_cbor_read(out, reader, depth, false);
    switch (plan->kind) {
    case MFI_PLAN_ENUM:
        return plan_read_enum(plan, out, reader, head);
    case MFI_PLAN_INTEGER:
        return plan_put_zigzag(out, reader, head - 1, 0);
    case MFI_PLAN_NUMBER:
        return plan_read_number(out, reader, head);
    case MFI_PLAN_STRING:
        return plan_read_string(out, reader, head);
    default:
        return plan_read_array(plan, out, reader, head, depth);
    }
}
