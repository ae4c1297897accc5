/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources: threads that push, flush, wait and discard as the plan says, and end their producer. */
#include "history/plan/content.h"
#include "history/run.h"
#include "support/clock.h"

/* Closes after the time to push, before one that is pending is left so. */
#define LATE_CLOSES 5

typedef struct pending {
    mofka_future_t *future;
    unsigned number;
} pending_t;

/* A source while it runs. */
typedef struct source {
    actor_t *actor;
    const plan_producer_t *plan;
    unsigned pushed;
    pending_t *pending; /* futures, oldest first */
    size_t first, count;
} source_t;

static bool source_is_pending(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

static void source_doubt(actor_t *actor) {
    pthread_mutex_lock(&actor->run->lock);
    actor->run->doubtful = true;
    pthread_mutex_unlock(&actor->run->lock);
}

/* The time-out of a push or a close. Where operations fail, it is not long: it may pass. */
static int64_t source_limit(const run_t *run, int64_t timeout_ms) {
    bool lasts = timeout_ms <= 0 || timeout_ms > RUN_CALL_MS;
    return run->fails && lasts ? RUN_CALL_MS : timeout_ms;
}

static bool source_is_over(const run_t *run) {
    return clock_ms() >= run->push_until;
}

/* What an event may end with: it is bad, the topic is complete, or it was discarded. */
static void source_check_failure(actor_t *actor, const char *call, mofka_status_t status) {
    if (status && !source_is_pending(status) && status != MOFKA_ERR_COMPLETE &&
        status != MOFKA_ERR_CLOSED && status != MOFKA_ERR_TOO_LARGE && status != MOFKA_ERR_JSON)
        record_unexpected(actor, call, status);
    if (status)
        source_doubt(actor);
}

static void source_push(source_t *source) {
    actor_t *actor = source->actor;
    const plan_t *plan = actor->run->plan;
    content_t content = content_of(plan, (unsigned)actor->index, source->pushed);
    bool wants = history_chance(&actor->random, source->plan->future);
    bool drops = history_chance(&actor->random, source->plan->early_release);
    size_t partition = MOFKA_ANY_PARTITION;
    if (history_chance(&actor->random, source->plan->request))
        partition = (size_t)history_between(&actor->random, 0, plan->facts.partition_count - 1);
    if (partition != MOFKA_ANY_PARTITION && plan->by_node)
        partition = (size_t)actor->run->rank;
    mofka_data_view_t *data = content_make_data(&content);
    mofka_future_t *future = NULL;
    int64_t push_ms = source_limit(actor->run, source->plan->push_ms);
    push_ms = push_ms ? push_ms : MOFKA_PUSH_TIMEOUT_MS_DEFAULT;
    mofka_status_t status =
        STEP(actor, "push", push_ms,
             mofka_producer_push(actor->producer, content.text, content.text_bytes, data, partition,
                                 wants ? &future : NULL));
    if (data)
        mofka_data_view_release(data);
    record_add(actor, (history_record_t){.kind = HISTORY_PUSH,
                                         .status = status,
                                         .number = source->pushed,
                                         .value = wants});
    if (status != MOFKA_ERR_TIMEOUT)
        source_check_failure(actor, "push", status);
    if (!status && wants && drops)
        mofka_future_release(future);
    else if (!status && wants)
        source->pending[source->first + source->count++] = (pending_t){future, source->pushed};
    source->pushed++;
    actor->count = source->pushed;
}

/* Wait for the oldest future. Records its outcome, unless it is not known yet and must not be. */
static bool source_wait(source_t *source, int64_t timeout_ms, bool must) {
    actor_t *actor = source->actor;
    if (source->count == 0)
        return false;
    pending_t *p = &source->pending[source->first];
    mofka_result_t result = {0};
    mofka_status_t status =
        STEP(actor, "wait", timeout_ms, mofka_future_wait(p->future, timeout_ms, &result));
    if (source_is_pending(status) && !must)
        return false;
    source_check_failure(actor, "wait", status);
    record_add(actor, (history_record_t){.kind = HISTORY_OUTCOME,
                                         .status = status,
                                         .number = p->number,
                                         .partition = (uint32_t)result.partition,
                                         .id = result.event_id,
                                         .value = (uint64_t)mofka_future_delivery(p->future)});
    mofka_future_release(p->future);
    source->first++;
    source->count--;
    return true;
}

static mofka_status_t source_flush(source_t *source, int64_t timeout_ms) {
    actor_t *actor = source->actor;
    mofka_status_t status =
        STEP(actor, "flush", timeout_ms, mofka_producer_flush(actor->producer, timeout_ms));
    source_check_failure(actor, "flush", status);
    record_add(actor, (history_record_t){
                          .kind = HISTORY_FLUSH, .status = status, .number = source->pushed});
    return status;
}

static void source_discard(source_t *source) {
    actor_t *actor = source->actor;
    mofka_status_t status = STEP(actor, "discard", 1000, mofka_producer_discard(actor->producer));
    if (status && status != MOFKA_ERR_TIMEOUT)
        record_unexpected(actor, "discard", status);
    source_doubt(actor);
}

static void source_step(source_t *source) {
    const plan_producer_t *plan = source->plan;
    uint64_t *random = &source->actor->random;
    if (history_chance(random, plan->sleep))
        clock_sleep_ms((int64_t)history_between(random, 1, 8));
    if (history_chance(random, plan->flush))
        source_flush(source, plan->flush_ms);
    if (history_chance(random, plan->wait))
        source_wait(source, plan->flush_ms / 2, false);
    if (history_chance(random, plan->discard))
        source_discard(source);
    source_push(source);
}

/* Close until the answer is final. The number of tries is bounded by the watchdog; where operations
 * fail, it is left undecided some tries after the time to push. */
static mofka_status_t source_close(source_t *source) {
    actor_t *actor = source->actor;
    int64_t close_ms = source_limit(actor->run, source->plan->close_ms);
    mofka_status_t status;
    int late = 0;
    for (unsigned tries = 1;; tries++) {
        status = STEP(actor, "close", close_ms, mofka_producer_close(actor->producer, close_ms));
        if (!source_is_pending(status) || late == LATE_CLOSES)
            break;
        late += source_is_over(actor->run);
        if (tries == source->plan->gives_up || late == 1)
            source_discard(source);
        clock_sleep_ms(1);
    }
    source_check_failure(actor, "close", status);
    return status;
}

static bool source_may_begin(run_t *run) {
    pthread_mutex_lock(&run->lock);
    while (!run->begun)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
    return true;
}

void *source_main(void *context) {
    actor_t *actor = context;
    const plan_producer_t *plan = plan_producer_of(actor->run->plan, (unsigned)actor->index);
    source_t source = {.actor = actor, .plan = plan};
    source.pending = calloc(plan->event_count, sizeof *source.pending);
    if (!source.pending)
        abort();
    source_may_begin(actor->run);
    while (source.pushed < plan->event_count && !source_is_over(actor->run))
        source_step(&source);
    bool closes = (unsigned)actor->index == plan->first_source;
    if (closes) {
        for (unsigned i = 1; i < plan->thread_count; i++)
            pthread_join(actor[i].thread, NULL);
        record_add(actor, (history_record_t){.kind = HISTORY_CLOSE,
                                             .status = source_close(&source),
                                             .number = source.pushed});
    } else {
        while (source_is_pending(source_flush(&source, source_limit(actor->run, plan->close_ms))) &&
               !source_is_over(actor->run))
            clock_sleep_ms(1);
        record_add(actor, (history_record_t){.kind = HISTORY_CLOSE, .number = 0});
    }
    while (source_wait(&source, 0, true))
        ;
    free(source.pending);
    return NULL;
}

static void source_create(run_t *run, const plan_producer_t *p) {
    mofka_thread_pool_t *pool = NULL;
    mofka_producer_t *producer;
    actor_t *first = &run->sources[p->first_source];
    const mofka_thread_pool_options_t workers = {.thread_count = p->workers,
                                                 .binding = MOFKA_BINDING_NONE};
    if (p->workers && mofka_thread_pool_create(&workers, &pool))
        abort();
    const mofka_producer_options_t options = {.batch_size = p->batch_size,
                                              .max_batches = p->max_batches,
                                              .ordering = p->loose ? MOFKA_ORDERING_LOOSE
                                                                   : MOFKA_ORDERING_STRICT,
                                              .thread_pool = pool,
                                              .linger_ms = p->linger_ms,
                                              .push_timeout_ms = source_limit(run, p->push_ms)};
    mofka_status_t status = mofka_producer_create(run->topic, &options, &producer);
    mofka_thread_pool_release(pool);
    if (status) {
        record_unexpected(first, "producer_create", status);
        abort();
    }
    for (unsigned i = 0; i < p->thread_count; i++)
        first[i].producer = producer;
}

void source_create_producers(run_t *run) {
    for (size_t i = 0; i < run->plan->producer_count; i++)
        if (run->plan->producers[i].rank == run->rank)
            source_create(run, &run->plan->producers[i]);
}

void source_release_producers(run_t *run) {
    for (size_t i = 0; i < run->plan->producer_count; i++)
        if (run->plan->producers[i].rank == run->rank)
            mofka_producer_release(run->sources[run->plan->producers[i].first_source].producer);
}
