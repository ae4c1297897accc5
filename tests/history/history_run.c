/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a random schedule on all ranks, gathers what the calls answered, and decides whether the
 * guarantees were kept.
 *
 *   history_run --seed S [--count N] [--window shm|rma|node] [--stop] [--delay] [--fail]
 *               [--limit SECONDS] [--verbose] [--records FILE] [--plan]
 *
 * Runs the seeds S to S + N - 1, one after the other. The last line of each is
 *
 *   history: seed S: all right, P pushed, D delivered, L reported lost
 *
 * or the first faults come before "history: seed S: F faults", with the schedule and the command
 * that repeats it. --stop stops half of the ranks for a while, --delay delays one-sided operations,
 * and --fail lets some of half of the ranks fail (history_delay, which is this program with
 * trips/count_mpi.c). --plan prints the schedule, and runs nothing. --records keeps the records.
 */
#include <assert.h>
#include <getopt.h>
#include <string.h>
#include "history/judge/judge.h"
#include "history/run.h"
#include "history/trouble.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define CLOSE_MS 60000
#define CLOSE_TRIES 10

static struct settings {
    uint64_t seed;
    unsigned count;
    int64_t limit_ms;
    bool plan_only, verbose, stops, delays, fails;
    const char *window, *records;
} settings = {.seed = 1, .count = 1, .limit_ms = 90000, .window = "shm"};

/* ---- a run that hangs ------------------------------------------------------------------------ */

static struct watch {
    run_t *run;
    const char *_Atomic step; /* of the main thread */
    int64_t _Atomic deadline;
} watch;

static void watch_print(const actor_t *actor) {
    if (actor->started)
        fprintf(stderr, "rank %d: %s %d, session %u: %u events, in %s for %lld ms\n", rank,
                actor->is_source ? "source" : "reader", actor->index, actor->session, actor->count,
                actor->call, (long long)(clock_ms() - actor->since_ms));
}

static void *watch_main(void *context) {
    (void)context;
    for (;;) {
        clock_sleep_ms(200);
        if (clock_ms() < watch.deadline)
            continue;
        fprintf(stderr, "rank %d: hangs in %s\n", rank, watch.step);
        for (size_t i = 0; i < HISTORY_SOURCES_MAX; i++)
            watch_print(&watch.run->sources[i]);
        for (size_t i = 0; i < HISTORY_READERS_MAX; i++)
            watch_print(&watch.run->readers[i]);
        fprintf(stderr, "history: seed %llu: hung\n", (unsigned long long)watch.run->plan->seed);
        fflush(stderr);
        clock_sleep_ms(1000); /* the others print, too */
        mpi_main_abort();
    }
}

static void watch_start(run_t *run) {
    static bool started;
    pthread_t thread;
    watch.run = run;
    watch.step = "the beginning";
    watch.deadline = clock_ms() + settings.limit_ms;
    if (!started)
        NEEDS(!pthread_create(&thread, NULL, watch_main, NULL));
    started = true;
}

/* A warning of damage is a fault: nothing was damaged. The last one of this run. */
static struct damage {
    pthread_mutex_t lock; /* guards the rest; a leaf */
    char text[MOFKA_MESSAGE_BYTES_MAX + 1];
} damage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void run_log(void *context, mofka_log_level_t level, const char *message) {
    (void)context, (void)level;
    bool damaged = strstr(message, "damaged") != NULL;
    if (damaged || settings.verbose)
        fprintf(stderr, "rank %d: %s\n", rank, message);
    if (!damaged)
        return;
    pthread_mutex_lock(&damage.lock);
    snprintf(damage.text, sizeof damage.text, "%s", message);
    pthread_mutex_unlock(&damage.lock);
}

/* No other thread logs any more. */
static void run_record_damage(run_t *run) {
    const char *part = strstr(damage.text, "partition");
    history_record_t record = {.kind = HISTORY_UNEXPECTED, .status = MOFKA_ERR_CORRUPT};
    actor_t log = {.run = run};
    if (!damage.text[0])
        return;
    snprintf(record.call, sizeof record.call, "%.*s", HISTORY_CALL_BYTES - 1,
             part ? part : damage.text);
    record_add(&log, record);
    damage.text[0] = '\0';
}

/* ---- the run --------------------------------------------------------------------------------- */

/* All ranks are here. Sleeps meanwhile. */
static void run_meet(const run_t *run, const char *step) {
    MPI_Request request;
    int flag = 0;
    watch.step = step;
    MPI_Ibarrier(run->comm, &request);
    while (MPI_Test(&request, &flag, MPI_STATUS_IGNORE), !flag)
        clock_sleep_ms(1);
}

static void run_start_actor(run_t *run, actor_t *actor, int index, bool is_source) {
    actor->run = run;
    actor->index = index;
    actor->is_source = is_source;
    actor->call = "nothing";
    actor->since_ms = clock_ms();
    actor->random = run->plan->seed << 8 | (uint64_t)index << 1 | is_source;
    actor->started = true;
}

static bool run_has_reader(const run_t *run, size_t index) {
    const plan_reader_t *reader = &run->plan->readers[index];
    for (unsigned i = 0; i < reader->session_count; i++)
        if (reader->sessions[i].rank == run->rank)
            return true;
    return false;
}

static void run_start_readers(run_t *run) {
    for (size_t i = 0; i < run->plan->facts.reader_count; i++)
        run->early_left += run->plan->facts.readers[i].early &&
                           run->plan->readers[i].sessions[0].rank == run->rank;
    for (size_t i = 0; i < run->plan->facts.reader_count; i++) {
        if (!run_has_reader(run, i))
            continue;
        run_start_actor(run, &run->readers[i], (int)i, false);
        NEEDS(!pthread_create(&run->readers[i].thread, NULL, session_main, &run->readers[i]));
    }
}

static void run_start_sources(run_t *run) {
    for (unsigned i = 0; i < run->plan->facts.source_count; i++)
        if (plan_producer_of(run->plan, i)->rank == run->rank)
            run_start_actor(run, &run->sources[i], (int)i, true);
    source_create_producers(run);
    for (size_t i = 0; i < run->plan->facts.source_count; i++)
        if (run->sources[i].started)
            NEEDS(!pthread_create(&run->sources[i].thread, NULL, source_main, &run->sources[i]));
}

/* The first source of a producer joins the others. */
static void run_join_sources(run_t *run) {
    for (size_t i = 0; i < run->plan->producer_count; i++)
        if (run->plan->producers[i].rank == run->rank)
            pthread_join(run->sources[run->plan->producers[i].first_source].thread, NULL);
}

static void run_mark_complete(const run_t *run) {
    mofka_status_t status;
    while ((status = mofka_topic_mark_complete(run->topic, 1000)) == MOFKA_ERR_TIMEOUT &&
           clock_ms() < run->push_until)
        ;
    bool kept_out = run->fails && status == MOFKA_ERR_TIMEOUT; /* a lock may stay taken */
    NEEDS(!status || kept_out || (status == MOFKA_ERR_MPI && trouble_has_failed()));
}

static void run_begin(run_t *run) {
    pthread_mutex_lock(&run->lock);
    while (run->early_left > 0)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
    run_meet(run, "the join of the early readers");
    run->push_until = run->fails ? clock_ms() + RUN_PUSH_MS : INT64_MAX;
    pthread_mutex_lock(&run->lock);
    run->begun = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* The topic completes itself if all producers count: if all of their events are stored. */
static void run_complete(run_t *run) {
    run_meet(run, "the end of the producers");
    int doubtful = run->doubtful, any;
    MPI_Allreduce(&doubtful, &any, 1, MPI_INT, MPI_MAX, run->comm);
    if (run->rank == run->plan->completer && (any || run->plan->expected == 0))
        run_mark_complete(run);
    run->wait_from = clock_ms();
}

static void run_actors(run_t *run) {
    uint64_t seed = run->plan->seed << 16 | (uint64_t)rank;
    run->stops = settings.stops && history_random(&seed) % 2;
    bool fails = settings.fails && history_random(&seed) % 2;
    run_start_readers(run);
    run_start_sources(run);
    trouble_begin(seed, run->stops, settings.delays, fails,
                  settings.fails && strstr(run->plan->driver, "\"progress\":\"thread\""));
    run_begin(run);
    if (run->plan->early_complete_ms >= 0 && run->rank == run->plan->completer) {
        clock_sleep_ms(run->plan->early_complete_ms);
        run_mark_complete(run);
    }
    watch.step = "the producers";
    run_join_sources(run);
    run_complete(run);
    watch.step = "the readers";
    for (size_t i = 0; i < run->plan->facts.reader_count; i++)
        if (run->readers[i].started)
            pthread_join(run->readers[i].thread, NULL);
    trouble_end();
    source_release_producers(run);
}

static void run_open(run_t *run, mofka_driver_t **driver) {
    const mofka_topic_options_t options = {.options = run->plan->topic,
                                           .validator = run->plan->validator,
                                           .selector = run->plan->selector};
    NEEDS(!mofka_mpi_driver_create(MPI_COMM_WORLD, run->plan->driver, driver));
    if (run->rank == 0)
        NEEDS(!mofka_driver_create_topic(*driver, "history", &options));
    NEEDS(!mofka_driver_open_topic(*driver, "history", CLOSE_MS, &run->topic));
}

/* Note for the judge where operations failed. Collective. */
static void run_note_failures(const run_t *run, history_t *history) {
    int failed = trouble_has_failed(), *of = calloc((size_t)size, sizeof *of);
    NEEDS(of);
    MPI_Allgather(&failed, 1, MPI_INT, of, 1, MPI_INT, run->comm);
    for (int i = 0; i < size; i++)
        history->facts.fails |= of[i];
    for (size_t i = 0; i < run->plan->facts.reader_count; i++)
        for (unsigned s = 0; s < run->plan->readers[i].session_count; s++)
            history->facts.readers[i].faulty |= of[run->plan->readers[i].sessions[s].rank];
    free(of);
}

/* Where operations failed, a close may report an error of what it ended, and is called again. A
 * reserved batch may never find room: then the driver cannot be closed on any rank, and is left to
 * MPI_Finalize. */
static void run_close(const run_t *run, mofka_driver_t *driver) {
    mofka_status_t status;
    int tries = 0;
    watch.step = "the close of the driver";
    mofka_topic_release(run->topic);
    do
        status = mofka_driver_close(driver, run->fails ? RUN_WAIT_MS : CLOSE_MS);
    while (status == MOFKA_ERR_MPI && trouble_has_failed() && ++tries < CLOSE_TRIES);
    bool late = status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
    bool failed = status == MOFKA_ERR_MPI && trouble_has_failed();
    NEEDS(!status || (run->fails && late) || failed);
    mofka_driver_release(driver);
}

static void run_all(run_t *run, const plan_t *plan, MPI_Comm comm, history_t *history) {
    mofka_driver_t *driver;
    *run = (run_t){.plan = plan,
                   .rank = rank,
                   .comm = comm,
                   .fails = settings.fails,
                   .push_until = INT64_MAX,
                   .wait_from = INT64_MAX};
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->changed, NULL);
    watch_start(run);
    run_open(run, &driver);
    run_actors(run);
    run_meet(run, "the end of the readers");
    run_close(run, driver);
    watch.step = "the records";
    run_record_damage(run);
    record_gather(run, history);
    run_note_failures(run, history);
    free(run->records);
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->lock);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static void verdict_keep_records(const history_t *history) {
    FILE *out = settings.records ? fopen(settings.records, "w") : NULL;
    for (size_t i = 0; i < history->count && out; i++)
        record_print(&history->records[i], out);
    if (out)
        fclose(out);
}

static bool verdict_print(const plan_t *plan, history_t *history) {
    judge_summary_t summary;
    judge_history(history, stdout, &summary);
    verdict_keep_records(history);
    if (summary.late_ms)
        printf("note: %s came back %llu ms after its time-out\n", summary.late_call,
               (unsigned long long)summary.late_ms);
    if (summary.fault_count) {
        plan_print(plan, stdout);
        printf("again: mpiexec -n %d %s --seed %llu --window %s%s%s%s\n", plan->rank_count,
               settings.delays || settings.fails ? "history_delay" : "history_run",
               (unsigned long long)plan->seed, settings.window, settings.stops ? " --stop" : "",
               settings.delays ? " --delay" : "", settings.fails ? " --fail" : "");
        printf("history: seed %llu: %llu faults\n", (unsigned long long)plan->seed,
               (unsigned long long)summary.fault_count);
    } else {
        printf("history: seed %llu: all right, %llu pushed, %llu delivered, %llu reported lost\n",
               (unsigned long long)plan->seed, (unsigned long long)summary.pushed,
               (unsigned long long)summary.delivered, (unsigned long long)summary.lost);
    }
    fflush(stdout);
    return summary.fault_count == 0;
}

/* One seed. Whether it is all right, on all ranks. */
static bool verdict_of(uint64_t seed, MPI_Comm comm) {
    static run_t run;
    static plan_t plan;
    history_t history;
    plan_make(&plan, seed, size, settings.window);
    if (settings.plan_only) {
        if (rank == 0)
            plan_print(&plan, stdout);
        return true;
    }
    run_all(&run, &plan, comm, &history);
    int right = rank != 0 || verdict_print(&plan, &history), all;
    free(history.records);
    MPI_Allreduce(&right, &all, 1, MPI_INT, MPI_MIN, comm);
    return all;
}

static void settings_parse(int argc, char **argv) {
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"window", required_argument, NULL, 'w'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"records", required_argument, NULL, 'r'},
                                            {"plan", no_argument, NULL, 'p'},
                                            {"stop", no_argument, NULL, 'S'},
                                            {"delay", no_argument, NULL, 'D'},
                                            {"fail", no_argument, NULL, 'F'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            exit(2);
        if (c == 's')
            settings.seed = strtoull(optarg, NULL, 10);
        else if (c == 'c')
            settings.count = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'w')
            settings.window = optarg;
        else if (c == 'l')
            settings.limit_ms = 1000 * strtoll(optarg, NULL, 10);
        else if (c == 'r')
            settings.records = optarg;
        else if (c == 'S')
            settings.stops = true;
        else if (c == 'D')
            settings.delays = true;
        else if (c == 'F')
            settings.fails = true;
        else if (c == 'v')
            settings.verbose = true;
        else
            settings.plan_only = true;
    }
}

int main(int argc, char **argv) {
    MPI_Comm comm;
    bool right = true;
    settings_parse(argc, argv);
    if (settings.stops)
        trouble_prepare();
    mpi_main_start(&argc, &argv);
    NEEDS((!settings.delays && !settings.fails) || trouble_has_calls());
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    mofka_log_set_callback(run_log, NULL);
    for (unsigned i = 0; i < settings.count; i++)
        right = verdict_of(settings.seed + i, comm) && right;
    watch.deadline = INT64_MAX;
    MPI_Comm_free(&comm);
    return mpi_main_end(!right);
}
