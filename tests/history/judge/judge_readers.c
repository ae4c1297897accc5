/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Follows each reader through its sessions. In each partition it has a place: the id that must come
 * next. A session begins at the first id that is not acknowledged. A new name may begin anywhere,
 * unless it joined before the first push. Where operations failed, acknowledgements may not have
 * arrived: a session may begin before that id.
 */
#include <string.h>
#include <mofka/status.h>
#include "history/judge/judge.h"

#define ANYWHERE UINT64_MAX

/* A reader's place in one partition. */
typedef struct place {
    uint64_t next;         /* of this session; or ANYWHERE */
    uint64_t acknowledged; /* where the next session begins; or ANYWHERE */
    bool may_repeat;       /* or before that */
    /* With automatic acknowledgement: the events of this session, and whether they are released. */
    uint64_t first, count, room, prefix;
    struct {
        uint64_t id;
        bool released;
    } * held;
} judge_place_t;

typedef struct reader {
    judge_t *j;
    size_t index;
    bool ended, automatic, joined, waited;
    bool known;        /* a session has joined */
    uint64_t lost;     /* what the events of this session report */
    uint64_t unplaced; /* what mofka_consumer_lost reported beside that, at the end */
    judge_place_t places[HISTORY_PARTITIONS_MAX];
} judge_reader_t;

/* A join that failed. If it was the first, the name is not there while others push. */
static void judge_no_join(judge_reader_t *reader) {
    for (size_t p = 0; p < HISTORY_PARTITIONS_MAX && !reader->known; p++)
        reader->places[p].next = reader->places[p].acknowledged = ANYWHERE;
}

static void judge_join(judge_reader_t *reader, const history_record_t *r) {
    if (r->status != MOFKA_OK) {
        judge_no_join(reader);
        return;
    }
    reader->known = true;
    reader->ended = false;
    reader->joined = true;
    reader->waited = false;
    reader->automatic = r->value == 1;
    reader->lost = 0;
    for (size_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        judge_place_t *place = &reader->places[p];
        place->next = place->acknowledged;
        place->may_repeat = reader->j->history->facts.readers[reader->index].faulty;
        place->count = place->prefix = 0;
    }
}

/* Whether a delivery can be looked at further: its event was pushed. */
static bool judge_content(const judge_reader_t *reader, const history_record_t *r) {
    judge_t *j = reader->j;
    if (r->status != MOFKA_OK) {
        judge_report(j, JUDGE_CORRUPT, "reader %d, session %u: partition %u, id %llu: %s", r->actor,
                     r->session, r->partition, (unsigned long long)r->id, r->call);
        return false;
    }
    if (r->source >= j->history->facts.source_count || r->number >= j->event_count[r->source] ||
        j->events[r->source][r->number].fate == JUDGE_NEVER) {
        judge_report(j, JUDGE_PHANTOM,
                     "reader %d, session %u: partition %u, id %llu: event %u of source %u is not "
                     "stored",
                     r->actor, r->session, r->partition, (unsigned long long)r->id, r->number,
                     r->source);
        return false;
    }
    return true;
}

static void judge_sequence(const judge_reader_t *reader, judge_place_t *place,
                           const history_record_t *r) {
    judge_t *j = reader->j;
    if (place->may_repeat && r->id < place->next)
        place->next = r->id - (r->value < r->id ? r->value : r->id);
    place->may_repeat = false;
    unsigned long long id = r->id, next = place->next, lost = r->value;
    if (lost > 0 && !j->history->facts.discards)
        judge_report(j, JUDGE_DROPPED,
                     "reader %d, session %u: partition %u, id %llu: %llu lost before it", r->actor,
                     r->session, r->partition, id, lost);
    if (place->next != ANYWHERE && id < next + lost)
        judge_report(j, JUDGE_DOUBLED,
                     "reader %d, session %u: partition %u, id %llu: %llu and later ones are to "
                     "come, %llu lost",
                     r->actor, r->session, r->partition, id, next, lost);
    if (place->next != ANYWHERE && id > next + lost)
        judge_report(j, JUDGE_LOST,
                     "reader %d, session %u: partition %u, ids %llu to %llu, %llu reported",
                     r->actor, r->session, r->partition, next, id - 1, lost);
    if (place->acknowledged == ANYWHERE)
        place->acknowledged = r->id - (r->value < r->id ? r->value : r->id);
    place->next = r->id + 1;
}

static void judge_hold(judge_place_t *place, uint64_t id) {
    if (place->count == place->room) {
        place->room = place->room ? 2 * place->room : 64;
        place->held = realloc(place->held, place->room * sizeof *place->held);
        if (!place->held)
            abort();
    }
    place->held[place->count].id = id;
    place->held[place->count++].released = false;
}

static void judge_deliver(judge_reader_t *reader, const history_record_t *r) {
    judge_t *j = reader->j;
    j->summary->delivered++;
    j->summary->lost += r->value;
    reader->lost += r->value;
    if (r->partition >= j->history->facts.partition_count ||
        !(j->history->facts.readers[reader->index].targets >> r->partition & 1)) {
        judge_report(j, JUDGE_PHANTOM, "reader %d, session %u: partition %u is not its own",
                     r->actor, r->session, r->partition);
        return;
    }
    if (reader->ended || !reader->joined)
        judge_report(j, JUDGE_AFTER_END, "reader %d, session %u: partition %u, id %llu", r->actor,
                     r->session, r->partition, (unsigned long long)r->id);
    if (judge_content(reader, r))
        judge_place(j, r->partition, r->id, r->source, r->number);
    judge_place_t *place = &reader->places[r->partition];
    judge_sequence(reader, place, r);
    if (reader->automatic)
        judge_hold(place, r->id);
}

static void judge_acknowledge(judge_reader_t *reader, const history_record_t *r) {
    judge_place_t *place = &reader->places[r->partition];
    if (r->status == MOFKA_OK && (place->acknowledged == ANYWHERE || place->acknowledged <= r->id))
        place->acknowledged = r->id + 1;
}

/* An event is released: all that are released without a gap are acknowledged. */
static void judge_release(judge_reader_t *reader, const history_record_t *r) {
    judge_place_t *place = &reader->places[r->partition];
    for (uint64_t i = place->prefix; i < place->count; i++)
        if (place->held[i].id == r->id)
            place->held[i].released = true;
    for (; place->prefix < place->count && place->held[place->prefix].released; place->prefix++)
        place->acknowledged = place->held[place->prefix].id + 1;
}

static void judge_leave(judge_reader_t *reader, const history_record_t *r) {
    judge_t *j = reader->j;
    const history_facts_t *facts = &j->history->facts;
    reader->joined = false;
    bool unused = facts->ends_early || facts->fails; /* events may be discarded for nothing */
    reader->unplaced = facts->discards && unused ? r->value - reader->lost : 0;
    if (r->value < reader->lost || (reader->ended && r->value != reader->lost + reader->unplaced))
        judge_report(j, JUDGE_MISCOUNTED,
                     "reader %d, session %u: its events report %llu lost, mofka_consumer_lost %llu",
                     r->actor, r->session, (unsigned long long)reader->lost,
                     (unsigned long long)r->value);
    for (size_t p = 0; p < HISTORY_PARTITIONS_MAX && r->number == 1; p++)
        reader->places[p].acknowledged = ANYWHERE;
}

static void judge_reader_record(judge_reader_t *reader, const history_record_t *r) {
    switch (r->kind) {
    case HISTORY_JOIN:
        judge_join(reader, r);
        break;
    case HISTORY_DELIVER:
        judge_deliver(reader, r);
        break;
    case HISTORY_ACKNOWLEDGE:
        judge_acknowledge(reader, r);
        break;
    case HISTORY_RELEASE:
        judge_release(reader, r);
        break;
    case HISTORY_END:
        reader->ended = true;
        break;
    case HISTORY_WAIT:
        reader->waited = true;
        break;
    case HISTORY_LEAVE:
        judge_leave(reader, r);
        break;
    default:
        break;
    }
}

/* A reader that was given the end has had all that is stored, unless it began behind that. */
static void judge_ended(const judge_reader_t *reader) {
    judge_t *j = reader->j;
    uint64_t unplaced = reader->unplaced;
    for (size_t p = 0; p < j->history->facts.partition_count && reader->ended; p++) {
        uint64_t next = reader->places[p].next;
        if (!(j->history->facts.readers[reader->index].targets >> p & 1) || next == ANYWHERE)
            continue;
        j->sure[p] |= reader->unplaced == 0;
        uint64_t missing = next < j->ends[p] ? j->ends[p] - next : 0;
        if (missing <= unplaced)
            unplaced -= missing;
        else
            judge_report(
                j, JUDGE_LOST, "reader %zu: partition %zu: it ended before id %llu of %llu",
                reader->index, p, (unsigned long long)next, (unsigned long long)j->ends[p]);
    }
}

/* A reader on whose ranks nothing failed waits for an event only if nobody knows that it is stored:
 * in front of a hole, or at the end. */
static void judge_waited(const judge_reader_t *reader) {
    judge_t *j = reader->j;
    const history_facts_t *facts = &j->history->facts;
    bool checks = reader->waited && !facts->readers[reader->index].faulty;
    uint64_t unplaced = reader->unplaced;
    for (size_t p = 0; p < facts->partition_count && checks; p++) {
        uint64_t next = reader->places[p].next;
        if (!(facts->readers[reader->index].targets >> p & 1) || next >= j->ends[p])
            continue;
        uint64_t missing = j->ends[p] - next;
        if (missing <= unplaced)
            unplaced -= missing;
        else if (j->cells[p][next].known)
            judge_report(j, JUDGE_LOST, "reader %zu waited in partition %zu for id %llu",
                         reader->index, p, (unsigned long long)next);
    }
}

/* All its records; then those of the next reader begin. */
static void judge_reader(judge_t *j, judge_reader_t *reader) {
    for (size_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        reader->places[p].next = reader->places[p].acknowledged =
            j->history->facts.readers[reader->index].early ? 0 : ANYWHERE;
    for (size_t i = 0; i < j->history->count; i++) {
        const history_record_t *r = &j->history->records[i];
        if (!history_is_of_source(r) && r->actor == (int32_t)reader->index)
            judge_reader_record(reader, r);
    }
}

void judge_readers(judge_t *j) {
    static judge_reader_t readers[HISTORY_READERS_MAX];
    memset(readers, 0, sizeof readers);
    for (size_t i = 0; i < j->history->facts.reader_count; i++) {
        readers[i].j = j;
        readers[i].index = i;
        judge_reader(j, &readers[i]);
    }
    for (size_t i = 0; i < j->history->facts.reader_count; i++) {
        judge_ended(&readers[i]);
        judge_waited(&readers[i]);
        for (size_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
            free(readers[i].places[p].held);
    }
}
