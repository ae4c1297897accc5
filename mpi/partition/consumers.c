/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a partition's table of named consumers. */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <string.h>

mofka_status_t mmi_consumer_name(const mmi_partition_t *p, size_t place, char *name,
                                 int64_t deadline) {
    uint64_t words[(MOFKA_NAME_BYTES_MAX + 1) / 8] = {0};
    static_assert(sizeof words == sizeof((mmi_control_t *)NULL)->name[0], "a name is whole words");
    assert(place < MMI_CONSUMERS_MAX);
    mofka_status_t status =
        mmi_window_read(p->w, p->owner, p->base + MMI_CONTROL(name) + place * sizeof words, words,
                        sizeof words / sizeof words[0], deadline);
    memcpy(name, words, sizeof words);
    name[MOFKA_NAME_BYTES_MAX] = '\0';
    return status;
}
