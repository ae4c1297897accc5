/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that a topic is created with. */
#ifndef MOFKA_MPI_TOPIC_WISH_H
#define MOFKA_MPI_TOPIC_WISH_H

#include <mofka/backend.h>

/* Whether events have sums; auto: where bytes are put by MPI. */
typedef enum mmi_checksum { MMI_CHECKSUM_AUTO, MMI_CHECKSUM_ON, MMI_CHECKSUM_OFF } mmi_checksum_t;

/* Which ranks may append to a partition: any; those of its owner's node. */
enum { MMI_PRODUCERS_ANY, MMI_PRODUCERS_NODE };
/* When an event has what its topic promises: once it is in the window, in the files of the system,
 * or on disk. */
typedef enum mmi_durability {
    MMI_DURABLE_MEMORY,
    MMI_DURABLE_WRITTEN,
    MMI_DURABLE_SYNCED
} mmi_durability_t;

/* The option "storage". */
typedef struct mmi_storage_wish {
    int durability;                   /* mmi_durability_t */
    int deliver;                      /* 0: published, 1: durable */
    uint64_t sync_ms;                 /* 0: only at the end */
    uint64_t segment_bytes;           /* of a file */
    uint64_t retain_bytes, retain_ms; /* 0: keep all */
} mmi_storage_wish_t;

typedef struct mmi_wish {
    uint64_t partition_count;    /* 0: one of each owner */
    int producers;               /* MMI_PRODUCERS_ANY, ... */
    uint64_t ring_bytes;         /* of each partition; whole units */
    uint64_t slots;              /* events of each partition */
    uint64_t expected_producers; /* 0: the topic does not complete itself */
    int retention;               /* mmi_retention_t */
    int checksum;                /* mmi_checksum_t */
    mmi_storage_wish_t storage;  /* with MMI_RETAIN_STORED only */
} mmi_wish_t;

/* Read `config->options`. MOFKA_ERR_OPTION, MOFKA_ERR_RANGE. */
mofka_status_t mmi_wish_read(const mofka_topic_config_t *config, mmi_wish_t *wish);

#endif
