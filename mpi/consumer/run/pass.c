/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passes stored batches that a reader does not deliver: those before the end it was created at, or
 * below what its name acknowledged earlier.
 *
 * Their flags alone show that they are stored, which is what the cursor promises. One entry, the
 * last, says where their payload ends. One call takes a limited number of looks, because a pull
 * with time-out 0 waits for it.
 */
#include "mpi/consumer/consumer.h"

/* Looks at flags in one call: where one costs nothing, and where it is a round trip. */
#define PASS_CHEAP_LOOKS 4096
#define PASS_LOOKS 16

/* Mark the end of the batch that ends at `end`, and find where its payload ends. If its last entry
 * is damaged, *passed stays false. */
static mofka_status_t pass_mark(mmi_reader_t *r, uint64_t end, mmi_chain_t *chain, bool *passed) {
    const mmi_partition_t *p = r->p;
    mmi_entry_t last;
    mmi_entries_get(p, end - 1, &last, 1);
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    mmi_chain_lose(chain);
    if (status || !mmi_chain_follow(chain, &last, end - 1, p->ring_bytes))
        return status;
    status = mmi_reader_mark(r, (mmi_mark_t){end, mmi_chain_units(chain), end, 0});
    *passed = !status;
    return status;
}

mofka_status_t mmi_reader_pass(mmi_reader_t *r, bool *more) {
    const mmi_partition_t *p = r->p;
    uint64_t at = r->next;
    mmi_chain_t chain = r->chain;
    bool stuck = r->next != r->batch_end, passed = r->may_lose;
    mofka_status_t status = MOFKA_OK;
    assert(r->next <= r->batch_end);
    for (int looks = mmi_window_is_near(p->w, p->owner) ? PASS_CHEAP_LOOKS : PASS_LOOKS;
         looks > 0 && !status && !stuck && at < r->skip_below; looks--)
        status = mmi_flags_pass(p, r->skip_below, true, INT64_MAX, &at, &stuck);
    *more = false;
    if (status || at == r->next)
        return status;
    /* What may be lost does not wait for cursors. */
    if (!passed)
        status = pass_mark(r, at, &chain, &passed);
    if (passed) {
        mmi_reader_go_to(r, at, mmi_chain_units(&chain));
        *more = !stuck && at < r->skip_below;
    }
    return status;
}
