/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics that many ranks create, open, use and delete at once. */
#include "support/stress/topics.h"
#include "support/check.h"

#include <malloc.h>

#define TOPICS 3
#define EVENTS 12
#define PULLS 20
/* What malloc keeps of freed pieces counts as used: seven of each size up to 1 KiB. */
#define GROWTH_BYTES 262144

#define SANE(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: %s: %s\n", s->rank, __LINE__, #condition,           \
                    mofka_last_error());                                                           \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

typedef struct topics_state {
    mofka_driver_t *driver;
    int rank;
    uint64_t seed;
    topics_counts_t *counts;
    mofka_topic_t *topics[TOPICS]; /* handles, perhaps of topics that were deleted */
    int marks[TOPICS];             /* which topic of that name each is */
    int made;
} topics_state_t;

static const char *const topic_names[TOPICS] = {"a", "topic-b", "the-third-topic-which-is-c"};

/* The number of events of a partition says which topic it is. */
static bool topics_create(topics_state_t *s, int which) {
    char options[128];
    int mark = 64 + s->rank + 8 * (s->made++ % 500);
    snprintf(options, sizeof options,
             "{\"partitions\":%u,\"partition_bytes\":65536,\"partition_events\":%d,"
             "\"retention\":\"discard_oldest\"}",
             1 + next_random(&s->seed) % 2, mark);
    mofka_status_t status = mofka_driver_create_topic(s->driver, topic_names[which],
                                                      &(mofka_topic_options_t){.options = options});
    SANE(!status || status == MOFKA_ERR_EXISTS);
    s->counts->created += !status;
    s->counts->existed += status == MOFKA_ERR_EXISTS;
    return true;
}

static bool topics_open(topics_state_t *s, int which) {
    mofka_topic_t *topic;
    mofka_metadata_t *info;
    mofka_status_t status = mofka_driver_open_topic(s->driver, topic_names[which], 0, &topic);
    s->counts->missing += status == MOFKA_ERR_NOT_FOUND;
    SANE(!status || status == MOFKA_ERR_NOT_FOUND || status == MOFKA_ERR_TIMEOUT);
    if (status)
        return true;
    s->counts->opened++;
    mofka_topic_release(s->topics[which]);
    s->topics[which] = topic;
    SANE(!mofka_topic_partition_info(topic, 0, &info));
    const char *text = strstr(mofka_metadata_text(info, NULL), "\"events\":");
    SANE(text);
    s->marks[which] = atoi(text + strlen("\"events\":"));
    mofka_metadata_release(info);
    return true;
}

/* What came of an attempt to use a handle. `*used`: it worked. */
static bool topics_used(topics_state_t *s, mofka_status_t status, bool *used) {
    *used = !status;
    SANE(!status || status == MOFKA_ERR_NOT_FOUND);
    SANE(!status || strstr(mofka_last_error(), "was deleted"));
    s->counts->refused += status != MOFKA_OK;
    return true;
}

static bool topics_push(topics_state_t *s, int which) {
    mofka_producer_t *producer;
    bool used;
    if (!topics_used(s, mofka_producer_create(s->topics[which], NULL, &producer), &used) || !used)
        return used == false;
    for (int i = 0; i < EVENTS; i++) {
        char text[128];
        int bytes = snprintf(text, sizeof text, "{\"topic\":\"%s\",\"mark\":%d,\"rank\":%d}",
                             topic_names[which], s->marks[which], s->rank);
        mofka_status_t status =
            mofka_producer_push(producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION, NULL);
        SANE(!status);
        s->counts->pushed++;
    }
    mofka_status_t status = mofka_producer_close(producer, 60000);
    SANE(!status);
    mofka_producer_release(producer);
    return true;
}

static bool topics_check_event(const topics_state_t *s, int which, mofka_event_t *event) {
    char text[128];
    snprintf(text, sizeof text, "{\"topic\":\"%s\",\"mark\":%d,\"rank\":", topic_names[which],
             s->marks[which]);
    const char *metadata = mofka_event_metadata_text(event, NULL);
    bool good = strncmp(metadata, text, strlen(text)) == 0;
    if (!good)
        fprintf(stderr, "rank %d: %s... was expected, not %s\n", s->rank, text, metadata);
    return good;
}

static bool topics_pull(topics_state_t *s, int which) {
    char name[16];
    mofka_consumer_t *consumer;
    bool used;
    snprintf(name, sizeof name, "rank-%d", s->rank);
    const mofka_consumer_options_t options = {.name = name};
    if (!topics_used(s, mofka_consumer_create(s->topics[which], &options, &consumer), &used) ||
        !used)
        return used == false;
    for (int i = 0; i < PULLS; i++) {
        mofka_event_t *event;
        mofka_status_t status = mofka_consumer_pull(consumer, 0, &event);
        SANE(!status || status == MOFKA_ERR_TIMEOUT);
        if (status)
            break;
        bool good = topics_check_event(s, which, event);
        SANE(!mofka_event_acknowledge(event));
        mofka_event_release(event);
        SANE(good);
        s->counts->pulled++;
    }
    SANE(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return true;
}

static bool topics_delete(topics_state_t *s, int which) {
    mofka_status_t status = mofka_driver_delete_topic(s->driver, topic_names[which]);
    SANE(!status || status == MOFKA_ERR_BUSY || status == MOFKA_ERR_NOT_FOUND);
    s->counts->deleted += !status;
    s->counts->busy += status == MOFKA_ERR_BUSY;
    return true;
}

/* A topic that was not found to be there is not in the list twice, either. */
static mofka_status_t topics_see(void *context, const char *name, const mofka_metadata_t *text) {
    int *seen = context;
    (void)text;
    for (int i = 0; i < TOPICS; i++)
        seen[i] += strcmp(name, topic_names[i]) == 0;
    return MOFKA_OK;
}

static bool topics_look(topics_state_t *s) {
    int seen[TOPICS] = {0};
    mofka_metadata_t *stats;
    SANE(!mofka_driver_list_topics(s->driver, topics_see, seen));
    mofka_status_t status = mofka_driver_stats(s->driver, 10000, &stats);
    SANE(!status);
    mofka_metadata_release(stats);
    return true;
}

static bool topics_do(topics_state_t *s) {
    int which = (int)(next_random(&s->seed) % TOPICS);
    switch (next_random(&s->seed) % 12) {
    case 0:
    case 1:
    case 2:
        return topics_create(s, which);
    case 3:
    case 4:
        return topics_open(s, which);
    case 5:
        return topics_look(s);
    case 6:
    case 7:
        return topics_delete(s, which);
    case 8:
    case 9:
        return !s->topics[which] || topics_push(s, which);
    default:
        return !s->topics[which] || topics_pull(s, which);
    }
}

bool topics_stress(mofka_driver_t *driver, int rank, int rounds, topics_counts_t *counts) {
    topics_state_t s = {
        .driver = driver, .rank = rank, .seed = (uint64_t)rank + 1, .counts = counts};
    bool good = true;
    for (int i = 0; i < rounds && good; i++)
        good = topics_do(&s);
    for (int i = 0; i < TOPICS; i++)
        mofka_topic_release(s.topics[i]);
    return good;
}

bool topics_clean(mofka_driver_t *driver) {
    for (int i = 0; i < TOPICS; i++) {
        mofka_status_t status = mofka_driver_delete_topic(driver, topic_names[i]);
        if (status && status != MOFKA_ERR_NOT_FOUND) {
            fprintf(stderr, "deleting topic '%s': %s\n", topic_names[i], mofka_last_error());
            return false;
        }
    }
    return true;
}

/* ---- without growth -------------------------------------------------------------------------- */

/* Names of 1 to 40 letters. */
static void topics_churn_name(int number, char name[64]) {
    memset(name, 'x', 64);
    name[1 + number % 40] = '\0';
    name[0] = (char)('a' + number % 2);
}

bool topics_churn(mofka_driver_t *driver, int count, const char *options) {
    const mofka_topic_options_t o = {.options = options};
    size_t before = 0, after;
    for (int i = 0; i <= count; i++) {
        char name[64];
        topics_churn_name(i, name);
        mofka_status_t status = i < count ? mofka_driver_create_topic(driver, name, &o) : MOFKA_OK;
        if (!status && i > 0) {
            topics_churn_name(i - 1, name);
            status = mofka_driver_delete_topic(driver, name);
        }
        if (status) {
            fprintf(stderr, "topic %d, '%s': %s\n", i, name, mofka_last_error());
            return false;
        }
        before = i == 200 ? mallinfo2().uordblks : before;
    }
    after = mallinfo2().uordblks;
    if (after > before + GROWTH_BYTES && before != 0)
        fprintf(stderr, "%d topics: %zu bytes in use, then %zu\n", count, before, after);
    return after <= before + GROWTH_BYTES || before == 0;
}
