/* SPDX-License-Identifier: BSD-3-Clause */
/* Selectors between the ranks of a job, in the window named by the argument: the same key goes to
 * the same partition from every rank, and its events keep their order. */
#include "support/mpi/mpi_main.h"

#define PARTITIONS 3
#define KEYS 6
#define EVENTS 600

/* The hashes of "k0" to "k5", by the xxHash library's own function. */
static const size_t partition_of[KEYS] = {1, 0, 2, 1, 0, 1};

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static void selectors_open_topic(const char *name, const char *selector) {
    char json[64], options[96];
    snprintf(json, sizeof json, "{\"window\":\"%s\"}", window);
    snprintf(options, sizeof options, "{\"partitions\":%d,\"expected_producers\":%d}", PARTITIONS,
             size);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, json, &driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(
            driver, name, &(mofka_topic_options_t){.options = options, .selector = selector}));
    OK(mofka_driver_open_topic(driver, name, 30000, &topic));
}

static void close_topic(void) {
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

static void selectors_produce(void) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 7}, &producer));
    for (int n = 0; n < EVENTS; n++) {
        char text[64];
        int bytes = snprintf(text, sizeof text, "{\"rank\":%d,\"n\":%d,\"k\":\"k%d\"}", rank, n,
                             n * 7 % KEYS);
        OK(mofka_producer_push(producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    }
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
}

static mofka_consumer_t *consumer_of_all(void) {
    char name[16];
    snprintf(name, sizeof name, "rank-%d", rank);
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    return consumer;
}

/* Pull to the end, and count the events of each partition. Each event is in the partition of its
 * key (with `by_key`), behind those that its rank pushed before it into that partition. */
static void selectors_consume(bool by_key, size_t counts[PARTITIONS]) {
    mofka_consumer_t *consumer = consumer_of_all();
    int *last = calloc((size_t)size * PARTITIONS, sizeof *last);
    for (;;) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 60000, &event));
        if (mofka_event_is_end(event)) {
            mofka_event_release(event);
            break;
        }
        int from, n, key;
        size_t p = mofka_event_partition(event);
        assert_int_equal(sscanf(mofka_event_metadata_text(event, NULL),
                                "{\"rank\":%d,\"n\":%d,\"k\":\"k%d\"}", &from, &n, &key),
                         3);
        if (by_key)
            assert_int_equal(p, partition_of[key]);
        assert_true(n >= last[from * PARTITIONS + (int)p]);
        last[from * PARTITIONS + (int)p] = n + 1;
        counts[p]++;
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    free(last);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void keys_keep_their_partition_and_order(void **state) {
    (void)state;
    size_t counts[PARTITIONS] = {0};
    selectors_open_topic("keys", "{\"type\":\"key\",\"pointer\":\"/k\"}");
    selectors_produce();
    selectors_consume(true, counts);
    assert_int_equal(counts[0], size * EVENTS / KEYS * 2);
    assert_int_equal(counts[1], size * EVENTS / KEYS * 3);
    assert_int_equal(counts[2], size * EVENTS / KEYS);
    close_topic();
}

static void ranges_cut_the_stream(void **state) {
    (void)state;
    size_t counts[PARTITIONS] = {0};
    selectors_open_topic("ranges", "{\"type\":\"range\",\"pointer\":\"/n\",\"bounds\":[100,300]}");
    selectors_produce();
    selectors_consume(false, counts);
    assert_int_equal(counts[0], size * 100);
    assert_int_equal(counts[1], size * 200);
    assert_int_equal(counts[2], size * (EVENTS - 300));
    close_topic();
}

static void sticky_reaches_all(void **state) {
    (void)state;
    size_t counts[PARTITIONS] = {0};
    selectors_open_topic("sticky", "{\"type\":\"sticky\"}");
    selectors_produce();
    selectors_consume(false, counts);
    size_t total = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        assert_true(counts[i] >= (size_t)(size * EVENTS / PARTITIONS / 2));
        total += counts[i];
    }
    assert_int_equal(total, size * EVENTS);
    close_topic();
}

/* Creating the topic fails, and nothing is created. */
static void wrong_bounds_make_no_topic(void **state) {
    (void)state;
    char json[64];
    bool exists;
    snprintf(json, sizeof json, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, json, &driver));
    mofka_topic_options_t options = {.options = "{\"partitions\":3}",
                                     .selector =
                                         "{\"type\":\"range\",\"pointer\":\"/n\",\"bounds\":[1]}"};
    FAILS(
        mofka_driver_create_topic(driver, "bounds", &options), MOFKA_ERR_RANGE,
        "option \"bounds\" has 1 bounds, for 2 partitions; the topic has 3 partitions, so it must "
        "have 2");
    OK(mofka_driver_topic_exists(driver, "bounds", &exists));
    assert_false(exists);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* The topic's pattern holds on every rank. */
static void patterns_come_with_the_topic(void **state) {
    (void)state;
    char json[64];
    snprintf(json, sizeof json, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, json, &driver));
    mofka_topic_options_t options = {
        .validator = "{\"type\":\"eventbridge\",\"pattern\":{\"n\":[{\"numeric\":[\">=\",5]}],"
                     "\"big\":[12345678901234567890,{\"exists\":false}]}}"};
    if (rank == 0)
        OK(mofka_driver_create_topic(driver, "patterns", &options));
    OK(mofka_driver_open_topic(driver, "patterns", 30000, &topic));
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_producer_push(producer, "{\"n\":5}", 7, NULL, MOFKA_ANY_PARTITION, NULL));
    /* Digit by digit: a pattern that was parsed and printed would have lost digits of this
     * number. */
    OK(mofka_producer_push(producer, "{\"n\":5,\"big\":12345678901234567890}", 34, NULL,
                           MOFKA_ANY_PARTITION, NULL));
    FAILS(mofka_producer_push(producer, "{\"n\":4}", 7, NULL, MOFKA_ANY_PARTITION, NULL),
          MOFKA_ERR_REFUSED, "at $.n: 4");
    FAILS(mofka_producer_close(producer, 30000), MOFKA_ERR_REFUSED, "$.n");
    mofka_producer_release(producer);
    close_topic();
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_keep_their_partition_and_order),
        cmocka_unit_test(ranges_cut_the_stream),
        cmocka_unit_test(sticky_reaches_all),
        cmocka_unit_test(wrong_bounds_make_no_topic),
        cmocka_unit_test(patterns_come_with_the_topic),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
