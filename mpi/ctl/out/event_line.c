/* SPDX-License-Identifier: BSD-3-Clause */
/* Events as lines of text. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/out/event_line.h"
#include "json/text.h"
#include "base/text/utf8.h"

void event_line_write_metadata(sink_t *sink, const char *text, size_t bytes) {
    const char *end = text + bytes, *from = text;
    bool string = false;
    if (!memchr(text, '\n', bytes)) {
        sink_add(sink, text, bytes);
        return;
    }
    for (const char *at = text; at < end; at++) {
        if (*at == '"')
            string = !string;
        if (*at == '\\' && string && at + 1 < end && at[1] != '\n') {
            at++;
        } else if (*at == '\n') {
            sink_add(sink, from, (size_t)(at - from));
            sink_add(sink, string ? "\\n" : " ", string ? 2 : 1);
            from = at + 1;
        }
    }
    sink_add(sink, from, (size_t)(end - from));
}

/* Whether the text is printable ASCII, the same everywhere. */
static bool event_line_is_plain(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < 0x20 ||
            text[i] > 0x7e) /* bytes above 0x7f are below 0 where char is signed */
            return false;
    return true;
}

/* Write what stands for a control character or for a byte that is not UTF-8. */
static void event_line_add_escape(sink_t *sink, const char *at, bool utf8, bool string) {
    if (!string)
        sink_add(sink, " ", 1);
    else if (!utf8)
        sink_add_text(sink, "\\ufffd");
    else
        sink_add_text(sink, "\\u%04" PRIx32, mfi_utf8_read(&at));
}

/* JSON; `string`: the text begins inside a string. */
static void event_line_add_json(sink_t *sink, const char *text, size_t bytes, bool string) {
    const char *end = text + bytes, *from = text;
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        bool utf8 = next != NULL;
        if (!utf8)
            next = at + 1;
        if (utf8 && !mfi_utf8_is_control(at)) {
            if (*at == '"')
                string = !string;
            else if (*at == '\\' && string && next < end)
                next++;
            continue;
        }
        sink_add(sink, from, (size_t)(at - from));
        event_line_add_escape(sink, at, utf8, string);
        from = next;
    }
    sink_add(sink, from, (size_t)(end - from));
}

void event_line_write_json(sink_t *sink, const char *text, size_t bytes) {
    event_line_add_json(sink, text, bytes, false);
}

void event_line_write_inner(sink_t *sink, const char *text, size_t bytes) {
    event_line_add_json(sink, text, bytes, true);
}

/* Text that is not JSON. */
static void event_line_add_text(sink_t *sink, const char *text, size_t bytes) {
    const char *end = text + bytes;
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        if (next && !mfi_utf8_is_control(at)) {
            sink_add(sink, at, (size_t)(next - at));
            continue;
        }
        next = next ? next : at + 1;
        for (const char *byte = at; byte < next; byte++)
            sink_add_text(sink, "\\x%02x", (unsigned)(unsigned char)*byte);
    }
}

void event_line_write_visible(sink_t *sink, const char *text, size_t bytes) {
    if (event_line_is_plain(text, bytes))
        sink_add(sink, text, bytes);
    else if (mfi_json_check("metadata", text, bytes))
        event_line_add_text(sink, text, bytes);
    else
        event_line_write_json(sink, text, bytes);
}

void event_line_write_base64(sink_t *sink, const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0u);
        char out[4];
        for (int digit = 0; digit < 4; digit++)
            out[digit] = digits[bits >> (18 - 6 * digit) & 63];
        if (left < 3) /* the last piece: digits that stand for missing bytes */
            memset(out + 1 + left, '=', 3 - left);
        sink_add(sink, out, sizeof out);
    }
}

static void event_line_add_base64(sink_t *sink, const mofka_data_view_t *data) {
    size_t size = mofka_data_view_size(data);
    unsigned char in[3 * 256];
    for (size_t offset = 0; offset < size; offset += sizeof in)
        event_line_write_base64(sink, in, mofka_data_view_read(data, in, sizeof in, offset));
}

/* Make a file that does not exist yet, and bring its bytes to the disk. Other users may be able to
 * write the folder: a file or a link of theirs is not followed. */
static bool event_line_write_file(const char *path, const mofka_data_view_t *data) {
    assert(path && *path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    size_t count = 0;
    const mofka_segment_t *segments = data ? mofka_data_view_segments(data, &count) : NULL;
    bool good = file != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = fwrite(segments[i].ptr, 1, segments[i].size, file) == segments[i].size;
    good = good && fflush(file) == 0 && fsync(fd) == 0;
    int error = errno;
    if (!good && fd >= 0)
        unlink(path);
    if (file)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    if (!good)
        ctl_complain("cannot write '%s': %s", path, strerror(error));
    return good;
}

bool event_line_sync(const event_line_style_t *style) {
    if (!style->directory)
        return true;
    int fd = open(style->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: this file system cannot sync directories. */
    bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (!good)
        ctl_complain("cannot sync '%s': %s", style->directory, strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

/* As a JSON string. Each byte that is not UTF-8 becomes U+FFFD. */
static void event_line_add_string(sink_t *sink, const char *text, size_t bytes) {
    const char *end = text + bytes;
    sink_add(sink, "\"", 1);
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        if (!next) {
            sink_add_text(sink, "\\ufffd");
            next = at + 1;
        } else if (mfi_utf8_is_control(at)) {
            event_line_add_escape(sink, at, true, true);
        } else if (*at == '"' || *at == '\\') {
            sink_add_text(sink, "\\%c", *at);
        } else {
            sink_add(sink, at, (size_t)(next - at));
        }
    }
    sink_add(sink, "\"", 1);
}

/* Text that is not JSON is written as a string. */
static void event_line_add_value(sink_t *sink, const char *text, size_t bytes) {
    if (mfi_json_check("metadata", text, bytes))
        event_line_add_string(sink, text, bytes);
    else
        event_line_write_json(sink, text, bytes);
}

static void event_line_add_envelope(sink_t *sink, const event_line_style_t *style,
                                    const mofka_event_t *event, const char *file) {
    assert(style->envelope);
    size_t bytes;
    const char *text = mofka_event_metadata_text(event, &bytes);
    sink_add_text(sink,
                  "{\"id\":%" PRIu64 ",\"partition\":%zu,\"metadata_size\":%zu,\"data_size\":%zu,"
                  "\"metadata\":",
                  mofka_event_id(event), mofka_event_partition(event), bytes,
                  mofka_event_data_size(event));
    event_line_add_value(sink, text, bytes);
    if (style->base64) {
        sink_add_text(sink, ",\"data\":\"");
        event_line_add_base64(sink, mofka_event_data(event));
        sink_add_text(sink, "\"");
    }
    if (style->directory)
        sink_add_text(sink, ",\"data_file\":\"%s\"", file);
    sink_add(sink, "}\n", 2);
}

bool event_line_write(sink_t *sink, const event_line_style_t *style, const mofka_event_t *event) {
    assert(!style->base64 || style->envelope);
    assert(!style->raw || !style->envelope);
    char file[64];
    snprintf(file, sizeof file, "%zu-%" PRIu64, mofka_event_partition(event),
             mofka_event_id(event));
    if (style->directory) {
        char path[4096];
        if ((size_t)snprintf(path, sizeof path, "%s/%s", style->directory, file) >= sizeof path) {
            ctl_complain("the path '%s' is too long", style->directory);
            return false;
        }
        if (!event_line_write_file(path, mofka_event_data(event)))
            return false;
    }
    if (style->envelope) {
        event_line_add_envelope(sink, style, event, file);
        return true;
    }
    size_t bytes;
    const char *text = mofka_event_metadata_text(event, &bytes);
    if (style->raw)
        event_line_write_metadata(sink, text, bytes);
    else
        event_line_write_visible(sink, text, bytes);
    sink_add(sink, "\n", 1);
    return true;
}
