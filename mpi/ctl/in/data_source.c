/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of events that come as lines. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/read_file.h"
#include "mpi/ctl/options/args.h"
#include "mpi/ctl/in/data_source.h"
#include "base/text/message.h"

/* At most this many bytes of data for an event, as for its metadata. */
#define DATA_BYTES_MAX ((size_t)1 << 30)

bool data_source_check(const char *text) {
    bool good = !text || text[0] == '/' || strncmp(text, "file:", 5) == 0;
    if (!good)
        args_complain_of_value("data-from", text,
                               "a JSON pointer such as /field/name, or file:PATH");
    return good;
}

bool data_source_open(data_source_t *source, const char *text) {
    *source = (data_source_t){0};
    if (!text)
        return true;
    if (text[0] == '/') {
        source->pointer = text;
        source->token = malloc(strlen(text));
        if (!source->token)
            ctl_complain("--data-from: no memory for '%.*s'", MFI_QUOTE(text, strlen(text), 200));
        return source->token;
    }
    assert(strncmp(text, "file:", 5) == 0);
    size_t bytes;
    char *content = ctl_read_file(text + 5, DATA_BYTES_MAX, &bytes);
    if (!content) {
        ctl_complain("--data-from '%.*s': the file cannot be read",
                     MFI_QUOTE(text, strlen(text), 200));
        return false;
    }
    mofka_segment_t segment = {content, bytes};
    mofka_status_t status = mofka_data_view_create(&segment, 1, free, content, &source->file);
    if (!status)
        return true;
    free(content);
    ctl_complain_of(status, "--data-from");
    return false;
}

void data_source_close(data_source_t *source) {
    mofka_data_view_release(source->file);
    free(source->token);
    free(source->scratch.bytes);
}

/* Copy the pointer's next name to `source->token`. In it, ~0 means ~ and ~1 means / (RFC 6901). */
static const char *data_source_next_token(data_source_t *source, const char *pointer,
                                          size_t *bytes) {
    assert(*pointer == '/');
    char *to = source->token;
    for (pointer++; *pointer && *pointer != '/'; pointer++) {
        bool escaped = *pointer == '~' && (pointer[1] == '0' || pointer[1] == '1');
        *to++ = !escaped ? *pointer : *++pointer == '0' ? '~' : '/';
    }
    *bytes = (size_t)(to - source->token);
    return pointer;
}

static const char *data_source_find_element(const char *array, const char *limit, const char *token,
                                            size_t bytes) {
    assert(*array == '[');
    size_t index = 0;
    if (bytes == 0 || bytes > 18 || (token[0] == '0' && bytes > 1))
        return NULL;
    for (size_t i = 0; i < bytes; i++) {
        if (token[i] < '0' || token[i] > '9')
            return NULL;
        index = 10 * index + (size_t)(token[i] - '0');
    }
    mfi_json_walk_t walk = mfi_json_walk(array, limit);
    while (mfi_json_next(&walk))
        if (index-- == 0)
            return walk.value;
    return NULL;
}

/* Find the value that the pointer names. `*found` is NULL if there is none. */
static mofka_status_t data_source_find(data_source_t *source, const char *value, const char *limit,
                                       const char **found) {
    assert(source->pointer && source->token);
    mofka_status_t status = MOFKA_OK;
    for (const char *at = source->pointer; value && *at && !status;) {
        size_t bytes;
        const char *container = value;
        at = data_source_next_token(source, at, &bytes);
        value = NULL;
        if (*container == '[')
            value = data_source_find_element(container, limit, source->token, bytes);
        else if (*container == '{')
            status =
                mfi_json_member(container, limit, source->token, bytes, &source->scratch, &value);
    }
    *found = value;
    return status;
}

mofka_status_t data_source_of(data_source_t *source, const char *text, size_t bytes,
                              mofka_data_view_t **view) {
    assert(!source->pointer || !source->file);
    const char *limit = text + bytes, *value;
    *view = source->file ? mofka_data_view_retain(source->file) : NULL;
    if (!source->pointer)
        return MOFKA_OK;
    mofka_status_t status = data_source_find(source, mfi_json_begin(text), limit, &value);
    if (status)
        return status;
    if (!value || *value != '"')
        return mofka_fail(MOFKA_ERR_REFUSED,
                          value ? "--data-from %s: the value is not a string"
                                : "--data-from %s: the value is missing",
                          source->pointer);
    size_t size;
    const char *string = mfi_json_string(value, limit, &source->scratch, &size);
    if (!string)
        return mofka_fail(MOFKA_ERR_MEMORY, "--data-from %s: no memory", source->pointer);
    status = mofka_data_view_allocate(size, view);
    if (!status)
        mofka_data_view_write(*view, string, size, 0);
    return status;
}
