/* SPDX-License-Identifier: BSD-3-Clause */
/* A binary heap of work. On top: the highest priority, of equal ones the first submitted. */
#ifndef MOFKA_SRC_POOL_HEAP_H
#define MOFKA_SRC_POOL_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/thread_pool.h>

typedef struct mfi_work {
    mofka_work_fn run;
    void *context;
    uint64_t priority, sequence;
} mfi_work_t;

/* All zero: empty. */
typedef struct mfi_heap {
    mfi_work_t *items; /* owned; items[0] is on top */
    size_t count, room;
} mfi_heap_t;

/* False: no memory. */
bool mfi_heap_push(mfi_heap_t *heap, mfi_work_t work);
/* Take the top of a heap that is not empty. */
mfi_work_t mfi_heap_pop(mfi_heap_t *heap);
/* Take items[index] away. */
void mfi_heap_remove(mfi_heap_t *heap, size_t index);
/* Free the memory of a heap that is empty. */
void mfi_heap_free(mfi_heap_t *heap);

#endif
