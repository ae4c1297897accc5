/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Serializers: turn the metadata of a topic into bytes and back. The types are:
 * - "default" stores the text as it is, without an extra copy;
 * - "cbor" stores JSON as CBOR (RFC 8949);
 * - "schema" stores JSON of a known schema without its keys, {"schema": {…}};
 * - "zstd" compresses the text, also with a dictionary.
 *
 * All but "default" are libraries of their own, libmofka-NAME, which are loaded by name. Each
 * type's options are in src/types/README.md of the source tree.
 */
#ifndef MOFKA_SERIALIZER_H
#define MOFKA_SERIALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/archive.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a serializer from JSON such as {"type":"default"}. NULL, and JSON without "type", mean the
 * default. A type "name:library.so" loads that library first. A name that is not registered loads
 * libmofka-NAME.so. Give: mofka_serializer_release. MOFKA_ERR_NOT_FOUND: the type or the library is
 * unknown. MOFKA_ERR_JSON: not a JSON object. MOFKA_ERR_OPTION: the type does not know an option.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_from_metadata(const char *json,
                                                        mofka_serializer_t **serializer);
/** Count one more user. Returns its argument, or NULL if that is not a serializer.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_serializer_t *mofka_serializer_retain(const mofka_serializer_t *serializer);
/** Drop one user. An argument that is not a serializer is ignored. The last release destroys the
 * serializer.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_serializer_release(mofka_serializer_t *serializer);
/** The JSON that it was made from, with its "type"; NULL if it was wrapped. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *mofka_serializer_metadata(const mofka_serializer_t *serializer);
/** True if metadata is stored as it is.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_serializer_is_identity(const mofka_serializer_t *serializer);
/** Write metadata (borrow) through `archive->write`, in any number of pieces. Errors: those of the
 * type and of the archive; a part may then be written.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_serialize(const mofka_serializer_t *serializer,
                                                    const mofka_archive_t *archive,
                                                    const char *metadata, size_t metadata_bytes);
/** Make metadata from the `stored_bytes` bytes that mofka_serializer_serialize wrote, read through
 * `archive->read`. Give: mofka_metadata_release. Errors: those of the type and of the archive.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_deserialize(const mofka_serializer_t *serializer,
                                                      const mofka_archive_t *archive,
                                                      size_t stored_bytes,
                                                      mofka_metadata_t **metadata);

#ifdef __cplusplus
}
#endif
#endif
