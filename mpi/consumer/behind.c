/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer of a topic with storage: at the head it reads the ring, behind it the files.
 *
 *                the head has passed `next`
 *   ring  ------------------------------------>  files, from `next` on
 *         <------------------------------------
 *           a batch begins at the next event, and the ring has it
 *
 * Neither way leaves a gap or gives an event twice. The ring is left at the event that was not
 * delivered: what was read of it counts only if the head was not beyond it afterwards (read_run.c).
 * The head passes only what is written, so the files have that event. The files are left at an id
 * where a batch begins: a frame is a batch, so that is behind each frame; it is also at the head,
 * and at `written`. If the head passes the reader before its first look at the ring, it goes back.
 *
 * Data that the head passes while it is copied is copied from the files.
 */
#include "mpi/consumer/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/storage/storage.h"

/* ---- files that the owner reads -------------------------------------------------------------- */

/* A caller of the agent does not wait for the agent's thread longer than it wants to. */
int64_t mmi_behind_be_patient(int64_t left_ms) {
    int64_t before_ms = mmi_stage_patience_ms;
    if (mmi_window_target)
        return before_ms;
    left_ms = left_ms > MMI_STAGE_HURRY_MS ? left_ms : MMI_STAGE_HURRY_MS;
    mmi_stage_patience_ms = left_ms < MMI_STAGE_PATIENCE_MS ? left_ms : MMI_STAGE_PATIENCE_MS;
    return before_ms;
}

bool mmi_behind_is_late(const mmi_reader_t *r, char *text, size_t bytes) {
    bool late = r->log && r->log->staged && mmi_staged_is_late(r->log->staged);
    if (late)
        snprintf(text, bytes,
                 "partition %zu: rank %d on host '%s' reads its files for this rank, and has not "
                 "answered",
                 r->p->index, r->p->owner, mmi_staged_host(r->log->staged));
    return late;
}

/* ---- between ring and files ------------------------------------------------------------------ */

/* Go on in the files. */
static mofka_status_t behind_leave_ring(mmi_reader_t *r) {
    uint64_t from = r->next > r->skip_below ? r->next : r->skip_below;
    mofka_status_t status = mmi_log_seek(r->log, from);
    r->behind = !status; /* else the next fetch finds again that the head has passed */
    return status;
}

/* Go on in the ring, at the event that the files would give next. */
static void behind_enter_ring(mmi_reader_t *r, mmi_place_t head) {
    uint64_t at = r->log->next;
    r->behind = false;
    r->late = false;
    r->expects = true;
    if (at > r->next) {
        mmi_reader_go_to(r, at, head.units);
    } else {
        assert(at == r->next && r->batch_start <= at);
        r->batch_start = at;
        r->chain = mmi_chain_from(head.units);
    }
    r->skip_below = r->skip_below > at ? r->skip_below : at;
    r->lost += r->log->lost;
    r->log->lost = 0;
}

/* Enter the ring, if it has the next event, and a batch begins there. Not close to the head, which
 * would soon pass the reader again. */
static mofka_status_t behind_try_ring(mmi_reader_t *r, uint64_t *written) {
    mmi_state_t state;
    uint64_t at = r->log->next;
    mofka_status_t status = mmi_storage_load(r->p, MMI_STORED(written), "written", written);
    if (!status)
        status = mmi_state_load(r->p, &state);
    if (status || r->log->block || at < state.head.events)
        return status;
    bool boundary = r->log->boundary || at == state.head.events || at == *written;
    bool far = at >= *written || at - state.head.events >= (*written - state.head.events) / 2;
    if (boundary && far)
        behind_enter_ring(r, state.head);
    return MOFKA_OK;
}

/* Have a block of the files, or enter the ring. MOFKA_ERR_TIMEOUT: there is nothing. */
static mofka_status_t behind_look(mmi_reader_t *r) {
    uint64_t written = 0;
    assert(r->behind);
    mofka_status_t status = r->ringless ? MOFKA_OK : behind_try_ring(r, &written);
    return status || !r->behind ? status : mmi_log_look(r->log, written);
}

/* ---- fetch ----------------------------------------------------------------------------------- */

/* How many events may be given: with "deliver" "durable", those that are. */
static mofka_status_t behind_limit(const mmi_reader_t *r, uint64_t *events) {
    uint64_t durable, next = r->behind ? r->log->next : r->next;
    *events = UINT64_MAX;
    if (!r->waits_durable || r->ringless)
        return MOFKA_OK;
    mofka_status_t status = mmi_storage_load_durable(r->topic, r->p, &durable);
    *events = durable > next ? durable - next : 0;
    return status;
}

static mofka_status_t behind_fetch_files(mmi_reader_t *r, size_t events_max, mofka_run_t **run) {
    mofka_status_t status = mmi_log_give(r->log, r->p->index, events_max, run);
    if (status)
        return status;
    (*run)->lost += r->lost;
    r->lost = 0;
    return MOFKA_OK;
}

static mofka_status_t behind_fetch(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                   mofka_run_t **run) {
    uint64_t limit;
    mofka_status_t status = behind_limit(r, &limit);
    if (!status && limit == 0)
        status = MOFKA_ERR_TIMEOUT;
    if (!status && r->behind)
        status = behind_look(r);
    if (status)
        return status;
    events_max = limit < events_max ? (size_t)limit : events_max;
    if (!r->behind) {
        status = mmi_reader_fetch(r, events_max, form, run);
        if (status != MOFKA_ERR_TIMEOUT || !r->behind)
            return status;
        status = behind_leave_ring(r);
        if (!status)
            status = behind_look(r);
        if (status || !r->behind) /* the next fetch reads the ring */
            return status ? status : MOFKA_ERR_TIMEOUT;
    }
    return behind_fetch_files(r, events_max, run);
}

mofka_status_t mmi_behind_fetch(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                mofka_run_t **run) {
    int64_t before_ms = mmi_behind_be_patient(0);
    mofka_status_t status = behind_fetch(r, events_max, form, run);
    mmi_stage_patience_ms = before_ms;
    return status;
}

mofka_status_t mmi_behind_has_ended(mmi_reader_t *r, bool *ended) {
    if (r->ringless) {
        *ended = r->log->complete;
        return MOFKA_OK;
    }
    mofka_status_t status = mmi_reader_has_ended(r, ended);
    if (!status && r->behind)
        *ended = r->complete && r->log->next == r->complete - 1 && !r->log->block;
    return status;
}

bool mmi_behind_has_news(mmi_reader_t *r, size_t *ended) {
    uint64_t limit;
    bool end = false;
    mofka_status_t status = behind_limit(r, &limit);
    if (!status && limit > 0 && r->behind)
        status = behind_look(r);
    if (!status && limit > 0 && !r->behind)
        return mmi_reader_has_ring_news(r, ended);
    if (!status && limit > 0)
        return true; /* a block is there */
    if ((status && status != MOFKA_ERR_TIMEOUT) || mmi_behind_has_ended(r, &end))
        return true; /* a fetch reports it */
    *ended += end;
    return false;
}

mofka_status_t mmi_behind_skip(mmi_reader_t *r, uint64_t *skipped) {
    uint64_t events = 0;
    if (!r->log || !r->behind)
        return MOFKA_OK;
    mofka_status_t status = mfi_reader_skip(r->log->reader, &events);
    if (status)
        return status;
    r->log->next = mfi_reader_position(r->log->reader);
    *skipped += events;
    return MOFKA_OK;
}

/* The name has acknowledged more: its next consumer need not know. */
static void behind_forget_rewound(mmi_reader_t *r) {
    const mmi_partition_t *p = r->p;
    p->w->ops->store(p->w, p->owner, p->stored + MMI_STORED(rewound) + 8 * r->place, mmi_seal(0));
    r->was_rewound = false;
}

/* Only the id counts: no cursor holds the ring's head. */
mofka_status_t mmi_behind_publish(mmi_reader_t *r, bool all) {
    uint64_t acknowledged = atomic_load(&r->acknowledged);
    (void)all;
    if (!mmi_reader_has_place(r) || acknowledged == r->published)
        return MOFKA_OK;
    assert(acknowledged > r->published);
    mmi_control_store(r->p, mmi_reader_field(r, MMI_CONTROL(acknowledged)), mmi_seal(acknowledged));
    r->published = acknowledged;
    if (r->was_rewound)
        behind_forget_rewound(r);
    mmi_reader_forget(r, (mmi_place_t){acknowledged, 0});
    return mmi_window_check(r->p->w, r->p->owner);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* A run of the ring is a part of what its backend has. */
static bool run_is_of_ring(const mofka_run_t *run) {
    return (const void *)run == run->backend;
}

static void wanted_clear(mmi_consumer_t *c) {
    for (size_t i = 0; i < c->wanted_count; i++)
        free(c->wanted[i].ranges);
    c->wanted_count = c->wanted_done = 0;
}

void mmi_behind_free(mmi_consumer_t *c) {
    wanted_clear(c);
    free(c->wanted);
}

/* Note what is copied from the ring: it may have to be copied from the files. */
static mofka_status_t wanted_note(mmi_consumer_t *c, size_t index, const mofka_range_t *ranges,
                                  size_t range_count, mofka_data_view_t *view) {
    if (c->wanted_count == c->wanted_room) {
        size_t room = c->wanted_room ? 2 * c->wanted_room : 64;
        mmi_wanted_t *more = realloc(c->wanted, room * sizeof *more);
        if (!more)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the data of %zu events", room);
        c->wanted = more;
        c->wanted_room = room;
    }
    mofka_range_t *copy = malloc(range_count * sizeof *copy + 1);
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu ranges of data", range_count);
    if (range_count > 0)
        memcpy(copy, ranges, range_count * sizeof *copy);
    c->wanted[c->wanted_count++] = (mmi_wanted_t){index, range_count, copy, view};
    return MOFKA_OK;
}

mofka_status_t mmi_behind_get_data(void *self, mofka_run_t *run, size_t index,
                                   const mofka_range_t *ranges, size_t range_count,
                                   mofka_data_view_t *view) {
    mmi_consumer_t *c = self;
    bool of_ring = run_is_of_ring(run);
    if (!of_ring && !c->by_partition[run->partition]->log->staged)
        return mfi_block_get_data(run, index, ranges, range_count, view);
    mofka_status_t status = wanted_note(c, index, ranges, range_count, view);
    if (status || !of_ring)
        return status;
    return mmi_consumer_get_data(c, run, index, ranges, range_count, view);
}

/* The head has passed the first `overtaken` events of the run: their data is in the files. */
static mofka_status_t behind_copy_again(mmi_consumer_t *c, mofka_run_t *run, size_t overtaken) {
    mofka_status_t status = MOFKA_OK;
    mmi_log_t *log = c->by_partition[run->partition]->log;
    for (size_t i = 0; i < c->wanted_count && !status; i++) {
        const mmi_wanted_t *w = &c->wanted[i];
        if (w->index >= overtaken)
            continue;
        mofka_fetched_event_t *event = &run->events[w->index];
        event->verified = false;
        status = mmi_log_read_data(log, event->id, w->ranges, w->range_count, w->view,
                                   &event->data_damaged);
    }
    return status;
}

/* Of a run of files that the owner reads: copy what is noted; what is copied need not be again. */
static mofka_status_t behind_copy_staged(mmi_consumer_t *c, mofka_run_t *run) {
    const mmi_log_t *log = c->by_partition[run->partition]->log;
    mofka_status_t status = MOFKA_OK;
    if (!log->staged) /* its data is there */
        return MOFKA_OK;
    mmi_staged_read_ahead(log->staged, true);
    for (; c->wanted_done < c->wanted_count && !status; c->wanted_done += !status) {
        mmi_wanted_t *w = &c->wanted[c->wanted_done];
        status = mfi_block_get_data(run, w->index, w->ranges, w->range_count, w->view);
    }
    mmi_staged_read_ahead(log->staged, false);
    return mmi_log_explain(log, status);
}

static mofka_status_t behind_finish_data(mmi_consumer_t *c, mofka_run_t *run, int64_t timeout_ms,
                                         size_t *overtaken) {
    if (!run_is_of_ring(run))
        return behind_copy_staged(c, run);
    mofka_status_t status = mmi_consumer_finish_data(c, run, timeout_ms, overtaken);
    return status ? status : behind_copy_again(c, run, *overtaken);
}

mofka_status_t mmi_behind_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                      size_t *overtaken) {
    mmi_consumer_t *c = self;
    *overtaken = 0;
    int64_t before_ms = mmi_behind_be_patient(timeout_ms < 0 ? INT64_MAX : timeout_ms);
    mofka_status_t status = behind_finish_data(c, run, timeout_ms, overtaken);
    mmi_stage_patience_ms = before_ms;
    *overtaken = 0;
    if (status != MOFKA_ERR_TIMEOUT)
        wanted_clear(c);
    return status;
}

void mmi_behind_release_run(void *self, mofka_run_t *run) {
    (void)self;
    if (run_is_of_ring(run))
        free(run->backend);
    else
        mfi_block_release_run(run);
}

/* ---- join ------------------------------------------------------------------------------------ */

mofka_status_t mmi_behind_open(mmi_reader_t *r, const mmi_topic_t *topic, size_t partition,
                               int64_t deadline) {
    r->topic = topic;
    r->waits_durable = topic->storage.deliver != 0;
    mofka_status_t status = mmi_storage_await(topic, partition, true, deadline, &r->ringless);
    if (!status)
        status = mmi_log_open(topic, partition, &r->log);
    if (!status)
        status = mmi_log_oldest(r->log, &r->oldest);
    return status;
}

void mmi_behind_close(mmi_reader_t *r) {
    mmi_log_close(r->log);
    r->log = NULL;
}
