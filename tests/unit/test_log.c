/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs: levels, callback, stderr; and environment variables. What the environment does is seen in a
 * child: this program again, with an argument. */
#include "support/check.h"
#include "conformance/simple/simple_backend.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mofka/backend.h>

#define OUTPUT_BYTES 8192

static char lines[OUTPUT_BYTES];

static void lines_collect(void *context, mofka_log_level_t level, const char *message) {
    assert_ptr_equal(context, lines);
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof lines - used, "%s: %s\n", mofka_log_level_name(level), message);
}

/* Drivers, a topic, a producer that pushes and is forgotten, a consumer. */
static void use_everything(void) {
    const mofka_driver_ops_t *ops;
    void *self;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    OK(simple_create(NULL, &ops, &self));
    OK(mofka_driver_wrap("simple", ops, self, &driver));
    OK(mofka_driver_create_topic(driver, "topic", NULL));
    OK(mofka_driver_open_topic(driver, "topic", 0, &topic));
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.name = "maker"}, &producer));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "taker"}, &consumer));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush(producer, 1000));
    mofka_producer_release(producer);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 1000));
    mofka_driver_release(driver);
}

static int log_setup(void **state) {
    (void)state;
    lines[0] = '\0';
    mofka_log_set_callback(lines_collect, lines);
    return 0;
}

static int log_teardown(void **state) {
    (void)state;
    mofka_log_set_callback(NULL, NULL);
    mofka_log_set_level(MOFKA_LOG_WARN);
    return 0;
}

/* The line that each level adds. It lets through no line of the next level. */
static void levels_let_through(void **state) {
    static const char *const said[] = {
        NULL, "warn: producer 'maker' of topic 'topic' was released but not closed",
        "info: topic 'topic' is created", "debug: consumer 'taker' of topic 'topic' is open",
        "trace: topic 'topic', partition 0: batch of 1 events: MOFKA_OK"};
    (void)state;
    assert_int_equal(mofka_log_level(), MOFKA_LOG_WARN);
    for (int level = MOFKA_LOG_ERROR; level <= MOFKA_LOG_TRACE; level++) {
        mofka_log_set_level((mofka_log_level_t)level);
        lines[0] = '\0';
        use_everything();
        for (int i = MOFKA_LOG_WARN; i <= MOFKA_LOG_TRACE; i++)
            assert_int_equal(strstr(lines, said[i]) != NULL, i <= level);
    }
    mofka_log_set_level((mofka_log_level_t)9);
    assert_int_equal(mofka_log_level(), MOFKA_LOG_TRACE);
}

static void errno_and_the_message_stay(void **state) {
    (void)state;
    mofka_fail(MOFKA_ERR_RANGE, "kept");
    errno = EDOM;
    mofka_log(MOFKA_LOG_ERROR, "%s %d", "line", 1);
    assert_int_equal(errno, EDOM);
    assert_string_equal(mofka_last_error(), "kept");
    assert_string_equal(lines, "error: line 1\n");
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    lines[0] = '\0';
    mofka_log(MOFKA_LOG_ERROR, "%s", long_text);
    assert_int_equal(strlen(lines), strlen("error: \n") + 1023);
}

/* Lines go through a pipe that does not block. One that finds no room is lost; nobody waits. */
static void lines_go_to_a_descriptor(void **state) {
    (void)state;
    int ends[2];
    char got[OUTPUT_BYTES];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    mofka_log_set_callback(mofka_log_to_descriptor, (void *)(intptr_t)ends[1]);
    mofka_log(MOFKA_LOG_ERROR, "%s", "one");
    mofka_log(MOFKA_LOG_WARN, "%s", "two");
    ssize_t bytes = read(ends[0], got, sizeof got - 1);
    assert_true(bytes > 0);
    got[bytes] = '\0';
    assert_string_equal(got, "error: one\nwarn: two\n");
    for (int i = 0; i < 10000; i++) {
        errno = EDOM;
        mofka_log(MOFKA_LOG_WARN, "%1000d", i); /* more than a pipe holds */
        assert_int_equal(errno, EDOM);
    }
    bytes = read(ends[0], got, sizeof got - 1);
    assert_true(bytes > 1000);
    close(ends[0]);
    close(ends[1]);
}

/* ---- the environment ------------------------------------------------------------------------- */

static const char *self_path;

/* The text that the child writes to stderr. */
static const char *output_of(const char *environment) {
    static char output[OUTPUT_BYTES];
    char command[512];
    snprintf(command, sizeof command, "%s '%s' child 2>&1", environment, self_path);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    size_t got = fread(output, 1, sizeof output - 1, child);
    output[got] = '\0';
    assert_int_equal(pclose(child), 0);
    return output;
}

static size_t text_count_parts(const char *text, const char *part) {
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        found++;
    return found;
}

static void the_environment_sets_the_level(void **state) {
    (void)state;
    const char *output = output_of("env -u MOFKA_LOG");
    assert_int_equal(text_count_parts(output, "mofka: "), 2);
    assert_int_equal(text_count_parts(output, "mofka: warn: producer 'maker'"), 2);
    assert_string_equal(output_of("MOFKA_LOG=error"), "");
    output = output_of("MOFKA_LOG=trace");
    assert_int_equal(text_count_parts(output, "mofka: trace: "), 2);
    assert_int_equal(text_count_parts(output, "mofka: info: topic 'topic' is created"), 2);
}

static void other_variables_are_logged_once(void **state) {
    (void)state;
    const char *output = output_of("MOFKA_LOGS=trace MOFKA_LOG=");
    assert_int_equal(text_count_parts(output, "environment variable MOFKA_LOGS is not known"), 1);
    assert_non_null(strstr(output, "these are: MOFKA_LIBRARY, MOFKA_LOG, "));
    output = output_of("MOFKA_STATS_INTERVAL_MS=5s");
    assert_int_equal(
        text_count_parts(output, "MOFKA_STATS_INTERVAL_MS is '5s', not a whole number from 1 to"),
        1);
    output = output_of("MOFKA_STATS_MODE=0640 MOFKA_PLUGIN_PATH=/a:b");
    assert_int_equal(text_count_parts(output, "MOFKA_STATS_MODE is '0640', not three octal"), 1);
    assert_int_equal(text_count_parts(output, "MOFKA_PLUGIN_PATH is '/a:b', not absolute"), 1);
    output = output_of("MOFKA_STATS_MODE=640 MOFKA_PLUGIN_PATH=/a:/b");
    assert_int_equal(text_count_parts(output, "environment variable"), 0);
    output = output_of("MOFKA_LOG=loud");
    assert_int_equal(
        text_count_parts(output, "environment variable MOFKA_LOG is 'loud', not error, warn, info, "
                                 "debug or trace; it is ignored"),
        1);
    assert_int_equal(text_count_parts(output, "mofka: warn: producer 'maker'"), 2);
}

static _Atomic int over;

static void log_ignore(void *context, mofka_log_level_t level, const char *message) {
    (void)context, (void)level, (void)message;
}

static void *log_and_look_up_for_ever(void *unused) {
    while (!over) {
        mofka_validator_t *validator;
        mofka_log_set_callback(log_ignore, NULL); /* takes the lock */
        mofka_log(MOFKA_LOG_ERROR, "x");
        if (mofka_validator_from_metadata(NULL, &validator) == MOFKA_OK)
            mofka_validator_release(validator);
    }
    return unused;
}

/* Whatever other threads hold meanwhile, a child can log and make things of its own. */
static void a_forked_child_can_log(void **state) {
    (void)state;
    pthread_t other;
    over = 0;
    mofka_log_set_callback(log_ignore, NULL);
    assert_int_equal(pthread_create(&other, NULL, log_and_look_up_for_ever, NULL), 0);
    for (int i = 0; i < 200; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            mofka_validator_t *validator;
            alarm(10);
            mofka_log(MOFKA_LOG_ERROR, "y");
            _exit(mofka_validator_from_metadata(NULL, &validator) != MOFKA_OK);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    over = 1;
    pthread_join(other, NULL);
    mofka_log_set_callback(NULL, NULL);
}

static int forks;

static void count_fork(void) {
    forks++;
}

static void a_backend_sees_forks_in_the_child_only(void **state) {
    (void)state;
    int status = -1;
    assert_int_equal(mofka_backend_at_fork(NULL), MOFKA_ERR_INVALID);
    OK(mofka_backend_at_fork(count_fork));
    pid_t child = fork();
    if (child == 0)
        _exit(forks);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(forks, 0);
}

int main(int argc, char **argv) {
    self_path = argv[0];
    if (argc > 1) {
        use_everything();
        use_everything();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(levels_let_through, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(errno_and_the_message_stay, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(lines_go_to_a_descriptor, log_setup, log_teardown),
        cmocka_unit_test(the_environment_sets_the_level),
        cmocka_unit_test(other_variables_are_logged_once),
        cmocka_unit_test(a_forked_child_can_log),
        cmocka_unit_test(a_backend_sees_forks_in_the_child_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
