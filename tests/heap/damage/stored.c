/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbered events over the heap window; see stored.h. */
#include "heap/damage/stored.h"
#include "support/callbacks.h"

mofka_producer_t *stored_producer;
uint64_t stored_count;

/* The last warning. */
static char warning[512];

static void stored_take_warning(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    if (level == MOFKA_LOG_WARN)
        snprintf(warning, sizeof warning, "%s", message);
}

int stored_setup(void **state) {
    warning[0] = '\0';
    mofka_log_set_callback(stored_take_warning, NULL);
    return log_open_memory(state);
}

int stored_teardown(void **state) {
    mofka_log_set_callback(NULL, NULL);
    return log_close_memory(state);
}

void stored_expect_warning(const char *text) {
    if (!strstr(warning, text) || (!text[0] && warning[0]))
        fail_msg("'%s' is not in '%s'", text, warning);
    warning[0] = '\0';
}

void stored_expect_no_warning(const char *text) {
    if (strstr(warning, text))
        fail_msg("'%s' is in '%s'", text, warning);
    warning[0] = '\0';
}

/* ---- events ---------------------------------------------------------------------------------- */

static size_t stored_data_bytes(uint64_t number) {
    return (size_t)(number * 7 % 50);
}

static int stored_text(char text[32], uint64_t number) {
    return snprintf(text, 32, "{\"number\":%llu}", (unsigned long long)number);
}

mofka_status_t stored_try_push(int count, int64_t timeout_ms) {
    static char letters[26][50]; /* read until the flush */
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i < count && !status; i++) {
        char text[32], *bytes = letters[stored_count % 26];
        mofka_data_view_t *view;
        int length = stored_text(text, stored_count);
        memset(bytes, 'a' + (int)(stored_count % 26), sizeof letters[0]);
        OK(mofka_data_view_of(bytes, stored_data_bytes(stored_count), &view));
        status = mofka_producer_push(stored_producer, text, (size_t)length, view, 0, NULL);
        mofka_data_view_release(view);
        stored_count += !status;
    }
    return status ? status : mofka_producer_flush(stored_producer, timeout_ms);
}

void stored_push(int count) {
    OK(stored_try_push(count, 1000));
}

bool stored_is_text(const char *metadata, size_t bytes, uint64_t *number) {
    char text[32], given[32] = "";
    if (bytes >= sizeof given)
        return false;
    memcpy(given, metadata, bytes);
    if (strncmp(given, "{\"number\":", 10) != 0)
        return false;
    *number = strtoull(given + 10, NULL, 10);
    stored_text(text, *number);
    return strlen(text) == bytes && strcmp(text, given) == 0;
}

bool stored_is_right(const mofka_event_t *event, uint64_t *number) {
    size_t length, segments;
    const char *metadata = mofka_event_metadata_text(event, &length);
    if (!stored_is_text(metadata, length, number))
        return false;
    size_t bytes = stored_data_bytes(*number);
    if (metadata[length] != '\0' || mofka_event_data_size(event) != bytes ||
        mofka_event_selected_size(event) != bytes)
        return false;
    if (bytes == 0)
        return true;
    const mofka_segment_t *segment = mofka_data_view_segments(mofka_event_data(event), &segments);
    for (size_t i = 0; i < bytes; i++)
        if (((const char *)segment->ptr)[i] != 'a' + (int)(*number % 26))
            return false;
    return segments == 1;
}

void stored_check(const mofka_event_t *event) {
    uint64_t number = UINT64_MAX;
    assert_true(stored_is_right(event, &number));
    assert_int_equal(number, mofka_event_id(event));
}

/* ---- topic, producer, consumer --------------------------------------------------------------- */

mofka_topic_t *stored_open(const char *options) {
    mofka_topic_t *topic = log_create_topic(options);
    stored_count = 0;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.batch_size = 8, .push_timeout_ms = 1000},
                             &stored_producer));
    return topic;
}

void stored_end(mofka_consumer_t *consumer, mofka_topic_t *topic) {
    OK(mofka_producer_close(stored_producer, 1000));
    mofka_producer_release(stored_producer);
    log_end(consumer, topic);
}

mofka_consumer_t *stored_consumer(mofka_topic_t *topic, const char *options) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){
                                 .name = "reader", .selector = select_all_data, .options = options},
                             &consumer));
    return consumer;
}

void stored_expect(mofka_consumer_t *consumer, uint64_t first, uint64_t last, uint64_t lost) {
    for (uint64_t id = first; id <= last; id++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 0, &event));
        assert_int_equal(mofka_event_id(event), id);
        assert_int_equal(mofka_event_lost(event), id == first ? lost : 0);
        stored_check(event);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

void stored_expect_damage(mofka_consumer_t *consumer, const char *text) {
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CORRUPT, text);
}

void stored_expect_nothing(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "no event");
}

void stored_expect_skipped(mofka_consumer_t *consumer, uint64_t count) {
    uint64_t skipped = 99;
    OK(mofka_consumer_skip_damaged(consumer, &skipped));
    assert_int_equal(skipped, count);
}

/* ---- where it is stored ---------------------------------------------------------------------- */

uint64_t *stored_word(const mmi_partition_t *p, uint64_t offset) {
    return (uint64_t *)(void *)(p->w->base[p->owner] + offset);
}

uint64_t *stored_control(const mmi_partition_t *p, size_t field) {
    return stored_word(p, p->base + field);
}

uint64_t *stored_flag(const mmi_partition_t *p, uint64_t id) {
    return stored_word(p, mmi_flag_offset(p, id));
}

mmi_entry_t *stored_entry(const mmi_partition_t *p, uint64_t id) {
    return (mmi_entry_t *)(void *)stored_word(p, p->entries + id % p->slots * sizeof(mmi_entry_t));
}

mmi_state_t stored_state(const mmi_partition_t *p) {
    mmi_state_t state;
    OK(mmi_state_load(p, &state));
    return state;
}
