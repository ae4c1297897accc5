/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serializer type "zstd", which compresses metadata: {"type": "zstd", "level": 3, "dictionary":
 * base64}. Each event's text is one zstd frame that states its size. A zstd context is expensive to
 * create, so idle ones are kept in a list.
 */
#include <mofka/register.h>
#include <mofka/driver.h>
#include <mofka/options.h>
#include <mofka/serializer.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "plugins/zstd/base64.h"
#include "plugins/tape/bytes.h"

#define LEVEL_DEFAULT 3
#define BLOCK_BYTES ((size_t)128 << 10) /* the most text that a block of a frame holds */
#define BLOCK_BYTES_MIN ((size_t)4)     /* the least bytes that such a block takes */

typedef struct zstd_context zstd_context_t;
struct zstd_context {
    zstd_context_t *next;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

typedef struct zstd {
    pthread_mutex_t lock; /* guards `idle`; a leaf */
    zstd_context_t *idle;
    int level;
    ZSTD_CDict *compress_with; /* both are NULL without a dictionary */
    ZSTD_DDict *decompress_with;
} zstd_t;

/* ---- contexts -------------------------------------------------------------------------------- */

static void zstd_context_destroy(zstd_context_t *context) {
    ZSTD_freeCCtx(context->compressor);
    ZSTD_freeDCtx(context->decompressor);
    free(context);
}

/* The status of a call that can fail for lack of memory only. */
static mofka_status_t zstd_check(size_t answer) {
    return ZSTD_isError(answer)
               ? mofka_fail(MOFKA_ERR_MEMORY, "zstd: %s", ZSTD_getErrorName(answer))
               : MOFKA_OK;
}

static mofka_status_t zstd_context_create(const zstd_t *zstd, zstd_context_t **out) {
    zstd_context_t *context = calloc(1, sizeof *context);
    if (!context)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd context");
    context->compressor = ZSTD_createCCtx();
    context->decompressor = ZSTD_createDCtx();
    mofka_status_t status = context->compressor && context->decompressor
                                ? MOFKA_OK
                                : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd context");
    if (!status)
        status = zstd_check(
            ZSTD_CCtx_setParameter(context->compressor, ZSTD_c_compressionLevel, zstd->level));
    /* A frame need not name its dictionary: the serializer that reads it has the same. */
    if (!status)
        status = zstd_check(ZSTD_CCtx_setParameter(context->compressor, ZSTD_c_dictIDFlag, 0));
    if (!status && zstd->compress_with)
        status = zstd_check(ZSTD_CCtx_refCDict(context->compressor, zstd->compress_with));
    if (!status && zstd->decompress_with)
        status = zstd_check(ZSTD_DCtx_refDDict(context->decompressor, zstd->decompress_with));
    if (status)
        zstd_context_destroy(context);
    *out = context;
    return status;
}

static mofka_status_t zstd_context_take(zstd_t *zstd, zstd_context_t **context) {
    pthread_mutex_lock(&zstd->lock);
    *context = zstd->idle;
    if (*context)
        zstd->idle = (*context)->next;
    pthread_mutex_unlock(&zstd->lock);
    return *context ? MOFKA_OK : zstd_context_create(zstd, context);
}

static void zstd_context_give_back(zstd_t *zstd, zstd_context_t *context) {
    pthread_mutex_lock(&zstd->lock);
    assert(context != zstd->idle);
    context->next = zstd->idle;
    zstd->idle = context;
    pthread_mutex_unlock(&zstd->lock);
}

/* ---- events --------------------------------------------------------------------------------- */

static mofka_status_t zstd_store(void *self, const mofka_archive_t *archive, const char *metadata,
                                 size_t metadata_bytes) {
    zstd_context_t *context;
    mofka_status_t status = zstd_context_take(self, &context);
    if (status)
        return status;
    mfi_bytes_t out;
    mfi_bytes_init(&out);
    if (mfi_bytes_reserve(&out, ZSTD_compressBound(metadata_bytes))) {
        size_t used =
            ZSTD_compress2(context->compressor, out.data, out.room, metadata, metadata_bytes);
        status = zstd_check(used);
        assert(status || used <= out.room);
        if (!status)
            status = archive->write(archive->context, out.data, used);
    } else {
        status = out.status;
    }
    mfi_bytes_clear(&out);
    zstd_context_give_back(self, context);
    return status;
}

/* The size of the text that the frame states, if a frame of this length can hold as much. */
static mofka_status_t zstd_frame_size(const mfi_reader_t *reader, size_t *size) {
    unsigned long long content = ZSTD_getFrameContentSize(reader->data, reader->size);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
        return mfi_reader_corrupt(reader, "not a zstd frame that states its size");
    if (content > MOFKA_METADATA_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE,
                          "stored metadata states a size of %llu bytes, at most %zu are allowed",
                          content, MOFKA_METADATA_BYTES_MAX);
    if (content / BLOCK_BYTES > reader->size / BLOCK_BYTES_MIN)
        return mfi_reader_corrupt(reader,
                                  "the zstd frame is too short for the size that it states");
    *size = (size_t)content;
    return MOFKA_OK;
}

static mofka_status_t zstd_decompress(zstd_context_t *context, mfi_bytes_t *text,
                                      mfi_reader_t *reader) {
    assert(reader->at == 0 && text->used == 0);
    size_t size = 0;
    mofka_status_t status = zstd_frame_size(reader, &size);
    if (status || !mfi_bytes_reserve(text, size))
        return status ? status : text->status;
    size_t used =
        ZSTD_decompressDCtx(context->decompressor, text->data, size, reader->data, reader->size);
    if (ZSTD_isError(used) || used != size)
        return mofka_fail(MOFKA_ERR_CORRUPT, "stored metadata: zstd: %s",
                          ZSTD_isError(used) ? ZSTD_getErrorName(used)
                                             : "the text has another size than stated");
    text->used = used;
    reader->at = reader->size;
    return MOFKA_OK;
}

static mofka_status_t zstd_read_text(void *self, mfi_bytes_t *text, mfi_reader_t *reader) {
    zstd_context_t *context;
    mofka_status_t status = zstd_context_take(self, &context);
    if (status)
        return status;
    status = zstd_decompress(context, text, reader);
    zstd_context_give_back(self, context);
    return status;
}

static mofka_status_t zstd_restore(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                   mofka_metadata_t **metadata) {
    return mfi_archive_restore(zstd_read_text, self, archive, stored_bytes, metadata);
}

/* ---- creating ------------------------------------------------------------------------------- */

static void zstd_destroy(void *self) {
    zstd_t *zstd = self;
    for (zstd_context_t *context = zstd->idle, *next; context; context = next) {
        next = context->next;
        zstd_context_destroy(context);
    }
    ZSTD_freeCDict(zstd->compress_with);
    ZSTD_freeDDict(zstd->decompress_with);
    pthread_mutex_destroy(&zstd->lock);
    free(zstd);
}

/* zstd made nothing of a dictionary, and gave no reason. Compressing with it gives one. */
static mofka_status_t zstd_refuse_dictionary(const unsigned char *bytes, size_t size) {
    char frame[64];
    ZSTD_CCtx *compressor = ZSTD_createCCtx();
    size_t answer = compressor ? ZSTD_compress_usingDict(compressor, frame, sizeof frame, "", 0,
                                                         bytes, size, LEVEL_DEFAULT)
                               : 0;
    ZSTD_freeCCtx(compressor);
    if (ZSTD_getErrorCode(answer) != ZSTD_error_dictionary_corrupted)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd dictionary of %zu bytes", size);
    return mofka_fail(MOFKA_ERR_OPTION,
                      "zstd serializer: option \"dictionary\": zstd cannot use these %zu bytes",
                      size);
}

static mofka_status_t zstd_set_dictionary(zstd_t *zstd, const char *base64) {
    unsigned char *bytes;
    size_t size;
    mofka_status_t status =
        mfi_base64_decode("zstd serializer: option \"dictionary\"", base64, &bytes, &size);
    if (status)
        return status;
    assert(!zstd->compress_with && !zstd->decompress_with);
    zstd->compress_with = ZSTD_createCDict(bytes, size, zstd->level);
    zstd->decompress_with = ZSTD_createDDict(bytes, size);
    if (!zstd->compress_with || !zstd->decompress_with)
        status = zstd_refuse_dictionary(bytes, size);
    free(bytes);
    return status;
}

static mofka_status_t zstd_create_with(int level, const char *dictionary, void **self) {
    assert(level >= 1 && level <= ZSTD_maxCLevel());
    zstd_t *zstd = calloc(1, sizeof *zstd);
    if (!zstd)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a zstd serializer");
    pthread_mutex_init(&zstd->lock, NULL);
    zstd->level = level;
    mofka_status_t status = dictionary ? zstd_set_dictionary(zstd, dictionary) : MOFKA_OK;
    if (status)
        zstd_destroy(zstd);
    *self = zstd;
    return status;
}

static const mofka_serializer_ops_t zstd_ops = {.size = sizeof zstd_ops,
                                                .serialize = zstd_store,
                                                .deserialize = zstd_restore,
                                                .destroy = zstd_destroy};

static mofka_status_t zstd_create(const mofka_metadata_t *metadata,
                                  const mofka_serializer_ops_t **ops, void **self) {
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
        status = zstd_create_with((int)level, dictionary, self);
    free(type);
    free(dictionary);
    *ops = &zstd_ops;
    return status;
}
MOFKA_REGISTER_SERIALIZER(zstd, zstd_create);
