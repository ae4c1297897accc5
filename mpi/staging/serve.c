/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An owner reads its files for ranks that do not see them.
 *
 * The serving thread sleeps without a limit until the writing thread has seen that a rank asks.
 * Then it looks by itself, until nobody has asked for a while. It calls no MPI: it uses this rank's
 * share by the processor. A file system that stands still holds up this thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/thread.h"
#include "mpi/staging/staging.h"

/* Looks of a thread that is awake. */
#define LOOK_US 20
#define LOOK_US_MAX 1000

/* Which answer a buffer has. */
typedef struct served {
    int rank; /* -1: none */
    uint64_t serial;
    int64_t ms; /* when it was answered */
} served_t;

struct mmi_server {
    const mmi_stage_t *stage;
    mmi_window_t *w;
    mmi_stage_find_fn find;
    void *context;
    uint64_t seen;      /* `asked`, by mmi_server_look */
    uint64_t *answered; /* of each rank: the serial of its last answer */
    served_t served[MMI_STAGE_BUFFERS];
    mmi_stage_buffer_t *draft; /* an answer, before it is copied to a buffer */
    pthread_t thread;
    pthread_mutex_t lock; /* guards the next two; a leaf */
    pthread_cond_t work;
    bool wanted;
    _Atomic bool ends;
};

/* ---- this rank's share ----------------------------------------------------------------------- */

static _Atomic uint64_t *share_word(const mmi_server_t *s, uint64_t offset) {
    const mmi_window_t *w = s->w;
    assert(w->ops->has_addresses || w->own_by_cpu);
    char *base = w->ops->has_addresses ? w->base[w->rank] : w->base[0];
    return (_Atomic uint64_t *)(void *)(base + offset);
}

static uint64_t share_load(const mmi_server_t *s, uint64_t offset) {
    return atomic_load(share_word(s, offset));
}

static void share_store(const mmi_server_t *s, uint64_t offset, uint64_t value) {
    atomic_store(share_word(s, offset), value);
}

static uint64_t header_at(const mmi_server_t *s, size_t field) {
    return mmi_stage_region_at(s->stage, s->w->rank) + field;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static int answer_log(const mfi_log_t *log, mmi_stage_buffer_t *b) {
    mmi_stage_log_t answer = {.store = log->store, .topic = log->topic};
    static_assert(sizeof answer % 8 == 0 && sizeof answer <= MMI_STAGE_BYTES, "one answer");
    answer.partition = log->partition;
    memcpy(answer.folder, log->folder, sizeof answer.folder);
    if (gethostname(answer.host, sizeof answer.host - 1))
        answer.host[0] = '\0';
    memcpy(b->words, &answer, sizeof answer);
    b->bytes = sizeof answer;
    return 0;
}

static int name_compare(const void *a, const void *b) {
    const mmi_stage_name_t *x = a, *y = b;
    if (x->life != y->life)
        return x->life < y->life ? -1 : 1;
    return (x->first_id > y->first_id) - (x->first_id < y->first_id);
}

typedef struct name_list {
    const mmi_stage_name_t after;
    mmi_stage_name_t *names;
    size_t count, room;
    bool no_memory;
} name_list_t;

static void list_note(void *context, const char *text) {
    name_list_t *list = context;
    mmi_stage_name_t name;
    const char *ending;
    if (!mfi_part_parse(text, &name.first_id, &name.life, &ending) ||
        strcmp(ending, mmi_stage_endings[0]) != 0 || name_compare(&name, &list->after) <= 0)
        return;
    if (list->count == list->room) {
        size_t room = 2 * list->room + 16;
        mmi_stage_name_t *names = reallocarray(list->names, room, sizeof *names);
        list->no_memory = !names;
        if (!names)
            return;
        list->names = names;
        list->room = room;
    }
    list->names[list->count++] = name;
}

static int answer_list(const mfi_log_t *log, const mmi_stage_request_t *q, mmi_stage_buffer_t *b) {
    name_list_t list = {.after = {.first_id = q->first_id, .life = q->life}};
    int error = log->io.ops->list(log->io.self, log->folder, list_note, &list);
    size_t most = MMI_STAGE_BYTES / sizeof *list.names;
    if (!error && list.no_memory)
        error = -ENOMEM;
    if (!error && list.count > 0) {
        qsort(list.names, list.count, sizeof *list.names, name_compare);
        most = list.count < most ? list.count : most;
        b->bytes = most * sizeof *list.names;
        memcpy(b->words, list.names, (size_t)b->bytes);
    }
    free(list.names);
    return -error;
}

/* Only names of segments and indexes can be asked for. */
static int file_open(const mfi_log_t *log, const mmi_stage_request_t *q) {
    char path[MFI_PATH_BYTES_MAX];
    if (q->ending >= MMI_STAGE_ENDINGS ||
        mfi_part_path(log, q->life, q->first_id, mmi_stage_endings[q->ending], path))
        return -EINVAL;
    return log->io.ops->open(log->io.self, path, O_RDONLY);
}

static int answer_file(const mfi_log_t *log, const mmi_stage_request_t *q, mmi_stage_buffer_t *b) {
    uint64_t bytes = q->range & ((UINT64_C(1) << MMI_STAGE_RANGE_BITS) - 1);
    size_t got = 0;
    int fd = file_open(log, q);
    if (fd < 0)
        return -fd;
    int error = log->io.ops->size(log->io.self, fd, &b->size);
    if (!error && q->ask == MMI_STAGE_READ)
        error = mfi_io_read(&log->io, fd, b->words,
                            bytes < MMI_STAGE_BYTES ? (size_t)bytes : MMI_STAGE_BYTES,
                            q->range >> MMI_STAGE_RANGE_BITS, &got);
    log->io.ops->close(log->io.self, fd);
    b->bytes = error ? 0 : got;
    return -error;
}

static int answer_find(mmi_server_t *s, const mmi_stage_request_t *q, mmi_stage_buffer_t *b) {
    const mfi_log_t *log;
    int error = s->find(s->context, q->partition, &log);
    if (error)
        return error;
    switch (q->ask) {
    case MMI_STAGE_LOG:
        return answer_log(log, b);
    case MMI_STAGE_LIST:
        return answer_list(log, q, b);
    case MMI_STAGE_SIZE:
    case MMI_STAGE_READ:
        return answer_file(log, q, b);
    default:
        return EINVAL;
    }
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* Its reader has asked again, or has had it for long enough. */
static bool buffer_is_free(const mmi_server_t *s, const served_t *served, int64_t now_ms) {
    return served->rank < 0 || now_ms - served->ms >= MMI_STAGE_BUFFER_MS ||
           share_load(s, mmi_stage_line_at(s->stage, s->w->rank, served->rank)) != served->serial;
}

/* MMI_STAGE_BUFFERS: none is free. */
static size_t buffer_choose(const mmi_server_t *s) {
    int64_t now_ms = mmi_now_ms();
    size_t i = 0;
    while (i < MMI_STAGE_BUFFERS && !buffer_is_free(s, &s->served[i], now_ms))
        i++;
    return i;
}

/* Copy the answer to a buffer, then store where it is. */
static void buffer_give(mmi_server_t *s, size_t buffer, int rank) {
    const mmi_stage_buffer_t *b = s->draft;
    const uint64_t *words = &b->serial;
    uint64_t at = mmi_stage_buffer_at(s->stage, s->w->rank, buffer), units = (b->bytes + 63) / 64;
    _Atomic uint64_t *to = share_word(s, at);
    for (size_t i = 0; i < (MMI_STAGE_HEAD_BYTES + units * 64) / sizeof *words; i++)
        atomic_store_explicit(&to[i], words[i], memory_order_relaxed);
    s->served[buffer] = (served_t){rank, b->serial, mmi_now_ms()};
    share_store(s,
                mmi_stage_line_at(s->stage, s->w->rank, rank) + offsetof(mmi_stage_line_t, answer),
                mmi_seal(b->serial << 20 | (uint64_t)buffer << 16 | units));
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Load a line's request. False: there is none that is not answered, or not all of it. */
static bool line_load(const mmi_server_t *s, int rank, mmi_stage_request_t *q) {
    uint64_t words[sizeof *q / sizeof(uint64_t)];
    uint64_t at = mmi_stage_line_at(s->stage, s->w->rank, rank);
    words[0] = share_load(s, at);
    if (words[0] == s->answered[rank])
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        words[i] = share_load(s, at + i * sizeof words[0]);
    memcpy(q, words, sizeof words);
    return q->serial != 0 && q->serial <= MMI_STAGE_SERIAL_MAX &&
           q->check == mmi_stage_request_check(q, rank);
}

/* True: it was answered. */
static bool line_serve(mmi_server_t *s, int rank) {
    mmi_stage_request_t q;
    mmi_stage_buffer_t *b = s->draft;
    if (!line_load(s, rank, &q))
        return false;
    size_t buffer = buffer_choose(s);
    if (buffer == MMI_STAGE_BUFFERS)
        return false;
    memset(b, 0, MMI_STAGE_HEAD_BYTES);
    b->serial = q.serial;
    b->rank = (uint64_t)rank;
    int error = answer_find(s, &q, b);
    b->error = (uint64_t)error;
    b->bytes = error ? 0 : b->bytes;
    b->check = mmi_stage_buffer_check(b);
    buffer_give(s, buffer, rank);
    s->answered[rank] = q.serial;
    return true;
}

static bool server_serve_all(mmi_server_t *s) {
    bool any = false;
    for (int i = 0; i < s->w->size; i++)
        any |= line_serve(s, i);
    return any;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Until nobody has asked for a while. */
static void server_stay_awake(mmi_server_t *s) {
    int64_t us = LOOK_US, until = mmi_now_ms() + MMI_STAGE_AWAKE_MS;
    while (!atomic_load(&s->ends) && mmi_now_ms() < until) {
        if (server_serve_all(s)) {
            us = LOOK_US;
            until = mmi_now_ms() + MMI_STAGE_AWAKE_MS;
        } else {
            mmi_back_off(&us, LOOK_US_MAX);
        }
    }
}

static void *server_run(void *argument) {
    mmi_server_t *s = argument;
    while (!atomic_load(&s->ends)) {
        pthread_mutex_lock(&s->lock);
        while (!s->wanted)
            pthread_cond_wait(&s->work, &s->lock);
        s->wanted = false;
        pthread_mutex_unlock(&s->lock);
        server_stay_awake(s);
    }
    return NULL;
}

static void server_wake(mmi_server_t *s) {
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

void mmi_server_look(mmi_server_t *s) {
    uint64_t asked = share_load(s, header_at(s, offsetof(mmi_stage_header_t, asked)));
    if (asked == s->seen)
        return;
    s->seen = asked;
    server_wake(s);
}

static void server_free(mmi_server_t *s) {
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    free(s->answered);
    free(s->draft);
    free(s);
}

mofka_status_t mmi_server_start(const mmi_stage_t *stage, mmi_stage_find_fn find, void *context,
                                mmi_server_t **out) {
    mmi_server_t *s = calloc(1, sizeof *s);
    if (!s)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read files for other ranks");
    s->stage = stage;
    s->w = stage->w;
    s->find = find;
    s->context = context;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    for (size_t i = 0; i < MMI_STAGE_BUFFERS; i++)
        s->served[i].rank = -1;
    s->answered = calloc((size_t)s->w->size, sizeof *s->answered);
    s->draft = malloc(sizeof *s->draft);
    int error = s->answered && s->draft ? mfi_thread_start(&s->thread, server_run, s) : ENOMEM;
    if (error) {
        server_free(s);
        return mofka_fail(error == ENOMEM ? MOFKA_ERR_MEMORY : MOFKA_ERR_SYSTEM,
                          "a thread that reads files for other ranks: error %d", error);
    }
    share_store(s, header_at(s, offsetof(mmi_stage_header_t, serves)), mmi_seal(MMI_STAGE_SERVES));
    *out = s;
    return MOFKA_OK;
}

void mmi_server_stop(mmi_server_t *s) {
    if (!s)
        return;
    share_store(s, header_at(s, offsetof(mmi_stage_header_t, serves)), mmi_seal(MMI_STAGE_ENDED));
    atomic_store(&s->ends, true);
    server_wake(s);
    pthread_join(s->thread, NULL);
    server_free(s);
}
