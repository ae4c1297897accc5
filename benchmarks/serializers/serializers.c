/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures serializers with documents, one JSON text a line:
 *   serializers table [--schema FILE] DOCUMENTS     bytes and ns per event, a Markdown table
 *   serializers through CONFIG < DOCUMENTS          each document, serialized and deserialized
 *   serializers dictionary DOCUMENTS                a zstd dictionary of every tenth one, base64
 * The dictionary of the table is made of every tenth document, and used for all. --schema is passed
 * to the serializer "schema".
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include <zdict.h>
#include "support/clock.h"

#define DICTIONARY_BYTES 8192
#define RUN_S 0.2 /* the least time of each measurement */

static void serializers_must(mofka_status_t status) {
    if (!status)
        return;
    fprintf(stderr, "serializers: %s: %s\n", mofka_status_name(status), mofka_last_error());
    exit(1);
}

static void *serializers_memory(void *old, size_t bytes) {
    void *more = realloc(old, bytes ? bytes : 1);
    if (!more) {
        fprintf(stderr, "serializers: no memory\n");
        exit(1);
    }
    return more;
}

/* ---- documents ------------------------------------------------------------------------------ */

typedef struct documents {
    char **texts;
    size_t *bytes;
    size_t count, total_bytes;
} documents_t;

static void documents_read(FILE *file, documents_t *documents) {
    char *line = NULL;
    size_t room = 0;
    for (ssize_t bytes; (bytes = getline(&line, &room, file)) > 0;) {
        size_t used = (size_t)bytes - (line[bytes - 1] == '\n');
        size_t count = documents->count + 1;
        if (used == 0)
            continue;
        documents->texts = serializers_memory(documents->texts, count * sizeof *documents->texts);
        documents->bytes = serializers_memory(documents->bytes, count * sizeof *documents->bytes);
        documents->texts[count - 1] = serializers_memory(NULL, used);
        memcpy(documents->texts[count - 1], line, used);
        documents->bytes[count - 1] = used;
        documents->total_bytes += used;
        documents->count = count;
    }
    free(line);
}

static void documents_free(documents_t *documents) {
    for (size_t i = 0; i < documents->count; i++)
        free(documents->texts[i]);
    free(documents->texts);
    free(documents->bytes);
}

static FILE *serializers_open_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "serializers: cannot read '%s'\n", path);
        exit(1);
    }
    return file;
}

/* ---- archives ------------------------------------------------------------------------------- */

typedef struct stored_bytes {
    char *bytes;
    size_t used, room, at;
} stored_bytes_t;

static mofka_status_t archive_write_bytes(void *context, const void *bytes, size_t size) {
    assert(((stored_bytes_t *)context)->used <= ((stored_bytes_t *)context)->room);
    stored_bytes_t *archive = context;
    if (size > archive->room - archive->used) {
        archive->room = 2 * archive->room + size;
        archive->bytes = serializers_memory(archive->bytes, archive->room);
    }
    if (size > 0)
        memcpy(archive->bytes + archive->used, bytes, size);
    archive->used += size;
    return MOFKA_OK;
}

static mofka_status_t archive_read_bytes(void *context, void *bytes, size_t size) {
    assert(((stored_bytes_t *)context)->at <= ((stored_bytes_t *)context)->used);
    stored_bytes_t *archive = context;
    if (size > archive->used - archive->at)
        return mofka_fail(MOFKA_ERR_CORRUPT, "the archive ends");
    if (size > 0)
        memcpy(bytes, archive->bytes + archive->at, size);
    archive->at += size;
    return MOFKA_OK;
}

/* ---- table ---------------------------------------------------------------------------------- */

/* Serialize all documents, again and again. */
static double table_serialize_ns(const mofka_serializer_t *serializer, const documents_t *documents,
                                 stored_bytes_t *stored, size_t *ends) {
    mofka_archive_t archive = {.context = stored, .write = archive_write_bytes};
    double begin = clock_seconds(CLOCK_MONOTONIC), events = 0;
    do {
        stored->used = 0;
        for (size_t i = 0; i < documents->count; i++) {
            serializers_must(mofka_serializer_serialize(serializer, &archive, documents->texts[i],
                                                        documents->bytes[i]));
            ends[i] = stored->used;
        }
        events += (double)documents->count;
    } while (clock_seconds(CLOCK_MONOTONIC) - begin < RUN_S);
    return (clock_seconds(CLOCK_MONOTONIC) - begin) * 1e9 / events;
}

static double table_deserialize_ns(const mofka_serializer_t *serializer,
                                   const documents_t *documents, stored_bytes_t *stored,
                                   const size_t *ends) {
    assert(documents->count == 0 || ends[documents->count - 1] == stored->used);
    mofka_archive_t archive = {.context = stored, .read = archive_read_bytes};
    double begin = clock_seconds(CLOCK_MONOTONIC), events = 0;
    do {
        stored->at = 0;
        for (size_t i = 0, from = 0; i < documents->count; from = ends[i++]) {
            mofka_metadata_t *metadata;
            size_t bytes;
            serializers_must(
                mofka_serializer_deserialize(serializer, &archive, ends[i] - from, &metadata));
            const char *text = mofka_metadata_text(metadata, &bytes);
            if (bytes != documents->bytes[i] || memcmp(text, documents->texts[i], bytes) != 0) {
                fprintf(stderr, "serializers: '%.*s' came back as '%s'\n", (int)documents->bytes[i],
                        documents->texts[i], text);
                exit(1);
            }
            mofka_metadata_release(metadata);
        }
        events += (double)documents->count;
    } while (clock_seconds(CLOCK_MONOTONIC) - begin < RUN_S);
    return (clock_seconds(CLOCK_MONOTONIC) - begin) * 1e9 / events;
}

static void serializers_print_row(const char *name, const char *config,
                                  const documents_t *documents) {
    mofka_serializer_t *serializer;
    stored_bytes_t stored = {0};
    size_t *ends = serializers_memory(NULL, documents->count * sizeof *ends);
    serializers_must(mofka_serializer_from_metadata(config, &serializer));
    double to = table_serialize_ns(serializer, documents, &stored, ends);
    double from = table_deserialize_ns(serializer, documents, &stored, ends);
    printf("| %s | %.1f | %.0f %% | %.0f | %.0f |\n", name,
           (double)stored.used / (double)documents->count,
           100.0 * (double)stored.used / (double)documents->total_bytes, to, from);
    mofka_serializer_release(serializer);
    free(stored.bytes);
    free(ends);
}

/* ---- dictionary ----------------------------------------------------------------------------- */

static char *dictionary_base64(const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = serializers_memory(NULL, (size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[group & 63] : '=';
    }
    *at = '\0';
    return text;
}

static char *dictionary_train(const documents_t *documents) {
    unsigned char dictionary[DICTIONARY_BYTES];
    stored_bytes_t samples = {0};
    size_t *sizes = serializers_memory(NULL, (documents->count + 1) * sizeof *sizes);
    unsigned count = 0;
    for (size_t i = 0; i < documents->count; i += 10) {
        archive_write_bytes(&samples, documents->texts[i], documents->bytes[i]);
        sizes[count++] = documents->bytes[i];
    }
    size_t used = ZDICT_trainFromBuffer(dictionary, sizeof dictionary, samples.bytes, sizes, count);
    if (ZDICT_isError(used)) {
        fprintf(stderr, "serializers: dictionary of %u documents: %s\n", count,
                ZDICT_getErrorName(used));
        exit(1);
    }
    free(samples.bytes);
    free(sizes);
    return dictionary_base64(dictionary, used);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void serializers_print_table(const documents_t *documents, const char *schema_path) {
    static char config[1 << 20];
    printf("| serializer | bytes | of the text | serialize, ns | deserialize, ns |\n"
           "|---|---|---|---|---|\n");
    serializers_print_row("`default`", "{\"type\":\"default\"}", documents);
    serializers_print_row("`cbor`", "{\"type\":\"cbor\"}", documents);
    if (schema_path) {
        FILE *file = serializers_open_file(schema_path);
        int used = snprintf(config, sizeof config, "{\"type\":\"schema\",\"schema\":");
        size_t bytes = fread(config + used, 1, sizeof config - (size_t)used - 2, file);
        snprintf(config + (size_t)used + bytes, 2, "}");
        fclose(file);
        serializers_print_row("`schema`", config, documents);
    }
    serializers_print_row("`zstd`", "{\"type\":\"zstd\"}", documents);
    char *dictionary = dictionary_train(documents);
    snprintf(config, sizeof config, "{\"type\":\"zstd\",\"dictionary\":\"%s\"}", dictionary);
    serializers_print_row("`zstd`, dictionary", config, documents);
    free(dictionary);
}

static void through_print(const char *config, const documents_t *documents) {
    mofka_serializer_t *serializer;
    serializers_must(mofka_serializer_from_metadata(config, &serializer));
    stored_bytes_t stored = {0};
    mofka_archive_t archive = {
        .context = &stored, .read = archive_read_bytes, .write = archive_write_bytes};
    for (size_t i = 0; i < documents->count; i++) {
        mofka_metadata_t *metadata;
        stored.used = stored.at = 0;
        serializers_must(mofka_serializer_serialize(serializer, &archive, documents->texts[i],
                                                    documents->bytes[i]));
        serializers_must(
            mofka_serializer_deserialize(serializer, &archive, stored.used, &metadata));
        puts(mofka_metadata_text(metadata, NULL));
        mofka_metadata_release(metadata);
    }
    mofka_serializer_release(serializer);
    free(stored.bytes);
}

static int serializers_usage(void) {
    fprintf(stderr, "serializers table [--schema FILE] DOCUMENTS\n"
                    "serializers through CONFIG < DOCUMENTS\n"
                    "serializers dictionary DOCUMENTS\n");
    return 2;
}

int main(int argc, char **argv) {
    const char *command = argc > 2 ? argv[1] : "";
    bool has_schema = argc == 5 && strcmp(argv[2], "--schema") == 0;
    bool is_through = strcmp(command, "through") == 0;
    if (argc != 3 && !(strcmp(command, "table") == 0 && has_schema))
        return serializers_usage();
    documents_t documents = {0};
    FILE *file = is_through ? stdin : serializers_open_file(argv[argc - 1]);
    documents_read(file, &documents);
    if (!is_through)
        fclose(file);
    if (is_through) {
        through_print(argv[2], &documents);
    } else if (strcmp(command, "table") == 0) {
        serializers_print_table(&documents, has_schema ? argv[3] : NULL);
    } else if (strcmp(command, "dictionary") == 0) {
        char *dictionary = dictionary_train(&documents);
        puts(dictionary);
        free(dictionary);
    } else {
        return serializers_usage();
    }
    documents_free(&documents);
    return 0;
}
