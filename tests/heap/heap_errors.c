/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations that fail and are not done: what a rank reads then is 0, and it must not publish what
 * follows from that. The heap window stands for one whose operations are calls of MPI.
 */
#include "heap/job/log_fixture.h"
#include "mpi/producer/producer.h"

static const mmi_window_ops_t *whole;
static mmi_window_ops_t broken;
static mmi_window_t *window;
static uint64_t word; /* the offset of the one that cannot be stored */
static int puts_done;

static void errors_set(int rank, bool faulty) {
    atomic_store(&window->fault, faulty);
    atomic_store(&window->faulty[rank], faulty);
}

static uint64_t add_nothing(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    (void)w, (void)offset, (void)add;
    errors_set(rank, true);
    return 0;
}

static void load_nothing(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    (void)w, (void)offset;
    errors_set(rank, true);
    memset(words, 0, count * sizeof *words);
}

static void store_others(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    if (offset == word)
        errors_set(rank, true);
    else
        whole->store(w, rank, offset, value);
}

static void put_and_count(mmi_window_t *w, int rank, uint64_t offset, const void *source,
                          size_t bytes) {
    puts_done++;
    whole->put(w, rank, offset, source, bytes);
}

/* The topic's window; its operations are `broken` from now on. */
static void errors_begin(const mofka_topic_t *topic) {
    window = log_of(topic)->w;
    whole = window->ops;
    broken = *whole;
    broken.loads_are_cheap = broken.puts_are_cheap = false;
    window->ops = &broken;
}

static void errors_end(const mofka_topic_t *topic) {
    window->ops = whole;
    errors_set(log_of(topic)->owner, false);
}

/* The place that follows from 0 is that of events that are stored. */
static void a_failed_reservation_puts_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    mofka_consumer_t *consumer = log_create_consumer(topic);
    sender_t first, second;
    sender_open(&first, topic, 2);
    sender_open(&second, topic, 2);
    errors_begin(topic);
    assert_int_equal(sender_append(&first, 2), 0);
    broken.fetch_add = add_nothing;
    broken.put = put_and_count;
    puts_done = 0;
    mofka_batch_t *batch = &second.batch;
    uint64_t first_id;
    FAILS(second.ops->append(second.self, 0, batch, 0, &first_id), MOFKA_ERR_MPI, "window: failed");
    assert_false(batch->reserved);
    assert_int_equal(puts_done, 0);
    errors_end(topic);
    assert_int_equal(log_pull_id(consumer), 0);
    assert_int_equal(log_pull_id(consumer), 1);
    assert_int_equal(log_pull_id(consumer), NOTHING_YET);
    sender_close(&first);
    sender_close(&second);
    log_end(consumer, topic);
}

/* A head that could not be read is not at 0. */
static void a_state_that_was_not_read_is_an_error(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    mmi_state_t found;
    errors_begin(topic);
    broken.load_run = load_nothing;
    FAILS(mmi_state_load(log_of(topic), &found), MOFKA_ERR_MPI, "window: failed");
    errors_end(topic);
    OK(mmi_state_load(log_of(topic), &found));
    mofka_topic_release(topic);
}

/* Nor is a word damaged that could not be read. */
static void a_word_that_was_not_read_is_not_damaged(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    errors_begin(topic);
    FAILS(mmi_word_damaged(log_of(topic), "reservation", 0), MOFKA_ERR_CORRUPT, "'reservation'");
    errors_set(log_of(topic)->owner, true);
    FAILS(mmi_word_damaged(log_of(topic), "reservation", 0), MOFKA_ERR_MPI, "window: failed");
    errors_end(topic);
    mofka_topic_release(topic);
}

/* A name is not live without its cursor. */
static void a_join_whose_cursor_is_not_stored_takes_no_name(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    const mmi_partition_t *p = log_of(topic);
    mofka_consumer_t *consumer;
    errors_begin(topic);
    broken.store = store_others;
    word = p->base + MMI_CONTROL(cursor);
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer),
          MOFKA_ERR_MPI, "window: failed");
    errors_end(topic);
    assert_int_equal(mmi_state_of(mmi_control_load(p, MMI_CONTROL(state))), MMI_CONSUMER_FREE);
    log_end(log_create_consumer(topic), topic);
}

/* Fails once, and stores nothing. */
static uint64_t exchange_once_not(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    (void)w, (void)offset, (void)value;
    errors_set(rank, true);
    broken.exchange = whole->exchange;
    return MMI_UNKNOWN;
}

/* It is another rank's, or may be. */
static void a_lock_that_was_perhaps_not_taken_stays(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    const mmi_partition_t *p = log_of(topic);
    errors_begin(topic);
    mmi_control_store(p, MMI_CONTROL(lock), 1);
    broken.compare_exchange = NULL; /* as in rma */
    broken.exchange = exchange_once_not;
    FAILS(mmi_partition_lock(p, 0), MOFKA_ERR_MPI, "window: failed");
    assert_int_equal(mmi_control_load(p, MMI_CONTROL(lock)), 1);
    errors_end(topic);
    mmi_control_store(p, MMI_CONTROL(lock), 0);
    mofka_topic_release(topic);
}

static void a_lock_is_given_back_in_spite_of_an_error(void **state) {
    (void)state;
    mofka_topic_t *topic = log_create_topic("{}");
    const mmi_partition_t *p = log_of(topic);
    errors_begin(topic);
    broken.compare_exchange = NULL; /* as in rma */
    OK(mmi_partition_lock(p, 0));
    broken.exchange = exchange_once_not;
    mmi_partition_unlock(p);
    assert_int_equal(mmi_control_load(p, MMI_CONTROL(lock)), 0);
    errors_end(topic);
    mofka_topic_release(topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_CASE(a_failed_reservation_puts_nothing),
        LOG_CASE(a_state_that_was_not_read_is_an_error),
        LOG_CASE(a_word_that_was_not_read_is_not_damaged),
        LOG_CASE(a_join_whose_cursor_is_not_stored_takes_no_name),
        LOG_CASE(a_lock_that_was_perhaps_not_taken_stays),
        LOG_CASE(a_lock_is_given_back_in_spite_of_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
