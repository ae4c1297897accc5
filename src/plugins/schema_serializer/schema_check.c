/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks a schema against draft 7. Subschemas wait in a row for their turn, so there is no
 * recursion. */
#include "plugins/schema_serializer/schema_check.h"

#include <assert.h>
#include <stdlib.h>
#include "plugins/schema_serializer/schema_value.h"

#define NO_CIRCLE "a place that does not lead back here"

/* The keywords of draft 7 whose value must have a certain shape. */
static const struct {
    const char *name;
    mfi_shape_t shape;
} schema_keywords[] = {
    {"$comment", MFI_SHAPE_STRING},
    {"$id", MFI_SHAPE_STRING},
    {"$ref", MFI_SHAPE_STRING},
    {"$schema", MFI_SHAPE_DIALECT},
    {"additionalItems", MFI_SHAPE_SCHEMA},
    {"additionalProperties", MFI_SHAPE_SCHEMA},
    {"allOf", MFI_SHAPE_SCHEMAS},
    {"anyOf", MFI_SHAPE_SCHEMAS},
    {"contains", MFI_SHAPE_SCHEMA},
    {"contentEncoding", MFI_SHAPE_STRING},
    {"contentMediaType", MFI_SHAPE_STRING},
    {"definitions", MFI_SHAPE_NAMED},
    {"dependencies", MFI_SHAPE_DEPENDENCIES},
    {"description", MFI_SHAPE_STRING},
    {"else", MFI_SHAPE_SCHEMA},
    {"enum", MFI_SHAPE_ARRAY},
    {"examples", MFI_SHAPE_ARRAY},
    {"exclusiveMaximum", MFI_SHAPE_NUMBER},
    {"exclusiveMinimum", MFI_SHAPE_NUMBER},
    {"format", MFI_SHAPE_STRING},
    {"if", MFI_SHAPE_SCHEMA},
    {"items", MFI_SHAPE_ITEMS},
    {"maxItems", MFI_SHAPE_COUNT},
    {"maxLength", MFI_SHAPE_COUNT},
    {"maxProperties", MFI_SHAPE_COUNT},
    {"maximum", MFI_SHAPE_NUMBER},
    {"minItems", MFI_SHAPE_COUNT},
    {"minLength", MFI_SHAPE_COUNT},
    {"minProperties", MFI_SHAPE_COUNT},
    {"minimum", MFI_SHAPE_NUMBER},
    {"multipleOf", MFI_SHAPE_POSITIVE},
    {"not", MFI_SHAPE_SCHEMA},
    {"oneOf", MFI_SHAPE_SCHEMAS},
    {"pattern", MFI_SHAPE_STRING},
    {"patternProperties", MFI_SHAPE_NAMED},
    {"properties", MFI_SHAPE_NAMED},
    {"propertyNames", MFI_SHAPE_SCHEMA},
    {"readOnly", MFI_SHAPE_BOOLEAN},
    {"required", MFI_SHAPE_NAMES},
    {"then", MFI_SHAPE_SCHEMA},
    {"title", MFI_SHAPE_STRING},
    {"type", MFI_SHAPE_TYPE},
    {"uniqueItems", MFI_SHAPE_BOOLEAN},
};

static mfi_token_kind_t schema_kind(const mfi_schema_t *schema, uint32_t at) {
    return mfi_tree_kind(&schema->tree, at);
}

/* ---- subschemas ----------------------------------------------------------------------------- */

static bool schema_find_reference(const mfi_schema_t *schema, uint32_t at, uint32_t *reference) {
    *reference = mfi_tree_member(&schema->tree, at, "$ref");
    return *reference != MFI_NONE;
}

/* Add a subschema to the row, if it is not there. */
static mofka_status_t schema_add(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                 mfi_shape_t shape) {
    mfi_token_kind_t kind = schema_kind(schema, at);
    if (kind != MFI_TOKEN_OBJECT && kind != MFI_TOKEN_TRUE && kind != MFI_TOKEN_FALSE)
        return mfi_shape_need(&schema->tree, false, at, shape);
    if (schema->index_of[at] != MFI_NONE)
        return MOFKA_OK;
    if (schema->count == MFI_SUBSCHEMAS_MAX)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "schema serializer: option \"schema\" has more than %d subschemas",
                          MFI_SUBSCHEMAS_MAX);
    uint32_t id = mfi_tree_member(&schema->tree, at, "$id"), reference;
    if (id != MFI_NONE && schema_kind(schema, id) == MFI_TOKEN_STRING &&
        schema->tree.tape.text[mfi_tree_token(&schema->tree, id)->at] != '#' &&
        !schema_find_reference(schema, at, &reference))
        resource = at;
    assert(resource < schema->tree.tape.count);
    schema->subschemas[schema->count] =
        (mfi_subschema_t){.at = at, .resource = resource, .target = schema->count};
    schema->index_of[at] = schema->count++;
    return MOFKA_OK;
}

static mofka_status_t schema_add_array(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                       mfi_shape_t shape) {
    uint32_t count = mfi_tree_token(&schema->tree, at)->count;
    mofka_status_t status = mfi_shape_need(
        &schema->tree, schema_kind(schema, at) == MFI_TOKEN_ARRAY && count > 0, at, shape);
    for (uint32_t i = 0; i < count && !status; i++)
        status =
            schema_add(schema, mfi_tree_children(&schema->tree, at)[i], resource, MFI_SHAPE_SCHEMA);
    return status;
}

static mofka_status_t schema_add_named(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                       mfi_shape_t shape) {
    uint32_t count = mfi_tree_token(&schema->tree, at)->count;
    mofka_status_t status =
        mfi_shape_need(&schema->tree, schema_kind(schema, at) == MFI_TOKEN_OBJECT, at, shape);
    for (uint32_t i = 0; i < count && !status; i++) {
        uint32_t value = mfi_tree_children(&schema->tree, at)[i] + 1;
        if (shape == MFI_SHAPE_DEPENDENCIES && schema_kind(schema, value) == MFI_TOKEN_ARRAY)
            status = mfi_shape_check(&schema->tree, value, MFI_SHAPE_NAMES);
        else
            status = schema_add(schema, value, resource, MFI_SHAPE_SCHEMA);
    }
    return status;
}

static mofka_status_t schema_check_value(mfi_schema_t *schema, uint32_t at, uint32_t resource,
                                         mfi_shape_t shape) {
    switch (shape) {
    case MFI_SHAPE_SCHEMAS:
        return schema_add_array(schema, at, resource, shape);
    case MFI_SHAPE_NAMED:
    case MFI_SHAPE_DEPENDENCIES:
        return schema_add_named(schema, at, resource, shape);
    case MFI_SHAPE_ITEMS:
        return schema_kind(schema, at) == MFI_TOKEN_ARRAY
                   ? schema_add_array(schema, at, resource, shape)
                   : schema_add(schema, at, resource, shape);
    case MFI_SHAPE_SCHEMA:
        return schema_add(schema, at, resource, shape);
    default:
        return mfi_shape_check(&schema->tree, at, shape);
    }
}

static mofka_status_t schema_check_keywords(mfi_schema_t *schema,
                                            const mfi_subschema_t *subschema) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < sizeof schema_keywords / sizeof *schema_keywords && !status; i++) {
        uint32_t value = mfi_tree_member(&schema->tree, subschema->at, schema_keywords[i].name);
        if (value != MFI_NONE)
            status =
                schema_check_value(schema, value, subschema->resource, schema_keywords[i].shape);
    }
    return status;
}

/* ---- references ----------------------------------------------------------------------------- */

/* Follow a subschema's "$ref" one step, if it is "#" or "#/...": those stay within the resource.
 * Any other reference is left alone: it leads to another document or to an "$id". */
static mofka_status_t schema_follow_reference(mfi_schema_t *schema, mfi_subschema_t *subschema) {
    uint32_t reference, to;
    if (!schema_find_reference(schema, subschema->at, &reference))
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
        status = schema_add(schema, to, subschema->resource, MFI_SHAPE_SCHEMA);
    assert(status || schema->index_of[to] != MFI_NONE);
    if (!status)
        subschema->target = schema->index_of[to];
    return status;
}

/* Follow references to references to the last one. All subschemas of the chain keep the result. */
static mofka_status_t schema_resolve_target(mfi_schema_t *schema, uint32_t index) {
    assert(index < schema->count);
    mfi_subschema_t *all = schema->subschemas;
    uint32_t end = index, reference;
    for (uint32_t steps = 0; end != MFI_NONE && all[end].target != end; steps++) {
        if (steps > schema->count) {
            schema_find_reference(schema, all[index].at, &reference);
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

mofka_status_t mfi_schema_init(mfi_schema_t *schema, mfi_bytes_t *text, const char *json) {
    *schema = (mfi_schema_t){.subschemas = NULL};
    mofka_status_t status = mfi_tree_init(&schema->tree, text, json);
    if (status)
        return status;
    uint32_t tokens = schema->tree.tape.count;
    assert(tokens > 0);
    uint32_t room = tokens < MFI_SUBSCHEMAS_MAX ? tokens : MFI_SUBSCHEMAS_MAX;
    schema->subschemas = calloc(room, sizeof *schema->subschemas);
    schema->index_of = malloc(tokens * sizeof *schema->index_of);
    if (!schema->subschemas || !schema->index_of)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema");
    memset(schema->index_of, 0xFF, tokens * sizeof *schema->index_of); /* MFI_NONE */
    status = schema_add(schema, 0, 0, MFI_SHAPE_SCHEMA);
    for (uint32_t i = 0; i < schema->count && !status; i++) { /* checking one may add more */
        status = schema_check_keywords(schema, &schema->subschemas[i]);
        if (!status)
            status = schema_follow_reference(schema, &schema->subschemas[i]);
    }
    for (uint32_t i = 0; i < schema->count && !status; i++)
        status = schema_resolve_target(schema, i);
    return status;
}

void mfi_schema_clear(mfi_schema_t *schema) {
    mfi_tree_clear(&schema->tree);
    free(schema->subschemas);
    free(schema->index_of);
}
