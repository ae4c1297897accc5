/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance suite over the example backend. */
#include "conformance/conformance.h"
#include "conformance/simple/simple_backend.h"

int main(void) {
    mofka_driver_t *driver;
    if (mofka_driver_create("simple", NULL, &driver))
        return 1;
    int failed = conformance_run("simple", driver, NULL);
    if (mofka_driver_close(driver, 0)) {
        fprintf(stderr, "close: %s\n", mofka_last_error());
        return 1;
    }
    mofka_driver_release(driver);
    return failed;
}
