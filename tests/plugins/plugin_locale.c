/* SPDX-License-Identifier: BSD-3-Clause */
/* The types of the plug-ins read and write numbers alike in every locale. */
#include "plugins/serializers.h"
#include "support/foreign_locale.h"

static void numbers_come_back(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        serializer_keeps_text(serializer, "[2.5,-0.125,1e-7,184467440737095516.15]");
        serializer_keeps_text(serializer, "{\"id\":12,\"name\":\"abc\",\"x\":2.5}");
        mofka_serializer_release(serializer);
    }
}

static mofka_status_t validate(const mofka_validator_t *validator, const char *text) {
    return mofka_validator_validate(validator, text, strlen(text), NULL);
}

static void schemas_compare_numbers(void **state) {
    (void)state;
    mofka_validator_t *validator;
    OK(mofka_validator_from_metadata("{\"type\":\"schema\",\"schema\":{\"minimum\":0.25,"
                                     "\"multipleOf\":0.125,\"not\":{\"enum\":[0.5,1.5]}}}",
                                     &validator));
    OK(validate(validator, "0.375"));
    FAILS(validate(validator, "0.125"), MOFKA_ERR_REFUSED, "minimum");
    FAILS(validate(validator, "0.3"), MOFKA_ERR_REFUSED, "multipleOf");
    FAILS(validate(validator, "15e-1"), MOFKA_ERR_REFUSED, "not");
    mofka_validator_release(validator);
}

int main(void) {
    if (!foreign_locale_use())
        return FOREIGN_LOCALE_SKIP;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(schemas_compare_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
