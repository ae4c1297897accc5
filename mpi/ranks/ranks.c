/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One operation of all ranks, waited for until a deadline; and the steps of a driver's creation.
 *
 * Between the groups of an intercommunicator, a reduction gives each group the least of the other.
 * Its echo, of what the first one gave, brings each group its own.
 */
#include "mpi/ranks/ranks.h"

#include <assert.h>
#include <sched.h>
#include <string.h>
#include "mpi/window/window.h"

/* Looks before the first sleep: the other ranks are often there already. */
#define LOOKS 100
/* Looks of a call that has no time: the first one may find a message, and a later one what follows
 * from it. */
#define LOOKS_LEAST 4
#define NAP_US_MIN 10
#define NAP_US_MAX 1000

/* Sleep for an eighth of the time waited so far: so no wait gets much longer by it. */
static int64_t ranks_nap(int64_t start_ns) {
    int64_t us = (mmi_now_ns() - start_ns) / 8000;
    us = us < NAP_US_MIN ? NAP_US_MIN : us > NAP_US_MAX ? NAP_US_MAX : us;
    int64_t slept = us;
    mmi_back_off(&slept, NAP_US_MAX);
    return us;
}

/* After half the time, but at most a second, this rank asks which others wait, too. */
static int64_t ranks_ask_ms(int64_t deadline) {
    int64_t now = mmi_now_ms(), left = deadline > now ? deadline - now : 0;
    return now + (left / 2 < 1000 ? left / 2 : 1000);
}

mofka_status_t mmi_ranks_finish(mmi_ranks_t *r, MPI_Request *request, int64_t deadline) {
    int64_t start_ns = mmi_now_ns(), ask = ranks_ask_ms(deadline), us = 0;
    for (int looks = 0, done = 0;; looks++) {
        int error = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (error)
            return mmi_mpi_fail("MPI_Test", error);
        if (done)
            break;
        if (r->serve)
            r->serve(r->served);
        int64_t now = mmi_now_ms();
        if (now >= ask || us == NAP_US_MAX)
            mmi_notes_exchange(r, now >= ask);
        if (now >= deadline && looks + 1 >= LOOKS_LEAST)
            return MOFKA_ERR_TIMEOUT;
        if (looks < LOOKS)
            sched_yield();
        else
            us = ranks_nap(start_ns);
    }
    r->step++;
    return MOFKA_OK;
}

mofka_status_t mmi_reduction_start(mmi_ranks_t *r, mmi_reduction_t *v, int value) {
    assert(v->request == MPI_REQUEST_NULL && value <= 0x7fffffff);
    v->own = (mmi_vote_t){value, r->rank};
    v->is_echo = false;
    int error = MPI_Iallreduce(&v->own, &v->least, 1, MPI_2INT, MPI_MINLOC, r->comm, &v->request);
    return error ? mmi_mpi_fail("MPI_Iallreduce", error) : MOFKA_OK;
}

static mofka_status_t reduction_echo(mmi_ranks_t *r, mmi_reduction_t *v) {
    assert(r->has_groups && !v->is_echo);
    v->others = v->least;
    v->is_echo = true;
    int error =
        MPI_Iallreduce(&v->others, &v->least, 1, MPI_2INT, MPI_MINLOC, r->comm, &v->request);
    return error ? mmi_mpi_fail("MPI_Iallreduce", error) : MOFKA_OK;
}

mofka_status_t mmi_reduction_finish(mmi_ranks_t *r, mmi_reduction_t *v, int64_t deadline) {
    mofka_status_t status = mmi_ranks_finish(r, &v->request, deadline);
    if (!status && r->has_groups && !v->is_echo) {
        status = reduction_echo(r, v);
        if (!status)
            status = mmi_ranks_finish(r, &v->request, deadline);
    }
    if (!status && v->is_echo && v->others.value < v->least.value)
        v->least = v->others;
    return status;
}

/* ---- steps of the creation ------------------------------------------------------------------- */

mofka_status_t mmi_ranks_fail(mmi_ranks_t *r, mofka_status_t status, const char *step) {
    char names[MMI_NAMES_BYTES];
    mmi_notes_name_missing(r, names);
    r->broken = true;
    if (status != MOFKA_ERR_TIMEOUT)
        return status;
    return mofka_fail(MOFKA_ERR_TIMEOUT,
                      "MPI driver: %s did not finish %s within the %lld ms of "
                      "\"create_timeout_ms\"",
                      names, step, (long long)r->timeout_ms);
}

static mofka_status_t ranks_refuse(const char *step) {
    return mofka_fail(MOFKA_ERR_TIMEOUT, "MPI driver: given up before %s", step);
}

mofka_status_t mmi_ranks_least(mmi_ranks_t *r, int value, const char *step, int *least) {
    if (r->broken)
        return ranks_refuse(step);
    assert(r->phase == MMI_APART);
    mofka_status_t status = mmi_reduction_start(r, &r->vote, value);
    if (!status)
        status = mmi_reduction_finish(r, &r->vote, r->deadline);
    if (status)
        return mmi_ranks_fail(r, status, step);
    *least = r->vote.least.value;
    return MOFKA_OK;
}

mofka_status_t mmi_ranks_largest(mmi_ranks_t *r, uint64_t words[2], const char *step) {
    if (r->broken)
        return ranks_refuse(step);
    memcpy(r->words, words, sizeof r->words);
    int error =
        MPI_Iallreduce(r->words, r->largest, 2, MPI_UINT64_T, MPI_MAX, r->comm, &r->request);
    mofka_status_t status = error ? mmi_mpi_fail("MPI_Iallreduce", error) : mmi_ranks_wait(r, step);
    if (!status)
        memcpy(words, r->largest, sizeof r->largest);
    return status;
}

mofka_status_t mmi_agree_result(mofka_status_t status, mmi_vote_t least, const char *step) {
    mofka_status_t worst = (mofka_status_t)least.value;
    assert(worst <= status);
    if (worst == MOFKA_OK || status)
        return status;
    return mofka_fail(worst, "MPI driver: rank %d failed while %s: %s", least.rank, step,
                      mofka_status_text(worst));
}

mofka_status_t mmi_agree(mmi_ranks_t *r, mofka_status_t status, const char *step) {
    assert(status <= MOFKA_OK);
    if (r->broken)
        return status ? status : ranks_refuse(step);
    mofka_status_t failed = mmi_reduction_start(r, &r->vote, (int)status);
    if (!failed)
        failed = mmi_reduction_finish(r, &r->vote, r->deadline);
    if (failed && !status)
        return mmi_ranks_fail(r, failed, step);
    r->broken |= failed != MOFKA_OK;
    return failed ? status : mmi_agree_result(status, r->vote.least, step);
}

mofka_status_t mmi_ranks_wait(mmi_ranks_t *r, const char *step) {
    assert(!r->broken);
    mofka_status_t status = mmi_ranks_finish(r, &r->request, r->deadline);
    return status ? mmi_ranks_fail(r, status, step) : MOFKA_OK;
}
