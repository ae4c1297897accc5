/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis Streams over a unix socket, by hiredis. Producers send commands in pipelines. The consumer
 * is a group: XREADGROUP takes many entries, and one XACK acknowledges them. The answer to it is
 * read with the next entries.
 */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include "peer.h"

#define GROUP "readers"
#define PIPELINE_BYTES ((size_t)1 << 20)
#define PIPELINE_MAX 1000

const char *const peer_name = "redis";

struct peer_end {
    const char *topic;
    redisContext *context;
    size_t pipeline;    /* commands, or entries, that go together */
    size_t pending;     /* commands whose answers have not been read */
    const char **words; /* consumer: an XACK */
    size_t *lengths;
};

static redisReply *redis_answer(peer_end_t *end) {
    void *answer = NULL;
    if (redisGetReply(end->context, &answer) != REDIS_OK)
        peer_fail("%s", end->context->errstr);
    redisReply *reply = answer;
    if (reply->type == REDIS_REPLY_ERROR)
        peer_fail("%s", reply->str);
    return reply;
}

/* A command whose answer is not of interest. */
static void redis_do(peer_end_t *end, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (redisvAppendCommand(end->context, format, args) != REDIS_OK)
        peer_fail("%s", end->context->errstr);
    va_end(args);
    freeReplyObject(redis_answer(end));
}

peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces) {
    peer_end_t *end = calloc(1, sizeof *end);
    if (!end)
        peer_fail("no memory");
    end->topic = topic;
    end->pipeline =
        settings->eager ? 1 : peer_messages_of(settings, PIPELINE_BYTES, 1, PIPELINE_MAX);
    end->context = redisConnectUnix(settings->server);
    if (!end->context || end->context->err)
        peer_fail("%s: %s", settings->server, end->context ? end->context->errstr : "no memory");
    struct timeval silence = {.tv_sec = PEER_SILENCE_MS / 1000 * 2};
    if (redisSetTimeout(end->context, silence) != REDIS_OK)
        peer_fail("%s", end->context->errstr);
    if (produces)
        return end;
    end->words = calloc(PIPELINE_MAX + 3, sizeof *end->words);
    end->lengths = calloc(PIPELINE_MAX + 3, sizeof *end->lengths);
    if (!end->words || !end->lengths)
        peer_fail("no memory");
    return end;
}

void peer_begin(peer_end_t *end) {
    if (!end->words)
        return;
    for (; end->pending > 0; end->pending--)
        freeReplyObject(redis_answer(end));
    redis_do(end, "DEL %s", end->topic);
    redis_do(end, "XGROUP CREATE %s " GROUP " $ MKSTREAM", end->topic);
}

void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes) {
    const char *words[] = {"XADD", end->topic, "*", "m", message, "d", message + head_bytes};
    const size_t lengths[] = {4, strlen(end->topic), 1, 1, head_bytes, 1, bytes - head_bytes};
    if (redisAppendCommandArgv(end->context, bytes > head_bytes ? 7 : 5, words, lengths) !=
        REDIS_OK)
        peer_fail("%s", end->context->errstr);
    if (++end->pending == end->pipeline)
        peer_flush(end);
}

void peer_send(peer_end_t *end) {
    int sent = 0, status = REDIS_OK;
    while (status == REDIS_OK && !sent)
        status = redisBufferWrite(end->context, &sent);
    if (status != REDIS_OK)
        peer_fail("%s", end->context->errstr);
}

void peer_flush(peer_end_t *end) {
    for (; end->pending > 0; end->pending--)
        freeReplyObject(redis_answer(end));
}

static const redisReply *redis_part(const redisReply *reply, size_t index) {
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements)
        peer_fail("no event in %d ms", PEER_SILENCE_MS);
    return reply->element[index];
}

/* Send the acknowledgement of the entries whose ids are the words behind the first three. */
static void redis_acknowledge(peer_end_t *end, size_t count) {
    static const char *const first[] = {"XACK", NULL, GROUP};
    for (size_t i = 0; i < 3; i++) {
        end->words[i] = i == 1 ? end->topic : first[i];
        end->lengths[i] = strlen(end->words[i]);
    }
    if (redisAppendCommandArgv(end->context, (int)(count + 3), end->words, end->lengths) !=
        REDIS_OK)
        peer_fail("%s", end->context->errstr);
    peer_send(end);
    end->pending = 1;
}

size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    size_t count = most < end->pipeline ? most : end->pipeline;
    if (redisAppendCommand(end->context,
                           "XREADGROUP GROUP " GROUP " one COUNT %llu BLOCK %d STREAMS %s >",
                           (unsigned long long)count, PEER_SILENCE_MS, end->topic) != REDIS_OK)
        peer_fail("%s", end->context->errstr);
    for (; end->pending > 0; end->pending--)
        freeReplyObject(redis_answer(end));
    redisReply *reply = redis_answer(end);
    /* [[topic, [[id, [field, value, ...]], ...]]] */
    const redisReply *entries = redis_part(redis_part(reply, 0), 1);
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entries->element[i], *fields = redis_part(entry, 1);
        const redisReply *id = redis_part(entry, 0), *head = redis_part(fields, 1);
        const redisReply *rest = fields->elements > 3 ? fields->element[3] : NULL;
        take(context, head->str, (size_t)head->len, rest ? rest->str : NULL,
             rest ? (size_t)rest->len : 0);
        end->words[i + 3] = id->str;
        end->lengths[i + 3] = (size_t)id->len;
    }
    count = entries->elements;
    redis_acknowledge(end, count);
    freeReplyObject(reply);
    return count;
}

void peer_close(peer_end_t *end) {
    peer_flush(end);
    redisFree(end->context);
    free(end->words);
    free(end->lengths);
    free(end);
}
