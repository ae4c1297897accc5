/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Metadata: an event's description, as text that is usually JSON.
 *
 * A handle is immutable. It keeps its text as given. The JSON is parsed by cJSON when it is first
 * needed. `retain` shares a handle; `copy` makes an independent one. To change metadata, duplicate
 * its JSON, edit the duplicate, and make a new handle from it.
 *
 * A handle also has a place for one pointer of the user, for what the user made of the text. An
 * event's data selector, its allocator and its receiver see the same handle: what the first of them
 * sets, the others find, and need not parse again.
 */
#ifndef MOFKA_METADATA_H
#define MOFKA_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

/** Make metadata from JSON text, which is copied and not yet parsed. A NULL `text` means "{}".
 * Give: mofka_metadata_release. MOFKA_ERR_TOO_LARGE: more than MOFKA_METADATA_BYTES_MAX bytes.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create(const char *text, size_t bytes,
                                               mofka_metadata_t **metadata);

/** Make metadata from a plain string (copied). Its JSON is one string value. Give:
 * mofka_metadata_release. MOFKA_ERR_TOO_LARGE: as mofka_metadata_create.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create_string(const char *text, size_t bytes,
                                                      mofka_metadata_t **metadata);

/** Make metadata from a cJSON tree (take). Give: mofka_metadata_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create_json(struct cJSON *json,
                                                    mofka_metadata_t **metadata);

/** Make an independent handle with the same content. Give: mofka_metadata_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_copy(const mofka_metadata_t *metadata,
                                             mofka_metadata_t **copy);

/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_metadata_t *mofka_metadata_retain(const mofka_metadata_t *metadata);
/** Drop one user; NULL is ignored. The last release frees the user's pointer.
 * Threads: any. MPI: none. Blocks: no. Calls back: the free callback of mofka_metadata_set_user, in
 * the last releasing thread. */
MOFKA_API void mofka_metadata_release(mofka_metadata_t *metadata);

/** The text as stored or given, NUL-terminated; `*bytes` (optional) is its length. For metadata
 * made from a cJSON tree, this is the unformatted JSON. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_metadata_text(const mofka_metadata_t *metadata, size_t *bytes);

/** The JSON, parsed on first use. View, while the handle lives; it must not be changed.
 * MOFKA_ERR_JSON: the text is not JSON; the message names the offset. Every later call fails as
 * well.
 * Threads: any; a lock guards the first parse. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_json(const mofka_metadata_t *metadata,
                                             const struct cJSON **json);

/** The string: the plain text, or the value of a JSON string. View. MOFKA_ERR_JSON: the metadata is
 * JSON of another type.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_string(const mofka_metadata_t *metadata,
                                               const char **string);

/** True if mofka_metadata_create_string made it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_metadata_is_string(const mofka_metadata_t *metadata);

/** Print as JSON, indented if `pretty`. Give: free(). MOFKA_ERR_JSON: the text is not JSON.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_dump(const mofka_metadata_t *metadata, bool pretty,
                                             char **text);

/** Frees a user's pointer. */
typedef void (*mofka_user_free_fn)(void *user);

/** Set the user's pointer (take), once. The last release of `metadata` calls `free_fn(user)`,
 * unless `free_fn` is NULL. A copy does not have the pointer. MOFKA_ERR_EXISTS: a pointer is set
 * already. MOFKA_ERR_INVALID: `user` is NULL, or the handle is invalid. After an error `user` stays
 * the caller's.
 * Threads: any; one of several wins. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_set_user(const mofka_metadata_t *metadata, void *user,
                                                 mofka_user_free_fn free_fn);
/** The user's pointer; NULL if none is set. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void *mofka_metadata_user(const mofka_metadata_t *metadata);

#ifdef __cplusplus
}
#endif
#endif
