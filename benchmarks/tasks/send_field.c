/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishes a field every step: metadata describes the array, data is the array itself. Two arrays
 * take turns, so that one is computed while the other is being sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include "readme_task.h"

enum { ROWS = 48, COLUMNS = 64, STEPS = 20, ARRAYS = 2 };

static double field[ARRAYS][ROWS][COLUMNS];

static void field_compute(double (*f)[COLUMNS], int step) {
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < COLUMNS; column++)
            f[row][column] = step + 0.01 * row;
}

static long field_produce_steps(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    mofka_future_t *sent[ARRAYS] = {NULL};
    check(mofka_producer_create(topic, NULL, &producer));
    for (int step = 0; step < STEPS; step++) {
        int turn = step % ARRAYS;
        if (step >= ARRAYS) { /* its memory may change only once it is stored */
            check(mofka_future_wait(sent[turn], 30000, NULL));
            mofka_future_release(sent[turn]);
        }
        field_compute(field[turn], step);
        char text[96];
        int bytes = snprintf(text, sizeof text, "{\"step\":%d,\"dtype\":\"<f8\",\"shape\":[%d,%d]}",
                             step, ROWS, COLUMNS);
        mofka_data_view_t *view;
        check(mofka_data_view_of(field[turn], sizeof field[turn], &view));
        check(mofka_producer_push(producer, text, (size_t)bytes, view, MOFKA_ANY_PARTITION,
                                  &sent[turn]));
        mofka_data_view_release(view); /* the producer keeps its own reference */
    }
    check(mofka_producer_close(producer, 30000)); /* stores everything: the arrays are free */
    for (int turn = 0; turn < ARRAYS; turn++)
        mofka_future_release(sent[turn]);
    mofka_producer_release(producer);
    return STEPS;
}

/* Data selector: the first quarter of each row. Only those bytes move. */
static mofka_status_t field_select_left(void *context, const mofka_metadata_t *metadata,
                                        mofka_data_descriptor_t *full,
                                        mofka_data_descriptor_t **selected) {
    const char *text = mofka_metadata_text(metadata, NULL), *shape = strchr(text, '[');
    char *end = NULL;
    (void)context;
    size_t rows = shape ? strtoul(shape + 1, &end, 10) : 0;
    size_t columns = end && *end == ',' ? strtoul(end + 1, &end, 10) : 0;
    if (!end || strcmp(end, "]}") != 0)
        return mofka_fail(MOFKA_ERR_CALLBACK, "no shape in %s", text);
    size_t block = columns / 4 * sizeof(double), row = columns * sizeof(double);
    return mofka_data_descriptor_strided_view(full, 0, rows, block, row - block, selected);
}

static long field_consume_parts(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    double part[ROWS][COLUMNS / 4];
    long steps = 0;
    check(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "viewer", .selector = field_select_left},
        &consumer));
    while (check(mofka_consumer_pull(consumer, 30000, &event)), !mofka_event_is_end(event)) {
        size_t got = mofka_data_view_read(mofka_event_data(event), part, sizeof part, 0);
        printf("%s: %zu of %zu bytes, last value %.2f\n", mofka_event_metadata_text(event, NULL),
               got, mofka_event_data_size(event), part[ROWS - 1][COLUMNS / 4 - 1]);
        check(mofka_event_acknowledge(event));
        mofka_event_release(event);
        steps++;
    }
    mofka_event_release(event);
    check(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return steps;
}

const readme_task_t readme_task = {.topic_options = {.options = "{\"expected_producers\":1}"},
                                   .produce = field_produce_steps,
                                   .consume = field_consume_parts};
