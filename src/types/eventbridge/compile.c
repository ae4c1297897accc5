/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles a pattern's structure: fields, their paths, and $or. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/message.h"
#include "types/eventbridge/pattern.h"

/* ---- memory ---------------------------------------------------------------------------------- */

struct mfi_eb_block {
    mfi_eb_block_t *next;
    max_align_t bytes[];
};

void *mfi_eb_allocate(mfi_eb_pattern_t *pattern, size_t count, size_t size) {
    size_t bytes;
    mfi_eb_block_t *block = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes) &&
        !__builtin_add_overflow(bytes, sizeof *block, &bytes))
        block = calloc(1, bytes);
    if (!block) {
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for an event pattern");
        return NULL;
    }
    block->next = pattern->blocks;
    pattern->blocks = block;
    return block->bytes;
}

void mfi_eb_destroy(mfi_eb_pattern_t *pattern) {
    while (pattern && pattern->blocks) {
        mfi_eb_block_t *next = pattern->blocks->next;
        free(pattern->blocks);
        pattern->blocks = next;
    }
    free(pattern);
}

/* ---- the place, for messages ----------------------------------------------------------------- */

static size_t place_append(mfi_eb_place_t *place, const char *text, size_t bytes) {
    size_t before = place->used, room = sizeof place->path - 1 - before;
    size_t fits = mfi_utf8_cut(text, bytes, room);
    assert(before < sizeof place->path && place->path[before] == '\0');
    memcpy(place->path + before, text, fits);
    place->used += fits;
    place->path[place->used] = '\0';
    return before;
}

size_t mfi_eb_enter_key(mfi_eb_place_t *place, const char *key, size_t bytes) {
    size_t before = place_append(place, ".", 1);
    place_append(place, key, bytes);
    return before;
}

size_t mfi_eb_enter_index(mfi_eb_place_t *place, size_t index) {
    char text[32];
    int length = snprintf(text, sizeof text, "[%zu]", index);
    assert(length > 0 && (size_t)length < sizeof text);
    return place_append(place, text, (size_t)length);
}

void mfi_eb_leave(mfi_eb_place_t *place, size_t used) {
    assert(used <= place->used);
    place->used = used;
    place->path[used] = '\0';
}

mofka_status_t mfi_eb_bad(const mfi_eb_place_t *place, const char *format, ...) {
    char why[MOFKA_MESSAGE_BYTES_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    mfi_message_format(why, format, arguments);
    va_end(arguments);
    return mofka_fail(MOFKA_ERR_OPTION, "pattern at %s: %s", place->path, why);
}

mofka_status_t mfi_eb_bad_value(const mfi_eb_place_t *place, const char *value,
                                const char *wanted) {
    assert(value < place->limit);
    size_t bytes = (size_t)(mfi_json_end(value, place->limit) - value);
    return mfi_eb_bad(place, "%s, not %.*s", wanted, MFI_QUOTE(value, bytes, 60));
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Find the child step of that name, or add it. */
static mofka_status_t step_enter_name(mfi_eb_place_t *place, mfi_eb_step_t *parent,
                                      const char *name, size_t bytes, mfi_eb_step_t **out) {
    mfi_eb_pattern_t *pattern = place->pattern;
    for (mfi_eb_step_t *step = parent->child; step; step = step->next)
        if (step->bytes == bytes && memcmp(step->name, name, bytes) == 0) {
            *out = step;
            return MOFKA_OK;
        }
    assert(pattern->step_count > 0 && pattern->step_count <= MFI_EB_STEPS_MAX);
    if (pattern->step_count == MFI_EB_STEPS_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "pattern at %s: the paths have more than %d steps",
                          place->path, MFI_EB_STEPS_MAX);
    mfi_eb_step_t *step = mfi_eb_allocate(pattern, 1, sizeof *step);
    char *copy = step ? mfi_eb_allocate(pattern, bytes + 1, 1) : NULL;
    if (!copy)
        return MOFKA_ERR_MEMORY;
    memcpy(copy, name, bytes);
    *step = (mfi_eb_step_t){.index = pattern->step_count++,
                            .name = copy,
                            .bytes = bytes,
                            .parent = parent,
                            .next = parent->child};
    parent->child = step;
    *out = step;
    return MOFKA_OK;
}

/* Find or add the step that a key leads to: one step for each part between its dots. */
static mofka_status_t step_enter_key(mfi_eb_place_t *place, mfi_eb_step_t *step, const char *key,
                                     size_t bytes, mfi_eb_step_t **out) {
    const char *end = key + bytes;
    for (const char *from = key;; from++) {
        const char *dot = memchr(from, '.', (size_t)(end - from));
        const char *stop = dot ? dot : end;
        mofka_status_t status = step_enter_name(place, step, from, (size_t)(stop - from), &step);
        if (status)
            return status;
        if (!dot)
            break;
        from = dot;
    }
    *out = step;
    return MOFKA_OK;
}

static void field_note(mfi_eb_pattern_t *pattern, const mfi_eb_field_t *field) {
    assert(field->index < pattern->field_count && pattern->fields[field->index] == field);
    uint64_t bit = UINT64_C(1) << field->index % 64;
    for (mfi_eb_step_t *step = field->step; step; step = step->parent)
        step->below.words[field->index / 64] |= bit;
    for (const mfi_eb_alternative_t *alternative = field->alternatives; alternative;
         alternative = alternative->next)
        if (alternative->operands->kind == MFI_EB_ABSENT)
            pattern->may_be_absent.words[field->index / 64] |= bit;
}

static mofka_status_t field_add(mfi_eb_place_t *place, mfi_eb_scope_t *scope, mfi_eb_step_t *step,
                                mfi_eb_alternative_t *alternatives) {
    mfi_eb_pattern_t *pattern = place->pattern;
    assert(alternatives && pattern->field_count <= MFI_EB_FIELDS_MAX);
    if (pattern->field_count == MFI_EB_FIELDS_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "pattern at %s: it has more than %d fields",
                          place->path, MFI_EB_FIELDS_MAX);
    mfi_eb_field_t *field = mfi_eb_allocate(pattern, 1, sizeof *field);
    if (!field)
        return MOFKA_ERR_MEMORY;
    field->index = pattern->field_count;
    field->step = step;
    field->alternatives = alternatives;
    pattern->fields[pattern->field_count++] = field;
    field->next_here = step->here;
    step->here = field;
    field->next_in_scope = scope->fields;
    scope->fields = field;
    field_note(pattern, field);
    return MOFKA_OK;
}

/* ---- objects and $or ------------------------------------------------------------------------- */

static mofka_status_t object_compile(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                     mfi_eb_step_t *step, const char *object, bool in_or);

/* As in event-ruler, "$or" is a choice only if it is an array of two or more objects, and no key of
 * those is an operator. Else it is a field with the name "$or". */
static mofka_status_t choice_detect(mfi_eb_place_t *place, const char *value, bool *choice) {
    size_t objects = 0;
    *choice = false;
    if (*value != '[')
        return MOFKA_OK;
    mfi_json_walk_t walk = mfi_json_walk(value, place->limit);
    while (mfi_json_next(&walk)) {
        if (*walk.value != '{')
            return MOFKA_OK;
        objects++;
        mfi_json_walk_t keys = mfi_json_walk(walk.value, place->limit);
        while (mfi_json_next(&keys)) {
            size_t bytes;
            const char *key = mfi_json_string(keys.key, place->limit, &place->scratch, &bytes);
            if (!key)
                return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a pattern's key");
            if (mfi_eb_is_reserved(key, bytes))
                return MOFKA_OK;
        }
    }
    *choice = objects >= 2;
    return MOFKA_OK;
}

static mofka_status_t choice_add_branch(mfi_eb_place_t *place, mfi_eb_choice_t *choice,
                                        mfi_eb_scope_t **out) {
    mfi_eb_scope_t *branch = *out = mfi_eb_allocate(place->pattern, 1, sizeof *branch);
    if (!branch)
        return MOFKA_ERR_MEMORY;
    branch->combinations = 1;
    *(choice->last_branch ? &choice->last_branch->next : &choice->branches) = branch;
    choice->last_branch = branch;
    return MOFKA_OK;
}

/* Add a branch for each object of the array. */
static mofka_status_t choice_compile_branches(mfi_eb_place_t *place, mfi_eb_choice_t *choice,
                                              mfi_eb_step_t *step, const char *array) {
    mfi_json_walk_t walk = mfi_json_walk(array, place->limit);
    for (size_t index = 0; mfi_json_next(&walk); index++) {
        size_t before = mfi_eb_enter_index(place, index);
        if (*walk.value != '{')
            return mfi_eb_bad_value(place, walk.value, "must be an object of fields");
        mfi_eb_scope_t *branch;
        mofka_status_t status = choice_add_branch(place, choice, &branch);
        if (!status)
            status = object_compile(place, branch, step, walk.value, true);
        if (status)
            return status;
        choice->combinations += branch->combinations;
        mfi_eb_leave(place, before);
    }
    return MOFKA_OK;
}

static mofka_status_t choice_add(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                 mfi_eb_choice_t *choice) {
    choice->next = scope->choices;
    scope->choices = choice;
    assert(choice->combinations >= 1 && scope->combinations <= MFI_EB_COMBINATIONS_MAX);
    /* Both factors are limited, so their product does not overflow. */
    if (choice->combinations > MFI_EB_COMBINATIONS_MAX ||
        scope->combinations * choice->combinations > MFI_EB_COMBINATIONS_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE,
                          "pattern at %s: the branches of $or have more than %d combinations",
                          place->path, MFI_EB_COMBINATIONS_MAX);
    scope->combinations *= choice->combinations;
    return MOFKA_OK;
}

static mofka_status_t choice_compile(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                     mfi_eb_step_t *step, const char *array) {
    mfi_eb_choice_t *choice = mfi_eb_allocate(place->pattern, 1, sizeof *choice);
    if (!choice)
        return MOFKA_ERR_MEMORY;
    mofka_status_t status = choice_compile_branches(place, choice, step, array);
    return status ? status : choice_add(place, scope, choice);
}

/* ---- the value of a field -------------------------------------------------------------------- */

/* What the value of a field holds: alternatives, and the branches of each $or among them. */
typedef struct field_value {
    mfi_eb_step_t *step;
    mfi_eb_alternative_t *alternatives, **last;
    mfi_eb_choice_t *choice; /* NULL: there is no $or */
} field_value_t;

/* Find the value of {"$or": …}; `*branches` is NULL if `value` is anything else. */
static mofka_status_t field_find_or(mfi_eb_place_t *place, const char *value,
                                    const char **branches) {
    *branches = NULL;
    if (*value != '{')
        return MOFKA_OK;
    mofka_status_t status =
        mfi_json_member(value, place->limit, "$or", 3, &place->scratch, branches);
    mfi_json_walk_t walk = mfi_json_walk(value, place->limit);
    if (!status && *branches && mfi_json_next(&walk) && mfi_json_next(&walk))
        status = mfi_eb_bad(place, "the object has more than one key; it needs one operator");
    return status;
}

static mofka_status_t field_compile_or(mfi_eb_place_t *place, field_value_t *field,
                                       const char *branches) {
    size_t before = mfi_eb_enter_key(place, "$or", 3);
    if (*branches != '[')
        return mfi_eb_bad_value(place, branches, "must be an array of objects");
    if (!field->choice)
        field->choice = mfi_eb_allocate(place->pattern, 1, sizeof *field->choice);
    if (!field->choice)
        return MOFKA_ERR_MEMORY;
    uint64_t combinations = field->choice->combinations;
    mofka_status_t status = choice_compile_branches(place, field->choice, field->step, branches);
    if (!status && field->choice->combinations == combinations)
        status = mfi_eb_bad(place, "an empty array; give at least one object");
    mfi_eb_leave(place, before);
    return status;
}

static mofka_status_t field_compile_value(mfi_eb_place_t *place, field_value_t *field,
                                          const char *value) {
    const char *branches;
    mofka_status_t status = field_find_or(place, value, &branches);
    if (status || branches)
        return status ? status : field_compile_or(place, field, branches);
    status = mfi_eb_compile_alternative(place, value, field->last);
    if (!status)
        field->last = &(*field->last)->next;
    return status;
}

static mofka_status_t field_compile_values(mfi_eb_place_t *place, field_value_t *field,
                                           const char *array) {
    mfi_json_walk_t walk = mfi_json_walk(array, place->limit);
    for (size_t index = 0; mfi_json_next(&walk); index++) {
        size_t before = mfi_eb_enter_index(place, index);
        mofka_status_t status = field_compile_value(place, field, walk.value);
        if (status)
            return status;
        mfi_eb_leave(place, before);
    }
    return field->alternatives || field->choice
               ? MOFKA_OK
               : mfi_eb_bad(place, "an empty array matches nothing; give at least one value");
}

/* Compile a field's value: a scalar or an array. With a $or, the field is a choice: its other
 * alternatives together are one branch. */
static mofka_status_t field_compile(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                    mfi_eb_step_t *step, const char *value) {
    assert(*value != '{');
    field_value_t field = {.step = step};
    field.last = &field.alternatives;
    mofka_status_t status = *value == '[' ? field_compile_values(place, &field, value)
                                          : field_compile_value(place, &field, value);
    if (status || !field.choice)
        return status ? status : field_add(place, scope, step, field.alternatives);
    if (field.alternatives) {
        mfi_eb_scope_t *branch;
        status = choice_add_branch(place, field.choice, &branch);
        if (!status)
            status = field_add(place, branch, step, field.alternatives);
        field.choice->combinations++;
    }
    return status ? status : choice_add(place, scope, field.choice);
}

/* ---- members --------------------------------------------------------------------------------- */

typedef struct member {
    const char *key; /* unescaped */
    size_t bytes;
    const char *value;
} member_t;

static mofka_status_t member_compile(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                     mfi_eb_step_t *step, const member_t *member, bool in_or) {
    const char *key = member->key, *value = member->value;
    size_t bytes = member->bytes;
    bool choice = false;
    if (bytes == 3 && memcmp(key, "$or", 3) == 0) {
        mofka_status_t status = choice_detect(place, value, &choice);
        if (status || choice)
            return status ? status : choice_compile(place, scope, step, value);
    }
    if (in_or && mfi_eb_is_reserved(key, bytes))
        return mfi_eb_bad(place, "'%.*s' is an operator and cannot be a field within $or",
                          MFI_QUOTE(key, bytes, 60));
    mofka_status_t status = step_enter_key(place, step, key, bytes, &step);
    if (status)
        return status;
    return *value == '{' ? object_compile(place, scope, step, value, in_or)
                         : field_compile(place, scope, step, value);
}

static int member_compare_keys(const void *a, const void *b) {
    const member_t *one = a, *other = b;
    int order = memcmp(one->key, other->key, one->bytes < other->bytes ? one->bytes : other->bytes);
    return order ? order : (one->bytes > other->bytes) - (one->bytes < other->bytes);
}

/* Read an object's members. `*members` has each of them twice: first all in the order of the text,
 * then all sorted by key. Give *members, also after a failure: free(). */
static mofka_status_t object_read_members(mfi_eb_place_t *place, const char *object,
                                          member_t **members, size_t *count) {
    mfi_json_walk_t walk = mfi_json_walk(object, place->limit);
    for (*count = 0; mfi_json_next(&walk);)
        ++*count;
    *members = calloc(2 * *count + 1, sizeof **members);
    if (!*members)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a pattern's keys");
    member_t *member = *members, *sorted = *members + *count;
    for (walk = mfi_json_walk(object, place->limit); mfi_json_next(&walk); member++) {
        mofka_status_t status = mfi_eb_copy_string(place, walk.key, &member->key, &member->bytes);
        if (status)
            return status;
        member->value = walk.value;
    }
    assert(member == sorted);
    memcpy(sorted, *members, *count * sizeof *sorted);
    qsort(sorted, *count, sizeof *sorted, member_compare_keys);
    for (size_t i = 1; i < *count; i++)
        if (member_compare_keys(&sorted[i - 1], &sorted[i]) == 0) {
            mfi_eb_enter_key(place, sorted[i].key, sorted[i].bytes);
            return mfi_eb_bad(place, "duplicate key");
        }
    return MOFKA_OK;
}

/* In the original dialect, the value that an object describes must be there. */
static mofka_status_t object_require_value(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                           mfi_eb_step_t *step) {
    if (!place->pattern->original || !step->parent)
        return MOFKA_OK;
    mfi_eb_alternative_t *exists = NULL;
    mofka_status_t status = mfi_eb_exists_alternative(place, &exists);
    return status ? status : field_add(place, scope, step, exists);
}

static mofka_status_t object_compile(mfi_eb_place_t *place, mfi_eb_scope_t *scope,
                                     mfi_eb_step_t *step, const char *object, bool in_or) {
    assert(*object == '{');
    member_t *members;
    size_t count;
    mofka_status_t status = object_read_members(place, object, &members, &count);
    if (!status)
        status = object_require_value(place, scope, step);
    if (!status && count == 0 && !place->pattern->original)
        status = mfi_eb_bad(place, "an empty object; give at least one field");
    for (size_t i = 0; i < count && !status; i++) {
        size_t before = mfi_eb_enter_key(place, members[i].key, members[i].bytes);
        status = member_compile(place, scope, step, &members[i], in_or);
        mfi_eb_leave(place, before);
    }
    free(members);
    return status;
}

mofka_status_t mfi_eb_compile(const char *text, const char *limit, bool original,
                              mfi_eb_pattern_t **out) {
    size_t bytes = (size_t)(mfi_json_end(text, limit) - text);
    if (bytes > MFI_EB_TEXT_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "the pattern has %zu bytes, at most %zu are allowed",
                          bytes, MFI_EB_TEXT_MAX);
    mfi_eb_pattern_t *pattern = calloc(1, sizeof *pattern);
    if (!pattern)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an event pattern");
    mfi_eb_place_t place = {.pattern = pattern, .limit = limit, .path = "$", .used = 1};
    pattern->original = original;
    pattern->scope.combinations = 1;
    pattern->step_count = 1; /* the root, index 0 */
    mofka_status_t status =
        *text == '{' ? object_compile(&place, &pattern->scope, &pattern->root, text, false)
                     : mfi_eb_bad_value(&place, text, "must be an object");
    free(place.scratch.bytes);
    assert(status || ((original || pattern->field_count > 0) && place.used == 1));
    if (status)
        mfi_eb_destroy(pattern);
    else
        *out = pattern;
    return status;
}
