/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines are checked and pushed into a topic. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/in/intake.h"
#include "mpi/ctl/in/lines.h"

/* The most failures of lines that are reported one by one. Further ones are only counted. */
#define REPORTED_MAX 20

/* ---- failures -------------------------------------------------------------------------------- */

static void intake_complain_of_line(intake_t *in, const char *source, uint64_t line,
                                    const char *why) {
    assert(source && why);
    if (in->reported < REPORTED_MAX)
        ctl_complain("%s, line %llu: %s", source, (unsigned long long)line, why);
    else if (in->reported == REPORTED_MAX)
        ctl_complain("%s: further failures are only counted", source);
    in->reported++;
}

static void intake_settled(void *context, feed_tag_t tag, mofka_status_t status) {
    if (status)
        intake_complain_of_line(context, tag.what, tag.number, mofka_last_error());
}

static bool intake_count_malformed(intake_t *in, const char *why) {
    assert(in->line > 0);
    in->malformed++;
    intake_complain_of_line(in, in->source, in->line, why);
    return !in->options.strict;
}

/* With `strict` the first failure ends the intake, so failures are looked for after each line. */
static bool intake_may_continue(intake_t *in) {
    if (!in->options.strict)
        return true;
    feed_settle(&in->feed);
    return in->feed.failed == 0;
}

/* ---- one line -------------------------------------------------------------------------------- */

static bool intake_is_blank(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!text[i] || !strchr(" \t\r\n", text[i]))
            return false;
    return true;
}

/* Store the events so far before a pause, not after it. */
static void intake_keep_rate(intake_t *in) {
    assert(in->options.rate > 0);
    if (in->due == 0)
        in->start = ctl_now_s();
    double when = in->start + (double)in->due++ / in->options.rate;
    if (when - ctl_now_s() > 1e-2)
        feed_drain(&in->feed);
    if (when - ctl_now_s() > 0)
        interrupt_sleep(when - ctl_now_s());
}

static bool intake_push(intake_t *in, const char *text, size_t bytes) {
    assert(in->source);
    mofka_data_view_t *data = NULL;
    feed_tag_t tag = {(void *)(uintptr_t)in->source, in->line};
    if (in->options.data && data_source_of(in->options.data, text, bytes, &data))
        return intake_count_malformed(in, mofka_last_error());
    if (in->options.rate > 0)
        intake_keep_rate(in);
    bool good = feed_push(&in->feed, text, bytes, data, tag);
    mofka_data_view_release(data);
    if (!good) {
        in->failed = true;
        ctl_complain("%s, line %llu: not pushed", in->source, (unsigned long long)in->line);
        return false;
    }
    return intake_may_continue(in);
}

/* False: end the intake. */
static bool intake_take_line(intake_t *in, const char *text, size_t bytes) {
    assert(in->line > 0);
    if (in->options.json && bytes > 0 && text[bytes - 1] == '\r')
        bytes--; /* white space between lines of JSON */
    if (bytes == 0 || (in->options.json && intake_is_blank(text, bytes)))
        return true;
    if (in->options.json && mfi_json_check("the line", text, bytes))
        return intake_count_malformed(in, mofka_last_error());
    return intake_push(in, text, bytes);
}

/* ---- all lines ------------------------------------------------------------------------------- */

/* Report lines that were read and will not be pushed, because no time is left or the topic takes no
 * more. */
static void intake_complain_of_rest(intake_t *in, lines_t *lines) {
    const char *text;
    size_t bytes;
    unsigned long long left = 0;
    lines_stop(lines);
    while (lines_next(lines, 0, &text, &bytes) != LINE_END)
        left++;
    if (left > 0)
        ctl_complain("%s: %llu lines after line %llu were read, but are not pushed", in->source,
                     left, (unsigned long long)in->line);
    if (lines_rest(lines) > 0)
        ctl_complain("%s: line %llu is not pushed: %zu bytes of it were read, but not its end",
                     in->source, (unsigned long long)in->line + left + 1, lines_rest(lines));
}

/* False: end the intake. */
static bool intake_take_next(intake_t *in, lines_t *lines, int *wait_ms, bool *ended) {
    const char *text;
    size_t bytes;
    line_kind_t kind = lines_next(lines, *wait_ms, &text, &bytes);
    *wait_ms = kind == LINE_NONE ? SLICE_MS : 0;
    *ended = kind == LINE_END;
    in->line += kind == LINE_TEXT || kind == LINE_TOO_LONG;
    switch (kind) {
    case LINE_TEXT:
        return intake_take_line(in, text, bytes);
    case LINE_TOO_LONG:
        return intake_count_malformed(in, "longer than the largest metadata, 1 GiB");
    case LINE_NONE:
        return feed_drain(&in->feed);
    case LINE_ERROR:
        in->failed = true;
        *ended = true;
        ctl_complain("reading '%s': %s", in->source, strerror(errno));
        return !in->options.strict;
    case LINE_END:
        break;
    }
    return true;
}

bool intake_take(intake_t *in, int fd) {
    assert(in->source && in->topic);
    lines_t lines;
    bool good = true, ended = false;
    int wait_ms = 0;
    lines_open(&lines, fd, MOFKA_METADATA_BYTES_MAX);
    while (good && !ended && interrupt_age_s() <= LAST_FLUSH_S) {
        if (interrupt_came())
            lines_stop(&lines);
        good = intake_take_next(in, &lines, &wait_ms, &ended);
    }
    if (interrupt_came() || in->feed.stuck)
        intake_complain_of_rest(in, &lines);
    lines_close(&lines);
    return good && !interrupt_came();
}

/* ---- beginning and end ----------------------------------------------------------------------- */

bool intake_open(intake_t *in, mofka_topic_t *topic, const intake_options_t *options) {
    assert(options->timeout_s >= 0 && options->rate >= 0);
    *in = (intake_t){.options = *options};
    mofka_status_t status =
        feed_open(&in->feed, topic, options->batch_size, options->timeout_s, intake_settled, in);
    if (status) {
        ctl_complain_of(status, "creating a producer");
        return false;
    }
    in->topic = mofka_topic_retain(topic);
    return true;
}

void intake_from(intake_t *in, const char *source) {
    assert(source);
    in->source = source;
    in->line = 0;
}

bool intake_close(intake_t *in, const char *what) {
    assert(in->topic && what);
    bool whole = feed_close(&in->feed);
    fprintf(stderr, "mofkactl %s: %llu events stored in '%s', %llu not, %llu malformed lines%s\n",
            what, (unsigned long long)in->feed.stored, mofka_topic_name(in->topic),
            (unsigned long long)(in->feed.pushed - in->feed.stored),
            (unsigned long long)in->malformed, interrupt_came() ? "; interrupted" : "");
    mofka_topic_release(in->topic);
    return whole && !in->failed && in->feed.failed == 0 && in->malformed == 0;
}
