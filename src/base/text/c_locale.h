/* SPDX-License-Identifier: BSD-3-Clause */
/* The C locale: numbers are read and written with a decimal point, whatever the program's locale
 * says. */
#ifndef MOFKA_SRC_BASE_C_LOCALE_H
#define MOFKA_SRC_BASE_C_LOCALE_H

#include <locale.h>

/* View, for ever. */
locale_t mfi_c_locale(void);
/* Read a number, which is valid JSON. */
double mfi_read_double(const char *number);

#endif
