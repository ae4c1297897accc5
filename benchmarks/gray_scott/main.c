/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The demo: a simulation publishes its field while it runs, and analysis ranks of the same job
 * consume it. The last --analysis-ranks ranks analyse, the others simulate. At the end one summary
 * line is printed. With --store the events are kept in files, and with --checkpoint a later job
 * goes on where an earlier one has written a checkpoint, with any number of ranks. With --watchers,
 * the last ranks of the job run other programs, which create the driver together with the demo;
 * watch.py is one.
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
#define TOPIC "gray-scott"

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

static int demo_simulating(const demo_options_t *o) {
    assert(size > (int)o->analysis_ranks);
    return size - (int)o->analysis_ranks;
}

/* A slab stays on the node of the rank that computes it, if each rank has one. */
static bool demo_is_by_node(const demo_options_t *o) {
    return strcmp(o->window, "node") == 0 && o->slabs == demo_simulating(o);
}

/* The driver's option "owners", with a comma in front: the simulating ranks. "": all. */
static void demo_list_owners(const demo_options_t *o, char *text, size_t bytes) {
    int simulating = demo_simulating(o);
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < simulating && demo_is_by_node(o) && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%d%s", i ? "," : ",\"owners\":[", i,
                                 i + 1 == simulating ? "]" : "");
}

/* The topic, with a partition for each slab. A store may have it already. */
static mofka_status_t demo_open_topic(const demo_options_t *o, mofka_driver_t *driver,
                                      const checkpoint_t *checkpoint, mofka_topic_t **topic) {
    mofka_status_t status = MOFKA_OK;
    if (rank == 0 && !checkpoint->ends) {
        /* Room for four slabs and their metadata in each partition. */
        size_t slab = ((size_t)(o->size / SAMPLE / o->slabs) + 1) * SAMPLE * (size_t)o->size * 8;
        char options[192];
        snprintf(options, sizeof options,
                 "{\"partitions\":%ld,\"partition_bytes\":%zu,\"partition_events\":64%s%s}",
                 o->slabs, 4 * (slab + 1024), o->store ? ",\"storage\":{}" : "",
                 demo_is_by_node(o) ? ",\"producers\":\"node\"" : "");
        status =
            mofka_driver_create_topic(driver, TOPIC, &(mofka_topic_options_t){.options = options});
        if (status == MOFKA_ERR_EXISTS)
            status = mofka_fail(status,
                                "the store %s has the events of an earlier run: pass its "
                                "--checkpoint, or another --store",
                                o->store);
    }
    if (!status)
        status = mofka_driver_open_topic(driver, TOPIC, 10000, topic);
    size_t slabs = status ? 0 : mofka_topic_partition_count(*topic);
    if (rank == 0 && !status && slabs != (size_t)o->slabs) {
        status = mofka_fail(MOFKA_ERR_RANGE, "it has %zu slabs: pass --slabs %zu", slabs, slabs);
        mofka_topic_release(*topic);
    }
    return status;
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

/* Events of a whole run. */
static uint64_t demo_events(const demo_options_t *o) {
    return (uint64_t)(o->slabs * (o->steps / o->every));
}

static int demo_summarise(const demo_options_t *o, const published_t *published,
                          const analysed_t *analysed, double seconds, int failed) {
    assert(failed == 0 || failed == 1);
    uint64_t own[] = {published->events, published->bytes, analysed->events,
                      analysed->bytes,   analysed->frames, analysed->wrong + (uint64_t)failed};
    uint64_t sum[6];
    int total;
    MPI_Allreduce(own, sum, 6, MPI_UINT64_T, MPI_SUM, demo_comm);
    double *latencies = demo_gather(analysed, &total);
    bool verified = sum[5] == 0 && sum[2] == demo_events(o) && sum[2] > 0;
    if (rank == 0)
        printf("events=%" PRIu64 " published=%" PRIu64 "B fetched=%" PRIu64 "B frames=%" PRIu64
               " events/s=%.1f GB/s=%.4f latency_p50=%.3fms latency_p99=%.3fms verified=%s\n",
               sum[2], sum[1], sum[3], sum[4], (double)sum[2] / seconds,
               (double)sum[1] / seconds * 1e-9, total ? 1e3 * latencies[total / 2] : 0,
               total ? 1e3 * latencies[(int)(0.99 * (total - 1))] : 0, verified ? "yes" : "no");
    free(latencies);
    return verified ? 0 : 1;
}

static mofka_status_t demo_create_driver(const demo_options_t *o, const checkpoint_t *checkpoint,
                                         mofka_driver_t **driver) {
    char owners[3072], *options = NULL, *storage = NULL;
    size_t field = (size_t)o->size * (size_t)o->size * sizeof(double);
    demo_list_owners(o, owners, sizeof owners);
    /* Where it resumes, what the topic has behind the checkpoint is cut off. */
    bool made =
        asprintf(&storage, o->store ? ",\"store\":\"%s\"%s%s%s" : "", o->store,
                 checkpoint->ends ? ",\"resume_at\":{\"" TOPIC "\":" : "",
                 checkpoint->ends ? checkpoint->ends : "", checkpoint->ends ? "}" : "") >= 0 &&
        asprintf(&options, "{\"window\":\"%s\",\"arena_bytes\":%zu%s%s}", o->window,
                 8 * field + (1 << 20), owners, storage) >= 0;
    mofka_status_t status = made ? mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for options");
    free(storage);
    free(options);
    return status;
}

/* Simulate on the first ranks, analyse on the last ones. */
static mofka_status_t demo_work(const demo_options_t *o, mofka_topic_t *topic,
                                checkpoint_t *checkpoint, published_t *published,
                                analysed_t *analysed) {
    int simulating = demo_simulating(o);
    MPI_Comm comm;
    MPI_Comm_split(demo_comm, rank >= simulating, rank, &comm);
    mofka_status_t status;
    if (rank >= simulating) {
        status = analysis_run(o, rank - simulating, topic, analysed);
    } else {
        status = simulation_run(o, comm, topic, checkpoint, published);
        if (!status)
            MPI_Barrier(comm);
        if (!status && rank == 0)
            status = mofka_topic_mark_complete(topic, CLOSE_TIMEOUT_MS);
    }
    MPI_Comm_free(&comm);
    return status;
}

static int demo_run(const demo_options_t *o, checkpoint_t *checkpoint) {
    mofka_driver_t *driver;
    if (demo_report(demo_create_driver(o, checkpoint, &driver), "driver"))
        return 1; /* the driver's creation fails on all ranks alike */
    mofka_topic_t *topic;
    if (demo_report(demo_open_topic(o, driver, checkpoint, &topic), "topic"))
        demo_abort(); /* the other ranks wait for this one's events */
    published_t published = {0};
    analysed_t analysed = {0};
    MPI_Barrier(demo_comm);
    double start = MPI_Wtime();
    int failed = demo_report(demo_work(o, topic, checkpoint, &published, &analysed),
                             rank < demo_simulating(o) ? "simulation" : "analysis");
    if (failed)
        demo_abort();
    MPI_Barrier(demo_comm);
    int result = demo_summarise(o, &published, &analysed, MPI_Wtime() - start, failed);
    free(analysed.latencies);
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

/* Rank 0 makes the folder, and reads the checkpoint. */
static int demo_prepare(const demo_options_t *o, checkpoint_t *checkpoint) {
    if (mkdir(o->output, 0777) && errno != EEXIST) {
        fprintf(stderr, "gray_scott: folder '%s': %s\n", o->output, strerror(errno));
        return 1;
    }
    if (!o->checkpoint)
        return 0;
    mofka_status_t status = checkpoint_make((size_t)o->size, checkpoint);
    if (!status)
        status = checkpoint_read(checkpoint, o->checkpoint);
    return demo_report(status, "checkpoint");
}

/* All ranks get the step and the ends of the checkpoint. */
static void demo_share(checkpoint_t *checkpoint) {
    long numbers[] = {checkpoint->step, checkpoint->ends ? (long)strlen(checkpoint->ends) : -1};
    MPI_Bcast(numbers, 2, MPI_LONG, 0, demo_comm);
    checkpoint->step = numbers[0];
    if (numbers[1] < 0)
        return;
    if (rank != 0 && !(checkpoint->ends = calloc((size_t)numbers[1] + 1, 1))) {
        fprintf(stderr, "gray_scott: rank %d: no memory for a checkpoint\n", rank);
        demo_abort();
    }
    MPI_Bcast(checkpoint->ends, (int)numbers[1], MPI_CHAR, 0, demo_comm);
}

static int demo_start(const demo_options_t *options) {
    checkpoint_t checkpoint = {0};
    demo_join((int)options->watchers);
    int result = rank == 0 ? demo_prepare(options, &checkpoint) : 0;
    MPI_Bcast(&result, 1, MPI_INT, 0, demo_comm);
    if (result == 0 && options->checkpoint)
        demo_share(&checkpoint);
    if (result == 0)
        result = demo_run(options, &checkpoint);
    checkpoint_clear(&checkpoint);
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
