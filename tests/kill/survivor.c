/* SPDX-License-Identifier: BSD-3-Clause */
/* The survivor: it goes on, and judges. See kill.h. */
#include "kill/kill.h"
#include "support/clock.h"

/* No call of the survivor takes longer: the longest of its time-outs, and time for a busy machine.
 */
#define LATE_MS 15000
#define EVENTS_MAX 256
/* Longer than a reader waits before it looks who has died. */
#define DRAIN_MS 200
#define TINY "{\"partition_bytes\":512,\"partition_events\":4}"

/* The call is not late. */
#define IN_TIME(call)                                                                              \
    do {                                                                                           \
        int64_t before_ = clock_ms();                                                              \
        call;                                                                                      \
        if (clock_ms() - before_ > LATE_MS)                                                        \
            fail_msg("%s took %lld ms", #call, (long long)(clock_ms() - before_));                 \
    } while (0)

static bool survivor_push(survivor_t *s) {
    char text[48];
    size_t bytes = (size_t)snprintf(text, sizeof text, "{\"from\":0,\"n\":%d}", s->pushed);
    mofka_status_t status;
    OK(mofka_producer_push(s->producer, text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    IN_TIME(status = mofka_producer_flush(s->producer, 5000));
    if (status == MOFKA_ERR_COMPLETE) /* the victim ended the topic */
        return false;
    OK(status);
    s->pushed++;
    return true;
}

/* An event was pulled: see whether it may come now. False: it is the end. */
bool survivor_take(survivor_t *s, mofka_event_t *event) {
    int from = -1, n = -1;
    s->ended = mofka_event_is_end(event);
    if (!s->ended) {
        uint64_t id = mofka_event_id(event);
        sscanf(mofka_event_metadata_text(event, NULL), "{\"from\":%d,\"n\":%d}", &from, &n);
        IN_RANGE(from, 0, 1);
        IN_RANGE(id, s->id, s->id + EVENTS_MAX);
        if (s->scenario->discards)
            IN_RANGE(n, s->next[from], EVENTS_MAX);
        else
            assert_int_equal(n, s->next[from]);
        s->next[from] = n + 1;
        s->holes += id - s->id;
        s->id = id + 1;
        OK(mofka_event_acknowledge(event));
    }
    mofka_event_release(event);
    return !s->ended;
}

static bool survivor_pull(survivor_t *s) {
    mofka_event_t *event;
    IN_TIME(OK(mofka_consumer_pull(s->reader, 5000, &event)));
    return survivor_take(s, event);
}

/* The partition may be full of what the victim has left. */
static void survivor_drain(survivor_t *s) {
    mofka_event_t *event;
    while (mofka_consumer_pull(s->reader, DRAIN_MS, &event) == MOFKA_OK)
        survivor_take(s, event);
}

/* Pull up to this survivor's own last event. A fetch that finds nothing publishes what was
 * acknowledged. */
static void survivor_catch_up(survivor_t *s) {
    mofka_event_t *event;
    while (s->next[0] < s->pushed)
        assert_true(survivor_pull(s));
    assert_int_equal(mofka_consumer_pull(s->reader, 0, &event), MOFKA_ERR_TIMEOUT);
}

void survivor_start(survivor_t *s, const char *options) {
    char text[192];
    const char *own = s->scenario->options;
    snprintf(text, sizeof text, "{%s%s%s}", own ? own : "", own && options[0] ? "," : "", options);
    OK(mofka_driver_create_topic(s->driver, s->name, &(mofka_topic_options_t){.options = text}));
    OK(mofka_driver_open_topic(s->driver, s->name, 10000, &s->topic));
    OK(mofka_consumer_create(s->topic, &(mofka_consumer_options_t){.name = "reader"}, &s->reader));
    OK(mofka_producer_create(s->topic, &(mofka_producer_options_t){.batch_size = 1}, &s->producer));
    for (int i = 0; i < s->scenario->before; i++)
        survivor_push(s);
    if (s->scenario->reads)
        survivor_catch_up(s);
}

/* What the victim left of its consumer is taken over, and removed. */
static void survivor_take_name(survivor_t *s) {
    mofka_consumer_t *victim;
    IN_TIME(OK(
        mofka_consumer_create(s->topic, &(mofka_consumer_options_t){.name = "victim"}, &victim)));
    IN_TIME(OK(mofka_consumer_unsubscribe(victim)));
    OK(mofka_consumer_close(victim));
    mofka_consumer_release(victim);
}

/* Topics can be created, used and deleted. */
static void survivor_use_directory(survivor_t *s, const char *name) {
    mofka_topic_t *topic;
    mofka_status_t status;
    IN_TIME(status = mofka_driver_create_topic(s->driver, name,
                                               &(mofka_topic_options_t){.options = TINY}));
    if (status != MOFKA_ERR_EXISTS)
        OK(status);
    IN_TIME(OK(mofka_driver_open_topic(s->driver, name, 1000, &topic)));
    mofka_topic_release(topic);
    IN_TIME(OK(mofka_driver_delete_topic(s->driver, name)));
}

void survivor_finish(survivor_t *s) {
    bool open = true;
    if (s->scenario->has_name)
        survivor_take_name(s);
    if (s->scenario->reads)
        survivor_drain(s);
    for (int i = 0; i < 6 && open; i++) {
        open = survivor_push(s);
        if (open)
            survivor_catch_up(s);
    }
    survivor_use_directory(s, "other");
    survivor_use_directory(s, "third");
    IN_TIME(OK(mofka_topic_mark_complete(s->topic, 5000)));
    while (!s->ended)
        survivor_pull(s);
    assert_int_equal(s->next[0], s->pushed);
    IN_RANGE(s->next[1], atomic_load(&shared->stored), atomic_load(&shared->attempted));
    s->voided = mofka_consumer_voided(s->reader);
    assert_int_equal(s->holes, mofka_consumer_voided(s->reader) + mofka_consumer_lost(s->reader));
    if (!s->scenario->discards)
        assert_int_equal(mofka_consumer_lost(s->reader), 0);
}

void survivor_end(survivor_t *s) {
    (void)mofka_producer_close(s->producer, 1000); /* reports an event that met the end */
    mofka_producer_release(s->producer);
    IN_TIME(OK(mofka_consumer_close(s->reader)));
    mofka_consumer_release(s->reader);
    mofka_topic_release(s->topic);
}
