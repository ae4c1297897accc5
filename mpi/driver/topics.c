/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables that join the rooms: a topic's, and those slots of the driver's that concern
 * topics. */
#include "mpi/consumer/consumer.h"
#include "mpi/driver/driver.h"
#include "mpi/producer/producer.h"

const mofka_topic_ops_t mmi_topic_ops = {
    .size = sizeof mmi_topic_ops,
    .partition_info = mmi_topic_partition_info,
    .mark_complete = mmi_topic_mark_complete,
    .make_producer = mmi_producer_create,
    .make_consumer = mmi_consumer_create,
    .destroy = mmi_topic_destroy,
};

mofka_status_t mmi_driver_create_topic(void *self, const mofka_topic_config_t *config) {
    const mmi_driver_t *d = self;
    return mmi_directory_create_topic(&d->directory, config);
}

mofka_status_t mmi_driver_open_topic(void *self, const char *name, mofka_topic_made_t *made) {
    const mmi_driver_t *d = self;
    return mmi_directory_open_topic(&d->directory, name, made);
}

mofka_status_t mmi_driver_topic_exists(void *self, const char *name, bool *exists) {
    const mmi_driver_t *d = self;
    return mmi_directory_has_topic(&d->directory, name, exists);
}

mofka_status_t mmi_driver_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    const mmi_driver_t *d = self;
    return mmi_directory_list_topics(&d->directory, visit, context);
}

mofka_status_t mmi_driver_topic_stats(void *self, int64_t timeout_ms, struct cJSON *topics) {
    mmi_driver_t *d = self;
    return mmi_topic_stats_read(&d->directory, &d->known_topics, timeout_ms, topics);
}
