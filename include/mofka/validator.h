/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Validators: what a topic's events must be like. The type "default" accepts any metadata that
 * parses as JSON when made with {"json": true}, and anything at all otherwise. The type "eventbridge"
 * accepts what matches an Amazon EventBridge event pattern, {"pattern": {...}}; README.md has the
 * language.
 */
#ifndef MOFKA_VALIDATOR_H
#define MOFKA_VALIDATOR_H

#include <mofka/data.h>
#include <mofka/metadata.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A validator of a topic. Immutable and counted. */
typedef struct mofka_validator mofka_validator_t;

/** What a validator type fills in. */
typedef struct mofka_validator_ops {
    size_t size; /**< sizeof(mofka_validator_ops_t) of its build */
    /** Optional: accept (MOFKA_OK) or refuse (mofka_fail(MOFKA_ERR_REFUSED, why)). Metadata and
     * data are borrowed; `data` may be NULL. Missing: everything is accepted, at no cost per event.
     */
    mofka_status_t (*validate)(void *self, const char *metadata, size_t metadata_bytes,
                               const mofka_data_view_t *data);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
} mofka_validator_ops_t;

/** Make a validator of its JSON (an object with "type"; borrow). Give `*ops` (static) and `*self`.
 */
typedef mofka_status_t (*mofka_validator_create_fn)(const mofka_metadata_t *metadata,
                                                    const mofka_validator_ops_t **ops, void **self);

/** Make a validator from JSON such as {"type":"default"}; NULL, or no "type": the default. A type
 * "name:library.so" loads that library first, a bare unknown name tries lib<name>.so. Give:
 * release. MOFKA_ERR_NOT_FOUND: unknown type or library. MOFKA_ERR_JSON: not a JSON object.
 * MOFKA_ERR_OPTION: what the type does not know. Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_validator_from_metadata(const char *json,
                                                       mofka_validator_t **validator);
/** Count one more user; returns its argument, or NULL where that is no validator.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_validator_t *mofka_validator_retain(mofka_validator_t *validator);
/** Drop one user; what is no validator is ignored. The last one destroys it.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_validator_release(mofka_validator_t *validator);
/** The JSON it was made from, with its "type". View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *mofka_validator_metadata(const mofka_validator_t *validator);
/** Ask it about one event: metadata and data are borrowed. MOFKA_ERR_REFUSED, MOFKA_ERR_JSON, or
 * what the type answers. Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_validator_validate(const mofka_validator_t *validator,
                                                  const char *metadata, size_t metadata_bytes,
                                                  const mofka_data_view_t *data);

/** Register a validator type. MOFKA_ERR_EXISTS. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_validator_register(const char *type,
                                                  mofka_validator_create_fn create);

#ifdef __cplusplus
}
#endif
#endif
