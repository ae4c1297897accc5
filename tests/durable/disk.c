/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk in memory; see disk.h. */
#include "durable/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096
#define SECTOR 512
enum { FDS_MAX = 512, LOCKS_MAX = 256 };

/* DROPPED: a sync failed, and the system takes the page for written. */
typedef enum page_state { PAGE_CLEAN, PAGE_DIRTY, PAGE_DROPPED } page_state_t;

typedef struct file {
    struct file *next_file;
    bool folder;
    uint8_t *now, *kept; /* as the system has it, as the disk has it; both have `room` bytes */
    size_t room, now_bytes, kept_bytes;
    uint8_t *pages; /* page_state_t of each */
} file_t;

typedef struct name {
    char path[512];
    file_t *now, *kept; /* NULL: it is not there */
} name_t;

/* A name that changed; of a rename, two. */
typedef struct step {
    char path[2][512];
    file_t *file[2];
    int count;
    char folder[512];
} step_t;

typedef struct held {
    file_t *file;
    uint64_t start, bytes;
    int fd; /* -1: free */
} held_t;

struct disk {
    pthread_mutex_t lock;
    uint64_t seed;
    file_t *files;
    name_t *names;
    size_t name_count;
    step_t *steps;
    size_t step_count;
    file_t *fds[FDS_MAX];
    held_t locks[LOCKS_MAX];
    uint64_t calls;
    int fail_kinds, fail_error;
    uint64_t fail_after, fail_times;
    bool failed, write_short, stopping, stopped;
    uint64_t stop_after;
};

static void *memory_need(void *memory) {
    if (!memory)
        abort();
    return memory;
}

/* The same numbers for the same seed. */
static uint32_t disk_random(disk_t *d) {
    d->seed = d->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(d->seed >> 33);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void path_parent(const char *path, char parent[512]) {
    snprintf(parent, 512, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
}

static name_t *name_find(disk_t *d, const char *path) {
    for (size_t i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    d->names = memory_need(reallocarray(d->names, d->name_count + 1, sizeof *d->names));
    name_t *name = &d->names[d->name_count++];
    *name = (name_t){.now = NULL};
    snprintf(name->path, sizeof name->path, "%s", path);
    return name;
}

static step_t *step_add(disk_t *d, const char *path) {
    d->steps = memory_need(reallocarray(d->steps, d->step_count + 1, sizeof *d->steps));
    step_t *step = &d->steps[d->step_count++];
    *step = (step_t){.count = 0};
    path_parent(path, step->folder);
    return step;
}

static void step_change(disk_t *d, step_t *step, const char *path, file_t *file) {
    name_find(d, path)->now = file;
    snprintf(step->path[step->count], sizeof step->path[0], "%s", path);
    step->file[step->count++] = file;
}

static void step_keep(disk_t *d, const step_t *step) {
    for (int i = 0; i < step->count; i++)
        name_find(d, step->path[i])->kept = step->file[i];
}

static file_t *file_create(disk_t *d, bool folder) {
    file_t *file = memory_need(calloc(1, sizeof *file));
    file->folder = folder;
    file->next_file = d->files;
    d->files = file;
    return file;
}

static void file_grow(file_t *file, size_t bytes) {
    if (bytes <= file->room)
        return;
    size_t room = (bytes + bytes / 2 + PAGE) / PAGE * PAGE;
    file->now = memory_need(realloc(file->now, room));
    file->kept = memory_need(realloc(file->kept, room));
    file->pages = memory_need(realloc(file->pages, room / PAGE));
    memset(file->now + file->room, 0, room - file->room);
    memset(file->kept + file->room, 0, room - file->room);
    memset(file->pages + file->room / PAGE, PAGE_CLEAN, (room - file->room) / PAGE);
    file->room = room;
}

static void file_write(file_t *file, const void *bytes, size_t size, size_t offset) {
    file_grow(file, offset + size);
    if (size == 0)
        return;
    memcpy(file->now + offset, bytes, size);
    for (size_t page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++)
        file->pages[page] = PAGE_DIRTY;
    if (offset + size > file->now_bytes)
        file->now_bytes = offset + size;
}

static void page_keep(file_t *file, size_t page) {
    memcpy(file->kept + page * PAGE, file->now + page * PAGE, PAGE);
    file->pages[page] = PAGE_CLEAN;
}

/* A sync. */
static void file_keep(file_t *file) {
    for (size_t page = 0; page < file->room / PAGE; page++)
        if (file->pages[page] != PAGE_DROPPED)
            page_keep(file, page);
    file->kept_bytes = file->now_bytes;
}

/* A sync that fails: some pages are written, the others are taken for written. */
static void file_drop(disk_t *d, file_t *file) {
    for (size_t page = 0; page < file->room / PAGE; page++)
        if (file->pages[page] == PAGE_DIRTY && disk_random(d) % 2)
            page_keep(file, page);
        else if (file->pages[page] == PAGE_DIRTY)
            file->pages[page] = PAGE_DROPPED;
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Whether this call fails; *error is its answer. */
static bool call_fails(disk_t *d, int kind, int *error) {
    uint64_t call = d->calls++;
    if (d->stopped || (d->stopping && call >= d->stop_after)) {
        d->stopped = true;
        *error = -EIO;
        return true;
    }
    if (!(d->fail_kinds & kind))
        return false;
    if (d->fail_after > 0) {
        d->fail_after--;
        return false;
    }
    if (d->fail_times == 0)
        return false;
    d->fail_times--;
    d->failed = true;
    *error = -d->fail_error;
    return true;
}

/* ---- operations ------------------------------------------------------------------------------ */

static int disk_open_found(disk_t *d, const char *path, int flags) {
    name_t *name = name_find(d, path);
    if (name->now && (flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (!name->now && !(flags & O_CREAT))
        return -ENOENT;
    file_t *file = name->now;
    if (!file) {
        char parent[512];
        path_parent(path, parent);
        if (!name_find(d, parent)->now)
            return -ENOENT;
        file = file_create(d, false);
        step_change(d, step_add(d, path), path, file);
    } else if (flags & O_TRUNC) {
        memset(file->now, 0, file->now_bytes);
        file->now_bytes = 0;
    }
    for (int fd = 3; fd < FDS_MAX; fd++)
        if (!d->fds[fd]) {
            d->fds[fd] = file;
            return fd;
        }
    return -EMFILE;
}

static int disk_open(void *self, const char *path, int flags) {
    disk_t *d = self;
    int result;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, flags & O_CREAT ? DISK_NAME : 0, &result))
        result = disk_open_found(d, path, flags);
    pthread_mutex_unlock(&d->lock);
    return result;
}

static int disk_close(void *self, int fd) {
    disk_t *d = self;
    pthread_mutex_lock(&d->lock);
    d->fds[fd] = NULL;
    for (int i = 0; i < LOCKS_MAX; i++)
        if (d->locks[i].fd == fd)
            d->locks[i].fd = -1;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static ssize_t disk_read(void *self, int fd, void *to, size_t bytes, uint64_t offset) {
    disk_t *d = self;
    int error;
    ssize_t n = 0;
    pthread_mutex_lock(&d->lock);
    const file_t *file = d->fds[fd];
    if (call_fails(d, DISK_READ, &error))
        n = error;
    else if (!file)
        n = -EBADF;
    else if (offset < file->now_bytes) {
        size_t left = file->now_bytes - (size_t)offset;
        n = (ssize_t)(bytes < left ? bytes : left);
        memcpy(to, file->now + offset, (size_t)n);
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

static ssize_t disk_write_parts(file_t *file, const struct iovec *parts, int count, size_t most,
                                uint64_t offset) {
    size_t done = 0;
    for (int i = 0; i < count && done < most; i++) {
        size_t now = parts[i].iov_len < most - done ? parts[i].iov_len : most - done;
        file_write(file, parts[i].iov_base, now, (size_t)offset + done);
        done += now;
    }
    return (ssize_t)done;
}

static ssize_t disk_write(void *self, int fd, const struct iovec *parts, int count,
                          uint64_t offset) {
    disk_t *d = self;
    int error;
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    pthread_mutex_lock(&d->lock);
    bool was_stopped = d->stopped;
    bool fails = call_fails(d, DISK_WRITE, &error);
    ssize_t n = -EBADF;
    size_t most = bytes;
    if (fails || (d->write_short && disk_random(d) % 4 == 0))
        most = disk_random(d) % (bytes + 1);
    if (d->fds[fd] && !was_stopped)
        n = disk_write_parts(d->fds[fd], parts, count, !fails && most == 0 ? 1 : most, offset);
    if (fails)
        n = error;
    pthread_mutex_unlock(&d->lock);
    return n;
}

static int disk_size(void *self, int fd, uint64_t *bytes) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, DISK_READ, &error))
        *bytes = d->fds[fd] ? d->fds[fd]->now_bytes : 0;
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_sync(void *self, int fd) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    bool was_stopped = d->stopped;
    file_t *file = d->fds[fd];
    if (!call_fails(d, DISK_SYNC, &error)) {
        if (file)
            file_keep(file);
        error = file ? 0 : -EBADF;
    } else if (file && !was_stopped) {
        file_drop(d, file);
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_sync_folder(void *self, const char *path) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, DISK_SYNC, &error)) {
        size_t left = 0;
        for (size_t i = 0; i < d->step_count; i++)
            if (strcmp(d->steps[i].folder, path) == 0)
                step_keep(d, &d->steps[i]);
            else
                d->steps[left++] = d->steps[i];
        d->step_count = left;
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_rename(void *self, const char *from, const char *to) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, DISK_NAME, &error)) {
        file_t *file = name_find(d, from)->now;
        if (file) {
            step_t *step = step_add(d, to);
            step_change(d, step, from, NULL);
            step_change(d, step, to, file);
        } else {
            error = -ENOENT;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_unlink(void *self, const char *path) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, DISK_NAME, &error)) {
        if (name_find(d, path)->now)
            step_change(d, step_add(d, path), path, NULL);
        else
            error = -ENOENT;
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_mkdir(void *self, const char *path) {
    disk_t *d = self;
    int error = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, DISK_NAME, &error)) {
        if (name_find(d, path)->now)
            error = -EEXIST;
        else
            step_change(d, step_add(d, path), path, file_create(d, true));
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_list_names(void *self, const char *path,
                           void (*visit)(void *context, const char *name), void *context) {
    disk_t *d = self;
    int error = 0;
    char(*found)[512] = NULL;
    size_t count = 0;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, 0, &error) && !name_find(d, path)->now)
        error = -ENOENT;
    for (size_t i = 0; i < d->name_count && !error; i++) {
        char parent[512];
        path_parent(d->names[i].path, parent);
        if (!d->names[i].now || strcmp(parent, path) != 0 || strcmp(d->names[i].path, "/") == 0)
            continue;
        found = memory_need(reallocarray(found, count + 1, sizeof *found));
        snprintf(found[count++], sizeof *found, "%s", strrchr(d->names[i].path, '/') + 1);
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < count; i++)
        visit(context, found[i]);
    free(found);
    return error;
}

static int disk_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    disk_t *d = self;
    int error = 0, place = -1;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, 0, &error))
        for (int i = 0; i < LOCKS_MAX; i++) {
            const held_t *held = &d->locks[i];
            if (held->fd < 0)
                place = i;
            else if (held->file == d->fds[fd] && held->fd != fd && held->start < start + bytes &&
                     start < held->start + held->bytes)
                error = -EAGAIN;
        }
    if (!error)
        d->locks[place] = (held_t){d->fds[fd], start, bytes, fd};
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_unlock(void *self, int fd, uint64_t start, uint64_t bytes) {
    disk_t *d = self;
    (void)bytes;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < LOCKS_MAX; i++)
        if (d->locks[i].fd == fd && d->locks[i].start == start)
            d->locks[i].fd = -1;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static const mfi_io_ops_t disk_ops = {.open = disk_open,
                                      .close = disk_close,
                                      .read = disk_read,
                                      .write = disk_write,
                                      .size = disk_size,
                                      .sync = disk_sync,
                                      .sync_folder = disk_sync_folder,
                                      .rename = disk_rename,
                                      .unlink = disk_unlink,
                                      .mkdir = disk_mkdir,
                                      .list = disk_list_names,
                                      .lock = disk_lock,
                                      .unlock = disk_unlock};

mfi_io_t disk_io(disk_t *disk) {
    return (mfi_io_t){&disk_ops, disk};
}

/* ---- ends ------------------------------------------------------------------------------------ */

void disk_forget_locks(disk_t *d) {
    for (int i = 0; i < LOCKS_MAX; i++)
        d->locks[i].fd = -1;
}

void disk_end_process(disk_t *d) {
    memset(d->fds, 0, sizeof d->fds);
    disk_forget_locks(d);
    d->fail_kinds = 0;
    d->failed = d->write_short = d->stopping = d->stopped = false;
}

/* A page that is not synced: as before, as it is, or a mixture. */
static void page_lose(disk_t *d, file_t *file, size_t page) {
    unsigned fate = file->pages[page] == PAGE_DROPPED ? 0 : disk_random(d) % 8;
    for (size_t sector = page * PAGE; sector < (page + 1) * PAGE; sector += SECTOR) {
        bool lost = fate < 3 || (fate == 3 && disk_random(d) % 2);
        if (lost)
            memcpy(file->now + sector, file->kept + sector, SECTOR);
    }
}

static void file_lose(disk_t *d, file_t *file) {
    for (size_t page = 0; page < file->room / PAGE; page++)
        if (file->pages[page] != PAGE_CLEAN)
            page_lose(d, file, page);
    if (file->now_bytes > file->kept_bytes) {
        size_t more = file->now_bytes - file->kept_bytes;
        unsigned fate = disk_random(d) % 4;
        size_t keep = fate == 0 ? 0 : fate == 1 ? disk_random(d) % (more + 1) : more;
        memset(file->now + file->kept_bytes + keep, 0, more - keep);
        file->now_bytes = file->kept_bytes + keep;
    }
    for (size_t page = 0; page < file->room / PAGE; page++)
        page_keep(file, page);
    file_keep(file);
}

void disk_end_power(disk_t *d) {
    disk_end_process(d);
    for (size_t i = 0; i < d->step_count; i++)
        if (disk_random(d) % 2)
            step_keep(d, &d->steps[i]);
    d->step_count = 0;
    for (size_t i = 0; i < d->name_count; i++)
        d->names[i].now = d->names[i].kept;
    for (file_t *file = d->files; file; file = file->next_file)
        file_lose(d, file);
}

/* ---- for tests ------------------------------------------------------------------------------- */

disk_t *disk_create(uint64_t seed) {
    disk_t *d = memory_need(calloc(1, sizeof *d));
    pthread_mutex_init(&d->lock, NULL);
    d->seed = seed;
    for (int i = 0; i < LOCKS_MAX; i++)
        d->locks[i].fd = -1;
    name_t *root = name_find(d, "/");
    root->now = root->kept = file_create(d, true);
    return d;
}

void disk_destroy(disk_t *d) {
    for (file_t *file = d->files, *next; file; file = next) {
        next = file->next_file;
        free(file->now);
        free(file->kept);
        free(file->pages);
        free(file);
    }
    free(d->names);
    free(d->steps);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

disk_t *disk_copy(const disk_t *from) {
    disk_t *d = disk_create(from->seed);
    for (size_t i = 0; i < from->name_count; i++) {
        const file_t *file = from->names[i].now;
        name_t *name = name_find(d, from->names[i].path);
        if (!file || name->now)
            continue;
        file_t *copy = file_create(d, file->folder);
        file_write(copy, file->now, file->now_bytes, 0);
        file_keep(copy);
        name = name_find(d, from->names[i].path);
        name->now = name->kept = copy;
    }
    return d;
}

void disk_fail(disk_t *d, int kinds, uint64_t after, int error, uint64_t times) {
    d->fail_kinds = kinds;
    d->fail_after = after;
    d->fail_error = error;
    d->fail_times = times;
    d->failed = false;
}

bool disk_has_failed(const disk_t *d) {
    return d->failed;
}

void disk_stop(disk_t *d, uint64_t after) {
    d->stopping = true;
    d->stop_after = d->calls + after;
}

bool disk_is_stopped(const disk_t *d) {
    return d->stopped;
}

void disk_write_short(disk_t *d, bool on) {
    d->write_short = on;
}

uint64_t disk_calls(const disk_t *d) {
    return d->calls;
}

uint8_t *disk_bytes(disk_t *d, const char *path, size_t *bytes) {
    file_t *file = name_find(d, path)->now;
    *bytes = file ? file->now_bytes : 0;
    return file ? file->now : NULL;
}

void disk_truncate(disk_t *d, const char *path, size_t bytes) {
    file_t *file = name_find(d, path)->now;
    file_grow(file, bytes);
    if (bytes < file->now_bytes)
        memset(file->now + bytes, 0, file->now_bytes - bytes);
    file->now_bytes = bytes;
    file_keep(file);
}

void disk_list(disk_t *d, void (*visit)(void *context, const char *path, size_t bytes),
               void *context) {
    for (size_t i = 0; i < d->name_count; i++)
        if (d->names[i].now && !d->names[i].now->folder)
            visit(context, d->names[i].path, d->names[i].now->now_bytes);
}
