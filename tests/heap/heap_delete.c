/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deleting topics, over the heap window. Ranks are threads that use and delete topics at once; and
 * a rank stops in the middle of a deletion, or of a creation that uses a record again.
 */
#include <pthread.h>
#include "driver/driver.h"
#include "heap/job/heap_driver.h"
#include "heap/job/log_fixture.h"
#include "mpi/driver/driver.h"
#include "support/stress/topics.h"

#define RANKS 4
#define ROUNDS 400
#define TINY "{\"partition_bytes\":64,\"partition_events\":1}"

static heap_job_t job;
static mofka_driver_t *drivers[RANKS];
static topics_counts_t counts[RANKS];

static int delete_open(void **state) {
    (void)state;
    heap_job_start(&job, RANKS);
    for (int i = 0; i < RANKS; i++)
        if (heap_driver_create(&job, i, &drivers[i]))
            return 1;
    return 0;
}

static int delete_close(void **state) {
    int failed = 0;
    (void)state;
    for (int i = 0; i < RANKS; i++) {
        failed |= mofka_driver_close(drivers[i], 0) != MOFKA_OK;
        mofka_driver_release(drivers[i]);
    }
    heap_job_end(&job);
    return failed;
}

#define DELETE_CASE(name) cmocka_unit_test_setup_teardown(name, delete_open, delete_close)

static mofka_status_t create(int rank, const char *name) {
    return mofka_driver_create_topic(drivers[rank], name,
                                     &(mofka_topic_options_t){.options = TINY});
}

static mofka_topic_t *open_topic(int rank, const char *name) {
    mofka_topic_t *topic;
    OK(mofka_driver_open_topic(drivers[rank], name, 0, &topic));
    return topic;
}

static mmi_directory_t *directory_of(int rank) {
    mmi_driver_t *driver = drivers[rank]->self;
    return &driver->directory;
}

/* A word of a topic's record. */
static uint64_t *record_word(const mofka_topic_t *topic, int word) {
    const mmi_topic_t *made = topic->self;
    return (uint64_t *)(void *)(job.bases[0] + made->record) + word;
}

/* ---- at once --------------------------------------------------------------------------------- */

static void *stress_rank(void *argument) {
    int rank = *(int *)argument;
    return topics_stress(drivers[rank], rank, ROUNDS, &counts[rank]) ? argument : NULL;
}

static void ranks_use_and_delete_topics(void **state) {
    (void)state;
    pthread_t threads[RANKS];
    int ranks[RANKS];
    for (int i = 0; i < RANKS; i++) {
        ranks[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, stress_rank, &ranks[i]), 0);
    }
    for (int i = 0; i < RANKS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    assert_true(topics_clean(drivers[0]));
    assert_true(counts[0].deleted > 0 && counts[0].pushed > 0 && counts[0].refused > 0);
}

/* The threads of one rank share what it knows. */
static void *stress_shared(void *argument) {
    int rank = *(int *)argument;
    return topics_stress(drivers[0], rank, ROUNDS, &counts[rank]) ? argument : NULL;
}

static void threads_of_a_rank_use_and_delete_topics(void **state) {
    (void)state;
    pthread_t threads[RANKS];
    int ranks[RANKS];
    for (int i = 0; i < RANKS; i++) {
        ranks[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, stress_shared, &ranks[i]), 0);
    }
    for (int i = 0; i < RANKS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    assert_true(topics_clean(drivers[1]));
}

/* ---- a rank that stops ----------------------------------------------------------------------- */

/* A deletion set the bit, and stopped. Users wait, and give up; another deletion decides. */
static void a_deletion_that_stopped_is_decided_by_the_next(void **state) {
    (void)state;
    OK(create(0, "topic"));
    mofka_topic_t *topic = open_topic(1, "topic");
    mofka_producer_t *producer;
    *record_word(topic, MMI_RECORD_USERS) += MMI_USERS_DELETED;
    FAILS(mmi_topic_enter(topic->self, mmi_deadline(20)), MOFKA_ERR_TIMEOUT,
          "a rank has not finished deleting topic 'topic'");
    assert_true(*record_word(topic, MMI_RECORD_USERS) == MMI_USERS_DELETED);
    OK(mofka_driver_delete_topic(drivers[2], "topic"));
    FAILS(mofka_producer_create(topic, NULL, &producer), MOFKA_ERR_NOT_FOUND, "was deleted");
    mofka_topic_release(topic);
}

/* It had users: then the next deletion takes the bit back, and they go on. */
static void a_deletion_that_stopped_beside_users_is_undone(void **state) {
    (void)state;
    OK(create(0, "topic"));
    mofka_topic_t *topic = open_topic(1, "topic");
    mofka_producer_t *producer, *second;
    OK(mofka_producer_create(topic, NULL, &producer));
    *record_word(topic, MMI_RECORD_USERS) += MMI_USERS_DELETED;
    FAILS(mofka_driver_delete_topic(drivers[2], "topic"), MOFKA_ERR_BUSY,
          "topic 'topic' has 1 open producers and consumers");
    OK(mofka_producer_create(topic, NULL, &second));
    FAILS(mofka_driver_delete_topic(drivers[2], "topic"), MOFKA_ERR_BUSY, "has 2 open");
    OK(mofka_producer_close(producer, 0));
    OK(mofka_producer_close(second, 0));
    mofka_producer_release(producer);
    mofka_producer_release(second);
    OK(mofka_driver_delete_topic(drivers[2], "topic"));
    mofka_topic_release(topic);
}

static void *make_producer(void *topic) {
    mofka_producer_t *producer = NULL;
    if (mofka_producer_create(topic, NULL, &producer))
        return NULL;
    mofka_producer_close(producer, 0);
    mofka_producer_release(producer);
    return topic;
}

static void a_user_waits_for_the_decision(void **state) {
    (void)state;
    OK(create(0, "topic"));
    mofka_topic_t *topic = open_topic(1, "topic");
    for (int deleted = 0; deleted <= 1; deleted++) {
        pthread_t thread;
        void *made;
        _Atomic uint64_t *users = (_Atomic uint64_t *)(void *)record_word(topic, MMI_RECORD_USERS);
        atomic_fetch_add(users, MMI_USERS_DELETED);
        assert_int_equal(pthread_create(&thread, NULL, make_producer, topic), 0);
        if (deleted)
            while (mofka_driver_delete_topic(drivers[0], "topic"))
                ; /* the user comes and goes */
        else
            atomic_fetch_sub(users, MMI_USERS_DELETED);
        pthread_join(thread, &made);
        assert_true(deleted || made == topic);
    }
    mofka_topic_release(topic);
}

/* Another rank's record says that the topic is there, because `directory_changes` was not stored.
 */
static void a_deletion_that_was_not_counted_is_found_out(void **state) {
    (void)state;
    OK(create(0, "topic"));
    mofka_topic_t *topic = open_topic(1, "topic");
    mofka_producer_t *producer;
    *record_word(topic, MMI_RECORD_USERS) += MMI_USERS_DELETED;
    *record_word(topic, MMI_RECORD_STATE) = mmi_record_state(MMI_NOT_MADE, 0, 0);
    FAILS(mofka_producer_create(topic, NULL, &producer), MOFKA_ERR_NOT_FOUND, "was deleted");
    OK(mofka_driver_delete_topic(drivers[1], "topic"));
    OK(create(1, "topic"));
    mofka_topic_t *again = open_topic(1, "topic");
    assert_true(*record_word(again, MMI_RECORD_USERS) == 2 * MMI_USERS_DELETED);
    mofka_topic_release(again);
    mofka_topic_release(topic);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The lowest free range that is large enough, on each owner in turn. */
static void memory_is_used_again(void **state) {
    (void)state;
    char name[RANKS * 4][8];
    uint64_t base[RANKS * 4];
    for (int i = 0; i < RANKS * 4; i++) {
        snprintf(name[i], sizeof name[i], "t%d", i);
        OK(create(i % RANKS, name[i]));
        mofka_topic_t *topic = open_topic(0, name[i]);
        base[i] = log_of(topic)->base;
        assert_int_equal(log_of(topic)->owner, i % RANKS);
        mofka_topic_release(topic);
    }
    uint64_t end = directory_of(0)->records.end;
    for (int i = RANKS; i < 2 * RANKS; i++)
        OK(mofka_driver_delete_topic(drivers[0], name[i]));
    for (int i = RANKS; i < 2 * RANKS; i++) {
        OK(create(3, name[i]));
        mofka_topic_t *topic = open_topic(2, name[i]);
        assert_true(log_of(topic)->base == base[i]);
        assert_int_equal(log_of(topic)->owner, i % RANKS);
        mofka_topic_release(topic);
    }
    OK(create(0, "more"));
    assert_true(directory_of(0)->records.end > end); /* one record more */
    OK(mofka_driver_delete_topic(drivers[3], "more"));
}

/* A text that is longer than any free record's needs a new one. */
static void a_full_directory_has_room_again(void **state) {
    (void)state;
    char name[32];
    int count = 0;
    mofka_status_t status = MOFKA_OK;
    for (; !status; count++) {
        snprintf(name, sizeof name, "topic-%d", count);
        status = create(0, name);
    }
    assert_int_equal(status, MOFKA_ERR_FULL);
    assert_non_null(strstr(mofka_last_error(), "the directory is full"));
    OK(mofka_driver_delete_topic(drivers[1], "topic-7"));
    OK(create(2, "other"));
    FAILS(create(2, "another"), MOFKA_ERR_FULL, "the directory is full");
    OK(mofka_driver_delete_topic(drivers[3], "other"));
    OK(create(3, "another"));
    printf("%d topics fill the directory\n", count - 1);
}

static void topics_leave_nothing(void **state) {
    (void)state;
    assert_true(topics_churn(drivers[1], 5000, TINY));
    assert_true(directory_of(1)->records.count <= 8);
}

static mofka_status_t count_topic(void *context, const char *name, const mofka_metadata_t *text) {
    (void)name, (void)text;
    ++*(int *)context;
    return MOFKA_OK;
}

/* The others see what a rank has changed, whatever they knew. */
static void other_ranks_see_changes(void **state) {
    (void)state;
    OK(create(0, "one"));
    OK(create(1, "two"));
    for (int i = 0; i < 50; i++) {
        int seen = 0, from = i % RANKS, to = (i + 1 + i / RANKS) % RANKS;
        mofka_metadata_t *stats;
        OK(mofka_driver_delete_topic(drivers[from], i % 2 ? "one" : "two"));
        OK(mofka_driver_list_topics(drivers[to], count_topic, &seen));
        assert_int_equal(seen, 1);
        OK(mofka_driver_stats(drivers[to], 1000, &stats));
        const char *text = strstr(mofka_metadata_text(stats, NULL), "\"topics\":");
        assert_non_null(text);
        assert_null(strstr(text, i % 2 ? "\"name\":\"one\"" : "\"name\":\"two\""));
        assert_non_null(strstr(text, i % 2 ? "\"name\":\"two\"" : "\"name\":\"one\""));
        mofka_metadata_release(stats);
        OK(create(to, i % 2 ? "one" : "two"));
        seen = 0;
        OK(mofka_driver_list_topics(drivers[from], count_topic, &seen));
        assert_int_equal(seen, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DELETE_CASE(ranks_use_and_delete_topics),
        DELETE_CASE(threads_of_a_rank_use_and_delete_topics),
        DELETE_CASE(a_deletion_that_stopped_is_decided_by_the_next),
        DELETE_CASE(a_deletion_that_stopped_beside_users_is_undone),
        DELETE_CASE(a_user_waits_for_the_decision),
        DELETE_CASE(a_deletion_that_was_not_counted_is_found_out),
        DELETE_CASE(memory_is_used_again),
        DELETE_CASE(a_full_directory_has_room_again),
        DELETE_CASE(topics_leave_nothing),
        DELETE_CASE(other_ranks_see_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
