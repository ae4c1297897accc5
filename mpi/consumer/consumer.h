/* SPDX-License-Identifier: BSD-3-Clause */
/* A consumer of an MPI topic, and its reader in each partition. */
#ifndef MOFKA_MPI_CONSUMER_CONSUMER_H
#define MOFKA_MPI_CONSUMER_CONSUMER_H

#include <mofka/backend.h>
#include <mofka/options.h>
#include "mpi/clerk/clerk.h"
#include "mpi/topic/topic.h"

/* Events of one run, at most. It bounds a consumer's memory however large batches are, and keeps a
 * run in a core's cache from fetch to release. */
#define MMI_RUN_EVENTS_MAX 1024

/* With checksums: what the data of an event is compared with, once it is copied. */
typedef struct mmi_data_check {
    const mofka_data_view_t *view; /* borrow, until finish_data; NULL: not all of it was copied */
    uint32_t sum;
    bool known; /* it was compared when it was read */
} mmi_data_check_t;

typedef struct mmi_run {
    mofka_run_t run;
    const mmi_partition_t *p;
    bool may_lose;            /* as its reader's */
    mmi_data_check_t *checks; /* for each event; NULL: without checksums. A part of this memory, */
    char *texts;              /* as these, which are metadata, */
    const char *payload;      /* and this, the payload from payload_from on; NULL: not read yet */
    uint64_t payload_from;
    mofka_fetched_event_t events[];
} mmi_run_t;

/* Payload that came with entries: see payload.c. */
#define MMI_PAYLOAD_BYTES 65536
typedef struct mmi_payload {
    uint64_t from; /* position in the log */
    size_t count;
    bool certain; /* it was read after the flags of its batches */
    char bytes[MMI_PAYLOAD_BYTES];
} mmi_payload_t;

/* The end of a batch that acknowledgements have not reached yet. */
typedef struct mmi_mark {
    uint64_t end;   /* id behind the batch */
    uint64_t units; /* the payload's end; where its last entry was damaged, at most that */
    uint64_t
        needs; /* acknowledgements reach it here; before `end` if its last events were skipped */
    uint64_t unsettled; /* where the batch begins + 1, if its flag was not settled; else 0 */
} mmi_mark_t;

/* How a fetch gives metadata. */
typedef enum mmi_form {
    MMI_FORM_TERMINATED, /* copied, with a NUL byte behind each */
    MMI_FORM_PACKED,     /* copied as it is stored */
    MMI_FORM_IN_PLACE    /* shown in the window, where it does not wrap */
} mmi_form_t;

/* All but `acknowledged` belongs to the one thread that fetches. */
typedef struct mmi_reader {
    const mmi_partition_t *p;
    size_t place;           /* in the partition's table; MMI_CONSUMERS_MAX: none */
    uint64_t name_check;    /* for that place's state */
    bool fresh;             /* the name was new in the partition */
    bool may_lose;          /* retention does not wait for it: the head may pass it */
    bool evicted;           /* that was seen: see mmi_reader_is_evicted */
    int64_t standing_ms;    /* the monotonic time of the last look at that */
    uint64_t next;          /* id to read next */
    uint64_t batch_end;     /* end of the batches whose flags were read; == next: of none */
    uint64_t batch_start;   /* where the batch that `next` is in begins */
    uint64_t settled_below; /* batches from there up to it have settled flags */
    bool expects;           /* more events are likely to be there */
    bool guessed;           /* this look read entries and payload before it knew the flags */
    bool shows;             /* it is a zero-copy consumer's */
    mmi_form_t form;        /* of the fetch under way */
    bool late;              /* some bytes of an event under an unsettled flag are not there yet */
    uint64_t held; /* the end of a batch that acknowledgements have reached, and whose flag was not
                    * settled; 0: none */
    int64_t held_ms; /* since then, of the monotonic clock */
    /* Bit id % MMI_RUN_EVENTS_MAX: a batch ends with event `id`, of those from next on; not that at
     * batch_end. */
    uint64_t ends[MMI_RUN_EVENTS_MAX / 64];
    mmi_chain_t chain;              /* what the entry of `next` must follow */
    uint64_t stamp;                 /* of the first batch of the run under way; 0: unknown */
    uint64_t skip_below;            /* ids below were acknowledged before, or counted as lost */
    uint64_t complete;              /* the partition's word, once it is not 0 */
    uint64_t lost;                  /* events to report as lost */
    bool skips_damaged;             /* the option "skip_damaged" */
    bool reported;                  /* the last fetch reported damage at `next` */
    _Atomic uint64_t voided;        /* events that were void */
    int64_t dead_ms;                /* the monotonic time of the last look at who holds a hole */
    uint64_t asked_at;              /* far: the event that its owner is asked to look at, */
    int64_t asked_ms, ask_after_ms; /* when it was asked last, and how much later it is next */
    /* Events whose metadata was damaged, for statistics, and the id behind the last one of them. */
    _Atomic uint64_t metadata_damaged;
    uint64_t damage_end;
    /* An id, and the flag in its slot, which looks like more than it is: the event is not stored.
     */
    uint64_t idle_at, idle_flag;
    uint64_t seen_at, seen_flag;   /* the last look at a flag: this id's, under which is no event */
    uint64_t watched_at;           /* the id whose flag the owner watches; MMI_UNWATCHED: none */
    int64_t watched_ms;            /* since then */
    bool told;                     /* the owner may still watch or look for this reader */
    bool forgets;                  /* the owner was asked to forget, and answers to this reader */
    _Atomic uint64_t acknowledged; /* next unacknowledged id; any thread raises it */
    uint64_t published;            /* what the window holds of it */
    mmi_place_t kept;              /* a batch begins there, from which on all is kept for it */
    mmi_mark_t rung;               /* the mark at which the room bell was last rung */
    mmi_place_t trim_to;           /* the head may move there, and should; no events: not now */
    mmi_mark_t *marks;             /* ring of batch ends, oldest first */
    size_t mark_first, mark_count, mark_room;
    bool any_unsettled;      /* there may be a mark that is not settled */
    uint64_t run_data_bytes; /* data of a run, at most */
    /* The consumer's buffers: for MMI_RUN_EVENTS_MAX entries, for as many sums, and for payload;
     * NULL: where a load costs next to nothing. */
    mmi_entry_t *entries;
    uint64_t *sums;
    mmi_payload_t *payload;
    uint64_t *words;    /* MMI_RUN_WORDS_MAX */
    uint64_t newest_ns; /* the latest time when a batch was stored that this reader has seen */
    /* Of a topic with storage: see behind.c. */
    const mmi_topic_t *topic;             /* borrow */
    struct mmi_log *log;                  /* its files; NULL: there are none */
    bool behind;                          /* it reads the files, or is to */
    bool ringless;                        /* it reads the files only: the log cannot be written */
    bool waits_durable;                   /* nothing else is delivered */
    uint64_t oldest;                      /* event of the files, when it joined */
    uint64_t rewound;                     /* events by which its name was set back */
    bool was_rewound;                     /* the storage page says so still */
    size_t event_payload, event_metadata; /* bytes of an event of the last run; at first a guess */
    size_t run_events;                    /* events that the last look found; likewise */
} mmi_reader_t;

#define MMI_UNWATCHED UINT64_MAX

/* Data that is copied from the ring, of a topic with storage. */
typedef struct mmi_wanted {
    size_t index; /* of the event in its run */
    size_t range_count;
    mofka_range_t *ranges;   /* owned */
    mofka_data_view_t *view; /* borrow, until finish_data */
} mmi_wanted_t;

typedef struct mmi_consumer {
    mmi_topic_t *topic; /* borrow: the core's handle keeps the topic open longer */
    bool entered;       /* it counts as a user of the topic */
    bool closing;       /* close or unsubscribe was called */
    mmi_entry_t *entries;
    uint64_t *sums;
    mmi_payload_t *payload;
    uint64_t words[MMI_RUN_WORDS_MAX];
    bool unsafe;  /* MPI failed before the consumer left: it may still write into its buffers */
    bool copying; /* data is on its way: finish_data has to flush */
    mmi_piece_t *pieces; /* of the selection under way; reused */
    size_t piece_count, piece_room;
    size_t turn;          /* the reader to ask first */
    mmi_waiter_t *waiter; /* borrow; NULL: waits without rings of owners */
    int lost_rings;       /* in a row */
    int64_t count_ms;     /* the last look at the topic's producers, while it waits */
    bool completed;       /* that look has ended the topic */
    int64_t nap_us;       /* the next sleep; 0: something was found */
    mmi_wanted_t *wanted; /* of a topic with storage */
    size_t wanted_count, wanted_room;
    size_t wanted_done; /* of a run of files that the owner reads */
    bool trims_later;   /* whoever calls fetch has another thread call mmi_consumer_trim */
    size_t partition_count;
    mmi_reader_t **by_partition; /* NULL: not one of this consumer's */
    size_t reader_count;
    mmi_reader_t readers[];
} mmi_consumer_t;

/* ---- consumer.c ---- */

/* Whether MPI has failed on an owner that this consumer reads from. */
mofka_status_t mmi_consumer_check(const mmi_consumer_t *c);
/* Whether fetch, wait, get_data and finish_data call no MPI, but for trims: all its partitions are
 * this rank's own. */
bool mmi_consumer_is_near(const mmi_consumer_t *c);
/* Whether nothing but joining and leaving calls MPI: all its partitions are in this node's memory,
 * whose words processors change. */
bool mmi_consumer_has_addresses(const mmi_consumer_t *c);
/* Whether mmi_consumer_trim has something to do. */
bool mmi_consumer_wants_trim(const mmi_consumer_t *c);
/* Move the heads that should be moved. Calls MPI. */
void mmi_consumer_trim(mmi_consumer_t *c);
/* Undo mmi_consumer_create: a consumer that nobody was given. A new name is freed. */
void mmi_consumer_undo(void *consumer);
/* A slot of a topic's table; see mofka_topic_ops_t. */
mofka_status_t mmi_consumer_create(void *self, const mofka_consumer_config_t *config,
                                   const mofka_consumer_ops_t **ops, void **consumer);

/* ---- join.c ---- */

/* Take the name's place in the partition. MOFKA_ERR_BUSY, MOFKA_ERR_FULL, MOFKA_ERR_TIMEOUT,
 * MOFKA_ERR_CORRUPT. Blocks: on the partition's lock, at most until `deadline`. */
mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end, int64_t deadline);
/* The same, for a consumer of rank `rank`. */
mofka_status_t mmi_reader_join_for(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                                   bool from_end, int rank, int64_t deadline);
/* The owner: what a reader of another node begins with, once this one has joined for it. */
void mmi_reader_describe_join(const mmi_reader_t *r, uint64_t results[MMI_RESULT_WORDS]);
/* Read the partition without a name, and without a place. */
mofka_status_t mmi_reader_observe(mmi_reader_t *r, const mmi_partition_t *p, bool from_end);
/* Give the place up: `state` MMI_CONSUMER_FREE frees the name, MMI_CONSUMER_AWAY keeps its cursor.
 * A second call does nothing. Blocks: as mmi_reader_join. */
mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state, int64_t deadline);
static inline bool mmi_reader_has_place(const mmi_reader_t *r) {
    return r->place < MMI_CONSUMERS_MAX;
}
/* Whether a user has given the reader's name up. What was read before the call, where loads are
 * cheap, was there if not. Else it looks at most every 100 ms, and waits for the owner. */
bool mmi_reader_is_evicted(mmi_reader_t *r);
/* MOFKA_ERR_CLOSED, with a message that says so. */
mofka_status_t mmi_reader_fail_evicted(const mmi_reader_t *r);
/* The offset of this reader's word in an array of the control block. */
static inline size_t mmi_reader_field(const mmi_reader_t *r, size_t array) {
    assert(mmi_reader_has_place(r));
    return array + 8 * r->place;
}

/* ---- reader.c ---- */

/* What a run takes of the entries that were read. */
typedef struct mmi_measure {
    size_t count;      /* of its events; 0: the first entry is damaged */
    size_t bytes;      /* of their metadata */
    uint64_t data;     /* bytes of their data */
    mmi_chain_t chain; /* what the entry behind them must follow */
} mmi_measure_t;

/* Check `found` entries that were read, up to the first that is damaged, or too much for a run. */
void mmi_reader_measure(const mmi_reader_t *r, size_t found, mmi_measure_t *run);
/* The next `count` entries are delivered: mark the batch ends among them, and move `next`. `chain`:
 * what the entry behind them must follow. */
mofka_status_t mmi_reader_advance(mmi_reader_t *r, size_t count, const mmi_chain_t *chain);
/* Read on at `id`, where a batch begins, whose payload begins at `units` or behind. */
void mmi_reader_go_to(mmi_reader_t *r, uint64_t id, uint64_t units);
/* Forget the batch ends among `count` events from `next` on. */
void mmi_reader_clear_ends(mmi_reader_t *r, uint64_t count);
/* The end of the batch of event `id`, of those from next on; batch_end at the end of all. */
uint64_t mmi_reader_end_of_batch(const mmi_reader_t *r, uint64_t id);
/* Whether a flag in the slot of `next` says more than that no batch is stored there yet. */
bool mmi_reader_is_news(const mmi_reader_t *r, uint64_t flag);
/* Mark the end of a batch that was passed. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_reader_mark(mmi_reader_t *r, mmi_mark_t mark);
/* Raise the next unacknowledged id. */
void mmi_reader_acknowledge(mmi_reader_t *r, uint64_t next);
/* Forget the marks at or below the head: the reader was overtaken. */
void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head);
/* Read from batch start `at` on, also backwards. The marks behind it are forgotten. `units`: as
 * mmi_reader_go_to. Events below `deliver` are passed. */
void mmi_reader_go_back(mmi_reader_t *r, mmi_place_t at, uint64_t deliver);
/* The last batch start that is kept for the reader and is not behind `id`: the end of a marked
 * batch, or `kept`. */
mmi_place_t mmi_reader_find_batch(const mmi_reader_t *r, uint64_t id);
/* *ended: the topic is complete, and all its events were read. MOFKA_ERR_CORRUPT: the word that
 * says so is damaged. */
mofka_status_t mmi_reader_has_ended(mmi_reader_t *r, bool *ended);
/* Publish acknowledged batches; with `all` also the exact id. */
mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all);
/* For the next function: `trim_to` is set. */
void mmi_reader_trim_now(mmi_reader_t *r);
/* Move the head to `trim_to`, if that is set. */
static inline void mmi_reader_trim(mmi_reader_t *r) {
    if (r->trim_to.events != 0)
        mmi_reader_trim_now(r);
}
/* Free what the reader owns. */
void mmi_reader_destroy(mmi_reader_t *r);

/* ---- behind.c: of a topic with storage ------------------------------------------------------- */

/* Before the reader joins: wait for the log, and open its files. Blocks: at most until `deadline`.
 */
mofka_status_t mmi_behind_open(mmi_reader_t *r, const mmi_topic_t *topic, size_t partition,
                               int64_t deadline);
void mmi_behind_close(mmi_reader_t *r);
/* Files that the owner reads: this thread waits for each answer about `left_ms`; a thread of the
 * agent longer. What mmi_stage_patience_ms was, to be stored there again. */
int64_t mmi_behind_be_patient(int64_t left_ms);
/* Whether the owner has not answered a request for its files; then `text` says so. */
bool mmi_behind_is_late(const mmi_reader_t *r, char *text, size_t bytes);
/* As mmi_reader_fetch, _has_ended, _has_news and _publish. */
mofka_status_t mmi_behind_fetch(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                mofka_run_t **run);
mofka_status_t mmi_behind_has_ended(mmi_reader_t *r, bool *ended);
bool mmi_behind_has_news(mmi_reader_t *r, size_t *ended);
mofka_status_t mmi_behind_publish(mmi_reader_t *r, bool all);
/* Go on behind damage of the files. */
mofka_status_t mmi_behind_skip(mmi_reader_t *r, uint64_t *skipped);
/* Slots of the consumer's table. */
mofka_status_t mmi_behind_get_data(void *self, mofka_run_t *run, size_t index,
                                   const mofka_range_t *ranges, size_t range_count,
                                   mofka_data_view_t *view);
mofka_status_t mmi_behind_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                      size_t *overtaken);
void mmi_behind_release_run(void *self, mofka_run_t *run);
void mmi_behind_free(mmi_consumer_t *c);

/* ---- seek.c: slots of the consumer's table ---- */

mofka_status_t mmi_consumer_seek(void *self, size_t partition, uint64_t id);
mofka_status_t mmi_consumer_seek_time(void *self, size_t partition, uint64_t time_ns);
uint64_t mmi_consumer_rewound(void *self);

/* ---- pass.c ---- */

/* Pass stored batches that end at or before `skip_below`. *more: the next call can pass more. If a
 * batch cannot be passed, because it is not stored or its entry is damaged, *more is false. */
mofka_status_t mmi_reader_pass(mmi_reader_t *r, bool *more);

/* ---- damage.c ---- */

/* Find out what is wrong with the event at `next`, of which a read was not right. *damage: none if
 * it is right by now, or not stored yet. */
mofka_status_t mmi_reader_find_damage(mmi_reader_t *r, mmi_damage_t *damage);
/* MOFKA_ERR_CORRUPT, with a message; with the option "skip_damaged", pass the damage. */
mofka_status_t mmi_reader_meet_damage(mmi_reader_t *r, const mmi_damage_t *damage);
/* A slot of the consumer's table. */
mofka_status_t mmi_consumer_skip_damaged(void *self, uint64_t *skipped);

/* ---- read_run.c ---- */

/* The next run of at most `events_max` events; give, free(). MOFKA_ERR_TIMEOUT: no events. */
mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                mofka_run_t **run);
/* A run of `count` events with room for `metadata_bytes`, twice, and a NUL for each event, and for
 * `payload_bytes`; give, free(). NULL: no memory. */
mmi_run_t *mmi_run_create(const mmi_reader_t *r, size_t count, size_t metadata_bytes,
                          size_t payload_bytes);

/* ---- in_place.c ---- */

/* Whether the next run may be filled by mmi_reader_show, if its flags are settled. */
bool mmi_reader_can_show(const mmi_reader_t *r);
/* Fill the run with events from `next` on, of `found` that are published and whose slots do not
 * wrap. Passes their chain. Returns the number of those in front of one that is damaged, or whose
 * metadata wraps. Of each whole batch, the last entry is in `entries`. */
size_t mmi_reader_show(mmi_reader_t *r, size_t found, mmi_run_t *run, mmi_chain_t *chain);

/* ---- payload.c ---- */

/* Give: free(). NULL: no memory. */
mmi_payload_t *mmi_payload_create(void);
/* Whether the reader reads more than it knows to be there: where each read is a round trip. */
static inline bool mmi_reader_guesses(const mmi_reader_t *r) {
    return r->payload && !mmi_window_is_near(r->p->w, r->p->owner);
}
/* For the next function: the reader guesses. */
void mmi_payload_get_more(mmi_reader_t *r, size_t count);
/* Start to read what `count` events from `next` on may have. There after a flush. */
static inline void mmi_payload_guess(mmi_reader_t *r, size_t count) {
    if (mmi_reader_guesses(r))
        mmi_payload_get_more(r, count);
}
/* Bytes of the log, if they were read; else NULL. */
const char *mmi_payload_find(const mmi_reader_t *r, uint64_t position, size_t bytes);
/* For the next function: not all flags of their batches are settled. */
size_t mmi_payload_fit_early(const mmi_reader_t *r, size_t count);
/* Of `count` events whose entries are good: how many can be checked, if they have to be. */
static inline size_t mmi_payload_fit(const mmi_reader_t *r, size_t count) {
    assert(count >= 1);
    return r->next + count <= r->settled_below ? count : mmi_payload_fit_early(r, count);
}
/* For the next function: where each read is a round trip. */
mofka_status_t mmi_payload_get_all(mmi_reader_t *r, size_t count);
/* Read all of their payload, if it has to be checked, or if it is small and its data is wanted. */
static inline mofka_status_t mmi_payload_need(mmi_reader_t *r, size_t count) {
    return r->payload ? mmi_payload_get_all(r, count) : MOFKA_OK;
}
/* For the next function: where each read is a round trip. */
void mmi_payload_learn(mmi_reader_t *r, size_t count, size_t metadata_bytes);
/* Such events were read: the next ones may be like them. */
static inline void mmi_payload_note(mmi_reader_t *r, size_t count, size_t metadata_bytes) {
    if (r->payload)
        mmi_payload_learn(r, count, metadata_bytes);
}
/* Whether the data of event `id` has to be compared before it counts, if it is there. */
static inline bool mmi_payload_is_early(const mmi_reader_t *r, uint64_t id) {
    return id >= r->settled_below || (r->payload && !r->payload->certain);
}
/* For the next function: with checksums. */
size_t mmi_payload_check_sums(const mmi_reader_t *r, const mofka_run_t *run);
/* How many events at the start of the run are what their sums say; those that the reader skips are
 * not looked at. */
static inline size_t mmi_payload_check(const mmi_reader_t *r, const mofka_run_t *run) {
    return r->p->checksums ? mmi_payload_check_sums(r, run) : run->event_count;
}

/* ---- data.c: slots of the consumer's table; see mofka_consumer_ops_t ---- */

mofka_status_t mmi_consumer_get_data(void *self, mofka_run_t *run, size_t index,
                                     const mofka_range_t *ranges, size_t range_count,
                                     mofka_data_view_t *view);
mofka_status_t mmi_consumer_view_data(void *self, mofka_run_t *run, size_t index,
                                      const mofka_range_t *ranges, size_t range_count,
                                      mofka_data_view_t **view);
mofka_status_t mmi_consumer_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                        size_t *overtaken);

/* ---- ring.c ---- */

/* Be rung by owners from now on, if they run progress threads and are other ranks. */
mofka_status_t mmi_consumer_begin_rings(mmi_consumer_t *c);
/* No owner rings from now on. MOFKA_ERR_TIMEOUT: one has not answered. */
mofka_status_t mmi_consumer_end_rings(mmi_consumer_t *c);
/* Whether owners ring when there is something new. */
bool mmi_consumer_may_be_rung(const mmi_consumer_t *c);
/* Then: as mmi_consumer_wait. */
mofka_status_t mmi_consumer_wait_for_rings(mmi_consumer_t *c, int64_t deadline);
/* The readers found nothing, for a while perhaps: what dead ranks have reserved there becomes void,
 * here or by the owner. */
void mmi_consumer_pass_dead(mmi_consumer_t *c);

/* ---- wait.c: the others are slots of the consumer's table ---- */

/* Look whether there is something to fetch, or damage to report. `*ended` grows if nothing will
 * come any more. */
bool mmi_reader_has_news(mmi_reader_t *r, size_t *ended);
/* The same of the ring alone. */
bool mmi_reader_has_ring_news(mmi_reader_t *r, size_t *ended);
mofka_status_t mmi_consumer_wait(void *self, int64_t timeout_ms);
void mmi_consumer_describe_wait(void *self, char *text, size_t bytes);

#endif
