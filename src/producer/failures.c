/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flush reports which failure. Only events that were pushed without a future count here.
 *
 * Each thread that pushes, flushes or closes has an account. A failure is added to every account,
 * so no thread's flush can hide it from another thread. Within an account it goes to the oldest
 * flush that covers it and has not reported yet; without such a flush, to the account's own tally,
 * which the thread's next flush takes over. A thread id can return with a new thread, which then
 * goes on with the account.
 *
 *   failure --> account of each thread --> oldest open flush with failure <= sequence, or own tally
 *   flush: begin (takes the own tally over) --> report, or give back to the own tally
 *
 * A flush also reports what older flushes of its thread have not reported yet. They report it, too.
 */
#include <stdlib.h>
#include <string.h>
#include "producer/producer.h"

static void tally_add(mfi_tally_t *tally, size_t count, mofka_status_t status,
                      const char *message) {
    assert(count == 0 || status != MOFKA_OK);
    if (count > 0 && tally->count == 0) {
        assert(!tally->message);
        tally->status = status;
        tally->message = message ? strdup(message) : NULL; /* without memory, the status stays */
    }
    tally->count += count;
}

static inline void tally_clear(mfi_tally_t *tally) {
    assert(tally->count > 0 || !tally->message);
    if (tally->count == 0)
        return;
    free(tally->message);
    *tally = (mfi_tally_t){0};
}

static mofka_status_t tally_report(const mfi_tally_t *tally) {
    if (tally->count == 0)
        return MOFKA_OK;
    return mofka_fail(tally->status, "%zu events failed, the first: %s", tally->count,
                      tally->message ? tally->message : mofka_status_text(tally->status));
}

static mfi_account_t *account_find(const mofka_producer_t *producer, uintptr_t thread) {
    mfi_account_t *account = producer->accounts;
    while (account && account->thread != thread)
        account = account->next;
    return account;
}

mfi_account_t *mfi_account_find_or_create(mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    uintptr_t self = mfi_thread_self();
    mfi_account_t *account = account_find(producer, self);
    if (!account) {
        account = calloc(1, sizeof *account);
        if (!account) {
            mofka_fail(MOFKA_ERR_MEMORY, "no memory for a thread that uses producer '%s'",
                       producer->name);
            return NULL;
        }
        account->thread = self;
        tally_add(&account->tally, producer->unreported.count, producer->unreported.status,
                  producer->unreported.message);
        account->next = producer->accounts;
        producer->accounts = account;
    }
    producer->account = account;
    return account;
}

void mfi_accounts_destroy(mofka_producer_t *producer) {
    while (producer->accounts) {
        mfi_account_t *account = producer->accounts;
        producer->accounts = account->next;
        assert(!account->flushes);
        tally_clear(&account->tally);
        free(account);
    }
    tally_clear(&producer->unreported);
}

/* The tally of the account to which a failure of the batch `sequence` belongs. */
static mfi_tally_t *account_tally_for(mfi_account_t *account, uint64_t sequence) {
    for (mfi_flush_t *flush = account->flushes; flush; flush = flush->next)
        if (sequence <= flush->sequence)
            return &flush->tally;
    return &account->tally;
}

void mfi_failure_note(mofka_producer_t *producer, size_t count, uint64_t sequence,
                      mofka_status_t status, const char *message) {
    mfi_assert_inside(&producer->lock);
    if (count == 0)
        return;
    assert(status != MOFKA_OK && sequence <= producer->sequence);
    tally_add(&producer->unreported, count, status, message);
    if (sequence > producer->unreported_sequence)
        producer->unreported_sequence = sequence;
    for (mfi_account_t *account = producer->accounts; account; account = account->next)
        tally_add(account_tally_for(account, sequence), count, status, message);
}

mofka_status_t mfi_flush_begin(mofka_producer_t *producer, mfi_flush_t *flush, uint64_t sequence) {
    mfi_assert_inside(&producer->lock);
    mfi_account_t *account = mfi_account_of_thread(producer);
    if (!account)
        return MOFKA_ERR_MEMORY;
    *flush = (mfi_flush_t){
        .producer = producer, .account = account, .sequence = sequence, .tally = account->tally};
    account->tally = (mfi_tally_t){0};
    mfi_flush_t **end = &account->flushes;
    while (*end) {
        assert((*end)->sequence <= sequence);
        end = &(*end)->next;
    }
    *end = flush;
    return MOFKA_OK;
}

static void flush_unlink(mfi_flush_t *flush) {
    mfi_flush_t **link = &flush->account->flushes;
    while (*link != flush) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = flush->next;
}

/* What the flush reports: its failures, and those that older flushes of its thread still have. */
static mfi_tally_t flush_sum(const mfi_flush_t *flush) {
    mfi_tally_t sum = {0};
    for (const mfi_flush_t *f = flush->account->flushes; f; f = f->next)
        if (f->sequence <= flush->sequence)
            tally_add(&sum, f->tally.count, f->tally.status, f->tally.message);
    return sum;
}

mofka_status_t mfi_flush_report(mfi_flush_t *flush) {
    mofka_producer_t *producer = flush->producer;
    mfi_assert_inside(&producer->lock);
    mfi_tally_t sum = flush_sum(flush);
    mofka_status_t status = tally_report(&sum);
    tally_clear(&sum);
    flush_unlink(flush);
    tally_clear(&flush->tally);
    if (flush->sequence > producer->reported_sequence)
        producer->reported_sequence = flush->sequence;
    if (producer->unreported_sequence <= producer->reported_sequence)
        tally_clear(&producer->unreported);
    return status;
}

void mfi_flush_give_back(mfi_flush_t *flush) {
    mfi_assert_inside(&flush->producer->lock);
    flush_unlink(flush);
    mfi_tally_t later = flush->account->tally; /* the flush's failures are older */
    flush->account->tally = flush->tally;
    tally_add(&flush->account->tally, later.count, later.status, later.message);
    tally_clear(&later);
}
