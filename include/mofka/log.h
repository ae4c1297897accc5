/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * What the library tells beside statuses: warnings, and as much more as is asked for.
 *
 * The environment variable MOFKA_LOG (error, warn, info, debug or trace) sets the level when the
 * library is loaded; the default is warn. Lines go to stderr as "mofka: warn: …", or to a callback.
 */
#ifndef MOFKA_LOG_H
#define MOFKA_LOG_H

#include <stdbool.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How important a line is. A level lets through its own lines and those before it. */
typedef enum mofka_log_level {
    MOFKA_LOG_ERROR, /**< the library could not do what it must, and has nobody to return it to */
    MOFKA_LOG_WARN,  /**< something waits, was forgotten or is not understood */
    MOFKA_LOG_INFO,  /**< drivers and topics come and go */
    MOFKA_LOG_DEBUG, /**< producers, consumers and threads come and go */
    MOFKA_LOG_TRACE  /**< each batch */
} mofka_log_level_t;

/** Called with each line that the level lets through, without a newline (borrow). It may be called
 * by any thread, by several at once, while calls of this library are under way: it must not wait
 * for them, and what it calls of this library must not log in turn. */
typedef void (*mofka_log_fn)(void *context, mofka_log_level_t level, const char *message);

/** Send lines to `log` (NULL: to stderr again). `context` (borrow) must live as long as lines may
 * come: another thread that is just about to call the old callback still does. Threads: any.
 * MPI: none. Blocks: no. */
MOFKA_API void mofka_log_set_callback(mofka_log_fn log, void *context);

/** Let through what is at most as chatty as `level`; what is no level is ignored. Threads: any.
 * MPI: none. Blocks: no. */
MOFKA_API void mofka_log_set_level(mofka_log_level_t level);

/** The level now. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_log_level_t mofka_log_level(void);

/** The level's name in MOFKA_LOG, such as "warn". View, static. Threads: any. MPI: none. Blocks: no.
 */
MOFKA_API const char *mofka_log_level_name(mofka_log_level_t level);

/** For backends: log a line (cut at 1,023 bytes). Where the level does not let it through, this is a
 * call and a load. Preserves errno and mofka_last_error. Threads: any. MPI: none. Blocks: for
 * stderr, or as the callback. Calls back: the log callback. */
MOFKA_API void mofka_log(mofka_log_level_t level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
