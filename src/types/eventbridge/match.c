/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Matches an event with a pattern: one walk over the event's text, along the pattern's steps.
 *
 * A walk into a value answers two questions. Which fields found a value that matches (`valued`)?
 * Which fields found any value at all (`present`)? A field that is not present matches if it may be
 * absent.
 *
 * In an object, the answers of the members are joined. In an array, each scalar matches on its own.
 * But all fields that need the array's objects and arrays must match in one and the same element.
 * So the first element that satisfies all of them is taken.
 *
 * In the original dialect, a walk does not enter arrays, and a key of the event is one step, dots
 * and all. A field finds whatever value is at its step.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/c_locale.h"
#include "base/text/message.h"
#include "types/eventbridge/pattern.h"

typedef struct answer {
    mfi_eb_set_t valued, present;
} answer_t;

typedef struct match {
    const mfi_eb_pattern_t *pattern;
    const char *limit;
    mfi_scratch_t scratch;
    uint64_t work;
    mofka_status_t status; /* the first error; it ends the match */
    size_t words;          /* how many words of a set this pattern uses */
    /* For the message: the combination's first field that found a value that does not match. */
    size_t missed;
    const char *missed_value;
} match_t;

/* ---- sets ------------------------------------------------------------------------------------ */

static bool set_has(const mfi_eb_set_t *set, size_t index) {
    assert(index < MFI_EB_FIELDS_MAX);
    return set->words[index / 64] >> index % 64 & 1;
}

static void set_add(mfi_eb_set_t *set, size_t index) {
    assert(index < MFI_EB_FIELDS_MAX);
    set->words[index / 64] |= UINT64_C(1) << index % 64;
}

static bool set_is_empty(const match_t *m, const mfi_eb_set_t *set) {
    uint64_t any = 0;
    for (size_t i = 0; i < m->words; i++)
        any |= set->words[i];
    return any == 0;
}

static size_t set_count(const match_t *m, const mfi_eb_set_t *set) {
    size_t size = 0;
    for (size_t i = 0; i < m->words; i++)
        size += (size_t)__builtin_popcountll(set->words[i]);
    return size;
}

static void answer_join(const match_t *m, answer_t *all, const answer_t *more) {
    for (size_t i = 0; i < m->words; i++) {
        assert(!(more->valued.words[i] & ~more->present.words[i])); /* valued implies present */
        all->valued.words[i] |= more->valued.words[i];
        all->present.words[i] |= more->present.words[i];
    }
}

/* The fields at or below a step that are wanted and not found yet. */
static mfi_eb_set_t set_keep_unfound(const match_t *m, const mfi_eb_set_t *wanted,
                                     const mfi_eb_set_t *found, const mfi_eb_step_t *step) {
    mfi_eb_set_t left = {{0}};
    for (size_t i = 0; i < m->words; i++)
        left.words[i] = wanted->words[i] & ~found->words[i] & step->below.words[i];
    return left;
}

/* The wanted fields that do not match: no value matches, and they are present or must not be
 * absent. */
static mfi_eb_set_t answer_find_unmet(const match_t *m, const mfi_eb_set_t *wanted,
                                      const answer_t *answer) {
    mfi_eb_set_t rest = {{0}};
    for (size_t i = 0; i < m->words; i++)
        rest.words[i] = wanted->words[i] & ~answer->valued.words[i] &
                        ~(m->pattern->may_be_absent.words[i] & ~answer->present.words[i]);
    return rest;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void match_stop(match_t *m, mofka_status_t status) {
    assert(status);
    if (!m->status)
        m->status = status;
}

/* Count the work of reading `bytes` bytes. False: the match has ended. */
static bool match_may_go_on(match_t *m, size_t bytes) {
    m->work += bytes;
    if (!m->status && m->work > MFI_EB_WORK_MAX)
        match_stop(m, mofka_fail(MOFKA_ERR_TOO_LARGE,
                                 "matching the event with the pattern takes more than %llu steps",
                                 (unsigned long long)MFI_EB_WORK_MAX));
    return !m->status;
}

static bool value_is_container(const char *value) {
    return *value == '{' || *value == '[';
}

static mfi_eb_value_t value_read(match_t *m, const char *value, const char *end) {
    assert(value < end && end < m->limit);
    assert(m->pattern->original || !value_is_container(value));
    mfi_eb_value_t read = {.value = value, .end = end};
    if (*value == '"') {
        read.text = mfi_json_string(value, m->limit, &m->scratch, &read.bytes);
        if (!read.text)
            match_stop(m, mofka_fail(MOFKA_ERR_MEMORY, "no memory for a string of the event"));
    } else if (mfi_json_is_number(value) && m->pattern->original) {
        read.has_real = true;
        read.real = mfi_read_double(value);
    } else if (mfi_json_is_number(value)) {
        read.has_key = mfi_json_number_key(value, (size_t)(end - value), &read.key);
    }
    return read;
}

/* Compare a value with the fields of its step. */
static void match_here(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                       const char *value, const char *end, answer_t *answer) {
    mfi_eb_value_t read = {0};
    for (const mfi_eb_field_t *field = step->here; field; field = field->next_here) {
        assert(field->step == step && field->index < m->pattern->field_count);
        if (!set_has(wanted, field->index))
            continue;
        if (!read.value)
            read = value_read(m, value, end);
        if (!match_may_go_on(m, 1))
            return;
        set_add(&answer->present, field->index);
        if (mfi_eb_matches_any(field->alternatives, &read, &m->work)) {
            set_add(&answer->valued, field->index);
        } else if (field->index < m->missed) {
            m->missed = field->index;
            m->missed_value = value;
        }
    }
}

static answer_t match_value(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                            const char *value, const char *end);

/* ---- objects --------------------------------------------------------------------------------- */

/* The step that a key of the event leads to: one step for each part between its dots, or one step
 * for all of it in the original dialect. NULL: the pattern has no such step. */
static const mfi_eb_step_t *step_follow_key(match_t *m, const mfi_eb_step_t *step, const char *key,
                                            size_t bytes) {
    const char *end = key + bytes;
    for (;;) {
        const char *dot = m->pattern->original ? NULL : memchr(key, '.', (size_t)(end - key));
        size_t length = (size_t)((dot ? dot : end) - key);
        step = step->child;
        for (; step && (step->bytes != length || memcmp(step->name, key, length) != 0); m->work++)
            step = step->next;
        if (!step || !dot)
            return step;
        key = dot + 1;
    }
}

static answer_t match_object(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                             const char *object) {
    answer_t answer = {0};
    uint64_t seen[MFI_EB_STEPS_MAX / 64] = {0};
    assert(*object == '{');
    mfi_json_walk_t walk = mfi_json_walk(object, m->limit);
    while (mfi_json_next(&walk) && match_may_go_on(m, (size_t)(walk.end - walk.key))) {
        size_t bytes;
        const char *key = mfi_json_string(walk.key, m->limit, &m->scratch, &bytes);
        if (!key)
            match_stop(m, mofka_fail(MOFKA_ERR_MEMORY, "no memory for a key of the event"));
        const mfi_eb_step_t *next = key ? step_follow_key(m, step, key, bytes) : NULL;
        if (!next)
            continue;
        assert(next->index < m->pattern->step_count);
        uint64_t bit = UINT64_C(1) << next->index % 64;
        if (seen[next->index / 64] & bit)
            match_stop(
                m, mofka_fail(MOFKA_ERR_REFUSED,
                              "an object of the event has the key '%.*s' twice, at its byte %zu",
                              MFI_QUOTE(key, bytes, 60), (size_t)(walk.key - object)));
        seen[next->index / 64] |= bit;
        mfi_eb_set_t left = set_keep_unfound(m, wanted, &answer.valued, next);
        if (m->status || set_is_empty(m, &left))
            continue;
        answer_t more = match_value(m, next, &left, walk.value, walk.end);
        answer_join(m, &answer, &more);
    }
    return answer;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static bool match_scalars(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                          const char *array, answer_t *answer) {
    bool containers = false;
    mfi_json_walk_t walk = mfi_json_walk(array, m->limit);
    while (mfi_json_next(&walk) && match_may_go_on(m, (size_t)(walk.end - walk.value))) {
        if (value_is_container(walk.value))
            containers = true;
        else
            match_here(m, step, wanted, walk.value, walk.end, answer);
    }
    return containers;
}

/* Match the objects and arrays of an array. The answer is that of the first element that satisfies
 * all fields of `left`; else that of the element with most matches. If no element has a match, then
 * the answers of all elements are joined: a field that must be absent must be absent from all. */
static answer_t match_elements(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *left,
                               const char *array, const answer_t *scalars) {
    answer_t best = {0}, all = *scalars;
    size_t most = 0;
    mfi_json_walk_t walk = mfi_json_walk(array, m->limit);
    while (mfi_json_next(&walk) && match_may_go_on(m, (size_t)(walk.end - walk.value))) {
        if (!value_is_container(walk.value))
            continue;
        answer_t one = match_value(m, step, left, walk.value, walk.end);
        size_t found = set_count(m, &one.valued);
        answer_join(m, &one, scalars);
        mfi_eb_set_t rest = answer_find_unmet(m, left, &one);
        if (found > 0 && set_is_empty(m, &rest))
            return one;
        answer_join(m, &all, &one);
        if (found > most) {
            most = found;
            best = one;
        }
    }
    assert(m->status || most <= set_count(m, left));
    return most > 0 ? best : all;
}

static answer_t match_array(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                            const char *array) {
    answer_t answer = {0};
    if (!match_scalars(m, step, wanted, array, &answer))
        return answer;
    mfi_eb_set_t left = set_keep_unfound(m, wanted, &answer.valued, step);
    return set_is_empty(m, &left) ? answer : match_elements(m, step, &left, array, &answer);
}

static answer_t match_value(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                            const char *value, const char *end) {
    answer_t answer = {0};
    bool original = m->pattern->original;
    if (*value == '[' && !original)
        return match_array(m, step, wanted, value);
    if (*value == '{')
        answer = match_object(m, step, wanted, value);
    if (*value != '{' || original)
        match_here(m, step, wanted, value, end, &answer);
    return answer;
}

/* ---- combinations of $or --------------------------------------------------------------------- */

/* Add the fields of the scope's combination with that number. It takes one branch of each
 * choice. */
static void scope_collect_fields(const mfi_eb_scope_t *scope, uint64_t number,
                                 mfi_eb_set_t *wanted) {
    assert(number < scope->combinations);
    for (const mfi_eb_field_t *field = scope->fields; field; field = field->next_in_scope)
        set_add(wanted, field->index);
    for (const mfi_eb_choice_t *choice = scope->choices; choice; choice = choice->next) {
        uint64_t mine = number % choice->combinations;
        number /= choice->combinations;
        const mfi_eb_scope_t *branch = choice->branches;
        for (; mine >= branch->combinations; branch = branch->next)
            mine -= branch->combinations;
        assert(branch);
        scope_collect_fields(branch, mine, wanted);
    }
}

/* Write the path of a step to `text`, cut off at `room` bytes. */
static size_t step_print_path(const mfi_eb_step_t *step, char *text, size_t room) {
    if (!step->parent) {
        text[0] = '$';
        return 1;
    }
    size_t used = step_print_path(step->parent, text, room);
    size_t bytes = step->bytes + 1 < room - used ? step->bytes + 1 : room - used;
    assert(used <= room);
    if (bytes > 0) {
        text[used] = '.';
        memcpy(text + used + 1, step->name, bytes - 1);
    }
    return used + bytes;
}

static mofka_status_t match_refuse(const match_t *m, size_t index, bool present) {
    char path[256];
    const mfi_eb_field_t *field = m->pattern->fields[index];
    size_t bytes = mfi_utf8_whole(path, step_print_path(field->step, path, sizeof path));
    if (!present)
        return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at %.*s: no value is there",
                          (int)bytes, path);
    if (m->missed != index)
        return mofka_fail(MOFKA_ERR_REFUSED,
                          "the event does not match at %.*s: not in the same array element as the "
                          "other fields",
                          (int)bytes, path);
    size_t shown = (size_t)(mfi_json_end(m->missed_value, m->limit) - m->missed_value);
    return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at %.*s: %.*s", (int)bytes, path,
                      MFI_QUOTE(m->missed_value, shown, 80));
}

static size_t set_find_first(const mfi_eb_set_t *set) {
    size_t index = 0;
    while (!set_has(set, index))
        index++;
    return index;
}

/* Try all combinations. If none matches, the message is about the one with most matches. */
static mofka_status_t match_try_combinations(match_t *m, const char *root) {
    const mfi_eb_scope_t *scope = &m->pattern->scope;
    size_t furthest = 0, at_fault = 0, missed = SIZE_MAX;
    const char *missed_value = NULL;
    bool is_present = false;
    for (uint64_t i = 0; i < scope->combinations && !m->status; i++) {
        mfi_eb_set_t wanted = {{0}};
        scope_collect_fields(scope, i, &wanted);
        m->missed = SIZE_MAX;
        answer_t answer = match_value(m, &m->pattern->root, &wanted, root, m->limit);
        mfi_eb_set_t rest = answer_find_unmet(m, &wanted, &answer);
        if (!m->status && set_is_empty(m, &rest))
            return MOFKA_OK;
        size_t found = set_count(m, &answer.valued);
        if (i == 0 || found > furthest) {
            furthest = found;
            missed = m->missed;
            missed_value = m->missed_value;
            at_fault = m->status ? 0 : set_find_first(&rest);
            is_present = set_has(&answer.present, at_fault);
        }
    }
    assert(m->status || at_fault < m->pattern->field_count);
    m->missed = missed;
    m->missed_value = missed_value;
    return m->status ? m->status : match_refuse(m, at_fault, is_present);
}

mofka_status_t mfi_eb_match(const mfi_eb_pattern_t *pattern, const char *event, size_t bytes) {
    mofka_status_t status = mfi_json_check("the event", event, bytes);
    if (status)
        return status;
    assert(pattern->field_count <= MFI_EB_FIELDS_MAX);
    const char *root = mfi_json_begin(event);
    if (*root != '{' && !pattern->original)
        return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at $: not an object");
    match_t match = {
        .pattern = pattern, .limit = event + bytes, .words = (pattern->field_count + 63) / 64};
    status = match_try_combinations(&match, root);
    free(match.scratch.bytes);
    return status;
}
