/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics with storage: readers that come late, rings that are small, jobs that start again. The
 * store is in a folder of its own in /tmp, which rank 0 makes and removes.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "support/callbacks.h"
#include "store/store.h"
#include "support/json_path.h"
#include "support/mpi/mpi_main.h"

#define STORED_TIMEOUT_MS 60000

static char stored_folder[64];

/* ---- helpers --------------------------------------------------------------------------------- */

static int stored_set_up(void **state) {
    (void)state;
    if (rank == 0) {
        strcpy(stored_folder, "/tmp/mofka-stored-XXXXXX");
        if (!mkdtemp(stored_folder))
            return 1;
    }
    MPI_Bcast(stored_folder, sizeof stored_folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    return 0;
}

static int stored_tear_down(void **state) {
    char command[128];
    (void)state;
    MPI_Barrier(MPI_COMM_WORLD);
    snprintf(command, sizeof command, "rm -rf '%s'", stored_folder);
    return rank == 0 ? system(command) : 0;
}

static mofka_status_t stored_try_driver(const char *more, mofka_driver_t **driver) {
    char options[512];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\"%s}", window,
             stored_folder, more);
    return mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver);
}

static mofka_driver_t *stored_driver(const char *more) {
    mofka_driver_t *driver = NULL;
    OK(stored_try_driver(more, &driver));
    return driver;
}

static void stored_close_driver(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, STORED_TIMEOUT_MS));
    mofka_driver_release(driver);
}

/* `more`: options of the topic; NULL: it is there already. */
static mofka_topic_t *stored_topic(mofka_driver_t *driver, const char *more) {
    mofka_topic_t *topic;
    if (rank == 0 && more)
        OK(mofka_driver_create_topic(driver, "stored", &(mofka_topic_options_t){.options = more}));
    OK(mofka_driver_open_topic(driver, "stored", STORED_TIMEOUT_MS, &topic));
    return topic;
}

static mofka_producer_t *stored_producer(mofka_topic_t *topic, size_t batch_size) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = batch_size},
                             &producer));
    return producer;
}

static mofka_consumer_t *stored_consumer(mofka_topic_t *topic, const char *name, bool from_end) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){.name = name,
                                    .start = from_end ? MOFKA_START_END : MOFKA_START_BEGINNING,
                                    .selector = select_all_data},
        &consumer));
    return consumer;
}

static void stored_end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, STORED_TIMEOUT_MS));
    mofka_producer_release(producer);
}

static void stored_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static size_t stored_bytes_of(int r, int n) {
    return (size_t)(r * 977 + n * 131) % 700;
}

/* Push events `from` to `to` of this rank. */
static void stored_push(mofka_producer_t *producer, int from, int to) {
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

static void stored_seen_init(stored_seen_t *seen) {
    memset(seen, 0, sizeof *seen);
    memset(seen->last, 0xff, sizeof seen->last);
}

static void stored_check(stored_seen_t *seen, mofka_event_t *event) {
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
static void stored_pull(mofka_consumer_t *consumer, stored_seen_t *seen, int count,
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

static void stored_expect_end(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, STORED_TIMEOUT_MS, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
}

static void expect_refused(mofka_status_t status, mofka_status_t expected, const char *word) {
    if (status != expected || !strstr(mofka_last_error(), word))
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
}

/* A ring that the stream wraps in many times. */
#define STORED_SMALL "\"partition_bytes\":65536,\"partition_events\":256"

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

/* A file system that refuses writes: nothing is acknowledged, the message says why, and all goes on
 * when it accepts them again. */
static void a_full_disk_holds_acknowledgements(void **state) {
    (void)state;
    struct rlimit before, small;
    char options[32];
    snprintf(options, sizeof options, ",\"owners\":[0]");
    mofka_driver_t *driver = stored_driver(options);
    mofka_topic_t *topic = stored_topic(driver, "{\"storage\":{}}");
    signal(SIGXFSZ, SIG_IGN);
    if (rank == 0) {
        mofka_producer_t *producer = stored_producer(topic, 100);
        stored_push(producer, 0, 100);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        getrlimit(RLIMIT_FSIZE, &before);
        small = before;
        small.rlim_cur = 8192;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        mofka_future_t *future;
        stored_push(producer, 100, 199);
        OK(mofka_producer_push(producer, "{\"rank\":0,\"n\":199}", 18, NULL, MOFKA_ANY_PARTITION,
                               &future));
        mofka_status_t status = mofka_producer_flush(producer, 1500);
        char *message = strdup(mofka_last_error());
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (status != MOFKA_ERR_STORAGE || !strstr(message, "File too large") ||
            !strstr(message, ".log"))
            fail_msg("%s: %s", mofka_status_name(status), message);
        assert_int_equal(mofka_future_delivery(future), MOFKA_STORED);
        free(message);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        assert_int_equal(mofka_future_delivery(future), MOFKA_DURABLE);
        mofka_future_release(future);
        stored_end_producer(producer);
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* A rank finds a copy of the store at the store's path: it must not read there. */
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
    mofka_consumer_t *consumer;
    const mofka_consumer_options_t named = {.name = rank == 0 ? "sees" : "does not"};
    if (rank == 0) {
        OK(mofka_consumer_create(topic, &named, &consumer));
        stored_end_consumer(consumer);
    } else {
        expect_refused(mofka_consumer_create(topic, &named, &consumer), MOFKA_ERR_INVALID,
                       "/0000/lock: this rank sees another folder");
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
    assert_int_equal(chdir(home), 0);
}

/* ---- a slow disk ----------------------------------------------------------------------------- */

static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    int waiting; /* writes of frames that wait */
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

/* While the gate is closed, frames of events are not written; locks and places are of one part. */
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.closed && count > 1)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.waiting--;
    pthread_mutex_unlock(&gate.lock);
    return __real_pwritev(fd, parts, count, offset);
}

static void gate_set(bool closed) {
    pthread_mutex_lock(&gate.lock);
    gate.closed = closed;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static _Atomic int slow_warnings;

static void slow_log(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    if (level == MOFKA_LOG_WARN && strstr(message, "slower than the producers") &&
        strstr(message, "partition 0: the file system of "))
        slow_warnings++;
}

static void stored_expect_number(mofka_driver_t *driver, const char *key, double least,
                                 double most) {
    mofka_metadata_t *stats;
    char path[96];
    snprintf(path, sizeof path, "topics/0/partitions/0/%s", key);
    OK(mofka_driver_stats(driver, STORED_TIMEOUT_MS, &stats));
    const cJSON *item = json_at(stats, path);
    if (!cJSON_IsNumber(item) || item->valuedouble < least || item->valuedouble > most)
        fail_msg("%s: %s", path, mofka_metadata_text(stats, NULL));
    mofka_metadata_release(stats);
}

/* The disk stands still: statistics show what waits, and a warning comes before the ring is full.
 */
static void a_slow_disk_is_reported_before_the_ring_is_full(void **state) {
    (void)state;
    mofka_driver_t *driver = stored_driver(",\"owners\":[0]");
    mofka_topic_t *topic = stored_topic(driver, "{\"storage\":{},\"partition_events\":1000}");
    mofka_producer_t *producer;
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 100, .max_batches = 32}, &producer));
    slow_warnings = 0;
    mofka_log_set_callback(slow_log, NULL);
    stored_push(producer, 0, 10);
    OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
    stored_expect_number(driver, "unwritten_events", 0, 10 * size);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        assert_int_equal(slow_warnings, 0);
        gate_set(true);
        for (int n = 10; n < 610; n++) {
            OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
            if (n % 100 == 9) /* it is sent, and cannot become durable */
                (void)mofka_producer_flush(producer, 0);
        }
        while (slow_warnings == 0) /* the test's limit ends this */
            usleep(1000);
        stored_expect_number(driver, "unwritten_events", 500, 1000);
        stored_expect_number(driver, "blocked_producers", 0, 0);
        gate_set(false);
        OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
        assert_int_equal(slow_warnings, 1);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_log_set_callback(NULL, NULL);
    stored_expect_number(driver, "unwritten_events", 0, 0);
    stored_expect_number(driver, "written_events", 600 + 10 * size, 600 + 10 * size);
    stored_expect_number(driver, "written_bytes", 64, 1e6);
    stored_expect_number(driver, "log_writes", 1, 1000);
    stored_expect_number(driver, "log_write_us_max", 1, 1e9);
    stored_end_producer(producer);
    mofka_topic_release(topic);
    stored_close_driver(driver);
}

/* ---- an owner that is taken over ------------------------------------------------------------- */

static int stored_no_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    (void)self, (void)fd, (void)start, (void)bytes;
    return 0;
}

/* What a process of another node does, where the file system has no locks between nodes, after
 * "mofkactl log unlock". */
static void stored_take_over(mfi_log_t *log, mfi_lock_t **lock) {
    static mfi_io_ops_t ops;
    mfi_store_t store;
    mfi_topic_record_t record;
    char path[128];
    ops = *mfi_io_posix.ops;
    ops.lock = stored_no_lock;
    snprintf(path, sizeof path, "%s/store", stored_folder);
    OK(mfi_store_open(&(mfi_io_t){&ops, mfi_io_posix.self}, path, MFI_STORE_THERE, &store));
    OK(mfi_store_load_topic(&store, "stored", &record));
    OK(mfi_store_log(&store, &record, 0, log));
    mfi_topic_record_clear(&record);
    OK(mfi_lock_break(log));
    OK(mfi_lock_take(log, &(mfi_lock_options_t){.host = "node7"}, lock));
}

/* Whatever the old owner promised is in the log of the new one; after that it promises nothing, and
 * says why. The old owner's places do not overwrite the new one's. */
static void an_owner_that_is_taken_over_writes_no_more(const char *durability) {
    char options[128];
    mfi_log_t log;
    mfi_lock_t *lock = NULL;
    mofka_driver_t *driver = stored_driver(",\"owners\":[0]");
    snprintf(options, sizeof options, "{\"storage\":{\"durability\":\"%s\"}}", durability);
    mofka_topic_t *topic = stored_topic(driver, options);
    mofka_producer_t *producer = stored_producer(topic, 10);
    stored_push(producer, 0, 100);
    OK(mofka_producer_flush(producer, STORED_TIMEOUT_MS));
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        stored_take_over(&log, &lock);
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
    expect_refused(mofka_producer_flush(producer, STORED_TIMEOUT_MS), MOFKA_ERR_BUSY, "of node7");
    expect_refused(mofka_producer_flush(producer, STORED_TIMEOUT_MS), MOFKA_ERR_BUSY, "/lock: ");
    assert_int_equal(mofka_future_delivery(future), MOFKA_STORED);
    mofka_producer_discard(producer);
    (void)mofka_producer_close(producer, STORED_TIMEOUT_MS);
    mofka_producer_release(producer);
    mofka_future_release(future);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        mfi_writer_t *writer;
        mfi_opened_t opened;
        OK(mfi_writer_open(&log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &writer));
        assert_int_equal(opened.next, 100 * size);
        OK(mfi_writer_close(writer));
    }
    mofka_topic_release(topic);
    stored_close_driver(driver);
    if (rank == 0) { /* the end of the driver left the lock */
        OK(mfi_lock_check(lock));
        mfi_lock_release(lock);
    }
}

static void a_taken_log_is_written_no_more(void **state) {
    (void)state;
    an_owner_that_is_taken_over_writes_no_more("written");
}

static void a_taken_log_is_synced_no_more(void **state) {
    (void)state;
    an_owner_that_is_taken_over_writes_no_more("synced");
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

#define STORED_CASE(name) cmocka_unit_test_setup_teardown(name, stored_set_up, stored_tear_down)

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
        STORED_CASE(a_full_disk_holds_acknowledgements),
        STORED_CASE(a_copy_of_the_store_is_not_believed),
        STORED_CASE(a_slow_disk_is_reported_before_the_ring_is_full),
        STORED_CASE(a_taken_log_is_written_no_more),
        STORED_CASE(a_taken_log_is_synced_no_more),
        STORED_CASE(bad_input_is_named),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
