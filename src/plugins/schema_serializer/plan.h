/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the serializer "schema" stores values: a plan for each subschema.
 *
 * A planned value begins with a number, its head. The head is 0 if the value is not as planned;
 * then the value follows as CBOR. The plans, and their heads:
 *
 *   ANY      no head: the schema does not restrict the value, which is CBOR
 *   ENUM     1 + index into the values of "enum" or "const"; booleans and null are stored so, too
 *   INTEGER  1 + zigzag: 2 * magnitude, or 2 * magnitude - 1 if negative
 *   NUMBER   1 + count of digits after the point; then the zigzag of all digits as one number
 *   STRING   1 + count of bytes; then the bytes, UTF-8
 *   ARRAY    1 + count of items; then the items
 *   OBJECT   a byte whose low two bits are the form
 *
 * Numbers are varints (bytes.h). The forms of an object:
 *
 *   FORM_CBOR    CBOR follows
 *   FORM_ORDER   Names are in the schema's order, all required names are there, and the schema has
 *                all names. The bits above the form, and further bytes, say which optional
 *                properties are there. The values follow. It is not used if a list would be shorter
 *                than the bits
 *   FORM_LIST    the count of members; then for each member 1 + index of the property, and its
 *                value; or, if the schema does not have the name: 0, then name and value as CBOR
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_PLAN_H
#define MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_PLAN_H

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

/* A value of an enum. `text` is its JSON text; of a string, without the quotes. */
typedef struct mfi_choice {
    mfi_token_kind_t kind;
    const char *text;
    size_t bytes;
} mfi_choice_t;

typedef struct mfi_property {
    /* In JSON, without quotes. In memory a quote is before it, and a quote and ':' are after it. */
    const char *name;
    size_t name_bytes;
    bool is_required;
    size_t bit; /* if not required: its bit in FORM_ORDER, at least FORM_BITS */
    const mfi_plan_t *plan;
} mfi_property_t;

struct mfi_plan {
    mfi_plan_kind_t kind;
    const mfi_plan_t *items;    /* ARRAY */
    mfi_choice_t *choices;      /* ENUM */
    mfi_property_t *properties; /* OBJECT, in the schema's order */
    uint32_t count;             /* of choices or properties */
    uint32_t *sorted;           /* their indices, sorted by mfi_choice_order or by name */
    uint32_t required_count;
    size_t form_bytes; /* of FORM_ORDER: the size of the form and the bits */
};

/* All plans of a schema. They point to each other and into `text`. */
typedef struct mfi_plans {
    mfi_bytes_t text;
    mfi_plan_t *plans;
    size_t count;
    const mfi_plan_t *first; /* the plan of the schema itself */
} mfi_plans_t;

/* Make the plans of a schema. MOFKA_ERR_OPTION: the schema is invalid. Clear them after a failure,
 * too. */
mofka_status_t mfi_plans_init(mfi_plans_t *plans, const char *json);
/* Free what the plans hold. */
void mfi_plans_clear(mfi_plans_t *plans);

/* Compare two choices: by kind, then by length, then by text. */
int mfi_choice_order(const mfi_choice_t *a, const mfi_choice_t *b);

/* Write the token at `index` and its children. */
void mfi_plan_write(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                    uint32_t index);
/* Read a value and append its JSON text. `depth` is how many arrays and objects enclose it.
 * MOFKA_ERR_CORRUPT: mfi_plan_write does not write such bytes. */
mofka_status_t mfi_plan_read(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                             size_t depth);

#endif
