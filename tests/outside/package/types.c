/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes each type that it is told of: types [validator|serializer JSON]... */
#include <mofka/mofka.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        mofka_validator_t *validator = NULL;
        mofka_serializer_t *serializer = NULL;
        mofka_status_t status = strcmp(argv[i], "validator") == 0
                                    ? mofka_validator_from_metadata(argv[i + 1], &validator)
                                    : mofka_serializer_from_metadata(argv[i + 1], &serializer);
        if (status) {
            fprintf(stderr, "%s %s: %s\n", argv[i], argv[i + 1], mofka_last_error());
            return 1;
        }
        printf("%s %s\n", argv[i], argv[i + 1]);
        mofka_validator_release(validator);
        mofka_serializer_release(serializer);
    }
    return 0;
}
