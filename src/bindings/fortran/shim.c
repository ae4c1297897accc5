/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the Fortran module needs of C: arrays by their descriptors, and option structs by lists of
 * numbers. The interfaces of these functions are in mofka_c.f90.
 */
#include <ISO_Fortran_binding.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>

/* Indices into the numbers of a producer and of a consumer; the modules have the same. */
enum producer_number {
    BATCH_SIZE,
    MAX_BATCHES,
    THREADS,
    ORDERING,
    LINGER_MS,
    PUSH_TIMEOUT_MS,
    WHEN_FULL
};
enum consumer_number { START = ORDERING, ACKNOWLEDGE, WITH_DATA, TARGET_COUNT };

/* ---- arrays ---------------------------------------------------------------------------------- */

static size_t array_bytes(const CFI_cdesc_t *array) {
    size_t bytes = array->elem_len;
    for (int i = 0; i < array->rank; i++)
        bytes *= (size_t)array->dim[i].extent;
    return bytes;
}

/* The bytes of the longest contiguous pieces; `*dimension` is the first that is not in them. */
static size_t array_piece(const CFI_cdesc_t *array, int *dimension) {
    size_t bytes = array->elem_len;
    int i = 0;
    while (i < array->rank && (array->dim[i].extent == 1 || array->dim[i].sm == (CFI_index_t)bytes))
        bytes *= (size_t)array->dim[i++].extent;
    *dimension = i;
    return bytes;
}

/* Where the piece of these indices is. */
static char *array_at(const CFI_cdesc_t *array, int dimension, const CFI_index_t *index) {
    char *at = array->base_addr;
    for (int i = dimension; i < array->rank; i++)
        at += index[i] * array->dim[i].sm;
    return at;
}

/* The next indices, in the order of array elements. */
static void array_step(const CFI_cdesc_t *array, int dimension, CFI_index_t *index) {
    for (int i = dimension; i < array->rank; i++) {
        if (++index[i] < array->dim[i].extent)
            return;
        index[i] = 0;
    }
}

/* Copy between the array and a view of as many bytes, in the order of array elements. */
static void array_copy(const CFI_cdesc_t *array, mofka_data_view_t *view, bool to_view) {
    CFI_index_t index[CFI_MAX_RANK] = {0};
    int dimension;
    size_t all = array_bytes(array), piece = array_piece(array, &dimension);
    for (size_t done = 0; done < all; done += piece) {
        char *at = array_at(array, dimension, index);
        if (to_view)
            mofka_data_view_write(view, at, piece, done);
        else
            mofka_data_view_read(view, at, piece, done);
        array_step(array, dimension, index);
    }
}

/* Give a view of an array. It shows the array's memory, or a copy: if that is asked for, or if the
 * array is not contiguous. */
mofka_status_t mofka_fortran_view(const CFI_cdesc_t *array, bool copy, mofka_data_view_t **view);
mofka_status_t mofka_fortran_view(const CFI_cdesc_t *array, bool copy, mofka_data_view_t **view) {
    size_t all = array_bytes(array);
    int dimension;
    if (all == 0 || (!copy && array_piece(array, &dimension) == all))
        return mofka_data_view_of(all ? array->base_addr : NULL, all, view);
    mofka_status_t status = mofka_data_view_allocate(all, view);
    if (!status)
        array_copy(array, *view, true);
    return status;
}

/* Copy the selected data of an event into an array of as many bytes. */
mofka_status_t mofka_fortran_read(mofka_event_t *event, CFI_cdesc_t *array);
mofka_status_t mofka_fortran_read(mofka_event_t *event, CFI_cdesc_t *array) {
    size_t bytes = mofka_event_selected_size(event), room = array_bytes(array);
    if (bytes != room)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "the event has %zu bytes of selected data, and the array has %zu", bytes,
                          room);
    if (bytes > 0)
        array_copy(array, mofka_event_data(event), false);
    return MOFKA_OK;
}

/* mofka_fail, of a NUL-terminated text. */
mofka_status_t mofka_fortran_fail(mofka_status_t status, const char *text);
mofka_status_t mofka_fortran_fail(mofka_status_t status, const char *text) {
    return mofka_fail(status, "%s", text);
}

/* ---- producers and consumers ----------------------------------------------------------------- */

/* "": none. */
static const char *fortran_text(const char *text) {
    return *text ? text : NULL;
}

/* Give a pool; NULL if no threads are wanted. */
static mofka_status_t fortran_create_pool(mofka_topic_t *topic, int64_t threads,
                                          mofka_thread_pool_t **pool) {
    if (threads < 0 || threads > MOFKA_THREADS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE, "threads is %lld, not in 0 to %d", (long long)threads,
                          MOFKA_THREADS_MAX);
    return threads ? mofka_driver_make_thread_pool(mofka_topic_driver(topic), (size_t)threads,
                                                   MOFKA_BINDING_COMPACT, pool)
                   : MOFKA_OK;
}

/* Sizes are not negative. */
static mofka_status_t fortran_check_sizes(const int64_t *numbers) {
    if (numbers[BATCH_SIZE] < 0 || numbers[MAX_BATCHES] < 0)
        return mofka_fail(MOFKA_ERR_RANGE, "batch_size is %lld and max_batches %lld: 0 or more",
                          (long long)numbers[BATCH_SIZE], (long long)numbers[MAX_BATCHES]);
    return MOFKA_OK;
}

static mofka_status_t fortran_check_linger(int64_t linger_ms) {
    return linger_ms < 0
               ? mofka_fail(MOFKA_ERR_RANGE, "linger_ms is %lld: 0 or more", (long long)linger_ms)
               : MOFKA_OK;
}

/* mofka_producer_create; the texts are "" for none. */
mofka_status_t mofka_fortran_producer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             mofka_producer_t **producer);
mofka_status_t mofka_fortran_producer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             mofka_producer_t **producer) {
    mofka_producer_options_t o = {.name = name,
                                  .batch_size = (size_t)numbers[BATCH_SIZE],
                                  .max_batches = (size_t)numbers[MAX_BATCHES],
                                  .ordering = (mofka_ordering_t)numbers[ORDERING],
                                  .linger_ms = (uint64_t)numbers[LINGER_MS],
                                  .push_timeout_ms = numbers[PUSH_TIMEOUT_MS],
                                  .when_full = (mofka_when_full_t)numbers[WHEN_FULL],
                                  .options = fortran_text(options)};
    mofka_status_t status = fortran_check_sizes(numbers);
    if (!status)
        status = fortran_check_linger(numbers[LINGER_MS]);
    if (!status)
        status = fortran_create_pool(topic, numbers[THREADS], &o.thread_pool);
    if (!status)
        status = mofka_producer_create(topic, &o, producer);
    mofka_thread_pool_release(o.thread_pool);
    return status;
}

static mofka_status_t fortran_select_all(void *context, const mofka_metadata_t *metadata,
                                         mofka_data_descriptor_t *full,
                                         mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

/* Give the targets as C has them; NULL if there are none. */
static mofka_status_t fortran_copy_targets(const int64_t *targets, size_t count, size_t **copy) {
    if (count == 0)
        return MOFKA_OK;
    *copy = calloc(count, sizeof **copy);
    if (!*copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu targets", count);
    for (size_t i = 0; i < count; i++)
        (*copy)[i] = (size_t)targets[i];
    return MOFKA_OK;
}

/* mofka_consumer_create; the texts are "" for none. */
mofka_status_t mofka_fortran_consumer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             const int64_t *targets, mofka_consumer_t **consumer);
mofka_status_t mofka_fortran_consumer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             const int64_t *targets, mofka_consumer_t **consumer) {
    size_t *copy = NULL;
    mofka_consumer_options_t o = {.name = name,
                                  .batch_size = (size_t)numbers[BATCH_SIZE],
                                  .max_batches = (size_t)numbers[MAX_BATCHES],
                                  .start = (mofka_start_t)numbers[START],
                                  .acknowledge = (mofka_acknowledge_t)numbers[ACKNOWLEDGE],
                                  .selector = numbers[WITH_DATA] ? fortran_select_all : NULL,
                                  .target_count = (size_t)numbers[TARGET_COUNT],
                                  .options = fortran_text(options)};
    mofka_status_t status = fortran_check_sizes(numbers);
    if (!status)
        status = fortran_copy_targets(targets, o.target_count, &copy);
    o.targets = copy;
    if (!status)
        status = fortran_create_pool(topic, numbers[THREADS], &o.thread_pool);
    if (!status)
        status = mofka_consumer_create(topic, &o, consumer);
    mofka_thread_pool_release(o.thread_pool);
    free(copy);
    return status;
}

/* mofka_driver_create_topic; the texts are "" for none. */
mofka_status_t mofka_fortran_create_topic(mofka_driver_t *driver, const char *name,
                                          const char *options, const char *validator,
                                          const char *selector, const char *serializer);
mofka_status_t mofka_fortran_create_topic(mofka_driver_t *driver, const char *name,
                                          const char *options, const char *validator,
                                          const char *selector, const char *serializer) {
    mofka_topic_options_t o = {.options = fortran_text(options),
                               .validator = fortran_text(validator),
                               .selector = fortran_text(selector),
                               .serializer = fortran_text(serializer)};
    return mofka_driver_create_topic(driver, name, &o);
}

/* The result of a wait for a push. */
mofka_status_t mofka_fortran_wait(mofka_future_t *future, int64_t timeout_ms, int64_t *event_id,
                                  int64_t *partition);
mofka_status_t mofka_fortran_wait(mofka_future_t *future, int64_t timeout_ms, int64_t *event_id,
                                  int64_t *partition) {
    mofka_result_t result = {0};
    mofka_status_t status = mofka_future_wait(future, timeout_ms, &result);
    *event_id = (int64_t)result.event_id;
    *partition = (int64_t)result.partition;
    return status;
}
