/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64 (RFC 4648, section 4), with its padding. */
#ifndef MOFKA_SRC_PLUGINS_ZSTD_BASE64_H
#define MOFKA_SRC_PLUGINS_ZSTD_BASE64_H

#include <mofka/status.h>
#include <stddef.h>

/* Decode all of `text`. `what` begins each message. Give *bytes: free(). MOFKA_ERR_OPTION: `text`
 * is not base64. Line breaks are passed over. */
mofka_status_t mfi_base64_decode(const char *what, const char *text, unsigned char **bytes,
                                 size_t *size);

#endif
