/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Metadata: an event's description, as text that is usually JSON.
 *
 * A handle is immutable and counted. Its text is kept as given; JSON is parsed (cJSON) when
 * something first asks for it. `retain` shares a handle, `copy` makes an independent one; to change
 * metadata, duplicate its JSON, edit that, and make a new handle of it.
 */
#ifndef MOFKA_METADATA_H
#define MOFKA_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;
/** An event's description, or any other JSON of this library. Immutable and counted. */
typedef struct mofka_metadata mofka_metadata_t;

/** Make metadata of JSON text (copied, not parsed yet). `text` NULL means "{}". Give: release.
 * MOFKA_ERR_TOO_LARGE above MOFKA_METADATA_BYTES_MAX. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create(const char *text, size_t bytes,
                                               mofka_metadata_t **metadata);

/** Make metadata that is a plain string, not JSON (copied). Its JSON is one string value.
 * Give: release. MOFKA_ERR_TOO_LARGE as above. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create_string(const char *text, size_t bytes,
                                                      mofka_metadata_t **metadata);

/** Make metadata of a cJSON tree, which is taken (on success only). Give: release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_create_json(struct cJSON *json,
                                                    mofka_metadata_t **metadata);

/** An independent handle with the same content. Give: release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_copy(const mofka_metadata_t *metadata,
                                             mofka_metadata_t **copy);

/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_metadata_t *mofka_metadata_retain(mofka_metadata_t *metadata);
/** Drop one user; NULL is ignored. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_metadata_release(mofka_metadata_t *metadata);

/** The text as stored or given, NUL-terminated; `*bytes` (optional) is its length. For metadata
 * made from a cJSON tree: its unformatted print. View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_metadata_text(const mofka_metadata_t *metadata, size_t *bytes);

/** The parsed JSON, parsed on first use. View: lives as long as the handle, must not be changed.
 * MOFKA_ERR_JSON with the offset of the fault; asking again fails again.
 * Threads: any (the first parse is guarded). MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_json(const mofka_metadata_t *metadata,
                                             const struct cJSON **json);

/** The string that the metadata is: plain text, or the value of a JSON string. View.
 * MOFKA_ERR_JSON when it is some other JSON. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_string(const mofka_metadata_t *metadata,
                                               const char **string);

/** True for metadata made by mofka_metadata_create_string. Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_metadata_is_string(const mofka_metadata_t *metadata);

/** Print as JSON, indented when `pretty`. Give: free(). MOFKA_ERR_JSON when it does not parse.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_metadata_dump(const mofka_metadata_t *metadata, bool pretty,
                                             char **text);

#ifdef __cplusplus
}
#endif
#endif
