/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NATS over TCP, by its C library. Core passes messages on. JetStream stores them: the producer
 * publishes asynchronously, and the consumer is a durable pull consumer that fetches batches and
 * acknowledges each message.
 */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "peer.h"

#define FETCH_BYTES ((size_t)4 << 20)
#define FETCH_MAX 1000
#define PENDING_BYTES ((size_t)16 << 20)
#define PENDING_MAX 4096

const char *const peer_name = "nats";

struct peer_end {
    const char *topic;
    size_t head_bytes;
    bool produces;
    natsConnection *connection;
    natsSubscription *subscription;
    jsCtx *stream; /* NULL: core */
    size_t fetch;  /* messages of a fetch */
};

static void nats_must(natsStatus status, const char *what) {
    if (status != NATS_OK)
        peer_fail("%s: %s, %s", what, natsStatus_GetText(status), nats_GetLastError(NULL));
}

static void nats_is_stored_wrong(jsCtx *stream, jsPubAckErr *error, void *context) {
    (void)stream, (void)context;
    peer_fail("publish: %s", error->ErrText ? error->ErrText : natsStatus_GetText(error->Err));
}

static void nats_open_context(peer_end_t *end, const peer_settings_t *s) {
    jsOptions options;
    nats_must(jsOptions_Init(&options), "options");
    options.Wait = PEER_SILENCE_MS;
    options.PublishAsync.MaxPending = (int64_t)peer_messages_of(s, PENDING_BYTES, 16, PENDING_MAX);
    options.PublishAsync.StallWait = PEER_SILENCE_MS;
    options.PublishAsync.ErrHandler = nats_is_stored_wrong;
    nats_must(natsConnection_JetStream(&end->stream, end->connection, &options), "JetStream");
}

static void nats_subscribe_core(peer_end_t *end) {
    nats_must(natsConnection_SubscribeSync(&end->subscription, end->connection, end->topic),
              "subscribe");
    /* A round is bounded, so what waits here is, too. */
    nats_must(natsSubscription_SetPendingLimits(end->subscription, -1, -1), "limits");
}

/* The consumer makes the stream, before the first round, and deletes it. */
static void nats_subscribe_stream(peer_end_t *end, const char *store) {
    jsStreamConfig config;
    jsSubOptions options;
    jsErrCode code = 0;
    nats_must(jsStreamConfig_Init(&config), "stream");
    config.Name = end->topic;
    config.Subjects = &end->topic;
    config.SubjectsLen = 1;
    config.Storage = strcmp(store, "file") == 0 ? js_FileStorage : js_MemoryStorage;
    nats_must(js_AddStream(NULL, end->stream, &config, NULL, &code), "stream");
    nats_must(jsSubOptions_Init(&options), "options");
    options.Config.AckPolicy = js_AckExplicit;
    options.Config.MaxAckPending = -1;
    nats_must(js_PullSubscribe(&end->subscription, end->stream, end->topic, "readers", NULL,
                               &options, &code),
              "subscribe");
}

peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces) {
    natsOptions *options = NULL;
    peer_end_t *end = calloc(1, sizeof *end);
    if (!end)
        peer_fail("no memory");
    *end = (peer_end_t){.topic = topic,
                        .produces = produces,
                        .head_bytes = peer_head_bytes(settings),
                        .fetch = peer_messages_of(settings, FETCH_BYTES, 1, FETCH_MAX)};
    nats_must(natsOptions_Create(&options), "options");
    nats_must(natsOptions_SetURL(options, settings->server), "URL");
    nats_must(natsOptions_SetSendAsap(options, settings->eager), "options");
    nats_must(natsConnection_Connect(&end->connection, options), settings->server);
    natsOptions_Destroy(options);
    if (strcmp(settings->store, "none") != 0)
        nats_open_context(end, settings);
    if (!produces && end->stream)
        nats_subscribe_stream(end, settings->store);
    else if (!produces)
        nats_subscribe_core(end);
    return end;
}

/* The server knows the subscription then, and has forgotten the last round. */
void peer_begin(peer_end_t *end) {
    if (end->produces)
        return;
    jsErrCode code = 0;
    nats_must(natsConnection_FlushTimeout(end->connection, PEER_SILENCE_MS), "flush");
    if (end->stream)
        nats_must(js_PurgeStream(end->stream, end->topic, NULL, &code), "purge");
}

void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes) {
    (void)head_bytes; /* one payload: the consumer knows the sizes */
    if (end->stream)
        nats_must(js_PublishAsync(end->stream, end->topic, message, (int)bytes, NULL), "publish");
    else
        nats_must(natsConnection_Publish(end->connection, end->topic, message, (int)bytes),
                  "publish");
}

void peer_send(peer_end_t *end) {
    (void)end; /* its thread sends what was published */
}

void peer_flush(peer_end_t *end) {
    if (end->stream) {
        jsPubOptions options;
        nats_must(jsPubOptions_Init(&options), "options");
        options.MaxWait = PEER_SILENCE_MS;
        nats_must(js_PublishAsyncComplete(end->stream, &options), "publish");
    } else {
        nats_must(natsConnection_FlushTimeout(end->connection, PEER_SILENCE_MS), "flush");
    }
}

static void nats_take(const peer_end_t *end, natsMsg *message, peer_take_fn take, void *context) {
    const char *bytes = natsMsg_GetData(message);
    size_t all = (size_t)natsMsg_GetDataLength(message);
    size_t head = all < end->head_bytes ? all : end->head_bytes;
    take(context, bytes, head, bytes + head, all - head);
}

static size_t nats_fetch(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    natsMsgList list = {0};
    jsErrCode code = 0;
    int count = (int)(most < end->fetch ? most : end->fetch);
    nats_must(natsSubscription_Fetch(&list, end->subscription, count, PEER_SILENCE_MS, &code),
              "fetch");
    for (int i = 0; i < list.Count; i++) {
        nats_take(end, list.Msgs[i], take, context);
        nats_must(natsMsg_Ack(list.Msgs[i], NULL), "acknowledge");
    }
    count = list.Count;
    natsMsgList_Destroy(&list);
    return (size_t)count;
}

size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    if (end->stream)
        return nats_fetch(end, most, take, context);
    natsMsg *message = NULL;
    nats_must(natsSubscription_NextMsg(&message, end->subscription, PEER_SILENCE_MS), "pull");
    nats_take(end, message, take, context);
    natsMsg_Destroy(message);
    return 1;
}

void peer_close(peer_end_t *end) {
    jsErrCode code = 0;
    if (end->stream && !end->produces)
        nats_must(js_DeleteStream(end->stream, end->topic, NULL, &code), "stream");
    natsSubscription_Destroy(end->subscription);
    jsCtx_Destroy(end->stream);
    natsConnection_Destroy(end->connection);
    free(end);
}
