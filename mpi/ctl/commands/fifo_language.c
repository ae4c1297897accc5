/* SPDX-License-Identifier: BSD-3-Clause */
/* The control language of `fifo`: no memory, one pass. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "mpi/ctl/commands/fifo_language.h"
#include "mpi/ctl/options/option.h"

#define BATCH_SIZE_MAX (1 << 24)

typedef struct reader {
    const char *line, *at, *end;
    fifo_error_t *error;
} reader_t;

static bool refuse(const reader_t *r, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(const reader_t *r, const char *at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->error->text, sizeof r->error->text, format, args);
    va_end(args);
    r->error->column = (size_t)(at - r->line) + 1;
    return false;
}

static bool refuse_instead(const reader_t *r, const char *wanted) {
    if (r->at == r->end)
        return refuse(r, r->at, "%s is wanted, and the line ends", wanted);
    unsigned char found = (unsigned char)*r->at;
    if (found < 0x20 || found > 0x7e)
        return refuse(r, r->at, "%s is wanted, not byte 0x%02x", wanted, found);
    return refuse(r, r->at, "%s is wanted, not '%c'", wanted, found);
}

static void skip_space(reader_t *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool at_arrow(const reader_t *r, const char *arrow) {
    return r->end - r->at >= 2 && r->at[0] == arrow[0] && r->at[1] == arrow[1];
}

static bool at_end(reader_t *r) {
    skip_space(r);
    return r->at == r->end || *r->at == '#';
}

static bool take(reader_t *r, char wanted) {
    skip_space(r);
    if (r->at == r->end || *r->at != wanted)
        return false;
    r->at++;
    return true;
}

static bool in_word(const reader_t *r) {
    unsigned char c = (unsigned char)*r->at;
    return c > 0x20 && c != 0x7f && !strchr("\"(),=#", c) && !at_arrow(r, "->") &&
           !at_arrow(r, "<-");
}

static bool quoted(reader_t *r, char *text, size_t room, const char *what) {
    const char *start = r->at++;
    size_t size = 0;
    for (; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && r->end - r->at > 1 && (r->at[1] == '"' || r->at[1] == '\\'))
            r->at++;
        else if (*r->at == '\\')
            return refuse(r, r->at, "a backslash stands before \" or another backslash only");
        if (*r->at == '\0')
            return refuse(r, r->at, "%s cannot have a NUL byte", what);
        if (size + 1 == room)
            return refuse(r, start, "%s has more than %zu bytes", what, room - 1);
        text[size++] = *r->at;
    }
    if (r->at == r->end)
        return refuse(r, start, "the quote is not closed");
    r->at++;
    text[size] = '\0';
    return size > 0 || refuse(r, start, "%s is empty", what);
}

static bool word(reader_t *r, char *text, size_t room, const char *what) {
    skip_space(r);
    if (r->at < r->end && *r->at == '"')
        return quoted(r, text, room, what);
    const char *start = r->at;
    while (r->at < r->end && in_word(r))
        r->at++;
    size_t size = (size_t)(r->at - start);
    if (size == 0)
        return refuse_instead(r, what);
    if (size >= room)
        return refuse(r, start, "%s has more than %zu bytes", what, room - 1);
    memcpy(text, start, size);
    text[size] = '\0';
    return true;
}

/* ---- options ----------------------------------------------------------------------------------- */

#define KEY_COUNT 4
#define IS_OF(verb) (1u << (verb))

/* What the options of a line give, before it is known to be good. */
typedef struct values {
    int format, from; /* indices of the choices below */
    uint64_t batch_size;
    const char *name;
    unsigned given; /* bits of rows */
} values_t;

static const char *const formats[] = {"raw", "json", NULL};
static const char *const starts[] = {"beginning", "end", NULL};
static const unsigned verbs[KEY_COUNT] = {IS_OF(FIFO_PRODUCE),
                                          IS_OF(FIFO_PRODUCE) | IS_OF(FIFO_CONSUME),
                                          IS_OF(FIFO_CONSUME), IS_OF(FIFO_CONSUME)};

static void make_rows(values_t *values, option_row_t rows[KEY_COUNT]) {
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

static const option_row_t *find(const option_row_t *rows, fifo_verb_t verb, const char *name) {
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (verbs[i] & IS_OF(verb) && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool unknown(const reader_t *r, const char *at, const option_row_t *rows, fifo_verb_t verb,
                    const char *name) {
    char known[64] = "";
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (verbs[i] & IS_OF(verb))
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                     known[0] ? ", " : "", rows[i].name);
    return refuse(r, at, "unknown option '%s'; known are %s", name, known);
}

static bool option(reader_t *r, fifo_command_t *command, values_t *values) {
    char name[32], value[MOFKA_NAME_BYTES_MAX + 1], allowed[OPTION_ALLOWED_BYTES];
    option_row_t rows[KEY_COUNT];
    make_rows(values, rows);
    skip_space(r);
    const char *start = r->at;
    if (!word(r, name, sizeof name, "an option's key"))
        return false;
    const option_row_t *row = find(rows, command->verb, name);
    if (!row)
        return unknown(r, start, rows, command->verb, name);
    if (values->given & 1u << (row - rows))
        return refuse(r, start, "option '%s' is given twice", name);
    values->given |= 1u << (row - rows);
    if (!take(r, '='))
        return refuse_instead(r, "=");
    skip_space(r);
    const char *at = r->at;
    if (!word(r, value, sizeof value, "a value"))
        return false;
    if (!option_set(row, value, allowed))
        return refuse(r, at, "%s cannot be '%.64s': it is %s", name, value, allowed);
    if (row->kind == OPTION_TEXT) /* it keeps the text only as long as it is here */
        strcpy(command->name, value);
    return true;
}

static bool options(reader_t *r, fifo_command_t *command) {
    values_t values = {0};
    if (!take(r, '(') || take(r, ')'))
        return true;
    do
        if (!option(r, command, &values))
            return false;
    while (take(r, ','));
    command->json = values.format == 1;
    command->from_end = values.from == 1;
    command->batch_size = values.batch_size;
    return take(r, ')') || refuse_instead(r, ", or )");
}

bool fifo_parse(const char *line, size_t bytes, fifo_command_t *command, fifo_error_t *error) {
    reader_t r = {line, line, line + bytes, error};
    *command = (fifo_command_t){.verb = FIFO_NOTHING};
    if (bytes > FIFO_LINE_BYTES_MAX)
        return refuse(&r, line + FIFO_LINE_BYTES_MAX, "the line has more than %d bytes",
                      FIFO_LINE_BYTES_MAX);
    if (at_end(&r))
        return true;
    if (!word(&r, command->path, sizeof command->path, "a path"))
        return false;
    skip_space(&r);
    if (!at_arrow(&r, "->") && !at_arrow(&r, "<-"))
        return refuse_instead(&r, "-> or <-");
    command->verb = *r.at == '-' ? FIFO_PRODUCE : FIFO_CONSUME;
    r.at += 2;
    if (!word(&r, command->topic, sizeof command->topic, "a topic's name") || !options(&r, command))
        return false;
    return at_end(&r) || refuse_instead(&r, "the end of the line");
}
