/* Data for events that come as lines. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "data_source.h"

bool data_source_open(data_source_t *source, const char *text) {
    *source = (data_source_t){0};
    if (!text)
        return true;
    if (text[0] == '/') {
        source->pointer = text;
        return true;
    }
    if (strncmp(text, "file:", 5) != 0)
        return args_refuse("data-from", text, "a JSON pointer such as /field/name, or file:PATH");
    size_t bytes;
    char *content = read_whole_file(text + 5, &bytes);
    if (!content)
        return false;
    mofka_segment_t segment = {content, bytes};
    mofka_status_t status = mofka_data_view_create(&segment, 1, free, content, &source->file);
    if (!status)
        return true;
    free(content);
    return complain_of(status, "--data-from");
}

void data_source_close(data_source_t *source) {
    mofka_data_view_release(source->file);
}

static bool copy_string(const char *string, mofka_data_view_t **view, char *why, size_t why_bytes) {
    size_t bytes = strlen(string);
    mofka_status_t status = mofka_data_view_allocate(bytes, view);
    if (status) {
        snprintf(why, why_bytes, "%s", mofka_last_error());
        return false;
    }
    mofka_data_view_write(*view, string, bytes, 0);
    return true;
}

/* Whether `key` is the pointer's token of `bytes` bytes (RFC 6901: ~0 is ~, ~1 is /). */
static bool is_token(const char *key, const char *token, size_t bytes) {
    const char *end = token + bytes;
    for (; token < end; token++, key++) {
        char want = *token;
        if (want == '~' && token + 1 < end && (token[1] == '0' || token[1] == '1'))
            want = *++token == '0' ? '~' : '/';
        if (*key != want)
            return false;
    }
    return !*key;
}

static const cJSON *element(const cJSON *array, const char *token, size_t bytes) {
    size_t index = 0;
    if (bytes == 0 || bytes > 9 || (token[0] == '0' && bytes > 1))
        return NULL;
    for (size_t i = 0; i < bytes; i++) {
        if (token[i] < '0' || token[i] > '9')
            return NULL;
        index = 10 * index + (size_t)(token[i] - '0');
    }
    return cJSON_GetArrayItem(array, (int)index);
}

/* What a JSON pointer names; NULL: nothing. */
static const cJSON *find(const cJSON *item, const char *pointer) {
    while (item && *pointer == '/') {
        const char *token = ++pointer;
        size_t bytes = strcspn(token, "/");
        pointer += bytes;
        if (cJSON_IsArray(item)) {
            item = element(item, token, bytes);
            continue;
        }
        const cJSON *member = cJSON_IsObject(item) ? item->child : NULL;
        while (member && !is_token(member->string, token, bytes))
            member = member->next;
        item = member;
    }
    return item;
}

bool data_source_of(const data_source_t *source, const struct cJSON *metadata, const char *text,
                    size_t bytes, mofka_data_view_t **view, char *why, size_t why_bytes) {
    *view = source->file ? mofka_data_view_retain(source->file) : NULL;
    if (!source->pointer)
        return true;
    const cJSON *item = find(metadata, source->pointer);
    if (!cJSON_IsString(item)) {
        snprintf(why, why_bytes,
                 item ? "--data-from %s: the value is no string"
                      : "--data-from %s: there is no such value",
                 source->pointer);
        return false;
    }
    if (memmem(text, bytes, "\\u0000", 6)) { /* the parser's strings end there */
        snprintf(why, why_bytes, "--data-from %s: a line with \\u0000 has no data for sure",
                 source->pointer);
        return false;
    }
    return copy_string(item->valuestring, view, why, why_bytes);
}
