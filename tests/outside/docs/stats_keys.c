/* SPDX-License-Identifier: BSD-3-Clause */
/* A producer, a consumer and their driver at work: what their statistics are, a line of JSON each
 * ({KIND: STATISTICS}), for stats_keys.sh to compare with the lists of the header. */
#include <mofka/mofka.h>
#include <mofka/mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void stats_keys_check(mofka_status_t status) {
    if (status == MOFKA_OK)
        return;
    fprintf(stderr, "%s: %s\n", mofka_status_name(status), mofka_last_error());
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1); /* MPI_Abort may return */
}

static void stats_keys_print(const char *kind, mofka_metadata_t *stats) {
    printf("{\"%s\":%s}\n", kind, mofka_metadata_text(stats, NULL));
    mofka_metadata_release(stats);
}

static void *stats_keys_print_driver(void *driver) {
    mofka_metadata_t *stats;
    stats_keys_check(mofka_driver_stats(driver, 10000, &stats));
    stats_keys_print("driver", stats);
    return NULL;
}

/* Below MPI_THREAD_MULTIPLE this thread cannot read an rma window, and says so. */
static void stats_keys_print_in_thread(mofka_driver_t *driver) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, stats_keys_print_driver, driver) ||
        pthread_join(thread, NULL)) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        exit(1);
    }
}

static void stats_keys_print_all(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    mofka_metadata_t *stats;
    mofka_driver_t *driver = mofka_topic_driver(topic);
    stats_keys_check(mofka_producer_create(topic, NULL, &producer));
    stats_keys_check(
        mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    stats_keys_check(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    stats_keys_check(mofka_producer_flush(producer, 10000));
    stats_keys_check(mofka_consumer_pull(consumer, 10000, &event));
    mofka_event_release(event);
    stats_keys_check(mofka_producer_stats(producer, &stats));
    stats_keys_print("producer", stats);
    stats_keys_check(mofka_consumer_stats(consumer, &stats));
    stats_keys_print("consumer", stats);
    stats_keys_print_driver(driver);
    stats_keys_print_in_thread(driver);
    stats_keys_check(mofka_producer_close(producer, 10000));
    stats_keys_check(mofka_consumer_close(consumer));
    mofka_producer_release(producer);
    mofka_consumer_release(consumer);
}

static void stats_keys_run(const char *driver_options, const char *topic_options) {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    stats_keys_check(mofka_mpi_driver_create(MPI_COMM_WORLD, driver_options, &driver));
    stats_keys_check(mofka_driver_create_topic(driver, "topic",
                                               &(mofka_topic_options_t){.options = topic_options}));
    stats_keys_check(mofka_driver_open_topic(driver, "topic", 0, &topic));
    stats_keys_print_all(topic);
    mofka_topic_release(topic);
    stats_keys_check(mofka_driver_close(driver, 10000));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    int level;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    stats_keys_run("{\"window\":\"rma\",\"progress\":\"none\"}", NULL);
    stats_keys_run("{\"window\":\"shm\",\"store\":\"store\"}", "{\"storage\":{}}");
    return MPI_Finalize();
}
