/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads options: a JSON object against a table of known keys. */
#include <mofka/options.h>

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/message.h"
#include "json/text.h"
#include "json/tree.h"

static const char *const kind_names[] = {
    [MOFKA_OPTION_BOOL] = "true or false",
    [MOFKA_OPTION_UINT] = "a whole number",
    [MOFKA_OPTION_TIMEOUT] = "milliseconds, a whole number (negative: for ever)",
    [MOFKA_OPTION_CHOICE] = "one of its words",
    [MOFKA_OPTION_STRING] = "a string",
    [MOFKA_OPTION_JSON] = "a JSON value",
};

static void options_list_keys(const mofka_option_t *options, size_t count, char *text,
                              size_t bytes) {
    size_t used = 0;
    assert(bytes > 0);
    text[0] = '\0';
    for (size_t i = 0; i < count && used < bytes; i++)
        used = mfi_message_append(text, bytes, used, "%s\"%s\"", i ? ", " : "", options[i].key);
}

static const mofka_option_t *options_find(const mofka_option_t *options, size_t count,
                                          const char *key) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].key, key) == 0)
            return &options[i];
    return NULL;
}

static bool option_is_whole(const cJSON *item) {
    return cJSON_IsNumber(item) && floor(item->valuedouble) == item->valuedouble &&
           fabs(item->valuedouble) <= 9007199254740992.0;
}

static int option_choice_of(const mofka_option_t *option, const cJSON *item) {
    for (int i = 0; cJSON_IsString(item) && option->choices[i]; i++)
        if (strcmp(option->choices[i], item->valuestring) == 0)
            return i;
    return -1;
}

static bool option_has_kind(const mofka_option_t *option, const cJSON *item) {
    switch (option->kind) {
    case MOFKA_OPTION_BOOL:
        return cJSON_IsBool(item);
    case MOFKA_OPTION_UINT:
    case MOFKA_OPTION_TIMEOUT:
        return option_is_whole(item);
    case MOFKA_OPTION_CHOICE:
        return option_choice_of(option, item) >= 0;
    case MOFKA_OPTION_STRING:
        return cJSON_IsString(item);
    case MOFKA_OPTION_JSON:
        return true;
    }
    return false;
}

/* The largest value of a number: by default, the last to which all whole doubles are exact. */
static double option_max(const mofka_option_t *option) {
    return option->max ? (double)option->max : 9007199254740992.0;
}

static mofka_status_t option_check(const char *what, const mofka_option_t *option,
                                   const cJSON *item) {
    if (!option_has_kind(option, item)) {
        char words[256] = "";
        size_t used = 0;
        for (int i = 0;
             option->kind == MOFKA_OPTION_CHOICE && option->choices[i] && used < sizeof words; i++)
            used = mfi_message_append(words, sizeof words, used, " \"%s\"", option->choices[i]);
        if (option->kind == MOFKA_OPTION_UINT)
            snprintf(words, sizeof words, " in [%llu, %.0f]", (unsigned long long)option->min,
                     option_max(option));
        char *found = mfi_json_print(item, false);
        const char *text = found ? found : "?";
        mofka_fail(MOFKA_ERR_OPTION, "%s: option \"%s\" must be %s%s, not %.*s", what, option->key,
                   kind_names[option->kind], words, MFI_QUOTE(text, strlen(text), 100));
        cJSON_free(found);
        return MOFKA_ERR_OPTION;
    }
    if (option->kind != MOFKA_OPTION_UINT)
        return MOFKA_OK;
    double value = item->valuedouble, most = option_max(option);
    if (value < (double)option->min || value > most)
        return mofka_fail(MOFKA_ERR_RANGE, "%s: option \"%s\" is %.0f, outside [%llu, %.0f]", what,
                          option->key, value, (unsigned long long)option->min, most);
    return MOFKA_OK;
}

static mofka_status_t options_check(const char *what, const cJSON *tree,
                                    const mofka_option_t *options, size_t count) {
    for (const cJSON *item = tree->child; item; item = item->next) {
        const mofka_option_t *option = options_find(options, count, item->string);
        if (!option) {
            char keys[512];
            options_list_keys(options, count, keys, sizeof keys);
            return mofka_fail(MOFKA_ERR_OPTION, "%s: unknown option \"%.*s\"; known: %s", what,
                              MFI_QUOTE(item->string, strlen(item->string), 100),
                              count ? keys : "none");
        }
        if (cJSON_GetObjectItemCaseSensitive(tree, item->string) != item)
            return mofka_fail(MOFKA_ERR_OPTION, "%s: option \"%s\" is given twice", what,
                              option->key);
        mofka_status_t status = option_check(what, option, item);
        if (status)
            return status;
    }
    return MOFKA_OK;
}

/* Whether an option is a C string. */
static bool option_is_text(const mofka_option_t *options, size_t count, const char *key,
                           size_t bytes) {
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].key) == bytes && memcmp(options[i].key, key, bytes) == 0)
            return options[i].kind != MOFKA_OPTION_JSON;
    return false;
}

/* Keys, choices and strings are C strings: a zero byte would cut them. */
static mofka_status_t options_check_zeros(const char *what, const char *json,
                                          const mofka_option_t *options, size_t count) {
    const char *limit = json + strlen(json);
    mfi_scratch_t scratch = {0};
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(json), limit);
    mofka_status_t status = MOFKA_OK;
    while (!status && mfi_json_next(&walk)) {
        size_t bytes = 0;
        const char *key = mfi_json_string(walk.key, limit, &scratch, &bytes);
        if (!key)
            status = mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory for a key", what);
        else if (mfi_json_has_zero(walk.key, limit) ||
                 (option_is_text(options, count, key, bytes) &&
                  mfi_json_has_zero(walk.value, limit)))
            status = mofka_fail(MOFKA_ERR_OPTION, "%s: option %.*s has a zero byte (\\u0000)", what,
                                MFI_QUOTE(walk.key, (size_t)(walk.end - walk.key), 100));
    }
    free(scratch.bytes);
    return status;
}

/* The text of a value, as it was given. A tree that is printed loses digits of numbers and zero
 * bytes. */
static char *options_copy_source(const char *json, const char *key) {
    const char *limit = json + strlen(json), *value;
    mfi_scratch_t scratch = {0};
    mofka_status_t status =
        mfi_json_member(mfi_json_begin(json), limit, key, strlen(key), &scratch, &value);
    free(scratch.bytes);
    assert(status || !value || value < limit);
    size_t bytes = status || !value ? 0 : (size_t)(mfi_json_end(value, limit) - value);
    char *text = bytes ? calloc(1, bytes + 1) : NULL;
    return text ? memcpy(text, value, bytes) : NULL;
}

static mofka_status_t option_set_text(const mofka_option_t *option, const cJSON *item,
                                      const char *json) {
    char *text = option->kind == MOFKA_OPTION_STRING ? strdup(item->valuestring)
                                                     : options_copy_source(json, option->key);
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for option \"%s\"", option->key);
    *(char **)option->value = text;
    return MOFKA_OK;
}

static mofka_status_t options_set(const mofka_option_t *option, const cJSON *item,
                                  const char *json) {
    assert(option && option_has_kind(option, item)); /* it was checked */
    switch (option->kind) {
    case MOFKA_OPTION_BOOL:
        *(bool *)option->value = cJSON_IsTrue(item);
        break;
    case MOFKA_OPTION_UINT:
        *(uint64_t *)option->value = (uint64_t)item->valuedouble;
        break;
    case MOFKA_OPTION_TIMEOUT:
        *(int64_t *)option->value = (int64_t)item->valuedouble;
        break;
    case MOFKA_OPTION_CHOICE:
        *(int *)option->value = option_choice_of(option, item);
        break;
    case MOFKA_OPTION_STRING:
    case MOFKA_OPTION_JSON:
        return option_set_text(option, item, json);
    }
    return MOFKA_OK;
}

static mofka_status_t options_parse(const char *what, const char *json, cJSON **tree) {
    size_t bytes = strlen(json);
    mofka_status_t status = mfi_json_check("the text", json, bytes);
    if (!status)
        status = mfi_json_parse("the text", json, bytes, tree);
    if (status == MOFKA_ERR_JSON)
        return mofka_fail(status, "%s: options are not a JSON object: %s", what,
                          mofka_last_error());
    if (status || cJSON_IsObject(*tree))
        return status;
    cJSON_Delete(*tree);
    return mofka_fail(MOFKA_ERR_JSON, "%s: options are not a JSON object: '%.*s'", what,
                      MFI_QUOTE(json, strlen(json), 200));
}

mofka_status_t mofka_options_read(const char *what, const char *json, const mofka_option_t *options,
                                  size_t count) {
    if (!json || !*json)
        return MOFKA_OK;
    cJSON *tree;
    mofka_status_t status = options_parse(what, json, &tree);
    if (status)
        return status;
    status = options_check_zeros(what, json, options, count);
    if (!status)
        status = options_check(what, tree, options, count);
    for (const cJSON *item = tree->child; item && !status; item = item->next)
        status = options_set(options_find(options, count, item->string), item, json);
    cJSON_Delete(tree);
    return status;
}
