/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of bounded size, read into memory. */
#include "mpi/ctl/base/read_file.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"

/* Double the room. */
static bool read_file_grow(char **text, size_t *room) {
    size_t more_room = *room ? 2 * *room : 8192;
    char *more = realloc(*text, more_room);
    if (!more)
        return false;
    *text = more;
    *room = more_room;
    return true;
}

/* False: errno says why. */
static bool read_file_all(FILE *file, size_t bytes_max, char **text, size_t *bytes) {
    size_t room = 0, size = 0;
    do {
        if (room - size < 2 && !read_file_grow(text, &room)) {
            errno = ENOMEM;
            return false;
        }
        assert(size + 2 <= room);
        size += fread(*text + size, 1, room - size - 1, file);
        if (ferror(file))
            return false;
        if (size > bytes_max) {
            errno = EFBIG;
            return false;
        }
    } while (!feof(file));
    (*text)[size] = '\0';
    *bytes = size;
    return true;
}

char *ctl_read_file(const char *path, size_t bytes_max, size_t *bytes) {
    assert(path && bytes_max > 0 && bytes);
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file || !read_file_all(file, bytes_max, &text, bytes)) {
        if (errno == EFBIG)
            ctl_complain("'%s' has more than %zu bytes", path, bytes_max);
        else
            ctl_complain("cannot read '%s': %s", path, strerror(errno));
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}
