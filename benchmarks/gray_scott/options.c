/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the demo. */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLABS_MAX 4096L /* partitions that a topic may have */

static const char usage[] =
    "usage: mpiexec -n RANKS gray_scott [--window auto|shm|rma|node] [--size CELLS] [--steps N]\n"
    "       [--every N] [--full-every N] [--analysis-ranks N] [--output FOLDER]\n"
    "       [--watchers N] [--slabs N] [--store FOLDER] [--checkpoint FILE]\n"
    "       [--checkpoint-every N] [--die-at STEP]\n"
    "--store keeps the events. --checkpoint writes checkpoints, and begins at the one that is "
    "there.\n";

static void demo_options_complain(bool speak, const char *format, ...) {
    if (speak) {
        char text[1024];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        fprintf(stderr, "gray_scott: %s\n%s", text, usage); /* one write */
    }
}

static bool demo_options_read_number(const char *text, long *value) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > 1000000000)
        return false;
    *value = number;
    return true;
}

static bool demo_options_check(const demo_options_t *o, int ranks, bool speak) {
    assert(ranks > 0);
    long simulating = ranks - o->watchers - o->analysis_ranks;
    if (simulating < 1) {
        demo_options_complain(speak,
                              "%ld ranks are too few for %ld analysis ranks and one that simulates",
                              ranks - o->watchers, o->analysis_ranks);
        return false;
    }
    if (o->size % SAMPLE || o->size / SAMPLE < simulating || o->size > 16384) {
        demo_options_complain(speak,
                              "--size must be a multiple of %d, at least %ld and at most 16384",
                              SAMPLE, SAMPLE * simulating);
        return false;
    }
    if (o->slabs < simulating || o->slabs > o->size / SAMPLE || o->slabs > SLABS_MAX) {
        demo_options_complain(speak,
                              "--slabs must be at least %ld, the simulating ranks, and at most "
                              "%ld, a %d-th of --size or the most partitions",
                              simulating,
                              o->size / SAMPLE < SLABS_MAX ? o->size / SAMPLE : SLABS_MAX, SAMPLE);
        return false;
    }
    if (o->analysis_ranks > o->slabs) {
        demo_options_complain(speak, "%ld analysis ranks for %ld slabs: there must not be more",
                              o->analysis_ranks, o->slabs);
        return false;
    }
    if (o->checkpoint && !o->store) {
        demo_options_complain(speak, "--checkpoint needs --store: the events before it are there");
        return false;
    }
    return true;
}

bool demo_options_read(int argc, char **argv, int ranks, bool speak, demo_options_t *o) {
    *o = (demo_options_t){.window = "auto",
                          .output = "demo-out",
                          .size = 384,
                          .steps = 8000,
                          .every = 80,
                          .full_every = 5,
                          .analysis_ranks = 1,
                          .checkpoint_every = 10};
    const struct {
        const char *name;
        long *number;
        const char **text;
    } known[] = {{"--window", NULL, &o->window},
                 {"--output", NULL, &o->output},
                 {"--size", &o->size, NULL},
                 {"--steps", &o->steps, NULL},
                 {"--every", &o->every, NULL},
                 {"--full-every", &o->full_every, NULL},
                 {"--analysis-ranks", &o->analysis_ranks, NULL},
                 {"--watchers", &o->watchers, NULL},
                 {"--slabs", &o->slabs, NULL},
                 {"--store", NULL, &o->store},
                 {"--checkpoint", NULL, &o->checkpoint},
                 {"--checkpoint-every", &o->checkpoint_every, NULL},
                 {"--die-at", &o->die_at, NULL}};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0, count = sizeof known / sizeof known[0];
        while (k < count && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k == count) {
            demo_options_complain(speak, "unknown argument '%s'", argv[i]);
            return false;
        }
        if (i + 1 == argc) {
            demo_options_complain(speak, "%s needs a value", argv[i]);
            return false;
        }
        if (known[k].text)
            *known[k].text = argv[i + 1];
        else if (!demo_options_read_number(argv[i + 1], known[k].number)) {
            demo_options_complain(speak, "%s needs a positive whole number, not '%s'", argv[i],
                                  argv[i + 1]);
            return false;
        }
    }
    if (o->slabs == 0)
        o->slabs = ranks - o->watchers - o->analysis_ranks;
    return demo_options_check(o, ranks, speak);
}
