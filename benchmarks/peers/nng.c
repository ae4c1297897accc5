/* SPDX-License-Identifier: BSD-3-Clause */
/* nng: a push and a pull socket over ipc. Nobody stores or acknowledges. */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>
#include "peer.h"

#define QUEUE_BYTES ((size_t)64 << 20)
#define QUEUE_MAX 1000

const char *const peer_name = "nng";

struct peer_end {
    size_t head_bytes;
    nng_socket socket;
};

static void nng_must(int error, const char *what) {
    if (error != 0)
        peer_fail("%s: %s", what, nng_strerror(error));
}

peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces) {
    char place[256];
    peer_end_t *end = calloc(1, sizeof *end);
    if (!end)
        peer_fail("no memory");
    snprintf(place, sizeof place, "ipc://%s/nng-%s", settings->server, topic);
    end->head_bytes = peer_head_bytes(settings);
    nng_must(produces ? nng_push0_open(&end->socket) : nng_pull0_open(&end->socket), "socket");
    int queue = (int)peer_messages_of(settings, QUEUE_BYTES, 4, QUEUE_MAX);
    const char *buffer = produces ? NNG_OPT_SENDBUF : NNG_OPT_RECVBUF;
    int error = nng_socket_set_int(end->socket, buffer, queue);
    if (error != NNG_ENOTSUP) /* some versions have no such buffer on this side */
        nng_must(error, buffer);
    nng_must(nng_socket_set_ms(end->socket, produces ? NNG_OPT_SENDTIMEO : NNG_OPT_RECVTIMEO,
                               PEER_SILENCE_MS),
             "time-out");
    nng_must(nng_socket_set_size(end->socket, NNG_OPT_RECVMAXSZ, 0), "size");
    if (produces)
        nng_must(nng_dial(end->socket, place, NULL, NNG_FLAG_NONBLOCK), place);
    else
        nng_must(nng_listen(end->socket, place, NULL, 0), place);
    return end;
}

void peer_begin(peer_end_t *end) {
    (void)end;
}

void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes) {
    (void)head_bytes;
    nng_msg *copy;
    nng_must(nng_msg_alloc(&copy, 0), "message");
    nng_must(nng_msg_append(copy, message, bytes), "message");
    nng_must(nng_sendmsg(end->socket, copy, 0), "send");
}

void peer_send(peer_end_t *end) {
    (void)end; /* its threads send */
}

void peer_flush(peer_end_t *end) {
    (void)end; /* nobody answers */
}

size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    (void)most;
    nng_msg *message;
    nng_must(nng_recvmsg(end->socket, &message, 0), "receive");
    const char *bytes = nng_msg_body(message);
    size_t all = nng_msg_len(message), head = all < end->head_bytes ? all : end->head_bytes;
    take(context, bytes, head, bytes + head, all - head);
    nng_msg_free(message);
    return 1;
}

void peer_close(peer_end_t *end) {
    nng_close(end->socket);
    free(end);
}
