/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kills: a process that appends, and one that reads beside it, are killed at a random moment. Then
 * the log is opened again, and checked.
 *   durable_kills [--seed FIRST] [--count N]
 * The files are in a folder of their own in $TMPDIR, or in memory: /dev/shm.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "durable/campaigns/truth.h"

/* A store serves so many kills. */
#define KILLS_OF_A_STORE 20

/* What the processes tell, in memory that they share. */
typedef struct shared {
    _Atomic uint64_t tried;   /* ids below may be appended */
    _Atomic uint64_t written; /* ids below are */
    _Atomic uint64_t synced;  /* ids below are synced */
    _Atomic uint64_t read;    /* the reader has read to here */
    char why[512];            /* what a process found wrong */
} shared_t;

static shared_t *shared;
static truth_t truth;

/* ---- the processes --------------------------------------------------------------------------- */

static void process_fail(const char *what) {
    snprintf(shared->why, sizeof shared->why, "%s: %s", what, mofka_last_error());
    _exit(1);
}

static void writer_step(mfi_writer_t *w) {
    static made_batch_t batches[4];
    mfi_append_t appends[4];
    size_t count = 1 + next_random(&truth.seed) % 4, appended;
    uint64_t id = atomic_load(&shared->tried), synced;
    for (size_t i = 0; i < count; i++) {
        uint32_t events = 1 + next_random(&truth.seed) % 40;
        made_fill(&batches[i], id, events, truth.version);
        appends[i] = batches[i].append;
        id += events;
    }
    if (id >= TRUTH_IDS_MAX)
        for (;;)
            pause();
    atomic_store(&shared->tried, id);
    if (mfi_writer_append(w, appends, count, &appended))
        process_fail("append");
    atomic_store(&shared->written, id);
    if (next_random(&truth.seed) % 8 == 0) {
        if (mfi_writer_sync(w, &synced))
            process_fail("sync");
        atomic_store(&shared->synced, synced);
    }
    if (next_random(&truth.seed) % 16 == 0 && mfi_writer_retain(w, UINT64_MAX))
        process_fail("retain");
}

static void writer_run(const mfi_log_t *log) {
    mfi_writer_options_t options = {
        .segment_bytes = 20000, .retain_bytes = 400000, .cut = MFI_NO_CUT};
    mfi_lock_t *lock;
    mfi_writer_t *w;
    mfi_opened_t opened;
    if (mfi_lock_take(log, NULL, &lock))
        process_fail("lock");
    if (mfi_writer_open(log, &options, &opened, &w))
        process_fail("open");
    for (;;)
        writer_step(w);
}

static void reader_run(const mfi_log_t *log) {
    mfi_reader_t *reader;
    mfi_read_t read;
    if (mfi_reader_open(log, &reader))
        process_fail("a reader");
    uint64_t next = mfi_reader_position(reader);
    for (;;) {
        mofka_status_t status = mfi_reader_next(reader, 0, &read);
        if (status == MOFKA_ERR_TIMEOUT)
            continue;
        if (status)
            process_fail("reading beside a writer");
        next += read.lost; /* retention */
        truth.next = atomic_load(&shared->tried);
        if (!truth_check_read(&truth, &read, &next)) {
            snprintf(shared->why, sizeof shared->why, "beside a writer: %.400s", truth.why);
            _exit(1);
        }
        atomic_store(&shared->read, next);
    }
}

static pid_t process_start(void (*run)(const mfi_log_t *), const mfi_log_t *log) {
    pid_t pid = fork();
    if (pid == 0) {
        run(log);
        _exit(1);
    }
    return pid;
}

static void process_kill(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- a kill ---------------------------------------------------------------------------------- */

static bool kill_check(const mfi_log_t *log) {
    mfi_lock_t *lock;
    mfi_writer_t *w;
    mfi_opened_t opened;
    mfi_scan_t scan;
    size_t damaged;
    if (shared->why[0])
        return truth_fail(&truth, "%s", shared->why);
    truth.promised = atomic_load(&shared->written);
    truth.next = atomic_load(&shared->tried);
    if (mfi_lock_take(log, NULL, &lock))
        return truth_fail(&truth, "lock: %s", mofka_last_error());
    if (mfi_writer_open(log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w)) {
        mfi_lock_release(lock);
        return truth_fail(&truth, "open: %s", mofka_last_error());
    }
    truth.oldest_max = opened.oldest;
    bool right = truth_check_open(&truth, &opened) && truth_check_log(&truth, log, opened.next);
    if (right && mfi_store_verify(log, NULL, NULL, &scan, &damaged))
        right = truth_fail(&truth, "verify: %s", mofka_last_error());
    if (right && scan.damaged_events > 0)
        right = truth_fail(&truth, "events are damaged");
    if (mfi_writer_close(w))
        right = truth_fail(&truth, "close: %s", mofka_last_error());
    mfi_lock_release(lock);
    return right;
}

static bool kill_one(const mfi_log_t *log) {
    uint64_t next = truth.next;
    /* Whatever is appended from here on is of this version. */
    for (uint64_t id = next; id < TRUTH_IDS_MAX; id++)
        truth.versions[id] = truth.version;
    atomic_store(&shared->tried, next);
    atomic_store(&shared->written, next);
    atomic_store(&shared->synced, next);
    pid_t writer = process_start(writer_run, log), reader = process_start(reader_run, log);
    unsigned us = next_random(&truth.seed) % (next_random(&truth.seed) % 4 ? 4000 : 30000);
    nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
    process_kill(writer);
    process_kill(reader);
    return kill_check(log);
}

static void folder_remove(const char *path) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        perror(command);
}

/* Kill `kills` times in one store. */
static bool store_run(uint64_t seed, uint64_t kills, uint64_t *events, uint64_t *read) {
    char path[512];
    made_t made;
    bool right = true;
    truth = (truth_t){.seed = seed, .cut = TRUTH_NO_CUT, .version = 1};
    *shared = (shared_t){.tried = 0};
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/mofka-kills-XXXXXX", folder);
    if (!mkdtemp(path) || made_open_folder(&made, path, MFI_STORE_MAKE))
        return truth_fail(&truth, "a folder: %s", mofka_last_error());
    for (uint64_t i = 0; i < kills && right; i++)
        right = kill_one(&made.log);
    *events += truth.next;
    *read += atomic_load(&shared->read);
    made_close(&made);
    if (right)
        folder_remove(path);
    else
        printf("seed %llu: %s (files are in %s)\n", (unsigned long long)seed, truth.why, path);
    return right;
}

int main(int argc, char **argv) {
    uint64_t seed = 1, count = 100, failed = 0, events = 0, read = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: %s [--seed FIRST] [--count N]\n", argv[0]), 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return perror("mmap"), 1;
    for (uint64_t done = 0, kills; done < count; done += kills) {
        kills = count - done < KILLS_OF_A_STORE ? count - done : KILLS_OF_A_STORE;
        failed += !store_run(seed + done / KILLS_OF_A_STORE, kills, &events, &read);
    }
    if (events == 0 || read == 0)
        return printf("nothing was written, or read\n"), 1;
    printf("kills: %llu from seed %llu, %llu events written, %llu read meanwhile: %s\n",
           (unsigned long long)count, (unsigned long long)seed, (unsigned long long)events,
           (unsigned long long)read, failed ? "FAILED" : "all right");
    return failed > 0;
}
