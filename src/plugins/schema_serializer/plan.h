/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How values of a schema are stored by the serializer "schema": a plan for each subschema. Every
 * planned value begins with a number that is 0 where the value is not as planned: CBOR follows.
 *
 *   ANY      CBOR, without that number: the schema leaves it open
 *   ENUM     1 + index into the values ("enum", "const"; booleans and null are such, too)
 *   INTEGER  1 + (2 * magnitude, or 2 * magnitude - 1 where negative)
 *   NUMBER   1 + digits after the point; then as INTEGER, without the 1: all digits as one number
 *   STRING   1 + bytes, UTF-8
 *   ARRAY    1 + items, the items
 *   OBJECT   a byte, of which the low two bits are a form (below)
 *
 * Numbers are varints (bytes.h). Forms of an object:
 *   FORM_CBOR    CBOR follows
 *   FORM_ORDER   names in the schema's order, all required ones there, none that it does not know. The
 *                bits above the form, continued in more bytes, tell which of those that are not
 *                required are there; the values follow. Not where the bits would outweigh a list
 *   FORM_LIST    count of members, then each: 1 + index of the property and its value, or 0, the
 *                name and the value in CBOR
 */
#ifndef MOFKA_SRC_SERIALIZERS_PLAN_H
#define MOFKA_SRC_SERIALIZERS_PLAN_H

#include "plugins/tape/json_tape.h"

typedef enum mfi_plan_kind {
    MFI_PLAN_ANY,
    MFI_PLAN_ENUM,
    MFI_PLAN_INTEGER,
    MFI_PLAN_NUMBER,
    MFI_PLAN_STRING,
    MFI_PLAN_ARRAY,
    MFI_PLAN_OBJECT
} mfi_plan_kind_t;

enum { FORM_CBOR = 0, FORM_ORDER = 1, FORM_LIST = 2, FORM_MASK = 3, FORM_BITS = 2 };

typedef struct mfi_plan mfi_plan_t;

/* A value of an enum. `text` is its JSON; of a string, what is between the quotes. */
typedef struct mfi_choice {
    mfi_token_kind_t kind;
    const char *text;
    size_t bytes;
} mfi_choice_t;

typedef struct mfi_property {
    const char
        *name; /* as JSON has it between quotes; a quote is before it, a quote and ':' behind */
    size_t name_bytes;
    bool is_required;
    size_t bit; /* optional: which bit of FORM_ORDER says that it is there, from FORM_BITS on */
    const mfi_plan_t *plan;
} mfi_property_t;

struct mfi_plan {
    mfi_plan_kind_t kind;
    const mfi_plan_t *items;    /* ARRAY */
    mfi_choice_t *choices;      /* ENUM */
    mfi_property_t *properties; /* OBJECT, in the schema's order */
    uint32_t count;             /* of choices or properties */
    uint32_t *sorted;           /* their indices, by mfi_choice_order or by name */
    uint32_t required_count;
    size_t form_bytes; /* of FORM_ORDER: the form and the bits */
};

/* All plans of a schema. They refer to each other, and to its text. */
typedef struct mfi_plans {
    mfi_bytes_t text;
    mfi_plan_t *plans;
    size_t count;
    const mfi_plan_t *first; /* the schema's */
} mfi_plans_t;

/* Of a schema's JSON text. MOFKA_ERR_OPTION: where it is wrong. Free them in any case. */
mofka_status_t mfi_plans_init(mfi_plans_t *plans, const char *json);
void mfi_plans_clear(mfi_plans_t *plans);

int mfi_choice_order(const mfi_choice_t *a, const mfi_choice_t *b);

/* Write the token at `index`, and all that is in it. */
void mfi_plan_write(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                    uint32_t index);
/* Read a value as JSON text. MOFKA_ERR_CORRUPT. */
mofka_status_t mfi_plan_read(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                             size_t depth);

#endif
