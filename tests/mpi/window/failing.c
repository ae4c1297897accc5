/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each one-sided operation of an append that discards fails once, at rank 0. What rank 0 wrote
 * before, and all other ranks' view of the log, must be as if it had stopped there.
 */
#include "support/mpi/mpi_main.h"
#include "trips/count_mpi.h"

#define FILL 40       /* events that fill the partition, more than once */
#define STEPS_MAX 500 /* operations of an append, at most */

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static void failing_open(void) {
    OK(mofka_mpi_driver_create(
        MPI_COMM_WORLD,
        "{\"window\":\"rma\",\"owners\":[1],\"agent\":false,\"progress\":\"thread\"}", &driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(
            driver, "log",
            &(mofka_topic_options_t){.options = "{\"partition_events\":8,\"partition_bytes\":4096,"
                                                "\"retention\":\"discard_oldest\"}"}));
    OK(mofka_driver_open_topic(driver, "log", 30000, &topic));
}

static mofka_status_t failing_append(mofka_producer_t *producer, int number) {
    char text[64];
    int bytes = snprintf(text, sizeof text, "{\"number\":%d}", number);
    mofka_status_t status = mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL);
    return status ? status : mofka_producer_flush(producer, 30000);
}

/* Fill the log, then append one more event, of which the n-th operation fails. False: it has fewer
 * operations. */
static bool failing_step(unsigned n) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    for (int i = 0; i < FILL; i++)
        OK(failing_append(producer, i));
    count_fail(n, 1);
    mofka_status_t status = failing_append(producer, FILL);
    bool failed = count_failed() > 0;
    count_fail(0, 0);
    assert_true(!status ||
                (failed && (status == MOFKA_ERR_MPI || status == MOFKA_ERR_POSSIBLY_STORED)));
    mofka_producer_discard(producer);
    mofka_producer_close(producer, 0);
    mofka_producer_release(producer);
    return failed;
}

/* The log can be read from its head to its end, or to the event that was not stored. */
static void failing_read(void) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    mofka_status_t status;
    uint64_t next = 0;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    while ((status = mofka_consumer_pull(consumer, 0, &event)) == MOFKA_OK) {
        char text[64];
        uint64_t id = mofka_event_id(event);
        assert_true(next == 0 || id == next);
        next = id + 1;
        snprintf(text, sizeof text, "{\"number\":%d}", (int)id);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        mofka_event_release(event);
    }
    assert_string_equal(mofka_status_name(status), "MOFKA_ERR_TIMEOUT");
    IN_RANGE(next, FILL, FILL + 1);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void failing_close(void) {
    mofka_topic_release(topic);
    mofka_status_t status = mofka_driver_close(driver, 30000);
    assert_true(!status || status == MOFKA_ERR_MPI);
    mofka_driver_release(driver);
}

static void an_operation_that_fails_damages_no_log(void **state) {
    (void)state;
    int failed = 1;
    for (unsigned n = 1; failed; n++) {
        assert_true(n < STEPS_MAX);
        failing_open();
        if (rank == 0)
            failed = failing_step(n);
        MPI_Bcast(&failed, 1, MPI_INT, 0, MPI_COMM_WORLD);
        if (rank == 1)
            failing_read();
        failing_close();
    }
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    assert_int_equal(size, 2);
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_operation_that_fails_damages_no_log)};
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
