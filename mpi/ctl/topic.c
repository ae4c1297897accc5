/* mofkactl topic create, topic list, topic info. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

static topic_groups_t groups;
static bool as_json;
static double timeout_s = TIMEOUT_S_DEFAULT;
static const char *name;

/* ---- shared with other commands --------------------------------------------------------------- */

mofka_status_t create_topic(mofka_driver_t *driver, const char *topic, const topic_groups_t *g) {
    char *options = group_text(&g->options), *validator = group_text(&g->validator);
    char *selector = group_text(&g->selector), *serializer = group_text(&g->serializer);
    mofka_topic_options_t all = {options, validator, selector, serializer};
    mofka_status_t status = mofka_driver_create_topic(driver, topic, &all);
    free(options);
    free(validator);
    free(selector);
    free(serializer);
    return status;
}

void topic_groups_clear(topic_groups_t *g) {
    group_clear(&g->options);
    group_clear(&g->validator);
    group_clear(&g->selector);
    group_clear(&g->serializer);
}

/* ---- descriptions ------------------------------------------------------------------------------ */

typedef struct search {
    const char *name; /* NULL: every topic is printed */
    cJSON *found;     /* the description of `name` */
} search_t;

static void print_line(const cJSON *json) {
    char *text = cJSON_PrintUnformatted(json);
    if (text)
        puts(text);
    cJSON_free(text);
}

static mofka_status_t visit(void *context, const char *topic, const mofka_metadata_t *description) {
    search_t *search = context;
    const cJSON *json;
    if (search->name && strcmp(search->name, topic) != 0)
        return MOFKA_OK;
    mofka_status_t status = mofka_metadata_json(description, &json);
    if (status)
        return status;
    if (search->name) {
        search->found = cJSON_Duplicate(json, true);
        return MOFKA_STOP;
    }
    const cJSON *partitions = cJSON_GetObjectItemCaseSensitive(json, "partitions");
    if (as_json)
        print_line(json);
    else
        printf("%s\t%.0f\n", topic, cJSON_GetNumberValue(partitions));
    return MOFKA_OK;
}

static int list(mofka_driver_t *driver) {
    search_t search = {NULL, NULL};
    mofka_status_t status = mofka_driver_list_topics(driver, visit, &search);
    fflush(stdout);
    return status ? complain_of(status, "listing topics"), CTL_FAILED : CTL_OK;
}

/* Replaces the number of partitions by an array that tells each one. */
static bool add_partitions(cJSON *description, const mofka_topic_t *topic) {
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < mofka_topic_partition_count(topic); i++) {
        mofka_metadata_t *info;
        const cJSON *json;
        mofka_status_t status = mofka_topic_partition_info(topic, i, &info);
        if (!status && !(status = mofka_metadata_json(info, &json)))
            cJSON_AddItemToArray(array, cJSON_Duplicate(json, true));
        if (status) {
            cJSON_Delete(array);
            return complain_of(status, "asking for a partition");
        }
        mofka_metadata_release(info);
    }
    cJSON_ReplaceItemInObjectCaseSensitive(description, "partitions", array);
    return true;
}

/* The keys in a column each of name and value. */
static void print_description(const cJSON *description) {
    const cJSON *item;
    cJSON_ArrayForEach(item, description) {
        if (cJSON_IsArray(item))
            continue;
        char *text =
            cJSON_IsString(item) ? strdup(item->valuestring) : cJSON_PrintUnformatted(item);
        printf("%-12s %s\n", item->string, text ? text : "");
        free(text);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(description, "partitions")) {
        const cJSON *field;
        printf("%-12s", "partition");
        cJSON_ArrayForEach(field, item) {
            char *text =
                cJSON_IsString(field) ? strdup(field->valuestring) : cJSON_PrintUnformatted(field);
            if (strcmp(field->string, "partition") == 0)
                printf(" %s:", text ? text : "");
            else
                printf(" %s %s", field->string, text ? text : "");
            free(text);
        }
        putchar('\n');
    }
}

static int describe(mofka_driver_t *driver, const mofka_topic_t *topic) {
    search_t search = {.name = mofka_topic_name(topic)};
    mofka_status_t status = mofka_driver_list_topics(driver, visit, &search);
    if (!status && !search.found)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' is not listed", search.name);
    if (status) {
        complain_of(status, "asking for the topic");
        return CTL_FAILED;
    }
    bool good = add_partitions(search.found, topic);
    if (good && as_json)
        print_line(search.found);
    else if (good)
        print_description(search.found);
    fflush(stdout);
    cJSON_Delete(search.found);
    return good ? CTL_OK : CTL_FAILED;
}

static int info(mofka_driver_t *driver) {
    mofka_topic_t *topic = open_topic(driver, name, timeout_s);
    int code = topic ? describe(driver, topic) : CTL_FAILED;
    mofka_topic_release(topic);
    return code;
}

static int create(mofka_driver_t *driver) {
    mofka_status_t status = create_topic(driver, name, &groups);
    topic_groups_clear(&groups);
    if (status) {
        complain_of(status, "creating the topic");
        return status == MOFKA_ERR_EXISTS || status == MOFKA_ERR_FULL ? CTL_FAILED : CTL_USAGE;
    }
    if (!as_json)
        return CTL_OK;
    return info(driver);
}

static bool take_name(int count, char **words) {
    if (count != 1)
        return complain(count ? "one topic NAME is wanted, not also '%s'"
                              : "a topic NAME is missing",
                        count ? words[1] : "");
    name = words[0];
    return true;
}

static const option_row_t create_options[] = {
    {"topic", OPTION_GROUP, &groups.options, "JSON|FILE",
     "the topic's options, such as --topic.partitions 4", 0, 0, NULL},
    {"validator", OPTION_GROUP, &groups.validator, "JSON|FILE",
     "what its events must be like, such as --validator.type eventbridge", 0, 0, NULL},
    {"selector", OPTION_GROUP, &groups.selector, "JSON|FILE",
     "how events find their partition, such as --selector.type key", 0, 0, NULL},
    {"serializer", OPTION_GROUP, &groups.serializer, "JSON|FILE",
     "how metadata is stored, such as --serializer.type cbor", 0, 0, NULL},
    {"json", OPTION_FLAG, &as_json, NULL, "print what was made, as JSON", 0, 0, NULL},
};

static const option_row_t list_options[] = {
    {"json", OPTION_FLAG, &as_json, NULL, "each topic's description, one JSON object a line", 0, 0,
     NULL},
};

static const option_row_t info_options[] = {
    {"json", OPTION_FLAG, &as_json, NULL, "one JSON object", 0, 0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS", "wait so long for the topic to exist (30)",
     0, 0, NULL},
};

const command_t topic_create_command = {
    .name = "topic create",
    .arguments = "NAME",
    .summary = "Create a topic",
    .notes = "Options of --topic, --validator, --selector and --serializer are merged in the order "
             "given;\na VALUE of --GROUP.KEY is JSON where it parses as JSON, and a string where "
             "not. Dots go\ninto objects: --validator.pattern.detail.state '[\"x\"]'.\n",
    .options = create_options,
    .option_count = sizeof create_options / sizeof create_options[0],
    .check = take_name,
    .run = create,
};

const command_t topic_list_command = {
    .name = "topic list",
    .summary = "List the topics that exist now, with their numbers of partitions",
    .options = list_options,
    .option_count = sizeof list_options / sizeof list_options[0],
    .run = list,
};

const command_t topic_info_command = {
    .name = "topic info",
    .arguments = "NAME",
    .summary = "Describe a topic and its partitions",
    .options = info_options,
    .option_count = sizeof info_options / sizeof info_options[0],
    .check = take_name,
    .run = info,
};
