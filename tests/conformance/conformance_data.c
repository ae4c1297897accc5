/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: data of any shape in, any selection of it out, checked against plain memory. */
#include "conformance/conformance.h"
#include "support/callbacks.h"

#define DATA_MAX 60000

typedef struct random_selector {
    uint64_t seed;
    unsigned char *oracle; /* what the last selection chose */
    size_t size;
    int depth; /* selections to stack */
    size_t id;
} random_selector_t;

/* Byte k of event n. */
static unsigned char data_byte_at(size_t n, size_t k) {
    return (unsigned char)(n * 131 + k * 7 + k / 251);
}

static mofka_status_t select_at_random(random_selector_t *s, mofka_data_descriptor_t *below,
                                       mofka_data_descriptor_t **selected) {
    size_t size = mofka_data_descriptor_size(below), used = 0;
    unsigned char *to = malloc(size + 1);
    mofka_status_t status;
    uint32_t kind = next_random(&s->seed) % 3;
    if (kind == 0) {
        size_t offset = next_random(&s->seed) % (size + 1);
        used = next_random(&s->seed) % (size - offset + 1);
        memcpy(to, s->oracle + offset, used);
        status = mofka_data_descriptor_sub_view(below, offset, used, selected);
    } else if (kind == 1) {
        size_t block = 1 + next_random(&s->seed) % 40, gap = next_random(&s->seed) % 60;
        size_t offset = next_random(&s->seed) % (size + 1), left = size - offset;
        size_t most = left < block ? 0 : 1 + (left - block) / (block + gap);
        size_t count = next_random(&s->seed) % (most + 1);
        for (size_t i = 0; i < count; i++, used += block)
            memcpy(to + used, s->oracle + offset + i * (block + gap), block);
        status = mofka_data_descriptor_strided_view(below, offset, count, block, gap, selected);
    } else {
        mofka_range_t ranges[20];
        size_t count = 0, at = 0;
        while (count < 20 && at < size) {
            at += next_random(&s->seed) % 700;
            if (at >= size)
                break;
            size_t bytes = next_random(&s->seed) % 900;
            bytes = bytes < size - at ? bytes : size - at;
            ranges[count++] = (mofka_range_t){at, bytes};
            memcpy(to + used, s->oracle + at, bytes);
            used += bytes;
            at += bytes;
        }
        status = mofka_data_descriptor_unstructured_view(below, ranges, count, selected);
    }
    free(s->oracle);
    s->oracle = to;
    s->size = used;
    return status;
}

static mofka_status_t stack_at_random(void *context, const mofka_metadata_t *metadata,
                                      mofka_data_descriptor_t *full,
                                      mofka_data_descriptor_t **selected) {
    random_selector_t *s = context;
    (void)metadata;
    s->size = mofka_data_descriptor_size(full);
    free(s->oracle);
    s->oracle = malloc(s->size + 1);
    for (size_t k = 0; k < s->size; k++)
        s->oracle[k] = data_byte_at(s->id, k);
    mofka_data_descriptor_t *top = mofka_data_descriptor_retain(full);
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i < s->depth && !status; i++) {
        mofka_data_descriptor_t *next;
        status = select_at_random(s, top, &next);
        if (!status) {
            mofka_data_descriptor_release(top);
            top = next;
        }
    }
    s->id++;
    *selected = top;
    return status;
}

/* Memory of several segments of random sizes, sometimes more than is needed. */
static mofka_status_t allocate_random_segments(void *context, const mofka_metadata_t *metadata,
                                               mofka_data_descriptor_t *selected,
                                               mofka_data_view_t **view) {
    random_selector_t *s = context;
    (void)metadata;
    size_t size = mofka_data_descriptor_size(selected) + next_random(&s->seed) % 3;
    char *memory = calloc(1, size + 1);
    mofka_segment_t segments[8];
    size_t count = 0, at = 0;
    for (; count < 7; count++) {
        size_t bytes = next_random(&s->seed) % (size - at + 1);
        segments[count] = (mofka_segment_t){memory + at, bytes};
        at += bytes;
    }
    segments[count++] = (mofka_segment_t){memory + at, size - at};
    return mofka_data_view_create(segments, count, free, memory, view);
}

static void push_data(mofka_producer_t *producer, size_t n, size_t size, uint64_t *seed) {
    unsigned char *memory = malloc(size + 1);
    for (size_t k = 0; k < size; k++)
        memory[k] = data_byte_at(n, k);
    size_t first = next_random(seed) % (size + 1);
    mofka_segment_t segments[] = {{memory, first}, {memory + first, size - first}};
    mofka_data_view_t *view;
    OK(mofka_data_view_create(segments, 2, free, memory, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, MOFKA_ANY_PARTITION, NULL));
    mofka_data_view_release(view);
}

/* One event is selected at a time (batch size 1), so that the oracle is that of the pulled one. */
static void random_selections_against_plain_memory(void **state) {
    (void)state;
    uint64_t seed = 20240611;
    for (int round = 0; round < 4; round++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        random_selector_t selector = {.seed = seed + (uint64_t)round, .depth = round};
        mofka_consumer_options_t options = {.name = "reader",
                                            .batch_size = 1,
                                            .selector = stack_at_random,
                                            .selector_context = &selector,
                                            .allocator =
                                                round & 1 ? allocate_random_segments : NULL,
                                            .allocator_context = &selector};
        mofka_producer_t *producer = new_producer(topic);
        mofka_consumer_t *consumer;
        OK(mofka_consumer_create(topic, &options, &consumer));
        unsigned char *got = malloc(DATA_MAX + 8);
        for (size_t n = 0; n < 40; n++) {
            size_t size = n % 5 == 0 ? 0 : next_random(&seed) % DATA_MAX;
            push_data(producer, n, size, &seed);
            OK(mofka_producer_flush(producer, WAIT_MS));
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
            assert_int_equal(mofka_event_data_size(event), size);
            assert_int_equal(mofka_event_selected_size(event), selector.size);
            size_t read = mofka_data_view_read(mofka_event_data(event), got, selector.size, 0);
            assert_int_equal(read, selector.size);
            assert_memory_equal(got, selector.oracle, selector.size);
            OK(mofka_event_acknowledge(event));
            mofka_event_release(event);
        }
        free(got);
        free(selector.oracle);
        end_consumer(consumer);
        end_producer(producer);
        mofka_topic_release(topic);
    }
}

/* Metadata and data of any size in batches of any size; everything comes back as it went. */
static void random_sizes(void **state) {
    (void)state;
    uint64_t seed = 99;
    for (size_t batch = 0; batch < 8; batch++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_producer_options_t pushing = {.batch_size = batch};
        mofka_consumer_options_t pulling = {
            .name = "reader", .batch_size = next_random(&seed) % 9, .selector = select_all_data};
        mofka_producer_t *producer;
        mofka_consumer_t *consumer;
        OK(mofka_producer_create(topic, &pushing, &producer));
        OK(mofka_consumer_create(topic, &pulling, &consumer));
        char *text = malloc(5000);
        unsigned char *got = malloc(8000);
        uint64_t replay = seed;
        for (size_t n = 0; n < 60; n++) {
            size_t bytes = n % 6 == 0 ? 0 : next_random(&seed) % 1500;
            size_t size = n % 4 == 0 ? 0 : next_random(&seed) % 1500;
            for (size_t k = 0; k < bytes; k++)
                text[k] = (char)('a' + (n + k) % 26);
            unsigned char *memory = malloc(size + 1);
            for (size_t k = 0; k < size; k++)
                memory[k] = data_byte_at(n, k);
            mofka_segment_t segment = {memory, size};
            mofka_data_view_t *view;
            OK(mofka_data_view_create(&segment, 1, free, memory, &view));
            OK(mofka_producer_push(producer, text, bytes, size ? view : NULL, MOFKA_ANY_PARTITION,
                                   NULL));
            mofka_data_view_release(view);
        }
        OK(mofka_producer_flush(producer, WAIT_MS));
        for (size_t n = 0; n < 60; n++) {
            size_t bytes = n % 6 == 0 ? 0 : next_random(&replay) % 1500, length;
            size_t size = n % 4 == 0 ? 0 : next_random(&replay) % 1500;
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
            const char *metadata = mofka_event_metadata_text(event, &length);
            assert_int_equal(length, bytes);
            for (size_t k = 0; k < bytes; k++)
                assert_int_equal(metadata[k], 'a' + (char)((n + k) % 26));
            assert_int_equal(metadata[bytes], 0);
            assert_int_equal(mofka_event_data_size(event), size);
            assert_int_equal(mofka_data_view_read(mofka_event_data(event), got, 8000, 0), size);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(got[k], data_byte_at(n, k));
            OK(mofka_event_acknowledge(event));
            mofka_event_release(event);
        }
        free(text);
        free(got);
        end_consumer(consumer);
        end_producer(producer);
        mofka_topic_release(topic);
    }
}

static void data_count_free(void *context) {
    ++*(int *)context;
}

static void data_is_let_go_once_it_is_stored(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    char bytes[100] = "data";
    int freed = 0;
    mofka_segment_t segment = {bytes, sizeof bytes};
    mofka_data_view_t *view;
    OK(mofka_data_view_create(&segment, 1, data_count_free, &freed, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, MOFKA_ANY_PARTITION, NULL));
    mofka_data_view_release(view);
    OK(mofka_producer_flush(producer, WAIT_MS));
    assert_int_equal(freed, 1);
    end_producer(producer);
    mofka_topic_release(topic);
}

/* ---- what an event's callbacks share --------------------------------------------------------- */

typedef struct parsed {
    int number;
    int *freed;
} parsed_t;

typedef struct parser {
    int parsed, freed;
} parser_t;

static void free_parsed(void *user) {
    parsed_t *parsed = user;
    ++*parsed->freed;
    free(parsed);
}

/* Selects as many bytes as the event's number. */
static mofka_status_t select_by_parsed_number(void *context, const mofka_metadata_t *metadata,
                                              mofka_data_descriptor_t *full,
                                              mofka_data_descriptor_t **selected) {
    parser_t *parser = context;
    parsed_t *parsed = malloc(sizeof *parsed);
    assert_non_null(parsed);
    *parsed = (parsed_t){.freed = &parser->freed};
    assert_int_equal(sscanf(mofka_metadata_text(metadata, NULL), "{\"n\":%d}", &parsed->number), 1);
    parser->parsed++;
    OK(mofka_metadata_set_user(metadata, parsed, free_parsed));
    return mofka_data_descriptor_sub_view_clamped(full, 0, (size_t)parsed->number, selected);
}

static mofka_status_t allocate_by_parsed_number(void *context, const mofka_metadata_t *metadata,
                                                mofka_data_descriptor_t *selected,
                                                mofka_data_view_t **view) {
    const parsed_t *parsed = mofka_metadata_user(metadata);
    (void)context;
    assert_int_equal(parsed->number, mofka_data_descriptor_size(selected));
    return mofka_data_view_allocate((size_t)parsed->number + 100, view);
}

static void callbacks_share_what_one_of_them_parsed(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    parser_t parser = {0};
    mofka_consumer_options_t options = {.name = "reader",
                                        .batch_size = 3,
                                        .selector = select_by_parsed_number,
                                        .selector_context = &parser,
                                        .allocator = allocate_by_parsed_number};
    mofka_data_view_t *view;
    mofka_consumer_t *consumer;
    OK(mofka_data_view_allocate(50, &view));
    memset(mofka_data_view_segments(view, NULL)->ptr, 'x', 50);
    for (int i = 0; i < 7; i++) {
        char text[16];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_producer_push(producer, text, (size_t)bytes, view, MOFKA_ANY_PARTITION, NULL));
    }
    mofka_data_view_release(view);
    end_producer(producer);
    OK(mofka_consumer_create(topic, &options, &consumer));
    for (int i = 0; i < 5; i++) {
        mofka_event_t *event = pull_number(consumer, i);
        const parsed_t *parsed = mofka_event_user(event);
        assert_int_equal(parsed->number, i);
        assert_int_equal(mofka_event_selected_size(event), i);
        assert_int_equal(mofka_data_view_size(mofka_event_data(event)), i ? i + 100 : 0);
        FAILS(mofka_event_set_user(event, &parser, NULL), MOFKA_ERR_EXISTS, "already");
        assert_int_equal(parser.freed, i);
        mofka_event_release(event);
        assert_int_equal(parser.freed, i + 1);
    }
    end_consumer(consumer); /* the events that nobody pulled are freed, too */
    assert_true(parser.parsed >= 6 && parser.freed == parser.parsed);
    mofka_topic_release(topic);
}

/* ---- callbacks that misbehave ---------------------------------------------------------------- */

static mofka_status_t no_data(void *context, const mofka_metadata_t *metadata,
                              mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata, (void)full;
    *selected = NULL;
    return MOFKA_OK;
}

static mofka_status_t fail_first(void *context, const mofka_metadata_t *metadata,
                                 mofka_data_descriptor_t *full,
                                 mofka_data_descriptor_t **selected) {
    int *calls = context;
    if ((*calls)++ == 0)
        return mofka_fail(MOFKA_ERR_CALLBACK, "cannot choose");
    return select_all_data(NULL, metadata, full, selected);
}

static mofka_status_t allocate_beyond_size(void *context, const mofka_metadata_t *metadata,
                                           mofka_data_descriptor_t *full,
                                           mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    return mofka_data_descriptor_sub_view(full, 1, mofka_data_descriptor_size(full), selected);
}

static mofka_status_t too_little(void *context, const mofka_metadata_t *metadata,
                                 mofka_data_descriptor_t *selected, mofka_data_view_t **view) {
    (void)context, (void)metadata;
    return mofka_data_view_allocate(mofka_data_descriptor_size(selected) - 1, view);
}

static void callbacks_that_fail_cost_their_event_only(void **state) {
    (void)state;
    const struct {
        mofka_data_selector_fn selector;
        mofka_data_allocator_fn allocator;
        mofka_status_t status;
        const char *text;
    } cases[] = {{no_data, NULL, MOFKA_OK, ""},
                 {fail_first, NULL, MOFKA_ERR_CALLBACK, "cannot choose"},
                 {allocate_beyond_size, NULL, MOFKA_ERR_RANGE, ""},
                 {select_all_data, too_little, MOFKA_ERR_CALLBACK, "99 bytes for 100"}};
    for (int i = 0; i < 4; i++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_producer_t *producer = new_producer(topic);
        uint64_t seed = 1;
        push_data(producer, 0, 100, &seed);
        push_number(producer, 1);
        end_producer(producer);
        int calls = 0;
        mofka_consumer_options_t options = {.name = "reader",
                                            .selector = cases[i].selector,
                                            .selector_context = &calls,
                                            .allocator = cases[i].allocator};
        mofka_consumer_t *consumer;
        mofka_event_t *event;
        OK(mofka_consumer_create(topic, &options, &consumer));
        if (cases[i].status) {
            FAILS(mofka_consumer_pull(consumer, WAIT_MS, &event), cases[i].status, cases[i].text);
        } else {
            OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
            assert_null(mofka_event_data(event));
            assert_int_equal(mofka_event_data_size(event), 100);
            mofka_event_release(event);
        }
        if (cases[i].selector != allocate_beyond_size)
            take_number(consumer, 1);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

/* An event that failed ends a pull of several before it. The next pull reports it. */
static void many_stop_before_one_that_failed(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 5);
    int calls = -2; /* the third call fails */
    mofka_consumer_options_t options = {
        .name = "reader", .selector = fail_first, .selector_context = &calls};
    mofka_consumer_t *consumer;
    mofka_event_t *events[8];
    OK(mofka_consumer_create(topic, &options, &consumer));
    for (size_t got = 0, count; got < 2; got += count) {
        OK(mofka_consumer_pull_many(consumer, 8, WAIT_MS, events, &count));
        IN_RANGE(got + count, 1, 2);
        for (size_t i = 0; i < count; i++)
            mofka_event_release(events[i]);
    }
    size_t none = 99;
    FAILS(mofka_consumer_pull_many(consumer, 8, WAIT_MS, events, &none), MOFKA_ERR_CALLBACK,
          "cannot choose");
    assert_int_equal(none, 99);
    take_number(consumer, 3);
    take_number(consumer, 4);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

const struct CMUnitTest data_cases[] = {
    cmocka_unit_test(random_selections_against_plain_memory),
    cmocka_unit_test(random_sizes),
    cmocka_unit_test(data_is_let_go_once_it_is_stored),
    cmocka_unit_test(callbacks_share_what_one_of_them_parsed),
    cmocka_unit_test(callbacks_that_fail_cost_their_event_only),
    cmocka_unit_test(many_stop_before_one_that_failed),
};
const size_t data_case_count = sizeof data_cases / sizeof data_cases[0];
