/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_NAME stream|pingpong|push --server WHERE [OPTION...]: one peer, one workload, one line of
 * JSON.
 *
 *   -m N, -s N      bytes of metadata and of data (64, 0)
 *   --store WHAT    NATS: none, memory or file (none)
 *   --pack N        events in a message (1)
 *   --phased        pull only when everything is pushed
 *   --seconds X     of the measured round, about (0.5)
 *   --rate X        push: events per second (10000)
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "run.h"

static const char *const workloads[] = {
    [PEER_STREAM] = "stream", [PEER_PINGPONG] = "pingpong", [PEER_PUSH] = "push"};

void peer_fail(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "peer_%s: %s\n", peer_name, text); /* one write */
    exit(1);
}

static double main_number(const char *text, double least, double most) {
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= least && number <= most))
        peer_fail("'%s' is not a number from %.15g to %.15g", text, least, most);
    return number;
}

static void main_read_options(int argc, char **argv, peer_run_t *run) {
    enum { SERVER = 256, STORE, PACK, PHASED, SECONDS, RATE };
    static const struct option options[] = {{"server", required_argument, NULL, SERVER},
                                            {"store", required_argument, NULL, STORE},
                                            {"pack", required_argument, NULL, PACK},
                                            {"phased", no_argument, NULL, PHASED},
                                            {"seconds", required_argument, NULL, SECONDS},
                                            {"rate", required_argument, NULL, RATE},
                                            {NULL, 0, NULL, 0}};
    peer_settings_t *s = &run->settings;
    for (int option; (option = getopt_long(argc, argv, "m:s:", options, NULL)) != -1;) {
        switch (option) {
        case 'm':
            s->metadata_bytes = (size_t)main_number(optarg, 8, 1 << 20);
            break;
        case 's':
            s->data_bytes = (size_t)main_number(optarg, 0, 1 << 28);
            break;
        case SERVER:
            s->server = optarg;
            break;
        case STORE:
            s->store = optarg;
            break;
        case PACK:
            s->pack = (size_t)main_number(optarg, 1, 1 << 20);
            break;
        case PHASED:
            run->phased = true;
            break;
        case SECONDS:
            run->seconds = main_number(optarg, 0.001, 3600);
            break;
        case RATE:
            run->rate = main_number(optarg, 1, 1e9);
            break;
        default:
            exit(2);
        }
    }
}

static void main_read(int argc, char **argv, peer_run_t *run) {
    *run = (peer_run_t){.settings = {.store = "none", .metadata_bytes = 64, .pack = 1},
                        .seconds = 0.5,
                        .rate = 10000};
    size_t choice = 0, count = sizeof workloads / sizeof *workloads;
    while (argc > 1 && choice < count && strcmp(argv[1], workloads[choice]) != 0)
        choice++;
    if (argc < 2 || choice == count)
        peer_fail("no workload '%s'; known: stream, pingpong, push", argc < 2 ? "" : argv[1]);
    run->workload = (peer_workload_t)choice;
    main_read_options(argc - 1, argv + 1, run);
    run->settings.eager = run->workload == PEER_PINGPONG;
    if (!run->settings.server)
        peer_fail("--server is missing");
    if (run->settings.eager && run->settings.pack > 1)
        peer_fail("pingpong has one event in flight, so --pack must be 1");
}

static pid_t main_start(peer_run_t *run, bool produces) {
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    run->produces = produces;
    peer_run(run);
    exit(0);
}

/* If one process fails, the other one waits for it for ever, and is ended. */
static int main_wait(pid_t producer, pid_t consumer) {
    int result = 0;
    for (int left = producer > 0 && consumer > 0 ? 2 : 0; left > 0; left--) {
        int status = 0;
        if (wait(&status) > 0 && status == 0)
            continue;
        result = 1;
        kill(producer, SIGKILL);
        kill(consumer, SIGKILL);
    }
    return result;
}

static void main_report(const peer_run_t *run) {
    const peer_shared_t *shared = run->shared;
    const peer_settings_t *s = &run->settings;
    double push = shared->push_end - shared->start, pull = shared->pull_end - shared->start;
    double seconds = push > pull ? push : pull;
    if (run->phased)
        pull -= push;
    printf(
        "{\"peer\":\"%s\",\"workload\":\"%s\",\"store\":\"%s\",\"pack\":%zu,\"metadata_size\":%zu,"
        "\"data_size\":%zu,\"events\":%llu,\"seconds\":%.9g,\"push_seconds\":%.9g,"
        "\"pull_seconds\":%.9g,\"events_per_s\":%.9g",
        peer_name, workloads[run->workload], s->store, s->pack, s->metadata_bytes, s->data_bytes,
        (unsigned long long)shared->count, seconds, push, pull, (double)shared->count / seconds);
    static const struct {
        const char *key;
        double quantile;
    } rows[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    const char *separator = ",\"times_us\":{";
    for (size_t i = 0; shared->times.total > 0 && i < sizeof rows / sizeof *rows; i++) {
        double ns = (double)mfi_histogram_quantile(&shared->times, rows[i].quantile);
        printf("%s\"%s\":%.6g", separator, rows[i].key, ns / 1e3);
        separator = ",";
    }
    printf("%s}\n", shared->times.total > 0 ? "}" : "");
}

int main(int argc, char **argv) {
    peer_run_t run;
    main_read(argc, argv, &run);
    run.shared =
        mmap(NULL, sizeof *run.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.shared == MAP_FAILED)
        peer_fail("no memory for the two processes");
    pid_t consumer = main_start(&run, false), producer = main_start(&run, true);
    if (main_wait(producer, consumer) != 0 || producer < 0 || consumer < 0)
        peer_fail("no result");
    main_report(&run);
    return 0;
}
