/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The statistics of the job's topics as text for Prometheus.
 *
 * All samples of a metric must be together, and the JSON has them by partition. So the JSON is read
 * once, and each metric of the table below collects its lines in memory.
 */
#include "stats/prometheus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/utf8.h"
#include "json/text.h"

/* The object whose members a metric shows. */
typedef enum metric_scope {
    OF_JOB,
    OF_RANK,
    OF_TOPIC,
    OF_PARTITION,
    OF_CONSUMER,
    OF_WAIT
} metric_scope_t;

typedef struct metric {
    metric_scope_t scope;
    const char *key; /* of the JSON */
    const char *name;
    mfi_metric_type_t type;
    unsigned decimals; /* the JSON has multiples of 10^-decimals */
    const char *help;
} metric_t;

#define PARTITION(key, name, type, help)                                                           \
    { OF_PARTITION, key, "mofka_partition_" name, MFI_METRIC_##type, 0, help }
#define CONSUMER(key, name, type, help)                                                            \
    { OF_CONSUMER, key, "mofka_partition_consumer_" name, MFI_METRIC_##type, 0, help }

static const metric_t metrics[] = {
    {OF_JOB, "time_us", "mofka_statistics_timestamp_seconds", MFI_METRIC_GAUGE, 6,
     "When the topics were read, in seconds since 1970."},
    {OF_JOB, "size", "mofka_job_ranks", MFI_METRIC_GAUGE, 0, "Ranks of the job."},
    {OF_RANK, "ms", "mofka_rank_unavailable_seconds", MFI_METRIC_GAUGE, 3,
     "How long a rank is known to be dead, or has not answered."},
    {OF_TOPIC, "retention", "mofka_topic", MFI_METRIC_INFO, 0, "A topic and its retention."},
    PARTITION("tail_events", "appended_events", COUNTER, "Events appended to the partition."),
    PARTITION("tail_bytes", "appended_bytes", COUNTER, "Bytes of the ring appended."),
    PARTITION("head_events", "dropped_events", COUNTER, "Appended events no longer retained."),
    PARTITION("head_bytes", "dropped_bytes", COUNTER, "Appended bytes no longer retained."),
    PARTITION("held_events", "held_events", GAUGE, "Events that the partition holds."),
    PARTITION("held_bytes", "held_bytes", GAUGE, "Bytes that the partition holds."),
    PARTITION("room_events", "room_events", GAUGE, "Events that the partition has room for."),
    PARTITION("room_bytes", "room_bytes", GAUGE, "Bytes that the partition has room for."),
    PARTITION("unstored_events", "unstored_events", GAUGE,
              "Events from the first that is reserved and not stored, to the tail."),
    {OF_PARTITION, "unstored_ms", "mofka_partition_unstored_seconds", MFI_METRIC_GAUGE, 3,
     "How long the first event that is not stored has been known."},
    PARTITION("blocked_producers", "blocked_producers", GAUGE, "Producers that wait for room."),
    PARTITION("damaged_events", "damaged_events", COUNTER,
              "Events that consumers could not read, because they are damaged."),
    PARTITION("voided_events", "voided_events", COUNTER,
              "Reserved events that never will be stored."),
    {OF_WAIT, "ms", "mofka_partition_waits_for_seconds", MFI_METRIC_GAUGE, 3,
     "How long something has been known that consumers or producers wait for."},
    PARTITION("complete", "complete", GAUGE, "1 if no more events will come, else 0."),
    PARTITION("written_events", "log_written_events", COUNTER, "Events written to the log."),
    PARTITION("written_bytes", "log_written_bytes", COUNTER,
              "Bytes of the ring written to the log, by this job."),
    PARTITION("synced_events", "log_synced_events", COUNTER, "Events of the log on disk."),
    PARTITION("synced_bytes", "log_synced_bytes", COUNTER,
              "Bytes of the ring on disk, by this job."),
    PARTITION("unwritten_events", "log_unwritten_events", GAUGE,
              "Appended events that are not written to the log."),
    PARTITION("unsynced_events", "log_unsynced_events", GAUGE,
              "Appended events that are not on disk."),
    PARTITION("log_segments", "log_segments", GAUGE, "Files of the log."),
    PARTITION("log_bytes", "log_bytes", GAUGE, "Bytes of the log's files."),
    PARTITION("log_writes", "log_writes", COUNTER, "Writes to the log."),
    {OF_PARTITION, "log_write_us", "mofka_partition_log_write_seconds", MFI_METRIC_COUNTER, 6,
     "Time of these writes."},
    {OF_PARTITION, "log_write_us_max", "mofka_partition_log_write_longest_seconds",
     MFI_METRIC_GAUGE, 6, "The longest of them."},
    PARTITION("log_syncs", "log_syncs", COUNTER, "Syncs of the log."),
    {OF_PARTITION, "log_sync_us", "mofka_partition_log_sync_seconds", MFI_METRIC_COUNTER, 6,
     "Time of these syncs."},
    {OF_PARTITION, "log_sync_us_max", "mofka_partition_log_sync_longest_seconds", MFI_METRIC_GAUGE,
     6, "The longest of them."},
    PARTITION("log_failed", "log_failed", GAUGE, "1 if the log cannot be written, else 0."),
    CONSUMER("acknowledged", "acknowledged_events", COUNTER, "Events that are acknowledged."),
    CONSUMER("lag", "lag_events", GAUGE, "Appended events that are not acknowledged."),
    CONSUMER("live", "live", GAUGE, "1 if the consumer is open on some rank, else 0."),
};
#define METRICS (sizeof metrics / sizeof metrics[0])

typedef struct job_text {
    FILE *lines[METRICS];
    char *texts[METRICS];
    size_t sizes[METRICS];
    const char *limit;     /* one past the JSON */
    mfi_scratch_t scratch; /* for the strings of the JSON */
} job_text_t;

/* ---- lines ----------------------------------------------------------------------------------- */

void mfi_prometheus_write_head(FILE *out, mfi_prometheus_format_t format, const char *name,
                               mfi_metric_type_t type, const char *help) {
    static const char *const types[] = {"gauge", "counter", "info", "histogram"};
    static const char *const suffixes[] = {"", "_total", "_info", ""};
    assert(type < sizeof types / sizeof types[0]);
    bool text = format == MFI_PROMETHEUS_TEXT;
    const char *suffix = text ? suffixes[type] : "";
    fprintf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
            types[text && type == MFI_METRIC_INFO ? MFI_METRIC_GAUGE : type]);
}

void mfi_prometheus_write_value(FILE *out, uint64_t value, unsigned decimals) {
    assert(decimals <= 9);
    uint64_t one = 1;
    for (unsigned i = 0; i < decimals; i++)
        one *= 10;
    fprintf(out, " %" PRIu64, value / one);
    if (decimals > 0)
        fprintf(out, ".%0*" PRIu64, (int)decimals, value % one);
    fputc('\n', out);
}

void mfi_prometheus_write_end(FILE *out) {
    fputs("# EOF\n", out);
}

/* Write a label's value, without its quotes. */
static void prometheus_write_label(FILE *out, const char *text, size_t bytes) {
    const char *end = text + bytes;
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        bool shown = next && !mfi_utf8_is_control(at);
        if (!next)
            next = at + 1;
        for (const char *byte = at; byte < next && !shown; byte++)
            fprintf(out, "\\\\x%02x", (unsigned)(unsigned char)*byte);
        if (shown && (*at == '"' || *at == '\\'))
            fputc('\\', out);
        if (shown)
            fwrite(at, 1, (size_t)(next - at), out);
    }
}

/* ---- reading the JSON ------------------------------------------------------------------------ */

/* NULL: the object has no such member. */
static const char *job_member(job_text_t *job, const char *object, const char *key) {
    const char *value = NULL;
    assert(*object == '{');
    if (mfi_json_member(object, job->limit, key, strlen(key), &job->scratch, &value))
        return NULL;
    return value;
}

/* The label `name` with a member of an object: a string, or a number. */
static void job_write_label(job_text_t *job, FILE *out, const char *name, const char *object,
                            const char *key) {
    const char *value = job_member(job, object, key), *text = value;
    size_t bytes = value ? (size_t)(mfi_json_end(value, job->limit) - value) : 0;
    if (value && *value == 'n') /* null */
        text = NULL;
    if (value && *value == '"')
        text = mfi_json_string(value, job->limit, &job->scratch, &bytes);
    fprintf(out, "%s=\"", name);
    if (text)
        prometheus_write_label(out, text, bytes);
    fputc('"', out);
}

/* Give the labels of `outer`, a comma, and one more: free(). NULL: no memory. */
static char *job_make_label(job_text_t *job, const char *outer, const char *name,
                            const char *object, const char *key) {
    char *labels = NULL;
    size_t bytes;
    FILE *out = outer ? open_memstream(&labels, &bytes) : NULL;
    if (!out)
        return NULL;
    fprintf(out, "%s%s", outer, *outer ? "," : "");
    job_write_label(job, out, name, object, key);
    if (fclose(out) == 0)
        return labels;
    free(labels);
    return NULL;
}

/* Read a whole number without a sign and without an exponent, or a truth value. */
static bool job_read_value(const char *value, const char *end, uint64_t *number) {
    assert(value < end);
    if (*value == 't' || *value == 'f') {
        *number = *value == 't';
        return true;
    }
    *number = 0;
    for (; value < end; value++) {
        if (*value < '0' || *value > '9' || *number > (UINT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(*value - '0');
    }
    return true;
}

/* Write a sample. A number that is not whole is left out: no key of the table has one. */
static void job_add_sample(job_text_t *job, size_t metric, const char *labels,
                           const mfi_json_walk_t *member) {
    FILE *out = job->lines[metric];
    const metric_t *m = &metrics[metric];
    uint64_t number = 1;
    if (m->type != MFI_METRIC_INFO && !job_read_value(member->value, member->end, &number))
        return;
    static const char *const suffixes[] = {"", "_total", "_info"};
    fprintf(out, "%s%s", m->name, suffixes[m->type]);
    if (*labels)
        fprintf(out, "{%s}", labels);
    mfi_prometheus_write_value(out, number, m->decimals);
}

static bool job_is_key(const mfi_json_walk_t *member, const char *key) {
    size_t bytes = strlen(key);
    return strncmp(member->key + 1, key, bytes) == 0 && member->key[1 + bytes] == '"';
}

/* Write a sample of each metric that shows a member of this object. */
static void job_add_object(job_text_t *job, metric_scope_t scope, const char *labels,
                           const char *object) {
    mfi_json_walk_t walk = mfi_json_walk(object, job->limit);
    while (mfi_json_next(&walk))
        for (size_t i = 0; i < METRICS; i++)
            if (metrics[i].scope == scope && job_is_key(&walk, metrics[i].key))
                job_add_sample(job, i, labels, &walk);
}

/* Begin a walk over the objects of a list. A list that is missing is empty. */
static mfi_json_walk_t job_walk(job_text_t *job, const char *object, const char *key) {
    const char *list = job_member(job, object, key);
    static const char none[] = "[]";
    return list && *list == '[' ? mfi_json_walk(list, job->limit)
                                : mfi_json_walk(none, none + sizeof none - 1);
}

static bool job_next(mfi_json_walk_t *walk) {
    return mfi_json_next(walk) && *walk->value == '{';
}

/* Labels of an object of a list: members of the same names. */
static const char *const wait_labels[] = {"what", "rank", "host", NULL};
static const char *const rank_labels[] = {"rank", "host", "state", NULL};

/* Add an object that has several labels behind those of `outer`. False: no memory. */
static bool job_add_labelled(job_text_t *job, metric_scope_t scope, const char *outer,
                             const char *const *names, const char *object) {
    char *labels = outer ? strdup(outer) : NULL;
    for (; labels && *names; names++) {
        char *longer = job_make_label(job, labels, *names, object, *names);
        free(labels);
        labels = longer;
    }
    if (!labels)
        return false;
    job_add_object(job, scope, labels, object);
    free(labels);
    return true;
}

/* Add a partition with its consumers, and what they wait for. False: no memory. */
static bool job_add_partition(job_text_t *job, const char *topic, const char *partition) {
    char *labels = job_make_label(job, topic, "partition", partition, "partition");
    char *placed = job_make_label(job, labels, "rank", partition, "owner");
    bool good = labels && placed;
    if (good)
        job_add_object(job, OF_PARTITION, placed, partition);
    mfi_json_walk_t consumers = job_walk(job, partition, "consumers");
    while (good && job_next(&consumers)) {
        char *named = job_make_label(job, labels, "consumer", consumers.value, "name");
        good = named != NULL;
        if (good)
            job_add_object(job, OF_CONSUMER, named, consumers.value);
        free(named);
    }
    mfi_json_walk_t waits = job_walk(job, partition, "waits_for");
    while (good && job_next(&waits))
        good = job_add_labelled(job, OF_WAIT, labels, wait_labels, waits.value);
    free(labels);
    free(placed);
    return good;
}

/* False: no memory. */
static bool job_add_topic(job_text_t *job, const char *topic) {
    char *label = job_make_label(job, "", "topic", topic, "name");
    char *described = job_make_label(job, label, "retention", topic, "retention");
    bool good = label && described;
    if (good)
        job_add_object(job, OF_TOPIC, described, topic);
    mfi_json_walk_t partitions = job_walk(job, topic, "partitions");
    while (good && job_next(&partitions))
        good = job_add_partition(job, label, partitions.value);
    free(label);
    free(described);
    return good;
}

/* ---- the part -------------------------------------------------------------------------------- */

/* False: no memory. */
static bool job_begin(job_text_t *job) {
    for (size_t i = 0; i < METRICS; i++) {
        job->lines[i] = open_memstream(&job->texts[i], &job->sizes[i]);
        if (!job->lines[i])
            return false;
    }
    return true;
}

/* Close the streams. False: a line could not be kept. */
static bool job_end(job_text_t *job) {
    bool good = true;
    for (size_t i = 0; i < METRICS; i++)
        good &= !job->lines[i] || fclose(job->lines[i]) == 0;
    free(job->scratch.bytes);
    return good;
}

/* A metric without samples is left out. */
static void job_write(const job_text_t *job, FILE *out, mfi_prometheus_format_t format) {
    for (size_t i = 0; i < METRICS; i++) {
        if (job->sizes[i] == 0)
            continue;
        mfi_prometheus_write_head(out, format, metrics[i].name, metrics[i].type, metrics[i].help);
        fwrite(job->texts[i], 1, job->sizes[i], out);
    }
}

bool mfi_prometheus_write_job(FILE *out, mfi_prometheus_format_t format, const char *stats,
                              size_t bytes) {
    job_text_t job = {.limit = stats + bytes};
    const char *object = mfi_json_begin(stats);
    bool good = *object == '{' && job_begin(&job);
    if (good) {
        job_add_object(&job, OF_JOB, "", object);
        mfi_prometheus_write_head(out, format, "mofka_topics_read_success", MFI_METRIC_GAUGE,
                                  "1 if all topics could be read, else 0.");
        fprintf(out, "mofka_topics_read_success %d\n", !job_member(&job, object, "topics_status"));
    }
    mfi_json_walk_t topics = good ? job_walk(&job, object, "topics") : (mfi_json_walk_t){0};
    while (good && job_next(&topics))
        good = job_add_topic(&job, topics.value);
    mfi_json_walk_t ranks = good ? job_walk(&job, object, "ranks") : (mfi_json_walk_t){0};
    while (good && job_next(&ranks))
        good = job_add_labelled(&job, OF_RANK, "", rank_labels, ranks.value);
    good &= job_end(&job);
    if (good)
        job_write(&job, out, format);
    for (size_t i = 0; i < METRICS; i++)
        free(job.texts[i]);
    return good && !ferror(out);
}
