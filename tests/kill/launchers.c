/* SPDX-License-Identifier: BSD-3-Clause */
/* The launchers of a job; see launchers.h. */
#include "kill/launchers.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The parent of a process, and whether the process is MPICH's proxy: then that is the launcher. */
static pid_t parent_of(pid_t process, bool *is_proxy) {
    char path[48], text[256] = "", name[64] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    if (file && fgets(text, sizeof text, file))
        sscanf(text, "%*d (%63[^)]) %*c %d", name, &parent);
    if (file)
        fclose(file);
    *is_proxy = strncmp(name, "hydra_pmi_proxy", 14) == 0;
    return (pid_t)parent;
}

void launchers_signal(const pid_t *launchers, int count, int number) {
    for (int i = 0; i < count; i++) {
        bool is_proxy;
        pid_t above = parent_of(launchers[i], &is_proxy);
        kill(launchers[i], number);
        if (is_proxy && above > 1)
            kill(above, number);
    }
}
