/* SPDX-License-Identifier: BSD-3-Clause */
/* ZeroMQ: a PUSH and a PULL socket over ipc. Nobody stores or acknowledges. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>
#include "peer.h"

#define QUEUE_BYTES ((size_t)64 << 20)
#define QUEUE_MAX 1000 /* ZeroMQ's own */

const char *const peer_name = "zeromq";

struct peer_end {
    size_t head_bytes;
    void *context, *socket;
};

static void zeromq_must(bool good, const char *what) {
    if (!good)
        peer_fail("%s: %s", what, zmq_strerror(zmq_errno()));
}

static void zeromq_set(peer_end_t *end, int option, int value) {
    zeromq_must(zmq_setsockopt(end->socket, option, &value, sizeof value) == 0, "option");
}

peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces) {
    char place[256];
    peer_end_t *end = calloc(1, sizeof *end);
    if (!end)
        peer_fail("no memory");
    snprintf(place, sizeof place, "ipc://%s/zeromq-%s", settings->server, topic);
    end->head_bytes = peer_head_bytes(settings);
    zeromq_must((end->context = zmq_ctx_new()) != NULL, "context");
    end->socket = zmq_socket(end->context, produces ? ZMQ_PUSH : ZMQ_PULL);
    zeromq_must(end->socket != NULL, "socket");
    int queue = (int)peer_messages_of(settings, QUEUE_BYTES, 4, QUEUE_MAX);
    zeromq_set(end, ZMQ_SNDHWM, queue);
    zeromq_set(end, ZMQ_RCVHWM, queue);
    zeromq_set(end, ZMQ_SNDTIMEO, PEER_SILENCE_MS);
    zeromq_set(end, ZMQ_RCVTIMEO, PEER_SILENCE_MS);
    if (produces)
        zeromq_must(zmq_connect(end->socket, place) == 0, place);
    else
        zeromq_must(zmq_bind(end->socket, place) == 0, place);
    return end;
}

void peer_begin(peer_end_t *end) {
    (void)end;
}

void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes) {
    (void)head_bytes;
    zeromq_must(zmq_send(end->socket, message, bytes, 0) >= 0, "send");
}

void peer_send(peer_end_t *end) {
    (void)end; /* its thread sends */
}

void peer_flush(peer_end_t *end) {
    (void)end; /* nobody answers */
}

size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    (void)most;
    zmq_msg_t message;
    zmq_msg_init(&message);
    zeromq_must(zmq_msg_recv(&message, end->socket, 0) >= 0, "receive");
    const char *bytes = zmq_msg_data(&message);
    size_t all = zmq_msg_size(&message), head = all < end->head_bytes ? all : end->head_bytes;
    take(context, bytes, head, bytes + head, all - head);
    zmq_msg_close(&message);
    return 1;
}

void peer_close(peer_end_t *end) {
    zmq_close(end->socket);
    zmq_ctx_term(end->context);
    free(end);
}
