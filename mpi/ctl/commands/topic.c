/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl topic create, topic list, topic info, topic delete, topic evict. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/options/json.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/out/sink.h"
#include "base/text/message.h"
#include "json/text.h"

/* Between two looks at a topic that is used. */
#define LOOK_AGAIN_S 0.05

static ctl_topic_groups_t groups;
static bool as_json;
static double timeout_s = -1; /* not given */
static const char *name, *consumer;
static sink_t out; /* standard output */

/* ---- shared with other commands -------------------------------------------------------------- */

mofka_topic_options_t ctl_topic_options(const ctl_topic_groups_t *g) {
    return (mofka_topic_options_t){g->options.text, g->validator.text, g->selector.text,
                                   g->serializer.text};
}

void ctl_topic_groups_clear(ctl_topic_groups_t *g) {
    option_group_clear(&g->options);
    option_group_clear(&g->validator);
    option_group_clear(&g->selector);
    option_group_clear(&g->serializer);
}

/* ---- descriptions ---------------------------------------------------------------------------- */

typedef struct ctl_topic_search {
    const char *name; /* NULL: print every topic */
    char *found;      /* the description of the topic `name` */
} ctl_topic_search_t;

/* NULL: the text is not JSON, and mofka_last_error() says why. */
static const char *ctl_topic_text(const mofka_metadata_t *description) {
    size_t bytes;
    const char *text = mofka_metadata_text(description, &bytes);
    return mfi_json_check("a description", text, bytes) ? NULL : text;
}

/* Write what was printed. `code` is the command's so far. It is no failure if the reader left. */
static int ctl_topic_write_out(int code) {
    if (!sink_flush(&out) && out.error != EPIPE) {
        ctl_complain("writing to standard output: %s", strerror(out.error));
        code = code == CTL_OK ? CTL_FAILED : code;
    }
    sink_close(&out);
    return code;
}

/* Print a string without its quotes. Its escapes stay. */
static void ctl_topic_print_value(const mfi_json_walk_t *walk) {
    assert(walk->value < walk->end);
    size_t bytes = (size_t)(walk->end - walk->value);
    if (*walk->value == '"')
        event_line_write_inner(&out, walk->value + 1, bytes - 2);
    else
        event_line_write_json(&out, walk->value, bytes);
}

static int ctl_topic_key_bytes(const mfi_json_walk_t *walk) {
    assert(walk->object && *walk->key == '"');
    return (int)(mfi_json_end(walk->key, walk->limit) - walk->key) - 2;
}

static bool ctl_topic_is_key(const mfi_json_walk_t *walk, const char *key) {
    size_t bytes = (size_t)ctl_topic_key_bytes(walk);
    return bytes == strlen(key) && memcmp(walk->key + 1, key, bytes) == 0;
}

static void ctl_topic_print_line(const char *json) {
    event_line_write_json(&out, json, strlen(json));
    sink_add(&out, "\n", 1);
}

static void ctl_topic_print(const char *topic, const char *text) {
    char *partitions = ctl_json_member(text, "partitions");
    if (as_json) {
        ctl_topic_print_line(text);
    } else {
        event_line_write_visible(&out, topic, strlen(topic)); /* other drivers may allow any byte */
        sink_add_text(&out, "\t%s\n", partitions ? partitions : "?");
    }
    free(partitions);
}

static mofka_status_t ctl_topic_visit(void *context, const char *topic,
                                      const mofka_metadata_t *description) {
    ctl_topic_search_t *search = context;
    if (search->name && strcmp(search->name, topic) != 0)
        return MOFKA_OK;
    const char *text = ctl_topic_text(description);
    if (!text)
        return MOFKA_ERR_JSON;
    if (!search->name) {
        ctl_topic_print(topic, text);
        return MOFKA_OK;
    }
    search->found = strdup(text);
    return search->found ? MOFKA_STOP : mofka_fail(MOFKA_ERR_MEMORY, "no memory for '%s'", topic);
}

/* ---- creating -------------------------------------------------------------------------------- */

/* Compare what is given for `key` with the description of the topic that exists. */
static mofka_status_t ctl_topic_compare(const char *topic, const char *description, const char *key,
                                        const char *given, bool members) {
    char *has = ctl_json_member(description, key);
    bool same = !given || !has ||
                (members ? ctl_json_has_members(has, given) : ctl_json_is_same(has, given));
    mofka_status_t status =
        same ? MOFKA_OK
             : mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists with %s %.*s, not %.*s", topic, key,
                          MFI_QUOTE(has, strlen(has), 300), MFI_QUOTE(given, strlen(given), 300));
    free(has);
    return status;
}

mofka_status_t ctl_topic_create_or_use(mofka_driver_t *driver, const char *topic,
                                       const mofka_topic_options_t *o, ctl_if_exists_t if_exists) {
    mofka_status_t status = mofka_driver_create_topic(driver, topic, o);
    if (status != MOFKA_ERR_EXISTS || if_exists == CTL_EXISTS_IGNORE)
        return status == MOFKA_ERR_EXISTS ? MOFKA_OK : status;
    ctl_topic_search_t search = {.name = topic};
    status = mofka_driver_list_topics(driver, ctl_topic_visit, &search);
    if (!search.found)
        return status ? status : mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", topic);
    status = ctl_topic_compare(topic, search.found, "options", o->options, true);
    if (!status)
        status = ctl_topic_compare(topic, search.found, "validator", o->validator, false);
    if (!status)
        status = ctl_topic_compare(topic, search.found, "selector", o->selector, false);
    if (!status)
        status = ctl_topic_compare(topic, search.found, "serializer", o->serializer, false);
    free(search.found);
    return status;
}

/* Whether an object that should have "type" is itself a JSON Schema. */
static bool ctl_topic_is_schema(const char *object) {
    static const char *const words[] = {"\"object\"",  "\"array\"",   "\"string\"", "\"number\"",
                                        "\"integer\"", "\"boolean\"", "\"null\""};
    char *type = ctl_json_member(object, "type"), *schema = ctl_json_member(object, "$schema");
    bool found = schema || (type && *type == '[');
    for (size_t i = 0; type && i < sizeof words / sizeof words[0]; i++)
        found = found || strcmp(type, words[i]) == 0;
    free(type);
    free(schema);
    return found;
}

static void ctl_topic_explain_schema(const char *name_of_option, const char *object) {
    if (object && ctl_topic_is_schema(object))
        ctl_complain("--%s is a JSON Schema; give it as --%s.type schema --%s.schema FILE",
                     name_of_option, name_of_option, name_of_option);
}

int ctl_topic_complain_of_create(mofka_status_t status, const mofka_topic_options_t *o) {
    ctl_complain_of(status, "creating the topic");
    if (ctl_code_of(status) == CTL_USAGE) {
        ctl_topic_explain_schema("validator", o->validator);
        ctl_topic_explain_schema("serializer", o->serializer);
    }
    return ctl_code_of(status);
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int ctl_topic_run_list(mofka_driver_t *driver) {
    ctl_topic_search_t search = {NULL, NULL};
    sink_open(&out, STDOUT_FILENO);
    mofka_status_t status = mofka_driver_list_topics(driver, ctl_topic_visit, &search);
    if (status)
        ctl_complain_of(status, "listing topics");
    return ctl_topic_write_out(status ? CTL_FAILED : CTL_OK);
}

static void ctl_topic_print_partition(const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    sink_add_text(&out, "%-12s", "partition");
    while (mfi_json_next(&walk)) {
        bool index = ctl_topic_is_key(&walk, "partition");
        if (!index)
            sink_add_text(&out, " %.*s", ctl_topic_key_bytes(&walk), walk.key + 1);
        sink_add(&out, " ", 1);
        ctl_topic_print_value(&walk);
        sink_add(&out, ":", index);
    }
    sink_add(&out, "\n", 1);
}

/* How partitions are printed, and what is between two of them. */
typedef struct ctl_topic_printer {
    void (*print)(const char *text);
    const char *between;
} ctl_topic_printer_t;

static mofka_status_t ctl_topic_visit_partition(void *context, size_t index,
                                                const mofka_metadata_t *info) {
    const ctl_topic_printer_t *printer = context;
    const char *text = ctl_topic_text(info);
    if (!text)
        return MOFKA_ERR_JSON;
    sink_add_text(&out, "%s", index ? printer->between : "");
    printer->print(text);
    return MOFKA_OK;
}

/* Print each partition. False: a message was printed. */
static bool ctl_topic_print_partitions(mofka_driver_t *driver, ctl_topic_printer_t printer) {
    mofka_status_t status =
        mofka_driver_list_partitions(driver, name, ctl_topic_visit_partition, &printer);
    if (status)
        ctl_complain_of(status, "reading a partition's state");
    return !status;
}

static void ctl_topic_print_info(const char *text) {
    event_line_write_json(&out, text, strlen(text));
}

/* Print the description, in which the list of partitions replaces their number. */
static bool ctl_topic_describe_json(mofka_driver_t *driver, const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    bool good = true;
    for (char before = '{'; good && mfi_json_next(&walk); before = ',') {
        sink_add_text(&out, "%c\"%.*s\":", before, ctl_topic_key_bytes(&walk), walk.key + 1);
        if (ctl_topic_is_key(&walk, "partitions")) {
            sink_add(&out, "[", 1);
            good = ctl_topic_print_partitions(driver,
                                              (ctl_topic_printer_t){ctl_topic_print_info, ","});
            sink_add(&out, "]", 1);
        } else {
            event_line_write_json(&out, walk.value, (size_t)(walk.end - walk.value));
        }
    }
    sink_add(&out, "}\n", 2);
    return good;
}

/* Print names and values in two columns, then a line for each partition. */
static bool ctl_topic_describe_text(mofka_driver_t *driver, const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    while (mfi_json_next(&walk)) {
        if (ctl_topic_is_key(&walk, "partitions"))
            continue;
        sink_add_text(&out, "%-12.*s ", ctl_topic_key_bytes(&walk), walk.key + 1);
        ctl_topic_print_value(&walk);
        sink_add(&out, "\n", 1);
    }
    return ctl_topic_print_partitions(driver, (ctl_topic_printer_t){ctl_topic_print_partition, ""});
}

static int ctl_topic_describe(mofka_driver_t *driver) {
    ctl_topic_search_t search = {.name = name};
    mofka_status_t status = mofka_driver_list_topics(driver, ctl_topic_visit, &search);
    if (!status && !search.found)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' is missing in the list of topics",
                            search.name);
    if (status) {
        ctl_complain_of(status, "reading the topic's description");
        return CTL_FAILED;
    }
    sink_open(&out, STDOUT_FILENO);
    bool good = as_json ? ctl_topic_describe_json(driver, search.found)
                        : ctl_topic_describe_text(driver, search.found);
    free(search.found);
    return ctl_topic_write_out(good ? CTL_OK : CTL_FAILED);
}

/* The topic is not opened: that would load the libraries of its types. */
static int ctl_topic_run_info(mofka_driver_t *driver) {
    return ctl_job_await_topic(driver, name, args_timeout_s(timeout_s))
               ? ctl_topic_describe(driver)
               : ctl_job_code_without_topic();
}

static int ctl_topic_run_create(mofka_driver_t *driver) {
    mofka_topic_options_t all = ctl_topic_options(&groups);
    mofka_status_t status = mofka_driver_create_topic(driver, name, &all);
    int code = status ? ctl_topic_complain_of_create(status, &all) : CTL_OK;
    ctl_topic_groups_clear(&groups);
    return code == CTL_OK && as_json ? ctl_topic_run_info(driver) : code;
}

/* A topic that is used is waited for, too. */
static int ctl_topic_run_delete(mofka_driver_t *driver) {
    double start = ctl_now_s(), wait_s = args_timeout_s(timeout_s);
    if (!ctl_job_await_topic(driver, name, wait_s))
        return ctl_job_code_without_topic();
    mofka_status_t status = mofka_driver_delete_topic(driver, name);
    while (status == MOFKA_ERR_BUSY && ctl_now_s() - start < wait_s && !interrupt_came()) {
        interrupt_sleep(LOOK_AGAIN_S);
        status = mofka_driver_delete_topic(driver, name);
    }
    if (status)
        ctl_complain_of(status, "deleting the topic");
    if (status == MOFKA_ERR_BUSY && !interrupt_came())
        ctl_complain("waited %g s (--timeout) for its producers and consumers", wait_s);
    return status ? CTL_FAILED : CTL_OK;
}

/* Evict the consumer, which is waited for, too. */
static mofka_status_t ctl_topic_evict(mofka_topic_t *topic, double until_s) {
    mofka_status_t status;
    for (;;) {
        double left_s = until_s - ctl_now_s();
        int64_t left_ms = left_s > 0 ? (int64_t)(left_s * 1e3) : 0;
        status = mofka_topic_evict(topic, consumer, left_ms);
        if (status != MOFKA_ERR_NOT_FOUND || left_ms == 0 || interrupt_came())
            return status;
        interrupt_sleep(LOOK_AGAIN_S);
    }
}

static int ctl_topic_run_evict(mofka_driver_t *driver) {
    double wait_s = args_timeout_s(timeout_s), until_s = ctl_now_s() + wait_s;
    mofka_topic_t *topic = ctl_job_open_topic(driver, name, wait_s);
    if (!topic)
        return ctl_job_code_without_topic();
    mofka_status_t status = ctl_topic_evict(topic, until_s);
    if (status)
        ctl_complain_of(status, "evicting the consumer");
    if (status == MOFKA_ERR_NOT_FOUND && !interrupt_came())
        ctl_complain("waited %g s (--timeout) for consumer '%s'", wait_s, consumer);
    mofka_topic_release(topic);
    return status ? CTL_FAILED : CTL_OK;
}

static bool ctl_topic_take_consumer(int count, char **words) {
    if (count == 2)
        consumer = words[1];
    else
        ctl_complain("a TOPIC and the name of its CONSUMER are needed");
    return count == 2 && args_take_word(1, words, "TOPIC", "a TOPIC", &name);
}

static bool ctl_topic_take_name(int count, char **words) {
    return args_take_word(count, words, "topic NAME", "a topic NAME", &name);
}

static bool ctl_topic_take_new_name(int count, char **words) {
    args_common.makes_store = true;
    return ctl_topic_take_name(count, words);
}

static const option_row_t create_options[] = {
    {"topic", OPTION_GROUP, &groups.options, "JSON|FILE",
     "the topic's options, such as --topic.partitions 4", 0, 0, NULL},
    {"validator", OPTION_GROUP, &groups.validator, "JSON|FILE",
     "which events are valid, such as --validator.type eventbridge", 0, 0, NULL},
    {"selector", OPTION_GROUP, &groups.selector, "JSON|FILE",
     "how an event's partition is chosen, such as --selector.type key", 0, 0, NULL},
    {"serializer", OPTION_GROUP, &groups.serializer, "JSON|FILE",
     "how metadata is stored, such as --serializer.type cbor", 0, 0, NULL},
    {"json", OPTION_FLAG, &as_json, NULL, "print the new topic as JSON", 0, 0, NULL},
};

static const option_row_t list_options[] = {
    {"json", OPTION_FLAG, &as_json, NULL, "print each topic's description, one JSON object a line",
     0, 0, NULL},
};

static const option_row_t info_options[] = {
    {"json", OPTION_FLAG, &as_json, NULL, "print one JSON object", 0, 0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for the topic to exist (30; 0 for a store)", 0, 0, NULL},
};

static const option_row_t delete_options[] = {
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for the topic to exist, and for its producers and consumers to close (30; 0 "
     "for a store)",
     0, 0, NULL},
};

static const option_row_t evict_options[] = {
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for the topic and the consumer to exist (30; 0 for a store)", 0, 0, NULL},
};

const ctl_command_t topic_create_command = {
    .name = "topic create",
    .arguments = "NAME",
    .summary = "Create a topic",
    .notes = "--topic, --validator, --selector and --serializer are merged in the order given. A "
             "VALUE of\n--GROUP.KEY that is not JSON is a string. A dot leads into a nested "
             "object:\n--validator.pattern.detail.state '[\"x\"]'.\n",
    .options = create_options,
    .option_count = sizeof create_options / sizeof create_options[0],
    .check = ctl_topic_take_new_name,
    .run = ctl_topic_run_create,
};

const ctl_command_t topic_list_command = {
    .name = "topic list",
    .summary = "List the topics that exist, each with its number of partitions",
    .options = list_options,
    .option_count = sizeof list_options / sizeof list_options[0],
    .run = ctl_topic_run_list,
};

const ctl_command_t topic_info_command = {
    .name = "topic info",
    .arguments = "NAME",
    .summary = "Describe a topic and its partitions",
    .options = info_options,
    .option_count = sizeof info_options / sizeof info_options[0],
    .check = ctl_topic_take_name,
    .run = ctl_topic_run_info,
};

const ctl_command_t topic_delete_command = {
    .name = "topic delete",
    .arguments = "NAME",
    .summary = "Delete a topic, its events, and the names of its consumers",
    .options = delete_options,
    .option_count = sizeof delete_options / sizeof delete_options[0],
    .check = ctl_topic_take_name,
    .run = ctl_topic_run_delete,
};

const ctl_command_t topic_evict_command = {
    .name = "topic evict",
    .arguments = "TOPIC CONSUMER",
    .summary = "Give up the name of a consumer that will not come back",
    .options = evict_options,
    .option_count = sizeof evict_options / sizeof evict_options[0],
    .check = ctl_topic_take_consumer,
    .run = ctl_topic_run_evict,
};
