/* SPDX-License-Identifier: BSD-3-Clause */
/* The directory of a job's topics, in rank 0's share, and the arenas that hold their partitions. */
#ifndef MOFKA_MPI_TOPIC_DIRECTORY_H
#define MOFKA_MPI_TOPIC_DIRECTORY_H

#include "mpi/topic/topic.h"

struct cJSON;

/* Offset of the first record in rank 0's share. */
#define MMI_DIRECTORY_START MMI_PAGE_BYTES

/* The memory that topics are placed in, the same on all ranks. The driver fills it in, and owns
 * what it points to. */
typedef struct mmi_directory {
    mmi_window_t *w;
    int *owners; /* ranks whose arenas hold partitions, in the order of the option "owners" */
    size_t owner_count;
    uint64_t arena_bytes;               /* of each owner */
    uint64_t directory_bytes;           /* of rank 0, for records */
    const mofka_topic_ops_t *topic_ops; /* the table of each topic that is opened */
} mmi_directory_t;

/* Offset of a rank's arena in its share. */
uint64_t mmi_directory_arena_start(const mmi_directory_t *d, int rank);

/* What the words of a record before its text are. */
enum { MMI_RECORD_LENGTH, MMI_RECORD_STATE, MMI_RECORD_CHECK, MMI_RECORD_NAME, MMI_RECORD_WORDS };

/* How far the rank that creates a topic has come: see create.c. */
typedef enum mmi_making {
    MMI_MAKING = 1, /* the partitions must not be used yet */
    MMI_MADE,
    MMI_NOT_MADE /* it failed: there is no such topic */
} mmi_making_t;

/* A record as it was read. */
typedef struct mmi_record {
    mmi_making_t making;
    int maker;           /* the rank */
    bool damaged;        /* it is not what was stored; then `json` may be NULL, or wrong */
    uint64_t at;         /* its offset */
    uint64_t name_check; /* see mmi_name_check */
    struct cJSON *json;  /* not damaged, and NULL: the list ends here */
} mmi_record_t;

/* The word of a record that says so. */
static inline uint64_t mmi_record_state(mmi_making_t making, int maker) {
    return mmi_seal((uint64_t)maker << 2 | (uint64_t)making);
}

/* The size of a record with a text of `length` bytes. */
static inline uint64_t mmi_record_bytes(uint64_t length) {
    return MMI_RECORD_WORDS * sizeof(uint64_t) + mmi_round_up(length, 8);
}
/* The check of a record of these words. */
uint64_t mmi_record_check(const uint64_t *words, uint64_t length);
/* Read the record at `*at` and move `*at` behind it. `*record`: give, mmi_record_end.
 * MOFKA_ERR_CORRUPT: the record's length is damaged, so the list cannot be read on. Blocks: until
 * rank 0 answers, at most until `deadline`. */
mofka_status_t mmi_directory_next(const mmi_directory_t *d, uint64_t *at, int64_t deadline,
                                  mmi_record_t *record);
/* Read `making` again. Blocks: until rank 0 answers, at most until `deadline`. */
mofka_status_t mmi_record_look(const mmi_directory_t *d, mmi_record_t *record, int64_t deadline);
/* MOFKA_ERR_CORRUPT, with a message that names the record of a damaged topic. */
mofka_status_t mmi_record_damaged(const mmi_record_t *record);
/* Free what a record has. */
void mmi_record_end(mmi_record_t *record);

/* Slots of a driver's table; see mofka_driver_ops_t. */
mofka_status_t mmi_directory_create_topic(const mmi_directory_t *d,
                                          const mofka_topic_config_t *config);
mofka_status_t mmi_directory_open_topic(const mmi_directory_t *d, const char *name,
                                        int64_t deadline, mofka_topic_made_t *made);
mofka_status_t mmi_directory_has_topic(const mmi_directory_t *d, const char *name, bool *exists);
mofka_status_t mmi_directory_list_topics(const mmi_directory_t *d, mofka_topic_visit_fn visit,
                                         void *context);

/* The topic that a record describes. What it says of memory is checked against the arenas.
 * `*topic`: give, mmi_topic_destroy. MOFKA_ERR_CORRUPT, MOFKA_ERR_MEMORY. */
mofka_status_t mmi_topic_create(const mmi_directory_t *d, const struct cJSON *record,
                                mmi_topic_t **topic);
/* Add a number in digits. (A number of cJSON is a double, and its point is as the locale has it.)
 * False: no memory. */
bool mmi_record_add_number(struct cJSON *object, const char *key, uint64_t number);

#endif
