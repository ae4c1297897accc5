/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases of topics with storage. Each has a store in a folder of its own in /tmp, which rank 0 makes
 * and removes. Events say which rank pushed them, and their data follow from that.
 */
#ifndef MOFKA_TESTS_STORED_H
#define MOFKA_TESTS_STORED_H

#include "support/callbacks.h"
#include "support/mpi/mpi_main.h"

#define STORED_TIMEOUT_MS 60000

static char stored_folder[64];

static inline int stored_set_up(void **state) {
    (void)state;
    if (rank == 0) {
        strcpy(stored_folder, "/tmp/mofka-stored-XXXXXX");
        if (!mkdtemp(stored_folder))
            return 1;
    }
    MPI_Bcast(stored_folder, sizeof stored_folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    return 0;
}

static inline int stored_tear_down(void **state) {
    char command[128];
    (void)state;
    MPI_Barrier(MPI_COMM_WORLD);
    snprintf(command, sizeof command, "rm -rf '%s'", stored_folder);
    return rank == 0 ? system(command) : 0;
}

static inline mofka_status_t stored_try_driver(const char *more, mofka_driver_t **driver) {
    char options[512];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\"%s}", window,
             stored_folder, more);
    return mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver);
}

static inline mofka_driver_t *stored_driver(const char *more) {
    mofka_driver_t *driver = NULL;
    OK(stored_try_driver(more, &driver));
    return driver;
}

static inline void stored_close_driver(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, STORED_TIMEOUT_MS));
    mofka_driver_release(driver);
}

/* `more`: options of the topic; NULL: it is there already. */
static inline mofka_topic_t *stored_topic(mofka_driver_t *driver, const char *more) {
    mofka_topic_t *topic;
    if (rank == 0 && more)
        OK(mofka_driver_create_topic(driver, "stored", &(mofka_topic_options_t){.options = more}));
    OK(mofka_driver_open_topic(driver, "stored", STORED_TIMEOUT_MS, &topic));
    return topic;
}

static inline mofka_producer_t *stored_producer(mofka_topic_t *topic, size_t batch_size) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = batch_size},
                             &producer));
    return producer;
}

static inline mofka_consumer_t *stored_consumer(mofka_topic_t *topic, const char *name,
                                                bool from_end) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){.name = name,
                                    .start = from_end ? MOFKA_START_END : MOFKA_START_BEGINNING,
                                    .selector = select_all_data},
        &consumer));
    return consumer;
}

static inline void stored_end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, STORED_TIMEOUT_MS));
    mofka_producer_release(producer);
}

static inline void stored_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static inline size_t stored_bytes_of(int r, int n) {
    return (size_t)(r * 977 + n * 131) % 700;
}

/* Push events `from` to `to` of this rank. */
static inline void stored_push(mofka_producer_t *producer, int from, int to) {
    for (int n = from; n < to; n++) {
        char metadata[64];
        int length = snprintf(metadata, sizeof metadata, "{\"rank\":%d,\"n\":%d}", rank, n);
        mofka_data_view_t *data;
        size_t count = stored_bytes_of(rank, n);
        OK(mofka_data_view_allocate(count, &data));
        unsigned char *bytes = mofka_data_view_segments(data, NULL)->ptr;
        for (size_t k = 0; k < count; k++)
            bytes[k] = (unsigned char)(rank * 31 + n * 7 + (int)(k * 13 % 251));
        OK(mofka_producer_push(producer, metadata, (size_t)length, data, MOFKA_ANY_PARTITION,
                               NULL));
        mofka_data_view_release(data);
    }
}

/* What a consumer has seen. */
typedef struct stored_seen {
    uint64_t next_id[8]; /* of each partition */
    int last[8][4];      /* of each partition and rank: the last n */
    int total;
} stored_seen_t;

static inline void stored_seen_init(stored_seen_t *seen) {
    memset(seen, 0, sizeof *seen);
    memset(seen->last, 0xff, sizeof seen->last);
}

static inline void stored_check(stored_seen_t *seen, mofka_event_t *event) {
    size_t p = mofka_event_partition(event);
    unsigned char bytes[701];
    int r, n;
    assert_int_equal(mofka_event_lost(event), 0);
    assert_int_equal(mofka_event_id(event), seen->next_id[p]++);
    assert_int_equal(
        sscanf(mofka_event_metadata_text(event, NULL), "{\"rank\":%d,\"n\":%d}", &r, &n), 2);
    assert_true(n > seen->last[p][r]);
    seen->last[p][r] = n;
    size_t count = stored_bytes_of(r, n);
    assert_int_equal(mofka_event_data_size(event), count);
    assert_int_equal(mofka_data_view_read(mofka_event_data(event), bytes, sizeof bytes, 0), count);
    for (size_t k = 0; k < count; k++)
        if (bytes[k] != (unsigned char)(r * 31 + n * 7 + (int)(k * 13 % 251)))
            fail_msg("event %d of rank %d: byte %zu", n, r, k);
    seen->total++;
}

/* Pull `count` events; acknowledge them if `acknowledges`. */
static inline void stored_pull(mofka_consumer_t *consumer, stored_seen_t *seen, int count,
                               bool acknowledges) {
    for (int i = 0; i < count; i++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, STORED_TIMEOUT_MS, &event));
        assert_false(mofka_event_is_end(event));
        stored_check(seen, event);
        if (acknowledges)
            OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static inline void stored_expect_end(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, STORED_TIMEOUT_MS, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
}

static inline void expect_refused(mofka_status_t status, mofka_status_t expected,
                                  const char *word) {
    if (status != expected || !strstr(mofka_last_error(), word))
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
}

/* A ring that the stream wraps in many times. */
#define STORED_SMALL "\"partition_bytes\":65536,\"partition_events\":256"

#define STORED_CASE(name) cmocka_unit_test_setup_teardown(name, stored_set_up, stored_tear_down)

#endif
