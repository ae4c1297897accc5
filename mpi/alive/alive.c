/* SPDX-License-Identifier: BSD-3-Clause */
/* Proof that a rank's process has ended; see alive.h. */
#include "mpi/alive/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <mofka/log.h>
#include "mpi/window/share.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* since Linux 5.3 */
#endif

#define SHARE(field) offsetof(mmi_share_t, field)
/* Bytes of what is read from /proc, at most. */
#define PROC_BYTES 1024

/* Read a small file. False: it cannot be read. */
static bool proc_read(const char *path, char text[PROC_BYTES]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, PROC_BYTES - 1);
    if (fd >= 0)
        close(fd);
    text[bytes > 0 ? bytes : 0] = '\0';
    return bytes > 0;
}

/* When a process began, in ticks since the boot; 0: not known. It is the 22nd field, and the 20th
 * behind the name, which may hold anything. */
static uint64_t proc_start(pid_t pid) {
    char path[48], text[PROC_BYTES];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    const char *at = proc_read(path, text) ? strrchr(text, ')') : NULL;
    for (int field = 0; at && field < 20; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

static uint64_t alive_mix(uint64_t value, uint64_t more) {
    value = (value ^ more) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 32;
}

/* A number of this boot and this process namespace; 0: not known. */
static uint64_t proc_realm(void) {
    char text[PROC_BYTES], self[24] = "";
    ssize_t pid = readlink("/proc/self", self, sizeof self - 1);
    if (pid < 0 || strtol(self, NULL, 10) != (long)getpid() || /* /proc of another namespace */
        !proc_read("/proc/sys/kernel/random/boot_id", text))
        return 0;
    size_t length = strlen(text);
    ssize_t more = readlink("/proc/self/ns/pid", text + length, PROC_BYTES - length);
    uint64_t realm = 0;
    for (size_t i = 0; more > 0 && i < length + (size_t)more; i++)
        realm = alive_mix(realm, (unsigned char)text[i]);
    return realm;
}

/* What a process of this realm stores, so that a damaged word proves nothing; 0: no realm. */
static uint64_t alive_check(uint64_t realm, uint64_t process, uint64_t began) {
    return realm == 0 || began == 0 ? 0 : alive_mix(alive_mix(realm, process), began) | 1;
}

void mmi_alive_announce(mmi_window_t *w) {
    int saved = errno;
    w->realm = proc_realm();
    uint64_t process = (uint64_t)getpid(), began = proc_start(getpid());
    w->ops->store(w, w->rank, SHARE(process), process);
    w->ops->store(w, w->rank, SHARE(began), began);
    w->ops->store(w, w->rank, SHARE(alive), alive_check(w->realm, process, began));
    errno = saved;
}

/* The process of a rank that can be looked for here; 0: it cannot. */
static pid_t alive_process(mmi_window_t *w, int rank, uint64_t *began) {
    *began = 0;
    if (!w->base[rank]) /* of another node */
        return 0;
    uint64_t process = w->ops->load(w, rank, SHARE(process));
    *began = w->ops->load(w, rank, SHARE(began));
    uint64_t check = alive_check(w->realm, process, *began);
    return check != 0 && w->ops->load(w, rank, SHARE(alive)) == check ? (pid_t)process : 0;
}

/* Whether a process that had begun then has ended. */
static bool process_has_ended(pid_t pid, uint64_t began) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    bool readable = poll(&ended, 1, 0) == 1 && (ended.revents & POLLIN) != 0;
    uint64_t now = readable ? 0 : proc_start(pid);
    /* If it has ended since, the next look finds that. */
    bool another = now != 0 && now != began;
    close(fd);
    return readable || another;
}

bool mmi_alive_is_dead(mmi_window_t *w, int rank) {
    uint64_t began;
    char text[MMI_ALIVE_TEXT_BYTES];
    assert(rank >= 0 && rank < w->size);
    if (!w->ops->has_addresses || rank == w->rank)
        return false;
    if (atomic_load(&w->died_ms[rank]) != 0)
        return true;
    int saved = errno;
    pid_t pid = alive_process(w, rank, &began);
    bool ended = pid != 0 && process_has_ended(pid, began);
    int64_t none = 0;
    errno = saved;
    if (ended && atomic_compare_exchange_strong(&w->died_ms[rank], &none, mmi_now_ms())) {
        mmi_alive_describe(w, rank, text);
        mofka_log(MOFKA_LOG_WARN, "%s", text);
    }
    return ended;
}

void mmi_alive_describe(mmi_window_t *w, int rank, char text[MMI_ALIVE_TEXT_BYTES]) {
    char host[65] = "?", since[48] = "";
    uint64_t began;
    assert(rank >= 0 && rank < w->size);
    int saved = errno;
    (void)gethostname(host, sizeof host - 1);
    pid_t pid = w->ops->has_addresses ? alive_process(w, rank, &began) : 0;
    int64_t died_ms = w->died_ms ? atomic_load(&w->died_ms[rank]) : 0;
    if (died_ms)
        snprintf(since, sizeof since, ", which died at least %lld s ago",
                 (long long)(mmi_now_ms() - died_ms) / 1000);
    if (pid)
        snprintf(text, MMI_ALIVE_TEXT_BYTES, "rank %d (process %ld on host %s)%s", rank, (long)pid,
                 host, since);
    else
        snprintf(text, MMI_ALIVE_TEXT_BYTES, "rank %d%s", rank, since);
    errno = saved;
}
