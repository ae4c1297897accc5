/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance suite over the heap window. */
#include "conformance/conformance.h"
#include "heap/job/heap_driver.h"

int main(void) {
    heap_driver_has_threads = true;
    heap_job_t memory;
    mofka_driver_t *driver;
    heap_job_start(&memory, 1);
    if (heap_driver_create(&memory, 0, &driver))
        return 1;
    int failed =
        conformance_run("heap", driver, "{\"partition_bytes\":262144,\"partition_events\":1024}");
    if (conformance_claims_in_place() < 400) {
        fprintf(stderr, "%d claims were in place\n", conformance_claims_in_place());
        failed = 1;
    }
    if (mofka_driver_close(driver, 0)) {
        fprintf(stderr, "close: %s\n", mofka_last_error());
        failed = 1;
    }
    mofka_driver_release(driver);
    heap_job_end(&memory);
    return failed;
}
