/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: types of drivers, validators, serializers and partition selectors by name. */
#ifndef MOFKA_SRC_TYPES_REGISTRY_H
#define MOFKA_SRC_TYPES_REGISTRY_H

#include <mofka/metadata.h>
#include "types/plugin.h"

typedef enum mfi_registry_kind {
    MFI_REGISTRY_DRIVER,
    MFI_REGISTRY_VALIDATOR,
    MFI_REGISTRY_SERIALIZER,
    MFI_REGISTRY_SELECTOR,
    MFI_REGISTRY_KINDS
} mfi_registry_kind_t;

typedef void (*mfi_function_t)(void);

/* Add a type, whose objects `create` makes. MOFKA_ERR_INVALID: the name is empty, too long or has a
 * colon, or `create` is NULL. MOFKA_ERR_EXISTS: the kind has such a type. MOFKA_ERR_FULL. */
mofka_status_t mfi_registry_add(mfi_registry_kind_t kind, const char *type, mfi_function_t create);
/* Find the function of `type`. If the type is not registered, load a library first:
 * "name:library.so" names it, for a bare name it is libmofka-NAME.so. `by` decides where it may
 * come from, see plugin.h. MOFKA_ERR_NOT_FOUND. */
mofka_status_t mfi_registry_find(mfi_registry_kind_t kind, const char *type, mfi_named_by_t by,
                                 mfi_function_t *create);

/* Parse an object such as {"type": "default"} and find the function of its type. `json` may be
 * NULL, which means {}; without "type" it is "default". Give *metadata: mofka_metadata_release. */
mofka_status_t mfi_registry_from_json(mfi_registry_kind_t kind, const char *json, mfi_named_by_t by,
                                      mofka_metadata_t **metadata, mfi_function_t *create);

#endif
