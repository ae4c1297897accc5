/* The serializer type "cbor". */
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <stdlib.h>
#include "cbor_text.h"

static mofka_status_t serialize(void *self, const mofka_archive_t *archive, const char *metadata,
                                size_t metadata_bytes) {
    (void)self;
    mfi_tape_t tape;
    mfi_bytes_t out;
    mfi_bytes_init(&out);
    mofka_status_t status = mfi_tape_parse(&tape, metadata, metadata_bytes);
    if (!status) {
        mfi_cbor_write(&out, &tape, 0);
        status = out.status;
    }
    if (!status)
        status = archive->write(archive->context, out.data, out.used);
    mfi_bytes_free(&out);
    mfi_tape_free(&tape);
    return status;
}

static mofka_status_t deserialize(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                  mofka_metadata_t **metadata) {
    (void)self;
    mfi_bytes_t stored, text;
    mfi_reader_t reader;
    mfi_bytes_init(&stored);
    mfi_bytes_init(&text);
    mofka_status_t status = mfi_read_stored(archive, stored_bytes, &stored, &reader);
    if (!status)
        status = mfi_cbor_read(&text, &reader, 0, false);
    if (!status && reader.at < reader.size)
        status = mfi_reader_corrupt(&reader, "something after the item");
    status = mfi_make_metadata(status, &text, metadata);
    mfi_bytes_free(&stored);
    mfi_bytes_free(&text);
    return status;
}

static mofka_status_t create(const mofka_metadata_t *metadata, const mofka_serializer_ops_t **ops,
                             void **self) {
    static const mofka_serializer_ops_t table = {
        .size = sizeof table, .serialize = serialize, .deserialize = deserialize};
    char *type = NULL;
    const mofka_option_t options[] = {{.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type}};
    mofka_status_t status =
        mofka_options_read("cbor serializer", mofka_metadata_text(metadata, NULL), options, 1);
    free(type);
    *ops = &table;
    *self = NULL;
    return status;
}
MOFKA_REGISTER_SERIALIZER(cbor, create);
