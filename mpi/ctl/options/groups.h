/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options that are a JSON object, built up from several arguments.
 *
 * --NAME JSON|FILE merges a whole object in; --NAME.KEY.KEY VALUE sets one value. Arguments are
 * merged in the order given: the later one wins. Values keep their text.
 */
#ifndef MOFKA_MPI_CTL_OPTIONS_GROUPS_H
#define MOFKA_MPI_CTL_OPTIONS_GROUPS_H

#include <stdbool.h>

typedef struct option_group {
    char *text; /* the object; NULL: nothing was given */
} option_group_t;

/* Set the value at `path`, KEY.KEY; with `path` NULL, merge in a whole object, from JSON text or a
 * file. `name` is the option's, for messages. False: a message was printed, and the group is as it
 * was. */
bool option_group_set(option_group_t *group, const char *name, const char *path, const char *value);

/* Free the text. */
void option_group_clear(option_group_t *group);

#endif
