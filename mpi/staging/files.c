/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File operations of the store, on files that another rank reads: so the store's own reader reads
 * them.
 *
 * A file is open here in name only; the owner opens it for each request. One that retention has
 * removed meanwhile is missing, and the reader looks for what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>
#include "mpi/staging/staging.h"

/* Data of small events is read so far ahead: less than a round trip costs. */
#define AHEAD_BYTES ((size_t)32 << 10)
/* Files that a reader, and the runs that it gave, have open. */
#define FILES_MAX ((size_t)1 << 20)

typedef struct staged_file {
    bool open;
    uint64_t life, first_id, ending;
} staged_file_t;

/* Bytes of a file that were read ahead. */
typedef struct staged_kept {
    bool on;
    staged_file_t file;
    uint64_t offset;
    size_t bytes;
    char *all; /* AHEAD_BYTES; NULL: nothing was kept yet */
} staged_kept_t;

struct mmi_staged {
    staged_kept_t kept;
    mmi_stage_t *stage;
    const mmi_partition_t *p;
    char host[MMI_HOST_WORDS * sizeof(uint64_t)]; /* "": not known yet */
    _Atomic bool late;
    pthread_mutex_t lock; /* guards the rest; a leaf */
    size_t users;         /* files that are open, and the log */
    staged_file_t *files; /* by descriptor */
    size_t count, room;
};

/* ---- asking ---------------------------------------------------------------------------------- */

static int staged_ask(mmi_staged_t *s, const mmi_stage_request_t *request, void *to, size_t room,
                      mmi_stage_result_t *result) {
    mmi_stage_request_t asked = *request;
    asked.partition = s->p->base;
    int error = mmi_stage_ask(s->stage, s->p, s->host, &asked, to, room, result);
    atomic_store(&s->late, error == -ETIMEDOUT);
    return error;
}

/* The file of a descriptor. */
static staged_file_t staged_file(mmi_staged_t *s, int fd) {
    pthread_mutex_lock(&s->lock);
    assert(fd >= 0 && (size_t)fd < s->count && s->files[fd].open);
    staged_file_t file = s->files[fd];
    pthread_mutex_unlock(&s->lock);
    return file;
}

static mmi_stage_request_t staged_request(const staged_file_t *file, mmi_stage_ask_t ask) {
    return (mmi_stage_request_t){.ask = (uint64_t)ask,
                                 .life = file->life,
                                 .first_id = file->first_id,
                                 .ending = file->ending};
}

/* ---- open and close -------------------------------------------------------------------------- */

/* FOLDER/FIRSTID-LIFE.ENDING */
static bool staged_parse(const char *path, staged_file_t *file) {
    const char *name = strrchr(path, '/'), *ending;
    if (!name || !mfi_part_parse(name + 1, &file->first_id, &file->life, &ending))
        return false;
    for (file->ending = 0; file->ending < MMI_STAGE_ENDINGS; file->ending++)
        if (strcmp(ending, mmi_stage_endings[file->ending]) == 0)
            return true;
    return false;
}

/* With the lock: a descriptor, or a negative errno. */
static int staged_add(mmi_staged_t *s, const staged_file_t *file) {
    size_t fd = 0;
    while (fd < s->count && s->files[fd].open)
        fd++;
    if (fd == s->room) {
        size_t room = 2 * s->room + 8;
        staged_file_t *files =
            room <= FILES_MAX ? reallocarray(s->files, room, sizeof *files) : NULL;
        if (!files)
            return room <= FILES_MAX ? -ENOMEM : -EMFILE;
        s->files = files;
        s->room = room;
    }
    s->count = fd < s->count ? s->count : fd + 1;
    s->files[fd] = *file;
    s->users++;
    return (int)fd;
}

static int staged_open(void *self, const char *path, int flags) {
    mmi_staged_t *s = self;
    staged_file_t file = {.open = true};
    mmi_stage_result_t result;
    if ((flags & O_ACCMODE) != O_RDONLY || !staged_parse(path, &file))
        return -ENOENT;
    mmi_stage_request_t request = staged_request(&file, MMI_STAGE_SIZE);
    int error = staged_ask(s, &request, NULL, 0, &result);
    if (error)
        return error;
    pthread_mutex_lock(&s->lock);
    int fd = staged_add(s, &file);
    pthread_mutex_unlock(&s->lock);
    return fd;
}

/* One user less; the last one frees it. */
static void staged_leave(mmi_staged_t *s, int fd) {
    pthread_mutex_lock(&s->lock);
    if (fd >= 0)
        s->files[fd].open = false;
    bool last = --s->users == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s->files);
    free(s->kept.all);
    free(s);
}

static int staged_close(void *self, int fd) {
    staged_leave(self, fd);
    return 0;
}

void mmi_staged_close(mmi_staged_t *s) {
    if (s)
        staged_leave(s, -1);
}

bool mmi_staged_is_late(const mmi_staged_t *s) {
    return atomic_load(&s->late);
}

const char *mmi_staged_host(const mmi_staged_t *s) {
    return s->host;
}

/* ---- reading --------------------------------------------------------------------------------- */

static ssize_t staged_read_now(mmi_staged_t *s, const staged_file_t *file, void *to, size_t bytes,
                               uint64_t offset) {
    mmi_stage_result_t result;
    mmi_stage_request_t request = staged_request(file, MMI_STAGE_READ);
    bytes = bytes < MMI_STAGE_BYTES ? bytes : MMI_STAGE_BYTES;
    request.range = offset << MMI_STAGE_RANGE_BITS | bytes;
    if (offset >> (64 - MMI_STAGE_RANGE_BITS) != 0) /* files are shorter */
        return 0;
    int error = staged_ask(s, &request, to, bytes, &result);
    return error ? error : (ssize_t)result.bytes;
}

static bool kept_has(const staged_kept_t *kept, const staged_file_t *file, size_t bytes,
                     uint64_t offset) {
    return kept->bytes >= bytes && kept->file.life == file->life &&
           kept->file.first_id == file->first_id && kept->file.ending == file->ending &&
           offset >= kept->offset && offset - kept->offset <= kept->bytes - bytes;
}

static ssize_t staged_read_kept(mmi_staged_t *s, const staged_file_t *file, void *to, size_t bytes,
                                uint64_t offset) {
    staged_kept_t *kept = &s->kept;
    if (!kept->all)
        kept->all = malloc(AHEAD_BYTES);
    if (!kept->all)
        return -ENOMEM;
    if (!kept_has(kept, file, bytes, offset)) {
        kept->bytes = 0;
        ssize_t got = staged_read_now(s, file, kept->all, AHEAD_BYTES, offset);
        if (got < 0)
            return got;
        kept->file = *file;
        kept->offset = offset;
        kept->bytes = (size_t)got;
    }
    size_t left = kept->bytes - (size_t)(offset - kept->offset);
    bytes = bytes < left ? bytes : left;
    memcpy(to, kept->all + (offset - kept->offset), bytes);
    return (ssize_t)bytes;
}

static ssize_t staged_read(void *self, int fd, void *to, size_t bytes, uint64_t offset) {
    mmi_staged_t *s = self;
    staged_file_t file = staged_file(s, fd);
    return s->kept.on && bytes < AHEAD_BYTES ? staged_read_kept(s, &file, to, bytes, offset)
                                             : staged_read_now(s, &file, to, bytes, offset);
}

void mmi_staged_read_ahead(mmi_staged_t *s, bool begins) {
    s->kept.on = begins;
    s->kept.bytes = 0;
}

static int staged_size(void *self, int fd, uint64_t *bytes) {
    mmi_staged_t *s = self;
    mmi_stage_result_t result;
    staged_file_t file = staged_file(s, fd);
    mmi_stage_request_t request = staged_request(&file, MMI_STAGE_SIZE);
    int error = staged_ask(s, &request, NULL, 0, &result);
    if (!error)
        *bytes = result.size;
    return error;
}

static void staged_visit(const mmi_stage_name_t *name,
                         void (*visit)(void *context, const char *name), void *context) {
    char text[64];
    snprintf(text, sizeof text, "%020" PRIu64 "-%010" PRIu64 ".log", name->first_id, name->life);
    visit(context, text);
}

/* A part of the list at a time, in the order of lives and ids. */
static int staged_list(void *self, const char *path, void (*visit)(void *context, const char *name),
                       void *context) {
    mmi_staged_t *s = self;
    mmi_stage_request_t request = {.ask = MMI_STAGE_LIST};
    mmi_stage_result_t result = {.bytes = 0};
    mmi_stage_name_t *names = malloc(MMI_STAGE_BYTES);
    int error = names ? 0 : -ENOMEM;
    (void)path;
    size_t count = 1;
    while (!error && count > 0) {
        error = staged_ask(s, &request, names, MMI_STAGE_BYTES, &result);
        count = error ? 0 : (size_t)result.bytes / sizeof *names;
        for (size_t i = 0; i < count; i++)
            staged_visit(&names[i], visit, context);
        if (count > 0) {
            request.life = names[count - 1].life;
            request.first_id = names[count - 1].first_id;
        }
        if (count < MMI_STAGE_BYTES / sizeof *names)
            break;
    }
    free(names);
    return error;
}

/* ---- what readers do not do ------------------------------------------------------------------ */

static ssize_t staged_write(void *self, int fd, const struct iovec *parts, int count,
                            uint64_t offset) {
    (void)self, (void)fd, (void)parts, (void)count, (void)offset;
    return -EROFS;
}

static int staged_sync(void *self, int fd) {
    (void)self, (void)fd;
    return -EROFS;
}

static int staged_change(void *self, const char *path) {
    (void)self, (void)path;
    return -EROFS;
}

static int staged_rename(void *self, const char *from, const char *to) {
    (void)self, (void)from, (void)to;
    return -EROFS;
}

static int staged_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    (void)self, (void)fd, (void)start, (void)bytes;
    return -ENOLCK;
}

static const mfi_io_ops_t staged_ops = {.open = staged_open,
                                        .close = staged_close,
                                        .read = staged_read,
                                        .write = staged_write,
                                        .size = staged_size,
                                        .sync = staged_sync,
                                        .sync_folder = staged_change,
                                        .rename = staged_rename,
                                        .unlink = staged_change,
                                        .mkdir = staged_change,
                                        .list = staged_list,
                                        .lock = staged_lock,
                                        .unlock = staged_lock,
                                        .locked = staged_lock};

/* ---- the log --------------------------------------------------------------------------------- */

/* Whose log it is. */
static mofka_status_t staged_ask_log(mmi_staged_t *s, mfi_log_t *log) {
    mmi_stage_log_t answer;
    mmi_stage_result_t result;
    mmi_stage_request_t request = {.ask = MMI_STAGE_LOG};
    int error = staged_ask(s, &request, &answer, sizeof answer, &result);
    if (error)
        return mmi_staged_explain(
            mfi_io_fail(error, "read, by its owner, the log of topic", s->p->topic));
    if (result.bytes != sizeof answer)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "topic '%s', partition %zu: rank %d answered with %" PRIu64 " bytes",
                          s->p->topic, s->p->index, s->p->owner, result.bytes);
    answer.folder[sizeof answer.folder - 1] = '\0';
    answer.host[sizeof answer.host - 1] = '\0';
    memcpy(s->host, answer.host, sizeof s->host);
    *log = (mfi_log_t){.io = {&staged_ops, s},
                       .store = answer.store,
                       .topic = answer.topic,
                       .partition = (uint32_t)answer.partition};
    memcpy(log->folder, answer.folder, sizeof log->folder);
    return MOFKA_OK;
}

mofka_status_t mmi_staged_open(mmi_stage_t *stage, const mmi_partition_t *p, mfi_log_t *log,
                               mmi_staged_t **out) {
    mmi_staged_t *s = calloc(1, sizeof *s);
    if (!s)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a reader of another rank's files");
    s->stage = stage;
    s->p = p;
    s->users = 1;
    pthread_mutex_init(&s->lock, NULL);
    mofka_status_t status = staged_ask_log(s, log);
    if (status)
        mmi_staged_close(s);
    else
        *out = s;
    return status;
}
