/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that does not answer: the calls of the others return, name it, and lose nothing.
 *
 * This program puts itself between the library and MPI. While `holds_up` is set, an operation on
 * rank 1 waits inside MPI, as it does if rank 1 is stopped or cannot be reached. A call that
 * returns meanwhile has not waited for it. No time is measured. Rank 0 acts. Partition 0 is owned
 * by rank 1, partition 1 by rank 0.
 */
#include <stdatomic.h>
#include <unistd.h>
#include "support/callbacks.h"
#include "support/json_path.h"
#include "support/mpi/mpi_main.h"

#define LATE 1
#define COUNT 20
#define TIMEOUT_MS 200

static _Atomic bool holds_up, fails;
/* Reads of rank 1 get no answer; how many wait for one. */
static _Atomic bool is_silent;
static _Atomic int unanswered;
#define SILENT_TAG 77
static mofka_driver_t *driver;
static mofka_topic_t *topic;

static void late_wait(int target) {
    while (target == LATE && atomic_load(&holds_up))
        usleep(1000);
}

int MPI_Win_flush(int target, MPI_Win win) {
    late_wait(target);
    return PMPI_Win_flush(target, win);
}

int MPI_Rget(void *to, int count, MPI_Datatype type, int target, MPI_Aint place, int target_count,
             MPI_Datatype target_type, MPI_Win win, MPI_Request *request) {
    if (target == LATE && atomic_load(&is_silent)) {
        atomic_fetch_add(&unanswered, 1);
        return PMPI_Irecv(to, 0, type, 0, SILENT_TAG, MPI_COMM_SELF, request);
    }
    late_wait(target);
    return PMPI_Rget(to, count, type, target, place, target_count, target_type, win, request);
}

int MPI_Put(const void *from, int count, MPI_Datatype type, int target, MPI_Aint place,
            int target_count, MPI_Datatype target_type, MPI_Win win) {
    if (target == LATE && atomic_load(&fails))
        return MPI_ERR_OTHER;
    return PMPI_Put(from, count, type, target, place, target_count, target_type, win);
}

/* The call has returned, though rank 1 has not answered. */
static void late_expect(mofka_status_t status, bool names) {
    assert_true(atomic_load(&holds_up));
    if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_POSSIBLY_STORED)
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
    if (names && !strstr(mofka_last_error(), "rank 1"))
        fail_msg("'%s' does not name rank 1", mofka_last_error());
}

#define FEW 4
#define MANY 40000          /* does not come along with the metadata */
static size_t number_count; /* in the data of an event */

static int late_setup(void **state) {
    static int number;
    char name[16];
    (void)state;
    number_count = FEW;
    snprintf(name, sizeof name, "topic%d", number++);
    OK(mofka_driver_create_topic(
        driver, name,
        &(mofka_topic_options_t){.options = "{\"partitions\":2,\"partition_bytes\":1048576}"}));
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    return 0;
}

static int late_teardown(void **state) {
    (void)state;
    atomic_store(&holds_up, false);
    mofka_topic_release(topic);
    return 0;
}

static mofka_producer_t *late_create_producer(mofka_thread_pool_t *pool) {
    mofka_producer_t *producer;
    mofka_producer_options_t options = {
        .batch_size = 4, .linger_ms = 60000, .push_timeout_ms = TIMEOUT_MS, .thread_pool = pool};
    OK(mofka_producer_create(topic, &options, &producer));
    return producer;
}

static mofka_consumer_t *late_create_consumer(const char *name) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .selector = select_all_data}, &consumer));
    return consumer;
}

static void late_push(mofka_producer_t *producer, size_t partition, int i) {
    char text[32];
    mofka_data_view_t *data;
    snprintf(text, sizeof text, "{\"i\":%d}", i);
    OK(mofka_data_view_allocate(number_count * sizeof i, &data));
    size_t count;
    int *numbers = mofka_data_view_segments(data, &count)->ptr;
    for (size_t k = 0; k < number_count; k++)
        numbers[k] = i;
    OK(mofka_producer_push(producer, text, strlen(text), data, partition, NULL));
    mofka_data_view_release(data);
}

/* The next event is number `i`, with its data. */
static void late_pull(mofka_consumer_t *consumer, int i) {
    mofka_event_t *event;
    char text[32];
    size_t count;
    OK(mofka_consumer_pull(consumer, 60000, &event));
    mofka_metadata_t *metadata;
    OK(mofka_event_metadata(event, &metadata));
    snprintf(text, sizeof text, "{\"i\":%d}", i);
    assert_string_equal(mofka_metadata_text(metadata, NULL), text);
    const mofka_data_view_t *data = mofka_event_data(event);
    assert_int_equal(mofka_data_view_size(data), number_count * sizeof i);
    const int *numbers = mofka_data_view_segments(data, &count)->ptr;
    assert_int_equal(numbers[number_count - 1], i);
    mofka_event_release(event);
}

static void late_end(mofka_producer_t *producer, mofka_consumer_t *consumer) {
    mofka_event_t *event;
    assert_int_equal(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
}

/* Push and flush while rank 1 holds up; afterwards each event is there once, in order. */
static void late_send(mofka_thread_pool_t *pool) {
    mofka_producer_t *producer = late_create_producer(pool);
    mofka_consumer_t *consumer = late_create_consumer("reader");
    atomic_store(&holds_up, true);
    for (int i = 0; i < 6; i++)
        late_push(producer, 0, i);
    late_expect(mofka_producer_flush(producer, TIMEOUT_MS), true);
    late_expect(mofka_producer_flush(producer, 0), true);
    late_expect(mofka_producer_close(producer, TIMEOUT_MS), true);
    atomic_store(&holds_up, false);
    OK(mofka_producer_flush(producer, -1));
    for (int i = 0; i < 6; i++)
        late_pull(consumer, i);
    late_end(producer, consumer);
}

static void a_flush_returns(void **state) {
    (void)state;
    late_send(NULL);
}

static void a_flush_with_workers_returns(void **state) {
    mofka_thread_pool_t *pool;
    (void)state;
    OK(mofka_driver_make_thread_pool(driver, 1, MOFKA_BINDING_NONE, &pool));
    late_send(pool);
    mofka_thread_pool_close(pool);
    mofka_thread_pool_release(pool);
}

/* What waits for rank 1 does not hold up the same producer's other partition. */
static void another_owner_is_served(void **state) {
    (void)state;
    mofka_producer_t *producer = late_create_producer(NULL), *other = late_create_producer(NULL);
    size_t own = 1;
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){
            .name = "own", .selector = select_all_data, .targets = &own, .target_count = 1},
        &consumer));
    atomic_store(&holds_up, true);
    late_push(producer, 0, 0);
    late_expect(mofka_producer_flush(producer, TIMEOUT_MS), true);
    for (int i = 0; i < COUNT; i++)
        late_push(other, 1, i);
    OK(mofka_producer_flush(other, 60000));
    for (int i = 0; i < COUNT; i++)
        late_pull(consumer, i);
    assert_true(atomic_load(&holds_up));
    atomic_store(&holds_up, false);
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
    late_end(other, consumer);
}

static void a_pull_returns(void **state) {
    (void)state;
    mofka_producer_t *producer = late_create_producer(NULL);
    mofka_consumer_t *consumer = late_create_consumer("reader");
    mofka_event_t *event;
    for (int i = 0; i < COUNT; i++)
        late_push(producer, 0, i);
    OK(mofka_producer_flush(producer, 60000));
    for (int i = 0; i < COUNT; i++) {
        if (i % 7 == 0) {
            atomic_store(&holds_up, true);
            mofka_status_t status = mofka_consumer_pull(consumer, TIMEOUT_MS, &event);
            if (!status) { /* it was fetched before */
                mofka_event_release(event);
                atomic_store(&holds_up, false);
                continue;
            }
            late_expect(status, false);
            late_expect(mofka_consumer_pull(consumer, 0, &event), false);
            atomic_store(&holds_up, false);
        }
        late_pull(consumer, i);
    }
    late_end(producer, consumer);
}

static int allocations;

static mofka_status_t late_allocate(void *context, const mofka_metadata_t *metadata,
                                    mofka_data_descriptor_t *selected, mofka_data_view_t **view) {
    (void)context, (void)metadata;
    allocations++;
    atomic_store(&holds_up, true); /* the copy is what waits */
    return mofka_data_view_allocate(mofka_data_descriptor_size(selected), view);
}

/* A copy that is late goes on: it does not begin again. */
static void a_copy_is_continued(void **state) {
    (void)state;
    mofka_producer_t *producer = late_create_producer(NULL);
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){.name = "reader",
                                                         .selector = select_all_data,
                                                         .allocator = late_allocate},
                             &consumer));
    number_count = MANY;
    late_push(producer, 0, 0);
    OK(mofka_producer_flush(producer, 60000));
    allocations = 0;
    late_expect(mofka_consumer_pull(consumer, TIMEOUT_MS, &event), false);
    late_expect(mofka_consumer_pull(consumer, TIMEOUT_MS, &event), false);
    atomic_store(&holds_up, false);
    late_pull(consumer, 0);
    assert_int_equal(allocations, 1);
    late_end(producer, consumer);
}

/* The last call of the driver waits for what is under way, in bounds. */
static void completing_and_closing_return(void **state) {
    (void)state;
    mofka_producer_t *producer = late_create_producer(NULL);
    mofka_consumer_t *consumer = late_create_consumer("reader");
    mofka_event_t *event;
    atomic_store(&holds_up, true);
    late_expect(mofka_topic_mark_complete(topic, TIMEOUT_MS), true);
    atomic_store(&holds_up, false);
    OK(mofka_topic_mark_complete(topic, 60000));
    OK(mofka_consumer_pull(consumer, 60000, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
    atomic_store(&holds_up, true);
    late_expect(mofka_topic_mark_complete(topic, TIMEOUT_MS), true);
    late_expect(mofka_driver_close(driver, TIMEOUT_MS), false);
    atomic_store(&holds_up, false);
}

/* The reads that got no answer end, with nothing. */
static void late_answer(void) {
    atomic_store(&is_silent, false);
    for (; atomic_load(&unanswered) > 0; atomic_fetch_sub(&unanswered, 1))
        PMPI_Send(NULL, 0, MPI_UINT64_T, 0, SILENT_TAG, MPI_COMM_SELF);
}

static const char *late_state(mofka_metadata_t *stats) {
    return cJSON_GetStringValue(json_at(stats, "ranks/0/state"));
}

/* Statistics end in time, and say which rank has not answered, and for how long. */
static void a_silent_rank_is_named(void **state) {
    (void)state;
    mofka_metadata_t *stats;
    atomic_store(&is_silent, true);
    OK(mofka_driver_stats(driver, TIMEOUT_MS, &stats));
    assert_null(late_state(stats)); /* not long enough */
    while (!late_state(stats)) {
        mofka_metadata_release(stats);
        OK(mofka_driver_stats(driver, TIMEOUT_MS, &stats));
    }
    assert_string_equal(late_state(stats), "silent");
    NUMBER(stats, "ranks/0/rank", LATE);
    assert_true(number_at(stats, "ranks/0/ms") >= 1000);
    assert_non_null(json_at(stats, "topics_status"));
    mofka_metadata_release(stats);
    late_answer();
    OK(mofka_driver_stats(driver, 60000, &stats));
    assert_null(late_state(stats));
    assert_null(json_at(stats, "topics_status"));
    mofka_metadata_release(stats);
}

/* An error of MPI on the memory of one rank does not end what another one serves. */
static void an_error_is_one_owners(void **state) {
    (void)state;
    mofka_producer_t *producer = late_create_producer(NULL);
    size_t own = 1;
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){
            .name = "own", .selector = select_all_data, .targets = &own, .target_count = 1},
        &consumer));
    atomic_store(&fails, true);
    late_push(producer, 0, 0);
    FAILS(mofka_producer_flush(producer, 60000), MOFKA_ERR_MPI, "MPI_Put");
    atomic_store(&fails, false);
    late_push(producer, 0, 0);
    FAILS(mofka_producer_flush(producer, 60000), MOFKA_ERR_MPI, "MPI_Put");
    for (int i = 0; i < COUNT; i++)
        late_push(producer, 1, i);
    OK(mofka_producer_flush(producer, 60000));
    for (int i = 0; i < COUNT; i++)
        late_pull(consumer, i);
    late_end(producer, consumer);
}

static void late_open_driver(void) {
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\",\"owners\":[1,0]}", &driver));
}

static void late_close_driver(void) {
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest late[] = {
        cmocka_unit_test_setup_teardown(a_flush_returns, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(a_flush_with_workers_returns, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(another_owner_is_served, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(a_pull_returns, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_continued, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(a_silent_rank_is_named, late_setup, late_teardown),
        cmocka_unit_test_setup_teardown(completing_and_closing_return, late_setup, late_teardown),
    };
    const struct CMUnitTest failing[] = {
        cmocka_unit_test_setup_teardown(an_error_is_one_owners, late_setup, late_teardown),
    };
    late_open_driver();
    int failed = rank == 0 ? RUN_MPI_TESTS(late) : 0;
    if (failed)
        mpi_main_abort();
    late_close_driver();
    late_open_driver();
    failed = rank == 0 ? RUN_MPI_TESTS(failing) : 0;
    if (failed)
        mpi_main_abort();
    late_close_driver();
    return mpi_main_end(failed);
}
