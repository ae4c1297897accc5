/* SPDX-License-Identifier: BSD-3-Clause */
/* Stops this process, delays its one-sided operations, and lets some fail. */
#include "history/trouble.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "history/history.h"
#include "support/clock.h"
#include "trips/count_mpi.h"

#define STOPS_MAX 4
#define STOP_MS_MAX 1500
#define DELAY_US_MAX 3000
#define FAILS_MAX 3
/* Operations from one that fails to the next. */
#define FAIL_EVERY_MIN 20
#define FAIL_EVERY_MAX 2000

#pragma weak count_delay
#pragma weak count_fail
#pragma weak count_failed

static int trouble_pipe = -1; /* to the process that stops this one: a seed; 0: no more */
static pthread_t trouble_thread;
static bool trouble_delays;
static bool trouble_spreads;
static _Atomic bool trouble_over;

/* ---- a rank that does not answer ------------------------------------------------------------- */

/* The next seed from the pipe. False: none within the time. The end of the pipe ends the process.
 */
static bool trouble_read(int from, int timeout_ms, uint64_t *seed) {
    struct pollfd ready = {.fd = from, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) <= 0)
        return false;
    if (read(from, seed, sizeof *seed) != (ssize_t)sizeof *seed)
        _exit(0);
    return true;
}

/* Stop the parent from time to time. It is always continued: it cannot end while it is stopped,
 * except by SIGKILL. */
static _Noreturn void trouble_stop_parent(int from, pid_t parent) {
    uint64_t seed = 0;
    for (int left = 0;;) {
        int pause = seed ? (int)history_between(&seed, 5, 400) : -1;
        if (trouble_read(from, left > 0 ? pause : -1, &seed)) {
            left = seed ? STOPS_MAX : 0;
            continue;
        }
        kill(parent, SIGSTOP);
        clock_sleep_ms((int64_t)history_between(&seed, 10, STOP_MS_MAX));
        kill(parent, SIGCONT);
        left--;
    }
}

void trouble_prepare(void) {
    int ends[2];
    pid_t parent = getpid();
    if (pipe(ends))
        abort();
    if (fork() == 0) {
        close(ends[1]);
        trouble_stop_parent(ends[0], parent);
    }
    close(ends[0]);
    trouble_pipe = ends[1];
}

static void trouble_tell(uint64_t seed) {
    if (write(trouble_pipe, &seed, sizeof seed) != (ssize_t)sizeof seed)
        abort();
}

/* ---- operations that are late ---------------------------------------------------------------- */

bool trouble_has_calls(void) {
    return count_delay != NULL;
}

/* Now and then, one kind of operation takes longer. */
static void *trouble_delay(void *context) {
    uint64_t seed = *(uint64_t *)context;
    const count_call_t calls[] = {COUNT_PUT,   COUNT_GET,          COUNT_RGET,
                                  COUNT_FLUSH, COUNT_FETCH_AND_OP, COUNT_COMPARE_AND_SWAP};
    free(context);
    while (!trouble_over) {
        count_call_t call = calls[history_random(&seed) % (sizeof calls / sizeof calls[0])];
        count_delay(call, (unsigned)history_between(&seed, 10, DELAY_US_MAX));
        clock_sleep_ms((int64_t)history_between(&seed, 1, 30));
        count_delay(call, 0);
        clock_sleep_ms((int64_t)history_between(&seed, 1, 60));
    }
    return NULL;
}

/* ---- operations that fail -------------------------------------------------------------------- */

bool trouble_has_failed(void) {
    return count_failed && (count_failed() > 0 || trouble_spreads);
}

static void trouble_fail(uint64_t seed, bool fails) {
    uint64_t every = history_between(&seed, FAIL_EVERY_MIN, FAIL_EVERY_MAX);
    if (count_fail)
        count_fail(every, fails ? (unsigned)history_between(&seed, 1, FAILS_MAX) : 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void trouble_begin(uint64_t seed, bool stops, bool delays, bool fails, bool spreads) {
    trouble_over = false;
    trouble_spreads = spreads;
    trouble_delays = delays;
    if (stops)
        trouble_tell(seed | 1);
    trouble_fail(seed, fails);
    uint64_t *own = delays ? malloc(sizeof *own) : NULL;
    if (own)
        *own = seed;
    if (own && pthread_create(&trouble_thread, NULL, trouble_delay, own))
        abort();
}

void trouble_end(void) {
    if (trouble_pipe >= 0)
        trouble_tell(0);
    trouble_over = true;
    if (count_fail)
        count_fail(0, 0);
    if (trouble_delays)
        pthread_join(trouble_thread, NULL);
    trouble_delays = false;
}
