/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's store: all ranks open the same one, and find the topics that it has. */
#include <cjson/cJSON.h>
#include <string.h>
#include "mpi/driver/driver.h"

/* Two words of the store's identity. */
static void store_identity(const mfi_store_t *store, uint64_t words[2]) {
    memcpy(words, store->uuid.bytes, sizeof store->uuid.bytes);
}

/* Whether all ranks see the same store. */
static mofka_status_t store_compare(mmi_driver_t *d) {
    uint64_t own[2], largest[2], least[2];
    static_assert(sizeof own == sizeof d->store.uuid.bytes, "two words");
    store_identity(&d->store, own);
    for (int i = 0; i < 2; i++) {
        largest[i] = own[i];
        least[i] = ~own[i];
    }
    mofka_status_t status = mmi_ranks_largest(d->ranks, largest, "comparing its store");
    if (!status)
        status = mmi_ranks_largest(d->ranks, least, "comparing its store");
    if (status)
        return status;
    if (largest[0] == ~least[0] && largest[1] == ~least[1])
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_INVALID,
                      "MPI driver: %s is not the same folder on all ranks: \"store\" must be on a "
                      "file system that all of them share",
                      d->store.path);
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

mofka_status_t mmi_driver_open_store(mmi_driver_t *d, const mmi_settings_t *s,
                                     const char *resume_at) {
    mofka_status_t status = MOFKA_OK;
    if (!s->store[0])
        return MOFKA_OK;
    if (d->rank == 0)
        status = store_open_first(d, s, resume_at);
    status = mmi_agree(d->ranks, status, "opening its store");
    if (status)
        return status;
    if (d->rank != 0)
        status = mfi_store_open(&mfi_io_posix, s->store, MFI_STORE_THERE, &d->store);
    status = mmi_agree(d->ranks, status, "opening its store");
    if (!status)
        status = store_compare(d);
    if (!status)
        d->directory.store = &d->store;
    return status;
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
    bool owns = false;
    for (size_t i = 0; i < d->directory.owner_count; i++)
        owns |= d->directory.owners[i] == d->rank;
    mofka_status_t status = store_check_window(d->directory.w);
    if (!status && owns)
        status = mmi_storage_start(&d->directory, &d->storage);
    status = mmi_agree(d->ranks, status, "starting to keep its store");
    if (!status && d->rank == 0)
        status = mfi_store_list_topics(&d->store, store_resume_topic, d);
    return mmi_agree(d->ranks, status, "making the topics of its store");
}
