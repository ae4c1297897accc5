/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of driver, validator, serializer and partition selector types, and how to make them. */
#ifndef MOFKA_SRC_REGISTRY_H
#define MOFKA_SRC_REGISTRY_H

#include <mofka/metadata.h>

typedef enum mfi_registry_kind {
    MFI_REGISTRY_DRIVER,
    MFI_REGISTRY_VALIDATOR,
    MFI_REGISTRY_SERIALIZER,
    MFI_REGISTRY_SELECTOR,
    MFI_REGISTRY_KINDS
} mfi_registry_kind_t;

typedef void (*mfi_function_t)(void);

mofka_status_t mfi_register(mfi_registry_kind_t kind, const char *type, mfi_function_t create);
/* Find `type`, loading "name:library.so" or libmofka-NAME.so first where needed. */
mofka_status_t mfi_registry_find(mfi_registry_kind_t kind, const char *type,
                                 mfi_function_t *create);

/* For {"type": ...} objects: parse `json` (NULL: {}), fill in the default type, find its function.
 * Give *metadata: release. */
mofka_status_t mfi_registry_from_json(mfi_registry_kind_t kind, const char *json,
                                      mofka_metadata_t **metadata, mfi_function_t *create);

#endif
