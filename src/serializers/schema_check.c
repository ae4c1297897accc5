/* Checking a schema against draft 7, subschema by subschema in a row: no recursion. */
#include "schema_check.h"

#include <stdlib.h>

#define TYPES "\"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\" or \"string\""

#define NO_CIRCLE "a place that does not lead back here"

/* What a keyword's value must be. */
typedef enum shape {
    STRING,
    DIALECT,
    BOOLEAN,
    ARRAY,
    NUMBER,
    POSITIVE,
    COUNT,
    NAMES,
    TYPE,
    SCHEMA,
    SCHEMAS,
    ITEMS,
    NAMED,
    DEPENDENCIES
} shape_t;

static const char *const allowed[] = {
    [STRING] = "a string",
    [DIALECT] = "\"http://json-schema.org/draft-07/schema#\"",
    [BOOLEAN] = "true or false",
    [ARRAY] = "an array",
    [NUMBER] = "a number",
    [POSITIVE] = "a number above 0",
    [COUNT] = "a whole number, 0 or more",
    [NAMES] = "an array of strings, each once",
    [TYPE] = TYPES ", or an array of some of them, each once",
    [SCHEMA] = "a schema: an object or a boolean",
    [SCHEMAS] = "an array of schemas, at least one",
    [ITEMS] = "a schema (an object or a boolean) or an array of schemas, at least one",
    [NAMED] = "an object of schemas",
    [DEPENDENCIES] = "an object of schemas and arrays of strings, each once",
};

/* "const", "default", and words that draft 7 does not know, may be anything. */
static const struct {
    const char *name;
    shape_t shape;
} keywords[] = {
    {"$comment", STRING},
    {"$id", STRING},
    {"$ref", STRING},
    {"$schema", DIALECT},
    {"additionalItems", SCHEMA},
    {"additionalProperties", SCHEMA},
    {"allOf", SCHEMAS},
    {"anyOf", SCHEMAS},
    {"contains", SCHEMA},
    {"contentEncoding", STRING},
    {"contentMediaType", STRING},
    {"definitions", NAMED},
    {"dependencies", DEPENDENCIES},
    {"description", STRING},
    {"else", SCHEMA},
    {"enum", ARRAY},
    {"examples", ARRAY},
    {"exclusiveMaximum", NUMBER},
    {"exclusiveMinimum", NUMBER},
    {"format", STRING},
    {"if", SCHEMA},
    {"items", ITEMS},
    {"maxItems", COUNT},
    {"maxLength", COUNT},
    {"maxProperties", COUNT},
    {"maximum", NUMBER},
    {"minItems", COUNT},
    {"minLength", COUNT},
    {"minProperties", COUNT},
    {"minimum", NUMBER},
    {"multipleOf", POSITIVE},
    {"not", SCHEMA},
    {"oneOf", SCHEMAS},
    {"pattern", STRING},
    {"patternProperties", NAMED},
    {"properties", NAMED},
    {"propertyNames", SCHEMA},
    {"readOnly", BOOLEAN},
    {"required", NAMES},
    {"then", SCHEMA},
    {"title", STRING},
    {"type", TYPE},
    {"uniqueItems", BOOLEAN},
};

static mfi_token_kind_t kind_of(const mfi_schema_t *schema, uint32_t at) {
    return (mfi_token_kind_t)mfi_tree_token(&schema->tree, at)->kind;
}

static const uint32_t *children_of(const mfi_schema_t *schema, uint32_t at) {
    return schema->tree.children + schema->tree.first[at];
}

static mofka_status_t need(const mfi_schema_t *schema, bool is_good, uint32_t at, shape_t shape) {
    return is_good ? MOFKA_OK : mfi_tree_refuse(&schema->tree, at, allowed[shape]);
}

/* ---- plain values --------------------------------------------------------------------------- */

/* Without its value: a double would not hold every number. */
static bool is_positive(const char *text, size_t bytes) {
    for (size_t i = 0; text[0] != '-' && i < bytes && text[i] != 'e' && text[i] != 'E'; i++)
        if (text[i] >= '1' && text[i] <= '9')
            return true;
    return false;
}

/* Is its last digit that is not 0 before the point, where the exponent puts that? */
static bool is_whole(const char *text, size_t bytes) {
    const int64_t far = INT64_C(1000000000000); /* more than a text has digits */
    int64_t zeros = 0, places = 0, exponent = 0;
    bool is_fraction = false, is_zero = true;
    size_t i = text[0] == '-';
    for (; i < bytes && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            is_fraction = true;
            continue;
        }
        zeros = text[i] == '0' ? zeros + 1 : 0;
        is_zero = is_zero && text[i] == '0';
        places += is_fraction;
    }
    bool is_inverse = i + 1 < bytes && text[i + 1] == '-';
    for (; i < bytes; i++)
        if (text[i] >= '0' && text[i] <= '9' && exponent < far)
            exponent = exponent * 10 + (text[i] - '0');
    return is_zero || zeros - places + (is_inverse ? -exponent : exponent) >= 0;
}

static mofka_status_t check_number(const mfi_schema_t *schema, uint32_t at, shape_t shape) {
    const mfi_token_t *token = mfi_tree_token(&schema->tree, at);
    const char *text = schema->tree.tape.text + token->at;
    bool is_good = token->kind == MFI_TOKEN_NUMBER;
    if (is_good && shape == POSITIVE)
        is_good = is_positive(text, token->bytes);
    if (is_good && shape == COUNT)
        is_good = is_whole(text, token->bytes) &&
                  (text[0] != '-' || !is_positive(text + 1, token->bytes - 1));
    return need(schema, is_good, at, shape);
}

static mofka_status_t check_names(const mfi_schema_t *schema, uint32_t at, shape_t shape) {
    const mfi_tree_t *tree = &schema->tree;
    uint32_t count = mfi_tree_token(tree, at)->count;
    if (kind_of(schema, at) != MFI_TOKEN_ARRAY)
        return need(schema, false, at, shape);
    uint32_t *names = calloc(count + 1, sizeof *names);
    if (!names)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema");
    memcpy(names, children_of(schema, at), count * sizeof *names);
    mofka_status_t status = MOFKA_OK;
    for (uint32_t i = 0; i < count && !status; i++)
        status = need(schema, kind_of(schema, names[i]) == MFI_TOKEN_STRING, names[i], shape);
    if (!status)
        qsort_r(names, count, sizeof *names, mfi_tree_order, (void *)(uintptr_t)tree);
    for (uint32_t i = 1; i < count && !status; i++)
        status = need(schema, mfi_tree_order(&names[i - 1], &names[i], (void *)(uintptr_t)tree),
                      names[i], shape);
    free(names);
    return status;
}

static mofka_status_t check_type(const mfi_schema_t *schema, uint32_t at) {
    static const char *const types[] = {"array",  "boolean", "integer", "null",
                                        "number", "object",  "string"};
    const uint32_t *items = &at;
    uint32_t count = 1;
    if (kind_of(schema, at) == MFI_TOKEN_ARRAY) {
        items = children_of(schema, at);
        count = mfi_tree_token(&schema->tree, at)->count;
    }
    unsigned seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t type = 0;
        while (type < 7 && !mfi_tree_is(&schema->tree, items[i], types[type]))
            type++;
        if (type == 7 || seen >> type & 1)
            return mfi_tree_refuse(&schema->tree, items[i], allowed[TYPE]);
        seen |= 1U << type;
    }
    return need(schema, count > 0, at, TYPE);
}

static mofka_status_t check_dialect(const mfi_schema_t *schema, uint32_t at) {
    static const char *const known[] = {
        "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema"};
    bool is_known = false;
    for (size_t i = 0; i < 4; i++)
        is_known = is_known || mfi_tree_is(&schema->tree, at, known[i]);
    return need(schema, is_known, at, DIALECT);
}

/* ---- subschemas ----------------------------------------------------------------------------- */

static bool has_reference(const mfi_schema_t *schema, uint32_t at, uint32_t *reference) {
    *reference = mfi_tree_member(&schema->tree, at, "$ref");
    return *reference != MFI_NONE;
}

/* Put it in the row, once; its turn to be checked comes. */
static mofka_status_t add(mfi_schema_t *schema, uint32_t at, uint32_t resource, shape_t shape) {
    mfi_token_kind_t kind = kind_of(schema, at);
    if (kind != MFI_TOKEN_OBJECT && kind != MFI_TOKEN_TRUE && kind != MFI_TOKEN_FALSE)
        return mfi_tree_refuse(&schema->tree, at, allowed[shape]);
    if (schema->index_of[at] != MFI_NONE)
        return MOFKA_OK;
    if (schema->count == MFI_SUBSCHEMAS_MAX)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "schema serializer: option \"schema\" has more than %d subschemas",
                          MFI_SUBSCHEMAS_MAX);
    uint32_t id = mfi_tree_member(&schema->tree, at, "$id"), reference;
    if (id != MFI_NONE && kind_of(schema, id) == MFI_TOKEN_STRING &&
        schema->tree.tape.text[mfi_tree_token(&schema->tree, id)->at] != '#' &&
        !has_reference(schema, at, &reference))
        resource = at;
    schema->subschemas[schema->count] =
        (mfi_subschema_t){.at = at, .resource = resource, .target = schema->count};
    schema->index_of[at] = schema->count++;
    return MOFKA_OK;
}

static mofka_status_t add_schemas(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                  shape_t shape) {
    uint32_t count = mfi_tree_token(&schema->tree, at)->count;
    mofka_status_t status =
        need(schema, kind_of(schema, at) == MFI_TOKEN_ARRAY && count > 0, at, shape);
    for (uint32_t i = 0; i < count && !status; i++)
        status = add(schema, children_of(schema, at)[i], resource, SCHEMA);
    return status;
}

static mofka_status_t add_named(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                shape_t shape) {
    uint32_t count = mfi_tree_token(&schema->tree, at)->count;
    mofka_status_t status = need(schema, kind_of(schema, at) == MFI_TOKEN_OBJECT, at, shape);
    for (uint32_t i = 0; i < count && !status; i++) {
        uint32_t value = children_of(schema, at)[i] + 1;
        if (shape == DEPENDENCIES && kind_of(schema, value) == MFI_TOKEN_ARRAY)
            status = check_names(schema, value, NAMES);
        else
            status = add(schema, value, resource, SCHEMA);
    }
    return status;
}

static mofka_status_t check_value(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                  shape_t shape) {
    mfi_token_kind_t kind = kind_of(schema, at);
    switch (shape) {
    case STRING:
        return need(schema, kind == MFI_TOKEN_STRING, at, shape);
    case DIALECT:
        return check_dialect(schema, at);
    case BOOLEAN:
        return need(schema, kind == MFI_TOKEN_TRUE || kind == MFI_TOKEN_FALSE, at, shape);
    case ARRAY:
        return need(schema, kind == MFI_TOKEN_ARRAY, at, shape);
    case NUMBER:
    case POSITIVE:
    case COUNT:
        return check_number(schema, at, shape);
    case NAMES:
        return check_names(schema, at, shape);
    case TYPE:
        return check_type(schema, at);
    case SCHEMAS:
        return add_schemas(schema, at, resource, shape);
    case NAMED:
    case DEPENDENCIES:
        return add_named(schema, at, resource, shape);
    case ITEMS:
        if (kind == MFI_TOKEN_ARRAY)
            return add_schemas(schema, at, resource, shape);
        break;
    case SCHEMA:
        break;
    }
    return add(schema, at, resource, shape);
}

static mofka_status_t check_keywords(mfi_schema_t *schema, const mfi_subschema_t *subschema) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords && !status; i++) {
        uint32_t value = mfi_tree_member(&schema->tree, subschema->at, keywords[i].name);
        if (value != MFI_NONE)
            status = check_value(schema, value, subschema->resource, keywords[i].shape);
    }
    return status;
}

/* ---- references ----------------------------------------------------------------------------- */

/* "#" and "#/...": within the resource. Others are elsewhere, or named by an "$id". */
static mofka_status_t refer(mfi_schema_t *schema, mfi_subschema_t *subschema) {
    uint32_t reference, to;
    if (!has_reference(schema, subschema->at, &reference))
        return MOFKA_OK;
    const mfi_token_t *token = mfi_tree_token(&schema->tree, reference);
    const char *text = schema->tree.tape.text + token->at;
    subschema->target = MFI_NONE;
    if (token->bytes == 0 || text[0] != '#' || (token->bytes > 1 && text[1] != '/'))
        return MOFKA_OK;
    mofka_status_t status = mfi_tree_follow(&schema->tree, subschema->resource, reference, &to);
    if (!status && to == MFI_NONE)
        status = mfi_tree_refuse(&schema->tree, reference, "a place in the schema");
    if (!status && to == subschema->at)
        status = mfi_tree_refuse(&schema->tree, reference, NO_CIRCLE);
    if (!status)
        status = add(schema, to, subschema->resource, SCHEMA);
    if (!status)
        subschema->target = schema->index_of[to];
    return status;
}

/* To the end of references to references: kept for all on the way. */
static mofka_status_t resolve(mfi_schema_t *schema, uint32_t index) {
    mfi_subschema_t *all = schema->subschemas;
    uint32_t end = index, reference;
    for (uint32_t steps = 0; end != MFI_NONE && all[end].target != end; steps++) {
        if (steps > schema->count) {
            has_reference(schema, all[index].at, &reference);
            return mfi_tree_refuse(&schema->tree, reference, NO_CIRCLE);
        }
        end = all[end].target;
    }
    for (uint32_t next; index != end && index != MFI_NONE; index = next) {
        next = all[index].target;
        all[index].target = end;
    }
    return MOFKA_OK;
}

/* ---- all ------------------------------------------------------------------------------------ */

mofka_status_t mfi_schema_make(mfi_schema_t *schema, mfi_bytes_t *text, const char *json) {
    *schema = (mfi_schema_t){.subschemas = NULL};
    mofka_status_t status = mfi_tree_make(&schema->tree, text, json);
    if (status)
        return status;
    uint32_t tokens = schema->tree.tape.count;
    uint32_t room = tokens < MFI_SUBSCHEMAS_MAX ? tokens : MFI_SUBSCHEMAS_MAX;
    schema->subschemas = calloc(room, sizeof *schema->subschemas);
    schema->index_of = malloc(tokens * sizeof *schema->index_of);
    if (!schema->subschemas || !schema->index_of)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema");
    memset(schema->index_of, 0xFF, tokens * sizeof *schema->index_of); /* MFI_NONE */
    status = add(schema, 0, 0, SCHEMA);
    for (uint32_t i = 0; i < schema->count && !status; i++) { /* more come meanwhile */
        status = check_keywords(schema, &schema->subschemas[i]);
        if (!status)
            status = refer(schema, &schema->subschemas[i]);
    }
    for (uint32_t i = 0; i < schema->count && !status; i++)
        status = resolve(schema, i);
    return status;
}

void mfi_schema_free(mfi_schema_t *schema) {
    mfi_tree_free(&schema->tree);
    free(schema->subschemas);
    free(schema->index_of);
}
