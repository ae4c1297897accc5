/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk in memory: the file operations; see disk.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "durable/disk/media.h"

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
    name_t *name = disk_name_find(d, path);
    if (name->now && (flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (!name->now && !(flags & O_CREAT))
        return -ENOENT;
    file_t *file = name->now;
    if (!file) {
        char parent[512];
        disk_path_parent(path, parent);
        if (!disk_name_find(d, parent)->now)
            return -ENOENT;
        file = disk_file_create(d, false);
        disk_step_change(d, disk_step_add(d, path), path, file);
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
        disk_file_write(file, parts[i].iov_base, now, (size_t)offset + done);
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
            disk_file_keep(file);
        error = file ? 0 : -EBADF;
    } else if (file && !was_stopped) {
        disk_file_drop(d, file);
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
                disk_step_keep(d, &d->steps[i]);
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
        file_t *file = disk_name_find(d, from)->now;
        if (file) {
            step_t *step = disk_step_add(d, to);
            disk_step_change(d, step, from, NULL);
            disk_step_change(d, step, to, file);
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
        if (disk_name_find(d, path)->now)
            disk_step_change(d, disk_step_add(d, path), path, NULL);
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
        if (disk_name_find(d, path)->now)
            error = -EEXIST;
        else
            disk_step_change(d, disk_step_add(d, path), path, disk_file_create(d, true));
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
    if (!call_fails(d, 0, &error) && !disk_name_find(d, path)->now)
        error = -ENOENT;
    for (size_t i = 0; i < d->name_count && !error; i++) {
        char parent[512];
        disk_path_parent(d->names[i].path, parent);
        if (!d->names[i].now || strcmp(parent, path) != 0 || strcmp(d->names[i].path, "/") == 0)
            continue;
        found = disk_need(reallocarray(found, count + 1, sizeof *found));
        snprintf(found[count++], sizeof *found, "%s", strrchr(d->names[i].path, '/') + 1);
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < count; i++)
        visit(context, found[i]);
    free(found);
    return error;
}

/* Whether another open file has a lock of the range. `*place` is free for one more. */
static bool lock_is_elsewhere(const disk_t *d, int fd, uint64_t start, uint64_t bytes, int *place) {
    bool elsewhere = false;
    for (int i = 0; i < LOCKS_MAX; i++) {
        const held_t *held = &d->locks[i];
        if (held->fd < 0)
            *place = i;
        else if (held->file == d->fds[fd] && held->fd != fd && held->start < start + bytes &&
                 start < held->start + held->bytes)
            elsewhere = true;
    }
    return elsewhere;
}

static int disk_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    disk_t *d = self;
    int error = 0, place = -1;
    pthread_mutex_lock(&d->lock);
    if (!call_fails(d, 0, &error) && lock_is_elsewhere(d, fd, start, bytes, &place))
        error = -EAGAIN;
    if (!error)
        d->locks[place] = (held_t){d->fds[fd], start, bytes, fd};
    pthread_mutex_unlock(&d->lock);
    return error;
}

static int disk_locked(void *self, int fd, uint64_t start, uint64_t bytes) {
    disk_t *d = self;
    int error = 0, place;
    pthread_mutex_lock(&d->lock);
    bool locked = !call_fails(d, 0, &error) && lock_is_elsewhere(d, fd, start, bytes, &place);
    pthread_mutex_unlock(&d->lock);
    return error ? error : locked;
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
                                      .unlock = disk_unlock,
                                      .locked = disk_locked};

mfi_io_t disk_io(disk_t *disk) {
    return (mfi_io_t){&disk_ops, disk};
}
