/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics with storage: readers that come late, rings that are small, jobs that start again. The
 * store is in a folder of its own in /tmp, which rank 0 makes and removes.
 */
#include <unistd.h>
#include "support/mpi/stored.h"

/* ---- cases ----------------------------------------------------------------------------------- */

/* Nobody reads while all is pushed: the ring does not wait for the consumer, which reads files. */
static void a_late_reader_gets_all(void **state) {
    (void)state;
    mofka_driver_t *driver = stored_driver("");
    mofka_topic_t *topic =
        stored_topic(driver, "{\"storage\":{},\"partitions\":2," STORED_SMALL "}");
    mofka_consumer_t *early = rank == 0 ? stored_consumer(topic, "early", false) : NULL;
    mofka_producer_t *producer = stored_producer(topic, 16);
    stored_push(producer, 0, 3000);
    stored_end_producer(producer);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        OK(mofka_topic_mark_complete(topic, STORED_TIMEOUT_MS));
    char name[32];
    snprintf(name, sizeof name, "late %d", rank);
    mofka_consumer_t *late = stored_consumer(topic, name, false);
    stored_seen_t seen;
    stored_seen_init(&seen);
    stored_pull(late, &seen, 3000 * size, true);
    stored_expect_end(late);
    stored_end_consumer(late);
    if (rank == 0) {
        stored_seen_init(&seen);
        stored_pull(early, &seen, 3000 * size, false);
        stored_expect_end(early);
        stored_end_consumer(early);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* Consumers that are sometimes slow change between ring and files, in both directions. */
static void slow_readers_change_over(void **state) {
    (void)state;
    mofka_driver_t *driver = stored_driver("");
    mofka_topic_t *topic =
        stored_topic(driver, "{\"storage\":{\"segment_bytes\":100000}," STORED_SMALL "}");
    char name[32];
    snprintf(name, sizeof name, "slow %d", rank);
    mofka_consumer_t *consumer = stored_consumer(topic, name, false);
    mofka_producer_t *producer = stored_producer(topic, 7);
    stored_seen_t seen;
    stored_seen_init(&seen);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int round = 0; round < 60; round++) {
        stored_push(producer, round * 50, round * 50 + 50);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        if (round % 10 < 5) /* as many as this rank has pushed are there, in any case */
            stored_pull(consumer, &seen, (round * 50 + 50) - seen.total, true);
    }
    stored_end_producer(producer);
    stored_pull(consumer, &seen, 3000 * size - seen.total, true);
    stored_end_consumer(consumer);
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* Each rank is a node: it keeps what it pushes, and all read all. Another job has other nodes. */
static void each_node_keeps_its_own(void **state) {
    (void)state;
    if (strcmp(window, "node") != 0)
        skip();
    for (int job = 0; job < 2; job++) {
        mofka_driver_t *driver = stored_driver(job == 0 ? ",\"node_ranks\":1" : "");
        mofka_topic_t *topic;
        const mofka_topic_options_t options = {
            .selector = "{\"type\":\"local\"}",
            .options =
                "{\"storage\":{},\"producers\":\"node\",\"partitions\":\"per_owner\"," STORED_SMALL
                "}"};
        if (rank == 0 && job == 0)
            OK(mofka_driver_create_topic(driver, "stored", &options));
        OK(mofka_driver_open_topic(driver, "stored", STORED_TIMEOUT_MS, &topic));
        char name[32];
        snprintf(name, sizeof name, "%d of all", rank);
        mofka_consumer_t *early = stored_consumer(topic, name, false);
        mofka_producer_t *producer = stored_producer(topic, 16);
        stored_push(producer, 1000 * job, 1000 * job + 1000);
        stored_end_producer(producer);
        MPI_Barrier(MPI_COMM_WORLD);
        stored_seen_t seen;
        stored_seen_init(&seen);
        if (job == 0) {
            stored_pull(early, &seen, 1000 * size, false);
        } else { /* nothing was acknowledged */
            stored_pull(early, &seen, 2000 * size, true);
        }
        stored_end_consumer(early);
        mofka_topic_release(topic);
        stored_close_driver(driver);
    }
}

static void a_job_goes_on_with(const char *first, const char *second, int per_rank) {
    mofka_driver_t *driver = stored_driver(first);
    mofka_topic_t *topic = stored_topic(
        driver, "{\"storage\":{\"durability\":\"synced\"},\"partitions\":3," STORED_SMALL "}");
    mofka_producer_t *producer = stored_producer(topic, 10);
    stored_push(producer, 0, per_rank);
    stored_end_producer(producer);
    MPI_Barrier(MPI_COMM_WORLD);
    stored_seen_t seen;
    stored_seen_init(&seen);
    if (rank == 0) {
        mofka_consumer_t *consumer = stored_consumer(topic, "goes on", false);
        stored_pull(consumer, &seen, per_rank * size / 2, true);
        stored_end_consumer(consumer);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
    driver = stored_driver(second);
    topic = stored_topic(driver, NULL);
    producer = stored_producer(topic, 10);
    stored_push(producer, per_rank, 2 * per_rank);
    stored_end_producer(producer);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        OK(mofka_topic_mark_complete(topic, STORED_TIMEOUT_MS));
        mofka_consumer_t *consumer = stored_consumer(topic, "goes on", false);
        stored_pull(consumer, &seen, 2 * per_rank * size - seen.total, true);
        stored_expect_end(consumer);
        stored_end_consumer(consumer);
        consumer = stored_consumer(topic, "all", false);
        stored_seen_init(&seen);
        stored_pull(consumer, &seen, 2 * per_rank * size, true);
        stored_end_consumer(consumer);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
    driver = stored_driver(second); /* the end is in the files, too */
    topic = stored_topic(driver, NULL);
    if (rank == 0) {
        mofka_consumer_t *consumer = stored_consumer(topic, "once more", false);
        stored_seen_init(&seen);
        stored_pull(consumer, &seen, 2 * per_rank * size, true);
        stored_expect_end(consumer);
        stored_end_consumer(consumer);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

static void a_job_goes_on_with_other_owners(void **state) {
    char last[48];
    (void)state;
    snprintf(last, sizeof last, ",\"owners\":[%d],\"resume\":\"must\"", size - 1);
    a_job_goes_on_with("", last, 300);
}

/* A push is stored, then durable; a flush waits for that. */
static void deliveries_grow(void **state) {
    (void)state;
    static const char *const durabilities[] = {"memory", "written", "synced"};
    for (int i = 0; i < 3; i++) {
        mofka_driver_t *driver = stored_driver("");
        char name[16], options[128];
        mofka_topic_t *topic;
        snprintf(name, sizeof name, "of %s", durabilities[i]);
        snprintf(options, sizeof options, "{\"storage\":{\"durability\":\"%s\"}}", durabilities[i]);
        if (rank == 0)
            OK(mofka_driver_create_topic(driver, name,
                                         &(mofka_topic_options_t){.options = options}));
        OK(mofka_driver_open_topic(driver, name, STORED_TIMEOUT_MS, &topic));
        mofka_producer_t *producer = stored_producer(topic, 1);
        mofka_future_t *future;
        OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        assert_true(mofka_future_completed(future));
        assert_int_equal(mofka_future_delivery(future), i == 0 ? MOFKA_STORED : MOFKA_DURABLE);
        mofka_future_release(future);
        stored_end_producer(producer);
        mofka_topic_release(topic);
        stored_close_driver(driver);
    }
}

/* With "deliver" "durable", what is delivered has its durability. */
static void only_durable_events_are_delivered(void **state) {
    (void)state;
    mofka_driver_t *driver = stored_driver("");
    mofka_topic_t *topic = stored_topic(
        driver,
        "{\"storage\":{\"durability\":\"synced\",\"deliver\":\"durable\"}," STORED_SMALL "}");
    mofka_producer_t *producer = stored_producer(topic, 5);
    char name[32];
    snprintf(name, sizeof name, "durable %d", rank);
    mofka_consumer_t *consumer = stored_consumer(topic, name, false);
    stored_seen_t seen;
    stored_seen_init(&seen);
    stored_push(producer, 0, 100);
    OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
    stored_pull(consumer, &seen, 100 * size, true);
    stored_end_producer(producer);
    stored_end_consumer(consumer);
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* A consumer that begins at the end sees what is pushed after that, and no more. */
static void a_reader_begins_at_the_end(void **state) {
    (void)state;
    mofka_driver_t *driver = stored_driver("");
    mofka_topic_t *topic = stored_topic(driver, "{\"storage\":{}," STORED_SMALL "}");
    if (rank == 0) {
        mofka_producer_t *producer = stored_producer(topic, 9);
        stored_push(producer, 0, 500);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        mofka_consumer_t *consumer = stored_consumer(topic, "from the end", true);
        stored_seen_t seen;
        stored_seen_init(&seen);
        seen.next_id[0] = 500;
        stored_push(producer, 500, 1200);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        stored_pull(consumer, &seen, 700, true);
        stored_end_consumer(consumer);
        stored_end_producer(producer);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* A rank finds a copy of the store at the store's path: it must not read there, but by its owner.
 */
static void a_copy_of_the_store_is_not_believed(void **state) {
    char home[256], path[128], command[512];
    mofka_driver_t *driver = NULL;
    (void)state;
    assert_non_null(getcwd(home, sizeof home));
    driver = stored_driver(",\"owners\":[0]");
    mofka_topic_t *topic = stored_topic(driver, "{\"storage\":{}}");
    mofka_topic_release(topic);
    stored_close_driver(driver);
    snprintf(path, sizeof path, "%s/of %d", stored_folder, rank);
    snprintf(command, sizeof command, "mkdir '%s' && cp -r '%s/store' '%s'", path, stored_folder,
             path);
    assert_int_equal(system(command), 0);
    assert_int_equal(chdir(path), 0); /* the path of the store begins here */
    char options[128];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"store\",\"owners\":[0]}",
             window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    topic = stored_topic(driver, NULL);
    mofka_producer_t *producer = stored_producer(topic, 10);
    stored_push(producer, 0, 10);
    stored_end_producer(producer);
    MPI_Barrier(MPI_COMM_WORLD);
    char name[32];
    snprintf(name, sizeof name, "of %d", rank);
    mofka_consumer_t *consumer = stored_consumer(topic, name, false);
    stored_seen_t seen;
    stored_seen_init(&seen);
    stored_pull(consumer, &seen, 10 * size, true);
    stored_end_consumer(consumer);
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_topic_release(topic);
    stored_close_driver(driver);
    assert_int_equal(chdir(home), 0);
}

static void bad_input_is_named(void **state) {
    (void)state;
    mofka_driver_t *driver = NULL;
    mofka_topic_t *topic;
    expect_refused(stored_try_driver(",\"resume\":\"must\"", &driver), MOFKA_ERR_NOT_FOUND,
                   "store");
    driver = stored_driver("");
    topic = stored_topic(driver, "{\"storage\":{}}");
    mofka_consumer_t *consumer;
    expect_refused(mofka_consumer_create(topic,
                                         &(mofka_consumer_options_t){.name = "z",
                                                                     .zero_copy = true,
                                                                     .selector = select_all_data},
                                         &consumer),
                   MOFKA_ERR_UNSUPPORTED, window[0] == 's' ? "storage" : "zero_copy");
    if (rank == 0) {
        static const struct {
            const char *options, *word;
            mofka_status_t status;
        } bad[] = {
            {"{\"storage\":{},\"retention\":\"discard_oldest\"}", "discard_oldest",
             MOFKA_ERR_OPTION},
            {"{\"storage\":{\"durability\":\"eternal\"}}", "durability", MOFKA_ERR_OPTION},
            {"{\"storage\":{\"sync\":1}}", "sync", MOFKA_ERR_OPTION},
            {"{\"storage\":7}", "storage", MOFKA_ERR_JSON},
            {"{\"storage\":{\"segment_bytes\":1}}", "segment_bytes", MOFKA_ERR_RANGE},
        };
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            expect_refused(mofka_driver_create_topic(
                               driver, "bad", &(mofka_topic_options_t){.options = bad[i].options}),
                           bad[i].status, bad[i].word);
        expect_refused(mofka_driver_delete_topic(driver, "stored"), MOFKA_ERR_UNSUPPORTED,
                       "folder");
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
    expect_refused(stored_try_driver(",\"resume\":\"never\"", &driver), MOFKA_ERR_EXISTS, "store");
    char options[64];
    snprintf(options, sizeof options, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    if (rank == 0)
        expect_refused(mofka_driver_create_topic(
                           driver, "none", &(mofka_topic_options_t){.options = "{\"storage\":{}}"}),
                       MOFKA_ERR_OPTION, "\"store\"");
    stored_close_driver(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        STORED_CASE(a_late_reader_gets_all),
        STORED_CASE(slow_readers_change_over),
        STORED_CASE(a_job_goes_on_with_other_owners),
        STORED_CASE(each_node_keeps_its_own),
        STORED_CASE(deliveries_grow),
        STORED_CASE(only_durable_events_are_delivered),
        STORED_CASE(a_reader_begins_at_the_end),
        STORED_CASE(a_copy_of_the_store_is_not_believed),
        STORED_CASE(bad_input_is_named),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
