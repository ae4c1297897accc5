/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl: what its commands share.
 *
 * main.c finds the command, args.c reads its options (option.c a value, groups.c and json.c those that
 * are JSON), job.c joins the job and leaves it. A command is one file and one row of the table in main.c: its options, a check
 * of what they say together, and what it does with the driver.
 *
 *   produce, fifo             lines.c (text into lines) -> intake.c (checks, counts)
 *   produce, fifo, forward    ... -> feed.c (pushes, and what became of them)
 *   consume, fifo, forward    drain.c (pulls, acknowledges) -> sink.c (lines out)
 *   top                       rates.c (statistics into rates) -> table.c (text) or JSON
 */
#ifndef MOFKA_MPI_CTL_H
#define MOFKA_MPI_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <mofka/mofka.h>
#include "mpi/ctl/options/option.h"

/* Exit codes. */
enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* Between two looks at whether the user interrupted. */
#define SLICE_MS 200
/* How long an interrupted command goes on to store what it has read. */
#define LAST_FLUSH_S 5.0
#define TIMEOUT_S_DEFAULT 30.0

/* ---- messages -------------------------------------------------------------------------------- */

/* A line on stderr, "mofkactl COMMAND: ...". False, for callers that end so. */
bool complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the library's last message behind it. */
bool complain_of(mofka_status_t status, const char *what);

/* ---- options --------------------------------------------------------------------------------- */

/* A JSON object that options build up: --NAME JSON|FILE merges all of one in, --NAME.KEY.KEY VALUE
 * sets one value; in the order given, the later one wins. Values stay as they were written. */
typedef struct group {
    char *text; /* NULL: nothing was given */
} group_t;

typedef struct command {
    const char *name; /* one or two words */
    const char *arguments;
    const char *summary;
    const char *notes; /* below the options in its help; NULL: none */
    const option_row_t *options;
    size_t option_count;
    /* What the words beside the options say. False: told. NULL: there must be none. */
    bool (*check)(int count, char **words);
    /* The exit code. */
    int (*run)(mofka_driver_t *driver);
} command_t;

/* Read the arguments behind the command's name. False: told. */
bool args_read(const command_t *command, int argc, char **argv);
void args_help(const command_t *command, FILE *out);
/* The one word that a command wants; `missing` is what it lacks without. False: told. */
bool args_one(int count, char **words, const char *what, const char *missing, const char **word);
/* "--NAME cannot be 'VALUE': ALLOWED". */
bool args_refuse(const char *name, const char *value, const char *allowed);

/* `path` NULL: all of the group, from JSON text or a file. False: told. */
bool group_set(group_t *group, const char *name, const char *path, const char *value);
void group_clear(group_t *group);
/* All of a file of at most that many bytes, with a NUL byte behind it. Give: free(). NULL: told. */
char *read_whole_file(const char *path, size_t bytes_max, size_t *bytes);

/* ---- the job --------------------------------------------------------------------------------- */

extern group_t driver_group;   /* --driver: of every command */
extern double close_timeout_s; /* --close-timeout, too */
int job_rank(void);
double now_s(void);
/* Let SIGINT and SIGTERM only set a flag; the second, a second later, ends the process. */
void job_watch_signals(void);
bool job_interrupted(void);
/* Seconds since then; 0 before. */
double job_interrupted_for(void);
/* Seconds to sleep, or until interrupted. */
void job_sleep(double seconds);
/* Collective over all ranks of the job. NULL: told. */
mofka_driver_t *job_open(void);
/* Whether all other ranks of the job have closed theirs; waits for that at most `seconds`, or until
 * interrupted. From the first call on, they need not wait for this rank; statistics can still be read
 * until the answer is true. */
bool job_is_over(mofka_driver_t *driver, double seconds);
/* Collective; waits for the other ranks as long as --close-timeout says, then ends the job. False: told. */
bool job_close(mofka_driver_t *driver);
/* The others wait for this rank: end them, too. */
void job_abort(int code) __attribute__((noreturn));
/* Waits until it exists, bounded. Give: release. NULL: told, or interrupted. */
mofka_topic_t *open_topic(mofka_driver_t *driver, const char *name, double timeout_s);

/* Options that create a topic: what --topic..., --validator... and the like gave. */
typedef struct topic_groups {
    group_t options, validator, selector, serializer;
} topic_groups_t;
mofka_status_t create_topic(mofka_driver_t *driver, const char *name, const topic_groups_t *groups);
void topic_groups_clear(topic_groups_t *groups);

/* ---- commands -------------------------------------------------------------------------------- */

extern const command_t topic_create_command, topic_list_command, topic_info_command,
    produce_command, consume_command, forward_command, fifo_command, top_command;

#endif
