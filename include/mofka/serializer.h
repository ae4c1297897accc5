/**
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

/** As mofka_validator_from_metadata. Give: release. */
MOFKA_API mofka_status_t mofka_serializer_from_metadata(const char *json,
                                                        mofka_serializer_t **serializer);
MOFKA_API mofka_serializer_t *mofka_serializer_retain(mofka_serializer_t *serializer);
MOFKA_API void mofka_serializer_release(mofka_serializer_t *serializer);
/** The JSON it was made from, with its "type". View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *mofka_serializer_metadata(const mofka_serializer_t *serializer);
/** True when metadata is stored as it is. Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_serializer_is_identity(const mofka_serializer_t *serializer);
MOFKA_API mofka_status_t mofka_serializer_serialize(const mofka_serializer_t *serializer,
                                                    const mofka_archive_t *archive,
                                                    const char *metadata, size_t metadata_bytes);
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
