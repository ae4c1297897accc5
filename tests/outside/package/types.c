/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes an object of each type that it is given: types [driver|validator|serializer|selector
 * TYPE]..., where TYPE is a driver's name or the others' JSON. */
#include <mofka/mofka.h>
#include <stdio.h>
#include <string.h>

static mofka_status_t types_find(const char *kind, const char *type) {
    mofka_driver_t *driver = NULL;
    mofka_validator_t *validator = NULL;
    mofka_serializer_t *serializer = NULL;
    mofka_partition_selector_t *selector = NULL;
    mofka_status_t status =
        strcmp(kind, "driver") == 0       ? mofka_driver_create(type, NULL, &driver)
        : strcmp(kind, "validator") == 0  ? mofka_validator_from_metadata(type, &validator)
        : strcmp(kind, "serializer") == 0 ? mofka_serializer_from_metadata(type, &serializer)
                                          : mofka_partition_selector_from_metadata(type, &selector);
    mofka_driver_release(driver);
    mofka_validator_release(validator);
    mofka_serializer_release(serializer);
    mofka_partition_selector_release(selector);
    return status;
}

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (types_find(argv[i], argv[i + 1])) {
            fprintf(stderr, "%s %s: %s\n", argv[i], argv[i + 1], mofka_last_error());
            return 1;
        }
        printf("%s %s\n", argv[i], argv[i + 1]);
    }
    return 0;
}
