/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every allocation of the project's code on one rank fails, from the driver's creation to its
 * close. Each step is done over and over: a number of its allocations succeed, and the next one
 * fails, until none does.
 *
 * A step that fails reports MOFKA_ERR_MEMORY and leaves nothing behind, and succeeds when it is
 * tried again. The creation of the driver fails on all ranks together.
 */
#include <stdarg.h>
#include <mofka/backend.h>
#include "support/clock.h"
#include "driver/driver.h"
#include "mpi/driver/driver.h"
#include "support/failing_memory.h"
#include "support/mpi/mpi_main.h"

#define DATA_BYTES 100
#define PUSHES                                                                                     \
    20 /* more than the futures that have a place in one allocation; and events for all pulls */

typedef struct things {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer, *picker;
    char data[DATA_BYTES];
} things_t;

/* Go on while all is well. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            return status_;                                                                        \
    } while (0)

static int poor;      /* the rank without memory */
static long allowed;  /* allocations that succeed before one fails */
static bool for_good; /* all later ones fail, too */
static bool by_name;  /* how the driver is created */

/* Ends the job: the other ranks would wait for this one. */
__attribute__((format(printf, 1, 2))) static void poor_fails(const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "%s, rank %d, after %ld allocations: ", window, rank, allowed);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    mpi_main_abort();
}

/* The call must succeed: no allocation fails in it. */
#define POOR_OK(call)                                                                              \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            poor_fails("%s: %s: %s", #call, mofka_status_name(status_), mofka_last_error());       \
    } while (0)

#define POOR_NEEDS(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            poor_fails("not: %s", #condition);                                                     \
    } while (0)

/* ---- the driver ------------------------------------------------------------------------------ */

static mofka_status_t create_driver(things_t *t) {
    char text[100];
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":1048576,\"owners\":[1,0]}",
             window);
    return by_name ? mofka_driver_create("mpi", text, &t->driver)
                   : mofka_mpi_driver_create(MPI_COMM_WORLD, text, &t->driver);
}

static void close_driver(things_t *t) {
    POOR_OK(mofka_driver_close(t->driver, 60000));
    mofka_driver_release(t->driver);
}

/* True: an allocation failed on the poor rank, and so the driver failed on all. */
static bool driver_fails(things_t *t) {
    if (rank == poor)
        memory_fail_after(allowed, for_good);
    mofka_status_t status = create_driver(t);
    int failed = memory_fail_no_more(), own = (int)status, least, most;
    MPI_Bcast(&failed, 1, MPI_INT, poor, MPI_COMM_WORLD);
    MPI_Allreduce(&own, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&own, &most, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (status != (failed ? MOFKA_ERR_MEMORY : MOFKA_OK) || least != most)
        poor_fails("creating the driver: %s (%s), of all from %d to %d", mofka_status_name(status),
                   mofka_last_error(), least, most);
    char culprit[40];
    snprintf(culprit, sizeof culprit, "rank %d failed while ", poor);
    POOR_NEEDS(!failed || rank == poor || strstr(mofka_last_error(), culprit));
    return failed;
}

/* Until it succeeds. */
static void driver_create_poorly(things_t *t) {
    long before = memory_live();
    for (allowed = 0; driver_fails(t); allowed++)
        POOR_NEEDS(memory_live() == before);
    POOR_NEEDS(allowed > 20);
    if (rank == poor)
        printf("%s, rank %d: create the driver %ld\n", window, rank, allowed);
}

/* The other ranks wait, and leave the processor to the poor one. */
static void wait_for_poor(void) {
    MPI_Request request;
    int done = 0;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
        clock_sleep_ms(1);
}

/* Allocations without their free, but for the records of the directory that this rank knows. */
static long things_live(const things_t *t) {
    mmi_driver_t *driver = t->driver->self;
    mmi_records_forget(&driver->directory.records);
    return memory_live();
}

/* ---- a topic --------------------------------------------------------------------------------- */

static mofka_status_t create_topic(const things_t *t, const char *name) {
    const mofka_topic_options_t options = {
        .options = "{\"partitions\":2,\"partition_bytes\":8192,\"partition_events\":16,"
                   "\"expected_producers\":1,\"retention\":\"discard_oldest\"}",
        .validator = "{\"type\":\"default\",\"json\":true}"};
    return mofka_driver_create_topic(t->driver, name, &options);
}

/* It is what was asked for: two partitions, and one producer that is expected. */
static void check_topic(const things_t *t, const char *name) {
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    POOR_OK(mofka_driver_open_topic(t->driver, name, 0, &topic));
    POOR_NEEDS(mofka_topic_partition_count(topic) == 2);
    POOR_OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "x"}, &consumer));
    POOR_OK(mofka_producer_create(topic, NULL, &producer));
    POOR_OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    POOR_OK(mofka_consumer_pull(consumer, 10000, &event));
    POOR_NEEDS(mofka_event_is_end(event));
    mofka_event_release(event);
    POOR_OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

/* Until it succeeds. A topic that could not be created does not exist. */
static void topic_create_poorly(const things_t *t, const char *name) {
    long before = things_live(t);
    for (allowed = 0;; allowed++) {
        bool exists = false;
        memory_fail_after(allowed, for_good);
        mofka_status_t status = create_topic(t, name);
        bool failed = memory_fail_no_more();
        POOR_OK(mofka_driver_topic_exists(t->driver, name, &exists));
        if (status != (failed ? MOFKA_ERR_MEMORY : MOFKA_OK) || exists == failed)
            poor_fails("creating a topic: %s: %s", mofka_status_name(status), mofka_last_error());
        POOR_NEEDS(things_live(t) == before);
        if (!failed)
            break;
    }
    check_topic(t, name);
    printf("%s, rank %d: create a topic %ld\n", window, rank, allowed);
}

/* ---- steps of the poor rank, and how they are undone ----------------------------------------- */

static mofka_status_t step_open_topic(things_t *t) {
    return mofka_driver_open_topic(t->driver, "log", 0, &t->topic);
}

static void undo_open_topic(things_t *t) {
    mofka_topic_release(t->topic);
}

static mofka_status_t step_create_producer(things_t *t) {
    return mofka_producer_create(t->topic, &(mofka_producer_options_t){.name = "writer"},
                                 &t->producer);
}

static mofka_status_t step_close_producer(things_t *t) {
    TRY(mofka_producer_close(t->producer, 10000));
    mofka_producer_release(t->producer);
    return MOFKA_OK;
}

static void undo_create_producer(things_t *t) {
    POOR_OK(step_close_producer(t));
}

static mofka_status_t step_create_consumer(things_t *t) {
    return mofka_consumer_create(t->topic, &(mofka_consumer_options_t){.name = "reader"},
                                 &t->consumer);
}

static mofka_status_t step_close_consumer(things_t *t) {
    TRY(mofka_consumer_close(t->consumer));
    mofka_consumer_release(t->consumer);
    return MOFKA_OK;
}

static void undo_create_consumer(things_t *t) {
    POOR_OK(step_close_consumer(t));
}

static mofka_status_t push_one(things_t *t, mofka_future_t **future) {
    mofka_data_view_t *view;
    TRY(mofka_data_view_of(t->data, DATA_BYTES, &view));
    mofka_status_t status =
        mofka_producer_push(t->producer, "{\"a\":1}", 7, view, MOFKA_ANY_PARTITION, future);
    mofka_data_view_release(view);
    return status;
}

/* A wait that fails gives the reason why the event is not stored; another push may succeed. */
static mofka_status_t wait_and_release(mofka_future_t *future) {
    mofka_status_t status = mofka_future_wait(future, 10000, NULL);
    mofka_future_release(future);
    return status;
}

static mofka_status_t step_push_with_future(things_t *t) {
    mofka_future_t *future;
    TRY(push_one(t, &future));
    return wait_and_release(future);
}

static mofka_status_t step_push_and_flush(things_t *t) {
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i < PUSHES && !status; i++)
        status = push_one(t, NULL);
    mofka_status_t flushed = mofka_producer_flush(t->producer, 10000);
    return status ? status : flushed;
}

static mofka_status_t step_flush_with_future(things_t *t) {
    mofka_future_t *future;
    mofka_status_t status = push_one(t, NULL);
    if (!status)
        status = mofka_producer_flush_future(t->producer, &future);
    if (!status)
        return wait_and_release(future);
    mofka_producer_flush(t->producer, 10000);
    return status;
}

static mofka_status_t look_at_event(mofka_event_t *event) {
    const struct cJSON *json;
    mofka_metadata_t *metadata, *info;
    POOR_NEEDS(strcmp(mofka_event_metadata_text(event, NULL), "{\"a\":1}") == 0);
    TRY(mofka_event_metadata(event, &metadata));
    TRY(mofka_metadata_json(metadata, &json));
    TRY(mofka_event_partition_info(event, &info));
    mofka_metadata_release(info);
    return mofka_event_acknowledge(event);
}

static mofka_status_t step_pull(things_t *t) {
    mofka_event_t *event;
    TRY(mofka_consumer_pull(t->consumer, 10000, &event));
    mofka_status_t status = look_at_event(event);
    mofka_event_release(event);
    return status;
}

static mofka_status_t step_pull_with_future(things_t *t) {
    mofka_future_t *future;
    mofka_result_t result;
    TRY(mofka_consumer_pull_future(t->consumer, &future));
    mofka_status_t status = mofka_future_wait(future, 10000, &result);
    mofka_future_release(future);
    if (status)
        return status;
    status = look_at_event(result.event);
    mofka_event_release(result.event);
    return status;
}

/* The runs' events have no NUL bytes; the single events among them do. */
static mofka_status_t step_pull_runs(things_t *t) {
    mofka_event_run_t *run;
    mofka_run_event_t shown;
    for (int i = 0; i < 8; i++)
        TRY(push_one(t, NULL));
    TRY(mofka_producer_flush(t->producer, 10000));
    for (int i = 0; i < 2; i++) {
        TRY(mofka_consumer_pull_run(t->consumer, 1, 10000, &run));
        POOR_OK(mofka_event_run_get(run, 0, &shown));
        POOR_NEEDS(shown.metadata_bytes == 7 && memcmp(shown.metadata, "{\"a\":1}", 7) == 0);
        mofka_status_t status = i == 0 ? step_pull(t) : step_pull_with_future(t);
        if (!status)
            status = mofka_event_run_acknowledge(run);
        mofka_event_run_release(run);
        TRY(status);
    }
    return MOFKA_OK;
}

static mofka_status_t see_topic(void *context, const char *name,
                                const mofka_metadata_t *description) {
    const struct cJSON *json;
    (void)context, (void)name;
    return mofka_metadata_json(description, &json);
}

static mofka_status_t step_list_topics(things_t *t) {
    return mofka_driver_list_topics(t->driver, see_topic, NULL);
}

/* Statistics that are given have all their values, to the last one. */
static mofka_status_t see_stats(mofka_status_t status, mofka_metadata_t *stats, const char *last) {
    if (status)
        return status;
    POOR_NEEDS(strstr(mofka_metadata_text(stats, NULL), last));
    mofka_metadata_release(stats);
    return MOFKA_OK;
}

static mofka_status_t step_read_stats(things_t *t) {
    mofka_metadata_t *stats = NULL;
    mofka_status_t status = mofka_driver_stats(t->driver, 10000, &stats);
    TRY(see_stats(status, stats, "\"lag\""));
    status = mofka_producer_stats(t->producer, &stats);
    TRY(see_stats(status, stats, "\"push_to_stored_ns\""));
    status = mofka_consumer_stats(t->consumer, &stats);
    return see_stats(status, stats, "\"events_ready\"");
}

static mofka_status_t step_mark_complete(things_t *t) {
    return mofka_topic_mark_complete(t->topic, 10000);
}

static mofka_status_t select_half(void *context, const mofka_metadata_t *metadata,
                                  mofka_data_descriptor_t *full,
                                  mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    return mofka_data_descriptor_strided_view(full, 0, DATA_BYTES / 4, 2, 2, selected);
}

static mofka_status_t step_create_picker(things_t *t) {
    const mofka_consumer_options_t options = {.name = "picker",
                                              .batch_size = 1,
                                              .selector = select_half,
                                              .acknowledge = MOFKA_ACKNOWLEDGE_AUTO};
    return mofka_consumer_create(t->topic, &options, &t->picker);
}

static mofka_status_t step_close_picker(things_t *t) {
    TRY(mofka_consumer_unsubscribe(t->picker));
    TRY(mofka_consumer_close(t->picker));
    mofka_consumer_release(t->picker);
    return MOFKA_OK;
}

static void undo_create_picker(things_t *t) {
    POOR_OK(step_close_picker(t));
}

/* An event, or the end. */
static mofka_status_t step_pull_data(things_t *t) {
    mofka_event_t *event;
    TRY(mofka_consumer_pull(t->picker, 10000, &event));
    POOR_NEEDS(mofka_event_is_end(event) ||
               mofka_data_view_size(mofka_event_data(event)) == DATA_BYTES / 2);
    mofka_event_release(event);
    return MOFKA_OK;
}

/* Its worker is started and ended, too. */
static mofka_status_t step_make_pool(things_t *t) {
    mofka_thread_pool_t *pool;
    TRY(mofka_driver_make_thread_pool(t->driver, 1, MOFKA_BINDING_NONE, &pool));
    mofka_thread_pool_release(pool);
    return MOFKA_OK;
}

/* A topic whose deletion failed is there. */
static mofka_status_t step_delete_topic(things_t *t) {
    mofka_status_t status = create_topic(t, "short");
    if (!status || status == MOFKA_ERR_EXISTS)
        status = mofka_driver_delete_topic(t->driver, "short");
    return status;
}

/* ---- steps that fail ------------------------------------------------------------------------- */

typedef struct step {
    const char *name;
    mofka_status_t (*run)(things_t *t);
    void (*undo)(things_t *t); /* NULL: what it does may be repeated */
    bool keeps;                /* after a failure, an open object may keep memory until its end */
} step_t;

/* After a failure: what it reports, that nothing is left of it, and that the next try succeeds. */
static void step_again(const step_t *step, things_t *t, mofka_status_t status, long before) {
    if (mofka_status_class(status) != MOFKA_CLASS_FREE || status != MOFKA_ERR_MEMORY)
        poor_fails("%s: %s: %s", step->name, mofka_status_name(status), mofka_last_error());
    if (things_live(t) > before && !step->keeps)
        poor_fails("%s: %ld allocations are left", step->name, memory_live() - before);
    status = step->run(t);
    if (status)
        poor_fails("%s, again: %s: %s", step->name, mofka_status_name(status), mofka_last_error());
}

/* Until it has no failure. The number of failures, and of those that the step could do without. */
static void step_repeat(const step_t *step, things_t *t, long *failures, long *unharmed) {
    for (allowed = 0;; allowed++) {
        long before = things_live(t);
        memory_fail_after(allowed, for_good);
        mofka_status_t status = step->run(t);
        bool failed = memory_fail_no_more();
        if (status)
            step_again(step, t, status, before);
        if (!failed)
            break;
        ++*failures;
        *unharmed += !status;
        if (step->undo)
            step->undo(t);
    }
}

static void steps_run(const step_t *steps, size_t count, things_t *t) {
    long sum = 0, sum_unharmed = 0;
    printf("%s, rank %d:", window, rank);
    for (size_t i = 0; i < count; i++) {
        long failures = 0, unharmed = 0;
        for_good = false;
        step_repeat(&steps[i], t, &failures, &unharmed);
        if (steps[i].undo)
            steps[i].undo(t);
        for_good = true;
        step_repeat(&steps[i], t, &failures, &unharmed);
        printf(" %s %ld,", steps[i].name, failures);
        sum += failures;
        sum_unharmed += unharmed;
    }
    printf(" together %ld; %ld of them without harm\n", sum, sum_unharmed);
    fflush(stdout);
}

static void poor_uses_topic(things_t *t) {
    static const step_t steps[] = {
        {"open a topic", step_open_topic, undo_open_topic, false},
        {"create a producer", step_create_producer, undo_create_producer, false},
        {"create a consumer", step_create_consumer, undo_create_consumer, false},
        {"push with a future", step_push_with_future, NULL, true},
        {"push and flush", step_push_and_flush, NULL, true},
        {"flush with a future", step_flush_with_future, NULL, true},
        {"pull", step_pull, NULL, true},
        {"pull with a future", step_pull_with_future, NULL, true},
        {"pull runs", step_pull_runs, NULL, true},
        {"make a thread pool", step_make_pool, NULL, false},
        {"list topics", step_list_topics, NULL, false},
        {"read statistics", step_read_stats, NULL, true},
        {"mark it complete", step_mark_complete, NULL, false},
        {"create a consumer with a selector", step_create_picker, undo_create_picker, false},
        {"pull data", step_pull_data, NULL, true},
        {"create and delete a topic", step_delete_topic, NULL, false},
    };
    static const step_t ends[] = {{"close", step_close_producer, NULL, false},
                                  {"close", step_close_consumer, NULL, false},
                                  {"close", step_close_picker, NULL, false}};
    steps_run(steps, sizeof steps / sizeof steps[0], t);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        long failures = 0;
        step_repeat(&ends[i], t, &failures, &failures);
        POOR_NEEDS(failures == 0); /* an end needs no memory */
    }
    mofka_topic_release(t->topic);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* On each rank in turn, with what is left counted. */
static void each_rank_is_poor(void (*run)(void)) {
    things_t first = {0};
    POOR_OK(create_driver(&first)); /* one-time allocations are made before the count */
    close_driver(&first);
    for (poor = 0; poor < size; poor++) {
        long before = memory_live();
        run();
        POOR_NEEDS(memory_live() == before);
    }
}

static void poor_driver(void) {
    things_t t = {0};
    driver_create_poorly(&t);
    close_driver(&t);
}

static void no_rank_keeps_a_driver_that_another_has_not(void **state) {
    (void)state;
    for_good = false;
    each_rank_is_poor(poor_driver);
}

static void by_name_no_rank_keeps_one_either(void **state) {
    (void)state;
    by_name = for_good = true;
    each_rank_is_poor(poor_driver);
    by_name = false;
}

static void poor_creates_topics(void) {
    things_t t = {0};
    POOR_OK(create_driver(&t));
    if (rank == poor) {
        for_good = false;
        topic_create_poorly(&t, "one fails");
        for_good = true;
        topic_create_poorly(&t, "all later ones fail");
    }
    wait_for_poor();
    close_driver(&t);
}

static void a_topic_is_created_whole_or_not_at_all(void **state) {
    (void)state;
    each_rank_is_poor(poor_creates_topics);
}

static void poor_streams(void) {
    const mofka_topic_options_t options = {
        .options = "{\"partitions\":2,\"partition_bytes\":65536,\"partition_events\":512,"
                   "\"retention\":\"discard_oldest\"}",
        .validator = "{\"type\":\"default\",\"json\":true}"};
    things_t t = {0};
    by_name = false;
    POOR_OK(create_driver(&t));
    if (rank == poor) {
        POOR_OK(mofka_driver_create_topic(t.driver, "log", &options));
        poor_uses_topic(&t);
    }
    wait_for_poor();
    close_driver(&t);
}

static void every_call_may_be_tried_again(void **state) {
    (void)state;
    each_rank_is_poor(poor_streams);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rank_keeps_a_driver_that_another_has_not),
        cmocka_unit_test(by_name_no_rank_keeps_one_either),
        cmocka_unit_test(a_topic_is_created_whole_or_not_at_all),
        cmocka_unit_test(every_call_may_be_tried_again),
    };
    mpi_main_start(&argc, &argv);
    memory_start();
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
