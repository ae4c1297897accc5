/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver's options, and that all ranks mean the same driver. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/options.h>
#include "mpi/partition/layout.h"
#include "mpi/driver/settings.h"
#include "mpi/window/window.h"

static uint64_t pages(uint64_t bytes) {
    return (bytes + MMI_PAGE_BYTES - 1) / MMI_PAGE_BYTES * MMI_PAGE_BYTES;
}

static mofka_status_t read_table(const char *options, mmi_settings_t *s, bool *join,
                                 char **owners) {
    static const char *const windows[] = {"auto", "shm", "rma", NULL};
    static const char *const progress[] = {"thread", "none", NULL};
    const mofka_option_t table[] = {
        {.key = "window", .kind = MOFKA_OPTION_CHOICE, .value = &s->window, .choices = windows},
        {.key = "progress",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &s->progress,
         .choices = progress},
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

/* `json` NULL: all ranks. */
static mofka_status_t read_owners(const char *json, int size, int *owners, int *owner_count) {
    cJSON *list = json ? cJSON_Parse(json) : NULL;
    int count = json ? cJSON_GetArraySize(list) : size;
    mofka_status_t status = MOFKA_OK;
    if (json && (!cJSON_IsArray(list) || count < 1 || count > size))
        status = mofka_fail(
            MOFKA_ERR_OPTION,
            "MPI driver: option \"owners\" must be an array of 1 to %d ranks, not %.100s", size,
            json);
    for (int i = 0; i < count && !status; i++) {
        const cJSON *item = json ? cJSON_GetArrayItem(list, i) : NULL;
        owners[i] = json ? item->valueint : i;
        if (json && (!cJSON_IsNumber(item) || item->valuedouble != item->valueint ||
                     item->valueint < 0 || item->valueint >= size))
            status = mofka_fail(MOFKA_ERR_RANGE,
                                "MPI driver: owner %d of option \"owners\" is no rank of %d, which "
                                "are 0 to %d: %.100s",
                                i, size, size - 1, json);
        for (int j = 0; j < i && !status; j++)
            if (owners[j] == owners[i])
                status = mofka_fail(MOFKA_ERR_OPTION, "MPI driver: \"owners\" names rank %d twice",
                                    owners[i]);
    }
    *owner_count = count;
    cJSON_Delete(list);
    return status;
}

mofka_status_t mmi_settings_read(const char *options, int size, mmi_settings_t *s, int **owners,
                                 bool *join) {
    char *json = NULL;
    int *list = calloc(2 * (size_t)size, sizeof *list);
    memset(s, 0, sizeof *s); /* its padding, too: it is compared as bytes */
    s->arena_bytes = 64 << 20;
    s->directory_bytes = 1 << 20;
    *join = false;
    mofka_status_t status = list ? read_table(options, s, join, &json)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %d owners", size);
    if (!status)
        status = read_owners(json, size, list, &s->owner_count);
    s->arena_bytes = pages(s->arena_bytes);
    s->directory_bytes = pages(s->directory_bytes);
    free(json);
    if (status)
        free(list);
    else
        *owners = list;
    return status;
}

mofka_status_t mmi_settings_agree(MPI_Comm comm, bool join, mmi_settings_t *s, int *owners) {
    int rank, size, leader, differs;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int own = join ? size : rank;
    int error = MPI_Allreduce(&own, &leader, 1, MPI_INT, MPI_MIN, comm);
    if (error)
        return mmi_mpi_fail("MPI_Allreduce", error);
    leader = leader == size ? 0 : leader;
    mmi_settings_t theirs = *s;
    size_t bytes = (size_t)size * sizeof *owners;
    int *list = join ? owners : memcpy(owners + size, owners, bytes);
    error = MPI_Bcast(&theirs, sizeof theirs, MPI_BYTE, leader, comm);
    if (!error)
        error = MPI_Bcast(list, size, MPI_INT, leader, comm);
    if (join)
        *s = theirs;
    bool same = memcmp(&theirs, s, sizeof theirs) == 0 && memcmp(list, owners, bytes) == 0;
    own = same ? size : rank;
    if (!error)
        error = MPI_Allreduce(&own, &differs, 1, MPI_INT, MPI_MIN, comm);
    if (error)
        return mmi_mpi_fail("agreeing on options", error);
    return differs == size ? MOFKA_OK
                           : mofka_fail(MOFKA_ERR_OPTION,
                                        "MPI driver: the options are not the same on all ranks: "
                                        "rank %d has others than rank %d",
                                        differs, leader);
}
