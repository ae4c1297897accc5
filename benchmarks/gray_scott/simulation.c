/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reaction and diffusion of two species on a periodic square, the Gray-Scott model (Pearson,
 * "Complex Patterns in a Simple System", Science 261, 1993). Explicit Euler, five-point Laplacian.
 * Rows are split over the ranks, and halo rows are exchanged with MPI_Isend. The field is published
 * in slabs, an event each. Their number does not depend on the number of ranks, so that a job with
 * other ranks continues the stream: each rank has one slab or several.
 */
#include "simulation.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "checksum.h"
#include "support/clock.h"

#define DIFFUSION_U 0.16
#define DIFFUSION_V 0.08
#define FEED 0.035
#define KILL 0.060
#define ENDS_TIMEOUT_MS 60000

/* The rows of one rank: whole slabs. */
typedef struct block {
    size_t n, rows, row0;           /* cells per row; own rows; first own row */
    size_t slabs_all, slab0, slabs; /* slabs of all ranks; first own slab; own slabs */
    double *u, *v;                  /* rows + 2, halo first and last */
    double *next_u, *next_v;
    MPI_Comm comm;
    int rank, above, below;
    int *counts, *starts; /* of each rank: cells, and where they begin in the whole field */
} block_t;

/* The first row of a slab. Slabs begin at a sampled row, so that the samples of all make one grid.
 */
static size_t block_row_of(const block_t *b, size_t slab) {
    return b->n / SAMPLE * slab / b->slabs_all * SAMPLE;
}

/* Deal the slabs to the ranks. */
static bool block_deal(block_t *b) {
    int ranks;
    MPI_Comm_rank(b->comm, &b->rank);
    MPI_Comm_size(b->comm, &ranks);
    b->above = (b->rank + ranks - 1) % ranks;
    b->below = (b->rank + 1) % ranks;
    b->counts = calloc((size_t)ranks, 2 * sizeof *b->counts);
    if (!b->counts)
        return false;
    b->starts = b->counts + ranks;
    for (size_t r = 0; r < (size_t)ranks; r++) {
        size_t slab0 = b->slabs_all * r / (size_t)ranks;
        size_t slab1 = b->slabs_all * (r + 1) / (size_t)ranks;
        size_t row0 = block_row_of(b, slab0), row1 = block_row_of(b, slab1);
        b->starts[r] = (int)(row0 * b->n);
        b->counts[r] = (int)((row1 - row0) * b->n);
        if ((int)r == b->rank) {
            b->slab0 = slab0;
            b->slabs = slab1 - slab0;
            b->row0 = row0;
            b->rows = row1 - row0;
        }
    }
    return true;
}

/* The fields at the beginning. */
static void block_seed(block_t *s) {
    size_t n = s->n;
    for (size_t i = 0; i < (s->rows + 2) * n; i++)
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
}

static bool block_init(block_t *b, const demo_options_t *options, MPI_Comm comm) {
    *b = (block_t){.n = (size_t)options->size, .slabs_all = (size_t)options->slabs, .comm = comm};
    if (!block_deal(b))
        return false;
    size_t cells = (b->rows + 2) * b->n;
    b->u = calloc(4 * cells, sizeof *b->u);
    if (!b->u)
        return false;
    b->v = b->u + cells;
    b->next_u = b->v + cells;
    b->next_v = b->next_u + cells;
    block_seed(b);
    return true;
}

/* Take the fields from a checkpoint. */
static void block_scatter(block_t *b, const checkpoint_t *c) {
    const double *from[] = {c->u, c->v};
    double *to[] = {b->u, b->v};
    for (int i = 0; i < 2; i++)
        MPI_Scatterv(from[i], b->counts, b->starts, MPI_DOUBLE, to[i] + b->n, b->counts[b->rank],
                     MPI_DOUBLE, 0, b->comm);
}

/* Write a checkpoint after a step. All ranks have flushed what they pushed, and push nothing before
 * the topic's ends are known: that is what the two barriers are for. */
static mofka_status_t block_checkpoint(const block_t *b, long step, const char *path,
                                       mofka_topic_t *topic, checkpoint_t *c) {
    mofka_metadata_t *ends = NULL;
    mofka_status_t status = MOFKA_OK;
    MPI_Barrier(b->comm);
    if (b->rank == 0)
        status = mofka_topic_ends(topic, ENDS_TIMEOUT_MS, &ends);
    MPI_Barrier(b->comm);
    const double *from[] = {b->u, b->v};
    double *to[] = {c->u, c->v};
    for (int i = 0; i < 2; i++)
        MPI_Gatherv(from[i] + b->n, b->counts[b->rank], MPI_DOUBLE, to[i], b->counts, b->starts,
                    MPI_DOUBLE, 0, b->comm);
    c->step = step;
    if (!status && b->rank == 0)
        status = checkpoint_write(c, path, mofka_metadata_text(ends, NULL));
    mofka_metadata_release(ends);
    return status;
}

/* Exchange the halo rows of both fields. The wait yields: with more ranks than cores, a rank that
 * spins would take the core from the one that it waits for. */
static void block_exchange(const block_t *s) {
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

static void block_step(block_t *s) {
    assert(s->u && s->next_u);
    size_t n = s->n;
    block_exchange(s);
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

/* Push a slab of v as it lies in memory. Each slab has a partition. */
static mofka_status_t block_push(const block_t *b, long step_number, size_t slab,
                                 mofka_producer_t *producer, published_t *published) {
    size_t row0 = block_row_of(b, slab), rows = block_row_of(b, slab + 1) - row0;
    assert(row0 >= b->row0 && row0 + rows <= b->row0 + b->rows);
    double *field = b->v + (row0 - b->row0 + 1) * b->n;
    size_t bytes = rows * b->n * sizeof *field;
    uint64_t full = field_checksum(CHECKSUM_START, field, rows * b->n, 1), sample = CHECKSUM_START;
    for (size_t row = 0; row < rows; row += SAMPLE)
        sample = field_checksum(sample, field + row * b->n, b->n / SAMPLE, SAMPLE);
    char metadata[384];
    int length = snprintf(
        metadata, sizeof metadata,
        "{\"step\":%ld,\"row0\":%zu,\"rows\":%zu,\"n\":%zu,\"checksum\":\"%016" PRIx64
        "\",\"sample_checksum\":\"%016" PRIx64
        "\",\"time\":%.6f,\"dtype\":\"<f8\",\"shape\":[%zu,%zu]}",
        step_number, row0, rows, b->n, full, sample, clock_seconds(CLOCK_REALTIME), rows, b->n);
    mofka_data_view_t *view;
    mofka_status_t status = mofka_data_view_of(field, bytes, &view);
    if (status)
        return status;
    status = mofka_producer_push(producer, metadata, (size_t)length, view, slab, NULL);
    mofka_data_view_release(view);
    if (!status) {
        published->events++;
        published->bytes += bytes + (size_t)length;
    }
    return status;
}

/* Publish the own slabs. They are stored before the next step may change them. */
static mofka_status_t block_publish(const block_t *b, long step_number, mofka_producer_t *producer,
                                    published_t *published) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < b->slabs && !status; i++)
        status = block_push(b, step_number, b->slab0 + i, producer, published);
    return status ? status : mofka_producer_flush(producer, MOFKA_WAIT_FOREVER);
}

/* The steps behind the checkpoint. */
static mofka_status_t block_run(block_t *b, const demo_options_t *o, mofka_topic_t *topic,
                                mofka_producer_t *producer, checkpoint_t *checkpoint,
                                published_t *published) {
    mofka_status_t status = MOFKA_OK;
    /* What dies before the first checkpoint begins again here. */
    if (o->checkpoint && !checkpoint->ends)
        status = block_checkpoint(b, 0, o->checkpoint, topic, checkpoint);
    for (long i = checkpoint->step + 1; i <= o->steps && !status; i++) {
        block_step(b);
        if (i % o->every == 0)
            status = block_publish(b, i, producer, published);
        if (i == o->die_at)
            raise(SIGKILL);
        if (!status && o->checkpoint && i % (o->every * o->checkpoint_every) == 0)
            status = block_checkpoint(b, i, o->checkpoint, topic, checkpoint);
    }
    return status;
}

mofka_status_t simulation_run(const demo_options_t *options, MPI_Comm comm, mofka_topic_t *topic,
                              checkpoint_t *checkpoint, published_t *published) {
    *published = (published_t){0};
    mofka_producer_t *producer;
    mofka_status_t status = mofka_producer_create(topic, NULL, &producer);
    if (status)
        return status;
    block_t block;
    if (!block_init(&block, options, comm))
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a block of rows");
    double *memory = block.u; /* block_step swaps the fields */
    if (!status && checkpoint->step > 0)
        block_scatter(&block, checkpoint);
    if (!status)
        status = block_run(&block, options, topic, producer, checkpoint, published);
    mofka_status_t closed = mofka_producer_close(producer, MOFKA_WAIT_FOREVER);
    mofka_producer_release(producer);
    free(memory);
    free(block.counts);
    return status ? status : closed;
}
