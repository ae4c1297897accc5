/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peers: other systems that carry events, measured as mofka-bench measures the library.
 *
 *   main.c       command line, two processes, rounds, and the line of JSON
 *   run.c        the workloads: stream, pingpong, push
 *   message.c    events: their bytes, their stamps, and packs of them
 *   redis.c nats.c zeromq.c nng.c   the ends of one peer each; a program has one of them
 *
 * servers.py starts the servers, and run_peers.py the programs. One process produces, another one
 * consumes. Each has its own connection. Every event is checked: its number, and its stamps.
 */
#ifndef MOFKA_PEER_H
#define MOFKA_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A peer that is silent for so long has failed. */
#define PEER_SILENCE_MS 20000

typedef struct peer_settings {
    const char *server; /* Redis: path of a socket; NATS: URL; ZeroMQ, nng: a folder */
    /* NATS: "none" for core, "memory" or "file" for JetStream. Others ignore it: their server or
     * nobody stores. */
    const char *store;
    size_t metadata_bytes, data_bytes;
    size_t pack; /* events of a message; 1: each event is a message */
    bool eager;  /* one event is in flight: do not wait for more before sending */
} peer_settings_t;

/* The bytes of a message, and of the part before the data. A pack has no such part. */
size_t peer_message_bytes(const peer_settings_t *settings);
size_t peer_head_bytes(const peer_settings_t *settings);
/* How many messages make up `bytes`: at least `least`, at most `most`. For the lengths of pipelines
 * and queues. */
size_t peer_messages_of(const peer_settings_t *settings, size_t bytes, size_t least, size_t most);
/* Print a message, and end this process. The other one is ended, too. */
_Noreturn void peer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- what a peer implements ------------------------------------------------------------------ */

/* A connection that produces messages of one topic, or consumes them. */
typedef struct peer_end peer_end_t;

/* Take a message that came: its head, and the rest of it. Both are views during the call. */
typedef void (*peer_take_fn)(void *context, const char *head, size_t head_bytes, const char *rest,
                             size_t rest_bytes);

extern const char *const peer_name;

/* All of these end the process if the peer fails. `settings` and `topic` outlive the end. */
peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces);
/* Prepare a round: what the consumer has had may be forgotten. Nobody pushes or pulls meanwhile. */
void peer_begin(peer_end_t *end);
/* Push a message, whose memory remains the caller's. */
void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes);
/* Send what this process has collected. Do not wait for an answer. */
void peer_send(peer_end_t *end);
/* Return when all that was pushed has left this process. If the peer stores, it is stored. */
void peer_flush(peer_end_t *end);
/* Wait for messages, take at least one and at most `most`, and acknowledge them. Returns their
 * number. */
size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context);
void peer_close(peer_end_t *end);

#endif
