/* Plans, made of a JSON Schema: what is not understood here is left open, and stored as CBOR. */
#include "plan.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define REFERENCES_MAX 64 /* from one to the next, without a schema between */

static mofka_status_t no_memory(void) {
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a plan of a schema");
}

static mofka_status_t wrong(const char *keyword, const char *needed, const cJSON *found) {
    char *text = cJSON_PrintUnformatted(found);
    mofka_fail(MOFKA_ERR_OPTION, "schema serializer: \"%s\" must be %s, not %.100s", keyword,
               needed, text ? text : "?");
    cJSON_free(text);
    return MOFKA_ERR_OPTION;
}

static const cJSON *member(const cJSON *schema, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(schema, name);
}

/* ---- references ----------------------------------------------------------------------------- */

/* The value at a JSON Pointer; NULL where there is none. */
static const cJSON *follow(const cJSON *value, const char *pointer) {
    while (value && *pointer == '/') {
        char name[512];
        size_t used = 0;
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                c = *++pointer == '0' ? '~' : '/';
            if (used == sizeof name - 1)
                return NULL;
            name[used++] = c;
        }
        name[used] = '\0';
        value = cJSON_IsArray(value) ? cJSON_GetArrayItem(value, atoi(name)) : member(value, name);
    }
    return *pointer ? NULL : value;
}

/* Past references within the schema; NULL for what is elsewhere, nowhere or a circle. */
static const cJSON *target_of(const cJSON *root, const cJSON *schema) {
    for (int i = 0; i < REFERENCES_MAX; i++) {
        const char *reference = cJSON_GetStringValue(member(schema, "$ref"));
        if (!reference)
            return schema;
        schema = *reference == '#' ? follow(root, reference + 1) : NULL;
    }
    return NULL;
}

/* The plan of a schema: there already, or to be filled in. NULL: no memory. */
static const mfi_plan_t *plan_of(mfi_plans_t *plans, const cJSON *schema) {
    schema = target_of(plans->root, schema);
    for (size_t i = 0; i < plans->count; i++)
        if (plans->plans[i]->schema == schema)
            return plans->plans[i];
    if (plans->count == plans->room) {
        size_t room = 2 * plans->room + 8;
        mfi_plan_t **more = realloc(plans->plans, room * sizeof *more);
        if (!more)
            return NULL;
        plans->plans = more;
        plans->room = room;
    }
    mfi_plan_t *plan = calloc(1, sizeof *plan);
    if (!plan)
        return NULL;
    plan->schema = schema;
    return plans->plans[plans->count++] = plan;
}

/* ---- enums ---------------------------------------------------------------------------------- */

static mofka_status_t make_choice(mfi_choice_t *choice, const cJSON *value) {
    choice->kind = cJSON_IsNull(value)     ? MFI_TOKEN_NULL
                   : cJSON_IsFalse(value)  ? MFI_TOKEN_FALSE
                   : cJSON_IsTrue(value)   ? MFI_TOKEN_TRUE
                   : cJSON_IsNumber(value) ? MFI_TOKEN_NUMBER
                   : cJSON_IsString(value) ? MFI_TOKEN_STRING
                                           : MFI_TOKEN_OBJECT; /* matches nothing */
    mfi_bytes_t text;
    mfi_bytes_init(&text);
    if (choice->kind == MFI_TOKEN_STRING) {
        choice->utf8 = strdup(value->valuestring);
        choice->utf8_bytes = strlen(value->valuestring);
        mfi_put_quoted(&text, value->valuestring, choice->utf8_bytes);
    } else {
        char *print = cJSON_PrintUnformatted(value);
        mfi_bytes_put(&text, print ? print : "", print ? strlen(print) : 0);
        cJSON_free(print);
    }
    choice->text_bytes = text.used;
    choice->text = malloc(text.used + 1);
    if (choice->text)
        memcpy(choice->text, text.data, text.used);
    bool is_good = choice->text && !text.status && text.used > 0 &&
                   (choice->utf8 || choice->kind != MFI_TOKEN_STRING);
    mfi_bytes_free(&text);
    return is_good ? MOFKA_OK : no_memory();
}

static mofka_status_t make_enum(mfi_plan_t *plan, const cJSON *first, size_t count) {
    plan->kind = MFI_PLAN_ENUM;
    plan->choices = calloc(count, sizeof *plan->choices);
    if (!plan->choices)
        return no_memory();
    plan->choice_count = count;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < count && !status; i++, first = first->next)
        status = make_choice(&plan->choices[i], first);
    return status;
}

static mofka_status_t make_words(mfi_plan_t *plan, const char *array) {
    cJSON *words = cJSON_Parse(array);
    mofka_status_t status =
        words ? make_enum(plan, words->child, (size_t)cJSON_GetArraySize(words)) : no_memory();
    cJSON_Delete(words);
    return status;
}

/* ---- objects and arrays --------------------------------------------------------------------- */

static bool is_listed(const cJSON *names, const char *name) {
    const cJSON *item;
    cJSON_ArrayForEach(item, names) if (cJSON_IsString(item) &&
                                        strcmp(item->valuestring, name) == 0) return true;
    return false;
}

static mofka_status_t make_property(mfi_plans_t *plans, mfi_property_t *property,
                                    const cJSON *schema) {
    mfi_bytes_t prefix;
    mfi_bytes_init(&prefix);
    property->name = strdup(schema->string);
    property->name_bytes = strlen(schema->string);
    mfi_put_quoted(&prefix, schema->string, property->name_bytes);
    mfi_bytes_put_char(&prefix, ':');
    property->prefix = malloc(prefix.used);
    if (property->prefix)
        memcpy(property->prefix, prefix.data, prefix.used);
    property->prefix_bytes = prefix.used;
    property->plan = plan_of(plans, schema);
    bool is_good = !prefix.status && property->name && property->prefix && property->plan;
    mfi_bytes_free(&prefix);
    return is_good ? MOFKA_OK : no_memory();
}

static mofka_status_t make_object(mfi_plans_t *plans, mfi_plan_t *plan, const cJSON *properties,
                                  const cJSON *required) {
    if (properties && !cJSON_IsObject(properties))
        return wrong("properties", "an object", properties);
    if (required && !cJSON_IsArray(required))
        return wrong("required", "an array of names", required);
    plan->kind = MFI_PLAN_OBJECT;
    size_t count = (size_t)cJSON_GetArraySize(properties), bits = FORM_BITS;
    plan->properties = calloc(count + 1, sizeof *plan->properties);
    if (!plan->properties)
        return no_memory();
    mofka_status_t status = MOFKA_OK;
    const cJSON *schema = properties ? properties->child : NULL;
    for (; schema && !status; schema = schema->next) {
        mfi_property_t *property = &plan->properties[plan->property_count++];
        property->is_required = is_listed(required, schema->string);
        property->bit = property->is_required ? 0 : bits++;
        status = make_property(plans, property, schema);
    }
    plan->form_bytes = (bits + 7) / 8;
    return status;
}

/* ---- all ------------------------------------------------------------------------------------ */

static mofka_status_t fill_in(mfi_plans_t *plans, mfi_plan_t *plan) {
    const cJSON *schema = plan->schema, *values = member(schema, "enum");
    const cJSON *constant = member(schema, "const"), *items = member(schema, "items");
    const cJSON *properties = member(schema, "properties"), *type = member(schema, "type");
    const char *name = cJSON_IsString(type) ? type->valuestring : type ? "" : NULL;
    if (values && !cJSON_IsArray(values))
        return wrong("enum", "an array of values", values);
    if (type && !cJSON_IsString(type) && !cJSON_IsArray(type))
        return wrong("type", "a name or an array of names", type);
    if (constant)
        return make_enum(plan, constant, 1);
    if (cJSON_GetArraySize(values) > 0)
        return make_enum(plan, values->child, (size_t)cJSON_GetArraySize(values));
    if (name ? strcmp(name, "object") == 0 : properties != NULL)
        return make_object(plans, plan, properties, member(schema, "required"));
    if (name ? strcmp(name, "array") == 0 : cJSON_IsObject(items)) {
        plan->kind = MFI_PLAN_ARRAY;
        plan->items = plan_of(plans, cJSON_IsObject(items) ? items : NULL);
        return plan->items ? MOFKA_OK : no_memory();
    }
    if (name && strcmp(name, "boolean") == 0)
        return make_words(plan, "[false,true]");
    if (name && strcmp(name, "null") == 0)
        return make_words(plan, "[null]");
    plan->kind = !name                          ? MFI_PLAN_ANY
                 : strcmp(name, "string") == 0  ? MFI_PLAN_STRING
                 : strcmp(name, "integer") == 0 ? MFI_PLAN_INTEGER
                 : strcmp(name, "number") == 0  ? MFI_PLAN_NUMBER
                                                : MFI_PLAN_ANY;
    return MOFKA_OK;
}

mofka_status_t mfi_plans_make(mfi_plans_t *plans, const cJSON *schema) {
    *plans = (mfi_plans_t){.root = schema};
    if (!cJSON_IsObject(schema) && !cJSON_IsBool(schema))
        return wrong("schema", "an object or a boolean", schema);
    mofka_status_t status = plan_of(plans, schema) ? MOFKA_OK : no_memory();
    for (size_t i = 0; i < plans->count && !status; i++) /* filling one in may add more */
        status = fill_in(plans, plans->plans[i]);
    return status;
}

static void free_plan(mfi_plan_t *plan) {
    for (size_t i = 0; i < plan->choice_count; i++) {
        free(plan->choices[i].text);
        free(plan->choices[i].utf8);
    }
    for (size_t i = 0; i < plan->property_count; i++) {
        free(plan->properties[i].name);
        free(plan->properties[i].prefix);
    }
    free(plan->choices);
    free(plan->properties);
    free(plan);
}

void mfi_plans_free(mfi_plans_t *plans) {
    for (size_t i = 0; i < plans->count; i++)
        free_plan(plans->plans[i]);
    free(plans->plans);
}
