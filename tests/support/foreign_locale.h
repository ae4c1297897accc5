/* SPDX-License-Identifier: BSD-3-Clause */
/* A locale whose decimal point is not a point: that of ps_AF has two bytes, that of de_DE is a
 * comma. */
#ifndef MOFKA_TESTS_FOREIGN_LOCALE_H
#define MOFKA_TESTS_FOREIGN_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The code of a test that ctest shows as skipped. */
#define FOREIGN_LOCALE_SKIP 77

/* Make the locale in the folder that LOCPATH names, and use it. */
static inline bool foreign_locale_try(const char *name, const char *folder) {
    char command[200];
    snprintf(command, sizeof command, "localedef -i %s -f UTF-8 '%s/%s.UTF-8' >'%s/log' 2>&1", name,
             folder, name, folder);
    if (system(command) != 0)
        return false;
    snprintf(command, sizeof command, "%s.UTF-8", name);
    return setlocale(LC_ALL, command) && strcmp(localeconv()->decimal_point, ".") != 0;
}

/* False: the system cannot make such a locale. */
static inline bool foreign_locale_use(void) {
    char folder[] = "/tmp/mofka-locale-XXXXXX", command[100];
    if (!mkdtemp(folder))
        return false;
    setenv("LOCPATH", folder, 1);
    bool used = foreign_locale_try("ps_AF", folder) || foreign_locale_try("de_DE", folder);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (!used || system(command) != 0)
        printf("skipped: localedef makes neither ps_AF nor de_DE\n");
    return used;
}

#endif
