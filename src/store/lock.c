/* SPDX-License-Identifier: BSD-3-Clause */
/* The lock of a partition: the system's, and a record of its owner. */
#include "store/lock.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "json/text.h"
#include "json/tree.h"

/* There are two records, written in turn: one is whole, whatever happens. */
#define RECORD_BYTES 512

/* Who has a lock. */
typedef struct owner {
    char host[MFI_LOCK_HOST_BYTES];
    char boot[64]; /* the node's boot id */
    uint64_t pid;
    uint64_t since; /* CLOCK_REALTIME, s */
    uint64_t taken; /* its first stamp: with host and pid, which lock it is */
    uint64_t stamp; /* CLOCK_REALTIME, ns; it moves */
    unsigned copy;  /* which of the two records it is */
} owner_t;

typedef enum record_state { RECORD_MISSING, RECORD_TORN, RECORD_THERE } record_state_t;

struct mfi_lock {
    const mfi_log_t *log;
    int fd;
    pthread_mutex_t mutex; /* guards the next two; held while a record is written; a leaf */
    owner_t owner;
    char records[2 * RECORD_BYTES]; /* as the file is, unless it was changed or a write failed */
    char path[MFI_PATH_BYTES_MAX];
};

/* ---- the record ------------------------------------------------------------------------------ */

static void owner_fill(owner_t *owner, const char *host) {
    int saved = errno;
    memset(owner, 0, sizeof *owner);
    if (host)
        snprintf(owner->host, sizeof owner->host, "%s", host);
    else
        gethostname(owner->host, sizeof owner->host - 1);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file || fscanf(file, "%63s", owner->boot) != 1)
        snprintf(owner->boot, sizeof owner->boot, "unknown");
    if (file)
        fclose(file);
    owner->pid = (uint64_t)getpid();
    owner->stamp = mfi_wall_ns();
    owner->taken = owner->stamp;
    owner->since = owner->stamp / 1000000000;
    errno = saved;
}

static const char *record_text(const cJSON *tree, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool record_number(const cJSON *tree, const char *key, uint64_t *number) {
    const char *text = record_text(tree, key);
    char *end;
    if (!text || !*text)
        return false;
    *number = strtoull(text, &end, 10);
    return *end == '\0';
}

/* `*right` is false: it is none. */
static mofka_status_t owner_parse(const char *text, owner_t *owner, bool *right) {
    cJSON *tree = NULL;
    mofka_status_t status = mfi_json_check("lock", text, strlen(text));
    if (!status)
        status = mfi_json_parse("lock", text, strlen(text), &tree);
    *right = false;
    if (status)
        return status == MOFKA_ERR_MEMORY ? status : MOFKA_OK;
    const char *host = record_text(tree, "host"), *boot = record_text(tree, "boot");
    *right = host && boot && strlen(host) < sizeof owner->host &&
             strlen(boot) < sizeof owner->boot && record_number(tree, "pid", &owner->pid) &&
             record_number(tree, "since", &owner->since) &&
             record_number(tree, "stamp", &owner->stamp);
    if (*right) {
        if (!record_number(tree, "taken", &owner->taken))
            owner->taken = 0;
        snprintf(owner->host, sizeof owner->host, "%s", host);
        snprintf(owner->boot, sizeof owner->boot, "%s", boot);
    }
    cJSON_Delete(tree);
    return MOFKA_OK;
}

/* Read one of the two records. */
static mofka_status_t record_read_copy(const mfi_log_t *log, int fd, const char *path,
                                       unsigned copy, owner_t *owner, record_state_t *state) {
    static const char zeros[RECORD_BYTES];
    char text[RECORD_BYTES + 1] = "";
    size_t got;
    int error = mfi_io_read(&log->io, fd, text, RECORD_BYTES, (uint64_t)copy * RECORD_BYTES, &got);
    if (error)
        return mfi_io_fail(error, "read", path);
    *owner = (owner_t){.host = "an unknown host"};
    *state = RECORD_MISSING;
    if (got < RECORD_BYTES || memcmp(text, zeros, RECORD_BYTES) == 0)
        return MOFKA_OK;
    bool right;
    mofka_status_t status = owner_parse(text, owner, &right);
    *state = right ? RECORD_THERE : RECORD_TORN;
    return status;
}

/* Read the record: the newer of both. `*owned` is false: nobody has the lock. A torn one alone is
 * of an owner that ended before it had the lock; two torn ones are an unknown owner's. */
static mofka_status_t record_read(const mfi_log_t *log, int fd, const char *path, owner_t *owner,
                                  bool *owned) {
    owner_t owners[2] = {{.stamp = 0}};
    record_state_t states[2] = {RECORD_MISSING, RECORD_MISSING};
    mofka_status_t status = record_read_copy(log, fd, path, 0, &owners[0], &states[0]);
    if (!status)
        status = record_read_copy(log, fd, path, 1, &owners[1], &states[1]);
    if (status)
        return status;
    bool there[2] = {states[0] == RECORD_THERE, states[1] == RECORD_THERE};
    bool second = !there[0] || (there[1] && owners[1].stamp > owners[0].stamp);
    *owner = owners[second];
    owner->copy = second;
    *owned = there[second] ? owner->host[0] != '\0'
                           : states[0] == RECORD_TORN && states[1] == RECORD_TORN;
    return MOFKA_OK;
}

static char *owner_print(const owner_t *owner) {
    char number[4][24];
    cJSON *tree = cJSON_CreateObject();
    snprintf(number[0], sizeof number[0], "%" PRIu64, owner->pid);
    snprintf(number[1], sizeof number[1], "%" PRIu64, owner->since);
    snprintf(number[2], sizeof number[2], "%" PRIu64, owner->stamp);
    snprintf(number[3], sizeof number[3], "%" PRIu64, owner->taken);
    bool whole = cJSON_AddStringToObject(tree, "host", owner->host) &&
                 cJSON_AddStringToObject(tree, "boot", owner->boot) &&
                 cJSON_AddStringToObject(tree, "pid", number[0]) &&
                 cJSON_AddStringToObject(tree, "since", number[1]) &&
                 cJSON_AddStringToObject(tree, "stamp", number[2]) &&
                 cJSON_AddStringToObject(tree, "taken", number[3]);
    char *printed = whole ? mfi_json_print(tree, false) : NULL;
    cJSON_Delete(tree);
    return printed;
}

/* Write a record over the older of the two; its stamp is later than that of the other. `text`: what
 * was written. */
static int record_put(const mfi_log_t *log, int fd, owner_t *owner, char text[RECORD_BYTES]) {
    uint64_t now = mfi_wall_ns();
    owner->stamp = now > owner->stamp ? now : owner->stamp + 1;
    owner->copy = !owner->copy;
    memset(text, ' ', RECORD_BYTES);
    text[RECORD_BYTES - 1] = '\n';
    char *printed = owner_print(owner);
    size_t bytes = printed ? strlen(printed) : RECORD_BYTES;
    if (bytes < RECORD_BYTES)
        memcpy(text, printed, bytes);
    cJSON_free(printed);
    if (bytes >= RECORD_BYTES)
        return -ENOMEM;
    return mfi_io_write_bytes(&log->io, fd, text, RECORD_BYTES,
                              (uint64_t)owner->copy * RECORD_BYTES);
}

/* As record_put, and sync. */
static int record_write(const mfi_log_t *log, int fd, owner_t *owner) {
    char text[RECORD_BYTES];
    int error = record_put(log, fd, owner, text);
    if (!error)
        error = log->io.ops->sync(log->io.self, fd);
    if (error)
        owner->copy = !owner->copy; /* the other one is whole still */
    return error;
}

/* Write that nobody has the lock. */
static int record_clear(const mfi_log_t *log, int fd, const owner_t *owner) {
    owner_t nobody = {.stamp = owner->stamp, .copy = owner->copy};
    return record_write(log, fd, &nobody);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static mofka_status_t owner_refuse(const char *path, const owner_t *owner, const char *why) {
    char when[40];
    time_t since = (time_t)owner->since;
    struct tm tm;
    gmtime_r(&since, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return mofka_fail(MOFKA_ERR_BUSY, "%s: in use by process %" PRIu64 " of %s since %s: %s", path,
                      owner->pid, owner->host, when, why);
}

/* When this node started, in ns of CLOCK_REALTIME. */
static uint64_t node_boot_ns(void) {
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    return mfi_wall_ns() - ((uint64_t)up.tv_sec * 1000000000 + (uint64_t)up.tv_nsec);
}

/* Whether an owner that has no lock of the system here is dead for sure. */
static bool owner_is_dead(const owner_t *owner, const owner_t *me) {
    if (strcmp(owner->host, me->host) != 0)
        return false;
    return strcmp(owner->boot, me->boot) == 0 || owner->stamp < node_boot_ns();
}

/* Wait whether the stamp moves. */
static mofka_status_t owner_watch(mfi_lock_t *lock, const owner_t *owner, int64_t still_ms) {
    int64_t deadline = mfi_deadline(still_ms > 0 ? still_ms : MFI_LOCK_STILL_MS), left;
    while ((left = mfi_remaining(deadline)) > 0) {
        owner_t now;
        bool owned;
        struct timespec nap = {.tv_nsec = (left < 100 ? left : 100) * 1000000};
        nanosleep(&nap, NULL);
        mofka_status_t status = record_read(lock->log, lock->fd, lock->path, &now, &owned);
        if (status)
            return status;
        if (owned && now.stamp != owner->stamp)
            return owner_refuse(lock->path, &now, "it lives; end it first");
    }
    return MOFKA_OK;
}

static mofka_status_t lock_examine(mfi_lock_t *lock, const mfi_lock_options_t *options) {
    owner_t owner = {.stamp = 0};
    bool owned = false;
    int error = lock->log->io.ops->lock(lock->log->io.self, lock->fd, 0, 1);
    mofka_status_t status = record_read(lock->log, lock->fd, lock->path, &owner, &owned);
    if (error == -EAGAIN)
        return status ? status
                      : owner_refuse(lock->path, &owner, "end it first, or read without writing");
    if (error)
        return mfi_io_fail(error, "lock", lock->path);
    if (status)
        return status;
    bool dead = owner_is_dead(&owner, &lock->owner);
    lock->owner.copy = owner.copy;
    lock->owner.stamp = owner.stamp;
    if (!owned || dead)
        return MOFKA_OK;
    if (options->takeover)
        return owner_watch(lock, &owner, options->still_ms);
    return owner_refuse(lock->path, &owner,
                        "if that process is dead, \"mofkactl log unlock\" says so");
}

static mofka_status_t lock_open(mfi_lock_t *lock, const mfi_lock_options_t *options) {
    const mfi_io_t *io = &lock->log->io;
    mofka_status_t status = mfi_io_path(lock->path, lock->log->folder, "lock");
    if (status)
        return status;
    lock->fd = io->ops->open(io->self, lock->path, O_RDWR | O_CREAT);
    if (lock->fd < 0)
        return mfi_io_fail(lock->fd, "open", lock->path);
    owner_fill(&lock->owner, options->host);
    status = lock_examine(lock, options);
    if (status)
        return status;
    int error = record_write(lock->log, lock->fd, &lock->owner);
    if (error)
        return mfi_io_fail(error, "write", lock->path);
    size_t got;
    error = mfi_io_read(io, lock->fd, lock->records, sizeof lock->records, 0, &got);
    return error ? mfi_io_fail(error, "read", lock->path) : MOFKA_OK;
}

static void lock_free(mfi_lock_t *lock) {
    if (lock->fd >= 0) {
        /* Also for a child that was forked just now, and has not closed the file yet. */
        lock->log->io.ops->unlock(lock->log->io.self, lock->fd, 0, 1);
        lock->log->io.ops->close(lock->log->io.self, lock->fd);
    }
    pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

mofka_status_t mfi_lock_take(const mfi_log_t *log, const mfi_lock_options_t *options,
                             mfi_lock_t **lock) {
    static const mfi_lock_options_t defaults;
    mfi_lock_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a lock");
    made->log = log;
    made->fd = -1;
    pthread_mutex_init(&made->mutex, NULL);
    mofka_status_t status = lock_open(made, options ? options : &defaults);
    if (status)
        lock_free(made);
    else
        *lock = made;
    return status;
}

/* ---- while it is held ------------------------------------------------------------------------ */

static mofka_status_t lock_refuse_other(const mfi_lock_t *lock, const owner_t *other, bool owned) {
    if (owned)
        return owner_refuse(lock->path, other, "it took the partition over");
    return mofka_fail(MOFKA_ERR_BUSY,
                      "%s: the lock was taken from this process (\"mofkactl log unlock\"), which "
                      "writes the partition no more",
                      lock->path);
}

/* With the mutex. What cannot be read says nothing. */
static mofka_status_t lock_compare(const mfi_lock_t *lock) {
    char records[sizeof lock->records] = "";
    const mfi_io_t *io = &lock->log->io;
    owner_t owner;
    bool owned;
    size_t got;
    int error = mfi_io_read(io, lock->fd, records, sizeof records, 0, &got);
    if (error || memcmp(records, lock->records, sizeof records) == 0)
        return MOFKA_OK;
    if (record_read(lock->log, lock->fd, lock->path, &owner, &owned))
        return MOFKA_OK;
    if (owned && owner.taken == lock->owner.taken && owner.pid == lock->owner.pid &&
        strcmp(owner.host, lock->owner.host) == 0)
        return MOFKA_OK;
    return lock_refuse_other(lock, &owner, owned);
}

mofka_status_t mfi_lock_check(mfi_lock_t *lock) {
    pthread_mutex_lock(&lock->mutex);
    mofka_status_t status = lock_compare(lock);
    pthread_mutex_unlock(&lock->mutex);
    return status;
}

mofka_status_t mfi_lock_touch(mfi_lock_t *lock) {
    char text[RECORD_BYTES];
    pthread_mutex_lock(&lock->mutex);
    mofka_status_t status = lock_compare(lock);
    if (!status && record_put(lock->log, lock->fd, &lock->owner, text) == 0)
        memcpy(lock->records + (size_t)lock->owner.copy * RECORD_BYTES, text, sizeof text);
    else if (!status)
        lock->owner.copy = !lock->owner.copy; /* the other one is whole still */
    pthread_mutex_unlock(&lock->mutex);
    if (!status) /* an append that checks the lock does not wait for this */
        (void)lock->log->io.ops->sync(lock->log->io.self, lock->fd);
    return status;
}

static uint64_t lock_identity(const char *host, uint64_t pid, uint64_t taken) {
    char text[MFI_LOCK_HOST_BYTES + 64];
    int bytes = snprintf(text, sizeof text, "%s %" PRIu64 " %" PRIu64, host, pid, taken);
    return mfi_check_bytes(text, (size_t)bytes, 0);
}

uint64_t mfi_lock_identity(const mfi_lock_t *lock) {
    return lock_identity(lock->owner.host, lock->owner.pid, lock->owner.taken);
}

uint64_t mfi_lock_owner_identity(const mfi_lock_owner_t *owner) {
    return lock_identity(owner->host, owner->pid, owner->taken);
}

void mfi_lock_release(mfi_lock_t *lock) {
    if (!lock)
        return;
    if (mfi_lock_touch(lock) == MOFKA_OK)
        (void)record_clear(lock->log, lock->fd, &lock->owner);
    lock_free(lock);
}

mofka_status_t mfi_lock_look(const mfi_log_t *log, mfi_lock_owner_t *owner, bool *owned) {
    char path[MFI_PATH_BYTES_MAX];
    owner_t found;
    mofka_status_t status = mfi_io_path(path, log->folder, "lock");
    *owned = false;
    if (status || !mfi_io_exists(&log->io, path))
        return status;
    int fd = log->io.ops->open(log->io.self, path, O_RDONLY);
    if (fd < 0)
        return mfi_io_fail(fd, "open", path);
    status = record_read(log, fd, path, &found, owned);
    int locked = status ? 0 : log->io.ops->locked(log->io.self, fd, 0, 1);
    if (locked < 0)
        status = mfi_io_fail(locked, "look at the lock of", path);
    log->io.ops->close(log->io.self, fd);
    if (status)
        return status;
    *owner = (mfi_lock_owner_t){.pid = found.pid,
                                .since = found.since,
                                .stamp = found.stamp,
                                .taken = found.taken,
                                .locked = locked > 0};
    memcpy(owner->host, found.host, sizeof owner->host);
    return MOFKA_OK;
}

mofka_status_t mfi_lock_break(const mfi_log_t *log) {
    char path[MFI_PATH_BYTES_MAX];
    owner_t owner;
    bool owned;
    mofka_status_t status = mfi_io_path(path, log->folder, "lock");
    if (status)
        return status;
    int fd = log->io.ops->open(log->io.self, path, O_RDWR);
    if (fd < 0)
        return mfi_io_fail(fd, "open", path);
    int error = log->io.ops->lock(log->io.self, fd, 0, 1);
    status = record_read(log, fd, path, &owner, &owned);
    if (!status && error == -EAGAIN)
        status = owner_refuse(path, &owner, "it lives; end it first");
    else if (!status && error)
        status = mfi_io_fail(error, "lock", path);
    else if (!status && (error = record_clear(log, fd, &owner)))
        status = mfi_io_fail(error, "write", path);
    log->io.ops->close(log->io.self, fd);
    return status;
}
