/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting MPI's one-sided calls: see count_mpi.h.
 *
 * The calls are defined here and hand on to MPI's other entry points, PMPI_*. Own operations, at
 * this rank itself, and those at others are two lines of round trips that do not wait for each
 * other.
 */
#include "trips/count_mpi.h"

#include <assert.h>
#include <errno.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOWS_MAX 64
#define REQUESTS_MAX 4096
#define RANKS (COUNT_RANK_MAX + 1)
#define SELF RANKS

/* One line of round trips: how many are over, and in which one the youngest operation at each rank
 * ends. */
typedef struct count_line {
    uint64_t over, ends[RANKS + 1];
} count_line_t;

typedef struct count_request {
    MPI_Request request;
    int place;
    uint64_t ends;
} count_request_t;

static struct counts {
    pthread_mutex_t lock;  /* guards the rest; a leaf */
    count_t at[RANKS + 1]; /* by rank; SELF: this rank */
    count_line_t own, others;
    struct {
        MPI_Win window;
        int rank;
    } windows[WINDOWS_MAX];
    size_t window_count;
    count_request_t requests[REQUESTS_MAX];
    size_t request_count;
} counts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic unsigned count_delays[COUNT_CALL_COUNT];

static struct {
    _Atomic uint64_t every, calls;
    _Atomic unsigned most, failed;
} count_failures;

static const char *const count_names[] = {
#define COUNT_NAME(NAME, name) #name,
    COUNT_CALLS(COUNT_NAME)
#undef COUNT_NAME
};

/* ---- places and lines ------------------------------------------------------------------------ */

/* With the lock: this process's rank in a window. */
static int count_own_rank(MPI_Win window) {
    for (size_t i = 0; i < counts.window_count; i++)
        if (counts.windows[i].window == window)
            return counts.windows[i].rank;
    MPI_Group group;
    int rank;
    PMPI_Win_get_group(window, &group);
    PMPI_Group_rank(group, &rank);
    PMPI_Group_free(&group);
    assert(counts.window_count < WINDOWS_MAX);
    counts.windows[counts.window_count].window = window;
    counts.windows[counts.window_count++].rank = rank;
    return rank;
}

static int count_place(int rank, MPI_Win window) {
    assert(rank >= 0);
    return rank == count_own_rank(window) ? SELF : rank < COUNT_RANK_MAX ? rank : COUNT_RANK_MAX;
}

static count_line_t *count_line(int place) {
    assert(place >= 0 && place <= SELF);
    return place == SELF ? &counts.own : &counts.others;
}

/* With the lock: what began in a line's round trip `ends` is over. False: it was before. */
static bool count_end(int place, uint64_t ends) {
    count_line_t *line = count_line(place);
    if (ends <= line->over)
        return false;
    assert(ends == line->over + 1);
    line->over = ends;
    counts.at[place].trips++;
    return true;
}

/* Each call changes errno, as any call of MPI may. */
static void count_sleep(count_call_t call) {
    unsigned microseconds = count_delays[call];
    errno = EIO;
    if (microseconds > 0)
        usleep(microseconds);
}

static void count_lock(count_call_t call) {
    count_sleep(call);
    pthread_mutex_lock(&counts.lock);
}

/* Whether the operation that begins now is to fail. */
static bool count_fails(void) {
    uint64_t every = count_failures.every;
    if (every == 0)
        return false;
    uint64_t call = ++count_failures.calls;
    bool fails = call % every == 0 && call / every <= count_failures.most;
    count_failures.failed += fails;
    return fails;
}

/* An operation at a rank begins. */
static void count_begin(count_call_t call, int rank, MPI_Win window, size_t bytes) {
    count_lock(call);
    int place = count_place(rank, window);
    count_line_t *line = count_line(place);
    counts.at[place].calls[call]++;
    counts.at[place].bytes += bytes;
    line->ends[place] = line->over + 1;
    pthread_mutex_unlock(&counts.lock);
}

/* Operations at a rank are completed. */
static void count_flush(count_call_t call, int rank, MPI_Win window) {
    count_lock(call);
    int place = count_place(rank, window);
    counts.at[place].calls[call]++;
    counts.at[place].flush_trips += count_end(place, count_line(place)->ends[place]);
    pthread_mutex_unlock(&counts.lock);
}

/* Operations at all ranks are completed. */
static void count_flush_all(count_call_t call) {
    count_lock(call);
    counts.at[COUNT_RANK_MAX].calls[call]++;
    for (int place = 0; place <= SELF; place++)
        count_end(place, count_line(place)->ends[place]);
    pthread_mutex_unlock(&counts.lock);
}

/* A call that waits for nothing that is counted. */
static void count_note(count_call_t call, int rank, MPI_Win window) {
    count_lock(call);
    counts.at[rank < 0 ? COUNT_RANK_MAX : count_place(rank, window)].calls[call]++;
    pthread_mutex_unlock(&counts.lock);
}

static size_t count_bytes(int count, MPI_Datatype type) {
    int size = 0;
    PMPI_Type_size(type, &size);
    return (size_t)size * (size_t)count;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The operation that this thread began just now has a request. */
static void count_keep_request(MPI_Request request, int rank, MPI_Win window) {
    pthread_mutex_lock(&counts.lock);
    int place = count_place(rank, window);
    assert(counts.request_count < REQUESTS_MAX);
    counts.requests[counts.request_count++] =
        (count_request_t){request, place, count_line(place)->ends[place]};
    pthread_mutex_unlock(&counts.lock);
}

static size_t count_find_request(MPI_Request request) {
    size_t i = 0;
    while (i < counts.request_count && counts.requests[i].request != request)
        i++;
    return i;
}

/* Some of the requests may be completed: those that are MPI_REQUEST_NULL now and were not
 * before. */
static void count_completed(int count, const MPI_Request *before, const MPI_Request *now) {
    pthread_mutex_lock(&counts.lock);
    for (int i = 0; i < count; i++) {
        size_t k = count_find_request(before[i]);
        if (k == counts.request_count)
            continue;
        count_request_t *r = &counts.requests[k];
        bool done = now[i] == MPI_REQUEST_NULL;
        counts.at[r->place].calls[done ? COUNT_WAIT : COUNT_TEST]++;
        if (!done)
            continue;
        count_end(r->place, r->ends);
        *r = counts.requests[--counts.request_count];
    }
    pthread_mutex_unlock(&counts.lock);
}

static MPI_Request *count_copy(int count, const MPI_Request *requests) {
    MPI_Request *copy = malloc(((size_t)count + 1) * sizeof *copy);
    if (!copy)
        abort();
    memcpy(copy, requests, (size_t)count * sizeof *copy);
    return copy;
}

#define COUNTED_REQUESTS(call, count, requests)                                                    \
    do {                                                                                           \
        count_sleep(COUNT_WAIT);                                                                   \
        MPI_Request *before_ = count_copy(count, requests);                                        \
        int error_ = (call);                                                                       \
        count_completed(count, before_, requests);                                                 \
        free(before_);                                                                             \
        return error_;                                                                             \
    } while (0)

int MPI_Wait(MPI_Request *request, MPI_Status *status) {
    COUNTED_REQUESTS(PMPI_Wait(request, status), 1, request);
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status) {
    MPI_Request before = *request;
    count_sleep(COUNT_TEST);
    int error = PMPI_Test(request, flag, status);
    count_completed(1, &before, request);
    if (*flag)
        count_sleep(COUNT_WAIT);
    return error;
}

int MPI_Waitall(int count, MPI_Request requests[], MPI_Status statuses[]) {
    COUNTED_REQUESTS(PMPI_Waitall(count, requests, statuses), count, requests);
}

int MPI_Testall(int count, MPI_Request requests[], int *flag, MPI_Status statuses[]) {
    COUNTED_REQUESTS(PMPI_Testall(count, requests, flag, statuses), count, requests);
}

int MPI_Waitany(int count, MPI_Request requests[], int *index, MPI_Status *status) {
    COUNTED_REQUESTS(PMPI_Waitany(count, requests, index, status), count, requests);
}

int MPI_Testany(int count, MPI_Request requests[], int *index, int *flag, MPI_Status *status) {
    COUNTED_REQUESTS(PMPI_Testany(count, requests, index, flag, status), count, requests);
}

int MPI_Waitsome(int count, MPI_Request requests[], int *done, int indices[],
                 MPI_Status statuses[]) {
    COUNTED_REQUESTS(PMPI_Waitsome(count, requests, done, indices, statuses), count, requests);
}

int MPI_Testsome(int count, MPI_Request requests[], int *done, int indices[],
                 MPI_Status statuses[]) {
    COUNTED_REQUESTS(PMPI_Testsome(count, requests, done, indices, statuses), count, requests);
}

int MPI_Request_free(MPI_Request *request) {
    pthread_mutex_lock(&counts.lock);
    size_t k = count_find_request(*request);
    if (k < counts.request_count)
        counts.requests[k] = counts.requests[--counts.request_count];
    pthread_mutex_unlock(&counts.lock);
    return PMPI_Request_free(request);
}

/* ---- operations ------------------------------------------------------------------------------ */

int MPI_Put(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint place,
            int target_count, MPI_Datatype target_type, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_PUT, rank, window, count_bytes(count, type));
    return PMPI_Put(from, count, type, rank, place, target_count, target_type, window);
}

int MPI_Get(void *to, int count, MPI_Datatype type, int rank, MPI_Aint place, int target_count,
            MPI_Datatype target_type, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_GET, rank, window, count_bytes(count, type));
    return PMPI_Get(to, count, type, rank, place, target_count, target_type, window);
}

int MPI_Rput(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint place,
             int target_count, MPI_Datatype target_type, MPI_Win window, MPI_Request *request) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_RPUT, rank, window, count_bytes(count, type));
    int error =
        PMPI_Rput(from, count, type, rank, place, target_count, target_type, window, request);
    count_keep_request(*request, rank, window);
    return error;
}

int MPI_Rget(void *to, int count, MPI_Datatype type, int rank, MPI_Aint place, int target_count,
             MPI_Datatype target_type, MPI_Win window, MPI_Request *request) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_RGET, rank, window, count_bytes(count, type));
    int error = PMPI_Rget(to, count, type, rank, place, target_count, target_type, window, request);
    count_keep_request(*request, rank, window);
    return error;
}

int MPI_Accumulate(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint place,
                   int target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_ACCUMULATE, rank, window, 0);
    return PMPI_Accumulate(from, count, type, rank, place, target_count, target_type, op, window);
}

int MPI_Raccumulate(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint place,
                    int target_count, MPI_Datatype target_type, MPI_Op op, MPI_Win window,
                    MPI_Request *request) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_RACCUMULATE, rank, window, 0);
    int error = PMPI_Raccumulate(from, count, type, rank, place, target_count, target_type, op,
                                 window, request);
    count_keep_request(*request, rank, window);
    return error;
}

int MPI_Get_accumulate(const void *from, int count, MPI_Datatype type, void *to, int to_count,
                       MPI_Datatype to_type, int rank, MPI_Aint place, int target_count,
                       MPI_Datatype target_type, MPI_Op op, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_GET_ACCUMULATE, rank, window, 0);
    return PMPI_Get_accumulate(from, count, type, to, to_count, to_type, rank, place, target_count,
                               target_type, op, window);
}

int MPI_Rget_accumulate(const void *from, int count, MPI_Datatype type, void *to, int to_count,
                        MPI_Datatype to_type, int rank, MPI_Aint place, int target_count,
                        MPI_Datatype target_type, MPI_Op op, MPI_Win window, MPI_Request *request) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_RGET_ACCUMULATE, rank, window, 0);
    int error = PMPI_Rget_accumulate(from, count, type, to, to_count, to_type, rank, place,
                                     target_count, target_type, op, window, request);
    count_keep_request(*request, rank, window);
    return error;
}

int MPI_Fetch_and_op(const void *from, void *to, MPI_Datatype type, int rank, MPI_Aint place,
                     MPI_Op op, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_FETCH_AND_OP, rank, window, 0);
    return PMPI_Fetch_and_op(from, to, type, rank, place, op, window);
}

int MPI_Compare_and_swap(const void *from, const void *expected, void *to, MPI_Datatype type,
                         int rank, MPI_Aint place, MPI_Win window) {
    if (count_fails())
        return MPI_ERR_OTHER;
    count_begin(COUNT_COMPARE_AND_SWAP, rank, window, 0);
    return PMPI_Compare_and_swap(from, expected, to, type, rank, place, window);
}

/* ---- flushes, epochs, windows ---------------------------------------------------------------- */

int MPI_Win_flush(int rank, MPI_Win window) {
    bool fails = count_fails();
    int error = PMPI_Win_flush(rank, window);
    count_flush(COUNT_FLUSH, rank, window);
    return fails ? MPI_ERR_OTHER : error;
}

int MPI_Win_flush_all(MPI_Win window) {
    int error = PMPI_Win_flush_all(window);
    count_flush_all(COUNT_FLUSH_ALL);
    return error;
}

/* Its puts need not have arrived, but what it gets has come. */
int MPI_Win_flush_local(int rank, MPI_Win window) {
    int error = PMPI_Win_flush_local(rank, window);
    count_flush(COUNT_FLUSH_LOCAL, rank, window);
    return error;
}

int MPI_Win_flush_local_all(MPI_Win window) {
    int error = PMPI_Win_flush_local_all(window);
    count_flush_all(COUNT_FLUSH_LOCAL_ALL);
    return error;
}

int MPI_Win_sync(MPI_Win window) {
    count_note(COUNT_SYNC, -1, window);
    return PMPI_Win_sync(window);
}

int MPI_Win_lock(int type, int rank, int asserted, MPI_Win window) {
    count_note(COUNT_LOCK, rank, window);
    return PMPI_Win_lock(type, rank, asserted, window);
}

int MPI_Win_lock_all(int asserted, MPI_Win window) {
    count_note(COUNT_LOCK_ALL, -1, window);
    return PMPI_Win_lock_all(asserted, window);
}

int MPI_Win_unlock(int rank, MPI_Win window) {
    int error = PMPI_Win_unlock(rank, window);
    count_flush(COUNT_UNLOCK, rank, window);
    return error;
}

int MPI_Win_unlock_all(MPI_Win window) {
    int error = PMPI_Win_unlock_all(window);
    count_flush_all(COUNT_UNLOCK_ALL);
    return error;
}

/* Another window may get the handle. */
int MPI_Win_free(MPI_Win *window) {
    pthread_mutex_lock(&counts.lock);
    for (size_t i = 0; i < counts.window_count; i++)
        if (counts.windows[i].window == *window)
            counts.windows[i] = counts.windows[--counts.window_count];
    pthread_mutex_unlock(&counts.lock);
    return PMPI_Win_free(window);
}

/* ---- reading the counts ---------------------------------------------------------------------- */

static void count_add(count_t *sum, const count_t *more) {
    for (int i = 0; i < COUNT_CALL_COUNT; i++)
        sum->calls[i] += more->calls[i];
    sum->bytes += more->bytes;
    sum->trips += more->trips;
    sum->flush_trips += more->flush_trips;
}

count_t count_read(int rank) {
    count_t sum = {.trips = 0};
    assert(rank >= COUNT_OTHERS && rank <= COUNT_RANK_MAX);
    pthread_mutex_lock(&counts.lock);
    for (int place = 0; place < RANKS && rank == COUNT_OTHERS; place++)
        count_add(&sum, &counts.at[place]);
    if (rank != COUNT_OTHERS)
        sum = counts.at[rank == COUNT_SELF ? SELF : rank];
    pthread_mutex_unlock(&counts.lock);
    return sum;
}

count_t count_minus(const count_t *now, const count_t *before) {
    count_t result = *now;
    for (int i = 0; i < COUNT_CALL_COUNT; i++)
        result.calls[i] -= before->calls[i];
    result.bytes -= before->bytes;
    result.trips -= before->trips;
    result.flush_trips -= before->flush_trips;
    return result;
}

void count_delay(count_call_t call, unsigned microseconds) {
    assert(call < COUNT_CALL_COUNT);
    count_delays[call] = microseconds;
}

void count_fail(uint64_t every, unsigned most) {
    count_failures.every = 0;
    if (every == 0)
        return;
    count_failures.calls = 0;
    count_failures.most = most;
    count_failures.failed = 0;
    count_failures.every = every;
}

unsigned count_failed(void) {
    return count_failures.failed;
}

void count_print(FILE *out, const count_t *count) {
    fprintf(out, "%llu round trips", (unsigned long long)count->trips);
    for (int i = 0; i < COUNT_CALL_COUNT; i++)
        if (count->calls[i] > 0)
            fprintf(out, ", %s %llu", count_names[i], (unsigned long long)count->calls[i]);
    if (count->bytes > 0)
        fprintf(out, ", %llu bytes", (unsigned long long)count->bytes);
    fputc('\n', out);
}

static count_call_t count_find_call(const char *name, size_t length) {
    int i = 0;
    while (i < COUNT_CALL_COUNT &&
           (strlen(count_names[i]) != length || strncmp(count_names[i], name, length) != 0))
        i++;
    return (count_call_t)i;
}

__attribute__((constructor)) static void count_read_delays(void) {
    const char *text = getenv("COUNT_MPI_DELAY");
    while (text && *text) {
        size_t name = strcspn(text, "=");
        count_call_t call = count_find_call(text, name);
        if (call == COUNT_CALL_COUNT || !text[name]) {
            fprintf(stderr, "COUNT_MPI_DELAY: unknown call at '%s'\n", text);
            _exit(2);
        }
        char *end;
        count_delay(call, (unsigned)strtoul(text + name + 1, &end, 10));
        text = *end == ',' ? end + 1 : end;
    }
}

// One write a process: mpiexec may mix what several processes write in pieces.
__attribute__((destructor)) static void count_print_all(void) {
    const char *wanted = getenv("COUNT_MPI");
    if (!wanted || strcmp(wanted, "1") != 0)
        return;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    count_t own = count_read(COUNT_SELF), others = count_read(COUNT_OTHERS);
    fprintf(out, "count_mpi: process %d at others: ", (int)getpid());
    count_print(out, &others);
    fprintf(out, "count_mpi: process %d at itself: ", (int)getpid());
    count_print(out, &own);
    if (fclose(out) == 0)
        fprintf(stderr, "%s", text);
    free(text);
}
