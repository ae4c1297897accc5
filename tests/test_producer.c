/*
 * Producers over a backend that answers by script: what the core does with each answer of append.
 */
#include <semaphore.h>
#include <sys/mman.h>
#include <time.h>
#include "batch.h"
#include "check.h"

#define PARTITIONS 3

/* Answers of append, in turn; the last one stays. */
typedef struct script {
    mofka_status_t answers[8];
    bool reserves; /* append reserves, whatever it answers */
    bool gated;    /* append waits for the gate first */
    int delay_ms[8];
    const char *serializer; /* NULL: the default */
    size_t next;
    _Atomic uint64_t appended; /* events */
    _Atomic uint64_t appended_to[PARTITIONS];
    int64_t timeout_ms[PARTITIONS]; /* of the last append */
    mofka_status_t close_answers[2];
    _Atomic size_t calls;
    size_t closed, destroyed;
    int flushed;
} script_t;

static script_t script;
static sem_t gate;

static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void wait_at_the_gate(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    sem_timedwait(&gate, &until);
}

static mofka_status_t limits(void *self, size_t partition, mofka_batch_limits_t *limits) {
    (void)self, (void)partition;
    *limits = (mofka_batch_limits_t){.events_max = 4, .bytes_max = 4096, .event_bytes_max = 1024};
    return MOFKA_OK;
}

static mofka_status_t append(void *self, size_t partition, mofka_batch_t *batch, int64_t timeout_ms,
                             uint64_t *first_id) {
    (void)self;
    mofka_status_t status = script.answers[script.next];
    int delay_ms = script.delay_ms[script.next];
    script.next += script.next < 7;
    script.calls++;
    script.timeout_ms[partition] = timeout_ms;
    if (script.gated)
        wait_at_the_gate();
    sleep_ms(delay_ms);
    if (script.reserves)
        batch->reserved = true;
    if (status)
        return mofka_fail(status, "as the script says");
    *first_id = script.appended;
    script.appended += batch->event_count;
    script.appended_to[partition] += batch->event_count;
    return MOFKA_OK;
}

static mofka_status_t close_producer(void *self, int flushed) {
    (void)self;
    script.flushed = flushed;
    mofka_status_t status = script.close_answers[script.closed++ != 0];
    return status ? mofka_fail(status, "not the last one") : MOFKA_OK;
}

static void destroy_producer(void *self) {
    (void)self;
    script.destroyed++;
}

static void nothing(void *self) {
    (void)self;
}

static const mofka_producer_ops_t producer_ops = {.size = sizeof producer_ops,
                                                  .limits = limits,
                                                  .append = append,
                                                  .close = close_producer,
                                                  .destroy = destroy_producer};

static mofka_status_t partition_info(void *self, size_t index, mofka_metadata_t **info) {
    (void)self, (void)index;
    return mofka_metadata_create("{}", 2, info);
}

static mofka_status_t mark_complete(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static mofka_status_t make_producer(void *self, const char *name, const char *options,
                                    const mofka_producer_ops_t **ops, void **producer) {
    (void)name, (void)options;
    *ops = &producer_ops;
    *producer = self;
    return MOFKA_OK;
}

static mofka_status_t make_consumer(void *self, const mofka_consumer_config_t *config,
                                    const mofka_consumer_ops_t **ops, void **consumer) {
    static const mofka_consumer_ops_t empty = {.size = 8};
    (void)self, (void)config;
    *ops = &empty;
    *consumer = NULL;
    return MOFKA_OK;
}

static const mofka_topic_ops_t topic_ops = {.size = sizeof topic_ops,
                                            .partition_info = partition_info,
                                            .mark_complete = mark_complete,
                                            .make_producer = make_producer,
                                            .make_consumer = make_consumer,
                                            .destroy = nothing};

static mofka_status_t create_topic(void *self, const mofka_topic_config_t *config) {
    (void)self, (void)config;
    return MOFKA_OK;
}

static mofka_status_t open_topic(void *self, const char *name, mofka_topic_made_t *made) {
    static const char *const plain = "{\"type\":\"default\"}";
    (void)name;
    *made =
        (mofka_topic_made_t){.ops = &topic_ops,
                             .self = self,
                             .partition_count = PARTITIONS,
                             .validator = strdup(plain),
                             .selector = strdup(plain),
                             .serializer = strdup(script.serializer ? script.serializer : plain)};
    return MOFKA_OK;
}

static mofka_status_t topic_exists(void *self, const char *name, bool *exists) {
    (void)self, (void)name;
    *exists = true;
    return MOFKA_OK;
}

static mofka_status_t list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    (void)self, (void)visit, (void)context;
    return MOFKA_OK;
}

static mofka_status_t close_driver(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static const mofka_driver_ops_t driver_ops = {.size = sizeof driver_ops,
                                              .create_topic = create_topic,
                                              .open_topic = open_topic,
                                              .topic_exists = topic_exists,
                                              .list_topics = list_topics,
                                              .close = close_driver,
                                              .destroy = nothing};

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static int setup(void **state) {
    (void)state;
    memset(&script, 0, sizeof script);
    return mofka_driver_wrap("scripted", &driver_ops, NULL, &driver) ||
           mofka_driver_open_topic(driver, "topic", 0, &topic);
}

static int teardown(void **state) {
    (void)state;
    mofka_topic_release(topic);
    int failed = mofka_driver_close(driver, 0) != MOFKA_OK;
    mofka_driver_release(driver);
    return failed;
}

static mofka_producer_t *producer_of(size_t max_batches) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.max_batches = max_batches,
                                                         .push_timeout_ms = 20,
                                                         .linger_ms = 100000},
                             &producer));
    return producer;
}

static mofka_future_t *push(mofka_producer_t *producer) {
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, &future));
    return future;
}

static void end(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, 1000));
    assert_int_equal(script.closed, 1);
    assert_int_equal(script.destroyed, 1);
    mofka_producer_release(producer);
}

static void the_delivery_state_follows_the_append(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    script.answers[1] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[2] = MOFKA_OK;
    mofka_producer_t *producer = producer_of(2);
    mofka_future_t *future = push(producer);
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
    end(producer);
    assert_int_equal(script.flushed, 1);
}

/* Who reserved may be seen, whatever happens then; but not behind the topic's end. */
static void an_error_after_the_reservation_leaves_it_open(void **state) {
    (void)state;
    const mofka_status_t answers[] = {MOFKA_ERR_MPI, MOFKA_ERR_COMPLETE, MOFKA_ERR_MPI};
    const mofka_delivery_t expected[] = {MOFKA_POSSIBLY_STORED, MOFKA_NOT_STORED,
                                         MOFKA_POSSIBLY_STORED};
    mofka_producer_t *producer = producer_of(2);
    for (int i = 0; i < 3; i++) {
        script.next = 0;
        script.reserves = i < 2;
        script.answers[0] = i < 2 ? answers[i] : MOFKA_ERR_POSSIBLY_STORED;
        script.answers[1] = answers[i];
        mofka_future_t *future = push(producer);
        if (i == 2)
            FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_TIMEOUT, "");
        FAILS(mofka_future_wait(future, 0, NULL), answers[i], "as the script says");
        assert_int_equal(mofka_future_delivery(future), expected[i]);
        mofka_future_release(future);
    }
    end(producer);
}

/* A batch that failed for good fails its own events only, and neither flush nor close hangs. */
static void a_failed_batch_is_told_and_over(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_MPI;
    mofka_producer_t *producer = producer_of(2);
    mofka_future_t *future = push(producer);
    for (int i = 0; i < 2; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_MPI, "2 events failed, the first: as");
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_MPI, "as the script says");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
    future = push(producer);
    mofka_result_t result;
    OK(mofka_future_wait(future, 1000, &result));
    assert_int_equal(result.event_id, 0);
    mofka_future_release(future);
    end(producer);
    assert_int_equal(script.flushed, 1); /* all since the flush that told the failure is stored */
}

static void what_cannot_leave_stays_and_close_can_be_repeated(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    script.answers[3] = MOFKA_ERR_POSSIBLY_STORED;
    script.answers[4] = MOFKA_OK;
    mofka_producer_t *producer = producer_of(1);
    for (int i = 0; i < 4; i++) /* a full batch, sent by the push that fills it: time-out 1 */
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL), MOFKA_ERR_TIMEOUT,
          "script"); /* time-out 2: no batch for the event */
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_TIMEOUT, "4 events are not stored yet");
    FAILS(mofka_producer_close(producer, 0), MOFKA_ERR_POSSIBLY_STORED, "4 events are not stored");
    assert_int_equal(script.closed, 0);
    OK(mofka_producer_close(producer, 1000)); /* the fifth was told by its push */
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
    late->future = push(late->producer);
}

/* An event that is pushed while close flushes is sent, too. */
static void closing_leaves_no_event_behind(void **state) {
    (void)state;
    late_t late = {.producer = producer_of(2)};
    mofka_data_view_t *view;
    OK(mofka_data_view_create(NULL, 0, push_late, &late, &view));
    OK(mofka_producer_push(late.producer, "{}", 2, view, 0, NULL));
    mofka_data_view_release(view); /* its last user is the batch */
    mofka_producer_retain(late.producer);
    end(late.producer);
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
        mofka_producer_t *producer = producer_of(2);
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

/* ---- lingering and flushing ------------------------------------------------------------------- */

static mofka_producer_t *producer_with(mofka_thread_pool_t *pool, uint64_t linger_ms) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){.batch_size = 4, .thread_pool = pool, .linger_ms = linger_ms},
        &producer));
    return producer;
}

/* Pushes to one partition find what lingers in another, try to send it, and do not wait for it. */
static void calls_find_batches_of_other_partitions(void **state) {
    (void)state;
    for (int stuck = 0; stuck < 2; stuck++) {
        memset(&script, 0, sizeof script);
        script.answers[0] = stuck ? MOFKA_ERR_TIMEOUT : MOFKA_OK;
        mofka_producer_t *producer = producer_with(NULL, 50);
        OK(mofka_producer_push(producer, "{}", 2, NULL, 2, NULL));
        sleep_ms(60);
        for (int i = 0; i < 100 && script.appended_to[2] == 0; i++) {
            OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
            sleep_ms(10);
        }
        assert_int_equal(script.appended_to[2], 1);
        assert_int_equal(script.timeout_ms[2], 0);
        end(producer);
    }
}

/* A batch waits for its time without a worker; closing does not wait for that time. */
static void lingering_holds_no_worker(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    mofka_producer_t *producer = producer_with(pool, 1000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    sleep_ms(20);
    assert_int_equal(mofka_thread_pool_size(pool), 0);
    assert_int_equal(script.appended, 0);
    for (int i = 0; i < 1000 && script.appended == 0; i++)
        sleep_ms(10);
    assert_int_equal(script.appended, 1);
    end(producer);
    memset(&script, 0, sizeof script);
    producer = producer_with(pool, 3600000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    end(producer);
    mofka_thread_pool_release(pool);
}

/* No age is more than that of a batch that shall never leave for its age. */
static void the_longest_linger_is_for_ever(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_with(NULL, UINT64_MAX);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    const mfi_batch_t *batch = producer->lanes[0].open;
    assert_false(mfi_batch_is_old(batch, batch->opened_ms));
    assert_false(mfi_batch_is_old(batch, batch->opened_ms - 1)); /* a clock read before that */
    assert_false(mfi_batch_is_old(batch, INT64_MAX));
    assert_int_equal(mofka_producer_linger_ms(producer), UINT64_MAX);
    end(producer);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

/* One batch passes the gate after a while; the test opens it for the others. */
static void *open_the_gate(void *context) {
    (void)context;
    sleep_ms(50);
    sem_post(&gate);
    return NULL;
}

typedef struct gated {
    mofka_thread_pool_t *pool;
    mofka_producer_t *producer;
    mofka_future_t *future; /* of the first batch */
    pthread_t opener;
    int64_t start_ms;
} gated_t;

/* Two full batches, the first at the gate, the second behind it. */
static void two_batches(gated_t *gated) {
    const mofka_thread_pool_options_t one = {.thread_count = 1};
    OK(mofka_thread_pool_create(&one, &gated->pool));
    script.gated = true;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 4,
                                                         .max_batches = 2,
                                                         .thread_pool = gated->pool,
                                                         .push_timeout_ms = 2000,
                                                         .linger_ms = 100000},
                             &gated->producer));
    gated->future = push(gated->producer);
    for (int i = 1; i < 8; i++)
        OK(mofka_producer_push(gated->producer, "{}", 2, NULL, 0, NULL));
    while (script.calls == 0) /* a worker sends */
        sleep_ms(1);
    assert_int_equal(pthread_create(&gated->opener, NULL, open_the_gate, NULL), 0);
    gated->start_ms = mfi_now_ms();
}

/* What was to be waited for took no longer than the first batch. */
static void end_gated(gated_t *gated) {
    assert_in_range(mfi_now_ms() - gated->start_ms, 49, 1000);
    assert_int_equal(script.appended, 4);
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    end(gated->producer);
    pthread_join(gated->opener, NULL);
    mofka_future_release(gated->future);
    mofka_thread_pool_release(gated->pool);
    sem_destroy(&gate);
}

static void waiting_does_not_wait_for_later_batches(void **state) {
    (void)state;
    gated_t gated;
    two_batches(&gated);
    OK(mofka_future_wait(gated.future, 2000, NULL));
    end_gated(&gated);
}

static void a_push_takes_the_place_that_there_is(void **state) {
    (void)state;
    gated_t gated;
    two_batches(&gated);
    OK(mofka_producer_push(gated.producer, "{}", 2, NULL, 0, NULL));
    end_gated(&gated);
}

/* Waiting for room and sending what became full have one deadline. */
static void a_push_has_one_deadline(void **state) {
    (void)state;
    mofka_producer_t *producer;
    script.answers[0] = script.answers[1] =
        MOFKA_ERR_TIMEOUT;    /* what it fills, and a look around */
    script.delay_ms[2] = 150; /* the next push waits for that */
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){
            .batch_size = 1, .max_batches = 1, .push_timeout_ms = 200, .linger_ms = 100000},
        &producer));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_equal(script.calls, 2);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    assert_int_equal(script.calls, 4);
    assert_in_range(script.timeout_ms[0], 0, 60);
    end(producer);
}

/* It is about what was pushed before it, and workers send that at once. */
static void a_flush_future_covers_what_was_before(void **state) {
    (void)state;
    mofka_future_t *flushed;
    static char bytes[2048];
    mofka_producer_t *producer = producer_of(3);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush_future(producer, &flushed));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    FAILS(mofka_producer_push(producer, bytes, sizeof bytes, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "at most");
    OK(mofka_future_wait(flushed, 1000, NULL));
    assert_int_equal(script.appended, 1);
    mofka_future_release(flushed);
    FAILS(mofka_producer_flush(producer, 1000), MOFKA_ERR_TOO_LARGE, "1 events failed");
    end(producer);
    memset(&script, 0, sizeof script);
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    producer = producer_with(pool, 3600000);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush_future(producer, &flushed));
    for (int i = 0; i < 1000 && script.appended == 0; i++)
        sleep_ms(1);
    assert_int_equal(script.appended, 1);
    OK(mofka_future_wait(flushed, 1000, NULL));
    mofka_future_release(flushed);
    end(producer);
    mofka_thread_pool_release(pool);
}

/* Released without close: the driver's close sends what is left. */
static void the_driver_sends_what_was_left(void **state) {
    (void)state;
    script.answers[0] = MOFKA_ERR_TIMEOUT;
    mofka_producer_t *producer = producer_of(2);
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
    mofka_producer_t *producer = producer_of(2);
    mofka_future_t *pushed = push(producer), *flushed;
    mofka_result_t result;
    OK(mofka_producer_flush_future(producer, &flushed));
    mofka_future_release(push(producer));
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
    mofka_producer_t *producer = producer_of(2);
    static char bytes[2048];
    FAILS(mofka_producer_push(producer, bytes, 1025, NULL, 0, NULL), MOFKA_ERR_TOO_LARGE,
          "at most 1024");
    OK(mofka_producer_push(producer, bytes, 1024, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 0), MOFKA_ERR_TOO_LARGE, "1 events failed");
    end(producer);
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

/* What was refused is told, but all that was accepted is stored: the producer counts as finished.
 * Unless what was accepted failed, too. */
static void refusals_do_not_keep_a_topic_open(void **state) {
    (void)state;
    static char bytes[2048];
    for (int lost = 0; lost < 2; lost++) {
        memset(&script, 0, sizeof script);
        script.answers[0] = lost ? MOFKA_ERR_MPI : MOFKA_OK;
        mofka_producer_t *producer = producer_of(2);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_delivery_state_follows_the_append),
        CASE(an_error_after_the_reservation_leaves_it_open),
        CASE(a_failed_batch_is_told_and_over),
        CASE(what_cannot_leave_stays_and_close_can_be_repeated),
        CASE(closing_leaves_no_event_behind),
        CASE(closing_goes_on_in_the_backend),
        CASE(calls_find_batches_of_other_partitions),
        CASE(lingering_holds_no_worker),
        CASE(the_longest_linger_is_for_ever),
        CASE(waiting_does_not_wait_for_later_batches),
        CASE(a_push_takes_the_place_that_there_is),
        CASE(a_push_has_one_deadline),
        CASE(a_flush_future_covers_what_was_before),
        CASE(the_driver_sends_what_was_left),
        CASE(the_driver_sends_what_futures_wait_for),
        CASE(event_sizes_are_bounded),
        CASE(serialized_metadata_is_bounded),
        CASE(refusals_do_not_keep_a_topic_open),
        CASE(tables_with_holes_are_refused),
        CASE(drivers_may_bring_their_own_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
