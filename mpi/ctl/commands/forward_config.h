/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `forward` is told:
 *
 *   {"drivers": {"NAME": {"type": TYPE, "options": {…}}, …},
 *    "forward": [{"from": TOPIC, "to": TOPIC, "filter": {PATTERN}, "consumer": "NAME"}, …]}
 *
 * TOPIC: "TOPIC" of the job's driver, or {"topic": "TOPIC", "driver": "NAME", "create": {"options":,
 * "validator":, "selector":, "serializer":}}; "create" only where it goes "to".
 */
#ifndef MOFKA_MPI_CTL_FORWARD_CONFIG_H
#define MOFKA_MPI_CTL_FORWARD_CONFIG_H

#include <mofka/mofka.h>

#define FORWARD_RULES_MAX 64
#define FORWARD_DRIVERS_MAX 16

typedef struct forward_driver {
    char *name, *type, *options; /* options: JSON, NULL for none */
} forward_driver_t;

typedef struct forward_end {
    char *topic;
    int driver;    /* index; -1: the job's */
    bool create;   /* where it is missing, with: */
    char *made[4]; /* JSON of options, validator, selector, serializer; NULL: the default */
} forward_end_t;

typedef struct forward_rule {
    forward_end_t from, to;
    char *filter;   /* JSON of the pattern; NULL: everything */
    char *consumer; /* NULL: a name of the rank's own */
} forward_rule_t;

typedef struct forward_config {
    forward_driver_t drivers[FORWARD_DRIVERS_MAX];
    size_t driver_count;
    forward_rule_t rules[FORWARD_RULES_MAX];
    size_t rule_count;
} forward_config_t;

/* Read it from JSON text, with a NUL byte behind it. False: told, naming the place. Clear it in any
 * case. Values stay as they were written. */
bool forward_config_read(forward_config_t *config, const char *text, size_t bytes);
void forward_config_clear(forward_config_t *config);

#endif
