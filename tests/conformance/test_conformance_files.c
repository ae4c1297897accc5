/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance suite over the driver "files", in a folder of its own. */
#include <unistd.h>
#include "conformance/conformance.h"

static int run_in(const char *folder) {
    mofka_driver_t *driver;
    char options[600];
    snprintf(options, sizeof options, "{\"store\":\"%s\",\"sync_ms\":20}", folder);
    if (mofka_driver_create("files", options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        return 1;
    }
    int failed = conformance_run("files", driver, NULL);
    if (mofka_driver_close(driver, 0)) {
        fprintf(stderr, "close: %s\n", mofka_last_error());
        return 1;
    }
    mofka_driver_release(driver);
    return failed;
}

int main(void) {
    char folder[] = "/tmp/mofka-files-XXXXXX", command[64];
    if (!mkdtemp(folder))
        return 1;
    int failed = run_in(folder);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 || failed;
}
