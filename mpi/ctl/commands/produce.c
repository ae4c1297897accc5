/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl produce: lines of JSON become events. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/in/intake.h"
#include "mpi/ctl/options/json.h"

static ctl_topic_groups_t groups;
static const char *topic_name, *data_from, *key;
static bool create, strict;
static double timeout_s = TIMEOUT_S_DEFAULT, rate;
static uint64_t batch_size;
static char **files;
static int file_count;

static data_source_t data;

/* ---- files --------------------------------------------------------------------------------------- */

static bool produce_take_file(intake_t *intake, const char *path) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        intake->failed = true;
        ctl_complain("cannot read '%s': %s", path, strerror(errno));
        return !strict;
    }
    intake_from(intake, is_stdin ? "stdin" : path);
    bool good = intake_take(intake, fd);
    if (!is_stdin)
        close(fd);
    return good;
}

static int produce_take_all(mofka_topic_t *topic) {
    intake_options_t wanted = {.batch_size = (size_t)batch_size,
                               .timeout_s = timeout_s,
                               .rate = rate,
                               .json = true,
                               .strict = strict,
                               .data = data_from ? &data : NULL};
    intake_t intake;
    if (!intake_open(&intake, topic, &wanted))
        return CTL_FAILED;
    bool good = true;
    for (int i = 0; good && i < file_count; i++)
        good = produce_take_file(&intake, files[i]);
    return intake_close(&intake, "produce") ? CTL_OK : CTL_FAILED;
}

/* ---- the topic --------------------------------------------------------------------------------- */

static bool produce_selector_has(const char *object, const char *member, const char *wanted) {
    char *value = ctl_json_member(object, member), *text = value ? ctl_json_string(value) : NULL;
    bool same = text && strcmp(text, wanted) == 0;
    free(value);
    free(text);
    return same;
}

/* The selector is the topic's: a topic that was there must have the one that --key means. */
static bool produce_check_key(const mofka_topic_t *topic) {
    const char *selector = mofka_topic_selector(topic);
    if (!key || (ctl_json_is_valid(selector) && ctl_json_is_object(selector) &&
                 produce_selector_has(selector, "type", "key") &&
                 produce_selector_has(selector, "pointer", key)))
        return true;
    ctl_complain("--key %s: topic '%s' has selector %.200s; a topic's selector is chosen when "
                 "it is created",
                 key, topic_name, selector);
    return false;
}

static mofka_topic_t *produce_open_topic(mofka_driver_t *driver) {
    mofka_status_t status = create ? ctl_topic_create(driver, topic_name, &groups) : MOFKA_OK;
    ctl_topic_groups_clear(&groups);
    if (status && status != MOFKA_ERR_EXISTS) {
        ctl_complain_of(status, "creating the topic");
        return NULL;
    }
    mofka_topic_t *topic = ctl_job_open_topic(driver, topic_name, timeout_s);
    if (!topic || produce_check_key(topic))
        return topic;
    mofka_topic_release(topic);
    return NULL;
}

static int produce_run(mofka_driver_t *driver) {
    mofka_topic_t *topic = produce_open_topic(driver);
    int code = topic ? produce_take_all(topic) : CTL_FAILED;
    mofka_topic_release(topic);
    data_source_close(&data);
    return code;
}

/* ---- options ----------------------------------------------------------------------------------- */

static bool produce_use_key(void) {
    if (key[0] != '/') {
        args_complain_of_value("key", key, "a JSON pointer such as /alpha_3");
        return false;
    }
    if (groups.selector.text) {
        ctl_complain("--key '%s' chooses the selector: it does not go with --selector %s", key,
                     groups.selector.text);
        return false;
    }
    return option_group_set(&groups.selector, "selector", "type", "key") &&
           option_group_set(&groups.selector, "selector", "pointer", key);
}

static bool produce_check(int count, char **words) {
    static char dash[] = "-", *standard[] = {dash};
    files = count > 0 ? words : standard;
    file_count = count > 0 ? count : 1;
    if (!topic_name) {
        ctl_complain("--topic NAME is missing");
        return false;
    }
    bool chosen = groups.options.text || groups.validator.text || groups.selector.text ||
                  groups.serializer.text;
    if (chosen && !create) {
        ctl_complain(
            "--topic.KEY, --topic-options, --validator, --selector and --serializer create "
            "the topic: they need --create");
        return false;
    }
    if (key && !produce_use_key())
        return false;
    if (count == 0 && ctl_job_rank() != 0) {
        ctl_complain("this is rank %d, and launchers give stdin to rank 0: name FILEs (or - where "
                     "the launcher was told to give stdin to this rank)",
                     ctl_job_rank());
        return false;
    }
    return data_source_open(&data, data_from);
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
    {"strict", OPTION_FLAG, &strict, NULL, "stop at the first line, or file, that fails", 0, 0,
     NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "wait so long for the topic to exist, and for room in it (30)", 0, 0, NULL},
};

const ctl_command_t produce_command = {
    .name = "produce",
    .arguments = "[FILE...]",
    .summary = "Push each line of the FILEs, a JSON value, as an event's metadata",
    .notes =
        "Without FILE, or where FILE is -, lines come from stdin, which launchers give to rank 0 "
        "only.\nBlank lines are passed over. Malformed lines are told with their number, and "
        "counted; the\nothers go on, unless --strict is given. The string that --data-from "
        "/POINTER names is the\ndata as it is, and stays in the metadata. A summary goes to "
        "stderr. SIGINT and SIGTERM end\nreading; lines that were read whole are stored first.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = produce_check,
    .run = produce_run,
};
