/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types of the plug-ins in topics of the MPI driver: an event that any rank pushes reaches
 * every rank unchanged. Linked against the shared libraries, as the plug-ins are.
 */
#include "support/mpi/mpi_main.h"

#define EVENTS 300

static const char *const serializers[] = {
    "{\"type\":\"cbor\"}",
    ("{\"type\":\"schema\",\"schema\":{\"required\":[\"rank\",\"number\"],\"properties\":{"
     "\"rank\":{\"type\":\"integer\"},\"number\":{\"type\":\"integer\"},"
     "\"name\":{\"type\":\"string\"},\"value\":{\"type\":\"number\"}}}}"),
    ("{\"type\":\"zstd\",\"level\":1,"
     "\"dictionary\":\"eyJyYW5rIjowLCJudW1iZXIiOjEsIm5hbWUiOiIifQ==\"}"),
};

#define VALIDATOR                                                                                  \
    "{\"type\":\"schema\",\"schema\":{\"type\":\"object\",\"required\":[\"rank\",\"number\"],"     \
    "\"properties\":{\"rank\":{\"type\":\"integer\",\"minimum\":0}}}}"

static size_t text_of(char *text, size_t room, int from, int number) {
    static const char *const rests[] = {"", ",\"name\":\"N\xC3\xA9\\n\\u0000\"",
                                        ",\"value\":-1.25e-300", ",\"value\":0.1,\"list\":[[],{}]",
                                        ",\"name\":null,\"more\":12345678901234567890123"};
    return (size_t)snprintf(text, room, "{\"rank\":%d,\"number\":%d%s}", from, number,
                            rests[number % 5]);
}

static void plugin_push_all(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    char text[256];
    OK(mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < EVENTS; i++) {
        size_t bytes = text_of(text, sizeof text, rank, i);
        OK(mofka_producer_push(producer, text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    }
    FAILS(mofka_producer_push(producer, "{\"rank\":-1,\"number\":0}", 22, NULL, MOFKA_ANY_PARTITION,
                              NULL),
          MOFKA_ERR_REFUSED, "at '/rank': \"minimum\" refuses -1");
    FAILS(mofka_producer_flush(producer, 30000), MOFKA_ERR_REFUSED, "\"minimum\" refuses -1");
    OK(mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
}

static void plugin_pull_all(mofka_topic_t *topic) {
    char name[16], text[256];
    int *next = calloc((size_t)size, sizeof *next), total = 0;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    assert_non_null(next);
    snprintf(name, sizeof name, "reader%d", rank);
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (;;) {
        OK(mofka_consumer_pull(consumer, 30000, &event));
        if (mofka_event_is_end(event))
            break;
        int from = -1, number;
        assert_int_equal(sscanf(mofka_event_metadata_text(event, NULL),
                                "{\"rank\":%d,\"number\":%d", &from, &number),
                         2);
        IN_RANGE(from, 0, size - 1);
        text_of(text, sizeof text, from, next[from]++); /* one partition keeps each one's order */
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        total++;
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    mofka_event_release(event);
    assert_int_equal(total, size * EVENTS);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    free(next);
}

static void every_rank_reads_what_every_rank_wrote(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof serializers / sizeof *serializers; i++) {
        char text[128], options[64];
        mofka_driver_t *driver;
        mofka_topic_t *topic;
        snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":16777216}", window);
        snprintf(options, sizeof options, "{\"expected_producers\":%d,\"partition_events\":8192}",
                 size);
        OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
        if (rank == 0)
            OK(mofka_driver_create_topic(driver, "t",
                                         &(mofka_topic_options_t){.options = options,
                                                                  .validator = VALIDATOR,
                                                                  .serializer = serializers[i]}));
        OK(mofka_driver_open_topic(driver, "t", 30000, &topic));
        plugin_push_all(topic);
        plugin_pull_all(topic);
        mofka_topic_release(topic);
        OK(mofka_driver_close(driver, 30000));
        mofka_driver_release(driver);
    }
}

/* The rank that creates the topic gets the error, and no topic is created. */
static void a_wrong_schema_makes_no_topic(void **state) {
    (void)state;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    mofka_topic_options_t options = {.validator = "{\"type\":\"schema\",\"schema\":{\"type\":7}}"};
    FAILS(mofka_driver_create_topic(driver, "t", &options), MOFKA_ERR_OPTION, "at '/type'");
    FAILS(mofka_driver_open_topic(driver, "t", 0, &topic), MOFKA_ERR_NOT_FOUND, "");
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_reads_what_every_rank_wrote),
        cmocka_unit_test(a_wrong_schema_makes_no_topic),
    };
    mpi_main_start(&argc, &argv);
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
