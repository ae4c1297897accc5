/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of producers, consumers and their driver: each counter counts what its key says. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "support/json_path.h"
#include "support/scripted_backend.h"
#include "conformance/simple/simple_backend.h"
#include <mofka/backend.h>

#define HOUR_MS 3600000

static mofka_metadata_t *stats;

static void ask_producer(mofka_producer_t *producer) {
    mofka_metadata_release(stats);
    OK(mofka_producer_stats(producer, &stats));
}

static void stats_read_driver(mofka_driver_t *of) {
    mofka_metadata_release(stats);
    OK(mofka_driver_stats(of, 1000, &stats));
}

static mofka_producer_t *stats_create_producer(mofka_producer_options_t options) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &options, &producer));
    return producer;
}

static mofka_status_t push_to(mofka_producer_t *producer, size_t partition) {
    return mofka_producer_push(producer, "12345", 5, NULL, partition, NULL);
}

/* CLOCK_REALTIME may be set while a program runs: it then jumps by this much. */
static time_t clock_step;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now) {
    int error = __real_clock_gettime(id, now);
    now->tv_sec += id == CLOCK_REALTIME ? clock_step : 0;
    return error;
}

/* Pushes are counted at once. Why batches left is counted. The backend takes 4 events per batch. */
static void batches_by_reason(void **state) {
    (void)state;
    mofka_producer_t *producer =
        stats_create_producer((mofka_producer_options_t){.name = "p", .linger_ms = HOUR_MS});
    OK(push_to(producer, 0));
    ask_producer(producer);
    assert_string_equal(cJSON_GetStringValue(json_at(stats, "name")), "p");
    assert_string_equal(cJSON_GetStringValue(json_at(stats, "topic")), mofka_topic_name(topic));
    NUMBER(stats, "events_pushed", 1);
    NUMBER(stats, "bytes_pushed", 5);
    NUMBER(stats, "events_stored", 0);
    for (int i = 0; i < 3; i++)
        OK(push_to(producer, 0)); /* full */
    OK(push_to(producer, 1));
    OK(mofka_producer_flush(producer, 1000));
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "12345", 5, NULL, 0, &future));
    OK(mofka_future_wait(future, 1000, NULL));
    mofka_future_release(future);
    ask_producer(producer);
    NUMBER(stats, "events_pushed", 6);
    NUMBER(stats, "events_stored", 6);
    NUMBER(stats, "bytes_stored", 30);
    NUMBER(stats, "batches_stored", 3);
    NUMBER(stats, "batches_full", 1);
    NUMBER(stats, "batches_flush", 2);
    NUMBER(stats, "batches_linger", 0);
    NUMBER(stats, "batches_worker", 0);
    NUMBER(stats, "flushes", 1);
    NUMBER(stats, "push_to_stored_ns/count", 3);
    scripted_end_producer(producer);
}

static void old_batches(void **state) {
    (void)state;
    mofka_producer_t *producer = stats_create_producer((mofka_producer_options_t){.linger_ms = 5});
    OK(push_to(producer, 2));
    clock_sleep_ms(30);
    OK(push_to(producer, 2)); /* finds the batch old, if the first push was not that slow itself */
    ask_producer(producer);
    assert_true(number_at(stats, "batches_linger") >= 1);
    NUMBER(stats, "batches_flush", 0);
    scripted_end_producer(producer);
}

/* Intervals within a process are those of the monotonic clock. */
static void a_step_of_the_clock_is_no_latency(void **state) {
    (void)state;
    for (int forward = 0; forward < 2; forward++) {
        mofka_producer_t *producer =
            stats_create_producer((mofka_producer_options_t){.linger_ms = HOUR_MS});
        OK(push_to(producer, 0));
        clock_sleep_ms(30);
        clock_step = forward ? HOUR_MS / 1000 : -HOUR_MS / 1000;
        OK(mofka_producer_flush(producer, 1000));
        clock_step = 0;
        ask_producer(producer);
        IN_RANGE((uint64_t)number_at(stats, "push_to_stored_ns/max"), 30000000,
                 UINT64_C(900000) * HOUR_MS);
        scripted_end_producer(producer);
        script.closed = script.destroyed = 0;
    }
}

/* Refused, with a future and without; and accepted but failed. */
static void failures_are_counted(void **state) {
    (void)state;
    static const char large[2000];
    mofka_producer_t *producer = stats_create_producer((mofka_producer_options_t){0});
    mofka_future_t *future;
    FAILS(mofka_producer_push(producer, large, sizeof large, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "");
    OK(mofka_producer_push(producer, large, sizeof large, NULL, 0, &future));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_TOO_LARGE, "");
    mofka_future_release(future);
    script.answers[0] = MOFKA_ERR_MPI;
    OK(push_to(producer, 0));
    OK(push_to(producer, 0));
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_TOO_LARGE, "");
    ask_producer(producer);
    NUMBER(stats, "events_refused", 2);
    NUMBER(stats, "events_pushed", 2);
    NUMBER(stats, "events_failed", 2);
    NUMBER(stats, "events_stored", 0);
    NUMBER(stats, "push_to_stored_ns/count", 0);
    scripted_end_producer(producer);
}

/* One batch at a time, whose appends find no room at first: later pushes wait. */
static void waiting_pushes(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) /* a push sends what it sealed, then looks around once */
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    script.delay_ms[2] = 20;
    mofka_producer_t *producer = stats_create_producer(
        (mofka_producer_options_t){.max_batches = 1, .batch_size = 1, .push_timeout_ms = 5});
    OK(push_to(producer, 0)); /* stays */
    FAILS(push_to(producer, 0), MOFKA_ERR_TIMEOUT, "");
    ask_producer(producer);
    NUMBER(stats, "push_waits", 1);
    assert_true(number_at(stats, "push_wait_ns") >= 20e6);
    NUMBER(stats, "events_pushed", 1);
    OK(push_to(producer, 0));
    OK(mofka_producer_flush(producer, 1000));
    ask_producer(producer);
    NUMBER(stats, "events_stored", 2);
    scripted_end_producer(producer);
}

/* A driver lists the open ones, and adds up those that ended. */
static void drivers_add_up(void **state) {
    (void)state;
    mofka_producer_t *first = stats_create_producer((mofka_producer_options_t){.name = "first"});
    mofka_producer_t *second = stats_create_producer((mofka_producer_options_t){.name = "second"});
    for (int i = 0; i < 3; i++)
        OK(push_to(first, 0));
    OK(push_to(second, 0));
    stats_read_driver(driver);
    assert_int_equal(cJSON_GetArraySize(json_at(stats, "producers")), 2);
    NUMBER(stats, "closed/producers/count", 0);
    assert_null(json_at(stats, "rank")); /* this backend has none, nor topics that can be read */
    assert_null(json_at(stats, "topics"));
    OK(mofka_producer_close(first, 1000));
    ask_producer(first); /* closed, and still readable */
    NUMBER(stats, "events_stored", 3);
    stats_read_driver(driver);
    assert_string_equal(cJSON_GetStringValue(json_at(stats, "producers/0/name")), "second");
    assert_int_equal(cJSON_GetArraySize(json_at(stats, "producers")), 1);
    NUMBER(stats, "closed/producers/count", 1);
    NUMBER(stats, "closed/producers/events_stored", 3);
    NUMBER(stats, "closed/producers/push_to_stored_ns/count", 1);
    mofka_producer_release(first);
    OK(mofka_producer_close(second, 1000));
    mofka_producer_release(second);
    stats_read_driver(driver);
    NUMBER(stats, "closed/producers/events_stored", 4);
    FAILS(mofka_producer_stats(NULL, &stats), MOFKA_ERR_INVALID, "producer handle is NULL");
    FAILS(mofka_driver_stats(NULL, 0, &stats), MOFKA_ERR_INVALID, "driver handle is NULL");
    FAILS(mofka_consumer_stats(NULL, &stats), MOFKA_ERR_INVALID, "consumer handle is NULL");
}

/* ---- consumers, of the simple backend -------------------------------------------------------- */

static mofka_status_t select_half(void *context, const mofka_metadata_t *metadata,
                                  mofka_data_descriptor_t *full,
                                  mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    return mofka_data_descriptor_sub_view(full, 0, mofka_data_descriptor_size(full) / 2, selected);
}

static void stats_pull_events(mofka_consumer_t *consumer, size_t count) {
    while (count-- > 0) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 1000, &event));
        mofka_event_release(event);
    }
}

static void consumers_count(void **state) {
    (void)state;
    const mofka_driver_ops_t *ops;
    void *self;
    mofka_driver_t *simple;
    mofka_topic_t *queue;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_data_view_t *view;
    mofka_event_t *event;
    OK(simple_create(NULL, &ops, &self));
    OK(mofka_driver_wrap("simple", ops, self, &simple));
    OK(mofka_driver_create_topic(simple, "queue", NULL));
    OK(mofka_driver_open_topic(simple, "queue", 0, &queue));
    OK(mofka_producer_create(queue, NULL, &producer));
    OK(mofka_data_view_allocate(100, &view));
    for (int i = 0; i < 30; i++)
        OK(mofka_producer_push(producer, "{}", 2, view, 0, NULL));
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    mofka_data_view_release(view);
    mofka_consumer_options_t options = {.name = "c", .batch_size = 20, .selector = select_half};
    OK(mofka_consumer_create(queue, &options, &consumer));
    stats_pull_events(consumer, 5);
    mofka_metadata_release(stats);
    OK(mofka_consumer_stats(consumer, &stats));
    NUMBER(stats, "events_pulled", 5);
    NUMBER(stats, "bytes_pulled", 5 * 102);
    NUMBER(stats, "events_ready", 15);
    NUMBER(stats, "events_verified", 0); /* this backend has no checksums */
    NUMBER(stats, "events_unverified", 5);
    NUMBER(stats, "events_data_damaged", 0);
    NUMBER(stats, "events_metadata_damaged", 0);
    NUMBER(stats, "data_bytes_fetched", 20 * 50);
    NUMBER(stats, "runs", 1);
    NUMBER(stats, "fetches", 1);
    NUMBER(stats, "waits", 0);
    NUMBER(stats, "stored_to_pulled_ns/count", 0); /* this backend leaves no stamps */
    stats_pull_events(consumer, 20);
    FAILS(mofka_consumer_pull(consumer, 1, &event), MOFKA_OK, ""); /* 26th */
    mofka_event_release(event);
    stats_pull_events(consumer, 4);
    FAILS(mofka_consumer_pull(consumer, 1, &event), MOFKA_ERR_TIMEOUT, "");
    stats_read_driver(simple);
    NUMBER(stats, "consumers/0/events_pulled", 30);
    assert_true(number_at(stats, "consumers/0/waits") >= 1);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    /* Events that are ready and never pulled are not counted. */
    options.name = "d";
    OK(mofka_consumer_create(queue, &options, &consumer));
    stats_pull_events(consumer, 1);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    stats_read_driver(simple);
    NUMBER(stats, "closed/consumers/count", 2);
    NUMBER(stats, "closed/consumers/events_pulled", 31);
    NUMBER(stats, "closed/consumers/bytes_pulled", 31 * 102);
    mofka_topic_release(queue);
    OK(mofka_driver_close(simple, 1000));
    FAILS(mofka_driver_stats(simple, 0, &stats), MOFKA_ERR_CLOSED, "");
    mofka_driver_release(simple);
}

/* ---- reports --------------------------------------------------------------------------------- */

typedef struct reports {
    mofka_driver_t *driver; /* whose callback it is */
    _Atomic int count;
    _Atomic double closed;         /* producers, in the last one */
    _Atomic mofka_status_t nested; /* of replacing the callback inside of itself */
} reports_t;

static void count_report(void *context, const mofka_metadata_t *report) {
    reports_t *reports = context;
    reports->nested = mofka_driver_set_stats_callback(reports->driver, 1000, count_report, context);
    reports->closed = number_at(report, "closed/producers/count");
    reports->count++;
}

/* Reports come while the program does nothing, once at close, and never after. */
static void a_callback_is_called(void **state) {
    (void)state;
    reports_t first = {.driver = driver}, second = {.driver = driver};
    FAILS(mofka_driver_set_stats_callback(driver, 0, count_report, &first), MOFKA_ERR_RANGE,
          "1 to");
    FAILS(mofka_driver_set_stats_callback(driver, UINT64_MAX, count_report, &first),
          MOFKA_ERR_RANGE, "86400000");
    OK(mofka_driver_set_stats_callback(driver, 5, count_report, &first));
    for (int i = 0; i < 1000 && first.count < 3; i++)
        clock_sleep_ms(5);
    assert_true(first.count >= 3);
    assert_int_equal(first.nested, MOFKA_ERR_BUSY);
    OK(mofka_driver_set_stats_callback(driver, 60000, count_report, &second));
    int seen = first.count;
    mofka_producer_t *producer = stats_create_producer((mofka_producer_options_t){0});
    OK(push_to(producer, 0));
    FAILS(mofka_driver_close(driver, 1000), MOFKA_ERR_BUSY, ""); /* the driver stays usable */
    scripted_end_producer(producer);
    assert_int_equal(second.count, 0);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 1000));
    assert_int_equal(second.count, 1);
    assert_true(second.closed == 1);
    assert_int_equal(second.nested, MOFKA_ERR_BUSY);
    assert_int_equal(first.count, seen);
    FAILS(mofka_driver_set_stats_callback(driver, 5, count_report, &first), MOFKA_ERR_CLOSED, "");
    mofka_driver_release(driver);
    scripted_setup(state); /* for the teardown */
}

static int lines_of(const char *name, char *last, size_t room) {
    FILE *file = fopen(name, "r");
    int count = 0;
    if (!file)
        return -1;
    while (fgets(last, (int)room, file))
        count++;
    fclose(file);
    return count;
}

/* Every line is an object; the last one is written at close. */
static void a_file_is_written(void **state) {
    (void)state;
    static char line[1 << 16];
    const char *name = "test_stats_0_%r_0.ndjson", *expanded = "test_stats_0_0_0.ndjson";
    remove(expanded);
    setenv("MOFKA_STATS_FILE", name, 1);
    setenv("MOFKA_STATS_INTERVAL_MS", "5", 1);
    scripted_setup(state);
    mofka_producer_t *producer = stats_create_producer((mofka_producer_options_t){0});
    OK(push_to(producer, 0));
    for (int i = 0; i < 1000 && lines_of(expanded, line, sizeof line) < 3; i++)
        clock_sleep_ms(5);
    scripted_end_producer(producer);
    scripted_teardown(state);
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_INTERVAL_MS");
    assert_true(lines_of(expanded, line, sizeof line) >= 4);
    mofka_metadata_release(stats);
    OK(mofka_metadata_create(line, strlen(line), &stats));
    NUMBER(stats, "closed/producers/events_stored", 1);
    remove(expanded);
}

/* The mode of a statistics file that a driver makes; the umask is 0. */
static mode_t stats_mode_of_new_file(void **state, const char *mode) {
    const char *name = "test_stats_mode.ndjson";
    struct stat found;
    remove(name);
    setenv("MOFKA_STATS_FILE", name, 1);
    if (mode)
        setenv("MOFKA_STATS_MODE", mode, 1);
    mode_t before = umask(0);
    scripted_setup(state);
    umask(before);
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_MODE");
    scripted_teardown(state);
    assert_int_equal(stat(name, &found), 0);
    remove(name);
    return found.st_mode & 07777;
}

static void a_file_is_the_users_unless_asked(void **state) {
    assert_int_equal(stats_mode_of_new_file(state, NULL), 0600);
    assert_int_equal(stats_mode_of_new_file(state, "640"), 0640);
    assert_int_equal(stats_mode_of_new_file(state, "0640"), 0600); /* invalid, with a warning */
    assert_int_equal(stats_mode_of_new_file(state, "444"), 0600);
}

static _Atomic int warnings; /* collected; a reporter's thread warns, too */

static void collect_warning(void *context, mofka_log_level_t level, const char *message) {
    if (level != MOFKA_LOG_WARN)
        return;
    snprintf(context, 512, "%s", message);
    warnings++;
}

static void a_file_that_cannot_be_written_is_logged(void **state) {
    char logged[512] = "";
    mofka_log_set_callback(collect_warning, logged);
    setenv("MOFKA_STATS_FILE", "/nowhere/at/all", 1);
    scripted_setup(state);
    unsetenv("MOFKA_STATS_FILE");
    mofka_log_set_callback(NULL, NULL);
    scripted_teardown(state);
    assert_string_equal(logged, "MOFKA_STATS_FILE '/nowhere/at/all': No such file or directory; no "
                                "statistics are written");
}

/* ---- FIFOs ----------------------------------------------------------------------------------- */

#define FIFO "test_stats.fifo"

/* Lines up to now: each is whole. `*open` may hold the begin of one. */
static size_t whole_lines(int reader, char *open, size_t *used, size_t room) {
    size_t count = 0;
    ssize_t got;
    while ((got = read(reader, open + *used, room - *used - 1)) > 0) {
        *used += (size_t)got;
        open[*used] = '\0';
        for (char *end; (end = strchr(open, '\n')); count++) {
            mofka_metadata_t *line;
            OK(mofka_metadata_create(open, (size_t)(end - open), &line));
            mofka_metadata_release(line);
            *used -= (size_t)(end + 1 - open);
            memmove(open, end + 1, *used + 1);
        }
    }
    return count;
}

/* A driver whose statistics go into a FIFO of a page, every `interval` ms; its reader. */
static int begin_fifo(void **state, const char *interval, char *logged) {
    *logged = '\0';
    mofka_log_set_callback(collect_warning, logged);
    remove(FIFO);
    assert_int_equal(mkfifo(FIFO, 0600), 0);
    int reader = open(FIFO, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_true(fcntl(reader, F_SETPIPE_SZ, 4096) > 0);
    setenv("MOFKA_STATS_FILE", FIFO, 1);
    setenv("MOFKA_STATS_INTERVAL_MS", interval, 1);
    scripted_setup(state);
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_INTERVAL_MS");
    return reader;
}

static void end_fifo(void **state) {
    scripted_teardown(state);
    mofka_log_set_callback(NULL, NULL);
    remove(FIFO);
}

static void a_fifo_without_a_reader_is_logged(void **state) {
    char logged[512] = "";
    remove(FIFO);
    assert_int_equal(mkfifo(FIFO, 0600), 0);
    mofka_log_set_callback(collect_warning, logged);
    setenv("MOFKA_STATS_FILE", FIFO, 1);
    alarm(20); /* a call that waits for a reader would never end */
    scripted_setup(state);
    alarm(0);
    unsetenv("MOFKA_STATS_FILE");
    end_fifo(state);
    assert_string_equal(logged, "MOFKA_STATS_FILE '" FIFO "': a FIFO without a reader; no "
                                "statistics are written");
}

static void a_reader_that_stops_holds_nothing_up(void **state) {
    static char text[1 << 16];
    char logged[512];
    size_t used = 0;
    alarm(20);
    warnings = 0;
    int reader = begin_fifo(state, "1", logged);
    while (warnings == 0)
        clock_sleep_ms(1);
    end_fifo(state);
    alarm(0);
    assert_non_null(strstr(logged, "it is full; lines are left out"));
    assert_true(whole_lines(reader, text, &used, sizeof text) > 0);
    assert_int_equal(used, 0);
    close(reader);
}

/* Its signal does not end the program: it is the closing thread that writes. */
static void a_reader_may_go_away(void **state) {
    char logged[512];
    sigset_t pending;
    int reader = begin_fifo(state, "60000", logged);
    close(reader);
    end_fifo(state);
    assert_non_null(strstr(logged, "the FIFO has no reader any more"));
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
}

/* A line that a pipe of one page cannot take at once arrives whole. */
static void long_lines_arrive_in_parts(void **state) {
    static char text[1 << 16];
    char logged[512];
    size_t used = 0, lines = 0;
    mofka_producer_t *producers[12];
    int reader = begin_fifo(state, "2", logged);
    for (int i = 0; i < 12; i++)
        producers[i] = stats_create_producer((mofka_producer_options_t){0});
    for (int i = 0; i < 2000 && lines < 5; i++) {
        lines += whole_lines(reader, text, &used, sizeof text);
        clock_sleep_ms(5);
    }
    assert_true(lines >= 5);
    for (int i = 0; i < 12; i++) {
        OK(mofka_producer_close(producers[i], 1000));
        mofka_producer_release(producers[i]);
    }
    end_fifo(state);
    close(reader);
}

/* ---- the last report ------------------------------------------------------------------------- */

static int64_t read_ms; /* that a report gave to reading topics */

static mofka_status_t read_topics(void *self, int64_t timeout_ms, struct cJSON *topics) {
    (void)self, (void)topics;
    read_ms = timeout_ms;
    return MOFKA_ERR_TIMEOUT;
}

static void close_leaves_little_time_to_last_reports(void **state) {
    (void)state;
    static mofka_driver_ops_t ops;
    reports_t reports = {0};
    mofka_driver_t *made;
    ops = driver_ops;
    ops.topic_stats = read_topics;
    OK(mofka_driver_wrap("with topics", &ops, NULL, &made));
    reports.driver = made;
    OK(mofka_driver_set_stats_callback(made, 60000, count_report, &reports));
    OK(mofka_driver_close(made, 5000));
    assert_int_equal(reports.count, 1);
    assert_int_equal(reports.nested, MOFKA_ERR_BUSY);
    assert_int_equal(read_ms, 100);
    mofka_driver_release(made);
}

static int forget_stats(void **state) {
    (void)state;
    mofka_metadata_release(stats);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(batches_by_reason),
        CASE(old_batches),
        CASE(a_step_of_the_clock_is_no_latency),
        CASE(failures_are_counted),
        CASE(waiting_pushes),
        CASE(drivers_add_up),
        cmocka_unit_test(consumers_count),
        CASE(a_callback_is_called),
        cmocka_unit_test(a_file_is_written),
        cmocka_unit_test(a_file_is_the_users_unless_asked),
        cmocka_unit_test(a_file_that_cannot_be_written_is_logged),
        cmocka_unit_test(a_fifo_without_a_reader_is_logged),
        cmocka_unit_test(a_reader_that_stops_holds_nothing_up),
        cmocka_unit_test(a_reader_may_go_away),
        cmocka_unit_test(long_lines_arrive_in_parts),
        CASE(close_leaves_little_time_to_last_reports),
    };
    return cmocka_run_group_tests(tests, NULL, forget_stats);
}
