/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes an entry of this rank's row. */
#include "mpi/rows/rows.h"

bool mmi_row_take_other_for_claim(const mmi_partition_t *p, mmi_row_hold_t *hold, uint64_t add) {
    const uint64_t row = p->rows + (uint64_t)p->w->rank * sizeof(mmi_row_t);
    assert(mmi_rows_exist(p) && !hold->held);
    for (size_t i = MMI_ROW_ENTRIES; i-- > MMI_ROW_APPENDS && !hold->held;) {
        uint64_t expected = 0;
        hold->at = row + i * sizeof(mmi_row_entry_t);
        hold->held = mmi_near_exchange(p, hold->at, &expected, add);
    }
    return hold->held;
}

bool mmi_row_take_other(const mmi_partition_t *p, mmi_row_hold_t *hold, uint64_t add) {
    const uint64_t row = p->rows + (uint64_t)p->w->rank * sizeof(mmi_row_t);
    assert(mmi_rows_exist(p) && !hold->held);
    for (size_t i = 0; i < MMI_ROW_ENTRIES && !hold->held; i++) {
        uint64_t expected = 0;
        hold->at = row + i * sizeof(mmi_row_entry_t);
        hold->held = mmi_near_exchange(p, hold->at, &expected, add);
    }
    return hold->held;
}
