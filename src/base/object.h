/* SPDX-License-Identifier: BSD-3-Clause */
/* The counted header that every handle begins with: retain, release, check of its kind. */
#ifndef MOFKA_SRC_BASE_OBJECT_H
#define MOFKA_SRC_BASE_OBJECT_H

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>

/* The object of `type` whose `member` is at `pointer`. A pointer of another type does not
 * compile. */
#define mfi_container_of(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

/* From here to the end of the block, what is called may change errno: it is set back then. Every
 * public call keeps errno, so that instrumentation can wrap what a program calls. */
#define MFI_KEEP_ERRNO                                                                             \
    __attribute__((cleanup(mfi_errno_restore), unused)) const int mfi_errno_kept = errno
static inline void mfi_errno_restore(const int *kept) {
    errno = *kept;
}

/* Odd numbers that freed memory is unlikely to hold. */
typedef enum mfi_kind {
    MFI_DEAD = 0x0dead001,
    MFI_FORKED = 0x0dead003, /* in a forked child: a copy of its parent's handle */
    MFI_LOST = 0x0dead005,   /* its backend is gone, and it could not be closed before */
    MFI_METADATA = 0x3e7ada01,
    MFI_DATA_VIEW = 0x3e7ada03,
    MFI_DATA_DESCRIPTOR = 0x3e7ada05,
    MFI_FUTURE = 0x3e7ada07,
    MFI_EVENT = 0x3e7ada09,
    MFI_THREAD_POOL = 0x3e7ada0b,
    MFI_DRIVER = 0x3e7ada0d,
    MFI_TOPIC = 0x3e7ada0f,
    MFI_PRODUCER = 0x3e7ada11,
    MFI_CONSUMER = 0x3e7ada13,
    MFI_VALIDATOR = 0x3e7ada15,
    MFI_SERIALIZER = 0x3e7ada17,
    MFI_SELECTOR = 0x3e7ada19,
    MFI_EVENT_RUN = 0x3e7ada1b,
    MFI_CLAIM = 0x3e7ada1d
} mfi_kind_t;

typedef struct mfi_object {
    _Atomic uint32_t count;
    uint32_t kind;
} mfi_object_t;

static inline void mfi_object_init(mfi_object_t *object, mfi_kind_t kind) {
    assert(kind >= MFI_METADATA && kind <= MFI_CLAIM);
    atomic_init(&object->count, 1);
    object->kind = kind;
}

static inline void mfi_object_retain(mfi_object_t *object) {
    uint32_t before = atomic_fetch_add_explicit(&object->count, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
}

/* True: this was the last user, and the caller frees the object. */
static inline bool mfi_object_release(mfi_object_t *object) {
    /* Only a user can retain for another, so a thread that finds one user is the last. */
    if (atomic_load_explicit(&object->count, memory_order_acquire) != 1) {
        uint32_t before = atomic_fetch_sub_explicit(&object->count, 1, memory_order_acq_rel);
        assert(before > 0);
        if (before != 1)
            return false;
    }
    object->kind = MFI_DEAD;
    return true;
}

static inline bool mfi_object_is(const void *handle, mfi_kind_t kind) {
    return handle && ((const mfi_object_t *)handle)->kind == (uint32_t)kind;
}

/* MOFKA_ERR_INVALID for NULL, for another kind, and in most cases for a released handle;
 * MOFKA_ERR_CLOSED for one that was lost. It costs one comparison. */
static inline mofka_status_t mfi_check(const void *handle, mfi_kind_t kind, const char *what) {
    if (__builtin_expect(mfi_object_is(handle, kind), 1))
        return MOFKA_OK;
    if (mfi_object_is(handle, MFI_FORKED))
        return mofka_fail(MOFKA_ERR_INVALID,
                          "the %s belongs to the process that forked this one, and cannot be used "
                          "here",
                          what);
    if (mfi_object_is(handle, MFI_LOST))
        return mofka_fail(MOFKA_ERR_CLOSED, "the %s was open when MPI was finalised", what);
    return mofka_fail(MOFKA_ERR_INVALID, "%s handle is %s", what,
                      handle ? "released, or of another kind" : "NULL");
}

/* Whether a fork or a lost backend has marked the handle (driver/open_drivers.c). Marked handles
 * are never freed, nor is what they use. */
static inline bool mfi_is_marked(const void *handle) {
    return mfi_object_is(handle, MFI_FORKED) || mfi_object_is(handle, MFI_LOST);
}

/* Release a handle that may be marked. */
static inline bool mfi_handle_release(mfi_object_t *object) {
    return !mfi_is_marked(object) && mfi_object_release(object);
}

#endif
