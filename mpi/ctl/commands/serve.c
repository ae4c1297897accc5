/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: the job's statistics over HTTP, for Prometheus and for browsers.
 *
 * As top, it reads statistics only, opens no topic, and begins to close the driver before the first
 * wait. One thread serves, reads, and looks whether the job is over; it sleeps when nobody asks.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/commands/commands.h"

static const char *listen_text = "127.0.0.1:9464", *token_path, *pattern;
static uint64_t interval_ms = 1000;
static double for_s = INFINITY;

#ifdef MOFKACTL_SERVES

#include "mpi/ctl/serve/listen.h"
#include "mpi/ctl/serve/server.h"

static listen_address_t address;

static bool serve_check(int count, char **words) {
    (void)count, (void)words;
    if (!listen_read(listen_text, &address)) {
        args_complain_of_value("listen", listen_text,
                               "ADDRESS:PORT, such as 127.0.0.1:9464, localhost:0 or [::1]:9464");
        return false;
    }
    if (!address.loopback && !token_path)
        ctl_complain("--listen %s can be reached from other nodes: it needs a --token FILE",
                     listen_text);
    return address.loopback || token_path;
}

static void serve_until_over(mofka_driver_t *driver, server_t *server) {
    double end_s = ctl_now_s() + for_s;
    assert(for_s >= 0);
    while (!ctl_job_is_over(driver, 0) && !interrupt_came() && ctl_now_s() < end_s)
        server_run(server, fmin(SLICE_MS * 1e-3, end_s - ctl_now_s()));
}

static int serve_run(mofka_driver_t *driver) {
    static access_t access;
    char url[LISTEN_URL_BYTES];
    readings_t readings;
    int socket = access_open(&access, token_path) ? listen_open(&address, url) : -1;
    if (socket < 0)
        return CTL_FAILED;
    readings_open(&readings, driver, pattern, (double)interval_ms * 1e-3);
    server_t *server = server_open(socket, &access, &readings);
    if (server) {
        readings_refresh(&readings); /* the first request has rates since now */
        ctl_complain("listening on %s", url);
        serve_until_over(driver, server);
        server_close(server);
    }
    readings_close(&readings);
    return server ? CTL_OK : CTL_FAILED;
}

#else

static bool serve_check(int count, char **words) {
    (void)count, (void)words;
    ctl_complain("this mofkactl was built without libmicrohttpd, which serve needs");
    return false;
}

static int serve_run(mofka_driver_t *driver) {
    (void)driver;
    return CTL_FAILED; /* serve_check refuses before */
}

#endif

static const option_row_t options[] = {
    {"listen", OPTION_TEXT, &listen_text, "ADDRESS:PORT",
     "where to listen; port 0 is any free one (127.0.0.1:9464)", 0, 0, NULL},
    {"token", OPTION_TEXT, &token_path, "FILE",
     "answer only those who have the token in this file; other users must not be able to read it",
     0, 0, NULL},
    {"topic", OPTION_TEXT, &pattern, "PATTERN",
     "only topics whose names match this shell pattern, such as 'run-*'", 0, 0, NULL},
    {"interval", OPTION_COUNT, &interval_ms, "MS",
     "read the statistics at most once in this time (1000)", 10, 86400000, NULL},
    {"for", OPTION_SECONDS, &for_s, "SECONDS", "end after this time (inf)", 0, 0, NULL},
};

const ctl_command_t serve_command = {
    .name = "serve",
    .summary = "Show statistics to Prometheus and to browsers, over HTTP",
    .notes =
        "GET /metrics answers Prometheus, GET /stats.json has the object that top --json prints, "
        "and\nGET / is a page with tables and graphs. Statistics are read when somebody asks; "
        "between requests\nthis rank sleeps. An address that other nodes can reach needs a token: "
        "a line of 16 to 256\ncharacters in a file of mode 600. It is sent as \"Authorization: "
        "Bearer TOKEN\", or as the password\nof the user mofka, for which browsers ask. Nothing is "
        "encrypted. The command ends when all other\nranks of the job have closed the driver, and "
        "on SIGINT and SIGTERM. No rank waits for it.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = serve_check,
    .run = serve_run,
};
