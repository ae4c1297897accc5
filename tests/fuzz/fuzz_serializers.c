/*
 * The serializers of the plug-ins. The input's first byte chooses one, and what the rest is: stored
 * bytes, or an event's text. What can be read or stored at all comes back the same the second time.
 * Linked against the shared libmofka, since the plug-ins are.
 */
#include <mofka/mofka.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const configs[] = {
    "{\"type\":\"cbor\"}",
    "{\"type\":\"schema\",\"schema\":{\"required\":[\"a\",\"b\"],\"properties\":{\"a\":{\"type\":"
    "\"integer\"},\"b\":{\"type\":\"string\"},\"c\":{\"type\":\"number\"},\"d\":{\"enum\":[\"x\","
    "null,"
    "1.5,true]},\"e\":{\"items\":{\"$ref\":\"#\"}},\"f\":{},\"g\":{\"type\":\"boolean\"}}}}",
    "{\"type\":\"zstd\",\"level\":1}",
    "{\"type\":\"zstd\",\"dictionary\":\"eyJhIjoxLCJiIjoiIn0=\"}",
};
#define CONFIGS (sizeof configs / sizeof *configs)

typedef struct archive {
    char *bytes;
    size_t used, at;
} archive_t;

static mofka_status_t write_bytes(void *context, const void *bytes, size_t size) {
    archive_t *archive = context;
    archive->bytes = realloc(archive->bytes, archive->used + size + 1);
    if (!archive->bytes)
        abort();
    memcpy(archive->bytes + archive->used, bytes, size);
    archive->used += size;
    return MOFKA_OK;
}

static mofka_status_t read_bytes(void *context, void *bytes, size_t size) {
    archive_t *archive = context;
    if (size > archive->used - archive->at)
        return MOFKA_ERR_CORRUPT;
    if (size > 0)
        memcpy(bytes, archive->bytes + archive->at, size);
    archive->at += size;
    return MOFKA_OK;
}

/* The text that comes back; NULL where it is refused. */
static mofka_metadata_t *through(const mofka_serializer_t *serializer, const char *text,
                                 size_t bytes) {
    archive_t stored = {0};
    mofka_archive_t archive = {.context = &stored, .read = read_bytes, .write = write_bytes};
    mofka_metadata_t *metadata = NULL;
    if (!mofka_serializer_serialize(serializer, &archive, text, bytes) &&
        mofka_serializer_deserialize(serializer, &archive, stored.used, &metadata))
        abort();
    free(stored.bytes);
    return metadata;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mofka_serializer_t *serializers[CONFIGS];
    if (size == 0)
        return 0;
    size_t index = data[0] % CONFIGS;
    bool is_stored = data[0] / CONFIGS % 2 == 0;
    if (!serializers[index] && mofka_serializer_from_metadata(configs[index], &serializers[index]))
        abort();
    mofka_metadata_t *first = NULL;
    archive_t stored = {.bytes = (char *)(uintptr_t)(data + 1), .used = size - 1};
    mofka_archive_t archive = {.context = &stored, .read = read_bytes};
    if (!is_stored)
        first = through(serializers[index], (const char *)data + 1, size - 1);
    else if (mofka_serializer_deserialize(serializers[index], &archive, size - 1, &first))
        first = NULL;
    if (!first)
        return 0;
    size_t first_bytes, second_bytes;
    const char *first_text = mofka_metadata_text(first, &first_bytes);
    mofka_metadata_t *second = through(serializers[index], first_text, first_bytes);
    if (!second)
        abort();
    const char *second_text = mofka_metadata_text(second, &second_bytes);
    if (first_bytes != second_bytes || memcmp(first_text, second_text, first_bytes) != 0)
        abort();
    mofka_metadata_release(first);
    mofka_metadata_release(second);
    return 0;
}
