/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics with storage: consumers go to any event, topics say where they end on disk, and a later
 * job cuts them there. The store is in a folder of its own in /tmp, which rank 0 makes and removes.
 */
#include <time.h>
#include "support/mpi/mpi_main.h"

#define RESUME_MS 60000
/* A ring that the stream wraps in many times. */
#define RESUME_SMALL "\"partition_bytes\":65536,\"partition_events\":256"

static char resume_folder[64];

/* ---- helpers --------------------------------------------------------------------------------- */

static int resume_set_up(void **state) {
    (void)state;
    if (rank == 0) {
        strcpy(resume_folder, "/tmp/mofka-resume-XXXXXX");
        if (!mkdtemp(resume_folder))
            return 1;
    }
    MPI_Bcast(resume_folder, sizeof resume_folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    return 0;
}

static int resume_tear_down(void **state) {
    char command[128];
    (void)state;
    MPI_Barrier(MPI_COMM_WORLD);
    snprintf(command, sizeof command, "rm -rf '%s'", resume_folder);
    return rank == 0 ? system(command) : 0;
}

/* `more`: driver options, which begin with a comma. */
static mofka_status_t resume_try_driver(const char *more, mofka_driver_t **driver) {
    char options[512];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\"%s}", window,
             resume_folder, more);
    return mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver);
}

static mofka_driver_t *resume_driver(const char *more) {
    mofka_driver_t *driver = NULL;
    OK(resume_try_driver(more, &driver));
    return driver;
}

static void resume_close_driver(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, RESUME_MS));
    mofka_driver_release(driver);
}

/* `options`: of the topic; NULL: it is there already. */
static mofka_topic_t *resume_topic(mofka_driver_t *driver, const char *name, const char *options) {
    mofka_topic_t *topic;
    if (rank == 0 && options)
        OK(mofka_driver_create_topic(driver, name, &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(driver, name, RESUME_MS, &topic));
    return topic;
}

/* Push the numbers `from` to `to` to a partition, in batches of 10, and flush. */
static void resume_push(mofka_topic_t *topic, size_t partition, int from, int to) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 10}, &producer));
    for (int n = from; n < to; n++) {
        char text[32];
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"n\":%d}", n);
        OK(mofka_producer_push(producer, text, bytes, NULL, partition, NULL));
    }
    OK(mofka_producer_close(producer, RESUME_MS));
    mofka_producer_release(producer);
}

static mofka_consumer_t *resume_consumer(mofka_topic_t *topic, const char *name) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    return consumer;
}

static void resume_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* Pull the events of these numbers, whose ids are the same plus `shift`. */
static void resume_pull(mofka_consumer_t *consumer, int from, int to, int shift,
                        bool acknowledges) {
    for (int n = from; n < to; n++) {
        mofka_event_t *event;
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}", n);
        OK(mofka_consumer_pull(consumer, RESUME_MS, &event));
        assert_int_equal(mofka_event_id(event), n + shift);
        assert_int_equal(mofka_event_lost(event), 0);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        if (acknowledges)
            OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

/* ---- cases: seek ------------------------------------------------------------------------------
 */

/* From files and ring, while events are pushed. */
static void a_consumer_goes_anywhere(void **state) {
    (void)state;
    mofka_driver_t *driver = resume_driver("");
    mofka_topic_t *topic = resume_topic(
        driver, "t",
        "{\"storage\":{\"segment_bytes\":20000,\"durability\":\"memory\"}," RESUME_SMALL "}");
    if (rank == 0)
        resume_push(topic, 0, 0, 2000);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        resume_push(topic, 0, 2000, 4000);
    if (rank == size - 1) {
        mofka_consumer_t *consumer = resume_consumer(topic, "about");
        unsigned place = 1;
        for (int i = 0; i < 100; i++) {
            place = place * 1103515245 + 12345;
            int id = (int)(place >> 8) % 2000;
            OK(mofka_consumer_seek(consumer, 0, (uint64_t)id));
            resume_pull(consumer, id, id + i % 30, 0, i % 3 == 0);
        }
        OK(mofka_consumer_seek(consumer, 0, 3));
        resume_pull(consumer, 3, 4000, 0, true);   /* into the ring, at its pace */
        for (int id = 3999; id > 3700; id -= 37) { /* the ring has them, mostly */
            OK(mofka_consumer_seek(consumer, 0, (uint64_t)id));
            resume_pull(consumer, id, 4000, 0, false);
        }
        FAILS(mofka_consumer_seek(consumer, 0, 4001), MOFKA_ERR_RANGE, "up to 4000");
        resume_end_consumer(consumer);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_topic_release(topic);
    resume_close_driver(driver);
}

static void a_consumer_goes_to_a_time(void **state) {
    (void)state;
    uint64_t times[3];
    mofka_driver_t *driver = resume_driver("");
    mofka_topic_t *topic = resume_topic(driver, "t", "{\"storage\":{}," RESUME_SMALL "}");
    for (int i = 0; i < 3 && rank == 0; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        times[i] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        resume_push(topic, 0, i * 500, i * 500 + 500);
    }
    if (rank == 0) {
        mofka_consumer_t *consumer = resume_consumer(topic, "times");
        for (int i = 2; i >= 0; i--) {
            OK(mofka_consumer_seek_time(consumer, times[i]));
            resume_pull(consumer, i * 500, i * 500 + 3, 0, false);
        }
        resume_end_consumer(consumer);
    }
    mofka_topic_release(topic);
    resume_close_driver(driver);
}

/* ---- cases: ends ------------------------------------------------------------------------------
 */

/* All ranks get the same ends, which are on disk whatever the durability. */
static void all_ranks_see_the_ends(void **state) {
    (void)state;
    static const char *const options[] = {
        "{\"storage\":{\"durability\":\"memory\",\"sync_ms\":0},\"partitions\":3}",
        "{\"storage\":{\"sync_ms\":3600000},\"partitions\":3}",
        "{\"storage\":{\"durability\":\"synced\"},\"partitions\":3}"};
    mofka_driver_t *driver = resume_driver("");
    for (size_t i = 0; i < 3; i++) {
        char name[8], text[64];
        mofka_metadata_t *ends;
        snprintf(name, sizeof name, "t%zu", i);
        mofka_topic_t *topic = resume_topic(driver, name, options[i]);
        for (int step = 0; step < 3; step++) {
            snprintf(text, sizeof text, "[%d,0,%d]", 7 * step * size, 30 * step);
            MPI_Barrier(MPI_COMM_WORLD);
            OK(mofka_topic_ends(topic, RESUME_MS, &ends));
            assert_string_equal(mofka_metadata_text(ends, NULL), text);
            mofka_metadata_release(ends);
            MPI_Barrier(MPI_COMM_WORLD);
            resume_push(topic, 0, 0, 7);
            if (rank == size - 1)
                resume_push(topic, 2, 0, 30);
        }
        mofka_topic_release(topic);
    }
    mofka_topic_t *plain = resume_topic(driver, "plain", "{}");
    mofka_metadata_t *none;
    FAILS(mofka_topic_ends(plain, 1000, &none), MOFKA_ERR_UNSUPPORTED, "no \"storage\"");
    mofka_topic_release(plain);
    resume_close_driver(driver);
}

/* ---- cases: resume_at -------------------------------------------------------------------------
 */

#define RESUME_STEP 100
#define RESUME_TOPIC "{\"storage\":{\"segment_bytes\":20000},\"partitions\":2," RESUME_SMALL "}"

/* The events of a step: rank r pushes to partition r. */
static void resume_simulate(mofka_topic_t *topic, int step) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank < 2)
        resume_push(topic, (size_t)rank, step * RESUME_STEP, (step + 1) * RESUME_STEP);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void resume_read_ends(mofka_topic_t *topic, char *text, size_t bytes) {
    mofka_metadata_t *ends;
    OK(mofka_topic_ends(topic, RESUME_MS, &ends));
    snprintf(text, bytes, "%s", mofka_metadata_text(ends, NULL));
    mofka_metadata_release(ends);
}

/* Read the partition of this rank to its end. */
static void resume_read(mofka_topic_t *topic, const char *name, int from, int to,
                        uint64_t rewound) {
    mofka_consumer_t *consumer;
    size_t own = (size_t)rank;
    if (rank >= 2)
        return;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .targets = &own, .target_count = 1},
        &consumer));
    assert_int_equal(mofka_consumer_rewound(consumer), rewound);
    resume_pull(consumer, from, to, 0, true);
    resume_end_consumer(consumer);
}

/* The simulation pushes 5 steps after its checkpoint, ends, and starts again from there, in ranks
 * whose partitions have another owner. */
static void a_job_resumes_at_its_checkpoint(void **state) {
    (void)state;
    char ends[64], options[128];
    mofka_driver_t *driver = resume_driver("");
    mofka_topic_t *topic = resume_topic(driver, "t", RESUME_TOPIC);
    for (int step = 0; step < 5; step++)
        resume_simulate(topic, step);
    resume_read_ends(topic, ends, sizeof ends);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int step = 5; step < 10; step++)
        resume_simulate(topic, step);
    resume_read(topic, "far", 0, 900, 0);
    resume_read(topic, "near", 0, 400, 0);
    mofka_topic_release(topic);
    resume_close_driver(driver);
    snprintf(options, sizeof options, ",\"owners\":[%d],\"resume_at\":{\"t\":%s}", size - 1, ends);
    for (int i = 0; i < 2; i++) { /* the first restart ends before it has pushed */
        driver = resume_driver(options);
        topic = resume_topic(driver, "t", NULL);
        for (int step = 5; i == 1 && step < 7; step++)
            resume_simulate(topic, step);
        if (i == 1) {
            resume_read(topic, "far", 500, 700, 400);
            resume_read(topic, "near", 400, 700, 0);
            resume_read(topic, "far", 700, 700, 0);
            resume_read(topic, "new", 0, 700, 0);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        mofka_topic_release(topic);
        resume_close_driver(driver);
    }
}

/* Rank 0 has no checkpoint, and joins the others. */
static void a_rank_that_joins_resumes_with_them(void **state) {
    (void)state;
    mofka_driver_t *driver = resume_driver("");
    mofka_topic_t *topic = resume_topic(driver, "t", RESUME_TOPIC);
    resume_simulate(topic, 0);
    mofka_topic_release(topic);
    resume_close_driver(driver);
    if (rank == 0)
        OK(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"join\":true}", &driver));
    else
        driver = resume_driver(",\"resume_at\":{\"t\":[30,20]}");
    topic = resume_topic(driver, "t", NULL);
    char ends[64];
    resume_read_ends(topic, ends, sizeof ends);
    assert_string_equal(ends, "[30,20]");
    mofka_topic_release(topic);
    resume_close_driver(driver);
}

static void what_cannot_be_resumed_is_named(void **state) {
    (void)state;
    mofka_driver_t *driver = resume_driver("");
    mofka_topic_t *topic = resume_topic(driver, "t", RESUME_TOPIC);
    mofka_topic_t *plain = resume_topic(driver, "plain", "{\"partitions\":2}");
    char text[64], ends[64];
    resume_simulate(topic, 0);
    mofka_topic_release(plain);
    mofka_topic_release(topic);
    resume_close_driver(driver);
    static const struct {
        const char *options, *word;
        mofka_status_t status;
    } bad[] = {
        {",\"resume_at\":{\"t\":[100,101]}", "cannot be cut at 101", MOFKA_ERR_RANGE},
        {",\"resume_at\":{\"t\":[1]}", "an array of 2 ids", MOFKA_ERR_OPTION},
        {",\"resume_at\":{\"plain\":[0,0]}", "has no topic 'plain'", MOFKA_ERR_NOT_FOUND},
        {",\"resume_at\":3", "must be an object", MOFKA_ERR_OPTION},
        {",\"resume\":\"never\",\"resume_at\":{}", "\"never\"", MOFKA_ERR_OPTION},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mofka_status_t status = resume_try_driver(bad[i].options, &driver);
        assert_int_equal(status, bad[i].status);
        if (rank == 0)
            assert_non_null(strstr(mofka_last_error(), bad[i].word));
    }
    snprintf(text, sizeof text, ",\"resume_at\":{\"t\":[%d,0]}", rank);
    FAILS(resume_try_driver(text, &driver), MOFKA_ERR_OPTION, "not the same on all ranks");
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"resume_at\":{}}", window);
    FAILS(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver), MOFKA_ERR_OPTION,
          "\"resume_at\" needs \"store\"");
    driver = resume_driver(",\"resume_at\":{}"); /* nothing has changed */
    topic = resume_topic(driver, "t", NULL);
    resume_read_ends(topic, ends, sizeof ends);
    assert_string_equal(ends, "[100,100]");
    mofka_topic_release(topic);
    resume_close_driver(driver);
}

#define RESUME_CASE(name) cmocka_unit_test_setup_teardown(name, resume_set_up, resume_tear_down)

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        RESUME_CASE(a_consumer_goes_anywhere),
        RESUME_CASE(a_consumer_goes_to_a_time),
        RESUME_CASE(all_ranks_see_the_ends),
        RESUME_CASE(a_job_resumes_at_its_checkpoint),
        RESUME_CASE(a_rank_that_joins_resumes_with_them),
        RESUME_CASE(what_cannot_be_resumed_is_named),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
