/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Matching an event: one walk over its text along the pattern's steps.
 *
 * A walk into a value answers which fields found a value that matches (`valued`), and which found
 * any value at all (`present`; of the others, those that may be absent match). In an object, the
 * members' answers are joined. In an array, scalars of it match whatever else is matched; but of its
 * objects and arrays one element has to do for all the rest: fields never match in different elements
 * of one array. So the first element that does for all is taken.
 */
#include <stdlib.h>
#include <string.h>
#include "types/eventbridge/pattern.h"

typedef struct answer {
    mfi_eb_set_t valued, present;
} answer_t;

typedef struct match {
    const mfi_eb_pattern_t *pattern;
    const char *limit;
    mfi_scratch_t scratch;
    uint64_t work;
    mofka_status_t status; /* the first error ends the match */
    size_t words;          /* of sets, that this pattern uses */
    /* For the message: the first field that met a value it does not allow. */
    size_t missed;
    const char *missed_value;
} match_t;

/* ---- sets ------------------------------------------------------------------------------------- */

static bool set_has(const mfi_eb_set_t *set, size_t index) {
    return set->words[index / 64] >> index % 64 & 1;
}

static void set_add(mfi_eb_set_t *set, size_t index) {
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
        all->valued.words[i] |= more->valued.words[i];
        all->present.words[i] |= more->present.words[i];
    }
}

/* What is wanted at or below a step and not found yet. */
static mfi_eb_set_t set_keep_unfound(const match_t *m, const mfi_eb_set_t *wanted,
                                     const mfi_eb_set_t *found, const mfi_eb_step_t *step) {
    mfi_eb_set_t left = {{0}};
    for (size_t i = 0; i < m->words; i++)
        left.words[i] = wanted->words[i] & ~found->words[i] & step->below.words[i];
    return left;
}

/* What is wanted and neither found nor rightly absent. */
static mfi_eb_set_t answer_find_unmet(const match_t *m, const mfi_eb_set_t *wanted,
                                      const answer_t *answer) {
    mfi_eb_set_t rest = {{0}};
    for (size_t i = 0; i < m->words; i++)
        rest.words[i] = wanted->words[i] & ~answer->valued.words[i] &
                        ~(m->pattern->may_be_absent.words[i] & ~answer->present.words[i]);
    return rest;
}

/* ---- values ----------------------------------------------------------------------------------- */

static void match_stop(match_t *m, mofka_status_t status) {
    if (!m->status)
        m->status = status;
}

/* Account for bytes looked at. False: the match is over. */
static bool match_may_go_on(match_t *m, size_t bytes) {
    m->work += bytes;
    if (!m->status && m->work > MFI_EB_WORK_MAX)
        match_stop(m, mofka_fail(MOFKA_ERR_TOO_LARGE,
                                 "the event takes more than %llu steps to match with the pattern",
                                 (unsigned long long)MFI_EB_WORK_MAX));
    return !m->status;
}

static mfi_eb_scalar_t match_read_scalar(match_t *m, const char *value, const char *end) {
    mfi_eb_scalar_t scalar = {.value = value, .end = end};
    if (*value == '"') {
        scalar.text = mfi_json_string(value, m->limit, &m->scratch, &scalar.bytes);
        if (!scalar.text)
            match_stop(m, mofka_fail(MOFKA_ERR_MEMORY, "no memory for a string of the event"));
    } else if (mfi_json_is_number(value)) {
        scalar.has_key = mfi_json_number_key(value, (size_t)(end - value), &scalar.key);
    }
    return scalar;
}

static void match_scalar(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                         const char *value, const char *end, answer_t *answer) {
    mfi_eb_scalar_t scalar = {0};
    for (const mfi_eb_field_t *field = step->here; field; field = field->next_here) {
        if (!set_has(wanted, field->index))
            continue;
        if (!scalar.value)
            scalar = match_read_scalar(m, value, end);
        if (!match_may_go_on(m, 1))
            return;
        set_add(&answer->present, field->index);
        if (mfi_eb_matches_any(field->alternatives, &scalar, &m->work)) {
            set_add(&answer->valued, field->index);
        } else if (field->index < m->missed) {
            m->missed = field->index;
            m->missed_value = value;
        }
    }
}

static answer_t match_value(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                            const char *value, const char *end);

/* ---- objects ---------------------------------------------------------------------------------- */

/* Along a key of the event, cut at its dots; NULL: the pattern does not go there. */
static const mfi_eb_step_t *step_follow_key(match_t *m, const mfi_eb_step_t *step, const char *key,
                                            size_t bytes) {
    const char *end = key + bytes;
    for (;;) {
        const char *dot = memchr(key, '.', (size_t)(end - key));
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
    mfi_json_walk_t walk = mfi_json_walk(object, m->limit);
    while (mfi_json_next(&walk) && match_may_go_on(m, (size_t)(walk.end - walk.key))) {
        size_t bytes;
        const char *key = mfi_json_string(walk.key, m->limit, &m->scratch, &bytes);
        if (!key)
            match_stop(m, mofka_fail(MOFKA_ERR_MEMORY, "no memory for a key of the event"));
        const mfi_eb_step_t *next = key ? step_follow_key(m, step, key, bytes) : NULL;
        if (!next)
            continue;
        uint64_t bit = UINT64_C(1) << next->index % 64;
        if (seen[next->index / 64] & bit)
            match_stop(
                m, mofka_fail(MOFKA_ERR_REFUSED,
                              "the event has the key '%.*s' twice in one object, at byte %zu of "
                              "that",
                              (int)(bytes < 60 ? bytes : 60), key, (size_t)(walk.key - object)));
        seen[next->index / 64] |= bit;
        mfi_eb_set_t left = set_keep_unfound(m, wanted, &answer.valued, next);
        if (m->status || set_is_empty(m, &left))
            continue;
        answer_t more = match_value(m, next, &left, walk.value, walk.end);
        answer_join(m, &answer, &more);
    }
    return answer;
}

/* ---- arrays ----------------------------------------------------------------------------------- */

static bool value_is_container(const char *value) {
    return *value == '{' || *value == '[';
}

static bool match_scalars(match_t *m, const mfi_eb_step_t *step, const mfi_eb_set_t *wanted,
                          const char *array, answer_t *answer) {
    bool containers = false;
    mfi_json_walk_t walk = mfi_json_walk(array, m->limit);
    while (mfi_json_next(&walk) && match_may_go_on(m, (size_t)(walk.end - walk.value))) {
        if (value_is_container(walk.value))
            containers = true;
        else
            match_scalar(m, step, wanted, walk.value, walk.end, answer);
    }
    return containers;
}

/* Of the objects and arrays in an array: the first that does for all that is left; else the one that
 * found most. Where none found a value, nothing binds fields to an element, and what may be absent
 * must be absent from all. */
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
    if (*value == '{')
        return match_object(m, step, wanted, value);
    if (*value == '[')
        return match_array(m, step, wanted, value);
    match_scalar(m, step, wanted, value, end, &answer);
    return answer;
}

/* ---- combinations of $or ---------------------------------------------------------------------- */

/* The fields of the scope's combination of that number: of each choice, one branch's. */
static void scope_collect_fields(const mfi_eb_scope_t *scope, uint64_t number,
                                 mfi_eb_set_t *wanted) {
    for (const mfi_eb_field_t *field = scope->fields; field; field = field->next_in_scope)
        set_add(wanted, field->index);
    for (const mfi_eb_choice_t *choice = scope->choices; choice; choice = choice->next) {
        uint64_t mine = number % choice->combinations;
        number /= choice->combinations;
        const mfi_eb_scope_t *branch = choice->branches;
        for (; mine >= branch->combinations; branch = branch->next)
            mine -= branch->combinations;
        scope_collect_fields(branch, mine, wanted);
    }
}

/* The path of a step, into `text`; cut where it is too long. */
static size_t step_print_path(const mfi_eb_step_t *step, char *text, size_t room) {
    if (!step->parent) {
        text[0] = '$';
        return 1;
    }
    size_t used = step_print_path(step->parent, text, room);
    size_t bytes = step->bytes + 1 < room - used ? step->bytes + 1 : room - used;
    if (bytes > 0) {
        text[used] = '.';
        memcpy(text + used + 1, step->name, bytes - 1);
    }
    return used + bytes;
}

static mofka_status_t match_refuse(const match_t *m, size_t index, bool present) {
    char path[256];
    const mfi_eb_field_t *field = m->pattern->fields[index];
    size_t bytes = step_print_path(field->step, path, sizeof path);
    if (!present)
        return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at %.*s: no value there",
                          (int)bytes, path);
    if (m->missed != index)
        return mofka_fail(MOFKA_ERR_REFUSED,
                          "the event does not match at %.*s: not beside the other fields",
                          (int)bytes, path);
    size_t shown = (size_t)(mfi_json_end(m->missed_value, m->limit) - m->missed_value);
    return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at %.*s: %.*s", (int)bytes, path,
                      (int)(shown < 80 ? shown : 80), m->missed_value);
}

static size_t set_find_first(const mfi_eb_set_t *set) {
    size_t index = 0;
    while (!set_has(set, index))
        index++;
    return index;
}

/* Try all combinations; refuse for the one that got furthest. */
static mofka_status_t match_try_combinations(match_t *m, const char *root) {
    const mfi_eb_scope_t *scope = &m->pattern->scope;
    size_t furthest = 0, at_fault = 0;
    bool is_present = false;
    for (uint64_t i = 0; i < scope->combinations && !m->status; i++) {
        mfi_eb_set_t wanted = {{0}};
        scope_collect_fields(scope, i, &wanted);
        answer_t answer = match_object(m, &m->pattern->root, &wanted, root);
        mfi_eb_set_t rest = answer_find_unmet(m, &wanted, &answer);
        if (!m->status && set_is_empty(m, &rest))
            return MOFKA_OK;
        size_t found = set_count(m, &answer.valued);
        if (i == 0 || found > furthest) {
            furthest = found;
            at_fault = m->status ? 0 : set_find_first(&rest);
            is_present = set_has(&answer.present, at_fault);
        }
    }
    return m->status ? m->status : match_refuse(m, at_fault, is_present);
}

mofka_status_t mfi_eb_match(const mfi_eb_pattern_t *pattern, const char *event, size_t bytes) {
    mofka_status_t status = mfi_json_check("the event", event, bytes);
    if (status)
        return status;
    const char *root = mfi_json_begin(event);
    if (*root != '{')
        return mofka_fail(MOFKA_ERR_REFUSED, "the event does not match at $: not an object");
    match_t match = {.pattern = pattern,
                     .limit = event + bytes,
                     .words = (pattern->field_count + 63) / 64,
                     .missed = SIZE_MAX};
    status = match_try_combinations(&match, root);
    free(match.scratch.bytes);
    return status;
}
