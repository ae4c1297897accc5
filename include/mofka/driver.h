/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Drivers: the connection to a backend.
 *
 * Order of tear-down: release events and futures; close, then release producers and consumers;
 * release topics; close, then release the driver.
 */
#ifndef MOFKA_DRIVER_H
#define MOFKA_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>
#include <mofka/thread_pool.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a driver of a registered `type`. `options` is a JSON object; NULL means the defaults. A
 * type "name:library.so" loads that library first. A name that is not registered loads
 * libmofka-NAME.so. Give: mofka_driver_close, then mofka_driver_release. MOFKA_ERR_NOT_FOUND: the
 * type or the library is unknown. MOFKA_ERR_JSON: `options` is not a JSON object. MOFKA_ERR_OPTION:
 * the type does not know an option.
 * Threads: owner. MPI: as the type. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_driver_create(const char *type, const char *options,
                                             mofka_driver_t **driver);
/** End the driver. For "mpi" this call is collective. MOFKA_ERR_BUSY: a producer or consumer is
 * open; the message names it. MOFKA_ERR_TIMEOUT: it is not closed yet; call again. From the first
 * call on nothing new is made through the driver, but mofka_driver_stats still works.
 * Threads: owner. MPI: as the type. Blocks: at most `timeout_ms`. For "mpi" it can take 0.1 s
 * longer once all ranks have come, and 3 s longer if another rank stops in the middle of closing.
 * If one stops or dies at the very moment when all free the window, it takes as long as MPI waits.
 */
MOFKA_API mofka_status_t mofka_driver_close(mofka_driver_t *driver, int64_t timeout_ms);
/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_driver_t *mofka_driver_retain(mofka_driver_t *driver);
/** Drop one user; NULL is ignored. If the driver was not closed, a warning is logged and its memory
 * is kept, because MPI_Finalize and reports of statistics may still use it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_driver_release(mofka_driver_t *driver);

/** The type that it was made of. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_driver_type(const mofka_driver_t *driver);

/** How to create a topic. Every member may be NULL, for the default. */
typedef struct mofka_topic_options {
    const char *options;    /**< JSON object for the backend */
    const char *validator;  /**< JSON object with "type" */
    const char *selector;   /**< JSON object with "type" */
    const char *serializer; /**< JSON object with "type" */
} mofka_topic_options_t;

/** Create a topic. This gives no handle; open the topic to get one. `name`: 1 to
 * MOFKA_NAME_BYTES_MAX bytes of printable ASCII. NULL options mean the defaults. The types of its
 * validator, selector and serializer may be of any library, by "name:library.so"; the record keeps
 * their JSON as given. MOFKA_ERR_EXISTS: the name is taken; no library was loaded, unless
 * another rank took the name during this call.
 * MOFKA_ERR_INVALID: the name is invalid. MOFKA_ERR_OPTION: an option is unknown or wrong.
 * MOFKA_ERR_FULL: not enough room; the message says how much is needed.
 * Threads: any. MPI: local. Blocks: for the directory's lock, at most 10 s. */
MOFKA_API mofka_status_t mofka_driver_create_topic(mofka_driver_t *driver, const char *name,
                                                   const mofka_topic_options_t *options);
/** Delete a topic, with its events, and the names and cursors of its consumers. Its memory is used
 * again, and a topic of the same name can be created at once. Handles of it stay, and are released
 * as others. Through them no producer and no consumer can be made any more: MOFKA_ERR_NOT_FOUND,
 * also once there is another topic of that name. Events that were pulled stay readable, but for
 * those of a consumer with `zero_copy`. MOFKA_ERR_NOT_FOUND: there is no such topic.
 * MOFKA_ERR_BUSY: producers or consumers of any rank are open, and the message says how many; or a
 * rank has not finished creating the topic, and is named. A rank that stopped with an open one
 * keeps the topic. MOFKA_ERR_TIMEOUT: the directory's lock stays taken, or the rank that has the
 * directory does not answer. MOFKA_ERR_UNSUPPORTED: drivers of this type cannot delete topics.
 * Threads: any. MPI: local. Blocks: for the directory's lock, at most 10 s. */
MOFKA_API mofka_status_t mofka_driver_delete_topic(mofka_driver_t *driver, const char *name);
/** Open a topic. If it does not exist yet, or is being created, wait, at most `timeout_ms`. Its
 * record names the types of its validator and serializer. A type that is not registered in this
 * process is loaded from a plug-in folder (register.h), whatever path the record has. Give:
 * mofka_topic_release. MOFKA_ERR_NOT_FOUND: it still does not exist after `timeout_ms`; or, at
 * once, a type that its record names is missing here, and the message names the type and where it
 * was looked for. MOFKA_ERR_TIMEOUT: the rank that creates it has not finished, and is named; or
 * the directory's rank does not answer.
 * Threads: any. MPI: local. Blocks: until the topic is there, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_driver_open_topic(mofka_driver_t *driver, const char *name,
                                                 int64_t timeout_ms, mofka_topic_t **topic);
/** Whether a topic of that name exists now, or is being created. An invalid name is not an error:
 * no topic has it.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_topic_exists(mofka_driver_t *driver, const char *name,
                                                   bool *exists);

/** Called once for each topic, with its name and its description (borrow). Return MOFKA_OK to go
 * on, MOFKA_STOP to end the visit. */
typedef mofka_status_t (*mofka_topic_visit_fn)(void *context, const char *name,
                                               const mofka_metadata_t *description);
/** Visit every topic. A description is {"name", "partitions", "options", "validator", "selector",
 * "serializer"}.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_list_topics(mofka_driver_t *driver,
                                                  mofka_topic_visit_fn visit, void *context);

/** Called once for each partition of a topic, with its index and its description (borrow). Return
 * MOFKA_OK to go on, MOFKA_STOP to end the visit. */
typedef mofka_status_t (*mofka_partition_visit_fn)(void *context, size_t partition,
                                                   const mofka_metadata_t *info);
/** Visit every partition of a topic without opening it: no library is loaded. A description is that
 * of mofka_topic_partition_info. MOFKA_ERR_NOT_FOUND: the topic does not exist now.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_list_partitions(mofka_driver_t *driver, const char *name,
                                                      mofka_partition_visit_fn visit,
                                                      void *context);

/** The driver's own pool. It has no threads unless the driver type brings another pool. View;
 * retain it to keep it longer.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_thread_pool_t *mofka_driver_default_thread_pool(mofka_driver_t *driver);
/** Make a pool whose workers stay off the cores of the node's other processes. Give:
 * mofka_thread_pool_release. Errors: as mofka_thread_pool_create.
 * Threads: any. MPI: none. Blocks: until the workers run. */
MOFKA_API mofka_status_t mofka_driver_make_thread_pool(mofka_driver_t *driver, size_t thread_count,
                                                       mofka_binding_t binding,
                                                       mofka_thread_pool_t **pool);

#ifdef __cplusplus
}
#endif
#endif
