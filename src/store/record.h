/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON files of a store, whose text has a check of itself; for the files of this room. */
#ifndef MOFKA_SRC_STORE_RECORD_H
#define MOFKA_SRC_STORE_RECORD_H

#include "store/store.h"

struct cJSON;

/* Print a tree (take), with its check, and replace the file. */
mofka_status_t mfi_record_store(const mfi_io_t *io, const char *folder, const char *name,
                                struct cJSON *tree);
/* Check a text, and parse it. Give: cJSON_Delete. `what` begins the message. MOFKA_ERR_CORRUPT: the
 * check is wrong, or it is no such JSON. MOFKA_ERR_UNSUPPORTED: another format version. */
mofka_status_t mfi_record_parse(const char *what, const char *text, size_t bytes,
                                struct cJSON **tree);
/* The same of a file; `*text` (give: free()) unless NULL. */
mofka_status_t mfi_record_load(const mfi_io_t *io, const char *folder, const char *name,
                               char **text, struct cJSON **tree);

/* Take the lock of a store: one process at a time makes the store, makes a topic, or cuts one.
 * Waits up to 10 s. Give: mfi_store_unlock. MOFKA_ERR_BUSY: another process has it. */
mofka_status_t mfi_store_lock(const mfi_store_t *store, int *lock);
void mfi_store_unlock(const mfi_store_t *store, int lock);

/* Whether each entry of a part's index is right; also if there is no index. */
mofka_status_t mfi_index_verify(const mfi_log_t *log, const mfi_part_t *part, bool *right);

void mfi_uuid_make(mfi_uuid_t *uuid);
void mfi_uuid_print(const mfi_uuid_t *uuid, char text[33]);
bool mfi_uuid_parse(const char *text, mfi_uuid_t *uuid);
/* The name of a topic's folder. */
void mfi_topic_folder(const char *name, char folder[256]);

#endif
