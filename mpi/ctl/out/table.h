/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl top: statistics with rates (rates.h) as a table of text. */
#ifndef MOFKA_MPI_CTL_TABLE_H
#define MOFKA_MPI_CTL_TABLE_H

#include <stdio.h>

struct cJSON;

/* Lines with a newline each: when, a heading, a row for each topic and, below those of several
 * partitions, one for each of these. `lines_max`: without the partitions' rows if there are more lines
 * (0: no limit). */
void table_print(const struct cJSON *stats, size_t lines_max, FILE *out);

/* Repaints a terminal of that size with `text`: lines are cut at its width, and those that do not fit
 * are counted in the last one. */
void table_paint(const char *text, size_t rows, size_t columns, FILE *out);

#endif
