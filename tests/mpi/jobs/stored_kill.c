/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job whose events are in files, and which is killed: stored_kill WINDOW FOLDER ROUND FLUSHES.
 *
 * First rank 0 reads all that the jobs before have left: what each of their ranks had been promised
 * is there, once and in order, with dense ids. Then each rank pushes and flushes, and notes in a
 * file how far it was promised; the last rank kills itself after FLUSHES of its own. 0: the job
 * ends in order after it has read.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>

#define ROUNDS_MAX 16
#define RANKS_MAX 8
#define PARTITIONS 3
#define TIMEOUT_MS 60000
#define BATCH 20

static int rank, size;
static const char *folder;

static void fail(const char *what) {
    fprintf(stderr, "rank %d: %s: %s\n", rank, what, mofka_last_error());
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail(#call);                                                                           \
    } while (0)

/* ---- what was promised ----------------------------------------------------------------------- */

static int promise_open(int round, int of, int flags) {
    char path[512];
    snprintf(path, sizeof path, "%s/promised.%d.%d", folder, round, of);
    return open(path, flags, 0666);
}

static int promise_read(int round, int of) {
    int count = 0, fd = promise_open(round, of, O_RDONLY);
    if (fd < 0)
        return 0;
    if (pread(fd, &count, sizeof count, 0) != sizeof count)
        count = 0;
    close(fd);
    return count;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct seen {
    int next[ROUNDS_MAX][RANKS_MAX][PARTITIONS]; /* of each producer, what may come next at least */
    int count[ROUNDS_MAX][RANKS_MAX];            /* how many of its promised events came */
    uint64_t id[PARTITIONS];
} seen_t;

static int seen_missing(const seen_t *seen, int rounds) {
    int missing = 0;
    for (int k = 0; k < rounds; k++)
        for (int r = 0; r < RANKS_MAX; r++)
            missing += promise_read(k, r) - seen->count[k][r];
    return missing;
}

static void seen_take(seen_t *seen, mofka_event_t *event) {
    size_t p = mofka_event_partition(event);
    int k, r, n;
    if (sscanf(mofka_event_metadata_text(event, NULL), "{\"round\":%d,\"rank\":%d,\"n\":%d}", &k,
               &r, &n) != 3 ||
        k >= ROUNDS_MAX || r >= RANKS_MAX || p >= PARTITIONS)
        fail("an event that nobody pushed");
    if (mofka_event_id(event) != seen->id[p]++ || mofka_event_lost(event))
        fail("ids are not dense");
    if (n < seen->next[k][r][p])
        fail("an event twice, or out of order");
    seen->next[k][r][p] = n + 1;
    seen->count[k][r] += n < promise_read(k, r);
}

/* All that is there comes; how much that is, the promises say. */
static int read_all(mofka_topic_t *topic, int round) {
    static seen_t seen;
    char name[32];
    int total = 0;
    mofka_consumer_t *consumer;
    snprintf(name, sizeof name, "round %d", round);
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (;;) {
        mofka_event_t *event;
        int64_t timeout_ms = seen_missing(&seen, round) > 0 ? TIMEOUT_MS : 0;
        mofka_status_t status = mofka_consumer_pull(consumer, timeout_ms, &event);
        if (status == MOFKA_ERR_TIMEOUT && timeout_ms == 0)
            break;
        if (status)
            fail("promised events are missing");
        seen_take(&seen, event);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
        total++;
    }
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return total;
}

/* ---- pushing --------------------------------------------------------------------------------- */

static void push(mofka_topic_t *topic, int round, int flushes) {
    int fd = promise_open(round, rank, O_RDWR | O_CREAT | O_TRUNC);
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 7}, &producer));
    for (int n = 0;; n++) {
        char text[64];
        int bytes =
            snprintf(text, sizeof text, "{\"round\":%d,\"rank\":%d,\"n\":%d}", round, rank, n);
        OK(mofka_producer_push(producer, text, (size_t)bytes, NULL, (size_t)n % PARTITIONS, NULL));
        if ((n + 1) % BATCH)
            continue;
        OK(mofka_producer_flush(producer, TIMEOUT_MS));
        int promised = n + 1;
        if (fd < 0 || pwrite(fd, &promised, sizeof promised, 0) != sizeof promised)
            fail("the promise could not be noted");
        if (rank == size - 1 && promised == flushes * BATCH)
            raise(SIGKILL);
    }
}

int main(int argc, char **argv) {
    int level, round = argc > 3 ? atoi(argv[3]) : 0, flushes = argc > 4 ? atoi(argv[4]) : 0;
    char options[700];
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc < 5 || size > RANKS_MAX || round >= ROUNDS_MAX)
        return 2;
    folder = argv[2];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\"%s}", argv[1],
             folder, strcmp(argv[1], "node") == 0 ? ",\"node_ranks\":1" : "");
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    if (rank == 0 && round == 0)
        OK(mofka_driver_create_topic(
            driver, "t",
            &(mofka_topic_options_t){.options = "{\"storage\":{},\"partitions\":3,"
                                                "\"partition_bytes\":65536,"
                                                "\"partition_events\":256}"}));
    OK(mofka_driver_open_topic(driver, "t", TIMEOUT_MS, &topic));
    if (rank == 0)
        printf("round %d: %d events, none missing, none twice\n", round, read_all(topic, round));
    fflush(stdout);
    MPI_Barrier(MPI_COMM_WORLD);
    if (flushes > 0)
        push(topic, round, flushes);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, TIMEOUT_MS));
    mofka_driver_release(driver);
    return MPI_Finalize();
}
