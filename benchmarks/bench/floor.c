/*
 * Floors, as floor.h tells: windows, one loop per kind and side, rounds.
 *
 * Two windows, each with its memory at the receiver:
 *
 *   shared   flags (one cache line per slot), then on the next page the ring of slots
 *   remote   from its first page on: the ring of slots, then one counter in a line of its own (a word
 *            that fetch_add uses is used by nothing else)
 *
 * A slot's flag is its turn: 2 * lap while it is empty, 2 * lap + 1 while it is full. So a flag of
 * an earlier lap is never taken for a new one, and one word serves both directions.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "bench.h"

#define LINE ((size_t)64)
/* MPI counts are int. */
#define MESSAGE_BYTES_MAX ((size_t)1 << 30)
/* Looks at a flag, with some thousands of pauses, before the core is offered to others. */
#define LOOKS 64
/* The shortest round whose speed predicts the next one's. */
#define SPEED_KNOWN_S 1e-3
/* A round that lasts so much longer than it should is ended where that can be done. */
#define LATE_FACTOR 4
#define SHARED_KINDS (1U << FLOOR_MEMCPY | 1U << FLOOR_TWO_COPY | 1U << FLOOR_ZERO_COPY)
#define REMOTE_KINDS (1U << FLOOR_PUT | 1U << FLOOR_GET | 1U << FLOOR_FETCH_ADD)
#define PRIVATE_KINDS (1U << FLOOR_ISEND)

enum { SENDER, RECEIVER };
enum { TAG_MESSAGE, TAG_BACK };

typedef struct flag {
    _Alignas(64) _Atomic uint64_t turn;
} flag_t;

/* A walk round the ring: it goes on where the last round left it. */
typedef struct walk {
    size_t slot;
    uint64_t turn; /* 2 * lap */
} walk_t;

struct floor {
    MPI_Comm comm;
    int rank;
    size_t bytes, stride, slots;
    MPI_Win shared, remote;
    uint64_t skipped; /* bytes before the first page of the receiver's remote window */
    flag_t *flags;
    char *ring;
    char *message; /* the sender's source; the receiver's private target */
    char *buffers; /* isend: `width` of them, a stride apart */
    size_t width;  /* isend: messages under way */
    /* MPI_STATUSES_IGNORE, here because gcc takes MPICH's for an array without room. */
    MPI_Status *no_statuses;
    walk_t passed;        /* slots that went from the sender to the receiver: equal on both */
    walk_t alone;         /* slots that the sender used by itself */
    uint64_t number;      /* stamped next */
    bool damaged, failed; /* a stamp was wrong; an MPI call failed (told) */
    double deadline;      /* of the round */
    double speed[FLOOR_COUNT];
};

const char *floor_name(floor_kind_t kind) {
    static const char *const names[FLOOR_COUNT] = {"memcpy", "two_copy", "zero_copy", "put",
                                                   "get",    "isend",    "sendrecv",  "fetch_add"};
    return names[kind];
}

static bool went_well(const char *call, int error) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (error == MPI_SUCCESS)
        return true;
    MPI_Error_string(error, text, &length);
    fprintf(stderr, "mofka-bench: floors: %s: %s\n", call, text);
    return false;
}

/* ---- the message ----------------------------------------------------------------------------- */

/* The offsets of stamps: each STAMP_STEP that ends before the last stamp does, then the last. */
static size_t next_stamp(size_t at, size_t last) {
    return at + STAMP_STEP + 8 <= last ? at + STAMP_STEP : last;
}

static void stamp(char *message, size_t bytes, uint64_t number) {
    if (bytes < 8)
        return;
    size_t last = bytes - 8, at = last < 8 ? last : 0;
    for (;; at = next_stamp(at, last)) {
        uint64_t value = number + at;
        memcpy(message + at, &value, sizeof value);
        if (at == last)
            return;
    }
}

static bool stamped(const char *message, size_t bytes, uint64_t number) {
    if (bytes < 8)
        return true;
    size_t last = bytes - 8, at = last < 8 ? last : 0;
    for (;; at = next_stamp(at, last)) {
        uint64_t value;
        memcpy(&value, message + at, sizeof value);
        if (value != number + at)
            return false;
        if (at == last)
            return true;
    }
}

/* ---- shared memory --------------------------------------------------------------------------- */

static void advance(const floor_t *f, walk_t *walk) {
    if (++walk->slot == f->slots) {
        walk->slot = 0;
        walk->turn += 2;
    }
}

static void pause_core(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Who looks less often lets the other get ahead by some slots, and the flags' lines change hands less
 * often: at 4 KiB, up to 128 pauses between looks were 2 to 4 times as fast as none. */
static void await_turn(flag_t *flag, uint64_t turn) {
    for (int looks = 0; atomic_load_explicit(&flag->turn, memory_order_acquire) != turn; looks++) {
        if (looks >= LOOKS)
            sched_yield();
        else
            for (int pauses = 1 << (looks < 7 ? looks : 7); pauses > 0; pauses--)
                pause_core();
    }
}

static void publish(flag_t *flag, uint64_t turn) {
    /* A release store does not order the non-temporal stores that a large memcpy may use. */
    atomic_thread_fence(memory_order_seq_cst);
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
    atomic_store_explicit(&flag->turn, turn, memory_order_release);
}

static void copy_alone(floor_t *f, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        char *slot = f->ring + f->alone.slot * f->stride;
        stamp(f->message, f->bytes, f->number);
        memcpy(slot, f->message, f->bytes);
        memcpy(f->message, slot, f->bytes);
        f->damaged |= !stamped(f->message, f->bytes, f->number++);
        advance(f, &f->alone);
    }
}

static void copy_in(floor_t *f, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        flag_t *flag = &f->flags[f->passed.slot];
        stamp(f->message, f->bytes, f->number++);
        await_turn(flag, f->passed.turn);
        memcpy(f->ring + f->passed.slot * f->stride, f->message, f->bytes);
        publish(flag, f->passed.turn + 1);
        advance(f, &f->passed);
    }
}

/* The slot is free again as soon as its bytes are here. Nothing was stored in it: no fence. */
static void copy_out(floor_t *f, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        flag_t *flag = &f->flags[f->passed.slot];
        await_turn(flag, f->passed.turn + 1);
        memcpy(f->message, f->ring + f->passed.slot * f->stride, f->bytes);
        atomic_store_explicit(&flag->turn, f->passed.turn + 2, memory_order_release);
        f->damaged |= !stamped(f->message, f->bytes, f->number++);
        advance(f, &f->passed);
    }
}

static void read_in_place(floor_t *f, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        flag_t *flag = &f->flags[f->passed.slot];
        await_turn(flag, f->passed.turn + 1);
        f->damaged |= !stamped(f->ring + f->passed.slot * f->stride, f->bytes, f->number++);
        atomic_store_explicit(&flag->turn, f->passed.turn + 2, memory_order_release);
        advance(f, &f->passed);
    }
}

/* ---- MPI ------------------------------------------------------------------------------------- */

/* A round that takes far longer than it should ends: a target that other processes keep from its core
 * can make each operation a thousand times slower. Only the sender counts these, so it may. */
static bool late(const floor_t *f, uint64_t done) {
    return done % 16 == 15 && bench_now() > f->deadline;
}

static uint64_t put_or_get(floor_t *f, floor_kind_t kind, uint64_t count) {
    int bytes = (int)f->bytes;
    uint64_t done = 0;
    for (; done < count && !f->failed && !late(f, done); done++) {
        MPI_Aint place = (MPI_Aint)(f->skipped + f->alone.slot * f->stride);
        if (kind == FLOOR_PUT) {
            stamp(f->message, f->bytes, f->number++);
            f->failed |= !went_well("MPI_Put", MPI_Put(f->message, bytes, MPI_BYTE, RECEIVER, place,
                                                       bytes, MPI_BYTE, f->remote));
        } else {
            f->failed |= !went_well("MPI_Get", MPI_Get(f->message, bytes, MPI_BYTE, RECEIVER, place,
                                                       bytes, MPI_BYTE, f->remote));
        }
        f->failed |= !went_well("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
        advance(f, &f->alone);
    }
    return done;
}

static uint64_t fetch_add(floor_t *f, uint64_t count) {
    uint64_t one = 1, old, done = 0;
    MPI_Aint place = (MPI_Aint)(f->skipped + f->slots * f->stride);
    for (; done < count && !f->failed && !late(f, done); done++) {
        f->failed |=
            !went_well("MPI_Fetch_and_op", MPI_Fetch_and_op(&one, &old, MPI_UINT64_T, RECEIVER,
                                                            place, MPI_SUM, f->remote));
        f->failed |= !went_well("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
    }
    return done;
}

/* What an owner inside MPI does while others work on its memory. It ends when the sender does. */
static void drive_progress(floor_t *f) {
    MPI_Request request;
    int done = 0;
    MPI_Ibarrier(f->comm, &request);
    for (int tries = 1; !done; tries++) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (!done && tries % 64 == 0)
            sched_yield();
    }
}

/* Each message under way has a buffer of its own on either side, as MPI demands of receives, and as
 * messages that differ need when they are sent. */
static void isend_windows(floor_t *f, uint64_t count) {
    MPI_Request requests[FLOOR_WINDOW];
    for (uint64_t done = 0; done < count; done += f->width) {
        size_t width = count - done < f->width ? (size_t)(count - done) : f->width;
        for (size_t i = 0; i < width; i++) {
            char *buffer = f->buffers + i * f->stride;
            if (f->rank == SENDER) {
                stamp(buffer, f->bytes, f->number++);
                MPI_Isend(buffer, (int)f->bytes, MPI_BYTE, RECEIVER, TAG_MESSAGE, f->comm,
                          &requests[i]);
            } else {
                MPI_Irecv(buffer, (int)f->bytes, MPI_BYTE, SENDER, TAG_MESSAGE, f->comm,
                          &requests[i]);
            }
        }
        MPI_Waitall((int)width, requests, f->no_statuses);
        if (f->rank == SENDER) {
            MPI_Recv(NULL, 0, MPI_BYTE, RECEIVER, TAG_BACK, f->comm, MPI_STATUS_IGNORE);
            continue;
        }
        MPI_Send(NULL, 0, MPI_BYTE, SENDER, TAG_BACK, f->comm);
        for (size_t i = 0; i < width; i++)
            f->damaged |= !stamped(f->buffers + i * f->stride, f->bytes, f->number++);
    }
}

static void there_and_back(floor_t *f, uint64_t trips, histogram_t *times) {
    int bytes = (int)f->bytes;
    for (uint64_t i = 0; i < trips; i++) {
        if (f->rank == RECEIVER) {
            MPI_Recv(f->message, bytes, MPI_BYTE, SENDER, TAG_MESSAGE, f->comm, MPI_STATUS_IGNORE);
            MPI_Send(f->message, bytes, MPI_BYTE, SENDER, TAG_BACK, f->comm);
            continue;
        }
        stamp(f->message, f->bytes, f->number++);
        double start = bench_now();
        MPI_Send(f->message, bytes, MPI_BYTE, RECEIVER, TAG_MESSAGE, f->comm);
        MPI_Recv(f->message, bytes, MPI_BYTE, RECEIVER, TAG_BACK, f->comm, MPI_STATUS_IGNORE);
        if (times)
            histogram_record(times, (uint64_t)((bench_now() - start) * 1e9 / 2));
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* This rank's part of a round: how many messages it moved; 0: it only waits, its time means nothing.
 */
static uint64_t play(floor_t *f, floor_kind_t kind, uint64_t count, histogram_t *times) {
    bool sends = f->rank == SENDER;
    switch (kind) {
    case FLOOR_ISEND:
        isend_windows(f, count);
        return count;
    case FLOOR_SENDRECV:
        there_and_back(f, count / 2, times);
        return count;
    case FLOOR_TWO_COPY:
        (sends ? copy_in : copy_out)(f, count);
        return count;
    case FLOOR_ZERO_COPY:
        (sends ? copy_in : read_in_place)(f, count);
        return count;
    default:
        break;
    }
    if (!sends)
        return 0;
    if (kind == FLOOR_FETCH_ADD)
        return fetch_add(f, count);
    if (kind != FLOOR_MEMCPY)
        return put_or_get(f, kind, count);
    copy_alone(f, count);
    return count;
}

typedef struct outcome {
    double seconds, count;
} outcome_t;

/* A round of at most `count` messages, which takes `seconds` if all goes as before. Both ranks get
 * the same answer; NAN: damaged, or MPI failed. */
static outcome_t run(floor_t *f, floor_kind_t kind, uint64_t count, double seconds,
                     histogram_t *times) {
    enum { SECONDS, COUNT, BAD, ALL };
    /* Both must stamp and expect the same numbers. */
    uint64_t agreed[2] = {count, f->number};
    bench_barrier(f->comm);
    MPI_Bcast(agreed, 2, MPI_UINT64_T, SENDER, f->comm);
    f->number = agreed[1];
    bench_barrier(f->comm);
    double start = bench_now(), own[ALL], all[ALL];
    f->deadline = start + LATE_FACTOR * fmax(seconds, SPEED_KNOWN_S);
    uint64_t moved = play(f, kind, agreed[0], times);
    own[SECONDS] = moved ? bench_now() - start : 0;
    own[COUNT] = (double)moved;
    own[BAD] = f->damaged || f->failed;
    if (1U << kind & REMOTE_KINDS)
        drive_progress(f);
    else if (kind == FLOOR_MEMCPY)
        bench_barrier(f->comm); /* the receiver leaves its core to others */
    MPI_Allreduce(own, all, ALL, MPI_DOUBLE, MPI_MAX, f->comm);
    if (f->damaged)
        fprintf(stderr, "mofka-bench: floors: %s: a message arrived damaged\n", floor_name(kind));
    f->damaged = false;
    return (outcome_t){all[BAD] > 0 ? NAN : fmax(all[SECONDS], 1e-9), all[COUNT]};
}

double floor_round(floor_t *f, floor_kind_t kind, double seconds, histogram_t *times) {
    uint64_t count = 2;
    for (;;) {
        bool known = f->speed[kind] > 0;
        if (known) /* an even number: sendrecv takes two at a time */
            count = (uint64_t)fmax(2, f->speed[kind] * seconds) & ~UINT64_C(1);
        outcome_t round = run(f, kind, count, seconds, known ? times : NULL);
        if (isnan(round.seconds))
            return NAN;
        if (known || round.seconds >= SPEED_KNOWN_S)
            f->speed[kind] = round.count / round.seconds;
        else
            count *= 4;
        /* A round is far too short when the one before was disturbed: it is repeated. */
        if (known && round.seconds >= seconds / 2)
            return f->speed[kind];
    }
}

/* ---- open and close -------------------------------------------------------------------------- */

static bool both(MPI_Comm comm, bool good) {
    int own = good, all = 0;
    MPI_Allreduce(&own, &all, 1, MPI_INT, MPI_MIN, comm);
    return all;
}

static size_t whole_pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* The first whole page of a share. Maps begin at pages, so both ranks find the same one. */
static char *first_page(char *base) {
    return base + (whole_pages((uintptr_t)base) - (uintptr_t)base);
}

/* Makes the pages of this process's map real, so that no round meets their first touch; and a full
 * /dev/shm is an error here instead of a signal later. */
static bool populate(char *base, size_t bytes) {
    char *start = base - ((uintptr_t)base & ((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
    if (madvise(start, bytes + (size_t)(base - start), MADV_POPULATE_WRITE) == 0)
        return true;
    if (errno == EINVAL) /* a kernel before 5.14: pages come when touched */
        return true;
    fprintf(stderr, "mofka-bench: floors: no memory for a window of %zu bytes (%s)\n", bytes,
            strerror(errno));
    return false;
}

static bool shares_node(MPI_Comm comm) {
    MPI_Comm node;
    int size;
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &size);
    MPI_Comm_free(&node);
    return size == 2;
}

/* Looked at first: where one rank finds /dev/shm too small, Open MPI 4.1.4 tells only that one and
 * leaves the other in MPI_Win_allocate_shared for ever. */
static bool fits_shared_memory(const floor_t *f, size_t bytes) {
    struct statvfs fs;
    bool fits = statvfs("/dev/shm", &fs) != 0 || fs.f_bavail > bytes / fs.f_frsize;
    if (!fits && f->rank == SENDER)
        fprintf(stderr, "mofka-bench: floors: /dev/shm has no room for a window of %zu bytes\n",
                bytes);
    return both(f->comm, fits);
}

/* What both window kinds need after they were made here. A window that only one rank got cannot be
 * freed, which is collective: it is left to MPI_Finalize. */
static bool hold(floor_t *f, MPI_Win *win, const char *call, int error) {
    if (!both(f->comm, went_well(call, error))) {
        *win = MPI_WIN_NULL;
        return false;
    }
    MPI_Win_set_errhandler(*win, MPI_ERRORS_RETURN);
    return both(f->comm, went_well("MPI_Win_lock_all", MPI_Win_lock_all(MPI_MODE_NOCHECK, *win)));
}

static bool open_shared(floor_t *f) {
    if (!both(f->comm, shares_node(f->comm))) {
        if (f->rank == SENDER)
            fprintf(stderr, "mofka-bench: floors: sender and receiver do not share a node, so "
                            "there is no memcpy, two_copy and zero_copy\n");
        return false;
    }
    size_t flag_bytes = whole_pages(f->slots * sizeof(flag_t));
    size_t bytes = flag_bytes + whole_pages(f->slots * f->stride);
    /* The sender has a page, too: MPIs misplace the neighbours of an empty share. */
    size_t share = whole_pages(1) + (f->rank == RECEIVER ? bytes : 0);
    if (!fits_shared_memory(f, bytes + 2 * whole_pages(1)))
        return false;
    char *base = NULL;
    int error =
        MPI_Win_allocate_shared((MPI_Aint)share, 1, MPI_INFO_NULL, f->comm, &base, &f->shared);
    if (!hold(f, &f->shared, "MPI_Win_allocate_shared", error))
        return false;
    MPI_Aint size;
    int unit;
    error = MPI_Win_shared_query(f->shared, RECEIVER, &size, &unit, &base);
    if (!both(f->comm, went_well("MPI_Win_shared_query", error)))
        return false;
    base = first_page(base);
    f->flags = (flag_t *)(void *)base;
    f->ring = base + flag_bytes;
    /* The receiver first: the memory is near the core that touches it first. */
    bool good = f->rank == SENDER || populate(base, bytes);
    if (good && f->rank == RECEIVER)
        memset(base, 0, bytes);
    good = both(f->comm, good);
    if (good && f->rank == SENDER)
        good = populate(base, bytes);
    return both(f->comm, good);
}

/* Whole pages, like the rings, and touched: a copy to a place that is a few bytes further into its
 * page than the source is into its own can be far slower (4 KiB, 8 bytes further, AMD EPYC with glibc
 * 2.36, which uses rep movsb: 3.5 instead of 60 GB/s), and a floor must not depend on where malloc
 * happens to put its buffers. */
static char *pages(size_t bytes) {
    size_t whole = whole_pages(bytes + 1);
    char *memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), whole);
    if (memory)
        memset(memory, 1, whole);
    return memory;
}

/* The sender writes all of the ring once: where MPI maps the window into its process, the pages come
 * there when it touches them, and would come in the first lap's rounds. */
static bool touch_remote(floor_t *f) {
    size_t ring = f->slots * f->stride, most = (size_t)1 << 20;
    char *piece = f->rank == SENDER ? pages(most) : NULL;
    bool good = piece || f->rank == RECEIVER;
    for (size_t at = 0; piece && good && at < ring; at += most) {
        int bytes = (int)(ring - at < most ? ring - at : most);
        good = went_well("MPI_Put",
                         MPI_Put(piece, bytes, MPI_BYTE, RECEIVER, (MPI_Aint)(f->skipped + at),
                                 bytes, MPI_BYTE, f->remote)) &&
               went_well("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
    }
    drive_progress(f);
    free(piece);
    return good;
}

static bool open_remote(floor_t *f) {
    size_t bytes = whole_pages(1);
    if (f->rank == RECEIVER)
        bytes += whole_pages(f->slots * f->stride + LINE);
    /* On one node, both MPIs make this window of shared memory, too. */
    size_t most = f->slots * f->stride + LINE + 3 * whole_pages(1);
    if (both(f->comm, shares_node(f->comm)) && !fits_shared_memory(f, most))
        return false;
    char *base = NULL;
    int error = MPI_Win_allocate((MPI_Aint)bytes, 1, MPI_INFO_NULL, f->comm, &base, &f->remote);
    if (!hold(f, &f->remote, "MPI_Win_allocate", error))
        return false;
    bool good = populate(base, bytes);
    if (good)
        memset(base, 0, bytes);
    MPI_Win_sync(f->remote);
    /* Open MPI's windows begin 8 bytes into a page: `pages` says why not. */
    f->skipped = (uint64_t)(first_page(base) - base);
    MPI_Bcast(&f->skipped, 1, MPI_UINT64_T, RECEIVER, f->comm);
    return both(f->comm, good) && both(f->comm, touch_remote(f));
}

static floor_t *make(MPI_Comm comm, size_t bytes, size_t ring_bytes, unsigned kinds) {
    bool small = bytes <= MESSAGE_BYTES_MAX;
    floor_t *f = small ? calloc(1, sizeof *f) : NULL;
    if (f) {
        f->stride = bytes ? (bytes + LINE - 1) / LINE * LINE : LINE;
        f->slots = ring_bytes / f->stride < 2 ? 2 : ring_bytes / f->stride;
        f->width = f->slots < FLOOR_WINDOW ? f->slots : FLOOR_WINDOW;
        f->message = pages(bytes);
        f->buffers = kinds & PRIVATE_KINDS ? pages(f->width * f->stride) : NULL;
    }
    if (!f || !f->message || (!f->buffers && kinds & PRIVATE_KINDS)) {
        fprintf(stderr, "mofka-bench: floors: no memory for messages of %zu bytes%s\n", bytes,
                small ? "" : ", which are more than MPI's counts allow");
        if (f) {
            free(f->message);
            free(f->buffers);
        }
        free(f);
        return NULL;
    }
    f->comm = comm;
    f->bytes = bytes;
    f->shared = f->remote = MPI_WIN_NULL;
    f->no_statuses = MPI_STATUSES_IGNORE;
    MPI_Comm_rank(comm, &f->rank);
    return f;
}

floor_t *floor_open(MPI_Comm pair, size_t message_bytes, size_t ring_bytes, unsigned kinds) {
    MPI_Comm comm;
    MPI_Comm_dup(pair, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    floor_t *f = make(comm, message_bytes, ring_bytes, kinds);
    bool good = both(comm, f != NULL);
    if (good && kinds & SHARED_KINDS)
        good = open_shared(f);
    if (good && kinds & REMOTE_KINDS)
        good = open_remote(f);
    /* From here, what fails between the two ends the job, with MPI's own message. */
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_ARE_FATAL);
    if (good)
        return f;
    if (f)
        floor_close(f);
    else
        MPI_Comm_free(&comm);
    return NULL;
}

static void let_go(MPI_Win *win) {
    if (*win == MPI_WIN_NULL)
        return;
    went_well("MPI_Win_unlock_all", MPI_Win_unlock_all(*win));
    went_well("MPI_Win_free", MPI_Win_free(win));
}

void floor_close(floor_t *f) {
    if (!f)
        return;
    let_go(&f->shared);
    let_go(&f->remote);
    MPI_Comm_free(&f->comm);
    free(f->message);
    free(f->buffers);
    free(f);
}
