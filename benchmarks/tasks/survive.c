/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A computation in steps, each of which is an event in files. Now and then it makes a checkpoint,
 * with the next event's id in it. After a crash, the topic is cut there, and it goes on: the events
 * are those of a run without a crash.
 *
 *   survive [STEP]: dies in the middle of STEP
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
    uint64_t next; /* id of the next event */
} checkpoint_t;

/* A checkpoint is the old one or the new one, whole. */
static void checkpoint_write(const checkpoint_t *c) {
    FILE *file = fopen("checkpoint.new", "w");
    if (!file || fprintf(file, "%ld %a %" PRIu64 "\n", c->step, c->value, c->next) < 0 ||
        fclose(file) != 0 || rename("checkpoint.new", "checkpoint") != 0) {
        perror("checkpoint");
        exit(1);
    }
}

static checkpoint_t checkpoint_read(void) {
    checkpoint_t c = {.value = 1};
    FILE *file = fopen("checkpoint", "r");
    if (file && fscanf(file, "%ld %la %" SCNu64, &c.step, &c.value, &c.next) != 3)
        c = (checkpoint_t){.value = 1};
    if (file)
        fclose(file);
    return c;
}

static void survive_step(mofka_producer_t *producer, checkpoint_t *c) {
    char text[64];
    c->value += 1 / c->value;
    int bytes = snprintf(text, sizeof text, "{\"step\":%ld,\"value\":%.17g}", c->step, c->value);
    survive_check(mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL));
    c->step++;
    c->next++; /* one partition, one producer: each event has the next id */
}

int main(int argc, char **argv) {
    long dies_at = argc > 1 ? atol(argv[1]) : -1;
    checkpoint_t c = checkpoint_read();
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    survive_check(mofka_driver_create("files", "{\"store\":\"events\"}", &driver));
    mofka_status_t status = mofka_driver_create_topic(driver, "steps", NULL);
    survive_check(status == MOFKA_ERR_EXISTS ? MOFKA_OK : status);
    survive_check(mofka_driver_open_topic(driver, "steps", 0, &topic));
    survive_check(mofka_producer_create(topic, NULL, &producer));
    printf("begins at step %ld\n", c.step);
    fflush(stdout);
    while (c.step < STEPS) {
        survive_step(producer, &c);
        if (c.step == dies_at)
            raise(SIGKILL);
        if (c.step % CHECKPOINT_STEPS == 0) {
            survive_check(mofka_producer_flush(producer, 10000)); /* events first */
            checkpoint_write(&c);
        }
    }
    survive_check(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    survive_check(mofka_topic_mark_complete(topic, 0));
    mofka_topic_release(topic);
    survive_check(mofka_driver_close(driver, 10000));
    mofka_driver_release(driver);
    return 0;
}
