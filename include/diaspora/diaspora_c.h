/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The producer side of the Diaspora Streaming API's C interface, over this library.
 *
 * Programs and instrumentation tools that were written for `diaspora_c.h` of that project build
 * against this header and `libdiaspora-c` without a change: names, types, numbers and meanings are
 * the same. What differs is where events go. The driver "mofka" is the MPI driver over
 * MPI_COMM_WORLD, so making it and destroying it are collective, between MPI_Init and MPI_Finalize.
 *
 * No function ends the program. A NULL handle, or a handle of another kind, is an error of the
 * call; a handle that was destroyed must not be used.
 */
#ifndef DIASPORA_DIASPORA_C_H
#define DIASPORA_DIASPORA_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this interface. */
#define DIASPORA_C_API_VERSION 1

/** Success. */
#define DIASPORA_C_OK 0
/** A flush did not end in time. Events are kept, and a later flush goes on. */
#define DIASPORA_C_TIMEOUT 1
/** Failure; diaspora_c_last_error says why. */
#define DIASPORA_C_ERR (-1)

/** A driver: the way to topics. */
typedef struct diaspora_driver diaspora_driver_t;
/** An open topic. */
typedef struct diaspora_topic diaspora_topic_t;
/** Pushes events into a topic, in batches. */
typedef struct diaspora_producer diaspora_producer_t;

/** In which order the batches of a producer are stored. */
typedef enum {
    DIASPORA_C_ORDERING_LOOSE = 0, /**< a batch may overtake one that finds no room */
    DIASPORA_C_ORDERING_STRICT = 1 /**< the events of a partition keep their push order */
} diaspora_c_ordering_t;

/** The calling thread's last error message; "" if there was none. View, until the thread's next
 * failing call.
 * Threads: any. MPI: none. Blocks: no. */
const char *diaspora_c_last_error(void);

/** Make a driver. "mofka" and "mpi" mean the MPI driver over MPI_COMM_WORLD, whose options are
 * those of mofka_mpi_driver_create; other names are types of mofka_driver_create. `options_json` is
 * a JSON object; NULL means "{}". The MPI driver ignores "group_file" and "margo", which describe
 * the service of another driver, and logs that with level info. Returns NULL after an error.
 * Give: diaspora_driver_destroy.
 * Threads: owner. MPI: collective. Blocks: until all ranks call, at most 60 s. */
diaspora_driver_t *diaspora_driver_create(const char *driver_name, const char *options_json);

/** End a driver whose producers are destroyed; NULL is ignored. If it cannot be closed in 10 s, a
 * warning is logged, and its memory stays.
 * Threads: owner. MPI: collective. Blocks: until all ranks call, at most 10 s. */
void diaspora_driver_destroy(diaspora_driver_t *d);

/** Open a topic. It may be that another rank is about to create it, so this waits for it. NULL:
 * failed; the topic does not exist after 10 s. Give: diaspora_topic_destroy.
 * Threads: any. MPI: local. Blocks: until the topic is there, at most 10 s. */
diaspora_topic_t *diaspora_topic_open(diaspora_driver_t *d, const char *topic_name);

/** Release a topic; NULL is ignored. The topic itself stays.
 * Threads: any. MPI: none. Blocks: no. */
void diaspora_topic_destroy(diaspora_topic_t *t);

/** Make a producer of a topic. NULL as `producer_name` means "diaspora-c". As `batch_size`, 0 means
 * batches that follow the load; as `max_num_batches`, 0 means the library's default. A push waits
 * for room in the partition, at most 30 s. With the environment variable DIASPORA_C_SENDER_THREADS,
 * the producer has that many threads that send, and a push waits only while `max_num_batches` are
 * in memory. NULL: failed. Give: diaspora_producer_destroy.
 * Threads: any. MPI: local. Blocks: no. */
diaspora_producer_t *diaspora_producer_create(diaspora_topic_t *t, const char *producer_name,
                                              size_t batch_size, size_t max_num_batches,
                                              diaspora_c_ordering_t ordering);

/** Send what is left, for at most 10 s, and end the producer; NULL is ignored. Events that are not
 * stored by then are discarded, and a warning is logged. To know the outcome, flush before.
 * Threads: any. MPI: local. Blocks: until all is stored, at most 12 s. */
void diaspora_producer_destroy(diaspora_producer_t *p);

/** Push one event. `metadata_json` (borrow) is JSON, which is checked. `data` (NULL or 0 bytes: no
 * data) is not copied: its memory must not change until diaspora_producer_flush_timeout has
 * returned DIASPORA_C_OK. DIASPORA_C_ERR: the event was not accepted, because of an argument, the
 * topic's validator, or no room in time. If the validator refused it, the next flush fails, too.
 * Threads: any. MPI: local. Blocks: as mofka_producer_push. */
int diaspora_producer_push(diaspora_producer_t *p, const char *metadata_json, const void *data,
                           size_t data_len);

/** As diaspora_producer_push, but `metadata_json` is not checked: the caller knows that it is JSON.
 * Threads: any. MPI: local. Blocks: as mofka_producer_push. */
int diaspora_producer_push_raw(diaspora_producer_t *p, const char *metadata_json, const void *data,
                               size_t data_len);

/** The age, in seconds, of the oldest event that was pushed and is not known to be stored. Returns
 * 0 if all events are stored, and -1 if `p` is not a producer. A program that must not wait can
 * look at it before a push.
 * Threads: any. MPI: none. Blocks: no. */
double diaspora_producer_oldest_pending_age(diaspora_producer_t *p);

/** Send all events that were pushed before, and wait until they are stored. A negative time-out
 * means without limit. DIASPORA_C_TIMEOUT: not all are stored yet. DIASPORA_C_ERR: an event was
 * refused or could not be stored; a later flush does not report it again.
 * Threads: any. MPI: local. Blocks: until stored, at most `timeout_ms`. */
int diaspora_producer_flush_timeout(diaspora_producer_t *p, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
