/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the MPI driver's options, and makes all ranks agree on them. */
#include "mpi/driver/settings.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/metadata.h>
#include <mofka/options.h>
#include "mpi/partition/layout.h"
#include "store/log/segment.h"
#include "mpi/window/window.h"

/* How long ranks may take to come to the driver's creation, and to finish it. */
#define CREATE_TIMEOUT_MS 60000

static mofka_status_t settings_read_table(const char *options, mmi_settings_t *s,
                                          mmi_own_settings_t *own, char **owners,
                                          uint64_t *node_ranks, char **store) {
    static const char *const windows[] = {"auto", "shm", "rma", "node", NULL};
    static const char *const progress[] = {"auto", "thread", "none", NULL};
    static const char *const memory[] = {"allocate", "create", NULL};
    static const char *const lock_all[] = {"nocheck", "check", NULL};
    static const char *const words[] = {"concurrent", "serial", NULL};
    static const char *const reserve[] = {"auto", "atomic", "message", NULL};
    static const char *const resume[] = {"if_exists", "must", "never", NULL};
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
        {.key = "reserve", .kind = MOFKA_OPTION_CHOICE, .value = &s->reserve, .choices = reserve},
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
        {.key = "node_ranks", .kind = MOFKA_OPTION_UINT, .value = node_ranks, .max = INT_MAX},
        {.key = "store", .kind = MOFKA_OPTION_STRING, .value = store},
        {.key = "resume", .kind = MOFKA_OPTION_CHOICE, .value = &s->resume, .choices = resume},
        {.key = "resume_at", .kind = MOFKA_OPTION_JSON, .value = &own->resume_at},
        {.key = "join", .kind = MOFKA_OPTION_BOOL, .value = &own->join},
        {.key = "high", .kind = MOFKA_OPTION_BOOL, .value = &own->high},
        {.key = "create_timeout_ms",
         .kind = MOFKA_OPTION_TIMEOUT,
         .value = &own->create_timeout_ms},
    };
    return mofka_options_read("MPI driver", options, table, sizeof table / sizeof table[0]);
}

/* Its text is not a part of the settings, whose size is fixed: what is compared says what it is. */
static mofka_status_t settings_read_resume_at(const char *json, mmi_settings_t *s) {
    size_t bytes = strlen(json);
    if (s->resume == MMI_RESUME_NEVER)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "MPI driver: \"resume_at\" cuts topics that a store has; "
                          "\"resume\" is \"never\"");
    if (bytes > MMI_RESUME_AT_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "MPI driver: option \"resume_at\" has more than %zu bytes",
                          MMI_RESUME_AT_BYTES_MAX);
    s->resume_at[0] = bytes;
    s->resume_at[1] = mfi_check_bytes(json, bytes, 0);
    return MOFKA_OK;
}

static mofka_status_t settings_read_store(const char *path, const char *resume_at,
                                          mmi_settings_t *s) {
    if (!path)
        return s->resume == MMI_RESUME_IF_EXISTS && !resume_at
                   ? MOFKA_OK
                   : mofka_fail(MOFKA_ERR_OPTION, "MPI driver: \"%s\" needs \"store\"",
                                resume_at ? "resume_at" : "resume");
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes >= sizeof s->store)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "MPI driver: option \"store\" must be a path of 1 to %zu bytes",
                          sizeof s->store - 1);
    memcpy(s->store, path, bytes);
    return resume_at ? settings_read_resume_at(resume_at, s) : MOFKA_OK;
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
    const char *word = status ? NULL : cJSON_GetStringValue(list);
    bool per_node = word && strcmp(word, "per_node") == 0;
    if (!status && !per_node && (!cJSON_IsArray(list) || count < 1 || count > size))
        status = mofka_fail(MOFKA_ERR_OPTION,
                            "MPI driver: option \"owners\" must be \"per_node\" or an array of 1 "
                            "to %d ranks, not %s",
                            size, json);
    for (int i = 0; i < count && !status; i++)
        status = settings_read_owner(cJSON_GetArrayItem(list, i), json, i, size, owners);
    *owner_count = count;
    mofka_metadata_release(text);
    return status;
}

mofka_status_t mmi_settings_read(const char *options, int size, mmi_settings_t *s, int **owners,
                                 mmi_own_settings_t *own) {
    char *json = NULL, *store = NULL;
    uint64_t node_ranks = 0;
    int *list = calloc((size_t)size, sizeof *list);
    /* Its padding is zero, too: it is compared as bytes. */
    memset(s, 0, sizeof *s);
    s->agent = true;
    s->arena_bytes = 64 << 20;
    s->directory_bytes = 1 << 20;
    *own = (mmi_own_settings_t){.create_timeout_ms = CREATE_TIMEOUT_MS};
    mofka_status_t status = list ? settings_read_table(options, s, own, &json, &node_ranks, &store)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %d owners", size);
    s->node_ranks = (int)node_ranks;
    if (!status)
        status = settings_read_store(store, own->resume_at, s);
    if (!status && json)
        status = settings_read_owners(json, size, list, &s->owner_count);
    else if (!status)
        s->owner_count = settings_default_owners(size, list);
    s->arena_bytes = mmi_round_up(s->arena_bytes, MMI_PAGE_BYTES);
    s->directory_bytes = mmi_round_up(s->directory_bytes, MMI_PAGE_BYTES);
    free(json);
    free(store);
    if (!status) {
        *owners = list;
        return MOFKA_OK;
    }
    free(list);
    free(own->resume_at);
    own->resume_at = NULL;
    return status;
}

/* The leader is the lowest rank that does not join; rank 0 if all join. */
static mofka_status_t settings_find_leader(mmi_ranks_t *r, bool join, int *leader) {
    int least;
    mofka_status_t status =
        mmi_ranks_least(r, join ? r->size : r->rank, "comparing its options", &least);
    if (status)
        return status;
    *leader = least == r->size ? 0 : least;
    assert(*leader >= 0 && *leader < r->size);
    return MOFKA_OK;
}

/* As they are broadcast. */
typedef struct settings_text {
    mmi_settings_t settings;
    int owners[];
} settings_text_t;

/* The leader's settings. `*text` is given up if MPI may still write it. */
static mofka_status_t settings_receive(mmi_ranks_t *r, int leader, settings_text_t **text,
                                       size_t bytes) {
    assert(bytes <= INT_MAX && !r->broken);
    int error = MPI_Ibcast(*text, (int)bytes, MPI_BYTE, leader, r->comm, &r->request);
    if (error)
        return mmi_mpi_fail("MPI_Ibcast", error);
    mofka_status_t status = mmi_ranks_wait(r, "comparing its options");
    if (status)
        *text = NULL;
    return status;
}

/* All have the leader's settings, and get its "resume_at". */
static mofka_status_t settings_share_resume_at(mmi_ranks_t *r, int leader, size_t bytes,
                                               char **resume_at) {
    char *text = calloc(bytes + 1, 1);
    assert(bytes <= MMI_RESUME_AT_BYTES_MAX);
    mofka_status_t status =
        text ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "MPI driver: no memory for \"resume_at\"");
    status = mmi_agree(r, status, "comparing its options");
    if (status) {
        free(text);
        return status;
    }
    assert(text);
    if (r->rank == leader)
        memcpy(text, *resume_at, bytes);
    int error = MPI_Ibcast(text, (int)bytes, MPI_BYTE, leader, r->comm, &r->request);
    status = error ? mmi_mpi_fail("MPI_Ibcast", error) : mmi_ranks_wait(r, "comparing its options");
    if (status)
        return status; /* MPI may still write the text */
    free(*resume_at);
    *resume_at = text;
    return MOFKA_OK;
}

/* With `text`, which holds this rank's settings. */
static mofka_status_t settings_compare(mmi_ranks_t *r, mmi_own_settings_t *own, mmi_settings_t *s,
                                       int *owners, settings_text_t **text) {
    int leader, differs;
    bool join = own->join;
    size_t owners_bytes = (size_t)r->size * sizeof *owners;
    mofka_status_t status = settings_find_leader(r, join, &leader);
    if (!status)
        status = settings_receive(r, leader, text, sizeof **text + owners_bytes);
    if (status)
        return status;
    if (join) {
        memcpy(s, &(*text)->settings, sizeof *s);
        memcpy(owners, (*text)->owners, owners_bytes);
    }
    bool same = memcmp(&(*text)->settings, s, sizeof *s) == 0 &&
                memcmp((*text)->owners, owners, owners_bytes) == 0;
    status = mmi_ranks_least(r, same ? r->size : r->rank, "comparing its options", &differs);
    if (!status && differs == r->size && s->resume_at[0] > 0)
        return settings_share_resume_at(r, leader, (size_t)s->resume_at[0], &own->resume_at);
    if (status || differs == r->size)
        return status;
    return mofka_fail(MOFKA_ERR_OPTION,
                      "MPI driver: the options are not the same on all ranks: "
                      "rank %d has other options than rank %d",
                      differs, leader);
}

mofka_status_t mmi_settings_agree(mmi_ranks_t *r, mmi_own_settings_t *own, mmi_settings_t *s,
                                  int *owners) {
    assert(s->owner_count >= 0 && s->owner_count <= r->size);
    size_t owners_bytes = (size_t)r->size * sizeof *owners;
    settings_text_t *text = malloc(sizeof *text + owners_bytes);
    mofka_status_t status =
        text ? MOFKA_OK
             : mofka_fail(MOFKA_ERR_MEMORY, "MPI driver: no memory to compare %d owners", r->size);
    status = mmi_agree(r, status, "comparing its options");
    if (!status) {
        assert(text);                          /* no rank was without memory */
        memcpy(&text->settings, s, sizeof *s); /* with its padding, which is compared */
        memcpy(text->owners, owners, owners_bytes);
        status = settings_compare(r, own, s, owners, &text);
    }
    free(text);
    return status;
}
