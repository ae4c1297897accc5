/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The producer side: reserve, wait for room, put, publish.
 * Path: push 6/7. Before: batch.c. After: the commit flag's store, below (push 7/7).
 *
 *   step                         written                  if the rank stops here
 *   1 room? trim if not          head (under the lock)    nothing is reserved: not stored
 *   2 reserve                    reservation, fetch_add   a hole: later batches wait behind it
 *   3 closing? wait for complete nothing                  a hole; id >= complete: the batch fails
 *   4 room? trim if not          head (under the lock)    a hole
 *   5 payload, entries, flush    ring, entries            a hole
 *   6 publish                    commit flag, one store   stored
 *   7 ring the data bell         data bell                consumers find it at their next look
 *
 * Steps 3 to 6 can outlast a caller: append answers MOFKA_ERR_POSSIBLY_STORED, and what is needed
 * to go on is in the batch's scratch words. The reservation is wait-free; the append is not.
 *
 * Steps 3 and 4 need the state (head, closing, complete) as it is after the reservation. In rma that
 * is a round trip. But the head only grows: where the one that an append saw a moment ago has room for
 * the batch, step 4 is done, and the state comes with the flush of step 5; step 3 is then the last one
 * before 6. A batch that is refused there has written what it had reserved, which nobody will read.
 * Step 1 asks nothing either while a quarter of the partition was seen free behind the batch. So a
 * batch costs three round trips: reserve, flush, publish.
 */
#include "mpi/producer/pace.h"
#include "mpi/topic/topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>
#include <mofka/log.h>
#include <mofka/options.h>

#define WARN_AFTER_MS 1000
#define HINT_NS 10000000
#define NAP_US_MAX 20000
#define PACK_BYTES 16384       /* mean size of segments that are packed */
#define CLOSE_TIMEOUT_MS 10000 /* for the partitions' locks */

typedef struct sender {
    mmi_entry_t *entries; /* of the batch under way; reused */
    size_t capacity;
    char *packed; /* rma: small data segments of the batch under way, one after the other; reused */
    size_t packed_room;
    int64_t seen_ns; /* rma: before an append looked for the head; 0: never. Hints: */
    mmi_place_t head, tail;
    mmi_pace_t pace;
    uint64_t state[MMI_STATE_WORDS]; /* on its way, until a flush */
} sender_t;

typedef struct mpi_producer {
    mmi_topic_t *topic; /* lives longer: the core's handle keeps it */
    bool counted, last; /* as a finished producer of the topic; the last expected one */
    sender_t senders[]; /* per partition; the core appends from one thread at a time to each */
} mpi_producer_t;

enum { SCRATCH_EVENTS, SCRATCH_UNITS };

static mofka_status_t limits(void *self, size_t partition, mofka_batch_limits_t *limits) {
    const mmi_partition_t *p = &((mpi_producer_t *)self)->topic->partitions[partition];
    size_t most = ((size_t)1 << MMI_FLAG_COUNT_BITS) - 1;
    limits->events_max = p->slots < most ? (size_t)p->slots : most;
    limits->bytes_max = (size_t)p->ring_bytes;
    limits->event_bytes_max = (size_t)p->ring_bytes;
    return MOFKA_OK;
}

/* The consumer at the head, for a message: whose cursor holds the partition up. */
static void describe_full(const mmi_partition_t *p, char *text, size_t bytes) {
    uint64_t state[MMI_CONSUMERS_MAX], cursor[MMI_CONSUMERS_MAX];
    uint64_t base = p->base;
    p->w->ops->load_run(p->w, p->owner, base + MMI_CONTROL(state), state, MMI_CONSUMERS_MAX);
    p->w->ops->load_run(p->w, p->owner, base + MMI_CONTROL(cursor), cursor, MMI_CONSUMERS_MAX);
    mmi_place_t head = mmi_state(p).head;
    int worst = -1;
    uint64_t least = 0;
    for (int i = 0; i < MMI_CONSUMERS_MAX; i++) {
        uint64_t events = mmi_complete_word(cursor[i], head, false).events;
        if (state[i] != MMI_CONSUMER_FREE && (worst < 0 || events < least)) {
            worst = i;
            least = events;
        }
    }
    if (worst < 0) {
        snprintf(text, bytes, "no consumer is registered");
        return;
    }
    char name[MOFKA_NAME_BYTES_MAX + 1];
    size_t field = MMI_CONTROL(name) + (size_t)worst * sizeof name;
    p->w->ops->get(p->w, p->owner, base + field, name, sizeof name);
    p->w->ops->flush(p->w, p->owner);
    name[MOFKA_NAME_BYTES_MAX] = '\0';
    snprintf(text, bytes, "consumer '%s' holds it up since event %" PRIu64, name, least);
}

static void warn_full(const mmi_partition_t *p) {
    char who[256];
    describe_full(p, who, sizeof who);
    mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu has been full for %d ms: %s", p->topic,
              p->index, WARN_AFTER_MS, who);
}

static mofka_status_t complete_error(const mmi_partition_t *p) {
    return mofka_fail(MOFKA_ERR_COMPLETE, "topic '%s' is complete", p->topic);
}

/* Where the batch ends: exact when it is reserved, else as if it were reserved now. */
static mmi_place_t end_of(const mofka_batch_t *batch, mmi_place_t tail) {
    if (batch->reserved)
        tail = (mmi_place_t){batch->scratch[SCRATCH_EVENTS], batch->scratch[SCRATCH_UNITS]};
    uint64_t units = mmi_units(batch->metadata_bytes + batch->data_bytes);
    return (mmi_place_t){tail.events + batch->event_count, tail.units + units};
}

/* When to give up. The clock is read once something has to wait, and not before. */
typedef struct due {
    int64_t timeout_ms;
    int64_t deadline; /* 0: not known yet */
} due_t;

static int64_t deadline_of(due_t *due) {
    if (due->deadline == 0)
        due->deadline = mmi_deadline(due->timeout_ms);
    return due->deadline;
}

/* `now_ms` is the time, read after something had to wait. */
static bool is_over(const mmi_partition_t *p, due_t *due, int64_t now_ms) {
    return now_ms >= deadline_of(due) || atomic_load_explicit(&p->w->shut, memory_order_relaxed);
}

/* Steps 1 and 4: is there room, perhaps after trimming? */
static mofka_status_t look_for_room(const mmi_partition_t *p, const mofka_batch_t *batch,
                                    due_t *due, bool *room) {
    mmi_state_t state;
    mmi_place_t tail = mmi_tail(p, &state);
    if (state.closing && !batch->reserved)
        return complete_error(p);
    mmi_place_t end = end_of(batch, tail);
    *room = mmi_fits(p, state.head, end);
    if (*room)
        return mmi_window_check(p->w);
    mofka_status_t status = mmi_trim(p, end, deadline_of(due));
    *room = !status && mmi_fits(p, mmi_state(p).head, end);
    return status;
}

/* At a bell, which wakes it, or polling, which costs round trips: naps grow with the time waited. */
static int64_t nap_us(int64_t deadline, int64_t *step) {
    int64_t left_ms = deadline - mmi_now_ms();
    int64_t us = *step;
    *step = *step * 2 < NAP_US_MAX ? *step * 2 : NAP_US_MAX;
    return left_ms < 1 ? 1 : left_ms < us / 1000 ? left_ms * 1000 : us;
}

/* One sleep at the room bell, unless there is room meanwhile. */
static mofka_status_t sleep_for_room(const mmi_partition_t *p, const mofka_batch_t *batch,
                                     due_t *due, int64_t *step, bool *room) {
    const size_t bell = MMI_CONTROL(room_bell);
    uint64_t seen = p->w->doorbells ? mmi_load(p, bell) : 0;
    mmi_bell_waiters(p, bell, 1);
    mofka_status_t status = look_for_room(p, batch, due, room);
    if (!status && !*room)
        p->w->ops->sleep_on(p->w, p->owner, p->base + bell, seen, nap_us(deadline_of(due), step));
    mmi_bell_waiters(p, bell, -1);
    return status;
}

/* The long wait for room. */
static mofka_status_t sleep_until_room(const mmi_partition_t *p, const mofka_batch_t *batch,
                                       int64_t start, due_t *due) {
    mofka_status_t status = MOFKA_OK;
    bool warned = false, room = false;
    int64_t step = p->w->doorbells ? 1000 : 20;
    while (!status && !room) {
        int64_t now = mmi_now_ms();
        if (is_over(p, due, now))
            return MOFKA_ERR_TIMEOUT;
        if (!warned && now - start >= WARN_AFTER_MS) {
            warned = true;
            warn_full(p);
        }
        status = sleep_for_room(p, batch, due, &step, &room);
        if (!status && !room)
            status = look_for_room(p, batch, due, &room);
        if (room)
            mmi_ring_room(p); /* there may be enough for another */
    }
    return status;
}

/* Wait until the batch fits, behind the tail or where it is reserved. */
static mofka_status_t wait_for_room(const mmi_partition_t *p, mofka_batch_t *batch, due_t *due) {
    const uint64_t blocked = p->base + MMI_CONTROL(blocked);
    bool room = false;
    mofka_status_t status = look_for_room(p, batch, due, &room);
    if (status || room) /* nearly always; no clock was read */
        return status;
    int64_t start_ns = mmi_now_ns(), start = start_ns / 1000000;
    mmi_spin_t spin = mmi_spin_start(p->w);
    while (!status && !room && mmi_spin(&spin))
        status = look_for_room(p, batch, due, &room);
    if (!status && !room) {
        if (due->timeout_ms == 0) /* only looked */
            return MOFKA_ERR_TIMEOUT;
        p->w->ops->fetch_add(p->w, p->owner, blocked, 1);
        status = sleep_until_room(p, batch, start, due);
        p->w->ops->fetch_add(p->w, p->owner, blocked, (uint64_t)-1);
    }
    batch->blocked_ns += (uint64_t)(mmi_now_ns() - start_ns);
    return status;
}

static mofka_status_t full(const mmi_partition_t *p) {
    char who[256];
    describe_full(p, who, sizeof who);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "topic '%s', partition %zu had no room in time: %s",
                      p->topic, p->index, who);
}

/* Whether the last append saw the state just now: so long ago at most that the log has not gone round
 * 2^32 events or units meanwhile. */
static bool is_fresh(const sender_t *sender, int64_t now_ns) {
    return sender->seen_ns != 0 && now_ns - sender->seen_ns <= HINT_NS;
}

/* Whether it saw so much room that step 1 need not look, which takes round trips: a quarter stays free.
 * Where it is wrong, the batch is reserved and waits. */
static bool saw_room(const mmi_partition_t *p, const sender_t *sender, const mofka_batch_t *batch) {
    if (p->w->doorbells || !is_fresh(sender, mmi_now_ns()))
        return false;
    mmi_place_t end = end_of(batch, sender->tail);
    end.events += p->slots / 4;
    end.units += p->ring_bytes / MMI_UNIT_BYTES / 4;
    return mmi_fits(p, sender->head, end);
}

/* Step 2. NULL: there is room for it, and the state is not read; else `*state`, as it is now. */
static const mmi_state_t *reserve(const mmi_partition_t *p, sender_t *sender, mofka_batch_t *batch,
                                  mmi_state_t *state) {
    uint64_t units = mmi_units(batch->metadata_bytes + batch->data_bytes);
    uint64_t add = (uint64_t)batch->event_count << 32 | units;
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation), add);
    int64_t now_ns = p->w->doorbells ? 0 : mmi_now_ns();
    bool fresh = is_fresh(sender, now_ns);
    sender->seen_ns = now_ns;
    mmi_place_t place = mmi_complete_word(old, sender->head, true);
    bool room = fresh && mmi_fits(p, sender->head, end_of(batch, place));
    if (!room) {
        *state = mmi_state(p);
        sender->head = state->head;
        place = mmi_complete_word(old, state->head, true);
    }
    batch->reserved = true;
    batch->scratch[SCRATCH_EVENTS] = place.events;
    batch->scratch[SCRATCH_UNITS] = place.units;
    sender->tail = end_of(batch, place);
    return room ? NULL : state;
}

/* Step 3: a topic that is being completed decides by its last id. */
static mofka_status_t check_complete(const mmi_partition_t *p, mmi_state_t state, uint64_t first_id,
                                     due_t *due) {
    for (int64_t us = 10; state.closing; state = mmi_state(p)) {
        mofka_status_t status = mmi_window_check(p->w);
        if (status)
            return status;
        if (state.complete)
            return first_id >= state.complete - 1 ? complete_error(p) : MOFKA_OK;
        if (is_over(p, due, mmi_now_ms()))
            return MOFKA_ERR_TIMEOUT;
        mmi_back_off(&us, 1000);
    }
    return mmi_window_check(p->w);
}

static mofka_status_t build_entries(sender_t *sender, const mofka_batch_t *batch) {
    if (sender->capacity < batch->event_count) {
        mmi_entry_t *more = realloc(sender->entries, batch->event_count * sizeof *more);
        if (!more)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu entries", batch->event_count);
        sender->entries = more;
        sender->capacity = batch->event_count;
    }
    return MOFKA_OK;
}

/* In rma an operation for each small segment costs more than a copy of all of them. NULL: put them
 * one by one. */
static const char *pack(const mmi_partition_t *p, sender_t *sender, const mofka_batch_t *batch) {
    if (p->w->doorbells || batch->segment_count < 2 ||
        batch->data_bytes / batch->segment_count > PACK_BYTES)
        return NULL;
    if (sender->packed_room < batch->data_bytes) {
        free(sender->packed);
        sender->packed = malloc(batch->data_bytes);
        sender->packed_room = sender->packed ? batch->data_bytes : 0;
        if (!sender->packed)
            return NULL;
    }
    char *to = sender->packed;
    for (size_t i = 0; i < batch->segment_count; i++) {
        if (batch->segments[i].size > 0)
            memcpy(to, batch->segments[i].ptr, batch->segments[i].size);
        to += batch->segments[i].size;
    }
    return sender->packed;
}

static void put_payload(const mmi_partition_t *p, sender_t *sender, const mofka_batch_t *batch,
                        uint64_t at) {
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    const char *packed = pack(p, sender, batch);
    mmi_timed_t timed = mmi_pace_start(&sender->pace, p, bytes);
    mmi_put_t put = timed.way == MMI_PAST_CACHES ? p->w->ops->put_past_caches : p->w->ops->put;
    mmi_ring_put(p, put, at, batch->metadata, batch->metadata_bytes);
    at += batch->metadata_bytes;
    if (packed)
        mmi_ring_put(p, put, at, packed, batch->data_bytes);
    for (size_t i = 0; i < batch->segment_count && !packed; i++) {
        mmi_ring_put(p, put, at, batch->segments[i].ptr, batch->segments[i].size);
        at += batch->segments[i].size;
    }
    mmi_pace_stop(&sender->pace, timed, bytes);
}

/* Step 5, and the sender's state words if they are asked for. */
static mofka_status_t put(const mmi_partition_t *p, sender_t *sender, mofka_batch_t *batch,
                          bool state_too) {
    uint64_t id = batch->scratch[SCRATCH_EVENTS];
    uint64_t metadata = batch->scratch[SCRATCH_UNITS] * MMI_UNIT_BYTES;
    uint64_t data = metadata + batch->metadata_bytes;
    put_payload(p, sender, batch, metadata);
    for (size_t i = 0; i < batch->event_count; i++) {
        mmi_entry_t *entry = &sender->entries[i];
        *entry = (mmi_entry_t){.id_1 = id + i + 1,
                               .metadata = metadata,
                               .data = data,
                               .data_bytes = batch->events[i].data_bytes,
                               .metadata_bytes = (uint32_t)batch->events[i].metadata_bytes};
        entry->check = mmi_entry_check(entry);
        metadata += batch->events[i].metadata_bytes;
        data += batch->events[i].data_bytes;
    }
    mmi_entries_put(p, id, sender->entries, batch->event_count);
    /* Readable once this is flushed and the flag stored. */
    batch->stored_ns = batch->timed ? mmi_wall_ns() : 0;
    mmi_stamp_put(p, id, &batch->stored_ns);
    if (state_too)
        mmi_state_get(p, sender->state);
    p->w->ops->nudge(p->w, p->owner);
    return p->w->ops->flush(p->w, p->owner);
}

/* Steps 3 to 5. `state`: as it was read after the reservation; NULL: there is room. */
static mofka_status_t fill(const mmi_partition_t *p, sender_t *sender, mofka_batch_t *batch,
                           const mmi_state_t *state, due_t *due) {
    uint64_t id = batch->scratch[SCRATCH_EVENTS];
    mofka_status_t status = state ? check_complete(p, *state, id, due) : MOFKA_OK;
    if (!status && state && !mmi_fits(p, state->head, end_of(batch, (mmi_place_t){0, 0})))
        status = wait_for_room(p, batch, due);
    if (!status)
        status = put(p, sender, batch, !state);
    if (status || state)
        return status;
    mmi_state_t late = mmi_state_of(sender->state);
    sender->head = late.head;
    return check_complete(p, late, id, due);
}

/* Steps 3 to 7. */
static mofka_status_t finish(const mmi_partition_t *p, sender_t *sender, mofka_batch_t *batch,
                             const mmi_state_t *state, due_t *due) {
    uint64_t id = batch->scratch[SCRATCH_EVENTS];
    mofka_status_t status = fill(p, sender, batch, state, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return mofka_fail(MOFKA_ERR_POSSIBLY_STORED,
                          "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
                          " are reserved, and not stored in time",
                          p->topic, p->index, id, id + batch->event_count - 1);
    if (status)
        return status;
    p->w->ops->store(p->w, p->owner, mmi_flag_offset(p, id),
                     mmi_flag_value(p, id, batch->event_count));
    mmi_ring_data(p);
    if (p->retention == MMI_DISCARD_OLDEST) /* who waits for room may discard this one */
        mmi_ring_room(p);
    return mmi_window_check(p->w);
}

/* Steps 1 to 7, or from where the batch was left. */
static mofka_status_t go_on(const mmi_partition_t *p, sender_t *sender, mofka_batch_t *batch,
                            due_t *due, uint64_t *first_id) {
    bool again = batch->reserved;
    mofka_status_t status = build_entries(sender, batch);
    if (!status && !again && (due->timeout_ms == 0 || !saw_room(p, sender, batch)))
        status = wait_for_room(p, batch, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return full(p);
    if (status)
        return status;
    mmi_state_t now;
    const mmi_state_t *state = &now;
    if (again)
        now = mmi_state(p);
    else
        state = reserve(p, sender, batch, &now);
    status = mmi_window_check(p->w);
    if (!status)
        status = finish(p, sender, batch, state, due);
    if (!status)
        *first_id = batch->scratch[SCRATCH_EVENTS];
    return status;
}

/* They are counted while they are inside. */
static mofka_status_t append_if_open(const mmi_partition_t *p, sender_t *sender,
                                     mofka_batch_t *batch, due_t *due, uint64_t *first_id) {
    mmi_window_t *w = p->w;
    mofka_status_t status = mmi_window_may_call(w);
    atomic_fetch_add(&w->appends, 1);
    if (!status && atomic_load(&w->shut))
        status = mofka_fail(MOFKA_ERR_TIMEOUT, "MPI_Finalize was called");
    if (!status)
        status = go_on(p, sender, batch, due, first_id);
    else if (batch->reserved)
        status = MOFKA_ERR_POSSIBLY_STORED;
    atomic_fetch_sub(&w->appends, 1);
    return status;
}

static mofka_status_t append(void *self, size_t partition, mofka_batch_t *batch, int64_t timeout_ms,
                             uint64_t *first_id) {
    mpi_producer_t *producer = self;
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    due_t due = {.timeout_ms = timeout_ms};
    if (bytes > p->ring_bytes || batch->event_count > p->slots)
        return mofka_fail(MOFKA_ERR_TOO_LARGE,
                          "a batch of %zu events, %zu bytes does not fit %" PRIu64
                          " bytes of topic '%s'",
                          batch->event_count, bytes, p->ring_bytes, p->topic);
    return append_if_open(p, &producer->senders[partition], batch, &due, first_id);
}

/* Called again after a time-out: this producer counts once. */
static mofka_status_t close_producer(void *self, bool flushed) {
    mpi_producer_t *producer = self;
    mmi_topic_t *topic = producer->topic;
    if (!flushed || topic->expected_producers == 0)
        return MOFKA_OK;
    const mmi_partition_t *p = &topic->partitions[0];
    if (!producer->counted) {
        uint64_t before = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(finished), 1);
        producer->counted = true;
        producer->last = before + 1 >= topic->expected_producers;
    }
    if (!producer->last)
        return mmi_window_check(p->w);
    return mmi_topic_complete(topic, mmi_deadline(CLOSE_TIMEOUT_MS));
}

static void destroy(void *self) {
    mpi_producer_t *producer = self;
    if (mmi_window_check(producer->topic->w)) /* MPI may yet write state words */
        return;
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        free(producer->senders[i].entries), free(producer->senders[i].packed);
    free(producer);
}

static const mofka_producer_ops_t producer_ops = {
    .size = sizeof producer_ops,
    .limits = limits,
    .append = append,
    .close = close_producer,
    .destroy = destroy,
};

mofka_status_t mmi_make_producer(void *self, const char *name, const char *options,
                                 const mofka_producer_ops_t **ops, void **out) {
    mmi_topic_t *topic = self;
    (void)name;
    mofka_status_t status = mofka_options_read("producer of an MPI topic", options, NULL, 0);
    if (status)
        return status;
    mpi_producer_t *producer =
        calloc(1, sizeof *producer + topic->partition_count * sizeof *producer->senders);
    if (!producer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    producer->topic = topic;
    *ops = &producer_ops;
    *out = producer;
    return MOFKA_OK;
}
