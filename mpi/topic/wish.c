/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the options of a new topic. */
#include "mpi/topic/wish.h"

#include <stdio.h>
#include <mofka/options.h>
#include "mpi/partition/layout.h"

mofka_status_t mmi_wish_read(const mofka_topic_config_t *config, mmi_wish_t *wish) {
    static const char *const policies[] = {"acknowledged", "discard_oldest", NULL};
    static const char *const checksums[] = {"auto", "on", "off", NULL};
    *wish = (mmi_wish_t){.partition_count = 1, .ring_bytes = 8 << 20, .slots = 32768};
    const mofka_option_t options[] = {
        {.key = "partitions",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->partition_count,
         .min = 1,
         .max = MOFKA_PARTITIONS_MAX},
        {.key = "partition_bytes",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->ring_bytes,
         .min = MMI_UNIT_BYTES,
         .max = MMI_RING_BYTES_MAX},
        {.key = "partition_events",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->slots,
         .min = 1,
         .max = MMI_SLOTS_MAX},
        {.key = "retention",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->retention,
         .choices = policies},
        {.key = "checksum",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &wish->checksum,
         .choices = checksums},
        {.key = "expected_producers",
         .kind = MOFKA_OPTION_UINT,
         .value = &wish->expected_producers,
         .max = MMI_EXPECTED_MAX},
    };
    char what[MOFKA_NAME_BYTES_MAX + 16];
    snprintf(what, sizeof what, "topic '%s'", config->name);
    mofka_status_t status =
        mofka_options_read(what, config->options, options, sizeof options / sizeof options[0]);
    wish->ring_bytes = mmi_round_up(wish->ring_bytes, MMI_UNIT_BYTES);
    return status;
}
