/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decides which thread sends a producer's batches, and when.
 *
 * If the backend has append_start, its threads send. Whoever seals a batch starts an append, unless
 * one is under way; the append's end starts the next one. The background thread of the driver looks
 * for batches that lingered, or that found no room before, and starts those. Pool threads only
 * seal.
 *
 * Else, without pool threads, the thread that sealed a batch sends it. The background thread of the
 * driver looks for batches that lingered, or that found no room before, and sends them. Where the
 * backend allows no such thread, a push looks for them, every linger_ms.
 *
 * Else each lane that has a sealed batch has a task that sends: its sender. An open
 * adaptive batch has a task of the lowest priority that seals it, so the batch grows while the
 * workers are busy. For batches of a fixed size, the producer has one delayed task, which seals
 * those that lingered. A backend's own pool has no delayed tasks; there, batches of a fixed size
 * are treated as adaptive ones.
 *
 * A sender does not hold a worker while its partition is full:
 *
 *        sealed batch            worker      no room for TURN_MS, or at a look
 *   none -------------> queued ---------> turn -------------------------------> away
 *    ^                    ^               |  ^                                  |  |
 *    |  no sealed batch   |               |  |  1, 2, 4 .. AWAY_MS_MAX ms later |  |
 *    +--------------------|---------------+  +----------------------------------+  |
 *    |                    |     another thread's append took its batch             |
 *    +- no sealed batch --+- else -------------------------------------------------+
 *
 * From a turn, the sender also goes back to `queued`, behind all other work, if it has sent and
 * more work waits than there are workers.
 *
 *   has_sender   queued, turn and away. Set by the thread that makes or becomes the sender: a call
 *                that found a sealed batch, or the sealing task. Cleared at the end of a turn, by
 *                the call whose task the pool refused, by the append that made the sender needless,
 *                and by close.
 *   away         away. Set at the end of a turn, in a pool with delayed tasks. Cleared at the
 *                start of the next turn, and by the thread that cancels the delayed task. In a pool
 *                without delayed tasks the worker sleeps instead, and queues the sender behind all
 *                other work.
 *   away_ms      the last time away; 0 after an append that took its batch.
 *   sending      an append is under way. Set by the thread that begins it, cleared by the thread
 *                that ends it, which notifies the lock. Only the append uses its batches meanwhile.
 *   discard      of a batch that stays: set by discard, kept until the batch leaves the lane,
 *                obeyed when append says that the batch is not reserved.
 *   closes       of the producer: counts the calls of close. Pushes that wait for room end when it
 *                changes.
 *
 * Who waits for what: a worker for room, at most TURN_MS; a call for room, in appends of at most
 * APPEND_MS_MAX, between which it looks at the above; a call that finds `sending`, to be notified.
 */
#include "producer/producer.h"

#include <time.h>

/* How long a worker waits for room before it leaves a full lane alone. That bridges a short wait,
 * such as one for a partition's lock. */
#define TURN_MS 2
/* After that it looks without waiting: after 1 ms, then each time after twice the time, at most
 * this. */
#define AWAY_MS_MAX 16

/* How often the background thread tries again what found no room, or was reserved. */
#define RETRY_MS 20

/* Lanes are checked at least this often. It keeps sums of times far from overflow. */
#define CHECK_MS_MAX 3600000

static bool producer_has_workers(const mofka_producer_t *producer) {
    return mofka_thread_pool_thread_count(producer->pool) > 0;
}

/* Whether workers of the pool send. */
static bool producer_sends_by_workers(const mofka_producer_t *producer) {
    return producer_has_workers(producer) && !producer->ops->append_start;
}

bool mfi_producer_has_senders(const mofka_producer_t *producer) {
    return producer_has_workers(producer) || producer->ops->append_start;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void lane_send_task(void *context);

/* Queue the lane's task. False: the pool is closed, or has no memory for it. */
static bool lane_queue_sender(mfi_lane_t *lane, uint64_t priority) {
    return !mofka_thread_pool_push_work(lane->producer->pool, lane_send_task, lane, priority);
}

/* With the lock: the lane has no task that sends any more. The caller releases the memory that the
 * task kept. */
static void lane_end_sender(mfi_lane_t *lane) {
    mfi_assert_inside(&lane->producer->lock);
    assert(lane->has_sender && !lane->away);
    lane->has_sender = false;
    lane->away_ms = 0;
}

/* With the lock: let the lane's task come back after a while. False: the pool is closed, or has no
 * delayed tasks. */
static bool lane_send_later(mfi_lane_t *lane) {
    int64_t twice = lane->away_ms == 0 ? 1 : 2 * lane->away_ms;
    assert(lane->has_sender && !lane->away);
    lane->away_ms = twice < AWAY_MS_MAX ? twice : AWAY_MS_MAX;
    lane->away =
        mfi_thread_pool_push_later(lane->producer->pool, lane_send_task, lane, lane->away_ms);
    return lane->away;
}

/* With the lock, releases it meanwhile: queue the lane's task behind all other work, after a sleep.
 * False: the pool is closed. */
static bool lane_send_last(mfi_lane_t *lane, int64_t sleep_ms) {
    assert(sleep_ms >= 0 && sleep_ms <= AWAY_MS_MAX);
    mfi_monitor_leave(&lane->producer->lock);
    if (sleep_ms > 0)
        nanosleep(&(struct timespec){.tv_nsec = sleep_ms * 1000000}, NULL);
    bool queued = lane_queue_sender(lane, 0);
    mfi_monitor_enter(&lane->producer->lock);
    return queued;
}

/* Whether more work is there than workers. */
static bool producer_pool_is_busy(const mofka_producer_t *producer) {
    return mofka_thread_pool_size(producer->pool) > mofka_thread_pool_thread_count(producer->pool);
}

/* With the lock, releases it meanwhile: as the lane's task, send until nothing is left, there is no
 * room, or other work waits. True: a task will go on. */
static bool lane_take_turn(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    int64_t wait_ms = lane->away ? 0 : TURN_MS;
    assert(lane->has_sender);
    if (lane->away && lane->first && !lane->sending) /* the batch still waits for room */
        lane->first->out.blocked_ns += (uint64_t)lane->away_ms * 1000000;
    lane->away = false;
    while (lane->first) {
        mofka_status_t status = mfi_lane_drive(lane, producer->sequence, mfi_deadline(wait_ms));
        if (status && lane->first)
            return lane_send_later(lane) || lane_send_last(lane, lane->away_ms);
        if (lane->first && producer_pool_is_busy(producer) && lane_send_last(lane, 0))
            return true;
        wait_ms = TURN_MS;
    }
    return false;
}

static void lane_send_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    /* The task that goes on may end before this call does. */
    mfi_producer_retain_memory(producer);
    mfi_monitor_enter(&producer->lock);
    bool over = !lane_take_turn(lane);
    if (over)
        lane_end_sender(lane);
    mfi_monitor_leave(&producer->lock);
    if (over)
        mfi_producer_release_memory(producer);
    mfi_producer_release_memory(producer);
}

void mfi_lane_send(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    bool workers = producer_sends_by_workers(producer);
    mfi_monitor_enter(&producer->lock);
    bool another = workers && lane->first && !lane->has_sender;
    lane->has_sender |= another;
    if (!workers)
        mfi_lane_drive_until_close(lane, deadline);
    mfi_monitor_leave(&producer->lock);
    if (!another)
        return;
    mfi_producer_retain_memory(producer);
    if (lane_queue_sender(lane, MOFKA_PRIORITY_DEFAULT))
        return;
    mfi_monitor_enter(&producer->lock); /* the pool is closed: send here */
    lane_end_sender(lane);
    mfi_lane_drive_until_close(lane, deadline);
    mfi_monitor_leave(&producer->lock);
    mfi_producer_release_memory(producer);
}

/* With the lock: take the lane's task back, if it waits in the pool. True: it will not run. */
static bool lane_cancel_away(mfi_lane_t *lane) {
    mfi_assert_inside(&lane->producer->lock);
    bool canceled =
        lane->away && mfi_thread_pool_cancel_later(lane->producer->pool, lane_send_task, lane);
    lane->away &= !canceled;
    return canceled;
}

void mfi_lane_call_sender_back(mfi_lane_t *lane) {
    lane->away_ms = 0;
    if (!lane_cancel_away(lane) || (lane->first && lane_queue_sender(lane, MOFKA_PRIORITY_DEFAULT)))
        return;
    lane_end_sender(lane);
    mfi_producer_release_memory(lane->producer); /* not the last: the caller keeps it, too */
}

static void lane_seal_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    mfi_monitor_enter(&producer->lock);
    assert(lane->has_sealer);
    mfi_batch_seal(lane, MFI_SEAL_WORKER);
    lane->has_sealer = false;
    if (producer->ops->append_start)
        mfi_lane_start(lane);
    bool becomes_sender = !lane->has_sender && !producer->ops->append_start;
    lane->has_sender |= becomes_sender;
    mfi_monitor_leave(&producer->lock);
    if (becomes_sender)
        lane_send_task(lane);
    else
        mfi_producer_release_memory(producer);
}

/* ---- lingering ------------------------------------------------------------------------------- */

/* linger_ms, in bounds. */
static int64_t producer_linger(const mofka_producer_t *producer) {
    return producer->linger_ms < CHECK_MS_MAX ? (int64_t)producer->linger_ms : CHECK_MS_MAX;
}

/* With the lock: seal the open batch if it is old. True: the lane has a sealed batch. */
static bool lane_check_linger(mfi_lane_t *lane, int64_t now) {
    mofka_producer_t *producer = lane->producer;
    mfi_assert_inside(&producer->lock);
    const mfi_batch_t *open = lane->open;
    if (open && open->out.event_count > 0) {
        int64_t due = open->opened_ms + producer_linger(producer);
        if (mfi_batch_is_old(open, now))
            mfi_batch_seal(lane, MFI_SEAL_LINGER);
        else if (due < producer->check_ms)
            producer->check_ms = due;
    }
    return lane->first;
}

bool mfi_producer_check_lanes(mofka_producer_t *producer) {
    int64_t now = mfi_coarse_ms();
    mfi_monitor_enter(&producer->lock);
    bool found = producer->open_count > 0;
    /* A batch that is opened from now on is due later than this. */
    producer->check_ms = now + producer_linger(producer);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        if (!lane_check_linger(&producer->lanes[i], now))
            continue;
        mfi_monitor_leave(&producer->lock);
        mfi_lane_send(&producer->lanes[i], mfi_deadline(0));
        mfi_monitor_enter(&producer->lock);
    }
    mfi_monitor_leave(&producer->lock);
    return found;
}

void mfi_producer_wake_workers(mofka_producer_t *producer) {
    if (mfi_producer_has_senders(producer))
        mfi_producer_check_lanes(producer);
}

static void producer_linger_task(void *context);

/* With the lock: start the delayed task, where there is a pool that has those. */
static void producer_check_later(mofka_producer_t *producer, int64_t delay_ms) {
    mfi_assert_inside(&producer->lock);
    assert(!producer->lingering && delay_ms >= 0);
    if (!producer->timer || producer->closed)
        return;
    mfi_producer_retain_memory(producer);
    producer->task_ms = mfi_coarse_ms() + delay_ms;
    producer->lingering =
        mfi_thread_pool_push_later(producer->timer, producer_linger_task, producer, delay_ms);
    if (!producer->lingering)
        mfi_producer_release_memory(producer); /* not the last: the caller keeps it, too */
}

void mfi_producer_retry_soon(mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    if (producer_sends_by_workers(producer)) /* a sender comes back */
        return;
    if (producer->lingering && producer->task_ms <= mfi_coarse_ms() + RETRY_MS)
        return;
    if (producer->lingering) {
        if (!mfi_thread_pool_cancel_later(producer->timer, producer_linger_task, producer))
            return; /* it runs, and will see the batch */
        producer->lingering = false;
        mfi_producer_release_memory(producer); /* not the last: the caller keeps it, too */
    }
    producer_check_later(producer, RETRY_MS);
}

/* With the lock: a batch is sealed, and no thread sends it. */
static bool producer_has_sealed(const mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        if (producer->lanes[i].first && !producer->lanes[i].sending)
            return true;
    return false;
}

/* After a look that found an open batch, there is another one: while a program goes on pushing, the
 * worker wakes by itself, and no push has to wake it. */
static void producer_linger_task(void *context) {
    mofka_producer_t *producer = context;
    bool found = mfi_producer_check_lanes(producer);
    mfi_monitor_enter(&producer->lock);
    assert(producer->lingering);
    producer->lingering = false;
    int64_t wait = producer->check_ms - mfi_coarse_ms();
    bool waits = !producer_sends_by_workers(producer) && producer_has_sealed(producer);
    if (waits && wait > RETRY_MS)
        wait = RETRY_MS;
    if (found || producer->open_count > 0 || waits)
        producer_check_later(producer, wait > 0 ? wait : 0);
    mfi_monitor_leave(&producer->lock);
    mfi_producer_release_memory(producer);
}

void mfi_producer_cancel_tasks(mofka_producer_t *producer) {
    size_t canceled = mfi_thread_pool_cancel_later(producer->timer, producer_linger_task, producer);
    mfi_monitor_enter(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        mfi_lane_t *lane = &producer->lanes[i];
        if (lane_cancel_away(lane)) {
            lane_end_sender(lane);
            canceled++;
        }
    }
    mfi_monitor_leave(&producer->lock);
    while (canceled-- > 0)
        mfi_producer_release_memory(producer);
}

void mfi_lane_watch(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    bool workers = producer_has_workers(producer);
    if (!producer->timer)
        return;
    mfi_monitor_enter(&producer->lock);
    if (!workers && !producer->lingering && producer->open_count > 0)
        producer_check_later(producer, producer_linger(producer));
    if (!workers) {
        mfi_monitor_leave(&producer->lock);
        return;
    }
    if (producer->batch_size != MOFKA_BATCH_ADAPTIVE && !producer->lingering)
        producer_check_later(producer, producer_linger(producer));
    bool watched =
        lane->has_sealer || (producer->lingering && producer->batch_size != MOFKA_BATCH_ADAPTIVE);
    lane->has_sealer |= !watched;
    mfi_monitor_leave(&producer->lock);
    if (watched)
        return;
    mfi_producer_retain_memory(producer);
    if (mofka_thread_pool_push_work(producer->pool, lane_seal_task, lane, 0) == MOFKA_OK)
        return;
    /* The pool is closed. A later push or flush will seal the batch. */
    mfi_monitor_enter(&producer->lock);
    lane->has_sealer = false;
    mfi_monitor_leave(&producer->lock);
    mfi_producer_release_memory(producer);
}
