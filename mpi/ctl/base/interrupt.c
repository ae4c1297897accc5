/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGINT and SIGTERM end a command in an orderly way. */
#include "mpi/ctl/base/interrupt.h"

#include <assert.h>
#include <signal.h>
#include <time.h>
#include "mpi/window/clock.h"

static volatile sig_atomic_t interrupted;
static double interrupted_at; /* written once, before the flag */

double ctl_now_s(void) {
    return (double)mmi_now_ns() * 1e-9;
}

/* A terminal and a launcher may both send the signal that the user meant once. */
static void interrupt_on_signal(int number) {
    if (!interrupted) {
        interrupted_at = ctl_now_s();
        interrupted = 1;
    } else if (ctl_now_s() - interrupted_at > 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void interrupt_watch(void) {
    /* SA_RESTART: a write that has begun is finished. Waits are short anyway. */
    struct sigaction action = {.sa_handler = interrupt_on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_came(void) {
    return interrupted;
}

double interrupt_age_s(void) {
    assert(!interrupted || interrupted_at > 0);
    return interrupted ? ctl_now_s() - interrupted_at : 0;
}

void interrupt_sleep(double seconds) {
    double until = ctl_now_s() + seconds;
    for (double left = seconds; left > 0 && !interrupted; left = until - ctl_now_s()) {
        double slice = left < SLICE_MS * 1e-3 ? left : SLICE_MS * 1e-3;
        nanosleep(&(struct timespec){.tv_nsec = (long)(slice * 1e9)}, NULL);
    }
}
