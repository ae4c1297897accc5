/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Staging: ranks that do not see an owner's files read them by way of the owner's memory.
 *
 * Each owner of a driver with a store has this region in its share, between directory and arena:
 *
 *   0        64                                             buffers
 *   +--------+--------+--------+-- ... --+--------+---------+----------+-- ... --+----------+
 *   | header | line   | line   |         | line   |         | buffer 0 |         | buffer 7 |
 *   | 64 B   | rank 0 | rank 1 |         | size-1 |         | 64 B + 128 KiB     |          |
 *   +--------+--------+--------+-- ... --+--------+---------+----------+-- ... --+----------+
 *            128 B each
 *
 *   1 the reader's rank puts its request into its line
 *   2 it adds to `asked`, and rings, unless it had an answer just before
 *   3 the owner's writing thread wakes the serving one, which then looks for a while by itself
 *   4 the serving thread finds a line whose serial it has not answered
 *   5 it reads the file into a buffer
 *   6 it stores the answer into the line: which buffer
 *   7 the reader's rank sees the answer, and gets the buffer
 *   8 if its check is right, the bytes are what was asked for. Else another reader's answer is
 *     there already: it asks again, with the next serial
 *
 * Words, and who writes them:
 *
 *   header  asked    a reader                     fetch_add 1
 *           serves   the owner, by the processor  store: MMI_STAGE_SERVES, then MMI_STAGE_ENDED
 *   line    request  the reader, one thread at a time: put, then flush. Its check is of all other
 *                    words, so a line that is half put is not looked at
 *           answer   the owner, by the processor  store, sealed: serial, buffer, bytes
 *   buffer  all      the owner, by the processor, before the answer. Its check is of the bytes, the
 *                    rank and the serial
 *
 * A buffer is free once its reader has asked again, or MMI_STAGE_BUFFER_MS after the answer. So a
 * reader that stops, at any step, holds up no other one for longer. Step 8 does not rely on that
 * time: a reader that was late finds that the check is wrong. If no buffer is free, the request
 * waits. The model is model/staging.pml.
 *
 * A reader waits for an answer as long as its patience (mmi_stage_patience_ms). An owner that is
 * late is not told: its answer has the old serial, and nobody takes it.
 */
#ifndef MOFKA_MPI_STAGING_STAGING_H
#define MOFKA_MPI_STAGING_STAGING_H

#include "mpi/partition/partition.h"
#include "store/log/segment.h"

#define MMI_STAGE_BUFFERS 8
/* Bytes of one answer, at most. */
#define MMI_STAGE_BYTES ((size_t)128 << 10)
/* A buffer whose reader has not asked again is used again after this time. */
#define MMI_STAGE_BUFFER_MS 1000
/* An owner that has answered looks for more requests so long, without being told. */
#define MMI_STAGE_AWAKE_MS 200

/* What is asked for. */
typedef enum mmi_stage_ask {
    MMI_STAGE_LOG = 1, /* whose log it is: mmi_stage_log_t */
    MMI_STAGE_LIST,    /* segments behind (life, first id): mmi_stage_name_t */
    MMI_STAGE_SIZE,    /* no bytes; the size of a file */
    MMI_STAGE_READ,    /* bytes of a file */
    MMI_STAGE_ASKS
} mmi_stage_ask_t;

typedef struct mmi_stage_request {
    uint64_t serial;                 /* not 0; differs from that of the rank's last request */
    uint64_t ask;                    /* mmi_stage_ask_t */
    uint64_t partition;              /* its place in the owner's share */
    uint64_t life, first_id, ending; /* a file: see mmi_stage_endings */
    uint64_t range;                  /* offset << 18 | bytes */
    uint64_t check;
} mmi_stage_request_t;
#define MMI_STAGE_RANGE_BITS 18
static_assert(MMI_STAGE_BYTES < (size_t)1 << MMI_STAGE_RANGE_BITS, "a range is one word");

typedef struct mmi_stage_line {
    mmi_stage_request_t request;
    uint64_t answer; /* sealed: serial << 20 | buffer << 16 | units of 64 bytes; 0: none */
    uint64_t pad[7];
} mmi_stage_line_t;
static_assert(sizeof(mmi_stage_line_t) == 128, "as drawn");
#define MMI_STAGE_SERIAL_BITS 36
#define MMI_STAGE_SERIAL_MAX ((UINT64_C(1) << MMI_STAGE_SERIAL_BITS) - 1)
static_assert(MMI_STAGE_SERIAL_BITS + 20 == MMI_SEAL_BITS, "an answer is one sealed word");
static_assert(MMI_STAGE_BUFFERS <= 16 && MMI_STAGE_BYTES / 64 < 1 << 16, "the same");

typedef struct mmi_stage_buffer {
    uint64_t serial, rank;
    uint64_t error; /* 0, or an errno; then no bytes */
    uint64_t bytes;
    uint64_t size; /* of the file */
    uint64_t pad[2];
    uint64_t check;
    uint64_t words[MMI_STAGE_BYTES / sizeof(uint64_t)];
} mmi_stage_buffer_t;
#define MMI_STAGE_HEAD_BYTES offsetof(mmi_stage_buffer_t, words)
static_assert(MMI_STAGE_HEAD_BYTES == 64, "as drawn");

enum { MMI_STAGE_SERVES = 1, MMI_STAGE_ENDED };

typedef struct mmi_stage_header {
    uint64_t asked;
    uint64_t serves; /* sealed; 0: not yet */
    uint64_t pad[6];
} mmi_stage_header_t;
static_assert(sizeof(mmi_stage_header_t) == 64, "as drawn");

/* Answers of the asks LOG and LIST. */
typedef struct mmi_stage_log {
    mfi_uuid_t store, topic;
    uint64_t partition;
    char host[MMI_HOST_WORDS * sizeof(uint64_t)]; /* of the owner */
    char folder[MFI_PATH_BYTES_MAX];
} mmi_stage_log_t;

typedef struct mmi_stage_name {
    uint64_t first_id, life;
} mmi_stage_name_t;

/* Names of files end in one of these. */
#define MMI_STAGE_ENDINGS 2
extern const char *const mmi_stage_endings[MMI_STAGE_ENDINGS];

/* ---- stage.c: both sides --------------------------------------------------------------------- */

/* What a rank has of staging. */
typedef struct mmi_stage {
    mmi_window_t *w;
    uint64_t at_first, at_others; /* where the region is, at rank 0 and elsewhere */
    bool sees;                    /* this rank sees the store itself */
    struct mmi_stage_turn *turns; /* of each owner's line of this rank */
} mmi_stage_t;

/* Bytes of the region of each owner; whole pages. */
uint64_t mmi_stage_region_bytes(int ranks);
/* Give: mmi_stage_destroy. */
mofka_status_t mmi_stage_create(mmi_window_t *w, uint64_t at_first, uint64_t at_others, bool sees,
                                mmi_stage_t **stage);
/* NULL is ignored. */
void mmi_stage_destroy(mmi_stage_t *stage);
uint64_t mmi_stage_line_at(const mmi_stage_t *stage, int owner, int rank);
uint64_t mmi_stage_buffer_at(const mmi_stage_t *stage, int owner, size_t buffer);
uint64_t mmi_stage_region_at(const mmi_stage_t *stage, int owner);
/* Checks of a request of this rank, and of a buffer. */
uint64_t mmi_stage_request_check(const mmi_stage_request_t *request, int rank);
uint64_t mmi_stage_buffer_check(const mmi_stage_buffer_t *buffer);

/* ---- read.c, files.c: a reader's rank -------------------------------------------------------- */

/* Files of a partition, by way of its owner. */
typedef struct mmi_staged mmi_staged_t;

/* How long this thread waits for each answer. */
extern _Thread_local int64_t mmi_stage_patience_ms;
#define MMI_STAGE_PATIENCE_MS 5000
/* Of a call that should not wait: README promises so much more than its time-out. */
#define MMI_STAGE_HURRY_MS 100

/* Fill in `log`, whose files are those that the owner of `p` has. `p` outlives the log. Give:
 * mmi_staged_close. Errors as mmi_staged_explain.
 * Threads: any, also of the same files. MPI: local, in windows of MPI. */
mofka_status_t mmi_staged_open(mmi_stage_t *stage, const mmi_partition_t *p, mfi_log_t *log,
                               mmi_staged_t **files);
/* Files that are still open keep what they need. NULL is ignored. */
void mmi_staged_close(mmi_staged_t *files);
/* From now on bytes are read ahead, and kept: they are known to be written. Until it is ended, one
 * thread uses the files. */
void mmi_staged_read_ahead(mmi_staged_t *files, bool begins);
/* After an error of the store that used the files: what it was, if this thread's last request has
 * failed. MOFKA_ERR_TIMEOUT: the owner has not answered; it may later. MOFKA_ERR_STORAGE: it has
 * ended. MOFKA_ERR_BUSY: another process has the partition. MOFKA_ERR_MPI. Else `status`. */
mofka_status_t mmi_staged_explain(mofka_status_t status);
/* Whether the owner's last answer was waited for in vain. */
bool mmi_staged_is_late(const mmi_staged_t *files);
/* The owner's host. */
const char *mmi_staged_host(const mmi_staged_t *files);

/* read.c, for files.c */
typedef struct mmi_stage_result {
    uint64_t bytes, size;
} mmi_stage_result_t;
/* Ask the owner; up to `room` bytes of the answer are put to `to`. `host`: of the owner, for
 * messages; "" if it is not known. 0, or a negative errno. */
int mmi_stage_ask(mmi_stage_t *stage, const mmi_partition_t *p, const char *host,
                  const mmi_stage_request_t *request, void *to, size_t room,
                  mmi_stage_result_t *result);

/* ---- serve.c: an owner ----------------------------------------------------------------------- */

typedef struct mmi_server mmi_server_t;

/* Find the log of the partition at this place. 0, or an errno: ENOENT, EBUSY. */
typedef int (*mmi_stage_find_fn)(void *context, uint64_t partition, const mfi_log_t **log);

/* Start the serving thread, which sleeps until it is woken. Give: mmi_server_stop. */
mofka_status_t mmi_server_start(const mmi_stage_t *stage, mmi_stage_find_fn find, void *context,
                                mmi_server_t **server);
/* Wake the thread if a reader has asked since it was woken last. Threads: one. */
void mmi_server_look(mmi_server_t *server);
/* NULL is ignored. */
void mmi_server_stop(mmi_server_t *server);

#endif
