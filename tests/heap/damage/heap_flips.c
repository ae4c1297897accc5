/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every bit that a partition holds beside its payload is changed, one at a time: control block,
 * flags, stamps and entries; with checksums, sums and payload as well. Then a consumer reads
 * everything, and a producer appends for two more laps.
 *
 * Each change ends in one of these, and none of them delivers wrong bytes, crashes, or lets a call
 * wait in vain without saying for what:
 *
 *   right    all events are delivered, in order, then the end
 *   corrupt  MOFKA_ERR_CORRUPT names the partition; what is skipped is counted
 *   timeout  a call times out, and names an event that is reserved and not stored, a consumer, or a
 *            lock
 */
#include "heap/damage/stored.h"
#include "support/callbacks.h"

#define SLOTS 16
#define BATCH 4   /* events, at most */
#define BEFORE 20 /* events of the first lap, which were read */
#define AT_FLIP 10
#define AFTER 30
#define OPTIONS "\"partition_bytes\":2048,\"partition_events\":16,\"expected_producers\":1"

typedef enum verdict { RIGHT, CORRUPT, TIMED_OUT, VERDICTS } verdict_t;

/* What happens to the partition. */
typedef struct flips_case {
    const char *name;
    bool discards; /* retention discard_oldest */
    bool joins;    /* the consumer joins after the change; else it has read before */
    bool away;     /* and only after the producer has filled the partition */
    bool far;      /* as in a window whose every operation is a round trip */
    bool runs;     /* the consumer reads runs in place */
} flips_case_t;

/* What one run has seen. */
typedef struct seen {
    const mmi_partition_t *p;
    mofka_consumer_t *consumer;
    int corrupt, named, unnamed;                   /* calls that failed so */
    uint64_t delivered, lost, broken, next_number; /* broken: its data is damaged */
    bool ended, discarded;                         /* by the producer, which gave up */
    bool runs;
    char wrong[256]; /* what must not happen */
} seen_t;

static mofka_topic_t *topic;

static void flips_ignore_log(void *context, mofka_log_level_t level, const char *message) {
    (void)context, (void)level, (void)message;
}

static void seen_wrong(seen_t *s, const char *call, mofka_status_t status) {
    snprintf(s->wrong, sizeof s->wrong, "%s: %s: %s", call, mofka_status_name(status),
             mofka_last_error());
}

/* A call failed, as damage lets it. */
static void seen_failure(seen_t *s, const char *call, mofka_status_t status) {
    const char *message = mofka_last_error();
    bool partition = strstr(message, "topic 'log'") != NULL;
    if (status == MOFKA_ERR_CORRUPT && partition)
        s->corrupt++;
    else if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_POSSIBLY_STORED)
        seen_wrong(s, call, status);
    else if (strstr(message, "is reserved and not stored") ||
             strstr(message, "was reserved and is not stored") ||
             strstr(message, "consumer 'reader' holds it up") || strstr(message, "stays taken"))
        s->named++;
    else
        s->unnamed++;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* An event was delivered. True: it is the next one, after `lost` ones. */
static bool seen_number(seen_t *s, bool right, uint64_t id, uint64_t number, uint64_t lost) {
    if (!right || number < s->next_number) {
        snprintf(s->wrong, sizeof s->wrong, "event %llu is not what was pushed",
                 (unsigned long long)id);
        return false;
    }
    if (number - s->next_number > lost) {
        snprintf(s->wrong, sizeof s->wrong, "%llu events are missing before number %llu",
                 (unsigned long long)(number - s->next_number), (unsigned long long)number);
        return false;
    }
    s->delivered++;
    s->lost += lost;
    s->next_number = number + 1;
    return true;
}

static void seen_event(seen_t *s, mofka_event_t *event) {
    uint64_t number = 0, id = mofka_event_id(event);
    bool right = stored_is_right(event, &number);
    s->ended |= mofka_event_is_end(event);
    if (!s->ended && seen_number(s, right, id, number, mofka_event_lost(event)) &&
        mofka_event_acknowledge(event))
        seen_wrong(s, "acknowledge", MOFKA_ERR_INVALID);
    mofka_event_release(event);
}

static void seen_run(seen_t *s, mofka_event_run_t *run) {
    s->ended |= mofka_event_run_is_end(run);
    for (size_t i = 0; i < mofka_event_run_count(run); i++) {
        mofka_run_event_t event;
        uint64_t number = 0;
        OK(mofka_event_run_get(run, i, &event));
        bool right = stored_is_text(event.metadata, event.metadata_bytes, &number);
        if (!seen_number(s, right, event.id, number, i == 0 ? mofka_event_run_lost(run) : 0))
            break;
    }
    if (mofka_event_run_acknowledge(run))
        seen_wrong(s, "acknowledge", MOFKA_ERR_INVALID);
    mofka_event_run_release(run);
}

/* Pull an event, or a run. */
static mofka_status_t seen_pull_next(seen_t *s, int64_t timeout_ms) {
    mofka_event_t *event;
    mofka_event_run_t *run;
    mofka_status_t status = s->runs ? mofka_consumer_pull_run(s->consumer, 8, timeout_ms, &run)
                                    : mofka_consumer_pull(s->consumer, timeout_ms, &event);
    if (status)
        return status;
    if (s->runs)
        seen_run(s, run);
    else
        seen_event(s, event);
    return MOFKA_OK;
}

/* Pull once. False: no event comes now. Only a pull that waits says what it waits for. */
static bool seen_pull(seen_t *s, int64_t timeout_ms) {
    uint64_t skipped = 0;
    mofka_status_t status = seen_pull_next(s, timeout_ms);
    if (!status)
        return !s->ended;
    seen_failure(s, "pull", status);
    if (strstr(mofka_last_error(), "the data of event")) {
        s->broken++;
        s->next_number++;
        return true;
    }
    if (status == MOFKA_ERR_CORRUPT && mofka_consumer_skip_damaged(s->consumer, &skipped))
        seen_wrong(s, "skip_damaged", MOFKA_ERR_CORRUPT);
    return skipped > 0;
}

static void seen_pull_all(seen_t *s, int64_t timeout_ms) {
    int pulls = 0;
    while (!s->wrong[0] && !s->ended && seen_pull(s, timeout_ms))
        if (++pulls > 1000)
            snprintf(s->wrong, sizeof s->wrong, "pulls find events for ever");
}

/* ---- one change ------------------------------------------------------------------------------ */

static void seen_join(seen_t *s) {
    const mofka_consumer_options_t options = {
        .name = "reader",
        .selector = s->runs ? NULL : select_all_data,
        .zero_copy = s->runs,
    };
    mofka_status_t status = mofka_consumer_create(topic, &options, &s->consumer);
    if (status) {
        s->consumer = NULL;
        seen_failure(s, "create", status);
    }
}

static void seen_leave(seen_t *s) {
    mofka_status_t status = s->consumer ? mofka_consumer_close(s->consumer) : MOFKA_OK;
    if (status)
        seen_failure(s, "close", status);
    mofka_consumer_release(s->consumer);
    s->consumer = NULL;
}

/* The same partition each time: nothing is left of the run before. */
static void flips_prepare(seen_t *s) {
    const mmi_partition_t *p = s->p;
    memset(stored_word(p, p->base), 0, mmi_partition_bytes(p));
    OK(mmi_partition_format(p, (mmi_place_t){0, 0}));
    stored_count = 0;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 8, .push_timeout_ms = 1},
                             &stored_producer));
    seen_join(s);
    while (stored_count < BEFORE) {
        stored_push(4);
        seen_pull_all(s, 0);
    }
    stored_push(3);
    stored_push(1);
    stored_push(4);
    stored_push(2);
    assert_int_equal(stored_count, BEFORE + AT_FLIP);
    assert_int_equal(s->delivered, BEFORE);
    assert_int_equal(s->corrupt + s->named, 0);
    s->unnamed = 0;
}

/* Append, while the consumer reads. */
static void flips_append(seen_t *s) {
    uint64_t end = stored_count + AFTER;
    while (!s->wrong[0] && stored_count < end) {
        mofka_status_t status = stored_try_push(stored_count % 3 ? 2 : 1, 1);
        if (status) {
            seen_failure(s, "push", status);
            mofka_producer_discard(stored_producer);
            s->discarded = true;
            return;
        }
        if (s->consumer && stored_count % 5 < 2)
            seen_pull_all(s, 0);
    }
}

static void flips_end(seen_t *s) {
    mofka_status_t status = mofka_producer_close(stored_producer, 1);
    if (status && !(s->discarded && status == MOFKA_ERR_CLOSED))
        seen_failure(s, "producer close", status);
    mofka_producer_release(stored_producer);
    if (s->consumer)
        seen_pull_all(s, 1);
    s->lost += s->consumer && s->ended ? mofka_consumer_lost(s->consumer) - s->lost : 0;
    seen_leave(s);
}

static void flips_read_statistics(seen_t *s) {
    mofka_metadata_t *stats;
    mofka_status_t status = mofka_driver_stats(log_driver, -1, &stats);
    if (status)
        seen_wrong(s, "stats", status);
    else
        mofka_metadata_release(stats);
}

/* `of_events`: the change is in flags or entries, so no more than a batch is lost. */
static verdict_t seen_verdict(seen_t *s, const flips_case_t *with, bool of_events) {
    uint64_t events = with->away ? stored_count : BEFORE + AT_FLIP + AFTER;
    bool all = (s->delivered + s->lost + s->broken == events && s->ended) || with->away;
    bool allowed = s->lost == 0 || with->discards || (s->corrupt > 0 && s->lost <= BATCH);
    if (s->corrupt > 0 && (!of_events || (all && allowed)))
        return CORRUPT;
    if (s->named > 0 && !of_events)
        return TIMED_OUT;
    if (!(all && allowed) && !s->wrong[0])
        snprintf(s->wrong, sizeof s->wrong,
                 "%d errors: %llu events were delivered, %llu lost, %s, %d waits",
                 s->corrupt + s->named, (unsigned long long)s->delivered,
                 (unsigned long long)s->lost, s->ended ? "then the end" : "and no end", s->unnamed);
    return RIGHT;
}

/* Change a bit of the partition, and see. */
static verdict_t flips_run(const flips_case_t *with, uint64_t offset, int bit) {
    seen_t s = {.p = log_of(topic), .runs = with->runs};
    flips_prepare(&s);
    if (with->joins)
        seen_leave(&s);
    *stored_word(s.p, offset) ^= UINT64_C(1) << bit;
    if (with->joins && !with->away)
        seen_join(&s);
    flips_read_statistics(&s);
    if (!with->discards && s.consumer)
        seen_pull_all(&s, 0);
    flips_append(&s);
    if (with->away)
        seen_join(&s);
    flips_end(&s);
    verdict_t verdict = seen_verdict(&s, with, offset >= s.p->flags);
    if (s.wrong[0])
        fail_msg("%s, bit %d of the word at offset %llu of the partition: %s", with->name, bit,
                 (unsigned long long)(offset - s.p->base), s.wrong);
    return verdict;
}

/* ---- all changes ----------------------------------------------------------------------------- */

static void flips_run_words(const flips_case_t *with, const char *what, uint64_t offset,
                            size_t words, int first_bit) {
    int counts[VERDICTS] = {0};
    for (size_t bit = (size_t)first_bit; bit < 64 * words; bit += STORED_BIT_STEP)
        counts[flips_run(with, offset + bit / 64 * 8, (int)(bit % 64))]++;
    printf("%-14s %-12s %5d right %5d corrupt %5d timeout\n", with->name, what, counts[RIGHT],
           counts[CORRUPT], counts[TIMED_OUT]);
}

/* All that belongs to events, with checksums. */
static void flips_run_events(const flips_case_t *with) {
    topic = log_create_topic("{" OPTIONS ",\"checksum\":\"on\"}");
    const mmi_partition_t *p = log_of(topic);
    mmi_window_t *w = p->w;
    const mmi_window_ops_t *near_ops = w->ops;
    mmi_window_ops_t far_ops = *near_ops;
    far_ops.loads_are_cheap = far_ops.puts_are_cheap = false;
    far_ops.has_addresses = false;
    far_ops.compare_exchange = NULL;
    w->ops = with->far ? &far_ops : near_ops;
    mofka_log_set_callback(flips_ignore_log, NULL);
    flips_run_words(with, "flag, stamp", p->flags, (size_t)2 * SLOTS, 0);
    flips_run_words(with, "entry", p->entries, SLOTS * sizeof(mmi_entry_t) / 8, 0);
    flips_run_words(with, "sum", p->sums, SLOTS, 0);
    flips_run_words(with, "payload", p->ring, (size_t)p->ring_bytes / 8, 0);
    mofka_log_set_callback(NULL, NULL);
    w->ops = near_ops;
    mofka_topic_release(topic);
}

static void flips_run_all(const flips_case_t *with) {
    static const struct {
        const char *name;
        size_t field;
    } words[] = {
        {"reservation", MMI_CONTROL(reservation)},
        {"head_events", MMI_CONTROL(head_events)},
        {"head_units", MMI_CONTROL(head_units)},
        {"complete", MMI_CONTROL(complete)},
        {"data_bell", MMI_CONTROL(data_bell)},
        {"data_waiters", MMI_CONTROL(data_waiters)},
        {"room_bell", MMI_CONTROL(room_bell)},
        {"room_waiters", MMI_CONTROL(room_waiters)},
        {"finished", MMI_CONTROL(finished)},
        {"blocked", MMI_CONTROL(blocked)},
        {"state", MMI_CONTROL(state)},
        {"a free state", MMI_CONTROL(state) + UINT64_C(8) * 40},
        {"cursor", MMI_CONTROL(cursor)},
        {"acknowledged", MMI_CONTROL(acknowledged)},
    };
    topic = log_create_topic(with->discards ? "{" OPTIONS ",\"retention\":\"discard_oldest\"}"
                                            : "{" OPTIONS "}");
    const mmi_partition_t *p = log_of(topic);
    mofka_log_set_callback(flips_ignore_log, NULL);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        flips_run_words(with, words[i].name, p->base + words[i].field, 1, 0);
    flips_run_words(with, "lock", p->base + MMI_CONTROL(lock), 1, 0);
    if (!with->away) {
        flips_run_words(with, "name", p->base + MMI_CONTROL(name), (MOFKA_NAME_BYTES_MAX + 1) / 8,
                        0);
        flips_run_words(with, "flag, stamp", p->flags, (size_t)2 * SLOTS, 0);
        flips_run_words(with, "entry", p->entries, SLOTS * sizeof(mmi_entry_t) / 8, 0);
    }
    mofka_log_set_callback(NULL, NULL);
    mofka_topic_release(topic);
}

static void a_reader_goes_on(void **state) {
    (void)state;
    flips_run_all(&(flips_case_t){.name = "reading"});
}

static void a_reader_comes_back(void **state) {
    (void)state;
    flips_run_all(&(flips_case_t){.name = "coming back", .joins = true});
}

/* What it has not read stays, although a damaged word says otherwise. */
static void a_reader_stays_away(void **state) {
    (void)state;
    flips_run_all(&(flips_case_t){.name = "away", .joins = true, .away = true});
}

static void a_reader_of_runs_goes_on(void **state) {
    (void)state;
    flips_run_all(&(flips_case_t){.name = "reading runs", .runs = true});
}

static void the_oldest_are_discarded(void **state) {
    (void)state;
    flips_run_all(&(flips_case_t){.name = "discarding", .discards = true});
}

static void with_checksums_no_wrong_byte_is_delivered(void **state) {
    (void)state;
    flips_run_events(&(flips_case_t){.name = "checked"});
}

static void nor_is_one_that_came_on_a_guess(void **state) {
    (void)state;
    flips_run_events(&(flips_case_t){.name = "checked, far", .far = true});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_CASE(with_checksums_no_wrong_byte_is_delivered),
        LOG_CASE(nor_is_one_that_came_on_a_guess),
        LOG_CASE(a_reader_goes_on),
        LOG_CASE(a_reader_of_runs_goes_on),
        LOG_CASE(a_reader_comes_back),
        LOG_CASE(a_reader_stays_away),
        LOG_CASE(the_oldest_are_discarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
