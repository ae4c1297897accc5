/* SPDX-License-Identifier: BSD-3-Clause */
/* What main.c, run.c and message.c share. */
#ifndef MOFKA_PEER_RUN_H
#define MOFKA_PEER_RUN_H

#include <stdatomic.h>
#include "peer.h"
#include "stats/histogram.h"

typedef enum peer_workload { PEER_STREAM, PEER_PINGPONG, PEER_PUSH } peer_workload_t;

/* Memory that both processes see. */
typedef struct peer_shared {
    _Atomic uint32_t arrived; /* at barriers, of both processes together */
    double start, push_end, pull_end;
    uint64_t count;        /* events of the last round */
    mfi_histogram_t times; /* pingpong: half a round trip; push: a push; in ns */
} peer_shared_t;

typedef struct peer_run {
    peer_settings_t settings;
    peer_workload_t workload;
    double seconds; /* of the measured round, about */
    double rate;    /* push: events per second */
    bool phased;    /* pull only when everything is pushed */
    bool produces;  /* this process; in pingpong: pushes first */
    uint32_t barriers;
    peer_shared_t *shared;
} peer_run_t;

/* Run the workload's part of this process. */
void peer_run(peer_run_t *run);

/* ---- messages -------------------------------------------------------------------------------- */

/* Events on their way into messages, or out of them. */
typedef struct peer_messages {
    const peer_settings_t *settings;
    size_t event_bytes;
    char *memory; /* producer: `places` events, used in turn as a program's buffers are */
    size_t places;
    char *pack; /* producer: the pack that is filled */
    size_t packed;
    uint64_t number; /* of the next event */
} peer_messages_t;

void messages_open(peer_messages_t *messages, const peer_settings_t *settings);
void messages_close(peer_messages_t *messages);
/* Push the next event, and the pack if that fills it. */
void messages_push(peer_messages_t *messages, peer_end_t *end);
/* Push what is packed, and flush. */
void messages_flush(peer_messages_t *messages, peer_end_t *end);
/* Pull events until `count` were taken. They must be the next ones. */
void messages_pull(peer_messages_t *messages, peer_end_t *end, uint64_t count);

#endif
