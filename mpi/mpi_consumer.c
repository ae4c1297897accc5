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
 * A consumer that dies keeps its place: retention waits for it until another of its name takes
 * over.
 */
#include "mpi_consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What one run may hold at most: bounds the memory of a consumer, however large the batches. */
#define RUN_EVENTS_MAX 4096
#define RUN_METADATA_BYTES ((size_t)1 << 20)

typedef struct run {
    mofka_run_t run;
    const mofka_mpi_partition_t *p;
    mofka_fetched_event_t events[];
} run_t;

/* Entries from the next id on, of the batches that are published; whole batches unless `most` ends
 * inside one. *ends gets where each batch ends. */
static mofka_status_t read_entries(mofka_mpi_reader_t *r, size_t most, size_t *found) {
    const mofka_mpi_partition_t *p = r->p;
    size_t count = 0;
    while (count < most) {
        uint64_t id = r->next + count;
        if (id == r->batch_end) {
            uint64_t batch = mofka_mpi_flag(p, id);
            if (batch == 0)
                break;
            r->batch_end = id + batch;
        }
        size_t here = (size_t)(r->batch_end - id);
        if (here > most - count)
            here = most - count;
        mofka_mpi_entries_get(p, id, r->entries + count, here);
        count += here;
    }
    *found = count;
    return count ? p->w->ops->flush(p->w, p->owner) : mofka_mpi_window_check(p->w);
}

static mofka_status_t check_entry(const mofka_mpi_reader_t *r, size_t i) {
    const mofka_mpi_entry_t *e = &r->entries[i];
    if (e->id_1 == r->next + i + 1 && e->check == mofka_mpi_entry_check(e) &&
        e->metadata_bytes <= r->p->ring_bytes && e->data_bytes <= r->p->ring_bytes)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: entry of event %" PRIu64 " is damaged",
                      r->p->topic, r->p->index, r->next + i);
}

/* discard_oldest passed the reader: go to the head, count what is lost. */
static bool skip_to_head(mofka_mpi_reader_t *r) {
    if (r->p->retention != MPI_DISCARD_OLDEST)
        return false;
    mofka_mpi_place_t head = mofka_mpi_head(r->p);
    if (head.events <= r->next)
        return false;
    r->lost += head.events - r->next;
    r->next = r->batch_end = head.events;
    mofka_mpi_reader_forget(r, head);
    return true;
}

static run_t *run_new(mofka_mpi_reader_t *r, size_t count, size_t metadata_bytes) {
    run_t *run = malloc(sizeof *run + count * sizeof run->events[0] + metadata_bytes + count);
    if (!run)
        return NULL;
    run->run = (mofka_run_t){.partition = r->p->index,
                             .event_count = count,
                             .events = run->events,
                             .lost = r->lost,
                             .backend = run};
    run->p = r->p;
    return run;
}

/* Metadata of consecutive events of one batch is consecutive: get such stretches, then spread them
 * to give each text its end. Raw bytes start `count` bytes behind the texts, so no text overtakes
 * them. */
static mofka_status_t read_metadata(mofka_mpi_reader_t *r, run_t *run) {
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
    *bytes = 0;
    for (*count = 0; *count < found; ++*count) {
        mofka_status_t status = check_entry(r, *count);
        if (status)
            return status;
        size_t more = r->entries[*count].metadata_bytes;
        if (*count > 0 && *bytes + more > RUN_METADATA_BYTES)
            break;
        *bytes += more;
    }
    return MOFKA_OK;
}

/* A new consumer of an old name starts at its batch and skips what was acknowledged in it. */
static void skip_acknowledged(mofka_mpi_reader_t *r, run_t **run) {
    uint64_t first = (*run)->events[0].id;
    if (r->skip_below <= first)
        return;
    size_t skip = (size_t)(r->skip_below - first);
    mofka_run_t *m = &(*run)->run;
    if (skip > m->event_count)
        skip = m->event_count;
    m->events += skip;
    m->event_count -= skip;
}

static mofka_status_t fetch_partition(mofka_mpi_reader_t *r, size_t most, mofka_run_t **out) {
    size_t found = 0, count, bytes;
    skip_to_head(r);
    mofka_status_t status = read_entries(r, most, &found);
    if (status || found == 0)
        return status ? status : MOFKA_ERR_TIMEOUT;
    if (skip_to_head(r))
        return MOFKA_ERR_BUSY; /* look again, at once */
    status = measure(r, found, &count, &bytes);
    if (status)
        return status;
    run_t *run = run_new(r, count, bytes);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu fetched events", count);
    status = read_metadata(r, run);
    bool overtaken = !status && skip_to_head(r);
    if (!status && !overtaken)
        status = mofka_mpi_reader_took(r, count);
    if (status || overtaken) {
        free(run);
        return status ? status : MOFKA_ERR_BUSY;
    }
    r->lost = 0;
    skip_acknowledged(r, &run);
    if (run->run.event_count == 0) {
        free(run);
        return MOFKA_ERR_BUSY;
    }
    *out = &run->run;
    return MOFKA_OK;
}

static mofka_status_t fetch(void *self, size_t events_max, mofka_run_t **run) {
    mofka_mpi_consumer_t *c = self;
    size_t ended = 0;
    if (events_max > RUN_EVENTS_MAX)
        events_max = RUN_EVENTS_MAX;
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_mpi_reader_t *r = &c->readers[(c->turn + i) % c->reader_count];
        mofka_status_t status;
        /* "complete" is read first: what is not there after it will never be. */
        uint64_t complete = mofka_mpi_load(r->p, MPI_CONTROL(complete));
        do
            status = fetch_partition(r, events_max, run);
        while (status == MOFKA_ERR_BUSY);
        if (status != MOFKA_ERR_TIMEOUT) {
            c->turn = (c->turn + i + 1) % c->reader_count;
            mofka_mpi_reader_publish(r, false);
            return status;
        }
        ended += complete && r->next >= complete - 1;
    }
    return ended == c->reader_count ? MOFKA_ERR_COMPLETE : MOFKA_ERR_TIMEOUT;
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
        c->pieces[c->piece_count++] = (mofka_mpi_piece_t){p->ring, to + first, bytes - first};
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

static mofka_status_t finish_data(void *self, mofka_run_t *run, size_t *overtaken) {
    (void)self;
    const mofka_mpi_partition_t *p = ((run_t *)run->backend)->p;
    mofka_status_t status = p->w->ops->flush(p->w, p->owner);
    size_t passed = 0;
    if (!status && p->retention == MPI_DISCARD_OLDEST) {
        uint64_t head = mofka_mpi_head(p).events;
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
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_mpi_reader_t *r = &c->readers[i];
        if (r->p->index != partition)
            continue;
        uint64_t old = atomic_load(&r->acknowledged);
        while (old < id + 1 && !atomic_compare_exchange_weak(&r->acknowledged, &old, id + 1))
            ;
        return MOFKA_OK;
    }
    return mofka_fail(MOFKA_ERR_RANGE, "partition %zu is not one of this consumer's", partition);
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
        mofka_status_t one = mofka_mpi_reader_leave(&c->readers[i], MPI_CONSUMER_FREE);
        status = status ? status : one;
    }
    return status;
}

static mofka_status_t close_consumer(void *self) {
    mofka_mpi_consumer_t *c = self;
    mofka_status_t status = publish(c);
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one = mofka_mpi_reader_leave(&c->readers[i], MPI_CONSUMER_AWAY);
        status = status ? status : one;
    }
    return status;
}

static void destroy(void *self) {
    mofka_mpi_consumer_t *c = self;
    for (size_t i = 0; i < c->reader_count; i++)
        mofka_mpi_reader_end(&c->readers[i]);
    free(c->entries);
    free(c->pieces);
    free(c);
}

static const mofka_consumer_ops_t consumer_ops = {
    .size = sizeof consumer_ops,
    .fetch = fetch,
    .get_data = get_data,
    .finish_data = finish_data,
    .wait = mofka_mpi_consumer_wait,
    .release_run = release_run,
    .acknowledge = acknowledge,
    .publish = publish,
    .unsubscribe = unsubscribe,
    .close = close_consumer,
    .destroy = destroy,
};

mofka_status_t mofka_mpi_make_consumer(void *self, const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **ops, void **out) {
    mofka_mpi_topic_t *topic = self;
    mofka_status_t status =
        mofka_options_read("consumer of an MPI topic", config->options, NULL, 0);
    if (status)
        return status;
    size_t count = config->targets ? config->target_count : topic->partition_count;
    mofka_mpi_consumer_t *c = calloc(1, sizeof *c + count * sizeof c->readers[0]);
    mofka_mpi_entry_t *entries = malloc(RUN_EVENTS_MAX * sizeof *entries);
    if (!c || !entries) {
        free(c);
        free(entries);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer of %zu partitions", count);
    }
    c->entries = entries;
    for (; !status && c->reader_count < count; c->reader_count += !status) {
        size_t index = config->targets ? config->targets[c->reader_count] : c->reader_count;
        mofka_mpi_reader_t *r = &c->readers[c->reader_count];
        r->entries = entries;
        status =
            mofka_mpi_reader_join(r, &topic->partitions[index], config->name, config->from_end);
    }
    if (status) {
        for (size_t i = 0; i < c->reader_count; i++)
            mofka_mpi_reader_leave(&c->readers[i],
                                   c->readers[i].fresh ? MPI_CONSUMER_FREE : MPI_CONSUMER_AWAY);
        destroy(c);
        return status;
    }
    *ops = &consumer_ops;
    *out = c;
    return MOFKA_OK;
}
