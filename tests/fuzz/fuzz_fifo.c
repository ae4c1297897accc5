/* SPDX-License-Identifier: BSD-3-Clause */
/* The control language of `mofkactl fifo`: any line is read or refused, in bounds. */
#include <stdint.h>
#include <string.h>
#include "require.h"
#include "mpi/ctl/options/fifo_language.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    fifo_command_t command;
    fifo_error_t error = {0, ""};
    if (!fifo_parse((const char *)bytes, size, &command, &error)) {
        REQUIRE(error.column >= 1 && error.column <= size + 1 && error.text[0]);
        return 0;
    }
    REQUIRE(strlen(command.path) < sizeof command.path);
    REQUIRE(strlen(command.topic) < sizeof command.topic);
    REQUIRE(strlen(command.name) < sizeof command.name);
    REQUIRE(command.verb == FIFO_NOTHING || (command.path[0] && command.topic[0]));
    return 0;
}
