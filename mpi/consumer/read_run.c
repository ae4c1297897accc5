/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the next run of a partition: flags, entries and metadata.
 * Path: pull 2/7. Before: consumer/pull.c, by consumer/fetch.c. After: consumer/run.c.
 *
 * Reading takes no lock:
 *
 *   1 the flag at the next batch's first slot: is the batch published in this lap?
 *   2 its entries, checked by id and checksum; then its metadata
 *   3 discard_oldest: the head again; what it passed meanwhile may have been overwritten, and is
 *   lost
 *
 * The data is read later (data.c).
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>

/* Metadata of a run, at most: see MMI_RUN_EVENTS_MAX. */
#define RUN_METADATA_BYTES ((size_t)1 << 20)
/* Looks of one fetch that find nothing to deliver: its caller has a deadline. */
#define FETCH_TRIES 4

/* Flags, with the stamps between them, read at once from consecutive slots. */
typedef struct flag_run {
    uint64_t first; /* id of the first slot */
    size_t count;
    uint64_t words[MMI_RUN_WORDS_MAX];
} flag_run_t;

/* The count of the batch that begins at `id`; 0 while it is not published. */
static uint64_t flag_run_count(flag_run_t *flags, const mmi_partition_t *p, uint64_t id) {
    if (id - flags->first >= flags->count) {
        uint64_t to_wrap = p->slots - id % p->slots;
        size_t most = (p->w->run_words + 1) / 2;
        flags->first = id;
        flags->count = to_wrap < most ? (size_t)to_wrap : most;
        assert(flags->count >= 1 && 2 * flags->count - 1 <= MMI_RUN_WORDS_MAX);
        p->w->ops->load_run(p->w, p->owner, mmi_flag_offset(p, id), flags->words,
                            2 * flags->count - 1);
    }
    return mmi_flag_count(p, id, flags->words[2 * (id - flags->first)]);
}

/* Read the entries of published batches, from the next id on: whole batches, unless `most` ends
 * within one. At most one lap: with discard_oldest the log may move on while flags are read. */
static mofka_status_t reader_read_entries(mmi_reader_t *r, size_t most, size_t *found) {
    const mmi_partition_t *p = r->p;
    flag_run_t flags = {.count = 0};
    assert(most <= MMI_RUN_EVENTS_MAX && r->next <= r->batch_end);
    most = most < p->slots ? most : (size_t)p->slots;
    size_t count = (size_t)(r->batch_end - r->next);
    while (count < most) {
        uint64_t batch = flag_run_count(&flags, p, r->batch_end);
        if (batch == 0)
            break;
        r->batch_end += batch;
        count += (size_t)batch;
    }
    *found = count < most ? count : most;
    if (*found == 0)
        return mmi_window_check(p->w);
    mmi_entries_get(p, r->next, r->entries, *found);
    mmi_stamp_get(p, r->batch_start, &r->stamp);
    p->w->ops->nudge(p->w, p->owner);
    return p->w->ops->flush(p->w, p->owner);
}

static mofka_status_t reader_check_entry(const mmi_reader_t *r, size_t i) {
    const mmi_entry_t *e = &r->entries[i];
    bool good = e->id_1 == r->next + i + 1 && e->check == mmi_entry_check(e) &&
                e->metadata_bytes <= r->p->ring_bytes && e->data_bytes <= r->p->ring_bytes;
    return good ? MOFKA_OK : mmi_entry_damaged(r->p, r->next + i);
}

/* ---- discard_oldest -------------------------------------------------------------------------- */

/* How many events from `next` on the head has passed. Those that this consumer wanted are lost. */
static uint64_t reader_count_overtaken(mmi_reader_t *r) {
    if (r->p->retention != MMI_DISCARD_OLDEST)
        return 0;
    mmi_place_t head = mmi_state_load(r->p).head;
    if (head.events <= r->next)
        return 0;
    uint64_t wanted = r->next > r->skip_below ? r->next : r->skip_below;
    if (head.events > wanted) {
        r->lost += head.events - wanted;
        r->skip_below = head.events;
    }
    mmi_reader_forget(r, head);
    return head.events - r->next;
}

/* Read on at the head, where a batch begins. */
static void reader_go_to(mmi_reader_t *r, uint64_t id) {
    assert(id > r->next);
    r->next = r->batch_start = id;
    if (r->batch_end < id)
        r->batch_end = id;
}

/* Drop those of `*found` entries that the head has passed. True: there were some. */
static bool reader_drop_overtaken(mmi_reader_t *r, size_t *found) {
    uint64_t passed = reader_count_overtaken(r);
    assert(*found <= MMI_RUN_EVENTS_MAX);
    size_t drop = passed < *found ? (size_t)passed : *found;
    if (passed == 0)
        return false;
    memmove(r->entries, r->entries + drop, (*found - drop) * sizeof *r->entries);
    *found -= drop;
    /* Its slot may be of the next lap already. */
    r->stamp = 0;
    reader_go_to(r, r->next + passed);
    return true;
}

/* ---- metadata -------------------------------------------------------------------------------- */

mmi_run_t *mmi_run_create(const mmi_partition_t *p, size_t count, size_t metadata_bytes) {
    mmi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0] + metadata_bytes + count);
    if (!run)
        return NULL;
    run->run = (mofka_run_t){
        .partition = p->index, .event_count = count, .events = run->events, .backend = run};
    run->p = p;
    return run;
}

/* The metadata of events that stand one behind the other in the ring. */
typedef struct stretch {
    uint64_t start; /* position in the log */
    size_t bytes;
    const char *seen; /* in the window; NULL: it has to be copied first */
} stretch_t;

/* The stretch that begins at event `*i`; moves `*i` behind it. */
static stretch_t stretch_next(const mmi_reader_t *r, size_t count, size_t *i) {
    const mmi_partition_t *p = r->p;
    assert(*i < count);
    uint64_t start = r->entries[*i].metadata, end = start, at = start % p->ring_bytes;
    while (*i < count && r->entries[*i].metadata == end)
        end += r->entries[(*i)++].metadata_bytes;
    size_t bytes = (size_t)(end - start);
    bool seen = p->w->ops->address && bytes <= p->ring_bytes - at;
    return (stretch_t){start, bytes,
                       seen ? p->w->ops->address(p->w, p->owner, p->ring + at) : NULL};
}

/* Write each event's text and a NUL. `run` has room for them, and behind them for raw bytes that
 * are copied first. Those start `count` bytes behind the texts, so no text overtakes them. */
static mofka_status_t reader_read_metadata(const mmi_reader_t *r, mmi_run_t *run) {
    size_t count = run->run.event_count;
    char *texts = (char *)(run->events + count), *raw = texts + count;
    for (size_t i = 0; i < count;) {
        stretch_t stretch = stretch_next(r, count, &i);
        if (!stretch.seen)
            mmi_ring_get(r->p, stretch.start, raw, stretch.bytes);
        raw += stretch.bytes;
    }
    mofka_status_t status = r->p->w->ops->flush(r->p->w, r->p->owner);
    if (status)
        return status;
    raw = texts + count;
    for (size_t i = 0, end = 0; i < count;) {
        stretch_t stretch = stretch_next(r, count, &end);
        const char *from = stretch.seen ? stretch.seen : raw;
        raw += stretch.bytes;
        for (; i < end; i++) {
            const mmi_entry_t *e = &r->entries[i];
            memmove(texts, from, e->metadata_bytes);
            texts[e->metadata_bytes] = '\0';
            run->events[i] = (mofka_fetched_event_t){.id = r->next + i,
                                                     .metadata = texts,
                                                     .metadata_bytes = e->metadata_bytes,
                                                     .data_bytes = e->data_bytes,
                                                     .data_position = e->data};
            texts += e->metadata_bytes + 1;
            from += e->metadata_bytes;
        }
    }
    /* The texts are copied before the head is read again. */
    atomic_thread_fence(memory_order_acquire);
    return MOFKA_OK;
}

/* Check the entries, and find how many of them make the run, and the bytes of their metadata. */
static mofka_status_t reader_measure_run(mmi_reader_t *r, size_t found, size_t *count,
                                         size_t *bytes) {
    uint64_t data = 0;
    assert(found >= 1 && found <= MMI_RUN_EVENTS_MAX);
    *bytes = 0;
    for (*count = 0; *count < found; ++*count) {
        mofka_status_t status = reader_check_entry(r, *count);
        if (status)
            return status;
        size_t more = r->entries[*count].metadata_bytes;
        data += r->entries[*count].data_bytes;
        if (*count > 0 && (*bytes + more > RUN_METADATA_BYTES || data > r->run_data_bytes))
            break;
        *bytes += more;
    }
    return MOFKA_OK;
}

/* Leave out events that were acknowledged before this consumer was made, or counted as lost. */
static void reader_skip_events(const mmi_reader_t *r, mofka_run_t *run) {
    assert(run->event_count >= 1);
    uint64_t first = run->events[0].id;
    size_t skip = r->skip_below > first ? (size_t)(r->skip_below - first) : 0;
    if (skip > run->event_count)
        skip = run->event_count;
    run->events += skip;
    run->event_count -= skip;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* What one look at the partition found. */
typedef enum look {
    LOOK_FAILED,    /* see the status */
    LOOK_NOTHING,   /* no batch is published, or it takes longer to reach one */
    LOOK_OVERTAKEN, /* the head has passed what was read: look again */
    LOOK_SKIPPED,   /* events that are not to be delivered: go on */
    LOOK_RUN        /* a run to deliver */
} look_t;

/* Make a run of the first `count` entries, and move behind them, or to the head if that has passed
 * all of them. */
static look_t reader_fill_run(mmi_reader_t *r, mmi_run_t *run, size_t found,
                              mofka_status_t *status) {
    size_t count = run->run.event_count;
    assert(count >= 1 && count <= found);
    *status = reader_read_metadata(r, run);
    if (*status)
        return LOOK_FAILED;
    uint64_t passed = reader_count_overtaken(r);
    if (passed > 0)
        r->stamp = 0;
    if (passed >= count) {
        reader_go_to(r, r->next + passed);
        return LOOK_OVERTAKEN;
    }
    *status = mmi_reader_advance(r, count, found);
    if (*status)
        return LOOK_FAILED;
    reader_skip_events(r, &run->run);
    return run->run.event_count > 0 ? LOOK_RUN : LOOK_SKIPPED;
}

static look_t reader_look(mmi_reader_t *r, size_t events_max, mofka_run_t **out,
                          mofka_status_t *status) {
    size_t found = 0, count, bytes;
    bool more = false;
    *status = r->next < r->skip_below ? mmi_reader_pass(r, &more) : MOFKA_OK;
    if (!*status && more)
        return LOOK_NOTHING;
    if (!*status)
        *status = reader_read_entries(r, events_max, &found);
    bool overtaken = !*status && reader_drop_overtaken(r, &found);
    if (!*status && found == 0)
        return overtaken ? LOOK_OVERTAKEN : LOOK_NOTHING;
    if (!*status)
        *status = reader_measure_run(r, found, &count, &bytes);
    if (*status)
        return LOOK_FAILED;
    mmi_run_t *run = mmi_run_create(r->p, count, bytes);
    if (!run) {
        *status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", count);
        return LOOK_FAILED;
    }
    look_t look = reader_fill_run(r, run, found, status);
    if (look != LOOK_RUN) {
        free(run);
        return look;
    }
    run->run.stored_ns = r->stamp;
    run->run.lost = r->lost;
    r->lost = 0;
    *out = &run->run;
    return LOOK_RUN;
}

mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t events_max, mofka_run_t **run) {
    mofka_status_t status;
    look_t look;
    int tries = 0;
    do
        look = reader_look(r, events_max, run, &status);
    while ((look == LOOK_SKIPPED || look == LOOK_OVERTAKEN) && ++tries < FETCH_TRIES);
    return look == LOOK_FAILED ? status : look == LOOK_RUN ? MOFKA_OK : MOFKA_ERR_TIMEOUT;
}
