/* SPDX-License-Identifier: BSD-3-Clause */
/* What is inside of a disk in memory: names, files and pages. For disk/ only. */
#ifndef MOFKA_TESTS_DURABLE_DISK_MEDIA_H
#define MOFKA_TESTS_DURABLE_DISK_MEDIA_H

#include <pthread.h>
#include "durable/disk/disk.h"

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

/* All of these need the lock, and all memory is there or the program ends. */
void *disk_need(void *memory);
/* The same numbers for the same seed. */
uint32_t disk_random(disk_t *d);
void disk_path_parent(const char *path, char parent[512]);
/* The name, which is made if it is new. */
name_t *disk_name_find(disk_t *d, const char *path);
step_t *disk_step_add(disk_t *d, const char *path);
/* Let a path name a file, or none; the step waits for a sync. */
void disk_step_change(disk_t *d, step_t *step, const char *path, file_t *file);
void disk_step_keep(disk_t *d, const step_t *step);
file_t *disk_file_create(disk_t *d, bool folder);
void disk_file_write(file_t *file, const void *bytes, size_t size, size_t offset);
/* A sync. */
void disk_file_keep(file_t *file);
/* A sync that fails: some pages are written, the others are taken for written. */
void disk_file_drop(disk_t *d, file_t *file);

#endif
