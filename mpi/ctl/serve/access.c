/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a token, and compares what requests have with it. */
#include "mpi/ctl/serve/access.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/out/event_line.h"

/* ---- the token ------------------------------------------------------------------------------- */

/* NULL: only the user can read the file; else why it is refused. */
static const char *access_check_file(int fd) {
    struct stat found;
    if (fstat(fd, &found))
        return strerror(errno);
    if (!S_ISREG(found.st_mode))
        return "it is not a regular file";
    if (found.st_uid != geteuid())
        return "another user owns it";
    return found.st_mode & 077 ? "other users can read or write it; chmod 600 prevents that" : NULL;
}

/* Read the line. NULL: it is a token; else why it is not. */
static const char *access_read_line(int fd, char token[ACCESS_TOKEN_BYTES_MAX + 1]) {
    char text[ACCESS_TOKEN_BYTES_MAX + 2];
    ssize_t got = read(fd, text, sizeof text);
    if (got < 0)
        return strerror(errno);
    size_t bytes = (size_t)got;
    if (bytes > 0 && text[bytes - 1] == '\n')
        bytes--;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return "a token is one line of printable ASCII characters without spaces";
    if (bytes < ACCESS_TOKEN_BYTES_MIN || bytes > ACCESS_TOKEN_BYTES_MAX)
        return "a token has 16 to 256 characters";
    memcpy(token, text, bytes);
    token[bytes] = '\0';
    return NULL;
}

static bool access_encode(access_t *access) {
    char pair[sizeof ACCESS_USER + 1 + ACCESS_TOKEN_BYTES_MAX];
    sink_t text;
    sink_open(&text, -1);
    int bytes = snprintf(pair, sizeof pair, "%s:%s", ACCESS_USER, access->bearer);
    event_line_write_base64(&text, (const unsigned char *)pair, (size_t)bytes);
    bool good = !text.error;
    assert(text.size < sizeof access->basic);
    if (good) {
        memcpy(access->basic, text.buffer, text.size);
        access->basic[text.size] = '\0';
    } else {
        ctl_complain("no memory for the token");
    }
    sink_close(&text);
    return good;
}

bool access_open(access_t *access, const char *path) {
    memset(access, 0, sizeof *access);
    if (!path)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *why = fd < 0 ? strerror(errno) : access_check_file(fd);
    if (!why)
        why = access_read_line(fd, access->bearer);
    if (fd >= 0)
        close(fd);
    if (why)
        ctl_complain("the token file '%s' is refused: %s", path, why);
    access->token = !why;
    return !why && access_encode(access);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Compare in a time that says nothing about `wanted` but its length. */
static bool access_is_equal(const char *given, const char *wanted) {
    size_t given_bytes = strlen(given), bytes = strlen(wanted);
    volatile unsigned char difference = given_bytes != bytes;
    for (size_t i = 0; i < bytes; i++)
        difference |= (unsigned char)(wanted[i] ^ given[given_bytes == bytes ? i : 0]);
    return difference == 0;
}

bool access_allows(const access_t *access, const char *authorization) {
    static const char bearer[] = "Bearer ", basic[] = "Basic ";
    if (!access->token)
        return true;
    if (!authorization)
        return false;
    assert(strlen(access->bearer) >= ACCESS_TOKEN_BYTES_MIN);
    if (strncasecmp(authorization, bearer, sizeof bearer - 1) == 0)
        return access_is_equal(authorization + sizeof bearer - 1, access->bearer);
    return strncasecmp(authorization, basic, sizeof basic - 1) == 0 &&
           access_is_equal(authorization + sizeof basic - 1, access->basic);
}

static bool access_is_loopback(const char *host) {
    struct in_addr in;
    struct in6_addr in6;
    if (inet_pton(AF_INET, host, &in) == 1)
        return ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &in6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&in6);
    return strcasecmp(host, "localhost") == 0;
}

bool access_allows_host(const access_t *access, const char *host) {
    char name[INET6_ADDRSTRLEN];
    if (access->token || !host) /* a browser always sends it */
        return true;
    bool brackets = *host == '[';
    size_t bytes = strcspn(host += brackets, brackets ? "]" : ":");
    if (bytes >= sizeof name)
        return false;
    memcpy(name, host, bytes);
    name[bytes] = '\0';
    return access_is_loopback(name);
}
