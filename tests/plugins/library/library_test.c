/* SPDX-License-Identifier: BSD-3-Clause */
/* Types that come from libraries: "name:library.so" and a bare name, linked against the shared
 * library, as a program would. The argument is the library's path. */
#include <errno.h>
#include "support/check.h"

static const char *path;

static void libraries_are_loaded_by_path_and_by_name(void **state) {
    (void)state;
    char type[4096];
    mofka_driver_t *driver;
    snprintf(type, sizeof type, "other:%s", path);
    FAILS(mofka_driver_create(type, NULL, &driver), MOFKA_ERR_NOT_FOUND,
          "driver type 'other' is not registered (files, simple), not even by its library");
    FAILS(mofka_driver_create("other:nowhere.so", NULL, &driver), MOFKA_ERR_NOT_FOUND,
          "driver type 'other:nowhere.so' is not registered (files, simple): nowhere.so: cannot "
          "open");
    snprintf(type, sizeof type, "simple:%s", path);
    errno = 77;
    for (int i = 0; i < 2; i++) {
        OK(mofka_driver_create(type, NULL, &driver));
        OK(mofka_driver_close(driver, 0));
        mofka_driver_release(driver);
    }
    assert_int_equal(errno, 77);
    OK(mofka_driver_create("simple", NULL, &driver)); /* registered by now */
    FAILS(mofka_driver_create("simple", "{\"a\":1}", &driver), MOFKA_ERR_OPTION, "\"a\"");
    OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
}

static void a_bare_name_is_looked_for(void **state) {
    (void)state;
    mofka_driver_t *driver;
    errno = 77;
    OK(mofka_driver_create("simple", NULL, &driver)); /* libmofka-simple.so, by LD_LIBRARY_PATH */
    assert_int_equal(errno, 77);
    OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
}

/* libtypes.so is on the path, too; it might be anybody's. */
static void a_bare_name_loads_no_foreign_library(void **state) {
    (void)state;
    mofka_driver_t *driver;
    mofka_validator_t *validator;
    FAILS(mofka_driver_create("types", NULL, &driver), MOFKA_ERR_NOT_FOUND,
          "driver type 'types' is neither registered (");
    FAILS(mofka_driver_create("types", NULL, &driver), MOFKA_ERR_NOT_FOUND,
          ") nor in a library: tried libmofka-types.so; libmofka-types.so: cannot open");
    FAILS(mofka_validator_from_metadata("{\"type\":\"picky\"}", &validator), MOFKA_ERR_NOT_FOUND,
          "libmofka-picky.so: cannot open");
}

/* The MPI driver's own library, by the driver's name; it then says that MPI is not there. */
static void the_mpi_driver_is_found_by_name(void **state) {
    (void)state;
    mofka_driver_t *driver;
    FAILS(mofka_driver_create("mpi", NULL, &driver), MOFKA_ERR_MPI, "not initialised");
}

static void helpers_come_from_libraries_too(void **state) {
    (void)state;
    mofka_validator_t *validator;
    mofka_serializer_t *serializer;
    mofka_partition_selector_t *selector;
    FAILS(mofka_validator_from_metadata("{\"type\":\"nobody:libtypes.so\"}", &validator),
          MOFKA_ERR_NOT_FOUND, ", picky), not even by its library");
    OK(mofka_validator_from_metadata("{\"type\":\"picky:libtypes.so\"}", &validator));
    OK(mofka_validator_validate(validator, "p", 1, NULL));
    FAILS(mofka_validator_validate(validator, "q", 1, NULL), MOFKA_ERR_REFUSED, "'p'");
    OK(mofka_serializer_from_metadata("{\"type\":\"plain:libtypes.so\"}", &serializer));
    OK(mofka_partition_selector_from_metadata("{\"type\":\"first:libtypes.so\"}", &selector));
    assert_non_null(
        strstr(mofka_metadata_text(mofka_partition_selector_metadata(selector), NULL), "first"));
    mofka_validator_release(validator);
    mofka_serializer_release(serializer);
    mofka_partition_selector_release(selector);
}

int main(int argc, char **argv) {
    const struct CMUnitTest by_path[] = {
        cmocka_unit_test(libraries_are_loaded_by_path_and_by_name)};
    const struct CMUnitTest by_name[] = {cmocka_unit_test(a_bare_name_loads_no_foreign_library),
                                         cmocka_unit_test(a_bare_name_is_looked_for),
                                         cmocka_unit_test(the_mpi_driver_is_found_by_name),
                                         cmocka_unit_test(helpers_come_from_libraries_too)};
    if (argc < 2)
        return cmocka_run_group_tests(by_name, NULL, NULL);
    path = argv[1];
    return cmocka_run_group_tests(by_path, NULL, NULL);
}
