/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader's rank asks an owner for bytes of its files.
 *
 *   step                                     a rank that stops or dies after it leaves behind
 *   1 take this rank's turn at the owner     nothing at the owner
 *   2 put the request                        a request, which the owner answers once, into a buffer
 *                                            that it uses again after a second
 *   3 add to `asked`, ring, unless the       the same
 *     owner has just answered
 *   4 wait for the answer, get the buffer    the same
 *
 * An owner that is stopped is waited for as long as this thread's patience; one that is proven
 * dead, or has ended its storage, is not.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>
#include "mpi/alive/alive.h"
#include "mpi/staging/turn.h"

/* Looks for the answer. */
#define LOOK_US 20
#define LOOK_US_MAX 2000
/* How often the owner is looked for, and told again, while it does not answer. */
#define TELL_MS 100

_Thread_local int64_t mmi_stage_patience_ms = MMI_STAGE_PATIENCE_MS;

/* What this thread's last request met. */
static _Thread_local mofka_status_t ask_status;
static _Thread_local char ask_message[MOFKA_MESSAGE_BYTES_MAX + 1];

/* A request under way. */
typedef struct asking {
    mmi_stage_t *stage;
    mmi_window_t *w;
    const mmi_partition_t *p;
    const char *host;
    mmi_stage_request_t request;
    mmi_stage_turn_t *turn;
    mmi_stage_buffer_t *buffer;
    int64_t began_ms, deadline, told_ms;
} asking_t;

/* ---- errors ---------------------------------------------------------------------------------- */

/* The last error of this thread is that of the request. */
static int ask_fail(mofka_status_t status, int error) {
    ask_status = status;
    snprintf(ask_message, sizeof ask_message, "%s", mofka_last_error());
    return -error;
}

mofka_status_t mmi_staged_explain(mofka_status_t status) {
    mofka_status_t failed = ask_status;
    ask_status = MOFKA_OK;
    return status && failed ? mofka_fail(failed, "%s", ask_message) : status;
}

/* How long a message waits for the name of a host. */
#define HOST_MS 20

/* The owner's host; "?": it is not known. */
static void ask_name_host(const asking_t *a, char host[MMI_HOST_WORDS * sizeof(uint64_t)]) {
    uint64_t words[MMI_HOST_WORDS] = {0};
    if (a->host[0] == '\0')
        (void)mmi_window_read(a->w, a->p->owner, offsetof(mmi_share_t, host), words, MMI_HOST_WORDS,
                              mmi_deadline(HOST_MS));
    memcpy(host, words, sizeof words);
    host[sizeof words - 1] = '\0';
    if (host[0] == '\0')
        snprintf(host, sizeof words, "%s", a->host[0] ? a->host : "?");
}

static int ask_fail_because(const asking_t *a, mofka_status_t status, int error, const char *why) {
    char host[MMI_HOST_WORDS * sizeof(uint64_t)];
    ask_name_host(a, host);
    mofka_fail(status,
               "topic '%s', partition %zu: this rank does not see the files of rank %d on host "
               "'%s', which reads them for it, and %s",
               a->p->topic, a->p->index, a->p->owner, host, why);
    return ask_fail(status, error);
}

static int ask_fail_late(const asking_t *a) {
    char why[80];
    snprintf(why, sizeof why, "has not answered for %" PRId64 " ms", mmi_now_ms() - a->began_ms);
    return ask_fail_because(a, MOFKA_ERR_TIMEOUT, ETIMEDOUT, why);
}

/* Whether the owner will not answer. */
static int ask_look_at_owner(asking_t *a) {
    mmi_window_t *near = mmi_window_by_node(a->w, a->p->owner);
    uint64_t serves = 0;
    if (mmi_alive_is_dead(near, a->p->owner))
        return ask_fail_because(a, MOFKA_ERR_STORAGE, EIO,
                                "died: another job that opens the store can read them");
    mofka_status_t status = mmi_window_read(a->w, a->p->owner,
                                            mmi_stage_region_at(a->stage, a->p->owner) +
                                                offsetof(mmi_stage_header_t, serves),
                                            &serves, 1, a->deadline);
    if (status == MOFKA_ERR_TIMEOUT)
        return ask_fail_late(a);
    if (!status)
        status = mmi_window_check(a->w, a->p->owner);
    if (status)
        return ask_fail(status, EIO);
    if (serves == mmi_seal(MMI_STAGE_ENDED))
        return ask_fail_because(a, MOFKA_ERR_STORAGE, EIO, "has closed its driver");
    return 0;
}

/* ---- this rank's turn ------------------------------------------------------------------------ */

static int ask_take_turn(asking_t *a) {
    int64_t us = LOOK_US;
    while (atomic_exchange(&a->turn->taken, true)) {
        if (mmi_now_ms() >= a->deadline)
            return ask_fail_late(a);
        mmi_back_off(&us, LOOK_US_MAX);
    }
    return 0;
}

/* ---- the request ----------------------------------------------------------------------------- */

/* Wake the owner: its writing thread looks at `asked`. */
static void ask_tell(asking_t *a) {
    mmi_window_t *w = a->w;
    int owner = a->p->owner;
    w->ops->fetch_add(
        w, owner, mmi_stage_region_at(a->stage, owner) + offsetof(mmi_stage_header_t, asked), 1);
    if (w->ops->has_bells && w->ops->load(w, owner, offsetof(mmi_share_t, stored_waiters)) > 0)
        w->ops->wake(w, owner, offsetof(mmi_share_t, stored_bell), INT_MAX);
    a->told_ms = mmi_now_ms();
}

/* Put the request, with the next serial. */
static int ask_put(asking_t *a) {
    mmi_window_t *w = a->w;
    uint64_t words[sizeof a->request / sizeof(uint64_t)];
    uint64_t at = mmi_stage_line_at(a->stage, a->p->owner, w->rank);
    a->turn->serial = a->turn->serial % MMI_STAGE_SERIAL_MAX + 1;
    a->request.serial = a->turn->serial;
    a->request.check = mmi_stage_request_check(&a->request, w->rank);
    memcpy(words, &a->request, sizeof words);
    if (!w->ops->puts_are_cheap)
        w->ops->put(w, a->p->owner, at, words, sizeof words);
    for (size_t i = 0; w->ops->puts_are_cheap && i < sizeof words / sizeof words[0]; i++)
        w->ops->put_word(w, a->p->owner, at + i * sizeof words[0], &words[i]);
    mofka_status_t status = w->ops->flush(w, a->p->owner);
    if (status)
        return ask_fail(status, EIO);
    a->told_ms = mmi_now_ms();
    if (a->told_ms - a->turn->answered_ms >= MMI_STAGE_AWAKE_MS / 2)
        ask_tell(a);
    return 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Get the buffer that the answer names. `*right` is false: its bytes are of another answer. */
static int ask_get(asking_t *a, uint64_t answer, bool *right) {
    mmi_stage_buffer_t *b = a->buffer;
    size_t buffer = answer >> 16 & 0xf, units = answer & 0xffff;
    *right = false;
    if (buffer >= MMI_STAGE_BUFFERS || units > MMI_STAGE_BYTES / 64)
        return 0;
    mofka_status_t status =
        mmi_window_read(a->w, a->p->owner, mmi_stage_buffer_at(a->stage, a->p->owner, buffer),
                        &b->serial, (MMI_STAGE_HEAD_BYTES + units * 64) / 8, a->deadline);
    if (status == MOFKA_ERR_TIMEOUT)
        return ask_fail_late(a);
    if (status)
        return ask_fail(status, EIO);
    a->turn->answered_ms = mmi_now_ms();
    *right = b->serial == a->request.serial && b->rank == (uint64_t)a->w->rank &&
             b->bytes <= units * 64 && b->check == mmi_stage_buffer_check(b);
    return 0;
}

/* Wait for the answer to the request that was put. */
static int ask_await(asking_t *a, bool *right) {
    uint64_t at =
        mmi_stage_line_at(a->stage, a->p->owner, a->w->rank) + offsetof(mmi_stage_line_t, answer);
    for (int64_t us = LOOK_US;; mmi_back_off(&us, LOOK_US_MAX)) {
        uint64_t word = 0;
        mofka_status_t status = mmi_window_read(a->w, a->p->owner, at, &word, 1, a->deadline);
        if (status && status != MOFKA_ERR_TIMEOUT)
            return ask_fail(status, EIO);
        uint64_t answer = mmi_is_sealed(word) ? mmi_unseal(word) : 0;
        if (answer >> 20 == a->request.serial)
            return ask_get(a, answer, right);
        int64_t now_ms = mmi_now_ms();
        int error = now_ms - a->told_ms >= TELL_MS ? ask_look_at_owner(a) : 0;
        if (error)
            return error;
        if (now_ms >= a->deadline)
            return ask_fail_late(a);
        if (now_ms - a->told_ms >= TELL_MS)
            ask_tell(a);
    }
}

/* With the turn. */
static int ask_until_right(asking_t *a, void *to, size_t room, mmi_stage_result_t *result) {
    bool right = false;
    int error = 0;
    while (!error && !right) {
        error = ask_put(a);
        if (!error)
            error = ask_await(a, &right);
        if (!error && !right && mmi_now_ms() >= a->deadline)
            error = ask_fail_late(a);
    }
    if (error)
        return error;
    const mmi_stage_buffer_t *b = a->buffer;
    if (b->error == EBUSY)
        return ask_fail_because(a, MOFKA_ERR_BUSY, EBUSY,
                                "has lost the partition to another process");
    if (b->error != 0) /* of the file system, and explained like one of this node */
        return -(int)b->error;
    *result = (mmi_stage_result_t){b->bytes < room ? b->bytes : room, b->size};
    if (to && result->bytes > 0)
        memcpy(to, b->words, (size_t)result->bytes);
    return 0;
}

int mmi_stage_ask(mmi_stage_t *stage, const mmi_partition_t *p, const char *host,
                  const mmi_stage_request_t *request, void *to, size_t room,
                  mmi_stage_result_t *result) {
    int64_t now_ms = mmi_now_ms();
    asking_t a = {.stage = stage,
                  .w = stage->w,
                  .p = p,
                  .host = host,
                  .request = *request,
                  .turn = &stage->turns[p->owner],
                  .began_ms = now_ms,
                  .deadline = now_ms + mmi_stage_patience_ms};
    ask_status = MOFKA_OK;
    a.buffer = malloc(sizeof *a.buffer);
    if (!a.buffer)
        return -ENOMEM;
    mmi_window_wait_for(p->owner);
    int error = ask_take_turn(&a);
    if (!error) {
        error = ask_until_right(&a, to, room, result);
        atomic_store(&a.turn->taken, false);
    }
    free(a.buffer);
    return error;
}
