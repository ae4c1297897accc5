/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: a row says how one is called, what it may be and where its value goes. The rows of a command
 * are read by args.c, those of the fifo language by fifo_language.c.
 */
#ifndef MOFKA_MPI_CTL_OPTION_H
#define MOFKA_MPI_CTL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_COUNT,   /* uint64_t in [min, max] */
    OPTION_REAL,    /* double in [min, max] */
    OPTION_SECONDS, /* double from 0; "inf": for ever */
    OPTION_CHOICE,  /* int, index into `choices` */
    OPTION_GROUP,   /* group_t, whole and by key */
    OPTION_KEYS     /* group_t, by key only: --NAME is another option */
} option_kind_t;

typedef struct option_row {
    const char *name;
    option_kind_t kind;
    void *value;
    const char *argument; /* as the help shows it; NULL for flags */
    const char *help;
    double min, max; /* COUNT, REAL; max 0: no bound */
    const char *const *choices;
} option_row_t;

/* What an error says that is allowed. */
#define OPTION_ALLOWED_BYTES 256

/* Set the value of a TEXT (which keeps `text`), COUNT, REAL, SECONDS or CHOICE. False: it is not changed,
 * and `allowed` says what it may be: "a whole number from 1 to 8". */
bool option_row_set(const option_row_t *row, const char *text, char allowed[OPTION_ALLOWED_BYTES]);

#endif
