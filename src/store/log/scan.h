/* SPDX-License-Identifier: BSD-3-Clause */
/* A log from frame to frame: where it ends, what is damaged, what a failing machine has torn. */
#ifndef MOFKA_SRC_STORE_LOG_SCAN_H
#define MOFKA_SRC_STORE_LOG_SCAN_H

#include "store/log/segment.h"

/* ---- behind a bad frame ---------------------------------------------------------------------- */

typedef enum mfi_after {
    MFI_AFTER_END,  /* nothing: the log ends before the bad frame, or goes on there later */
    MFI_AFTER_SAME, /* the log goes on with the same id: only a mark was bad */
    MFI_AFTER_LOST  /* ids are damaged; the log goes on behind them */
} mfi_after_t;

/* Where a log goes on. */
typedef struct mfi_resume {
    mfi_after_t after;
    uint64_t id;
    bool next_part;  /* at the start of the part behind this one */
    uint64_t offset; /* else: in this one */
} mfi_resume_t;

/* No whole frame of event `id` is at an offset of a part. Find out what that means; the reason is
 * in format.h. Errors as mfi_segment_read. */
mofka_status_t mfi_scan_resume(const mfi_log_t *log, const mfi_chain_t *chain,
                               const mfi_part_t *part, mfi_segment_t *segment, uint64_t offset,
                               uint64_t id, mfi_resume_t *resume);
/* Whether a whole frame is the one that follows event `id` - 1. */
bool mfi_frame_follows(const mfi_frame_t *frame, uint64_t id);

/* ---- a scan ---------------------------------------------------------------------------------- */

typedef enum mfi_finding_kind {
    MFI_FOUND_DAMAGE, /* events are damaged */
    MFI_FOUND_MARK,   /* a frame without events is damaged, or a header: nothing is lost */
    MFI_FOUND_TORN,   /* the end of the last segment is no frame; or a whole segment is not */
    MFI_FOUND_INDEX,  /* an index is wrong */
    MFI_FOUND_VOID    /* a segment's events do not count: a cut, or a torn end, was before them */
} mfi_finding_kind_t;

typedef struct mfi_finding {
    mfi_finding_kind_t kind;
    uint64_t life, part_first_id; /* of the segment */
    uint64_t offset;              /* in its file */
    uint64_t id, events;          /* DAMAGE: these are lost */
    uint64_t bytes;               /* TORN, VOID: so many */
} mfi_finding_t;

typedef struct mfi_scan {
    /* From the first event, and all segments and indexes. Else only what may be torn: what is
     * behind the last sync that the files know of. */
    bool thorough;
    /* Stop at this id. 0: go to the end. */
    uint64_t until;
    /* Optional: called with each finding. */
    void (*report)(void *context, const mfi_finding_t *finding);
    void *context;
    /* What was found. */
    uint64_t oldest;         /* first id */
    uint64_t end;            /* one past the last id, or `until` */
    uint64_t stamp_max;      /* the greatest stamp */
    uint64_t synced;         /* ids below were on disk once, as marks and headers say */
    bool complete;           /* the topic is complete */
    uint64_t torn_bytes;     /* behind the end */
    mfi_finding_t damage;    /* the first DAMAGE */
    uint64_t damaged_events; /* of all */
    uint64_t findings;       /* their number, but VOID */
    uint64_t frames, events; /* looked at */
} mfi_scan_t;

/* Scan a log. Errors as mfi_segment_read. */
mofka_status_t mfi_scan_run(const mfi_log_t *log, const mfi_chain_t *chain, mfi_scan_t *scan);

#endif
