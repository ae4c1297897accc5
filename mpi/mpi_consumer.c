/*
 * The consumer side: flags, entries and metadata of the next run, then selected bytes.
 * Path: pull 2/7 and 6/7. Before: consumer.c. After: serializer.c, event.c.
 *
 * A named consumer has one place in each partition's table (mpi_cursor.c). Reading needs nobody's
 * leave:
 *
 *   1 flag at the next batch's first slot: is it published in this lap?
 *   2 its entries, checked by id and checksum; then its metadata
 *   3 discard_oldest: the head again; what it passed meanwhile was perhaps overwritten and is lost
 *   4 the data, in ranges, when the core asks; then the head once more
 *
 * A rank that stops while its consumer is live leaves the name taken: retention "acknowledged" waits
 * for it, and producers say so.
 */
#include "mpi_consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What one run may hold at most: bounds the memory of a consumer, however large the batches, and keeps
 * a run in a core's cache from fetch to release. */
#define RUN_EVENTS_MAX 1024
#define RUN_METADATA_BYTES ((size_t)1 << 20)
#define RUN_DATA_BYTES ((size_t)1 << 18) /* of a consumer that copies */
#define OVERTAKEN_TRIES 4

typedef struct run {
    mofka_run_t run;
    const mofka_mpi_partition_t *p;
    mofka_fetched_event_t events[];
} run_t;

/* Flags that were read in one go, from slot to slot. */
typedef struct flags {
    uint64_t first; /* id of the first */
    size_t count;
    uint64_t words[MOFKA_MPI_RUN_WORDS_MAX];
} flags_t;

/* The count of the batch that begins at `id`, 0 while it is not published. */
static uint64_t batch_at(const mofka_mpi_partition_t *p, flags_t *flags, uint64_t id) {
    if (id - flags->first >= flags->count) {
        uint64_t to_wrap = p->slots - id % p->slots;
        flags->first = id;
        flags->count = to_wrap < p->w->run_words ? (size_t)to_wrap : p->w->run_words;
        p->w->ops->load_run(p->w, p->owner, mofka_mpi_flag_offset(p, id), flags->words,
                            flags->count);
    }
    return mofka_mpi_flag_count(p, id, flags->words[id - flags->first]);
}

/* Entries from the next id on, of the batches that are published; whole batches unless `most` ends
 * inside one. At most one lap: with discard_oldest the log may go on while flags are read. */
static mofka_status_t read_entries(mofka_mpi_reader_t *r, size_t most, size_t *found) {
    const mofka_mpi_partition_t *p = r->p;
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
        return mofka_mpi_window_check(p->w);
    mofka_mpi_entries_get(p, r->next, r->entries, *found);
    p->w->ops->nudge(p->w, p->owner);
    return p->w->ops->flush(p->w, p->owner);
}

static mofka_status_t check_entry(const mofka_mpi_reader_t *r, size_t i) {
    const mofka_mpi_entry_t *e = &r->entries[i];
    bool good = e->id_1 == r->next + i + 1 && e->check == mofka_mpi_entry_check(e) &&
                e->metadata_bytes <= r->p->ring_bytes && e->data_bytes <= r->p->ring_bytes;
    return good ? MOFKA_OK : mofka_mpi_damaged(r->p, r->next + i);
}

/* discard_oldest: how many events from `next` on the head has passed. They are lost, as far as this
 * consumer wanted them. */
static uint64_t count_overtaken(mofka_mpi_reader_t *r) {
    if (r->p->retention != MOFKA_MPI_DISCARD_OLDEST)
        return 0;
    mofka_mpi_place_t head = mofka_mpi_state(r->p).head;
    if (head.events <= r->next)
        return 0;
    uint64_t wanted = r->next > r->skip_below ? r->next : r->skip_below;
    if (head.events > wanted) {
        r->lost += head.events - wanted;
        r->skip_below = head.events; /* counted now, and not to be delivered */
    }
    mofka_mpi_reader_forget(r, head);
    return head.events - r->next;
}

static void go_to(mofka_mpi_reader_t *r, uint64_t id) {
    r->next = id;
    if (r->batch_end < id)
        r->batch_end = id;
}

/* Of the `*found` entries leave out those that the head has passed. True: there were some. */
static bool leave_overtaken(mofka_mpi_reader_t *r, size_t *found) {
    uint64_t passed = count_overtaken(r);
    size_t drop = passed < *found ? (size_t)passed : *found;
    if (passed == 0)
        return false;
    memmove(r->entries, r->entries + drop, (*found - drop) * sizeof *r->entries);
    *found -= drop;
    go_to(r, r->next + passed);
    return true;
}

static run_t *run_new(const mofka_mpi_partition_t *p, size_t count, size_t metadata_bytes) {
    run_t *run = malloc(sizeof *run + count * sizeof run->events[0] + metadata_bytes + count);
    if (!run)
        return NULL;
    run->run = (mofka_run_t){
        .partition = p->index, .event_count = count, .events = run->events, .backend = run};
    run->p = p;
    return run;
}

/* Metadata of consecutive events of one batch is consecutive: get such stretches, then spread them
 * to give each text its end. Raw bytes start `count` bytes behind the texts, so no text overtakes
 * them. */
static mofka_status_t read_metadata(const mofka_mpi_reader_t *r, run_t *run) {
    size_t count = run->run.event_count;
    char *texts = (char *)(run->events + count), *raw = texts + count;
    for (size_t i = 0; i < count;) {
        uint64_t start = r->entries[i].metadata, end = start;
        while (i < count && r->entries[i].metadata == end)
            end += r->entries[i++].metadata_bytes;
        mofka_mpi_ring_get(r->p, start, raw, (size_t)(end - start));
        raw += end - start;
    }
    mofka_status_t status = r->p->w->ops->flush(r->p->w, r->p->owner);
    if (status)
        return status;
    raw = texts + count;
    for (size_t i = 0; i < count; i++) {
        const mofka_mpi_entry_t *e = &r->entries[i];
        memmove(texts, raw, e->metadata_bytes);
        texts[e->metadata_bytes] = '\0';
        run->events[i] = (mofka_fetched_event_t){.id = r->next + i,
                                                 .metadata = texts,
                                                 .metadata_bytes = e->metadata_bytes,
                                                 .data_bytes = e->data_bytes,
                                                 .data_position = e->data};
        texts += e->metadata_bytes + 1;
        raw += e->metadata_bytes;
    }
    return MOFKA_OK;
}

/* Entries are read and not overtaken: how many of them make the run. */
static mofka_status_t measure(mofka_mpi_reader_t *r, size_t found, size_t *count, size_t *bytes) {
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
static void skip_events(const mofka_mpi_reader_t *r, mofka_run_t *run) {
    uint64_t first = run->events[0].id;
    size_t skip = r->skip_below > first ? (size_t)(r->skip_below - first) : 0;
    if (skip > run->event_count)
        skip = run->event_count;
    run->events += skip;
    run->event_count -= skip;
}

/* MOFKA_ERR_TIMEOUT: nothing there. MOFKA_ERR_BUSY: overtaken, look again. MOFKA_STOP: a run that is
 * not to be delivered, go on. */
static mofka_status_t fetch_partition(mofka_mpi_reader_t *r, size_t most, mofka_run_t **out) {
    size_t found = 0, count, bytes;
    mofka_status_t status = read_entries(r, most, &found);
    bool overtaken = !status && leave_overtaken(r, &found);
    if (status || found == 0)
        return status ? status : overtaken ? MOFKA_ERR_BUSY : MOFKA_ERR_TIMEOUT;
    status = measure(r, found, &count, &bytes);
    if (status)
        return status;
    run_t *run = run_new(r->p, count, bytes);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", count);
    status = read_metadata(r, run);
    uint64_t passed = status ? 0 : count_overtaken(r);
    if (passed >= count)
        go_to(r, r->next + passed);
    else if (!status)
        status = mofka_mpi_reader_took(r, count, found);
    if (status || passed >= count) {
        free(run);
        return status ? status : MOFKA_ERR_BUSY;
    }
    skip_events(r, &run->run);
    if (run->run.event_count == 0) {
        free(run);
        return MOFKA_STOP;
    }
    run->run.lost = r->lost;
    r->lost = 0;
    *out = &run->run;
    return MOFKA_OK;
}

/* An overtaken reader tries again a few times, no more: its caller has a deadline. */
static mofka_status_t fetch_reader(mofka_mpi_reader_t *r, size_t most, mofka_run_t **run) {
    mofka_status_t status;
    int tries = 0;
    do
        status = fetch_partition(r, most, run);
    while (status == MOFKA_STOP || (status == MOFKA_ERR_BUSY && ++tries < OVERTAKEN_TRIES));
    return status == MOFKA_ERR_BUSY ? MOFKA_ERR_TIMEOUT : status;
}

bool mofka_mpi_reader_ended(mofka_mpi_reader_t *r) {
    if (!r->complete)
        r->complete = mofka_mpi_load(r->p, MOFKA_MPI_CONTROL(complete));
    return r->complete && r->next >= r->complete - 1;
}

/* At the end: losses that no event told of. */
static mofka_status_t tell_losses(mofka_mpi_consumer_t *c, mofka_run_t **out) {
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_mpi_reader_t *r = &c->readers[i];
        run_t *run = r->lost ? run_new(r->p, 0, 0) : NULL;
        if (!run)
            continue;
        run->run.lost = r->lost;
        r->lost = 0;
        *out = &run->run;
        return MOFKA_OK;
    }
    return MOFKA_ERR_COMPLETE;
}

static mofka_status_t fetch(void *self, size_t events_max, mofka_run_t **run) {
    mofka_mpi_consumer_t *c = self;
    size_t ended = 0;
    mofka_status_t allowed =
        c->reader_count ? mofka_mpi_window_may_call(c->readers[0].p->w) : MOFKA_OK;
    if (allowed)
        return allowed;
    if (events_max > RUN_EVENTS_MAX)
        events_max = RUN_EVENTS_MAX;
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_mpi_reader_t *r = &c->readers[(c->turn + i) % c->reader_count];
        mofka_status_t status = fetch_reader(r, events_max, run);
        if (status != MOFKA_ERR_TIMEOUT) {
            c->nap_us = 0;
            c->turn = (c->turn + i + 1) % c->reader_count;
            for (size_t j = 0; j < c->reader_count;
                 j++) /* one that finds nothing may hold others up */
                mofka_mpi_reader_publish(&c->readers[j], false);
            return status;
        }
        ended += mofka_mpi_reader_ended(r);
    }
    return ended == c->reader_count ? tell_losses(c, run) : MOFKA_ERR_TIMEOUT;
}

/* One range of the log as pieces: it may wrap in the ring and cross the view's segments. */
static mofka_status_t add_pieces(mofka_mpi_consumer_t *c, const mofka_mpi_partition_t *p,
                                 uint64_t from, size_t bytes, char *to) {
    if (c->piece_count + 2 > c->piece_room) {
        size_t room = c->piece_room ? 2 * c->piece_room : 64;
        mofka_mpi_piece_t *more = realloc(c->pieces, room * sizeof *more);
        if (!more)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu pieces of data", room);
        c->pieces = more;
        c->piece_room = room;
    }
    uint64_t at = from % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    c->pieces[c->piece_count++] = (mofka_mpi_piece_t){p->ring + at, to, first};
    if (bytes > first)
        c->pieces[c->piece_count++] =
            (mofka_mpi_piece_t){p->ring, to ? to + first : NULL, bytes - first};
    return MOFKA_OK;
}

static mofka_status_t get_data(void *self, mofka_run_t *run, size_t index,
                               const mofka_range_t *ranges, size_t range_count,
                               mofka_data_view_t *view) {
    mofka_mpi_consumer_t *c = self;
    const mofka_mpi_partition_t *p = ((run_t *)run->backend)->p;
    size_t segment_count, segment = 0, used = 0;
    const mofka_segment_t *segments = mofka_data_view_segments(view, &segment_count);
    mofka_status_t status = MOFKA_OK;
    c->piece_count = 0;
    for (size_t i = 0; i < range_count; i++) {
        uint64_t from = run->events[index].data_position + ranges[i].offset;
        for (size_t left = ranges[i].size, here; left > 0 && !status; left -= here) {
            while (segment < segment_count && used == segments[segment].size)
                segment++, used = 0;
            if (segment == segment_count)
                return mofka_fail(MOFKA_ERR_TOO_LARGE, "the view is smaller than the selection");
            here = segments[segment].size - used < left ? segments[segment].size - used : left;
            status = add_pieces(c, p, from, here, (char *)segments[segment].ptr + used);
            from += here;
            used += here;
        }
    }
    if (!status && c->piece_count > 0)
        p->w->ops->get_pieces(p->w, p->owner, c->pieces, c->piece_count);
    return status;
}

/* The same pieces, as segments of the window. */
static mofka_status_t view_data(void *self, mofka_run_t *run, size_t index,
                                const mofka_range_t *ranges, size_t range_count,
                                mofka_data_view_t **view) {
    mofka_mpi_consumer_t *c = self;
    const mofka_mpi_partition_t *p = ((run_t *)run->backend)->p;
    mofka_status_t status = MOFKA_OK;
    c->piece_count = 0;
    for (size_t i = 0; i < range_count && !status; i++)
        status = add_pieces(c, p, run->events[index].data_position + ranges[i].offset,
                            ranges[i].size, NULL);
    mofka_segment_t *segments = status ? NULL : calloc(c->piece_count + 1, sizeof *segments);
    if (!status && !segments)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu segments", c->piece_count);
    for (size_t i = 0; i < c->piece_count && !status; i++)
        segments[i] = (mofka_segment_t){p->w->ops->address(p->w, p->owner, c->pieces[i].offset),
                                        c->pieces[i].bytes};
    if (!status)
        status = mofka_data_view_create(segments, c->piece_count, NULL, NULL, view);
    free(segments);
    return status;
}

static mofka_status_t finish_data(void *self, mofka_run_t *run, size_t *overtaken) {
    (void)self;
    const mofka_mpi_partition_t *p = ((run_t *)run->backend)->p;
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    size_t passed = 0;
    if (!status && p->retention == MOFKA_MPI_DISCARD_OLDEST) {
        uint64_t head = mofka_mpi_state(p).head.events;
        while (passed < run->event_count && run->events[passed].id < head)
            passed++;
    }
    if (!status)
        *overtaken = passed;
    return status;
}

static void release_run(void *self, mofka_run_t *run) {
    (void)self;
    free(run->backend);
}

static mofka_status_t acknowledge(void *self, size_t partition, uint64_t id) {
    mofka_mpi_consumer_t *c = self;
    mofka_mpi_reader_t *r = partition < c->partition_count ? c->by_partition[partition] : NULL;
    if (!r)
        return mofka_fail(MOFKA_ERR_RANGE, "partition %zu is not one of this consumer's",
                          partition);
    uint64_t old = atomic_load(&r->acknowledged);
    while (old < id + 1 && !atomic_compare_exchange_weak(&r->acknowledged, &old, id + 1))
        ;
    return MOFKA_OK;
}

static mofka_status_t publish(void *self) {
    mofka_mpi_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count && !status; i++)
        status = mofka_mpi_reader_publish(&c->readers[i], true);
    return status;
}

static mofka_status_t unsubscribe(void *self) {
    mofka_mpi_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one = mofka_mpi_reader_leave(&c->readers[i], MOFKA_MPI_CONSUMER_FREE);
        status = status ? status : one;
    }
    return status;
}

static mofka_status_t close_consumer(void *self) {
    mofka_mpi_consumer_t *c = self;
    mofka_status_t status = publish(c);
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one = mofka_mpi_reader_leave(&c->readers[i], MOFKA_MPI_CONSUMER_AWAY);
        status = status ? status : one;
    }
    return status;
}

static void destroy(void *self) {
    mofka_mpi_consumer_t *c = self;
    for (size_t i = 0; i < c->reader_count; i++)
        mofka_mpi_reader_end(&c->readers[i]);
    free(c->entries);
    free(c->by_partition);
    free(c->pieces);
    free(c);
}

static const mofka_consumer_ops_t consumer_ops = {
    .size = sizeof consumer_ops,
    .fetch = fetch,
    .get_data = get_data,
    .view_data = view_data,
    .finish_data = finish_data,
    .wait = mofka_mpi_consumer_wait,
    .release_run = release_run,
    .acknowledge = acknowledge,
    .publish = publish,
    .unsubscribe = unsubscribe,
    .close = close_consumer,
    .destroy = destroy,
};

static mofka_status_t check_zero_copy(const mofka_mpi_topic_t *topic) {
    const mofka_mpi_partition_t *p = &topic->partitions[0];
    if (!p->w->ops->address)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy reads in the window, which a \"%s\" window does not allow",
                          p->w->ops->name);
    if (p->retention == MOFKA_MPI_DISCARD_OLDEST)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy needs retention \"acknowledged\"; topic '%s' has "
                          "\"discard_oldest\"",
                          p->topic);
    return MOFKA_OK;
}

static mofka_mpi_consumer_t *consumer_new(const mofka_mpi_topic_t *topic, size_t readers) {
    mofka_mpi_consumer_t *c = calloc(1, sizeof *c + readers * sizeof c->readers[0]);
    if (!c)
        return NULL;
    c->partition_count = topic->partition_count;
    c->entries = malloc(RUN_EVENTS_MAX * sizeof *c->entries);
    c->by_partition = calloc(topic->partition_count, sizeof(mofka_mpi_reader_t *));
    if (c->entries && c->by_partition)
        return c;
    destroy(c);
    return NULL;
}

mofka_status_t mofka_mpi_make_consumer(void *self, const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **ops, void **out) {
    mofka_mpi_topic_t *topic = self;
    mofka_status_t status =
        mofka_options_read("consumer of an MPI topic", config->options, NULL, 0);
    if (!status && config->zero_copy)
        status = check_zero_copy(topic);
    if (status)
        return status;
    size_t count = config->targets ? config->target_count : topic->partition_count;
    mofka_mpi_consumer_t *c = consumer_new(topic, count);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer of %zu partitions", count);
    for (; !status && c->reader_count < count; c->reader_count += !status) {
        size_t index = config->targets ? config->targets[c->reader_count] : c->reader_count;
        mofka_mpi_reader_t *r = &c->readers[c->reader_count];
        r->entries = c->entries;
        r->run_data_bytes = config->copies_data ? RUN_DATA_BYTES : UINT64_MAX;
        c->by_partition[index] = r;
        status =
            mofka_mpi_reader_join(r, &topic->partitions[index], config->name, config->from_end);
    }
    if (status) {
        for (size_t i = 0; i < c->reader_count; i++)
            mofka_mpi_reader_leave(&c->readers[i], c->readers[i].fresh ? MOFKA_MPI_CONSUMER_FREE
                                                                       : MOFKA_MPI_CONSUMER_AWAY);
        destroy(c);
        return status;
    }
    *ops = &consumer_ops;
    *out = c;
    return MOFKA_OK;
}
