/* SPDX-License-Identifier: BSD-3-Clause */
/* Bad input of the MPI driver: an error of one rank is an error of all, and nothing stays
 * behind. */
#include "mpi/ranks/ranks.h"
#include "support/mpi/mpi_main.h"
#include "mpi/partition/layout.h"

static mofka_status_t input_try_driver(const char *options) {
    mofka_driver_t *driver;
    mofka_status_t status = mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver);
    if (!status) {
        OK(mofka_driver_close(driver, 30000));
        mofka_driver_release(driver);
    }
    return status;
}

static void driver_options_are_checked(void **state) {
    (void)state;
    char text[128];
    FAILS(input_try_driver("{\"colour\":1}"), MOFKA_ERR_OPTION, "unknown option \"colour\"");
    FAILS(input_try_driver("{\"arena_bytes\":\"1\"}"), MOFKA_ERR_OPTION, "\"arena_bytes\" must be");
    FAILS(input_try_driver("{\"arena_bytes\":1}"), MOFKA_ERR_RANGE, "\"arena_bytes\" is 1");
    FAILS(input_try_driver("{\"create_timeout_ms\":\"1\"}"), MOFKA_ERR_OPTION,
          "\"create_timeout_ms\" must be");
    FAILS(input_try_driver("{\"high\":1}"), MOFKA_ERR_OPTION, "\"high\" must be");
    FAILS(input_try_driver("{\"window\":\"glass\"}"), MOFKA_ERR_OPTION, "\"auto\" \"shm\" \"rma\"");
    FAILS(input_try_driver("not json"), MOFKA_ERR_JSON, "not json");
    FAILS(input_try_driver("{\"owners\":[]}"), MOFKA_ERR_OPTION, "array of 1 to");
    FAILS(input_try_driver("{\"owners\":7}"), MOFKA_ERR_OPTION, "array of 1 to");
    FAILS(input_try_driver("{\"owners\":\"per_core\"}"), MOFKA_ERR_OPTION,
          "must be \"per_node\" or");
    FAILS(input_try_driver("{\"window\":\"node\",\"progress\":\"none\"}"), MOFKA_ERR_OPTION,
          "window \"node\" needs progress threads");
    FAILS(input_try_driver("{\"owners\":[0.5]}"), MOFKA_ERR_RANGE, "not a rank from 0 to");
    snprintf(text, sizeof text, "{\"owners\":[%d]}", size);
    FAILS(input_try_driver(text), MOFKA_ERR_RANGE, "option \"owners\" is not a rank from 0 to");
    if (size > 1)
        FAILS(input_try_driver("{\"owners\":[1,1]}"), MOFKA_ERR_OPTION, "names rank 1 twice");
    OK(input_try_driver(NULL));
}

static void one_rank_is_wrong(void **state) {
    (void)state;
    if (size == 1)
        return;
    if (rank == 1)
        FAILS(input_try_driver("{\"colour\":1}"), MOFKA_ERR_OPTION, "colour");
    else
        FAILS(input_try_driver(NULL), MOFKA_ERR_OPTION, "rank 1 failed while reading its options");
    char text[64];
    snprintf(text, sizeof text, "{\"arena_bytes\":%d}", 4096 * (rank + 1));
    FAILS(input_try_driver(text), MOFKA_ERR_OPTION, "not the same on all ranks");
    OK(input_try_driver(NULL));
}

/* Ranks that join adopt the options of rank 1, or of rank 0 if all join. */
static void options_of_others(void **state) {
    (void)state;
    OK(input_try_driver("{\"join\":true,\"arena_bytes\":65536}"));
    FAILS(input_try_driver("{\"join\":1}"), MOFKA_ERR_OPTION, "\"join\" must be");
    if (size == 1)
        return;
    char text[128];
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"owners\":[1],\"arena_bytes\":1048576}",
             window);
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, rank == 1 ? text : "{\"join\":true}", &driver));
    const char *partitions = "{\"partitions\":2,\"partition_bytes\":65536,\"partition_events\":64}";
    if (rank == 0)
        OK(mofka_driver_create_topic(driver, "topic",
                                     &(mofka_topic_options_t){.options = partitions}));
    OK(mofka_driver_open_topic(driver, "topic", 20000, &topic));
    for (size_t i = 0; i < 2; i++) {
        mofka_metadata_t *info;
        OK(mofka_topic_partition_info(topic, i, &info));
        assert_non_null(strstr(mofka_metadata_text(info, NULL), "\"owner\":1"));
        mofka_metadata_release(info);
    }
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
    if (size > 2 && rank == size - 1)
        FAILS(input_try_driver("{\"join\":true}"), MOFKA_ERR_OPTION, "not the same on all ranks");
    else if (size > 2)
        FAILS(input_try_driver(rank == 0 ? text : "{\"arena_bytes\":4096}"), MOFKA_ERR_OPTION,
              "rank 1 has other options than rank 0");
}

static void memory_that_is_not_there(void **state) {
    (void)state;
    if (strcmp(window, "shm") == 0)
        FAILS(input_try_driver("{\"window\":\"shm\",\"arena_bytes\":1099511627776}"),
              MOFKA_ERR_FULL, "lower \"arena_bytes\" (1099511627776)");
    mofka_driver_t *driver;
    char text[128];
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":65536,\"owners\":[0]}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    if (rank == 0) {
        mofka_topic_options_t o = {.options = "{\"partition_bytes\":65536,\"partition_events\":8}"};
        FAILS(mofka_driver_create_topic(driver, "big", &o), MOFKA_ERR_FULL,
              "\"arena_bytes\" must be at least 81920");
    }
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":81920}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver)); /* as the message asks */
    if (rank == 0) {
        mofka_topic_options_t o = {.options = "{\"partition_bytes\":65536,\"partition_events\":8}"};
        OK(mofka_driver_create_topic(driver, "big", &o));
    }
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

static void topics_of_nodes_need_shared_memory(void **state) {
    (void)state;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    char text[128];
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":1048576}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    const mofka_topic_options_t node = {
        .options = "{\"producers\":\"node\",\"partition_bytes\":65536,\"partition_events\":8}"};
    const mofka_topic_options_t word = {.options = "{\"partitions\":\"all\"}"};
    const mofka_topic_options_t each = {
        .options = "{\"partitions\":\"per_owner\",\"partition_bytes\":64,\"partition_events\":8}"};
    if (rank == 0 && strcmp(window, "rma") == 0)
        FAILS(mofka_driver_create_topic(driver, "node", &node), MOFKA_ERR_UNSUPPORTED,
              "needs the window \"node\", or \"shm\"; the driver has \"rma\"");
    else if (rank == 0)
        OK(mofka_driver_create_topic(driver, "node", &node));
    if (rank == 0) {
        FAILS(mofka_driver_create_topic(driver, "word", &word), MOFKA_ERR_OPTION,
              "a whole number in [1, 4096], or \"per_owner\", not \"all\"");
        OK(mofka_driver_create_topic(driver, "each", &each));
        OK(mofka_driver_open_topic(driver, "each", 0, &topic));
        assert_int_equal(mofka_topic_partition_count(topic), size);
        mofka_topic_release(topic);
    }
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

static void communicators_are_checked(void **state) {
    (void)state;
    mofka_driver_t *driver, *second;
    FAILS(mofka_mpi_driver_create(MPI_COMM_NULL, NULL, &driver), MOFKA_ERR_INVALID,
          "MPI_COMM_NULL");
    /* Two drivers at once, one of them over half of the ranks. */
    MPI_Comm half;
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver));
    OK(mofka_mpi_driver_create(half, NULL, &second));
    MPI_Comm_free(&half); /* the driver has its own */
    OK(mofka_driver_close(second, 30000));
    mofka_driver_release(second);
    OK(mofka_driver_close(driver, 30000));
    OK(mofka_driver_close(driver, 30000));
    bool exists;
    FAILS(mofka_driver_topic_exists(driver, "a", &exists), MOFKA_ERR_CLOSED, "closed");
    mofka_driver_release(driver);
    OK(mofka_driver_create("mpi", "{\"arena_bytes\":1048576}", &driver));
    assert_string_equal(mofka_driver_type(driver), "mpi");
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* A rank closes late: the others time out, and call again. */
static void close_waits_no_longer_than_asked(void **state) {
    (void)state;
    mofka_driver_t *driver;
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    if (rank > 0)
        FAILS(mofka_driver_close(driver, 50), MOFKA_ERR_TIMEOUT, "not all");
    MPI_Barrier(MPI_COMM_WORLD);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* As they are named in messages about ranks that do not come. */
static void missing_ranks_are_named_in_ranges(void **state) {
    (void)state;
    static const struct {
        const char *came, *names; /* x: did not come */
        int self;
    } cases[] = {
        {"..x.", "rank 2", 0},
        {"xx..", "ranks 0 to 1", 3},
        {"x.xx", "ranks 0, 2 to 3", 1},
        {"xx.x", "ranks 0, 3", 1},
        {"....", "a rank", 0},
        {".x", "rank 1", -1},
        {"x.x.x.x.x.x.x.x.x.", "ranks 0, 2, 4, 6, 8, 10, 12, 14 and more", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char came[32];
        char names[MMI_NAMES_BYTES];
        int count = (int)strlen(cases[i].came);
        for (int j = 0; j < count; j++)
            came[j] = cases[i].came[j] == '.';
        mmi_ranks_name_missing(came, count, cases[i].self, names);
        assert_string_equal(names, cases[i].names);
    }
}

int main(int argc, char **argv) {
    mofka_driver_t *driver;
    mofka_status_t early = mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver);
    if (early != MOFKA_ERR_MPI || !strstr(mofka_last_error(), "not initialised"))
        return 1;
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_ranks_are_named_in_ranges),
        cmocka_unit_test(driver_options_are_checked),
        cmocka_unit_test(one_rank_is_wrong),
        cmocka_unit_test(options_of_others),
        cmocka_unit_test(communicators_are_checked),
        cmocka_unit_test(close_waits_no_longer_than_asked),
        cmocka_unit_test(topics_of_nodes_need_shared_memory),
        cmocka_unit_test(memory_that_is_not_there),
    };
    int failed = mpi_main_end(RUN_MPI_TESTS(tests));
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver) != MOFKA_ERR_MPI ||
        !strstr(mofka_last_error(), "finalised"))
        return 1;
    return failed;
}
