/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl serve: text in HTML. */
#ifndef MOFKA_MPI_CTL_SERVE_PAGE_HTML_H
#define MOFKA_MPI_CTL_SERVE_PAGE_HTML_H

#include <stdio.h>

/* Write text as the content of an element or of a quoted attribute. Of a control character, and of
 * what is not UTF-8, each byte becomes \xHH. */
void html_write_text(FILE *out, const char *text);

#endif
