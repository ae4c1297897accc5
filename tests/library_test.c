/* Types that come from libraries: "name:library.so" and a bare name, linked against the shared
 * library, as a program would. The argument is the library's path. */
#include <errno.h>
#include "check.h"

static const char *path;

static void libraries_are_loaded_by_path_and_by_name(void **state) {
    (void)state;
    char type[4096];
    mofka_driver_t *driver;
    snprintf(type, sizeof type, "other:%s", path);
    FAILS(mofka_driver_create(type, NULL, &driver), MOFKA_ERR_NOT_FOUND, "not registered");
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
    OK(mofka_driver_create("simple", NULL, &driver)); /* libsimple.so, by LD_LIBRARY_PATH */
    assert_int_equal(errno, 77);
    OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    const struct CMUnitTest by_path[] = {
        cmocka_unit_test(libraries_are_loaded_by_path_and_by_name)};
    const struct CMUnitTest by_name[] = {cmocka_unit_test(a_bare_name_is_looked_for)};
    if (argc < 2)
        return cmocka_run_group_tests(by_name, NULL, NULL);
    path = argv[1];
    return cmocka_run_group_tests(by_path, NULL, NULL);
}
