/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workloads. Each has three rounds: one warms up, a short one gives the speed, and the third
 * one is measured. Both processes compute the number of events of a round from the one before it.
 */
#include <assert.h>
#include <time.h>
#include "run.h"
#include "support/clock.h"

/* Events of the first round, and of each at least: so many, or so many bytes. */
#define FIRST_EVENTS 1000
#define FIRST_BYTES ((uint64_t)32 << 20)
/* Bytes of a round at most: a peer that stores may keep all of them in memory. */
#define ROUND_BYTES ((uint64_t)1 << 30)
/* Seconds of the second round. */
#define SHORT_S 0.1
/* push: a peer that collects events sends them after so long, as the library does. */
#define LINGER_S 0.01

enum { ROUND_WARM, ROUND_SHORT, ROUND_MEASURED, ROUNDS };

static double run_now(void) {
    return clock_seconds(CLOCK_MONOTONIC);
}

/* Wait until both processes are here. */
static void run_meet(peer_run_t *run) {
    uint32_t all = 2 * ++run->barriers;
    atomic_fetch_add(&run->shared->arrived, 1);
    while (atomic_load(&run->shared->arrived) < all)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static uint64_t run_first_count(const peer_run_t *run) {
    uint64_t bytes = run->settings.metadata_bytes + run->settings.data_bytes;
    uint64_t fit = FIRST_BYTES / bytes;
    return run->workload == PEER_PINGPONG || fit < 16 ? 16
           : fit < FIRST_EVENTS                       ? fit
                                                      : FIRST_EVENTS;
}

static uint64_t run_next_count(const peer_run_t *run, int round) {
    const peer_shared_t *shared = run->shared;
    if (round == ROUND_WARM)
        return run_first_count(run);
    double end = shared->push_end > shared->pull_end ? shared->push_end : shared->pull_end;
    double seconds = round == ROUND_SHORT ? SHORT_S : run->seconds;
    double count = (double)shared->count / (end - shared->start) * seconds;
    if (run->workload == PEER_PUSH && round == ROUND_MEASURED)
        count = run->rate * run->seconds;
    uint64_t most = ROUND_BYTES / (run->settings.metadata_bytes + run->settings.data_bytes);
    uint64_t whole = count < (double)most ? (uint64_t)count : most, least = run_first_count(run);
    whole = whole < least ? least : whole;
    return run->workload == PEER_PINGPONG || whole < run->settings.pack
               ? whole
               : whole - whole % run->settings.pack;
}

/* ---- stream and push ------------------------------------------------------------------------- */

static void run_push_all(peer_messages_t *messages, peer_end_t *end, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        messages_push(messages, end);
    messages_flush(messages, end);
}

/* Push at a rate. The program computes in between: here, it reads the clock. What is collected is
 * sent within a push, so that the program pays for it. */
static void run_push_paced(const peer_run_t *run, peer_messages_t *messages, peer_end_t *end,
                           uint64_t count) {
    double start = run_now(), sent = start;
    for (uint64_t i = 0; i < count; i++) {
        double due = start + (double)i / run->rate, before = run_now();
        while (before < due)
            before = run_now();
        messages_push(messages, end);
        if (before - sent > LINGER_S) {
            peer_send(end);
            sent = before;
        }
        mfi_histogram_record(&run->shared->times, (uint64_t)((run_now() - before) * 1e9));
    }
    messages_flush(messages, end);
}

static void run_stream(peer_run_t *run) {
    peer_messages_t messages;
    peer_shared_t *shared = run->shared;
    messages_open(&messages, &run->settings);
    peer_end_t *end = peer_open(&run->settings, "events", run->produces);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t count = run_next_count(run, round);
        bool paced = run->workload == PEER_PUSH && round == ROUND_MEASURED;
        run_meet(run); /* both have read the last round's numbers */
        peer_begin(end);
        run_meet(run);
        if (run->produces) {
            shared->count = count;
            shared->start = run_now();
            if (paced)
                run_push_paced(run, &messages, end, count);
            else
                run_push_all(&messages, end, count);
            shared->push_end = run_now();
        }
        if (run->phased)
            run_meet(run);
        if (!run->produces) {
            messages_pull(&messages, end, count);
            shared->pull_end = run_now();
        }
        run_meet(run);
    }
    peer_close(end);
    messages_close(&messages);
}

/* ---- pingpong -------------------------------------------------------------------------------- */

static void run_there_and_back(peer_run_t *run, peer_messages_t messages[2], peer_end_t *ends[2],
                               uint64_t count, bool record) {
    double before = run_now();
    for (uint64_t i = 0; i < count; i++) {
        if (!run->produces)
            messages_pull(&messages[1], ends[1], 1);
        messages_push(&messages[0], ends[0]);
        messages_flush(&messages[0], ends[0]);
        if (!run->produces)
            continue;
        messages_pull(&messages[1], ends[1], 1);
        double now = run_now();
        if (record)
            mfi_histogram_record(&run->shared->times, (uint64_t)((now - before) * 0.5e9));
        before = now;
    }
}

static void run_pingpong(peer_run_t *run) {
    assert(run->settings.pack == 1);
    static const char *const topics[] = {"there", "back"};
    peer_messages_t messages[2]; /* that are pushed; that are pulled */
    peer_end_t *ends[2];
    peer_shared_t *shared = run->shared;
    for (int i = 0; i < 2; i++) {
        messages_open(&messages[i], &run->settings);
        ends[i] = peer_open(&run->settings, topics[run->produces ? i : 1 - i], i == 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t count = run_next_count(run, round);
        run_meet(run);
        for (int i = 0; i < 2; i++)
            peer_begin(ends[i]);
        run_meet(run);
        if (run->produces) {
            shared->count = count;
            shared->start = run_now();
        }
        run_there_and_back(run, messages, ends, count, round == ROUND_MEASURED);
        if (run->produces)
            shared->push_end = shared->pull_end = run_now();
        run_meet(run);
    }
    for (int i = 0; i < 2; i++) {
        peer_close(ends[i]);
        messages_close(&messages[i]);
    }
}

void peer_run(peer_run_t *run) {
    if (run->workload == PEER_PINGPONG)
        run_pingpong(run);
    else
        run_stream(run);
}
