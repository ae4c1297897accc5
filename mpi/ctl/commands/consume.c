/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl consume: print events as lines. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/options/json.h"
#include "mpi/ctl/out/drain.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/out/sink.h"

static const char *topic_name, *name, *data = "none", *selection, *from = "beginning";
static bool follow;
static double timeout_s = -1; /* not given */
static uint64_t count_max, batch_size, first_id;
static event_line_style_t style;
static drain_options_t drain_options = {.length = SIZE_MAX};

typedef struct consume_run {
    drain_t drain;
    sink_t sink;
    uint64_t count;
    double last; /* time of the last event */
    bool failed;
} consume_run_t;

/* Write the lines, then acknowledge their events. */
static bool consume_write_out(consume_run_t *c) {
    bool fresh = c->sink.size > 0;
    if (!sink_flush(&c->sink)) {
        if (c->sink.error != EPIPE) {
            ctl_complain("writing: %s", strerror(c->sink.error));
            c->failed = true;
        }
        return false;
    }
    if (fresh && !event_line_sync(&style)) {
        c->failed = true;
        return false;
    }
    drain_acknowledge(&c->drain);
    return true;
}

static bool consume_take(consume_run_t *c, mofka_event_t *event) {
    if (mofka_event_id(event) >= first_id) {
        if (!event_line_write(&c->sink, &style, event)) {
            mofka_event_release(event); /* not acknowledged */
            c->failed = true;
            return false;
        }
        c->count++;
    }
    drain_done(&c->drain, event);
    c->last = ctl_now_s();
    return c->sink.size < SINK_BYTES || consume_write_out(c);
}

/* No event is there: write the lines so far, then wait for an event. */
static bool consume_wait(consume_run_t *c, drain_kind_t *kind, mofka_event_t **event) {
    assert(*kind == DRAIN_NONE);
    if (!consume_write_out(c))
        return false;
    *kind = drain_next(&c->drain, SLICE_MS, event);
    if (*kind != DRAIN_NONE || follow || ctl_now_s() - c->last < timeout_s)
        return true;
    if (timeout_s > 0)
        ctl_complain("no event for %g s (--timeout), and topic '%s' is not complete", timeout_s,
                     topic_name);
    else
        ctl_complain("topic '%s' is not complete: --follow or --timeout waits for more events",
                     topic_name);
    return false;
}

static void consume_take_all(consume_run_t *c) {
    bool going = true;
    c->last = ctl_now_s();
    while (going && !interrupt_came() && (count_max == 0 || c->count < count_max)) {
        mofka_event_t *event;
        drain_kind_t kind = drain_next(&c->drain, 0, &event);
        if (kind == DRAIN_NONE)
            going = consume_wait(c, &kind, &event);
        if (kind == DRAIN_EVENT)
            going = consume_take(c, event);
        else if (kind != DRAIN_NONE)
            going = false;
    }
    if (!c->sink.error)
        consume_write_out(c);
}

/* Fewer events than --count are a failure, unless the user or the reader ended the command. */
static bool consume_is_enough(const consume_run_t *c) {
    if (count_max == 0 || c->count >= count_max || interrupt_came() || c->sink.error == EPIPE)
        return true;
    ctl_complain("%" PRIu64 " of %" PRIu64 " events", c->count, count_max);
    return false;
}

/* The folder of --data file:DIR. False: a message was printed. */
static bool consume_make_directory(void) {
    struct stat found;
    if (!style.directory || mkdir(style.directory, 0777) == 0 ||
        (errno == EEXIST && stat(style.directory, &found) == 0 && S_ISDIR(found.st_mode)))
        return true;
    ctl_complain("--data '%s': cannot make the directory: %s", data, strerror(errno));
    return false;
}

/* Whether partition 0 says that the topic has storage: then readers hold nobody up. */
static bool consume_has_storage(const mofka_topic_t *topic) {
    mofka_metadata_t *info;
    if (mofka_topic_partition_info(topic, 0, &info))
        return false;
    char *storage = ctl_json_member(mofka_metadata_text(info, NULL), "storage");
    bool has = storage && strcmp(storage, "true") == 0;
    free(storage);
    mofka_metadata_release(info);
    return has;
}

/* Who only looks on must not hold retention. Drivers of other types may not know the option. */
static bool consume_observes(const mofka_driver_t *driver, const mofka_topic_t *topic) {
    if (name || args_common.store)
        return !name;
    return strcmp(mofka_driver_type(driver), "mpi") == 0 && !consume_has_storage(topic);
}

static void consume_complain_of_losses(const consume_run_t *c) {
    if (c->drain.options.observe)
        ctl_complain("%" PRIu64 " events were lost: their room was needed before they were read, "
                     "or they were damaged; with --name, retention waits",
                     c->drain.lost);
    else
        ctl_complain("%" PRIu64 " events were lost: retention \"discard_oldest\" discarded them, "
                     "or they were damaged",
                     c->drain.lost);
}

/* Go to --from ID in each partition. One that does not have it begins where it can: earlier events
 * are passed over. False: a message was printed. */
static bool consume_go_to_first(consume_run_t *c) {
    for (size_t i = 0; i < c->drain.partition_count && first_id > 0; i++) {
        mofka_status_t status = mofka_consumer_seek(c->drain.consumer, i, first_id);
        if (!status || status == MOFKA_ERR_RANGE || status == MOFKA_ERR_UNSUPPORTED)
            continue;
        ctl_complain_of(status, "going to --from");
        return false;
    }
    return true;
}

static int consume_run(mofka_driver_t *driver) {
    consume_run_t c = {0};
    if (!consume_make_directory())
        return CTL_FAILED;
    mofka_topic_t *topic = ctl_job_open_topic(driver, topic_name, timeout_s);
    if (!topic)
        return ctl_job_code_without_topic();
    drain_options.observe = consume_observes(driver, topic);
    bool good = drain_open(&c.drain, topic, &drain_options);
    if (good) {
        sink_open(&c.sink, STDOUT_FILENO);
        if (consume_go_to_first(&c))
            consume_take_all(&c);
        else
            c.failed = true;
        good = consume_is_enough(&c) && !c.failed && c.drain.failed == 0;
        if (c.drain.lost > 0) {
            consume_complain_of_losses(&c);
            good = false;
        }
        good &= drain_close(&c.drain);
        sink_close(&c.sink);
    }
    mofka_topic_release(topic);
    return good ? CTL_OK : CTL_FAILED;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool consume_read_number(const char *text, const char **end, uint64_t *value) {
    errno = 0;
    char *stop;
    *value = strtoull(text, &stop, 10);
    *end = stop;
    return *text >= '0' && *text <= '9' && !errno;
}

static bool consume_read_from(void) {
    const char *end;
    if (strcmp(from, "beginning") == 0)
        return true;
    if (strcmp(from, "end") == 0) {
        drain_options.start = MOFKA_START_END;
        return true;
    }
    bool good = consume_read_number(from, &end, &first_id) && !*end;
    if (!good)
        args_complain_of_value("from", from,
                               "beginning, end, or the id to begin with in each partition");
    return good;
}

static bool consume_read_selection(void) {
    assert(selection);
    uint64_t offset, length;
    const char *end;
    bool good = consume_read_number(selection, &end, &offset) && *end == ':';
    if (good && end[1])
        good = consume_read_number(end + 1, &end, &length) && !*end;
    else
        length = SIZE_MAX;
    drain_options.offset = (size_t)offset;
    drain_options.length = (size_t)length;
    if (!good)
        args_complain_of_value("select", selection,
                               "OFFSET:LENGTH in bytes, or OFFSET: to the end");
    return good;
}

static bool consume_read_data(void) {
    if (strcmp(data, "none") == 0) {
        if (selection)
            ctl_complain("--select '%s' selects data: it needs --data base64 or file:DIR",
                         selection);
        return !selection;
    }
    drain_options.data = true;
    if (strcmp(data, "base64") == 0) {
        style.base64 = style.envelope = true;
        return true;
    }
    if (strncmp(data, "file:", 5) != 0 || !data[5]) {
        args_complain_of_value("data", data, "none, base64 or file:DIR");
        return false;
    }
    style.directory = data + 5;
    return true;
}

static bool consume_check(int count, char **words) {
    assert(count == 0);
    (void)count, (void)words;
    if (!topic_name) {
        ctl_complain("--topic NAME is missing");
        return false;
    }
    if (!consume_read_data())
        return false;
    if (style.raw && style.envelope) {
        ctl_complain("--raw cannot be combined with --envelope, which is JSON");
        return false;
    }
    timeout_s = args_timeout_s(timeout_s);
    drain_options.name = name;
    drain_options.batch_size = (size_t)batch_size;
    return consume_read_from() && (!selection || consume_read_selection());
}

static const option_row_t options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "the topic", 0, 0, NULL},
    {"count", OPTION_COUNT, &count_max, "N", "end after N events (0 means no limit)", 0, 0, NULL},
    {"follow", OPTION_FLAG, &follow, NULL, "wait for further events until the topic is complete", 0,
     0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for the topic and, without --follow, for an event (30; 0 for a store)", 0, 0,
     NULL},
    {"from", OPTION_TEXT, &from, "beginning|end|ID",
     "start at the oldest event, at new events only, or at event ID of each partition (beginning)",
     0, 0, NULL},
    {"envelope", OPTION_FLAG, &style.envelope, NULL,
     "print {\"id\":,\"partition\":,\"metadata_size\":,\"data_size\":,\"metadata\":} for each "
     "event",
     0, 0, NULL},
    {"raw", OPTION_FLAG, &style.raw, NULL,
     "write control characters as they are; a terminal obeys them", 0, 0, NULL},
    {"data", OPTION_TEXT, &data, "none|base64|file:DIR",
     "drop the data, put it into the envelope, or write files DIR/PARTITION-ID (none)", 0, 0, NULL},
    {"select", OPTION_TEXT, &selection, "OFFSET:LENGTH",
     "fetch only these bytes of the data, as far as they exist; without LENGTH, to the end", 0, 0,
     NULL},
    {"name", OPTION_TEXT, &name, "NAME",
     "the consumer's name, which keeps its place, and for which retention waits (none: observe)", 0,
     0, NULL},
    {"batch-size", OPTION_COUNT, &batch_size, "N", "fetch N events at a time (0 means adaptive)", 0,
     1 << 24, NULL},
    {"skip-damaged", OPTION_FLAG, &drain_options.skip_damaged, NULL,
     "go on behind events that are damaged; they count as lost", 0, 0, NULL},
};

const ctl_command_t consume_command = {
    .name = "consume",
    .summary = "Print events, one a line: the metadata as it was pushed",
    .notes =
        "The command ends when the topic is complete, after --count events, on SIGINT or SIGTERM, "
        "and\nwhen the reader of its output leaves. Without --follow it also ends when no event "
        "has come for\n--timeout seconds. Fewer events than --count are a failure, unless the "
        "command was interrupted.\nA control character in the metadata becomes a space, or an "
        "escape "
        "in a string: the same JSON on one\nline. In metadata that is not JSON it becomes \\xHH; "
        "in "
        "an envelope such metadata is a string.\nWith --raw, only newlines are changed. Events are "
        "acknowledged after they are written.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = consume_check,
    .run = consume_run,
};
