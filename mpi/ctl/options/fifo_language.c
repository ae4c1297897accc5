/* SPDX-License-Identifier: BSD-3-Clause */
/* The parser of the control language of `fifo`: one pass, no allocation. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "mpi/ctl/options/fifo_language.h"
#include "mpi/ctl/options/option.h"
#include "base/text/message.h"

#define BATCH_SIZE_MAX (1 << 24)

typedef struct fifo_parser {
    const char *line, *at, *end;
    fifo_error_t *error;
} fifo_parser_t;

static bool fifo_parser_refuse(const fifo_parser_t *r, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fifo_parser_refuse(const fifo_parser_t *r, const char *at, const char *format, ...) {
    assert(at >= r->line && at <= r->end);
    va_list args;
    va_start(args, format);
    vsnprintf(r->error->text, sizeof r->error->text, format, args);
    va_end(args);
    r->error->column = (size_t)(at - r->line) + 1;
    return false;
}

static bool fifo_parser_refuse_instead(const fifo_parser_t *r, const char *wanted) {
    assert(r->at <= r->end);
    if (r->at == r->end)
        return fifo_parser_refuse(r, r->at, "%s is needed, but the line ends", wanted);
    unsigned char found = (unsigned char)*r->at;
    if (found < 0x20 || found > 0x7e)
        return fifo_parser_refuse(r, r->at, "%s is needed, not byte 0x%02x", wanted, found);
    return fifo_parser_refuse(r, r->at, "%s is needed, not '%c'", wanted, found);
}

static void fifo_parser_skip_space(fifo_parser_t *r) {
    assert(r->at <= r->end);
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool fifo_parser_at_arrow(const fifo_parser_t *r, const char *arrow) {
    return r->end - r->at >= 2 && r->at[0] == arrow[0] && r->at[1] == arrow[1];
}

static bool fifo_parser_at_end(fifo_parser_t *r) {
    fifo_parser_skip_space(r);
    return r->at == r->end || *r->at == '#';
}

static bool fifo_parser_take(fifo_parser_t *r, char wanted) {
    fifo_parser_skip_space(r);
    if (r->at == r->end || *r->at != wanted)
        return false;
    r->at++;
    return true;
}

static bool fifo_parser_in_word(const fifo_parser_t *r) {
    assert(r->at < r->end);
    unsigned char c = (unsigned char)*r->at;
    return c > 0x20 && c != 0x7f && !strchr("\"(),=#", c) && !fifo_parser_at_arrow(r, "->") &&
           !fifo_parser_at_arrow(r, "<-");
}

static bool fifo_parser_read_quoted(fifo_parser_t *r, char *text, size_t room, const char *what) {
    assert(r->at < r->end && *r->at == '"' && room > 1);
    const char *start = r->at++;
    size_t size = 0;
    for (; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && r->end - r->at > 1 && (r->at[1] == '"' || r->at[1] == '\\'))
            r->at++;
        else if (*r->at == '\\')
            return fifo_parser_refuse(r, r->at,
                                      "a backslash may only stand before \" or a backslash");
        if (*r->at == '\0')
            return fifo_parser_refuse(r, r->at, "%s cannot contain a NUL byte", what);
        if (size + 1 == room)
            return fifo_parser_refuse(r, start, "%s has more than %zu bytes", what, room - 1);
        text[size++] = *r->at;
    }
    if (r->at == r->end)
        return fifo_parser_refuse(r, start, "the quote is not closed");
    r->at++;
    text[size] = '\0';
    return size > 0 || fifo_parser_refuse(r, start, "%s is empty", what);
}

static bool fifo_parser_read_word(fifo_parser_t *r, char *text, size_t room, const char *what) {
    assert(room > 1);
    fifo_parser_skip_space(r);
    if (r->at < r->end && *r->at == '"')
        return fifo_parser_read_quoted(r, text, room, what);
    const char *start = r->at;
    while (r->at < r->end && fifo_parser_in_word(r))
        r->at++;
    size_t size = (size_t)(r->at - start);
    if (size == 0)
        return fifo_parser_refuse_instead(r, what);
    if (size >= room)
        return fifo_parser_refuse(r, start, "%s has more than %zu bytes", what, room - 1);
    memcpy(text, start, size);
    text[size] = '\0';
    return true;
}

/* ---- options --------------------------------------------------------------------------------- */

#define KEY_COUNT 4
#define IS_OF(verb) (1u << (verb))

/* The values of a line's options, before the whole line is known to be valid. */
typedef struct fifo_values {
    int format, from; /* indices of the choices below */
    uint64_t batch_size;
    const char *name;
    unsigned given; /* bits of rows */
} fifo_values_t;

static const char *const formats[] = {"raw", "json", NULL};
static const char *const starts[] = {"beginning", "end", NULL};
static const unsigned verbs[KEY_COUNT] = {IS_OF(FIFO_PRODUCE),
                                          IS_OF(FIFO_PRODUCE) | IS_OF(FIFO_CONSUME),
                                          IS_OF(FIFO_CONSUME), IS_OF(FIFO_CONSUME)};

static void fifo_values_make_rows(fifo_values_t *values, option_row_t rows[KEY_COUNT]) {
    rows[0] = (option_row_t){
        .name = "format", .kind = OPTION_CHOICE, .value = &values->format, .choices = formats};
    rows[1] = (option_row_t){.name = "batch_size",
                             .kind = OPTION_COUNT,
                             .value = &values->batch_size,
                             .min = 1,
                             .max = BATCH_SIZE_MAX};
    rows[2] = (option_row_t){
        .name = "name", .kind = OPTION_TEXT, .value = &values->name, .argument = "a name"};
    rows[3] = (option_row_t){
        .name = "from", .kind = OPTION_CHOICE, .value = &values->from, .choices = starts};
}

static const option_row_t *fifo_parser_find_row(const option_row_t *rows, fifo_verb_t verb,
                                                const char *name) {
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (verbs[i] & IS_OF(verb) && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool fifo_parser_refuse_key(const fifo_parser_t *r, const char *at, const option_row_t *rows,
                                   fifo_verb_t verb, const char *name) {
    char known[64] = "";
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (verbs[i] & IS_OF(verb))
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                     known[0] ? ", " : "", rows[i].name);
    return fifo_parser_refuse(r, at, "unknown option '%s'; known are %s", name, known);
}

static bool fifo_parser_read_option(fifo_parser_t *r, fifo_command_t *command,
                                    fifo_values_t *values) {
    assert(command->verb != FIFO_NOTHING);
    char name[32], value[MOFKA_NAME_BYTES_MAX + 1], allowed[OPTION_ALLOWED_BYTES];
    option_row_t rows[KEY_COUNT];
    fifo_values_make_rows(values, rows);
    fifo_parser_skip_space(r);
    const char *start = r->at;
    if (!fifo_parser_read_word(r, name, sizeof name, "an option's key"))
        return false;
    const option_row_t *row = fifo_parser_find_row(rows, command->verb, name);
    if (!row)
        return fifo_parser_refuse_key(r, start, rows, command->verb, name);
    if (values->given & 1u << (row - rows))
        return fifo_parser_refuse(r, start, "option '%s' is given twice", name);
    values->given |= 1u << (row - rows);
    if (!fifo_parser_take(r, '='))
        return fifo_parser_refuse_instead(r, "=");
    fifo_parser_skip_space(r);
    const char *at = r->at;
    if (!fifo_parser_read_word(r, value, sizeof value, "a value"))
        return false;
    if (!option_row_set(row, value, allowed))
        return fifo_parser_refuse(r, at, "%s cannot be '%.*s': it must be %s", name,
                                  MFI_QUOTE(value, strlen(value), 64), allowed);
    /* The row keeps a pointer to `value`, which ends with this call. */
    if (row->kind == OPTION_TEXT)
        memcpy(command->name, value, strlen(value) + 1);
    return true;
}

static bool fifo_parser_read_options(fifo_parser_t *r, fifo_command_t *command) {
    fifo_values_t values = {0};
    if (!fifo_parser_take(r, '(') || fifo_parser_take(r, ')'))
        return true;
    do
        if (!fifo_parser_read_option(r, command, &values))
            return false;
    while (fifo_parser_take(r, ','));
    command->json = values.format == 1;
    command->from_end = values.from == 1;
    command->batch_size = values.batch_size;
    return fifo_parser_take(r, ')') || fifo_parser_refuse_instead(r, ", or )");
}

bool fifo_parse(const char *line, size_t bytes, fifo_command_t *command, fifo_error_t *error) {
    fifo_parser_t r = {line, line, line + bytes, error};
    *command = (fifo_command_t){.verb = FIFO_NOTHING};
    if (bytes > FIFO_LINE_BYTES_MAX)
        return fifo_parser_refuse(&r, line + FIFO_LINE_BYTES_MAX, "the line has more than %d bytes",
                                  FIFO_LINE_BYTES_MAX);
    if (fifo_parser_at_end(&r))
        return true;
    if (!fifo_parser_read_word(&r, command->path, sizeof command->path, "a path"))
        return false;
    fifo_parser_skip_space(&r);
    if (!fifo_parser_at_arrow(&r, "->") && !fifo_parser_at_arrow(&r, "<-"))
        return fifo_parser_refuse_instead(&r, "-> or <-");
    command->verb = *r.at == '-' ? FIFO_PRODUCE : FIFO_CONSUME;
    r.at += 2;
    if (!fifo_parser_read_word(&r, command->topic, sizeof command->topic, "a topic's name") ||
        !fifo_parser_read_options(&r, command))
        return false;
    return fifo_parser_at_end(&r) || fifo_parser_refuse_instead(&r, "the end of the line");
}
