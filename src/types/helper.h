/* SPDX-License-Identifier: BSD-3-Clause */
/* What the core asks of validators and partition selectors beyond their public functions. */
#ifndef MOFKA_TYPES_HELPER_H
#define MOFKA_TYPES_HELPER_H

#include <stdbool.h>
#include <mofka/mofka.h>

/* Whether a validator has nothing to say, and whether a selector is the default one: its choice among
 * one partition need not be asked for. */
bool mfi_validator_accepts_all(const mofka_validator_t *validator);
bool mfi_partition_selector_takes_turns(const mofka_partition_selector_t *selector);
/* Whether a selector wants to know of batches that leave, and telling it: any thread, any locks. */
bool mfi_partition_selector_follows_batches(const mofka_partition_selector_t *selector);
void mfi_partition_selector_batch_left(mofka_partition_selector_t *selector, size_t partition);

#endif
