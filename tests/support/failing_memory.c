/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/failing_memory.h"

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic long countdown = -1; /* allocations until one fails; negative: none does */
static bool all_later;
static _Atomic bool failed;
static _Atomic long live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

void memory_start(void) {
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = __wrap_malloc, .free_fn = __wrap_free});
}

void memory_fail_after(long allowed, bool for_good) {
    failed = false;
    all_later = for_good;
    countdown = allowed;
}

bool memory_fail_no_more(void) {
    countdown = -1;
    return failed;
}

bool memory_failed(void) {
    return failed;
}

long memory_live(void) {
    return live;
}

static bool memory_refuses(void) {
    long left = countdown;
    while (left >= 0 && !(left == 0 && all_later) &&
           !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left == 0)
        failed = true;
    return left == 0;
}

static void *memory_counted(void *memory) {
    live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size) {
    return memory_refuses() ? NULL : memory_counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return memory_refuses() ? NULL : memory_counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size) {
    void *bigger = memory_refuses() ? NULL : __real_realloc(old, size);
    live += bigger && !old;
    return bigger;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size) {
    void *bigger = memory_refuses() ? NULL : __real_reallocarray(old, count, size);
    live += bigger && !old;
    return bigger;
}

char *__wrap_strdup(const char *text) {
    return memory_refuses() ? NULL : memory_counted(__real_strdup(text));
}

void __wrap_free(void *memory) {
    live -= memory != NULL;
    __real_free(memory);
}
