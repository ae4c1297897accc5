/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A computation in steps, each of which is an event in files. Now and then it makes a checkpoint,
 * which says where the topic ends. After a crash, the driver cuts the topic there, and it goes on:
 * the events are those of a run without a crash.
 *
 *   survive [STEP]: dies in the middle of STEP
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <mofka/mofka.h>

enum { STEPS = 1000, CHECKPOINT_STEPS = 100 };

static void survive_check(mofka_status_t status) {
    if (status == MOFKA_OK)
        return;
    fprintf(stderr, "%s: %s\n", mofka_status_name(status), mofka_last_error());
    exit(1);
}

typedef struct checkpoint {
    long step;     /* the next one */
    double value;  /* what is computed */
    char ends[64]; /* of the topic; "": this is the beginning */
} checkpoint_t;

/* A checkpoint is the old one or the new one, whole, also after a failure of the node. */
static void checkpoint_write(const checkpoint_t *c) {
    FILE *file = fopen("checkpoint.new", "w");
    if (!file || fprintf(file, "%ld %a %s\n", c->step, c->value, c->ends) < 0 ||
        fflush(file) != 0 || fsync(fileno(file)) != 0 || fclose(file) != 0 ||
        rename("checkpoint.new", "checkpoint") != 0) {
        perror("checkpoint");
        exit(1);
    }
}

static checkpoint_t checkpoint_read(void) {
    checkpoint_t c = {.value = 1};
    FILE *file = fopen("checkpoint", "r");
    if (file && fscanf(file, "%ld %la %63s", &c.step, &c.value, c.ends) != 3) {
        fprintf(stderr, "the file 'checkpoint' is damaged\n");
        exit(1);
    }
    if (file)
        fclose(file);
    return c;
}

/* The events go to disk first: the checkpoint speaks of them. Nothing is pushed meanwhile. */
static void survive_save(mofka_topic_t *topic, mofka_producer_t *producer, checkpoint_t *c) {
    mofka_metadata_t *ends;
    survive_check(mofka_producer_flush(producer, 10000));
    survive_check(mofka_topic_ends(topic, 10000, &ends));
    snprintf(c->ends, sizeof c->ends, "%s", mofka_metadata_text(ends, NULL));
    mofka_metadata_release(ends);
    checkpoint_write(c);
}

static void survive_step(mofka_producer_t *producer, checkpoint_t *c) {
    char text[64];
    c->value += 1 / c->value;
    int bytes = snprintf(text, sizeof text, "{\"step\":%ld,\"value\":%.17g}", c->step, c->value);
    survive_check(mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL));
    c->step++;
}

int main(int argc, char **argv) {
    long dies_at = argc > 1 ? atol(argv[1]) : -1;
    checkpoint_t c = checkpoint_read();
    char options[128] = "{\"store\":\"events\"}";
    if (c.ends[0])
        snprintf(options, sizeof options, "{\"store\":\"events\",\"resume_at\":{\"steps\":%s}}",
                 c.ends);
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    survive_check(mofka_driver_create("files", options, &driver));
    if (!c.ends[0])
        survive_check(mofka_driver_create_topic(driver, "steps", NULL));
    survive_check(mofka_driver_open_topic(driver, "steps", 0, &topic));
    survive_check(mofka_producer_create(topic, NULL, &producer));
    if (!c.ends[0])
        survive_save(topic, producer, &c); /* what dies before the next one begins here */
    printf("begins at step %ld\n", c.step);
    fflush(stdout);
    while (c.step < STEPS) {
        survive_step(producer, &c);
        if (c.step == dies_at)
            raise(SIGKILL);
        if (c.step % CHECKPOINT_STEPS == 0)
            survive_save(topic, producer, &c);
    }
    survive_check(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    survive_check(mofka_topic_mark_complete(topic, 0));
    mofka_topic_release(topic);
    survive_check(mofka_driver_close(driver, 10000));
    mofka_driver_release(driver);
    return 0;
}
