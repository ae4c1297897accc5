/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration of `forward`:
 *
 *   {"drivers": {"NAME": {"type": TYPE, "options": {…}}, …},
 *    "forward": [{"from": TOPIC, "to": TOPIC, "filter": {PATTERN}, "dialect": "amazon" or
 *                 "original", "consumer": "NAME"}, …]}
 *
 * TOPIC is "TOPIC", a topic of the job's driver, or {"topic": "TOPIC", "driver": "NAME", "create":
 * {"options":, "validator":, "selector":, "serializer":, "if_exists": "fail" or "ignore"}}. Only
 * the topic of "to" may have "create".
 */
#ifndef MOFKA_MPI_CTL_COMMANDS_FORWARD_CONFIG_H
#define MOFKA_MPI_CTL_COMMANDS_FORWARD_CONFIG_H

#include <mofka/mofka.h>

#define FORWARD_RULES_MAX 64
#define FORWARD_DRIVERS_MAX 16

typedef struct forward_driver {
    char *name, *type, *options; /* options: JSON, NULL for none */
} forward_driver_t;

typedef struct forward_end {
    char *topic;
    int driver;    /* index into `drivers`; -1: the job's driver */
    bool create;   /* create the topic if it does not exist, with `made` */
    int if_exists; /* ctl_if_exists_t */
    char *made[4]; /* JSON of options, validator, selector, serializer; NULL: the default */
} forward_end_t;

typedef struct forward_rule {
    forward_end_t from, to;
    char *filter;   /* JSON of the pattern; NULL: everything */
    int dialect;    /* of the pattern: an index into forward_dialects */
    char *consumer; /* NULL: a name that belongs to this rank */
} forward_rule_t;

typedef struct forward_config {
    forward_driver_t drivers[FORWARD_DRIVERS_MAX];
    size_t driver_count;
    forward_rule_t rules[FORWARD_RULES_MAX];
    size_t rule_count;
} forward_config_t;

/* The words for the dialects of event patterns; NULL ends them. */
extern const char *const forward_dialects[];

/* Read the configuration from JSON text, with a NUL byte behind it. Values keep their text. False:
 * a message was printed that names the place. Clear the configuration in either case. */
bool forward_config_read(forward_config_t *config, const char *text, size_t bytes);
void forward_config_clear(forward_config_t *config);

#endif
