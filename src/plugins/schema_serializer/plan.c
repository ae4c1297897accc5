/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes plans from a JSON Schema. What this file does not understand is planned as ANY: CBOR. */
#include "plugins/schema_serializer/plan.h"

#include <assert.h>
#include <stdlib.h>
#include "plugins/schema_serializer/schema_check.h"

typedef struct plan_maker {
    mfi_plans_t *plans;
    mfi_schema_t schema;
} plan_maker_t;

static mofka_status_t plan_no_memory(void) {
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a plan of a schema");
}

static const mfi_token_t *plan_token(const plan_maker_t *maker, uint32_t at) {
    return mfi_tree_token(&maker->schema.tree, at);
}

static uint32_t plan_member(const plan_maker_t *maker, uint32_t schema, const char *name) {
    return mfi_tree_member(&maker->schema.tree, schema, name);
}

/* The plan of the subschema at a token. ANY if `at` is MFI_NONE or not a subschema. */
static const mfi_plan_t *plan_find(const plan_maker_t *maker, uint32_t at) {
    static const mfi_plan_t open = {.kind = MFI_PLAN_ANY};
    uint32_t index = at == MFI_NONE ? MFI_NONE : maker->schema.index_of[at];
    uint32_t target = index == MFI_NONE ? MFI_NONE : maker->schema.subschemas[index].target;
    assert(target == MFI_NONE || target < maker->plans->count);
    return target == MFI_NONE ? &open : &maker->plans->plans[target];
}

/* ---- enums ---------------------------------------------------------------------------------- */

int mfi_choice_order(const mfi_choice_t *a, const mfi_choice_t *b) {
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return memcmp(a->text, b->text, a->bytes);
}

static int choice_compare(const void *a, const void *b, void *choices) {
    const mfi_choice_t *all = choices;
    return mfi_choice_order(&all[*(const uint32_t *)a], &all[*(const uint32_t *)b]);
}

static mofka_status_t plan_init_enum(mfi_plan_t *plan, size_t count) {
    assert(count > 0 && count < UINT32_MAX && !plan->choices);
    plan->kind = MFI_PLAN_ENUM;
    plan->choices = calloc(count, sizeof *plan->choices);
    plan->sorted = calloc(count, sizeof *plan->sorted);
    plan->count = (uint32_t)count;
    return plan->choices && plan->sorted ? MOFKA_OK : plan_no_memory();
}

static void plan_sort_choices(mfi_plan_t *plan) {
    assert(plan->kind == MFI_PLAN_ENUM);
    for (uint32_t i = 0; i < plan->count; i++)
        plan->sorted[i] = i;
    qsort_r(plan->sorted, plan->count, sizeof *plan->sorted, choice_compare, plan->choices);
}

static mofka_status_t plan_init_values(const plan_maker_t *maker, mfi_plan_t *plan,
                                       const uint32_t *values, size_t count) {
    mofka_status_t status = plan_init_enum(plan, count);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        const mfi_token_t *token = plan_token(maker, values[i]);
        plan->choices[i] = (mfi_choice_t){.kind = (mfi_token_kind_t)token->kind,
                                          .text = maker->schema.tree.tape.text + token->at,
                                          .bytes = token->bytes};
    }
    plan_sort_choices(plan);
    return MOFKA_OK;
}

static mofka_status_t plan_init_words(mfi_plan_t *plan, bool is_null) {
    static const mfi_choice_t words[] = {
        {MFI_TOKEN_FALSE, "false", 5}, {MFI_TOKEN_TRUE, "true", 4}, {MFI_TOKEN_NULL, "null", 4}};
    size_t count = is_null ? 1 : 2;
    mofka_status_t status = plan_init_enum(plan, count);
    if (status)
        return status;
    memcpy(plan->choices, is_null ? words + 2 : words, count * sizeof *words);
    plan_sort_choices(plan);
    return MOFKA_OK;
}

/* ---- objects and arrays --------------------------------------------------------------------- */

/* Mark the properties that "required" names. It may name others, too. */
static void plan_mark_required(const plan_maker_t *maker, mfi_plan_t *plan, uint32_t properties,
                               uint32_t required) {
    const mfi_tree_t *tree = &maker->schema.tree;
    for (uint32_t i = 0; i < plan_token(maker, required)->count; i++) {
        const mfi_token_t *name = plan_token(maker, mfi_tree_children(tree, required)[i]);
        uint32_t found = mfi_tree_find(tree, properties, tree->tape.text + name->at, name->bytes);
        if (found != MFI_NONE) {
            assert(found < plan->count);
            plan->properties[plan->sorted[found]].is_required = true;
            plan->required_count++;
        }
    }
}

static mofka_status_t plan_init_object(const plan_maker_t *maker, mfi_plan_t *plan,
                                       uint32_t schema) {
    const mfi_tree_t *tree = &maker->schema.tree;
    uint32_t properties = plan_member(maker, schema, "properties"), name = properties + 1;
    uint32_t required = plan_member(maker, schema, "required");
    plan->kind = MFI_PLAN_OBJECT;
    plan->count = properties == MFI_NONE ? 0 : plan_token(maker, properties)->count;
    plan->properties = calloc(plan->count + 1, sizeof *plan->properties);
    plan->sorted = calloc(plan->count + 1, sizeof *plan->sorted);
    if (!plan->properties || !plan->sorted)
        return plan_no_memory();
    for (uint32_t i = 0; i < plan->count; i++, name = plan_token(maker, name + 1)->next) {
        const mfi_token_t *token = plan_token(maker, name);
        const char *text = tree->tape.text + token->at;
        plan->properties[i] = (mfi_property_t){
            .name = text, .name_bytes = token->bytes, .plan = plan_find(maker, name + 1)};
        plan->sorted[mfi_tree_find(tree, properties, text, token->bytes)] = i;
    }
    if (plan->count > 0 && required != MFI_NONE)
        plan_mark_required(maker, plan, properties, required);
    size_t bits = FORM_BITS;
    for (uint32_t i = 0; i < plan->count; i++)
        plan->properties[i].bit = plan->properties[i].is_required ? 0 : bits++;
    assert(bits == FORM_BITS + plan->count - plan->required_count);
    plan->form_bytes = (bits + 7) / 8;
    return MOFKA_OK;
}

static void plan_init_array(const plan_maker_t *maker, mfi_plan_t *plan, uint32_t items) {
    plan->kind = MFI_PLAN_ARRAY;
    plan->items = plan_find(maker, items); /* ANY if "items" is an array of schemas */
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Fill in a plan. "const" and "enum" come first, since they say most. Then "type" decides, or if it
 * is missing, the keywords that apply to one type. */
static mofka_status_t plan_init(const plan_maker_t *maker, mfi_plan_t *plan, uint32_t schema) {
    const mfi_tree_t *tree = &maker->schema.tree;
    uint32_t constant = plan_member(maker, schema, "const"),
             values = plan_member(maker, schema, "enum");
    uint32_t items = plan_member(maker, schema, "items"), type = plan_member(maker, schema, "type");
    bool has_type = type != MFI_NONE;
    assert(plan->kind == MFI_PLAN_ANY);
    if (constant != MFI_NONE)
        return plan_init_values(maker, plan, &constant, 1);
    if (values != MFI_NONE && plan_token(maker, values)->count > 0)
        return plan_init_values(maker, plan, mfi_tree_children(tree, values),
                                plan_token(maker, values)->count);
    if (has_type ? mfi_tree_is(tree, type, "object")
                 : plan_member(maker, schema, "properties") != MFI_NONE)
        return plan_init_object(maker, plan, schema);
    if (has_type && (mfi_tree_is(tree, type, "boolean") || mfi_tree_is(tree, type, "null")))
        return plan_init_words(plan, mfi_tree_is(tree, type, "null"));
    if (has_type ? mfi_tree_is(tree, type, "array")
                 : items != MFI_NONE && plan_token(maker, items)->kind == MFI_TOKEN_OBJECT)
        plan_init_array(maker, plan, items);
    else if (has_type && mfi_tree_is(tree, type, "string"))
        plan->kind = MFI_PLAN_STRING;
    else if (has_type && mfi_tree_is(tree, type, "integer"))
        plan->kind = MFI_PLAN_INTEGER;
    else if (has_type && mfi_tree_is(tree, type, "number"))
        plan->kind = MFI_PLAN_NUMBER;
    return MOFKA_OK;
}

mofka_status_t mfi_plans_init(mfi_plans_t *plans, const char *json) {
    plan_maker_t maker = {.plans = plans};
    plans->plans = NULL;
    plans->count = 0;
    mfi_bytes_init(&plans->text);
    mofka_status_t status = mfi_schema_init(&maker.schema, &plans->text, json);
    const mfi_subschema_t *subschemas = maker.schema.subschemas;
    if (!status) {
        plans->plans = calloc(maker.schema.count, sizeof *plans->plans);
        plans->count = plans->plans ? maker.schema.count : 0;
        status = plans->plans ? MOFKA_OK : plan_no_memory();
    }
    for (uint32_t i = 0; i < plans->count && !status; i++)
        if (subschemas[i].target == i)
            status = plan_init(&maker, &plans->plans[i], subschemas[i].at);
    assert(status || plans->count > 0);
    if (!status)
        plans->first = plan_find(&maker, 0);
    mfi_schema_clear(&maker.schema);
    return status;
}

void mfi_plans_clear(mfi_plans_t *plans) {
    for (size_t i = 0; i < plans->count; i++) {
        free(plans->plans[i].choices);
        free(plans->plans[i].properties);
        free(plans->plans[i].sorted);
    }
    free(plans->plans);
    mfi_bytes_clear(&plans->text);
}
