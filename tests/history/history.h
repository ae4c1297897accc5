/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A history: what the calls of a run answered, on all ranks, as records. judge/ decides from the
 * records alone whether the run kept the guarantees.
 *
 * A source is one thread that pushes. It numbers its events from 0, also those that are refused. A
 * reader is one place of a named consumer: it comes and leaves several times, each time a session,
 * maybe on another rank. Readers of one name have disjoint partitions.
 */
#ifndef MOFKA_TESTS_HISTORY_H
#define MOFKA_TESTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define HISTORY_PARTITIONS_MAX 6
#define HISTORY_SOURCES_MAX 12
#define HISTORY_READERS_MAX 8
#define HISTORY_SESSIONS_MAX 4

/* The comments name the members of a record that a kind uses, beside `actor` and `order`. */
typedef enum history_kind {
    HISTORY_PUSH,        /* of a source: number, status; value: 1 with a future */
    HISTORY_OUTCOME,     /* of a future: number, status, value: mofka_delivery_t, partition, id */
    HISTORY_FLUSH,       /* of a source: status; number: the events pushed before */
    HISTORY_CLOSE,       /* as HISTORY_FLUSH; the last answer of closing the producer */
    HISTORY_JOIN,        /* of a reader: session, status; value: 1 automatic acknowledgement */
    HISTORY_DELIVER,     /* session, partition, id, source, number; value: lost; status: content */
    HISTORY_ACKNOWLEDGE, /* session, partition, id, status */
    HISTORY_RELEASE,     /* session, partition, id: with automatic acknowledgement */
    HISTORY_END,         /* session: the end was pulled */
    HISTORY_WAIT,        /* session: it gave up, as no event came for seconds. With --fail only */
    HISTORY_LEAVE,       /* session, status; value: mofka_consumer_lost; number: 1 unsubscribed */
    HISTORY_LATE,        /* a call came back late. call; value: by how many ms */
    HISTORY_UNEXPECTED   /* a call gave an answer that is not documented. call, status */
} history_kind_t;

#define HISTORY_CALL_BYTES 96

typedef struct history_record {
    int32_t kind;   /* history_kind_t */
    int32_t actor;  /* the source or reader */
    int32_t status; /* mofka_status_t */
    uint32_t session, order;
    uint32_t partition, source, number;
    uint64_t id, value;
    char call[HISTORY_CALL_BYTES];
} history_record_t;

/* What judging needs to know of the schedule. */
typedef struct history_facts {
    size_t partition_count;
    bool discards; /* retention discard_oldest */
    /* The topic may end while producers push. What was discarded for a batch that the end then
     * refuses has no later event that reports it; only mofka_consumer_lost does. */
    bool ends_early;
    /* One-sided operations of some rank failed: what its calls then answered may be stored or not,
     * and may be a hole, in which readers wait for ever. */
    bool fails;
    size_t source_count;
    bool loose[HISTORY_SOURCES_MAX];
    size_t reader_count;
    struct {
        bool early;       /* its first session joins before anything is pushed */
        bool faulty;      /* operations failed on a rank of its sessions */
        uint32_t targets; /* a bit for each partition */
    } readers[HISTORY_READERS_MAX];
} history_facts_t;

typedef struct history {
    history_facts_t facts;
    history_record_t *records;
    size_t count;
} history_t;

static inline bool history_is_of_source(const history_record_t *r) {
    return r->kind <= HISTORY_CLOSE;
}

/* The same numbers for the same seed: splitmix64, by S. Vigna. */
static inline uint64_t history_random(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number from `least` to `most`. */
static inline uint64_t history_between(uint64_t *seed, uint64_t least, uint64_t most) {
    return least + history_random(seed) % (most - least + 1);
}

static inline bool history_chance(uint64_t *seed, unsigned per_mille) {
    return history_random(seed) % 1000 < per_mille;
}

#endif
