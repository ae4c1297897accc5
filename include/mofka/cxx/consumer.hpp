/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Consumers. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_CONSUMER_HPP
#define MOFKA_CXX_CONSUMER_HPP

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <vector>
#include <mofka/consumer.h>
#include <mofka/cxx/producer.hpp>

namespace mofka {

namespace detail {

struct ConsumerCore {
    ConsumerCore(std::shared_ptr<TopicCore> core, ConsumerSetup &setup)
        : topic(std::move(core)), functions(std::make_unique<Functions>()) {
        functions->selector = std::move(setup.selector);
        functions->allocator = std::move(setup.allocator);
        setup.c.selector_context = setup.c.allocator_context = functions.get();
        setup.c.selector = functions->selector ? &select : nullptr;
        setup.c.allocator = functions->allocator ? &allocate : nullptr;
        check(mofka_consumer_create(topic->topic, setup.get(), &consumer));
    }
    ConsumerCore(const ConsumerCore &) = delete;
    ConsumerCore &operator=(const ConsumerCore &) = delete;
    ~ConsumerCore() {
        mofka_status_t status = mofka_consumer_close(consumer);
        note("the end of a Consumer", status);
        mofka_consumer_release(consumer);
        if (status)
            (void)
                functions.release(); /* it is still open, and may call back until the driver ends */
    }

    struct Functions {
        DataSelector selector;
        DataAllocator allocator;
    };
    static mofka_status_t select(void *context, const mofka_metadata_t *metadata,
                                 mofka_data_descriptor_t *full,
                                 mofka_data_descriptor_t **selected) {
        return guard([&] {
            DataDescriptor wanted = static_cast<Functions *>(context)->selector(
                Metadata::of(metadata), DataDescriptor::of(full));
            *selected = wanted.get() ? mofka_data_descriptor_retain(wanted.get()) : nullptr;
        });
    }
    static mofka_status_t allocate(void *context, const mofka_metadata_t *metadata,
                                   mofka_data_descriptor_t *selected, mofka_data_view_t **view) {
        return guard([&] {
            DataView memory = static_cast<Functions *>(context)->allocator(
                Metadata::of(metadata), DataDescriptor::of(selected));
            if (!memory.get())
                throw Exception("the allocator has returned an empty DataView");
            *view = mofka_data_view_retain(memory.get());
        });
    }

    std::shared_ptr<TopicCore> topic;
    std::unique_ptr<Functions> functions;
    mofka_consumer_t *consumer = nullptr;
};

} // namespace detail

/** Pulls events from one topic, in order within each partition. */
class Consumer {
  public:
    /** Goes through events as they come. */
    class Iterator {
      public:
        /** It is read once. */
        using iterator_category = std::input_iterator_tag;
        /** What it gives. */
        using value_type = Event;
        /** As every iterator has it. */
        using difference_type = std::ptrdiff_t;
        /** As every iterator has it. */
        using pointer = Event *;
        /** As every iterator has it. */
        using reference = Event &;

        /** The end. */
        Iterator() noexcept = default;
        /** The event. */
        reference operator*() const noexcept {
            return m_event;
        }
        /** The event. */
        pointer operator->() const noexcept {
            return &m_event;
        }
        /** Pull the next event. */
        Iterator &operator++() {
            mofka_event_t *event = nullptr;
            m_event = Event();
            mofka_status_t status = mofka_consumer_pull(m_core->consumer, m_timeout_ms, &event);
            if (status == MOFKA_ERR_TIMEOUT && m_timeout_ends) {
                m_core = nullptr;
                return *this;
            }
            detail::check(status);
            m_event = Event(event);
            if (mofka_event_is_end(event)) {
                m_core = nullptr;
                m_event = Event();
            }
            return *this;
        }
        /** Equal are two ends. */
        friend bool operator==(const Iterator &a, const Iterator &b) noexcept {
            return !a.m_core && !b.m_core;
        }
        /** Equal are two ends. */
        friend bool operator!=(const Iterator &a, const Iterator &b) noexcept {
            return !(a == b);
        }

      private:
        friend class Consumer;
        Iterator(std::shared_ptr<detail::ConsumerCore> core, std::int64_t timeout_ms,
                 bool timeout_ends)
            : m_core(std::move(core)), m_timeout_ms(timeout_ms), m_timeout_ends(timeout_ends) {
            ++*this;
        }
        std::shared_ptr<detail::ConsumerCore> m_core;
        mutable Event m_event;
        std::int64_t m_timeout_ms = 0;
        bool m_timeout_ends = false;
    };

    /** The events of a consumer, for a range loop. */
    class Events {
      public:
        /** Pull the first event. */
        Iterator begin() const {
            return Iterator(m_core, m_timeout_ms, false);
        }
        /** The end. */
        Iterator end() const noexcept {
            return Iterator();
        }

      private:
        friend class Consumer;
        Events(std::shared_ptr<detail::ConsumerCore> core, std::int64_t timeout_ms)
            : m_core(std::move(core)), m_timeout_ms(timeout_ms) {
        }
        std::shared_ptr<detail::ConsumerCore> m_core;
        std::int64_t m_timeout_ms;
    };

    /** No consumer. */
    Consumer() noexcept = default;

    /** Request the next event. Requests are answered in order. */
    Future<std::optional<Event>> pull() const {
        mofka_future_t *future = nullptr;
        detail::check(mofka_consumer_pull_future(get(), &future));
        return Future<std::optional<Event>>(future);
    }
    /** Pull the next event, without a future. Nothing: no event within `timeout_ms`. */
    std::optional<Event> pullNow(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        mofka_event_t *event = nullptr;
        mofka_status_t status = mofka_consumer_pull(get(), timeout_ms, &event);
        if (status == MOFKA_ERR_TIMEOUT)
            return std::nullopt;
        detail::check(status);
        return Event(event);
    }
    /** Pull the next event and those that are ready after it, at most `count`. Empty: no event
     * within `timeout_ms`. */
    std::vector<Event> pullMany(std::size_t count,
                                std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        std::vector<mofka_event_t *> taken(count);
        std::vector<Event> events;
        events.reserve(count);
        mofka_status_t status =
            mofka_consumer_pull_many(get(), count, timeout_ms, taken.data(), &count);
        if (status == MOFKA_ERR_TIMEOUT)
            return events;
        detail::check(status);
        for (std::size_t i = 0; i < count; i++)
            events.emplace_back(taken[i]);
        return events;
    }

    /** A range loop over a consumer ends at the end of the topic, and also if no event came within
     * `timeout_ms`. */
    Iterator begin(std::int64_t timeout_ms = 5000) const {
        get();
        return Iterator(m_core, timeout_ms, true);
    }
    /** The end. */
    Iterator end() const noexcept {
        return Iterator();
    }
    /** As a range: it ends at the end of the topic only. If no event came within `timeout_ms`, it
     * throws MOFKA_ERR_TIMEOUT. */
    Events events(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        get();
        return Events(m_core, timeout_ms);
    }

    /** Call `processor` with each event, until the end, `maxEvents`, or StopEventProcessor. If no
     * event came within `timeout_ms` (negative: no limit), it is called with none, and goes on; a
     * processor of `const Event &` cannot be, and MOFKA_ERR_TIMEOUT is thrown. Another exception of
     * the processor ends it, and is thrown as an Exception. With a pool, workers call the
     * processor. Gives the number of events. */
    template <class Processor>
    std::size_t process(Processor &&processor, std::int64_t timeout_ms = 5000,
                        NumEvents maxEvents = NumEvents::Infinity(),
                        const ThreadPool &threadPool = ThreadPool{}) const {
        using Bare = detail::Bare<Processor>;
        static_assert(std::is_invocable_v<Bare &, const Event &>,
                      "a processor takes a const Event & or a std::optional<Event>");
        std::size_t processed = 0;
        if (maxEvents.value == 0)
            return processed;
        mofka_process_options_t options = {};
        options.thread_pool = threadPool.get();
        options.events_max = maxEvents == NumEvents::Infinity() ? 0 : maxEvents.value;
        options.wait_timeout_ms = timeout_ms == 0 ? 1 : timeout_ms;
        if constexpr (std::is_invocable_v<Bare &, std::nullopt_t>)
            options.no_event = &callWithNone<Bare>;
        detail::check(mofka_consumer_process(
            get(), &callWithEvent<Bare>,
            const_cast<void *>(static_cast<const void *>(std::addressof(processor))),
            MOFKA_WAIT_FOREVER, &options, &processed));
        return processed;
    }
    /** Process all events, in the consumer's own pool, without a time-out. */
    template <class Processor> void operator|(Processor &&processor) const && {
        process(std::forward<Processor>(processor), MOFKA_WAIT_FOREVER);
    }

    /** Publish acknowledgements, and free the name for the next consumer. */
    void close() const {
        detail::check(mofka_consumer_close(get()));
    }
    /** Remove the name and its place: retention no longer waits for it. */
    void unsubscribe() const {
        detail::check(mofka_consumer_unsubscribe(get()));
    }
    /** Go on behind events that are damaged; gives their number. */
    std::uint64_t skipDamaged() const {
        std::uint64_t skipped = 0;
        detail::check(mofka_consumer_skip_damaged(get(), &skipped));
        return skipped;
    }
    /** Go to an event of a partition: the next event of it is that one. */
    void seek(std::size_t partition, EventID id) const {
        detail::check(mofka_consumer_seek(get(), partition, id));
    }
    /** Go to the first event of each partition that was stored at that time or later (ns since
     * 1970). */
    void seekTime(std::uint64_t time_ns) const {
        detail::check(mofka_consumer_seek_time(get(), time_ns));
    }
    /** The number of events by which its name was set back. */
    std::uint64_t rewound() const {
        return mofka_consumer_rewound(get());
    }
    /** The number of events that it has lost. */
    std::uint64_t lost() const {
        return mofka_consumer_lost(get());
    }

    /** Its name. */
    std::string name() const {
        return detail::textOr(mofka_consumer_name(get()));
    }
    /** Events of a fetch, at most. */
    BatchSize batchSize() const {
        return BatchSize{mofka_consumer_batch_size(get())};
    }
    /** Fetched batches in memory, at most. */
    MaxNumBatches maxNumBatch() const {
        return MaxNumBatches{mofka_consumer_max_batches(get())};
    }
    /** The same. */
    MaxNumBatches maxNumBatches() const {
        return maxNumBatch();
    }
    /** Its pool; empty if it has none. */
    ThreadPool threadPool() const {
        return ThreadPool::of(mofka_consumer_thread_pool(get()));
    }
    /** Its topic. */
    TopicHandle topic() const;
    /** Its data allocator; empty if it has none. */
    const DataAllocator &dataAllocator() const {
        get();
        return m_core->functions->allocator;
    }
    /** Its data selector; empty if it has none. */
    const DataSelector &dataSelector() const {
        get();
        return m_core->functions->selector;
    }
    /** What it has done, as mofka_consumer_stats documents. */
    Metadata stats() const {
        mofka_metadata_t *stats = nullptr;
        detail::check(mofka_consumer_stats(get(), &stats));
        detail::MetadataHandle owner(stats);
        return Metadata::of(stats);
    }
    /** The handle of the C interface. View. */
    mofka_consumer_t *get() const {
        if (!m_core)
            detail::raiseEmpty("Consumer");
        return m_core->consumer;
    }
    /** Whether there is a consumer. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_core);
    }

  private:
    friend class TopicHandle;
    explicit Consumer(std::shared_ptr<detail::ConsumerCore> core) : m_core(std::move(core)) {
    }
    template <class Function> static mofka_status_t callProcessor(Function &&function) noexcept {
        try {
            function();
            return MOFKA_OK;
        } catch (const StopEventProcessor &) {
            return MOFKA_STOP;
        } catch (...) {
            return detail::failCurrent();
        }
    }
    template <class Processor>
    static mofka_status_t callWithEvent(void *context, mofka_event_t *event) {
        return callProcessor([&] {
            const Event kept = Event::of(event);
            (*static_cast<Processor *>(context))(kept);
        });
    }
    template <class Processor> static mofka_status_t callWithNone(void *context) {
        return callProcessor([&] { (*static_cast<Processor *>(context))(std::nullopt); });
    }
    std::shared_ptr<detail::ConsumerCore> m_core;
};

} // namespace mofka

#endif
