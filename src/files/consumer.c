/* SPDX-License-Identifier: BSD-3-Clause */
/* Consumers of the driver "files": a reader and a place for each partition. */
#include <assert.h>
#include <inttypes.h>
#include <mofka/options.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "files/files.h"
#include "store/read/block.h"

/* A consumer that waits looks again after so long, and then after twice as long, up to the second.
 */
#define NAP_MS_MIN 1
#define NAP_MS_MAX 16

/* One partition of a consumer. */
typedef struct cursor {
    size_t partition;
    mfi_log_t *log;
    mfi_reader_t *reader;
    mfi_places_t *places; /* NULL: none was joined */
    size_t slot;
    mfi_block_t *block;       /* read, and not all given; NULL: none */
    uint32_t given;           /* of its events */
    uint64_t lost;            /* for the next run */
    _Atomic uint64_t rewound; /* events by which it was set back */
    mofka_status_t status;    /* of the last look: OK, TIMEOUT, COMPLETE, CORRUPT */
    /* With the consumer's lock: */
    uint64_t next;      /* lowest id that is not acknowledged */
    uint64_t given_end; /* behind the highest id that was given */
    uint64_t life;      /* in which these two are */
    uint64_t stored;    /* the place that is written; UINT64_MAX: one of an earlier life */
} cursor_t;

typedef struct mfi_files_consumer {
    struct mfi_files_consumer *next;
    mfi_files_topic_t *topic;
    pthread_mutex_t lock; /* guards acknowledgements and places; taken before the locks of these */
    size_t count, turn;
    bool observes, skips_damaged; /* options */
    cursor_t cursors[];
} files_consumer_t;

/* ---- fetch ----------------------------------------------------------------------------------- */

/* Go on behind damage, and say so; a run counts what is lost. */
static mofka_status_t cursor_skip(cursor_t *cursor) {
    uint64_t events;
    mfi_log(MOFKA_LOG_WARN, "%s; they are skipped", mofka_last_error());
    return mfi_reader_skip(cursor->reader, &events);
}

/* The reader may have gone over to a later life: the place is set back with it. */
static void cursor_follow_life(files_consumer_t *c, cursor_t *cursor) {
    uint64_t life = mfi_reader_life(cursor->reader);
    if (life == cursor->life) /* only this thread changes it */
        return;
    pthread_mutex_lock(&c->lock);
    uint64_t end = mfi_reader_place(cursor->reader, cursor->life, cursor->given_end);
    uint64_t rewound = cursor->given_end - end;
    cursor->next = mfi_reader_place(cursor->reader, cursor->life, cursor->next);
    cursor->given_end = end;
    cursor->life = life;
    cursor->stored = UINT64_MAX;
    pthread_mutex_unlock(&c->lock);
    if (rewound == 0)
        return;
    atomic_fetch_add(&cursor->rewound, rewound);
    mfi_log(MOFKA_LOG_WARN,
            "topic '%s', partition %zu: a consumer was set back by %" PRIu64
            " events, which were cut or lost after it had read them",
            c->topic->record.name, cursor->partition, rewound);
}

/* Look for the next batch, unless one is there. Ids without events are lost. */
static mofka_status_t cursor_look(files_consumer_t *c, cursor_t *cursor) {
    mfi_read_t read;
    mofka_status_t status = MOFKA_OK;
    while (!cursor->block && !status) {
        status = mfi_reader_next(cursor->reader, 0, &read);
        cursor_follow_life(c, cursor);
        if (status == MOFKA_ERR_CORRUPT && c->skips_damaged) {
            status = cursor_skip(cursor);
            continue;
        }
        if (status)
            break;
        cursor->lost += read.lost;
        if (read.kind != MFI_FRAME_BATCH)
            cursor->lost += read.events;
        else
            status = mfi_block_create(&read, &cursor->block);
        cursor->given = 0;
    }
    cursor->status = status;
    return status;
}

static mofka_status_t cursor_give(files_consumer_t *c, cursor_t *cursor, size_t events_max,
                                  mofka_run_t **out) {
    mofka_status_t status =
        mfi_block_make_run(cursor->block, cursor->given, events_max, cursor->partition, out);
    if (status)
        return status;
    (*out)->lost = cursor->lost;
    cursor->lost = 0;
    cursor->given += (uint32_t)(*out)->event_count;
    pthread_mutex_lock(&c->lock);
    cursor->given_end = cursor->block->first_id + cursor->given;
    pthread_mutex_unlock(&c->lock);
    if (cursor->given == cursor->block->events) {
        mfi_block_release(cursor->block);
        cursor->block = NULL;
    }
    return MOFKA_OK;
}

static mofka_status_t cursor_store_place(cursor_t *cursor) {
    if (!cursor->places || cursor->next == cursor->stored)
        return MOFKA_OK;
    mofka_status_t status =
        mfi_places_set(cursor->places, cursor->slot, cursor->life, cursor->next);
    if (!status)
        cursor->stored = cursor->next;
    return status;
}

static mofka_status_t files_consumer_publish(void *self) {
    files_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count; i++) {
        mofka_status_t stored = cursor_store_place(&c->cursors[i]);
        status = status ? status : stored;
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

static mofka_status_t files_consumer_fetch(void *self, size_t events_max, mofka_run_t **run) {
    files_consumer_t *c = self;
    size_t complete = 0;
    for (size_t i = 0; i < c->count; i++) {
        cursor_t *cursor = &c->cursors[c->turn];
        c->turn = (c->turn + 1) % c->count;
        mofka_status_t status = cursor_look(c, cursor);
        if (!status)
            return cursor_give(c, cursor, events_max, run);
        if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_COMPLETE)
            return status;
        complete += status == MOFKA_ERR_COMPLETE;
    }
    (void)files_consumer_publish(self);
    return complete == c->count ? MOFKA_ERR_COMPLETE : MOFKA_ERR_TIMEOUT;
}

static mofka_status_t files_consumer_wait(void *self, int64_t timeout_ms) {
    files_consumer_t *c = self;
    int64_t deadline = mfi_deadline(timeout_ms), nap = NAP_MS_MIN;
    for (;;) {
        size_t complete = 0;
        for (size_t i = 0; i < c->count; i++) {
            mofka_status_t before = c->cursors[i].status;
            mofka_status_t status = cursor_look(c, &c->cursors[i]);
            complete += status == MOFKA_ERR_COMPLETE;
            if (status != MOFKA_ERR_TIMEOUT && (status != MOFKA_ERR_COMPLETE || before != status))
                return MOFKA_OK; /* a fetch finds it */
        }
        int64_t left = mfi_remaining(deadline);
        if (left == 0)
            return MOFKA_ERR_TIMEOUT;
        if (complete == c->count)
            return MOFKA_OK;
        int64_t now = left < 0 || nap < left ? nap : left;
        nanosleep(&(struct timespec){.tv_nsec = now * 1000000}, NULL);
        nap = nap < NAP_MS_MAX ? 2 * nap : nap;
    }
}

static void files_consumer_release_run(void *self, mofka_run_t *run) {
    (void)self;
    mfi_block_release_run(run);
}

static mofka_status_t files_consumer_get_data(void *self, mofka_run_t *run, size_t index,
                                              const mofka_range_t *ranges, size_t range_count,
                                              mofka_data_view_t *view) {
    (void)self;
    return mfi_block_get_data(run, index, ranges, range_count, view);
}

static mofka_status_t files_consumer_view_data(void *self, mofka_run_t *run, size_t index,
                                               const mofka_range_t *ranges, size_t range_count,
                                               mofka_data_view_t **view) {
    (void)self;
    return mfi_block_view_data(run, index, ranges, range_count, view);
}

static mofka_status_t files_consumer_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                                 size_t *overtaken) {
    (void)self, (void)run, (void)timeout_ms;
    *overtaken = 0; /* a run keeps its file open, deleted or not */
    return MOFKA_OK;
}

static mofka_status_t files_consumer_skip_damaged(void *self, uint64_t *skipped) {
    files_consumer_t *c = self;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t events;
        mofka_status_t status = mfi_reader_skip(c->cursors[i].reader, &events);
        if (status)
            return status;
        *skipped += events;
    }
    return MOFKA_OK;
}

/* ---- seek ------------------------------------------------------------------------------------ */

static cursor_t *consumer_find(files_consumer_t *c, size_t partition) {
    for (size_t i = 0; i < c->count; i++)
        if (c->cursors[i].partition == partition)
            return &c->cursors[i];
    return NULL;
}

/* The reader is at `found`, although the consumer went to `id`: retention was faster. What was read
 * before does not count. */
static void cursor_moved(files_consumer_t *c, cursor_t *cursor, uint64_t id, uint64_t found) {
    cursor_follow_life(c, cursor);
    mfi_block_release(cursor->block);
    cursor->block = NULL;
    cursor->given = 0;
    cursor->lost += found > id ? found - id : 0;
    cursor->status = MOFKA_ERR_TIMEOUT;
}

/* MOFKA_ERR_RANGE: the log does not have the event. Moves the reader. */
static mofka_status_t cursor_check_id(const files_consumer_t *c, const cursor_t *cursor,
                                      uint64_t id) {
    uint64_t oldest, end;
    mofka_status_t status = mfi_reader_oldest(cursor->reader, &oldest);
    if (!status)
        status = mfi_reader_seek_end(cursor->reader, &end);
    if (!status && (id < oldest || id > end))
        status = mofka_fail(MOFKA_ERR_RANGE,
                            "topic '%s', partition %zu has events %" PRIu64 " to %" PRIu64
                            ": a consumer cannot go to %" PRIu64,
                            c->topic->record.name, cursor->partition, oldest, end, id);
    return status;
}

static mofka_status_t files_consumer_seek(void *self, size_t partition, uint64_t id) {
    files_consumer_t *c = self;
    cursor_t *cursor = consumer_find(c, partition);
    assert(cursor);
    uint64_t before = mfi_reader_position(cursor->reader), found = id;
    mofka_status_t status = cursor_check_id(c, cursor, id);
    if (status) {
        char message[MOFKA_MESSAGE_BYTES_MAX + 1];
        snprintf(message, sizeof message, "%s", mofka_last_error());
        (void)mfi_reader_seek(cursor->reader, &before);
        return mofka_fail(status, "%s", message);
    }
    status = mfi_reader_seek(cursor->reader, &found);
    if (!status)
        cursor_moved(c, cursor, id, found);
    return status;
}

static mofka_status_t files_consumer_seek_time(void *self, size_t partition, uint64_t time_ns) {
    files_consumer_t *c = self;
    cursor_t *cursor = consumer_find(c, partition);
    uint64_t found;
    assert(cursor);
    mofka_status_t status = mfi_reader_seek_time(cursor->reader, time_ns, &found);
    if (!status)
        cursor_moved(c, cursor, found, found);
    return status;
}

static uint64_t files_consumer_rewound(void *self) {
    files_consumer_t *c = self;
    uint64_t sum = 0;
    for (size_t i = 0; i < c->count; i++)
        sum += atomic_load(&c->cursors[i].rewound);
    return sum;
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static mofka_status_t files_consumer_acknowledge(void *self, size_t partition, uint64_t id) {
    files_consumer_t *c = self;
    cursor_t *cursor = consumer_find(c, partition);
    assert(cursor);
    pthread_mutex_lock(&c->lock);
    /* An event that was cut after it was given is not there any more. */
    if (cursor->next < id + 1 && id < cursor->given_end)
        cursor->next = id + 1;
    pthread_mutex_unlock(&c->lock);
    return MOFKA_OK;
}

static mofka_status_t files_consumer_acknowledged(void *self, size_t partition, uint64_t *next) {
    files_consumer_t *c = self;
    const cursor_t *cursor = consumer_find(c, partition);
    if (!cursor)
        return MOFKA_ERR_RANGE;
    pthread_mutex_lock(&c->lock);
    *next = cursor->next;
    pthread_mutex_unlock(&c->lock);
    return MOFKA_OK;
}

void mfi_files_sync_places(mfi_files_driver_t *driver) {
    mfi_assert_locked(&driver->lock);
    for (files_consumer_t *c = driver->consumers; c; c = c->next) {
        mofka_status_t status = files_consumer_publish(c);
        /* Without the consumer's lock: acknowledgements do not wait for the disk. */
        for (size_t i = 0; i < c->count && !status; i++)
            if (c->cursors[i].places)
                status = mfi_places_sync(c->cursors[i].places);
        if (status)
            mfi_log(MOFKA_LOG_WARN, "places of consumers: %s", mofka_last_error());
    }
}

/* ---- begin and end --------------------------------------------------------------------------- */

static mofka_status_t files_consumer_unsubscribe(void *self) {
    files_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&c->topic->driver->lock); /* the driver's thread may sync them */
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count && !status; i++) {
        cursor_t *cursor = &c->cursors[i];
        if (cursor->places && !(status = mfi_places_remove(cursor->places, cursor->slot))) {
            (void)mfi_places_sync(cursor->places);
            mfi_places_close(cursor->places);
            cursor->places = NULL;
        }
    }
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->topic->driver->lock);
    return status;
}

static void consumer_unlist(files_consumer_t *c) {
    mfi_files_driver_t *driver = c->topic->driver;
    pthread_mutex_lock(&driver->lock);
    files_consumer_t **at = &driver->consumers;
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    pthread_mutex_unlock(&driver->lock);
}

static mofka_status_t files_consumer_close(void *self) {
    files_consumer_t *c = self;
    mofka_status_t status = files_consumer_publish(c);
    consumer_unlist(c);
    for (size_t i = 0; i < c->count; i++) {
        cursor_t *cursor = &c->cursors[i];
        if (!cursor->places)
            continue;
        mfi_places_leave(cursor->places, cursor->slot);
        mfi_places_close(cursor->places);
        cursor->places = NULL;
    }
    return status;
}

static void files_consumer_destroy(void *self) {
    files_consumer_t *c = self;
    for (size_t i = 0; i < c->count; i++) {
        mfi_block_release(c->cursors[i].block);
        if (c->cursors[i].places)
            mfi_places_close(c->cursors[i].places);
        if (c->cursors[i].reader)
            mfi_reader_close(c->cursors[i].reader);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static const mofka_consumer_ops_t consumer_ops = {.size = sizeof consumer_ops,
                                                  .fetch = files_consumer_fetch,
                                                  .get_data = files_consumer_get_data,
                                                  .view_data = files_consumer_view_data,
                                                  .finish_data = files_consumer_finish_data,
                                                  .wait = files_consumer_wait,
                                                  .release_run = files_consumer_release_run,
                                                  .acknowledge = files_consumer_acknowledge,
                                                  .acknowledged = files_consumer_acknowledged,
                                                  .publish = files_consumer_publish,
                                                  .unsubscribe = files_consumer_unsubscribe,
                                                  .close = files_consumer_close,
                                                  .destroy = files_consumer_destroy,
                                                  .skip_damaged = files_consumer_skip_damaged,
                                                  .seek = files_consumer_seek,
                                                  .seek_time = files_consumer_seek_time,
                                                  .rewound = files_consumer_rewound};

/* Take the name's place; `place` is where a new name begins. */
static mofka_status_t cursor_join(cursor_t *cursor, const char *name, mfi_place_t *place) {
    bool fresh;
    mofka_status_t status = mfi_places_open(cursor->log, true, &cursor->places);
    if (!status)
        status = mfi_places_join(cursor->places, name, place, &fresh, &cursor->slot);
    if (status)
        return status;
    uint64_t id = mfi_reader_place(cursor->reader, place->life, place->id);
    if (id < place->id)
        mfi_log(MOFKA_LOG_WARN,
                "%s: consumer '%s' is set back from event %" PRIu64 " to %" PRIu64
                ", where the log was cut or torn",
                cursor->log->folder, name, place->id, id);
    atomic_fetch_add(&cursor->rewound, id < place->id ? place->id - id : 0);
    place->id = id;
    return MOFKA_OK;
}

/* Go where the consumer begins. */
static mofka_status_t cursor_begin(cursor_t *cursor, const mofka_consumer_config_t *config,
                                   bool observes) {
    mfi_place_t place = {.life = mfi_reader_life(cursor->reader)};
    mofka_status_t status = config->from_end ? mfi_reader_seek_end(cursor->reader, &place.id)
                                             : mfi_reader_oldest(cursor->reader, &place.id);
    if (!status && !observes)
        status = cursor_join(cursor, config->name, &place);
    if (status)
        return status;
    uint64_t id = place.id;
    status = mfi_reader_seek(cursor->reader, &id);
    cursor->lost = id > place.id ? id - place.id : 0; /* retention went on meanwhile */
    cursor->next = cursor->given_end = id;
    cursor->life = mfi_reader_life(cursor->reader);
    cursor->stored = UINT64_MAX;
    return status;
}

static mofka_status_t consumer_open(files_consumer_t *c, const mofka_consumer_config_t *config) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->count && !status; i++) {
        cursor_t *cursor = &c->cursors[i];
        cursor->partition = config->targets ? config->targets[i] : i;
        cursor->log = &c->topic->partitions[cursor->partition].log;
        status = mfi_reader_open(cursor->log, &cursor->reader);
        if (!status)
            status = cursor_begin(cursor, config, c->observes);
    }
    return status;
}

mofka_status_t mfi_files_make_consumer(void *self, const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **ops, void **consumer) {
    mfi_files_topic_t *topic = self;
    size_t count = config->targets ? config->target_count : topic->record.partitions;
    bool observes = false, skips_damaged = false;
    const mofka_option_t known[] = {
        {.key = "observe", .kind = MOFKA_OPTION_BOOL, .value = &observes},
        {.key = "skip_damaged", .kind = MOFKA_OPTION_BOOL, .value = &skips_damaged}};
    mofka_status_t status = mofka_options_read("consumer of a topic in files", config->options,
                                               known, sizeof known / sizeof known[0]);
    if (status)
        return status;
    files_consumer_t *c = calloc(1, sizeof *c + count * sizeof c->cursors[0]);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    c->topic = topic;
    c->count = count;
    c->observes = observes;
    c->skips_damaged = skips_damaged;
    pthread_mutex_init(&c->lock, NULL);
    status = consumer_open(c, config);
    if (status) {
        files_consumer_destroy(c);
        return status;
    }
    pthread_mutex_lock(&topic->driver->lock);
    c->next = topic->driver->consumers;
    topic->driver->consumers = c;
    pthread_mutex_unlock(&topic->driver->lock);
    *ops = &consumer_ops;
    *consumer = c;
    return MOFKA_OK;
}
