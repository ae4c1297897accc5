/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Archives: byte streams that serializers and data descriptors write to and read from.
 */
#ifndef MOFKA_ARCHIVE_H
#define MOFKA_ARCHIVE_H

#include <stddef.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The callbacks of a byte stream. Each moves exactly `size` bytes, or fails. A callback may be
 * NULL if only the other direction is used. */
typedef struct mofka_archive {
    void *context; /**< passed to both callbacks */
    /** Read the next `size` bytes into `bytes`. */
    mofka_status_t (*read)(void *context, void *bytes, size_t size);
    /** Append `size` bytes to those already written. */
    mofka_status_t (*write)(void *context, const void *bytes, size_t size);
} mofka_archive_t;

#ifdef __cplusplus
}
#endif
#endif
