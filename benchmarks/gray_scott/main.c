/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The demo: a simulation publishes its field while it runs, and analysis ranks of the same job
 * consume it. The last --analysis-ranks ranks analyse, the others simulate. At the end one summary
 * line is printed. With --watchers, the last ranks of the job run other programs, which create the
 * driver together with the demo; watch.py is one.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "analysis.h"
#include "simulation.h"

#define CLOSE_TIMEOUT_MS 60000

/* The ranks of the demo, without the watchers; `rank` and `size` are those of it. */
static MPI_Comm demo_comm;
static int rank, size;

/* End the whole job: other ranks may be waiting for this one. */
static _Noreturn void demo_abort(void) {
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1); /* MPI_Abort may return */
}

static int demo_report(mofka_status_t status, const char *what) {
    if (status)
        fprintf(stderr, "gray_scott: rank %d: %s: %s: %s\n", rank, what, mofka_status_name(status),
                mofka_last_error());
    return status != MOFKA_OK;
}

/* A slab stays on the node of the rank that computes it. */
static bool demo_is_by_node(const demo_options_t *o) {
    return strcmp(o->window, "node") == 0;
}

/* The driver's option "owners", with a comma in front: the simulating ranks. "": all. */
static void demo_list_owners(const demo_options_t *o, char *text, size_t bytes) {
    int simulating = size - (int)o->analysis_ranks;
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < simulating && demo_is_by_node(o) && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%d%s", i ? "," : ",\"owners\":[", i,
                                 i + 1 == simulating ? "]" : "");
}

static mofka_status_t demo_open_topic(const demo_options_t *o, mofka_driver_t *driver,
                                      mofka_topic_t **topic) {
    assert(size > (int)o->analysis_ranks);
    int simulating = size - (int)o->analysis_ranks;
    mofka_status_t status = MOFKA_OK;
    if (rank == 0) {
        /* Room for four slabs and their metadata in each partition. */
        size_t slab =
            ((size_t)o->size / SAMPLE / (size_t)simulating + 1) * SAMPLE * (size_t)o->size * 8;
        char options[192];
        snprintf(options, sizeof options,
                 "{\"partitions\":%d,\"partition_bytes\":%zu,\"partition_events\":64,"
                 "\"expected_producers\":%d%s}",
                 simulating, 4 * (slab + 1024), simulating,
                 demo_is_by_node(o) ? ",\"producers\":\"node\"" : "");
        status = mofka_driver_create_topic(driver, "gray-scott",
                                           &(mofka_topic_options_t){.options = options});
    }
    return status ? status : mofka_driver_open_topic(driver, "gray-scott", 10000, topic);
}

static int demo_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Gather the latencies of all ranks at rank 0, sorted. */
static double *demo_gather(const analysed_t *analysed, int *total) {
    assert(analysed->events == 0 || analysed->latencies);
    int own = (int)analysed->events, *counts = calloc((size_t)size, sizeof *counts);
    int *starts = calloc((size_t)size, sizeof *starts);
    MPI_Gather(&own, 1, MPI_INT, counts, 1, MPI_INT, 0, demo_comm);
    *total = 0;
    for (int i = 0; rank == 0 && i < size; i++) {
        starts[i] = *total;
        *total += counts[i];
    }
    double *all = calloc((size_t)*total + 1, sizeof *all);
    MPI_Gatherv(analysed->latencies, own, MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, 0,
                demo_comm);
    qsort(all, (size_t)*total, sizeof *all, demo_compare);
    free(counts);
    free(starts);
    return all;
}

static int demo_summarise(const published_t *published, const analysed_t *analysed, double seconds,
                          int failed) {
    assert(failed == 0 || failed == 1);
    uint64_t own[] = {published->events, published->bytes, analysed->events,
                      analysed->bytes,   analysed->frames, analysed->wrong + (uint64_t)failed};
    uint64_t sum[6];
    int total;
    MPI_Allreduce(own, sum, 6, MPI_UINT64_T, MPI_SUM, demo_comm);
    double *latencies = demo_gather(analysed, &total);
    bool verified = sum[5] == 0 && sum[0] == sum[2] && sum[0] > 0;
    if (rank == 0)
        printf("events=%" PRIu64 " published=%" PRIu64 "B fetched=%" PRIu64 "B frames=%" PRIu64
               " events/s=%.1f GB/s=%.4f latency_p50=%.3fms latency_p99=%.3fms verified=%s\n",
               sum[2], sum[1], sum[3], sum[4], (double)sum[2] / seconds,
               (double)sum[1] / seconds * 1e-9, total ? 1e3 * latencies[total / 2] : 0,
               total ? 1e3 * latencies[(int)(0.99 * (total - 1))] : 0, verified ? "yes" : "no");
    free(latencies);
    return verified ? 0 : 1;
}

static int demo_run(const demo_options_t *o) {
    char driver_options[4096], owners[3072];
    size_t field = (size_t)o->size * (size_t)o->size * sizeof(double);
    demo_list_owners(o, owners, sizeof owners);
    snprintf(driver_options, sizeof driver_options, "{\"window\":\"%s\",\"arena_bytes\":%zu%s}",
             o->window, 8 * field + (1 << 20), owners);
    mofka_driver_t *driver;
    if (demo_report(mofka_mpi_driver_create(MPI_COMM_WORLD, driver_options, &driver), "driver"))
        return 1; /* the driver's creation fails on all ranks alike */
    int first_analysis = size - (int)o->analysis_ranks;
    MPI_Comm comm;
    MPI_Comm_split(demo_comm, rank >= first_analysis, rank, &comm);
    mofka_topic_t *topic;
    if (demo_report(demo_open_topic(o, driver, &topic), "topic"))
        demo_abort(); /* the other ranks wait for this one's events */
    published_t published = {0};
    analysed_t analysed = {0};
    MPI_Barrier(demo_comm);
    double start = MPI_Wtime();
    int failed =
        rank < first_analysis
            ? demo_report(simulation_run(o, comm, topic, &published), "simulation")
            : demo_report(analysis_run(o, rank - first_analysis, topic, &analysed), "analysis");
    if (failed)
        demo_abort();
    MPI_Barrier(demo_comm);
    int result = demo_summarise(&published, &analysed, MPI_Wtime() - start, failed);
    free(analysed.latencies);
    MPI_Comm_free(&comm);
    mofka_topic_release(topic);
    result |= demo_report(mofka_driver_close(driver, CLOSE_TIMEOUT_MS), "close");
    mofka_driver_release(driver);
    return result;
}

/* Make demo_comm of all ranks but the last `watchers`, which take no part in this. */
static void demo_join(int watchers) {
    int world;
    MPI_Group all, own;
    MPI_Comm_size(MPI_COMM_WORLD, &world);
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    MPI_Group_range_incl(all, 1, (int[][3]){{0, world - watchers - 1, 1}}, &own);
    MPI_Comm_create_group(MPI_COMM_WORLD, own, 0, &demo_comm);
    MPI_Group_free(&all);
    MPI_Group_free(&own);
    MPI_Comm_size(demo_comm, &size);
}

static int demo_start(const demo_options_t *options) {
    int result = 0;
    demo_join((int)options->watchers);
    if (rank == 0 && mkdir(options->output, 0777) && errno != EEXIST) {
        fprintf(stderr, "gray_scott: folder '%s': %s\n", options->output, strerror(errno));
        result = 1;
    }
    MPI_Bcast(&result, 1, MPI_INT, 0, demo_comm);
    if (result == 0)
        result = demo_run(options);
    MPI_Comm_free(&demo_comm);
    return result;
}

int main(int argc, char **argv) {
    int level;
    demo_options_t options;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int result = 2;
    if (demo_options_read(argc, argv, size, rank == 0, &options)) {
        if (rank >= size - options.watchers) {
            fprintf(stderr, "gray_scott: rank %d of %d is to run another program\n", rank, size);
            demo_abort(); /* the other ranks would wait for it */
        }
        result = demo_start(&options);
    } else if (options.watchers > 0)
        demo_abort(); /* the watchers wait for this program's driver */
    MPI_Finalize();
    return result;
}
