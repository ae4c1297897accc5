/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Producers. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_PRODUCER_HPP
#define MOFKA_CXX_PRODUCER_HPP

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <mofka/claim.h>
#include <mofka/driver.h>
#include <mofka/producer.h>
#include <mofka/stats.h>
#include <mofka/topic.h>
#include <mofka/cxx/future.hpp>
#include <mofka/cxx/options.hpp>

namespace mofka {

class TopicHandle;

namespace detail {

/* What the copies of a handle share. Each keeps the one below it, so that a driver is the last to
 * close. */
struct DriverCore {
    explicit DriverCore(mofka_driver_t *taken) noexcept : driver(taken) {
    }
    DriverCore(const DriverCore &) = delete;
    DriverCore &operator=(const DriverCore &) = delete;
    ~DriverCore() {
        note("the end of a Driver", mofka_driver_close(driver, destructorTimeoutMs));
        mofka_driver_release(driver);
    }
    mofka_driver_t *driver;
};

struct TopicCore {
    TopicCore(std::shared_ptr<DriverCore> core, mofka_topic_t *taken)
        : driver(std::move(core)), topic(taken) {
    }
    TopicCore(const TopicCore &) = delete;
    TopicCore &operator=(const TopicCore &) = delete;
    ~TopicCore() {
        mofka_topic_release(topic);
    }
    std::shared_ptr<DriverCore> driver;
    mofka_topic_t *topic;
};

struct ProducerCore {
    ProducerCore(std::shared_ptr<TopicCore> core, ProducerSetup &setup) : topic(std::move(core)) {
        check(mofka_producer_create(topic->topic, setup.get(), &producer));
    }
    ProducerCore(const ProducerCore &) = delete;
    ProducerCore &operator=(const ProducerCore &) = delete;
    /* What cannot be stored in time is given up. */
    ~ProducerCore() {
        mofka_status_t status = mofka_producer_close(producer, destructorTimeoutMs);
        note("the end of a Producer", status);
        if (isPending(status) && !mofka_producer_discard(producer))
            note("the end of a Producer", mofka_producer_close(producer, 1000));
        mofka_producer_release(producer);
    }
    std::shared_ptr<TopicCore> topic;
    mofka_producer_t *producer = nullptr;
};

} // namespace detail

/** Memory for one event, which is filled, then committed. It ends once; its destructor aborts. */
class Claim {
  public:
    /** No claim. */
    Claim() noexcept = default;
    /** Takes the other one. */
    Claim(Claim &&other) noexcept
        : m_core(std::move(other.m_core)), m_claim(std::exchange(other.m_claim, nullptr)) {
    }
    /** Aborts this one, and takes the other one. */
    Claim &operator=(Claim &&other) noexcept {
        if (this != &other) {
            abort();
            m_core = std::move(other.m_core);
            m_claim = std::exchange(other.m_claim, nullptr);
        }
        return *this;
    }
    ~Claim() {
        abort();
    }

    /** The memory for metadata. View, as that of data. */
    char *metadata() const {
        return mofka_claim_metadata(get());
    }
    /** The bytes that metadata may have. */
    std::size_t maxMetadataSize() const {
        return mofka_claim_metadata_bytes_max(get());
    }
    /** The memory for data; nullptr if there is none. */
    void *data() const {
        return mofka_claim_data(get());
    }
    /** The bytes of data. */
    std::size_t dataSize() const {
        return mofka_claim_data_bytes(get());
    }
    /** Whether the memory is in the topic's partition. */
    bool isInPlace() const {
        return mofka_claim_is_in_place(get());
    }
    /** Publish the event, whose metadata is the first bytes of that memory. Throws what
     * mofka_claim_commit answers; the claim stays as far as that says so. */
    Future<std::optional<EventID>> commit(std::size_t metadataSize) {
        mofka_future_t *future = nullptr;
        commitWith(metadataSize, &future);
        return Future<std::optional<EventID>>(future);
    }
    /** The same without a future. */
    void post(std::size_t metadataSize) {
        commitWith(metadataSize, nullptr);
    }
    /** Give the event up. */
    void abort() noexcept {
        mofka_claim_abort(std::exchange(m_claim, nullptr));
        m_core.reset();
    }
    /** The handle of the C interface. View. */
    mofka_claim_t *get() const {
        if (!m_claim)
            detail::raiseEmpty("Claim");
        return m_claim;
    }
    /** Whether there is a claim that has not ended. */
    explicit operator bool() const noexcept {
        return m_claim != nullptr;
    }

  private:
    friend class Producer;
    Claim(std::shared_ptr<detail::ProducerCore> core, mofka_claim_t *taken) noexcept
        : m_core(std::move(core)), m_claim(taken) {
    }
    void commitWith(std::size_t metadataSize, mofka_future_t **future) {
        mofka_status_t status = mofka_claim_commit(get(), metadataSize, future);
        bool stays = status == MOFKA_ERR_INVALID || status == MOFKA_ERR_TIMEOUT ||
                     status == MOFKA_ERR_BUSY || status == MOFKA_ERR_MEMORY ||
                     status == MOFKA_ERR_CLOSED;
        if (!stays)
            m_claim = nullptr;
        detail::check(status);
    }
    std::shared_ptr<detail::ProducerCore> m_core; // it is closed later
    mofka_claim_t *m_claim = nullptr;
};

/** Pushes events into one topic, in batches. */
class Producer {
  public:
    /** No producer. */
    Producer() noexcept = default;

    /** Push an event. Its future reports what becomes of it. `data` is not copied: its memory must
     * not change until then. Errors that leave no future, such as no room in time, are thrown. */
    Future<std::optional<EventID>> push(const Metadata &metadata, const DataView &data = DataView{},
                                        std::optional<std::size_t> partition = std::nullopt) const {
        return pushText(metadata.text(), data, partition);
    }
    /** The same, of text that does not become Metadata first. */
    template <class Text, class = std::enable_if_t<detail::isText<Text>>>
    Future<std::optional<EventID>> push(const Text &metadata, const DataView &data = DataView{},
                                        std::optional<std::size_t> partition = std::nullopt) const {
        return pushText(metadata, data, partition);
    }

    /** Push an event without a future, which is faster. An event that is refused is thrown, and
     * reported by the next flush, too; one that cannot be stored is reported by the next flush. */
    void post(const Metadata &metadata, const DataView &data = DataView{},
              std::optional<std::size_t> partition = std::nullopt) const {
        postText(metadata.text(), data, partition, nullptr);
    }
    /** The same, of text that does not become Metadata first. */
    template <class Text, class = std::enable_if_t<detail::isText<Text>>>
    void post(const Text &metadata, const DataView &data = DataView{},
              std::optional<std::size_t> partition = std::nullopt) const {
        postText(metadata, data, partition, nullptr);
    }

    /** Claim memory for one event: see mofka_producer_claim. */
    Claim claim(std::size_t maxMetadataSize, std::size_t dataSize = 0,
                std::optional<std::size_t> partition = std::nullopt) const {
        mofka_claim_t *claim = nullptr;
        detail::check(mofka_producer_claim(get(), maxMetadataSize, dataSize,
                                           partition.value_or(MOFKA_ANY_PARTITION), &claim));
        return Claim(m_core, claim);
    }

    /** Start a flush. Wait for its future to know that all is stored; without a thread pool, that
     * wait sends. */
    Future<std::optional<Flushed>> flush() const {
        mofka_future_t *future = nullptr;
        detail::check(mofka_producer_flush_future(get(), &future));
        return Future<std::optional<Flushed>>(future);
    }
    /** Send all, then end the producer. Throws what went wrong; after a time-out, call again. */
    void close(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        detail::check(mofka_producer_close(get(), timeout_ms));
    }
    /** Give up what is not stored, so that close succeeds. */
    void discard() const {
        detail::check(mofka_producer_discard(get()));
    }
    /** The age of the oldest event that is not stored; 0 if there is none. */
    std::chrono::milliseconds oldestPendingAge() const {
        return std::chrono::milliseconds(mofka_producer_oldest_pending_ms(get()));
    }

    /** Its name. */
    std::string name() const {
        return detail::textOr(mofka_producer_name(get()));
    }
    /** Events of a batch. */
    BatchSize batchSize() const {
        return BatchSize{mofka_producer_batch_size(get())};
    }
    /** Batches in memory, at most. */
    MaxNumBatches maxNumBatch() const {
        return MaxNumBatches{mofka_producer_max_batches(get())};
    }
    /** The same. */
    MaxNumBatches maxNumBatches() const {
        return maxNumBatch();
    }
    /** The order of its batches. */
    Ordering ordering() const {
        return static_cast<Ordering>(mofka_producer_ordering(get()));
    }
    /** Its pool; empty if it has none. */
    ThreadPool threadPool() const {
        return ThreadPool::of(mofka_producer_thread_pool(get()));
    }
    /** Its topic. */
    TopicHandle topic() const;
    /** What it has done, as mofka_producer_stats documents. */
    Metadata stats() const {
        mofka_metadata_t *stats = nullptr;
        detail::check(mofka_producer_stats(get(), &stats));
        detail::MetadataHandle owner(stats);
        return Metadata::of(stats);
    }
    /** The handle of the C interface. View. */
    mofka_producer_t *get() const {
        if (!m_core)
            detail::raiseEmpty("Producer");
        return m_core->producer;
    }
    /** Whether there is a producer. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_core);
    }

  private:
    friend class TopicHandle;
    explicit Producer(std::shared_ptr<detail::ProducerCore> core) : m_core(std::move(core)) {
    }
    void postText(std::string_view text, const DataView &data, std::optional<std::size_t> partition,
                  mofka_future_t **future) const {
        detail::check(mofka_producer_push(get(), text.data(), text.size(), data.get(),
                                          partition.value_or(MOFKA_ANY_PARTITION), future));
    }
    Future<std::optional<EventID>> pushText(std::string_view text, const DataView &data,
                                            std::optional<std::size_t> partition) const {
        mofka_future_t *future = nullptr;
        postText(text, data, partition, &future);
        return Future<std::optional<EventID>>(future);
    }
    std::shared_ptr<detail::ProducerCore> m_core;
};

} // namespace mofka

#endif
