/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All ranks meet, before a collective operation that MPI may wait in without a limit: creating or
 * freeing a window, merging groups.
 *
 *            vote                  all voted 0            all stay
 *   APART ---------> VOTING -----------------> STAYING ------------> APART: they have met
 *     ^                |                          |
 *     |                | a lower vote             | one was late
 *     +----------------+--------------------------+ (another round)
 *
 * To agree is not enough. A rank may vote, then give up at its deadline; the others, which see all
 * votes, would wait for it in MPI. So there is a second vote, to stay, and it is quick:
 *
 *   - a rank votes to stay only within a second of its first vote, else for another round; so all
 *     votes to stay, of both kinds, fall within two seconds
 *   - having voted to stay, it waits for the others' votes until three seconds after its first
 *     vote, whatever its deadline is
 *
 * So a rank that gives up while STAYING knows that another one has not voted yet, and will not vote
 * to stay: nobody meets. What is left are ranks that stop or die after they have met, and messages
 * that take a second.
 *
 * A vote is an operation of MPI, which cannot be taken back. A rank that leaves for good starts
 * what is left of its round, and votes MMI_LEFT. That ends the meeting for all, however late they
 * come. A round always has two votes, so that all start the same operations on the communicator,
 * and may use it for another try: after a vote that failed, the second one is MMI_LEFT of all.
 */
#include "mpi/ranks/ranks.h"

#include <assert.h>
#include "mpi/window/window.h"

#define STAY_MS 1000
#define STAY_WAIT_MS (INT64_C(3) * STAY_MS)
/* Rounds in which all came and one was late: they do not wait for each other long enough. */
#define ROUNDS_MAX 8
/* A vote for another round. */
#define AGAIN (-1)

static mofka_status_t meeting_vote(mmi_ranks_t *r, int vote) {
    assert(r->phase == MMI_APART && vote <= 0);
    r->voted_ms = mmi_now_ms();
    mofka_status_t status = mmi_reduction_start(r, &r->vote, vote);
    if (!status)
        r->phase = MMI_VOTING;
    return status;
}

static mofka_status_t meeting_count(mmi_ranks_t *r, int64_t deadline) {
    assert(r->phase == MMI_VOTING);
    mofka_status_t status = mmi_reduction_finish(r, &r->vote, deadline);
    if (status)
        return status;
    bool in_time = mmi_now_ms() - r->voted_ms < STAY_MS;
    status = mmi_reduction_start(r, &r->stay,
                                 r->vote.least.value < 0 ? MMI_LEFT
                                 : in_time               ? 0
                                                         : AGAIN);
    if (!status)
        r->phase = MMI_STAYING;
    return status;
}

/* *ended: they have met, or a rank has left, or had voted against it. */
static mofka_status_t meeting_stay(mmi_ranks_t *r, int64_t deadline, bool *ended) {
    assert(r->phase == MMI_STAYING);
    int64_t least = r->voted_ms + STAY_WAIT_MS;
    mofka_status_t status = mmi_reduction_finish(r, &r->stay, deadline > least ? deadline : least);
    if (status)
        return status;
    r->phase = MMI_APART;
    if (r->vote.least.value == 0) {
        r->vote.least = r->stay.least;
        if (r->stay.least.value == AGAIN && ++r->rounds == ROUNDS_MAX)
            r->vote.least.value = MMI_SCATTERED;
        *ended = r->vote.least.value != AGAIN;
    } else {
        *ended = true;
    }
    return MOFKA_OK;
}

mofka_status_t mmi_meet(mmi_ranks_t *r, int vote, int64_t deadline, mmi_vote_t *least) {
    bool ended = false;
    mofka_status_t status = MOFKA_OK;
    while (!status && !ended) {
        if (r->phase == MMI_APART)
            status = meeting_vote(r, vote);
        else if (r->phase == MMI_VOTING)
            status = meeting_count(r, deadline);
        else
            status = meeting_stay(r, deadline, &ended);
    }
    if (status)
        return status;
    assert(r->phase == MMI_APART && r->vote.least.value <= 0);
    r->rounds = 0;
    *least = r->vote.least;
    return MOFKA_OK;
}

void mmi_meet_leave(mmi_ranks_t *r) {
    mmi_phase_t phase = r->phase;
    if (phase != MMI_VOTING)
        mmi_reduction_start(r, &r->vote, MMI_LEFT);
    mmi_reduction_start(r, phase == MMI_STAYING ? &r->next_stay : &r->stay, MMI_LEFT);
    r->broken = true;
}

mofka_status_t mmi_agree_and_meet(mmi_ranks_t *r, mofka_status_t status, const char *step) {
    mmi_vote_t least;
    assert(status <= MOFKA_OK);
    if (r->broken)
        return mmi_agree(r, status, step);
    mofka_status_t failed = mmi_meet(r, (int)status, r->deadline, &least);
    if (failed == MOFKA_ERR_TIMEOUT)
        mmi_meet_leave(r);
    if (failed && !status)
        return mmi_ranks_fail(r, failed, step);
    r->broken |= failed != MOFKA_OK;
    if (status)
        return status;
    if (least.value == MMI_LEFT || least.value == MMI_SCATTERED) {
        r->broken = true;
        return mofka_fail(MOFKA_ERR_TIMEOUT, "MPI driver: rank %d had given up while %s",
                          least.rank, step);
    }
    return mmi_agree_result(status, least, step);
}
