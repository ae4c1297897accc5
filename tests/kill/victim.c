/* SPDX-License-Identifier: BSD-3-Clause */
/* The victim: it acts, and is killed. See kill.h. */
#include <signal.h>
#include <unistd.h>
#include "driver/driver.h"
#include "kill/kill.h"
#include "producer/claim.h"
#include "mpi/topic/topic.h"
#include "support/clock.h"

#define TINY "\"partition_bytes\":512,\"partition_events\":4"

kill_shared_t *shared;

static const mmi_window_ops_t *whole;
static mmi_window_ops_t hooked;
static _Atomic int steps_left; /* of the next operations' starts and ends, this one kills */

static void victim_step(void) {
    if (atomic_fetch_sub(&steps_left, 1) == 1)
        raise(SIGKILL);
}

#define STEPPED(call)                                                                              \
    victim_step();                                                                                 \
    call;                                                                                          \
    victim_step()

static void step_put(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    STEPPED(whole->put(w, rank, offset, source, bytes));
}

static void step_put_word(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    STEPPED(whole->put_word(w, rank, offset, value));
}

static void step_store(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    STEPPED(whole->store(w, rank, offset, value));
}

static uint64_t step_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    STEPPED(uint64_t old = whole->exchange(w, rank, offset, value));
    return old;
}

static bool step_compare_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t *expected,
                                  uint64_t value) {
    STEPPED(bool done = whole->compare_exchange(w, rank, offset, expected, value));
    return done;
}

static uint64_t step_fetch_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    STEPPED(uint64_t old = whole->fetch_add(w, rank, offset, add));
    return old;
}

/* Count the operations on partitions from here on; `directory`: on the directory. */
static void victim_arm(const victim_t *v, bool directory) {
    mmi_topic_t *topic = v->topic->self;
    mmi_window_t *w = directory ? mmi_window_by_node(topic->w, 0) : topic->partitions[0].w;
    whole = w->ops;
    hooked = *whole;
    hooked.put = step_put;
    hooked.put_past_caches = NULL;
    hooked.put_word = step_put_word;
    hooked.store = step_store;
    hooked.exchange = step_exchange;
    if (whole->compare_exchange)
        hooked.compare_exchange = step_compare_exchange;
    hooked.fetch_add = step_fetch_add;
    atomic_store(&steps_left, v->step);
    w->ops = &hooked;
}

/* The process must not go back to cmocka. */
#define DID(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_) {                                                                             \
            fprintf(stderr, "the victim: %s: %s\n", #call, mofka_last_error());                    \
            _exit(3);                                                                              \
        }                                                                                          \
    } while (0)

static void victim_push(mofka_producer_t *producer, int count) {
    for (int i = 0; i < count; i++) {
        char text[48];
        int n = atomic_fetch_add(&shared->attempted, 1);
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"from\":1,\"n\":%d}", n);
        DID(mofka_producer_push(producer, text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
        DID(mofka_producer_flush(producer, 10000));
        atomic_fetch_add(&shared->stored, 1);
    }
}

static void victim_append(victim_t *v) {
    mofka_producer_t *producer;
    DID(mofka_producer_create(v->topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    victim_arm(v, false);
    victim_push(producer, 4);
    DID(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

/* A claim with the metadata of the next event; *bytes is its length. */
static mofka_claim_t *victim_claim_next(mofka_producer_t *producer, int n, size_t *bytes) {
    mofka_claim_t *claim;
    DID(mofka_producer_claim(producer, 48, 0, MOFKA_ANY_PARTITION, &claim));
    if (!mofka_claim_is_in_place(claim)) {
        fprintf(stderr, "the victim: a claim is not in place\n");
        _exit(3);
    }
    *bytes = (size_t)snprintf(mofka_claim_metadata(claim), 48, "{\"from\":1,\"n\":%d}", n);
    return claim;
}

static void victim_commit(mofka_claim_t *claim, size_t bytes) {
    DID(mofka_claim_commit(claim, bytes, NULL));
    atomic_fetch_add(&shared->stored, 1);
}

/* Claims that are committed, and aborted, with pushes between them. */
static void victim_claim(victim_t *v) {
    mofka_producer_t *producer;
    size_t bytes;
    DID(mofka_producer_create(v->topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    victim_arm(v, false);
    for (int i = 0; i < 2; i++) {
        mofka_claim_t *claim = victim_claim_next(producer, atomic_load(&shared->attempted), &bytes);
        atomic_fetch_add(&shared->attempted, 1);
        victim_commit(claim, bytes);
        mofka_claim_abort(victim_claim_next(producer, -1, &bytes));
    }
    victim_push(producer, 1);
    DID(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

/* What the look at claims does once they are old. */
static void victim_expire(mofka_claim_t *claim) {
    mofka_producer_t *producer = claim->producer;
    mfi_monitor_enter(&producer->lock);
    claim->expired = true;
    DID(producer->ops->give_up(producer->self, claim->partition, &claim->place, true));
    mfi_monitor_leave(&producer->lock);
}

/* Claims that expire. One is aborted then, and one committed. */
static void victim_claim_late(victim_t *v) {
    mofka_producer_t *producer;
    mofka_claim_t *claims[2];
    size_t bytes;
    DID(mofka_producer_create(v->topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    victim_arm(v, false);
    claims[0] = victim_claim_next(producer, -1, &bytes);
    claims[1] = victim_claim_next(producer, 0, &bytes);
    victim_expire(claims[1]);
    victim_expire(claims[0]);
    atomic_fetch_add(&shared->attempted, 1);
    mofka_claim_abort(claims[0]);
    DID(mofka_claim_commit(claims[1], bytes, NULL));
    DID(mofka_producer_flush(producer, 10000));
    atomic_fetch_add(&shared->stored, 1);
    DID(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

static mofka_consumer_t *victim_read(const victim_t *v) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    DID(mofka_consumer_create(v->topic, &(mofka_consumer_options_t){.name = "victim"}, &consumer));
    for (int i = 0; i < 2; i++) {
        DID(mofka_consumer_pull(consumer, 10000, &event));
        DID(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    return consumer;
}

static void victim_join(victim_t *v) {
    victim_arm(v, false);
    mofka_consumer_t *consumer = victim_read(v);
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    DID(mofka_consumer_create(v->topic, &(mofka_consumer_options_t){.name = "victim"}, &consumer));
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* Close, and give the name up. */
static void victim_leave(victim_t *v) {
    mofka_consumer_t *consumer = victim_read(v);
    victim_arm(v, false);
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    DID(mofka_consumer_create(v->topic, &(mofka_consumer_options_t){.name = "victim"}, &consumer));
    DID(mofka_consumer_unsubscribe(consumer));
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* A producer that counts sends its last batch, and ends. */
static void victim_close(victim_t *v) {
    mofka_producer_t *producer;
    DID(mofka_producer_create(v->topic, &(mofka_producer_options_t){.batch_size = 8}, &producer));
    DID(mofka_producer_push(producer, "{\"from\":1,\"n\":0}", 16, NULL, 0, NULL));
    atomic_store(&shared->attempted, 1);
    victim_arm(v, false);
    DID(mofka_producer_close(producer, 10000));
    atomic_store(&shared->stored, 1);
    mofka_producer_release(producer);
}

static void victim_complete(victim_t *v) {
    victim_arm(v, false);
    DID(mofka_topic_mark_complete(v->topic, 10000));
}

static void victim_create(victim_t *v) {
    victim_arm(v, true);
    for (int i = 0; i < 2; i++) { /* the second time, the record is used again */
        DID(mofka_driver_create_topic(v->driver, "other",
                                      &(mofka_topic_options_t){.options = "{" TINY "}"}));
        DID(mofka_driver_delete_topic(v->driver, "other"));
    }
}

const scenario_t scenarios[] = {
    {.name = "append", .act = victim_append, .before = 1, .steps = 34},
    {.name = "trim",
     .act = victim_append,
     .options = TINY,
     .before = 4,
     .reads = true,
     .steps = 42},
    {.name = "discard",
     .act = victim_append,
     .options = TINY ",\"retention\":\"discard_oldest\"",
     .before = 4,
     .discards = true,
     .steps = 60},
    {.name = "claim", .act = victim_claim, .before = 1, .steps = 38},
    {.name = "claim_late", .act = victim_claim_late, .before = 1, .reads = true, .steps = 34},
    {.name = "claim_full",
     .act = victim_claim_late,
     .options = TINY,
     .before = 1,
     .reads = true,
     .steps = 34},
    {.name = "claim_discard",
     .act = victim_claim_late,
     .options = TINY ",\"retention\":\"discard_oldest\"",
     .before = 1,
     .discards = true,
     .steps = 34},
    {.name = "join", .act = victim_join, .before = 3, .has_name = true, .steps = 36},
    {.name = "leave", .act = victim_leave, .before = 3, .has_name = true, .steps = 26},
    {.name = "complete", .act = victim_complete, .before = 2, .steps = 13},
    {.name = "close",
     .act = victim_close,
     .options = "\"expected_producers\":3",
     .before = 1,
     .steps = 12},
    {.name = "create", .act = victim_create, .before = 1, .steps = 200},
};
const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];

void victim_run(mofka_driver_t *driver, const char *topic, const scenario_t *scenario, int step) {
    victim_t v = {.driver = driver, .step = step};
    while (!atomic_load(&shared->go))
        clock_sleep_ms(1);
    DID(mofka_driver_open_topic(driver, topic, 10000, &v.topic));
    scenario->act(&v);
}
