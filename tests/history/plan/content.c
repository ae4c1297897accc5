/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of events, made and checked. */
#include "history/plan/content.h"

#include <string.h>

static unsigned char content_byte(uint64_t key, size_t at) {
    uint64_t word = (key + at / 8) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned char)((word ^ word >> 32) >> at % 8 * 8);
}

static size_t content_size(const plan_t *plan, plan_size_t size, uint64_t *seed) {
    uint64_t most = plan->partition_bytes - CONTENT_TEXT_BYTES;
    switch (size) {
    case PLAN_SIZE_NONE:
        return 0;
    case PLAN_SIZE_SMALL:
        return (size_t)history_between(seed, 0, 100);
    case PLAN_SIZE_MIXED:
        return history_chance(seed, 300) ? 0 : (size_t)history_between(seed, 1, most / 4);
    default:
        return (size_t)history_between(seed, history_chance(seed, 500) ? most / 2 : 0, most);
    }
}

content_t content_of(const plan_t *plan, unsigned source, unsigned number) {
    const plan_producer_t *p = plan_producer_of(plan, source);
    uint64_t seed = (plan->seed * 64 + source) << 32 | number;
    content_t c = {.key = history_random(&seed)};
    c.data_bytes = content_size(plan, p->size, &seed);
    bool bad = history_chance(&seed, p->bad);
    int padding = (int)history_between(&seed, 0, history_chance(&seed, 200) ? 150 : 10);
    c.text_bytes =
        (size_t)snprintf(c.text, sizeof c.text, "{\"source\":%u,\"number\":%u,\"pad\":\"%*s\"}",
                         source, number, padding, "");
    if (bad && number % 2)
        c.text[--c.text_bytes] = '\0';
    else if (bad)
        c.data_bytes = plan->partition_bytes + 1;
    return c;
}

/* The memory of an event changes when it is released: what still reads it shows. */
typedef struct content_memory {
    size_t bytes;
    unsigned char data[];
} content_memory_t;

static void content_free(void *context) {
    content_memory_t *memory = context;
    memset(memory->data, 0xdb, memory->bytes);
    free(memory);
}

mofka_data_view_t *content_make_data(const content_t *content) {
    mofka_data_view_t *view;
    size_t bytes = content->data_bytes, first = bytes / 3, second = first / 2;
    if (bytes == 0)
        return NULL;
    content_memory_t *memory = malloc(sizeof *memory + bytes);
    if (!memory)
        abort();
    memory->bytes = bytes;
    for (size_t i = 0; i < bytes; i++)
        memory->data[i] = content_byte(content->key, i);
    mofka_segment_t segments[] = {{memory->data, first},
                                  {memory->data + first, second},
                                  {memory->data + first + second, bytes - first - second}};
    bool whole = content->key % 2;
    if (whole)
        segments[0].size = bytes;
    if (mofka_data_view_create(segments, whole ? 1 : 3, content_free, memory, &view))
        abort();
    return view;
}

/* ---- selections ------------------------------------------------------------------------------ */

/* What a session selects of an event with so many bytes. The number of ranges. */
static size_t content_ranges(plan_selection_t selection, size_t bytes,
                             mofka_range_t ranges[CONTENT_RANGES_MAX]) {
    size_t part = bytes / 7;
    switch (selection) {
    case PLAN_SELECT_NOTHING:
        return 0;
    case PLAN_SELECT_ALL:
        ranges[0] = (mofka_range_t){0, bytes};
        return bytes > 0;
    case PLAN_SELECT_SUB:
        ranges[0] = (mofka_range_t){part, bytes - 2 * part};
        return bytes > 0;
    case PLAN_SELECT_STRIDED:
        for (size_t i = 0; i < 3; i++)
            ranges[i] = (mofka_range_t){2 * i * part, part};
        return part > 0 ? 3 : 0;
    default:
        ranges[0] = (mofka_range_t){0, part};
        ranges[1] = (mofka_range_t){bytes - part, part};
        return part > 0 ? 2 : 0;
    }
}

mofka_status_t content_select(void *context, const mofka_metadata_t *metadata,
                              mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected) {
    const plan_session_t *session = context;
    mofka_range_t r[CONTENT_RANGES_MAX];
    (void)metadata;
    size_t count = content_ranges(session->selection, mofka_data_descriptor_size(full), r);
    *selected = NULL;
    if (count == 0)
        return MOFKA_OK;
    if (session->selection == PLAN_SELECT_SUB)
        return mofka_data_descriptor_sub_view(full, r[0].offset, r[0].size, selected);
    if (session->selection == PLAN_SELECT_STRIDED)
        return mofka_data_descriptor_strided_view(full, 0, count, r[0].size, r[0].size, selected);
    if (session->selection == PLAN_SELECT_RANGES)
        return mofka_data_descriptor_unstructured_view(full, r, count, selected);
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

/* Two segments, and a little more than is needed. */
mofka_status_t content_allocate(void *context, const mofka_metadata_t *metadata,
                                mofka_data_descriptor_t *selected, mofka_data_view_t **view) {
    (void)context, (void)metadata;
    size_t bytes = mofka_data_descriptor_size(selected) + 5, first = bytes / 2;
    unsigned char *memory = malloc(bytes);
    if (!memory)
        return MOFKA_ERR_MEMORY;
    mofka_segment_t segments[] = {{memory, first}, {memory + first, bytes - first}};
    return mofka_data_view_create(segments, 2, free, memory, view);
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool content_is_data(const content_t *content, plan_selection_t selection,
                            const mofka_data_view_t *view) {
    mofka_range_t ranges[CONTENT_RANGES_MAX];
    size_t count = content_ranges(selection, content->data_bytes, ranges), at = 0;
    bool right = true;
    for (size_t i = 0; i < count && right; at += ranges[i++].size) {
        size_t size = ranges[i].size;
        unsigned char *bytes = malloc(size + 1);
        right = bytes && mofka_data_view_read(view, bytes, size, at) == size;
        for (size_t k = 0; k < size && right; k++)
            right = bytes[k] == content_byte(content->key, ranges[i].offset + k);
        free(bytes);
    }
    return right;
}

static size_t content_selected(const content_t *content, plan_selection_t selection) {
    mofka_range_t ranges[CONTENT_RANGES_MAX];
    size_t sum = 0;
    for (size_t i = content_ranges(selection, content->data_bytes, ranges); i-- > 0;)
        sum += ranges[i].size;
    return sum;
}

const char *content_check(const plan_t *plan, const plan_session_t *session,
                          const content_event_t *event, unsigned *source, unsigned *number) {
    char text[CONTENT_TEXT_BYTES + 1];
    size_t bytes = event->text_bytes;
    if (bytes > CONTENT_TEXT_BYTES)
        return "the text is too long";
    memcpy(text, event->text, bytes);
    text[bytes] = '\0';
    if (sscanf(text, "{\"source\":%u,\"number\":%u,", source, number) != 2)
        return "the text is none of a source";
    if (*source >= plan->facts.source_count)
        return "the source does not exist";
    content_t content = content_of(plan, *source, *number);
    if (bytes != content.text_bytes || memcmp(text, content.text, bytes) != 0)
        return "the text is not as pushed";
    if (event->data_bytes != content.data_bytes)
        return "the size of the data is not as pushed";
    if (event->selected_bytes != content_selected(&content, session->selection))
        return "another size is selected";
    if (!content_is_data(&content, session->selection, event->data))
        return "the data is not as pushed";
    return NULL;
}
