/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's file operations by those of the system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/io/io.h"

/* The value of a system call, done again where a signal interrupted it; a failure as negative
 * errno. */
#define POSIX_AGAIN(result, call)                                                                  \
    do                                                                                             \
        (result) = (call);                                                                         \
    while ((result) < 0 && errno == EINTR);                                                        \
    if ((result) < 0)                                                                              \
    (result) = -errno

static int posix_open(void *self, const char *path, int flags) {
    int fd;
    (void)self;
    POSIX_AGAIN(fd, open(path, flags | O_CLOEXEC, 0666));
    return fd;
}

static int posix_close(void *self, int fd) {
    (void)self;
    /* Not again after EINTR: Linux has closed it. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_read(void *self, int fd, void *to, size_t bytes, uint64_t offset) {
    ssize_t n;
    (void)self;
    POSIX_AGAIN(n, pread(fd, to, bytes, (off_t)offset));
    return n;
}

static ssize_t posix_write(void *self, int fd, const struct iovec *parts, int count,
                           uint64_t offset) {
    ssize_t n;
    (void)self;
    POSIX_AGAIN(n, pwritev(fd, parts, count, (off_t)offset));
    return n;
}

static int posix_size(void *self, int fd, uint64_t *bytes) {
    struct stat st;
    (void)self;
    if (fstat(fd, &st) < 0)
        return -errno;
    *bytes = (uint64_t)st.st_size;
    return 0;
}

static int posix_sync(void *self, int fd) {
    int result;
    (void)self;
    POSIX_AGAIN(result, fdatasync(fd));
    return result;
}

static int posix_sync_folder(void *self, const char *path) {
    int result, fd = posix_open(self, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    POSIX_AGAIN(result, fsync(fd));
    close(fd);
    /* Some file systems have no sync of folders, and need none. */
    return result == -EINVAL ? 0 : result;
}

static int posix_rename(void *self, const char *from, const char *to) {
    (void)self;
    return rename(from, to) < 0 ? -errno : 0;
}

static int posix_unlink(void *self, const char *path) {
    (void)self;
    return unlink(path) < 0 ? -errno : 0;
}

static int posix_mkdir(void *self, const char *path) {
    (void)self;
    return mkdir(path, 0777) < 0 ? -errno : 0;
}

static int posix_list(void *self, const char *path, void (*visit)(void *context, const char *name),
                      void *context) {
    (void)self;
    DIR *folder = opendir(path);
    if (!folder)
        return -errno;
    struct dirent *entry;
    for (errno = 0; (entry = readdir(folder)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(context, entry->d_name);
    int error = errno;
    closedir(folder);
    return -error;
}

static int posix_lock_range(int fd, short type, uint64_t start, uint64_t bytes) {
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)bytes};
    if (fcntl(fd, F_OFD_SETLK, &range) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

static int posix_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    (void)self;
    return posix_lock_range(fd, F_WRLCK, start, bytes);
}

static int posix_unlock(void *self, int fd, uint64_t start, uint64_t bytes) {
    (void)self;
    return posix_lock_range(fd, F_UNLCK, start, bytes);
}

static const mfi_io_ops_t posix_ops = {.open = posix_open,
                                       .close = posix_close,
                                       .read = posix_read,
                                       .write = posix_write,
                                       .size = posix_size,
                                       .sync = posix_sync,
                                       .sync_folder = posix_sync_folder,
                                       .rename = posix_rename,
                                       .unlink = posix_unlink,
                                       .mkdir = posix_mkdir,
                                       .list = posix_list,
                                       .lock = posix_lock,
                                       .unlock = posix_unlock};

const mfi_io_t mfi_io_posix = {&posix_ops, NULL};
