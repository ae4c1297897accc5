/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serializers of the plug-ins. The input's first byte chooses one, and what the rest is: stored
 * bytes, or an event's text. What can be read or stored at all comes back the same the second time.
 * Linked against the shared libmofka, since the plug-ins are.
 */
#include <mofka/mofka.h>
#include "archive.h"

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
        first = archive_round_trip(serializers[index], (const char *)data + 1, size - 1);
    else if (mofka_serializer_deserialize(serializers[index], &archive, size - 1, &first))
        first = NULL;
    if (!first)
        return 0;
    archive_check_second_trip(serializers[index], first);
    return 0;
}
