/* SPDX-License-Identifier: BSD-3-Clause */
/* Status codes and the last error message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <mofka/status.h>

static void names_sentences_and_classes(void **state) {
    (void)state;
    assert_string_equal(mofka_status_name(MOFKA_ERR_TIMEOUT), "MOFKA_ERR_TIMEOUT");
    assert_string_equal(mofka_status_text(MOFKA_OK), "success");
    assert_int_equal(mofka_status_class(MOFKA_ERR_FULL), MOFKA_CLASS_FREE);
    assert_string_equal(mofka_status_name((mofka_status_t)-999), "unknown status");
}

static void message_keeps_values_and_errno(void **state) {
    (void)state;
    errno = EINTR;
    assert_int_equal(mofka_fail(MOFKA_ERR_RANGE, "partition %d of %d", 5, 3), MOFKA_ERR_RANGE);
    assert_int_equal(errno, EINTR);
    assert_string_equal(mofka_last_error(), "partition 5 of 3");
    mofka_fail(MOFKA_ERR_RANGE, "topic 'a': %s", mofka_last_error());
    assert_string_equal(mofka_last_error(), "topic 'a': partition 5 of 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_sentences_and_classes),
        cmocka_unit_test(message_keeps_values_and_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
