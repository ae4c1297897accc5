/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer waits for events.
 *
 * It reads the data bell, announces itself, looks once more, and sleeps on the bell. A publisher
 * stores its flag, then reads the waiters: either it sees the waiter, or the waiter sees the flag.
 *
 * In rma, where owners run progress threads, they ring (ring.c). If all its partitions are its
 * rank's own, it sleeps on the activity word, which producers change, and which that thread
 * watches. Without such threads it polls.
 */
#include "mpi/consumer/consumer.h"
#include "mpi/errand/errand.h"
#include "mpi/rows/rows.h"
#include "mpi/staging/staging.h"
#include "mpi/window/share.h"

#include <inttypes.h>
#include <stdio.h>

/* How long a consumer sleeps between two looks: at a bell, which wakes it; or polling in rma, where
 * each look costs round trips. */
#define BELL_NAP_US 100000
#define POLL_NAP_US 20
#define POLL_NAP_US_MAX 20000
/* A nap is longer than the one before by a part of it. So what comes is seen late by a ninth of the
 * time that was waited for it, at most. */
#define POLL_NAP_PART 8

/* The head has passed the reader, or a fetch will report that the head is damaged. */
static bool wait_is_overtaken(const mmi_reader_t *r) {
    mmi_state_t state;
    return r->may_lose && (mmi_state_load(r->p, &state) != MOFKA_OK || state.head.events > r->next);
}

bool mmi_reader_has_news(mmi_reader_t *r, size_t *ended) {
    return r->log ? mmi_behind_has_news(r, ended) : mmi_reader_has_ring_news(r, ended);
}

/* The next event is there: its entry and its payload begin to come to this core, at the same time.
 * Reading them would wait for one after the other. The entry may lie across two cache lines. (A
 * compiler may leave out calls of a function that only prefetches; it does not if it is inlined.)
 */
static inline __attribute__((always_inline)) void wait_expect_event(const mmi_reader_t *r) {
    const mmi_partition_t *p = r->p;
    const char *entry = mmi_window_address(p->w, p->owner, mmi_entry_offset(p, r->next));
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + sizeof(mmi_entry_t) - 1);
    __builtin_prefetch(
        mmi_window_address(p->w, p->owner, p->ring + r->chain.metadata % p->ring_bytes));
}

bool mmi_reader_has_ring_news(mmi_reader_t *r, size_t *ended) {
    bool end = false, found = r->next < r->batch_end && !r->late;
    assert(r->next <= r->batch_end);
    if (r->next == r->batch_end) {
        r->seen_at = r->next;
        r->seen_flag = mmi_flag_load(r->p, r->next);
        found = mmi_reader_is_news(r, r->seen_flag);
        if (found && r->p->w->ops->has_addresses)
            wait_expect_event(r);
    }
    r->expects |= found;
    if (found || wait_is_overtaken(r) || mmi_reader_has_ended(r, &end))
        return true;
    *ended += end;
    return false;
}

/* There is something to fetch, or damage to report, or nothing will come any more. */
static bool mmi_consumer_has_news(mmi_consumer_t *c) {
    size_t ended = 0;
    for (size_t i = 0; i < c->reader_count; i++)
        if (mmi_reader_has_news(&c->readers[i], &ended) || mmi_reader_is_evicted(&c->readers[i]))
            return true;
    return ended == c->reader_count;
}

/* What a reader has seen is not there yet, or batches that it has acknowledged are not settled.
 * Time changes that, so it is looked at again after each sleep. */
static bool mmi_consumer_is_held(const mmi_consumer_t *c) {
    bool held = false;
    for (size_t i = 0; i < c->reader_count; i++)
        held |= c->readers[i].late || c->readers[i].held != 0;
    return held;
}

/* Whether publishers ring for all of its partitions, which are then of one node. */
static bool wait_has_bells(const mmi_consumer_t *c) {
    bool all = true;
    for (size_t i = 0; i < c->reader_count; i++)
        all &= c->readers[i].p->w->ops->has_bells;
    return all;
}

/* How often a reader looks who holds the hole that it waits at. */
#define DEAD_LOOK_MS 50
/* How long making a void waits for the partition's lock. */
#define DEAD_LOCK_MS 100

/* How long a reader of a far partition waits before it asks the owner to look, at first and at
 * most. It does not know whether there is a hole: that would take a read. */
#define ASK_MS 250
#define ASK_MS_MAX 1000

/* A far reader waits, perhaps at a hole: the owner's node can prove who is dead. */
static void wait_ask_owner(mmi_reader_t *r, int64_t now_ms) {
    if (r->asked_at != r->next || r->ask_after_ms == 0) {
        r->asked_at = r->next;
        r->asked_ms = now_ms;
        r->ask_after_ms = ASK_MS;
    } else if (now_ms - r->asked_ms >= r->ask_after_ms) {
        r->asked_ms = now_ms;
        r->ask_after_ms = 2 * r->ask_after_ms < ASK_MS_MAX ? 2 * r->ask_after_ms : ASK_MS_MAX;
        r->told = true; /* the consumer does not end before the owner has got this: ring.c */
        mmi_errand_look(r->p, r->next);
    }
}

/* The reader waits at a hole: if a dead rank has left it, make it void. */
static void wait_pass_dead(mmi_reader_t *r, int64_t now_ms) {
    bool passed;
    if (mmi_partition_is_far(r->p) && r->p->rows != 0 && r->next == r->batch_end)
        wait_ask_owner(r, now_ms);
    if (!mmi_rows_exist(r->p) || r->next != r->batch_end || now_ms - r->dead_ms < DEAD_LOOK_MS)
        return;
    r->dead_ms = now_ms;
    /* An error is found again, and reported, by what needs the words. */
    (void)mmi_dead_pass(r->p, r->next, now_ms + DEAD_LOCK_MS, &passed);
}

/* A topic that expects producers ends if the last ones have died. Errors are found again, and
 * reported, by who needs the words. */
static void wait_count_dead(mmi_consumer_t *c, int64_t now_ms) {
    mmi_topic_t *topic = c->topic;
    const mmi_partition_t *p = &topic->partitions[0];
    uint64_t total;
    if (topic->expected_producers == 0 || c->completed || !mmi_rows_exist(p) ||
        now_ms - c->count_ms < DEAD_LOOK_MS)
        return;
    c->count_ms = now_ms;
    if (!mmi_errand_count(p, 0, &total) && total >= topic->expected_producers)
        c->completed = !mmi_topic_complete(topic, now_ms + DEAD_LOCK_MS);
}

void mmi_consumer_pass_dead(mmi_consumer_t *c) {
    int64_t now_ms = mmi_now_ms();
    wait_count_dead(c, now_ms);
    for (size_t i = 0; i < c->reader_count; i++)
        wait_pass_dead(&c->readers[i], now_ms);
}

/* The word that a consumer sleeps on. */
typedef struct wait_bell {
    bool is_rung; /* else it sleeps as long as it was to sleep */
    int rank;
    uint64_t offset;
} wait_bell_t;

static wait_bell_t wait_find_bell(const mmi_consumer_t *c) {
    const mmi_partition_t *b = c->readers[0].p->bells;
    if (!b->w->ops->has_bells && b->w->nudges && mmi_consumer_is_near(c))
        return (wait_bell_t){true, b->w->rank, offsetof(mmi_share_t, activity)};
    return (wait_bell_t){wait_has_bells(c), b->owner, b->base + MMI_CONTROL(data_bell)};
}

/* One sleep at the bell, unless there is news meanwhile. */
static bool mmi_consumer_sleep(mmi_consumer_t *c, int64_t left_ms) {
    const mmi_partition_t *b = c->readers[0].p->bells;
    assert(b->bells == b && c->nap_us > 0);
    mmi_window_t *w = b->w;
    int64_t nap = left_ms < c->nap_us / 1000 ? left_ms * 1000 : c->nap_us;
    wait_bell_t bell = wait_find_bell(c);
    uint64_t seen = bell.is_rung ? w->ops->load(w, bell.rank, bell.offset) : 0;
    if (bell.is_rung)
        mmi_bell_add_waiter(b, MMI_CONTROL(data_bell), 1);
    bool found = mmi_consumer_has_news(c);
    if (!found && left_ms > 0 && bell.is_rung)
        w->ops->sleep_on(w, bell.rank, bell.offset, seen, nap);
    else if (!found && left_ms > 0)
        mmi_back_off(&(int64_t){nap}, nap);
    if (bell.is_rung)
        mmi_bell_add_waiter(b, MMI_CONTROL(data_bell), -1);
    return found;
}

/* When polling, naps grow over all waits in a row that found nothing; at a bell they need not. */
static mofka_status_t wait_until(mmi_consumer_t *c, int64_t deadline) {
    mmi_window_t *w = c->readers[0].p->w;
    if (mmi_consumer_may_be_rung(c) && !mmi_consumer_is_held(c))
        return mmi_consumer_wait_for_rings(c, deadline);
    bool bells = wait_has_bells(c);
    int64_t first = bells ? BELL_NAP_US : POLL_NAP_US, most = bells ? first : POLL_NAP_US_MAX;
    mmi_spin_t spin = mmi_spin_start(w);
    bool found = mmi_consumer_has_news(c);
    while (!found && c->nap_us <= first && mmi_spin_again(&spin))
        found = mmi_consumer_has_news(c);
    while (!found) {
        mofka_status_t status = mmi_consumer_check(c);
        int64_t left = deadline - mmi_now_ms();
        mmi_consumer_pass_dead(c);
        if (!status && w->ops->has_addresses && mmi_consumer_has_news(c))
            break;
        if (status || left <= 0)
            return status ? status : MOFKA_ERR_TIMEOUT;
        if (c->nap_us < first)
            c->nap_us = first;
        found = mmi_consumer_sleep(c, left);
        c->nap_us += c->nap_us / POLL_NAP_PART;
        c->nap_us = c->nap_us < most ? c->nap_us : most;
        if (!found && mmi_consumer_is_held(c))
            return mmi_consumer_check(c);
    }
    c->nap_us = 0;
    return mmi_consumer_check(c);
}

mofka_status_t mmi_consumer_wait(void *self, int64_t timeout_ms) {
    mmi_consumer_t *c = self;
    if (c->reader_count == 0)
        return MOFKA_OK;
    int64_t deadline = mmi_deadline(timeout_ms);
    int64_t before_ms = mmi_behind_be_patient(timeout_ms < 0 ? INT64_MAX : timeout_ms);
    mofka_status_t status = wait_until(c, deadline);
    mmi_stage_patience_ms = before_ms;
    return status;
}

/* How long the description of a wait may wait itself. */
#define DESCRIBE_MS 20

/* The first event of the reader that was reserved and is not stored. False: there is none, or that
 * was not found out in time. */
static bool wait_find_hole(const mmi_reader_t *r, int64_t deadline) {
    const mmi_partition_t *p = r->p;
    uint64_t words[MMI_STATE_WORDS], reservation;
    mmi_state_t state;
    mmi_tail_t tail;
    bool read = mmi_window_read(p->w, p->owner, p->base + MMI_CONTROL(head_events), words,
                                MMI_STATE_WORDS, deadline) == MOFKA_OK &&
                mmi_window_read(p->w, p->owner, p->base + MMI_CONTROL(reservation), &reservation, 1,
                                deadline) == MOFKA_OK;
    return read && mmi_state_of_words(p, words, &state) == MOFKA_OK &&
           mmi_tail_unpack(p, reservation, state.head, &tail) == MOFKA_OK &&
           r->next < tail.at.events && r->next == r->batch_end;
}

void mmi_consumer_describe_wait(void *self, char *text, size_t bytes) {
    mmi_consumer_t *c = self;
    int64_t deadline = mmi_deadline(DESCRIBE_MS);
    assert(bytes > 0);
    text[0] = '\0';
    for (size_t i = 0; i < c->reader_count && mmi_now_ms() < deadline; i++) {
        const mmi_reader_t *r = &c->readers[i];
        if (r->late) {
            snprintf(text, bytes,
                     "partition %zu: event %" PRIu64 " was stored, and some of it has not arrived",
                     r->p->index, r->next);
            return;
        }
        if (mmi_behind_is_late(r, text, bytes))
            return;
        char holder[MMI_HOLDER_TEXT_BYTES];
        if (!wait_find_hole(r, deadline))
            continue;
        mmi_holder_describe(r->p, r->next, holder);
        snprintf(text, bytes, "partition %zu: event %" PRIu64 " was reserved and is not stored; %s",
                 r->p->index, r->next, holder);
        return;
    }
}
