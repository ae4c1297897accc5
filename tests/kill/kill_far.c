/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hole that only ranks of another node wait at. They cannot prove that its rank is dead, so they
 * ask the owner, whose progress thread does. The owner's program waits for nothing.
 *
 *   rank 0   the owner: it kills rank 1, and then only sleeps
 *   rank 1   of its node: it reserves event 0, and is killed
 *   rank 2   of another node: it gets event 1, which rank 0 has pushed behind
 *
 * Rank 0 stops the launchers, which would end the job. So it writes to a file, which ends with "all
 * right", and kills what is left.
 *
 *   mpiexec -n 3 kill_far node FILE [NODE_RANKS]
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kill/launchers.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define RANKS 3
#define OTHER_MS 60000

typedef struct page {
    pid_t process[RANKS], launcher[RANKS];
    _Atomic bool reserved, stored, died, got;
} page_t;

static page_t *page;
static mofka_driver_t *driver;
static mofka_topic_t *topic;

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

static void await(const _Atomic bool *done, const char *what) {
    for (int64_t limit = clock_ms() + OTHER_MS; !atomic_load(done); clock_sleep_ms(1))
        if (clock_ms() > limit)
            fail_msg("%s: not within %d ms", what, OTHER_MS);
}

static mofka_producer_t *produce(void) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    return producer;
}

static void the_owner_makes_the_hole_void(void **state) {
    (void)state;
    await(&page->reserved, "rank 1 reserves");
    OK(mofka_producer_push(produce(), "{\"n\":1}", 7, NULL, MOFKA_ANY_PARTITION, NULL));
    atomic_store(&page->stored, true);
    kill(page->process[1], SIGKILL);
    atomic_store(&page->died, true);
    await(&page->got, "rank 2 gets the event behind the hole");
}

static void reserve(void) {
    mofka_claim_t *claim;
    OK(mofka_producer_claim(produce(), 16, 0, MOFKA_ANY_PARTITION, &claim));
    assert_true(mofka_claim_is_in_place(claim));
    atomic_store(&page->reserved, true);
    while (true)
        pause();
}

static void get(void) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "far"}, &consumer));
    await(&page->stored, "rank 0 pushes");
    OK(mofka_consumer_pull(consumer, OTHER_MS, &event));
    assert_true(atomic_load(&page->died)); /* not before */
    assert_int_equal(mofka_event_id(event), 1);
    assert_int_equal(mofka_consumer_voided(consumer), 1);
    atomic_store(&page->got, true);
    while (true)
        pause();
}

/* Does not return. */
static void job_judge(const char *path) {
    const struct CMUnitTest cases[] = {cmocka_unit_test(the_owner_makes_the_hole_void)};
    FILE *report = fopen(path, "a");
    if (!report)
        mpi_main_abort();
    setlinebuf(report);
    dup2(fileno(report), STDOUT_FILENO);
    dup2(fileno(report), STDERR_FILENO);
    launchers_signal(page->launcher, size, SIGSTOP);
    int failed = cmocka_run_group_tests(cases, NULL, NULL);
    fprintf(report, "%s\n", failed ? "FAILED" : "all right");
    fclose(report);
    for (int i = 1; i < size; i++)
        kill(page->process[i], SIGKILL);
    launchers_signal(page->launcher, size, SIGKILL);
    _exit(failed != 0);
}

int main(int argc, char **argv) {
    char options[128];
    mpi_main_start(&argc, &argv);
    NEEDS(size == RANKS && argc >= 3);
    page_open(argv[2]);
    snprintf(options, sizeof options,
             "{\"window\":\"node\",\"arena_bytes\":4194304,\"owners\":[0],\"node_ranks\":%s}",
             argc > 3 ? argv[3] : "0");
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        mpi_main_abort();
    }
    if (rank == 0)
        OK(mofka_driver_create_topic(
            driver, "log",
            &(mofka_topic_options_t){.options = "{\"producers\":\"node\",\"partition_bytes\":65536,"
                                                "\"partition_events\":64}"}));
    OK(mofka_driver_open_topic(driver, "log", OTHER_MS, &topic));
    MPI_Barrier(MPI_COMM_WORLD); /* all are in the page */
    if (rank == 0)
        job_judge(argv[2]);
    else if (rank == 1)
        reserve();
    get();
}
