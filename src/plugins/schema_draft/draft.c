/* SPDX-License-Identifier: BSD-3-Clause */
/* Recognises the drafts whose schemas are taken as draft 7. */
#include "plugins/schema_draft/draft.h"

#include <mofka/log.h>
#include <stdio.h>
#include <string.h>

static bool draft_is_named(int draft, const char *uri, size_t bytes) {
    for (int form = 0; form < 4; form++) {
        char known[64];
        int length = snprintf(known, sizeof known, "http%s://json-schema.org/draft-0%d/schema%s",
                              form & 1 ? "s" : "", draft, form & 2 ? "#" : "");
        if (bytes == (size_t)length && memcmp(uri, known, bytes) == 0)
            return true;
    }
    return false;
}

bool mfi_draft_is_known(const char *what, const char *uri, size_t bytes) {
    static const int drafts[] = {7, 6, 4};
    size_t i = 0;
    while (i < 3 && !draft_is_named(drafts[i], uri, bytes))
        i++;
    if (i == 1 || i == 2)
        mofka_log(MOFKA_LOG_WARN, "%s: \"$schema\" names draft %d, but the rules of draft 7 apply",
                  what, drafts[i]);
    return i < 3;
}
