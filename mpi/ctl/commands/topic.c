/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl topic create, topic list, topic info. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/options/json.h"
#include "json/text.h"

static ctl_topic_groups_t groups;
static bool as_json;
static double timeout_s = TIMEOUT_S_DEFAULT;
static const char *name;

/* ---- shared with other commands -------------------------------------------------------------- */

mofka_status_t ctl_topic_create(mofka_driver_t *driver, const char *topic,
                                const ctl_topic_groups_t *g) {
    mofka_topic_options_t all = {g->options.text, g->validator.text, g->selector.text,
                                 g->serializer.text};
    return mofka_driver_create_topic(driver, topic, &all);
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

/* Print JSON on one line. Newlines occur only between its tokens. */
static void ctl_topic_print_json(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        putchar(text[i] == '\n' || text[i] == '\r' ? ' ' : text[i]);
}

/* Print a string without its quotes. Its escapes stay, so that a terminal does not obey them. */
static void ctl_topic_print_value(const mfi_json_walk_t *walk) {
    assert(walk->value < walk->end);
    bool string = *walk->value == '"';
    ctl_topic_print_json(walk->value + string,
                         (size_t)(walk->end - walk->value) - 2 * (size_t)string);
}

static int ctl_topic_key_bytes(const mfi_json_walk_t *walk) {
    assert(walk->object && *walk->key == '"');
    return (int)(mfi_json_end(walk->key, walk->limit) - walk->key) - 2;
}

static bool ctl_topic_is_key(const mfi_json_walk_t *walk, const char *key) {
    size_t bytes = (size_t)ctl_topic_key_bytes(walk);
    return bytes == strlen(key) && memcmp(walk->key + 1, key, bytes) == 0;
}

static void ctl_topic_print(const char *topic, const char *text) {
    char *partitions = ctl_json_member(text, "partitions");
    if (as_json)
        ctl_topic_print_json(text, strlen(text)), putchar('\n');
    else
        printf("%s\t%s\n", topic, partitions ? partitions : "?");
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

static int ctl_topic_run_list(mofka_driver_t *driver) {
    ctl_topic_search_t search = {NULL, NULL};
    mofka_status_t status = mofka_driver_list_topics(driver, ctl_topic_visit, &search);
    if (!status)
        return CTL_OK;
    ctl_complain_of(status, "listing topics");
    return CTL_FAILED;
}

static void ctl_topic_print_partition(const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    printf("%-12s", "partition");
    while (mfi_json_next(&walk)) {
        bool index = ctl_topic_is_key(&walk, "partition");
        if (!index)
            printf(" %.*s", ctl_topic_key_bytes(&walk), walk.key + 1);
        putchar(' ');
        ctl_topic_print_value(&walk);
        fputs(index ? ":" : "", stdout);
    }
    putchar('\n');
}

/* Print each partition with `print`, and `between` between two of them. False: a message was
 * printed. */
static bool ctl_topic_print_partitions(const mofka_topic_t *topic, const char *between,
                                       void (*print)(const char *text)) {
    for (size_t i = 0; i < mofka_topic_partition_count(topic); i++) {
        mofka_metadata_t *info;
        mofka_status_t status = mofka_topic_partition_info(topic, i, &info);
        if (status) {
            ctl_complain_of(status, "reading a partition's state");
            return false;
        }
        const char *text = ctl_topic_text(info);
        if (text) {
            fputs(i ? between : "", stdout);
            print(text);
        }
        mofka_metadata_release(info);
        if (!text) {
            ctl_complain_of(MOFKA_ERR_JSON, "reading a partition's state");
            return false;
        }
    }
    return true;
}

static void ctl_topic_print_info(const char *text) {
    ctl_topic_print_json(text, strlen(text));
}

/* Print the description, in which the list of partitions replaces their number. */
static bool ctl_topic_describe_json(const mofka_topic_t *topic, const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    bool good = true;
    for (char before = '{'; good && mfi_json_next(&walk); before = ',') {
        printf("%c\"%.*s\":", before, ctl_topic_key_bytes(&walk), walk.key + 1);
        if (ctl_topic_is_key(&walk, "partitions")) {
            putchar('[');
            good = ctl_topic_print_partitions(topic, ",", ctl_topic_print_info);
            putchar(']');
        } else {
            ctl_topic_print_json(walk.value, (size_t)(walk.end - walk.value));
        }
    }
    puts("}");
    return good;
}

/* Print names and values in two columns, then a line for each partition. */
static bool ctl_topic_describe_text(const mofka_topic_t *topic, const char *text) {
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    while (mfi_json_next(&walk)) {
        if (ctl_topic_is_key(&walk, "partitions"))
            continue;
        printf("%-12.*s ", ctl_topic_key_bytes(&walk), walk.key + 1);
        ctl_topic_print_value(&walk);
        putchar('\n');
    }
    return ctl_topic_print_partitions(topic, "", ctl_topic_print_partition);
}

static int ctl_topic_describe(mofka_driver_t *driver, const mofka_topic_t *topic) {
    assert(topic);
    ctl_topic_search_t search = {.name = mofka_topic_name(topic)};
    mofka_status_t status = mofka_driver_list_topics(driver, ctl_topic_visit, &search);
    if (!status && !search.found)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' is missing in the list of topics",
                            search.name);
    if (status) {
        ctl_complain_of(status, "reading the topic's description");
        return CTL_FAILED;
    }
    bool good = as_json ? ctl_topic_describe_json(topic, search.found)
                        : ctl_topic_describe_text(topic, search.found);
    free(search.found);
    return good ? CTL_OK : CTL_FAILED;
}

static int ctl_topic_run_info(mofka_driver_t *driver) {
    mofka_topic_t *topic = ctl_job_open_topic(driver, name, timeout_s);
    int code = topic ? ctl_topic_describe(driver, topic) : CTL_FAILED;
    mofka_topic_release(topic);
    return code;
}

static int ctl_topic_run_create(mofka_driver_t *driver) {
    mofka_status_t status = ctl_topic_create(driver, name, &groups);
    ctl_topic_groups_clear(&groups);
    if (status) {
        ctl_complain_of(status, "creating the topic");
        return status == MOFKA_ERR_EXISTS || status == MOFKA_ERR_FULL ? CTL_FAILED : CTL_USAGE;
    }
    if (!as_json)
        return CTL_OK;
    return ctl_topic_run_info(driver);
}

static bool ctl_topic_take_name(int count, char **words) {
    return args_take_word(count, words, "topic NAME", "a topic NAME", &name);
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
     "how long to wait for the topic to exist (30)", 0, 0, NULL},
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
    .check = ctl_topic_take_name,
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
