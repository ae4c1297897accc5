/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Status codes and the calling thread's last error message.
 */
#ifndef MOFKA_STATUS_H
#define MOFKA_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Marks an exported symbol; everything else is hidden. */
#define MOFKA_API __attribute__((visibility("default")))

/** What a caller can do about a status. */
typedef enum mofka_status_class {
    MOFKA_CLASS_OK,     /**< nothing to do */
    MOFKA_CLASS_FIX,    /**< the call itself is wrong: change it */
    MOFKA_CLASS_RETRY,  /**< try again later; nothing is lost */
    MOFKA_CLASS_FREE,   /**< free something (memory, room, an open child), then try again */
    MOFKA_CLASS_GONE,   /**< the object has ended */
    MOFKA_CLASS_OUTSIDE /**< MPI, the system or a callback failed */
} mofka_status_class_t;

/** Every status: name, value, class, sentence. */
#define MOFKA_STATUS_MAP(X)                                                                        \
    X(MOFKA_OK, 0, OK, "success")                                                                  \
    X(MOFKA_STOP, 1, OK, "a callback asked to stop")                                               \
    X(MOFKA_ERR_INVALID, -1, FIX, "an argument is invalid")                                        \
    X(MOFKA_ERR_RANGE, -2, FIX, "a value or an index is out of range")                             \
    X(MOFKA_ERR_NOT_FOUND, -3, FIX, "no such topic, type or library")                              \
    X(MOFKA_ERR_EXISTS, -4, FIX, "the name is taken")                                              \
    X(MOFKA_ERR_JSON, -5, FIX, "the text is not the JSON that is needed")                          \
    X(MOFKA_ERR_OPTION, -6, FIX, "an option is unknown or has the wrong type")                     \
    X(MOFKA_ERR_REFUSED, -7, FIX, "the topic's validator or selector refused the event")           \
    X(MOFKA_ERR_TOO_LARGE, -8, FIX, "the event or the request is larger than what can hold it")    \
    X(MOFKA_ERR_UNSUPPORTED, -9, FIX, "the backend or this MPI cannot do this")                    \
    X(MOFKA_ERR_TIMEOUT, -10, RETRY, "the time-out passed first")                                  \
    X(MOFKA_ERR_POSSIBLY_STORED, -11, RETRY, "reserved but not yet published: possibly stored")    \
    X(MOFKA_ERR_BUSY, -12, FREE, "something still uses the object")                                \
    X(MOFKA_ERR_MEMORY, -13, FREE, "out of memory")                                                \
    X(MOFKA_ERR_FULL, -14, FREE, "a fixed store (partition, arena, directory, table) is full")     \
    X(MOFKA_ERR_CLOSED, -15, GONE, "the object is closed")                                         \
    X(MOFKA_ERR_COMPLETE, -16, GONE, "the topic is complete and takes no more events")             \
    X(MOFKA_ERR_MPI, -17, OUTSIDE, "an MPI call failed")                                           \
    X(MOFKA_ERR_SYSTEM, -18, OUTSIDE, "a system call or library call failed")                      \
    X(MOFKA_ERR_CORRUPT, -19, OUTSIDE, "bytes read back are not what was stored")                  \
    X(MOFKA_ERR_CALLBACK, -20, OUTSIDE, "a user's callback failed")                                \
    X(MOFKA_ERR_STORAGE, -21, OUTSIDE, "a file of the store could not be written or read")

/** Result of nearly every call: MOFKA_OK, or an error below zero. */
typedef enum mofka_status {
#define MOFKA_STATUS_ENUM(name, value, cls, text) name = value,
    MOFKA_STATUS_MAP(MOFKA_STATUS_ENUM)
#undef MOFKA_STATUS_ENUM
} mofka_status_t;

/** The name of a status, such as "MOFKA_ERR_TIMEOUT"; "unknown status" for any other number. View,
 * static.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_status_name(mofka_status_t status);

/** The sentence of a status. View, static.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_status_text(mofka_status_t status);

/** What a caller can do about a status.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_class_t mofka_status_class(mofka_status_t status);

/** The calling thread's last error message: what is wrong, with which value, and where. "" if no
 * call of this thread has failed. It is valid UTF-8, of at most MOFKA_MESSAGE_BYTES_MAX bytes; a
 * byte of a quoted value that is not UTF-8 is written as \\xHH. View, until the thread's next
 * failing call.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_last_error(void);

/** For backends: set the calling thread's message and return `status`, as in `return
 * mofka_fail(MOFKA_ERR_RANGE, "partition %zu of %zu", …)`. It becomes the message that
 * mofka_last_error describes. errno is preserved.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_fail(mofka_status_t status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* A static analyzer does not see mofka_fail's body: show it that the call returns its status, an
 * error. */
static inline mofka_status_t mofka_fail_shown(mofka_status_t returned, mofka_status_t status) {
    if (returned != status || status == MOFKA_OK)
        __builtin_unreachable();
    return status;
}
#define mofka_fail(status, ...) mofka_fail_shown((mofka_fail)((status), __VA_ARGS__), (status))
#endif

#ifdef __cplusplus
}
#endif
#endif
