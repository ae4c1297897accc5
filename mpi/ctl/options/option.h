/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A row describes an option: its name, its kind and bounds, and where its value is kept. args.c
 * reads the rows of a command; options/fifo_language.c those of the fifo language.
 */
#ifndef MOFKA_MPI_CTL_OPTIONS_OPTION_H
#define MOFKA_MPI_CTL_OPTIONS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_COUNT,   /* uint64_t in [min, max] */
    OPTION_REAL,    /* double in [min, max] */
    OPTION_SECONDS, /* double from 0; "inf" means no limit */
    OPTION_CHOICE,  /* int, index into `choices` */
    OPTION_GROUP,   /* option_group_t, whole or by key */
    OPTION_KEYS     /* option_group_t, by key only: --NAME is another option */
} option_kind_t;

typedef struct option_row {
    const char *name;
    option_kind_t kind;
    void *value;
    const char *argument; /* as the help shows it; NULL for flags */
    const char *help;
    double min, max; /* of COUNT and REAL; a max of 0 means no bound */
    const char *const *choices;
} option_row_t;

/* Room for the text that names the allowed values. */
#define OPTION_ALLOWED_BYTES 256

/* Set the value of a TEXT (which keeps `text`), COUNT, REAL, SECONDS or CHOICE. False: the value is
 * unchanged, and `allowed` names the allowed values, such as "a whole number from 1 to 8". */
bool option_row_set(const option_row_t *row, const char *text, char allowed[OPTION_ALLOWED_BYTES]);

#endif
