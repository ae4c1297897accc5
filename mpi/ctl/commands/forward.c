/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl forward: events of one topic, metadata and data, are pushed into another.
 *
 * Each rule is a thread: it pulls, filters and pushes. Events are acknowledged in the order pulled,
 * when the destination has stored them. An event that the destination refuses is reported, counted
 * and passed over. If the destination can take no more, the rule stops, and the events that are not
 * stored stay unacknowledged.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/base/read_file.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/out/drain.h"
#include "mpi/ctl/in/feed.h"
#include "mpi/ctl/commands/forward_config.h"

/* Far more than the largest number of rules needs. */
#define CONFIG_BYTES_MAX ((size_t)16 << 20)

static double timeout_s = TIMEOUT_S_DEFAULT, idle_s = INFINITY;
static forward_config_t config;

typedef struct running_rule {
    const forward_rule_t *config;
    mofka_driver_t *from, *to; /* borrowed */
    mofka_validator_t *filter; /* NULL: everything */
    drain_t drain;
    feed_t feed;
    uint64_t pulled, passed;
    bool stopped;   /* no further event may be acknowledged */
    bool undecided; /* the filter gave no answer for an event */
    bool good;
    bool has_thread;
    pthread_t thread;
} running_rule_t;

/* ---- one rule -------------------------------------------------------------------------------- */

/* Whether the destination refused the event itself: trying again would not help. */
static bool rule_is_refusal(mofka_status_t status) {
    return mofka_status_class(status) == MOFKA_CLASS_FIX;
}

static void rule_complain_of(const running_rule_t *rule, const mofka_event_t *event) {
    ctl_complain("%s -> %s: event %" PRIu64 " of partition %zu: %s", rule->config->from.topic,
                 rule->config->to.topic, mofka_event_id(event), mofka_event_partition(event),
                 mofka_last_error());
}

static void rule_settled(void *context, feed_tag_t tag, mofka_status_t status) {
    assert(tag.what);
    running_rule_t *rule = context;
    mofka_event_t *event = tag.what;
    if (status) {
        rule_complain_of(rule, event);
        rule->stopped |= !rule_is_refusal(status);
    }
    if (!rule->stopped)
        mofka_event_acknowledge(event);
    mofka_event_release(event);
}

/* MOFKA_OK: the event passes. MOFKA_ERR_REFUSED: the filter takes it out; text that is not JSON
 * matches no pattern. Others: the filter gave no answer. */
static mofka_status_t rule_filter_event(const running_rule_t *rule, const mofka_event_t *event) {
    size_t bytes;
    const char *text = mofka_event_metadata_text(event, &bytes);
    mofka_status_t status =
        rule->filter ? mofka_validator_validate(rule->filter, text, bytes, mofka_event_data(event))
                     : MOFKA_OK;
    return status == MOFKA_ERR_JSON ? MOFKA_ERR_REFUSED : status;
}

static bool rule_take(running_rule_t *rule, mofka_event_t *event) {
    assert(rule->pulled >= rule->passed);
    feed_tag_t tag = {event, 0};
    size_t bytes;
    const char *text = mofka_event_metadata_text(event, &bytes);
    bool taken = false;
    mofka_status_t status = rule_filter_event(rule, event);
    rule->pulled++;
    rule->passed += status == MOFKA_ERR_REFUSED;
    if (status && status != MOFKA_ERR_REFUSED) {
        rule->undecided = true;
        rule_complain_of(rule, event);
    }
    if (!status)
        taken = feed_push(&rule->feed, text, bytes, mofka_event_data(event), tag);
    else if (rule_is_refusal(status))
        taken = feed_pass(&rule->feed, tag);
    if (!taken)
        mofka_event_release(event);
    return taken && !rule->stopped;
}

static void rule_run(running_rule_t *rule) {
    bool going = true;
    double last = ctl_now_s(); /* when an event came */
    while (going && !interrupt_came()) {
        mofka_event_t *event;
        drain_kind_t kind = drain_next(&rule->drain, 0, &event);
        if (kind == DRAIN_NONE) { /* store everything before waiting */
            going = feed_drain(&rule->feed) && !rule->stopped;
            kind = going ? drain_next(&rule->drain, SLICE_MS, &event) : DRAIN_NONE;
        }
        if (kind == DRAIN_EVENT) {
            going = rule_take(rule, event);
            last = ctl_now_s();
        } else if (kind != DRAIN_NONE || ctl_now_s() - last >= idle_s) {
            going = false;
        }
    }
}

static mofka_topic_t *rule_open_end(mofka_driver_t *driver, const forward_end_t *end) {
    if (end->create) {
        mofka_topic_options_t options = {end->made[0], end->made[1], end->made[2], end->made[3]};
        mofka_status_t status =
            ctl_topic_create_or_use(driver, end->topic, &options, (ctl_if_exists_t)end->if_exists);
        if (status) {
            ctl_topic_complain_of_create(status, &options);
            if (status == MOFKA_ERR_EXISTS)
                ctl_complain("\"create\": {\"if_exists\": \"ignore\"} uses topic '%s' as it is",
                             end->topic);
            return NULL;
        }
    }
    return ctl_job_open_topic(driver, end->topic, timeout_s);
}

static bool rule_open(running_rule_t *rule, mofka_topic_t *from, mofka_topic_t *to) {
    assert(rule->config && from && to);
    drain_options_t options = {.name = rule->config->consumer, .data = true, .length = SIZE_MAX};
    if (!drain_open(&rule->drain, from, &options))
        return false;
    mofka_status_t status = feed_open(&rule->feed, to, 0, timeout_s, rule_settled, rule);
    if (!status)
        return true;
    drain_close(&rule->drain);
    ctl_complain_of(status, "creating a producer");
    return false;
}

static void *rule_main(void *context) {
    running_rule_t *rule = context;
    mofka_topic_t *from = ctl_job_open_topic(rule->from, rule->config->from.topic, timeout_s);
    mofka_topic_t *to = from ? rule_open_end(rule->to, &rule->config->to) : NULL;
    rule->good = from && to ? rule_open(rule, from, to) : interrupt_came();
    if (from && to && rule->good) {
        rule_run(rule);
        rule->good = feed_close(&rule->feed);
        rule->good &= drain_close(&rule->drain);
        rule->good &=
            !rule->stopped && !rule->undecided && rule->feed.failed == 0 && rule->drain.failed == 0;
        fprintf(stderr,
                "mofkactl forward: %s -> %s: %" PRIu64 " events pulled, %" PRIu64
                " stored, %" PRIu64 " not, %" PRIu64 " filtered out\n",
                rule->config->from.topic, rule->config->to.topic, rule->pulled, rule->feed.stored,
                rule->pulled - rule->feed.stored - rule->passed, rule->passed);
    }
    mofka_topic_release(to);
    mofka_topic_release(from);
    return NULL;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* The answer is the exit code: a message was printed. */
static int rule_make_filter(running_rule_t *rule) {
    char *text;
    if (!rule->config->filter)
        return CTL_OK;
    if (asprintf(&text, "{\"type\":\"eventbridge\",\"dialect\":\"%s\",\"pattern\":%s}",
                 forward_dialects[rule->config->dialect], rule->config->filter) < 0) {
        ctl_complain("\"filter\": no memory");
        return CTL_FAILED;
    }
    mofka_status_t status = mofka_validator_from_metadata(text, &rule->filter);
    free(text);
    if (status)
        ctl_complain("%s -> %s: \"filter\": %s", rule->config->from.topic, rule->config->to.topic,
                     mofka_last_error());
    return status ? ctl_code_of(status) : CTL_OK;
}

static int forward_run_rules(mofka_driver_t *job, mofka_driver_t *const *drivers) {
    assert(config.rule_count > 0 && config.rule_count <= FORWARD_RULES_MAX);
    static running_rule_t rules[FORWARD_RULES_MAX];
    int code = CTL_OK;
    for (size_t i = 0; i < config.rule_count; i++) {
        running_rule_t *rule = &rules[i];
        rule->config = &config.rules[i];
        rule->from = rule->config->from.driver < 0 ? job : drivers[rule->config->from.driver];
        rule->to = rule->config->to.driver < 0 ? job : drivers[rule->config->to.driver];
        code = code ? code : rule_make_filter(rule);
    }
    bool good = code == CTL_OK;
    for (size_t i = 0; good && i < config.rule_count; i++) {
        rules[i].has_thread = pthread_create(&rules[i].thread, NULL, rule_main, &rules[i]) == 0;
        if (!rules[i].has_thread) {
            ctl_complain("cannot start a thread");
            code = CTL_FAILED;
        }
    }
    for (size_t i = 0; i < config.rule_count; i++) {
        if (rules[i].has_thread) {
            pthread_join(rules[i].thread, NULL);
            if (!rules[i].good)
                code = CTL_FAILED;
        }
        mofka_validator_release(rules[i].filter);
    }
    return code;
}

static int forward_run(mofka_driver_t *job) {
    assert(config.driver_count <= FORWARD_DRIVERS_MAX);
    mofka_driver_t *drivers[FORWARD_DRIVERS_MAX] = {NULL};
    int code = CTL_OK;
    for (size_t i = 0; !code && i < config.driver_count; i++) {
        mofka_status_t status =
            mofka_driver_create(config.drivers[i].type, config.drivers[i].options, &drivers[i]);
        if (status)
            ctl_complain("drivers.%s: %s (%s)", config.drivers[i].name, mofka_last_error(),
                         mofka_status_name(status));
        code = status ? ctl_code_of(status) : CTL_OK;
    }
    if (!code)
        code = forward_run_rules(job, drivers);
    for (size_t i = 0; i < config.driver_count; i++) {
        if (drivers[i])
            mofka_driver_close(drivers[i], (int64_t)(LAST_FLUSH_S * 1e3));
        mofka_driver_release(drivers[i]);
    }
    forward_config_clear(&config);
    return code;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool forward_check(int count, char **words) {
    const char *path;
    size_t bytes;
    if (!args_take_word(count, words, "CONFIG.json", "CONFIG.json", &path))
        return false;
    char *text = ctl_read_file(path, CONFIG_BYTES_MAX, &bytes);
    bool good = text && forward_config_read(&config, text, bytes);
    if (text && !good)
        ctl_complain("'%s' is not a valid configuration of forward", path);
    free(text);
    return good;
}

static const option_row_t options[] = {
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for topics to exist, and for room in them (30)", 0, 0, NULL},
    {"idle", OPTION_SECONDS, &idle_s, "SECONDS",
     "end a rule when no event has come for so long, such as 0 for what is in a store (inf)", 0, 0,
     NULL},
};

const ctl_command_t forward_command = {
    .name = "forward",
    .arguments = "CONFIG.json",
    .summary = "Forward events from topics to other topics, also those of other drivers",
    .notes =
        "  {\"drivers\": {\"NAME\": {\"type\": \"TYPE\", \"options\": {}}},\n"
        "   \"forward\": [{\"from\": TOPIC, \"to\": TOPIC, \"filter\": {PATTERN},\n"
        "                \"dialect\": \"amazon\", \"consumer\": \"NAME\"}]}\n\n"
        "TOPIC is \"TOPIC\", a topic of the job's driver, or {\"topic\": \"TOPIC\", \"driver\": "
        "\"NAME\"}. In \"to\" it may\nhave \"create\": {\"options\": {}, \"validator\": {}, "
        "\"selector\": {}, \"serializer\": {}, \"if_exists\": \"fail\"},\nwhich creates a missing "
        "topic. \"filter\" is an "
        "EventBridge pattern, in the dialect \"amazon\" or \"original\". An event is acknowledged "
        "when the destination\nhas stored it. "
        "\"consumer\" is the name that keeps the place in the source; without it, the rule has\na "
        "name that is forgotten at the end. A rule ends when its source is complete. SIGINT and "
        "SIGTERM\nend all rules.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = forward_check,
    .run = forward_run,
};
