/* SPDX-License-Identifier: BSD-3-Clause */
/* A command, and reading its arguments. */
#ifndef MOFKA_MPI_CTL_OPTIONS_ARGS_H
#define MOFKA_MPI_CTL_OPTIONS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <mofka/driver.h>
#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/option.h"

typedef struct ctl_command {
    const char *name;      /* one or two words */
    const char *arguments; /* the words beside the options, as the help shows them; NULL: none */
    const char *summary;
    const char *notes; /* text below the options in the help; NULL: none */
    const option_row_t *options;
    size_t option_count;
    /* Check the options together, and the words beside them. False: a message was printed. NULL:
     * nothing to check. */
    bool (*check)(int count, char **words);
    /* Run the command. The answer is the exit code. */
    int (*run)(mofka_driver_t *driver);
    bool alone; /* it needs no driver, and gets NULL */
} ctl_command_t;

/* The options of every command. */
typedef struct args_common {
    option_group_t driver;  /* --driver */
    const char *store;      /* --store; NULL: the job's topics */
    bool makes_store;       /* the command makes the store if it is missing */
    double close_timeout_s; /* --close-timeout */
} args_common_t;

extern args_common_t args_common;

/* Read the arguments behind the command's name. False: a message was printed. */
bool args_read(const ctl_command_t *command, int argc, char **argv);

/* Print the command's help. */
void args_print_help(const ctl_command_t *command, FILE *out);

/* Take the one word that a command needs. `what` names it; `missing` names it in the message when
 * no word was given. False: a message was printed. */
bool args_take_word(int count, char **words, const char *what, const char *missing,
                    const char **word);

/* The command's --timeout, if it waits for other processes: `given`, or else, if that is negative,
 * 30 s in a job. What is in a store is there at once. */
double args_timeout_s(double given);

/* Print "--NAME cannot be 'VALUE': it is ALLOWED". */
void args_complain_of_value(const char *name, const char *value, const char *allowed);

#endif
