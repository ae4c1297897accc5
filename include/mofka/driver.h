/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Drivers: the way into a backend. Order of tear-down: events and futures, producers and consumers
 * (close, release), topics (release), driver (close, release).
 */
#ifndef MOFKA_DRIVER_H
#define MOFKA_DRIVER_H

#include <mofka/backend.h>
#include <mofka/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a driver of a registered `type` from options (a JSON object; NULL: defaults). A type
 * "name:library.so" loads that library first; a bare unknown name tries lib<name>.so. Give: close,
 * then release. MOFKA_ERR_NOT_FOUND: unknown type or library. MOFKA_ERR_JSON, MOFKA_ERR_OPTION.
 * Threads: owner. MPI: as the type. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_driver_create(const char *type, const char *options,
                                             mofka_driver_t **driver);
/** End it; for "mpi" this is collective. MOFKA_ERR_BUSY names an open producer or consumer.
 * MOFKA_ERR_TIMEOUT: call again; meanwhile nothing is made through it any more, and
 * mofka_driver_stats still answers. Threads: owner. MPI: as the type. Blocks: at most `timeout_ms`; "mpi"
 * longer where another rank's close timed out when all had come: the window is freed by all together,
 * which waits until that rank calls again. */
MOFKA_API mofka_status_t mofka_driver_close(mofka_driver_t *driver, int64_t timeout_ms);
/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_driver_t *mofka_driver_retain(mofka_driver_t *driver);
/** Drop one user; NULL is ignored. A driver that was not closed is warned about and its
 * memory kept: others may still use it. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_driver_release(mofka_driver_t *driver);

/** The type it was made from. View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_driver_type(const mofka_driver_t *driver);

/** Everything but the name is optional: all NULL is all defaults. */
typedef struct mofka_topic_options {
    const char *options;    /**< JSON object for the backend */
    const char *validator;  /**< JSON object with "type" */
    const char *selector;   /**< JSON object with "type" */
    const char *serializer; /**< JSON object with "type" */
} mofka_topic_options_t;

/** Create a topic (not a handle: open it). The name: 1 to MOFKA_NAME_BYTES_MAX printable ASCII
 * bytes. MOFKA_ERR_EXISTS, MOFKA_ERR_INVALID, MOFKA_ERR_OPTION, MOFKA_ERR_FULL (says how much is
 * needed). Threads: any. MPI: local. Blocks: for the directory's lock, at most 10 s. */
MOFKA_API mofka_status_t mofka_driver_create_topic(mofka_driver_t *driver, const char *name,
                                                   const mofka_topic_options_t *options);
/** Open a topic. Give: mofka_topic_release. Waits until it exists, at most `timeout_ms` (0: it must
 * be there). MOFKA_ERR_NOT_FOUND. Threads: any. MPI: local. Blocks: see above. */
MOFKA_API mofka_status_t mofka_driver_open_topic(mofka_driver_t *driver, const char *name,
                                                 int64_t timeout_ms, mofka_topic_t **topic);
/** Whether there is a topic of that name now; a name that none can have is no error.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_topic_exists(mofka_driver_t *driver, const char *name,
                                                   bool *exists);
/** Visit every topic with its description: {"name", "partitions", "options", "validator",
 * "selector", "serializer"}. Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_list_topics(mofka_driver_t *driver,
                                                  mofka_topic_visit_fn visit, void *context);

/** The driver's own pool: no threads, unless its type brings another. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_thread_pool_t *mofka_driver_default_thread_pool(mofka_driver_t *driver);
/** Make a pool whose workers keep off the cores of the node's other processes. Give: release.
 * Threads: any. MPI: none. Blocks: until the workers run. */
MOFKA_API mofka_status_t mofka_driver_make_thread_pool(mofka_driver_t *driver, size_t thread_count,
                                                       mofka_binding_t binding,
                                                       mofka_thread_pool_t **pool);

/** For backends: make a handle of a driver; `self` is taken. Give: close, then release.
 * MOFKA_ERR_INVALID: the table lacks a required slot. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_wrap(const char *type, const mofka_driver_ops_t *ops,
                                           void *self, mofka_driver_t **driver);
/** For backends: what the driver stands on goes away (MPI_Finalize was called) although the user did
 * not close it: end its open producers (which flush, for at most `flush_ms` together) and consumers,
 * then close it, for at most `close_ms`. Handles stay, and answer MOFKA_ERR_CLOSED. What a producer or a
 * consumer answers is logged. After an error the driver is not closed, but nothing of the core uses
 * `self` any more. Threads: any, but no other uses the driver. MPI: as close. Blocks: as
 * close. */
MOFKA_API mofka_status_t mofka_driver_end_forgotten(void *self, int64_t flush_ms, int64_t close_ms);
/** Makes a driver's table and `self` from options JSON (or NULL). */
typedef mofka_status_t (*mofka_driver_create_fn)(const char *options,
                                                 const mofka_driver_ops_t **ops, void **self);
/** Register a driver type. MOFKA_ERR_EXISTS, MOFKA_ERR_FULL. Threads: any. MPI: none. Blocks: no.
 */
MOFKA_API mofka_status_t mofka_driver_register(const char *type, mofka_driver_create_fn create);

/** Used by the macros below: register `type`, an identifier, when the program or the library that
 * holds this line is loaded. A failure is logged. */
#define MOFKA_REGISTER_AT_LOAD(kind, type, create)                                                 \
    __attribute__((constructor)) static void mofka_register_##kind##_##type(void) {                \
        mofka_registered(#kind, #type, mofka_##kind##_register(#type, create));                    \
    }                                                                                              \
    struct mofka_register_semicolon
/** Register a driver type at load time; `create` is a mofka_driver_create_fn. */
#define MOFKA_REGISTER_DRIVER(type, create) MOFKA_REGISTER_AT_LOAD(driver, type, create)
/** Register a validator type at load time; `create` is a mofka_validator_create_fn. */
#define MOFKA_REGISTER_VALIDATOR(type, create) MOFKA_REGISTER_AT_LOAD(validator, type, create)
/** Register a serializer type at load time; `create` is a mofka_serializer_create_fn. */
#define MOFKA_REGISTER_SERIALIZER(type, create) MOFKA_REGISTER_AT_LOAD(serializer, type, create)
/** Register a selector type at load time; `create` is a mofka_partition_selector_create_fn. */
#define MOFKA_REGISTER_PARTITION_SELECTOR(type, create)                                            \
    MOFKA_REGISTER_AT_LOAD(partition_selector, type, create)
/** Used by the macros: reports a failed registration. */
MOFKA_API void mofka_registered(const char *kind, const char *type, mofka_status_t status);

#ifdef __cplusplus
}
#endif
#endif
