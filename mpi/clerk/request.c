/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: a rank asks an owner to do what processors of the owner's node do. The clerk carries
 * the words; what they mean is said in mpi/errand.
 *
 * The owner's progress thread must not wait. So what answers MOFKA_ERR_TIMEOUT, because a lock is
 * taken, stays in a list, and is tried again until the time that the rank gave is over. A rank has
 * several requests under way, and each has a tag of its own for the answer. A request that wants no
 * answer is tried once.
 */
#include "mpi/clerk/clerk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Tags of answers, used in turn: more than calls that wait at the same time. */
#define REPLY_TAGS 16384
/* The number of a request that wants no answer. */
#define NO_ANSWER UINT64_MAX
/* In front of a request's own words: what it is, its number, its time in ms. */
#define HEAD_WORDS 3
/* An answer: the status, the results, a text. */
#define ANSWER_WORDS (1 + MMI_RESULT_WORDS + (MOFKA_MESSAGE_BYTES_MAX + 1) / 8)
static_assert((MOFKA_MESSAGE_BYTES_MAX + 1) % 8 == 0, "a message is whole words");
static_assert(HEAD_WORDS + MMI_REQUEST_WORDS_MAX <= MMI_MESSAGE_WORDS, "it fits what is received");

struct mmi_request {
    mmi_request_t *next;
    int rank; /* that asked */
    uint64_t number;
    int64_t deadline;
    size_t count;
    uint64_t words[];
};

static int request_tag(uint64_t number) {
    return MMI_REPLY_TAG + (int)(number % REPLY_TAGS);
}

/* ---- the owner ------------------------------------------------------------------------------- */

/* Without memory the answer has no words. The rank learns of an error of MPI from the word `deaf`.
 */
static void request_answer(mmi_clerk_t *c, const mmi_request_t *request, mofka_status_t status,
                           const uint64_t results[MMI_RESULT_WORDS]) {
    if (request->number == NO_ANSWER)
        return;
    mmi_message_t *answer = mmi_message_create(ANSWER_WORDS);
    if (!answer && !(answer = mmi_message_create(0)))
        return; /* it waits until this rank closes the driver */
    if (answer->count > 0) {
        char *text = (char *)(answer->words + 1 + MMI_RESULT_WORDS);
        answer->words[0] = (uint64_t)(int64_t)status;
        memcpy(answer->words + 1, results, MMI_RESULT_WORDS * sizeof *results);
        memset(text, 0, MOFKA_MESSAGE_BYTES_MAX + 1);
        if (status)
            strncpy(text, mofka_last_error(), MOFKA_MESSAGE_BYTES_MAX);
    }
    int error = mmi_clerk_send(c, answer, request->rank, request_tag(request->number));
    if (error)
        mmi_clerk_fail(c, "MPI_Isend", error);
}

/* With the lock. True: it is done, or its time is over. */
static bool request_try(mmi_clerk_t *c, const mmi_request_t *request) {
    uint64_t results[MMI_RESULT_WORDS] = {0};
    mofka_status_t status = c->serve(c->w, request->words, request->count, results);
    if (status == MOFKA_ERR_TIMEOUT && mmi_now_ms() < request->deadline)
        return false;
    request_answer(c, request, status, results);
    return true;
}

void mmi_request_take(mmi_clerk_t *c, int rank, const uint64_t *words, size_t count) {
    int64_t timeout_ms = (int64_t)words[2];
    assert(count > HEAD_WORDS);
    count -= HEAD_WORDS;
    mmi_request_t *request = malloc(sizeof *request + count * sizeof *words);
    if (!request) {
        const mmi_request_t failed = {.rank = rank, .number = words[1]};
        const uint64_t none[MMI_RESULT_WORDS] = {0};
        request_answer(c, &failed, mofka_fail(MOFKA_ERR_MEMORY, "no memory for a request"), none);
        return;
    }
    *request = (mmi_request_t){
        .rank = rank, .number = words[1], .deadline = mmi_deadline(timeout_ms), .count = count};
    memcpy(request->words, words + HEAD_WORDS, count * sizeof *words);
    mmi_request_t **end = &c->requests;
    while (*end)
        end = &(*end)->next;
    *end = request;
}

bool mmi_request_serve(mmi_clerk_t *c) {
    for (mmi_request_t **at = &c->requests; *at;) {
        mmi_request_t *request = *at;
        if (request_try(c, request)) {
            *at = request->next;
            free(request);
        } else {
            at = &request->next;
        }
    }
    return c->requests != NULL;
}

void mmi_request_free_all(mmi_clerk_t *c) {
    for (mmi_request_t *request; (request = c->requests);) {
        c->requests = request->next;
        free(request);
    }
}

/* ---- the rank that asks ---------------------------------------------------------------------- */

/* MPI uses it until both operations are over. */
typedef struct request_call {
    uint64_t message[HEAD_WORDS + MMI_REQUEST_WORDS_MAX];
    uint64_t answer[ANSWER_WORDS];
} request_call_t;

static mofka_status_t request_send(mmi_clerk_t *c, int owner, request_call_t *call, size_t count,
                                   MPI_Request requests[2]) {
    mmi_window_t *w = c->w;
    int tag = request_tag(call->message[1]);
    if (!MMI_TRY(w, owner, MPI_Irecv, call->answer, ANSWER_WORDS, MPI_UINT64_T, owner, tag, w->comm,
                 &requests[0]))
        MMI_TRY(w, owner, MPI_Isend, call->message, (int)count, MPI_UINT64_T, owner, MMI_ASK_TAG,
                w->comm, &requests[1]);
    return mmi_window_check(w, owner);
}

/* What was answered, in `words` words. */
static mofka_status_t request_result(request_call_t *call, size_t words, int owner,
                                     uint64_t results[MMI_RESULT_WORDS]) {
    if (words != ANSWER_WORDS)
        return mofka_fail(MOFKA_ERR_MEMORY, "rank %d has no memory for a request", owner);
    mofka_status_t status = (mofka_status_t)(int64_t)call->answer[0];
    char *text = (char *)(call->answer + 1 + MMI_RESULT_WORDS);
    text[MOFKA_MESSAGE_BYTES_MAX] = '\0';
    if (status)
        return mofka_fail(status, "%s", text);
    memcpy(results, call->answer + 1, MMI_RESULT_WORDS * sizeof *results);
    return MOFKA_OK;
}

/* Without memory, or after an error of MPI, nothing is sent. */
void mmi_clerk_tell(mmi_clerk_t *c, int owner, const uint64_t *words, size_t count) {
    mmi_message_t *message = mmi_message_create(HEAD_WORDS + count);
    assert(owner != c->w->rank && count <= MMI_REQUEST_WORDS_MAX);
    if (!message)
        return;
    message->words[0] = MMI_ASK_REQUEST;
    message->words[1] = NO_ANSWER;
    message->words[2] = 0;
    memcpy(message->words + HEAD_WORDS, words, count * sizeof *words);
    int error = mmi_clerk_send(c, message, owner, MMI_ASK_TAG);
    if (error)
        mmi_window_fault(c->w, owner, "MPI_Isend", error);
}

mofka_status_t mmi_clerk_request(mmi_clerk_t *c, int owner, const uint64_t *words, size_t count,
                                 int64_t deadline, uint64_t results[MMI_RESULT_WORDS]) {
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int64_t now_ms = mmi_now_ms();
    request_call_t *call = calloc(1, sizeof *call);
    assert(owner != c->w->rank && count <= MMI_REQUEST_WORDS_MAX);
    if (!call)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a request to rank %d", owner);
    call->message[0] = MMI_ASK_REQUEST;
    call->message[1] = atomic_fetch_add(&c->request_count, 1);
    call->message[2] = deadline > now_ms ? (uint64_t)(deadline - now_ms) : 0;
    memcpy(call->message + HEAD_WORDS, words, count * sizeof *words);
    mmi_window_wait_for(owner);
    mofka_status_t status = request_send(c, owner, call, HEAD_WORDS + count, requests);
    size_t answered = status ? 0 : mmi_ask_wait(c, owner, requests);
    if (!status)
        status = mmi_window_check(c->w, owner);
    if (status) /* MPI may still use the memory: it stays */
        return status;
    status = request_result(call, answered, owner, results);
    free(call);
    return status;
}
