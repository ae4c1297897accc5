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
    MOFKA_OPTION_TIMEOUT, /**< int64_t, milliseconds; negative means without limit */
    MOFKA_OPTION_CHOICE,  /**< int, an index into `choices` */
    MOFKA_OPTION_STRING,  /**< char *, give: free(); unchanged if the key is missing */
    MOFKA_OPTION_JSON     /**< char *, the JSON text of the value, give: free() */
} mofka_option_kind_t;

/** One known option. `*value` holds the default; it changes only if the key is present. */
typedef struct mofka_option {
    const char *key;            /**< its name in the JSON object */
    mofka_option_kind_t kind;   /**< its type */
    void *value;                /**< where its value goes, of the type above */
    uint64_t min;               /**< UINT only */
    uint64_t max;               /**< UINT only; 0 means no upper bound */
    const char *const *choices; /**< CHOICE only, NULL-terminated */
} mofka_option_t;

/** Read the JSON object `json` into the table's values; NULL and "" mean no options. All of it is
 * checked before any value changes. An error message names `what` and the wrong key.
 * MOFKA_ERR_JSON: not a JSON object. MOFKA_ERR_OPTION: an unknown key, or a value of the wrong type
 * (the message lists the known keys). MOFKA_ERR_RANGE: a number outside [min, max].
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_options_read(const char *what, const char *json,
                                            const mofka_option_t *options, size_t count);

#ifdef __cplusplus
}
#endif
#endif
