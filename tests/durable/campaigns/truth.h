/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition may have after a crash, and what it must have. */
#ifndef MOFKA_TESTS_DURABLE_TRUTH_H
#define MOFKA_TESTS_DURABLE_TRUTH_H

#include "durable/made.h"

#define TRUTH_IDS_MAX 100000
#define TRUTH_NO_CUT UINT64_MAX

typedef struct truth {
    disk_t *disk; /* that may stop; NULL: none */
    uint64_t seed;
    char why[512];       /* what is wrong; "": nothing */
    uint64_t promised;   /* ids below must be there */
    uint64_t next;       /* ids below may be there */
    uint64_t cut;        /* a cut to here was under way */
    uint64_t oldest_max; /* retention may have deleted ids below */
    uint32_t version;    /* of new events */
    uint32_t versions[TRUTH_IDS_MAX];
} truth_t;

/* Note what is wrong; the first counts. A disk that has stopped is no wrong. False. */
bool truth_fail(truth_t *truth, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ids from `first` on are about to be appended, in the current version. */
void truth_append(truth_t *truth, uint64_t first, uint32_t events);
/* Check the events of a read; their ids follow `*next`, which is moved on. */
bool truth_check_read(truth_t *truth, const mfi_read_t *read, uint64_t *next);
/* Read all that a log has, and check it: it ends at `end`. */
bool truth_check_log(truth_t *truth, const mfi_log_t *log, uint64_t end);
/* Check what an open found: nothing promised is missing, and nothing was never appended. From now
 * on its end is promised. */
bool truth_check_open(truth_t *truth, const mfi_opened_t *opened);

#endif
