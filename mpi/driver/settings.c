/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the MPI driver's options, and makes all ranks agree on them. */
#include "mpi/driver/settings.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/metadata.h>
#include <mofka/options.h>
#include "mpi/driver/agree.h"
#include "mpi/partition/layout.h"
#include "mpi/window/window.h"

static mofka_status_t settings_read_table(const char *options, mmi_settings_t *s, bool *join,
                                          char **owners) {
    static const char *const windows[] = {"auto", "shm", "rma", NULL};
    static const char *const progress[] = {"auto", "thread", "none", NULL};
    static const char *const memory[] = {"allocate", "create", NULL};
    static const char *const lock_all[] = {"nocheck", "check", NULL};
    static const char *const words[] = {"concurrent", "serial", NULL};
    const mofka_option_t table[] = {
        {.key = "window", .kind = MOFKA_OPTION_CHOICE, .value = &s->window, .choices = windows},
        {.key = "progress",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &s->progress,
         .choices = progress},
        {.key = "memory", .kind = MOFKA_OPTION_CHOICE, .value = &s->memory, .choices = memory},
        {.key = "lock_all",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &s->lock_all,
         .choices = lock_all},
        {.key = "words", .kind = MOFKA_OPTION_CHOICE, .value = &s->words, .choices = words},
        {.key = "agent", .kind = MOFKA_OPTION_BOOL, .value = &s->agent},
        {.key = "arena_bytes",
         .kind = MOFKA_OPTION_UINT,
         .value = &s->arena_bytes,
         .min = MMI_PAGE_BYTES,
         .max = UINT64_C(1) << 40},
        {.key = "directory_bytes",
         .kind = MOFKA_OPTION_UINT,
         .value = &s->directory_bytes,
         .min = MMI_PAGE_BYTES,
         .max = UINT64_C(1) << 30},
        {.key = "owners", .kind = MOFKA_OPTION_JSON, .value = owners},
        {.key = "join", .kind = MOFKA_OPTION_BOOL, .value = join},
    };
    return mofka_options_read("MPI driver", options, table, sizeof table / sizeof table[0]);
}

/* Without the option, all ranks are owners. */
static int settings_default_owners(int size, int *owners) {
    for (int i = 0; i < size; i++)
        owners[i] = i;
    return size;
}

/* One item of the option, the `index`-th; `owners` holds those before it. */
static mofka_status_t settings_read_owner(const cJSON *item, const char *json, int index, int size,
                                          int *owners) {
    int rank = item->valueint;
    assert(index < size);
    if (!cJSON_IsNumber(item) || item->valuedouble != rank || rank < 0 || rank >= size)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "MPI driver: item %d of option \"owners\" is not a rank from 0 to %d: "
                          "%s",
                          index, size - 1, json);
    for (int i = 0; i < index; i++)
        if (owners[i] == rank)
            return mofka_fail(MOFKA_ERR_OPTION, "MPI driver: \"owners\" names rank %d twice", rank);
    owners[index] = rank;
    return MOFKA_OK;
}

static mofka_status_t settings_read_owners(const char *json, int size, int *owners,
                                           int *owner_count) {
    mofka_metadata_t *text;
    const cJSON *list;
    mofka_status_t status = mofka_metadata_create(json, strlen(json), &text);
    if (status)
        return status;
    status = mofka_metadata_json(text, &list);
    int count = status ? 0 : cJSON_GetArraySize(list);
    if (!status && (!cJSON_IsArray(list) || count < 1 || count > size))
        status = mofka_fail(
            MOFKA_ERR_OPTION,
            "MPI driver: option \"owners\" must be an array of 1 to %d ranks, not %s", size, json);
    for (int i = 0; i < count && !status; i++)
        status = settings_read_owner(cJSON_GetArrayItem(list, i), json, i, size, owners);
    *owner_count = count;
    mofka_metadata_release(text);
    return status;
}

mofka_status_t mmi_settings_read(const char *options, int size, mmi_settings_t *s, int **owners,
                                 bool *join) {
    char *json = NULL;
    int *list = calloc((size_t)size, sizeof *list);
    /* Its padding is zero, too: it is compared as bytes. */
    memset(s, 0, sizeof *s);
    s->agent = true;
    s->arena_bytes = 64 << 20;
    s->directory_bytes = 1 << 20;
    *join = false;
    mofka_status_t status = list ? settings_read_table(options, s, join, &json)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %d owners", size);
    if (!status && json)
        status = settings_read_owners(json, size, list, &s->owner_count);
    else if (!status)
        s->owner_count = settings_default_owners(size, list);
    s->arena_bytes = mmi_round_up(s->arena_bytes, MMI_PAGE_BYTES);
    s->directory_bytes = mmi_round_up(s->directory_bytes, MMI_PAGE_BYTES);
    free(json);
    if (status)
        free(list);
    else
        *owners = list;
    return status;
}

/* The leader is the lowest rank that does not join; rank 0 if all join. */
static mofka_status_t settings_find_leader(MPI_Comm comm, bool join, int *leader) {
    int rank, size, least;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int own = join ? size : rank;
    int error = MPI_Allreduce(&own, &least, 1, MPI_INT, MPI_MIN, comm);
    if (error)
        return mmi_mpi_fail("MPI_Allreduce", error);
    *leader = least == size ? 0 : least;
    assert(*leader >= 0 && *leader < size);
    return MOFKA_OK;
}

/* The lowest rank that differs; `size` if none does. */
static int settings_compare(MPI_Comm comm, bool same, int *differs) {
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int own = same ? size : rank;
    return MPI_Allreduce(&own, differs, 1, MPI_INT, MPI_MIN, comm);
}

mofka_status_t mmi_settings_agree(MPI_Comm comm, bool join, mmi_settings_t *s, int *owners) {
    int size, leader = 0, differs = 0;
    MPI_Comm_size(comm, &size);
    assert(s->owner_count >= 1 && s->owner_count <= size);
    size_t bytes = (size_t)size * sizeof *owners;
    int *list = malloc(bytes);
    mofka_status_t status =
        list ? MOFKA_OK
             : mofka_fail(MOFKA_ERR_MEMORY, "MPI driver: no memory to compare %d owners", size);
    status = mmi_agree(comm, status, "comparing its options");
    if (!status)
        status = settings_find_leader(comm, join, &leader);
    if (status) {
        free(list);
        return status;
    }
    assert(list); /* no rank was without memory */
    mmi_settings_t theirs = *s;
    memcpy(list, owners, bytes);
    int error = MPI_Bcast(&theirs, sizeof theirs, MPI_BYTE, leader, comm);
    if (!error)
        error = MPI_Bcast(list, size, MPI_INT, leader, comm);
    if (join) {
        *s = theirs;
        memcpy(owners, list, bytes);
    }
    bool same = memcmp(&theirs, s, sizeof theirs) == 0 && memcmp(list, owners, bytes) == 0;
    free(list);
    if (!error)
        error = settings_compare(comm, same, &differs);
    if (error)
        return mmi_mpi_fail("agreeing on options", error);
    return differs == size ? MOFKA_OK
                           : mofka_fail(MOFKA_ERR_OPTION,
                                        "MPI driver: the options are not the same on all ranks: "
                                        "rank %d has other options than rank %d",
                                        differs, leader);
}
