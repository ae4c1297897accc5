/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C interface of the Diaspora Streaming API. Rank 0 uses that interface; rank 1 uses this
 * library's own, creates the topics, and reads what rank 0 has pushed.
 */
#include <diaspora/diaspora_c.h>
#include <errno.h>
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define LONG_MS 30000

/* The declarations are those that programs were written for: each function fits its type. */
static const struct {
    const char *(*last_error)(void);
    diaspora_driver_t *(*driver_create)(const char *, const char *);
    void (*driver_destroy)(diaspora_driver_t *);
    diaspora_topic_t *(*topic_open)(diaspora_driver_t *, const char *);
    void (*topic_destroy)(diaspora_topic_t *);
    diaspora_producer_t *(*producer_create)(diaspora_topic_t *, const char *, size_t, size_t,
                                            diaspora_c_ordering_t);
    void (*producer_destroy)(diaspora_producer_t *);
    int (*push)(diaspora_producer_t *, const char *, const void *, size_t);
    int (*push_raw)(diaspora_producer_t *, const char *, const void *, size_t);
    double (*oldest_pending_age)(diaspora_producer_t *);
    int (*flush_timeout)(diaspora_producer_t *, int);
} declared = {
    diaspora_c_last_error,           diaspora_driver_create,
    diaspora_driver_destroy,         diaspora_topic_open,
    diaspora_topic_destroy,          diaspora_producer_create,
    diaspora_producer_destroy,       diaspora_producer_push,
    diaspora_producer_push_raw,      diaspora_producer_oldest_pending_age,
    diaspora_producer_flush_timeout,
};
static const int wanted_numbers[] = {1, 0, 1, -1, 0, 1};
static const int declared_numbers[] = {DIASPORA_C_API_VERSION,    DIASPORA_C_OK,
                                       DIASPORA_C_TIMEOUT,        DIASPORA_C_ERR,
                                       DIASPORA_C_ORDERING_LOOSE, DIASPORA_C_ORDERING_STRICT};

#define REFUSED(condition, text)                                                                   \
    do {                                                                                           \
        NEEDS(condition);                                                                          \
        NEEDS(strstr(declared.last_error(), text));                                                \
    } while (0)

static diaspora_driver_t *driver;  /* of rank 0 */
static mofka_driver_t *own_driver; /* of rank 1 */

/* ---- rank 0 ---------------------------------------------------------------------------------- */

static void facade_refuses_null(void) {
    NEEDS(memcmp(declared_numbers, wanted_numbers, sizeof wanted_numbers) == 0);
    NEEDS(strcmp(declared.last_error(), "") == 0);
    REFUSED(!declared.driver_create(NULL, NULL), "pass \"mofka\"");
    REFUSED(!declared.driver_create("no such driver", NULL), "no such driver");
    REFUSED(!declared.topic_open(NULL, "topic"), "driver");
    REFUSED(!declared.producer_create(NULL, "p", 0, 0, DIASPORA_C_ORDERING_LOOSE), "topic");
    REFUSED(declared.push(NULL, "{}", NULL, 0) == DIASPORA_C_ERR, "producer");
    REFUSED(declared.push_raw(NULL, "{}", NULL, 0) == DIASPORA_C_ERR, "producer");
    REFUSED(declared.flush_timeout(NULL, 0) == DIASPORA_C_ERR, "producer");
    REFUSED(declared.oldest_pending_age(NULL) == -1.0, "producer");
    declared.producer_destroy(NULL);
    declared.topic_destroy(NULL);
    declared.driver_destroy(NULL);
}

static void facade_refuses_wrong_arguments(diaspora_topic_t *topic, diaspora_producer_t *producer) {
    REFUSED(!declared.topic_open(driver, NULL), "name");
    REFUSED(!declared.topic_open((diaspora_driver_t *)(void *)topic, "t"), "driver");
    REFUSED(!declared.producer_create(topic, "p", 0, 0, (diaspora_c_ordering_t)7), "ordering is 7");
    REFUSED(declared.push(producer, NULL, NULL, 0) == DIASPORA_C_ERR, "metadata_json is NULL");
    REFUSED(declared.push_raw(producer, NULL, NULL, 0) == DIASPORA_C_ERR, "metadata_json is NULL");
    REFUSED(declared.push(producer, "{\"broken\":", NULL, 0) == DIASPORA_C_ERR, "JSON");
    REFUSED(declared.push((diaspora_producer_t *)(void *)topic, "{}", NULL, 0) == DIASPORA_C_ERR,
            "producer");
    NEEDS(declared.flush_timeout(producer, LONG_MS) == DIASPORA_C_OK);
}

/* 200 events, half of them with data, in the order of pushes. */
static void facade_pushes(diaspora_topic_t *topic) {
    static char data[200][8];
    diaspora_producer_t *producer =
        declared.producer_create(topic, NULL, 16, 4, DIASPORA_C_ORDERING_STRICT);
    NEEDS(producer);
    facade_refuses_wrong_arguments(topic, producer);
    NEEDS(declared.oldest_pending_age(producer) == 0.0);
    for (int i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "{ \"n\": %d }", i);
        snprintf(data[i], sizeof data[i], "%d", i);
        size_t bytes = i % 2 ? strlen(data[i]) : 0;
        NEEDS((i % 3 ? declared.push : declared.push_raw)(producer, text, data[i], bytes) ==
              DIASPORA_C_OK);
    }
    NEEDS(declared.flush_timeout(producer, -1) == DIASPORA_C_OK);
    NEEDS(declared.oldest_pending_age(producer) == 0.0);
    declared.producer_destroy(producer);
}

/* A partition without room, and a thread that sends: pushes do not wait, a flush ends in time, the
 * age grows, and nothing is lost. */
static void facade_waits_for_room(diaspora_topic_t *topic) {
    setenv("DIASPORA_C_SENDER_THREADS", "99999999999999999999999", 1);
    errno = 77; /* instrumentation wraps calls of programs, which look at it */
    REFUSED(!declared.producer_create(topic, "stalled", 4, 8, DIASPORA_C_ORDERING_LOOSE), "9999");
    NEEDS(errno == 77);
    setenv("DIASPORA_C_SENDER_THREADS", "two", 1);
    REFUSED(!declared.producer_create(topic, "stalled", 4, 8, DIASPORA_C_ORDERING_LOOSE), "'two'");
    setenv("DIASPORA_C_SENDER_THREADS", "1", 1);
    diaspora_producer_t *producer =
        declared.producer_create(topic, "stalled", 4, 8, DIASPORA_C_ORDERING_LOOSE);
    unsetenv("DIASPORA_C_SENDER_THREADS");
    NEEDS(producer);
    for (int i = 0; i < 24; i++)
        NEEDS(declared.push(producer, "{}", NULL, 0) == DIASPORA_C_OK);
    NEEDS(declared.flush_timeout(producer, 20) == DIASPORA_C_TIMEOUT);
    double before = declared.oldest_pending_age(producer);
    NEEDS(before > 0);
    while (declared.oldest_pending_age(producer) <= before)
        clock_sleep_ms(1);
    MPI_Barrier(MPI_COMM_WORLD); /* rank 1 reads */
    NEEDS(declared.flush_timeout(producer, LONG_MS) == DIASPORA_C_OK);
    NEEDS(declared.oldest_pending_age(producer) == 0.0);
    declared.producer_destroy(producer);
}

static bool was_warned;

static void note_warning(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    was_warned = was_warned || (level == MOFKA_LOG_WARN && strstr(message, "producer_destroy"));
}

/* The topic ends behind a producer's back: what it could not store is said. */
static void facade_says_what_is_lost(diaspora_topic_t *topic) {
    diaspora_producer_t *producer =
        declared.producer_create(topic, "late", 0, 0, DIASPORA_C_ORDERING_LOOSE);
    NEEDS(producer);
    NEEDS(declared.push(producer, "{}", NULL, 0) == DIASPORA_C_OK);
    REFUSED(declared.flush_timeout(producer, LONG_MS) == DIASPORA_C_ERR, "complete");
    NEEDS(declared.push(producer, "{}", NULL, 0) == DIASPORA_C_OK);
    mofka_log_set_callback(note_warning, NULL);
    declared.producer_destroy(producer);
    mofka_log_set_callback(NULL, NULL);
    NEEDS(was_warned);
}

static diaspora_topic_t *facade_open(const char *name) {
    diaspora_topic_t *topic = declared.topic_open(driver, name);
    NEEDS(topic);
    return topic;
}

static void facade_run(void) {
    diaspora_topic_t *topic = facade_open("events");
    facade_pushes(topic);
    declared.topic_destroy(topic);
    MPI_Barrier(MPI_COMM_WORLD);
    topic = facade_open("small");
    facade_waits_for_room(topic);
    MPI_Barrier(MPI_COMM_WORLD); /* rank 1 has completed it */
    facade_says_what_is_lost(topic);
    declared.topic_destroy(topic);
}

/* ---- rank 1 ---------------------------------------------------------------------------------- */

static mofka_status_t select_all(void *context, const mofka_metadata_t *metadata,
                                 mofka_data_descriptor_t *full,
                                 mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

static mofka_topic_t *reader_open(const char *name, const char *options) {
    mofka_topic_t *topic;
    NEEDS(
        !mofka_driver_create_topic(own_driver, name, &(mofka_topic_options_t){.options = options}));
    NEEDS(!mofka_driver_open_topic(own_driver, name, LONG_MS, &topic));
    return topic;
}

static mofka_consumer_t *reader_create(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    NEEDS(!mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "reader", .selector = select_all}, &consumer));
    return consumer;
}

static void reader_end(mofka_consumer_t *consumer, mofka_topic_t *topic) {
    NEEDS(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void reader_check(mofka_event_t *event, int n) {
    char text[32], data[8] = "", wanted[8];
    snprintf(text, sizeof text, "{ \"n\": %d }", n);
    snprintf(wanted, sizeof wanted, "%d", n);
    NEEDS(strcmp(mofka_event_metadata_text(event, NULL), text) == 0);
    NEEDS(mofka_event_selected_size(event) == (n % 2 ? strlen(wanted) : 0));
    if (n % 2) {
        mofka_data_view_read(mofka_event_data(event), data, strlen(wanted), 0);
        NEEDS(strcmp(data, wanted) == 0);
    }
}

static void reader_pull(mofka_consumer_t *consumer, int count, bool check) {
    for (int i = 0; i < count; i++) {
        mofka_event_t *event;
        NEEDS(!mofka_consumer_pull(consumer, LONG_MS, &event));
        if (check)
            reader_check(event, i);
        NEEDS(!mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static void reader_run(void) {
    mofka_topic_t *topic = reader_open("events", "{}");
    mofka_consumer_t *consumer = reader_create(topic);
    reader_pull(consumer, 200, true);
    reader_end(consumer, topic);
    MPI_Barrier(MPI_COMM_WORLD);
    topic = reader_open("small", "{\"partition_events\":8}");
    consumer = reader_create(topic);
    MPI_Barrier(MPI_COMM_WORLD); /* rank 0 has found no room */
    reader_pull(consumer, 24, false);
    NEEDS(!mofka_topic_mark_complete(topic, LONG_MS));
    MPI_Barrier(MPI_COMM_WORLD);
    reader_end(consumer, topic);
}

/* ---- both ------------------------------------------------------------------------------------ */

static int ignored_count;

static void note_ignored(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    ignored_count +=
        level == MOFKA_LOG_INFO && (strstr(message, "'group_file'") || strstr(message, "'margo'"));
}

/* Options that say how a service is deployed are noted and ignored; others are checked. */
static void facade_create(void) {
    char options[128];
    REFUSED(!declared.driver_create("mofka", "{\"group_files\":\"f\"}"), "group_files");
    REFUSED(!declared.driver_create("mofka", "[1"), "JSON");
    mofka_log_set_level(MOFKA_LOG_INFO);
    mofka_log_set_callback(note_ignored, NULL);
    snprintf(options, sizeof options,
             "{\"group_file\":\"/f.json\",\"margo\":{\"rpc_thread_count\":4},\"window\":\"%s\"}",
             window);
    driver = declared.driver_create("mofka", options);
    mofka_log_set_level(MOFKA_LOG_WARN);
    mofka_log_set_callback(NULL, NULL);
    NEEDS(driver);
    NEEDS(ignored_count == 2);
}

/* The same options as a rank of another language passes. A wrong option of one rank fails on all.
 */
static void reader_create_driver(void) {
    mofka_driver_t *none;
    char options[64];
    snprintf(options, sizeof options, "{\"window\":\"%s\"}", window);
    NEEDS(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &none) == MOFKA_ERR_OPTION);
    NEEDS(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &none) == MOFKA_ERR_JSON);
    NEEDS(!mofka_mpi_driver_create(MPI_COMM_WORLD, options, &own_driver));
}

int main(int argc, char **argv) {
    if (argc == 1)
        return 2;
    mpi_main_start(&argc, &argv);
    if (rank == 0) {
        facade_refuses_null();
        facade_create();
        facade_run();
        declared.driver_destroy(driver);
    } else {
        reader_create_driver();
        reader_run();
        NEEDS(!mofka_driver_close(own_driver, LONG_MS));
        mofka_driver_release(own_driver);
    }
    return mpi_main_end(0);
}
