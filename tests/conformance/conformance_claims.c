/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: claims, in place or not: filled, committed, aborted, kept open. */
#include <pthread.h>
#include "conformance/conformance.h"
#include <mofka/backend.h>

static int claims_in_place;

int conformance_claims_in_place(void) {
    return claims_in_place;
}

/* A claim that has the metadata {"n":number}; *bytes is its length. */
static mofka_claim_t *claim_number(mofka_producer_t *producer, int number, size_t data_bytes,
                                   size_t *bytes) {
    mofka_claim_t *claim;
    OK(mofka_producer_claim(producer, 32, data_bytes, MOFKA_ANY_PARTITION, &claim));
    assert_int_equal(mofka_claim_metadata_bytes_max(claim), 32);
    assert_int_equal(mofka_claim_data_bytes(claim), data_bytes);
    assert_int_equal((uintptr_t)mofka_claim_metadata(claim) % 64, 0);
    assert_int_equal((uintptr_t)mofka_claim_data(claim) % 64, 0);
    assert_int_equal(mofka_claim_data(claim) != NULL, data_bytes > 0);
    claims_in_place += mofka_claim_is_in_place(claim);
    *bytes = (size_t)snprintf(mofka_claim_metadata(claim), 32, "{\"n\":%d}", number);
    if (data_bytes > 0)
        memset(mofka_claim_data(claim), number & 0xff, data_bytes);
    return claim;
}

static void commit_number(mofka_producer_t *producer, int number, size_t data_bytes) {
    size_t bytes;
    mofka_claim_t *claim = claim_number(producer, number, data_bytes, &bytes);
    OK(mofka_claim_commit(claim, bytes, NULL));
}

static mofka_consumer_t *claim_reader(mofka_topic_t *topic, bool zero_copy) {
    mofka_consumer_t *consumer = NULL;
    mofka_consumer_options_t options = {
        .name = "reader", .selector = mofka_consumer_select_all, .zero_copy = zero_copy};
    mofka_status_t status = mofka_consumer_create(topic, &options, &consumer);
    if (status != MOFKA_ERR_UNSUPPORTED)
        OK(status);
    return status ? NULL : consumer;
}

/* The next event has that number, and `data_bytes` bytes of it. */
static void take_filled(mofka_consumer_t *consumer, int number, size_t data_bytes) {
    mofka_event_t *event = pull_number(consumer, number);
    size_t count, at = 0;
    assert_int_equal(mofka_event_data_size(event), data_bytes);
    const mofka_segment_t *segments =
        data_bytes > 0 ? mofka_data_view_segments(mofka_event_data(event), &count) : NULL;
    for (size_t i = 0; segments && i < count; at += segments[i++].size)
        for (size_t j = 0; j < segments[i].size; j++)
            if (((unsigned char *)segments[i].ptr)[j] != (number & 0xff))
                fail_msg("event %d: byte %zu of its data is wrong", number, at + j);
    assert_int_equal(at, data_bytes);
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

/* The number under this key of the producer's statistics. */
static double claim_stat(mofka_producer_t *producer, const char *key) {
    mofka_metadata_t *stats;
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    OK(mofka_producer_stats(producer, &stats));
    const char *at = strstr(mofka_metadata_text(stats, NULL), quoted);
    assert_non_null(at);
    double number = strtod(at + strlen(quoted), NULL);
    mofka_metadata_release(stats);
    return number;
}

/* Many times round the partition, with sizes that meet its end in all ways. */
static void claims_are_delivered(void **state) {
    (void)state;
    for (int zero_copy = 0; zero_copy < 2; zero_copy++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_producer_t *producer = new_producer(topic);
        mofka_consumer_t *consumer = claim_reader(topic, zero_copy);
        const size_t sizes[] = {0, 1, 64, 4000, 20011, 333, 63};
        for (int i = 0; i < 400 && consumer; i++) {
            commit_number(producer, i, sizes[i % 7]);
            OK(mofka_producer_flush(producer, WAIT_MS));
            take_filled(consumer, i, sizes[i % 7]);
        }
        assert_true(claim_stat(producer, "events_stored") == (consumer ? 400 : 0));
        assert_true(claim_stat(producer, "events_pushed") == (consumer ? 400 : 0));
        assert_true(claim_stat(producer, "claims_open") == 0);
        end_producer(producer);
        if (consumer)
            end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* Pushes before a claim come before it, and pushes behind its commit behind it. */
static void claims_keep_their_order(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    size_t bytes;
    for (int i = 0; i < 60; i += 3) {
        push_number(producer, i);
        mofka_claim_t *claim = claim_number(producer, i + 1, i % 2 ? 100 : 0, &bytes);
        OK(mofka_claim_commit(claim, bytes, NULL));
        push_number(producer, i + 2);
    }
    OK(mofka_producer_flush(producer, WAIT_MS));
    for (int i = 0; i < 60; i++)
        take_number(consumer, i);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* More claims than can be in place, committed from the last to the first. */
static void many_claims_may_be_open(void **state) {
    (void)state;
    enum { CLAIMS = 12 };
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = claim_reader(topic, false);
    mofka_claim_t *claims[CLAIMS];
    size_t bytes[CLAIMS];
    bool seen[CLAIMS] = {false};
    for (int i = 0; i < CLAIMS; i++)
        claims[i] = claim_number(producer, i, 50, &bytes[i]);
    assert_true(claim_stat(producer, "claims_open") == CLAIMS);
    FAILS(mofka_producer_close(producer, WAIT_MS), MOFKA_ERR_BUSY, "12 claims are open");
    for (int i = CLAIMS - 1; i >= 0; i--)
        OK(mofka_claim_commit(claims[i], bytes[i], NULL));
    OK(mofka_producer_flush(producer, WAIT_MS));
    for (int i = 0; i < CLAIMS; i++) {
        mofka_event_t *event;
        int n = -1;
        OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
        sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d}", &n);
        IN_RANGE(n, 0, CLAIMS - 1);
        assert_false(seen[n]);
        seen[n] = true;
        mofka_event_release(event);
    }
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void aborted_claims_never_were(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    int in_place = 0;
    size_t bytes;
    for (int i = 0; i < 40; i++) {
        mofka_claim_t *claim = claim_number(producer, -1, i % 2 ? 1000 : 0, &bytes);
        in_place += mofka_claim_is_in_place(claim);
        mofka_claim_abort(claim);
        push_number(producer, i);
    }
    mofka_claim_abort(NULL);
    OK(mofka_producer_flush(producer, WAIT_MS));
    for (int i = 0; i < 40; i++)
        take_number(consumer, i);
    assert_int_equal(mofka_consumer_voided(consumer), in_place);
    assert_int_equal(mofka_consumer_lost(consumer), 0);
    assert_true(claim_stat(producer, "claims_void") == in_place);
    assert_true(claim_stat(producer, "events_pushed") == 40);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void claims_have_futures(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *futures[5];
    mofka_result_t result;
    size_t bytes;
    for (int i = 0; i < 5; i++) {
        mofka_claim_t *claim = claim_number(producer, i, 10, &bytes);
        OK(mofka_claim_commit(claim, bytes, &futures[i]));
    }
    for (int i = 4; i >= 0; i--) {
        OK(mofka_future_wait(futures[i], WAIT_MS, &result));
        assert_int_equal(result.event_id, i);
        assert_int_equal(result.partition, 0);
        assert_true(mofka_future_delivery(futures[i]) >= MOFKA_STORED);
    }
    end_producer(producer);
    for (int i = 0; i < 5; i++)
        mofka_future_release(futures[i]);
    mofka_topic_release(topic);
}

/* The validator sees what is committed; the claim has ended, and nothing of it is seen. */
static void refused_claims_are_reported(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.validator = "{\"type\":\"default\",\"json\":true}"});
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_future_t *future;
    size_t bytes;
    commit_number(producer, 0, 5);
    FAILS(mofka_claim_commit(claim_number(producer, 1, 5, &bytes), 3, NULL), MOFKA_ERR_JSON, "");
    OK(mofka_claim_commit(claim_number(producer, 1, 0, &bytes), 3, &future));
    FAILS(mofka_future_wait(future, WAIT_MS, NULL), MOFKA_ERR_JSON, "");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_JSON, "1 event");
    OK(mofka_producer_flush(producer, WAIT_MS));
    commit_number(producer, 1, 0);
    OK(mofka_producer_flush(producer, WAIT_MS));
    take_number(consumer, 0);
    take_number(consumer, 1);
    assert_true(claim_stat(producer, "events_refused") == 2);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void wrong_claims_are_refused(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_claim_t *claim = NULL;
    size_t bytes;
    FAILS(mofka_producer_claim(NULL, 1, 1, 0, &claim), MOFKA_ERR_INVALID, "producer handle");
    FAILS(mofka_producer_claim(producer, SIZE_MAX, 1, 0, &claim), MOFKA_ERR_TOO_LARGE, "claim of");
    FAILS(mofka_producer_claim(producer, 1, SIZE_MAX, 0, &claim), MOFKA_ERR_TOO_LARGE, "claim of");
    assert_null(claim);
    FAILS(mofka_claim_commit(NULL, 0, NULL), MOFKA_ERR_INVALID, "claim handle is NULL");
    assert_null(mofka_claim_metadata(NULL));
    assert_null(mofka_claim_data(NULL));
    assert_int_equal(mofka_claim_metadata_bytes_max(NULL), 0);
    assert_int_equal(mofka_claim_data_bytes(NULL), 0);
    assert_false(mofka_claim_is_in_place(NULL));
    claim = claim_number(producer, 0, 0, &bytes);
    FAILS(mofka_claim_commit(claim, 33, NULL), MOFKA_ERR_INVALID, "33 bytes; 32 were claimed");
    OK(mofka_claim_commit(claim, bytes, NULL));
    /* Too large for the partition: what a push would say. */
    OK(mofka_producer_claim(producer, 32, (size_t)1 << 28, 0, &claim));
    assert_false(mofka_claim_is_in_place(claim));
    memcpy(mofka_claim_metadata(claim), "{}", 2);
    mofka_status_t status = mofka_claim_commit(claim, 2, NULL);
    if (status) /* a driver of files takes it */
        assert_int_equal(status, MOFKA_ERR_TOO_LARGE);
    (void)mofka_producer_flush(producer, WAIT_MS);
    OK(mofka_producer_close(producer, WAIT_MS));
    FAILS(mofka_producer_claim(producer, 1, 1, 0, &claim), MOFKA_ERR_CLOSED, "closed");
    mofka_producer_release(producer);
    mofka_topic_release(topic);
}

/* Consumers pass an open claim in time. Committed after all, its event comes behind what they have
 * seen; and so it is many times, round the partition. */
static void open_claims_expire(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer;
    mofka_consumer_t *consumer = claim_reader(topic, false);
    size_t bytes;
    int next = 0;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.claim_ms = 5}, &producer));
    assert_int_equal(mofka_producer_claim_ms(producer), 5);
    mofka_log_level_t level = mofka_log_level();
    mofka_log_set_level(MOFKA_LOG_ERROR);
    for (int i = 0; i < 10; i++) {
        mofka_claim_t *claim = claim_number(producer, next + 1, 30000, &bytes);
        push_number(producer, next);
        OK(mofka_producer_flush(producer, WAIT_MS));
        take_number(consumer, next);
        assert_false(mofka_claim_is_in_place(claim));
        memset(mofka_claim_data(claim), (next + 1) & 0xff, 30000); /* it is the program's */
        if (i % 2) {
            mofka_claim_abort(claim);
            next++;
            continue;
        }
        OK(mofka_claim_commit(claim, bytes, NULL));
        OK(mofka_producer_flush(producer, WAIT_MS));
        take_filled(consumer, next + 1, 30000);
        next += 2;
    }
    assert_int_equal(mofka_consumer_lost(consumer), 0);
    assert_int_equal(mofka_consumer_voided(consumer), claim_stat(producer, "claims_void"));
    mofka_log_set_level(level);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* A claim in place was before the end. */
static void claims_meet_the_end(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    size_t bytes;
    mofka_claim_t *claim = claim_number(producer, 0, 9, &bytes);
    bool in_place = mofka_claim_is_in_place(claim);
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    OK(mofka_claim_commit(claim, bytes, NULL));
    mofka_status_t status = mofka_producer_flush(producer, WAIT_MS);
    assert_int_equal(status, in_place ? MOFKA_OK : MOFKA_ERR_COMPLETE);
    claim = claim_number(producer, 1, 9, &bytes);
    assert_false(mofka_claim_is_in_place(claim));
    OK(mofka_claim_commit(claim, bytes, NULL));
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_COMPLETE, "complete");
    if (in_place)
        take_number(consumer, 0);
    expect_end(consumer);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* Threads that share a producer. */
typedef struct claimer {
    mofka_producer_t *producer;
    int first;
} claimer_t;

static void *claim_in_thread(void *context) {
    claimer_t *claimer = context;
    for (int i = 0; i < 50; i++) {
        char text[32];
        int number = claimer->first + i;
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"n\":%d}", number);
        mofka_claim_t *claim;
        if (i % 5 == 4) {
            if (mofka_producer_push(claimer->producer, text, bytes, NULL, 0, NULL))
                return claimer;
            continue;
        }
        if (mofka_producer_claim(claimer->producer, 32, 100, 0, &claim))
            return claimer;
        memcpy(mofka_claim_metadata(claim), text, bytes);
        memset(mofka_claim_data(claim), number & 0xff, 100);
        if (mofka_claim_commit(claim, bytes, NULL))
            return claimer;
    }
    return NULL;
}

static void threads_share_a_producers_claims(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = claim_reader(topic, false);
    pthread_t threads[3];
    claimer_t claimers[3] = {{producer, 0}, {producer, 100}, {producer, 200}};
    int next[3] = {0, 100, 200};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, claim_in_thread, &claimers[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    OK(mofka_producer_flush(producer, WAIT_MS));
    for (int i = 0; i < 150; i++) {
        mofka_event_t *event;
        int n = -1;
        OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
        sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d}", &n);
        IN_RANGE(n, 0, 249);
        assert_int_equal(n, next[n / 100]);
        next[n / 100]++;
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

const struct CMUnitTest claim_cases[] = {
    cmocka_unit_test(claims_are_delivered),     cmocka_unit_test(claims_keep_their_order),
    cmocka_unit_test(many_claims_may_be_open),  cmocka_unit_test(aborted_claims_never_were),
    cmocka_unit_test(claims_have_futures),      cmocka_unit_test(refused_claims_are_reported),
    cmocka_unit_test(wrong_claims_are_refused), cmocka_unit_test(open_claims_expire),
    cmocka_unit_test(claims_meet_the_end),      cmocka_unit_test(threads_share_a_producers_claims),
};
const size_t claim_case_count = sizeof claim_cases / sizeof claim_cases[0];
