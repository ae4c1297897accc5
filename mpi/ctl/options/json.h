/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON of options, as text: nothing goes through a tree, so that each value stays as it was written,
 * with all digits of its numbers.
 *
 * Texts here end in a NUL byte. Those that json_check accepted may go to the other functions.
 */
#ifndef MOFKA_MPI_CTL_JSON_H
#define MOFKA_MPI_CTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <mofka/status.h>

/* One JSON value (as src/json_text.h reads it), in which no object has a key twice. MOFKA_ERR_JSON,
 * MOFKA_ERR_MEMORY; `what` begins the message. */
mofka_status_t ctl_json_check(const char *what, const char *text, size_t bytes);

/* The text is JSON; keys may be there twice. */
bool ctl_json_is_valid(const char *text);
bool ctl_json_is_object(const char *text);
/* An object's member as text. Give: free(). NULL: it has none, or there is no memory. */
char *ctl_json_member(const char *object, const char *key);
/* The object without that member. Give: free(). NULL: no memory. */
char *ctl_json_without(const char *object, const char *key);
/* What a JSON string says, up to its first zero byte. Give: free(). NULL: it is no string, or there is
 * no memory. */
char *ctl_json_string(const char *text);
/* `text` as a JSON string; what is no UTF-8 stays so. */
void ctl_json_put_string(FILE *out, const char *text, size_t bytes);

/* `from` merged into `into`, both objects: members of objects in both are merged, what else is in both
 * is `from`'s. With `levels`, only so many levels are merged, and below that `from`'s values replace
 * (0: no limit); a value in the way, of which `from` has members, is refused. Give: free(). NULL: a
 * message is there. */
char *ctl_json_merge(const char *into, const char *from, size_t levels);

#endif
