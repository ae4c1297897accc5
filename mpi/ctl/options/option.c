/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of options are read and checked against their rows. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/options/option.h"

/* Up to this number, a double holds every whole number. */
#define COUNT_MAX 9007199254740992.0

static double option_row_max(const option_row_t *row) {
    assert(row->max == 0 || row->max >= row->min);
    return row->max > 0 ? row->max : row->kind == OPTION_COUNT ? COUNT_MAX : INFINITY;
}

/* Read a decimal number, or "inf". */
static bool option_row_read_number(const char *text, double *value) {
    char *end;
    bool infinite = strcmp(text, "inf") == 0;
    if (!infinite && (!*text || text[strspn(text, "0123456789.eE+-")]))
        return false;
    errno = 0;
    *value = strtod(text, &end);
    return !errno && end != text && !*end;
}

static void option_row_describe_range(const option_row_t *row, char *allowed) {
    assert(row->kind == OPTION_COUNT || row->kind == OPTION_REAL || row->kind == OPTION_SECONDS);
    const char *what = row->kind == OPTION_COUNT ? "a whole number" : "a number";
    if (row->kind == OPTION_SECONDS)
        snprintf(allowed, OPTION_ALLOWED_BYTES, "a number of seconds from 0, or inf");
    else if (isinf(option_row_max(row)))
        snprintf(allowed, OPTION_ALLOWED_BYTES, "%s from %.15g", what, row->min);
    else
        snprintf(allowed, OPTION_ALLOWED_BYTES, "%s from %.15g to %.16g", what, row->min,
                 option_row_max(row));
}

static bool option_row_set_number(const option_row_t *row, const char *text, char *allowed) {
    assert(row->value && row->min >= 0);
    double value;
    if (!option_row_read_number(text, &value) || value < row->min || value > option_row_max(row) ||
        (row->kind == OPTION_COUNT && value != floor(value)) ||
        (row->kind == OPTION_REAL && isinf(value))) {
        option_row_describe_range(row, allowed);
        return false;
    }
    if (row->kind == OPTION_COUNT)
        *(uint64_t *)row->value = (uint64_t)value;
    else
        *(double *)row->value = value;
    return true;
}

static bool option_row_set_choice(const option_row_t *row, const char *text, char *allowed) {
    assert(row->value && row->choices && row->choices[0]);
    snprintf(allowed, OPTION_ALLOWED_BYTES, "one of");
    for (int i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *(int *)row->value = i;
            return true;
        }
        size_t used = strlen(allowed);
        snprintf(allowed + used, OPTION_ALLOWED_BYTES - used, " %s", row->choices[i]);
    }
    return false;
}

bool option_row_set(const option_row_t *row, const char *text, char allowed[OPTION_ALLOWED_BYTES]) {
    assert(row->kind != OPTION_FLAG && row->kind != OPTION_GROUP && row->kind != OPTION_KEYS);
    switch (row->kind) {
    case OPTION_COUNT:
    case OPTION_REAL:
    case OPTION_SECONDS:
        return option_row_set_number(row, text, allowed);
    case OPTION_CHOICE:
        return option_row_set_choice(row, text, allowed);
    default:
        snprintf(allowed, OPTION_ALLOWED_BYTES, "%s, which is not empty", row->argument);
        if (*text)
            *(const char **)row->value = text;
        return *text;
    }
}
