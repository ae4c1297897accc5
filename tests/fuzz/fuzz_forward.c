/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of `mofkactl forward`: any text is read, whole, or refused with a message. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "require.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/commands/forward_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char message[2048];

/* Instead of base/messages.c. */
void ctl_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
}

static void check_end(const forward_config_t *config, const forward_end_t *end) {
    REQUIRE(end->topic);
    REQUIRE(end->driver >= -1 && end->driver < (int)config->driver_count);
    for (int i = 0; i < 4; i++)
        REQUIRE(!end->made[i] || (end->create && end->made[i][0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static forward_config_t config;
    char *text = calloc(1, size + 1);
    if (!text)
        abort();
    if (size > 0)
        memcpy(text, bytes, size);
    message[0] = '\0';
    if (forward_config_read(&config, text, size)) {
        REQUIRE(config.rule_count >= 1 && config.rule_count <= FORWARD_RULES_MAX);
        for (size_t i = 0; i < config.driver_count; i++)
            REQUIRE(config.drivers[i].name && config.drivers[i].type);
        for (size_t i = 0; i < config.rule_count; i++) {
            check_end(&config, &config.rules[i].from);
            check_end(&config, &config.rules[i].to);
            REQUIRE(config.rules[i].dialect >= 0 && forward_dialects[config.rules[i].dialect]);
        }
    } else {
        REQUIRE(message[0]);
    }
    forward_config_clear(&config);
    free(text);
    return 0;
}
