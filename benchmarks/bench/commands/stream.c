/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream, produce, consume: from producers through partitions to consumers, end to end.
 *
 * A repeat is made of rounds of about PAIRED_ROUND_S (with --baseline) or LONE_ROUND_S, and longer
 * if a batch of --batch-size takes long: a round has whole batches. All ranks know how many events
 * each producer pushes in a round. Event n of a producer goes to partition n % partitions, so each
 * consumer knows which events it will get. A round lasts from a barrier until the last event is
 * pulled and checked. In each partition, the events of one producer must come in order, none
 * missing and none twice, with valid stamps.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "commands/commands.h"
#include "paired.h"
#include "payload.h"

#define PULL_TIMEOUT_MS 60000
/* The most events of one pull. */
#define PULL_MANY 64
#define PULL_RUN 4096
/* In closed-loop runs, one of this many events carries its time. */
#define SAMPLE_EVERY 64
/* The most futures that are kept: two batches of the largest adaptive size. When this is reached,
 * the older batch has left. */
#define FUTURES_MAX 8192
/* With --batch-size, a batch leaves when it is full, however slow the network is. */
#define FULL_LINGER_MS 3600000
/* The least batches of a round in each partition: a flush ends the round, and is a small part of
 * it. With --max-batches, so many times that. */
#define ROUND_BATCHES 8
#define ROUND_LANES 4

typedef struct stream_run {
    const bench_job_t *job;
    const bench_settings_t *s;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_thread_pool_t *pool;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    buffer_pool_t buffers;
    char *metadata;
    uint64_t done;  /* events that each producer has pushed */
    uint64_t *next; /* consumer: the number that must come next, for each producer and partition */
    data_wish_t wish;
    double interest; /* consumer: sum of the shares up to the next event whose data is fetched */
    mofka_future_t **futures;
    size_t future_count;
    mfi_histogram_t *latency;
    double bytes_fetched;
    bool wrong;
} stream_run_t;

/* ---- set-up ---------------------------------------------------------------------------------- */

static size_t stream_slots(const bench_settings_t *s) {
    assert(s->partition_bytes > 0);
    size_t event = s->metadata_size + s->data_size;
    size_t slots = s->partition_bytes / (event + !event);
    return slots < 1024 ? 1024 : slots > 65536 ? 65536 : slots;
}

static void stream_list_owners(const stream_run_t *st, char *text, size_t bytes) {
    const bench_job_t *job = st->job;
    int *roles = calloc((size_t)job->size, sizeof *roles);
    int own = st->s->owners == OWNERS_ALL         ? 1
              : st->s->owners == OWNERS_CONSUMERS ? job->consumer >= 0
                                                  : job->producer >= 0;
    MPI_Allgather(&own, 1, MPI_INT, roles, 1, MPI_INT, job->comm);
    size_t used = 0;
    for (int i = 0; i < job->size && used < bytes; i++)
        if (roles[i])
            used += (size_t)snprintf(text + used, bytes - used, "%s%d", used ? "," : "", i);
    free(roles);
}

static void stream_open_topic(stream_run_t *st) {
    const bench_settings_t *s = st->s;
    char owners[4096], text[4608];
    stream_list_owners(st, owners, sizeof owners);
    /* For each partition: the payload; flags, entries and stamps; the control block and a page of
     * slack. */
    size_t arena = (s->partition_bytes + stream_slots(s) * 64 + (64 << 10)) * (size_t)s->partitions;
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":%zu,\"owners\":[%s]}",
             s->window, arena, owners);
    /* The driver spans all ranks. Watchers are the last ranks, so the owners have the same numbers
     * there. */
    bench_must(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &st->driver), "driver");
    bool node = strcmp(s->window, "node") == 0;
    snprintf(
        text, sizeof text, "{\"partitions\":%d,\"partition_bytes\":%zu,\"partition_events\":%zu%s}",
        s->partitions, s->partition_bytes, stream_slots(s), node ? ",\"producers\":\"node\"" : "");
    const mofka_topic_options_t options = {.options = text,
                                           .selector = node ? "{\"type\":\"local\"}" : NULL};
    if (st->job->rank == 0)
        bench_must(mofka_driver_create_topic(st->driver, "bench", &options), "topic");
    bench_must(mofka_driver_open_topic(st->driver, "bench", PULL_TIMEOUT_MS, &st->topic), "topic");
    bench_must(
        mofka_driver_make_thread_pool(st->driver, s->threads, MOFKA_BINDING_COMPACT, &st->pool),
        "thread pool");
}

static mofka_status_t stream_select_data(void *context, const mofka_metadata_t *metadata,
                                         mofka_data_descriptor_t *full,
                                         mofka_data_descriptor_t **selected) {
    stream_run_t *st = context;
    (void)metadata;
    *selected = NULL;
    st->interest += st->s->interest;
    if (st->interest < 1)
        return MOFKA_OK;
    st->interest -= 1;
    size_t size = mofka_data_descriptor_size(full);
    if (st->wish.bytes == size)
        *selected = mofka_data_descriptor_retain(full);
    else if (st->wish.all)
        return mofka_data_descriptor_sub_view(full, 0, st->wish.bytes, selected);
    else if (st->wish.count > 0)
        return mofka_data_descriptor_strided_view(full, 0, st->wish.count, STAMP_STEP,
                                                  (st->wish.stride - 1) * STAMP_STEP, selected);
    return MOFKA_OK;
}

static mofka_status_t stream_allocate_data(void *context, const mofka_metadata_t *metadata,
                                           mofka_data_descriptor_t *selected,
                                           mofka_data_view_t **view) {
    stream_run_t *st = context;
    (void)metadata;
    return buffer_pool_view(&st->buffers, mofka_data_descriptor_size(selected), view);
}

static void stream_open_consumer(stream_run_t *st) {
    assert(st->job->consumer >= 0 && st->job->consumer < st->s->partitions);
    const bench_settings_t *s = st->s;
    size_t count = 0, *targets = calloc((size_t)s->partitions, sizeof *targets);
    for (int k = st->job->consumer; k < s->partitions; k += s->consumers)
        targets[count++] = (size_t)k;
    char name[32];
    snprintf(name, sizeof name, "consumer-%d", st->job->consumer);
    mofka_consumer_options_t options = {.name = name,
                                        .batch_size = s->batch_size,
                                        .max_batches = s->max_batches,
                                        .thread_pool = st->pool,
                                        .selector = s->data_size ? stream_select_data : NULL,
                                        .selector_context = st,
                                        .allocator = s->zero_copy ? NULL : stream_allocate_data,
                                        .allocator_context = st,
                                        .zero_copy = s->zero_copy,
                                        .targets = targets,
                                        .target_count = count};
    bench_must(mofka_consumer_create(st->topic, &options, &st->consumer), "consumer");
    free(targets);
    st->next = calloc((size_t)s->partitions * (size_t)s->producers, sizeof *st->next);
    for (int k = 0; k < s->partitions; k++)
        for (int p = 0; p < s->producers; p++)
            st->next[k * s->producers + p] = (uint64_t)k;
}

static void stream_open(stream_run_t *st, const bench_job_t *job, const bench_settings_t *s) {
    *st = (stream_run_t){.job = job, .s = s, .wish = data_wish_of(s)};
    stream_open_topic(st);
    buffer_pool_init(&st->buffers, s->data_size);
    st->metadata = malloc(s->metadata_size + 1);
    memset(st->metadata, 'm', s->metadata_size);
    st->latency = calloc(1, sizeof *st->latency);
    if (job->producer >= 0) {
        mofka_producer_options_t options = {
            .batch_size = s->batch_size,
            .max_batches = s->max_batches,
            .linger_ms = s->batch_size == MOFKA_BATCH_ADAPTIVE ? 0 : FULL_LINGER_MS,
            .thread_pool = st->pool};
        bench_must(mofka_producer_create(st->topic, &options, &st->producer), "producer");
        st->futures = calloc(FUTURES_MAX, sizeof(mofka_future_t *));
    }
    if (job->consumer >= 0)
        stream_open_consumer(st);
    bench_barrier(job->comm);
}

static void stream_close(stream_run_t *st) {
    if (st->producer) {
        bench_must(mofka_producer_close(st->producer, PULL_TIMEOUT_MS), "closing the producer");
        mofka_producer_release(st->producer);
    }
    if (st->consumer) {
        bench_must(mofka_consumer_close(st->consumer), "closing the consumer");
        mofka_consumer_release(st->consumer);
    }
    mofka_thread_pool_release(st->pool);
    mofka_topic_release(st->topic);
    bench_must(mofka_driver_close(st->driver, PULL_TIMEOUT_MS), "closing the driver");
    mofka_driver_release(st->driver);
    buffer_pool_end(&st->buffers);
    free(st->metadata);
    free(st->next);
    free(st->futures);
    free(st->latency);
}

/* ---- producing ------------------------------------------------------------------------------- */

static void stream_wait_future(mofka_future_t *future) {
    bench_must(mofka_future_wait(future, PULL_TIMEOUT_MS, NULL), "push");
    mofka_future_release(future);
}

/* Wait for the oldest half. It is usually done by now. */
static void stream_keep_future(stream_run_t *st, mofka_future_t *future) {
    assert(st->future_count <= FUTURES_MAX);
    if (st->future_count == FUTURES_MAX) {
        for (size_t i = 0; i < FUTURES_MAX / 2; i++)
            stream_wait_future(st->futures[i]);
        st->future_count = FUTURES_MAX / 2;
        memmove(st->futures, st->futures + FUTURES_MAX / 2, FUTURES_MAX / 2 * sizeof future);
    }
    st->futures[st->future_count++] = future;
}

/* Write an event's stamps and its time. */
static void stream_stamp(const stream_run_t *st, uint64_t number, double time, char *metadata,
                         char *data) {
    const bench_settings_t *s = st->s;
    if (s->verify) {
        uint64_t stamp = stamp_of(st->job->producer, number);
        stamp_metadata(metadata, s->metadata_size, stamp);
        stamp_data(data, s->data_size, stamp);
    }
    char *place = stamp_time_place(metadata, s->metadata_size, data, s->data_size);
    if (place)
        memcpy(place, &time, sizeof time);
}

static size_t stream_partition(const bench_settings_t *s, uint64_t number) {
    return s->partitions > 1 ? (size_t)(number % (uint64_t)s->partitions) : 0;
}

/* Metadata is written as a program would: all of it. Data is the program's result, which is there
 * without a copy. */
static void stream_claim(stream_run_t *st, uint64_t number, double time) {
    const bench_settings_t *s = st->s;
    mofka_claim_t *claim;
    mofka_future_t *future = NULL;
    bench_must(mofka_producer_claim(st->producer, s->metadata_size, s->data_size,
                                    stream_partition(s, number), &claim),
               "claim");
    char *metadata = mofka_claim_metadata(claim);
    memcpy(metadata, st->metadata, s->metadata_size);
    stream_stamp(st, number, time, metadata, mofka_claim_data(claim));
    bench_must(mofka_claim_commit(claim, s->metadata_size, s->futures ? &future : NULL), "commit");
    if (future)
        stream_keep_future(st, future);
}

static void stream_push(stream_run_t *st, uint64_t number, double time) {
    assert(st->job->producer >= 0);
    const bench_settings_t *s = st->s;
    mofka_data_view_t *view = NULL;
    mofka_future_t *future = NULL;
    char *data = NULL;
    if (s->claim) {
        stream_claim(st, number, time);
        return;
    }
    if (s->data_size > 0) {
        bench_must(buffer_pool_view(&st->buffers, s->data_size, &view), "buffer");
        data = mofka_data_view_segments(view, NULL)->ptr;
    }
    stream_stamp(st, number, time, st->metadata, data);
    bench_must(mofka_producer_push(st->producer, st->metadata, s->metadata_size, view,
                                   stream_partition(s, number), s->futures ? &future : NULL),
               "push");
    if (view)
        mofka_data_view_release(view);
    if (future)
        stream_keep_future(st, future);
}

static void stream_wait_until(double time) {
    for (double left; (left = time - bench_now()) > 0;)
        if (left > 1e-4)
            nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * (left < 0.01 ? left / 2 : 0.01))},
                      NULL);
}

static void stream_produce(stream_run_t *st, uint64_t count, bool paced) {
    assert(st->producer && st->future_count == 0);
    const bench_settings_t *s = st->s;
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        double time = 0; /* time of the push; open loop: the time at which it was due */
        if (paced && s->rate > 0)
            stream_wait_until(time = start + (double)i / s->rate);
        else if (i % SAMPLE_EVERY == 0)
            time = bench_now();
        stream_push(st, st->done + i, time);
        if (s->flush_interval > 0 && (i + 1) % s->flush_interval == 0)
            bench_must(mofka_producer_flush(st->producer, PULL_TIMEOUT_MS), "flush");
    }
    bench_must(mofka_producer_flush(st->producer, PULL_TIMEOUT_MS), "flush");
    for (size_t i = 0; i < st->future_count; i++)
        stream_wait_future(st->futures[i]);
    st->future_count = 0;
}

/* ---- consuming ------------------------------------------------------------------------------- */

static void stream_check_event(stream_run_t *st, size_t partition, const char *metadata,
                               mofka_data_view_t *data) {
    const bench_settings_t *s = st->s;
    mofka_data_view_t *view = s->data_size > 0 ? data : NULL;
    uint64_t stamp = 0;
    double time = 0;
    if (s->metadata_size >= 24)
        memcpy(&time, metadata + 8, sizeof time);
    else if (view && s->data_size >= 24)
        mofka_data_view_read(view, &time, sizeof time, 8);
    if (time > 0)
        mfi_histogram_record(st->latency, (uint64_t)(1e9 * fmax(0, bench_now() - time)));
    if (!s->verify)
        return;
    if (s->metadata_size >= 16)
        memcpy(&stamp, metadata, sizeof stamp);
    else if (mofka_data_view_read(view, &stamp, sizeof stamp, 0) < sizeof stamp)
        return; /* its data was not fetched */
    size_t producer = (size_t)(stamp >> 40);
    if (producer >= (size_t)s->producers) {
        st->wrong = true;
        return;
    }
    uint64_t *next = &st->next[partition * (size_t)s->producers + producer];
    bool counted = s->metadata_size >= 16 || s->interest >= 1;
    if ((counted && stamp != stamp_of((int)producer, *next)) ||
        !stamps_check(s, &st->wish, metadata, view, stamp))
        st->wrong = true;
    *next = (stamp & ((UINT64_C(1) << 40) - 1)) + (uint64_t)s->partitions;
}

/* How many of `count` numbers, from `first` on, belong to this rank's partitions. */
static uint64_t stream_expected_count(const stream_run_t *st, uint64_t first, uint64_t count) {
    uint64_t partitions = (uint64_t)st->s->partitions, sum = 0;
    for (uint64_t k = (uint64_t)st->job->consumer; k < partitions;
         k += (uint64_t)st->s->consumers) {
        uint64_t below_end = (first + count + partitions - 1 - k) / partitions;
        uint64_t below_first = (first + partitions - 1 - k) / partitions;
        sum += below_end - below_first;
    }
    return sum * (uint64_t)st->s->producers;
}

/* Events of a producer that fill one batch in each partition. */
static uint64_t stream_batch_count(const bench_settings_t *s) {
    assert(s->batch_size > 0);
    return s->batch_size == MOFKA_BATCH_ADAPTIVE
               ? 1
               : (uint64_t)s->batch_size * (uint64_t)s->partitions;
}

/* How long a pull may wait: as for any call, and for the events of a batch to become due. */
static int64_t stream_pull_timeout_ms(const bench_settings_t *s) {
    double due_s = s->rate > 0 ? (double)stream_batch_count(s) / s->rate : 0;
    return PULL_TIMEOUT_MS + (int64_t)(fmin(due_s, 1e9) * 1e3);
}

/* Pull, check, acknowledge and release at most `most` events. Returns their number. */
static size_t stream_take_many(stream_run_t *st, size_t most, int64_t timeout_ms) {
    mofka_event_t *events[PULL_MANY];
    size_t pulled;
    most = most < PULL_MANY ? most : PULL_MANY;
    bench_must(mofka_consumer_pull_many(st->consumer, most, timeout_ms, events, &pulled), "pull");
    for (size_t i = 0; i < pulled; i++) {
        stream_check_event(st, st->s->partitions > 1 ? mofka_event_partition(events[i]) : 0,
                           mofka_event_metadata_text(events[i], NULL), mofka_event_data(events[i]));
        if (st->s->data_size > 0)
            st->bytes_fetched += (double)mofka_data_view_size(mofka_event_data(events[i]));
        /* Acknowledging the last event of a partition acknowledges those before it. */
        if (i + 1 == pulled || (st->s->partitions > 1 && mofka_event_partition(events[i + 1]) !=
                                                             mofka_event_partition(events[i])))
            bench_must(mofka_event_acknowledge(events[i]), "acknowledge");
    }
    for (size_t i = 0; i < pulled; i++)
        mofka_event_release(events[i]);
    return pulled;
}

/* The same with a run. */
static size_t stream_take_run(stream_run_t *st, size_t most, int64_t timeout_ms) {
    mofka_event_run_t *run;
    mofka_run_event_t event;
    most = most < PULL_RUN ? most : PULL_RUN;
    bench_must(mofka_consumer_pull_run(st->consumer, most, timeout_ms, &run), "pull");
    size_t pulled = mofka_event_run_count(run), partition = mofka_event_run_partition(run);
    for (size_t i = 0; i < pulled; i++) {
        bench_must(mofka_event_run_get(run, i, &event), "event");
        stream_check_event(st, partition, event.metadata, event.data);
        if (st->s->data_size > 0)
            st->bytes_fetched += (double)mofka_data_view_size(event.data);
    }
    bench_must(mofka_event_run_acknowledge(run), "acknowledge");
    mofka_event_run_release(run);
    return pulled;
}

static void stream_consume(stream_run_t *st, uint64_t count) {
    assert(st->consumer);
    int64_t timeout_ms = stream_pull_timeout_ms(st->s);
    uint64_t left = stream_expected_count(st, st->done, count);
    while (left > 0) {
        size_t most = left < SIZE_MAX ? (size_t)left : SIZE_MAX;
        left -= st->s->runs ? stream_take_run(st, most, timeout_ms)
                            : stream_take_many(st, most, timeout_ms);
    }
    if (st->s
            /* A pull publishes the acknowledgements, so that the next phase has room. */
            ->phased) {
        mofka_event_t *none;
        if (mofka_consumer_pull(st->consumer, 0, &none) != MOFKA_ERR_TIMEOUT)
            st->wrong = true;
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

typedef struct stream_times {
    double all, push, pull, cpu;
} stream_times_t;

static stream_times_t stream_run_round(stream_run_t *st, uint64_t count, bool paced) {
    assert(count > 0);
    const bench_job_t *job = st->job;
    bench_barrier(job->comm);
    double cpu = bench_cpu_seconds(), start = bench_now(), push = 0, pull = 0;
    if (st->producer) {
        stream_produce(st, count, paced);
        push = bench_now() - start;
    }
    if (st->s->phased) {
        push = bench_job_max(job, push);
        bench_barrier(job->comm);
        start = bench_now();
    }
    if (st->consumer) {
        stream_consume(st, count);
        pull = bench_now() - start;
    }
    cpu = bench_cpu_seconds() - cpu;
    st->done += count;
    push = bench_job_max(job, push);
    pull = bench_job_max(job, pull);
    double all = st->s->phased ? push + pull : fmax(push, pull);
    return (stream_times_t){all, push, pull, bench_job_sum(job, cpu)};
}

/* In a phased round all events are stored before the first pull, so they must fit in the
 * partitions. */
static uint64_t stream_round_limit(const bench_settings_t *s) {
    assert(s->producers > 0 && s->partitions > 0);
    if (!s->phased)
        return UINT64_MAX;
    size_t event = s->metadata_size + s->data_size;
    uint64_t fit = s->partition_bytes / (event + 64) * 9 / 10; /* batches end on cache lines */
    fit = fit < stream_slots(s) ? fit : stream_slots(s);
    fit = fit * (uint64_t)s->partitions / (uint64_t)s->producers;
    return fit ? fit : 1;
}

static uint64_t stream_next_count(const bench_settings_t *s, double events_per_s, uint64_t left) {
    assert(left > 0);
    double seconds = s->baseline ? PAIRED_ROUND_S : LONE_ROUND_S;
    uint64_t count = events_per_s > 0 ? (uint64_t)(0.9 * seconds * events_per_s) : 1;
    uint64_t limit = stream_round_limit(s), full = stream_batch_count(s);
    uint64_t least =
        ROUND_BATCHES > ROUND_LANES * s->max_batches ? ROUND_BATCHES : ROUND_LANES * s->max_batches;
    if (full > 1 && count < least * full)
        count = least * full;
    count = count < 1 ? 1 : count;
    count = count < limit ? count : limit;
    count = count < full ? count : count - count % full;
    return count < left ? count : left;
}

/* After two laps of the rings, memory should not grow any more. */
static void stream_note_memory(const stream_run_t *st, bench_result_t *r) {
    const bench_settings_t *s = st->s;
    double each = (double)st->done * s->producers / s->partitions;
    double bytes = each * (double)(s->metadata_size + s->data_size);
    if (isnan(r->rss_two_laps_mb) &&
        (each >= 2.0 * (double)stream_slots(s) || bytes >= 2.0 * (double)s->partition_bytes))
        r->rss_two_laps_mb = bench_job_max(st->job, bench_peak_rss_mb());
}

static void stream_finish_result(const stream_run_t *st, uint64_t pushed, bench_result_t *r) {
    assert(pushed > 0);
    const bench_settings_t *s = st->s;
    r->events = pushed * (uint64_t)s->producers;
    r->events_per_s = (double)r->events / r->seconds;
    r->gb_per_s = r->events_per_s * (double)(s->metadata_size + s->data_size) * 1e-9;
    r->bytes_fetched = bench_job_sum(st->job, st->bytes_fetched);
    r->peak_rss_mb = bench_job_max(st->job, bench_peak_rss_mb());
    r->verified = bench_job_max(st->job, st->wrong) == 0;
    bench_job_merge(st->job, st->latency);
    r->latency = st->latency;
}

/* One repeat. False: interrupted. */
static bool stream_run_repeat(stream_run_t *st, paired_t *paired, double *rate, int repeat) {
    assert(repeat < st->s->repeat);
    const bench_settings_t *s = st->s;
    double bytes = (double)(s->metadata_size + s->data_size) * s->producers * 1e-9;
    bench_result_t r;
    bench_result_clear(&r);
    r.seconds = r.push_seconds = r.pull_seconds = 0;
    st->bytes_fetched = 0;
    mfi_histogram_clear(st->latency);
    uint64_t pushed = 0;
    bool stopped = false;
    while (pushed < s->events && !stopped) {
        uint64_t count = stream_next_count(s, *rate, s->events - pushed);
        stream_times_t t = stream_run_round(st, count, true);
        pushed += count;
        *rate = (double)count / t.all;
        r.seconds += t.all;
        r.push_seconds += t.push;
        r.pull_seconds += t.pull;
        r.cpu_seconds += t.cpu;
        paired_round(paired, *rate * bytes,
                     s->phased ? (double)count * bytes / t.push : *rate * bytes,
                     s->phased ? (double)count * bytes / t.pull : *rate * bytes);
        stream_note_memory(st, &r);
        bench_show_progress(st->job,
                            ((double)repeat + (double)pushed / (double)s->events) / s->repeat);
        stopped = bench_job_interrupted(st->job);
    }
    stream_finish_result(st, pushed, &r);
    paired_result(paired, &r);
    report_result(st->job, s, repeat, &r);
    st->wrong = !r.verified;
    return !stopped;
}

int bench_run_stream(const bench_job_t *job, const bench_settings_t *s) {
    stream_run_t st;
    paired_t paired;
    double rate = 0;
    stream_open(&st, job, s);
    paired_open(&paired, job, s);
    for (uint64_t left = s->warmup, count; left > 0; left -= count) {
        uint64_t limit = stream_round_limit(s);
        count = left < limit ? left : limit;
        stream_times_t t = stream_run_round(&st, count, false);
        rate = (double)count / t.all;
    }
    bool going = true;
    for (int i = 0; i < s->repeat && going; i++)
        going = stream_run_repeat(&st, &paired, &rate, i);
    bool wrong = bench_job_max(job, st.wrong) > 0;
    paired_close(&paired);
    stream_close(&st);
    return wrong ? BENCH_WRONG : going ? BENCH_OK : BENCH_INTERRUPTED;
}
