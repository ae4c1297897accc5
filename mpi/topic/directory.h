/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of a job's topics, in rank 0's share, and the arenas that hold their partitions.
 *
 * Each rank keeps the records that it has read:
 *
 *   header of rank 0's share        a look reads it at once            what it means
 *   directory_end                   as it was at the last look         nothing is new
 *                                   farther                            read the records behind it
 *   directory_changes               as it was                          what is known holds
 *                                   more                               read all; parse what changed
 *
 * So a look is one round trip, and two if something is new. A record that is being made is looked
 * at again by whoever finds it.
 *
 * Partitions are placed from the records, under the directory's lock (places.c): what lies between
 * those of all topics is free. No owner is asked.
 */
#ifndef MOFKA_MPI_TOPIC_DIRECTORY_H
#define MOFKA_MPI_TOPIC_DIRECTORY_H

#include <pthread.h>
#include "mpi/topic/topic.h"
#include "store/store.h"

struct cJSON;

/* Offset of the first record in rank 0's share. */
#define MMI_DIRECTORY_START MMI_PAGE_BYTES

/* ---- records.c ------------------------------------------------------------------------------- */

/* A record as it was read. It does not change, but for its state. */
typedef struct mmi_record {
    _Atomic int users;
    uint64_t at;            /* its offset */
    uint64_t length;        /* of its text */
    _Atomic uint64_t state; /* the word, as it was last seen */
    uint64_t name_check;    /* see mmi_name_check */
    bool damaged;           /* it is not what was stored; then `json` may be NULL, or wrong */
    bool reported;          /* statistics have; with their lock */
    const char *name;       /* in `json`; or "" */
    struct cJSON *json;     /* NULL: there is no topic, or the text is no JSON */
    mmi_topic_t *topic;     /* NULL: there is none, or the text describes none */
} mmi_record_t;

/* Bytes of an arena that a topic has. */
typedef struct mmi_extent {
    int owner;
    uint64_t start, end; /* offsets in the owner's share */
    const mmi_record_t *record;
} mmi_extent_t;

/* What a rank knows of the directory. */
typedef struct mmi_records {
    pthread_mutex_t lock;  /* guards the rest, but for the other lock; a leaf */
    mmi_record_t **list;   /* in the order of their offsets */
    size_t count, room;    /* of the list */
    uint64_t end;          /* bytes that were read */
    uint64_t changes;      /* `directory_changes` before they were */
    mmi_extent_t *extents; /* of all topics; by owner, then by start */
    size_t extent_count, extent_room;
    size_t unknown;             /* topics whose extents are not known: their records are damaged */
    pthread_mutex_t stats_lock; /* held while statistics are read; before the other lock */
} mmi_records_t;

/* The memory that topics are placed in, the same on all ranks. The driver fills it in, and owns
 * what it points to. */
typedef struct mmi_directory {
    mmi_window_t *w;
    int *owners; /* ranks whose arenas hold partitions, in the order of the option "owners" */
    size_t owner_count;
    uint64_t arena_bytes;               /* of each owner */
    uint64_t directory_bytes;           /* of rank 0, for records */
    const mofka_topic_ops_t *topic_ops; /* the table of each topic that is opened */
    mfi_store_t *store;                 /* borrow from the driver; NULL: the driver has no store */
    uint64_t stage_bytes;               /* of each owner, for staging; 0: the driver has no store */
    struct mmi_stage *stage;            /* borrow from the driver; NULL: the same */
    mmi_records_t records;
} mmi_directory_t;

/* How this rank reads and stores rank 0's header and records: in a node window, by processor on
 * rank 0's node. */
static inline mmi_window_t *mmi_directory_window(const mmi_directory_t *d) {
    return mmi_window_by_node(d->w, 0);
}
/* Offset of an owner's staging region in its share, and of its arena, which is behind that. */
uint64_t mmi_directory_stage_start(const mmi_directory_t *d, int rank);
uint64_t mmi_directory_arena_start(const mmi_directory_t *d, int rank);

void mmi_records_init(mmi_records_t *records);
void mmi_records_destroy(mmi_records_t *records);
/* For tests: know nothing, as at first. */
void mmi_records_forget(mmi_records_t *records);

/* What the words of a record before its text are. */
enum {
    MMI_RECORD_LENGTH,
    MMI_RECORD_STATE,
    MMI_RECORD_USERS,
    MMI_RECORD_CHECK,
    MMI_RECORD_NAME,
    MMI_RECORD_WORDS
};

/* How far the rank that creates a topic has come: see create.c. */
typedef enum mmi_making {
    MMI_MAKING = 1, /* the partitions must not be used yet */
    MMI_MADE,
    MMI_NOT_MADE /* there is no such topic: it could not be made, or it was deleted */
} mmi_making_t;

/* The parts of a record's state. */
#define MMI_STATE_MAKING_BITS 2
#define MMI_STATE_MAKER_BITS 24
#define MMI_INCARNATIONS (UINT64_C(1) << 30)
static_assert(MMI_STATE_MAKING_BITS + MMI_STATE_MAKER_BITS + 30 == MMI_SEAL_BITS, "one word");

static inline uint64_t mmi_record_state(mmi_making_t making, int maker, uint64_t incarnation) {
    assert(maker >= 0 && maker < 1 << MMI_STATE_MAKER_BITS && incarnation < MMI_INCARNATIONS);
    return mmi_seal(incarnation << (MMI_STATE_MAKING_BITS + MMI_STATE_MAKER_BITS) |
                    (uint64_t)maker << MMI_STATE_MAKING_BITS | (uint64_t)making);
}
static inline mmi_making_t mmi_state_making(uint64_t state) {
    return (mmi_making_t)(state & ((1 << MMI_STATE_MAKING_BITS) - 1));
}
static inline int mmi_state_maker(uint64_t state) {
    return (int)(state >> MMI_STATE_MAKING_BITS & ((1 << MMI_STATE_MAKER_BITS) - 1));
}
static inline uint64_t mmi_state_incarnation(uint64_t state) {
    return mmi_unseal(state) >> (MMI_STATE_MAKING_BITS + MMI_STATE_MAKER_BITS);
}
static inline mmi_making_t mmi_record_making(const mmi_record_t *record) {
    return mmi_state_making(atomic_load(&record->state));
}

/* The parts of a record's users word. Its upper half is twice the incarnation; 1 more once the
 * topic is being deleted. */
#define MMI_USERS_DELETED (UINT64_C(1) << 32)
static inline uint64_t mmi_users_count(uint64_t users) {
    return users & (MMI_USERS_DELETED - 1);
}
static inline uint64_t mmi_users_half(uint64_t users) {
    return users >> 32;
}

/* The size of a record with a text of `length` bytes. */
static inline uint64_t mmi_record_bytes(uint64_t length) {
    return MMI_RECORD_WORDS * sizeof(uint64_t) + mmi_round_up(length, 8);
}
/* The check of a record of these words. */
uint64_t mmi_record_check(const uint64_t *words, uint64_t length, uint64_t incarnation);

/* The words of the directory in rank 0's header. */
typedef struct mmi_directory_words {
    uint64_t end, next, high, changes;
} mmi_directory_words_t;

/* Have all records that are there when this is called. `words`: optional. MOFKA_ERR_CORRUPT: a word
 * of the header or the length of a record is damaged; what is known stays. MOFKA_ERR_MEMORY.
 * Blocks: until rank 0 answers, at most until `deadline`. */
mofka_status_t mmi_records_refresh(mmi_directory_t *d, int64_t deadline,
                                   mmi_directory_words_t *words);
/* This rank will store these words of a record. `length` is that of its text. `*record`: give,
 * mmi_record_release. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_records_prepare(mmi_directory_t *d, uint64_t at, const uint64_t *words,
                                   uint64_t length, mmi_record_t **record);
/* With the directory's lock, after a refresh that gave `before`: this rank has stored the record
 * (keep); the header's words will be `after`. */
void mmi_records_note(mmi_directory_t *d, mmi_record_t *record, const mmi_directory_words_t *before,
                      const mmi_directory_words_t *after);
/* This rank has stored the state of the record at `at`. */
void mmi_records_note_state(mmi_directory_t *d, uint64_t at, uint64_t state);
/* The known record of `index`. Give: mmi_record_release. NULL: there are fewer. */
mmi_record_t *mmi_records_get(mmi_directory_t *d, size_t index);
void mmi_record_release(mmi_record_t *record);
/* Find a topic among the known records. Give: mmi_record_release; NULL: there is no topic of that
 * name. MOFKA_ERR_CORRUPT: a damaged record is that topic's. */
mofka_status_t mmi_records_find(mmi_directory_t *d, const char *name, int64_t deadline,
                                mmi_record_t **record);
/* Among the known records that are not made, one with the least room for a text of `length` bytes.
 * Give: mmi_record_release. NULL: there is none. */
mmi_record_t *mmi_records_find_free(mmi_directory_t *d, uint64_t length);
/* Read the state of a record again. A topic that was deleted meanwhile is not made. Blocks: until
 * rank 0 answers, at most until `deadline`. */
mofka_status_t mmi_record_look(const mmi_directory_t *d, mmi_record_t *record, int64_t deadline);
/* MOFKA_ERR_CORRUPT, with a message that names the record of a damaged topic. */
mofka_status_t mmi_record_damaged(const mmi_record_t *record);

/* ---- places.c -------------------------------------------------------------------------------- */

/* With the records' lock: have memory for the places of a topic. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_places_reserve(mmi_records_t *records, const mmi_record_t *record);
/* With the records' lock: a topic is known, or no more. MOFKA_ERR_MEMORY: nothing has changed. */
mofka_status_t mmi_places_add(mmi_records_t *records, const mmi_record_t *record);
void mmi_places_remove(mmi_records_t *records, const mmi_record_t *record);
/* With the directory's lock, after a refresh: give `count` partitions places: the geometry is set.
 * `*next` is the owner's turn. `*high` grows. MOFKA_ERR_FULL. */
mofka_status_t mmi_places_find(mmi_directory_t *d, mmi_partition_t *partitions, size_t count,
                               uint64_t *next, uint64_t *high);

/* ---- directory.c, create.c, delete.c --------------------------------------------------------- */

/* Slots of a driver's table; see mofka_driver_ops_t. */
mofka_status_t mmi_directory_create_topic(mmi_directory_t *d, const mofka_topic_config_t *config);
/* The same for a topic that the store has, with that many partitions. */
mofka_status_t mmi_directory_resume_topic(mmi_directory_t *d, const mofka_topic_config_t *config,
                                          size_t partitions);
mofka_status_t mmi_directory_open_topic(mmi_directory_t *d, const char *name, int64_t deadline,
                                        mofka_topic_made_t *made);
mofka_status_t mmi_directory_has_topic(mmi_directory_t *d, const char *name, bool *exists);
mofka_status_t mmi_directory_list_topics(mmi_directory_t *d, mofka_topic_visit_fn visit,
                                         void *context);
mofka_status_t mmi_directory_delete_topic(mmi_directory_t *d, const char *name);

/* Whether the rank that was making the record's topic is proven dead: it will never be made. */
bool mmi_record_is_abandoned(const mmi_directory_t *d, mmi_record_t *record);
/* With the directory's lock: delete such a topic. `before`: the words of the header. */
mofka_status_t mmi_directory_bury(mmi_directory_t *d, mmi_record_t *record,
                                  const mmi_directory_words_t *before);

/* The directory's lock. */
mofka_status_t mmi_directory_lock(const mmi_directory_t *d);
void mmi_directory_unlock(const mmi_directory_t *d);
/* It is taken; asserted where a load costs next to nothing. */
#define mmi_directory_assert_locked(d)                                                             \
    assert(!mmi_directory_window(d)->ops->loads_are_cheap ||                                       \
           mmi_directory_window(d)->ops->load(mmi_directory_window(d), 0,                          \
                                              offsetof(mmi_share_t, directory_lock)) != 0)

/* The topic that a record describes. What it says of memory is checked against the arenas.
 * `*topic`: give, mmi_topic_destroy. MOFKA_ERR_CORRUPT, MOFKA_ERR_MEMORY. */
mofka_status_t mmi_topic_create(const mmi_directory_t *d, const struct cJSON *record,
                                mmi_topic_t **topic);
/* Add a number in digits. (A number of cJSON is a double, and its point is as the locale has it.)
 * False: no memory. */
bool mmi_record_add_number(struct cJSON *object, const char *key, uint64_t number);

#endif
