/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Validators: accept or refuse the events of a topic. The types are:
 * - "default" accepts everything; with {"json": true} it accepts metadata that is JSON;
 * - "eventbridge" accepts metadata that matches an Amazon EventBridge event pattern, {"pattern":
 *   {…}}, or one of the Diaspora Streaming API, {"schema": {…}, "dialect": "original"};
 * - "schema" accepts metadata that is valid by a JSON Schema (draft 7), {"schema": {…}}. It is a
 *   library of its own, libmofka-schema, which is loaded by name.
 *
 * Each type's options are in src/types/README.md of the source tree.
 */
#ifndef MOFKA_VALIDATOR_H
#define MOFKA_VALIDATOR_H

#include <stddef.h>
#include <mofka/data_view.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a validator from JSON such as {"type":"default"}. NULL, and JSON without "type", mean the
 * default. A type "name:library.so" loads that library first. A name that is not registered loads
 * libmofka-NAME.so. Give: mofka_validator_release. MOFKA_ERR_NOT_FOUND: the type or the library is
 * unknown. MOFKA_ERR_JSON: not a JSON object. MOFKA_ERR_OPTION: the type does not know an option.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_validator_from_metadata(const char *json,
                                                       mofka_validator_t **validator);
/** Count one more user. Returns its argument, or NULL if that is not a validator.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_validator_t *mofka_validator_retain(const mofka_validator_t *validator);
/** Drop one user. An argument that is not a validator is ignored. The last release destroys the
 * validator.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_validator_release(mofka_validator_t *validator);
/** The JSON that it was made from, with its "type"; NULL if it was wrapped. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *mofka_validator_metadata(const mofka_validator_t *validator);
/** Check one event. `metadata` and `data` are borrowed. MOFKA_ERR_REFUSED: the event is refused.
 * MOFKA_ERR_JSON: its metadata is not JSON. Other errors: those of the type.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_validator_validate(const mofka_validator_t *validator,
                                                  const char *metadata, size_t metadata_bytes,
                                                  const mofka_data_view_t *data);

#ifdef __cplusplus
}
#endif
#endif
