/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of topics and consumers: 1 to MOFKA_NAME_BYTES_MAX printable ASCII characters. */
#include "driver/driver.h"

#include <string.h>
#include "base/text/message.h"

mofka_status_t mfi_name_check(const char *what, const char *name) {
    size_t length = name ? strnlen(name, MOFKA_NAME_BYTES_MAX + 1) : 0;
    if (length == 0)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "the %s name is empty; names are 1 to %d printable ASCII characters",
                          what, MOFKA_NAME_BYTES_MAX);
    if (length > MOFKA_NAME_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_INVALID, "the %s name '%.*s...' has more than %d bytes", what,
                          MFI_QUOTE(name, length, 32), MOFKA_NAME_BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return mofka_fail(MOFKA_ERR_INVALID,
                              "the %s name has a byte 0x%02x at %zu; names are 1 to %d printable "
                              "ASCII characters",
                              what, (unsigned char)name[i], i, MOFKA_NAME_BYTES_MAX);
    return MOFKA_OK;
}
