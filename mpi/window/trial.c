/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trial of an rma window when it is made: all ranks use the operations on all targets at once.
 *
 *   step          each rank, at each of its targets            what must hold
 *   1 flush       add 1 to `added`; get `identity`             the target's identity, not another
 *                                                              window's
 *   2 flush       exchange its token into `exchanged`;
 *                 put its token into its word of `put`
 *   3 flush       add what the exchange returned to            its word of `put` holds its token
 *                 `returned`; get its word of `put`
 *   judge         the target reads its own memory              `added` = ranks; `returned` +
 *                                                              `exchanged` = sum of tokens; all
 *                                                              words of `put`
 *
 * A target is tried by MMI_TRIAL_RANKS_MAX ranks at most: those behind it, in the order of ranks.
 *
 * Then ranks find out whether an operation waits until its target enters MPI. In each of two
 * rounds, half of the ranks stay out of MPI for a while and watch their own memory; each of the
 * others uses all kinds of operations on one of them. A watcher that saw the first of them at once
 * may have been inside MPI; it has seen nothing.
 */
#include <stdlib.h>
#include <string.h>
#include "mpi/window/rma.h"
#include "mpi/window/share.h"

#define SHARE(field) offsetof(mmi_share_t, field)
/* How long a watcher stays out of MPI. It is longer where threads are not allowed: there, to be
 * wrong because the other rank got no core is an error, and not just a thread that nobody needs.
 * The other side begins later, to find it watching. */
#define WATCH_NS 2000000
#define WATCH_LONG_NS 500000000
#define KNOCK_AFTER_US 200

/* One rank's use of one target. */
typedef struct trial {
    int target;
    uint64_t slot; /* its word of `put` */
    uint64_t token, added, identity, exchanged, unused, put;
} trial_t;

static uint64_t trial_token(const mmi_window_t *w, int rank) {
    return mmi_rma_identity(w, w->size + rank);
}

static int trial_rank_count(const mmi_window_t *w) {
    return w->size < MMI_TRIAL_RANKS_MAX ? w->size : MMI_TRIAL_RANKS_MAX;
}

/* The rank that uses word `slot` of the target's `put`. */
static int trial_rank(const mmi_window_t *w, int target, int slot) {
    assert(slot < trial_rank_count(w));
    return (target + 1 + slot) % w->size;
}

static void trial_fetch(mmi_window_t *w, int target, size_t field, const uint64_t *value,
                        uint64_t *old, MPI_Op op) {
    MMI_TRY(w, target, MPI_Fetch_and_op, value, old, MPI_UINT64_T, target,
            mmi_rma_place(w, target, field), op, w->win);
}

static void trial_get(mmi_window_t *w, int target, size_t field, uint64_t *word) {
    w->ops->get_words(w, target, field, word, 1);
}

static size_t trial_slot(const trial_t *t) {
    return SHARE(trial_put) + 8 * (size_t)t->slot;
}

/* The three steps. Their operations are under way together. */
static void trial_run(mmi_window_t *w, trial_t *trials, size_t count) {
    static const uint64_t one = 1;
    for (size_t i = 0; i < count; i++) {
        trial_fetch(w, trials[i].target, SHARE(trial_added), &one, &trials[i].added, MPI_SUM);
        trial_get(w, trials[i].target, SHARE(identity), &trials[i].identity);
    }
    MMI_TRY(w, w->rank, MPI_Win_flush_all, w->win);
    for (size_t i = 0; i < count; i++) {
        trial_t *t = &trials[i];
        trial_fetch(w, t->target, SHARE(trial_exchanged), &t->token, &t->exchanged, MPI_REPLACE);
        w->ops->put(w, t->target, trial_slot(t), &t->token, sizeof t->token);
    }
    MMI_TRY(w, w->rank, MPI_Win_flush_all, w->win);
    for (size_t i = 0; i < count; i++) {
        trial_t *t = &trials[i];
        trial_fetch(w, t->target, SHARE(trial_returned), &t->exchanged, &t->unused, MPI_SUM);
        trial_get(w, t->target, trial_slot(t), &t->put);
    }
    MMI_TRY(w, w->rank, MPI_Win_flush_all, w->win);
}

static mofka_status_t trial_fail(int target, const char *what) {
    char mpi[256];
    mmi_rma_describe_mpi(mpi, sizeof mpi);
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "window \"rma\" does not work with this MPI (%s): on the memory of rank %d, "
                      "%s; %s",
                      mpi, target, what, mmi_rma_remedy());
}

static mofka_status_t trial_check(const mmi_window_t *w, const trial_t *t) {
    if (t->identity != mmi_rma_identity(w, t->target))
        return trial_fail(t->target, "a read found the memory of another window");
    if (t->added >= (uint64_t)trial_rank_count(w))
        return trial_fail(t->target, "a fetch-and-add returned a wrong value");
    if (t->put != t->token)
        return trial_fail(t->target, "a read did not find what was put");
    return MOFKA_OK;
}

mofka_status_t mmi_rma_try(mmi_window_t *w, const int *targets, size_t count) {
    trial_t *trials = calloc(count, sizeof *trials);
    size_t used = 0;
    assert(count >= 1);
    if (!trials)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to try %zu owners", count);
    for (size_t i = 0; i < count; i++) {
        int slot = (w->rank - targets[i] - 1 + w->size) % w->size;
        if (slot < trial_rank_count(w))
            trials[used++] = (trial_t){
                .target = targets[i], .slot = (uint64_t)slot, .token = trial_token(w, w->rank)};
    }
    trial_run(w, trials, used);
    mofka_status_t status = mmi_window_check(w, MMI_ANY_RANK);
    if (status)
        status = trial_fail(w->rank, mofka_last_error());
    for (size_t i = 0; i < used && !status; i++)
        status = trial_check(w, &trials[i]);
    free(trials);
    return status;
}

mofka_status_t mmi_rma_judge(mmi_window_t *w) {
    const mmi_share_t *share = (const mmi_share_t *)(const void *)w->base[0];
    int ranks = trial_rank_count(w);
    uint64_t tokens = 0;
    MPI_Win_sync(w->win);
    for (int i = 0; i < ranks; i++) {
        uint64_t token = trial_token(w, trial_rank(w, w->rank, i));
        tokens += token;
        if (share->trial_put[i] != token)
            return trial_fail(w->rank, "a put is missing in memory");
    }
    if (share->trial_added != (uint64_t)ranks)
        return trial_fail(w->rank, "fetch-and-add of several ranks lost one");
    if (share->trial_returned + share->trial_exchanged != tokens)
        return trial_fail(w->rank, "exchanges of several ranks lost one");
    return MOFKA_OK;
}

/* ---- progress -------------------------------------------------------------------------------- */

static uint64_t trial_peek(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Watch this rank's own memory, outside MPI. The node of the rank that knocked; 0: no operation
 * came, or the first one came while this rank may have been inside MPI. */
static uint64_t trial_watch(mmi_window_t *w, int round, bool is_long) {
    const mmi_share_t *share = (const mmi_share_t *)(const void *)w->base[0];
    if (trial_peek(&share->trial_knocks[round]) != 0)
        return 0;
    uint64_t node = 0;
    int64_t until = mmi_now_ns() + (is_long ? WATCH_LONG_NS : WATCH_NS);
    for (int64_t us = 10; node == 0 && mmi_now_ns() < until;) {
        mmi_back_off(&us, 20);
        node = trial_peek(&share->trial_knocked[round]);
    }
    return node;
}

/* Use all kinds of operations on a rank that watches, one after the other. */
static void trial_knock(mmi_window_t *w, int target, int round, uint64_t node) {
    size_t word = 8 * (size_t)round;
    int64_t us = KNOCK_AFTER_US;
    uint64_t two[2], *parts = mmi_words_take(w, two);
    const mmi_piece_t pieces[] = {{SHARE(mark), &parts[0], 8}, {SHARE(trial_added), &parts[1], 8}};
    mmi_back_off(&us, us);
    w->ops->fetch_add(w, target, SHARE(trial_knocks) + word, 1);
    w->ops->load(w, target, SHARE(trial_knocks) + word);
    w->ops->get_pieces(w, target, pieces, 2);
    (void)w->ops->flush(w, target); /* an error is the window's */
    mmi_words_give(w, target, parts, two);
    w->ops->store(w, target, SHARE(trial_knocked) + word, node);
}

/* The rank that this rank has to do with in a round; -1: none. In round 0 neighbours, in round 1
 * ranks of the first half and of the second half. So with the usual placements of ranks, nodes meet
 * in one of the rounds. `*watches`: this rank is the one that watches. */
static int trial_partner(const mmi_window_t *w, int round, bool *watches) {
    int half = w->size / 2, partner;
    assert(round == 0 || round == 1);
    *watches = round == 0 ? w->rank % 2 == 1 : w->rank >= half;
    if (round == 0)
        partner = *watches ? w->rank - 1 : w->rank + 1;
    else
        partner = *watches ? w->rank - half : w->rank + half;
    return w->rank < 2 * half && partner >= 0 && partner < 2 * half ? partner : -1;
}

mofka_status_t mmi_rma_needs_progress(mmi_window_t *w, MPI_Comm comm, uint64_t node, bool disturbed,
                                      bool *needed) {
    /* Whether an operation waited; whether one between nodes did not. */
    int found[2] = {disturbed, !w->rma.several_nodes}, error = MPI_SUCCESS;
    assert(node != 0);
    for (int round = 0; round < 2; round++) {
        bool watches;
        int partner = trial_partner(w, round, &watches);
        int failed = MPI_Barrier(comm);
        error = error ? error : failed; /* the others go on, and so does this rank */
        if (partner < 0)
            continue;
        if (watches) {
            uint64_t other = trial_watch(w, round, w->one_thread);
            found[0] |= other == 0;
            found[1] |= other != 0 && other != node;
        } else {
            trial_knock(w, partner, round, node);
        }
    }
    int failed = MPI_Allreduce(MPI_IN_PLACE, found, 2, MPI_INT, MPI_MAX, comm);
    error = error ? error : failed;
    *needed = found[0] || !found[1];
    return error ? mmi_mpi_fail("agreeing on progress threads", error)
                 : mmi_window_check(w, MMI_ANY_RANK);
}
