/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: which requests are answered.
 *
 *   without a token   a loopback address only, and the Host of each request must name one: a page
 * of the Internet, whose name resolves to 127.0.0.1, then cannot read the answers with a token
 * "Authorization: Bearer TOKEN", or "Basic", with the user "mofka" and the token as the password:
 * browsers ask for it
 *
 * The token is no part of an address, which histories and logs keep.
 */
#ifndef MOFKA_MPI_CTL_SERVE_ACCESS_H
#define MOFKA_MPI_CTL_SERVE_ACCESS_H

#include <stdbool.h>

#define ACCESS_TOKEN_BYTES_MIN 16
#define ACCESS_TOKEN_BYTES_MAX 256
#define ACCESS_USER "mofka"

typedef struct access {
    bool token;
    char bearer[ACCESS_TOKEN_BYTES_MAX + 1];    /* the token */
    char basic[2 * ACCESS_TOKEN_BYTES_MAX + 1]; /* "mofka:TOKEN" in base64 */
} access_t;

/* Read the token from a file that its owner alone can read. `path` NULL: no token. False: a message
 * was printed. */
bool access_open(access_t *access, const char *path);

/* Whether a request with these headers is answered. NULL: it has no such header. */
bool access_allows_host(const access_t *access, const char *host);
bool access_allows(const access_t *access, const char *authorization);

#endif
