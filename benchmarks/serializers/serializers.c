/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What serializers make of documents, one JSON text a line:
 *   serializers table [--schema FILE] DOCUMENTS     bytes and ns per event, a Markdown table
 *   serializers through CONFIG < DOCUMENTS          each, serialized and back
 *   serializers dictionary DOCUMENTS                a zstd dictionary of every tenth, base64
 * In the table, the dictionary is made of every tenth document, and used for all; --schema is what
 * the serializer "schema" gets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <mofka/mofka.h>
#include <zdict.h>

#define DICTIONARY_BYTES 8192
#define RUN_NS 200000000LL /* of each measurement, at least */

static void check(mofka_status_t status) {
    if (!status)
        return;
    fprintf(stderr, "serializers: %s: %s\n", mofka_status_name(status), mofka_last_error());
    exit(1);
}

static void *memory(void *old, size_t bytes) {
    void *more = realloc(old, bytes);
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

static void read_documents(FILE *file, documents_t *documents) {
    char *line = NULL;
    size_t room = 0;
    for (ssize_t bytes; (bytes = getline(&line, &room, file)) > 0;) {
        size_t used = (size_t)bytes - (line[bytes - 1] == '\n');
        size_t count = documents->count + 1;
        if (used == 0)
            continue;
        documents->texts = memory(documents->texts, count * sizeof *documents->texts);
        documents->bytes = memory(documents->bytes, count * sizeof *documents->bytes);
        documents->texts[count - 1] = memory(NULL, used);
        memcpy(documents->texts[count - 1], line, used);
        documents->bytes[count - 1] = used;
        documents->total_bytes += used;
        documents->count = count;
    }
    free(line);
}

static void free_documents(documents_t *documents) {
    for (size_t i = 0; i < documents->count; i++)
        free(documents->texts[i]);
    free(documents->texts);
    free(documents->bytes);
}

static FILE *open_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "serializers: cannot read '%s'\n", path);
        exit(1);
    }
    return file;
}

/* ---- archives ------------------------------------------------------------------------------- */

typedef struct archive {
    char *bytes;
    size_t used, room, at;
} archive_t;

static mofka_status_t write_bytes(void *context, const void *bytes, size_t size) {
    archive_t *archive = context;
    if (size > archive->room - archive->used) {
        archive->room = 2 * archive->room + size;
        archive->bytes = memory(archive->bytes, archive->room);
    }
    if (size > 0)
        memcpy(archive->bytes + archive->used, bytes, size);
    archive->used += size;
    return MOFKA_OK;
}

static mofka_status_t read_bytes(void *context, void *bytes, size_t size) {
    archive_t *archive = context;
    if (size > archive->used - archive->at)
        return mofka_fail(MOFKA_ERR_CORRUPT, "the archive ends");
    if (size > 0)
        memcpy(bytes, archive->bytes + archive->at, size);
    archive->at += size;
    return MOFKA_OK;
}

/* ---- table ---------------------------------------------------------------------------------- */

static long long now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* All documents, one behind the other, again and again. */
static double serialize_ns(const mofka_serializer_t *serializer, const documents_t *documents,
                           archive_t *stored, size_t *ends) {
    mofka_archive_t archive = {.context = stored, .write = write_bytes};
    long long begin = now_ns(), events = 0;
    do {
        stored->used = 0;
        for (size_t i = 0; i < documents->count; i++) {
            check(mofka_serializer_serialize(serializer, &archive, documents->texts[i],
                                             documents->bytes[i]));
            ends[i] = stored->used;
        }
        events += (long long)documents->count;
    } while (now_ns() - begin < RUN_NS);
    return (double)(now_ns() - begin) / (double)events;
}

static double deserialize_ns(const mofka_serializer_t *serializer, const documents_t *documents,
                             archive_t *stored, const size_t *ends) {
    mofka_archive_t archive = {.context = stored, .read = read_bytes};
    long long begin = now_ns(), events = 0;
    do {
        stored->at = 0;
        for (size_t i = 0, from = 0; i < documents->count; from = ends[i++]) {
            mofka_metadata_t *metadata;
            size_t bytes;
            check(mofka_serializer_deserialize(serializer, &archive, ends[i] - from, &metadata));
            const char *text = mofka_metadata_text(metadata, &bytes);
            if (bytes != documents->bytes[i] || memcmp(text, documents->texts[i], bytes) != 0) {
                fprintf(stderr, "serializers: '%.*s' came back as '%s'\n", (int)documents->bytes[i],
                        documents->texts[i], text);
                exit(1);
            }
            mofka_metadata_release(metadata);
        }
        events += (long long)documents->count;
    } while (now_ns() - begin < RUN_NS);
    return (double)(now_ns() - begin) / (double)events;
}

static void print_row(const char *name, const char *config, const documents_t *documents) {
    mofka_serializer_t *serializer;
    archive_t stored = {0};
    size_t *ends = memory(NULL, documents->count * sizeof *ends);
    check(mofka_serializer_from_metadata(config, &serializer));
    double to = serialize_ns(serializer, documents, &stored, ends);
    double from = deserialize_ns(serializer, documents, &stored, ends);
    printf("| %s | %.1f | %.0f %% | %.0f | %.0f |\n", name,
           (double)stored.used / (double)documents->count,
           100.0 * (double)stored.used / (double)documents->total_bytes, to, from);
    mofka_serializer_release(serializer);
    free(stored.bytes);
    free(ends);
}

/* ---- dictionary ----------------------------------------------------------------------------- */

static char *base64_of(const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = memory(NULL, (size + 2) / 3 * 4 + 1), *at = text;
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

static char *dictionary_of(const documents_t *documents) {
    unsigned char dictionary[DICTIONARY_BYTES];
    archive_t samples = {0};
    size_t *sizes = memory(NULL, (documents->count + 1) * sizeof *sizes);
    unsigned count = 0;
    for (size_t i = 0; i < documents->count; i += 10) {
        write_bytes(&samples, documents->texts[i], documents->bytes[i]);
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
    return base64_of(dictionary, used);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void print_table(const documents_t *documents, const char *schema_path) {
    static char config[1 << 20];
    printf("| serializer | bytes | of the text | serialize, ns | deserialize, ns |\n"
           "|---|---|---|---|---|\n");
    print_row("`default`", "{\"type\":\"default\"}", documents);
    print_row("`cbor`", "{\"type\":\"cbor\"}", documents);
    if (schema_path) {
        FILE *file = open_file(schema_path);
        int used = snprintf(config, sizeof config, "{\"type\":\"schema\",\"schema\":");
        size_t bytes = fread(config + used, 1, sizeof config - (size_t)used - 2, file);
        snprintf(config + (size_t)used + bytes, 2, "}");
        fclose(file);
        print_row("`schema`", config, documents);
    }
    print_row("`zstd`", "{\"type\":\"zstd\"}", documents);
    char *dictionary = dictionary_of(documents);
    snprintf(config, sizeof config, "{\"type\":\"zstd\",\"dictionary\":\"%s\"}", dictionary);
    print_row("`zstd`, dictionary", config, documents);
    free(dictionary);
}

static void print_through(const char *config, const documents_t *documents) {
    mofka_serializer_t *serializer;
    check(mofka_serializer_from_metadata(config, &serializer));
    archive_t stored = {0};
    mofka_archive_t archive = {.context = &stored, .read = read_bytes, .write = write_bytes};
    for (size_t i = 0; i < documents->count; i++) {
        mofka_metadata_t *metadata;
        stored.used = stored.at = 0;
        check(mofka_serializer_serialize(serializer, &archive, documents->texts[i],
                                         documents->bytes[i]));
        check(mofka_serializer_deserialize(serializer, &archive, stored.used, &metadata));
        puts(mofka_metadata_text(metadata, NULL));
        mofka_metadata_release(metadata);
    }
    mofka_serializer_release(serializer);
    free(stored.bytes);
}

static int usage(void) {
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
        return usage();
    documents_t documents = {0};
    FILE *file = is_through ? stdin : open_file(argv[argc - 1]);
    read_documents(file, &documents);
    if (!is_through)
        fclose(file);
    if (is_through) {
        print_through(argv[2], &documents);
    } else if (strcmp(command, "table") == 0) {
        print_table(&documents, has_schema ? argv[3] : NULL);
    } else if (strcmp(command, "dictionary") == 0) {
        char *dictionary = dictionary_of(&documents);
        puts(dictionary);
        free(dictionary);
    } else {
        return usage();
    }
    free_documents(&documents);
    return 0;
}
