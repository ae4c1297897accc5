/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cases of the races. Each names the invariant that it guards (README.md, "Guarantees") and the
 * change of the library that it was seen to fail with.
 */
#include "support/stress/stress.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "support/callbacks.h"
#include "support/check.h"
#include "support/log_start.h"
#include "support/stress/stress_events.h"

static void stress_nap_us(long us) {
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

typedef struct pusher {
    const job_t *job;
    mofka_topic_t *topic;
    int first, count;
    size_t batch_size;
    int stored; /* of those pushed with futures, by pusher_push_until_complete */
    pthread_t thread;
} pusher_t;

static void *pusher_push_all(void *context) {
    pusher_t *p = context;
    mofka_producer_t *producer;
    GOOD(mofka_producer_create(
        p->topic,
        &(mofka_producer_options_t){.batch_size = p->batch_size, .push_timeout_ms = WAIT_MS},
        &producer));
    for (int n = 0; n < p->count; n++)
        stress_push_event(producer, p->job->rank, n, NULL);
    stress_close_producer(producer);
    return NULL;
}

static void pusher_start(pusher_t *p, void *(*run)(void *)) {
    EXPECT(pthread_create(&p->thread, NULL, run, p) == 0, "pthread_create");
}

/* ---- cases ----------------------------------------------------------------------------------- */

/*
 * Every rank pushes into one partition of a ring that is far too small, and every rank reads all.
 * Guards 1 (ids dense), 2 (no event before its bytes), 3 (push order), 4 (nothing lost or twice).
 * Fails when: a reservation's carry is not counted back out (mmi_tail_unpack with
 * carries = 0); the flag is stored before the payload is put (append.c: append_finish); a batch
 * is sent before older ones (batch.c: mfi_batch_seal puts it first); no producer waits for room
 * (mmi_place_fits answers true); flags carry no lap (mmi_flag_value with lap 1).
 */
static void everyone_pushes_everyone_reads(const job_t *job) {
    mofka_topic_t *topic = stress_open_topic(
        job, "race", "{\"expected_producers\":%d,\"partition_bytes\":%d,\"partition_events\":%d}",
        job->size, RING_BYTES, SLOTS);
    mofka_consumer_t *consumer = stress_open_consumer(job, topic, "reader");
    job->sum(job, 0);
    const size_t sizes[] = {0, 1, 5, 16};
    pusher_t pusher = {
        .job = job, .topic = topic, .count = job->scale, .batch_size = sizes[job->rank % 4]};
    pusher_start(&pusher, pusher_push_all);
    uint64_t id = LOG_START.events, seed = (uint64_t)job->rank + 1;
    int last[64], total = 0;
    memset(last, 0xff, sizeof last);
    mofka_event_t *held = NULL; /* acknowledged late: with a later one, or when nothing comes */
    for (;;) {
        mofka_event_t *event;
        int r, n;
        mofka_status_t status = mofka_consumer_pull(consumer, held ? 20 : WAIT_MS, &event);
        EXPECT(status == MOFKA_OK || (held && status == MOFKA_ERR_TIMEOUT), "pull");
        if (held && (status || next_random(&seed) % 4 == 0)) {
            GOOD(mofka_event_acknowledge(held));
            mofka_event_release(held);
            held = NULL;
        }
        if (status)
            continue;
        if (mofka_event_is_end(event)) {
            mofka_event_release(event);
            break;
        }
        stress_check_event(event, &r, &n);
        EXPECT(mofka_event_id(event) == id, "id, %d of rank %d", n, r);
        EXPECT(n == last[r] + 1, "%d of rank %d after %d", n, r, last[r]);
        last[r] = n;
        id++;
        total++;
        mofka_event_release(held);
        held = event;
    }
    mofka_event_release(held);
    pthread_join(pusher.thread, NULL);
    EXPECT(total == job->scale * job->size, "%d events", total);
    stress_close_consumer(consumer);
    mofka_topic_release(topic);
}

/*
 * Readers stop after a while, come back under their name, and go on after what they acknowledged.
 * Guards 4 and 5. Fails when: trimming takes the fastest consumer (trim.c: trim_slowest_cursor
 * with >); the acknowledged id is not published at close.
 */
static void readers_stop_and_come_back(const job_t *job) {
    mofka_topic_t *topic = stress_open_topic(
        job, "restart",
        "{\"expected_producers\":%d,\"partition_bytes\":%d,\"partition_events\":%d}", job->size,
        RING_BYTES, SLOTS);
    stress_close_consumer(
        stress_open_consumer(job, topic, "returning")); /* registered: nothing may go */
    job->sum(job, 0);
    pusher_t pusher = {.job = job, .topic = topic, .count = job->scale, .batch_size = 7};
    pusher_start(&pusher, pusher_push_all);
    uint64_t next = LOG_START.events, seed = 77 + (uint64_t)job->rank;
    bool end = false;
    while (!end) {
        mofka_consumer_t *consumer = stress_open_consumer(job, topic, "returning");
        uint32_t pulls = 1 + next_random(&seed) % 40, keep = next_random(&seed) % pulls;
        uint64_t id = next;
        for (uint32_t i = 0; i < pulls && !end; i++) {
            mofka_event_t *event;
            int r, n;
            mofka_status_t status = mofka_consumer_pull(consumer, i == 0 ? WAIT_MS : 20, &event);
            if (status == MOFKA_ERR_TIMEOUT && i > 0)
                break;
            GOOD(status);
            end = mofka_event_is_end(event);
            if (!end) {
                stress_check_event(event, &r, &n);
                EXPECT(mofka_event_id(event) == id, "id %llu, not %llu",
                       (unsigned long long)mofka_event_id(event), (unsigned long long)id);
                id++;
                if (i <= keep) {
                    GOOD(mofka_event_acknowledge(event));
                    next = id;
                }
            }
            mofka_event_release(event);
        }
        stress_close_consumer(consumer);
    }
    pthread_join(pusher.thread, NULL);
    mofka_topic_release(topic);
}

static void *pusher_push_until_complete(void *context) {
    pusher_t *p = context;
    mofka_producer_t *producer;
    GOOD(mofka_producer_create(
        p->topic,
        &(mofka_producer_options_t){.batch_size = p->batch_size, .push_timeout_ms = WAIT_MS},
        &producer));
    mofka_status_t status = MOFKA_OK;
    while (!status) {
        mofka_future_t *futures[3];
        for (int i = 0; i < 3; i++)
            stress_push_event(producer, p->job->rank, p->stored + i, &futures[i]);
        for (int i = 0; i < 3; i++) {
            mofka_status_t one = mofka_future_wait(futures[i], WAIT_MS, NULL);
            EXPECT(one == MOFKA_OK || one == MOFKA_ERR_COMPLETE, "push");
            EXPECT(one || !status, "stored after one that was not");
            EXPECT(mofka_future_delivery(futures[i]) == (one ? MOFKA_NOT_STORED : MOFKA_STORED),
                   "delivery");
            p->stored += !one;
            status = one ? one : status;
            mofka_future_release(futures[i]);
        }
    }
    GOOD(mofka_producer_close(producer, WAIT_MS));
    mofka_producer_release(producer);
    return NULL;
}

/*
 * The topic ends while all ranks push: what was reported as stored is read, and nothing else.
 * Guards 6, with heap_log.c. Fails when batches reserved behind the end are stored (append.c:
 * append_place lets them).
 */
static void the_end_races_with_pushes(const job_t *job) {
    for (int round = 0; round < 6; round++) {
        char name[32];
        snprintf(name, sizeof name, "end-%d", round);
        mofka_topic_t *topic = stress_open_topic(
            job, name, "{\"partition_bytes\":%d,\"partition_events\":%d}", 4 * RING_BYTES, SLOTS);
        mofka_consumer_t *consumer = stress_open_consumer(job, topic, "reader");
        job->sum(job, 0);
        pusher_t pusher = {.job = job, .topic = topic, .batch_size = 1 + (size_t)round % 3};
        pusher_start(&pusher, pusher_push_until_complete);
        int own = 0, total = 0;
        uint64_t id = LOG_START.events;
        for (;; total++) {
            int r, n;
            mofka_event_t *event = stress_pull_event(consumer, &r, &n);
            if (!event)
                break;
            EXPECT(mofka_event_id(event) == id++, "id");
            EXPECT(r != job->rank || n == own++, "own order");
            GOOD(mofka_event_acknowledge(event));
            mofka_event_release(event);
            if (total == 20 + 7 * round && job->rank == job->size - 1)
                GOOD(mofka_topic_mark_complete(topic, WAIT_MS));
        }
        pthread_join(pusher.thread, NULL);
        EXPECT(own == pusher.stored, "%d of %d stored events read", own, pusher.stored);
        long stored = job->sum(job, pusher.stored);
        EXPECT(total == stored, "%d read of %ld stored", total, stored);
        stress_close_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* An append that is still under way at the end of the time may store its batch. */
static bool stress_is_late(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

/*
 * A full partition pushes back, and names the consumer that holds it up. Nothing that was reported
 * as not stored is stored. Guards 5. Fails when: trimming ignores consumers (trim_slowest_cursor
 * returns the tail).
 */
static void a_full_partition_pushes_back(const job_t *job) {
    mofka_topic_t *topic = stress_open_topic(
        job, "full", "{\"partition_bytes\":%d,\"partition_events\":%d}", RING_BYTES, SLOTS);
    if (job->rank == 0) {
        mofka_consumer_t *consumer = stress_open_consumer(job, topic, "slow");
        mofka_producer_t *producer;
        GOOD(mofka_producer_create(
            topic,
            &(mofka_producer_options_t){.batch_size = 8, .max_batches = 1, .push_timeout_ms = 500},
            &producer));
        int accepted = 0;
        mofka_status_t status;
        while ((status = mofka_producer_push(producer, "{}", 2, NULL, 0, NULL)) == MOFKA_OK)
            accepted++;
        EXPECT(status == MOFKA_ERR_TIMEOUT, "push");
        EXPECT(strstr(mofka_last_error(), "slow-0") && strstr(mofka_last_error(), "'full'") &&
                   strstr(mofka_last_error(), "since event 4294967196"),
               "message");
        EXPECT(accepted >= SLOTS && accepted <= SLOTS + 16, "%d accepted", accepted);
        EXPECT(stress_is_late(mofka_producer_flush(producer, 60)), "flush");
        EXPECT(stress_is_late(mofka_producer_close(producer, 60)), "close");
        for (int i = 0; i < SLOTS; i++) {
            mofka_event_t *event;
            GOOD(mofka_consumer_pull(consumer, WAIT_MS, &event));
            GOOD(mofka_event_acknowledge(event));
            mofka_event_release(event);
        }
        mofka_event_t *event; /* publishes the acknowledgements */
        EXPECT(mofka_consumer_pull(consumer, 0, &event) == MOFKA_ERR_TIMEOUT, "pull");
        stress_close_producer(producer);
        GOOD(mofka_topic_mark_complete(topic, WAIT_MS));
        int more = 0;
        for (bool end = false; !end; more += !end) {
            GOOD(mofka_consumer_pull(consumer, WAIT_MS, &event));
            end = mofka_event_is_end(event);
            mofka_event_release(event);
        }
        EXPECT(SLOTS + more == accepted, "%d of %d accepted", SLOTS + more, accepted);
        stress_close_consumer(consumer);
    }
    job->sum(job, 0);
    mofka_topic_release(topic);
}

static void *pusher_push_in_a_hurry(void *context) {
    pusher_t *p = context;
    mofka_producer_t *producer;
    GOOD(mofka_producer_create(
        p->topic,
        &(mofka_producer_options_t){.batch_size = p->batch_size, .push_timeout_ms = WAIT_MS},
        &producer));
    for (int n = p->first; n < p->first + p->count; n++)
        stress_push_event(producer, 0, n, NULL);
    stress_close_producer(producer);
    if (p->first > 0)
        GOOD(mofka_topic_mark_complete(p->topic, WAIT_MS));
    return NULL;
}

/*
 * discard_oldest: a reader that is overtaken learns how many events it lost, and never sees bytes
 * that were overwritten. Guards 2 and 5. Fails when: reader_count_overtaken does not count
 * (read_run.c); mmi_consumer_finish_data (data.c) does not read the head again.
 */
static void the_oldest_are_discarded(const job_t *job) {
    mofka_topic_t *topic = stress_open_topic(job, "discard",
                                             "{\"partition_bytes\":%d,\"partition_events\":%d,"
                                             "\"retention\":\"discard_oldest\"}",
                                             RING_BYTES, SLOTS);
    mofka_consumer_t *consumer = stress_open_consumer(job, topic, "slow");
    job->sum(job, 0);
    /* All readers are overtaken before they begin, and perhaps again later. */
    const int before = 3 * SLOTS, count = before + 10 * job->scale;
    pusher_t pusher = {.job = job, .topic = topic, .count = before, .batch_size = 3};
    if (job->rank == 0)
        pusher_push_in_a_hurry(&pusher);
    job->sum(job, 0);
    pusher.first = before;
    pusher.count = count - before;
    if (job->rank == 0)
        pusher_start(&pusher, pusher_push_in_a_hurry);
    uint64_t next = LOG_START.events, seed = (uint64_t)job->rank;
    long received = 0, lost = 0;
    for (;; received++) {
        int r, n;
        mofka_event_t *event = stress_pull_event(consumer, &r, &n);
        if (!event)
            break;
        EXPECT(mofka_event_id(event) == next + mofka_event_lost(event), "lost %llu",
               (unsigned long long)mofka_event_lost(event));
        EXPECT((uint64_t)n == mofka_event_id(event) - LOG_START.events, "id of %d", n);
        next = mofka_event_id(event) + 1;
        lost += (long)mofka_event_lost(event);
        mofka_event_release(event);
        if (next_random(&seed) % 16 == 0)
            stress_nap_us(300);
    }
    if (job->rank == 0)
        pthread_join(pusher.thread, NULL);
    EXPECT((uint64_t)lost == mofka_consumer_lost(consumer), "lost");
    EXPECT(received + lost == count, "%ld received, %ld lost of %d", received, lost, count);
    EXPECT(lost >= before - SLOTS, "%ld lost", lost);
    stress_close_consumer(consumer);
    mofka_topic_release(topic);
}

/*
 * Partitions shared out among consumers of one name. Guards 4. Fails when: targets are ignored
 * (BUSY at creation, or events of others).
 */
static void partitions_are_shared_out(const job_t *job) {
    const size_t partitions = 5;
    mofka_topic_t *topic = stress_open_topic(
        job, "shared", "{\"expected_producers\":%d,\"partitions\":%zu}", job->size, partitions);
    size_t targets[5], count = 0;
    for (size_t i = 0; i < partitions; i++)
        if ((int)(i % (size_t)job->size) == job->rank)
            targets[count++] = i;
    mofka_consumer_t *consumer;
    GOOD(mofka_consumer_create(topic,
                               &(mofka_consumer_options_t){.name = "group",
                                                           .selector = select_all_data,
                                                           .targets = targets,
                                                           .target_count = count},
                               &consumer));
    pusher_t pusher = {.job = job, .topic = topic, .count = job->scale, .batch_size = 10};
    pusher_start(&pusher, pusher_push_all);
    long received = 0;
    for (;; received++) {
        int r, n;
        mofka_event_t *event = stress_pull_event(consumer, &r, &n);
        if (!event)
            break;
        EXPECT((int)(mofka_event_partition(event) % (size_t)job->size) == job->rank, "target");
        GOOD(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    pthread_join(pusher.thread, NULL);
    EXPECT(job->sum(job, received) == (long)job->scale * job->size, "events");
    stress_close_consumer(consumer);
    mofka_topic_release(topic);
}

/* One batch of many more events than any table in between was made for. */
static void a_batch_of_thousands(const job_t *job) {
    const int count = 6000;
    mofka_topic_t *topic =
        stress_open_topic(job, "thousands", "{\"expected_producers\":1,\"partition_events\":8192}");
    if (job->rank == job->size - 1) {
        mofka_producer_t *producer;
        GOOD(mofka_producer_create(topic,
                                   &(mofka_producer_options_t){.batch_size = (size_t)count,
                                                               .linger_ms = 100000,
                                                               .push_timeout_ms = WAIT_MS},
                                   &producer));
        for (int n = 0; n < count; n++)
            GOOD(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        stress_close_producer(producer);
    }
    if (job->rank == 0) {
        mofka_consumer_t *consumer = stress_open_consumer(job, topic, "reader");
        for (int n = 0; n <= count; n++) {
            mofka_event_t *event;
            GOOD(mofka_consumer_pull(consumer, WAIT_MS, &event));
            EXPECT(mofka_event_is_end(event) == (n == count), "event %d", n);
            mofka_event_release(event);
        }
        stress_close_consumer(consumer);
    }
    job->sum(job, 0);
    mofka_topic_release(topic);
}

void stress_run(const job_t *job) {
    static const struct {
        const char *name;
        void (*run)(const job_t *);
        bool by_copy;
    } cases[] = {
        {"everyone_pushes_everyone_reads", everyone_pushes_everyone_reads, false},
        {"readers_stop_and_come_back", readers_stop_and_come_back, false},
        {"the_end_races_with_pushes", the_end_races_with_pushes, false},
        {"a_full_partition_pushes_back", a_full_partition_pushes_back, false},
        {"the_oldest_are_discarded", the_oldest_are_discarded, true},
        {"partitions_are_shared_out", partitions_are_shared_out, false},
        {"a_batch_of_thousands", a_batch_of_thousands, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].by_copy && !job->by_copy)
            continue;
        if (job->rank == 0) {
            printf("%s\n", cases[i].name);
            fflush(stdout);
        }
        cases[i].run(job);
        job->sum(job, 0);
    }
}
