/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Registering types of drivers, validators, serializers and partition selectors. For authors of
 * types; mofka.h does not include it.
 *
 * A type is registered by a call, or when the program or the library is loaded, by a macro. A
 * library named libmofka-NAME.so is found by the type name NAME.
 *
 * What a process names in its own options may be of any library: "name:library.so" is a path, or a
 * name that the loader knows. A bare name is looked for in the plug-in folders, beside libmofka,
 * and where the loader looks. The plug-in folders are those of MOFKA_PLUGIN_PATH (absolute,
 * separated by colons); by default, the one that holds libmofka.
 *
 * What a process reads from a topic's record was written by another one. A type that is not
 * registered is loaded from the plug-in folders only: "name:/a/library.so" by its file name,
 * library.so. So a topic with a type of your own library is opened by processes that do one of
 * these before: register the type (link it, or call the function below), make any object of it by
 * its path, or have the library's folder in MOFKA_PLUGIN_PATH.
 */
#ifndef MOFKA_REGISTER_H
#define MOFKA_REGISTER_H

#include <mofka/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Makes a driver from options: a JSON object, or NULL. Give `*driver`, which mofka_driver_wrap
 * makes. A driver of several processes makes the handle before its last agreement: a process may
 * lack memory for it. */
typedef mofka_status_t (*mofka_driver_create_fn)(const char *options, mofka_driver_t **driver);
/** Makes a validator from its JSON (borrow), an object with "type". Give `*ops` (static) and
 * `*self`. */
typedef mofka_status_t (*mofka_validator_create_fn)(const mofka_metadata_t *metadata,
                                                    const mofka_validator_ops_t **ops, void **self);
/** Makes a serializer from its JSON (borrow), an object with "type". Give `*ops` (static) and
 * `*self`. */
typedef mofka_status_t (*mofka_serializer_create_fn)(const mofka_metadata_t *metadata,
                                                     const mofka_serializer_ops_t **ops,
                                                     void **self);
/** Makes a partition selector from its JSON (borrow), an object with "type". Give `*ops` (static)
 * and `*self`. */
typedef mofka_status_t (*mofka_partition_selector_create_fn)(
    const mofka_metadata_t *metadata, const mofka_partition_selector_ops_t **ops, void **self);

/** Register a driver type. MOFKA_ERR_EXISTS: the name is taken. MOFKA_ERR_FULL: too many types.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_register(const char *type, mofka_driver_create_fn create);
/** Register a validator type. Errors: as mofka_driver_register.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_validator_register(const char *type,
                                                  mofka_validator_create_fn create);
/** Register a serializer type. Errors: as mofka_driver_register.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_serializer_register(const char *type,
                                                   mofka_serializer_create_fn create);
/** Register a partition selector type. Errors: as mofka_driver_register.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t
mofka_partition_selector_register(const char *type, mofka_partition_selector_create_fn create);

/** Used by the macros below: register `type`, an identifier, when the program or library that
 * contains this line is loaded. A failure is logged. */
#define MOFKA_REGISTER_AT_LOAD(kind, type, create)                                                 \
    __attribute__((constructor)) static void mofka_register_##kind##_##type(void) {                \
        mofka_registered(#kind, #type, mofka_##kind##_register(#type, create));                    \
    }                                                                                              \
    struct mofka_register_semicolon
/** Register a driver type at load time. `create` is a mofka_driver_create_fn. */
#define MOFKA_REGISTER_DRIVER(type, create) MOFKA_REGISTER_AT_LOAD(driver, type, create)
/** Register a validator type at load time. `create` is a mofka_validator_create_fn. */
#define MOFKA_REGISTER_VALIDATOR(type, create) MOFKA_REGISTER_AT_LOAD(validator, type, create)
/** Register a serializer type at load time. `create` is a mofka_serializer_create_fn. */
#define MOFKA_REGISTER_SERIALIZER(type, create) MOFKA_REGISTER_AT_LOAD(serializer, type, create)
/** Register a selector type at load time. `create` is a mofka_partition_selector_create_fn. */
#define MOFKA_REGISTER_PARTITION_SELECTOR(type, create)                                            \
    MOFKA_REGISTER_AT_LOAD(partition_selector, type, create)
/** Used by the macros: logs a failed registration.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_registered(const char *kind, const char *type, mofka_status_t status);

#ifdef __cplusplus
}
#endif
#endif
