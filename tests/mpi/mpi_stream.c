/* SPDX-License-Identifier: BSD-3-Clause */
/* Events from push to pull between the ranks of a job, in the window named by the argument. A
 * second argument N: a part of 1/N of the events. In the window node, each rank pushes to the
 * partitions of its own node, of two ranks. */
#include "support/callbacks.h"
#include "support/log_start.h"
#include "support/mpi/mpi_main.h"

static int parts = 1;
static bool by_node;

static mofka_driver_t *open_driver(const char *more) {
    char options[256];
    mofka_driver_t *driver;
    snprintf(options, sizeof options, "{\"window\":\"%s\"%s%s}", window,
             by_node ? ",\"node_ranks\":2" : "", more);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    return driver;
}

static void mpi_stream_close_driver(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

static mofka_topic_t *mpi_stream_open_topic(mofka_driver_t *driver, const char *name,
                                            const char *options) {
    mofka_topic_t *topic;
    const char *local = strstr(options, "\"node\"") ? "{\"type\":\"local\"}" : NULL;
    if (rank == 0)
        OK(mofka_driver_create_topic(
            driver, name, &(mofka_topic_options_t){.options = options, .selector = local}));
    OK(mofka_driver_open_topic(driver, name, 30000, &topic));
    return topic;
}

/* Byte k of the data of event n of producer r. */
static unsigned char mpi_stream_byte_at(int r, int n, size_t k) {
    return (unsigned char)(r * 31 + n * 7 + (int)(k * 13 % 251));
}

static size_t size_of(int r, int n, size_t most) {
    return (size_t)(r * 977 + n * 131) % most;
}

/* Push `count` events with data up to `most` bytes. */
static void mpi_stream_produce(mofka_topic_t *topic, int count, size_t most, size_t batch_size) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = batch_size},
                             &producer));
    for (int n = 0; n < count; n++) {
        char metadata[64];
        int length = snprintf(metadata, sizeof metadata, "{\"rank\":%d,\"n\":%d}", rank, n);
        size_t bytes = size_of(rank, n, most);
        mofka_data_view_t *data;
        OK(mofka_data_view_allocate(bytes, &data));
        unsigned char *to = mofka_data_view_segments(data, NULL)->ptr;
        for (size_t k = 0; k < bytes; k++)
            to[k] = mpi_stream_byte_at(rank, n, k);
        OK(mofka_producer_push(producer, metadata, (size_t)length, data, MOFKA_ANY_PARTITION,
                               NULL));
        mofka_data_view_release(data);
    }
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
}

/* Pull to the end; each producer's events of a partition in push order, ids dense, bytes right. */
static void mpi_stream_consume(mofka_consumer_t *consumer, int count, size_t most) {
    size_t partitions = mofka_topic_partition_count(mofka_consumer_topic(consumer));
    uint64_t *next_id = calloc(partitions, sizeof *next_id);
    int *last = malloc(partitions * (size_t)size * sizeof *last), total = 0;
    unsigned char *bytes = malloc(most + 1);
    memset(last, 0xff, partitions * (size_t)size * sizeof *last);
    for (;;) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 60000, &event));
        if (mofka_event_is_end(event)) {
            mofka_event_release(event);
            break;
        }
        size_t p = mofka_event_partition(event);
        int r, n;
        assert_int_equal(mofka_event_id(event), next_id[p]++);
        assert_int_equal(
            sscanf(mofka_event_metadata_text(event, NULL), "{\"rank\":%d,\"n\":%d}", &r, &n), 2);
        assert_true(n > last[p * (size_t)size + (size_t)r]);
        last[p * (size_t)size + (size_t)r] = n;
        size_t expected = size_of(r, n, most);
        assert_int_equal(mofka_event_data_size(event), expected);
        assert_int_equal(mofka_data_view_read(mofka_event_data(event), bytes, most + 1, 0),
                         expected);
        for (size_t k = 0; k < expected; k++)
            if (bytes[k] != mpi_stream_byte_at(r, n, k))
                fail_msg("rank %d: event %d of rank %d: byte %zu", rank, n, r, k);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
        total++;
    }
    assert_int_equal(total, count * size);
    mofka_event_t *end;
    OK(mofka_consumer_pull(consumer, 0, &end));
    assert_true(mofka_event_is_end(end));
    mofka_event_release(end);
    free(next_id);
    free(last);
    free(bytes);
}

/* Every rank produces, then every rank reads everything. */
static void stream_and_read_back(const char *topic_name, const char *options, int count,
                                 size_t most, size_t batch_size) {
    mofka_driver_t *driver = open_driver("");
    char full[256];
    snprintf(full, sizeof full, "{\"expected_producers\":%d,%s}", size, options);
    mofka_topic_t *topic = mpi_stream_open_topic(driver, topic_name, full);
    mpi_stream_produce(topic, count, most, batch_size);
    char name[16];
    snprintf(name, sizeof name, "rank-%d", rank);
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .selector = select_all_data}, &consumer));
    mpi_stream_consume(consumer, count, most);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    mpi_stream_close_driver(driver);
}

static void one_partition(void **state) {
    (void)state;
    stream_and_read_back(
        "one", by_node ? "\"partitions\":\"per_owner\",\"producers\":\"node\"" : "\"partitions\":1",
        300 / parts, 2000, 0);
}

static void many_partitions_small_batches(void **state) {
    (void)state;
    stream_and_read_back("many",
                         by_node ? "\"partitions\":\"per_owner\",\"producers\":\"node\","
                                   "\"checksum\":\"on\""
                                 : "\"partitions\":5",
                         200 / parts, 300, 3);
}

static mofka_consumer_t *fill_a_small_ring(mofka_topic_t *topic, int count) {
    /* One rank consumes while all produce through a ring that is far too small for all of it. */
    mofka_consumer_t *consumer = NULL;
    if (rank == 0)
        OK(mofka_consumer_create(
            topic, &(mofka_consumer_options_t){.name = "reader", .selector = select_all_data},
            &consumer));
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank != 0 || size == 1) {
        mofka_producer_t *producer;
        OK(mofka_producer_create(topic, NULL, &producer));
        for (int n = 0; n < count; n++) {
            char metadata[64];
            int length = snprintf(metadata, sizeof metadata, "{\"rank\":%d,\"n\":%d}", rank, n);
            OK(mofka_producer_push(producer, metadata, (size_t)length, NULL, 0, NULL));
            if (size == 1 && n % 50 == 49) {
                OK(mofka_producer_flush(producer, 10000));
                for (int i = 0; i < 50; i++) {
                    mofka_event_t *event;
                    OK(mofka_consumer_pull(consumer, 10000, &event));
                    OK(mofka_event_acknowledge(event));
                    mofka_event_release(event);
                }
            }
        }
        OK(mofka_producer_close(producer, 60000));
        mofka_producer_release(producer);
    }
    return consumer;
}

static void ring_wraps_under_retention(void **state) {
    (void)state;
    int producers = size == 1 ? 1 : size - 1, count = 2000 / parts;
    char options[160];
    snprintf(options, sizeof options,
             "{\"expected_producers\":%d,\"partition_bytes\":8192,\"partition_events\":128}",
             producers);
    mofka_driver_t *driver = open_driver("");
    mofka_topic_t *topic = mpi_stream_open_topic(driver, "ring", options);
    if (rank == 0)
        OK(move_log_start(topic));
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_consumer_t *consumer = fill_a_small_ring(topic, count);
    if (rank == 0) {
        uint64_t next = LOG_START.events + (size == 1 ? (uint64_t)count : 0);
        int total = size == 1 ? count : 0;
        for (;;) {
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, 60000, &event));
            bool end = mofka_event_is_end(event);
            if (!end) {
                assert_int_equal(mofka_event_id(event), next++);
                OK(mofka_event_acknowledge(event));
                total++;
            }
            mofka_event_release(event);
            if (end)
                break;
        }
        assert_int_equal(total, count * producers);
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    mofka_topic_release(topic);
    mpi_stream_close_driver(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    parts = argc > 2 ? atoi(argv[2]) : 1;
    by_node = strcmp(window, "node") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_partition),
        cmocka_unit_test(many_partitions_small_batches),
        cmocka_unit_test(ring_wraps_under_retention),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
