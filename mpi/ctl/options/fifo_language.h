/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control language of `fifo`, one command a line:
 *
 *   PATH -> TOPIC (KEY = VALUE, ...)    lines written into the pipe become events
 *   PATH <- TOPIC (KEY = VALUE, ...)    events are written into the pipe
 *   # a comment, or nothing
 *
 * The options in parentheses may be left out. A word ends at a space, a quote, one of ( ) , = #, or
 * an arrow. A "quoted" word may hold any character; \" stands for a quote, \\ for a backslash.
 *
 *   key          of      value
 *   format       ->      raw (default): the line as it is; json: a line that is not JSON is refused
 *   batch_size   both    1 to 16777216 events
 *   name         <-      the consumer's name, which keeps its place
 *   from         <-      beginning (default), end
 */
#ifndef MOFKA_MPI_CTL_COMMANDS_FIFO_LANGUAGE_H
#define MOFKA_MPI_CTL_COMMANDS_FIFO_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/limits.h>

#define FIFO_PATH_BYTES_MAX 1023
#define FIFO_LINE_BYTES_MAX 4096

typedef enum fifo_verb { FIFO_NOTHING, FIFO_PRODUCE, FIFO_CONSUME } fifo_verb_t;

typedef struct fifo_command {
    fifo_verb_t verb;
    char path[FIFO_PATH_BYTES_MAX + 1];
    char topic[MOFKA_NAME_BYTES_MAX + 1];
    bool json, from_end;
    size_t batch_size;                   /* 0: adaptive */
    char name[MOFKA_NAME_BYTES_MAX + 1]; /* "": none */
} fifo_command_t;

typedef struct fifo_error {
    size_t column; /* in bytes, from 1 */
    char text[256];
} fifo_error_t;

/* Read one line, without its newline. False: `error` holds the place and the reason. */
bool fifo_parse(const char *line, size_t bytes, fifo_command_t *command, fifo_error_t *error);

#endif
