/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Amazon EventBridge event patterns: a pattern is compiled once, then matched with many events.
 *
 * The language is defined by the EventBridge user guide ("Comparison operators for use in event
 * patterns") and by the README of its open-source matcher, github.com/aws/event-ruler.
 *
 * A pattern is a set of fields. All of them must match. A field has a path and alternatives; one
 * alternative must match a scalar of the event at that path. Paths are split at dots into steps,
 * both in the pattern and in the event. The steps form a tree, which holds the fields:
 *
 *   {"a": {"b": [1], "c.d": [2]}, "$or": [{"e": [3]}, {"f": [4]}]}
 *
 *   root - a - b        field 0
 *        |   ` c - d    field 1
 *        | e            field 2, in the first branch of a choice
 *        ` f            field 3, in its second branch
 *
 * A scope is the whole pattern, or one branch of a $or. It has fields and choices; each choice is a
 * $or, or a field with a $or among its alternatives. A combination takes one branch of each choice.
 * Combinations are not expanded in memory: they are numbered, and a number gives the fields that
 * its combination needs. Sets of fields are bits.
 *
 * The original dialect is the language of the validator "eventbridge" of the Diaspora Streaming API
 * (src/EventbridgeValidator.cpp there). Both dialects compile the same patterns. They differ in
 * what a field finds in an event: in the original one it finds the value as it is, an array or
 * object, too.
 */
#ifndef MOFKA_SRC_TYPES_EVENTBRIDGE_PATTERN_H
#define MOFKA_SRC_TYPES_EVENTBRIDGE_PATTERN_H

#include "json/text.h"

/* Fields of a pattern. A match keeps two sets of fields for each open object or array. */
#define MFI_EB_FIELDS_MAX 512
/* Steps of all paths. A match keeps a bit of each for each open object, to find duplicate keys. */
#define MFI_EB_STEPS_MAX 1024
/* Combinations of $or branches. Each may cost a walk over the event. EventBridge limits them,
 * too. */
#define MFI_EB_COMBINATIONS_MAX 1000
/* Bytes of a pattern's text. That is far more than people write, and compiles within a second. */
#define MFI_EB_TEXT_MAX ((size_t)1 << 20)
/* Bytes read and values compared before a match gives up: about a second of work. */
#define MFI_EB_WORK_MAX (UINT64_C(1) << 28)

typedef struct mfi_eb_set {
    uint64_t words[MFI_EB_FIELDS_MAX / 64];
} mfi_eb_set_t;

typedef enum mfi_eb_kind {
    MFI_EB_WORD,   /* the same text: null, true, false, or a number outside the range of keys */
    MFI_EB_NUMBER, /* low <= key <= high */
    MFI_EB_REAL, /* original dialect: from <= number <= to; with `text`, not another whole number */
    MFI_EB_STRING, /* the same bytes; the kinds below match strings only */
    MFI_EB_PREFIX,
    MFI_EB_SUFFIX,
    MFI_EB_FOLD, /* the same characters, ignoring case */
    MFI_EB_FOLD_PREFIX,
    MFI_EB_FOLD_SUFFIX,
    MFI_EB_WILDCARD, /* pieces, in order, with any bytes between them */
    MFI_EB_CIDR,
    MFI_EB_EXISTS, /* any value of the field */
    MFI_EB_ABSENT  /* no value */
} mfi_eb_kind_t;

/* A character of the pattern: as written, in lower case and in upper case. */
typedef struct mfi_eb_fold {
    uint32_t same, lower, upper;
} mfi_eb_fold_t;

typedef struct mfi_eb_piece {
    size_t from, bytes; /* a range of the operand's text */
} mfi_eb_piece_t;

/* A value or a rule that a scalar is compared with. */
typedef struct mfi_eb_operand {
    mfi_eb_kind_t kind;
    const char *text;
    size_t bytes;
    int64_t low, high;            /* of NUMBER */
    double from, to;              /* of REAL */
    const mfi_eb_fold_t *folds;   /* of the FOLD kinds, else NULL */
    const mfi_eb_piece_t *pieces; /* of WILDCARD, else NULL */
    size_t count;                 /* of folds or pieces */
    int family;                   /* AF_INET, AF_INET6 */
    unsigned bits;
    unsigned char address[16];
    struct mfi_eb_operand *next;
} mfi_eb_operand_t;

/* It matches if one of its operands matches; with `anything_but`, if none of them does. */
typedef struct mfi_eb_alternative {
    bool anything_but;
    mfi_eb_operand_t *operands;
    struct mfi_eb_alternative *next;
} mfi_eb_alternative_t;

struct mfi_eb_step;

typedef struct mfi_eb_field {
    size_t index; /* in the order of the pattern's text */
    struct mfi_eb_step *step;
    mfi_eb_alternative_t *alternatives;
    struct mfi_eb_field *next_here;     /* the next field of the same step */
    struct mfi_eb_field *next_in_scope; /* the next field of the same scope */
} mfi_eb_field_t;

typedef struct mfi_eb_step {
    size_t index;
    const char *name;
    size_t bytes;
    struct mfi_eb_step *parent, *child, *next;
    mfi_eb_field_t *here;
    mfi_eb_set_t below; /* the fields of this step and of all steps below it */
} mfi_eb_step_t;

typedef struct mfi_eb_scope {
    uint64_t combinations;
    mfi_eb_field_t *fields;
    struct mfi_eb_choice *choices;
    struct mfi_eb_scope *next; /* the next branch of the same choice */
} mfi_eb_scope_t;

typedef struct mfi_eb_choice {
    uint64_t combinations;
    mfi_eb_scope_t *branches, *last_branch;
    struct mfi_eb_choice *next;
} mfi_eb_choice_t;

typedef struct mfi_eb_block mfi_eb_block_t;

typedef struct mfi_eb_pattern {
    bool original;          /* the dialect */
    mfi_eb_block_t *blocks; /* all memory of the pattern */
    mfi_eb_step_t root;
    mfi_eb_scope_t scope;
    mfi_eb_field_t *fields[MFI_EB_FIELDS_MAX];
    size_t field_count, step_count;
    mfi_eb_set_t may_be_absent; /* the fields that have an alternative {"exists": false} */
} mfi_eb_pattern_t;

/* Compile `text`, which mfi_json_check accepted, in the original dialect or in Amazon's. Give
 * *pattern: mfi_eb_destroy. MOFKA_ERR_OPTION: not a pattern; the message names the place.
 * MOFKA_ERR_TOO_LARGE: above one of the limits. */
mofka_status_t mfi_eb_compile(const char *text, const char *limit, bool original,
                              mfi_eb_pattern_t **pattern);
/* Free a pattern and all its memory. NULL is ignored. */
void mfi_eb_destroy(mfi_eb_pattern_t *pattern);

/* MOFKA_OK: the event matches. MOFKA_ERR_REFUSED: it does not match; the message names the path.
 * MOFKA_ERR_JSON: the event is not JSON. MOFKA_ERR_TOO_LARGE: the match is too much work. */
mofka_status_t mfi_eb_match(const mfi_eb_pattern_t *pattern, const char *event, size_t bytes);

/* ---- between the files of this folder -------------------------------------------------------- */

/* Allocate zeroed memory that lives as long as the pattern. NULL, with a message: no memory. */
void *mfi_eb_allocate(mfi_eb_pattern_t *pattern, size_t count, size_t size);

/* The place in the pattern that is being compiled. A path longer than `path` is cut off. */
typedef struct mfi_eb_place {
    mfi_eb_pattern_t *pattern;
    const char *limit;
    char path[256];
    size_t used;
    mfi_scratch_t scratch;
} mfi_eb_place_t;

/* Append a key or an index to the path. Each returns what mfi_eb_leave needs to remove it. */
size_t mfi_eb_enter_key(mfi_eb_place_t *place, const char *key, size_t bytes);
size_t mfi_eb_enter_index(mfi_eb_place_t *place, size_t index);
/* Cut the path to `used` bytes, which mfi_eb_enter_key or mfi_eb_enter_index returned. */
void mfi_eb_leave(mfi_eb_place_t *place, size_t used);
/* MOFKA_ERR_OPTION, with the place and a message. */
mofka_status_t mfi_eb_bad(const mfi_eb_place_t *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* MOFKA_ERR_OPTION: a value of the pattern is not `wanted`. The message has the place and the
 * value. */
mofka_status_t mfi_eb_bad_value(const mfi_eb_place_t *place, const char *value, const char *wanted);

/* Compile one alternative of a field. */
mofka_status_t mfi_eb_compile_alternative(mfi_eb_place_t *place, const char *value,
                                          mfi_eb_alternative_t **alternative);
/* Copy a string of the pattern, unescaped, into the pattern's memory. */
mofka_status_t mfi_eb_copy_string(mfi_eb_place_t *place, const char *string, const char **text,
                                  size_t *bytes);
/* Make an operand of `kind` from a string of the pattern, with its folds, pieces or address. */
mofka_status_t mfi_eb_string_operand(mfi_eb_place_t *place, mfi_eb_kind_t kind, const char *string,
                                     mfi_eb_operand_t **operand);
/* Whether a key is the name of an operator, which cannot be a field within $or. */
bool mfi_eb_is_reserved(const char *key, size_t bytes);
/* The alternative {"exists": true}. */
mofka_status_t mfi_eb_exists_alternative(mfi_eb_place_t *place, mfi_eb_alternative_t **alternative);

/* Whether a number is written without a fraction and an exponent. */
bool mfi_eb_is_whole(const char *number, size_t bytes);

/* What a field finds in an event: a string, a number, true, false or null; in the original dialect
 * also an object or an array. */
typedef struct mfi_eb_value {
    const char *value, *end; /* its JSON text in the event */
    const char *text;        /* of a string: its characters, unescaped; else NULL */
    size_t bytes;
    bool has_key; /* true for a number within the range of keys */
    int64_t key;
    bool has_real; /* true for a number, in the original dialect */
    double real;
} mfi_eb_value_t;
/* Whether a value matches one of the alternatives. Adds the work of comparing to `*work`. */
bool mfi_eb_matches_any(const mfi_eb_alternative_t *alternatives, const mfi_eb_value_t *value,
                        uint64_t *work);

#endif
