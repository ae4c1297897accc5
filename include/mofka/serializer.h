/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Serializers: how a topic's metadata becomes bytes and comes back. The type "default" stores the
 * text as it is, without a copy of its own.
 */
#ifndef MOFKA_SERIALIZER_H
#define MOFKA_SERIALIZER_H

#include <mofka/data.h>
#include <mofka/metadata.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A serializer of a topic. Immutable and counted. */
typedef struct mofka_serializer mofka_serializer_t;

/** What a serializer type fills in. With both callbacks NULL, metadata is stored as it is. */
typedef struct mofka_serializer_ops {
    size_t size; /**< sizeof(mofka_serializer_ops_t) of its build */
    /** Write the metadata text through `archive->write`. */
    mofka_status_t (*serialize)(void *self, const mofka_archive_t *archive, const char *metadata,
                                size_t metadata_bytes);
    /** Read `stored_bytes` bytes through `archive->read`; give new metadata. */
    mofka_status_t (*deserialize)(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                  mofka_metadata_t **metadata);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
} mofka_serializer_ops_t;

/** Make a serializer of its JSON (an object with "type"; borrow). Give `*ops` (static), `*self`. */
typedef mofka_status_t (*mofka_serializer_create_fn)(const mofka_metadata_t *metadata,
                                                     const mofka_serializer_ops_t **ops,
                                                     void **self);

/** Make a serializer from JSON such as {"type":"default"}; NULL, or no "type": the default. A type
 * "name:library.so" loads that library first, a bare unknown name tries lib<name>.so. Give:
 * release. MOFKA_ERR_NOT_FOUND: unknown type or library. MOFKA_ERR_JSON: not a JSON object.
 * MOFKA_ERR_OPTION: what the type does not know. Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_from_metadata(const char *json,
                                                        mofka_serializer_t **serializer);
/** Count one more user; returns its argument, or NULL where that is no serializer.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_serializer_t *mofka_serializer_retain(mofka_serializer_t *serializer);
/** Drop one user; what is no serializer is ignored. The last one destroys it.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_serializer_release(mofka_serializer_t *serializer);
/** The JSON it was made from, with its "type". View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *mofka_serializer_metadata(const mofka_serializer_t *serializer);
/** True when metadata is stored as it is. Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_serializer_is_identity(const mofka_serializer_t *serializer);
/** Write metadata (borrow) through `archive->write`, in as many pieces as the type likes. An error
 * is the type's or the archive's; part may be written, then.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_serialize(const mofka_serializer_t *serializer,
                                                    const mofka_archive_t *archive,
                                                    const char *metadata, size_t metadata_bytes);
/** Make metadata of the `stored_bytes` bytes that serialize wrote, read through `archive->read`.
 * Give: mofka_metadata_release. An error is the type's or the archive's.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_serializer_deserialize(const mofka_serializer_t *serializer,
                                                      const mofka_archive_t *archive,
                                                      size_t stored_bytes,
                                                      mofka_metadata_t **metadata);

/** Register a serializer type. MOFKA_ERR_EXISTS. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_serializer_register(const char *type,
                                                   mofka_serializer_create_fn create);

#ifdef __cplusplus
}
#endif
#endif
