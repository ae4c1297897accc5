/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of a topic and of a driver that change the window under a lock: each is a job of its
 * own. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agent/agent.h"
#include "mpi/consumer/consumer.h"
#include "mpi/producer/producer.h"
#include "mpi/storage/storage.h"

/* How long a call without a time-out waits: longer than for the locks that it needs. */
#define CALL_MS 15000

/* ---- mark_complete --------------------------------------------------------------------------- */

typedef struct complete_job {
    mmi_job_t job;
    mmi_topic_t *topic;
    int64_t timeout_ms;
} complete_job_t;

static mofka_status_t complete_run(mmi_job_t *job) {
    const complete_job_t *c = (const complete_job_t *)(const void *)job;
    return mmi_topic_mark_complete(c->topic, c->timeout_ms);
}

static void complete_free(mmi_job_t *job) {
    mmi_topic_destroy(((complete_job_t *)(void *)job)->topic);
    free(job);
}

mofka_status_t mmi_agent_mark_complete(mmi_agent_t *agent, mmi_topic_t *topic, int64_t timeout_ms) {
    complete_job_t *c = malloc(sizeof *c);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to complete a topic");
    *c = (complete_job_t){.job = {.run = complete_run, .destroy = complete_free},
                          .topic = topic,
                          .timeout_ms = timeout_ms};
    mmi_topic_retain(topic);
    mofka_status_t status = mmi_job_call(agent, &c->job, mmi_agent_grace(mmi_deadline(timeout_ms)));
    if (!status)
        mmi_job_leave(&c->job);
    return status;
}

/* ---- evict ----------------------------------------------------------------------------------- */

typedef struct evict_job {
    mmi_job_t job;
    mmi_topic_t *topic;
    int64_t timeout_ms;
    char consumer[MOFKA_NAME_BYTES_MAX + 1];
} evict_job_t;

static mofka_status_t evict_run(mmi_job_t *job) {
    const evict_job_t *j = (const evict_job_t *)(const void *)job;
    return mmi_topic_evict(j->topic, j->consumer, j->timeout_ms);
}

static void evict_free(mmi_job_t *job) {
    mmi_topic_destroy(((evict_job_t *)(void *)job)->topic);
    free(job);
}

mofka_status_t mmi_agent_evict(mmi_agent_t *agent, mmi_topic_t *topic, const char *consumer,
                               int64_t timeout_ms) {
    evict_job_t *j = malloc(sizeof *j);
    if (!j)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to evict consumer '%s'", consumer);
    *j = (evict_job_t){
        .job = {.run = evict_run, .destroy = evict_free}, .topic = topic, .timeout_ms = timeout_ms};
    assert(strlen(consumer) < sizeof j->consumer);
    strcpy(j->consumer, consumer);
    mmi_topic_retain(topic);
    mofka_status_t status = mmi_job_call(agent, &j->job, mmi_agent_grace(mmi_deadline(timeout_ms)));
    if (!status)
        mmi_job_leave(&j->job);
    return status;
}

/* ---- ends ------------------------------------------------------------------------------------ */

typedef struct ends_job {
    mmi_job_t job;
    mmi_topic_t *topic;
    int64_t timeout_ms;
    uint64_t ends[];
} ends_job_t;

static mofka_status_t ends_run(mmi_job_t *job) {
    ends_job_t *e = (ends_job_t *)(void *)job;
    return mmi_storage_ends(e->topic, e->timeout_ms, e->ends);
}

static void ends_free(mmi_job_t *job) {
    mmi_topic_destroy(((ends_job_t *)(void *)job)->topic);
    free(job);
}

mofka_status_t mmi_agent_ends(mmi_agent_t *agent, mmi_topic_t *topic, int64_t timeout_ms,
                              uint64_t *ends) {
    size_t bytes = topic->partition_count * sizeof *ends;
    ends_job_t *e = malloc(sizeof *e + bytes);
    if (!e)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the ends of a topic");
    *e = (ends_job_t){
        .job = {.run = ends_run, .destroy = ends_free}, .topic = topic, .timeout_ms = timeout_ms};
    mmi_topic_retain(topic);
    mofka_status_t status = mmi_job_call(agent, &e->job, mmi_agent_grace(mmi_deadline(timeout_ms)));
    if (status)
        return status;
    memcpy(ends, e->ends, bytes);
    mmi_job_leave(&e->job);
    return MOFKA_OK;
}

/* ---- make_producer --------------------------------------------------------------------------- */

typedef struct producer_job {
    mmi_job_t job;
    mmi_topic_t *topic;
    char *name, *options; /* copies */
    const mofka_producer_ops_t *made_ops;
    void *made; /* until the caller takes it */
} producer_job_t;

static mofka_status_t producer_job_run(mmi_job_t *job) {
    producer_job_t *j = (producer_job_t *)(void *)job;
    return mmi_producer_create(j->topic, j->name, j->options, &j->made_ops, &j->made);
}

/* A producer that nobody took is no user of the topic any more. */
static void producer_job_free(mmi_job_t *job) {
    producer_job_t *j = (producer_job_t *)(void *)job;
    if (j->made)
        j->made_ops->destroy(j->made);
    mmi_topic_destroy(j->topic);
    free(j->name);
    free(j->options);
    free(j);
}

mofka_status_t mmi_agent_make_producer(mmi_agent_t *agent, mmi_topic_t *topic, const char *name,
                                       const char *options, const mofka_producer_ops_t **made_ops,
                                       void **made) {
    producer_job_t *j = calloc(1, sizeof *j);
    if (!j)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    *j = (producer_job_t){.job = {.run = producer_job_run, .destroy = producer_job_free},
                          .topic = topic,
                          .name = strdup(name),
                          .options = options ? strdup(options) : NULL};
    mmi_topic_retain(topic);
    if (!j->name || (options && !j->options)) {
        producer_job_free(&j->job);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    }
    mofka_status_t status = mmi_job_call(agent, &j->job, mmi_deadline(CALL_MS));
    if (status)
        return status;
    const mofka_producer_ops_t *ops = j->made_ops;
    void *producer = j->made;
    status = mmi_agent_wrap_producer(agent, topic->partition_count, &ops, &producer);
    if (!status) {
        *made_ops = ops;
        *made = producer;
        j->made = NULL;
    }
    mmi_job_leave(&j->job);
    return status;
}

/* ---- make_consumer --------------------------------------------------------------------------- */

typedef struct join_job {
    mmi_job_t job;
    mmi_topic_t *topic;
    mofka_consumer_config_t config; /* its strings and targets are copies */
    const mofka_consumer_ops_t *made_ops;
    void *made; /* until the caller takes it */
} join_job_t;

static mofka_status_t join_run(mmi_job_t *job) {
    join_job_t *j = (join_job_t *)(void *)job;
    return mmi_consumer_create(j->topic, &j->config, &j->made_ops, &j->made);
}

/* A consumer that nobody took leaves again. */
static void join_free(mmi_job_t *job) {
    join_job_t *j = (join_job_t *)(void *)job;
    if (j->made)
        mmi_consumer_undo(j->made);
    free((char *)j->config.name);
    free((char *)j->config.options);
    free((size_t *)j->config.targets);
    if (j->topic)
        mmi_topic_destroy(j->topic);
    free(j);
}

static join_job_t *join_create(const mofka_consumer_config_t *config) {
    join_job_t *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    size_t bytes = config->target_count * sizeof *config->targets;
    j->config = *config;
    j->config.name = strdup(config->name);
    j->config.options = config->options ? strdup(config->options) : NULL;
    size_t *targets = config->targets ? malloc(bytes) : NULL;
    if (targets)
        memcpy(targets, config->targets, bytes);
    j->config.targets = targets;
    if (j->config.name && (j->config.options || !config->options) && (targets || !config->targets))
        return j;
    join_free(&j->job);
    return NULL;
}

mofka_status_t mmi_agent_make_consumer(mmi_agent_t *agent, mmi_topic_t *topic,
                                       const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **made_ops, void **made) {
    join_job_t *j = join_create(config);
    if (!j)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    j->job = (mmi_job_t){.run = join_run, .destroy = join_free};
    j->topic = topic;
    mmi_topic_retain(topic);
    mofka_status_t status = mmi_job_call(agent, &j->job, mmi_deadline(CALL_MS));
    if (status)
        return status;
    const mofka_consumer_ops_t *consumer_ops = j->made_ops;
    void *consumer = j->made;
    status = mmi_agent_wrap_consumer(agent, &consumer_ops, &consumer);
    if (!status) {
        *made_ops = consumer_ops;
        *made = consumer;
        j->made = NULL;
    }
    mmi_job_leave(&j->job);
    return status;
}

/* ---- create_topic ---------------------------------------------------------------------------- */

typedef struct create_job {
    mmi_job_t job;
    mmi_create_topic_t create;
    void *driver;
    mofka_topic_config_t config; /* copies */
} create_job_t;

static mofka_status_t create_run(mmi_job_t *job) {
    const create_job_t *c = (const create_job_t *)(const void *)job;
    return c->create(c->driver, &c->config);
}

static void create_free(mmi_job_t *job) {
    create_job_t *c = (create_job_t *)(void *)job;
    free((char *)c->config.name);
    free((char *)c->config.options);
    free((char *)c->config.validator);
    free((char *)c->config.selector);
    free((char *)c->config.serializer);
    free(c);
}

mofka_status_t mmi_agent_create_topic(mmi_agent_t *agent, mmi_create_topic_t create, void *self,
                                      const mofka_topic_config_t *config) {
    create_job_t *c = calloc(1, sizeof *c);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", config->name);
    *c = (create_job_t){.job = {.run = create_run, .destroy = create_free},
                        .create = create,
                        .driver = self,
                        .config = {.name = strdup(config->name),
                                   .options = strdup(config->options),
                                   .validator = strdup(config->validator),
                                   .selector = strdup(config->selector),
                                   .serializer = strdup(config->serializer)}};
    if (!c->config.name || !c->config.options || !c->config.validator || !c->config.selector ||
        !c->config.serializer) {
        create_free(&c->job);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to create topic '%s'", config->name);
    }
    mofka_status_t status = mmi_job_call(agent, &c->job, mmi_deadline(CALL_MS));
    if (!status)
        mmi_job_leave(&c->job);
    return status;
}

/* ---- delete_topic ---------------------------------------------------------------------------- */

typedef struct delete_job {
    mmi_job_t job;
    mmi_delete_topic_t delete_topic;
    void *driver;
    char name[MOFKA_NAME_BYTES_MAX + 1];
} delete_job_t;

static mofka_status_t delete_run(mmi_job_t *job) {
    const delete_job_t *j = (const delete_job_t *)(const void *)job;
    return j->delete_topic(j->driver, j->name);
}

static void delete_free(mmi_job_t *job) {
    free(job);
}

mofka_status_t mmi_agent_delete_topic(mmi_agent_t *agent, mmi_delete_topic_t delete_topic,
                                      void *self, const char *name) {
    delete_job_t *j = calloc(1, sizeof *j);
    if (!j)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to delete topic '%s'", name);
    j->job = (mmi_job_t){.run = delete_run, .destroy = delete_free};
    j->delete_topic = delete_topic;
    j->driver = self;
    assert(strlen(name) < sizeof j->name);
    strcpy(j->name, name);
    mofka_status_t status = mmi_job_call(agent, &j->job, mmi_deadline(CALL_MS));
    if (!status)
        mmi_job_leave(&j->job);
    return status;
}
