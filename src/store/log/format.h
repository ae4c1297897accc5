/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes of a partition's log in files.
 *
 *   segment   a file FIRSTID-LIFE.log: a header, then frames
 *   index     a file FIRSTID-LIFE.idx: a hint where frames are; wrong or missing, it costs time
 *
 *   life      a number that grows: an open, a cut, a repair, and going on after an error begin one
 *
 * A segment:
 *
 *   0        4096
 *   +--------+-------+-------+-------+-----+-------+
 *   | header | frame | frame | frame | ... | frame |     a frame begins at a multiple of 64 bytes
 *   +--------+-------+-------+-------+-----+-------+
 *
 * A frame; only batches have more than a header:
 *
 *   +--------+----------------+----------+--------+------+-------------------+
 *   | header | entries        | metadata | check  | data | zeros up to       |
 *   | 64     | 16 for each    | of all   | 8      | of   | a multiple of 64  |
 *   +--------+----------------+----------+--------+------+-------------------+
 *                                            of entries and metadata
 *
 * So what each reader needs is in one piece in front. An entry has the check of its event's data:
 * the check of the entries covers the data, too, and data is read, and checked, event by event.
 *
 * Kinds of frames. `mark` means something else in each:
 *
 *   kind       ids       mark
 *   life       none      as `reason` of the header; the first frame of a life, synced with it
 *   batch      its own   a number of its producer
 *   void       its own   -         ids that were reserved and never stored
 *   damaged    its own   -         ids that a repair could not save
 *   synced     none      -         all ids below its first id were on disk before it was written
 *   end        none      -         the next segment of this life goes on here
 *   complete   none      -         the topic ends here; written twice
 *
 * Which frames count. Frames of one segment follow one another in ids. From its first id on, a
 * segment voids every segment of a lower life, and the rest of an earlier one of its own life. What
 * is left is the chain:
 *
 *   life 1   0 ======= 100 ======= 200 - - - 260      a writer died; 200 to 260 is torn
 *   life 2                         200 ==== 250 - 300     cut back to 250
 *   life 3                                  250 =====>
 *
 * Nothing is ever written into an older life, so two writers cannot write into one file, and a
 * crash in a cut brings nothing back.
 *
 * Checks are XXH3, seeded by store, topic, partition, life and first id; those of headers by the
 * offset, too, those of data by the event's id. So an image of a segment inside of an event is not
 * taken for frames. Numbers have the byte order of the machine; `endian` shows another one.
 *
 * Whether bad bytes are a torn end or damage: ids below a `synced` frame, or below `synced` of a
 * later segment's header, were on disk once. If these are bad, they are damaged. Others are the
 * end of what a failing machine has left.
 */
#ifndef MOFKA_SRC_STORE_LOG_FORMAT_H
#define MOFKA_SRC_STORE_LOG_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* The version of all files of a store. A newer one is refused. */
#define MFI_FORMAT_VERSION 1
/* Reads as another number where the bytes are in another order. */
#define MFI_FORMAT_ENDIAN UINT32_C(0x01020304)

typedef struct mfi_uuid {
    uint8_t bytes[16];
} mfi_uuid_t;

/* ---- segments -------------------------------------------------------------------------------- */

#define MFI_SEGMENT_MAGIC UINT64_C(0x6765736d6b666f6d) /* "mofkmseg" */
#define MFI_SEGMENT_HEADER_BYTES 4096

/* Why a segment began. */
typedef enum mfi_reason {
    MFI_REASON_ROLL,    /* the one before was full; the same life */
    MFI_REASON_OPEN,    /* a writer opened the log. Ids from here on are new events */
    MFI_REASON_CUT,     /* it was cut here, or given up. Ids from here on are new events */
    MFI_REASON_REWRITE, /* after an error. Ids from here on are the events that they were */
    MFI_REASON_REPAIR,  /* a repair. Ids from here on are the events that they were */
    MFI_REASONS
} mfi_reason_t;

/* Added to a reason: the topic was complete before, and is. */
#define MFI_REASON_COMPLETE UINT32_C(0x100)

typedef struct mfi_segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t endian;
    mfi_uuid_t store;
    mfi_uuid_t topic;
    uint32_t partition;
    uint32_t reason; /* mfi_reason_t, and MFI_REASON_COMPLETE */
    uint64_t life;
    uint64_t first_id;
    uint64_t synced;    /* ids below it were on disk before */
    uint64_t stamp_max; /* the greatest stamp of all ids before */
    uint64_t created;   /* CLOCK_REALTIME, ns */
    uint64_t zero[499];
    uint64_t check; /* of all before it */
} mfi_segment_header_t;

static_assert(sizeof(mfi_segment_header_t) == MFI_SEGMENT_HEADER_BYTES, "one page");
static_assert(offsetof(mfi_segment_header_t, store) == 16, "as drawn");
static_assert(offsetof(mfi_segment_header_t, life) == 56, "as drawn");
static_assert(offsetof(mfi_segment_header_t, created) == 88, "as drawn");
static_assert(offsetof(mfi_segment_header_t, check) == 4088, "last");

/* ---- frames ---------------------------------------------------------------------------------- */

#define MFI_FRAME_MAGIC UINT32_C(0x6d617266) /* "fram" */
#define MFI_FRAME_BYTES 64

typedef enum mfi_frame_kind {
    MFI_FRAME_LIFE = 1,
    MFI_FRAME_BATCH,
    MFI_FRAME_VOID,
    MFI_FRAME_DAMAGED,
    MFI_FRAME_SYNCED,
    MFI_FRAME_END,
    MFI_FRAME_COMPLETE,
    MFI_FRAME_KINDS
} mfi_frame_kind_t;

typedef struct mfi_frame_header {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;
    uint64_t first_id;
    uint32_t events;         /* ids that it takes */
    uint32_t entries;        /* bytes: 16 for each event of a batch */
    uint64_t metadata_bytes; /* of all events */
    uint64_t data_bytes;     /* of all events */
    uint64_t stamp;          /* CLOCK_REALTIME when it was stored, ns */
    uint64_t mark;
    uint64_t check; /* of all before it */
} mfi_frame_header_t;

static_assert(sizeof(mfi_frame_header_t) == MFI_FRAME_BYTES, "as drawn");
static_assert(offsetof(mfi_frame_header_t, first_id) == 8, "as drawn");
static_assert(offsetof(mfi_frame_header_t, metadata_bytes) == 24, "as drawn");
static_assert(offsetof(mfi_frame_header_t, check) == 56, "as drawn");

typedef struct mfi_entry {
    uint64_t data_bytes;
    uint32_t metadata_bytes;
    uint32_t data_check; /* 0 without data */
} mfi_entry_t;

static_assert(sizeof(mfi_entry_t) == 16, "as drawn");

/* Events of a frame, at most; the MPI driver's batches have this limit. */
#define MFI_FRAME_EVENTS_MAX ((UINT32_C(1) << 20) - 1)
/* Bytes of one event's data, and of all data of a frame: far more than memory, so that sums of few
 * of them do not overflow. */
#define MFI_FRAME_DATA_MAX (UINT64_C(1) << 48)
/* The largest id and life: what is added to them does not overflow. */
#define MFI_ID_MAX (UINT64_C(1) << 62)

/* The bytes of a frame before its data. */
static inline uint64_t mfi_frame_head_bytes(const mfi_frame_header_t *header) {
    return header->kind == MFI_FRAME_BATCH
               ? MFI_FRAME_BYTES + header->entries + header->metadata_bytes + sizeof(uint64_t)
               : MFI_FRAME_BYTES;
}

/* The bytes of a frame. */
static inline uint64_t mfi_frame_whole_bytes(const mfi_frame_header_t *header) {
    uint64_t bytes =
        mfi_frame_head_bytes(header) + (header->kind == MFI_FRAME_BATCH ? header->data_bytes : 0);
    return (bytes + MFI_FRAME_BYTES - 1) / MFI_FRAME_BYTES * MFI_FRAME_BYTES;
}

/* ---- index ----------------------------------------------------------------------------------- */

#define MFI_INDEX_MAGIC UINT64_C(0x7864696d6b666f6d) /* "mofkmidx" */
/* There is an entry for about so many bytes of the segment. */
#define MFI_INDEX_STEP_BYTES (UINT64_C(64) << 10)

typedef struct mfi_index_header {
    uint64_t magic;
    uint32_t version;
    uint32_t endian;
    uint64_t seed;  /* of the segment */
    uint64_t check; /* of all before it */
} mfi_index_header_t;

/* A batch in the segment. It is written once the segment is synced up to here. */
typedef struct mfi_index_entry {
    uint64_t id;        /* first id of the frame */
    uint64_t offset;    /* of the frame */
    uint64_t stamp_max; /* the greatest stamp of all ids before */
    uint64_t check;     /* of all before it; the place in the index is its seed */
} mfi_index_entry_t;

static_assert(sizeof(mfi_index_header_t) == 32 && sizeof(mfi_index_entry_t) == 32, "as drawn");

/* ---- places ---------------------------------------------------------------------------------- */

/*
 * The file `places`: a header page, then two pages for each of 64 consumers. The page that is not
 * the last synced one is written; so one copy is whole, whatever happens.
 *
 *   0        4096     8192     12288
 *   +--------+--------+--------+--------+--------+-----
 *   | header | 0, a   | 0, b   | 1, a   | 1, b   | ...
 *   +--------+--------+--------+--------+--------+-----
 */
#define MFI_PLACES_MAGIC UINT64_C(0x636c706d6b666f6d) /* "mofkmplc" */
#define MFI_PLACES_MAX 64
#define MFI_PLACE_BYTES 4096
#define MFI_PLACE_NAME_BYTES 128

typedef struct mfi_place_page {
    uint64_t magic;
    uint32_t version;
    uint32_t endian;
    char name[MFI_PLACE_NAME_BYTES]; /* "": free. Zeros behind it */
    uint64_t life;                   /* in which the id was acknowledged */
    uint64_t id;                     /* the next unacknowledged one */
    uint64_t generation;             /* the higher of both copies counts */
    uint64_t zero[490];
    uint64_t check; /* of all before it; its place in the file is its seed */
} mfi_place_page_t;

static_assert(sizeof(mfi_place_page_t) == MFI_PLACE_BYTES, "one page");
static_assert(offsetof(mfi_place_page_t, life) == 144, "as drawn");

#endif
