/* mofkactl produce: lines of JSON become events. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "data_source.h"
#include "feed.h"
#include "lines.h"

/* Failures told one by one; the rest is counted. */
#define TOLD_MAX 20

static topic_groups_t groups;
static const char *topic_name, *data_from, *key;
static bool create, strict;
static double timeout_s = TIMEOUT_S_DEFAULT, rate;
static uint64_t batch_size;
static char **files;
static int file_count;

typedef struct produce {
    feed_t feed;
    data_source_t data;
    const char *file;   /* that is read */
    uint64_t malformed; /* lines */
    uint64_t told;
    double start;
    uint64_t due; /* events, for --rate */
} produce_t;

/* ---- failures ---------------------------------------------------------------------------------- */

static void tell_line(produce_t *p, const char *file, uint64_t line, const char *why) {
    if (p->told++ < TOLD_MAX)
        complain("%s, line %llu: %s", file, (unsigned long long)line, why);
    else if (p->told == TOLD_MAX + 1)
        complain("further lines are only counted");
}

static void settled(void *context, feed_tag_t tag, mofka_status_t status) {
    if (status)
        tell_line(context, tag.what, tag.number, mofka_last_error());
}

static bool malformed(produce_t *p, uint64_t line, const char *why) {
    p->malformed++;
    tell_line(p, p->file, line, why);
    return !strict;
}

/* ---- one line ---------------------------------------------------------------------------------- */

/* With --strict the first failure stops, so it is looked for at once. */
static bool look_at_failures(produce_t *p) {
    if (strict)
        feed_settle(&p->feed);
    return !strict || p->feed.failed == 0;
}

static bool push_json(produce_t *p, const cJSON *json, const char *text, size_t bytes,
                      uint64_t line) {
    char why[256];
    mofka_data_view_t *data;
    if (!data_source_of(&p->data, json, text, bytes, &data, why, sizeof why))
        return malformed(p, line, why);
    feed_tag_t tag = {(void *)(uintptr_t)p->file, line};
    bool good = feed_push(&p->feed, text, bytes, data, tag);
    mofka_data_view_release(data);
    return good && look_at_failures(p);
}

static bool is_blank(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

/* False: stop. */
static bool take_line(produce_t *p, const char *text, size_t bytes, uint64_t line) {
    if (is_blank(text, bytes))
        return true;
    const char *end = text;
    cJSON *json = cJSON_ParseWithLengthOpts(text, bytes, &end, false);
    bool good;
    char why[128];
    if (!json || !is_blank(end, (size_t)(text + bytes - end))) {
        snprintf(why, sizeof why, "no JSON at byte %zu", (size_t)(end - text) + 1);
        good = malformed(p, line, why);
    } else {
        good = push_json(p, json, text, bytes, line);
    }
    cJSON_Delete(json);
    return good;
}

/* ---- all lines --------------------------------------------------------------------------------- */

/* Events leave before a pause, not after it. */
static void keep_rate(produce_t *p) {
    double wait = p->start + (double)p->due++ / rate - now_s();
    if (wait > 1e-2)
        feed_drain(&p->feed);
    wait = p->start + (double)(p->due - 1) / rate - now_s();
    if (wait > 0)
        job_sleep(wait);
}

/* False: stop, with no more files. */
static bool take_lines(produce_t *p, int fd) {
    lines_t lines;
    const char *text;
    size_t bytes;
    bool good = true, ended = false;
    int wait_ms = 0;
    lines_open(&lines, fd, MOFKA_METADATA_BYTES_MAX);
    while (good && !ended && !job_interrupted()) {
        line_kind_t kind = lines_next(&lines, wait_ms, &text, &bytes);
        wait_ms = 0;
        if (kind == LINE_NONE) {
            good = feed_drain(&p->feed);
            wait_ms = SLICE_MS;
        } else if (kind == LINE_TEXT) {
            if (rate > 0)
                keep_rate(p);
            good = take_line(p, text, bytes, lines.number);
        } else if (kind == LINE_TOO_LONG) {
            good = malformed(p, lines.number, "longer than metadata can be, 1 GiB");
        } else {
            ended = true;
            if (kind == LINE_ERROR) {
                complain("reading '%s': %s", p->file, strerror(errno));
                p->malformed++;
            }
        }
    }
    lines_close(&lines);
    return good && !job_interrupted();
}

static bool take_file(produce_t *p, const char *path) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    p->file = is_stdin ? "stdin" : path;
    if (fd < 0) {
        complain("cannot read '%s': %s", path, strerror(errno));
        p->malformed++;
        return !strict;
    }
    bool good = take_lines(p, fd);
    if (!is_stdin)
        close(fd);
    return good;
}

static int take_all(produce_t *p) {
    bool good = true;
    p->start = now_s();
    for (int i = 0; good && i < file_count; i++)
        good = take_file(p, files[i]);
    bool whole = feed_close(&p->feed);
    fprintf(stderr,
            "mofkactl produce: %llu events stored in '%s', %llu not, %llu malformed lines%s\n",
            (unsigned long long)p->feed.stored, topic_name,
            (unsigned long long)(p->feed.pushed - p->feed.stored), (unsigned long long)p->malformed,
            job_interrupted() ? "; interrupted" : "");
    return whole && p->feed.failed == 0 && p->malformed == 0 ? CTL_OK : CTL_FAILED;
}

/* ---- the topic --------------------------------------------------------------------------------- */

/* The selector is the topic's: a topic that was there must have the one that --key means. */
static bool check_key(const mofka_topic_t *topic) {
    cJSON *selector = key ? cJSON_Parse(mofka_topic_selector(topic)) : NULL;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(selector, "type"));
    const char *pointer =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(selector, "pointer"));
    bool good = !key || (type && strcmp(type, "key") == 0 && pointer && strcmp(pointer, key) == 0);
    cJSON_Delete(selector);
    return good ||
           complain("--key %s: topic '%s' has selector %.200s; a topic's selector is chosen "
                    "when it is created",
                    key, topic_name, mofka_topic_selector(topic));
}

static mofka_topic_t *find_topic(mofka_driver_t *driver) {
    mofka_status_t status = create ? create_topic(driver, topic_name, &groups) : MOFKA_OK;
    topic_groups_clear(&groups);
    if (status && status != MOFKA_ERR_EXISTS) {
        complain_of(status, "creating the topic");
        return NULL;
    }
    mofka_topic_t *topic = open_topic(driver, topic_name, timeout_s);
    if (!topic || check_key(topic))
        return topic;
    mofka_topic_release(topic);
    return NULL;
}

static int run(mofka_driver_t *driver) {
    produce_t p = {0};
    if (!data_source_open(&p.data, data_from))
        return CTL_USAGE;
    mofka_topic_t *topic = find_topic(driver);
    int code = CTL_FAILED;
    if (topic) {
        mofka_status_t status =
            feed_open(&p.feed, topic, (size_t)batch_size, timeout_s, settled, &p);
        if (status)
            complain_of(status, "making a producer");
        else
            code = take_all(&p);
    }
    mofka_topic_release(topic);
    data_source_close(&p.data);
    return code;
}

/* ---- options ----------------------------------------------------------------------------------- */

static bool use_key(void) {
    if (key[0] != '/')
        return args_refuse("key", key, "a JSON pointer such as /alpha_3");
    if (groups.selector.json)
        return complain("--key chooses the selector: it does not go with --selector");
    group_set(&groups.selector, "selector", "type", "key");
    cJSON_AddStringToObject(groups.selector.json, "pointer", key);
    return true;
}

static bool check(int count, char **words) {
    static char dash[] = "-", *standard[] = {dash};
    files = count > 0 ? words : standard;
    file_count = count > 0 ? count : 1;
    if (!topic_name)
        return complain("--topic NAME is missing");
    if (data_from && data_from[0] != '/' && strncmp(data_from, "file:", 5) != 0)
        return args_refuse("data-from", data_from,
                           "a JSON pointer such as /field/name, or file:PATH");
    bool chosen = groups.options.json || groups.validator.json || groups.selector.json ||
                  groups.serializer.json;
    if (chosen && !create)
        return complain("options of the topic are for creating it: they need --create");
    if (key && !use_key())
        return false;
    if (count == 0 && job_rank() != 0)
        return complain(
            "this is rank %d, and launchers give stdin to rank 0: name FILEs (or - where "
            "the launcher was told to give stdin to this rank)",
            job_rank());
    return true;
}

static const option_row_t options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "the topic", 0, 0, NULL},
    {"create", OPTION_FLAG, &create, NULL, "create the topic where it does not exist", 0, 0, NULL},
    {"topic", OPTION_KEYS, &groups.options, "VALUE",
     "with --create: one of the topic's options, such as --topic.partitions 4", 0, 0, NULL},
    {"topic-options", OPTION_GROUP, &groups.options, "JSON|FILE",
     "with --create: the topic's options at once", 0, 0, NULL},
    {"validator", OPTION_GROUP, &groups.validator, "JSON|FILE", "with --create", 0, 0, NULL},
    {"selector", OPTION_GROUP, &groups.selector, "JSON|FILE", "with --create", 0, 0, NULL},
    {"serializer", OPTION_GROUP, &groups.serializer, "JSON|FILE", "with --create", 0, 0, NULL},
    {"key", OPTION_TEXT, &key, "POINTER",
     "one value, one partition: the selector {\"type\":\"key\",\"pointer\":POINTER}", 0, 0, NULL},
    {"data-from", OPTION_TEXT, &data_from, "/POINTER|file:PATH",
     "an event's data: a string in its metadata, or the content of a file", 0, 0, NULL},
    {"rate", OPTION_REAL, &rate, "X", "events a second (0: as fast as it goes)", 0, 1e9, NULL},
    {"batch-size", OPTION_COUNT, &batch_size, "N", "events of a batch (0: adaptive)", 0, 1 << 24,
     NULL},
    {"strict", OPTION_FLAG, &strict, NULL, "stop at the first line that fails", 0, 0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "wait so long for the topic to exist, and for room in it (30)", 0, 0, NULL},
};

const command_t produce_command = {
    .name = "produce",
    .arguments = "[FILE...]",
    .summary = "Push each line of the FILEs, a JSON value, as an event's metadata",
    .notes =
        "Without FILE, or where FILE is -, lines come from stdin, which launchers give to rank 0 "
        "only.\nBlank lines are passed over. Malformed lines are told with their number, and "
        "counted; the\nothers go on, unless --strict is given. The string that --data-from "
        "/POINTER names is the\ndata as it is, and stays in the metadata. A summary goes to "
        "stderr. SIGINT and SIGTERM end\nreading; what was read is stored first.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = check,
    .run = run,
};
