/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where partitions are placed: in the first free range of their owner's arena that is large enough.
 * Owners take turns.
 *
 * What is free follows from the records. If one is damaged, what its topic has is not known. Then
 * partitions are placed only where none ever was: behind `directory_high`.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/topic/directory.h"

/* More than this are sorted at once. */
#define EXTENTS_FEW 16

static int extent_compare(const void *left, const void *right) {
    const mmi_extent_t *a = left, *b = right;
    if (a->owner != b->owner)
        return a->owner < b->owner ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* The topic of the record has memory that is not known. */
static bool record_hides_places(const mmi_record_t *record) {
    return record->damaged || (!record->topic && mmi_record_making(record) != MMI_NOT_MADE);
}

/* Move the last of `count` extents to its place. */
static void extents_insert(mmi_extent_t *extents, size_t count) {
    mmi_extent_t last = extents[count - 1];
    size_t at = count - 1;
    for (; at > 0 && extent_compare(&extents[at - 1], &last) > 0; at--)
        extents[at] = extents[at - 1];
    extents[at] = last;
}

mofka_status_t mmi_places_reserve(mmi_records_t *r, const mmi_record_t *record) {
    size_t more = record->topic ? record->topic->partition_count : 0;
    if (more <= r->extent_room - r->extent_count)
        return MOFKA_OK;
    size_t room = 2 * r->extent_room + more;
    mmi_extent_t *extents = realloc(r->extents, room * sizeof *extents);
    if (!extents)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic's places");
    r->extents = extents;
    r->extent_room = room;
    return MOFKA_OK;
}

mofka_status_t mmi_places_add(mmi_records_t *r, const mmi_record_t *record) {
    const mmi_topic_t *topic = record->topic;
    size_t count = topic ? topic->partition_count : 0;
    mofka_status_t status = mmi_places_reserve(r, record);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        const mmi_partition_t *p = &topic->partitions[i];
        uint64_t bytes = mmi_partition_bytes(p);
        r->extents[r->extent_count++] = (mmi_extent_t){p->owner, p->base, p->base + bytes, record};
        if (count <= EXTENTS_FEW)
            extents_insert(r->extents, r->extent_count);
    }
    if (count > EXTENTS_FEW)
        qsort(r->extents, r->extent_count, sizeof *r->extents, extent_compare);
    r->unknown += record_hides_places(record);
    return MOFKA_OK;
}

void mmi_places_remove(mmi_records_t *r, const mmi_record_t *record) {
    size_t kept = 0;
    for (size_t i = 0; i < r->extent_count; i++)
        if (r->extents[i].record != record)
            r->extents[kept++] = r->extents[i];
    r->extent_count = kept;
    /* A state that was looked at may say "not made" by now; it said something else when it came. */
    r->unknown -= record->damaged || (!record->topic && record->json);
}

/* ---- search ---------------------------------------------------------------------------------- */

/* How far the search in an owner's arena is. */
typedef struct place_search {
    size_t next;      /* of the extents, the first one that was not passed */
    uint64_t at;      /* what lies before is taken */
    uint64_t largest; /* free range that was passed */
} place_search_t;

/* The first extent of an owner. */
static size_t places_first(const mmi_records_t *r, int owner) {
    size_t low = 0, high = r->extent_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->extents[middle].owner < owner)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Move to the next free range of `bytes`, before `end`. False: there is none. */
static bool place_search_move(const mmi_records_t *r, int owner, uint64_t end, uint64_t bytes,
                              place_search_t *search) {
    for (;; search->next++) {
        bool last = search->next == r->extent_count || r->extents[search->next].owner != owner;
        uint64_t until = last ? end : r->extents[search->next].start;
        uint64_t free_bytes = until > search->at ? until - search->at : 0;
        if (free_bytes >= bytes)
            return true;
        search->largest = free_bytes > search->largest ? free_bytes : search->largest;
        if (last)
            return false;
        if (r->extents[search->next].end > search->at)
            search->at = r->extents[search->next].end;
    }
}

static mofka_status_t places_full(const mmi_directory_t *d, const mmi_partition_t *p,
                                  uint64_t bytes, size_t left, const place_search_t *search) {
    uint64_t used = search->at - mmi_directory_arena_start(d, p->owner);
    uint64_t here = (left + d->owner_count - 1) / d->owner_count;
    return mofka_fail(
        MOFKA_ERR_FULL,
        "topic '%s', partition %zu: needs %" PRIu64 " bytes of the arena of rank %d, "
        "which has %" PRIu64 " of %" PRIu64 " left in one piece; \"arena_bytes\" must "
        "be at least %" PRIu64,
        p->topic, p->index, bytes, p->owner, search->largest, d->arena_bytes, used + bytes * here);
}

/* With the records' lock. */
static mofka_status_t places_search(mmi_directory_t *d, mmi_partition_t *partitions, size_t count,
                                    place_search_t *searches, uint64_t *next, uint64_t *high) {
    const mmi_records_t *r = &d->records;
    uint64_t bytes = mmi_partition_bytes(&partitions[0]);
    uint64_t floor = r->unknown ? *high : 0;
    for (size_t i = 0; i < d->owner_count; i++)
        searches[i] = (place_search_t){.next = places_first(r, d->owners[i]),
                                       .at = mmi_directory_arena_start(d, d->owners[i]) + floor};
    for (size_t i = 0; i < count; i++) {
        size_t turn = (size_t)((*next + i) % d->owner_count);
        mmi_partition_t *p = &partitions[i];
        p->owner = d->owners[turn];
        uint64_t start = mmi_directory_arena_start(d, p->owner);
        if (!place_search_move(r, p->owner, start + d->arena_bytes, bytes, &searches[turn]))
            return places_full(d, p, bytes, count - i, &searches[turn]);
        p->base = searches[turn].at;
        mmi_partition_place(p);
        searches[turn].at += bytes;
        *high = p->base + bytes - start > *high ? p->base + bytes - start : *high;
    }
    *next += count;
    return MOFKA_OK;
}

mofka_status_t mmi_places_find(mmi_directory_t *d, mmi_partition_t *partitions, size_t count,
                               uint64_t *next, uint64_t *high) {
    assert(count > 0 && d->owner_count > 0);
    mmi_directory_assert_locked(d);
    place_search_t *searches = calloc(d->owner_count, sizeof *searches);
    if (!searches)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic's places");
    pthread_mutex_lock(&d->records.lock);
    mofka_status_t status = places_search(d, partitions, count, searches, next, high);
    pthread_mutex_unlock(&d->records.lock);
    free(searches);
    return status;
}
