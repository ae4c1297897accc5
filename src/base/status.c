/* SPDX-License-Identifier: BSD-3-Clause */
/* Status codes as names, sentences and classes, and the thread's last error message. */
#include <mofka/status.h>

#include <errno.h>
#include <stdarg.h>
#include "base/text/message.h"

static _Thread_local char message[MOFKA_MESSAGE_BYTES_MAX + 1];

const char *mofka_status_name(mofka_status_t status) {
    switch (status) {
#define NAME_CASE(name, value, cls, text)                                                          \
    case name:                                                                                     \
        return #name;
        MOFKA_STATUS_MAP(NAME_CASE)
#undef NAME_CASE
    }
    return "unknown status";
}

const char *mofka_status_text(mofka_status_t status) {
    switch (status) {
#define TEXT_CASE(name, value, cls, text)                                                          \
    case name:                                                                                     \
        return text;
        MOFKA_STATUS_MAP(TEXT_CASE)
#undef TEXT_CASE
    }
    return "unknown status";
}

mofka_status_class_t mofka_status_class(mofka_status_t status) {
    switch (status) {
#define CLASS_CASE(name, value, cls, text)                                                         \
    case name:                                                                                     \
        return MOFKA_CLASS_##cls;
        MOFKA_STATUS_MAP(CLASS_CASE)
#undef CLASS_CASE
    }
    return MOFKA_CLASS_OUTSIDE;
}

const char *mofka_last_error(void) {
    return message;
}

mofka_status_t(mofka_fail)(mofka_status_t status, const char *format, ...) {
    int saved = errno;
    va_list args;
    va_start(args, format);
    mfi_message_format(message, format, args);
    va_end(args);
    errno = saved;
    return status;
}
