/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gives the ranks of a user's communicator one of their own.
 *
 *   roll call (roll_call.c)       until the deadline, with names
 *   meeting (meet.c)              until the deadline
 *   MPI_Comm_idup, or of groups   until the deadline
 *     MPI_Intercomm_merge         waits in MPI for a rank that stops after the meeting
 *
 * A rank that gives up leaves the meeting. So a rank that comes later fails, too, and all have
 * started the same operations on the user's communicator: all may try again. This does not hold for
 * an intercommunicator, nor once MPI_Comm_idup has begun.
 */
#include "mpi/ranks/roll_call.h"

#include <assert.h>
#include <stdatomic.h>
#include "mpi/window/window.h"

/* The broken ones: MPI may still use their memory. */
static mmi_ranks_t *_Atomic ranks_kept;

/* `r` begins what it is a part of. */
static void ranks_end(mmi_ranks_t *r) {
    if (!r->broken) {
        MPI_Free_mem(r);
        return;
    }
    r->next = atomic_load(&ranks_kept);
    while (!atomic_compare_exchange_weak(&ranks_kept, &r->next, r))
        ;
}

int mmi_ranks_count(MPI_Comm users) {
    int has_groups, local, others = 0;
    MPI_Comm_test_inter(users, &has_groups);
    MPI_Comm_size(users, &local);
    if (has_groups)
        MPI_Comm_remote_size(users, &others);
    assert(local > 0);
    return local + others;
}

/* All ranks have met. `r->comm` is written by MPI. */
static mofka_status_t ranks_get_communicator(mmi_ranks_t *r, mmi_roll_call_t *c, bool high) {
    mmi_ranks_t *users = &c->ranks;
    int error = users->has_groups ? MPI_Intercomm_merge(users->comm, high, &r->comm)
                                  : MPI_Comm_idup(users->comm, &r->comm, &users->request);
    if (error)
        return mmi_mpi_fail(users->has_groups ? "MPI_Intercomm_merge" : "MPI_Comm_idup", error);
    if (users->has_groups)
        return MOFKA_OK;
    mofka_status_t status = mmi_ranks_finish(users, &users->request, users->deadline);
    r->broken = users->broken = status != MOFKA_OK;
    return status == MOFKA_ERR_TIMEOUT
               ? mofka_fail(status,
                            "MPI driver: MPI_Comm_idup did not end within the %lld ms of "
                            "\"create_timeout_ms\"",
                            (long long)users->timeout_ms)
               : status;
}

/* `*r`: memory. */
static mofka_status_t ranks_open(mmi_ranks_t *r, mmi_roll_call_t *c, bool high) {
    mofka_status_t status = mmi_roll_call_run(c);
    if (!status)
        status = ranks_get_communicator(r, c, high);
    if (status)
        return status;
    MPI_Comm_set_errhandler(r->comm, MPI_ERRORS_RETURN);
    mmi_ranks_init(r, r->comm, c->ranks.timeout_ms, c->ranks.deadline);
    r->noted = (unsigned char *)(r + 1);
    return MOFKA_OK;
}

mofka_status_t mmi_ranks_create(MPI_Comm users, bool high, int64_t timeout_ms, mmi_ranks_t **out) {
    mmi_roll_call_t *c;
    mmi_ranks_t *r = mmi_ranks_allocate(sizeof *r + (size_t)mmi_ranks_count(users));
    if (!r)
        return MOFKA_ERR_MPI;
    mofka_status_t status = mmi_roll_call_create(users, high, timeout_ms, &c);
    if (status) {
        MPI_Free_mem(r);
        return status;
    }
    status = ranks_open(r, c, high);
    ranks_end(&c->ranks);
    if (status)
        ranks_end(r);
    else
        *out = r;
    return status;
}

void mmi_ranks_free(mmi_ranks_t *r) {
    assert(r->noted); /* not of the user's communicator */
    if (!r->broken) {
        mmi_notes_drop(r);
        MPI_Comm_free(&r->comm);
    }
    ranks_end(r);
}
