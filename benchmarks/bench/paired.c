/* SPDX-License-Identifier: BSD-3-Clause */
/* Floors run beside the subject, as paired.h describes. */
#include "paired.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ADAPTIVE_BATCH_BYTES ((size_t)1 << 20)
#define LINE_ROUND_S 5e-3

static int paired_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(double *values, size_t count) {
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, paired_compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The bytes that one batch puts: like the library, at most a quarter of the partition. */
static size_t paired_batch_bytes(const bench_settings_t *s) {
    assert(s->partition_bytes > 0);
    size_t event = s->metadata_size + s->data_size, most = s->partition_bytes / 4;
    bool adaptive = s->batch_size == MOFKA_BATCH_ADAPTIVE;
    size_t bytes = adaptive ? ADAPTIVE_BATCH_BYTES : s->batch_size * event;
    bytes = bytes < most ? bytes : most;
    return bytes > event ? bytes : event;
}

/* The floors that belong to a window. Puts and gets of an rma window each stay in one core. If MPI
 * makes the window of memory that ranks share, a stream's bytes cross from one core to the other,
 * as in two_copy. */
static unsigned paired_kinds(const bench_settings_t *s, bool shm, bool near) {
    assert(near || !shm);
    unsigned kinds = 1u << FLOOR_ISEND | (near ? 1u << FLOOR_TWO_COPY | 1u << FLOOR_LINE : 0);
    kinds |= shm ? 1u << FLOOR_MEMCPY | 1u << FLOOR_RING | 1u << FLOOR_RING_64
                 : 1u << FLOOR_PUT | 1u << FLOOR_GET;
    return kinds | (s->zero_copy ? 1u << FLOOR_ZERO_COPY : 0);
}

void paired_open(paired_t *p, const bench_job_t *job, const bench_settings_t *s) {
    *p = (paired_t){.job = job};
    if (!s->baseline)
        return;
    bool here = job->pair != MPI_COMM_NULL;
    bool near = bench_job_max(job, here && floor_shares_node(job->pair)) > 0;
    bool shm = strcmp(s->window, "shm") == 0 || (strcmp(s->window, "auto") == 0 && near);
    p->kinds = paired_kinds(s, shm && near, near);
    size_t event = s->metadata_size + s->data_size;
    double failed = 0;
    for (int i = 0; i < FLOOR_COUNT; i++) {
        bool one_sided = i == FLOOR_PUT || i == FLOOR_GET, line = i == FLOOR_LINE;
        p->bytes[i] = one_sided ? paired_batch_bytes(s) : line ? sizeof(uint64_t) : event;
        size_t ring_bytes = line ? 0 : s->partition_bytes;
        if (!here || !(p->kinds & 1u << i))
            continue;
        p->floors[i] = floor_open(job->pair, p->bytes[i], ring_bytes, 1u << i);
        failed += !p->floors[i];
    }
    if (bench_job_max(job, failed) > 0)
        bench_abort(1); /* floor_open has printed a message */
}

static bool paired_make_room(paired_t *p) {
    assert(p->count <= p->room);
    if (p->count < p->room)
        return true;
    p->room = p->room ? 2 * p->room : 64;
    for (int i = 0; i < FLOOR_COUNT; i++) {
        double *speed = reallocarray(p->speed[i], p->room, sizeof *speed);
        double *ratio = reallocarray(p->ratio[i], p->room, sizeof *ratio);
        p->speed[i] = speed ? speed : p->speed[i];
        p->ratio[i] = ratio ? ratio : p->ratio[i];
        if (!speed || !ratio)
            return false;
    }
    return true;
}

void paired_round(paired_t *p, double gb_per_s, double pushed, double pulled) {
    assert(p->count <= p->room);
    if (!p->kinds)
        return;
    if (!paired_make_room(p))
        bench_must(mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu rounds", p->room), "floors");
    for (int i = 0; i < FLOOR_COUNT; i++) {
        if (!(p->kinds & 1u << i))
            continue;
        double seconds = i == FLOOR_LINE ? LINE_ROUND_S : PAIRED_ROUND_S;
        double rate = p->floors[i] ? floor_round(p->floors[i], (floor_kind_t)i, seconds, NULL) : 0;
        rate = bench_job_max(p->job, rate);
        if (i == FLOOR_LINE) {
            p->speed[i][p->count] = 2e6 / rate;
            p->ratio[i][p->count] = NAN;
            continue;
        }
        double subject = i == FLOOR_PUT ? pushed : i == FLOOR_GET ? pulled : gb_per_s;
        p->speed[i][p->count] = rate * (double)p->bytes[i] * 1e-9;
        p->ratio[i][p->count] = subject / p->speed[i][p->count];
    }
    p->count++;
}

void paired_result(paired_t *p, bench_result_t *result) {
    assert(!p->kinds || p->count > 0);
    for (int i = 0; i < FLOOR_COUNT; i++) {
        if (!(p->kinds & 1u << i))
            continue;
        result->baseline[i] = bench_median(p->speed[i], p->count);
        result->ratio[i] = bench_median(p->ratio[i], p->count);
    }
    p->count = 0;
}

void paired_close(paired_t *p) {
    for (int i = 0; i < FLOOR_COUNT; i++) {
        if (p->floors[i])
            floor_close(p->floors[i]);
        free(p->speed[i]);
        free(p->ratio[i]);
    }
}
