/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds and loads the libraries that types come from. */
#ifndef MOFKA_SRC_TYPES_PLUGIN_H
#define MOFKA_SRC_TYPES_PLUGIN_H

#include <stdbool.h>
#include <mofka/limits.h>

/* Who names a type. An option of this process may name any library. A topic's record comes from
 * another process: it chooses among the libraries of this process's plug-in folders. */
typedef enum mfi_named_by { MFI_NAMED_BY_OPTION, MFI_NAMED_BY_RECORD } mfi_named_by_t;

/* Load the library of a type's bare name, libmofka-TYPE.so. An option's name is looked for in the
 * plug-in folders, beside libmofka, and where the loader looks; a record's only in the first.
 * False: *why is the reason. No library's code has run if none was found. Call it with no lock
 * held: constructors register types. */
bool mfi_plugin_load_by_name(mfi_named_by_t by, const char *type,
                             char why[MOFKA_MESSAGE_BYTES_MAX + 1]);
/* Load `library`. Of a record's, only the file name counts, which is looked for in the plug-in
 * folders. Else as above. */
bool mfi_plugin_load_by_path(mfi_named_by_t by, const char *library,
                             char why[MOFKA_MESSAGE_BYTES_MAX + 1]);

#endif
