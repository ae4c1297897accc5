/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON of options, as text. There is no tree, so each value keeps its text, with all digits of its
 * numbers.
 *
 * Texts end in a NUL byte. ctl_json_check must have accepted a text before the other functions read
 * it.
 */
#ifndef MOFKA_MPI_CTL_OPTIONS_JSON_H
#define MOFKA_MPI_CTL_OPTIONS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <mofka/status.h>

/* Check that the text is one JSON value in which no object has a key twice. `what` begins the
 * message. MOFKA_ERR_JSON, MOFKA_ERR_MEMORY. */
mofka_status_t ctl_json_check(const char *what, const char *text, size_t bytes);

/* Whether the text is JSON. Keys may occur twice. */
bool ctl_json_is_valid(const char *text);
bool ctl_json_is_object(const char *text);
/* Give an object's member as text: free(). NULL: the object has no such member, or there is no
 * memory. */
char *ctl_json_member(const char *object, const char *key);
/* Give the object without that member: free(). NULL: no memory. */
char *ctl_json_without(const char *object, const char *key);
/* Give the value of a JSON string, up to its first zero byte: free(). NULL: the text is not a
 * string, or there is no memory. */
char *ctl_json_string(const char *text);
/* Write `text` as a JSON string. Bytes that are not UTF-8 stay as they are. */
void ctl_json_put_string(FILE *out, const char *text, size_t bytes);

/* Whether two texts are the same value: the members of objects may be in another order. Numbers are
 * compared as they are written. */
bool ctl_json_is_same(const char *a, const char *b);
/* Whether each member of the object `part` is also one of the object `whole`, with the same value.
 */
bool ctl_json_has_members(const char *whole, const char *part);

/* Merge the object `from` into the object `into`. Members that are objects in both are merged; any
 * other member of both is that of `from`. With `levels`, only so many levels are merged, and a
 * value in `into` that has no keys is refused where `from` has keys for it; 0 means all levels.
 * Give: free(). NULL: mofka_last_error() gives the reason. */
char *ctl_json_merge(const char *into, const char *from, size_t levels);

#endif
