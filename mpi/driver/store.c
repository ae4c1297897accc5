/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's store: rank 0 and the owners open the same one, other ranks if they see it, and all
 * find the topics that it has. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <mofka/log.h>
#include "mpi/driver/driver.h"

/* The identity of rank 0's store. Each word has 32 bits of it: MPICH 4.0.2 takes the largest of
 * MPI_UINT64_T as of signed numbers. */
static mofka_status_t store_share_uuid(mmi_driver_t *d, mfi_uuid_t *first) {
    uint32_t parts[4] = {0};
    mofka_status_t status = MOFKA_OK;
    static_assert(sizeof parts == sizeof *first, "four parts");
    if (d->rank == 0)
        memcpy(parts, &d->store.uuid, sizeof parts);
    for (int i = 0; i < 4 && !status; i += 2) {
        uint64_t words[2] = {parts[i], parts[i + 1]};
        status = mmi_ranks_largest(d->ranks, words, "comparing its store");
        parts[i] = (uint32_t)words[0];
        parts[i + 1] = (uint32_t)words[1];
    }
    memcpy(first, parts, sizeof parts);
    return status;
}

/* Whether this rank sees the store of rank 0. Owners must. */
static mofka_status_t store_compare(mmi_driver_t *d, mofka_status_t opened, bool *sees) {
    mfi_uuid_t first;
    mofka_status_t status = store_share_uuid(d, &first);
    if (status)
        return status;
    *sees = !opened && memcmp(&d->store.uuid, &first, sizeof first) == 0;
    d->store.uuid = first;
    if (*sees || !mmi_driver_is_owner(d, d->rank))
        return MOFKA_OK;
    return opened ? opened
                  : mofka_fail(MOFKA_ERR_INVALID,
                               "MPI driver: %s of rank %d is not the store of rank 0: \"store\" "
                               "must be on a file system that rank 0 and all \"owners\" share",
                               d->store.path, d->rank);
}

/* Rank 0: open the store, or make it, and cut what is to be cut. Other ranks wait meanwhile, so
 * nobody has a topic open. */
static mofka_status_t store_open_first(mmi_driver_t *d, const mmi_settings_t *s,
                                       const char *resume_at) {
    static const mfi_store_mode_t modes[] = {
        [MMI_RESUME_IF_EXISTS] = MFI_STORE_MAKE,
        [MMI_RESUME_MUST] = MFI_STORE_THERE,
        [MMI_RESUME_NEVER] = MFI_STORE_NEW,
    };
    mofka_status_t status = mfi_store_open(&mfi_io_posix, s->store, modes[s->resume], &d->store);
    if (!status)
        status = mfi_store_finish_cut(&d->store);
    if (!status && resume_at)
        status = mfi_store_resume_at(&d->store, "MPI driver", resume_at);
    return status;
}

/* Of a rank that sees no store there. */
static void store_log_blind(const mmi_driver_t *d) {
    mofka_log(MOFKA_LOG_INFO,
              "rank %d does not see the store %s: owners read it for this rank, and other ranks "
              "create its topics",
              d->rank, d->store.path);
}

/* Other ranks than rank 0, once that one has opened it. */
static mofka_status_t store_open_others(mmi_driver_t *d, const mmi_settings_t *s) {
    mofka_status_t status = mfi_store_open(&mfi_io_posix, s->store, MFI_STORE_THERE, &d->store);
    if (status) {
        d->store = (mfi_store_t){.io = mfi_io_posix};
        snprintf(d->store.path, sizeof d->store.path, "%s", s->store);
    }
    return status;
}

mofka_status_t mmi_driver_open_store(mmi_driver_t *d, const mmi_settings_t *s,
                                     const char *resume_at) {
    mofka_status_t status = MOFKA_OK, opened = MOFKA_OK;
    if (!s->store[0])
        return MOFKA_OK;
    if (d->rank == 0)
        status = store_open_first(d, s, resume_at);
    status = mmi_agree(d->ranks, status, "opening its store");
    if (status)
        return status;
    if (d->rank != 0)
        opened = store_open_others(d, s);
    status = store_compare(d, opened, &d->sees_store);
    status = mmi_agree(d->ranks, status, "opening its store");
    if (status)
        return status;
    if (!d->sees_store)
        store_log_blind(d);
    d->directory.store = &d->store;
    d->directory.stage_bytes = mmi_stage_region_bytes(d->size);
    return MOFKA_OK;
}

/* What this rank has of staging. */
static mofka_status_t store_make_stage(mmi_driver_t *d) {
    mmi_directory_t *directory = &d->directory;
    return mmi_stage_create(directory->w, mmi_directory_stage_start(directory, 0),
                            mmi_directory_stage_start(directory, 1), d->sees_store,
                            &directory->stage);
}

/* The options of a topic that the store has. What the driver "files" has made says of files what is
 * in "storage" here, and nothing of memory. Give: cJSON_free. NULL: there is no memory. */
static char *store_options_of(const mfi_topic_record_t *record) {
    cJSON *tree = cJSON_Parse(record->options), *whole = NULL;
    char *text = NULL;
    if (cJSON_HasObjectItem(tree, "storage")) {
        text = cJSON_PrintUnformatted(tree);
    } else if (tree && (whole = cJSON_CreateObject())) {
        cJSON_DeleteItemFromObject(tree, "partitions");
        bool added = cJSON_AddNumberToObject(whole, "partitions", (double)record->partitions);
        if (added && cJSON_AddItemToObject(whole, "storage", tree)) {
            tree = NULL;
            text = cJSON_PrintUnformatted(whole);
        }
    }
    cJSON_Delete(tree);
    cJSON_Delete(whole);
    return text;
}

static mofka_status_t store_resume_topic(void *context, const mfi_topic_record_t *record) {
    mmi_driver_t *d = context;
    char *options = store_options_of(record);
    if (!options)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", record->name);
    mofka_status_t status =
        mmi_directory_resume_topic(&d->directory,
                                   &(mofka_topic_config_t){.name = record->name,
                                                           .options = options,
                                                           .validator = record->validator,
                                                           .selector = record->selector,
                                                           .serializer = record->serializer},
                                   record->partitions);
    cJSON_free(options);
    return status;
}

/* Its threads use this rank's share by the processor. */
static mofka_status_t store_check_window(const mmi_window_t *w) {
    if (!w->ops->needs_progress || (w->own_by_cpu && !w->one_thread))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "MPI driver: \"store\" with window \"%s\" needs MPI_THREAD_MULTIPLE, and "
                      "\"progress\" that is not \"none\"",
                      w->ops->name);
}

mofka_status_t mmi_driver_resume(mmi_driver_t *d) {
    mofka_status_t status = store_check_window(d->directory.w);
    if (!status)
        status = store_make_stage(d);
    if (!status && mmi_driver_is_owner(d, d->rank))
        status = mmi_storage_start(&d->directory, &d->storage);
    status = mmi_agree(d->ranks, status, "starting to keep its store");
    if (!status && d->rank == 0)
        status = mfi_store_list_topics(&d->store, store_resume_topic, d);
    return mmi_agree(d->ranks, status, "making the topics of its store");
}
