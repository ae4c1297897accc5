/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk in memory: its names, files and pages, and what a failure leaves of them; see disk.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "durable/disk/media.h"

void *disk_need(void *memory) {
    if (!memory)
        abort();
    return memory;
}

uint32_t disk_random(disk_t *d) {
    d->seed = d->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(d->seed >> 33);
}

/* ---- names ----------------------------------------------------------------------------------- */

void disk_path_parent(const char *path, char parent[512]) {
    snprintf(parent, 512, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
}

name_t *disk_name_find(disk_t *d, const char *path) {
    for (size_t i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    d->names = disk_need(reallocarray(d->names, d->name_count + 1, sizeof *d->names));
    name_t *name = &d->names[d->name_count++];
    *name = (name_t){.now = NULL};
    snprintf(name->path, sizeof name->path, "%s", path);
    return name;
}

step_t *disk_step_add(disk_t *d, const char *path) {
    d->steps = disk_need(reallocarray(d->steps, d->step_count + 1, sizeof *d->steps));
    step_t *step = &d->steps[d->step_count++];
    *step = (step_t){.count = 0};
    disk_path_parent(path, step->folder);
    return step;
}

void disk_step_change(disk_t *d, step_t *step, const char *path, file_t *file) {
    disk_name_find(d, path)->now = file;
    snprintf(step->path[step->count], sizeof step->path[0], "%s", path);
    step->file[step->count++] = file;
}

void disk_step_keep(disk_t *d, const step_t *step) {
    for (int i = 0; i < step->count; i++)
        disk_name_find(d, step->path[i])->kept = step->file[i];
}

file_t *disk_file_create(disk_t *d, bool folder) {
    file_t *file = disk_need(calloc(1, sizeof *file));
    file->folder = folder;
    file->next_file = d->files;
    d->files = file;
    return file;
}

static void file_grow(file_t *file, size_t bytes) {
    if (bytes <= file->room)
        return;
    size_t room = (bytes + bytes / 2 + PAGE) / PAGE * PAGE;
    file->now = disk_need(realloc(file->now, room));
    file->kept = disk_need(realloc(file->kept, room));
    file->pages = disk_need(realloc(file->pages, room / PAGE));
    memset(file->now + file->room, 0, room - file->room);
    memset(file->kept + file->room, 0, room - file->room);
    memset(file->pages + file->room / PAGE, PAGE_CLEAN, (room - file->room) / PAGE);
    file->room = room;
}

void disk_file_write(file_t *file, const void *bytes, size_t size, size_t offset) {
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

void disk_file_keep(file_t *file) {
    for (size_t page = 0; page < file->room / PAGE; page++)
        if (file->pages[page] != PAGE_DROPPED)
            page_keep(file, page);
    file->kept_bytes = file->now_bytes;
}

void disk_file_drop(disk_t *d, file_t *file) {
    for (size_t page = 0; page < file->room / PAGE; page++)
        if (file->pages[page] == PAGE_DIRTY && disk_random(d) % 2)
            page_keep(file, page);
        else if (file->pages[page] == PAGE_DIRTY)
            file->pages[page] = PAGE_DROPPED;
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
    disk_file_keep(file);
}

void disk_end_power(disk_t *d) {
    disk_end_process(d);
    for (size_t i = 0; i < d->step_count; i++)
        if (disk_random(d) % 2)
            disk_step_keep(d, &d->steps[i]);
    d->step_count = 0;
    for (size_t i = 0; i < d->name_count; i++)
        d->names[i].now = d->names[i].kept;
    for (file_t *file = d->files; file; file = file->next_file)
        file_lose(d, file);
}

/* ---- for tests ------------------------------------------------------------------------------- */

disk_t *disk_create(uint64_t seed) {
    disk_t *d = disk_need(calloc(1, sizeof *d));
    pthread_mutex_init(&d->lock, NULL);
    d->seed = seed;
    for (int i = 0; i < LOCKS_MAX; i++)
        d->locks[i].fd = -1;
    name_t *root = disk_name_find(d, "/");
    root->now = root->kept = disk_file_create(d, true);
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
        name_t *name = disk_name_find(d, from->names[i].path);
        if (!file || name->now)
            continue;
        file_t *copy = disk_file_create(d, file->folder);
        disk_file_write(copy, file->now, file->now_bytes, 0);
        disk_file_keep(copy);
        name = disk_name_find(d, from->names[i].path);
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
    file_t *file = disk_name_find(d, path)->now;
    *bytes = file ? file->now_bytes : 0;
    return file ? file->now : NULL;
}

void disk_truncate(disk_t *d, const char *path, size_t bytes) {
    file_t *file = disk_name_find(d, path)->now;
    file_grow(file, bytes);
    if (bytes < file->now_bytes)
        memset(file->now + bytes, 0, file->now_bytes - bytes);
    file->now_bytes = bytes;
    disk_file_keep(file);
}

void disk_list(disk_t *d, void (*visit)(void *context, const char *path, size_t bytes),
               void *context) {
    for (size_t i = 0; i < d->name_count; i++)
        if (d->names[i].now && !d->names[i].now->folder)
            visit(context, d->names[i].path, d->names[i].now->now_bytes);
}
