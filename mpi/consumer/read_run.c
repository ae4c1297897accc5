/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index of the log: flags, entries and metadata of the next run of one partition.
 * Path: pull 2/7. Before: consumer.c. After: serializer.c.
 *
 * Reading needs nobody's leave:
 *
 *   1 flag at the next batch's first slot: is it published in this lap?
 *   2 its entries, checked by id and checksum; then its metadata
 *   3 discard_oldest: the head again; what it passed meanwhile was perhaps overwritten and is lost
 *
 * The data comes later (mpi_fetch.c).
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>

/* Of a run: see MMI_RUN_EVENTS_MAX. */
#define RUN_METADATA_BYTES ((size_t)1 << 20)
#define OVERTAKEN_TRIES 4

/* Flags, with stamps between, that were read in one go, from slot to slot. */
typedef struct flags {
    uint64_t first; /* id of the first */
    size_t count;
    uint64_t words[MMI_RUN_WORDS_MAX];
} flags_t;

/* The count of the batch that begins at `id`, 0 while it is not published. */
static uint64_t batch_at(const mmi_partition_t *p, flags_t *flags, uint64_t id) {
    if (id - flags->first >= flags->count) {
        uint64_t to_wrap = p->slots - id % p->slots;
        size_t most = (p->w->run_words + 1) / 2;
        flags->first = id;
        flags->count = to_wrap < most ? (size_t)to_wrap : most;
        p->w->ops->load_run(p->w, p->owner, mmi_flag_offset(p, id), flags->words,
                            2 * flags->count - 1);
    }
    return mmi_flag_count(p, id, flags->words[2 * (id - flags->first)]);
}

/* Entries from the next id on, of the batches that are published; whole batches unless `most` ends
 * inside one. At most one lap: with discard_oldest the log may go on while flags are read. */
static mofka_status_t read_entries(mmi_reader_t *r, size_t most, size_t *found) {
    const mmi_partition_t *p = r->p;
    flags_t flags = {.count = 0};
    most = most < p->slots ? most : (size_t)p->slots;
    size_t count = (size_t)(r->batch_end - r->next);
    while (count < most) {
        uint64_t batch = batch_at(p, &flags, r->batch_end);
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

static mofka_status_t check_entry(const mmi_reader_t *r, size_t i) {
    const mmi_entry_t *e = &r->entries[i];
    bool good = e->id_1 == r->next + i + 1 && e->check == mmi_entry_check(e) &&
                e->metadata_bytes <= r->p->ring_bytes && e->data_bytes <= r->p->ring_bytes;
    return good ? MOFKA_OK : mmi_entry_damaged(r->p, r->next + i);
}

/* discard_oldest: how many events from `next` on the head has passed. They are lost, as far as this
 * consumer wanted them. */
static uint64_t count_overtaken(mmi_reader_t *r) {
    if (r->p->retention != MMI_DISCARD_OLDEST)
        return 0;
    mmi_place_t head = mmi_state_load(r->p).head;
    if (head.events <= r->next)
        return 0;
    uint64_t wanted = r->next > r->skip_below ? r->next : r->skip_below;
    if (head.events > wanted) {
        r->lost += head.events - wanted;
        r->skip_below = head.events; /* counted now, and not to be delivered */
    }
    mmi_reader_forget(r, head);
    return head.events - r->next;
}

/* To the head, which is where a batch begins. */
static void go_to(mmi_reader_t *r, uint64_t id) {
    r->next = r->batch_start = id;
    if (r->batch_end < id)
        r->batch_end = id;
}

/* Of the `*found` entries leave out those that the head has passed. True: there were some. */
static bool leave_overtaken(mmi_reader_t *r, size_t *found) {
    uint64_t passed = count_overtaken(r);
    size_t drop = passed < *found ? (size_t)passed : *found;
    if (passed == 0)
        return false;
    memmove(r->entries, r->entries + drop, (*found - drop) * sizeof *r->entries);
    *found -= drop;
    r->stamp = 0; /* its place may be the next lap's already */
    go_to(r, r->next + passed);
    return true;
}

mmi_run_t *mmi_run_new(const mmi_partition_t *p, size_t count, size_t metadata_bytes) {
    mmi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0] + metadata_bytes + count);
    if (!run)
        return NULL;
    run->run = (mofka_run_t){
        .partition = p->index, .event_count = count, .events = run->events, .backend = run};
    run->p = p;
    return run;
}

/* Metadata of consecutive events of one batch is consecutive: such a stretch of events from *i on. */
typedef struct stretch {
    uint64_t start; /* position in the log */
    size_t bytes;
    const char *seen; /* in the window; NULL: it is to be copied before */
} stretch_t;

static stretch_t next_stretch(const mmi_reader_t *r, size_t count, size_t *i) {
    const mmi_partition_t *p = r->p;
    uint64_t start = r->entries[*i].metadata, end = start, at = start % p->ring_bytes;
    while (*i < count && r->entries[*i].metadata == end)
        end += r->entries[(*i)++].metadata_bytes;
    size_t bytes = (size_t)(end - start);
    bool seen = p->w->ops->address && bytes <= p->ring_bytes - at;
    return (stretch_t){start, bytes,
                       seen ? p->w->ops->address(p->w, p->owner, p->ring + at) : NULL};
}

/* Each text with its end: `run` has room for them, and behind them for what is copied before. Those raw
 * bytes start `count` bytes behind the texts, so no text overtakes them. */
static mofka_status_t read_metadata(const mmi_reader_t *r, mmi_run_t *run) {
    size_t count = run->run.event_count;
    char *texts = (char *)(run->events + count), *raw = texts + count;
    for (size_t i = 0; i < count;) {
        stretch_t stretch = next_stretch(r, count, &i);
        if (!stretch.seen)
            mmi_ring_get(r->p, stretch.start, raw, stretch.bytes);
        raw += stretch.bytes;
    }
    mofka_status_t status = r->p->w->ops->flush(r->p->w, r->p->owner);
    if (status)
        return status;
    raw = texts + count;
    for (size_t i = 0, end = 0; i < count;) {
        stretch_t stretch = next_stretch(r, count, &end);
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
    atomic_thread_fence(memory_order_acquire); /* copied before the head is looked at */
    return MOFKA_OK;
}

/* Entries are read and not overtaken: how many of them make the run. */
static mofka_status_t measure(mmi_reader_t *r, size_t found, size_t *count, size_t *bytes) {
    uint64_t data = 0;
    *bytes = 0;
    for (*count = 0; *count < found; ++*count) {
        mofka_status_t status = check_entry(r, *count);
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

/* Leave out what is not to be delivered: acknowledged before this consumer was made, or lost. */
static void skip_events(const mmi_reader_t *r, mofka_run_t *run) {
    uint64_t first = run->events[0].id;
    size_t skip = r->skip_below > first ? (size_t)(r->skip_below - first) : 0;
    if (skip > run->event_count)
        skip = run->event_count;
    run->events += skip;
    run->event_count -= skip;
}

/* MOFKA_ERR_TIMEOUT: nothing there. MOFKA_ERR_BUSY: overtaken, look again. MOFKA_STOP: a run that is
 * not to be delivered, go on. */
static mofka_status_t fetch_partition(mmi_reader_t *r, size_t most, mofka_run_t **out) {
    size_t found = 0, count, bytes;
    mofka_status_t status = read_entries(r, most, &found);
    bool overtaken = !status && leave_overtaken(r, &found);
    if (status || found == 0)
        return status ? status : overtaken ? MOFKA_ERR_BUSY : MOFKA_ERR_TIMEOUT;
    status = measure(r, found, &count, &bytes);
    if (status)
        return status;
    mmi_run_t *run = mmi_run_new(r->p, count, bytes);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", count);
    status = read_metadata(r, run);
    uint64_t passed = status ? 0 : count_overtaken(r);
    if (passed > 0)
        r->stamp = 0;
    if (passed >= count)
        go_to(r, r->next + passed);
    else if (!status)
        status = mmi_reader_took(r, count, found);
    if (status || passed >= count) {
        free(run);
        return status ? status : MOFKA_ERR_BUSY;
    }
    skip_events(r, &run->run);
    if (run->run.event_count == 0) {
        free(run);
        return MOFKA_STOP;
    }
    run->run.stored_ns = r->stamp;
    run->run.lost = r->lost;
    r->lost = 0;
    *out = &run->run;
    return MOFKA_OK;
}

/* An overtaken reader tries again a few times, no more: its caller has a deadline. */
mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t most, mofka_run_t **run) {
    mofka_status_t status;
    int tries = 0;
    do
        status = fetch_partition(r, most, run);
    while (status == MOFKA_STOP || (status == MOFKA_ERR_BUSY && ++tries < OVERTAKEN_TRIES));
    return status == MOFKA_ERR_BUSY ? MOFKA_ERR_TIMEOUT : status;
}
