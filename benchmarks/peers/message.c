/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events of the peers. An event is its metadata, then its data. The first and the last 8 bytes of
 * either part are the event's number, and so are 8 bytes of the data in every 16 KiB.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "run.h"

#define STAMP_STEP ((size_t)16 << 10)
/* A program's buffers are more than the caches keep. */
#define MEMORY_BYTES ((size_t)8 << 20)
#define PLACES_MAX 1024

size_t peer_message_bytes(const peer_settings_t *s) {
    return s->pack * (s->metadata_bytes + s->data_bytes);
}

size_t peer_head_bytes(const peer_settings_t *s) {
    return s->pack > 1 ? peer_message_bytes(s) : s->metadata_bytes;
}

size_t peer_messages_of(const peer_settings_t *s, size_t bytes, size_t least, size_t most) {
    assert(least > 0 && least <= most);
    size_t count = bytes / peer_message_bytes(s);
    return count < least ? least : count < most ? count : most;
}

/* ---- stamps ---------------------------------------------------------------------------------- */

static void part_stamp(char *part, size_t bytes, uint64_t number) {
    if (bytes < sizeof number)
        return;
    for (size_t at = 0; at + sizeof number <= bytes; at += STAMP_STEP)
        memcpy(part + at, &number, sizeof number);
    memcpy(part + bytes - sizeof number, &number, sizeof number);
}

static bool part_is_stamped(const char *part, size_t bytes, uint64_t number) {
    if (bytes < sizeof number)
        return true;
    for (size_t at = 0; at + sizeof number <= bytes; at += STAMP_STEP)
        if (memcmp(part + at, &number, sizeof number) != 0)
            return false;
    return memcmp(part + bytes - sizeof number, &number, sizeof number) == 0;
}

/* ---- both sides ------------------------------------------------------------------------------ */

void messages_open(peer_messages_t *m, const peer_settings_t *settings) {
    *m = (peer_messages_t){.settings = settings,
                           .event_bytes = settings->metadata_bytes + settings->data_bytes};
    size_t places = MEMORY_BYTES / m->event_bytes;
    m->places = places < 2 ? 2 : places < PLACES_MAX ? places : PLACES_MAX;
    m->memory = malloc(m->places * m->event_bytes);
    m->pack = settings->pack > 1 ? malloc(peer_message_bytes(settings)) : NULL;
    if (!m->memory || (settings->pack > 1 && !m->pack))
        peer_fail("no memory for %zu events of %zu bytes", m->places + settings->pack,
                  m->event_bytes);
    memset(m->memory, 'm', m->places * m->event_bytes);
}

void messages_close(peer_messages_t *m) {
    free(m->memory);
    free(m->pack);
}

static void messages_push_pack(peer_messages_t *m, peer_end_t *end) {
    size_t bytes = m->packed * m->event_bytes;
    m->packed = 0;
    peer_push(end, m->pack, bytes, bytes);
}

void messages_push(peer_messages_t *m, peer_end_t *end) {
    const peer_settings_t *s = m->settings;
    uint64_t number = m->number++;
    char *event = m->memory + number % m->places * m->event_bytes;
    part_stamp(event, s->metadata_bytes, number);
    part_stamp(event + s->metadata_bytes, s->data_bytes, number);
    if (s->pack == 1) {
        peer_push(end, event, m->event_bytes, s->metadata_bytes);
        return;
    }
    memcpy(m->pack + m->packed * m->event_bytes, event, m->event_bytes);
    if (++m->packed == s->pack)
        messages_push_pack(m, end);
}

void messages_flush(peer_messages_t *m, peer_end_t *end) {
    if (m->packed > 0)
        messages_push_pack(m, end);
    peer_flush(end);
}

static void messages_take_event(peer_messages_t *m, const char *metadata, const char *data) {
    const peer_settings_t *s = m->settings;
    if (!part_is_stamped(metadata, s->metadata_bytes, m->number) ||
        !part_is_stamped(data, s->data_bytes, m->number)) {
        uint64_t found = 0;
        memcpy(&found, s->metadata_bytes >= sizeof found ? metadata : data, sizeof found);
        peer_fail("event %llu was expected, and %llu came, or its bytes are wrong",
                  (unsigned long long)m->number, (unsigned long long)found);
    }
    m->number++;
}

static void messages_take(void *context, const char *head, size_t head_bytes, const char *rest,
                          size_t rest_bytes) {
    peer_messages_t *m = context;
    const peer_settings_t *s = m->settings;
    if (s->pack == 1) {
        if (head_bytes != s->metadata_bytes || rest_bytes != s->data_bytes)
            peer_fail("an event of %zu and %zu bytes came", head_bytes, rest_bytes);
        messages_take_event(m, head, rest);
        return;
    }
    if (head_bytes % m->event_bytes != 0 || rest_bytes != 0)
        peer_fail("a pack of %zu bytes came", head_bytes);
    for (size_t at = 0; at < head_bytes; at += m->event_bytes)
        messages_take_event(m, head + at, head + at + s->metadata_bytes);
}

void messages_pull(peer_messages_t *m, peer_end_t *end, uint64_t count) {
    for (uint64_t until = m->number + count; m->number < until;) {
        uint64_t left = (until - m->number + m->settings->pack - 1) / m->settings->pack;
        peer_pull(end, (size_t)left, messages_take, m);
    }
}
