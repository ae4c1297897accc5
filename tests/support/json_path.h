/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of a JSON text by path, for tests of statistics: "topics/0/partitions/1/tail_events". */
#ifndef MOFKA_TESTS_JSON_PATH_H
#define MOFKA_TESTS_JSON_PATH_H

#include <cjson/cJSON.h>
#include "support/check.h"

/* NULL: not there. */
static inline const cJSON *json_at(const mofka_metadata_t *text, const char *path) {
    const cJSON *item;
    OK(mofka_metadata_json(text, &item));
    while (item && *path) {
        char key[64];
        size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, atoi(key))
                                   : cJSON_GetObjectItemCaseSensitive(item, key);
        path += length + (path[length] == '/');
    }
    return item;
}

static inline double number_at(const mofka_metadata_t *text, const char *path) {
    const cJSON *item = json_at(text, path);
    if (!cJSON_IsNumber(item) && !cJSON_IsBool(item))
        fail_msg("no number at '%s' of %s", path, mofka_metadata_text(text, NULL));
    return cJSON_IsNumber(item) ? item->valuedouble : cJSON_IsTrue(item);
}

#define NUMBER(text, path, expected)                                                               \
    do {                                                                                           \
        double number_ = number_at(text, path);                                                    \
        if (number_ != (double)(expected))                                                         \
            fail_msg("'%s' is %.17g, not %.17g: %s", path, number_, (double)(expected),            \
                     mofka_metadata_text(text, NULL));                                             \
    } while (0)

#endif
