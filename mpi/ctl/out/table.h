/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl top: statistics with rates (rates.h) as a table of text. */
#ifndef MOFKA_MPI_CTL_OUT_TABLE_H
#define MOFKA_MPI_CTL_OUT_TABLE_H

#include <stdio.h>

struct cJSON;

#define TABLE_NUMBER_BYTES 16

/* Write "-" if the number is unknown, otherwise at most four digits and k, M, G, T or P. Gives
 * `text`. */
const char *table_short_number(const struct cJSON *item, char text[TABLE_NUMBER_BYTES]);

/* Print a table: a line with the time, a heading, and a row for each topic. Topics with several
 * partitions have a row for each of these, too; these rows are left out if there would be more than
 * `lines_max` lines (0 means no limit). */
void table_print(const struct cJSON *stats, size_t lines_max, FILE *out);

/* Repaint a terminal of that size with `text`. Lines are cut at its width. The last row counts the
 * lines that do not fit. */
void table_paint(const char *text, size_t rows, size_t columns, FILE *out);

#endif
