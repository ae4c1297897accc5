/* SPDX-License-Identifier: BSD-3-Clause */
/* Without a fuzzer: run a target over the files of a folder. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay_folder(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(bytes ? bytes : 1); /* exact: reading further is seen */
    int failed = !data || fread(data, 1, bytes, file) != bytes;
    fclose(file);
    if (failed)
        perror(path);
    else
        LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return failed;
}

int main(int argc, char **argv) {
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
    int count = 0, failed = 0;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER-OF-SEEDS\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            failed += replay_folder(argv[1], entry->d_name);
            count++;
        }
    closedir(folder);
    if (failed || count == 0)
        return 1;
    printf("%d seeds replayed\n", count);
    return 0;
}
