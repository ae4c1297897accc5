/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Log lines: warnings by default, more or fewer on request.
 *
 * The environment variable MOFKA_LOG (error, warn, info, debug or trace) sets the level when the
 * library is loaded. The default is warn. Lines go to stderr as "mofka: warn: …", or to a callback.
 */
#ifndef MOFKA_LOG_H
#define MOFKA_LOG_H

#include <stdbool.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How important a line is. A level also lets through the lines of the levels before it. */
typedef enum mofka_log_level {
    MOFKA_LOG_ERROR, /**< an action failed, and no call can return the error */
    MOFKA_LOG_WARN,  /**< something waits, was not closed, or is not understood */
    MOFKA_LOG_INFO,  /**< drivers and topics are created or end */
    MOFKA_LOG_DEBUG, /**< producers, consumers and threads are created or end */
    MOFKA_LOG_TRACE  /**< each batch */
} mofka_log_level_t;

/** Receives each line that the level lets through, without a newline (borrow). Any thread may call
 * it, several at once, in the middle of a call of this library. So it must not wait for such a
 * call, and it must not call a function of this library that logs. */
typedef void (*mofka_log_fn)(void *context, mofka_log_level_t level, const char *message);

/** Send lines to `log`; NULL sends them to stderr again. `context` is borrowed for as long as lines
 * may come. A thread that has just read the old callback may still call it after this returns.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_log_set_callback(mofka_log_fn log, void *context);

/** A callback for mofka_log_set_callback: writes lines such as "warn: …" to the file descriptor
 * whose number is `context`, each by one write; newlines of a message become blanks. A descriptor
 * that would block loses the line. So the end of a pipe that does not block waits for nobody, and
 * another thread reads the lines. This is for languages whose functions cannot be called in any
 * thread at any time.
 * Threads: any. MPI: none. Blocks: as the descriptor. */
MOFKA_API void mofka_log_to_descriptor(void *context, mofka_log_level_t level, const char *message);

/** Let through the lines of `level` and of the levels before it. An invalid level is ignored.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_log_set_level(mofka_log_level_t level);

/** The current level.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_log_level_t mofka_log_level(void);

/** The name of a level, as in MOFKA_LOG: "warn". View, static.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_log_level_name(mofka_log_level_t level);

/** For backends: log a line. It becomes valid UTF-8 and has at most MOFKA_MESSAGE_BYTES_MAX bytes,
 * as an error's message. If the level does not let it through, the cost is a call and a load. errno
 * and mofka_last_error are preserved.
 * Threads: any. MPI: none. Blocks: for stderr, or as the callback. Calls back: the log callback. */
MOFKA_API void mofka_log(mofka_log_level_t level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
