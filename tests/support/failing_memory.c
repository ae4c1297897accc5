/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/failing_memory.h"

#include <cjson/cJSON.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* With ALL these are malloc and its kin, visible to libraries; the C library has the real ones. */
#ifdef MOFKA_FAILING_ALL
#define OURS(name) name
#define REAL(name) __libc_##name
#pragma GCC visibility push(default)
#else
#define OURS(name) __wrap_##name
#define REAL(name) __real_##name
#endif
#define CALLER ((uintptr_t)__builtin_return_address(0))

static _Atomic long countdown = -1; /* allocations until one fails; negative: none does */
static bool all_later;
static _Atomic bool failed;
static _Atomic long live;
static uintptr_t loader, loader_end; /* where its code is; unless ALL: nowhere */

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *old, size_t size);
void REAL(free)(void *memory);
#ifndef MOFKA_FAILING_ALL
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
void __wrap_free(void *memory);
#endif

#ifdef MOFKA_FAILING_ALL
static int loader_find(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    if (info->dlpi_addr != getauxval(AT_BASE))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > loader_end)
            loader_end = end;
    }
    loader = info->dlpi_addr;
    return 1;
}
#endif

void memory_start(void) {
#ifdef MOFKA_FAILING_ALL
    dl_iterate_phdr(loader_find, NULL);
#endif
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = OURS(malloc), .free_fn = OURS(free)});
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

static bool memory_refuses(uintptr_t caller) {
    if (caller >= loader && caller < loader_end)
        return false;
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

void *OURS(malloc)(size_t size) {
    return memory_refuses(CALLER) ? NULL : memory_counted(REAL(malloc)(size));
}

void *OURS(calloc)(size_t count, size_t size) {
    return memory_refuses(CALLER) ? NULL : memory_counted(REAL(calloc)(count, size));
}

void *OURS(realloc)(void *old, size_t size) {
    void *bigger = memory_refuses(CALLER) ? NULL : REAL(realloc)(old, size);
    live += bigger && !old;
    return bigger;
}

void OURS(free)(void *memory) {
    live -= memory != NULL;
    REAL(free)(memory);
}

#ifndef MOFKA_FAILING_ALL /* the C library's call malloc and realloc */
void *__wrap_reallocarray(void *old, size_t count, size_t size) {
    void *bigger = memory_refuses(CALLER) ? NULL : __real_reallocarray(old, count, size);
    live += bigger && !old;
    return bigger;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return memory_refuses(CALLER) ? NULL : memory_counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text) {
    return memory_refuses(CALLER) ? NULL : memory_counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t size) {
    return memory_refuses(CALLER) ? NULL : memory_counted(__real_strndup(text, size));
}
#endif
