/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl: reading a whole file. */
#ifndef MOFKA_MPI_CTL_BASE_READ_FILE_H
#define MOFKA_MPI_CTL_BASE_READ_FILE_H

#include <stddef.h>

/* Read a file of at most `bytes_max` bytes into memory, and put a NUL byte behind it. Give: free().
 * NULL: a message was printed. */
char *ctl_read_file(const char *path, size_t bytes_max, size_t *bytes);

#endif
