/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of a log's bytes: XXH3 (https://xxhash.com), and the seeds of each part. */
#include <stdlib.h>
#include "store/log/segment.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* An odd number with bits all over: neighbouring offsets and ids get seeds that are far apart. */
#define SEED_FACTOR UINT64_C(0x9e3779b97f4a7c15)

struct mfi_check_state {
    XXH3_state_t hash;
};

uint64_t mfi_check_bytes(const void *bytes, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, size, seed);
}

uint64_t mfi_segment_seed(const mfi_log_t *log, uint64_t life, uint64_t first_id) {
    struct {
        mfi_uuid_t store, topic;
        uint64_t partition, life, first_id;
    } whose = {log->store, log->topic, log->partition, life, first_id};
    return mfi_check_bytes(&whose, sizeof whose, 0);
}

uint64_t mfi_seed_at(uint64_t seed, uint64_t offset) {
    return seed + offset * SEED_FACTOR;
}

uint64_t mfi_seed_of_data(uint64_t seed, uint64_t id) {
    return (seed ^ UINT64_C(0x6461746100000000)) + id * SEED_FACTOR;
}

mfi_check_state_t *mfi_check_create(void) {
    return aligned_alloc(64, (sizeof(mfi_check_state_t) + 63) / 64 * 64);
}

void mfi_check_begin(mfi_check_state_t *state, uint64_t seed) {
    XXH3_INITSTATE(&state->hash);
    XXH3_64bits_reset_withSeed(&state->hash, seed);
}

void mfi_check_add(mfi_check_state_t *state, const void *bytes, size_t size) {
    XXH3_64bits_update(&state->hash, bytes, size);
}

uint64_t mfi_check_value(const mfi_check_state_t *state) {
    return XXH3_64bits_digest(&state->hash);
}

void mfi_check_destroy(mfi_check_state_t *state) {
    free(state);
}
