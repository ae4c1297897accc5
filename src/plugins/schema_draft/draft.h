/* SPDX-License-Identifier: BSD-3-Clause */
/* The drafts of JSON Schema, as "$schema" names them. For both types "schema". */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_DRAFT_DRAFT_H
#define MOFKA_SRC_PLUGINS_SCHEMA_DRAFT_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the URI of a "$schema" names draft 4, 6 or 7. Drafts 4 and 6 are taken as draft 7: a
 * warning says so, which begins with `what`. */
bool mfi_draft_is_known(const char *what, const char *uri, size_t bytes);

#endif
