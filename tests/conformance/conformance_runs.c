/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: events that are pulled as runs, alone and mixed with single ones. */
#include <pthread.h>
#include "conformance/conformance.h"
#include <mofka/backend.h>

/* Event `index` of the run is {"n":number}. */
static void check_run_number(const mofka_event_run_t *run, size_t index, int number) {
    mofka_run_event_t event;
    char text[32];
    int bytes = snprintf(text, sizeof text, "{\"n\":%d}", number);
    OK(mofka_event_run_get(run, index, &event));
    assert_int_equal(event.id, number);
    assert_int_equal(event.metadata_bytes, bytes);
    assert_memory_equal(event.metadata, text, (size_t)bytes);
}

/* Pull a run, whose first event must be {"n":first}, and the others follow. Give: release. */
static mofka_event_run_t *pull_run_numbers(mofka_consumer_t *consumer, size_t most, int first) {
    mofka_event_run_t *run;
    OK(mofka_consumer_pull_run(consumer, most, WAIT_MS, &run));
    assert_false(mofka_event_run_is_end(run));
    IN_RANGE(mofka_event_run_count(run), 1, most);
    assert_int_equal(mofka_event_run_first_id(run), first);
    assert_int_equal(mofka_event_run_partition(run), 0);
    assert_int_equal(mofka_event_run_lost(run), 0);
    for (size_t i = 0; i < mofka_event_run_count(run); i++)
        check_run_number(run, i, first + (int)i);
    return run;
}

static void expect_run_end(mofka_consumer_t *consumer) {
    mofka_event_run_t *run;
    mofka_run_event_t event;
    OK(mofka_consumer_pull_run(consumer, 8, WAIT_MS, &run));
    assert_true(mofka_event_run_is_end(run));
    assert_int_equal(mofka_event_run_count(run), 0);
    assert_true(mofka_event_run_first_id(run) == MOFKA_NO_MORE_EVENTS);
    assert_true(mofka_event_run_partition(run) == SIZE_MAX);
    assert_int_equal(mofka_event_run_lost(run), 0);
    FAILS(mofka_event_run_get(run, 0, &event), MOFKA_ERR_RANGE, "it has 0 events");
    FAILS(mofka_event_run_acknowledge_to(run, 0), MOFKA_ERR_RANGE, "it has 0 events");
    OK(mofka_event_run_acknowledge(run));
    mofka_event_run_release(run);
}

/* In order, never more than asked for, never waiting for more; the end alone, and again. */
static void runs_are_walked(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_run_t *run = NULL;
    mofka_run_event_t event;
    FAILS(mofka_consumer_pull_run(consumer, 8, 0, &run), MOFKA_ERR_TIMEOUT, "no event");
    FAILS(mofka_consumer_pull_run(consumer, 0, 0, &run), MOFKA_ERR_RANGE, "events_max is 0");
    FAILS(mofka_consumer_pull_run(NULL, 8, 0, &run), MOFKA_ERR_INVALID, "consumer handle is NULL");
    assert_null(run);
    push_numbers(topic, 300);
    size_t runs = 0;
    for (int next = 0; next < 300; runs++) {
        run = pull_run_numbers(consumer, runs % 2 ? 7 : 50, next);
        size_t count = mofka_event_run_count(run);
        FAILS(mofka_event_run_get(run, count, &event), MOFKA_ERR_RANGE, "events");
        FAILS(mofka_event_run_acknowledge_to(run, count), MOFKA_ERR_RANGE, "events");
        assert_ptr_equal(mofka_event_run_retain(run), run);
        mofka_event_run_release(run);
        check_run_number(run, 0, next);
        mofka_event_run_release(run);
        next += (int)count;
    }
    IN_RANGE(runs, 6, 40); /* what is ready comes together */
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    expect_run_end(consumer);
    expect_run_end(consumer);
    expect_end(consumer);
    end_consumer(consumer);
    mofka_topic_release(topic);
    FAILS(mofka_event_run_get(NULL, 0, &event), MOFKA_ERR_INVALID, "run handle is NULL");
    FAILS(mofka_event_run_acknowledge(NULL), MOFKA_ERR_INVALID, "run handle is NULL");
    assert_int_equal(mofka_event_run_count(NULL), 0);
    assert_false(mofka_event_run_is_end(NULL));
    assert_true(mofka_event_run_first_id(NULL) == MOFKA_NO_MORE_EVENTS);
    assert_true(mofka_event_run_partition(NULL) == SIZE_MAX);
    assert_int_equal(mofka_event_run_lost(NULL), 0);
    assert_null(mofka_event_run_retain(NULL));
    mofka_event_run_release(NULL);
}

/* The statistics' number under this key. */
static double run_count_stat(mofka_consumer_t *consumer, const char *key) {
    mofka_metadata_t *stats;
    OK(mofka_consumer_stats(consumer, &stats));
    const char *at = strstr(mofka_metadata_text(stats, NULL), key);
    assert_non_null(at);
    double number = strtod(at + strlen(key) + 1, NULL);
    mofka_metadata_release(stats);
    return number;
}

static void take_future(mofka_consumer_t *consumer, int number) {
    mofka_future_t *future;
    mofka_result_t result;
    OK(mofka_consumer_pull_future(consumer, &future));
    OK(mofka_future_wait(future, WAIT_MS, &result));
    assert_int_equal(result.event_id, number);
    mofka_event_release(result.event);
    mofka_future_release(future);
}

/* A request is answered, and nobody takes the event. */
static void give_future_back(mofka_consumer_t *consumer) {
    mofka_future_t *future;
    OK(mofka_consumer_pull_future(consumer, &future));
    OK(mofka_future_wait(future, WAIT_MS, NULL));
    mofka_future_release(future);
}

/* Singles, lists, requests and runs, in all orders; some runs are held over the others. */
static void runs_and_single_events_come_in_order(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        mofka_event_t *events[5];
        mofka_event_run_t *run = NULL;
        unsigned random = seed;
        int held = -1, count = 200;
        size_t many;
        push_numbers(topic, count);
        for (int next = 0; next < count;) {
            random = random * 1103515245 + 12345;
            switch (random >> 16 & 7) {
            case 0:
                mofka_event_release(pull_number(consumer, next++));
                break;
            case 1:
                OK(mofka_consumer_pull_many(consumer, 5, WAIT_MS, events, &many));
                for (size_t i = 0; i < many; i++, next++) {
                    assert_int_equal(mofka_event_id(events[i]), next);
                    assert_int_equal(strlen(mofka_event_metadata_text(events[i], NULL)),
                                     next < 10    ? 7
                                     : next < 100 ? 8
                                                  : 9);
                    mofka_event_release(events[i]);
                }
                break;
            case 2:
                take_future(consumer, next++);
                break;
            case 3:
                give_future_back(consumer);
                break;
            default:
                if (held >= 0)
                    check_run_number(run, 0, held);
                mofka_event_run_release(run);
                run = pull_run_numbers(consumer, 1 + (random >> 20) % 30, held = next);
                next += (int)mofka_event_run_count(run);
            }
            assert_true(run_count_stat(consumer, "\"events_pulled\"") == next);
        }
        mofka_event_run_release(run);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* A consumer may end while runs are held, and before all that is ready was pulled. */
static void runs_outlive_their_consumer(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_run_t *run;
    push_numbers(topic, 100);
    run = pull_run_numbers(consumer, 10, 0);
    end_consumer(consumer);
    check_run_number(run, 3, 3);
    FAILS(mofka_event_run_acknowledge(run), MOFKA_ERR_CLOSED, "reader");
    mofka_event_run_release(run);
    consumer = new_consumer(topic, "reader");
    run = pull_run_numbers(consumer, 1, 0);
    OK(mofka_event_run_acknowledge(run));
    mofka_event_run_release(run);
    OK(mofka_consumer_close(consumer));
    FAILS(mofka_consumer_pull_run(consumer, 1, 0, &run), MOFKA_ERR_CLOSED, "reader");
    mofka_consumer_release(consumer);
    consumer = new_consumer(topic, "reader");
    take_number(consumer, 1);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static mofka_consumer_t *run_consumer(mofka_topic_t *topic, mofka_acknowledge_t acknowledge,
                                      mofka_data_selector_fn selector, void *context) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){.name = "reader",
                                                         .selector = selector,
                                                         .selector_context = context,
                                                         .acknowledge = acknowledge},
                             &consumer));
    return consumer;
}

static void runs_are_acknowledged(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = run_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL, NULL);
    push_numbers(topic, 40);
    mofka_event_run_t *runs[3];
    runs[0] = pull_run_numbers(consumer, 4, 0);
    int next = (int)mofka_event_run_count(runs[0]);
    OK(mofka_event_run_acknowledge_to(runs[0], 0));
    mofka_event_run_release(runs[0]); /* released, and not all acknowledged */
    end_consumer(consumer);
    consumer = run_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL, NULL);
    runs[0] = pull_run_numbers(consumer, 5, 1);
    next = 1 + (int)mofka_event_run_count(runs[0]);
    OK(mofka_event_run_acknowledge(runs[0]));
    mofka_event_run_release(runs[0]);
    end_consumer(consumer);
    /* Automatic: in the order of the topic, whatever is released first. */
    for (int turn = 0; turn < 2; turn++) {
        int from = next;
        consumer = run_consumer(topic, MOFKA_ACKNOWLEDGE_AUTO, NULL, NULL);
        for (int i = 0; i < 3; i++) {
            runs[i] = pull_run_numbers(consumer, 4, next);
            next += (int)mofka_event_run_count(runs[i]);
        }
        mofka_event_release(pull_number(consumer, next));
        mofka_event_run_release(runs[1]);
        next = turn == 0 ? from : (int)mofka_event_run_first_id(runs[2]);
        if (turn == 1)
            mofka_event_run_release(runs[0]);
        end_consumer(consumer);
        mofka_event_run_release(runs[2]); /* after the close, which acknowledges nothing more */
        if (turn == 0)
            mofka_event_run_release(runs[0]);
    }
    consumer = run_consumer(topic, MOFKA_ACKNOWLEDGE_AUTO, NULL, NULL);
    mofka_event_run_release(pull_run_numbers(consumer, 40, next));
    end_consumer(consumer);
    mofka_topic_release(topic);
}

typedef struct choice {
    mofka_consumer_t *consumer; /* NULL: is not pulled from in the selector */
    uint64_t refused;           /* the id of the event whose selection fails */
    uint64_t next;
} choice_t;

static mofka_status_t choose(void *context, const mofka_metadata_t *metadata,
                             mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected) {
    choice_t *choice = context;
    mofka_event_run_t *run;
    (void)metadata;
    if (choice->consumer)
        FAILS(mofka_consumer_pull_run(choice->consumer, 1, 0, &run), MOFKA_ERR_BUSY, "callback");
    if (choice->next++ == choice->refused)
        return mofka_fail(MOFKA_ERR_REFUSED, "not this one");
    return mofka_data_descriptor_sub_view(full, 1, 3, selected);
}

static void push_run_data(mofka_topic_t *topic, int count) {
    mofka_producer_t *producer = new_producer(topic);
    for (int i = 0; i < count; i++) {
        char text[32], data[8];
        mofka_data_view_t *view;
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        snprintf(data, sizeof data, "d%06d", i);
        OK(mofka_data_view_create(&(mofka_segment_t){data, 7}, 1, NULL, NULL, &view));
        OK(mofka_producer_push(producer, text, (size_t)bytes, view, MOFKA_ANY_PARTITION, NULL));
        OK(mofka_producer_flush(producer, WAIT_MS)); /* the memory is reused */
        mofka_data_view_release(view);
    }
    end_producer(producer);
}

static void check_run_data(const mofka_event_run_t *run) {
    for (size_t i = 0; i < mofka_event_run_count(run); i++) {
        mofka_run_event_t event;
        char got[8], data[8];
        OK(mofka_event_run_get(run, i, &event));
        snprintf(data, sizeof data, "d%06d", (int)event.id);
        assert_int_equal(event.data_bytes, 7);
        assert_int_equal(event.selected_bytes, 3);
        assert_int_equal(mofka_data_view_read(event.data, got, 3, 0), 3);
        assert_memory_equal(got, data + 1, 3);
    }
}

/* A run ends in front of an event whose selection fails. The next call reports it. */
static void runs_lose_no_error(void **state) {
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        choice_t choice = {.refused = 5};
        mofka_consumer_t *consumer =
            run_consumer(topic, (mofka_acknowledge_t)mode, choose, &choice);
        choice.consumer = consumer;
        push_run_data(topic, 12);
        mofka_event_run_t *run = NULL;
        mofka_status_t status;
        int next = 0, errors = 0;
        while (next < 12) {
            status = mofka_consumer_pull_run(consumer, 8, WAIT_MS, &run);
            if (next == 5 && errors == 0) {
                assert_int_equal(status, MOFKA_ERR_REFUSED);
                assert_non_null(strstr(mofka_last_error(), "not this one"));
                errors++;
                next++;
                continue;
            }
            OK(status);
            assert_int_equal(mofka_event_run_first_id(run), next);
            check_run_data(run);
            next += (int)mofka_event_run_count(run);
            assert_true(next <= 5 || errors == 1);
            mofka_event_run_release(run);
        }
        end_consumer(consumer);
        /* Automatic: an event that was not delivered holds the place. */
        choice = (choice_t){.refused = UINT64_MAX};
        consumer = run_consumer(topic, MOFKA_ACKNOWLEDGE_AUTO, choose, &choice);
        OK(mofka_consumer_pull_run(consumer, 8, WAIT_MS, &run));
        assert_int_equal(mofka_event_run_first_id(run), mode == MOFKA_ACKNOWLEDGE_AUTO ? 5 : 0);
        mofka_data_view_t *kept = NULL;
        mofka_run_event_t event;
        OK(mofka_event_run_get(run, 0, &event));
        kept = mofka_data_view_retain(event.data);
        mofka_event_run_release(run);
        assert_int_equal(mofka_data_view_size(kept), 3);
        mofka_data_view_release(kept);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* Stored behind an X. */
static mofka_status_t x_serialize(void *self, const mofka_archive_t *archive, const char *metadata,
                                  size_t bytes) {
    (void)self;
    mofka_status_t status = archive->write(archive->context, "X", 1);
    return status ? status : archive->write(archive->context, metadata, bytes);
}

static mofka_status_t x_deserialize(void *self, const mofka_archive_t *archive, size_t stored,
                                    mofka_metadata_t **metadata) {
    char text[64];
    (void)self;
    assert_true(stored <= sizeof text);
    mofka_status_t status = archive->read(archive->context, text, stored);
    assert_int_equal(text[0], 'X');
    return status ? status : mofka_metadata_create(text + 1, stored - 1, metadata);
}

static const mofka_serializer_ops_t x_serializer = {
    .size = sizeof x_serializer, .serialize = x_serialize, .deserialize = x_deserialize};

static void runs_show_what_the_serializer_read(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_serializer_t *serializer;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    OK(mofka_serializer_wrap(&x_serializer, NULL, &serializer));
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.serializer = serializer},
                             &producer));
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "reader", .serializer = serializer}, &consumer));
    for (int i = 0; i < 30; i++)
        push_number(producer, i);
    end_producer(producer);
    for (int next = 0; next < 30;) {
        mofka_event_run_t *run = pull_run_numbers(consumer, 4, next);
        next += (int)mofka_event_run_count(run);
        mofka_event_run_release(run);
        if (next < 30)
            mofka_event_release(pull_number(consumer, next++));
    }
    end_consumer(consumer);
    mofka_serializer_release(serializer);
    mofka_topic_release(topic);
}

#define SHARED_EVENTS 3000

typedef struct shared {
    mofka_consumer_t *consumer;
    _Atomic int index;               /* of the next thread */
    _Atomic int seen[SHARED_EVENTS]; /* how often each event was delivered */
} shared_t;

static void shared_see(shared_t *shared, const char *text) {
    int number = (int)strtol(text + 5, NULL, 10);
    assert_true(number >= 0 && number < SHARED_EVENTS);
    shared->seen[number]++;
}

static bool shared_take_run(shared_t *shared) {
    mofka_event_run_t *run;
    OK(mofka_consumer_pull_run(shared->consumer, 20, WAIT_MS, &run));
    bool end = mofka_event_run_is_end(run);
    for (size_t i = 0; i < mofka_event_run_count(run); i++) {
        mofka_run_event_t event;
        OK(mofka_event_run_get(run, i, &event));
        shared_see(shared, event.metadata);
    }
    mofka_event_run_release(run);
    return end;
}

static bool shared_take_event(shared_t *shared) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(shared->consumer, WAIT_MS, &event));
    bool end = mofka_event_is_end(event);
    if (!end)
        shared_see(shared, mofka_event_metadata_text(event, NULL));
    mofka_event_release(event);
    return end;
}

/* Two threads pull runs, two single events. */
static void *shared_main(void *context) {
    shared_t *shared = context;
    bool runs = shared->index++ % 2, end = false;
    while (!end)
        end = runs ? shared_take_run(shared) : shared_take_event(shared);
    return NULL;
}

/* Threads pull runs and single events of one consumer. Each event comes once. */
static void threads_share_a_consumer(void **state) {
    (void)state;
    for (size_t workers = 0; workers < 2; workers++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_thread_pool_t *pool;
        shared_t *shared = calloc(1, sizeof *shared);
        pthread_t threads[4];
        OK(mofka_thread_pool_create(
            &(mofka_thread_pool_options_t){.thread_count = workers, .binding = MOFKA_BINDING_NONE},
            &pool));
        OK(mofka_consumer_create(topic,
                                 &(mofka_consumer_options_t){.name = "reader",
                                                             .thread_pool = pool,
                                                             .acknowledge = MOFKA_ACKNOWLEDGE_AUTO},
                                 &shared->consumer));
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, shared_main, shared), 0);
        push_numbers(topic, SHARED_EVENTS);
        OK(mofka_topic_mark_complete(topic, WAIT_MS));
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < SHARED_EVENTS; i++)
            assert_int_equal(shared->seen[i], 1);
        end_consumer(shared->consumer);
        mofka_thread_pool_release(pool);
        free(shared);
        mofka_topic_release(topic);
    }
}

/* ---- in place -------------------------------------------------------------------------------- */

static size_t run_letters_bytes(uint64_t number) {
    return 9000 + (size_t)number % 100;
}

static void push_run_letters(mofka_producer_t *producer, uint64_t number) {
    static char text[16384];
    memset(text, 'A' + (int)(number % 26), run_letters_bytes(number));
    OK(mofka_producer_push(producer, text, run_letters_bytes(number), NULL, MOFKA_ANY_PARTITION,
                           NULL));
}

static void check_run_letters(const mofka_event_run_t *run) {
    for (size_t i = 0; i < mofka_event_run_count(run); i++) {
        mofka_run_event_t event;
        OK(mofka_event_run_get(run, i, &event));
        assert_int_equal(event.metadata_bytes, run_letters_bytes(event.id));
        for (size_t k = 0; k < event.metadata_bytes; k++)
            if (event.metadata[k] != 'A' + (char)(event.id % 26))
                fail_msg("event %u, byte %zu", (unsigned)event.id, k);
    }
}

/* A zero-copy consumer where windows allow it. */
static mofka_consumer_t *run_place_consumer(mofka_topic_t *topic, mofka_acknowledge_t acknowledge) {
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {
        .name = "reader", .acknowledge = acknowledge, .zero_copy = true};
    if (mofka_consumer_create(topic, &options, &consumer) == MOFKA_OK)
        return consumer;
    options.zero_copy = false;
    OK(mofka_consumer_create(topic, &options, &consumer));
    return consumer;
}

/* One run is held, while others come and go until the partition is full; it wraps on the way. The
 * bytes of all of them stay. It fails if acknowledgements pass a run that is not released. */
static void bytes_stay_while_a_run_is_held(void **state) {
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_consumer_t *consumer = run_place_consumer(topic, (mofka_acknowledge_t)(mode & 1));
        mofka_producer_t *producer = new_producer(topic);
        mofka_event_run_t *held = NULL, *run;
        /* Hold one of the first runs, or one of a later lap. */
        uint64_t hold_from = mode & 2 ? 3 : 150, next = 0;
        mofka_status_t status = MOFKA_OK;
        for (uint64_t i = 0; i < 400 && !status; i++) {
            push_run_letters(producer, i);
            status = mofka_producer_flush(producer, held ? 50 : WAIT_MS);
            if (status)
                break;
            OK(mofka_consumer_pull_run(consumer, 100, WAIT_MS, &run));
            assert_int_equal(mofka_event_run_first_id(run), next);
            check_run_letters(run);
            next += mofka_event_run_count(run);
            if (!(mode & 1))
                OK(mofka_event_run_acknowledge(run));
            if (!held && next > hold_from)
                held = run;
            else
                mofka_event_run_release(run);
        }
        assert_non_null(held);
        check_run_letters(held);
        if (mofka_consumer_zero_copy(consumer))
            FAILS(mofka_consumer_close(consumer), MOFKA_ERR_BUSY, "are held");
        mofka_event_run_release(held);
        status = mofka_consumer_pull_run(consumer, 1, 0, &run); /* publishes that it is let go */
        if (!status)
            mofka_event_run_release(run);
        else
            assert_int_equal(status, MOFKA_ERR_TIMEOUT);
        end_producer(producer);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* Runs that are released without an acknowledgement come again. Single events get texts of their
 * own. */
static void runs_in_place_come_again(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 60);
    for (int turn = 0; turn < 3; turn++) {
        mofka_consumer_t *consumer = run_place_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL);
        mofka_event_run_t *first = pull_run_numbers(consumer, 10, 0);
        int next = (int)mofka_event_run_count(first);
        mofka_event_t *event = pull_number(consumer, next);
        mofka_event_run_t *rest = pull_run_numbers(consumer, 50, next + 1);
        check_run_number(first, 0, 0);
        OK(mofka_event_run_acknowledge_to(rest, 0)); /* `first` holds it back */
        mofka_event_release(event);
        mofka_event_run_release(rest);
        if (!mofka_consumer_zero_copy(consumer)) { /* nothing holds it back */
            mofka_event_run_release(first);
            end_consumer(consumer);
            break;
        }
        FAILS(mofka_consumer_close(consumer), MOFKA_ERR_BUSY, "are held");
        FAILS(mofka_consumer_unsubscribe(consumer), MOFKA_ERR_BUSY, "are held");
        check_run_number(first, 0, 0);
        if (turn == 2)
            OK(mofka_event_run_acknowledge(first)); /* it takes nothing back */
        mofka_event_run_release(first);
        end_consumer(consumer);
        consumer = run_place_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL);
        OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
        assert_int_equal(mofka_event_id(event), next + 2);
        mofka_event_release(event);
        OK(mofka_consumer_unsubscribe(consumer));
        end_consumer(consumer);
    }
    mofka_topic_release(topic);
}

const struct CMUnitTest run_cases[] = {
    cmocka_unit_test(runs_are_walked),
    cmocka_unit_test(runs_and_single_events_come_in_order),
    cmocka_unit_test(runs_outlive_their_consumer),
    cmocka_unit_test(runs_are_acknowledged),
    cmocka_unit_test(runs_lose_no_error),
    cmocka_unit_test(runs_show_what_the_serializer_read),
    cmocka_unit_test(threads_share_a_consumer),
    cmocka_unit_test(bytes_stay_while_a_run_is_held),
    cmocka_unit_test(runs_in_place_come_again),
};
const size_t run_case_count = sizeof run_cases / sizeof run_cases[0];
