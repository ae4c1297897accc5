/* SPDX-License-Identifier: BSD-3-Clause */
/* The arguments --NAME VALUE, --NAME=VALUE and --GROUP.KEY VALUE, read against a command's rows. */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/args.h"
#include "base/text/message.h"

args_common_t args_common = {.close_timeout_s = INFINITY};

static const option_row_t common[] = {
    {.name = "driver",
     .kind = OPTION_GROUP,
     .value = &args_common.driver,
     .argument = "JSON|FILE",
     .help = "the driver's options; --driver.window rma sets one (those of the other ranks)"},
    {.name = "store",
     .kind = OPTION_TEXT,
     .value = &args_common.store,
     .argument = "DIR",
     .help = "the topics of a store in files, without a job (--driver.type files)"},
    {.name = "close-timeout",
     .kind = OPTION_SECONDS,
     .value = &args_common.close_timeout_s,
     .argument = "SECONDS",
     .help = "at the end, how long to wait for the other ranks to close the driver (inf)"},
};
#define COMMON_COUNT (sizeof common / sizeof common[0])

static const option_row_t *args_row(const ctl_command_t *command, size_t index) {
    assert(index < command->option_count + COMMON_COUNT);
    return index < command->option_count ? &command->options[index]
                                         : &common[index - command->option_count];
}

static size_t args_row_count(const ctl_command_t *command) {
    return command->option_count + (command->alone ? 0 : COMMON_COUNT);
}

void args_complain_of_value(const char *name, const char *value, const char *allowed) {
    assert(name && value && allowed);
    ctl_complain("--%s cannot be '%.*s': it must be %s", name, MFI_QUOTE(value, strlen(value), 200),
                 allowed);
}

bool args_take_word(int count, char **words, const char *what, const char *missing,
                    const char **word) {
    assert(count >= 0 && word);
    if (count == 0) {
        ctl_complain("%s is missing", missing);
        return false;
    }
    if (count > 1) {
        ctl_complain("only one %s is allowed; unexpected '%s'", what, words[1]);
        return false;
    }
    *word = words[0];
    return true;
}

double args_timeout_s(double given) {
    double otherwise = args_common.store ? 0 : TIMEOUT_S_DEFAULT;
    return given >= 0 ? given : otherwise;
}

static bool args_has_keys(const option_row_t *row) {
    return row->kind == OPTION_GROUP || row->kind == OPTION_KEYS;
}

/* Find the row of the option `name`, which has `bytes` bytes. `*key` is the key behind the dot of a
 * group, or NULL. */
static const option_row_t *args_find_row(const ctl_command_t *command, const char *name,
                                         size_t bytes, const char **key) {
    assert(strlen(name) >= bytes);
    const char *dot = memchr(name, '.', bytes);
    size_t head = dot ? (size_t)(dot - name) : bytes;
    *key = dot ? dot + 1 : NULL;
    for (size_t i = 0; i < args_row_count(command); i++) {
        const option_row_t *row = args_row(command, i);
        if (strncmp(row->name, name, head) != 0 || row->name[head])
            continue;
        if (dot ? args_has_keys(row) : row->kind != OPTION_KEYS)
            return row;
    }
    return NULL;
}

static bool args_set(const option_row_t *row, const char *name, const char *key,
                     const char *value) {
    assert(row->value && (row->kind == OPTION_FLAG || value));
    char allowed[OPTION_ALLOWED_BYTES];
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->value = true;
        return true;
    case OPTION_GROUP:
    case OPTION_KEYS:
        return option_group_set(row->value, name, key, value);
    default:
        if (option_row_set(row, value, allowed))
            return true;
        args_complain_of_value(row->name, value, allowed);
        return false;
    }
}

static bool args_complain_of_unknown(const ctl_command_t *command, const char *name, size_t bytes) {
    char known[1024] = "";
    for (size_t i = 0; i < args_row_count(command); i++) {
        size_t used = strlen(known);
        const option_row_t *row = args_row(command, i);
        snprintf(known + used, sizeof known - used, "%s--%s%s", used ? ", " : "", row->name,
                 row->kind == OPTION_KEYS ? ".KEY" : "");
    }
    ctl_complain("unknown option '--%.*s'; known are %s", MFI_QUOTE(name, bytes, 200), known);
    return false;
}

/* Read one option. `*used`: whether the next argument was its value. */
static bool args_read_option(const ctl_command_t *command, char *text, const char *next,
                             bool *used) {
    const char *key, *equals = strchr(text, '=');
    size_t bytes = equals ? (size_t)(equals - text) : strlen(text);
    const option_row_t *row = args_find_row(command, text, bytes, &key);
    *used = false;
    if (!row)
        return args_complain_of_unknown(command, text, bytes);
    if (row->kind == OPTION_FLAG && equals) {
        ctl_complain("--%s takes no value, but '%.*s' was given", row->name,
                     MFI_QUOTE(equals + 1, strlen(equals + 1), 200));
        return false;
    }
    if (row->kind != OPTION_FLAG && !equals && !next) {
        ctl_complain("a value is missing after '--%s'", text);
        return false;
    }
    *used = row->kind != OPTION_FLAG && !equals;
    if (equals)
        text[bytes] = '\0';
    return args_set(row, text, key, equals ? equals + 1 : next);
}

bool args_read(const ctl_command_t *command, int argc, char **argv) {
    assert(argc >= 0);
    int words = 0;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        bool option = !only_words && argv[i][0] == '-' && argv[i][1];
        if (option && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (!option) {
            argv[words++] = argv[i];
            continue;
        }
        if (argv[i][1] != '-') {
            ctl_complain("unknown option '%s': options begin with two dashes", argv[i]);
            return false;
        }
        bool used;
        if (!args_read_option(command, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL, &used))
            return false;
        i += used;
    }
    if (words > 0 && !command->arguments) {
        ctl_complain("unknown argument '%s': this command takes only options", argv[0]);
        return false;
    }
    if (args_common.store && args_common.driver.text) {
        ctl_complain("--store names the driver already: it cannot be combined with --driver");
        return false;
    }
    return !command->check || command->check(words, argv);
}

static void args_print_row(const option_row_t *row, FILE *out) {
    assert(row->name && row->help);
    char left[96];
    bool whole = row->kind != OPTION_KEYS;
    snprintf(left, sizeof left, "--%s%s%s%s", row->name, whole ? "" : ".KEY",
             row->argument ? " " : "", row->argument ? row->argument : "");
    fprintf(out, strlen(left) < 27 ? "  %-27s %s\n" : "  %s\n                              %s\n",
            left, row->help);
}

void args_print_help(const ctl_command_t *command, FILE *out) {
    fprintf(out, "usage: mofkactl %s%s%s [OPTION...]\n\n%s.\n\n", command->name,
            command->arguments ? " " : "", command->arguments ? command->arguments : "",
            command->summary);
    for (size_t i = 0; i < args_row_count(command); i++)
        args_print_row(args_row(command, i), out);
    if (command->notes)
        fprintf(out, "\n%s", command->notes);
}
