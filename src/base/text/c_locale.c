/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the C locale once. */
#include "base/text/c_locale.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

/* The C locale is built in: to make it takes no memory, and cannot fail. */
static void c_locale_make(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(c_locale);
}

locale_t mfi_c_locale(void) {
    pthread_once(&c_locale_once, c_locale_make);
    return c_locale;
}

double mfi_read_double(const char *number) {
    return strtod_l(number, NULL, mfi_c_locale());
}
