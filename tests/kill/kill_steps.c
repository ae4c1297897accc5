/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that is killed between any two of its stores, and what the others then find.
 *
 * The ranks are two processes over the heap window, in memory that they share. Rank 1 does what its
 * scenario says, and is killed right before or right after its n-th operation that stores; n grows
 * until it comes to the end. Each time, rank 0 goes on: it pushes and pulls, ends the topic, and
 * creates and deletes others. No call is late. What rank 1 was told to be stored is there, nothing
 * comes twice or out of order, and ids without an event are counted.
 *
 *   kill_steps [SCENARIO [N]]
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "heap/job/heap_driver.h"
#include "mpi/topic/topic.h"
#include "support/check.h"
#include "support/clock.h"
#include "driver/driver.h"

/* No call of the survivor takes longer. */
#define LATE_MS 2000
#define EVENTS_MAX 256
/* Longer than a reader waits before it looks who has died. */
#define DRAIN_MS 200

/* What the processes share beside the window. */
typedef struct shared {
    _Atomic bool go;       /* rank 0 has made the topic */
    _Atomic int attempted; /* events that rank 1 began to push */
    _Atomic int stored;    /* of those, what it was told is stored */
} shared_t;
static shared_t *shared;

#define TINY "\"partition_bytes\":512,\"partition_events\":4"
static const mofka_topic_options_t small = {.options = "{" TINY "}"};

/* ---- rank 1 ---------------------------------------------------------------------------------- */

static const mmi_window_ops_t *whole;
static mmi_window_ops_t hooked;
static _Atomic int steps_left; /* of the next operations' starts and ends, this one kills */

static void victim_step(void) {
    if (atomic_fetch_sub(&steps_left, 1) == 1)
        raise(SIGKILL);
}

#define STEPPED(call)                                                                              \
    victim_step();                                                                                 \
    call;                                                                                          \
    victim_step()

static void step_put(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    STEPPED(whole->put(w, rank, offset, source, bytes));
}

static void step_put_word(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    STEPPED(whole->put_word(w, rank, offset, value));
}

static void step_store(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    STEPPED(whole->store(w, rank, offset, value));
}

static uint64_t step_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    STEPPED(uint64_t old = whole->exchange(w, rank, offset, value));
    return old;
}

static bool step_compare_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t *expected,
                                  uint64_t value) {
    STEPPED(bool done = whole->compare_exchange(w, rank, offset, expected, value));
    return done;
}

static uint64_t step_fetch_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    STEPPED(uint64_t old = whole->fetch_add(w, rank, offset, add));
    return old;
}

static void victim_arm(mofka_topic_t *topic, int step) {
    mmi_window_t *w = ((mmi_topic_t *)topic->self)->w;
    whole = w->ops;
    hooked = *whole;
    hooked.put = step_put;
    hooked.put_past_caches = NULL;
    hooked.put_word = step_put_word;
    hooked.store = step_store;
    hooked.exchange = step_exchange;
    hooked.compare_exchange = step_compare_exchange;
    hooked.fetch_add = step_fetch_add;
    atomic_store(&steps_left, step);
    w->ops = &hooked;
}

/* The tools of a scenario. */
typedef struct victim {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    int step;
} victim_t;

/* The child must not go back to cmocka. */
#define DID(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_) {                                                                             \
            fprintf(stderr, "rank 1: %s: %s\n", #call, mofka_last_error());                        \
            _exit(3);                                                                              \
        }                                                                                          \
    } while (0)

static void victim_push(mofka_producer_t *producer, int count) {
    for (int i = 0; i < count; i++) {
        char text[48];
        int n = atomic_fetch_add(&shared->attempted, 1);
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"from\":1,\"n\":%d}", n);
        DID(mofka_producer_push(producer, text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
        DID(mofka_producer_flush(producer, 1000));
        atomic_fetch_add(&shared->stored, 1);
    }
}

static void victim_append(victim_t *v) {
    mofka_producer_t *producer;
    DID(mofka_producer_create(v->topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    victim_arm(v->topic, v->step);
    victim_push(producer, 4);
    DID(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
}

static void victim_join(victim_t *v) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    victim_arm(v->topic, v->step);
    DID(mofka_consumer_create(v->topic, &(mofka_consumer_options_t){.name = "victim"}, &consumer));
    for (int i = 0; i < 2; i++) {
        DID(mofka_consumer_pull(consumer, 1000, &event));
        DID(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    DID(mofka_consumer_create(v->topic, &(mofka_consumer_options_t){.name = "victim"}, &consumer));
    DID(mofka_consumer_unsubscribe(consumer));
    DID(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void victim_complete(victim_t *v) {
    victim_arm(v->topic, v->step);
    DID(mofka_topic_mark_complete(v->topic, 1000));
}

static void victim_create(victim_t *v) {
    victim_arm(v->topic, v->step);
    for (int i = 0; i < 2; i++) { /* the second time, the record is used again */
        DID(mofka_driver_create_topic(v->driver, "other", &small));
        DID(mofka_driver_delete_topic(v->driver, "other"));
    }
}

/* Does not return. */
static void victim_run(heap_job_t *job, void (*act)(victim_t *), int step) {
    victim_t v = {.step = step};
    mofka_log_set_level(MOFKA_LOG_ERROR);
    DID(heap_driver_create(job, 1, &v.driver));
    while (!atomic_load(&shared->go))
        clock_sleep_ms(1);
    DID(mofka_driver_open_topic(v.driver, "log", 1000, &v.topic));
    act(&v);
    _exit(0);
}

/* ---- rank 0 ---------------------------------------------------------------------------------- */

typedef struct scenario {
    const char *name, *options; /* of the topic */
    void (*act)(victim_t *);
    int before;    /* events that rank 0 pushes before */
    bool reads;    /* and pulls, and acknowledges */
    bool discards; /* the topic may lose events */
    bool has_name; /* rank 1 may leave a consumer "victim" */
} scenario_t;

static const scenario_t scenarios[] = {
    {.name = "append", .act = victim_append, .before = 1},
    {.name = "trim", .act = victim_append, .options = "{" TINY "}", .before = 4, .reads = true},
    {.name = "discard",
     .act = victim_append,
     .options = "{" TINY ",\"retention\":\"discard_oldest\"}",
     .before = 4,
     .discards = true},
    {.name = "join", .act = victim_join, .before = 3, .has_name = true},
    {.name = "complete", .act = victim_complete, .before = 2},
    {.name = "create", .act = victim_create, .before = 1},
};

typedef struct survivor {
    const scenario_t *scenario;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *reader;
    int pushed;     /* events of rank 0 */
    int next[2];    /* of each rank: the number of the next event */
    uint64_t id;    /* of the next event, if none is missing */
    uint64_t holes; /* ids that no event had */
    bool ended;
} survivor_t;

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
    if (status == MOFKA_ERR_COMPLETE) /* rank 1 ended the topic */
        return false;
    OK(status);
    s->pushed++;
    return true;
}

/* An event was pulled: see whether it may come now. False: it is the end. */
static bool survivor_take(survivor_t *s, mofka_event_t *event) {
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

/* The partition may be full of what rank 1 has left. */
static void survivor_drain(survivor_t *s) {
    mofka_event_t *event;
    while (mofka_consumer_pull(s->reader, DRAIN_MS, &event) == MOFKA_OK)
        survivor_take(s, event);
}

/* Pull up to this rank's own last event. A fetch that finds nothing publishes what was
 * acknowledged. */
static void survivor_catch_up(survivor_t *s) {
    mofka_event_t *event;
    while (s->next[0] < s->pushed)
        assert_true(survivor_pull(s));
    assert_int_equal(mofka_consumer_pull(s->reader, 0, &event), MOFKA_ERR_TIMEOUT);
}

static void survivor_start(survivor_t *s, heap_job_t *job) {
    const mofka_topic_options_t options = {.options = s->scenario->options};
    OK(heap_driver_create(job, 0, &s->driver));
    OK(mofka_driver_create_topic(s->driver, "log", &options));
    OK(mofka_driver_open_topic(s->driver, "log", 1000, &s->topic));
    OK(mofka_consumer_create(s->topic, &(mofka_consumer_options_t){.name = "reader"}, &s->reader));
    OK(mofka_producer_create(s->topic, &(mofka_producer_options_t){.batch_size = 1}, &s->producer));
    for (int i = 0; i < s->scenario->before; i++)
        survivor_push(s);
    if (s->scenario->reads)
        survivor_catch_up(s);
}

/* What rank 1 left of its consumer is taken over, and removed. */
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
    IN_TIME(status = mofka_driver_create_topic(s->driver, name, &small));
    if (status != MOFKA_ERR_EXISTS)
        OK(status);
    IN_TIME(OK(mofka_driver_open_topic(s->driver, name, 1000, &topic)));
    mofka_topic_release(topic);
    IN_TIME(OK(mofka_driver_delete_topic(s->driver, name)));
}

static void survivor_finish(survivor_t *s) {
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
    assert_int_equal(s->holes, mofka_consumer_voided(s->reader) + mofka_consumer_lost(s->reader));
    if (!s->scenario->discards)
        assert_int_equal(mofka_consumer_lost(s->reader), 0);
}

static void survivor_end(survivor_t *s) {
    (void)mofka_producer_close(s->producer, 1000); /* reports an event that met the end */
    mofka_producer_release(s->producer);
    IN_TIME(OK(mofka_consumer_close(s->reader)));
    mofka_consumer_release(s->reader);
    mofka_topic_release(s->topic);
    OK(mofka_driver_close(s->driver, 1000));
    mofka_driver_release(s->driver);
}

/* ---- all steps ------------------------------------------------------------------------------- */

/* Wait until the process has ended. True: it was killed. An odd step leaves it a zombie for now. */
static bool kill_wait(pid_t victim, int step) {
    siginfo_t info = {.si_code = 0};
    int flags = WEXITED | (step % 2 ? WNOWAIT : 0);
    assert_int_equal(waitid(P_PID, (id_t)victim, &info, flags), 0);
    bool killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
    if (!killed && (info.si_code != CLD_EXITED || info.si_status != 0))
        fail_msg("rank 1 ended with code %d, status %d", info.si_code, info.si_status);
    return killed;
}

/* True: rank 1 was killed at that step. */
static bool kill_at(const scenario_t *scenario, int step) {
    survivor_t s = {.scenario = scenario};
    heap_job_t job;
    heap_job_start_shared(&job, 2);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t victim = fork();
    if (victim == 0)
        victim_run(&job, scenario->act, step);
    survivor_start(&s, &job);
    atomic_store(&shared->go, true);
    bool killed = kill_wait(victim, step);
    survivor_finish(&s);
    survivor_end(&s);
    if (step % 2)
        waitpid(victim, NULL, 0);
    munmap(shared, sizeof *shared);
    heap_job_end(&job);
    return killed;
}

static int only_step;

static void kill_at_each_step(void **state) {
    const scenario_t *scenario = *state;
    int step = only_step ? only_step : 1;
    while (kill_at(scenario, step) && !only_step)
        step++;
    printf("%s: killed at %d steps\n", scenario->name, step - 1);
    assert_true(only_step || step > 10);
}

int main(int argc, char **argv) {
    struct CMUnitTest cases[sizeof scenarios / sizeof scenarios[0]];
    size_t count = 0;
    only_step = argc > 2 ? atoi(argv[2]) : 0;
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (argc < 2 || strcmp(argv[1], scenarios[i].name) == 0)
            cases[count++] = (struct CMUnitTest){.name = scenarios[i].name,
                                                 .test_func = kill_at_each_step,
                                                 .initial_state = (void *)&scenarios[i]};
    mofka_log_set_level(MOFKA_LOG_ERROR);
    return _cmocka_run_group_tests("kill_steps", cases, count, NULL, NULL);
}
