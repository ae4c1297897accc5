/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are in a staging region, and their checks. */
#include <stdlib.h>
#include "mpi/staging/turn.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

const char *const mmi_stage_endings[MMI_STAGE_ENDINGS] = {".log", ".idx"};

/* The lines, and the header. */
static uint64_t stage_lines_bytes(int ranks) {
    return mmi_round_up(sizeof(mmi_stage_header_t) + (uint64_t)ranks * sizeof(mmi_stage_line_t),
                        MMI_PAGE_BYTES);
}

uint64_t mmi_stage_region_bytes(int ranks) {
    return mmi_round_up(stage_lines_bytes(ranks) + MMI_STAGE_BUFFERS * sizeof(mmi_stage_buffer_t),
                        MMI_PAGE_BYTES);
}

uint64_t mmi_stage_region_at(const mmi_stage_t *stage, int owner) {
    return owner == 0 ? stage->at_first : stage->at_others;
}

uint64_t mmi_stage_line_at(const mmi_stage_t *stage, int owner, int rank) {
    assert(rank >= 0 && rank < stage->w->size);
    return mmi_stage_region_at(stage, owner) + sizeof(mmi_stage_header_t) +
           (uint64_t)rank * sizeof(mmi_stage_line_t);
}

uint64_t mmi_stage_buffer_at(const mmi_stage_t *stage, int owner, size_t buffer) {
    assert(buffer < MMI_STAGE_BUFFERS);
    return mmi_stage_region_at(stage, owner) + stage_lines_bytes(stage->w->size) +
           buffer * sizeof(mmi_stage_buffer_t);
}

uint64_t mmi_stage_request_check(const mmi_stage_request_t *request, int rank) {
    return XXH3_64bits_withSeed(request, offsetof(mmi_stage_request_t, check), (uint64_t)rank);
}

uint64_t mmi_stage_buffer_check(const mmi_stage_buffer_t *buffer) {
    uint64_t head =
        XXH3_64bits_withSeed(buffer, offsetof(mmi_stage_buffer_t, check), buffer->serial);
    return XXH3_64bits_withSeed(buffer->words, (size_t)buffer->bytes, head);
}

mofka_status_t mmi_stage_create(mmi_window_t *w, uint64_t at_first, uint64_t at_others, bool sees,
                                mmi_stage_t **out) {
    mmi_stage_t *stage = calloc(1, sizeof *stage);
    if (stage)
        stage->turns = calloc((size_t)w->size, sizeof *stage->turns);
    if (!stage || !stage->turns) {
        free(stage);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read files of %d ranks", w->size);
    }
    stage->w = w;
    stage->at_first = at_first;
    stage->at_others = at_others;
    stage->sees = sees;
    *out = stage;
    return MOFKA_OK;
}

void mmi_stage_destroy(mmi_stage_t *stage) {
    if (!stage)
        return;
    free(stage->turns);
    free(stage);
}
