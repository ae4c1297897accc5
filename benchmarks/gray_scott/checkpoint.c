/* SPDX-License-Identifier: BSD-3-Clause */
#include "checkpoint.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "checksum.h"

mofka_status_t checkpoint_make(size_t n, checkpoint_t *c) {
    assert(n > 0);
    *c = (checkpoint_t){.n = n, .u = calloc(2 * n * n, sizeof *c->u)};
    if (!c->u)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a checkpoint");
    c->v = c->u + n * n;
    return MOFKA_OK;
}

void checkpoint_clear(checkpoint_t *c) {
    free(c->ends);
    free(c->u);
    *c = (checkpoint_t){0};
}

static uint64_t checkpoint_sum(const checkpoint_t *c) {
    return field_checksum(CHECKSUM_START, c->u, 2 * c->n * c->n, 1);
}

/* Write a new file, to the disk. False: `errno` says why. */
static bool checkpoint_put(const checkpoint_t *c, const char *path, const char *ends) {
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool done =
        fprintf(file, "{\"n\":%zu,\"step\":%ld,\"ends\":%s,\"checksum\":\"%016" PRIx64 "\"}\n",
                c->n, c->step, ends, checkpoint_sum(c)) > 0 &&
        fwrite(c->u, sizeof *c->u, 2 * c->n * c->n, file) == 2 * c->n * c->n && fflush(file) == 0 &&
        fsync(fileno(file)) == 0;
    return (fclose(file) == 0) && done;
}

mofka_status_t checkpoint_write(const checkpoint_t *c, const char *path, const char *ends) {
    char new_path[1024];
    if ((size_t)snprintf(new_path, sizeof new_path, "%s.new", path) >= sizeof new_path)
        errno = ENAMETOOLONG;
    else if (checkpoint_put(c, new_path, ends) && rename(new_path, path) == 0)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_SYSTEM, "the checkpoint %s cannot be written: %s", path,
                      strerror(errno));
}

/* The header, then the fields. `line`: the header. */
static mofka_status_t checkpoint_take(checkpoint_t *c, const char *path, const char *line,
                                      FILE *file) {
    cJSON *json = cJSON_Parse(line);
    const cJSON *n = cJSON_GetObjectItem(json, "n"), *step = cJSON_GetObjectItem(json, "step");
    const cJSON *ends = cJSON_GetObjectItem(json, "ends");
    const char *sum = cJSON_GetStringValue(cJSON_GetObjectItem(json, "checksum"));
    mofka_status_t status = MOFKA_OK;
    if (!cJSON_IsNumber(n) || !cJSON_IsNumber(step) || !cJSON_IsArray(ends) || !sum)
        status = mofka_fail(MOFKA_ERR_CORRUPT, "%s is not a checkpoint of this program", path);
    else if (n->valuedouble != (double)c->n)
        status = mofka_fail(MOFKA_ERR_RANGE, "the checkpoint %s is of --size %.0f, not %zu", path,
                            n->valuedouble, c->n);
    else if (fread(c->u, sizeof *c->u, 2 * c->n * c->n, file) != 2 * c->n * c->n ||
             checkpoint_sum(c) != strtoull(sum, NULL, 16))
        status = mofka_fail(MOFKA_ERR_CORRUPT, "the checkpoint %s is damaged", path);
    else if (!(c->ends = cJSON_PrintUnformatted(ends)))
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory to read %s", path);
    else
        c->step = (long)step->valuedouble;
    cJSON_Delete(json);
    return status;
}

mofka_status_t checkpoint_read(checkpoint_t *c, const char *path) {
    assert(c->u && !c->ends);
    FILE *file = fopen(path, "r");
    if (!file && errno == ENOENT)
        return MOFKA_OK;
    char *line = NULL;
    size_t room = 0;
    mofka_status_t status =
        !file || getline(&line, &room, file) < 0
            ? mofka_fail(MOFKA_ERR_SYSTEM, "the checkpoint %s cannot be read: %s", path,
                         file && feof(file) ? "it is empty" : strerror(errno))
            : checkpoint_take(c, path, line, file);
    free(line);
    if (file)
        fclose(file);
    return status;
}
