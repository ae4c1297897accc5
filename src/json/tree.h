/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON text as a tree of cJSON. */
#ifndef MOFKA_SRC_JSON_TREE_H
#define MOFKA_SRC_JSON_TREE_H

#include <stddef.h>
#include <mofka/status.h>

struct cJSON;

/* Parse text, which has a zero byte behind its `bytes`. `*tree`: give, cJSON_Delete. `what` begins the
 * message. MOFKA_ERR_JSON: cJSON does not take the text. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_json_parse(const char *what, const char *text, size_t bytes,
                              struct cJSON **tree);

#endif
