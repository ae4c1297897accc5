/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plug-in folders are those of MOFKA_PLUGIN_PATH; by default, the one that holds this library.
 * Where a library may come from is decided before it is loaded: loading runs its constructors.
 */
#include "types/plugin.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/environment.h"
#include "base/text/message.h"

#define WHY_BYTES (MOFKA_MESSAGE_BYTES_MAX + 1)

/* The folder of the library, or of the program if the library is static. "": it is not known. */
static char plugin_own_folder[PATH_MAX];

/* When it is loaded, before the program can change its directory: the path may be relative. */
__attribute__((constructor)) static void plugin_note_own_folder(void) {
    Dl_info here;
    if (!dladdr(plugin_own_folder, &here) || !strchr(here.dli_fname, '/') ||
        !realpath(here.dli_fname, plugin_own_folder))
        return;
    char *end = strrchr(plugin_own_folder, '/');
    assert(end);
    *end = '\0';
}

/* NULL: the variable is not set. An invalid one, of which mfi_environment_check has warned, names
 * no folder: it was set to narrow the default. */
static const char *plugin_listed_folders(void) {
    const char *folders = mfi_environment("MOFKA_PLUGIN_PATH");
    return !folders || mfi_environment_folders(folders) ? folders : "";
}

/* Look for a file in each of `folders`, which colons separate. `path`: where it is. */
static bool plugin_find(const char *folders, const char *file, char path[PATH_MAX]) {
    struct stat found;
    while (folders && *folders) {
        int length = (int)strcspn(folders, ":");
        int bytes = snprintf(path, PATH_MAX, "%.*s/%s", length, folders, file);
        if (bytes > 0 && bytes < PATH_MAX && stat(path, &found) == 0 && S_ISREG(found.st_mode))
            return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

static bool plugin_load(const char *library, char why[WHY_BYTES]) {
    bool is_loaded = dlopen(library, RTLD_NOW | RTLD_GLOBAL) != NULL;
    if (is_loaded)
        snprintf(why, WHY_BYTES, "%.*s is loaded, but does not register it",
                 MFI_QUOTE(library, strlen(library), 300));
    else
        snprintf(why, WHY_BYTES, "%s", dlerror());
    return is_loaded;
}

/* Load a file of the plug-in folders, for a record. `file`: no path. */
static bool plugin_load_listed(const char *file, char why[WHY_BYTES]) {
    char path[PATH_MAX];
    const char *listed = plugin_listed_folders();
    if (!strchr(file, '/') && plugin_find(listed ? listed : plugin_own_folder, file, path))
        return plugin_load(path, why);
    const char *folders = listed ? listed : plugin_own_folder;
    if (!*folders)
        folders = "no folder";
    snprintf(why, WHY_BYTES,
             listed
                 ? "%.*s is not in MOFKA_PLUGIN_PATH, %.*s"
                 : "%.*s is not in %.*s, where libmofka is (MOFKA_PLUGIN_PATH names other folders)",
             MFI_QUOTE(file, strlen(file), 100), MFI_QUOTE(folders, strlen(folders), 200));
    return false;
}

/* Load a file of the plug-in folders, or from beside libmofka, or as the loader finds it. (The
 * loader looks beside libmofka itself, except through a sanitizer's dlopen.) */
static bool plugin_load_anywhere(const char *file, char why[WHY_BYTES]) {
    char path[PATH_MAX];
    bool found = plugin_find(plugin_listed_folders(), file, path) ||
                 plugin_find(plugin_own_folder, file, path);
    return plugin_load(found ? path : file, why);
}

/* No other file's name is tried: libTYPE.so may be any library of the system, as libmpi.so is. */
bool mfi_plugin_load_by_name(mfi_named_by_t by, const char *type, char why[WHY_BYTES]) {
    char file[128];
    assert(strlen(type) > 0);
    snprintf(file, sizeof file, "libmofka-%.*s.so", MFI_QUOTE(type, strlen(type), 63));
    return by == MFI_NAMED_BY_RECORD ? plugin_load_listed(file, why)
                                     : plugin_load_anywhere(file, why);
}

bool mfi_plugin_load_by_path(mfi_named_by_t by, const char *library, char why[WHY_BYTES]) {
    const char *slash = strrchr(library, '/'); /* the folders that a record names do not count */
    return by == MFI_NAMED_BY_RECORD ? plugin_load_listed(slash ? slash + 1 : library, why)
                                     : plugin_load(library, why);
}
