/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between ranks of an rma window, where owners run progress threads.
 *
 *   message     tag     words                                        to
 *   add         ASK     MMI_ASK_ADD; offset and what to add, each    an owner
 *   old values  ANSWER  one each; none: nothing was added            the rank that asked
 *   watch       ASK     MMI_ASK_WATCH, waiter, index; offset and     an owner
 *                       value of each watched word
 *   forget      ASK     MMI_ASK_FORGET, waiter, index                an owner
 *   ring        RING    waiter, index, MMI_RUNG                      the waiting rank
 *   forgotten   RING    waiter, index, MMI_FORGOTTEN                 the rank that asked
 *   request     ASK     MMI_ASK_REQUEST, number, time in ms; words   an owner
 *                       of mpi/errand
 *               the same, with a number that wants no reply
 *   reply       REPLY+  status, results, text; none: no memory       the rank that asked
 *
 * clerk.c is the owner's side: its progress thread serves. ask.c asks to add; watch.c has both
 * sides of watches, and request.c of requests. partition/model/watch.pml is the model of watches.
 *
 * A rank that stops leaves behind: after "add", the hole of one that stops after it reserved; after
 * "watch", one watch at the owner, and one message to it when the word changes; after "request",
 * what the owner did for it, as if it had stopped behind that. An owner that stops
 * leaves ranks that wait for old values, as a flush does, and waiters that look by themselves after
 * MMI_LOOK_MS.
 */
#ifndef MOFKA_MPI_CLERK_CLERK_H
#define MOFKA_MPI_CLERK_CLERK_H

#include "mpi/window/window.h"

#define MMI_ASK_TAG 1
#define MMI_ANSWER_TAG 2
#define MMI_RING_TAG 3
#define MMI_REPLY_TAG 4 /* and above */
enum { MMI_ASK_ADD, MMI_ASK_WATCH, MMI_ASK_FORGET, MMI_ASK_REQUEST };
/* Words of a request, and of its results. */
#define MMI_REQUEST_WORDS_MAX 64
#define MMI_RESULT_WORDS 6
/* Words that one "add" names, at most; and the words of a message. */
#define MMI_ASKS_MAX 64
#define MMI_MESSAGE_WORDS (1 + 2 * MMI_ASKS_MAX)
#define MMI_WATCH_LISTS 64
/* Words that a watch compares, at most. */
#define MMI_WATCH_WORDS 2
#define MMI_WATCH_MESSAGE (3 + 2 * MMI_WATCH_WORDS)
#define MMI_RING_MESSAGE 3
enum { MMI_RUNG, MMI_FORGOTTEN, MMI_RING_KINDS };
/* How long a waiter trusts a watch. */
#define MMI_LOOK_MS 2000

/* An "add", and its answer. */
typedef struct mmi_asks {
    size_t count;
    uint64_t message[MMI_MESSAGE_WORDS], old[MMI_ASKS_MAX];
} mmi_asks_t;

/* A consumer that waits for rings. */
typedef struct mmi_waiter {
    struct mmi_waiter *next; /* of this process */
    uint64_t number;         /* among them */
    size_t count;
    _Atomic bool came[][MMI_RING_KINDS]; /* for each index: which messages came */
} mmi_waiter_t;

/* A word of a share, and the value that was seen there. */
typedef struct mmi_watched {
    uint64_t offset, value;
} mmi_watched_t;

/* A message that is being sent. */
typedef struct mmi_message {
    struct mmi_message *next;
    MPI_Request request;
    size_t count;
    uint64_t words[];
} mmi_message_t;

typedef struct mmi_watch mmi_watch_t;
typedef struct mmi_request mmi_request_t;

/* Do what a rank requests, by processor, in the owner's progress thread: without waiting.
 * MOFKA_ERR_TIMEOUT: not yet. An error has a message. */
typedef mofka_status_t (*mmi_serve_t)(mmi_window_t *w, const uint64_t *words, size_t count,
                                      uint64_t results[MMI_RESULT_WORDS]);

typedef struct mmi_clerk {
    mmi_window_t *w;      /* borrow */
    uint64_t share_bytes; /* of this rank */
    /* Set in MPI_Finalize, where no progress thread may run. Then a thread that waits serves. */
    _Atomic bool alone;
    pthread_mutex_t lock; /* guards what follows; the window's and `sent_lock` come after it */
    MPI_Request asked_request;
    uint64_t asked[MMI_MESSAGE_WORDS];
    mmi_serve_t serve;                     /* set before the clerk is opened; NULL: no requests */
    mmi_request_t *requests;               /* not done yet, the oldest first */
    mmi_watch_t *watches[MMI_WATCH_LISTS]; /* by rank */
    _Atomic size_t watch_count;
    int64_t ring_ns;                /* when the words are compared next */
    _Atomic uint64_t rings;         /* that were sent: those who get one will soon read */
    _Atomic uint64_t request_count; /* that this rank has sent */
    pthread_mutex_t sent_lock;      /* guards `sent`; a leaf but for MPI's locks */
    mmi_message_t *sent;            /* under way */
    pthread_mutex_t ring_lock;      /* guards what follows; a leaf but for MPI's locks */
    MPI_Request ring_request;
    uint64_t ring[MMI_RING_MESSAGE];
    mmi_waiter_t *waiters;
    uint64_t waiter_count;   /* that there ever were */
    _Atomic bool hears_none; /* MPI has failed: no ring comes any more */
} mmi_clerk_t;

/* ---- clerk.c --------------------------------------------------------------------------------- */

/* Make a window's clerk, w->clerk, on each rank. Give: mmi_clerk_destroy. MOFKA_ERR_MEMORY,
 * MOFKA_ERR_MPI. */
mofka_status_t mmi_clerk_create(mmi_window_t *w, uint64_t share_bytes);
/* Once no other thread uses it. NULL: nothing. */
void mmi_clerk_destroy(mmi_clerk_t *c);
/* An owner begins to receive what ranks ask. MOFKA_ERR_MPI. */
mofka_status_t mmi_clerk_open(mmi_clerk_t *c);
/* Drive MPI once, and serve a rank that has asked. True: there was one. */
bool mmi_clerk_serve(mmi_clerk_t *c);
/* The owner: ring for the watches whose words differ from what was seen; see watch.c. */
void mmi_clerk_ring(mmi_clerk_t *c);
/* While this rank waits for another one: serve, if no progress thread does. */
static inline void mmi_clerk_help(mmi_clerk_t *c) {
    if (atomic_load_explicit(&c->alone, memory_order_relaxed)) {
        (void)mmi_clerk_serve(c);
        mmi_clerk_ring(c);
    }
}
/* For this room: MPI has failed, so what ranks ask may be lost. They must not wait for answers. */
void mmi_clerk_fail(mmi_clerk_t *c, const char *call, int error);
/* A message of so many words. NULL: no memory. Give: mmi_clerk_send. */
mmi_message_t *mmi_message_create(size_t count);
/* Send a message, which is taken. The error of MPI. */
int mmi_clerk_send(mmi_clerk_t *c, mmi_message_t *message, int rank, int tag);

/* ---- ask.c ----------------------------------------------------------------------------------- */

/* Add to words of the owner, another rank. MOFKA_ERR_TIMEOUT: the owner could not, and has not.
 * MOFKA_ERR_MPI: it may have, and MPI may still use `asks`, which must stay. */
mofka_status_t mmi_clerk_ask(mmi_clerk_t *c, int owner, mmi_asks_t *asks);

/* For this room. Wait until both operations are over, while the owner answers, or MPI reports an
 * error. Returns the words of the answer, which the first one receives. */
size_t mmi_ask_wait(mmi_clerk_t *c, int owner, MPI_Request requests[2]);

/* ---- request.c ------------------------------------------------------------------------------- */

/* With the lock, of the owner: a rank has sent a request. */
void mmi_request_take(mmi_clerk_t *c, int rank, const uint64_t *words, size_t count);
/* With the lock: do what ranks have requested. True: some of it could not be done yet. */
bool mmi_request_serve(mmi_clerk_t *c);
void mmi_request_free_all(mmi_clerk_t *c);
/* Have the owner, another rank, do what the words say until the deadline. Its status, with its
 * message; `results` are written on success. Blocks: until it answers, or MPI reports an error. */
mofka_status_t mmi_clerk_request(mmi_clerk_t *c, int owner, const uint64_t *words, size_t count,
                                 int64_t deadline, uint64_t results[MMI_RESULT_WORDS]);

/* Ask the owner to try once what the words say. There is no answer, and it may be lost. Blocks: no.
 */
void mmi_clerk_tell(mmi_clerk_t *c, int owner, const uint64_t *words, size_t count);

/* ---- watch.c --------------------------------------------------------------------------------- */

/* With the lock, of the owner: a rank has asked to watch, or to forget. */
void mmi_watch_take(mmi_clerk_t *c, int rank, const uint64_t message[MMI_WATCH_MESSAGE]);
void mmi_watch_forget(mmi_clerk_t *c, int rank, uint64_t waiter, uint64_t index);
void mmi_watch_free_all(mmi_clerk_t *c);

/* Each rank: begin to receive rings. The error of MPI. */
int mmi_waiter_receive(mmi_clerk_t *c);
/* A waiter with so many indices; the clerk owns it. NULL: no memory. */
mmi_waiter_t *mmi_waiter_begin(mmi_clerk_t *c, size_t count);
/* Free it. Owners have forgotten it, or it never had them watch. */
void mmi_waiter_end(mmi_clerk_t *c, mmi_waiter_t *waiter);
/* Have another rank watch words of its share. This replaces its watch of that index. An offset of 0
 * stands for no word. Without memory, or after an error of MPI, no watch begins. */
void mmi_waiter_watch(mmi_clerk_t *c, const mmi_waiter_t *waiter, int owner, size_t index,
                      const mmi_watched_t words[MMI_WATCH_WORDS]);
/* Take the rings that have arrived for waiters of this process. */
void mmi_waiter_hear(mmi_clerk_t *c);
/* Whether a message of a kind came for the index; it is taken. */
static inline bool mmi_waiter_take(mmi_waiter_t *waiter, size_t index, int kind) {
    return atomic_exchange(&waiter->came[index][kind], false);
}
/* Ask an owner to forget all watches. It answers to the index. False: MPI has failed. */
bool mmi_waiter_ask_forget(mmi_clerk_t *c, const mmi_waiter_t *waiter, int owner, size_t index);
/* Wait for its answer. MOFKA_OK, too, if MPI has failed. MOFKA_ERR_TIMEOUT: none came until the
 * deadline. */
mofka_status_t mmi_waiter_await_forgotten(mmi_clerk_t *c, mmi_waiter_t *waiter, int owner,
                                          size_t index, int64_t deadline);

#endif
