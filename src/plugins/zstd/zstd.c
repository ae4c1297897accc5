/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serializer type "zstd": each event's text is one zstd frame that says its size. Contexts are
 * expensive to make, so those that are not at work wait in a list.
 */
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>
#include "plugins/zstd/base64.h"
#include "plugins/tape/bytes.h"

#define LEVEL_DEFAULT 3
#define BLOCK_BYTES ((size_t)128 << 10) /* that a block can stand for */
#define BLOCK_BYTES_MIN ((size_t)4)     /* that it takes */

typedef struct worker worker_t;
struct worker {
    worker_t *next;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

typedef struct zstd {
    pthread_mutex_t lock; /* guards `idle`; a leaf */
    worker_t *idle;
    int level;
    ZSTD_CDict *compress_with; /* NULL: no dictionary */
    ZSTD_DDict *decompress_with;
} zstd_t;

/* ---- workers -------------------------------------------------------------------------------- */

static void free_worker(worker_t *worker) {
    ZSTD_freeCCtx(worker->compressor);
    ZSTD_freeDCtx(worker->decompressor);
    free(worker);
}

/* Of what cannot fail but for memory. */
static mofka_status_t check(size_t answer) {
    return ZSTD_isError(answer)
               ? mofka_fail(MOFKA_ERR_MEMORY, "zstd: %s", ZSTD_getErrorName(answer))
               : MOFKA_OK;
}

static mofka_status_t make_worker(const zstd_t *zstd, worker_t **out) {
    worker_t *worker = calloc(1, sizeof *worker);
    if (!worker)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd context");
    worker->compressor = ZSTD_createCCtx();
    worker->decompressor = ZSTD_createDCtx();
    mofka_status_t status = worker->compressor && worker->decompressor
                                ? MOFKA_OK
                                : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd context");
    if (!status)
        status =
            check(ZSTD_CCtx_setParameter(worker->compressor, ZSTD_c_compressionLevel, zstd->level));
    if (!status) /* the reader knows it */
        status = check(ZSTD_CCtx_setParameter(worker->compressor, ZSTD_c_dictIDFlag, 0));
    if (!status && zstd->compress_with)
        status = check(ZSTD_CCtx_refCDict(worker->compressor, zstd->compress_with));
    if (!status && zstd->decompress_with)
        status = check(ZSTD_DCtx_refDDict(worker->decompressor, zstd->decompress_with));
    if (status)
        free_worker(worker);
    *out = worker;
    return status;
}

static mofka_status_t take_worker(zstd_t *zstd, worker_t **worker) {
    pthread_mutex_lock(&zstd->lock);
    *worker = zstd->idle;
    if (*worker)
        zstd->idle = (*worker)->next;
    pthread_mutex_unlock(&zstd->lock);
    return *worker ? MOFKA_OK : make_worker(zstd, worker);
}

static void put_worker(zstd_t *zstd, worker_t *worker) {
    pthread_mutex_lock(&zstd->lock);
    worker->next = zstd->idle;
    zstd->idle = worker;
    pthread_mutex_unlock(&zstd->lock);
}

/* ---- events --------------------------------------------------------------------------------- */

static mofka_status_t serialize(void *self, const mofka_archive_t *archive, const char *metadata,
                                size_t metadata_bytes) {
    worker_t *worker;
    mofka_status_t status = take_worker(self, &worker);
    if (status)
        return status;
    mfi_bytes_t out;
    mfi_bytes_init(&out);
    if (mfi_bytes_reserve(&out, ZSTD_compressBound(metadata_bytes))) {
        size_t used =
            ZSTD_compress2(worker->compressor, out.data, out.room, metadata, metadata_bytes);
        status = check(used);
        if (!status)
            status = archive->write(archive->context, out.data, used);
    } else {
        status = out.status;
    }
    mfi_bytes_free(&out);
    put_worker(self, worker);
    return status;
}

/* What the frame says that it holds, as far as its length lets it be believed. */
static mofka_status_t size_of_frame(const mfi_reader_t *reader, size_t *size) {
    unsigned long long content = ZSTD_getFrameContentSize(reader->data, reader->size);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
        return mfi_reader_corrupt(reader, "no zstd frame that says its size");
    if (content > MOFKA_METADATA_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "stored metadata would take %llu bytes, at most %zu",
                          content, MOFKA_METADATA_BYTES_MAX);
    if (content / BLOCK_BYTES > reader->size / BLOCK_BYTES_MIN)
        return mfi_reader_corrupt(reader, "a zstd frame too short for what it says");
    *size = (size_t)content;
    return MOFKA_OK;
}

static mofka_status_t decompress(worker_t *worker, mfi_bytes_t *text, mfi_reader_t *reader) {
    size_t size = 0;
    mofka_status_t status = size_of_frame(reader, &size);
    if (status || !mfi_bytes_reserve(text, size))
        return status ? status : text->status;
    size_t used =
        ZSTD_decompressDCtx(worker->decompressor, text->data, size, reader->data, reader->size);
    if (ZSTD_isError(used) || used != size)
        return mofka_fail(MOFKA_ERR_CORRUPT, "stored metadata: zstd: %s",
                          ZSTD_isError(used) ? ZSTD_getErrorName(used) : "another size");
    text->used = used;
    reader->at = reader->size;
    return MOFKA_OK;
}

static mofka_status_t read_text(void *self, mfi_bytes_t *text, mfi_reader_t *reader) {
    worker_t *worker;
    mofka_status_t status = take_worker(self, &worker);
    if (status)
        return status;
    status = decompress(worker, text, reader);
    put_worker(self, worker);
    return status;
}

static mofka_status_t deserialize(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                  mofka_metadata_t **metadata) {
    return mfi_restore(read_text, self, archive, stored_bytes, metadata);
}

/* ---- creating ------------------------------------------------------------------------------- */

static void destroy(void *self) {
    zstd_t *zstd = self;
    for (worker_t *worker = zstd->idle, *next; worker; worker = next) {
        next = worker->next;
        free_worker(worker);
    }
    ZSTD_freeCDict(zstd->compress_with);
    ZSTD_freeDDict(zstd->decompress_with);
    pthread_mutex_destroy(&zstd->lock);
    free(zstd);
}

static mofka_status_t set_dictionary(zstd_t *zstd, const char *base64) {
    unsigned char *bytes;
    size_t size;
    mofka_status_t status =
        mfi_base64_decode("zstd serializer: option \"dictionary\"", base64, &bytes, &size);
    if (status)
        return status;
    zstd->compress_with = ZSTD_createCDict(bytes, size, zstd->level);
    zstd->decompress_with = ZSTD_createDDict(bytes, size);
    free(bytes);
    return zstd->compress_with && zstd->decompress_with
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_OPTION,
                            "zstd serializer: option \"dictionary\": zstd cannot use these %zu "
                            "bytes",
                            size);
}

static mofka_status_t make(int level, const char *dictionary, void **self) {
    zstd_t *zstd = calloc(1, sizeof *zstd);
    if (!zstd)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd serializer");
    pthread_mutex_init(&zstd->lock, NULL);
    zstd->level = level;
    mofka_status_t status = dictionary ? set_dictionary(zstd, dictionary) : MOFKA_OK;
    if (status)
        destroy(zstd);
    *self = zstd;
    return status;
}

static const mofka_serializer_ops_t table = {
    .size = sizeof table, .serialize = serialize, .deserialize = deserialize, .destroy = destroy};

static mofka_status_t create(const mofka_metadata_t *metadata, const mofka_serializer_ops_t **ops,
                             void **self) {
    char *type = NULL, *dictionary = NULL;
    uint64_t level = LEVEL_DEFAULT;
    const mofka_option_t options[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &type},
        {.key = "level",
         .kind = MOFKA_OPTION_UINT,
         .value = &level,
         .min = 1,
         .max = (uint64_t)ZSTD_maxCLevel()},
        {.key = "dictionary", .kind = MOFKA_OPTION_STRING, .value = &dictionary}};
    mofka_status_t status =
        mofka_options_read("zstd serializer", mofka_metadata_text(metadata, NULL), options, 3);
    if (!status)
        status = make((int)level, dictionary, self);
    free(type);
    free(dictionary);
    *ops = &table;
    return status;
}
MOFKA_REGISTER_SERIALIZER(zstd, create);
