/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Amazon EventBridge event patterns: a pattern compiled once, asked about many events.
 *
 * The language is the public one: the EventBridge user guide ("Comparison operators for use in
 * event patterns") and the README of its open-source matcher, github.com/aws/event-ruler.
 *
 * A pattern is a set of fields that must all match. A field is a path and its alternatives, of which
 * one must match a scalar of the event at that path. Paths are cut at dots into steps, in the
 * pattern and in the event alike, and the fields hang on a tree of steps:
 *
 *   {"a": {"b": [1], "c.d": [2]}, "$or": [{"e": [3]}, {"f": [4]}]}
 *
 *   root - a - b        field 0
 *        |   ` c - d    field 1
 *        | e            field 2, of a choice's first branch
 *        ` f            field 3, of its second
 *
 * $or is not spread out in memory: a scope (the pattern, a branch of a $or) has fields and choices,
 * its combinations are counted and each gets a number, from which the fields that it asks for are
 * found. Sets of fields are bits.
 */
#ifndef MOFKA_SRC_EVENTBRIDGE_PATTERN_H
#define MOFKA_SRC_EVENTBRIDGE_PATTERN_H

#include "json/text.h"

/* Fields of a pattern: what a match keeps per open container is two sets of them. */
#define MFI_EB_FIELDS_MAX 512
/* Steps of all paths: a bit each per open object, to see a key given twice. */
#define MFI_EB_STEPS_MAX 1024
/* Combinations of $or branches: each may cost a walk over the event. EventBridge has such a limit,
 * too. */
#define MFI_EB_COMBINATIONS_MAX 1000
/* Bytes of a pattern's text: far above what is written by hand, and compiled within a second. */
#define MFI_EB_TEXT_MAX ((size_t)1 << 20)
/* Bytes of an event's text looked at, and values compared, before matching gives up: about a second. */
#define MFI_EB_WORK_MAX (UINT64_C(1) << 28)

typedef struct mfi_eb_set {
    uint64_t words[MFI_EB_FIELDS_MAX / 64];
} mfi_eb_set_t;

typedef enum mfi_eb_kind {
    MFI_EB_WORD,   /* null, true, false, or a number out of the range of keys: the same text */
    MFI_EB_NUMBER, /* low <= key <= high */
    MFI_EB_STRING, /* the same bytes; the kinds below are for strings only */
    MFI_EB_PREFIX,
    MFI_EB_SUFFIX,
    MFI_EB_FOLD, /* one of three characters at each place */
    MFI_EB_FOLD_PREFIX,
    MFI_EB_FOLD_SUFFIX,
    MFI_EB_WILDCARD, /* pieces with anything between them */
    MFI_EB_CIDR,
    MFI_EB_EXISTS, /* any scalar */
    MFI_EB_ABSENT  /* no scalar */
} mfi_eb_kind_t;

/* A character as the pattern has it, in lower case and in upper case. */
typedef struct mfi_eb_fold {
    uint32_t same, lower, upper;
} mfi_eb_fold_t;

typedef struct mfi_eb_piece {
    size_t from, bytes; /* of the operand's text */
} mfi_eb_piece_t;

/* What a scalar is compared with. */
typedef struct mfi_eb_operand {
    mfi_eb_kind_t kind;
    const char *text;
    size_t bytes;
    int64_t low, high;
    const mfi_eb_fold_t *folds;   /* `count` of them; */
    const mfi_eb_piece_t *pieces; /* or of these */
    size_t count;
    int family; /* AF_INET, AF_INET6 */
    unsigned bits;
    unsigned char address[16];
    struct mfi_eb_operand *next;
} mfi_eb_operand_t;

/* Matches when one of its operands does; turned round by anything-but. */
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
    struct mfi_eb_field *next_here;     /* of the same step */
    struct mfi_eb_field *next_in_scope; /* of the same scope */
} mfi_eb_field_t;

typedef struct mfi_eb_step {
    size_t index;
    const char *name;
    size_t bytes;
    struct mfi_eb_step *parent, *child, *next;
    mfi_eb_field_t *here;
    mfi_eb_set_t below; /* fields here and further down */
} mfi_eb_step_t;

typedef struct mfi_eb_scope {
    uint64_t combinations;
    mfi_eb_field_t *fields;
    struct mfi_eb_choice *choices;
    struct mfi_eb_scope *next; /* the next branch of the same choice */
} mfi_eb_scope_t;

typedef struct mfi_eb_choice {
    uint64_t combinations;
    mfi_eb_scope_t *branches;
    struct mfi_eb_choice *next;
} mfi_eb_choice_t;

typedef struct mfi_eb_block mfi_eb_block_t;

typedef struct mfi_eb_pattern {
    mfi_eb_block_t *blocks; /* all memory of the pattern */
    mfi_eb_step_t root;
    mfi_eb_scope_t scope;
    mfi_eb_field_t *fields[MFI_EB_FIELDS_MAX];
    size_t field_count, step_count;
    mfi_eb_set_t may_be_absent; /* fields that have an alternative {"exists": false} */
} mfi_eb_pattern_t;

/* `text`: JSON that was checked. MOFKA_ERR_OPTION: not a pattern, and where in it. MOFKA_ERR_TOO_LARGE:
 * above one of the limits. Give: mfi_eb_destroy. */
mofka_status_t mfi_eb_compile(const char *text, const char *limit, mfi_eb_pattern_t **pattern);
void mfi_eb_destroy(mfi_eb_pattern_t *pattern);

/* MOFKA_OK: the event matches. MOFKA_ERR_REFUSED: it does not, and at which path. MOFKA_ERR_JSON;
 * MOFKA_ERR_TOO_LARGE: too much work. */
mofka_status_t mfi_eb_match(const mfi_eb_pattern_t *pattern, const char *event, size_t bytes);

/* ---- between the files ------------------------------------------------------------------------ */

/* Memory that lives as long as the pattern, zeroed; NULL, with a message: none. */
void *mfi_eb_allocate(mfi_eb_pattern_t *pattern, size_t count, size_t size);

/* Where in a pattern the compiler is; past its room, the path is cut. */
typedef struct mfi_eb_place {
    mfi_eb_pattern_t *pattern;
    const char *limit;
    char path[256];
    size_t used;
    mfi_scratch_t scratch;
} mfi_eb_place_t;

/* Go down into a key or an index, and come back to `used` as it was. */
size_t mfi_eb_enter_key(mfi_eb_place_t *place, const char *key, size_t bytes);
size_t mfi_eb_enter_index(mfi_eb_place_t *place, size_t index);
void mfi_eb_leave(mfi_eb_place_t *place, size_t used);
mofka_status_t mfi_eb_bad(const mfi_eb_place_t *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Of a value of the pattern: what it must be, and what it is. */
mofka_status_t mfi_eb_bad_value(const mfi_eb_place_t *place, const char *value, const char *wanted);

/* One alternative of a field. */
mofka_status_t mfi_eb_compile_alternative(mfi_eb_place_t *place, const char *value,
                                          mfi_eb_alternative_t **alternative);
/* A string of the pattern, copied. */
mofka_status_t mfi_eb_copy_string(mfi_eb_place_t *place, const char *string, const char **text,
                                  size_t *bytes);
/* The operand of that kind for a string of the pattern: folds, pieces and addresses are made. */
mofka_status_t mfi_eb_string_operand(mfi_eb_place_t *place, mfi_eb_kind_t kind, const char *string,
                                     mfi_eb_operand_t **operand);
/* Whether the words of operators are in use (not allowed as fields within $or). */
bool mfi_eb_is_reserved(const char *key, size_t bytes);

/* Whether a scalar of the event passes one of the alternatives. */
typedef struct mfi_eb_scalar {
    const char *value, *end; /* as in the event */
    const char *text;        /* of strings: what they say */
    size_t bytes;
    bool has_key; /* of numbers within the range of keys */
    int64_t key;
} mfi_eb_scalar_t;
bool mfi_eb_matches_any(const mfi_eb_alternative_t *alternatives, const mfi_eb_scalar_t *scalar,
                        uint64_t *work);

#endif
