/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: an HTTP server in the calling thread, over libmicrohttpd.
 *
 *   GET /metrics      text for Prometheus, or OpenMetrics for those that accept it
 *   GET /stats.json   the statistics, with rates
 *   GET /             the page; GET /part what its script loads again
 *
 * What clients can take is bounded: connections, those of one address, the time of each, the bytes
 * of a request, and the requests of a second. A connection serves one request.
 */
#ifndef MOFKA_MPI_CTL_SERVE_SERVER_H
#define MOFKA_MPI_CTL_SERVE_SERVER_H

#include "mpi/ctl/serve/access.h"
#include "mpi/ctl/serve/readings.h"

typedef struct server server_t;

/* Serve on a listening socket (taken, also on failure). `access` and `readings` are borrowed until
 * server_close. NULL: a message was printed. */
server_t *server_open(int socket, const access_t *access, readings_t *readings);
/* Answer requests for at most `seconds`. Returns earlier after some were answered, and on a
 * signal. */
void server_run(server_t *server, double seconds);
void server_close(server_t *server);

#endif
