/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File operations of the store, behind a table: the store calls no file function itself.
 *
 * So tests can put files in memory, fail a call, write a part, and forget what was not synced. The
 * store relies on no more than POSIX promises: a write is on disk after `sync`; a name that was
 * made, renamed or removed is on disk after `sync_folder` of its folder. Before that either may be
 * there or not, in any order, page by page.
 */
#ifndef MOFKA_SRC_STORE_IO_IO_H
#define MOFKA_SRC_STORE_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <mofka/status.h>

/* Each slot returns a negative errno on failure, and is called by any thread. A path is absolute,
 * or relative to the working directory. Operations that a signal interrupts are done again. */
typedef struct mfi_io_ops {
    /* Open a file with flags of open(2); it closes on exec. A new file has mode 0666, less the
     * umask. Returns a descriptor. */
    int (*open)(void *self, const char *path, int flags);
    int (*close)(void *self, int fd);
    /* Read at most `bytes`; returns how many, 0 at the end of the file. */
    ssize_t (*read)(void *self, int fd, void *to, size_t bytes, uint64_t offset);
    /* Write at most all of the parts (at most MFI_IO_PARTS_MAX); returns how many bytes. */
    ssize_t (*write)(void *self, int fd, const struct iovec *parts, int count, uint64_t offset);
    int (*size)(void *self, int fd, uint64_t *bytes);
    /* As fdatasync. */
    int (*sync)(void *self, int fd);
    /* As fsync of a folder. */
    int (*sync_folder)(void *self, const char *path);
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    int (*mkdir)(void *self, const char *path);
    /* Call `visit` for each name in a folder but "." and "..". */
    int (*list)(void *self, const char *path, void (*visit)(void *context, const char *name),
                void *context);
    /* Take a write lock of a range, without waiting; it belongs to the open file. -EAGAIN: another
     * open file has it. A forked child does not keep the lock: the file is closed in it. */
    int (*lock)(void *self, int fd, uint64_t start, uint64_t bytes);
    int (*unlock)(void *self, int fd, uint64_t start, uint64_t bytes);
    /* Whether another open file has a lock of the range: 1 or 0. */
    int (*locked)(void *self, int fd, uint64_t start, uint64_t bytes);
} mfi_io_ops_t;

typedef struct mfi_io {
    const mfi_io_ops_t *ops;
    void *self;
} mfi_io_t;

/* Files of the system. */
extern const mfi_io_t mfi_io_posix;

/* Parts of one write, at most: Linux has this limit. */
#define MFI_IO_PARTS_MAX 1024
/* Bytes of a path, with its zero. */
#define MFI_PATH_BYTES_MAX 4096

/* ---- what is built from them (io.c) ---------------------------------------------------------- */

/* Fail with "cannot WHAT PATH: reason". The status is that of the error: MOFKA_ERR_NOT_FOUND,
 * _EXISTS, _MEMORY, or else _STORAGE. */
mofka_status_t mfi_io_fail(int error, const char *what, const char *path);
/* The path FOLDER/NAME. MOFKA_ERR_TOO_LARGE. */
mofka_status_t mfi_io_path(char path[MFI_PATH_BYTES_MAX], const char *folder, const char *name);
/* Read all of the bytes. Less than that, at the end of the file, is no error: `*got` says how many.
 * Returns 0, or a negative errno. */
int mfi_io_read(const mfi_io_t *io, int fd, void *to, size_t bytes, uint64_t offset, size_t *got);
/* Write all of the parts, however many; changes the list. Returns 0, or a negative errno; then a
 * part of the bytes may be written. */
int mfi_io_write(const mfi_io_t *io, int fd, struct iovec *parts, size_t count, uint64_t offset);
/* Write bytes of one piece. */
int mfi_io_write_bytes(const mfi_io_t *io, int fd, const void *bytes, size_t size, uint64_t offset);
/* Take a write lock of one byte of a file, and wait up to 10 s for who has it. Returns 0, or a
 * negative errno; -EAGAIN: another process has it still. */
int mfi_io_lock(const mfi_io_t *io, int fd, uint64_t byte);
/* Whether a file or a folder is there. */
bool mfi_io_exists(const mfi_io_t *io, const char *path);
/* Make a folder, and sync the one that it is in. One that is there is no error. */
mofka_status_t mfi_io_make_folder(const mfi_io_t *io, const char *path);
/* Sync the folder that a path is in, and `more` folders above it. */
mofka_status_t mfi_io_sync_parents(const mfi_io_t *io, const char *path, int more);
/* Read a small file, at most `most` bytes. Give: free(); a zero follows the bytes.
 * MOFKA_ERR_TOO_LARGE. */
mofka_status_t mfi_io_load(const mfi_io_t *io, const char *path, size_t most, char **text,
                           size_t *bytes);
/* Replace a file, or make it: a temporary file, sync, rename, sync of the folder. Where this fails
 * or the machine does, the file is the old one or the new one, whole. */
mofka_status_t mfi_io_replace(const mfi_io_t *io, const char *folder, const char *name,
                              const char *text, size_t bytes);
/* Remove a file, and sync its folder. A missing file is no error. */
mofka_status_t mfi_io_remove(const mfi_io_t *io, const char *folder, const char *name);

#endif
