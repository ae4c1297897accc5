/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the next run of a partition: flags, entries and metadata.
 * Path: pull 2/7. Before: consumer/pull.c, by consumer/fetch.c. After: consumer/runs/run.c.
 *
 * Reading takes no lock:
 *
 *   1 the flag at the next batch's first slot: is the batch published in this lap?
 *   2 its entries, which must be whole and follow each other; in rma, with sums, and with payload
 *     on a guess (payload.c)
 *   3 its metadata, where the guess did not cover it
 *   4 discard_oldest, or an observer: the head again; what it passed meanwhile may have been
 *     overwritten, and is lost
 *   5 the sums: a difference is damage; or, under a flag that is not settled, bytes on their way
 *
 * With checksums, and where events are expected, steps 1 and 2 are one round trip. What was read
 * too early does not pass step 5, and is read again, the flags first.
 *
 * Other data is read later (data.c).
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>

/* Looks of one fetch that find nothing to deliver: its caller has a deadline. */
#define FETCH_TRIES 4
/* Times that one fetch skips damage: so that it ends. */
#define FETCH_SKIPS 256

/* Flags, with the stamps between them, read at once from consecutive slots. */
typedef struct flag_run {
    uint64_t first; /* id of the first slot */
    size_t count;
    uint64_t *words; /* the consumer's: after an error, MPI may still write there */
} flag_run_t;

/* Read flags from that of `id` on. */
static void flag_run_read(flag_run_t *flags, const mmi_partition_t *p, uint64_t id,
                          mmi_read_words_t read) {
    uint64_t to_wrap = p->slots - id % p->slots;
    size_t most = (p->w->run_words + 1) / 2;
    flags->first = id;
    flags->count = to_wrap < most ? (size_t)to_wrap : most;
    assert(flags->count >= 1 && 2 * flags->count - 1 <= MMI_RUN_WORDS_MAX);
    read(p->w, p->owner, mmi_flag_offset(p, id), flags->words, 2 * flags->count - 1);
}

/* The flag of the batch that begins at `id`. */
static inline uint64_t flag_run_word(flag_run_t *flags, const mmi_partition_t *p, uint64_t id) {
    if (p->w->ops->has_addresses)
        return mmi_near_load(p, mmi_flag_offset(p, id));
    if (id - flags->first >= flags->count)
        flag_run_read(flags, p, id, p->w->ops->load_run);
    return flags->words[2 * (id - flags->first)];
}

bool mmi_reader_is_news(const mmi_reader_t *r, uint64_t flag) {
    return mmi_flag_kind(r->p, r->next, flag) != MMI_FLAG_EARLIER &&
           (flag != r->idle_flag || r->next != r->idle_at);
}

/* A batch ends with event `id`, and another one follows. */
static void reader_note_end(mmi_reader_t *r, uint64_t id) {
    assert(id - r->next < MMI_RUN_EVENTS_MAX);
    r->ends[id % MMI_RUN_EVENTS_MAX / 64] |= UINT64_C(1) << id % 64;
}

/* The flags of some passed batches were not settled: pass those batches anew. Returns where the
 * first of them ends. */
static uint64_t reader_unpass(mmi_reader_t *r) {
    uint64_t end = mmi_reader_end_of_batch(r, r->next), count = r->batch_end - r->next;
    mmi_reader_clear_ends(r, count < MMI_RUN_EVENTS_MAX ? count : MMI_RUN_EVENTS_MAX);
    r->batch_end = r->batch_start;
    return end;
}

/* Pass the flags of published batches, so that `most` events are before batch_end. *odd: there is
 * no event, but the next flag is not as if nothing were published. */
static size_t reader_read_flags(mmi_reader_t *r, flag_run_t *flags, size_t most, bool *odd) {
    const mmi_partition_t *p = r->p;
    if (r->settled_below < r->batch_start)
        r->settled_below = r->batch_start;
    uint64_t passed =
        r->next < r->batch_end && r->settled_below < r->batch_end ? reader_unpass(r) : r->next;
    while (r->batch_end < r->next + most) {
        uint64_t flag = flag_run_word(flags, p, r->batch_end);
        uint64_t batch = mmi_flag_count(p, r->batch_end, flag);
        if (batch == 0) {
            if (r->batch_end < passed && mmi_flag_kind(p, r->batch_end, flag) == MMI_FLAG_DAMAGED)
                r->settled_below = passed; /* it is not going to settle */
            if (r->batch_end == r->next) {
                r->seen_at = r->next;
                r->seen_flag = flag;
            }
            *odd = r->batch_end == r->next && passed == r->next && mmi_reader_is_news(r, flag);
            break;
        }
        if (r->batch_end > r->next)
            reader_note_end(r, r->batch_end - 1);
        if (r->settled_below >= r->batch_end && mmi_flag_is_settled(flag))
            r->settled_below = r->batch_end + batch;
        r->batch_end += batch;
    }
    if (r->batch_end < passed) /* a flag that was there is damaged now, or the head has passed it */
        r->batch_end = passed;
    uint64_t count = r->batch_end - r->next;
    return count < most ? (size_t)count : most;
}

/* Read what belongs to `count` events from `next` on, with payload on a guess. */
static mofka_status_t reader_get_entries(mmi_reader_t *r, size_t count) {
    const mmi_partition_t *p = r->p;
    mmi_entries_get(p, r->next, r->entries, count);
    mmi_stamp_get(p, r->batch_start, &r->stamp);
    if (p->checksums)
        mmi_sums_get(p, r->next, r->sums, count);
    if (p->w->ops->has_addresses)
        return MOFKA_OK;
    mmi_payload_guess(r, count);
    mmi_window_nudge(p->w, p->owner);
    return p->w->ops->flush(p->w, p->owner);
}

/* Events to read before their flags are known; 0: the flags come first. */
static size_t reader_guess_count(const mmi_reader_t *r, size_t most) {
    bool guesses =
        mmi_reader_guesses(r) && r->p->checksums && r->expects && r->next == r->batch_end;
    return !guesses ? 0 : r->run_events < most ? r->run_events : most;
}

/* Read the entries of published batches, from the next id on: whole batches, unless `most` ends
 * within one. At most one lap: with discard_oldest the log may move on while flags are read. */
static mofka_status_t reader_read_entries(mmi_reader_t *r, size_t most, size_t *found, bool *odd) {
    const mmi_partition_t *p = r->p;
    flag_run_t flags = {.words = r->words};
    mofka_status_t status = MOFKA_OK;
    assert(most <= MMI_RUN_EVENTS_MAX && r->next <= r->batch_end);
    most = most < p->slots ? most : (size_t)p->slots;
    size_t guessed = reader_guess_count(r, most);
    r->guessed = guessed > 0;
    if (r->guessed) {
        flag_run_read(&flags, p, r->next, p->w->ops->get_words);
        status = reader_get_entries(r, guessed);
    }
    if (!status)
        *found = reader_read_flags(r, &flags, most, odd);
    r->expects = *found > 0;
    if (status || *found == 0)
        return status ? status : mmi_window_check(p->w, p->owner);
    r->run_events = *found;
    if (!r->guessed)
        return reader_get_entries(r, *found);
    *found = *found < guessed ? *found : guessed;
    return MOFKA_OK;
}

/* ---- what the head passes
 * -------------------------------------------------------------------------- */

/* *passed: how many events from `next` on the head has passed. Those that this consumer wanted are
 * lost. */
static mofka_status_t reader_count_overtaken(mmi_reader_t *r, mmi_place_t *head, uint64_t *passed) {
    mmi_state_t state;
    *passed = 0;
    if (!r->may_lose)
        return MOFKA_OK;
    mofka_status_t status = mmi_state_load(r->p, &state);
    if (status || state.head.events <= r->next)
        return status;
    if (r->log) { /* nothing is lost: the files have it */
        r->behind = true;
        return MOFKA_OK;
    }
    *head = state.head;
    *passed = head->events - r->next;
    uint64_t wanted = r->next > r->skip_below ? r->next : r->skip_below;
    if (head->events > wanted) {
        r->lost += head->events - wanted;
        r->skip_below = head->events;
    }
    mmi_reader_forget(r, *head);
    return MOFKA_OK;
}

/* Drop those of `*found` entries that the head has passed. *overtaken: there were some. */
static mofka_status_t reader_drop_overtaken(mmi_reader_t *r, size_t *found, bool *overtaken) {
    mmi_place_t head;
    uint64_t passed;
    mofka_status_t status = reader_count_overtaken(r, &head, &passed);
    assert(*found <= MMI_RUN_EVENTS_MAX);
    size_t drop = passed < *found ? (size_t)passed : *found;
    *overtaken = passed > 0;
    if (status || passed == 0)
        return status;
    memmove(r->entries, r->entries + drop, (*found - drop) * sizeof *r->entries);
    if (r->p->checksums)
        memmove(r->sums, r->sums + drop, (*found - drop) * sizeof *r->sums);
    *found -= drop;
    /* Its slot may be of the next lap already. */
    r->stamp = 0;
    mmi_reader_go_to(r, head.events, head.units);
    return MOFKA_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

mmi_run_t *mmi_run_create(const mmi_reader_t *r, size_t count, size_t metadata_bytes,
                          size_t payload_bytes) {
    size_t checks = r->p->checksums ? count : 0;
    mmi_run_t *run =
        malloc(sizeof *run + count * sizeof run->events[0] + checks * sizeof run->checks[0] +
               metadata_bytes + count + payload_bytes);
    if (!run)
        return NULL;
    run->run = (mofka_run_t){
        .partition = r->p->index, .event_count = count, .events = run->events, .backend = run};
    run->p = r->p;
    run->may_lose = r->may_lose;
    run->checks = checks ? (mmi_data_check_t *)(void *)(run->events + count) : NULL;
    run->texts = (char *)(run->events + count) + checks * sizeof run->checks[0];
    run->payload = NULL;
    return run;
}

/* The metadata of events that stand one behind the other in the ring. */
typedef struct stretch {
    uint64_t start; /* position in the log */
    size_t bytes;
    const char *seen; /* in the window, or read already; NULL: it has to be read first */
} stretch_t;

/* The stretch that begins at event `*i`; moves `*i` behind it. */
static stretch_t stretch_next(const mmi_reader_t *r, size_t count, size_t *i) {
    const mmi_partition_t *p = r->p;
    assert(*i < count);
    uint64_t start = r->entries[*i].metadata, end = start, at = start % p->ring_bytes;
    while (*i < count && r->entries[*i].metadata == end)
        end += r->entries[(*i)++].metadata_bytes;
    size_t bytes = (size_t)(end - start);
    bool mapped = p->w->ops->has_addresses && bytes <= p->ring_bytes - at;
    return (stretch_t){start, bytes,
                       mapped ? mmi_window_address(p->w, p->owner, p->ring + at)
                              : mmi_payload_find(r, start, bytes)};
}

/* Copy the stretches that are not seen, one behind the other, to where each would be if all were
 * copied. One round trip. */
static mofka_status_t reader_get_stretches(const mmi_reader_t *r, size_t count, char *raw) {
    bool reads = false;
    for (size_t i = 0; i < count;) {
        stretch_t stretch = stretch_next(r, count, &i);
        if (!stretch.seen)
            mmi_ring_get(r->p, stretch.start, raw, stretch.bytes);
        reads |= !stretch.seen;
        raw += stretch.bytes;
    }
    return reads ? r->p->w->ops->flush(r->p->w, r->p->owner) : MOFKA_OK;
}

/* The events of a stretch, from `i` up to `end`: their metadata is at `text`, and behind each are
 * `gap` bytes. */
static void reader_fill_events(const mmi_reader_t *r, mmi_run_t *run, size_t i, size_t end,
                               const char *text, size_t gap) {
    for (; i < end; i++) {
        const mmi_entry_t *e = &r->entries[i];
        run->events[i] = (mofka_fetched_event_t){.id = r->next + i,
                                                 .metadata = text,
                                                 .metadata_bytes = e->metadata_bytes,
                                                 .data_bytes = e->data_bytes,
                                                 .data_position = e->data};
        text += e->metadata_bytes + gap;
    }
}

/* Write the texts of these events, each with a NUL. Returns where the next one goes. */
static char *reader_terminate(const mmi_reader_t *r, size_t i, size_t end, const char *from,
                              char *to) {
    for (; i < end; i++) {
        size_t bytes = r->entries[i].metadata_bytes;
        memmove(to, from, bytes);
        to[bytes] = '\0';
        to += bytes + 1;
        from += bytes;
    }
    return to;
}

/* Fill in the events, with their metadata in the form of this fetch. `run` has room for texts with
 * a NUL each, and behind them for raw bytes. Those start `count` bytes behind the texts, so no text
 * overtakes them. */
static mofka_status_t reader_read_metadata(const mmi_reader_t *r, mmi_run_t *run) {
    size_t count = run->run.event_count;
    char *texts = run->texts, *raw = texts + count;
    bool near = r->p->w->ops->has_addresses; /* a stretch that wraps is copied when it is needed */
    mofka_status_t status = near ? MOFKA_OK : reader_get_stretches(r, count, raw);
    if (status)
        return status;
    for (size_t i = 0, end = 0; i < count; i = end) {
        stretch_t stretch = stretch_next(r, count, &end);
        const char *from = stretch.seen ? stretch.seen : raw;
        if (!stretch.seen && near)
            mmi_ring_get(r->p, stretch.start, raw, stretch.bytes);
        if (r->form == MMI_FORM_PACKED && stretch.seen)
            from = memcpy(raw, stretch.seen, stretch.bytes);
        raw += stretch.bytes;
        bool terminates = r->form == MMI_FORM_TERMINATED;
        reader_fill_events(r, run, i, end, terminates ? texts : from, terminates);
        if (terminates)
            texts = reader_terminate(r, i, end, from, texts);
    }
    /* The texts are copied before the head is read again. */
    atomic_thread_fence(memory_order_acquire);
    return MOFKA_OK;
}

/* Leave out events that were acknowledged before this consumer was made, or counted as lost. */
static void reader_skip_events(const mmi_reader_t *r, mmi_run_t *filled) {
    mofka_run_t *run = &filled->run;
    assert(run->event_count >= 1);
    uint64_t first = run->events[0].id;
    size_t skip = r->skip_below > first ? (size_t)(r->skip_below - first) : 0;
    if (skip > run->event_count)
        skip = run->event_count;
    run->events += skip;
    run->event_count -= skip;
    if (filled->checks)
        filled->checks += skip;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* What one look at the partition found. */
typedef enum look {
    LOOK_FAILED,    /* see the status */
    LOOK_NOTHING,   /* no batch is published, or it takes longer to reach one */
    LOOK_OVERTAKEN, /* the head, or a guess, has passed what was read: look again */
    LOOK_SKIPPED,   /* events that are not to be delivered: go on */
    LOOK_DAMAGED,   /* the same, because they are damaged */
    LOOK_WRONG,     /* the first event's bytes are not what its sum says */
    LOOK_RUN        /* a run to deliver */
} look_t;

/* Keep the payload of the run, if all of it was read. */
static void reader_keep_payload(const mmi_reader_t *r, mmi_run_t *run, const mmi_measure_t *measure,
                                size_t bytes) {
    const char *payload = bytes ? mmi_payload_find(r, r->entries->metadata, bytes) : NULL;
    if (!payload)
        return;
    char *copy = run->texts + measure->bytes + measure->count;
    memcpy(copy, payload, bytes);
    run->payload = copy;
    run->payload_from = r->entries->metadata;
}

/* The metadata is what its sums say. The data of settled events is compared with this later. */
static void reader_keep_sums(const mmi_reader_t *r, mmi_run_t *run) {
    for (size_t i = 0; run->checks && i < run->run.event_count; i++) {
        run->events[i].verified = true;
        run->checks[i] = (mmi_data_check_t){NULL, mmi_sum_half(r->sums[i], MMI_SUM_DATA),
                                            run->payload && mmi_payload_is_early(r, r->next + i)};
    }
}

/* Read the metadata of the run, and move behind it, or to the head if that has passed all of it. */
static look_t reader_fill_run(mmi_reader_t *r, mmi_run_t *run, const mmi_measure_t *measure,
                              mofka_status_t *status) {
    mmi_place_t head;
    mmi_measure_t less;
    assert(measure->count == run->run.event_count && measure->count >= 1);
    *status = reader_read_metadata(r, run);
    if (*status)
        return LOOK_FAILED;
    uint64_t passed;
    *status = reader_count_overtaken(r, &head, &passed);
    if (*status)
        return LOOK_FAILED;
    if (r->behind)
        return LOOK_NOTHING;
    if (passed > 0)
        r->stamp = 0;
    if (passed >= measure->count) {
        mmi_reader_go_to(r, head.events, head.units);
        return LOOK_OVERTAKEN;
    }
    size_t good = mmi_payload_check(r, &run->run);
    if (good == 0)
        return LOOK_WRONG;
    if (good < measure->count) {
        run->run.event_count = good;
        mmi_reader_measure(r, good, &less);
        measure = &less;
    }
    mmi_payload_note(r, measure->count, measure->bytes);
    reader_keep_sums(r, run);
    *status = mmi_reader_advance(r, measure->count, &measure->chain);
    if (*status)
        return LOOK_FAILED;
    reader_skip_events(r, run);
    return run->run.event_count > 0 ? LOOK_RUN : LOOK_SKIPPED;
}

/* An event under a flag that is not settled is not all there. */
static look_t reader_note_late(mmi_reader_t *r) {
    r->late = true;
    return LOOK_NOTHING;
}

/* When the run's first batch was stored. Sums do not cover that. So a stamp that was read before
 * its flag, or under one that is not settled, may be of an earlier lap: it does not count if it is
 * older than what this reader has seen. */
static uint64_t reader_stored_ns(mmi_reader_t *r) {
    uint64_t ns = mmi_stamp_ns(r->stamp);
    bool certain = !r->guessed && r->next <= r->settled_below;
    if (ns < r->newest_ns && !certain)
        return 0;
    r->newest_ns = ns > r->newest_ns ? ns : r->newest_ns;
    return ns;
}

/* Give the run to the caller, once the reader is behind it. */
static look_t reader_give_run(mmi_reader_t *r, mmi_run_t *run, mofka_run_t **out) {
    run->run.stored_ns = reader_stored_ns(r);
    run->run.lost = r->lost;
    r->lost = 0;
    *out = &run->run;
    return LOOK_RUN;
}

/* The entries that were read begin with good ones: make a run of those. */
static look_t reader_make_run(mmi_reader_t *r, const mmi_measure_t *measure, mofka_run_t **out,
                              mofka_status_t *status) {
    const mmi_entry_t *last = &r->entries[measure->count - 1];
    size_t payload = (size_t)(last->data + last->data_bytes - r->entries->metadata);
    if (r->run_data_bytes == UINT64_MAX || !mmi_payload_find(r, r->entries->metadata, payload))
        payload = 0;
    mmi_run_t *run = mmi_run_create(r, measure->count, measure->bytes, payload);
    if (!run) {
        *status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", measure->count);
        return LOOK_FAILED;
    }
    reader_keep_payload(r, run, measure, payload);
    look_t look = reader_fill_run(r, run, measure, status);
    if (look != LOOK_RUN) {
        free(run);
        return look;
    }
    return reader_give_run(r, run, out);
}

/* What is at `next` is not right: report it, or skip it. */
static look_t reader_look_at_damage(mmi_reader_t *r, mofka_status_t *status) {
    mmi_damage_t damage;
    *status = mmi_reader_find_damage(r, &damage);
    if (*status)
        return LOOK_FAILED;
    if (damage.end == damage.first)
        return LOOK_SKIPPED;
    *status = mmi_reader_meet_damage(r, &damage);
    return *status ? LOOK_FAILED : LOOK_DAMAGED;
}

static look_t reader_look_at_entries(mmi_reader_t *r, size_t found, mofka_run_t **out,
                                     mofka_status_t *status) {
    mmi_measure_t measure;
    mmi_reader_measure(r, found, &measure);
    size_t fit = measure.count > 0 ? mmi_payload_fit(r, measure.count) : 0;
    if (fit < measure.count)
        mmi_reader_measure(r, fit, &measure);
    look_t look = LOOK_WRONG;
    if (fit > 0) {
        *status = mmi_payload_need(r, fit);
        look = *status ? LOOK_FAILED : reader_make_run(r, &measure, out, status);
    }
    if (look != LOOK_WRONG)
        return look;
    if (r->guessed) { /* it may have been read before its flag: look again */
        r->expects = false;
        return LOOK_OVERTAKEN;
    }
    return r->next < r->settled_below ? reader_look_at_damage(r, status) : reader_note_late(r);
}

/* In memory, make a run that shows its metadata in place. LOOK_NOTHING: the long way has to find
 * out what there is. */
static look_t reader_show_run(mmi_reader_t *r, size_t most, mofka_run_t **out,
                              mofka_status_t *status) {
    flag_run_t flags = {.words = r->words};
    mmi_chain_t chain = r->chain;
    size_t to_wrap = (size_t)(r->p->slots - r->next % r->p->slots);
    bool odd = false;
    size_t found = reader_read_flags(r, &flags, most < to_wrap ? most : to_wrap, &odd);
    if (found == 0 || r->next + found > r->settled_below)
        return LOOK_NOTHING;
    mmi_run_t *run = mmi_run_create(r, found, 0, 0);
    if (!run) {
        *status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", found);
        return LOOK_FAILED;
    }
    mmi_stamp_get(r->p, r->batch_start, &r->stamp);
    r->guessed = false;
    run->run.event_count = mmi_reader_show(r, found, run, &chain);
    *status =
        run->run.event_count > 0 ? mmi_reader_advance(r, run->run.event_count, &chain) : MOFKA_OK;
    if (!*status && run->run.event_count > 0)
        return reader_give_run(r, run, out);
    free(run);
    return *status ? LOOK_FAILED : LOOK_NOTHING;
}

static look_t reader_look(mmi_reader_t *r, size_t events_max, mofka_run_t **out,
                          mofka_status_t *status) {
    size_t found = 0;
    bool more = false, odd = false, overtaken = false;
    r->late = false;
    if (r->payload) {
        r->payload->count = 0;
        r->payload->certain = true;
    }
    *status = r->next < r->skip_below ? mmi_reader_pass(r, &more) : MOFKA_OK;
    if (!*status && more)
        return LOOK_NOTHING;
    if (!*status && mmi_reader_can_show(r)) {
        look_t look = reader_show_run(r, events_max, out, status);
        if (look != LOOK_NOTHING)
            return look;
    }
    if (!*status)
        *status = reader_read_entries(r, events_max, &found, &odd);
    if (!*status)
        *status = reader_drop_overtaken(r, &found, &overtaken);
    if (*status)
        return LOOK_FAILED;
    if (r->behind)
        return LOOK_NOTHING;
    if (found == 0 && (overtaken || !odd))
        return overtaken ? LOOK_OVERTAKEN : LOOK_NOTHING;
    return found > 0 ? reader_look_at_entries(r, found, out, status)
                     : reader_look_at_damage(r, status);
}

mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                mofka_run_t **run) {
    mofka_status_t status;
    look_t look;
    assert(form != MMI_FORM_IN_PLACE || (r->p->w->ops->has_addresses && !r->may_lose));
    r->form = form;
    int tries = 0, skips = 0;
    do
        look = reader_look(r, events_max, run, &status);
    while ((look == LOOK_DAMAGED && ++skips < FETCH_SKIPS) ||
           ((look == LOOK_SKIPPED || look == LOOK_OVERTAKEN) && ++tries < FETCH_TRIES));
    return look == LOOK_FAILED ? status : look == LOOK_RUN ? MOFKA_OK : MOFKA_ERR_TIMEOUT;
}
