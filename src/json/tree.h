/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON text as a tree of cJSON. Numbers have a decimal point in every locale. */
#ifndef MOFKA_SRC_JSON_TREE_H
#define MOFKA_SRC_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>

struct cJSON;

/* Parse text, which has a zero byte behind its `bytes`. `*tree`: give, cJSON_Delete. `what` begins
 * the message. MOFKA_ERR_JSON: cJSON does not take the text. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_json_parse(const char *what, const char *text, size_t bytes,
                              struct cJSON **tree);
/* Print a tree, `pretty` or on one line. Give: cJSON_free. NULL: no memory. */
char *mfi_json_print(const struct cJSON *tree, bool pretty);
/* Add a number with all its digits, for printing: a number of cJSON is a double. False: no
 * memory. */
bool mfi_json_add_count(struct cJSON *object, const char *key, uint64_t count);

#endif
