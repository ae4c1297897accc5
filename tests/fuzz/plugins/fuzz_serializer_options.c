/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configurations of the serializers of the plug-ins: a letter for the type and the rest of its
 * configuration in the first line, an event in the rest. What can be made gives back what it
 * stores. Linked against the shared libmofka, since the plug-ins are.
 */
#include <mofka/mofka.h>
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char letter = bytes ? (char)*data : 's';
    const char *head = letter == 'c'   ? "{\"type\":\"cbor\""
                       : letter == 'z' ? "{\"type\":\"zstd\","
                                       : "{\"type\":\"schema\",\"schema\":";
    data += bytes > 0;
    bytes -= bytes > 0;
    char *json = take_line(&data, &bytes, head, "}");
    mofka_serializer_t *serializer;
    mofka_status_t status = mofka_serializer_from_metadata(json, &serializer);
    if (status == MOFKA_ERR_NOT_FOUND)
        abort(); /* nothing would be tested */
    mofka_metadata_t *first =
        status ? NULL : archive_round_trip(serializer, (const char *)data, bytes);
    if (first)
        archive_check_second_trip(serializer, first);
    if (!status)
        mofka_serializer_release(serializer);
    free(json);
    return 0;
}
