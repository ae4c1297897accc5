/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reaction and diffusion of two species on a periodic square, the Gray-Scott model (Pearson,
 * "Complex Patterns in a Simple System", Science 261, 1993). Explicit Euler, five-point Laplacian.
 * Rows are split over the ranks, and halo rows are exchanged with MPI_Isend.
 */
#include "simulation.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "support/clock.h"

#define DIFFUSION_U 0.16
#define DIFFUSION_V 0.08
#define FEED 0.035
#define KILL 0.060

typedef struct slab {
    size_t n, rows, row0; /* cells per row; own rows; first own row */
    double *u, *v;        /* rows + 2, halo first and last */
    double *next_u, *next_v;
    MPI_Comm comm;
    int above, below;
} slab_t;

uint64_t field_checksum(uint64_t sum, const double *values, size_t count, size_t stride) {
    assert(stride > 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i * stride], sizeof bits);
        sum = (sum ^ bits) * UINT64_C(0xff51afd7ed558ccd);
        sum ^= sum >> 29;
    }
    return sum;
}

static bool slab_init(slab_t *s, size_t n, MPI_Comm comm) {
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    /* Slabs begin at a sampled row, so that the samples of all make one grid. */
    size_t lines = n / SAMPLE, first = lines * (size_t)rank / (size_t)size;
    size_t last = lines * ((size_t)rank + 1) / (size_t)size;
    *s = (slab_t){.n = n, .rows = (last - first) * SAMPLE, .row0 = first * SAMPLE, .comm = comm};
    s->above = (rank + size - 1) % size;
    s->below = (rank + 1) % size;
    size_t cells = (s->rows + 2) * n;
    s->u = calloc(4 * cells, sizeof *s->u);
    if (!s->u)
        return false;
    s->v = s->u + cells;
    s->next_u = s->v + cells;
    s->next_v = s->next_u + cells;
    for (size_t i = 0; i < cells; i++)
        s->u[i] = 1;
    /* The seeds are squares at fixed, scattered places of the whole field. */
    uint64_t random = 12345;
    for (int seed = 0; seed < 24; seed++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t y = (size_t)(random >> 40) % n, x = (size_t)(random >> 20) % n;
        for (size_t dy = 0; dy < 8; dy++)
            for (size_t dx = 0; dx < 8; dx++) {
                size_t row = (y + dy) % n, at = (x + dx) % n;
                if (row < s->row0 || row >= s->row0 + s->rows)
                    continue;
                s->u[(row - s->row0 + 1) * n + at] = 0.5;
                s->v[(row - s->row0 + 1) * n + at] = 0.25;
            }
    }
    return true;
}

/* Exchange the halo rows of both fields. The wait yields: with more ranks than cores, a rank that
 * spins would take the core from the one that it waits for. */
static void slab_exchange(const slab_t *s) {
    assert(s->rows > 0 && s->n > 0);
    int n = (int)s->n, done = 0;
    size_t last = s->rows * s->n;
    double *fields[] = {s->u, s->v};
    MPI_Request requests[2][4];
    MPI_Status statuses[8];
    for (int i = 0; i < 2; i++) {
        double *f = fields[i];
        MPI_Request *r = requests[i];
        MPI_Irecv(f, n, MPI_DOUBLE, s->above, 2 * i, s->comm, &r[0]);
        MPI_Irecv(f + last + n, n, MPI_DOUBLE, s->below, 2 * i + 1, s->comm, &r[1]);
        MPI_Isend(f + last, n, MPI_DOUBLE, s->below, 2 * i, s->comm, &r[2]);
        MPI_Isend(f + n, n, MPI_DOUBLE, s->above, 2 * i + 1, s->comm, &r[3]);
    }
    for (int tries = 0; !done; tries++) {
        MPI_Testall(8, requests[0], &done, statuses);
        if (!done && tries > 20)
            sched_yield();
    }
}

static void slab_step(slab_t *s) {
    assert(s->u && s->next_u);
    size_t n = s->n;
    slab_exchange(s);
    for (size_t row = 1; row <= s->rows; row++) {
        for (size_t x = 0; x < n; x++) {
            size_t at = row * n + x, west = row * n + (x ? x : n) - 1;
            size_t east = row * n + (x + 1 < n ? x + 1 : 0);
            double u = s->u[at], v = s->v[at], reaction = u * v * v;
            double lap_u = s->u[at - n] + s->u[at + n] + s->u[west] + s->u[east] - 4 * u;
            double lap_v = s->v[at - n] + s->v[at + n] + s->v[west] + s->v[east] - 4 * v;
            s->next_u[at] = u + DIFFUSION_U * lap_u - reaction + FEED * (1 - u);
            s->next_v[at] = v + DIFFUSION_V * lap_v + reaction - (FEED + KILL) * v;
        }
    }
    double *u = s->u, *v = s->v;
    s->u = s->next_u;
    s->v = s->next_v;
    s->next_u = u;
    s->next_v = v;
}

/* Publish the slab of v as it lies in memory. It is stored before the next step may change it. */
static mofka_status_t slab_publish(const slab_t *s, long step_number, size_t partition,
                                   mofka_producer_t *producer, published_t *published) {
    assert(s->row0 + s->rows <= s->n);
    double *field = s->v + s->n;
    size_t bytes = s->rows * s->n * sizeof *field;
    uint64_t full = field_checksum(CHECKSUM_START, field, s->rows * s->n, 1),
             sample = CHECKSUM_START;
    for (size_t row = 0; row < s->rows; row += SAMPLE)
        sample = field_checksum(sample, field + row * s->n, s->n / SAMPLE, SAMPLE);
    char metadata[384];
    int length =
        snprintf(metadata, sizeof metadata,
                 "{\"step\":%ld,\"row0\":%zu,\"rows\":%zu,\"n\":%zu,\"checksum\":\"%016" PRIx64
                 "\",\"sample_checksum\":\"%016" PRIx64
                 "\",\"time\":%.6f,\"dtype\":\"<f8\",\"shape\":[%zu,%zu]}",
                 step_number, s->row0, s->rows, s->n, full, sample, clock_seconds(CLOCK_REALTIME),
                 s->rows, s->n);
    mofka_data_view_t *view;
    mofka_status_t status = mofka_data_view_of(field, bytes, &view);
    if (!status) {
        status = mofka_producer_push(producer, metadata, (size_t)length, view, partition, NULL);
        mofka_data_view_release(view);
    }
    if (!status)
        status = mofka_producer_flush(producer, MOFKA_WAIT_FOREVER);
    if (!status) {
        published->events++;
        published->bytes += bytes + (size_t)length;
    }
    return status;
}

mofka_status_t simulation_run(const demo_options_t *options, MPI_Comm comm, mofka_topic_t *topic,
                              published_t *published) {
    int rank;
    MPI_Comm_rank(comm, &rank);
    *published = (published_t){0};
    mofka_producer_t *producer;
    mofka_status_t status = mofka_producer_create(topic, NULL, &producer);
    if (status)
        return status;
    slab_t slab;
    if (!slab_init(&slab, (size_t)options->size, comm))
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a slab");
    double *memory = slab.u; /* slab_step swaps the fields */
    for (long i = 1; i <= options->steps && !status; i++) {
        slab_step(&slab);
        if (i % options->every == 0)
            status = slab_publish(&slab, i, (size_t)rank, producer, published);
    }
    mofka_status_t closed = mofka_producer_close(producer, MOFKA_WAIT_FOREVER);
    mofka_producer_release(producer);
    free(memory);
    return status ? status : closed;
}
