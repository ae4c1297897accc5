/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl serve: the address that it listens on. */
#ifndef MOFKA_MPI_CTL_SERVE_LISTEN_H
#define MOFKA_MPI_CTL_SERVE_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

/* Room for "http://[ADDRESS]:PORT/". */
#define LISTEN_URL_BYTES 80

typedef struct listen_address {
    struct sockaddr_storage socket;
    socklen_t bytes;
    bool loopback; /* only this node reaches it */
} listen_address_t;

/* Read "ADDRESS:PORT", with an IPv4 address, an IPv6 address in brackets, or "localhost". Port 0
 * means any free port. False: the text has another form. */
bool listen_read(const char *text, listen_address_t *address);

/* Listen there. `url` is set to the address with the port that was chosen. Give: close(). -1: a
 * message was printed. */
int listen_open(const listen_address_t *address, char url[LISTEN_URL_BYTES]);

#endif
