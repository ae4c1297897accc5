/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: topics are deleted, by drivers that can. */
#include "conformance/conformance.h"

/* Skip the case if the driver cannot delete topics, or not such ones. */
static void delete_needs_slot(void) {
    if (mofka_driver_delete_topic(conformance_driver(), "nowhere") != MOFKA_ERR_UNSUPPORTED) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_status_t status =
            mofka_driver_delete_topic(conformance_driver(), mofka_topic_name(topic));
        mofka_topic_release(topic);
        if (status != MOFKA_ERR_UNSUPPORTED)
            return;
        assert_non_null(strstr(mofka_last_error(), "has storage"));
        print_message("skipped: a topic with storage is not deleted\n");
        skip();
    }
    assert_non_null(strstr(mofka_last_error(), "cannot delete topics"));
    print_message("skipped: a driver of type '%s' cannot delete topics\n",
                  mofka_driver_type(conformance_driver()));
    skip();
}

static mofka_status_t delete_see(void *context, const char *name, const mofka_metadata_t *text) {
    (void)text;
    const char **searched = context;
    if (strcmp(name, *searched) == 0)
        *searched = "";
    return MOFKA_OK;
}

static bool delete_is_listed(const char *name) {
    const char *searched = name;
    OK(mofka_driver_list_topics(conformance_driver(), delete_see, &searched));
    return searched != name;
}

static void deleted_topics_are_gone(void **state) {
    (void)state;
    delete_needs_slot();
    mofka_driver_t *driver = conformance_driver();
    char name[MOFKA_NAME_BYTES_MAX + 1];
    bool exists;
    mofka_topic_t *topic = fresh_topic(NULL), *again;
    snprintf(name, sizeof name, "%s", mofka_topic_name(topic));
    push_numbers(topic, 3);
    OK(mofka_driver_delete_topic(driver, name));
    OK(mofka_driver_topic_exists(driver, name, &exists));
    assert_false(exists);
    assert_false(delete_is_listed(name));
    FAILS(mofka_driver_open_topic(driver, name, 0, &again), MOFKA_ERR_NOT_FOUND, name);
    FAILS(mofka_driver_delete_topic(driver, name), MOFKA_ERR_NOT_FOUND, name);
    mofka_topic_release(topic);
}

/* Neither its events nor its consumers' cursors are there. */
static void a_topic_of_the_same_name_is_empty(void **state) {
    (void)state;
    delete_needs_slot();
    mofka_driver_t *driver = conformance_driver();
    mofka_topic_t *topic = fresh_topic(NULL);
    for (int i = 0; i < 3; i++) {
        push_numbers(topic, 5 + i);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        for (int n = 0; n < 5; n++)
            take_number(consumer, n);
        end_consumer(consumer);
        mofka_topic_t *next = conformance_replace_topic(topic);
        mofka_topic_release(topic);
        topic = next;
    }
    OK(mofka_topic_mark_complete(topic, 10000));
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    expect_end(consumer);
    end_consumer(consumer);
    OK(mofka_driver_delete_topic(driver, mofka_topic_name(topic)));
    mofka_topic_release(topic);
}

static void a_topic_that_is_used_is_busy(void **state) {
    (void)state;
    delete_needs_slot();
    mofka_driver_t *driver = conformance_driver();
    mofka_topic_t *topic = fresh_topic(NULL);
    const char *name = mofka_topic_name(topic);
    mofka_producer_t *producer = new_producer(topic);
    FAILS(mofka_driver_delete_topic(driver, name), MOFKA_ERR_BUSY, name);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    push_number(producer, 0);
    end_producer(producer);
    FAILS(mofka_driver_delete_topic(driver, name), MOFKA_ERR_BUSY, name);
    take_number(consumer, 0);
    end_consumer(consumer);
    OK(mofka_driver_delete_topic(driver, name));
    mofka_topic_release(topic);
}

/* Also once there is another topic of that name, in the same memory. */
static void handles_of_a_deleted_topic_are_refused(void **state) {
    (void)state;
    delete_needs_slot();
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_topic_t *topic = fresh_topic(NULL), *next = conformance_replace_topic(topic);
    mofka_producer_t *other = new_producer(next);
    for (int i = 0; i < 2; i++) {
        FAILS(mofka_producer_create(topic, NULL, &producer), MOFKA_ERR_NOT_FOUND, "was deleted");
        FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "x"}, &consumer),
              MOFKA_ERR_NOT_FOUND, "was deleted");
        FAILS(mofka_topic_mark_complete(topic, 1000), MOFKA_ERR_NOT_FOUND, "was deleted");
    }
    end_producer(other);
    OK(mofka_driver_delete_topic(conformance_driver(), mofka_topic_name(next)));
    mofka_topic_release(topic);
    mofka_topic_release(next);
}

static void names_of_topics_to_delete(void **state) {
    (void)state;
    mofka_driver_t *driver = conformance_driver();
    FAILS(mofka_driver_delete_topic(driver, ""), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_driver_delete_topic(driver, NULL), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_driver_delete_topic(NULL, "x"), MOFKA_ERR_INVALID, "driver");
    delete_needs_slot();
    FAILS(mofka_driver_delete_topic(driver, "nowhere"), MOFKA_ERR_NOT_FOUND, "nowhere");
}

const struct CMUnitTest delete_cases[] = {
    cmocka_unit_test(deleted_topics_are_gone),
    cmocka_unit_test(a_topic_of_the_same_name_is_empty),
    cmocka_unit_test(a_topic_that_is_used_is_busy),
    cmocka_unit_test(handles_of_a_deleted_topic_are_refused),
    cmocka_unit_test(names_of_topics_to_delete),
};
const size_t delete_case_count = sizeof delete_cases / sizeof delete_cases[0];
