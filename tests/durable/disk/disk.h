/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in memory, for the store's file operations: it can fail a call, write less than it is
 * asked to, stop in the middle of a write, and lose what was not synced.
 *
 * A file has bytes as the system has them, and bytes as the disk has them. A sync copies the one to
 * the other. A name that is made, renamed or removed is a step that waits for a sync of its folder.
 * At a power failure each page that is not synced is on disk or not, or in part; each step was done
 * or not; all of it by chance.
 */
#ifndef MOFKA_TESTS_DURABLE_DISK_H
#define MOFKA_TESTS_DURABLE_DISK_H

#include "store/io/io.h"

typedef struct disk disk_t;

disk_t *disk_create(uint64_t seed);
void disk_destroy(disk_t *disk);
/* A disk with the same bytes. */
disk_t *disk_copy(const disk_t *disk);
mfi_io_t disk_io(disk_t *disk);

/* Calls that can fail. */
enum { DISK_WRITE = 1, DISK_SYNC = 2, DISK_NAME = 4, DISK_READ = 8 };
/* Let the call of these kinds that comes after `after` others fail with `error`; a write has
 * written a part by then. `times`: so many calls fail, one after the other. */
void disk_fail(disk_t *disk, int kinds, uint64_t after, int error, uint64_t times);
/* Whether a call has failed since. */
bool disk_has_failed(const disk_t *disk);
/* Stop all, in the middle of the call after `after` others: it and all later ones answer -EIO. */
void disk_stop(disk_t *disk, uint64_t after);
bool disk_is_stopped(const disk_t *disk);
/* Write less than asked for, now and then. */
void disk_write_short(disk_t *disk, bool on);
/* Calls so far. */
uint64_t disk_calls(const disk_t *disk);

/* The process has ended: its files are closed, and all it has written is there. */
void disk_end_process(disk_t *disk);
/* All locks are gone, as between nodes of a file system that has none. */
void disk_forget_locks(disk_t *disk);
/* The machine has ended. */
void disk_end_power(disk_t *disk);

/* The bytes of a file, to be changed; NULL: there is none. */
uint8_t *disk_bytes(disk_t *disk, const char *path, size_t *bytes);
/* Make a file that long. */
void disk_truncate(disk_t *disk, const char *path, size_t bytes);
/* Call for each file. */
void disk_list(disk_t *disk, void (*visit)(void *context, const char *path, size_t bytes),
               void *context);

#endif
