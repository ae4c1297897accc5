/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl produce: push lines of JSON as events. */
#include <assert.h>
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
#include "base/text/message.h"

static ctl_topic_groups_t groups;
static const char *topic_name, *data_from, *key;
static bool create, strict;
static const char *const if_exists_words[] = {"fail", "ignore", NULL}; /* ctl_if_exists_t */
static int if_exists = -1;                                             /* -1: not given */
static double timeout_s = TIMEOUT_S_DEFAULT, rate;
static uint64_t batch_size;
static char **files;
static int file_count;

static data_source_t data;

/* ---- files ----------------------------------------------------------------------------------- */

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
    assert(file_count > 0);
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

/* ---- the topic ------------------------------------------------------------------------------- */

static bool produce_selector_has(const char *object, const char *member, const char *wanted) {
    char *value = ctl_json_member(object, member), *text = value ? ctl_json_string(value) : NULL;
    bool same = text && strcmp(text, wanted) == 0;
    free(value);
    free(text);
    return same;
}

/* A topic keeps the selector that it was created with. One that existed before must have the
 * selector that --key means. */
static bool produce_check_key(const mofka_topic_t *topic) {
    const char *selector = mofka_topic_selector(topic);
    if (!key || if_exists == CTL_EXISTS_IGNORE ||
        (ctl_json_is_valid(selector) && ctl_json_is_object(selector) &&
         produce_selector_has(selector, "type", "key") &&
         produce_selector_has(selector, "pointer", key)))
        return true;
    ctl_complain("--key %s: topic '%s' has selector %.*s; a topic's selector is chosen when "
                 "it is created",
                 key, topic_name, MFI_QUOTE(selector, strlen(selector), 200));
    return false;
}

/* The answer is the exit code: a message was printed. */
static int produce_create_topic(mofka_driver_t *driver) {
    assert(create);
    mofka_topic_options_t all = ctl_topic_options(&groups);
    mofka_status_t status = ctl_topic_create_or_use(
        driver, topic_name, &all,
        if_exists == CTL_EXISTS_IGNORE ? CTL_EXISTS_IGNORE : CTL_EXISTS_FAIL);
    int code = status ? ctl_topic_complain_of_create(status, &all) : CTL_OK;
    if (status == MOFKA_ERR_EXISTS)
        ctl_complain("--if-exists ignore uses topic '%s' as it is", topic_name);
    return code;
}

static mofka_topic_t *produce_open_topic(mofka_driver_t *driver) {
    assert(topic_name);
    mofka_topic_t *topic = ctl_job_open_topic(driver, topic_name, timeout_s);
    if (!topic || produce_check_key(topic))
        return topic;
    mofka_topic_release(topic);
    return NULL;
}

static int produce_run(mofka_driver_t *driver) {
    int code = create ? produce_create_topic(driver) : CTL_OK;
    ctl_topic_groups_clear(&groups);
    if (code)
        return code;
    if (!data_source_open(&data, data_from))
        return CTL_FAILED;
    mofka_topic_t *topic = produce_open_topic(driver);
    code = topic ? produce_take_all(topic) : ctl_job_code_without_topic();
    mofka_topic_release(topic);
    data_source_close(&data);
    return code;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool produce_use_key(void) {
    assert(key);
    if (key[0] != '/') {
        args_complain_of_value("key", key, "a JSON pointer such as /alpha_3");
        return false;
    }
    if (groups.selector.text) {
        ctl_complain("--key '%s' chooses the selector: it cannot be combined with --selector %s",
                     key, groups.selector.text);
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
    args_common.makes_store = create;
    bool chosen = groups.options.text || groups.validator.text || groups.selector.text ||
                  groups.serializer.text;
    if (chosen && !create) {
        ctl_complain(
            "--topic.KEY, --topic-options, --validator, --selector and --serializer create "
            "the topic: they need --create");
        return false;
    }
    if (if_exists >= 0 && !create) {
        ctl_complain("--if-exists needs --create");
        return false;
    }
    if (key && !produce_use_key())
        return false;
    if (count == 0 && ctl_job_rank() != 0) {
        ctl_complain("this is rank %d, but launchers give stdin to rank 0: name FILEs, or - if the "
                     "launcher gives stdin to this rank",
                     ctl_job_rank());
        return false;
    }
    return data_source_check(data_from);
}

static const option_row_t options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "the topic", 0, 0, NULL},
    {"create", OPTION_FLAG, &create, NULL, "create the topic if it does not exist", 0, 0, NULL},
    {"if-exists", OPTION_CHOICE, &if_exists, "fail|ignore",
     "with --create: whether an existing topic with other options is used (fail)", 0, 0,
     if_exists_words},
    {"topic", OPTION_KEYS, &groups.options, "VALUE",
     "with --create: one option of the topic, such as --topic.partitions 4", 0, 0, NULL},
    {"topic-options", OPTION_GROUP, &groups.options, "JSON|FILE",
     "with --create: all options of the topic", 0, 0, NULL},
    {"validator", OPTION_GROUP, &groups.validator, "JSON|FILE", "with --create", 0, 0, NULL},
    {"selector", OPTION_GROUP, &groups.selector, "JSON|FILE", "with --create", 0, 0, NULL},
    {"serializer", OPTION_GROUP, &groups.serializer, "JSON|FILE", "with --create", 0, 0, NULL},
    {"key", OPTION_TEXT, &key, "POINTER",
     "events with the same value there share a partition: the selector \"key\"", 0, 0, NULL},
    {"data-from", OPTION_TEXT, &data_from, "/POINTER|file:PATH",
     "the data of an event: a string in its metadata, or the content of a file", 0, 0, NULL},
    {"rate", OPTION_REAL, &rate, "X", "events per second (0 means no limit)", 0, 1e9, NULL},
    {"batch-size", OPTION_COUNT, &batch_size, "N", "put N events in a batch (0 means adaptive)", 0,
     1 << 24, NULL},
    {"strict", OPTION_FLAG, &strict, NULL, "stop at the first line or file that fails", 0, 0, NULL},
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for the topic to exist, and for room in it (30)", 0, 0, NULL},
};

const ctl_command_t produce_command = {
    .name = "produce",
    .arguments = "[FILE...]",
    .summary = "Push each line of the FILEs, a JSON value, as an event's metadata",
    .notes = "Without FILE, or if FILE is -, lines come from stdin, which launchers give to rank 0 "
             "only.\nBlank lines are passed over. A malformed line is reported with its number, "
             "and counted; then the\nnext line is read, unless --strict is given. The string that "
             "--data-from /POINTER names is the\ndata, byte for byte, and stays in the metadata. A "
             "summary goes to stderr. SIGINT and SIGTERM end\nreading; lines that were read whole "
             "are stored first.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = produce_check,
    .run = produce_run,
};
