/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this machine does with files without the library, and how long the library recovers.
 *
 *   durable_floor write|sync|read FOLDER BYTES PIECE   a file of so many bytes, in pieces, by one
 *                                                      thread: written; written, each piece synced;
 *                                                      read from the page cache and checked
 *   durable_floor recover FOLDER BYTES                 a partition of that size, whose process was
 *                                                      killed: until it can be written again
 *
 * Prints one line of JSON. FOLDER is there; what is made in it is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <mofka/mofka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "support/clock.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A program's buffers are more than the caches keep. */
#define MEMORY_BYTES ((size_t)8 << 20)

static _Noreturn void floor_fail(const char *what) {
    fprintf(stderr, "durable_floor: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(1);
}

static char *floor_memory(size_t piece) {
    size_t bytes = piece > MEMORY_BYTES ? piece : MEMORY_BYTES;
    char *memory = malloc(bytes);
    if (!memory)
        floor_fail("memory");
    memset(memory, 'm', bytes);
    return memory;
}

/* Write a file in pieces. The seconds. */
static double floor_write(int fd, size_t bytes, size_t piece, bool syncs) {
    char *memory = floor_memory(piece);
    size_t places = MEMORY_BYTES / piece > 0 ? MEMORY_BYTES / piece : 1;
    double start = clock_seconds(CLOCK_MONOTONIC);
    for (size_t at = 0, i = 0; at < bytes; at += piece, i++)
        if (pwrite(fd, memory + i % places * piece, piece, (off_t)at) != (ssize_t)piece ||
            (syncs && fdatasync(fd) != 0))
            floor_fail("write");
    double seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    free(memory);
    return seconds;
}

static double floor_read(int fd, size_t bytes, size_t piece) {
    char *memory = floor_memory(piece);
    XXH64_hash_t sum = 0;
    double start = clock_seconds(CLOCK_MONOTONIC);
    for (size_t at = 0; at < bytes; at += piece) {
        if (pread(fd, memory, piece, (off_t)at) != (ssize_t)piece)
            floor_fail("read");
        sum ^= XXH3_64bits(memory, piece);
    }
    double seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    if (sum == 1)
        puts(""); /* the sum is used */
    free(memory);
    return seconds;
}

/* ---- recovery -------------------------------------------------------------------------------- */

static void floor_must(mofka_status_t status) {
    if (status == MOFKA_OK)
        return;
    fprintf(stderr, "durable_floor: %s: %s\n", mofka_status_name(status), mofka_last_error());
    exit(1);
}

/* Open the store, and make a producer: then it can be written. */
static mofka_producer_t *floor_open(const char *folder, mofka_driver_t **driver,
                                    mofka_topic_t **topic) {
    char options[4096];
    mofka_producer_t *producer;
    snprintf(options, sizeof options, "{\"store\":\"%s/recover\"}", folder);
    floor_must(mofka_driver_create("files", options, driver));
    mofka_status_t status = mofka_driver_create_topic(*driver, "t", NULL);
    floor_must(status == MOFKA_ERR_EXISTS ? MOFKA_OK : status);
    floor_must(mofka_driver_open_topic(*driver, "t", 0, topic));
    floor_must(
        mofka_producer_create(*topic, &(mofka_producer_options_t){.batch_size = 256}, &producer));
    return producer;
}

/* Fill a partition with events of 64 B + 4 KiB, and die. */
static void floor_fill(const char *folder, size_t bytes) {
    static char metadata[64], data[4096];
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_data_view_t *view;
    mofka_producer_t *producer = floor_open(folder, &driver, &topic);
    memset(metadata, 'm', sizeof metadata);
    floor_must(mofka_data_view_of(data, sizeof data, &view));
    for (size_t at = 0; at < bytes; at += sizeof metadata + sizeof data)
        floor_must(mofka_producer_push(producer, metadata, sizeof metadata, view, 0, NULL));
    floor_must(mofka_producer_flush(producer, -1));
    raise(SIGKILL);
}

static double floor_recover(const char *folder, size_t bytes) {
    int ended;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    pid_t child = fork();
    if (child == 0)
        floor_fill(folder, bytes);
    if (child < 0 || waitpid(child, &ended, 0) != child || !WIFSIGNALED(ended))
        floor_fail("the process that fills a partition");
    double start = clock_seconds(CLOCK_MONOTONIC);
    mofka_producer_t *producer = floor_open(folder, &driver, &topic);
    double seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    floor_must(mofka_producer_close(producer, -1));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
    floor_must(mofka_driver_close(driver, -1));
    mofka_driver_release(driver);
    return seconds;
}

int main(int argc, char **argv) {
    const char *what = argc > 3 ? argv[1] : "";
    size_t bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    size_t piece = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    bool recovers = strcmp(what, "recover") == 0;
    double seconds;
    if (bytes == 0 || (piece == 0) != recovers) {
        fputs("usage: durable_floor write|sync|read FOLDER BYTES PIECE | recover FOLDER BYTES\n",
              stderr);
        return 2;
    }
    mofka_log_set_level(MOFKA_LOG_ERROR);
    if (recovers) {
        seconds = floor_recover(argv[2], bytes);
    } else {
        char path[4096];
        bytes -= bytes % piece;
        snprintf(path, sizeof path, "%s/floor", argv[2]);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
        if (fd < 0)
            floor_fail(path);
        seconds = floor_write(fd, bytes, piece, strcmp(what, "sync") == 0);
        if (strcmp(what, "read") == 0)
            seconds = floor_read(fd, bytes, piece);
        close(fd);
        unlink(path);
    }
    printf("{\"floor\":\"%s\",\"bytes\":%zu,\"piece\":%zu,\"seconds\":%.9g}\n", what, bytes, piece,
           seconds);
    return 0;
}
