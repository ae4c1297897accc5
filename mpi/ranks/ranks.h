/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ranks of a driver, and what all of them do together.
 *
 * Every wait ends at a deadline, with an error that names the ranks that are waited for. MPI cannot
 * cancel a collective operation. Once one is given up, the ranks are broken: they do nothing
 * together any more, and the memory that MPI may still use stays, with the communicator.
 */
#ifndef MOFKA_MPI_RANKS_RANKS_H
#define MOFKA_MPI_RANKS_RANKS_H

#include <mpi.h>
#include <limits.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <mofka/status.h>

/* A value, and the lowest rank that has it: an MPI_2INT. */
typedef struct mmi_vote {
    int value, rank;
} mmi_vote_t;

/* Of an operation under way, whose memory is here. */
typedef struct mmi_reduction {
    MPI_Request request;
    mmi_vote_t own, least;
    mmi_vote_t others; /* of the other group; see ranks.c */
    bool is_echo;      /* the second of the two operations between groups */
} mmi_reduction_t;

/* How far a meeting has come: see meet.c. */
typedef enum mmi_phase { MMI_APART, MMI_VOTING, MMI_STAYING } mmi_phase_t;

typedef struct mmi_ranks {
    struct mmi_ranks *next; /* in the list of those that are broken */
    MPI_Comm comm;
    bool has_groups; /* `comm` is an intercommunicator */
    bool broken;     /* an operation was given up, or MPI failed */
    int rank, size;
    int64_t timeout_ms, deadline;  /* of the driver's creation */
    MPI_Request request;           /* of an operation that is no reduction */
    uint64_t words[2], largest[2]; /* of mmi_ranks_largest */
    mmi_reduction_t vote, stay;    /* `vote` serves mmi_agree and mmi_ranks_least, too */
    mmi_reduction_t next_stay;     /* of the next round, if this rank leaves while staying */
    mmi_phase_t phase;             /* of the meeting under way */
    int rounds;                    /* of it */
    int64_t voted_ms;              /* when this rank voted in it */
    unsigned step;                 /* operations that have ended */
    unsigned noted_step;           /* the step that `noted` is about; see notes.c */
    bool has_noted;                /* this rank's note of it is sent */
    unsigned char *noted;          /* ranks whose notes of it came; NULL: `comm` is the user's */
    void (*serve)(void *driver);   /* called again and again while this rank waits; NULL: not */
    void *served;                  /* for it */
} mmi_ranks_t;

/* ---- create.c -------------------------------------------------------------------------------- */

/* How many ranks `users` has: both groups of an intercommunicator. Local. */
int mmi_ranks_count(MPI_Comm users);
/* Call the ranks of `users` together, and give them a communicator of their own. An
 * intercommunicator is merged; `high`: this group's ranks come after the other's. `*ranks`: give,
 * mmi_ranks_free. Collective. MOFKA_ERR_TIMEOUT: not all came within `timeout_ms`. */
mofka_status_t mmi_ranks_create(MPI_Comm users, bool high, int64_t timeout_ms, mmi_ranks_t **ranks);
/* Collective, unless they are broken. */
void mmi_ranks_free(mmi_ranks_t *ranks);

/* ---- ranks.c: steps of the driver's creation; collective ------------------------------------- */

/* All ranks get the lowest code of all, from the lowest rank that has it; a rank that failed keeps
 * its own. `step` completes "rank 1 failed while ". MOFKA_ERR_TIMEOUT: some did not come to it
 * before the creation's deadline. */
mofka_status_t mmi_agree(mmi_ranks_t *r, mofka_status_t status, const char *step);
/* The least of a value, over all ranks. */
mofka_status_t mmi_ranks_least(mmi_ranks_t *r, int value, const char *step, int *least);
/* The largest of each of two words, over all ranks. */
mofka_status_t mmi_ranks_largest(mmi_ranks_t *r, uint64_t words[2], const char *step);
/* Wait for the operation `r->request`, which all ranks started. The caller keeps its memory if this
 * fails. */
mofka_status_t mmi_ranks_wait(mmi_ranks_t *r, const char *step);

/* ---- for this room: one operation ------------------------------------------------------------ */

/* Wait for it. MOFKA_ERR_TIMEOUT, without a message: it is still under way. */
mofka_status_t mmi_ranks_finish(mmi_ranks_t *r, MPI_Request *request, int64_t deadline);
/* Start to find the least of a value. */
mofka_status_t mmi_reduction_start(mmi_ranks_t *r, mmi_reduction_t *v, int value);
/* As mmi_ranks_finish; then `v->least` is known. */
mofka_status_t mmi_reduction_finish(mmi_ranks_t *r, mmi_reduction_t *v, int64_t deadline);
/* A step failed: the ranks are broken. The error, with a message. */
mofka_status_t mmi_ranks_fail(mmi_ranks_t *r, mofka_status_t status, const char *step);
/* What a rank answers whose own status is `status`, after a vote. */
mofka_status_t mmi_agree_result(mofka_status_t status, mmi_vote_t least, const char *step);

/* ---- meet.c: before an operation of MPI that waits without a limit --------------------------- */

/* A rank that had given up waits for nobody. */
#define MMI_LEFT INT_MIN
/* All ranks came, but never together: they came and went. */
#define MMI_SCATTERED (INT_MIN + 1)

/* Meet all ranks: if `least->value` is 0 on return, each has voted 0 and is about to return with
 * that, too. Else it is the lowest vote, MMI_LEFT or MMI_SCATTERED, on all ranks.
 * MOFKA_ERR_TIMEOUT, without a message: call again, to continue. Then `vote` may count or not.
 * Blocks: until `deadline`; if a rank stops in here, at most 3 s longer. */
mofka_status_t mmi_meet(mmi_ranks_t *r, int vote, int64_t deadline, mmi_vote_t *least);
/* As mmi_agree, but all ranks meet. */
mofka_status_t mmi_agree_and_meet(mmi_ranks_t *r, mofka_status_t status, const char *step);
/* Have the meeting fail on the other ranks, whenever they get to it. Local. */
void mmi_meet_leave(mmi_ranks_t *r);

/* ---- notes.c: which ranks are in the same step ----------------------------------------------- */

/* Answer the notes of other ranks. `ask`: send a note in any case. */
void mmi_notes_exchange(mmi_ranks_t *r, bool ask);
/* Receive the notes of all steps, which are over. */
void mmi_notes_drop(mmi_ranks_t *r);

/* Room for eight ranges of ranks. */
#define MMI_NAMES_BYTES 256
/* "rank 2", "ranks 1, 3 to 5, 8", "a rank": those but this one that sent no note. */
void mmi_notes_name_missing(const mmi_ranks_t *r, char names[MMI_NAMES_BYTES]);
/* The same of any list; `self`: not to be named; -1: none. Returns how many there are; of a long
 * list, at least. */
int mmi_ranks_name_missing(const unsigned char *came, int size, int self,
                           char names[MMI_NAMES_BYTES]);

#endif
