/* SPDX-License-Identifier: BSD-3-Clause */
/* A binary heap of work, ordered by priority, then by order of submission. */
#include "pool/heap.h"

#include <assert.h>
#include <stdlib.h>

static bool heap_is_before(const mfi_work_t *a, const mfi_work_t *b) {
    return a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence;
}

static void heap_swap(mfi_work_t *a, mfi_work_t *b) {
    mfi_work_t kept = *a;
    *a = *b;
    *b = kept;
}

static void heap_rise(mfi_heap_t *heap, size_t at) {
    assert(at < heap->count);
    for (; at > 0 && heap_is_before(&heap->items[at], &heap->items[(at - 1) / 2]);
         at = (at - 1) / 2)
        heap_swap(&heap->items[at], &heap->items[(at - 1) / 2]);
}

static void heap_sink(mfi_heap_t *heap, size_t at) {
    for (;;) {
        size_t first = at, left = 2 * at + 1;
        for (size_t child = left; child < heap->count && child <= left + 1; child++)
            if (heap_is_before(&heap->items[child], &heap->items[first]))
                first = child;
        if (first == at)
            return;
        heap_swap(&heap->items[at], &heap->items[first]);
        at = first;
    }
}

bool mfi_heap_push(mfi_heap_t *heap, mfi_work_t work) {
    assert(heap->count <= heap->room);
    if (heap->count == heap->room) {
        size_t room = heap->room ? 2 * heap->room : 64;
        mfi_work_t *more = reallocarray(heap->items, room, sizeof *more);
        if (!more)
            return false;
        heap->items = more;
        heap->room = room;
    }
    heap->items[heap->count++] = work;
    heap_rise(heap, heap->count - 1);
    return true;
}

mfi_work_t mfi_heap_pop(mfi_heap_t *heap) {
    assert(heap->count > 0);
    mfi_work_t top = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    heap_sink(heap, 0);
    assert(heap->count == 0 || !heap_is_before(&heap->items[0], &top));
    return top;
}

void mfi_heap_remove(mfi_heap_t *heap, size_t index) {
    assert(index < heap->count);
    heap->items[index] = heap->items[--heap->count];
    if (index == heap->count)
        return;
    heap_rise(heap, index);
    heap_sink(heap, index);
}

void mfi_heap_free(mfi_heap_t *heap) {
    assert(heap->count == 0); /* no work is lost */
    free(heap->items);
    *heap = (mfi_heap_t){0};
}
