/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads an address, and listens on it. */
#include "mpi/ctl/serve/listen.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"

/* Connections that wait to be accepted. */
#define BACKLOG 16

static bool listen_read_port(const char *text, in_port_t *port) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return false;
    long value = strtol(text, NULL, 10);
    *port = htons((uint16_t)value);
    return value <= 65535;
}

static bool listen_read_ipv4(const char *host, in_port_t port, listen_address_t *address) {
    struct sockaddr_in *in = (struct sockaddr_in *)&address->socket;
    in->sin_family = AF_INET;
    in->sin_port = port;
    address->bytes = sizeof *in;
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) != 1)
        return false;
    address->loopback = ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return true;
}

static bool listen_read_ipv6(const char *host, in_port_t port, listen_address_t *address) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->socket;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    address->bytes = sizeof *in6;
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return false;
    address->loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    return true;
}

bool listen_read(const char *text, listen_address_t *address) {
    char host[INET6_ADDRSTRLEN];
    in_port_t port;
    const char *colon = strrchr(text, ':');
    size_t bytes = colon ? (size_t)(colon - text) : 0;
    bool brackets = bytes > 2 && text[0] == '[' && colon[-1] == ']';
    memset(address, 0, sizeof *address);
    if (brackets)
        text++, bytes -= 2;
    if (bytes == 0 || bytes >= sizeof host || !listen_read_port(colon + 1, &port))
        return false;
    memcpy(host, text, bytes);
    host[bytes] = '\0';
    return brackets ? listen_read_ipv6(host, port, address) : listen_read_ipv4(host, port, address);
}

static void listen_describe(const struct sockaddr_storage *socket, char url[LISTEN_URL_BYTES]) {
    char host[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const struct sockaddr_in *)socket;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)socket;
    assert(socket->ss_family == AF_INET || socket->ss_family == AF_INET6);
    if (socket->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(url, LISTEN_URL_BYTES, "http://%s:%u/", host, (unsigned)ntohs(in->sin_port));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(url, LISTEN_URL_BYTES, "http://[%s]:%u/", host, (unsigned)ntohs(in6->sin6_port));
    }
}

int listen_open(const listen_address_t *address, char url[LISTEN_URL_BYTES]) {
    const int on = 1;
    struct sockaddr_storage bound = address->socket;
    socklen_t bytes = sizeof bound;
    const struct sockaddr *wanted = (const struct sockaddr *)&address->socket;
    listen_describe(&bound, url);
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, wanted, address->bytes) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, (struct sockaddr *)&bound, &bytes) == 0) {
        listen_describe(&bound, url);
        return fd;
    }
    ctl_complain("cannot listen on %s: %s", url, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}
