/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum of a field's values: in the metadata of slabs, in checkpoints, of whole streams. */
#ifndef GRAY_SCOTT_CHECKSUM_H
#define GRAY_SCOTT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_START UINT64_C(0x9e3779b97f4a7c15)

/* The checksum of `count` doubles at every `stride`-th place, continued from `sum`. */
uint64_t field_checksum(uint64_t sum, const double *values, size_t count, size_t stride);

#endif
