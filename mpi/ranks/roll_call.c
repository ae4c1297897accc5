/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks have come to create a driver.
 *
 * Nothing is sent by messages on the user's communicator: a receive of the user's, of any source
 * and tag, might take them. Collective operations are apart from that.
 *
 * The roll call has an operation for each block of ranks, in which these send a byte to all others.
 * MPI_Ialltoallv exchanges nothing between ranks that have nothing to send. So the operation of a
 * block ends once its ranks have come, whoever else has. (If an MPI waits for more, more ranks are
 * named.) Up to 32 ranks, a block is one rank.
 *
 * With more than 64 ranks, bytes go only from and to the first 64. These name all who are missing;
 * the others name those of the 64.
 */
#include "mpi/ranks/roll_call.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "mpi/window/window.h"

/* Ranks that hear of all others, and of which all others hear. */
#define WITNESSES 64

void *mmi_ranks_allocate(size_t bytes) {
    void *memory;
    assert(bytes > 0);
    int error = MPI_Alloc_mem((MPI_Aint)bytes, MPI_INFO_NULL, &memory);
    if (error) {
        mmi_mpi_fail("MPI_Alloc_mem", error);
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void mmi_ranks_init(mmi_ranks_t *r, MPI_Comm comm, int64_t timeout_ms, int64_t deadline) {
    *r = (mmi_ranks_t){.comm = comm,
                       .timeout_ms = timeout_ms,
                       .deadline = deadline,
                       .request = MPI_REQUEST_NULL,
                       .vote = {.request = MPI_REQUEST_NULL},
                       .stay = {.request = MPI_REQUEST_NULL},
                       .next_stay = {.request = MPI_REQUEST_NULL}};
    MPI_Comm_rank(comm, &r->rank);
    MPI_Comm_size(comm, &r->size);
    assert(r->rank >= 0 && r->rank < r->size);
}

/* ---- the arrays ------------------------------------------------------------------------------ */

/* Whether a rank's byte goes to another. */
static bool roll_call_joins(int from, int to) {
    return from < WITNESSES || to < WITNESSES;
}

/* The counts of a block: one for each peer. */
static int *roll_call_counts(const mmi_roll_call_t *c, int block) {
    return c->counts + (size_t)block * (size_t)c->peers;
}

static void roll_call_fill(mmi_roll_call_t *c) {
    int rank = c->ranks.rank;
    for (int peer = 0; peer < c->peers; peer++) {
        c->places[peer] = peer;
        c->sends[peer] = roll_call_joins(rank, peer);
        int block = peer / c->block_ranks;
        assert(block < c->block_count);
        roll_call_counts(c, block)[peer] = roll_call_joins(peer, rank);
    }
}

mofka_status_t mmi_roll_call_create(MPI_Comm users, bool high, int64_t timeout_ms,
                                    mmi_roll_call_t **out) {
    int has_groups, local, peers;
    MPI_Comm_test_inter(users, &has_groups);
    MPI_Comm_size(users, &local);
    peers = local;
    if (has_groups)
        MPI_Comm_remote_size(users, &peers);
    int most = local > peers ? local : peers;
    int block_ranks = (most + MMI_BLOCKS_MAX - 1) / MMI_BLOCKS_MAX;
    int block_count = (most + block_ranks - 1) / block_ranks;
    size_t row = (size_t)peers * sizeof(int);
    mmi_roll_call_t *c =
        mmi_ranks_allocate(sizeof *c + ((size_t)block_count + 3) * row + 2 * (size_t)peers);
    if (!c)
        return MOFKA_ERR_MPI;
    mmi_ranks_init(&c->ranks, users, timeout_ms, mmi_deadline(timeout_ms));
    c->ranks.has_groups = has_groups;
    c->peers = peers;
    c->block_count = block_count;
    c->block_ranks = block_ranks;
    c->byte = high ? 2 : 1;
    c->places = (int *)(c + 1);
    c->sends = c->places + peers;
    c->nothing = c->sends + peers;
    c->counts = c->nothing + peers;
    c->bytes = (unsigned char *)roll_call_counts(c, block_count);
    c->came = c->bytes + peers;
    for (int i = 0; i < MMI_BLOCKS_MAX; i++)
        c->requests[i] = MPI_REQUEST_NULL;
    roll_call_fill(c);
    *out = c;
    return MOFKA_OK;
}

/* ---- the call -------------------------------------------------------------------------------- */

static mofka_status_t roll_call_start(mmi_roll_call_t *c) {
    int own = c->ranks.rank / c->block_ranks;
    for (int i = 0; i < c->block_count; i++) {
        int error = MPI_Ialltoallv(&c->byte, i == own ? c->sends : c->nothing, c->nothing, MPI_BYTE,
                                   c->bytes, roll_call_counts(c, i), c->places, MPI_BYTE,
                                   c->ranks.comm, &c->requests[i]);
        if (error)
            return mmi_mpi_fail("MPI_Ialltoallv", error);
    }
    return MOFKA_OK;
}

/* The operation of a block has not ended: its ranks have not all come. */
static void roll_call_miss(mmi_roll_call_t *c, int block) {
    assert(block < c->block_count);
    for (int peer = 0; peer < c->peers; peer++)
        if (peer / c->block_ranks == block && c->counts[block * c->peers + peer])
            c->came[peer] = 0;
}

static mofka_status_t roll_call_late(mmi_roll_call_t *c) {
    char names[MMI_NAMES_BYTES];
    memset(c->came, 1, (size_t)c->peers);
    for (int i = 0, done = 0; i < c->block_count; i++)
        if (!MPI_Test(&c->requests[i], &done, MPI_STATUS_IGNORE) && !done)
            roll_call_miss(c, i);
    int missing =
        mmi_ranks_name_missing(c->came, c->peers, c->ranks.has_groups ? -1 : c->ranks.rank, names);
    bool block = missing > 1 && c->block_ranks > 1;
    return mofka_fail(MOFKA_ERR_TIMEOUT,
                      "MPI driver: %s%s%s did not call mofka_mpi_driver_create within the %lld ms "
                      "of \"create_timeout_ms\"",
                      block ? "some of " : "", names,
                      c->ranks.has_groups ? " of the other group" : "",
                      (long long)c->ranks.timeout_ms);
}

/* Of an intercommunicator, the ranks of a group have one place in the order of groups. */
static mofka_status_t roll_call_check_groups(const mmi_roll_call_t *c) {
    unsigned char first = 0;
    for (int peer = 0; peer < c->peers && c->ranks.has_groups; peer++) {
        unsigned char byte = c->bytes[peer];
        if (byte && first && byte != first)
            return mofka_fail(MOFKA_ERR_OPTION,
                              "MPI driver: the ranks of the other group differ in \"high\"");
        first = byte ? byte : first;
    }
    return MOFKA_OK;
}

/* All ranks have this result of the meeting. */
static mofka_status_t roll_call_result(mofka_status_t own, mmi_vote_t least) {
    assert(least.value <= (int)own);
    if (least.value == MMI_LEFT || least.value == MMI_SCATTERED)
        return mofka_fail(
            MOFKA_ERR_TIMEOUT,
            "MPI driver: another rank had given up (\"create_timeout_ms\") before this "
            "one came to mofka_mpi_driver_create; all may call it again");
    if (own || least.value == MOFKA_OK)
        return own;
    return mofka_fail((mofka_status_t)least.value, "MPI driver: a rank refused the groups: %s",
                      mofka_status_text((mofka_status_t)least.value));
}

/* All have come that this rank hears of, but they did not meet. */
static mofka_status_t roll_call_apart(const mmi_roll_call_t *c) {
    bool is_witness = c->ranks.rank < WITNESSES || c->peers <= WITNESSES;
    return mofka_fail(
        MOFKA_ERR_TIMEOUT, "MPI driver: %s; given up after the %lld ms of \"create_timeout_ms\"",
        is_witness ? "a rank came to mofka_mpi_driver_create, and stopped there"
                   : "not all ranks called mofka_mpi_driver_create; rank 0 names them",
        (long long)c->ranks.timeout_ms);
}

/* All have come: they meet. */
static mofka_status_t roll_call_meet(mmi_roll_call_t *c) {
    mmi_ranks_t *r = &c->ranks;
    mmi_vote_t least;
    mofka_status_t own = roll_call_check_groups(c);
    mofka_status_t status = mmi_meet(r, (int)own, r->deadline, &least);
    if (!status)
        return roll_call_result(own, least);
    r->broken = true;
    if (status != MOFKA_ERR_TIMEOUT)
        return own ? own : status;
    mmi_meet_leave(r);
    return own ? own : roll_call_apart(c);
}

mofka_status_t mmi_roll_call_run(mmi_roll_call_t *c) {
    mmi_ranks_t *r = &c->ranks;
    mofka_status_t status = roll_call_start(c);
    for (int i = 0; i < c->block_count && !status; i++)
        status = mmi_ranks_finish(r, &c->requests[i], r->deadline);
    if (!status)
        return roll_call_meet(c);
    r->broken = true;
    if (status != MOFKA_ERR_TIMEOUT)
        return status;
    mmi_meet_leave(r);
    return roll_call_late(c);
}
