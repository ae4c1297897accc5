/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a topic's record names is loaded from the plug-in folders only, and nothing else loads it.
 * Rank 0 creates the topics, with types of a library by its path or of its own. The other ranks
 * have not loaded that library; TRUST_LIBRARY is its path.
 */
#include <dlfcn.h>
#include <mofka/register.h>
#include "support/mpi/mpi_main.h"

#define PICKY "{\"type\":\"picky:" TRUST_LIBRARY "\"}"
#define FIRST "{\"type\":\"first:" TRUST_LIBRARY "\"}"

static mofka_driver_t *driver;

static mofka_status_t trust_create_own(const mofka_metadata_t *metadata,
                                       const mofka_validator_ops_t **ops, void **self) {
    static const mofka_validator_ops_t own = {.size = sizeof own};
    (void)metadata;
    *ops = &own;
    *self = NULL;
    return MOFKA_OK;
}

static void trust_create_topics(void) {
    OK(mofka_validator_register("own", trust_create_own));
    OK(mofka_driver_create_topic(driver, "own",
                                 &(mofka_topic_options_t){.validator = "{\"type\":\"own\"}"}));
    OK(mofka_validator_register("x/libtypes", trust_create_own));
    OK(mofka_driver_create_topic(
        driver, "slashed", &(mofka_topic_options_t){.validator = "{\"type\":\"x/libtypes\"}"}));
    OK(mofka_driver_create_topic(driver, "t", &(mofka_topic_options_t){.validator = PICKY}));
    OK(mofka_driver_create_topic(
        driver, "serialized",
        &(mofka_topic_options_t){.serializer = "{\"type\":\"plain:/nowhere/libplain.so\"}"}));
    OK(mofka_driver_create_topic(driver, "selected", &(mofka_topic_options_t){.selector = FIRST}));
}

static void *trust_loaded(void) {
    void *library = dlopen(TRUST_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    if (library)
        dlclose(library);
    return library;
}

/* The wait is without end: a missing type ends it, and the message speaks of the type. */
static void trust_expect_missing(const char *name, const char *text, const char *where) {
    mofka_topic_t *topic;
    FAILS(mofka_driver_open_topic(driver, name, MOFKA_WAIT_FOREVER, &topic), MOFKA_ERR_NOT_FOUND,
          text);
    assert_non_null(strstr(mofka_last_error(), "' exists, but cannot be opened here: "));
    assert_non_null(strstr(mofka_last_error(), where));
    assert_null(trust_loaded());
}

static void a_record_loads_no_path(void **state) {
    (void)state;
    const char *const text = "validator type 'picky:" TRUST_LIBRARY "' is not registered (";
    if (rank == 0)
        return;
    unsetenv("MOFKA_PLUGIN_PATH");
    trust_expect_missing("t", text, "libtypes.so is not in /");
    setenv("MOFKA_PLUGIN_PATH", "/nowhere:/nowhere/else", 1);
    trust_expect_missing("t", text,
                         "libtypes.so is not in MOFKA_PLUGIN_PATH, /nowhere:/nowhere/else");
    trust_expect_missing("serialized", "serializer type 'plain:/nowhere/libplain.so' is not",
                         "libplain.so is not in MOFKA_PLUGIN_PATH");
    trust_expect_missing("own", "validator type 'own' is neither registered (",
                         "libmofka-own.so is not in MOFKA_PLUGIN_PATH");
    /* A folder that is not absolute makes the variable invalid: it then names no folder. */
    setenv("MOFKA_PLUGIN_PATH", TRUST_FOLDER ":.", 1);
    trust_expect_missing("t", text, "libtypes.so is not in MOFKA_PLUGIN_PATH, no folder");
    /* A name is no path: "libmofka-x/libtypes.so" is no file of the folder. */
    setenv("MOFKA_PLUGIN_PATH", TRUST_FOLDER, 1);
    trust_expect_missing("slashed", "validator type 'x/libtypes' is neither registered (",
                         "libmofka-x/libtypes.so is not in MOFKA_PLUGIN_PATH");
}

static mofka_status_t trust_count(void *context, size_t partition, const mofka_metadata_t *info) {
    assert_int_equal(partition, *(size_t *)context);
    assert_non_null(strstr(mofka_metadata_text(info, NULL), "\"owner\":"));
    ++*(size_t *)context;
    return MOFKA_OK;
}

static void looking_loads_nothing(void **state) {
    (void)state;
    size_t count = 0;
    bool exists;
    if (rank == 0)
        return;
    setenv("MOFKA_PLUGIN_PATH", TRUST_FOLDER, 1);
    OK(mofka_driver_topic_exists(driver, "t", &exists));
    assert_true(exists);
    OK(mofka_driver_list_partitions(driver, "t", trust_count, &count));
    assert_int_equal(count, 1);
    FAILS(mofka_driver_list_partitions(driver, "nowhere", trust_count, &count), MOFKA_ERR_NOT_FOUND,
          "there is no topic 'nowhere'");
    assert_null(trust_loaded());
}

static void a_topic_that_exists_is_created_without_loading(void **state) {
    (void)state;
    if (rank == 0)
        return;
    mofka_topic_options_t options = {.validator = PICKY, .selector = FIRST};
    FAILS(mofka_driver_create_topic(driver, "t", &options), MOFKA_ERR_EXISTS, "topic 't' exists");
    assert_null(trust_loaded());
}

static void a_selector_of_a_record_loads_no_path(void **state) {
    (void)state;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    if (rank == 0)
        return;
    setenv("MOFKA_PLUGIN_PATH", "/nowhere", 1);
    OK(mofka_driver_open_topic(driver, "selected", 0, &topic)); /* a consumer needs no selector */
    FAILS(mofka_producer_create(topic, NULL, &producer), MOFKA_ERR_NOT_FOUND,
          "libtypes.so is not in MOFKA_PLUGIN_PATH, /nowhere");
    assert_null(trust_loaded());
    mofka_topic_release(topic);
}

/* The last case: libraries stay loaded. */
static void a_plug_in_folder_or_the_process_has_the_type(void **state) {
    (void)state;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    if (rank == 0)
        return;
    OK(mofka_validator_register("own", trust_create_own));
    OK(mofka_driver_open_topic(driver, "own", 0, &topic));
    mofka_topic_release(topic);
    setenv("MOFKA_PLUGIN_PATH", "/nowhere:" TRUST_FOLDER, 1);
    OK(mofka_driver_open_topic(driver, "t", 0, &topic));
    FAILS(mofka_validator_validate(mofka_topic_validator(topic), "q", 1, NULL), MOFKA_ERR_REFUSED,
          "'p'");
    mofka_topic_release(topic);
    unsetenv("MOFKA_PLUGIN_PATH"); /* registered by now */
    OK(mofka_driver_open_topic(driver, "serialized", 0, &topic));
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "selected", 0, &topic));
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_loads_no_path),
        cmocka_unit_test(looking_loads_nothing),
        cmocka_unit_test(a_topic_that_exists_is_created_without_loading),
        cmocka_unit_test(a_selector_of_a_record_loads_no_path),
        cmocka_unit_test(a_plug_in_folder_or_the_process_has_the_type),
    };
    mpi_main_start(&argc, &argv);
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    if (rank == 0)
        trust_create_topics();
    MPI_Barrier(MPI_COMM_WORLD);
    int failed = RUN_MPI_TESTS(tests);
    if (!failed) {
        OK(mofka_driver_close(driver, 30000));
        mofka_driver_release(driver);
    }
    return mpi_main_end(failed);
}
