/* SPDX-License-Identifier: BSD-3-Clause */
/* PNG frames of a field. */
#ifndef GRAY_SCOTT_PICTURE_H
#define GRAY_SCOTT_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

/* Write width x height values as colours, from 0 to `most`. False: errno gives the reason. */
bool picture_write(const char *path, const double *values, size_t width, size_t height,
                   double most);

#endif
