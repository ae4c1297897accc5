/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers over a backend that answers by script: what the core does with each answer of append,
 * of close, and of a driver's own tables.
 */
#include <sys/mman.h>
#include "support/scripted_backend.h"
#include <mofka/register.h>

static void the_delivery_state_follows_the_append(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    script.answers[1] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[2] = MOFKA_OK;
    mofka_producer_t *producer = scripted_create_producer(2);
    mofka_future_t *future = scripted_push(producer);
    mofka_result_t result;
    assert_int_equal(script.calls, 0); /* it is in the batch */
    FAILS(mofka_future_wait(future, 0, &result), MOFKA_ERR_TIMEOUT, "not there");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    FAILS(mofka_future_wait(future, 0, &result), MOFKA_ERR_TIMEOUT, "not there");
    assert_int_equal(mofka_future_delivery(future), MOFKA_POSSIBLY_STORED);
    OK(mofka_future_wait(future, 0, &result));
    assert_int_equal(mofka_future_delivery(future), MOFKA_STORED);
    assert_int_equal(result.event_id, 0);
    mofka_future_release(future);
    scripted_end_producer(producer);
    assert_int_equal(script.flushed, 1);
}

/* A batch with a reservation may become visible, whatever happens then, but not behind the topic's
 * end. */
static void an_error_after_the_reservation_leaves_it_open(void **state) {
    (void)state;
    const mofka_status_t answers[] = {MOFKA_ERR_MPI, MOFKA_ERR_COMPLETE, MOFKA_ERR_MPI};
    const mofka_delivery_t expected[] = {MOFKA_POSSIBLY_STORED, MOFKA_NOT_STORED,
                                         MOFKA_POSSIBLY_STORED};
    mofka_producer_t *producer = scripted_create_producer(2);
    for (int i = 0; i < 3; i++) {
        script.next = 0;
        script.reserves = i < 2;
        script.answers[0] = i < 2 ? answers[i] : MOFKA_ERR_POSSIBLY_STORED;
        script.answers[1] = answers[i];
        mofka_future_t *future = scripted_push(producer);
        if (i == 2)
            FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_TIMEOUT, "");
        FAILS(mofka_future_wait(future, 0, NULL), answers[i], "as the script says");
        assert_int_equal(mofka_future_delivery(future), expected[i]);
        mofka_future_release(future);
    }
    scripted_end_producer(producer);
}

/* A batch that failed for good fails its own events only, and neither flush nor close hangs. */
static void a_failed_batch_is_reported_and_over(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_MPI;
    mofka_producer_t *producer = scripted_create_producer(2);
    mofka_future_t *future = scripted_push(producer);
    for (int i = 0; i < 2; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_MPI, "2 events failed, the first: as");
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_MPI, "as the script says");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
    future = scripted_push(producer);
    mofka_result_t result;
    OK(mofka_future_wait(future, 1000, &result));
    assert_int_equal(result.event_id, 0);
    mofka_future_release(future);
    scripted_end_producer(producer);
    assert_int_equal(script.flushed,
                     1); /* all events since the flush that reported the failure are stored */
}

static void what_cannot_leave_stays_and_close_can_be_repeated(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    script.answers[3] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[4] = MOFKA_OK;
    mofka_producer_t *producer = scripted_create_producer(1);
    for (int i = 0; i < 4; i++) /* a full batch, sent by the push that fills it: time-out 1 */
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_TIMEOUT,
          "script"); /* time-out 2: no batch for the event */
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_TIMEOUT, "4 events are not stored yet");
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "4 events are not stored");
    assert_int_equal(script.closed, 0);
    OK(mofka_producer_close(producer, 1000)); /* the fifth was reported by its push */
    assert_int_equal(script.appended, 4);
    assert_int_equal(script.closed, 1);
    assert_int_equal(script.flushed, 1);
    OK(mofka_producer_close(producer, 0));
    mofka_producer_release(producer);
}

typedef struct late {
    mofka_producer_t *producer;
    mofka_future_t *future;
} late_t;

static void push_late(void *context) {
    late_t *late = context;
    late->future = scripted_push(late->producer);
}

/* An event that is pushed while close flushes is sent, too. */
static void closing_leaves_no_event_behind(void **state) {
    (void)state;
    late_t late = {.producer = scripted_create_producer(2)};
    mofka_data_view_t *view;
    OK(mofka_data_view_create(NULL, 0, push_late, &late, &view));
    OK(mofka_producer_push(late.producer, "{}", 2, view, 0, NULL));
    mofka_data_view_release(view); /* its last user is the batch */
    mofka_producer_retain(late.producer);
    scripted_end_producer(late.producer);
    assert_int_equal(script.appended, 2);
    OK(mofka_future_wait(late.future, 0, NULL));
    mofka_future_release(late.future);
    mofka_producer_release(late.producer);
}

/* The backend may need more time to end than one call of close has. */
static void closing_goes_on_in_the_backend(void **state) {
    (void)state;
    for (int abandoned = 0; abandoned < 2; abandoned++) {
        memset(&script, 0, sizeof script);
        script.close_answers[0] = MOFKA_ERR_TIMEOUT;
        mofka_producer_t *producer = scripted_create_producer(2);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_TIMEOUT, "not the last one");
        FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_CLOSED, "closed");
        assert_int_equal(script.destroyed, 0);
        if (!abandoned) {
            OK(mofka_producer_close(producer, 1000));
            OK(mofka_producer_close(producer, 1000));
        }
        mofka_producer_release(producer);
        if (abandoned) {
            mofka_driver_retain(driver); /* teardown closes and releases once more */
            OK(mofka_driver_close(driver, 1000));
            mofka_driver_release(driver);
        }
        assert_int_equal(script.closed, 2);
        assert_int_equal(script.flushed, 1);
        assert_int_equal(script.destroyed, 1);
    }
}

/* Released without close: the driver's close sends what is left. */
static void the_driver_sends_what_was_left(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = scripted_create_producer(2);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    mofka_producer_release(producer);
    FAILS(mofka_driver_close(driver, 0), MOFKA_ERR_TIMEOUT, "1 events are not stored yet");
    mofka_driver_retain(driver); /* teardown closes and releases once more */
    OK(mofka_driver_close(driver, 1000));
    assert_int_equal(script.appended, 1);
    mofka_driver_release(driver);
}

/* Futures that are held, of batches that are not sent, are no users of the handle. */
static void the_driver_sends_what_futures_wait_for(void **state) {
    (void)state;
    mofka_producer_t *producer = scripted_create_producer(2);
    mofka_future_t *pushed = scripted_push(producer), *flushed;
    mofka_result_t result;
    OK(mofka_producer_flush_future(producer, &flushed));
    mofka_future_release(scripted_push(producer));
    mofka_producer_release(producer);
    mofka_driver_retain(driver); /* teardown closes and releases once more */
    OK(mofka_driver_close(driver, 1000));
    mofka_driver_release(driver);
    assert_int_equal(script.appended, 2);
    assert_int_equal(script.destroyed, 1);
    OK(mofka_future_wait(pushed, 0, &result));
    OK(mofka_future_wait(flushed, 0, NULL));
    mofka_future_release(pushed);
    mofka_future_release(flushed);
}

static void event_sizes_are_bounded(void **state) {
    (void)state;
    mofka_producer_t *producer = scripted_create_producer(2);
    static char bytes[2048];
    FAILS(mofka_producer_push(producer, bytes, 1025, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "at most 1024");
    OK(mofka_producer_push(producer, bytes, 1024, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TOO_LARGE, "1 events failed");
    scripted_end_producer(producer);
}

/* As a serializer may make more of it. */
static mofka_status_t write_too_much(void *self, const mofka_archive_t *archive,
                                     const char *metadata, size_t bytes) {
    size_t much = MOFKA_METADATA_BYTES_MAX - bytes + 1;
    (void)self;
    void *zeros = mmap(NULL, much, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(zeros != MAP_FAILED);
    mofka_status_t status = archive->write(archive->context, metadata, bytes);
    if (!status)
        status = archive->write(archive->context, zeros, much);
    munmap(zeros, much);
    return status;
}

static mofka_status_t never_read(void *self, const mofka_archive_t *archive, size_t bytes,
                                 mofka_metadata_t **metadata) {
    (void)self, (void)archive, (void)bytes, (void)metadata;
    return MOFKA_ERR_CORRUPT;
}

static mofka_status_t make_too_much(const mofka_metadata_t *metadata,
                                    const mofka_serializer_ops_t **ops, void **self) {
    static const mofka_serializer_ops_t too_much = {
        .size = sizeof too_much, .serialize = write_too_much, .deserialize = never_read};
    (void)metadata;
    *ops = &too_much;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_SERIALIZER(too_much, make_too_much);

static void serialized_metadata_is_bounded(void **state) {
    (void)state;
    mofka_topic_t *other;
    mofka_producer_t *producer;
    script.serializer = "{\"type\":\"too_much\"}";
    OK(mofka_driver_open_topic(driver, "topic", 0, &other));
    OK(mofka_producer_create(other, NULL, &producer));
    FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "serialized metadata of 1073741825 bytes");
    FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_TOO_LARGE, "1 events failed");
    mofka_producer_release(producer);
    mofka_topic_release(other);
}

/* Refused events are reported, and all accepted ones are stored: the producer counts as finished.
 * It does not count if an accepted event failed, too. */
static void refusals_do_not_keep_a_topic_open(void **state) {
    (void)state;
    static char bytes[2048];
    for (int lost = 0; lost < 2; lost++) {
        memset(&script, 0, sizeof script);
        script.answers[0] = lost ? MOFKA_ERR_MPI : MOFKA_OK;
        mofka_producer_t *producer = scripted_create_producer(2);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        FAILS(mofka_producer_push(producer, bytes, sizeof bytes, NULL, 0, NULL),
              MOFKA_ERR_TOO_LARGE, "at most 1024");
        FAILS(mofka_producer_close(producer, 1000), MOFKA_ERR_TOO_LARGE, "events failed");
        assert_int_equal(script.flushed, !lost);
        assert_int_equal(script.destroyed, 1);
        OK(mofka_producer_close(producer, 1000));
        mofka_producer_release(producer);
    }
}

static void tables_with_holes_are_refused(void **state) {
    (void)state;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_driver_t *other;
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a"}, &consumer),
          MOFKA_ERR_INVALID, "lacks a required slot");
    mofka_driver_ops_t ops = driver_ops;
    ops.open_topic = NULL;
    FAILS(mofka_driver_wrap("holes", &ops, NULL, &other), MOFKA_ERR_INVALID, "holes");
    ops = driver_ops;
    ops.size = 8;
    FAILS(mofka_driver_wrap("short", &ops, NULL, &other), MOFKA_ERR_INVALID, "short");
    script.eventless = true;
    FAILS(mofka_producer_create(topic, NULL, &producer), MOFKA_ERR_INVALID,
          "allows no event in a batch");
}

/* ---- options --------------------------------------------------------------------------------- */

static mofka_status_t make_named(const char *name) {
    mofka_producer_t *producer;
    mofka_status_t status =
        mofka_producer_create(topic, &(mofka_producer_options_t){.name = name}, &producer);
    if (!status) {
        assert_string_equal(mofka_producer_name(producer), name);
        OK(mofka_producer_close(producer, 1000));
        mofka_producer_release(producer);
    }
    return status;
}

/* They stand in JSON and in logs. */
static void producer_names_are_text(void **state) {
    (void)state;
    char longest[MOFKA_NAME_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[MOFKA_NAME_BYTES_MAX] = '\0';
    OK(make_named(""));
    OK(make_named("Z\u00e4hler 1 \u2713 \U0001f600"));
    OK(make_named(longest));
    longest[MOFKA_NAME_BYTES_MAX] = 'x';
    longest[MOFKA_NAME_BYTES_MAX + 1] = '\0';
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"a\xff", "invalid UTF-8 at byte 1; names are at most 127 bytes of UTF-8"},
        {"\xc3", "invalid UTF-8 at byte 0"},
        {"ab\xc0\xaf", "invalid UTF-8 at byte 2"},
        {"\xed\xa0\x80", "invalid UTF-8 at byte 0"},
        {"a\nb", "a control character at byte 1"},
        {"\x7f", "a control character at byte 0"},
        {"a\xc2\x85", "a control character at byte 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        FAILS(make_named(cases[i].name), MOFKA_ERR_INVALID, cases[i].text);
}

static void refused_options_are_named_with_their_range(void **state) {
    (void)state;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_thread_pool_t *pool;
    static const size_t targets[] = {1, PARTITIONS, 0, 0};
    mofka_producer_options_t wrong = {.ordering = (mofka_ordering_t)7};
    FAILS(mofka_producer_create(topic, &wrong, &producer), MOFKA_ERR_INVALID,
          "ordering is 7, not MOFKA_ORDERING_STRICT (0) or MOFKA_ORDERING_LOOSE (1)");
    static const struct {
        mofka_consumer_options_t options;
        mofka_status_t status;
        const char *text;
    } cases[] = {
        {{.name = "a\x80"}, MOFKA_ERR_INVALID, "a byte 0x80 at 1; names are 1 to 127 printable"},
        {{.name = ""}, MOFKA_ERR_INVALID, "the consumer name is empty; names are 1 to 127"},
        {{.name = "a", .start = 7}, MOFKA_ERR_INVALID, "start is 7, not MOFKA_START_BEGINNING (0)"},
        {{.name = "a", .acknowledge = 7}, MOFKA_ERR_INVALID, "acknowledge is 7, not MOFKA_ACKNOWL"},
        {{.name = "a", .targets = targets, .target_count = 2},
         MOFKA_ERR_RANGE,
         "target 3 is outside [0, 2]"},
        {{.name = "a", .targets = targets, .target_count = 4},
         MOFKA_ERR_RANGE,
         "target_count is 4, outside [1, 3]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        FAILS(mofka_consumer_create(topic, &cases[i].options, &consumer), cases[i].status,
              cases[i].text);
    mofka_thread_pool_options_t many = {.thread_count = 5000};
    FAILS(mofka_thread_pool_create(&many, &pool), MOFKA_ERR_RANGE,
          "thread_count is 5000, outside [0, 1024]");
}

/* ---- pools of the driver's ------------------------------------------------------------------- */

static mofka_thread_pool_t *own_pool;

static mofka_thread_pool_t *default_pool(void *self) {
    (void)self;
    return own_pool;
}

static mofka_status_t make_pool(void *self, size_t thread_count, mofka_binding_t binding,
                                mofka_thread_pool_t **pool) {
    (void)self;
    if (thread_count == 7 && binding == MOFKA_BINDING_SPREAD)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED, "not seven");
    *pool = mofka_thread_pool_retain(own_pool);
    return MOFKA_OK;
}

static void drivers_may_bring_their_own_pools(void **state) {
    (void)state;
    mofka_driver_t *other;
    mofka_thread_pool_t *pool;
    mofka_driver_ops_t ops = driver_ops;
    ops.default_thread_pool = default_pool;
    ops.make_thread_pool = make_pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 2}, &own_pool));
    OK(mofka_driver_wrap("pools", &ops, NULL, &other));
    assert_ptr_equal(mofka_driver_default_thread_pool(other), own_pool);
    OK(mofka_driver_make_thread_pool(other, 1, MOFKA_BINDING_NONE, &pool));
    assert_ptr_equal(pool, own_pool);
    mofka_thread_pool_release(pool);
    FAILS(mofka_driver_make_thread_pool(other, 7, MOFKA_BINDING_SPREAD, &pool),
          MOFKA_ERR_UNSUPPORTED, "not seven");
    OK(mofka_driver_close(other, 0));
    mofka_thread_pool_release(own_pool);
    assert_int_equal(mofka_thread_pool_thread_count(own_pool), 2); /* the handle keeps it */
    mofka_driver_release(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_delivery_state_follows_the_append),
        CASE(an_error_after_the_reservation_leaves_it_open),
        CASE(a_failed_batch_is_reported_and_over),
        CASE(what_cannot_leave_stays_and_close_can_be_repeated),
        CASE(closing_leaves_no_event_behind),
        CASE(closing_goes_on_in_the_backend),
        CASE(the_driver_sends_what_was_left),
        CASE(the_driver_sends_what_futures_wait_for),
        CASE(event_sizes_are_bounded),
        CASE(serialized_metadata_is_bounded),
        CASE(refusals_do_not_keep_a_topic_open),
        CASE(tables_with_holes_are_refused),
        CASE(producer_names_are_text),
        CASE(refused_options_are_named_with_their_range),
        CASE(drivers_may_bring_their_own_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
