/* SPDX-License-Identifier: BSD-3-Clause */
/* A library of one validator, one serializer and one selector. When it is loaded, it makes the file
 * that LIBRARY_TYPES_MARK names. */
#include <mofka/register.h>
#include <mofka/mofka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void library_leave_mark(void) {
    const char *path = getenv("LIBRARY_TYPES_MARK");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file)
        fclose(file);
}

static mofka_status_t library_validate(void *self, const char *metadata, size_t bytes,
                                       const mofka_data_view_t *data) {
    (void)self, (void)data;
    return bytes > 0 && metadata[0] == 'p' ? MOFKA_OK
                                           : mofka_fail(MOFKA_ERR_REFUSED, "no 'p' in front");
}

static const mofka_validator_ops_t validator_ops = {.size = sizeof validator_ops,
                                                    .validate = library_validate};

static mofka_status_t create_validator(const mofka_metadata_t *metadata,
                                       const mofka_validator_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &validator_ops;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_VALIDATOR(picky, create_validator);

static const mofka_serializer_ops_t serializer_ops = {.size = sizeof serializer_ops};

static mofka_status_t create_serializer(const mofka_metadata_t *metadata,
                                        const mofka_serializer_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &serializer_ops;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_SERIALIZER(plain, create_serializer);

static mofka_status_t library_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                             size_t count) {
    (void)self, (void)partitions, (void)count;
    return MOFKA_OK;
}

static mofka_status_t select_first(void *self, const char *metadata, size_t bytes, size_t requested,
                                   size_t *partition) {
    (void)self, (void)metadata, (void)bytes, (void)requested;
    *partition = 0;
    return MOFKA_OK;
}

static const mofka_partition_selector_ops_t selector_ops = {
    .size = sizeof selector_ops, .set_partitions = library_set_partitions, .select = select_first};

static mofka_status_t create_selector(const mofka_metadata_t *metadata,
                                      const mofka_partition_selector_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &selector_ops;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_PARTITION_SELECTOR(first, create_selector);
