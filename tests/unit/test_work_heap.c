/* SPDX-License-Identifier: BSD-3-Clause */
/* The heap of work: its order, when items are pushed, popped and removed at random. */
#include "pool/heap.h"
#include "support/check.h"

#define ITEMS_MAX 512

static bool is_before(const mfi_work_t *a, const mfi_work_t *b) {
    return a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence;
}

/* The first of `count` items, by looking at all of them. */
static size_t first_of(const mfi_work_t *items, size_t count) {
    size_t first = 0;
    for (size_t i = 1; i < count; i++)
        if (is_before(&items[i], &items[first]))
            first = i;
    return first;
}

static void pop_one(mfi_heap_t *heap, mfi_work_t *copies, size_t *count) {
    size_t first = first_of(copies, *count);
    assert_int_equal(mfi_heap_pop(heap).sequence, copies[first].sequence);
    copies[first] = copies[--*count];
}

static void remove_one(mfi_heap_t *heap, mfi_work_t *copies, size_t *count, size_t index) {
    uint64_t sequence = heap->items[index].sequence;
    mfi_heap_remove(heap, index);
    for (size_t i = 0; i < *count; i++)
        if (copies[i].sequence == sequence) {
            copies[i] = copies[--*count];
            return;
        }
    fail_msg("the heap had an item that was not pushed");
}

static void the_first_is_on_top(void **state) {
    (void)state;
    mfi_heap_t heap = {0};
    mfi_work_t copies[ITEMS_MAX];
    size_t count = 0;
    uint64_t seed = 1;
    for (uint64_t sequence = 0; sequence < 20000; sequence++) {
        uint32_t what = next_random(&seed) % 8;
        mfi_work_t work = {.priority = next_random(&seed) % 16, .sequence = sequence};
        if (work.priority == 15)
            work.priority = UINT64_MAX;
        if (what < 4 && count < ITEMS_MAX) {
            assert_true(mfi_heap_push(&heap, work));
            copies[count++] = work;
        } else if (what < 6 && count > 0) {
            pop_one(&heap, copies, &count);
        } else if (count > 0) {
            remove_one(&heap, copies, &count, next_random(&seed) % count);
        }
        assert_int_equal(heap.count, count);
    }
    while (count > 0)
        pop_one(&heap, copies, &count);
    mfi_heap_free(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_is_on_top)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
