/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the configuration of `forward` from JSON. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/options.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/commands/forward_config.h"
#include "mpi/ctl/options/json.h"
#include "base/text/message.h"
#include "json/text.h"

static const char *const if_exists_words[] = {"fail", "ignore", NULL}; /* ctl_if_exists_t */
const char *const forward_dialects[] = {"amazon", "original", NULL};
static const char *const made_keys[] = {"options", "validator", "selector", "serializer"};

static bool forward_config_succeeded(mofka_status_t status) {
    if (status)
        ctl_complain("%s", mofka_last_error());
    return !status;
}

/* Read `json`, the object that messages call `what`, into the values of the table. */
static bool forward_config_read_table(const char *what, const char *json,
                                      const mofka_option_t *table, size_t count) {
    return forward_config_succeeded(mofka_options_read(what, json ? json : "null", table, count));
}

static bool forward_config_needs(const char *what, const char *key, const char *value) {
    if (!value)
        ctl_complain("%s: \"%s\" is missing", what, key);
    return value;
}

/* ---- drivers --------------------------------------------------------------------------------- */

static bool forward_config_read_driver(forward_driver_t *driver, const char *text) {
    assert(driver->name && text);
    char what[128];
    snprintf(what, sizeof what, "drivers.%.*s", MFI_QUOTE(driver->name, strlen(driver->name), 64));
    const mofka_option_t table[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &driver->type},
        {.key = "options", .kind = MOFKA_OPTION_JSON, .value = &driver->options},
    };
    bool good = forward_config_read_table(what, text, table, 2) &&
                forward_config_needs(what, "type", driver->type);
    if (good && strcmp(driver->type, "mpi") == 0) {
        ctl_complain("%s: the job already has an MPI driver; leave out \"driver\" to use it", what);
        return false;
    }
    return good;
}

static bool forward_config_read_drivers(forward_config_t *config, const char *json) {
    assert(config->driver_count == 0);
    if (!json)
        return true;
    if (*json != '{') {
        ctl_complain("\"drivers\" must be an object of drivers, not %.*s",
                     MFI_QUOTE(json, strlen(json), 100));
        return false;
    }
    mfi_json_walk_t walk = mfi_json_walk(json, json + strlen(json));
    bool good = true;
    while (good && mfi_json_next(&walk)) {
        if (config->driver_count == FORWARD_DRIVERS_MAX) {
            ctl_complain("\"drivers\" has more than %d members", FORWARD_DRIVERS_MAX);
            return false;
        }
        forward_driver_t *driver = &config->drivers[config->driver_count++];
        char *text = strndup(walk.value, (size_t)(walk.end - walk.value));
        driver->name = ctl_json_string(walk.key);
        good = text && driver->name && forward_config_read_driver(driver, text);
        if (!text || !driver->name)
            ctl_complain("\"drivers\": no memory for its members");
        free(text);
    }
    return good;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool forward_config_read_create(forward_end_t *end, const char *what, const char *json) {
    char where[160];
    snprintf(where, sizeof where, "%s.create", what);
    mofka_option_t table[5] = {[4] = {.key = "if_exists",
                                      .kind = MOFKA_OPTION_CHOICE,
                                      .value = &end->if_exists,
                                      .choices = if_exists_words}};
    for (int i = 0; i < 4; i++)
        table[i] = (mofka_option_t){
            .key = made_keys[i], .kind = MOFKA_OPTION_JSON, .value = &end->made[i]};
    end->create = true;
    return forward_config_read_table(where, json, table, 5);
}

static bool forward_config_find_driver(const forward_config_t *config, const char *what,
                                       const char *name, int *index) {
    assert(config->driver_count <= FORWARD_DRIVERS_MAX);
    *index = -1;
    for (size_t i = 0; name && i < config->driver_count; i++)
        if (strcmp(config->drivers[i].name, name) == 0)
            *index = (int)i;
    bool good = !name || *index >= 0;
    if (!good)
        ctl_complain("%s: \"drivers\" has no driver '%s'", what, name);
    return good;
}

/* Turn the short form "TOPIC" into {"topic": "TOPIC"}. Give: free(). */
static char *forward_config_whole_end(const char *json) {
    char *whole = NULL;
    if (*json != '"')
        return strdup(json);
    return asprintf(&whole, "{\"topic\":%s}", json) < 0 ? NULL : whole;
}

static bool forward_config_read_end(const forward_config_t *config, forward_end_t *end,
                                    const char *what, const char *json, bool may_create) {
    char *driver = NULL, *create = NULL, *whole = forward_config_whole_end(json);
    const mofka_option_t table[] = {
        {.key = "topic", .kind = MOFKA_OPTION_STRING, .value = &end->topic},
        {.key = "driver", .kind = MOFKA_OPTION_STRING, .value = &driver},
        {.key = "create", .kind = MOFKA_OPTION_JSON, .value = &create},
    };
    if (!whole)
        ctl_complain("%s: no memory", what);
    bool good = whole && forward_config_read_table(what, whole, table, may_create ? 3 : 2);
    good = good && forward_config_needs(what, "topic", end->topic) &&
           forward_config_find_driver(config, what, driver, &end->driver) &&
           (!create || forward_config_read_create(end, what, create));
    free(driver);
    free(create);
    free(whole);
    return good;
}

static bool forward_config_read_rule(const forward_config_t *config, forward_rule_t *rule,
                                     size_t index, const char *text) {
    assert(index < FORWARD_RULES_MAX);
    char what[64], at[96], *from = NULL, *to = NULL;
    const mofka_option_t table[] = {
        {.key = "from", .kind = MOFKA_OPTION_JSON, .value = &from},
        {.key = "to", .kind = MOFKA_OPTION_JSON, .value = &to},
        {.key = "filter", .kind = MOFKA_OPTION_JSON, .value = &rule->filter},
        {.key = "consumer", .kind = MOFKA_OPTION_STRING, .value = &rule->consumer},
        {.key = "dialect",
         .kind = MOFKA_OPTION_CHOICE,
         .value = &rule->dialect,
         .choices = forward_dialects},
    };
    snprintf(what, sizeof what, "forward[%zu]", index);
    bool good = forward_config_read_table(what, text, table, 5) &&
                forward_config_needs(what, "from", from) && forward_config_needs(what, "to", to);
    snprintf(at, sizeof at, "%s.from", what);
    good = good && forward_config_read_end(config, &rule->from, at, from, false);
    snprintf(at, sizeof at, "%s.to", what);
    good = good && forward_config_read_end(config, &rule->to, at, to, true);
    free(from);
    free(to);
    if (good && rule->from.driver == rule->to.driver &&
        strcmp(rule->from.topic, rule->to.topic) == 0) {
        ctl_complain("%s: topic '%s' would be forwarded to itself", what, rule->to.topic);
        return false;
    }
    return good;
}

static bool forward_config_read_rules(forward_config_t *config, const char *json) {
    assert(config->rule_count == 0);
    bool good = true;
    if (!json || *json != '[') {
        const char *found = json ? json : "missing";
        ctl_complain("\"forward\" must be an array of 1 to %d objects, not %.*s", FORWARD_RULES_MAX,
                     MFI_QUOTE(found, strlen(found), 100));
        return false;
    }
    mfi_json_walk_t walk = mfi_json_walk(json, json + strlen(json));
    while (good && mfi_json_next(&walk)) {
        if (config->rule_count == FORWARD_RULES_MAX) {
            ctl_complain("\"forward\" has more than %d objects", FORWARD_RULES_MAX);
            return false;
        }
        size_t index = config->rule_count++;
        char *text = strndup(walk.value, (size_t)(walk.end - walk.value));
        if (!text)
            ctl_complain("forward[%zu]: no memory", index);
        good = text && forward_config_read_rule(config, &config->rules[index], index, text);
        free(text);
    }
    if (good && config->rule_count == 0) {
        ctl_complain("\"forward\" must be an array of 1 to %d objects, not []", FORWARD_RULES_MAX);
        good = false;
    }
    return good;
}

bool forward_config_read(forward_config_t *config, const char *text, size_t bytes) {
    char *drivers = NULL, *rules = NULL;
    const mofka_option_t table[] = {
        {.key = "drivers", .kind = MOFKA_OPTION_JSON, .value = &drivers},
        {.key = "forward", .kind = MOFKA_OPTION_JSON, .value = &rules},
    };
    *config = (forward_config_t){0};
    bool good = forward_config_succeeded(ctl_json_check("the configuration", text, bytes)) &&
                forward_config_read_table("the configuration", text, table, 2) &&
                forward_config_read_drivers(config, drivers) &&
                forward_config_read_rules(config, rules);
    free(drivers);
    free(rules);
    return good;
}

static void forward_config_clear_end(forward_end_t *end) {
    free(end->topic);
    for (int i = 0; i < 4; i++)
        free(end->made[i]);
}

void forward_config_clear(forward_config_t *config) {
    assert(config->rule_count <= FORWARD_RULES_MAX);
    for (size_t i = 0; i < config->driver_count; i++) {
        free(config->drivers[i].name);
        free(config->drivers[i].type);
        free(config->drivers[i].options);
    }
    for (size_t i = 0; i < FORWARD_RULES_MAX; i++) {
        forward_config_clear_end(&config->rules[i].from);
        forward_config_clear_end(&config->rules[i].to);
        free(config->rules[i].filter);
        free(config->rules[i].consumer);
    }
    *config = (forward_config_t){0};
}
