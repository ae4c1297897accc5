/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers: a session joins, pulls, acknowledges in odd steps, and leaves. Between two sessions of a
 * reader on different ranks, a message on the checker's own communicator keeps their order.
 *
 * A session that gets no event acknowledges all that it was given. So does one that got many: other
 * partitions may keep it busy. So producers never wait for it for long.
 */
#include <assert.h>
#include <string.h>
#include "history/plan/content.h"
#include "history/run.h"
#include "support/clock.h"

#define HOLD_MAX 64
/* Acknowledge everything after so many events. */
#define PAY_AFTER 60
#define MANY_MAX 16
#define FUTURES 3

/* An event that was delivered: it has a handle, or is one of a run. */
typedef struct held {
    mofka_event_t *event;   /* owned; NULL: one of a run */
    mofka_event_run_t *run; /* one user of it, for this event */
    size_t index;
    size_t partition;
    uint64_t id;
} held_t;

typedef struct session {
    actor_t *actor;
    const plan_reader_t *reader;
    const plan_session_t *plan;
    mofka_consumer_t *consumer;
    held_t held[HOLD_MAX];
    size_t held_count;
    /* Manual: the last event of each partition that was released and not acknowledged. */
    held_t owed[HISTORY_PARTITIONS_MAX]; /* no handle: none */
    unsigned since_payment;              /* events since all were acknowledged */
    mofka_future_t *futures[FUTURES];    /* oldest first */
    size_t future_count;
    unsigned got;
    int64_t got_ms; /* when the last event came */
    bool ended;
} session_t;

/* ---- events that are held -------------------------------------------------------------------- */

static bool held_is_there(const held_t *held) {
    return held->event || held->run;
}

static void held_retain(const held_t *held) {
    mofka_event_retain(held->event);
    mofka_event_run_retain(held->run);
}

static void held_release(const held_t *held) {
    mofka_event_release(held->event);
    mofka_event_run_release(held->run);
}

static void session_acknowledge(session_t *s, const held_t *held) {
    record_add(s->actor, (history_record_t){.kind = HISTORY_ACKNOWLEDGE,
                                            .partition = (uint32_t)held->partition,
                                            .id = held->id});
    mofka_status_t status = held->event ? mofka_event_acknowledge(held->event)
                                        : mofka_event_run_acknowledge_to(held->run, held->index);
    if (status)
        record_unexpected(s->actor, "acknowledge", status);
}

static void session_record_release(session_t *s, const held_t *held) {
    record_add(s->actor, (history_record_t){.kind = HISTORY_RELEASE,
                                            .partition = (uint32_t)held->partition,
                                            .id = held->id});
}

/* Take the event at a place out of those that are held. */
static held_t session_take_out(session_t *s, size_t at) {
    held_t held = s->held[at];
    assert(at < s->held_count);
    memmove(s->held + at, s->held + at + 1, (--s->held_count - at) * sizeof *s->held);
    return held;
}

/* Release all held events of the run. */
static void session_release_run(session_t *s, const mofka_event_run_t *run) {
    for (size_t i = 0; i < s->held_count; i++)
        if (s->held[i].run == run)
            session_record_release(s, &s->held[i]);
    for (size_t i = s->held_count; i-- > 0;)
        if (s->held[i].run == run) {
            held_t held = session_take_out(s, i);
            held_release(&held);
        }
}

/* Release the event at a place of those that are held; automatic: with the others of its run, which
 * is released as a whole. */
static void session_release(session_t *s, size_t at) {
    if (s->plan->automatic && s->held[at].run) {
        session_release_run(s, s->held[at].run);
        return;
    }
    held_t held = session_take_out(s, at);
    if (s->plan->automatic)
        session_record_release(s, &held);
    held_release(&held);
}

/* Manual: release the oldest event, which may not be acknowledged yet. */
static void session_owe(session_t *s) {
    held_t *owed = &s->owed[s->held[0].partition];
    held_release(owed);
    *owed = s->held[0];
    held_retain(owed);
    session_release(s, 0);
}

/* Manual: end to owe, with or without an acknowledgement. */
static void session_pay(session_t *s, bool acknowledge) {
    for (size_t i = 0; i < HISTORY_PARTITIONS_MAX; i++) {
        if (held_is_there(&s->owed[i]) && acknowledge)
            session_acknowledge(s, &s->owed[i]);
        held_release(&s->owed[i]);
        s->owed[i] = (held_t){.event = NULL};
    }
}

static void session_acknowledge_all(session_t *s) {
    while (s->held_count > 0 && s->plan->automatic)
        session_release(s, 0);
    while (s->held_count > 0)
        session_owe(s);
    session_pay(s, true);
    s->since_payment = 0;
}

/* Too many are held. Manual: acknowledge any of them, which covers some, and release them all.
 * Automatic: release any of them. */
static void session_thin_out(session_t *s) {
    uint64_t *random = &s->actor->random;
    if (s->held_count == 0)
        return;
    size_t at = (size_t)history_between(random, 0, s->held_count - 1);
    if (s->plan->automatic) {
        session_release(s, at);
        return;
    }
    session_acknowledge(s, &s->held[at]);
    if (history_chance(random, 300))
        session_acknowledge(s, &s->held[0]); /* an earlier one takes nothing back */
    while (s->held_count > 1)
        session_owe(s);
}

/* ---- what was pulled ------------------------------------------------------------------------- */

/* The end was delivered. */
static void session_take_end(session_t *s) {
    if (!s->ended)
        record_add(s->actor, (history_record_t){.kind = HISTORY_END});
    s->ended = true;
}

/* Takes the event's handle, or a user of its run. */
static void session_hold(session_t *s, held_t held, uint64_t lost, const content_event_t *event) {
    actor_t *actor = s->actor;
    unsigned source = 0, number = 0;
    history_record_t record = {.kind = HISTORY_DELIVER,
                               .partition = (uint32_t)held.partition,
                               .id = held.id,
                               .value = lost};
    const char *wrong = content_check(actor->run->plan, s->plan, event, &source, &number);
    record.source = source;
    record.number = number;
    record.status = wrong ? MOFKA_ERR_CORRUPT : MOFKA_OK;
    snprintf(record.call, sizeof record.call, "%s", wrong ? wrong : "");
    record_add(actor, record);
    s->got++;
    s->got_ms = clock_ms();
    actor->count++;
    assert(s->held_count < HOLD_MAX);
    s->held[s->held_count++] = held;
    s->since_payment++;
}

/* After events were taken: let some go. */
static void session_let_go(session_t *s) {
    if (s->since_payment > PAY_AFTER)
        session_acknowledge_all(s);
    for (size_t before = HOLD_MAX; s->held_count > s->plan->hold && s->held_count < before;) {
        before = s->held_count;
        session_thin_out(s);
    }
}

/* Takes the event. */
static void session_take(session_t *s, mofka_event_t *event) {
    if (mofka_event_is_end(event)) {
        session_take_end(s);
        mofka_event_release(event);
        return;
    }
    content_event_t content = {.data_bytes = mofka_event_data_size(event),
                               .selected_bytes = mofka_event_selected_size(event),
                               .data = mofka_event_data(event)};
    content.text = mofka_event_metadata_text(event, &content.text_bytes);
    const held_t held = {
        .event = event, .partition = mofka_event_partition(event), .id = mofka_event_id(event)};
    session_hold(s, held, mofka_event_lost(event), &content);
    session_let_go(s);
}

/* Takes the run. Its events are let go of once all are taken. */
static void session_take_run(session_t *s, mofka_event_run_t *run) {
    if (mofka_event_run_is_end(run))
        session_take_end(s);
    for (size_t i = 0; i < mofka_event_run_count(run); i++) {
        mofka_run_event_t event;
        mofka_status_t status = mofka_event_run_get(run, i, &event);
        if (status) {
            record_unexpected(s->actor, "event_run_get", status);
            break;
        }
        const content_event_t content = {event.metadata, event.metadata_bytes, event.data_bytes,
                                         event.selected_bytes, event.data};
        const held_t held = {.run = mofka_event_run_retain(run),
                             .index = i,
                             .partition = mofka_event_run_partition(run),
                             .id = event.id};
        session_hold(s, held, i == 0 ? mofka_event_run_lost(run) : 0, &content);
    }
    mofka_event_run_release(run);
    session_let_go(s);
}

static mofka_status_t session_pull_run(session_t *s, int64_t timeout_ms) {
    mofka_event_run_t *run;
    size_t most = (size_t)history_between(&s->actor->random, 1, MANY_MAX);
    mofka_status_t status = STEP(s->actor, "pull_run", timeout_ms,
                                 mofka_consumer_pull_run(s->consumer, most, timeout_ms, &run));
    if (!status)
        session_take_run(s, run);
    return status;
}

static mofka_status_t session_pull_many(session_t *s, int64_t timeout_ms) {
    mofka_event_t *events[MANY_MAX];
    size_t count = 0, most = (size_t)history_between(&s->actor->random, 1, MANY_MAX);
    mofka_status_t status =
        STEP(s->actor, "pull_many", timeout_ms,
             mofka_consumer_pull_many(s->consumer, most, timeout_ms, events, &count));
    for (size_t i = 0; i < count && !status; i++)
        session_take(s, events[i]);
    return status;
}

static mofka_status_t session_pull_one(session_t *s, int64_t timeout_ms) {
    mofka_event_t *event;
    mofka_status_t status =
        STEP(s->actor, "pull", timeout_ms, mofka_consumer_pull(s->consumer, timeout_ms, &event));
    if (!status)
        session_take(s, event);
    return status;
}

/* Wait for the oldest request. */
static mofka_status_t session_wait(session_t *s, int64_t timeout_ms) {
    mofka_result_t result;
    mofka_status_t status =
        STEP(s->actor, "wait", timeout_ms, mofka_future_wait(s->futures[0], timeout_ms, &result));
    if (status)
        return status;
    mofka_future_release(s->futures[0]);
    memmove(s->futures, s->futures + 1, --s->future_count * sizeof s->futures[0]);
    session_take(s, result.event);
    return MOFKA_OK;
}

static mofka_status_t session_pull_future(session_t *s, int64_t timeout_ms) {
    while (s->future_count < FUTURES) {
        mofka_status_t status =
            mofka_consumer_pull_future(s->consumer, &s->futures[s->future_count]);
        if (status)
            return status;
        s->future_count++;
    }
    return session_wait(s, timeout_ms);
}

/* Requests that have no event yet are given up. */
static void session_drop_futures(session_t *s) {
    while (s->future_count > 0 && session_wait(s, 0) == MOFKA_OK)
        ;
    while (s->future_count > 0)
        mofka_future_release(s->futures[--s->future_count]);
}

static mofka_status_t session_process_event(void *context, mofka_event_t *event) {
    session_t *s = context;
    session_take(s, mofka_event_retain(event));
    return s->plan->event_count && s->got >= s->plan->event_count ? MOFKA_STOP : MOFKA_OK;
}

/* At the end it answers MOFKA_OK before the limit; a pull shows the end. */
static mofka_status_t session_process(session_t *s, int64_t timeout_ms) {
    size_t processed = 0;
    const mofka_process_options_t options = {.events_max = MANY_MAX};
    mofka_status_t status = STEP(s->actor, "process", timeout_ms,
                                 mofka_consumer_process(s->consumer, session_process_event, s,
                                                        timeout_ms, &options, &processed));
    bool full = processed == MANY_MAX || (s->plan->event_count && s->got >= s->plan->event_count);
    return status || full ? status : session_pull_one(s, timeout_ms);
}

static mofka_status_t session_pull(session_t *s, int64_t timeout_ms) {
    switch (s->plan->pull) {
    case PLAN_PULL_ONE:
        return session_pull_one(s, timeout_ms);
    case PLAN_PULL_MANY:
        return session_pull_many(s, timeout_ms);
    case PLAN_PULL_FUTURE:
        return session_pull_future(s, timeout_ms);
    case PLAN_PULL_RUN: /* single pulls among them */
        return history_chance(&s->actor->random, 900) ? session_pull_run(s, timeout_ms)
                                                      : session_pull_one(s, timeout_ms);
    default:
        return session_process(s, timeout_ms);
    }
}

/* No event came for seconds, and no source pushes any more: readers may be in front of a hole. */
static bool session_gives_up(const session_t *s) {
    int64_t from = s->actor->run->wait_from, now = clock_ms();
    if (!s->actor->run->fails || now < from)
        return false;
    return now - (s->got_ms > from ? s->got_ms : from) >= RUN_WAIT_MS;
}

/* Pull as the plan says, until an error makes the consumer of no use. */
static void session_read(session_t *s) {
    while (!s->ended && !(s->plan->event_count && s->got >= s->plan->event_count)) {
        mofka_status_t status = session_pull(s, s->plan->pull_ms);
        if (status == MOFKA_ERR_TIMEOUT) {
            session_acknowledge_all(s);
            clock_sleep_ms(s->plan->pull_ms ? 0 : 1);
        } else if (status && status != MOFKA_STOP) {
            record_unexpected(s->actor, "pull", status);
            break;
        }
        if (status == MOFKA_ERR_TIMEOUT && session_gives_up(s)) {
            record_add(s->actor, (history_record_t){.kind = HISTORY_WAIT});
            break;
        }
    }
    session_drop_futures(s);
    for (int i = 0; i < 2 && s->ended; i++) {
        mofka_status_t status = session_pull_one(s, 20);
        if (status)
            record_unexpected(s->actor, "pull after the end", status);
    }
}

/* ---- joining and leaving --------------------------------------------------------------------- */

/* After a failed operation, a lock or a name may stay taken. Then no call is tried again. */
static bool session_tries_again(const session_t *s, mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT && !s->actor->run->fails;
}

static bool session_is_kept_out(const session_t *s, mofka_status_t status) {
    return s->actor->run->fails && (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_BUSY);
}

static bool session_join(session_t *s) {
    const plan_session_t *plan = s->plan;
    mofka_thread_pool_t *pool = NULL;
    const mofka_thread_pool_options_t workers = {.thread_count = plan->workers,
                                                 .binding = MOFKA_BINDING_NONE};
    if (plan->workers && mofka_thread_pool_create(&workers, &pool))
        abort();
    const mofka_consumer_options_t options = {
        .name = s->reader->name,
        .batch_size = plan->batch_size,
        .max_batches = plan->max_batches,
        .thread_pool = pool,
        .selector = plan->selection == PLAN_SELECT_NOTHING ? NULL : content_select,
        .selector_context = (void *)(uintptr_t)plan,
        .allocator = plan->allocates ? content_allocate : NULL,
        .targets = s->reader->targets,
        .target_count = s->reader->target_count,
        .start = plan->from_end ? MOFKA_START_END : MOFKA_START_BEGINNING,
        .acknowledge = plan->automatic ? MOFKA_ACKNOWLEDGE_AUTO : MOFKA_ACKNOWLEDGE_MANUAL,
        .zero_copy = plan->zero_copy,
        .options = plan->skips ? "{\"skip_damaged\":true}" : NULL};
    mofka_status_t status;
    bool late =
        false; /* what a creation that timed out made leaves again, and has the name until then */
    while (session_tries_again(s, status = STEP(s->actor, "consumer_create", 15000,
                                                mofka_consumer_create(s->actor->run->topic,
                                                                      &options, &s->consumer))) ||
           (late && status == MOFKA_ERR_BUSY)) {
        late |= status == MOFKA_ERR_TIMEOUT;
        clock_sleep_ms(1);
    }
    mofka_thread_pool_release(pool);
    record_add(s->actor, (history_record_t){
                             .kind = HISTORY_JOIN, .status = status, .value = plan->automatic});
    if (status && !session_is_kept_out(s, status))
        record_unexpected(s->actor, "consumer_create", status);
    return status == MOFKA_OK;
}

static void session_unsubscribe(session_t *s) {
    mofka_status_t status;
    while (session_tries_again(
        s, status = STEP(s->actor, "unsubscribe", 15000, mofka_consumer_unsubscribe(s->consumer))))
        ;
    if (status && !session_is_kept_out(s, status))
        record_unexpected(s->actor, "unsubscribe", status);
}

/* Events that are still held are released after the close, which acknowledges nothing any more. */
static void session_leave(session_t *s) {
    mofka_status_t status;
    if (s->plan->acknowledges_rest)
        session_acknowledge_all(s);
    session_pay(s, false);
    while (s->plan->zero_copy && s->held_count > 0)
        session_release(s, 0);
    if (s->plan->unsubscribes)
        session_unsubscribe(s);
    while (session_tries_again(
        s, status = STEP(s->actor, "consumer_close", 15000, mofka_consumer_close(s->consumer))))
        ;
    if (status && !session_is_kept_out(s, status))
        record_unexpected(s->actor, "consumer_close", status);
    record_add(s->actor, (history_record_t){.kind = HISTORY_LEAVE,
                                            .status = status,
                                            .number = s->plan->unsubscribes,
                                            .value = mofka_consumer_lost(s->consumer)});
    while (s->held_count > 0)
        held_release(&s->held[--s->held_count]);
    mofka_consumer_release(s->consumer);
}

static void session_has_joined(run_t *run) {
    pthread_mutex_lock(&run->lock);
    run->early_left--;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* The session before this one, on another rank, has ended. */
static void session_await(const run_t *run, int reader, unsigned session, int rank) {
    char token;
    int flag = 0;
    MPI_Request request;
    MPI_Irecv(&token, 1, MPI_CHAR, rank, reader * HISTORY_SESSIONS_MAX + (int)session, run->comm,
              &request);
    while (MPI_Test(&request, &flag, MPI_STATUS_IGNORE), !flag)
        clock_sleep_ms(1);
}

static void session_pass(const run_t *run, int reader, unsigned session, int rank) {
    char token = 0;
    MPI_Send(&token, 1, MPI_CHAR, rank, reader * HISTORY_SESSIONS_MAX + (int)session, run->comm);
}

static void session_await_begin(run_t *run) {
    pthread_mutex_lock(&run->lock);
    while (!run->begun)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

static void session_run(session_t *s, bool early) {
    clock_sleep_ms(s->plan->gap_ms);
    bool joined = session_join(s);
    if (early)
        session_has_joined(s->actor->run);
    if (!joined)
        return;
    session_read(s);
    session_leave(s);
}

void *session_main(void *context) {
    actor_t *actor = context;
    run_t *run = actor->run;
    const plan_reader_t *reader = &run->plan->readers[actor->index];
    bool early = run->plan->facts.readers[actor->index].early;
    for (unsigned i = 0; i < reader->session_count; i++) {
        const plan_session_t *plan = &reader->sessions[i];
        if (plan->rank != run->rank)
            continue;
        if (i > 0 && plan[-1].rank != run->rank)
            session_await(run, actor->index, i, plan[-1].rank);
        if (i > 0 || !early)
            session_await_begin(run);
        session_t session = {.actor = actor, .reader = reader, .plan = plan};
        actor->session = i;
        session_run(&session, early && i == 0);
        if (i + 1 < reader->session_count && plan[1].rank != run->rank)
            session_pass(run, actor->index, i + 1, plan[1].rank);
    }
    return NULL;
}
