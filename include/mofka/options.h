/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Options as JSON objects, checked against a table: for backends, selectors and programs.
 */
#ifndef MOFKA_OPTIONS_H
#define MOFKA_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Type of an option, and what `value` of its table row points to. */
typedef enum mofka_option_kind {
    MOFKA_OPTION_BOOL,    /**< bool */
    MOFKA_OPTION_UINT,    /**< uint64_t, a whole number in [min, max] */
    MOFKA_OPTION_TIMEOUT, /**< int64_t milliseconds; negative: for ever */
    MOFKA_OPTION_CHOICE,  /**< int, index into `choices` */
    MOFKA_OPTION_STRING,  /**< char *, give: free(); NULL stays NULL when the key is missing */
    MOFKA_OPTION_JSON     /**< char *, the value as its JSON is written, give: free() */
} mofka_option_kind_t;

/** One known option. `*value` holds the default and is changed only when the key is there. */
typedef struct mofka_option {
    const char *key;            /**< its name in the JSON object */
    mofka_option_kind_t kind;   /**< its type */
    void *value;                /**< where its value goes, see above */
    uint64_t min;               /**< UINT only */
    uint64_t max;               /**< UINT only; 0: no bound above */
    const char *const *choices; /**< CHOICE only, NULL-terminated */
} mofka_option_t;

/** Read the JSON object `json` (NULL or "": no options) into the table's values. All of it is
 * checked before any value is changed; the message names `what` and the key at fault.
 * MOFKA_ERR_JSON: not a JSON object. MOFKA_ERR_OPTION: unknown key or wrong type (the message lists
 * the known keys). MOFKA_ERR_RANGE: outside [min, max]. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_options_read(const char *what, const char *json,
                                            const mofka_option_t *options, size_t count);

#ifdef __cplusplus
}
#endif
#endif
