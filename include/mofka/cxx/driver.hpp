/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Drivers and topic handles. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_DRIVER_HPP
#define MOFKA_CXX_DRIVER_HPP

#include <map>
#include <memory>
#include <string>
#include <vector>
#include <mofka/driver.h>
#include <mofka/topic.h>
#include <mofka/cxx/consumer.hpp>
#include <mofka/cxx/producer.hpp>

namespace mofka {

class Driver;

/** An open topic. */
class TopicHandle {
  public:
    /** No topic. */
    TopicHandle() noexcept = default;

    /** Make a producer. Its options come in any order; see detail::ProducerSetup for their types.
     */
    template <class... Options> Producer producer(Options &&...options) const {
        detail::ProducerSetup setup;
        (setup.add(std::forward<Options>(options)), ...);
        return Producer(std::make_shared<detail::ProducerCore>(need(), setup));
    }
    /** Make a consumer. Its options come in any order; see detail::ConsumerSetup for their types.
     */
    template <class... Options>
    Consumer consumer(std::string_view name, Options &&...options) const {
        detail::ConsumerSetup setup;
        setup.name = name;
        (setup.add(std::forward<Options>(options)), ...);
        return Consumer(std::make_shared<detail::ConsumerCore>(need(), setup));
    }

    /** Its name. */
    std::string name() const {
        return detail::textOr(mofka_topic_name(get()));
    }
    /** The driver that opened it. */
    Driver driver() const;
    /** Descriptions of its partitions. */
    std::vector<PartitionInfo> partitions() const {
        std::vector<PartitionInfo> infos;
        for (std::size_t i = 0; i < mofka_topic_partition_count(get()); i++) {
            mofka_metadata_t *info = nullptr;
            detail::check(mofka_topic_partition_info(get(), i, &info));
            detail::MetadataHandle owner(info);
            infos.emplace_back(Metadata::of(info));
        }
        return infos;
    }
    /** The validator of its events. */
    Validator validator() const {
        return Validator::of(mofka_topic_validator(get()));
    }
    /** A selector as its producers have it. */
    PartitionSelector selector() const {
        return PartitionSelector::FromMetadata(Metadata(mofka_topic_selector(get())));
    }
    /** The serializer of its metadata. */
    Serializer serializer() const {
        return Serializer::of(mofka_topic_serializer(get()));
    }
    /** Complete the topic: consumers get what is stored, then the end. */
    void markAsComplete(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        detail::check(mofka_topic_mark_complete(get(), timeout_ms));
    }
    /** Give a consumer's name up, as mofka_topic_evict does. */
    void evict(std::string_view consumer, std::int64_t timeout_ms = 10000) const {
        detail::check(mofka_topic_evict(get(), std::string(consumer).c_str(), timeout_ms));
    }
    /** Put all events on disk, and give the next id of each partition, for a checkpoint. */
    Metadata ends(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        mofka_metadata_t *ends = nullptr;
        detail::check(mofka_topic_ends(get(), timeout_ms, &ends));
        detail::MetadataHandle owner(ends);
        return Metadata::of(ends);
    }
    /** The handle of the C interface. View. */
    mofka_topic_t *get() const {
        return need()->topic;
    }
    /** Whether there is a topic. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_core);
    }

  private:
    friend class Driver;
    friend class Producer;
    friend class Consumer;
    explicit TopicHandle(std::shared_ptr<detail::TopicCore> core) : m_core(std::move(core)) {
    }
    const std::shared_ptr<detail::TopicCore> &need() const {
        if (!m_core)
            detail::raiseEmpty("TopicHandle");
        return m_core;
    }
    std::shared_ptr<detail::TopicCore> m_core;
};

inline TopicHandle Producer::topic() const {
    get();
    return TopicHandle(m_core->topic);
}

inline TopicHandle Consumer::topic() const {
    get();
    return TopicHandle(m_core->topic);
}

/** A connection to a backend: the way to its topics. */
class Driver {
  public:
    /** No driver. */
    Driver() noexcept = default;
    /** Takes a handle of the C interface. */
    explicit Driver(mofka_driver_t *taken) {
        try {
            m_core = std::make_shared<detail::DriverCore>(taken);
        } catch (...) {
            mofka_driver_release(taken);
            throw;
        }
    }
    /** Make a driver of a registered type. */
    static Driver New(const char *type, const Metadata &options = Metadata{}) {
        mofka_driver_t *driver = nullptr;
        std::string json{options.text()};
        detail::check(mofka_driver_create(type, json.c_str(), &driver));
        return Driver(driver);
    }

    /** Create a topic. A validator, selector or serializer of one's own needs a registered type,
     * and "type" in its metadata(). */
    void createTopic(std::string_view name, const Metadata &options = Metadata{"{}"},
                     const Validator &validator = Validator{},
                     const PartitionSelector &selector = PartitionSelector{},
                     const Serializer &serializer = Serializer{}) const {
        std::string texts[] = {std::string(options.text()),
                               typeOf("validator", validator.metadata()),
                               typeOf("partition selector", selector.metadata()),
                               typeOf("serializer", serializer.metadata())};
        mofka_topic_options_t c = {texts[0].c_str(), texts[1].c_str(), texts[2].c_str(),
                                   texts[3].c_str()};
        detail::check(mofka_driver_create_topic(get(), std::string(name).c_str(), &c));
    }
    /** Open a topic; if it does not exist yet, wait for it. */
    TopicHandle openTopic(std::string_view name, std::int64_t timeout_ms = 0) const {
        mofka_topic_t *topic = nullptr;
        detail::check(
            mofka_driver_open_topic(get(), std::string(name).c_str(), timeout_ms, &topic));
        try {
            return TopicHandle(std::make_shared<detail::TopicCore>(m_core, topic));
        } catch (...) {
            mofka_topic_release(topic);
            throw;
        }
    }
    /** Whether a topic of that name exists now. */
    bool topicExists(std::string_view name) const {
        bool exists = false;
        detail::check(mofka_driver_topic_exists(get(), std::string(name).c_str(), &exists));
        return exists;
    }
    /** Delete a topic that nobody uses, as mofka_driver_delete_topic does. */
    void deleteTopic(std::string_view name) const {
        detail::check(mofka_driver_delete_topic(get(), std::string(name).c_str()));
    }
    /** All topics, with their descriptions. */
    std::map<std::string, Metadata> listTopics() const {
        std::map<std::string, Metadata> topics;
        detail::check(mofka_driver_list_topics(get(), &addTopic, &topics));
        return topics;
    }
    /** The driver's own pool. */
    ThreadPool defaultThreadPool() const {
        return ThreadPool::of(mofka_driver_default_thread_pool(get()));
    }
    /** Make a pool whose workers stay off the cores of the node's other processes. */
    ThreadPool makeThreadPool(ThreadCount count,
                              mofka_binding_t binding = MOFKA_BINDING_COMPACT) const {
        mofka_thread_pool_t *made = nullptr;
        detail::check(mofka_driver_make_thread_pool(get(), count.count, binding, &made));
        ThreadPool pool = ThreadPool::of(made);
        mofka_thread_pool_release(made);
        return pool;
    }
    /** End the driver, whose producers and consumers have ended. Collective for the MPI driver. */
    void close(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        detail::check(mofka_driver_close(get(), timeout_ms));
    }
    /** The type that it was made of. */
    std::string type() const {
        return detail::textOr(mofka_driver_type(get()));
    }
    /** What its topics hold, as mofka_driver_stats documents. */
    Metadata stats(std::int64_t timeout_ms = 1000) const {
        mofka_metadata_t *stats = nullptr;
        detail::check(mofka_driver_stats(get(), timeout_ms, &stats));
        detail::MetadataHandle owner(stats);
        return Metadata::of(stats);
    }
    /** The handle of the C interface. View. */
    mofka_driver_t *get() const {
        if (!m_core)
            detail::raiseEmpty("Driver");
        return m_core->driver;
    }
    /** Whether there is a driver. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_core);
    }

  private:
    friend class TopicHandle;
    explicit Driver(std::shared_ptr<detail::DriverCore> core) : m_core(std::move(core)) {
    }
    /* What is stored with a topic: other processes make the object from it. */
    static std::string typeOf(const char *what, const Metadata &metadata) {
        std::string text{metadata.text()};
        if (text.find("\"type\"") == std::string::npos)
            throw Exception(MOFKA_ERR_INVALID,
                            std::string("the ") + what + "'s metadata() has no \"type\": " + text +
                                ". Register its class, and name that type; or give the object to "
                                "producer() and consumer() instead");
        return text;
    }
    static mofka_status_t addTopic(void *context, const char *name,
                                   const mofka_metadata_t *description) {
        return detail::guard([&] {
            static_cast<std::map<std::string, Metadata> *>(context)->emplace(
                name, Metadata::of(description));
        });
    }
    std::shared_ptr<detail::DriverCore> m_core;
};

inline Driver TopicHandle::driver() const {
    return Driver(need()->driver);
}

} // namespace mofka

#endif
