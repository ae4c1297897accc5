/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializer type "cbor", which stores metadata as CBOR: {"type": "cbor"}. */
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <stdlib.h>
#include "plugins/cbor/cbor_text.h"

static void cbor_write_tokens(const void *self, mfi_bytes_t *out, const mfi_tape_t *tape) {
    (void)self;
    mfi_cbor_write(out, tape, 0);
}

static mofka_status_t cbor_store(void *self, const mofka_archive_t *archive, const char *metadata,
                                 size_t metadata_bytes) {
    return mfi_archive_store(cbor_write_tokens, self, archive, metadata, metadata_bytes);
}

static mofka_status_t cbor_read_text(void *self, mfi_bytes_t *text, mfi_reader_t *reader) {
    (void)self;
    return mfi_cbor_read(text, reader, 0, false);
}

static mofka_status_t cbor_restore(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                   mofka_metadata_t **metadata) {
    return mfi_archive_restore(cbor_read_text, self, archive, stored_bytes, metadata);
}

static const mofka_serializer_ops_t cbor_ops = {
    .size = sizeof cbor_ops, .serialize = cbor_store, .deserialize = cbor_restore};

static mofka_status_t cbor_create(const mofka_metadata_t *metadata,
                                  const mofka_serializer_ops_t **ops, void **self) {
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("cbor serializer", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    *ops = &cbor_ops;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_SERIALIZER(cbor, cbor_create);
