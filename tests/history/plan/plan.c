/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a schedule from a seed, and prints it. */
#include "history/plan/plan.h"

#include <string.h>
#include <mofka/limits.h>

#define ONE_OF(seed, ...)                                                                          \
    ((const int64_t[]){__VA_ARGS__}[history_random(seed) %                                         \
                                    (sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))])

static int plan_rank(const plan_t *plan, uint64_t *seed) {
    return (int)history_between(seed, 0, (uint64_t)plan->rank_count - 1);
}

static void plan_driver(plan_t *plan, uint64_t *seed) {
    size_t used = (size_t)snprintf(plan->driver, sizeof plan->driver,
                                   "{\"window\":\"%s\",\"arena_bytes\":8388608",
                                   plan->node  ? "node"
                                   : plan->rma ? "rma"
                                               : "shm");
    if (plan->node) {
        snprintf(plan->driver + used, sizeof plan->driver - used, ",\"node_ranks\":%d}",
                 (int)ONE_OF(seed, 1, 2, 2));
        plan->by_node = history_chance(seed, 800);
        plan->selector = plan->by_node ? "{\"type\":\"local\"}" : NULL;
        return;
    }
    if (history_chance(seed, 400))
        used += (size_t)snprintf(plan->driver + used, sizeof plan->driver - used,
                                 ",\"owners\":[%d]", plan_rank(plan, seed));
    uint64_t rma = history_random(seed) % 8;
    const char *const extra[] = {
        "",
        "",
        ",\"progress\":\"thread\"",
        ",\"progress\":\"thread\",\"reserve\":\"message\"",
        ",\"memory\":\"create\",\"progress\":\"thread\",\"reserve\":\"message\"",
        ",\"lock_all\":\"check\"",
        ",\"words\":\"serial\"",
        ",\"agent\":false,\"progress\":\"thread\""};
    snprintf(plan->driver + used, sizeof plan->driver - used, "%s}", plan->rma ? extra[rma] : "");
}

/* Partitions so small that the log wraps many times. */
static void plan_topic(plan_t *plan, uint64_t *seed) {
    history_facts_t *facts = &plan->facts;
    facts->partition_count = (size_t)ONE_OF(seed, 1, 1, 2, 3, HISTORY_PARTITIONS_MAX);
    if (plan->by_node) /* "per_owner" */
        facts->partition_count = (size_t)plan->rank_count;
    facts->discards = history_chance(seed, 350);
    plan->partition_events = (uint64_t)ONE_OF(seed, 1, 3, 8, 16, 64, 100, 300);
    plan->partition_bytes = (uint64_t)ONE_OF(seed, 1024, 4096, 16384, 65536);
    plan->expected = history_chance(seed, 500) ? (unsigned)plan->producer_count : 0;
    plan->completer = plan_rank(plan, seed);
    plan->early_complete_ms = history_chance(seed, 120) ? (int)history_between(seed, 0, 200) : -1;
    facts->ends_early = plan->early_complete_ms >= 0;
    const char *const checksums[] = {"auto", "auto", "on", "off"};
    snprintf(plan->topic, sizeof plan->topic,
             "{\"partitions\":%zu,\"partition_events\":%llu,\"partition_bytes\":%llu,"
             "\"retention\":\"%s\",\"checksum\":\"%s\",\"expected_producers\":%u%s}",
             facts->partition_count, (unsigned long long)plan->partition_events,
             (unsigned long long)plan->partition_bytes,
             facts->discards ? "discard_oldest" : "acknowledged",
             checksums[history_random(seed) % (sizeof checksums / sizeof checksums[0])],
             plan->expected, plan->by_node ? ",\"producers\":\"node\"" : "");
    snprintf(plan->validator, sizeof plan->validator, "{\"type\":\"default\",\"json\":%s}",
             history_chance(seed, 500) ? "true" : "false");
}

static void plan_one_producer(plan_t *plan, plan_producer_t *p, uint64_t *seed) {
    p->rank = plan_rank(plan, seed);
    p->thread_count = history_chance(seed, 200) ? 2 : 1;
    p->first_source = (unsigned)plan->facts.source_count;
    p->batch_size = (size_t)ONE_OF(seed, 0, 0, 1, 2, 7, 64);
    p->max_batches = (size_t)ONE_OF(seed, 0, 1, 2, 5, 40);
    p->workers = (size_t)ONE_OF(seed, 0, 0, 1, 2);
    p->loose = history_chance(seed, 300);
    p->linger_ms = (uint64_t)ONE_OF(seed, 0, 1, 3, 50);
    p->push_ms = ONE_OF(seed, 0, 0, 1, 30, 1000, -1);
    p->flush_ms = ONE_OF(seed, 0, 1, 20, 2000);
    p->close_ms = ONE_OF(seed, 0, 1, 20, 1000, 20000);
    p->size = (plan_size_t)(history_random(seed) % PLAN_SIZE_COUNT);
    /* Where few events fit, each waits for room. */
    bool slow = plan->partition_events < 16 || p->size == PLAN_SIZE_LARGE;
    p->event_count = (unsigned)history_between(seed, 20, slow ? 150 : plan->rma ? 250 : 800);
    p->future = (unsigned)ONE_OF(seed, 0, 200, 1000);
    p->early_release = (unsigned)ONE_OF(seed, 0, 0, 50);
    p->flush = (unsigned)ONE_OF(seed, 0, 5, 50, 300);
    p->wait = (unsigned)ONE_OF(seed, 0, 20, 300);
    p->sleep = (unsigned)ONE_OF(seed, 0, 5, 50);
    p->bad = (unsigned)ONE_OF(seed, 0, 0, 20);
    p->discard = (unsigned)ONE_OF(seed, 0, 0, 0, 0, 5);
    p->request = (unsigned)ONE_OF(seed, 0, 300, 1000);
    p->gives_up = (unsigned)ONE_OF(seed, 0, 0, 0, 0, 3);
    for (unsigned i = 0; i < p->thread_count; i++)
        plan->facts.loose[plan->facts.source_count++] = p->loose;
}

static void plan_session(const plan_t *plan, plan_session_t *s, uint64_t *seed) {
    s->rank = plan_rank(plan, seed);
    s->gap_ms = (unsigned)ONE_OF(seed, 0, 0, 5, 60);
    s->pull_ms = ONE_OF(seed, 0, 1, 5, 20);
    s->batch_size = (size_t)ONE_OF(seed, 0, 0, 1, 5, 50);
    s->max_batches = (size_t)ONE_OF(seed, 0, 1, 4);
    s->workers = (size_t)ONE_OF(seed, 0, 0, 1, 2);
    s->pull = (plan_pull_t)(history_random(seed) % 5);
    s->selection = (plan_selection_t)(history_random(seed) % PLAN_SELECT_COUNT);
    s->automatic = history_chance(seed, 400);
    s->zero_copy = history_chance(seed, 200) && !plan->rma && !plan->facts.discards;
    s->allocates = history_chance(seed, 300) && !s->zero_copy;
    s->skips = history_chance(seed, 200);
    s->acknowledges_rest = history_chance(seed, 500);
    s->hold = (unsigned)ONE_OF(seed, 0, 1, 3, 10, 40);
    if (s->hold > plan->partition_events / 2 && history_chance(seed, 800))
        s->hold = (unsigned)plan->partition_events / 2;
    /* A future that is released when its event has just come counts as a release. */
    if (s->automatic && s->pull == PLAN_PULL_FUTURE)
        s->pull = PLAN_PULL_MANY;
    /* Callbacks of a pool have no order. */
    if (s->workers && s->pull == PLAN_PROCESS)
        s->pull = PLAN_PULL_ONE;
}

/* The last session reads to the end, so that retention waits for no name for ever. */
static void plan_sessions(const plan_t *plan, plan_reader_t *reader, bool early, uint64_t *seed) {
    reader->session_count = (unsigned)ONE_OF(seed, 1, 1, 2, 3, HISTORY_SESSIONS_MAX);
    for (unsigned i = 0; i < reader->session_count; i++) {
        plan_session_t *s = &reader->sessions[i];
        bool last = i + 1 == reader->session_count;
        plan_session(plan, s, seed);
        uint64_t most = last ? 0 : (uint64_t)ONE_OF(seed, 0, 3, 30, 200);
        s->event_count = most ? (unsigned)history_between(seed, 1, most) : 0;
        s->unsubscribes = history_chance(seed, 100);
        s->acknowledges_rest |= last;
        s->from_end = history_chance(seed, 150) && !(early && i == 0);
        if (early && i == 0)
            s->gap_ms = 0;
    }
}

/* A name, for one reader of all partitions or for two with half of them each. */
static void plan_name(plan_t *plan, size_t name, uint64_t *seed) {
    history_facts_t *facts = &plan->facts;
    size_t parts = facts->partition_count > 1 && history_chance(seed, 400) ? 2 : 1;
    bool early = history_chance(seed, 600);
    for (size_t part = 0; part < parts && facts->reader_count < HISTORY_READERS_MAX; part++) {
        plan_reader_t *reader = &plan->readers[facts->reader_count];
        snprintf(reader->name, sizeof reader->name, "name-%zu", name);
        for (size_t p = part; p < facts->partition_count; p += parts) {
            reader->targets[reader->target_count++] = p;
            facts->readers[facts->reader_count].targets |= UINT32_C(1) << p;
        }
        facts->readers[facts->reader_count++].early = early;
        plan_sessions(plan, reader, early, seed);
    }
}

void plan_make(plan_t *plan, uint64_t seed, int rank_count, const char *window) {
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->rank_count = rank_count;
    plan->node = strcmp(window, "node") == 0;
    plan->rma = plan->node || strcmp(window, "rma") == 0;
    uint64_t random = (seed * 2 + plan->rma) ^ (uint64_t)plan->node << 40;
    plan_driver(plan, &random);
    plan->producer_count = (size_t)history_between(&random, 1, 4);
    plan_topic(plan, &random);
    for (size_t i = 0; i < plan->producer_count; i++)
        plan_one_producer(plan, &plan->producers[i], &random);
    size_t names = (size_t)history_between(&random, 1, 3);
    for (size_t i = 0; i < names; i++)
        plan_name(plan, i, &random);
}

const plan_producer_t *plan_producer_of(const plan_t *plan, unsigned source) {
    const plan_producer_t *p = &plan->producers[plan->producer_count - 1];
    while (p > plan->producers && p->first_source > source)
        p--;
    return p;
}

static void plan_print_session(const plan_session_t *s, FILE *out) {
    static const char *const pulls[] = {"pull", "pull_many", "pull_future", "process", "pull_run"};
    static const char *const selections[] = {"nothing", "all", "a piece", "strides", "ranges"};
    fprintf(out,
            "    rank %d after %u ms: %s with %lld ms, %s, batches %zu x %zu, %zu workers, %s, "
            "holds %u%s%s%s%s%s; ",
            s->rank, s->gap_ms, pulls[s->pull], (long long)s->pull_ms, selections[s->selection],
            s->max_batches, s->batch_size, s->workers, s->automatic ? "automatic" : "manual",
            s->hold, s->zero_copy ? ", zero-copy" : "", s->allocates ? ", allocator" : "",
            s->skips ? ", skip_damaged" : "", s->from_end ? ", from the end" : "",
            s->acknowledges_rest ? "" : ", leaves some");
    if (s->event_count)
        fprintf(out, "%u events%s\n", s->event_count, s->unsubscribes ? ", unsubscribes" : "");
    else
        fprintf(out, "to the end%s\n", s->unsubscribes ? ", unsubscribes" : "");
}

void plan_print(const plan_t *plan, FILE *out) {
    fprintf(out, "driver %s\ntopic %s, validator %s\n", plan->driver, plan->topic, plan->validator);
    fprintf(out, "rank %d completes it, early after %d ms\n", plan->completer,
            plan->early_complete_ms);
    for (size_t i = 0; i < plan->producer_count; i++) {
        const plan_producer_t *p = &plan->producers[i];
        fprintf(out,
                "producer of sources %u to %u: rank %d, %u events each, batches %zu x %zd, %zu "
                "workers, %s, linger %llu ms, push %lld ms, flush %lld ms, close %lld ms, size %d, "
                "per mille: future %u (released %u), flush %u, wait %u, sleep %u, bad %u, discard "
                "%u, request %u; gives up after %u\n",
                p->first_source, p->first_source + p->thread_count - 1, p->rank, p->event_count,
                p->max_batches, (ssize_t)p->batch_size, p->workers, p->loose ? "loose" : "strict",
                (unsigned long long)p->linger_ms, (long long)p->push_ms, (long long)p->flush_ms,
                (long long)p->close_ms, (int)p->size, p->future, p->early_release, p->flush,
                p->wait, p->sleep, p->bad, p->discard, p->request, p->gives_up);
    }
    for (size_t i = 0; i < plan->facts.reader_count; i++) {
        const plan_reader_t *r = &plan->readers[i];
        fprintf(out, "reader %zu, name '%s', partitions %#x%s\n", i, r->name,
                plan->facts.readers[i].targets, plan->facts.readers[i].early ? ", early" : "");
        for (unsigned s = 0; s < r->session_count; s++)
            plan_print_session(&r->sessions[s], out);
    }
}
