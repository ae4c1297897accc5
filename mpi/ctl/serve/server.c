/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepts connections, keeps them within bounds, and finds what a request asks for. */
#include "mpi/ctl/serve/server.h"

#include <assert.h>
#include <math.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/serve/page/page.h"
#include "stats/prometheus.h"

/* Connections, and those of one address: all of a node's clients have one. */
#define CONNECTIONS_MAX 64
#define CONNECTIONS_OF_ADDRESS_MAX 32
/* One that is accepted beside them may be refused later than it is announced. */
#define SLOTS (CONNECTIONS_MAX + 2)
/* From accept to the last byte of the answer. */
#define CONNECTION_S_MAX 10
/* Memory of a connection: no request line and header are longer. */
#define REQUEST_BYTES_MAX ((size_t)16 << 10)
/* Requests that are answered in a second. More of them wait, so that clients do not take the CPU
 * from the job. */
#define REQUESTS_PER_S_MAX 100

typedef enum server_route {
    ROUTE_PAGE,
    ROUTE_PART,
    ROUTE_JSON,
    ROUTE_PROMETHEUS,
    ROUTE_OPENMETRICS,
    ROUTES
} server_route_t;

typedef struct server_slot {
    struct MHD_Connection *connection; /* NULL: the slot is free */
    double deadline_s;
} server_slot_t;

struct server {
    struct MHD_Daemon *daemon;
    int events; /* its epoll descriptor */
    const access_t *access;
    readings_t *readings;
    server_slot_t slots[SLOTS];
    struct MHD_Response *answers[ROUTES]; /* to the latest reading; NULL: not asked for yet */
    double answers_of_s;                  /* when it was read */
    double second_s;                      /* the second whose requests are counted */
    unsigned requests;
};

/* ---- answers --------------------------------------------------------------------------------- */

typedef struct server_header {
    const char *name, *value;
} server_header_t;

/* Take a text. NULL: no memory. */
static struct MHD_Response *server_make_answer(char *text, size_t bytes, const char *type) {
    static const server_header_t headers[] = {
        {"Connection", "close"},
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
    };
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
    if (!answer) {
        free(text);
        return NULL;
    }
    bool good = MHD_add_response_header(answer, "Content-Type", type) == MHD_YES;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        good &= MHD_add_response_header(answer, headers[i].name, headers[i].value) == MHD_YES;
    if (good)
        return answer;
    MHD_destroy_response(answer);
    return NULL;
}

/* Answer with a line of text. `header` (NULL: none) is one more. */
static enum MHD_Result server_refuse(struct MHD_Connection *connection, unsigned code,
                                     const char *line, const server_header_t *header) {
    char *text = NULL;
    int bytes = asprintf(&text, "%s\n", line);
    struct MHD_Response *answer =
        bytes < 0 ? NULL : server_make_answer(text, (size_t)bytes, "text/plain; charset=utf-8");
    if (!answer)
        return MHD_NO;
    enum MHD_Result result = MHD_YES;
    if (header)
        result = MHD_add_response_header(answer, header->name, header->value);
    if (result == MHD_YES)
        result = MHD_queue_response(connection, code, answer);
    MHD_destroy_response(answer);
    return result;
}

/* False: no randomness. */
static bool server_make_nonce(char nonce[33]) {
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static bool server_add_policy(struct MHD_Response *answer, const char *nonce) {
    char policy[320];
    snprintf(policy, sizeof policy,
             "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    return MHD_add_response_header(answer, "Content-Security-Policy", policy) == MHD_YES;
}

/* Write what a route shows. False: no memory. */
static bool server_write(const readings_t *readings, server_route_t route, const char *nonce,
                         FILE *out) {
    const page_view_t view = {.stats = readings->latest,
                              .history = &readings->history,
                              .now_s = ctl_now_s(),
                              .interval_s = readings->interval_s};
    mfi_prometheus_format_t format =
        route == ROUTE_OPENMETRICS ? MFI_OPENMETRICS : MFI_PROMETHEUS_TEXT;
    assert(readings->latest);
    switch (route) {
    case ROUTE_PAGE:
        page_write(out, &view, nonce);
        return true;
    case ROUTE_PART:
        page_write_part(out, &view);
        return true;
    case ROUTE_JSON:
        fprintf(out, "%.*s\n", (int)readings->json.size, readings->json.buffer);
        return true;
    default:
        if (!mfi_prometheus_write_job(out, format, readings->json.buffer, readings->json.size))
            return false;
        mfi_prometheus_write_end(out);
        return true;
    }
}

/* Make the answer of a route. NULL: no memory. */
static struct MHD_Response *server_make(const readings_t *readings, server_route_t route) {
    static const char *const types[ROUTES] = {
        "text/html; charset=utf-8", "text/html; charset=utf-8", "application/json",
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8"};
    char nonce[33] = "", *text = NULL;
    size_t bytes;
    FILE *out = server_make_nonce(nonce) ? open_memstream(&text, &bytes) : NULL;
    bool good = out && server_write(readings, route, nonce, out);
    if (out && fclose(out) != 0)
        good = false;
    if (!good) {
        free(text);
        return NULL;
    }
    struct MHD_Response *answer = server_make_answer(text, bytes, types[route]);
    if (answer && !server_add_policy(answer, nonce)) {
        MHD_destroy_response(answer);
        answer = NULL;
    }
    return answer;
}

static void server_forget_answers(server_t *server) {
    for (size_t i = 0; i < ROUTES; i++) {
        if (server->answers[i])
            MHD_destroy_response(server->answers[i]);
        server->answers[i] = NULL;
    }
}

/* Answers are made once for each reading, however many ask. */
static enum MHD_Result server_show(server_t *server, struct MHD_Connection *connection,
                                   server_route_t route) {
    if (!readings_refresh(server->readings))
        return server_refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                             "the statistics cannot be read", NULL);
    if (server->answers_of_s != server->readings->read_at_s)
        server_forget_answers(server);
    server->answers_of_s = server->readings->read_at_s;
    if (!server->answers[route])
        server->answers[route] = server_make(server->readings, route);
    return server->answers[route]
               ? MHD_queue_response(connection, MHD_HTTP_OK, server->answers[route])
               : server_refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory", NULL);
}

/* ---- requests -------------------------------------------------------------------------------- */

static const char *server_header_of(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ROUTES: there is no such page. */
static server_route_t server_find_route(struct MHD_Connection *connection, const char *path) {
    if (strcmp(path, "/metrics") == 0) {
        const char *accept = server_header_of(connection, "Accept");
        return accept && strstr(accept, "application/openmetrics-text") ? ROUTE_OPENMETRICS
                                                                        : ROUTE_PROMETHEUS;
    }
    return strcmp(path, "/") == 0             ? ROUTE_PAGE
           : strcmp(path, "/part") == 0       ? ROUTE_PART
           : strcmp(path, "/stats.json") == 0 ? ROUTE_JSON
                                              : ROUTES;
}

static enum MHD_Result server_on_request(void *context, struct MHD_Connection *connection,
                                         const char *path, const char *method, const char *version,
                                         const char *upload, size_t *upload_bytes,
                                         void **of_request) {
    static const server_header_t allow = {"Allow", "GET, HEAD"},
                                 ask = {"WWW-Authenticate", "Basic realm=\"mofka\""};
    server_t *server = context;
    (void)version, (void)upload, (void)upload_bytes, (void)of_request;
    server->requests++;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return server_refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD", &allow);
    if (!access_allows_host(server->access, server_header_of(connection, "Host")))
        return server_refuse(connection, MHD_HTTP_FORBIDDEN,
                             "without a token, only localhost and loopback addresses are answered",
                             NULL);
    if (!access_allows(server->access, server_header_of(connection, "Authorization")))
        return server_refuse(connection, MHD_HTTP_UNAUTHORIZED, "a token is needed", &ask);
    server_route_t route = server_find_route(connection, path);
    if (route == ROUTES)
        return server_refuse(connection, MHD_HTTP_NOT_FOUND,
                             "there are /, /metrics and /stats.json", NULL);
    return server_show(server, connection, route);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void server_on_connection(void *context, struct MHD_Connection *connection,
                                 void **of_connection, enum MHD_ConnectionNotificationCode code) {
    server_t *server = context;
    server_slot_t *slot = *of_connection;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        assert(slot && slot->connection == connection);
        slot->connection = NULL;
        return;
    }
    slot = server->slots;
    while (slot->connection)
        slot++;
    assert(slot < server->slots + SLOTS);
    *slot = (server_slot_t){connection, ctl_now_s() + CONNECTION_S_MAX};
    *of_connection = slot;
}

/* End connections whose time is over, however slowly they go on. */
static void server_end_late(server_t *server) {
    double now_s = ctl_now_s();
    for (size_t i = 0; i < SLOTS; i++) {
        server_slot_t *slot = &server->slots[i];
        if (!slot->connection || now_s < slot->deadline_s)
            continue;
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(slot->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info)
            shutdown(info->connect_fd, SHUT_RDWR);
        slot->deadline_s = INFINITY;
    }
}

server_t *server_open(int socket, const access_t *access, readings_t *readings) {
    server_t *server = calloc(1, sizeof *server);
    if (server) {
        server->access = access;
        server->readings = readings;
        server->daemon = MHD_start_daemon(
            MHD_USE_EPOLL, 0, NULL, NULL, server_on_request, server, MHD_OPTION_LISTEN_SOCKET,
            socket, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_OF_ADDRESS_MAX,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_S_MAX, MHD_OPTION_STRICT_FOR_CLIENT,
            1, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_BYTES_MAX, MHD_OPTION_NOTIFY_CONNECTION,
            server_on_connection, server, MHD_OPTION_END);
    }
    const union MHD_DaemonInfo *info =
        server && server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
                                 : NULL;
    if (info && info->epoll_fd >= 0) {
        server->events = info->epoll_fd;
        return server;
    }
    ctl_complain("libmicrohttpd could not start");
    if (server && server->daemon)
        MHD_stop_daemon(server->daemon);
    else
        close(socket);
    free(server);
    return NULL;
}

/* The seconds until further requests of this second may be answered; 0: now. */
static double server_pause(server_t *server) {
    double now_s = ctl_now_s();
    if (now_s - server->second_s >= 1) {
        server->second_s = now_s;
        server->requests = 0;
    }
    return server->requests < REQUESTS_PER_S_MAX ? 0 : server->second_s + 1 - now_s;
}

void server_run(server_t *server, double seconds) {
    double pause_s = server_pause(server);
    if (pause_s > 0) {
        interrupt_sleep(fmin(pause_s, seconds));
        return;
    }
    unsigned long long asked_ms;
    double wait_ms = 1000 * seconds;
    if (MHD_get_timeout(server->daemon, &asked_ms) == MHD_YES)
        wait_ms = fmin(wait_ms, (double)asked_ms);
    struct pollfd ready = {.fd = server->events, .events = POLLIN};
    poll(&ready, 1, (int)ceil(fmax(wait_ms, 0)));
    MHD_run(server->daemon);
    server_end_late(server);
}

void server_close(server_t *server) {
    MHD_stop_daemon(server->daemon);
    server_forget_answers(server);
    free(server);
}
