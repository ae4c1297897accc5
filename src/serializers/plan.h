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
 *   FORM_ORDER   names in the schema's order, all required ones there, no others. The bits above the
 *                form, continued in more bytes, tell which of the others are there; the values follow
 *   FORM_LIST    count of members, then each: 1 + index of the property and its value, or 0, the
 *                name and the value in CBOR
 */
#ifndef MOFKA_SRC_SERIALIZERS_PLAN_H
#define MOFKA_SRC_SERIALIZERS_PLAN_H

#include "json_tape.h"

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

/* A value of an enum: its text, and what a token must be to be it. */
typedef struct mfi_choice {
    mfi_token_kind_t kind;
    char *text; /* JSON */
    size_t text_bytes;
    char *utf8; /* string: without quotes and escapes */
    size_t utf8_bytes;
} mfi_choice_t;

typedef struct mfi_property {
    char *name;
    size_t name_bytes;
    char *prefix; /* "name": in JSON */
    size_t prefix_bytes;
    bool is_required;
    size_t bit; /* optional: which bit of FORM_ORDER says that it is there, from FORM_BITS on */
    const mfi_plan_t *plan;
} mfi_property_t;

struct mfi_plan {
    mfi_plan_kind_t kind;
    const struct cJSON *schema; /* while plans are made */
    const mfi_plan_t *items;
    mfi_choice_t *choices;
    size_t choice_count;
    mfi_property_t *properties;
    size_t property_count;
    size_t form_bytes; /* of FORM_ORDER: the form and the bits */
};

/* All plans of a schema; the first is the schema's. They refer to each other. */
typedef struct mfi_plans {
    const struct cJSON *root; /* while plans are made */
    mfi_plan_t **plans;
    size_t count, room;
} mfi_plans_t;

/* MOFKA_ERR_OPTION: where the schema is wrong, as far as it matters here. Free them in any case. */
mofka_status_t mfi_plans_make(mfi_plans_t *plans, const struct cJSON *schema);
void mfi_plans_free(mfi_plans_t *plans);

/* Write the token at `index`, and all that is in it. */
void mfi_plan_write(const mfi_plan_t *plan, mfi_bytes_t *out, const mfi_tape_t *tape,
                    uint32_t index);
/* Read a value as JSON text. MOFKA_ERR_CORRUPT. */
mofka_status_t mfi_plan_read(const mfi_plan_t *plan, mfi_bytes_t *out, mfi_reader_t *reader,
                             size_t depth);

#endif
