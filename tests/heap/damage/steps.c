/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of cases about damage; see steps.h. */
#include "heap/damage/steps.h"
#include "support/json_path.h"

void steps_expect_sleep(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    uint64_t fetches = atomic_load(&consumer->fetches);
    FAILS(mofka_consumer_pull(consumer, 50, &event), MOFKA_ERR_TIMEOUT, "no event");
    IN_RANGE(atomic_load(&consumer->fetches), fetches, fetches + 4);
}

/* ---- what happens ---------------------------------------------------------------------------- */

void step_consumer(scene_t *scene, const step_t *step) {
    if (scene->consumer) {
        OK(mofka_consumer_close(scene->consumer));
        mofka_consumer_release(scene->consumer);
    }
    scene->consumer = stored_consumer(scene->topic, step->text);
}

void step_push(scene_t *scene, const step_t *step) {
    (void)scene;
    stored_push((int)step->numbers[0]);
}

void step_full(scene_t *scene, const step_t *step) {
    (void)scene;
    assert_int_equal(stored_try_push((int)step->numbers[0], 0), MOFKA_ERR_TIMEOUT);
    assert_int_equal(stored_try_push(0, 0), MOFKA_ERR_TIMEOUT);
}

void step_reserve(scene_t *scene, const step_t *step) {
    sender_open(&scene->slow, scene->topic, (size_t)step->numbers[0]);
    sender_reserve_only(&scene->slow, scene->p);
    stored_count += step->numbers[0];
}

void step_append(scene_t *scene, const step_t *step) {
    uint64_t id;
    (void)step;
    OK(scene->slow.ops->append(scene->slow.self, 0, &scene->slow.batch, 0, &id));
}

void step_complete(scene_t *scene, const step_t *step) {
    (void)step;
    OK(mofka_topic_mark_complete(scene->topic, 1000));
}

void step_flag(scene_t *scene, const step_t *step) {
    *stored_flag(scene->p, step->numbers[0]) ^= step->numbers[1];
}

void step_flag_of(scene_t *scene, const step_t *step) {
    *stored_flag(scene->p, step->numbers[0]) =
        mmi_flag_value(scene->p, step->numbers[1], step->numbers[2], true);
}

/* Bits of a field of 4 bytes are in its own word: the other half is not changed. */
void step_entry(scene_t *scene, const step_t *step) {
    char *field = (char *)stored_entry(scene->p, step->numbers[0]) + step->numbers[2];
    if (step->numbers[2] >= offsetof(mmi_entry_t, metadata_bytes)) {
        assert_true(step->numbers[1] <= UINT32_MAX);
        *(uint32_t *)(void *)field ^= (uint32_t)step->numbers[1];
    } else {
        *(uint64_t *)(void *)field ^= step->numbers[1];
    }
}

/* ---- what is seen ---------------------------------------------------------------------------- */

void step_events(scene_t *scene, const step_t *step) {
    stored_expect(scene->consumer, step->numbers[0], step->numbers[1], step->numbers[2]);
}

void step_pulls(scene_t *scene, const step_t *step) {
    assert_int_equal(log_pull_id(scene->consumer), step->numbers[0]);
}

void step_ends(scene_t *scene, const step_t *step) {
    mofka_event_t *event;
    (void)step;
    OK(mofka_consumer_pull(scene->consumer, 1000, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
}

void step_corrupt(scene_t *scene, const step_t *step) {
    stored_expect_damage(scene->consumer, step->text);
}

void step_nothing(scene_t *scene, const step_t *step) {
    (void)step;
    stored_expect_nothing(scene->consumer);
}

void step_sleeps(scene_t *scene, const step_t *step) {
    (void)step;
    steps_expect_sleep(scene->consumer);
}

/* A wait has little time to find out what it waited for; if that was too little, it is repeated. */
void step_hole(scene_t *scene, const step_t *step) {
    mofka_event_t *event;
    for (int tries = 0; tries < 1000; tries++) {
        FAILS(mofka_consumer_pull(scene->consumer, 1, &event), MOFKA_ERR_TIMEOUT, "no event");
        if (strstr(mofka_last_error(), step->text))
            return;
    }
    fail_msg("'%s' is not in '%s'", step->text, mofka_last_error());
}

void step_skips(scene_t *scene, const step_t *step) {
    stored_expect_skipped(scene->consumer, step->numbers[0]);
}

void step_lost(scene_t *scene, const step_t *step) {
    assert_int_equal(mofka_consumer_lost(scene->consumer), step->numbers[0]);
}

void step_counted(scene_t *scene, const step_t *step) {
    (void)scene;
    mofka_metadata_t *stats;
    OK(mofka_driver_stats(log_driver, -1, &stats));
    NUMBER(stats, "topics/0/partitions/0/damaged_events", (double)step->numbers[0]);
    mofka_metadata_release(stats);
}

void step_warns(scene_t *scene, const step_t *step) {
    (void)scene;
    stored_expect_warning(step->text);
}

void step_warns_not(scene_t *scene, const step_t *step) {
    (void)scene;
    stored_expect_no_warning(step->text);
}

void step_head(scene_t *scene, const step_t *step) {
    assert_int_equal(stored_state(scene->p).head.events, step->numbers[0]);
    assert_false(stored_state(scene->p).rough);
}

/* ---- a case ---------------------------------------------------------------------------------- */

/* The step under way, so that a failure can name it. NULL: none. */
static const step_t *steps_now;

static void steps_run(void **state) {
    const steps_case_t *c = *state;
    scene_t scene = {.topic = stored_open(c->options)};
    scene.p = log_of(scene.topic);
    for (steps_now = c->steps; steps_now->run; steps_now++)
        steps_now->run(&scene, steps_now);
    steps_now = NULL;
    if (scene.slow.self)
        sender_close(&scene.slow);
    stored_end(scene.consumer, scene.topic);
}

static int steps_teardown(void **state) {
    const steps_case_t *c = *state;
    if (steps_now)
        print_error("the step of '%s' in line %d failed\n", c->name, steps_now->line);
    steps_now = NULL;
    return stored_teardown(state);
}

struct CMUnitTest steps_test(const steps_case_t *c) {
    union {
        const steps_case_t *given;
        void *state; /* cmocka does not write there */
    } pointer = {.given = c};
    return (struct CMUnitTest){.name = c->name,
                               .test_func = steps_run,
                               .setup_func = stored_setup,
                               .teardown_func = steps_teardown,
                               .initial_state = pointer.state};
}
