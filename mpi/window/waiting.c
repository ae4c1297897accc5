/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a word to change: spin for a while, then sleep for longer and longer times. */
#include "mpi/window/window.h"

#include <assert.h>
#include <time.h>

/* In memory, a look at a word costs less than a look at the clock. In rma it costs more, and
 * burdens the owner. */
#define LOOKS_PER_CLOCK 16

void mmi_back_off(int64_t *us, int64_t us_max) {
    assert(*us > 0 && us_max > 0);
    struct timespec span = {.tv_sec = *us / 1000000, .tv_nsec = *us % 1000000 * 1000};
    nanosleep(&span, NULL);
    *us = *us * 2 < us_max ? *us * 2 : us_max;
}

mmi_spin_t mmi_spin_start(const mmi_window_t *w) {
    assert(w->spin_ns >= 0);
    return (mmi_spin_t){.until_ns = w->spin_ns ? mmi_now_ns() + w->spin_ns : 0,
                        .looks_per_clock = w->ops->loads_are_cheap ? LOOKS_PER_CLOCK : 1};
}

static void spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

bool mmi_spin_again(mmi_spin_t *spin) {
    assert(spin->looks_per_clock > 0);
    if (spin->until_ns == 0)
        return false;
    for (unsigned i = 0; i < LOOKS_PER_CLOCK / 2 / spin->looks_per_clock + 1; i++)
        spin_pause();
    return ++spin->looks % spin->looks_per_clock != 0 || mmi_now_ns() < spin->until_ns;
}
