/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: a page of HTML with tables and graphs.
 *
 * All of it is written here. A script replaces the part in <main> by newer ones; without scripts
 * the browser loads the page again. Style and script carry a nonce, so that a browser runs no
 * others.
 */
#ifndef MOFKA_MPI_CTL_SERVE_PAGE_PAGE_H
#define MOFKA_MPI_CTL_SERVE_PAGE_PAGE_H

#include <stdio.h>
#include "mpi/ctl/serve/page/history.h"

struct cJSON;

typedef struct page_view {
    const struct cJSON *stats; /* with rates */
    const history_t *history;
    double now_s;      /* of the history's clock */
    double interval_s; /* between two readings */
} page_view_t;

/* Write the whole page. `nonce`: letters and digits. */
void page_write(FILE *out, const page_view_t *view, const char *nonce);
/* Write what is in <main>. */
void page_write_part(FILE *out, const page_view_t *view);

#endif
