/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's file operations by those of the system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mofka/backend.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/io/io.h"

/* Calls of the library leave errno as it was. So each operation begins with this, and ends with
 * posix_answer. */
#define POSIX_BEGIN(self)                                                                          \
    int saved = errno;                                                                             \
    (void)(self)

/* A system call's result; a failure as a negative errno. */
static ssize_t posix_answer(ssize_t result, int saved) {
    ssize_t answer = result < 0 ? -errno : result;
    errno = saved;
    return answer;
}

/* ---- forks: a lock belongs to the open file, which a child shares ------------------------------
 */

/* A file that has a lock. The list only grows, so that a forked child can walk it. */
typedef struct locked_file {
    struct locked_file *next;
    _Atomic int fd; /* -1: free */
} locked_file_t;

static locked_file_t *_Atomic locked_files;
static pthread_once_t locked_once = PTHREAD_ONCE_INIT;

static void locked_close_in_child(void) {
    for (locked_file_t *file = atomic_load(&locked_files); file; file = file->next) {
        int fd = atomic_exchange(&file->fd, -1);
        if (fd >= 0)
            close(fd);
    }
}

static void locked_watch_forks(void) {
    (void)mofka_backend_at_fork(locked_close_in_child);
}

/* Put `to` where `from` is in the list; false: it is not there. */
static bool locked_replace(int from, int to) {
    for (locked_file_t *file = atomic_load(&locked_files); file; file = file->next) {
        int expected = from;
        if (atomic_compare_exchange_strong(&file->fd, &expected, to))
            return true;
    }
    return false;
}

/* False: no memory. */
static bool locked_add(int fd) {
    pthread_once(&locked_once, locked_watch_forks);
    if (locked_replace(fd, fd) || locked_replace(-1, fd))
        return true;
    locked_file_t *file = calloc(1, sizeof *file);
    if (!file)
        return false;
    atomic_init(&file->fd, fd);
    file->next = atomic_load(&locked_files);
    while (!atomic_compare_exchange_weak(&locked_files, &file->next, file))
        ;
    return true;
}

/* ---- operations --------------------------------------------------------------------------------
 */

/* Call again where a signal interrupted it. */
#define POSIX_AGAIN(result, call)                                                                  \
    do                                                                                             \
        (result) = (call);                                                                         \
    while ((result) < 0 && errno == EINTR)

static int posix_open(void *self, const char *path, int flags) {
    POSIX_BEGIN(self);
    int fd;
    POSIX_AGAIN(fd, open(path, flags | O_CLOEXEC, 0666));
    return (int)posix_answer(fd, saved);
}

static int posix_close(void *self, int fd) {
    POSIX_BEGIN(self);
    (void)locked_replace(fd, -1);
    int result = close(fd);
    /* Not again after EINTR: Linux has closed it. */
    return (int)posix_answer(result < 0 && errno == EINTR ? 0 : result, saved);
}

static ssize_t posix_read(void *self, int fd, void *to, size_t bytes, uint64_t offset) {
    POSIX_BEGIN(self);
    ssize_t n;
    POSIX_AGAIN(n, pread(fd, to, bytes, (off_t)offset));
    return posix_answer(n, saved);
}

static ssize_t posix_write(void *self, int fd, const struct iovec *parts, int count,
                           uint64_t offset) {
    POSIX_BEGIN(self);
    ssize_t n;
    POSIX_AGAIN(n, pwritev(fd, parts, count, (off_t)offset));
    return posix_answer(n, saved);
}

static int posix_size(void *self, int fd, uint64_t *bytes) {
    POSIX_BEGIN(self);
    struct stat st;
    int result = fstat(fd, &st);
    if (result == 0)
        *bytes = (uint64_t)st.st_size;
    return (int)posix_answer(result, saved);
}

static int posix_sync(void *self, int fd) {
    POSIX_BEGIN(self);
    int result;
    POSIX_AGAIN(result, fdatasync(fd));
    return (int)posix_answer(result, saved);
}

static int posix_sync_folder(void *self, const char *path) {
    POSIX_BEGIN(self);
    int result, fd = posix_open(self, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    POSIX_AGAIN(result, fsync(fd));
    /* Some file systems have no sync of folders, and need none. */
    int error = (int)posix_answer(result < 0 && errno == EINVAL ? 0 : result, saved);
    posix_close(self, fd);
    return error;
}

static int posix_rename(void *self, const char *from, const char *to) {
    POSIX_BEGIN(self);
    return (int)posix_answer(rename(from, to), saved);
}

static int posix_unlink(void *self, const char *path) {
    POSIX_BEGIN(self);
    return (int)posix_answer(unlink(path), saved);
}

static int posix_mkdir(void *self, const char *path) {
    POSIX_BEGIN(self);
    return (int)posix_answer(mkdir(path, 0777), saved);
}

static int posix_list(void *self, const char *path, void (*visit)(void *context, const char *name),
                      void *context) {
    POSIX_BEGIN(self);
    DIR *folder = opendir(path);
    if (!folder)
        return (int)posix_answer(-1, saved);
    struct dirent *entry;
    for (errno = 0; (entry = readdir(folder)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(context, entry->d_name);
    int error = errno;
    closedir(folder);
    errno = saved;
    return -error;
}

static int posix_lock_range(int fd, short type, uint64_t start, uint64_t bytes) {
    int saved = errno;
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)bytes};
    int error = (int)posix_answer(fcntl(fd, F_OFD_SETLK, &range), saved);
    return error == -EACCES ? -EAGAIN : error;
}

static int posix_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    POSIX_BEGIN(self);
    bool listed = locked_add(fd);
    errno = saved;
    return listed ? posix_lock_range(fd, F_WRLCK, start, bytes) : -ENOMEM;
}

static int posix_unlock(void *self, int fd, uint64_t start, uint64_t bytes) {
    (void)self;
    return posix_lock_range(fd, F_UNLCK, start, bytes);
}

static int posix_locked(void *self, int fd, uint64_t start, uint64_t bytes) {
    POSIX_BEGIN(self);
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)bytes};
    int error = (int)posix_answer(fcntl(fd, F_OFD_GETLK, &range), saved);
    return error ? error : range.l_type != F_UNLCK;
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
                                       .unlock = posix_unlock,
                                       .locked = posix_locked};

const mfi_io_t mfi_io_posix = {&posix_ops, NULL};
