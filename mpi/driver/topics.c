/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables that join the rooms: a topic's, and those slots of the driver's that concern
 * topics. */
#include "mpi/agent/agent.h"
#include "mpi/consumer/consumer.h"
#include "mpi/driver/driver.h"
#include "mpi/producer/producer.h"
#include "mpi/storage/storage.h"

static mofka_status_t topics_make_producer(void *self, const char *name, const char *options,
                                           const mofka_producer_ops_t **ops, void **producer) {
    mmi_topic_t *topic = self;
    mofka_status_t status = mmi_window_may_call(topic->w);
    if (status)
        return status;
    return topic->w->agent
               ? mmi_agent_make_producer(topic->w->agent, topic, name, options, ops, producer)
               : mmi_producer_create(self, name, options, ops, producer);
}

static mofka_status_t topics_make_consumer(void *self, const mofka_consumer_config_t *config,
                                           const mofka_consumer_ops_t **ops, void **consumer) {
    mmi_topic_t *topic = self;
    mofka_status_t status = mmi_window_may_call(topic->w);
    if (status)
        return status;
    return topic->w->agent ? mmi_agent_make_consumer(topic->w->agent, topic, config, ops, consumer)
                           : mmi_consumer_create(self, config, ops, consumer);
}

static mofka_status_t topics_mark_complete(void *self, int64_t timeout_ms) {
    mmi_topic_t *topic = self;
    mofka_status_t status = mmi_window_may_call(topic->w);
    if (status)
        return status;
    return topic->w->agent ? mmi_agent_mark_complete(topic->w->agent, topic, timeout_ms)
                           : mmi_topic_mark_complete(self, timeout_ms);
}

static mofka_status_t topics_evict(void *self, const char *consumer, int64_t timeout_ms) {
    mmi_topic_t *topic = self;
    mofka_status_t status = mmi_window_may_call(topic->w);
    if (status)
        return status;
    return topic->w->agent ? mmi_agent_evict(topic->w->agent, topic, consumer, timeout_ms)
                           : mmi_topic_evict(self, consumer, timeout_ms);
}

static mofka_status_t topics_ends(void *self, int64_t timeout_ms, uint64_t *ends) {
    mmi_topic_t *topic = self;
    mofka_status_t status = mmi_window_may_call(topic->w);
    if (status)
        return status;
    return topic->w->agent ? mmi_agent_ends(topic->w->agent, topic, timeout_ms, ends)
                           : mmi_storage_ends(self, timeout_ms, ends);
}

const mofka_topic_ops_t mmi_topic_ops = {
    .size = sizeof mmi_topic_ops,
    .partition_info = mmi_topic_partition_info,
    .mark_complete = topics_mark_complete,
    .make_producer = topics_make_producer,
    .make_consumer = topics_make_consumer,
    .destroy = mmi_topic_destroy,
    .evict = topics_evict,
    .ends = topics_ends,
};

static mofka_status_t topics_create(void *self, const mofka_topic_config_t *config) {
    mmi_driver_t *d = self;
    return mmi_directory_create_topic(&d->directory, config);
}

mofka_status_t mmi_driver_create_topic(void *self, const mofka_topic_config_t *config) {
    mmi_driver_t *d = self;
    mmi_window_t *w = d->directory.w;
    mofka_status_t status = mmi_window_may_call(w);
    if (status)
        return status;
    return w->agent ? mmi_agent_create_topic(w->agent, topics_create, self, config)
                    : topics_create(self, config);
}

static mofka_status_t topics_delete(void *self, const char *name) {
    mmi_driver_t *d = self;
    return mmi_directory_delete_topic(&d->directory, name);
}

mofka_status_t mmi_driver_delete_topic(void *self, const char *name) {
    const mmi_driver_t *d = self;
    mmi_window_t *w = d->directory.w;
    mofka_status_t status = mmi_window_may_call(w);
    if (status)
        return status;
    return w->agent ? mmi_agent_delete_topic(w->agent, topics_delete, self, name)
                    : topics_delete(self, name);
}

mofka_status_t mmi_driver_open_topic(void *self, const char *name, int64_t timeout_ms,
                                     mofka_topic_made_t *made) {
    mmi_driver_t *d = self;
    mofka_status_t status = mmi_window_may_call(d->directory.w);
    return status ? status
                  : mmi_directory_open_topic(&d->directory, name,
                                             mmi_agent_grace(mmi_deadline(timeout_ms)), made);
}

mofka_status_t mmi_driver_topic_exists(void *self, const char *name, bool *exists) {
    mmi_driver_t *d = self;
    mofka_status_t status = mmi_window_may_call(d->directory.w);
    return status ? status : mmi_directory_has_topic(&d->directory, name, exists);
}

mofka_status_t mmi_driver_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    mmi_driver_t *d = self;
    mofka_status_t status = mmi_window_may_call(d->directory.w);
    return status ? status : mmi_directory_list_topics(&d->directory, visit, context);
}

mofka_status_t mmi_driver_rank_stats(void *self, int64_t timeout_ms, struct cJSON *ranks) {
    const mmi_driver_t *d = self;
    return mmi_ranks_stats_read(&d->directory, timeout_ms, ranks);
}

mofka_status_t mmi_driver_topic_stats(void *self, int64_t timeout_ms, struct cJSON *topics) {
    mmi_driver_t *d = self;
    mofka_status_t status = mmi_window_may_call(d->directory.w);
    return status ? status : mmi_topic_stats_read(&d->directory, timeout_ms, topics);
}
