/* SPDX-License-Identifier: BSD-3-Clause */
/* What the store builds from the table of file operations: whole reads and writes, small files. */
#include "store/io/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"

/* A lock that other processes have for a moment is waited for so long. */
#define LOCK_WAIT_MS 10000

static mofka_status_t io_status(int error) {
    switch (error) {
    case ENOENT:
        return MOFKA_ERR_NOT_FOUND;
    case EEXIST:
        return MOFKA_ERR_EXISTS;
    case ENOMEM:
        return MOFKA_ERR_MEMORY;
    default:
        return MOFKA_ERR_STORAGE;
    }
}

/* What a user can do about an error; "" if the error says it. */
static const char *io_advice(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return "; make room there, then try again";
    case EROFS:
        return "; its file system is read-only: a store there can be read without a consumer's "
               "name";
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
        return "; if its file system has no byte-range locks, its mount options may give them";
    case EIO:
        return "; the disk or its file system is failing";
    default:
        return "";
    }
}

mofka_status_t mfi_io_fail(int error, const char *what, const char *path) {
    char reason[128];
    int number = error < 0 ? -error : error;
    assert(number != 0);
    return mofka_fail(io_status(number), "cannot %s %s: %s (errno %d)%s", what, path,
                      strerror_r(number, reason, sizeof reason), number, io_advice(number));
}

mofka_status_t mfi_io_path(char path[MFI_PATH_BYTES_MAX], const char *folder, const char *name) {
    int bytes = snprintf(path, MFI_PATH_BYTES_MAX, "%s/%s", folder, name);
    if (bytes < 0 || bytes >= MFI_PATH_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "a path has more than %d bytes: %.200s...",
                          MFI_PATH_BYTES_MAX - 1, folder);
    return MOFKA_OK;
}

int mfi_io_read(const mfi_io_t *io, int fd, void *to, size_t bytes, uint64_t offset, size_t *got) {
    *got = 0;
    while (*got < bytes) {
        ssize_t n =
            io->ops->read(io->self, fd, (char *)to + *got, bytes - *got, offset + (uint64_t)*got);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return 0;
        *got += (size_t)n;
    }
    return 0;
}

/* Move past the bytes that were written. */
static void parts_pass(struct iovec **parts, size_t *count, size_t bytes) {
    while (*count > 0 && bytes >= (*parts)->iov_len) {
        bytes -= (*parts)->iov_len;
        ++*parts, --*count;
    }
    if (bytes > 0) {
        assert(*count > 0);
        (*parts)->iov_base = (char *)(*parts)->iov_base + bytes;
        (*parts)->iov_len -= bytes;
    }
}

int mfi_io_write(const mfi_io_t *io, int fd, struct iovec *parts, size_t count, uint64_t offset) {
    parts_pass(&parts, &count, 0);
    while (count > 0) {
        int now = count < MFI_IO_PARTS_MAX ? (int)count : MFI_IO_PARTS_MAX;
        ssize_t n = io->ops->write(io->self, fd, parts, now, offset);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO; /* nothing written, and no reason given */
        offset += (uint64_t)n;
        parts_pass(&parts, &count, (size_t)n);
    }
    return 0;
}

int mfi_io_write_bytes(const mfi_io_t *io, int fd, const void *bytes, size_t size,
                       uint64_t offset) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return mfi_io_write(io, fd, &part, 1, offset);
}

int mfi_io_lock(const mfi_io_t *io, int fd, uint64_t byte) {
    int64_t deadline = mfi_deadline(LOCK_WAIT_MS);
    int error;
    while ((error = io->ops->lock(io->self, fd, byte, 1)) == -EAGAIN && mfi_remaining(deadline) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return error;
}

bool mfi_io_exists(const mfi_io_t *io, const char *path) {
    int fd = io->ops->open(io->self, path, O_RDONLY);
    if (fd >= 0)
        io->ops->close(io->self, fd);
    return fd >= 0;
}

/* The folder that a path is in. */
static void io_parent(const char *path, char parent[MFI_PATH_BYTES_MAX]) {
    snprintf(parent, MFI_PATH_BYTES_MAX, "%s", path);
    for (size_t end = strlen(parent); end > 1 && parent[end - 1] == '/';)
        parent[--end] = '\0';
    char *slash = strrchr(parent, '/');
    if (!slash)
        snprintf(parent, MFI_PATH_BYTES_MAX, ".");
    else
        slash[slash == parent] = '\0'; /* the root stays */
}

mofka_status_t mfi_io_make_folder(const mfi_io_t *io, const char *path) {
    int error = io->ops->mkdir(io->self, path);
    if (error && error != -EEXIST)
        return mfi_io_fail(error, "make the folder", path);
    return mfi_io_sync_parents(io, path, 0);
}

mofka_status_t mfi_io_sync_parents(const mfi_io_t *io, const char *path, int more) {
    char at[MFI_PATH_BYTES_MAX], parent[MFI_PATH_BYTES_MAX];
    snprintf(at, sizeof at, "%s", path);
    for (; more >= 0; more--) {
        io_parent(at, parent);
        int error = io->ops->sync_folder(io->self, parent);
        if (error)
            return mfi_io_fail(error, "sync the folder", parent);
        memcpy(at, parent, sizeof at);
    }
    return MOFKA_OK;
}

static mofka_status_t io_load_open(const mfi_io_t *io, int fd, const char *path, size_t most,
                                   char **text, size_t *bytes) {
    uint64_t size = 0;
    int error = io->ops->size(io->self, fd, &size);
    if (error)
        return mfi_io_fail(error, "read", path);
    if (size > most)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "%s has %llu bytes; at most %zu are read", path,
                          (unsigned long long)size, most);
    char *loaded = malloc((size_t)size + 1);
    if (!loaded)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read %s", path);
    error = mfi_io_read(io, fd, loaded, (size_t)size, 0, bytes);
    if (error) {
        free(loaded);
        return mfi_io_fail(error, "read", path);
    }
    loaded[*bytes] = '\0';
    *text = loaded;
    return MOFKA_OK;
}

mofka_status_t mfi_io_load(const mfi_io_t *io, const char *path, size_t most, char **text,
                           size_t *bytes) {
    int fd = io->ops->open(io->self, path, O_RDONLY);
    if (fd < 0)
        return mfi_io_fail(fd, "open", path);
    mofka_status_t status = io_load_open(io, fd, path, most, text, bytes);
    io->ops->close(io->self, fd);
    return status;
}

static mofka_status_t io_write_new(const mfi_io_t *io, const char *path, const char *text,
                                   size_t bytes) {
    int fd = io->ops->open(io->self, path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return mfi_io_fail(fd, "make", path);
    int error = mfi_io_write_bytes(io, fd, text, bytes, 0);
    if (!error)
        error = io->ops->sync(io->self, fd);
    io->ops->close(io->self, fd);
    if (!error)
        return MOFKA_OK;
    io->ops->unlink(io->self, path);
    return mfi_io_fail(error, "write", path);
}

mofka_status_t mfi_io_replace(const mfi_io_t *io, const char *folder, const char *name,
                              const char *text, size_t bytes) {
    char path[MFI_PATH_BYTES_MAX], temporary[MFI_PATH_BYTES_MAX], hidden[300];
    if (snprintf(hidden, sizeof hidden, "%s.tmp", name) >= (int)sizeof hidden)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "the file name '%s' is too long", name);
    mofka_status_t status = mfi_io_path(path, folder, name);
    if (!status)
        status = mfi_io_path(temporary, folder, hidden);
    if (!status)
        status = io_write_new(io, temporary, text, bytes);
    if (status)
        return status;
    int error = io->ops->rename(io->self, temporary, path);
    if (error)
        return mfi_io_fail(error, "rename a file to", path);
    error = io->ops->sync_folder(io->self, folder);
    return error ? mfi_io_fail(error, "sync the folder", folder) : MOFKA_OK;
}

mofka_status_t mfi_io_remove(const mfi_io_t *io, const char *folder, const char *name) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_io_path(path, folder, name);
    if (status)
        return status;
    int error = io->ops->unlink(io->self, path);
    if (error && error != -ENOENT)
        return mfi_io_fail(error, "remove", path);
    error = io->ops->sync_folder(io->self, folder);
    return error ? mfi_io_fail(error, "sync the folder", folder) : MOFKA_OK;
}
