/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle of a claim, and what a producer's close asks of its claims. */
#ifndef MOFKA_SRC_PRODUCER_CLAIM_H
#define MOFKA_SRC_PRODUCER_CLAIM_H

#include <mofka/claim.h>
#include "producer/producer.h"

/* The user's thread writes it but for `expired` and `orphan`, which the producer's lock guards; so
 * does it guard the list. */
struct mofka_claim {
    mfi_object_t object;
    mofka_producer_t *producer;     /* it stays: it cannot be closed; an orphan keeps its memory */
    mofka_claim_t *previous, *next; /* of the producer's open claims; `next` of spare ones */
    size_t partition;               /* in place: chosen; else as it was requested */
    size_t metadata_room, data_bytes;
    char *metadata;
    void *data;
    bool in_place;
    bool expired;  /* in place: consumers have been let pass */
    bool orphan;   /* its producer has ended with the driver */
    uint64_t look; /* in place: the number of the last look at claims when it began */
    mofka_place_t place;
    char *memory;                 /* of the library; that of data_view, if there is one */
    mofka_data_view_t *data_view; /* NULL: no data */
};

/* ---- claim.c --------------------------------------------------------------------------------- */

/* Have memory of the library. Without the lock. */
mofka_status_t mfi_claim_allocate(mofka_claim_t *claim);
/* The library's memory is not the claim's any more: what was pushed keeps it. */
void mfi_claim_free_memory(mofka_claim_t *claim);
/* With the lock: the event of a claim in place is not published, and consumers go on. `keep`: its
 * memory may still be written to. */
mofka_status_t mfi_claim_give_up(mofka_claim_t *claim, bool keep);
/* Log what that answered. Without the lock, because the log may call back. */
void mfi_claim_warn(const mofka_producer_t *producer, mofka_status_t status);
/* With the lock: it has ended. */
void mfi_claim_end(mofka_producer_t *producer, mofka_claim_t *claim);
/* With the lock: the number of open claims. */
size_t mfi_claims_count(const mofka_producer_t *producer);
/* Without the lock: the producer ends whether claims are open or not. They stay valid, and do
 * nothing any more. */
void mfi_claims_orphan(mofka_producer_t *producer);
/* Without the lock: the producer is closed. */
void mfi_claims_stop_looking(mofka_producer_t *producer);
/* Free what is kept for other claims. */
void mfi_claims_destroy(mofka_producer_t *producer);

#endif
