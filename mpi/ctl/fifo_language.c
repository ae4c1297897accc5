/* The control language of `fifo`: no memory, one pass. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fifo_language.h"

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

enum { KEY_FORMAT, KEY_BATCH_SIZE, KEY_NAME, KEY_FROM, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"format", "batch_size", "name", "from"};
static const unsigned known[] = {
    [FIFO_PRODUCE] = 1u << KEY_FORMAT | 1u << KEY_BATCH_SIZE,
    [FIFO_CONSUME] = 1u << KEY_BATCH_SIZE | 1u << KEY_NAME | 1u << KEY_FROM,
};

static bool choose(const reader_t *r, const char *at, const char *key, const char *value,
                   const char *no, const char *yes, bool *chosen) {
    *chosen = strcmp(value, yes) == 0;
    return *chosen || strcmp(value, no) == 0 ||
           refuse(r, at, "%s is %s or %s, not '%.64s'", key, no, yes, value);
}

static bool set(const reader_t *r, const char *at, int key, const char *value,
                fifo_command_t *command) {
    char *end;
    unsigned long number;
    switch (key) {
    case KEY_FORMAT:
        return choose(r, at, keys[key], value, "raw", "json", &command->json);
    case KEY_FROM:
        return choose(r, at, keys[key], value, "beginning", "end", &command->from_end);
    case KEY_NAME:
        strcpy(command->name, value);
        return true;
    default:
        number = strtoul(value, &end, 10);
        command->batch_size = number;
        return (value[0] >= '0' && value[0] <= '9' && !*end && number >= 1 &&
                number <= BATCH_SIZE_MAX) ||
               refuse(r, at, "batch_size is a whole number from 1 to %d, not '%.64s'",
                      BATCH_SIZE_MAX, value);
    }
}

static bool option(reader_t *r, fifo_command_t *command, unsigned *given) {
    char name[32], value[MOFKA_NAME_BYTES_MAX + 1];
    int key = 0;
    skip_space(r);
    const char *start = r->at;
    if (!word(r, name, sizeof name, "an option's key"))
        return false;
    while (key < KEY_COUNT && strcmp(keys[key], name) != 0)
        key++;
    if (key == KEY_COUNT || !(known[command->verb] & 1u << key))
        return refuse(r, start, "unknown option '%s'; known are %s", name,
                      command->verb == FIFO_PRODUCE ? "format, batch_size"
                                                    : "batch_size, name, from");
    if (*given & 1u << key)
        return refuse(r, start, "option '%s' is given twice", name);
    *given |= 1u << key;
    if (!take(r, '='))
        return refuse_instead(r, "=");
    skip_space(r);
    const char *at = r->at;
    return word(r, value, sizeof value, "a value") && set(r, at, key, value, command);
}

static bool options(reader_t *r, fifo_command_t *command) {
    unsigned given = 0;
    if (!take(r, '(') || take(r, ')'))
        return true;
    do
        if (!option(r, command, &given))
            return false;
    while (take(r, ','));
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
