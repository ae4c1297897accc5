/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An MPI whose one-sided operations do not do what they must: the trial at creation has to refuse
 * it. This program puts itself between the library and MPI. One mode a run:
 *   good       nothing is broken, with each of the options of an rma window
 *   add        every second fetch-and-add adds nothing
 *   exchange   every second exchange writes nothing
 *   put        every second put of one word writes nothing
 *   load       a get reads the word behind
 *   twin       two windows are in one memory
 *   twin_node  the same of two windows "node"
 *   unshared   a window "node" in which each rank finds other memory than its neighbour's
 *   lost       every fifth get never completes its request, and no call waits for it for ever
 *   used       the MPI is good; each window begins with the bytes that the one before left
 */
#include "support/mpi/one_event.h"

static const char *mode = "good";
static int calls;
static void *first_memory;

static bool broken_turn(const char *name) {
    return strcmp(mode, name) == 0 && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 2 == 0;
}

int MPI_Fetch_and_op(const void *value, void *old, MPI_Datatype type, int target, MPI_Aint place,
                     MPI_Op op, MPI_Win win) {
    bool skips =
        (op == MPI_SUM && broken_turn("add")) || (op == MPI_REPLACE && broken_turn("exchange"));
    return PMPI_Fetch_and_op(value, old, type, target, place, skips ? MPI_NO_OP : op, win);
}

int MPI_Put(const void *from, int count, MPI_Datatype type, int target, MPI_Aint place,
            int target_count, MPI_Datatype target_type, MPI_Win win) {
    if (count <= 8 && broken_turn("put"))
        return MPI_SUCCESS;
    return PMPI_Put(from, count, type, target, place, target_count, target_type, win);
}

int MPI_Get(void *to, int count, MPI_Datatype type, int target, MPI_Aint place, int target_count,
            MPI_Datatype target_type, MPI_Win win) {
    return PMPI_Get(to, count, type, target, strcmp(mode, "load") == 0 ? place + 8 : place,
                    target_count, target_type, win);
}

static int lost_query(void *state, MPI_Status *status) {
    (void)state;
    MPI_Status_set_elements(status, MPI_BYTE, 0);
    MPI_Status_set_cancelled(status, 0);
    return MPI_SUCCESS;
}

static int lost_free(void *state) {
    (void)state;
    return MPI_SUCCESS;
}

static int lost_cancel(void *state, int complete) {
    (void)state, (void)complete;
    return MPI_SUCCESS;
}

int MPI_Rget(void *to, int count, MPI_Datatype type, int target, MPI_Aint place, int target_count,
             MPI_Datatype target_type, MPI_Win win, MPI_Request *request) {
    int error = PMPI_Rget(to, count, type, target, place, target_count, target_type, win, request);
    if (strcmp(mode, "lost") != 0 || __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 5 != 0)
        return error;
    PMPI_Wait(request, MPI_STATUS_IGNORE);
    return PMPI_Grequest_start(lost_query, lost_free, lost_cancel, NULL, request);
}

int MPI_Win_allocate(MPI_Aint bytes, int unit, MPI_Info info, MPI_Comm comm, void *base,
                     MPI_Win *win) {
    if (strcmp(mode, "twin") != 0)
        return PMPI_Win_allocate(bytes, unit, info, comm, base, win);
    if (!first_memory)
        MPI_Alloc_mem(bytes, MPI_INFO_NULL, &first_memory);
    *(void **)base = first_memory;
    return PMPI_Win_create(first_memory, bytes, unit, info, comm, win);
}

/* The bytes of the shared memory that this rank let go last, from its first page on. */
static char *left_bytes;
static size_t left_count;
static char *own_pages;

static char *broken_first_page(char *memory) {
    return memory + -(uintptr_t)memory % 4096;
}

int MPI_Win_allocate_shared(MPI_Aint bytes, int unit, MPI_Info info, MPI_Comm comm, void *base,
                            MPI_Win *win) {
    int error = PMPI_Win_allocate_shared(bytes, unit, info, comm, base, win);
    if (!error && strcmp(mode, "twin_node") == 0) {
        first_memory = first_memory ? first_memory : *(void **)base;
        *(void **)base = first_memory;
    }
    if (error || strcmp(mode, "used") != 0)
        return error;
    own_pages = broken_first_page(*(char **)base);
    if (left_bytes)
        memcpy(own_pages, left_bytes, left_count);
    left_count = (size_t)bytes - 4096;
    return error;
}

int MPI_Win_free(MPI_Win *win) {
    if (own_pages) {
        free(left_bytes);
        left_bytes = malloc(left_count);
        memcpy(left_bytes, own_pages, left_count);
        own_pages = NULL;
    }
    return PMPI_Win_free(win);
}

int MPI_Win_shared_query(MPI_Win win, int of, MPI_Aint *bytes, int *unit, void *base) {
    static void *other;
    int own, error = PMPI_Win_shared_query(win, of, bytes, unit, base);
    PMPI_Comm_rank(MPI_COMM_WORLD, &own);
    if (error || strcmp(mode, "unshared") != 0 || of == own)
        return error;
    if (!other)
        other = calloc(1, 8192);
    *(void **)base = other;
    return error;
}

/* The window of the mode. */
static const char *broken_window(void) {
    bool node = strcmp(mode, "twin_node") == 0 || strcmp(mode, "unshared") == 0;
    return node ? "{\"window\":\"node\"}" : "{\"window\":\"rma\"}";
}

static int broken_refused(const char *text) {
    mofka_driver_t *driver;
    mofka_status_t status = mofka_mpi_driver_create(MPI_COMM_WORLD, broken_window(), &driver);
    if (status == MOFKA_ERR_UNSUPPORTED &&
        (strstr(mofka_last_error(), text) || strstr(mofka_last_error(), "failed while trying"))) {
        printf("message: %s\n", mofka_last_error());
        return 0;
    }
    fprintf(stderr, "%s: '%s'\n", mofka_status_name(status), mofka_last_error());
    return 1;
}

static void good_window(const char *options) {
    one_event_close(one_event_open(MPI_COMM_WORLD, options));
}

int main(int argc, char **argv) {
    mode = argc > 1 ? argv[1] : mode;
    mpi_main_start(&argc, &argv);
    int failed = 0;
    if (strcmp(mode, "good") == 0) {
        good_window("{\"window\":\"rma\",\"memory\":\"create\"}");
        good_window("{\"window\":\"rma\",\"memory\":\"allocate\",\"lock_all\":\"check\"}");
        good_window("{\"window\":\"rma\",\"words\":\"serial\",\"progress\":\"thread\"}");
        good_window("{\"window\":\"node\",\"node_ranks\":1}");
        good_window("{\"window\":\"node\",\"owners\":\"per_node\",\"agent\":false}");
    } else if (strcmp(mode, "lost") == 0) {
        good_window("{\"window\":\"rma\",\"progress\":\"none\"}"); /* own reads by MPI, too */
        failed = calls < 5;
    } else if (strcmp(mode, "used") == 0) {
        for (int i = 0; i < 3; i++)
            good_window("{\"window\":\"shm\",\"arena_bytes\":16777216}");
        free(left_bytes);
    } else if (strcmp(mode, "unshared") == 0) {
        failed = broken_refused("does not share the memory of rank");
    } else if (strncmp(mode, "twin", 4) == 0) {
        mofka_driver_t *driver;
        failed = mofka_mpi_driver_create(MPI_COMM_WORLD, broken_window(), &driver) != MOFKA_OK;
        failed = failed || broken_refused("another window");
        if (!failed) {
            failed = mofka_driver_close(driver, 30000) != MOFKA_OK;
            mofka_driver_release(driver);
        }
    } else {
        failed = broken_refused("on the memory of rank");
    }
    return mpi_main_end(failed);
}
