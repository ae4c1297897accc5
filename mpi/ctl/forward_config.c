/* The configuration of `forward`, from JSON. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/options.h>
#include "forward_config.h"

static const char *const made_keys[] = {"options", "validator", "selector", "serializer"};

static bool told(mofka_status_t status) {
    return !status || complain("%s", mofka_last_error());
}

/* `json` (of an object at `what`) into the values of the table. */
static bool read_table(const char *what, const char *json, const mofka_option_t *table,
                       size_t count) {
    return told(mofka_options_read(what, json ? json : "null", table, count));
}

static bool needs(const char *what, const char *key, const char *value) {
    return value || complain("%s: \"%s\" is missing", what, key);
}

/* ---- drivers ----------------------------------------------------------------------------------- */

static bool read_driver(forward_driver_t *driver, const cJSON *item) {
    char what[128];
    snprintf(what, sizeof what, "drivers.%.64s", item->string);
    const mofka_option_t table[] = {
        {.key = "type", .kind = MOFKA_OPTION_STRING, .value = &driver->type},
        {.key = "options", .kind = MOFKA_OPTION_JSON, .value = &driver->options},
    };
    char *text = cJSON_PrintUnformatted(item);
    driver->name = strdup(item->string);
    bool good =
        driver->name && read_table(what, text, table, 2) && needs(what, "type", driver->type);
    cJSON_free(text);
    if (good && strcmp(driver->type, "mpi") == 0)
        return complain("%s: the job has its MPI driver already: topics without \"driver\" are its",
                        what);
    return good;
}

static bool read_drivers(forward_config_t *config, const char *json) {
    cJSON *all = json ? cJSON_Parse(json) : NULL;
    bool good =
        !json || cJSON_IsObject(all) || complain("\"drivers\" must be an object of drivers");
    for (const cJSON *item = good && all ? all->child : NULL; item && good; item = item->next) {
        if (config->driver_count == FORWARD_DRIVERS_MAX)
            good = complain("\"drivers\" has more than %d", FORWARD_DRIVERS_MAX);
        else
            good = read_driver(&config->drivers[config->driver_count++], item);
    }
    cJSON_Delete(all);
    return good;
}

/* ---- rules ------------------------------------------------------------------------------------- */

static bool read_create(forward_end_t *end, const char *what, const char *json) {
    char where[160];
    snprintf(where, sizeof where, "%s.create", what);
    mofka_option_t table[4];
    for (int i = 0; i < 4; i++)
        table[i] = (mofka_option_t){
            .key = made_keys[i], .kind = MOFKA_OPTION_JSON, .value = &end->made[i]};
    end->create = true;
    return read_table(where, json, table, 4);
}

static bool find_driver(const forward_config_t *config, const char *what, const char *name,
                        int *index) {
    *index = -1;
    for (size_t i = 0; name && i < config->driver_count; i++)
        if (strcmp(config->drivers[i].name, name) == 0)
            *index = (int)i;
    return !name || *index >= 0 ||
           complain("%s: there is no driver '%s' in \"drivers\"", what, name);
}

static bool read_end(const forward_config_t *config, forward_end_t *end, const char *what,
                     const char *json, bool may_create) {
    cJSON *item = cJSON_Parse(json);
    char *driver = NULL, *create = NULL;
    const mofka_option_t table[] = {
        {.key = "topic", .kind = MOFKA_OPTION_STRING, .value = &end->topic},
        {.key = "driver", .kind = MOFKA_OPTION_STRING, .value = &driver},
        {.key = "create", .kind = MOFKA_OPTION_JSON, .value = &create},
    };
    bool good = true;
    if (cJSON_IsString(item))
        end->topic = strdup(item->valuestring);
    else
        good = read_table(what, json, table, may_create ? 3 : 2);
    good = good && needs(what, "topic", end->topic) &&
           find_driver(config, what, driver, &end->driver) &&
           (!create || read_create(end, what, create));
    cJSON_Delete(item);
    free(driver);
    free(create);
    return good;
}

static bool read_rule(const forward_config_t *config, forward_rule_t *rule, size_t index,
                      const cJSON *item) {
    char what[64], at[96], *from = NULL, *to = NULL;
    const mofka_option_t table[] = {
        {.key = "from", .kind = MOFKA_OPTION_JSON, .value = &from},
        {.key = "to", .kind = MOFKA_OPTION_JSON, .value = &to},
        {.key = "filter", .kind = MOFKA_OPTION_JSON, .value = &rule->filter},
        {.key = "consumer", .kind = MOFKA_OPTION_STRING, .value = &rule->consumer},
    };
    snprintf(what, sizeof what, "forward[%zu]", index);
    char *text = cJSON_PrintUnformatted(item);
    bool good =
        read_table(what, text, table, 4) && needs(what, "from", from) && needs(what, "to", to);
    cJSON_free(text);
    snprintf(at, sizeof at, "%s.from", what);
    good = good && read_end(config, &rule->from, at, from, false);
    snprintf(at, sizeof at, "%s.to", what);
    good = good && read_end(config, &rule->to, at, to, true);
    free(from);
    free(to);
    if (good && rule->from.driver == rule->to.driver &&
        strcmp(rule->from.topic, rule->to.topic) == 0)
        return complain("%s: topic '%s' goes to itself", what, rule->to.topic);
    return good;
}

static bool read_rules(forward_config_t *config, const char *json) {
    cJSON *all = json ? cJSON_Parse(json) : NULL;
    int count = cJSON_GetArraySize(all);
    bool good = (cJSON_IsArray(all) && count >= 1 && count <= FORWARD_RULES_MAX) ||
                complain("\"forward\" must be an array of 1 to %d objects", FORWARD_RULES_MAX);
    const cJSON *item = good ? all->child : NULL;
    for (; item && good; item = item->next, config->rule_count++)
        good = read_rule(config, &config->rules[config->rule_count], config->rule_count, item);
    cJSON_Delete(all);
    return good;
}

bool forward_config_read(forward_config_t *config, const char *text) {
    char *drivers = NULL, *rules = NULL;
    const mofka_option_t table[] = {
        {.key = "drivers", .kind = MOFKA_OPTION_JSON, .value = &drivers},
        {.key = "forward", .kind = MOFKA_OPTION_JSON, .value = &rules},
    };
    *config = (forward_config_t){0};
    bool good = read_table("the configuration", text, table, 2) && read_drivers(config, drivers) &&
                read_rules(config, rules);
    free(drivers);
    free(rules);
    return good;
}

static void clear_end(forward_end_t *end) {
    free(end->topic);
    for (int i = 0; i < 4; i++)
        free(end->made[i]);
}

void forward_config_clear(forward_config_t *config) {
    for (size_t i = 0; i < config->driver_count; i++) {
        free(config->drivers[i].name);
        free(config->drivers[i].type);
        free(config->drivers[i].options);
    }
    for (size_t i = 0; i < FORWARD_RULES_MAX; i++) {
        clear_end(&config->rules[i].from);
        clear_end(&config->rules[i].to);
        free(config->rules[i].filter);
        free(config->rules[i].consumer);
    }
    *config = (forward_config_t){0};
}
