/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the layout of the structs and the numbers that the Python package writes down itself, as
 * JSON. */
#include <stdio.h>
#include <mofka/mofka.h>

#define MEMBER(type, member) printf("\"%s.%s\":%zu,\n", #type, #member, offsetof(type, member));
#define SIZE(type) printf("\"%s\":%zu,\n", #type, sizeof(type));
#define VALUE(name) printf("\"%s\":%d,\n", #name, (int)(name));
#define STATUS(name, value, class, text) VALUE(name)

static void layout_print_producer(void) {
    SIZE(mofka_producer_options_t)
    MEMBER(mofka_producer_options_t, name)
    MEMBER(mofka_producer_options_t, batch_size)
    MEMBER(mofka_producer_options_t, max_batches)
    MEMBER(mofka_producer_options_t, ordering)
    MEMBER(mofka_producer_options_t, thread_pool)
    MEMBER(mofka_producer_options_t, linger_ms)
    MEMBER(mofka_producer_options_t, push_timeout_ms)
    MEMBER(mofka_producer_options_t, options)
    MEMBER(mofka_producer_options_t, validator)
    MEMBER(mofka_producer_options_t, selector)
    MEMBER(mofka_producer_options_t, serializer)
    MEMBER(mofka_producer_options_t, when_full)
    MEMBER(mofka_producer_options_t, fallback)
    MEMBER(mofka_producer_options_t, claim_ms)
}

static void layout_print_consumer(void) {
    SIZE(mofka_consumer_options_t)
    MEMBER(mofka_consumer_options_t, name)
    MEMBER(mofka_consumer_options_t, batch_size)
    MEMBER(mofka_consumer_options_t, max_batches)
    MEMBER(mofka_consumer_options_t, thread_pool)
    MEMBER(mofka_consumer_options_t, selector)
    MEMBER(mofka_consumer_options_t, selector_context)
    MEMBER(mofka_consumer_options_t, allocator)
    MEMBER(mofka_consumer_options_t, allocator_context)
    MEMBER(mofka_consumer_options_t, targets)
    MEMBER(mofka_consumer_options_t, target_count)
    MEMBER(mofka_consumer_options_t, start)
    MEMBER(mofka_consumer_options_t, acknowledge)
    MEMBER(mofka_consumer_options_t, zero_copy)
    MEMBER(mofka_consumer_options_t, options)
    MEMBER(mofka_consumer_options_t, serializer)
}

static void layout_print_others(void) {
    SIZE(mofka_topic_options_t)
    MEMBER(mofka_topic_options_t, options)
    MEMBER(mofka_topic_options_t, validator)
    MEMBER(mofka_topic_options_t, selector)
    MEMBER(mofka_topic_options_t, serializer)
    SIZE(mofka_process_options_t)
    MEMBER(mofka_process_options_t, thread_pool)
    MEMBER(mofka_process_options_t, events_max)
    MEMBER(mofka_process_options_t, wait_timeout_ms)
    MEMBER(mofka_process_options_t, no_event)
    SIZE(mofka_thread_pool_options_t)
    MEMBER(mofka_thread_pool_options_t, thread_count)
    MEMBER(mofka_thread_pool_options_t, binding)
    MEMBER(mofka_thread_pool_options_t, node_process_count)
    MEMBER(mofka_thread_pool_options_t, node_process_index)
    SIZE(mofka_result_t)
    MEMBER(mofka_result_t, event_id)
    MEMBER(mofka_result_t, partition)
    MEMBER(mofka_result_t, event)
    SIZE(mofka_segment_t)
    MEMBER(mofka_segment_t, ptr)
    MEMBER(mofka_segment_t, size)
    SIZE(mofka_range_t)
    MEMBER(mofka_range_t, offset)
    MEMBER(mofka_range_t, size)
}

static void layout_print_values(void) {
    MOFKA_STATUS_MAP(STATUS)
    VALUE(MOFKA_ORDERING_STRICT)
    VALUE(MOFKA_ORDERING_LOOSE)
    VALUE(MOFKA_WHEN_FULL_WAIT)
    VALUE(MOFKA_WHEN_FULL_DROP_NEWEST)
    VALUE(MOFKA_BINDING_COMPACT)
    VALUE(MOFKA_BINDING_SPREAD)
    VALUE(MOFKA_BINDING_NONE)
    VALUE(MOFKA_START_BEGINNING)
    VALUE(MOFKA_START_END)
    VALUE(MOFKA_ACKNOWLEDGE_MANUAL)
    VALUE(MOFKA_ACKNOWLEDGE_AUTO)
    VALUE(MOFKA_NOT_STORED)
    VALUE(MOFKA_POSSIBLY_STORED)
    VALUE(MOFKA_STORED)
    VALUE(MOFKA_DURABLE)
}

int main(void) {
    printf("{");
    layout_print_producer();
    layout_print_consumer();
    layout_print_others();
    layout_print_values();
    printf("\"end\":0}\n");
    return 0;
}
