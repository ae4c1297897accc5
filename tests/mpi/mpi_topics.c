/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics that ranks create, use and delete, in the window named by the argument. A second argument
 * is how many topics are created and deleted one after the other. */
#include "support/mpi/mpi_main.h"
#include "support/stress/topics.h"

static int churn_count;

static mofka_driver_t *topics_driver(const char *memory) {
    mofka_driver_t *driver;
    char options[160];
    snprintf(options, sizeof options, "{\"window\":\"%s\",%s}", window, memory);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    return driver;
}

static void topics_close(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
}

static void all_ranks_use_and_delete_topics(void **state) {
    (void)state;
    topics_counts_t own = {0}, all;
    mofka_driver_t *driver = topics_driver("\"arena_bytes\":33554432,\"directory_bytes\":8192");
    NEEDS(topics_stress(driver, rank, strcmp(window, "shm") == 0 ? 1500 : 250, &own));
    MPI_Reduce(&own, &all, sizeof own / sizeof(int), MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        NEEDS(topics_clean(driver));
        printf("%d topics created, %d deleted, %d busy; %d events pushed, %d pulled; %d uses of "
               "deleted topics refused\n",
               all.created, all.deleted, all.busy, all.pushed, all.pulled, all.refused);
        NEEDS(all.created > 0 && all.deleted > 0 && all.pushed > 0 && all.pulled > 0);
        NEEDS(all.refused > 0);
    }
    topics_close(driver);
}

/* Two topics fit into the arena, and not a third one. */
static void topics_leave_nothing(void **state) {
    (void)state;
    const mofka_topic_options_t o = {.options =
                                         "{\"partition_bytes\":65536,\"partition_events\":256}"};
    mofka_driver_t *driver =
        topics_driver("\"arena_bytes\":192512,\"directory_bytes\":4096,\"owners\":[0]");
    if (rank == size - 1) {
        NEEDS(topics_churn(driver, churn_count, o.options));
        OK(mofka_driver_create_topic(driver, "one", &o));
        OK(mofka_driver_create_topic(driver, "two", &o));
        FAILS(mofka_driver_create_topic(driver, "three", &o), MOFKA_ERR_FULL, "arena of rank 0");
        OK(mofka_driver_delete_topic(driver, "one"));
        OK(mofka_driver_create_topic(driver, "three", &o));
    }
    topics_close(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    churn_count = argc > 2 ? atoi(argv[2]) : strcmp(window, "shm") == 0 ? 2000 : 300;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ranks_use_and_delete_topics),
        cmocka_unit_test(topics_leave_nothing),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
