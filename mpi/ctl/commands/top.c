/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl top: rates, fill and lags of the job's topics, shown repeatedly.
 *
 * It reads statistics only and opens no topic, so no partition waits for this rank. It begins to
 * close the driver before the first wait (ctl_job_is_over), so the other ranks do not wait for it
 * either. It ends when they do.
 */
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/out/rates.h"
#include "mpi/ctl/out/sink.h"
#include "mpi/ctl/out/table.h"

static const char *pattern, *terminal;
static bool as_json;
static uint64_t interval_ms = 1000, count_max;
static double for_s = INFINITY;

typedef struct top_run {
    mofka_driver_t *driver;
    cJSON *stats; /* the previous reading; NULL: none */
    FILE *out;
    bool failed; /* a message was printed */
} top_run_t;

/* ---- output ---------------------------------------------------------------------------------- */

/* Open MPI gives ranks pseudo-terminals as stdout. If its output goes elsewhere, they have no size.
 * */
static bool top_terminal_size(FILE *out, struct winsize *size) {
    return ioctl(fileno(out), TIOCGWINSZ, size) == 0 && size->ws_row > 0 && size->ws_col > 0;
}

/* False: no memory. */
static bool top_print_json(const cJSON *stats, FILE *out) {
    sink_t line;
    sink_open(&line, fileno(out));
    bool good = rates_write_json(stats, &line);
    if (good)
        fprintf(out, "%.*s\n", (int)line.size, line.buffer);
    sink_close(&line);
    return good;
}

static void top_print_table(const cJSON *stats, FILE *out) {
    struct winsize size;
    char *text = NULL;
    size_t bytes;
    if (!top_terminal_size(out, &size)) {
        table_print(stats, 0, out);
        return;
    }
    FILE *memory = open_memstream(&text, &bytes);
    if (memory) {
        table_print(stats, size.ws_row - 1u, memory);
        fclose(memory);
        table_paint(text, size.ws_row, size.ws_col, out);
    }
    free(text);
}

/* False: the reader left, which is no failure, or writing failed. */
static bool top_show(top_run_t *top) {
    assert(top->stats && top->out);
    if (!as_json) {
        top_print_table(top->stats, top->out);
    } else if (!top_print_json(top->stats, top->out)) {
        ctl_complain("no memory to print the statistics");
        top->failed = true;
        return false;
    }
    if (fflush(top->out) == 0)
        return true;
    if (errno != EPIPE) {
        ctl_complain("writing: %s", strerror(errno));
        top->failed = true;
    }
    return false;
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool top_look(top_run_t *top) {
    mofka_status_t status = rates_take(top->driver, pattern, &top->stats);
    if (status) {
        ctl_complain_of(status, "reading the statistics");
        top->failed = true;
    }
    return !status;
}

static void top_watch(top_run_t *top) {
    assert(interval_ms > 0 && for_s >= 0);
    double start = ctl_now_s(), due = start, end = start + for_s;
    for (uint64_t count = 1; top_look(top) && top_show(top) && count != count_max; count++) {
        due =
            /* a late reading does not bring the next one forward */
            fmax(due + (double)interval_ms * 1e-3, ctl_now_s());
        double until = fmin(due, end);
        if (ctl_job_is_over(top->driver, until - ctl_now_s()) || interrupt_came() ||
            ctl_now_s() >= end)
            break;
    }
}

/* NULL: a message was printed. */
static FILE *top_open_output(void) {
    if (!terminal)
        return stdout;
    int fd = open(terminal, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out)
        ctl_complain("--terminal: cannot open '%s': %s", terminal, strerror(errno));
    return out;
}

static int top_run(mofka_driver_t *driver) {
    top_run_t top = {.driver = driver, .out = top_open_output()};
    struct winsize size;
    if (!top.out)
        return CTL_FAILED;
    if (!as_json && top_terminal_size(top.out, &size))
        fputs("\033[2J", top.out);
    top_watch(&top);
    cJSON_Delete(top.stats);
    if (terminal)
        fclose(top.out);
    return top.failed ? CTL_FAILED : CTL_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool top_check(int count, char **words) {
    (void)count, (void)words;
    if (as_json && terminal)
        ctl_complain("--terminal '%s' is for the table, not for --json", terminal);
    return !(as_json && terminal);
}

static const option_row_t options[] = {
    {"topic", OPTION_TEXT, &pattern, "PATTERN",
     "only topics whose names match this shell pattern, such as 'run-*'", 0, 0, NULL},
    {"interval", OPTION_COUNT, &interval_ms, "MS", "milliseconds between two readings (1000)", 10,
     86400000, NULL},
    {"count", OPTION_COUNT, &count_max, "N", "end after N readings (0 means no limit)", 0, 0, NULL},
    {"for", OPTION_SECONDS, &for_s, "SECONDS", "end after this time (inf)", 0, 0, NULL},
    {"json", OPTION_FLAG, &as_json, NULL, "print a JSON object for each reading", 0, 0, NULL},
    {"terminal", OPTION_TEXT, &terminal, "PATH",
     "show the table on this terminal, such as \"$(tty)\", not on stdout", 0, 0, NULL},
};

const ctl_command_t top_command = {
    .name = "top",
    .summary = "Show rates, fill and lags of topics and partitions, live",
    .notes =
        "EVENTS: events appended so far. BYTES/S: bytes of the ring per second. EVENTS%, BYTES%: "
        "how full\nthe partition is. BLOCKED: batches that wait for room. LAG: for each named "
        "consumer, the events\nthat it has not acknowledged. Rates are measured since the previous "
        "reading; the first reading\nhas none. A topic with several partitions has a row of "
        "sums.\nA terminal is repainted and shows the rows that fit; other outputs get further "
        "lines. Launchers may\ngive ranks a pipe instead of the terminal, as MPICH's does: name "
        "the terminal with --terminal.\nThe command ends when all other ranks of the job have "
        "closed the driver, and on SIGINT and\nSIGTERM. No rank waits for it.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = top_check,
    .run = top_run,
};
