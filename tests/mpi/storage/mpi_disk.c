/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics with storage whose disk is full, or stands still, or whose owner is taken over. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>
#include "store/store.h"
#include "support/json_path.h"
#include "support/mpi/stored.h"

/* ---- a full disk ----------------------------------------------------------------------------- */

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

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        STORED_CASE(a_full_disk_holds_acknowledgements),
        STORED_CASE(a_slow_disk_is_reported_before_the_ring_is_full),
        STORED_CASE(a_taken_log_is_written_no_more),
        STORED_CASE(a_taken_log_is_synced_no_more),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
