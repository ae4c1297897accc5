/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the Fortran module needs of C: arrays by their descriptors, option structs by lists of
 * numbers, and callbacks whose context is the address of a Fortran procedure. The interfaces of
 * these functions are in mofka_c.f90.
 */
#include <ISO_Fortran_binding.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>
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
enum consumer_number { START = ORDERING, ACKNOWLEDGE, WITH_DATA, TARGET_COUNT, ZERO_COPY };
/* And those of a call of process. */
enum process_number { EVENTS_MAX, TIMEOUT_MS, WAIT_TIMEOUT_MS };

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

/* Where the selected data of an event are, as elements of a size. */
mofka_status_t mofka_fortran_place(mofka_event_t *event, size_t element_bytes, void **place,
                                   size_t *count);
mofka_status_t mofka_fortran_place(mofka_event_t *event, size_t element_bytes, void **place,
                                   size_t *count) {
    static max_align_t nowhere;
    size_t bytes = mofka_event_selected_size(event), pieces = 0;
    const mofka_segment_t *piece =
        bytes > 0 ? mofka_data_view_segments(mofka_event_data(event), &pieces) : NULL;
    void *at = piece ? piece->ptr : &nowhere;
    if (piece && piece->size < bytes)
        return mofka_fail(
            MOFKA_ERR_UNSUPPORTED,
            "the event's data are in %zu pieces, which no pointer can show: read them", pieces);
    if (bytes % element_bytes != 0)
        return mofka_fail(
            MOFKA_ERR_RANGE,
            "the event has %zu bytes of selected data: no whole number of elements of "
            "%zu bytes",
            bytes, element_bytes);
    /* A complex number is aligned as its parts are; 8 bytes suffice for all. */
    size_t alignment = element_bytes < 8 ? element_bytes : 8;
    if ((uintptr_t)at % alignment != 0)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "the event's data are not aligned to %zu bytes, as a pointer needs: read "
                          "them",
                          alignment);
    *place = at;
    *count = bytes / element_bytes;
    return MOFKA_OK;
}

/* Where the data of a claim are, as elements of a size. They begin at a cache line. */
mofka_status_t mofka_fortran_claim_place(mofka_claim_t *claim, size_t element_bytes, void **place,
                                         size_t *count);
mofka_status_t mofka_fortran_claim_place(mofka_claim_t *claim, size_t element_bytes, void **place,
                                         size_t *count) {
    static max_align_t nowhere;
    size_t bytes = mofka_claim_data_bytes(claim);
    if (bytes % element_bytes != 0)
        return mofka_fail(
            MOFKA_ERR_RANGE,
            "the claim has %zu bytes of data: no whole number of elements of %zu bytes", bytes,
            element_bytes);
    *place = bytes > 0 ? mofka_claim_data(claim) : &nowhere;
    *count = bytes / element_bytes;
    return MOFKA_OK;
}

/* Commit with a copy of the metadata. More than the claim has room for is refused there. */
mofka_status_t mofka_fortran_claim_commit(mofka_claim_t *claim, const char *metadata, size_t bytes,
                                          mofka_future_t **future);
mofka_status_t mofka_fortran_claim_commit(mofka_claim_t *claim, const char *metadata, size_t bytes,
                                          mofka_future_t **future) {
    if (bytes > 0 && bytes <= mofka_claim_metadata_bytes_max(claim))
        memcpy(mofka_claim_metadata(claim), metadata, bytes);
    return mofka_claim_commit(claim, bytes, future);
}

/* mofka_fail, of a NUL-terminated text. */
mofka_status_t mofka_fortran_fail(mofka_status_t status, const char *text);
mofka_status_t mofka_fortran_fail(mofka_status_t status, const char *text) {
    return mofka_fail(status, "%s", text);
}

/* ---- producers ------------------------------------------------------------------------------- */

/* The address of a procedure of Fortran; NULL: there is none. */
typedef void (*fortran_procedure_t)(void);

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

/* Chooses partitions by a procedure of Fortran. */
typedef struct fortran_chooser {
    fortran_procedure_t choose;
    int64_t partitions;
} fortran_chooser_t;

/* In mofka_callbacks.f90: call a mofka_choose. */
mofka_status_t mofka_fortran_choose(fortran_procedure_t choose, const char *metadata,
                                    size_t metadata_bytes, int64_t requested, int64_t partitions,
                                    int64_t *partition);

static mofka_status_t chooser_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                             size_t count) {
    fortran_chooser_t *chooser = self;
    (void)partitions;
    chooser->partitions = (int64_t)count;
    return MOFKA_OK;
}

static mofka_status_t chooser_select(void *self, const char *metadata, size_t metadata_bytes,
                                     size_t requested, size_t *partition) {
    const fortran_chooser_t *chooser = self;
    int64_t chosen = 0;
    mofka_status_t status = mofka_fortran_choose(
        chooser->choose, metadata, metadata_bytes,
        requested == MOFKA_ANY_PARTITION ? -1 : (int64_t)requested, chooser->partitions, &chosen);
    if (!status && (chosen < 0 || chosen >= chooser->partitions))
        status = mofka_fail(MOFKA_ERR_RANGE, "partition %lld was chosen, of %lld",
                            (long long)chosen, (long long)chooser->partitions);
    *partition = (size_t)chosen;
    return status;
}

static const mofka_partition_selector_ops_t chooser_ops = {.size = sizeof chooser_ops,
                                                           .set_partitions = chooser_set_partitions,
                                                           .select = chooser_select,
                                                           .destroy = free};

/* Give a selector; NULL if there is no procedure. */
static mofka_status_t fortran_create_chooser(fortran_procedure_t choose,
                                             mofka_partition_selector_t **selector) {
    if (!choose)
        return MOFKA_OK;
    fortran_chooser_t *chooser = calloc(1, sizeof *chooser);
    if (!chooser)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a selector");
    chooser->choose = choose;
    mofka_status_t status = mofka_partition_selector_wrap(&chooser_ops, chooser, selector);
    if (status)
        free(chooser);
    return status;
}

/* mofka_producer_create; the texts are "" for none. */
mofka_status_t mofka_fortran_producer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             mofka_producer_t *fallback, fortran_procedure_t choose,
                                             mofka_producer_t **producer);
mofka_status_t mofka_fortran_producer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             mofka_producer_t *fallback, fortran_procedure_t choose,
                                             mofka_producer_t **producer) {
    mofka_producer_options_t o = {.name = name,
                                  .batch_size = (size_t)numbers[BATCH_SIZE],
                                  .max_batches = (size_t)numbers[MAX_BATCHES],
                                  .ordering = (mofka_ordering_t)numbers[ORDERING],
                                  .linger_ms = (uint64_t)numbers[LINGER_MS],
                                  .push_timeout_ms = numbers[PUSH_TIMEOUT_MS],
                                  .when_full = (mofka_when_full_t)numbers[WHEN_FULL],
                                  .fallback = fallback,
                                  .options = fortran_text(options)};
    mofka_status_t status = fortran_check_sizes(numbers);
    if (!status)
        status = fortran_check_linger(numbers[LINGER_MS]);
    if (!status)
        status = fortran_create_pool(topic, numbers[THREADS], &o.thread_pool);
    if (!status)
        status = fortran_create_chooser(choose, &o.selector);
    if (!status)
        status = mofka_producer_create(topic, &o, producer);
    mofka_partition_selector_release(o.selector);
    mofka_thread_pool_release(o.thread_pool);
    return status;
}

/* ---- consumers ------------------------------------------------------------------------------- */

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

/* In mofka_callbacks.f90: call a mofka_select, whose address is `context`. */
mofka_status_t mofka_fortran_select(void *context, const mofka_metadata_t *metadata,
                                    mofka_data_descriptor_t *full,
                                    mofka_data_descriptor_t **selected);

/* mofka_consumer_create; the texts are "" for none. */
mofka_status_t mofka_fortran_consumer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             const int64_t *targets, void *select,
                                             mofka_consumer_t **consumer);
mofka_status_t mofka_fortran_consumer_create(mofka_topic_t *topic, const char *name,
                                             const char *options, const int64_t *numbers,
                                             const int64_t *targets, void *select,
                                             mofka_consumer_t **consumer) {
    size_t *copy = NULL;
    mofka_consumer_options_t o = {.name = name,
                                  .batch_size = (size_t)numbers[BATCH_SIZE],
                                  .max_batches = (size_t)numbers[MAX_BATCHES],
                                  .start = (mofka_start_t)numbers[START],
                                  .acknowledge = (mofka_acknowledge_t)numbers[ACKNOWLEDGE],
                                  .selector = select               ? mofka_fortran_select
                                              : numbers[WITH_DATA] ? mofka_consumer_select_all
                                                                   : NULL,
                                  .selector_context = select,
                                  .zero_copy = numbers[ZERO_COPY] != 0,
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

/* In mofka_consumers.f90: call what a call of process was given, its `context`. */
mofka_status_t mofka_fortran_process_each(void *context, mofka_event_t *event);
mofka_status_t mofka_fortran_process_no_event(void *context);

/* mofka_consumer_process. */
mofka_status_t mofka_fortran_process(mofka_consumer_t *consumer, void *callbacks, bool has_none,
                                     const int64_t *numbers, int64_t *processed);
mofka_status_t mofka_fortran_process(mofka_consumer_t *consumer, void *callbacks, bool has_none,
                                     const int64_t *numbers, int64_t *processed) {
    mofka_process_options_t o = {.events_max = (size_t)numbers[EVENTS_MAX],
                                 .wait_timeout_ms = numbers[WAIT_TIMEOUT_MS],
                                 .no_event = has_none ? mofka_fortran_process_no_event : NULL};
    size_t count = 0;
    mofka_status_t status =
        numbers[EVENTS_MAX] < 0
            ? mofka_fail(MOFKA_ERR_RANGE, "events_max is %lld: 0 or more",
                         (long long)numbers[EVENTS_MAX])
            : mofka_consumer_process(consumer, mofka_fortran_process_each, callbacks,
                                     numbers[TIMEOUT_MS], &o, &count);
    *processed = (int64_t)count;
    return status;
}

/* ---- topics and futures ---------------------------------------------------------------------- */

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
