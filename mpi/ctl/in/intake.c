/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines into a topic. */
#include <errno.h>
#include <string.h>
#include "mpi/ctl/in/intake.h"
#include "mpi/ctl/in/lines.h"

/* Failures told one by one; the rest is counted. */
#define TOLD_MAX 20

/* ---- failures ---------------------------------------------------------------------------------- */

static void tell_line(intake_t *in, const char *source, uint64_t line, const char *why) {
    if (in->told < TOLD_MAX)
        complain("%s, line %llu: %s", source, (unsigned long long)line, why);
    else if (in->told == TOLD_MAX)
        complain("%s: further lines are only counted", source);
    in->told++;
}

static void settled(void *context, feed_tag_t tag, mofka_status_t status) {
    if (status)
        tell_line(context, tag.what, tag.number, mofka_last_error());
}

static bool malformed(intake_t *in, const char *why) {
    in->malformed++;
    tell_line(in, in->source, in->line, why);
    return !in->options.strict;
}

/* With `strict` the first failure stops, so it is looked for at once. */
static bool look_at_failures(intake_t *in) {
    if (!in->options.strict)
        return true;
    feed_settle(&in->feed);
    return in->feed.failed == 0;
}

/* ---- one line ---------------------------------------------------------------------------------- */

static bool is_blank(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!text[i] || !strchr(" \t\r\n", text[i]))
            return false;
    return true;
}

/* Events leave before a pause, not after it. */
static void keep_rate(intake_t *in) {
    if (in->due == 0)
        in->start = now_s();
    double when = in->start + (double)in->due++ / in->options.rate;
    if (when - now_s() > 1e-2)
        feed_drain(&in->feed);
    if (when - now_s() > 0)
        job_sleep(when - now_s());
}

static bool push(intake_t *in, const char *text, size_t bytes) {
    mofka_data_view_t *data = NULL;
    feed_tag_t tag = {(void *)(uintptr_t)in->source, in->line};
    if (in->options.data && data_source_of(in->options.data, text, bytes, &data))
        return malformed(in, mofka_last_error());
    if (in->options.rate > 0)
        keep_rate(in);
    bool good = feed_push(&in->feed, text, bytes, data, tag);
    mofka_data_view_release(data);
    if (!good) {
        in->failed = true;
        return complain("%s, line %llu: not pushed", in->source, (unsigned long long)in->line);
    }
    return look_at_failures(in);
}

/* False: stop. */
static bool take_line(intake_t *in, const char *text, size_t bytes) {
    if (bytes == 0 || (in->options.json && is_blank(text, bytes)))
        return true;
    if (in->options.json && mfi_json_check("it", text, bytes))
        return malformed(in, mofka_last_error());
    return push(in, text, bytes);
}

/* ---- all lines --------------------------------------------------------------------------------- */

/* What was read and will not be pushed: no time is left, or the topic takes no more. */
static void tell_left(intake_t *in, lines_t *lines) {
    const char *text;
    size_t bytes;
    unsigned long long left = 0;
    lines_stop(lines);
    while (lines_next(lines, 0, &text, &bytes) != LINE_END)
        left++;
    if (left > 0)
        complain("%s: %llu lines behind line %llu were read, and are not pushed", in->source, left,
                 (unsigned long long)in->line);
    if (lines_rest(lines) > 0)
        complain("%s: of line %llu, %zu bytes were read and not its end; it is not pushed",
                 in->source, (unsigned long long)in->line + left + 1, lines_rest(lines));
}

/* False: stop. */
static bool take_next(intake_t *in, lines_t *lines, int *wait_ms, bool *ended) {
    const char *text;
    size_t bytes;
    line_kind_t kind = lines_next(lines, *wait_ms, &text, &bytes);
    *wait_ms = kind == LINE_NONE ? SLICE_MS : 0;
    *ended = kind == LINE_END;
    in->line += kind == LINE_TEXT || kind == LINE_TOO_LONG;
    switch (kind) {
    case LINE_TEXT:
        return take_line(in, text, bytes);
    case LINE_TOO_LONG:
        return malformed(in, "longer than metadata can be, 1 GiB");
    case LINE_NONE:
        return feed_drain(&in->feed);
    case LINE_ERROR:
        in->failed = true;
        *ended = true;
        return complain("reading '%s': %s", in->source, strerror(errno)) || !in->options.strict;
    case LINE_END:
        break;
    }
    return true;
}

bool intake_take(intake_t *in, int fd) {
    lines_t lines;
    bool good = true, ended = false;
    int wait_ms = 0;
    lines_open(&lines, fd, MOFKA_METADATA_BYTES_MAX);
    while (good && !ended && job_interrupted_for() <= LAST_FLUSH_S) {
        if (job_interrupted())
            lines_stop(&lines);
        good = take_next(in, &lines, &wait_ms, &ended);
    }
    if (job_interrupted() || in->feed.stuck)
        tell_left(in, &lines);
    lines_close(&lines);
    return good && !job_interrupted();
}

/* ---- beginning and end -------------------------------------------------------------------------- */

bool intake_open(intake_t *in, mofka_topic_t *topic, const intake_options_t *options) {
    *in = (intake_t){.options = *options};
    mofka_status_t status =
        feed_open(&in->feed, topic, options->batch_size, options->timeout_s, settled, in);
    if (status)
        return complain_of(status, "making a producer");
    in->topic = mofka_topic_retain(topic);
    return true;
}

void intake_from(intake_t *in, const char *source) {
    in->source = source;
    in->line = 0;
}

bool intake_close(intake_t *in, const char *what) {
    bool whole = feed_close(&in->feed);
    fprintf(stderr, "mofkactl %s: %llu events stored in '%s', %llu not, %llu malformed lines%s\n",
            what, (unsigned long long)in->feed.stored, mofka_topic_name(in->topic),
            (unsigned long long)(in->feed.pushed - in->feed.stored),
            (unsigned long long)in->malformed, job_interrupted() ? "; interrupted" : "");
    mofka_topic_release(in->topic);
    return whole && !in->failed && in->feed.failed == 0 && in->malformed == 0;
}
