/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of consumers' places. */
#include "store/places.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/lock.h"

/* A slot that is live in this process. */
typedef struct place_slot {
    bool live;
    bool dirty;     /* the copy that is written is not synced yet */
    bool again;     /* it is to be written again: a write or a sync failed */
    unsigned write; /* the copy to write: the other one is synced */
    mfi_place_page_t page;
} place_slot_t;

struct mfi_places {
    const mfi_log_t *log;
    pthread_mutex_t lock; /* guards the slots. A leaf */
    int fd;
    place_slot_t slots[MFI_PLACES_MAX];
    char path[MFI_PATH_BYTES_MAX];
};

static_assert(sizeof(((mfi_place_t *)0)->name) == MFI_PLACE_NAME_BYTES, "a page has the name");

static uint64_t places_seed(const mfi_log_t *log) {
    return mfi_segment_seed(log, 0, 0); /* no segment has life 0 */
}

static uint64_t copy_offset(size_t slot, unsigned copy) {
    return (1 + 2 * slot + copy) * (uint64_t)MFI_PLACE_BYTES;
}

static uint64_t page_check(const mfi_place_page_t *page, uint64_t seed, uint64_t offset) {
    return mfi_check_bytes(page, offsetof(mfi_place_page_t, check), mfi_seed_at(seed, offset));
}

static bool page_is_zero(const mfi_place_page_t *page) {
    static const mfi_place_page_t zero;
    return memcmp(page, &zero, sizeof zero) == 0;
}

static bool page_is_right(const mfi_place_page_t *page, uint64_t seed, uint64_t offset) {
    return page->magic == MFI_PLACES_MAGIC && page->version == MFI_FORMAT_VERSION &&
           page->endian == MFI_FORMAT_ENDIAN && page->check == page_check(page, seed, offset) &&
           page->name[MFI_PLACE_NAME_BYTES - 1] == '\0' && page->id <= MFI_ID_MAX;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The header page: as a place, whose name is the store's, the topic's and the partition's. */
static void header_fill(const mfi_log_t *log, mfi_place_page_t *page) {
    memset(page, 0, sizeof *page);
    page->magic = MFI_PLACES_MAGIC;
    page->version = MFI_FORMAT_VERSION;
    page->endian = MFI_FORMAT_ENDIAN;
    memcpy(page->name, &log->store, sizeof log->store);
    memcpy(page->name + sizeof log->store, &log->topic, sizeof log->topic);
    page->id = log->partition;
    page->check = page_check(page, 0, 0);
}

mofka_status_t mfi_places_make(const mfi_log_t *log) {
    char path[MFI_PATH_BYTES_MAX];
    mfi_place_page_t header;
    mofka_status_t status = mfi_io_path(path, log->folder, "places");
    if (status)
        return status;
    if (mfi_io_exists(&log->io, path))
        return mofka_fail(MOFKA_ERR_EXISTS, "%s exists", path);
    header_fill(log, &header);
    return mfi_io_replace(&log->io, log->folder, "places", (const char *)&header, sizeof header);
}

static mofka_status_t header_check(const mfi_places_t *p, const mfi_place_page_t *page,
                                   size_t bytes) {
    mfi_place_page_t expected;
    header_fill(p->log, &expected);
    if (bytes == sizeof *page && memcmp(page, &expected, sizeof expected) == 0)
        return MOFKA_OK;
    if (bytes < sizeof *page || page->magic != MFI_PLACES_MAGIC ||
        page->check != page_check(page, 0, 0))
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "%s: its header is damaged, or not of such a file: consumers' places are "
                          "not known. \"mofkactl log repair\" makes it anew; consumers then begin "
                          "at the oldest event",
                          p->path);
    if (page->endian != MFI_FORMAT_ENDIAN || page->version != MFI_FORMAT_VERSION)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "%s has format version %u, or another byte order; this library reads "
                          "version %d of this machine's order",
                          p->path, (unsigned)page->version, MFI_FORMAT_VERSION);
    return mofka_fail(MOFKA_ERR_INVALID,
                      "%s belongs to another store, topic or partition: move it back there",
                      p->path);
}

static mofka_status_t places_open_file(mfi_places_t *p, bool write) {
    const mfi_io_t *io = &p->log->io;
    mfi_place_page_t header;
    size_t got;
    mofka_status_t status = mfi_io_path(p->path, p->log->folder, "places");
    if (status)
        return status;
    p->fd = io->ops->open(io->self, p->path, write ? O_RDWR : O_RDONLY);
    if (p->fd == -ENOENT)
        return mofka_fail(MOFKA_ERR_NOT_FOUND,
                          "%s is missing: consumers' places are not known. \"mofkactl log repair\" "
                          "makes it anew; consumers then begin at the oldest event",
                          p->path);
    if (p->fd < 0)
        return mfi_io_fail(p->fd, "open", p->path);
    int error = mfi_io_read(io, p->fd, &header, sizeof header, 0, &got);
    return error ? mfi_io_fail(error, "read", p->path) : header_check(p, &header, got);
}

mofka_status_t mfi_places_open(const mfi_log_t *log, bool write, mfi_places_t **places) {
    mfi_places_t *p = calloc(1, sizeof *p);
    if (!p)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for places");
    p->log = log;
    p->fd = -1;
    pthread_mutex_init(&p->lock, NULL);
    mofka_status_t status = places_open_file(p, write);
    if (status)
        mfi_places_close(p);
    else
        *places = p;
    return status;
}

void mfi_places_close(mfi_places_t *p) {
    if (p->fd >= 0)
        p->log->io.ops->close(p->log->io.self, p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- slots ----------------------------------------------------------------------------------- */

typedef enum slot_state { SLOT_FREE, SLOT_NAMED, SLOT_DAMAGED } slot_state_t;

/* A slot as it is in the file. */
typedef struct slot_found {
    slot_state_t state;
    unsigned copy;         /* the newer one */
    mfi_place_page_t page; /* that copy; zeros where none is right */
} slot_found_t;

/* Read a slot: the newer of its copies that are right. A copy that is not right beside one of zeros
 * is of a join that a crash interrupted: a name has both once it is live. */
static mofka_status_t slot_read(const mfi_places_t *p, size_t slot, slot_found_t *found) {
    mfi_place_page_t pages[2];
    bool right[2], bad = true;
    uint64_t seed = places_seed(p->log);
    for (unsigned i = 0; i < 2; i++) {
        size_t got;
        memset(&pages[i], 0, sizeof pages[i]);
        int error =
            mfi_io_read(&p->log->io, p->fd, &pages[i], sizeof pages[i], copy_offset(slot, i), &got);
        if (error)
            return mfi_io_fail(error, "read", p->path);
        right[i] = page_is_right(&pages[i], seed, copy_offset(slot, i));
        bad = bad && !page_is_zero(&pages[i]);
    }
    if (!right[0] && !right[1]) {
        *found = (slot_found_t){.state = bad ? SLOT_DAMAGED : SLOT_FREE, .copy = 1};
        return MOFKA_OK;
    }
    found->copy = !right[0] || (right[1] && pages[1].generation > pages[0].generation);
    found->page = pages[found->copy];
    found->state = found->page.name[0] ? SLOT_NAMED : SLOT_FREE;
    return MOFKA_OK;
}

static mofka_status_t slot_write(mfi_places_t *p, size_t slot) {
    place_slot_t *s = &p->slots[slot];
    uint64_t offset = copy_offset(slot, s->write);
    mfi_assert_locked(&p->lock);
    s->page.magic = MFI_PLACES_MAGIC;
    s->page.version = MFI_FORMAT_VERSION;
    s->page.endian = MFI_FORMAT_ENDIAN;
    s->page.generation++;
    s->page.check = page_check(&s->page, places_seed(p->log), offset);
    int error = mfi_io_write_bytes(&p->log->io, p->fd, &s->page, sizeof s->page, offset);
    s->dirty = true;
    s->again = error != 0;
    return error ? mfi_io_fail(error, "write", p->path) : MOFKA_OK;
}

static void slot_unlock(mfi_places_t *p, size_t slot) {
    p->log->io.ops->unlock(p->log->io.self, p->fd, copy_offset(slot, 0), 1);
}

/* It may be another process's from now on: nothing is written to it again. */
static void slot_leave(mfi_places_t *p, size_t slot) {
    mfi_assert_locked(&p->lock);
    assert(p->slots[slot].live);
    p->slots[slot].live = p->slots[slot].again = false;
    slot_unlock(p, slot);
}

/* Sync what is dirty. The lock is held over the sync: a place that is written meanwhile is not
 * taken for synced. After a sync that fails the system may take pages for written that are not. */
static mofka_status_t places_sync(mfi_places_t *p) {
    bool dirty = false;
    mofka_status_t status = MOFKA_OK;
    mfi_assert_locked(&p->lock);
    for (size_t i = 0; i < MFI_PLACES_MAX && !status; i++) {
        dirty = dirty || p->slots[i].dirty;
        if (p->slots[i].again)
            status = slot_write(p, i);
    }
    if (!dirty || status)
        return status;
    int error = p->log->io.ops->sync(p->log->io.self, p->fd);
    for (size_t i = 0; i < MFI_PLACES_MAX; i++) {
        place_slot_t *s = &p->slots[i];
        s->again = error && s->dirty && s->live;
        s->write ^= !error && s->dirty;
        s->dirty = error && s->dirty;
    }
    return error ? mfi_io_fail(error, "sync", p->path) : MOFKA_OK;
}

static mofka_status_t slot_write_synced(mfi_places_t *p, size_t slot) {
    mofka_status_t status = slot_write(p, slot);
    return status ? status : places_sync(p);
}

/* Call `visit` for each slot; it stops at an error. */
static mofka_status_t places_walk(const mfi_places_t *p,
                                  mofka_status_t (*visit)(void *context, size_t slot,
                                                          const slot_found_t *found),
                                  void *context) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < MFI_PLACES_MAX && !status; i++) {
        slot_found_t found;
        status = slot_read(p, i, &found);
        if (!status)
            status = visit(context, i, &found);
    }
    return status;
}

/* What is looked for, and what was found. */
typedef struct places_search {
    const char *name;
    size_t named, free, damaged; /* MFI_PLACES_MAX: none */
    slot_found_t found;          /* the named one, or else the free one */
} places_search_t;

static mofka_status_t search_look(void *context, size_t slot, const slot_found_t *found) {
    places_search_t *search = context;
    if (found->state == SLOT_DAMAGED) {
        search->damaged = slot;
    } else if (found->state == SLOT_NAMED && strcmp(found->page.name, search->name) == 0) {
        search->named = slot;
        search->found = *found;
    } else if (found->state == SLOT_FREE && search->free == MFI_PLACES_MAX) {
        search->free = slot;
        if (search->named == MFI_PLACES_MAX)
            search->found = *found;
    }
    return MOFKA_OK;
}

/* Take the slot's lock. */
static mofka_status_t slot_lock(mfi_places_t *p, size_t slot, const char *name) {
    int error = p->slots[slot].live
                    ? -EAGAIN
                    : p->log->io.ops->lock(p->log->io.self, p->fd, copy_offset(slot, 0), 1);
    if (error == -EAGAIN)
        return mofka_fail(MOFKA_ERR_BUSY, "consumer '%s' is live already (%s)", name, p->path);
    return error ? mfi_io_fail(error, "lock", p->path) : MOFKA_OK;
}

/* A free slot for a new name. */
static mofka_status_t places_add(mfi_places_t *p, const mfi_place_t *place,
                                 const places_search_t *search, size_t *slot) {
    if (search->damaged < MFI_PLACES_MAX)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "%s: the place at byte %llu is damaged, and may be that of '%s'; "
                          "\"mofkactl log repair\" removes it",
                          p->path, (unsigned long long)copy_offset(search->damaged, 0),
                          place->name);
    if (search->free == MFI_PLACES_MAX)
        return mofka_fail(MOFKA_ERR_FULL, "%s has the places of %d consumers, the most that fit",
                          p->path, MFI_PLACES_MAX);
    *slot = search->free;
    mofka_status_t status = slot_lock(p, *slot, place->name);
    if (status)
        return status;
    place_slot_t *s = &p->slots[*slot];
    *s = (place_slot_t){.live = true};
    memcpy(s->page.name, place->name, sizeof s->page.name - 1);
    s->page.life = place->life;
    s->page.id = place->id;
    /* A name that was removed may have left a higher generation. */
    s->page.generation = search->found.page.generation;
    status = slot_write_synced(p, *slot);
    if (!status)
        status = slot_write_synced(p, *slot);
    if (status)
        slot_leave(p, *slot);
    return status;
}

static mofka_status_t places_join(mfi_places_t *p, mfi_place_t *place, bool *fresh, size_t *slot) {
    places_search_t search = {.name = place->name,
                              .named = MFI_PLACES_MAX,
                              .free = MFI_PLACES_MAX,
                              .damaged = MFI_PLACES_MAX};
    mofka_status_t status = places_walk(p, search_look, &search);
    *fresh = search.named == MFI_PLACES_MAX;
    if (status || *fresh)
        return status ? status : places_add(p, place, &search, slot);
    const mfi_place_page_t *page = &search.found.page;
    *slot = search.named;
    status = slot_lock(p, *slot, place->name);
    if (status)
        return status;
    /* Who had the name may have moved its place, or removed it, before it let go of the lock. */
    status = slot_read(p, *slot, &search.found);
    if (!status && (search.found.state != SLOT_NAMED || strcmp(page->name, place->name) != 0))
        status = mofka_fail(MOFKA_ERR_BUSY, "consumer '%s' was removed just now (%s)", place->name,
                            p->path);
    if (status) {
        slot_unlock(p, *slot);
        return status;
    }
    /* The newer copy is to be on disk before the other one is written. Its writer may have died,
     * even after a sync that failed: so it is written once more, as it is. */
    int error = mfi_io_write_bytes(&p->log->io, p->fd, page, sizeof *page,
                                   copy_offset(*slot, search.found.copy));
    if (!error)
        error = p->log->io.ops->sync(p->log->io.self, p->fd);
    if (error) {
        slot_unlock(p, *slot);
        return mfi_io_fail(error, "sync", p->path);
    }
    p->slots[*slot] = (place_slot_t){.live = true, .write = !search.found.copy, .page = *page};
    place->life = page->life;
    place->id = page->id;
    return MOFKA_OK;
}

mofka_status_t mfi_places_join(mfi_places_t *p, const char *name, mfi_place_t *place, bool *fresh,
                               size_t *slot) {
    if (strlen(name) >= sizeof place->name)
        return mofka_fail(MOFKA_ERR_INVALID, "the name '%.40s...' of a consumer is too long", name);
    memset(place->name, 0, sizeof place->name);
    memcpy(place->name, name, strlen(name));
    pthread_mutex_lock(&p->lock);
    /* Names are added by one process at a time. */
    int error = mfi_io_lock(&p->log->io, p->fd, 0);
    mofka_status_t status = error ? mfi_io_fail(error, "lock", p->path) : MOFKA_OK;
    if (!status)
        status = places_join(p, place, fresh, slot);
    if (!error)
        p->log->io.ops->unlock(p->log->io.self, p->fd, 0, 1);
    pthread_mutex_unlock(&p->lock);
    return status;
}

mofka_status_t mfi_places_set(mfi_places_t *p, size_t slot, uint64_t life, uint64_t id) {
    pthread_mutex_lock(&p->lock);
    assert(p->slots[slot].live);
    p->slots[slot].page.life = life;
    p->slots[slot].page.id = id;
    mofka_status_t status = slot_write(p, slot);
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* Another process may write it next: then both copies are synced. */
void mfi_places_leave(mfi_places_t *p, size_t slot) {
    (void)mfi_places_sync(p);
    pthread_mutex_lock(&p->lock);
    slot_leave(p, slot);
    pthread_mutex_unlock(&p->lock);
}

mofka_status_t mfi_places_remove(mfi_places_t *p, size_t slot) {
    pthread_mutex_lock(&p->lock);
    memset(p->slots[slot].page.name, 0, MFI_PLACE_NAME_BYTES);
    mofka_status_t status = slot_write(p, slot);
    if (!status)
        slot_leave(p, slot);
    pthread_mutex_unlock(&p->lock);
    return status;
}

mofka_status_t mfi_places_sync(mfi_places_t *p) {
    pthread_mutex_lock(&p->lock);
    mofka_status_t status = places_sync(p);
    pthread_mutex_unlock(&p->lock);
    return status;
}

typedef struct places_list {
    void (*visit)(void *context, const mfi_place_t *place);
    void *context;
    size_t damaged;
} places_list_t;

static mofka_status_t list_look(void *context, size_t slot, const slot_found_t *found) {
    places_list_t *list = context;
    (void)slot;
    list->damaged += found->state == SLOT_DAMAGED;
    if (found->state != SLOT_NAMED)
        return MOFKA_OK;
    mfi_place_t place = {.life = found->page.life, .id = found->page.id};
    memcpy(place.name, found->page.name, sizeof place.name);
    list->visit(list->context, &place);
    return MOFKA_OK;
}

mofka_status_t mfi_places_list(mfi_places_t *p,
                               void (*visit)(void *context, const mfi_place_t *place),
                               void *context, size_t *damaged) {
    places_list_t list = {.visit = visit, .context = context};
    mofka_status_t status = places_walk(p, list_look, &list);
    *damaged = list.damaged;
    return status;
}

typedef struct place_floor {
    mfi_chain_t chain;
    uint64_t id;
} place_floor_t;

static void place_lower_floor(void *context, const mfi_place_t *place) {
    place_floor_t *floor = context;
    uint64_t id = mfi_chain_place(&floor->chain, place->life, place->id);
    floor->id = id < floor->id ? id : floor->id;
}

mofka_status_t mfi_places_floor(mfi_places_t *p, uint64_t *floor) {
    place_floor_t lowest = {.id = UINT64_MAX};
    size_t damaged = 0;
    int error = p->log->io.ops->sync(p->log->io.self, p->fd);
    mofka_status_t status =
        error ? mfi_io_fail(error, "sync", p->path) : mfi_chain_load(p->log, &lowest.chain);
    if (!status)
        status = mfi_places_list(p, place_lower_floor, &lowest, &damaged);
    mfi_chain_clear(&lowest.chain);
    *floor = damaged > 0 ? 0 : lowest.id;
    return status;
}

static mofka_status_t clear_look(void *context, size_t slot, const slot_found_t *found) {
    static const mfi_place_page_t zero[2];
    const mfi_places_t *p = context;
    int error = found->state == SLOT_DAMAGED ? mfi_io_write_bytes(&p->log->io, p->fd, zero,
                                                                  sizeof zero, copy_offset(slot, 0))
                                             : 0;
    return error ? mfi_io_fail(error, "write", p->path) : MOFKA_OK;
}

mofka_status_t mfi_places_clear_damaged(mfi_places_t *p) {
    mofka_status_t status = places_walk(p, clear_look, p);
    int error = status ? 0 : p->log->io.ops->sync(p->log->io.self, p->fd);
    return error ? mfi_io_fail(error, "sync", p->path) : status;
}
