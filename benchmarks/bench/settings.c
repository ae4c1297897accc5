/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of mofka-bench. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

static const char *const commands[COMMAND_COUNT + 1] = {"stream", "produce", "consume", "latency",
                                                        "pool",   "wait",    "push",    "raw"};

static const char usage[] =
    "usage: mpiexec -n RANKS mofka-bench COMMAND [OPTION...]\n"
    "\n"
    "  stream    producers -> partitions -> consumers, end to end\n"
    "  produce, consume   the two halves: mpiexec -n 2 mofka-bench produce : -n 2 mofka-bench "
    "consume\n"
    "  latency   one event at a time, between two ranks, through two topics\n"
    "  pool      tasks per second of the thread pool\n"
    "  wait      CPU time of an idle consumer and an idle owner\n"
    "  push      what a push costs a program that computes\n"
    "  raw       the speed of this machine without the library\n"
    "\n"
    "  -n, --num-events N       events of each producer (stream 100000, latency 10000)\n"
    "  -m, --metadata-size N    bytes of metadata (64)\n"
    "  -s, --data-size N        bytes of data (0)\n"
    "  -b, --batch-size N       events in a batch, or adaptive (adaptive)\n"
    "      --max-batches N      batches under way (the library's default)\n"
    "  -p, --num-threads N      threads of each producer's and consumer's pool (0)\n"
    "  -f, --flush-interval N   events between flushes (0 means only at the end)\n"
    "  -i, --data-interest X    share of the events whose data is fetched (1)\n"
    "      --data-selectivity X share of the data that is fetched of such an event (1)\n"
    "      --producers N, --consumers N   numbers of ranks (half each)\n"
    "      --partitions N       partitions (one for each consumer)\n"
    "      --partition-bytes N  bytes of payload that a partition holds (8388608)\n"
    "      --owners consumers|producers|all   ranks that hold partitions (consumers)\n"
    "      --window shm|rma|node|auto   (auto); node: stream's producers append to partitions of\n"
    "                           their own node, so --owners producers if consumers are elsewhere\n"
    "      --zero-copy          consumers read in the window; shm, or node on one node\n"
    "      --runs               consumers pull runs of events\n"
    "      --claim              producers claim memory and commit it\n"
    "      --futures            ask a future for every event\n"
    "      --phased             pull only after everything is pushed; times both phases\n"
    "      --rate X             events per second of each producer, open loop (0 means no limit;\n"
    "                           push: 10000)\n"
    "      --warmup N           events of each producer before the first repeat (1000)\n"
    "      --repeat N           how often to repeat the measurement (1)\n"
    "      --no-verify          do not stamp and check the events\n"
    "      --baseline           measure floors, too, in alternating rounds\n"
    "      --seconds X          seconds of each measurement of raw, pool (0.5), push (2), wait "
    "(10)\n"
    "      --watchers N         stream: the last N ranks of the job run other programs, such as\n"
    "                           mofkactl top, which create the driver together with it (0)\n"
    "      --json FILE|-, --csv FILE   write one line for each repeat\n";

void settings_print_usage(FILE *out) {
    fputs(usage, out);
}

const char *bench_command_name(bench_command_t command) {
    assert((int)command >= 0 && command < COMMAND_COUNT);
    return commands[command];
}

static void settings_complain(bool speak, const char *format, ...) {
    if (speak) {
        char text[1024];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        fprintf(stderr, "mofka-bench: %s\n", text); /* one write: launchers mix those of ranks */
    }
}

static bool settings_read_choice(const char *text, const char *const *choices, int *value) {
    assert(text);
    for (int i = 0; choices[i]; i++)
        if (strcmp(text, choices[i]) == 0) {
            *value = i;
            return true;
        }
    return false;
}

/* Long options without a short one. */
enum {
    MAX_BATCHES = 256,
    SELECTIVITY,
    PRODUCERS,
    CONSUMERS,
    PARTITIONS,
    PARTITION_BYTES,
    OWNERS,
    WINDOW,
    ZERO_COPY,
    RUNS,
    CLAIM,
    FUTURES,
    PHASED,
    RATE,
    WARMUP,
    REPEAT,
    NO_VERIFY,
    BASELINE,
    SECONDS,
    WATCHERS,
    JSON,
    CSV
};

static const struct option long_options[] = {
    {"num-events", required_argument, NULL, 'n'},
    {"metadata-size", required_argument, NULL, 'm'},
    {"data-size", required_argument, NULL, 's'},
    {"batch-size", required_argument, NULL, 'b'},
    {"max-batches", required_argument, NULL, MAX_BATCHES},
    {"num-threads", required_argument, NULL, 'p'},
    {"flush-interval", required_argument, NULL, 'f'},
    {"data-interest", required_argument, NULL, 'i'},
    {"data-selectivity", required_argument, NULL, SELECTIVITY},
    {"producers", required_argument, NULL, PRODUCERS},
    {"consumers", required_argument, NULL, CONSUMERS},
    {"partitions", required_argument, NULL, PARTITIONS},
    {"partition-bytes", required_argument, NULL, PARTITION_BYTES},
    {"owners", required_argument, NULL, OWNERS},
    {"window", required_argument, NULL, WINDOW},
    {"zero-copy", no_argument, NULL, ZERO_COPY},
    {"runs", no_argument, NULL, RUNS},
    {"claim", no_argument, NULL, CLAIM},
    {"futures", no_argument, NULL, FUTURES},
    {"phased", no_argument, NULL, PHASED},
    {"rate", required_argument, NULL, RATE},
    {"warmup", required_argument, NULL, WARMUP},
    {"repeat", required_argument, NULL, REPEAT},
    {"no-verify", no_argument, NULL, NO_VERIFY},
    {"baseline", no_argument, NULL, BASELINE},
    {"seconds", required_argument, NULL, SECONDS},
    {"watchers", required_argument, NULL, WATCHERS},
    {"json", required_argument, NULL, JSON},
    {"csv", required_argument, NULL, CSV},
    {NULL, 0, NULL, 0}};

/* ---- values ---------------------------------------------------------------------------------- */

#define LARGE ((double)(UINT64_C(1) << 40))
#define RANKS_MAX (1 << 20)
#define ALLOWED_BYTES 128

static const char *const windows[] = {"shm", "rma", "node", "auto", NULL};
static const char *const owners[] = {"consumers", "producers", "all", NULL};

/* The options that are numbers, and the place of their values. */
typedef struct settings_number {
    int option;
    enum { WHOLE, SIZE, INT, REAL } kind; /* uint64_t, size_t, int, double */
    size_t offset;
    double least, most;
} settings_number_t;

static const settings_number_t numbers[] = {
    {'n', WHOLE, offsetof(bench_settings_t, events), 0, LARGE},
    {'m', SIZE, offsetof(bench_settings_t, metadata_size), 0, (double)MOFKA_METADATA_BYTES_MAX},
    {'s', SIZE, offsetof(bench_settings_t, data_size), 0, LARGE},
    {'b', SIZE, offsetof(bench_settings_t, batch_size), 1, 1 << 24}, /* or adaptive */
    {MAX_BATCHES, SIZE, offsetof(bench_settings_t, max_batches), 0, 1 << 20},
    {'p', SIZE, offsetof(bench_settings_t, threads), 0, MOFKA_THREADS_MAX},
    {'f', WHOLE, offsetof(bench_settings_t, flush_interval), 0, LARGE},
    {'i', REAL, offsetof(bench_settings_t, interest), 0, 1},
    {SELECTIVITY, REAL, offsetof(bench_settings_t, selectivity), 0, 1},
    {PRODUCERS, INT, offsetof(bench_settings_t, producers), 1, RANKS_MAX},
    {CONSUMERS, INT, offsetof(bench_settings_t, consumers), 1, RANKS_MAX},
    {PARTITIONS, INT, offsetof(bench_settings_t, partitions), 1, MOFKA_PARTITIONS_MAX},
    {PARTITION_BYTES, SIZE, offsetof(bench_settings_t, partition_bytes), 64, LARGE},
    {RATE, REAL, offsetof(bench_settings_t, rate), 0, 1e9},
    {WARMUP, WHOLE, offsetof(bench_settings_t, warmup), 0, LARGE},
    {REPEAT, INT, offsetof(bench_settings_t, repeat), 1, 10000},
    {SECONDS, REAL, offsetof(bench_settings_t, seconds), 0.001, 3600},
    {WATCHERS, INT, offsetof(bench_settings_t, watchers), 1, RANKS_MAX},
};

static const settings_number_t *settings_number_row(int option) {
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].option == option)
            return &numbers[i];
    return NULL;
}

/* False: the value is unchanged, and `allowed` names the allowed values. */
static bool settings_set_number(bench_settings_t *s, const settings_number_t *row, const char *text,
                                char *allowed) {
    assert(row->offset < sizeof *s && row->least < row->most);
    char *end, *to = (char *)s + row->offset;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || !(number >= row->least && number <= row->most) ||
        (row->kind != REAL && number != floor(number))) {
        snprintf(allowed, ALLOWED_BYTES, "%s from %.15g to %.15g%s",
                 row->kind == REAL ? "a number" : "a whole number", row->least, row->most,
                 row->option == 'b' ? ", or adaptive" : "");
        return false;
    }
    switch (row->kind) {
    case WHOLE:
        *(uint64_t *)(void *)to = (uint64_t)number;
        break;
    case SIZE:
        *(size_t *)(void *)to = (size_t)number;
        break;
    case INT:
        *(int *)(void *)to = (int)number;
        break;
    case REAL:
        *(double *)(void *)to = number;
        break;
    }
    return true;
}

static bool settings_set_text(const char *text, char *to, size_t bytes, char *allowed) {
    assert(bytes > 1);
    snprintf(allowed, ALLOWED_BYTES, "a file's name of at most %zu bytes, or -", bytes - 1);
    if (!*text || strlen(text) >= bytes)
        return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool settings_set_window(bench_settings_t *s, const char *text, char *allowed) {
    int choice;
    snprintf(allowed, ALLOWED_BYTES, "one of shm rma node auto");
    if (!settings_read_choice(text, windows, &choice))
        return false;
    snprintf(s->window, sizeof s->window, "%s", windows[choice]);
    return true;
}

static bool settings_set_owners(bench_settings_t *s, const char *text, char *allowed) {
    int choice;
    snprintf(allowed, ALLOWED_BYTES, "one of consumers producers all");
    if (!settings_read_choice(text, owners, &choice))
        return false;
    s->owners = (bench_owners_t)choice;
    return true;
}

static bool settings_set(bench_settings_t *s, int option, const char *text,
                         char allowed[ALLOWED_BYTES]) {
    const settings_number_t *row = settings_number_row(option);
    if (option == 'b' && strcmp(text, "adaptive") == 0) {
        s->batch_size = MOFKA_BATCH_ADAPTIVE;
        return true;
    }
    if (row)
        return settings_set_number(s, row, text, allowed);
    switch (option) {
    case OWNERS:
        return settings_set_owners(s, text, allowed);
    case WINDOW:
        return settings_set_window(s, text, allowed);
    case JSON:
        return settings_set_text(text, s->json, sizeof s->json, allowed);
    case CSV:
        return settings_set_text(text, s->csv, sizeof s->csv, allowed);
    default:
        break;
    }
    s->zero_copy |= option == ZERO_COPY;
    s->runs |= option == RUNS;
    s->claim |= option == CLAIM;
    s->futures |= option == FUTURES;
    s->phased |= option == PHASED;
    s->baseline |= option == BASELINE;
    s->verify &= option != NO_VERIFY;
    return true;
}

static const char *settings_option_name(int option) {
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == option)
            return o->name;
    return "?";
}

/* Read all options, even if some are invalid. The first error is reported. */
static bool settings_read_options(int argc, char **argv, bool speak, bench_settings_t *s) {
    assert(argc >= 0);
    char allowed[ALLOWED_BYTES];
    bool good = true;
    opterr = 0;
    optind = 2;
    for (int option;
         (option = getopt_long(argc, argv, ":n:m:s:b:p:f:i:", long_options, NULL)) != -1;) {
        if (option == '?' || option == ':')
            settings_complain(speak && good, "%s '%s'",
                              option == ':' ? "a value is missing after" : "unknown option",
                              argv[optind - 1]);
        else if (settings_set(s, option, optarg, allowed))
            continue;
        else
            settings_complain(speak && good, "--%s cannot be '%.200s': it must be %s",
                              settings_option_name(option), optarg, allowed);
        good = false;
    }
    if (optind >= argc)
        return good;
    settings_complain(speak && good, "unknown argument '%s'", argv[optind]);
    return false;
}

bool settings_read(int argc, char **argv, bool speak, bench_settings_t *s) {
    int choice = -1;
    *s = (bench_settings_t){.metadata_size = 64,
                            .batch_size = MOFKA_BATCH_ADAPTIVE,
                            .interest = 1,
                            .selectivity = 1,
                            .partition_bytes = 8 << 20,
                            .window = "auto",
                            .verify = true,
                            .warmup = 1000,
                            .repeat = 1};
    bool good = argc >= 2 && settings_read_choice(argv[1], commands, &choice);
    if (!good && speak)
        settings_print_usage(stderr);
    if (!good)
        settings_complain(speak, "%s '%s'", argc < 2 ? "no command" : "unknown command",
                          argc < 2 ? "" : argv[1]);
    s->command = (bench_command_t)(good ? choice : COMMAND_STREAM);
    s->events = s->command == COMMAND_LATENCY ? 10000 : 100000;
    s->seconds = s->command == COMMAND_WAIT ? 10 : s->command == COMMAND_PUSH ? 2 : 0.5;
    good = settings_read_options(argc, argv, speak && good, s) && good;
    if (good && s->watchers > 0 && s->command != COMMAND_STREAM) {
        settings_complain(speak, "--watchers can be used with stream only, not with %s",
                          commands[s->command]);
        return false;
    }
    return good;
}

bool settings_check(const bench_settings_t *s, int ranks, bool speak) {
    assert(ranks > 0);
    size_t event = s->metadata_size + s->data_size;
    if (s->command == COMMAND_POOL || s->command == COMMAND_WAIT || s->command == COMMAND_PUSH)
        return true;
    if (ranks < 2) {
        settings_complain(speak, "%s needs at least 2 ranks", commands[s->command]);
        return false;
    }
    if (s->command == COMMAND_LATENCY && ranks != 2) {
        settings_complain(speak, "latency is between 2 ranks, not %d", ranks);
        return false;
    }
    if (s->command == COMMAND_RAW)
        return true;
    if (s->events == 0) {
        settings_complain(speak, "there must be at least one event");
        return false;
    }
    if (s->consumers > s->partitions) {
        settings_complain(speak, "%d consumers have only %d partitions: each consumer needs one",
                          s->consumers, s->partitions);
        return false;
    }
    if (event > s->partition_bytes) {
        settings_complain(speak, "an event of %zu bytes does not fit a partition of %zu", event,
                          s->partition_bytes);
        return false;
    }
    if (s->batch_size != MOFKA_BATCH_ADAPTIVE &&
        s->batch_size > s->partition_bytes / (event + !event)) {
        settings_complain(speak,
                          "a batch of %zu events of %zu bytes does not fit a partition of %zu",
                          s->batch_size, event, s->partition_bytes);
        return false;
    }
    if (s->zero_copy && strcmp(s->window, "rma") == 0) {
        settings_complain(speak,
                          "--zero-copy reads in the window, which is possible with shm only");
        return false;
    }
    if (s->verify && s->metadata_size < 16 && s->data_size < 16) {
        settings_complain(speak,
                          "stamps need 16 bytes of metadata or data; otherwise use --no-verify");
        return false;
    }
    return true;
}
