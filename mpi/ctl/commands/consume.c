/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl consume: events become lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/ctl/out/drain.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/out/sink.h"

static const char *topic_name, *name, *data = "none", *selection, *from = "beginning";
static bool follow;
static double timeout_s = TIMEOUT_S_DEFAULT;
static uint64_t count_max, batch_size, first_id;
static line_style_t style;
static drain_options_t drain_options = {.length = SIZE_MAX};

typedef struct consume {
    drain_t drain;
    sink_t sink;
    uint64_t count;
    double last; /* when there was an event */
    bool failed;
} consume_t;

/* Written first, then acknowledged. */
static bool write_out(consume_t *c) {
    if (!sink_flush(&c->sink)) {
        if (c->sink.error != EPIPE)
            c->failed |= !complain("writing: %s", strerror(c->sink.error));
        return false;
    }
    drain_acknowledge(&c->drain);
    return true;
}

static bool take(consume_t *c, mofka_event_t *event) {
    bool good = true;
    if (mofka_event_id(event) >= first_id) {
        good = line_event(&c->sink, &style, event);
        c->failed |= !good;
        c->count++;
    }
    drain_done(&c->drain, event);
    c->last = now_s();
    return good && (c->sink.size < SINK_BYTES || write_out(c));
}

/* Nothing is there: what there was is shown, then this waits. */
static bool wait_for_more(consume_t *c, drain_kind_t *kind, mofka_event_t **event) {
    if (!write_out(c))
        return false;
    *kind = drain_next(&c->drain, SLICE_MS, event);
    if (*kind != DRAIN_NONE || follow || now_s() - c->last < timeout_s)
        return true;
    complain("no event for %g s (--timeout), and topic '%s' is not complete", timeout_s,
             topic_name);
    return false;
}

static void take_all(consume_t *c) {
    bool going = true;
    c->last = now_s();
    while (going && !job_interrupted() && (count_max == 0 || c->count < count_max)) {
        mofka_event_t *event;
        drain_kind_t kind = drain_next(&c->drain, 0, &event);
        if (kind == DRAIN_NONE)
            going = wait_for_more(c, &kind, &event);
        if (kind == DRAIN_EVENT)
            going = take(c, event);
        else if (kind != DRAIN_NONE)
            going = false;
    }
    if (!c->sink.error)
        write_out(c);
}

/* Fewer than --count: only who stopped on purpose is content. */
static bool is_enough(const consume_t *c) {
    if (count_max == 0 || c->count >= count_max || job_interrupted() || c->sink.error == EPIPE)
        return true;
    return complain("%" PRIu64 " of %" PRIu64 " events", c->count, count_max);
}

static int run(mofka_driver_t *driver) {
    consume_t c = {0};
    mofka_topic_t *topic = open_topic(driver, topic_name, timeout_s);
    if (!topic)
        return job_interrupted() ? CTL_OK : CTL_FAILED;
    bool good = drain_open(&c.drain, topic, &drain_options);
    if (good) {
        sink_open(&c.sink, STDOUT_FILENO);
        take_all(&c);
        good = is_enough(&c) && !c.failed && c.drain.failed == 0;
        if (c.drain.lost > 0)
            good = complain("%" PRIu64 " events were lost to retention \"discard_oldest\"",
                            c.drain.lost);
        good &= drain_close(&c.drain);
        sink_close(&c.sink);
    }
    mofka_topic_release(topic);
    return good ? CTL_OK : CTL_FAILED;
}

/* ---- options ----------------------------------------------------------------------------------- */

static bool read_whole(const char *text, const char **end, uint64_t *value) {
    errno = 0;
    char *stop;
    *value = strtoull(text, &stop, 10);
    *end = stop;
    return *text >= '0' && *text <= '9' && !errno;
}

static bool read_from(void) {
    const char *end;
    if (strcmp(from, "beginning") == 0)
        return true;
    if (strcmp(from, "end") == 0) {
        drain_options.start = MOFKA_START_END;
        return true;
    }
    return (read_whole(from, &end, &first_id) && !*end) ||
           args_refuse("from", from, "beginning, end, or the id to begin with in each partition");
}

static bool read_selection(void) {
    uint64_t offset, length;
    const char *end;
    bool good = read_whole(selection, &end, &offset) && *end == ':';
    if (good && end[1])
        good = read_whole(end + 1, &end, &length) && !*end;
    else
        length = SIZE_MAX;
    drain_options.offset = (size_t)offset;
    drain_options.length = (size_t)length;
    return good ||
           args_refuse("select", selection, "OFFSET:LENGTH in bytes, or OFFSET: to the end");
}

static bool read_data(void) {
    if (strcmp(data, "none") == 0)
        return !selection ||
               complain("--select '%s' is of data: it needs --data base64 or file:DIR", selection);
    drain_options.data = true;
    if (strcmp(data, "base64") == 0) {
        style.base64 = style.envelope = true;
        return true;
    }
    if (strncmp(data, "file:", 5) != 0 || !data[5])
        return args_refuse("data", data, "none, base64 or file:DIR");
    style.directory = data + 5;
    struct stat found;
    if (mkdir(style.directory, 0777) == 0 ||
        (errno == EEXIST && stat(style.directory, &found) == 0 && S_ISDIR(found.st_mode)))
        return true;
    return complain("--data '%s': cannot make the directory: %s", data, strerror(errno));
}

static bool check(int count, char **words) {
    (void)count, (void)words;
    if (!topic_name)
        return complain("--topic NAME is missing");
    drain_options.name = name;
    drain_options.batch_size = (size_t)batch_size;
    return read_from() && read_data() && (!selection || read_selection());
}

static const option_row_t options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "the topic", 0, 0, NULL},
    {"count", OPTION_COUNT, &count_max, "N", "end after so many events (0: no limit)", 0, 0, NULL},
    {"follow", OPTION_FLAG, &follow, NULL,
     "wait for more events as long as the topic is not complete", 0, 0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "wait so long for the topic to exist, and without --follow for an event (30)", 0, 0, NULL},
    {"from", OPTION_TEXT, &from, "beginning|end|ID",
     "the oldest event, what comes from now on, or ids from ID in each partition (beginning)", 0, 0,
     NULL},
    {"envelope", OPTION_FLAG, &style.envelope, NULL,
     "{\"id\":,\"partition\":,\"metadata_size\":,\"data_size\":,\"metadata\":} for each event", 0,
     0, NULL},
    {"data", OPTION_TEXT, &data, "none|base64|file:DIR",
     "nothing, \"data\" of the envelope, or files DIR/PARTITION-ID (none)", 0, 0, NULL},
    {"select", OPTION_TEXT, &selection, "OFFSET:LENGTH",
     "which bytes of the data, as far as there are; without LENGTH, to the end", 0, 0, NULL},
    {"name", OPTION_TEXT, &name, "NAME",
     "the consumer's name, which keeps its place (one of the rank's own, forgotten at the end)", 0,
     0, NULL},
    {"batch-size", OPTION_COUNT, &batch_size, "N", "events fetched at a time (0: adaptive)", 0,
     1 << 24, NULL},
};

const command_t consume_command = {
    .name = "consume",
    .summary = "Print events, one a line: the metadata as it was pushed",
    .notes = "It ends when the topic is complete, after --count events, on SIGINT or SIGTERM, when "
             "nobody\nreads its output any more, and, without --follow, when no event came for "
             "--timeout seconds.\nFewer events than --count are a failure, unless it was "
             "interrupted. A newline inside metadata\nbecomes a space (in a string: \\n): the same "
             "JSON on one line. Metadata that is no JSON is\nshown as it is, and as a string in an "
             "envelope. Events are acknowledged once written.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = check,
    .run = run,
};
