/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks of a job are killed, one after the other, at a random one of their stores; see kill.h.
 *
 *   rank 0     goes on past each death, and judges
 *   rank 1     looks on; in half of the rounds it is stopped, and wakes after rank 0 has gone on
 *   the others victims: one in each round
 *
 * A launcher ends its job when a rank dies, so rank 0 stops the launchers first. They pass no
 * output on from then, so rank 0 writes to a file. At the end it kills the other ranks and the
 * launchers.
 *
 *   mpiexec -n N kill_job WINDOW SEED FILE
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kill/kill.h"
#include "kill/launchers.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define RANKS_MAX 32
/* For what another rank does, on a busy machine. */
#define OTHER_MS 60000
/* Options of topics. */
#define NODE "\"producers\":\"node\""
#define SMALL ",\"partition_bytes\":65536,\"partition_events\":1024"

typedef struct page {
    _Atomic int round;         /* the rank whose turn it is to die */
    _Atomic int looked;        /* rank 1: the last round that it has seen to its end */
    pid_t process[RANKS_MAX];  /* of each rank, */
    pid_t launcher[RANKS_MAX]; /* and its parent */
    kill_shared_t shared[RANKS_MAX];
    _Atomic bool ended[RANKS_MAX]; /* the victim came to its end */
    char wrong[640];               /* what rank 1 says */
} page_t;

static page_t *page;
static mofka_driver_t *driver;
static uint64_t seed;

static const scenario_t *round_scenario(int round) {
    return &scenarios[(seed + (uint64_t)round) % scenario_count];
}

static void round_name(int round, char name[32]) {
    snprintf(name, 32, "log-%d", round);
}

/* ---- rank 1 ---------------------------------------------------------------------------------- */

/* Pull all of the topic, without a name. */
static void look_on(int round) {
    char name[32];
    mofka_topic_t *topic;
    survivor_t s = {.scenario = round_scenario(round)};
    round_name(round, name);
    OK(mofka_driver_open_topic(driver, name, OTHER_MS, &topic));
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "looks", .options = "{\"observe\":true}"},
        &s.reader));
    /* An observer may be overtaken. */
    scenario_t may_lose = *s.scenario;
    bool first = true;
    may_lose.discards = true;
    s.scenario = &may_lose;
    do {
        mofka_event_t *event;
        OK(mofka_consumer_pull(s.reader, OTHER_MS, &event));
        if (first && !mofka_event_is_end(event)) /* it begins where the head was */
            s.id =
                mofka_event_id(event) - mofka_event_lost(event) - mofka_consumer_voided(s.reader);
        first = false;
        survivor_take(&s, event);
    } while (!s.ended);
    assert_int_equal(s.holes, mofka_consumer_voided(s.reader) + mofka_consumer_lost(s.reader));
    OK(mofka_consumer_close(s.reader));
    mofka_consumer_release(s.reader);
    mofka_topic_release(topic);
}

static void looks_on(void **state) {
    (void)state;
    for (int round = 2; round < size; round++) {
        look_on(round);
        atomic_store(&page->looked, round);
    }
}

/* ---- a victim -------------------------------------------------------------------------------- */

static void victim_rank(void) {
    char name[32];
    const scenario_t *scenario = round_scenario(rank);
    uint64_t random = seed * RANKS_MAX + (uint64_t)rank;
    next_random(&random);
    int step = 1 + (int)(next_random(&random) % (uint32_t)scenario->steps);
    round_name(rank, name);
    shared = &page->shared[rank];
    victim_run(driver, name, scenario, step);
    atomic_store(&page->ended[rank], true);
    while (true)
        pause();
}

/* ---- rank 0 ---------------------------------------------------------------------------------- */

static FILE *report;
static int killed[16], stopped;

/* The victim has died; or has come to its end: false. */
static bool round_wait(int round) {
    int fd = (int)syscall(SYS_pidfd_open, page->process[round], 0);
    assert_true(fd >= 0);
    struct pollfd death = {.fd = fd, .events = POLLIN};
    int64_t limit = clock_ms() + OTHER_MS;
    bool dead = false;
    while (!dead && !atomic_load(&page->ended[round])) {
        dead = poll(&death, 1, 5) == 1;
        if (clock_ms() > limit)
            fail_msg("the victim of round %d neither died nor ended", round);
    }
    close(fd);
    return dead;
}

static void round_run(int round) {
    char name[32], options[96];
    uint64_t random = seed * RANKS_MAX + (uint64_t)round;
    survivor_t s = {.scenario = round_scenario(round), .name = name, .driver = driver};
    bool stops = next_random(&random) % 2 == 0;
    round_name(round, name);
    shared = &page->shared[round];
    snprintf(options, sizeof options, "%s%s",
             strcmp(window, "node") == 0 ? NODE : "\"partitions\":1",
             s.scenario->options && strstr(s.scenario->options, "bytes") ? "" : SMALL);
    survivor_start(&s, options);
    atomic_store(&shared->go, true);
    if (stops)
        kill(page->process[1], SIGSTOP);
    bool dead = round_wait(round);
    survivor_finish(&s);
    survivor_end(&s);
    kill(page->process[1], SIGCONT);
    killed[s.scenario - scenarios] += dead;
    stopped += stops;
    fprintf(report, "# round %d: %s: %s%s, %d to %d of its events, %llu void\n", round,
            s.scenario->name, dead ? "killed" : "came to its end", stops ? ", rank 1 stopped" : "",
            atomic_load(&shared->stored), atomic_load(&shared->attempted),
            (unsigned long long)s.voided);
    for (int64_t limit = clock_ms() + OTHER_MS; atomic_load(&page->looked) < round;) {
        if (page->wrong[0] || clock_ms() > limit)
            fail_msg("rank 1 in round %d: %s", round, page->wrong[0] ? page->wrong : "is late");
        clock_sleep_ms(1);
    }
}

static void goes_on(void **state) {
    (void)state;
    for (int round = 2; round < size; round++)
        round_run(round);
}

/* Does not return. */
static void job_end(int failed) {
    fprintf(report, "%s\n", failed ? "FAILED" : "all right");
    fclose(report);
    for (int i = 1; i < size; i++)
        kill(page->process[i], SIGKILL);
    launchers_signal(page->launcher, size, SIGKILL);
    _exit(failed != 0);
}

static void job_judge(const char *path) {
    const struct CMUnitTest cases[] = {cmocka_unit_test(goes_on)};
    report = fopen(path, "a");
    if (!report)
        mpi_main_abort();
    setlinebuf(report);
    dup2(fileno(report), STDOUT_FILENO);
    dup2(fileno(report), STDERR_FILENO);
    launchers_signal(page->launcher, size, SIGSTOP);
    int failed = cmocka_run_group_tests(cases, NULL, NULL);
    for (size_t i = 0; i < scenario_count; i++)
        fprintf(report, "%s %d ", scenarios[i].name, killed[i]);
    fprintf(report, "stopped %d\n", stopped);
    job_end(failed);
}

/* The page that all ranks share, in a file beside the report. */
static void page_open(const char *path) {
    char name[512];
    snprintf(name, sizeof name, "%s.page", path);
    int fd = open(name, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *page))
        mpi_main_abort();
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    page->process[rank] = getpid();
    page->launcher[rank] = getppid();
}

/* cmocka's messages of rank 1 go to a file, of which rank 0 shows the first line. */
static void look_rank(const char *path) {
    const struct CMUnitTest cases[] = {cmocka_unit_test(looks_on)};
    char name[512];
    snprintf(name, sizeof name, "%s.looks", path);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (cmocka_run_group_tests(cases, NULL, NULL))
        snprintf(page->wrong, sizeof page->wrong, "it failed: see %s", name);
    while (true)
        pause();
}

int main(int argc, char **argv) {
    char options[128];
    mpi_main_start(&argc, &argv);
    if (argc != 4 || size < 3 || size > RANKS_MAX) {
        fprintf(stderr, "usage: mpiexec -n 3..%d kill_job WINDOW SEED FILE\n", RANKS_MAX);
        mpi_main_abort();
    }
    seed = strtoull(argv[2], NULL, 10);
    page_open(argv[3]);
    mofka_log_set_level(MOFKA_LOG_ERROR);
    /* Where MPI is used, it must not need the dead. */
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"arena_bytes\":16777216%s}", window,
             strcmp(window, "node") == 0 ? ",\"owners\":[0]" : "");
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        mpi_main_abort();
    }
    MPI_Barrier(MPI_COMM_WORLD); /* all are in the page */
    if (rank == 0)
        job_judge(argv[3]);
    else if (rank == 1)
        look_rank(argv[3]);
    victim_rank();
}
