/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * What producers and consumers are made with, in any order. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_OPTIONS_HPP
#define MOFKA_CXX_OPTIONS_HPP

#include <chrono>
#include <limits>
#include <string>
#include <string_view>
#include <vector>
#include <mofka/consumer.h>
#include <mofka/producer.h>
#include <mofka/cxx/thread_pool.hpp>
#include <mofka/cxx/types.hpp>

namespace mofka {

namespace detail {

/* A number that is not mixed up with another one. */
template <class Tag> struct Number {
    std::size_t value; /**< the number */
    /** That number. */
    explicit constexpr Number(std::size_t number) : value(number) {
    }
    friend constexpr bool operator==(Number a, Number b) {
        return a.value == b.value;
    }
    friend constexpr bool operator!=(Number a, Number b) {
        return a.value != b.value;
    }
    friend constexpr bool operator<(Number a, Number b) {
        return a.value < b.value;
    }
    friend constexpr bool operator>(Number a, Number b) {
        return b < a;
    }
    friend constexpr bool operator<=(Number a, Number b) {
        return !(b < a);
    }
    friend constexpr bool operator>=(Number a, Number b) {
        return !(a < b);
    }
};

} // namespace detail

/** Events of a batch. */
struct BatchSize : detail::Number<BatchSize> {
    using Number::Number;
    /** Batches that follow the load. */
    static constexpr BatchSize Adaptive() {
        return BatchSize{MOFKA_BATCH_ADAPTIVE};
    }
};

/** Batches in memory, at most. */
struct MaxNumBatches : detail::Number<MaxNumBatches> {
    using Number::Number;
    /** No limit. */
    static constexpr MaxNumBatches Infinity() {
        return MaxNumBatches{std::numeric_limits<std::size_t>::max()};
    }
};

/** A number of events. */
struct NumEvents : detail::Number<NumEvents> {
    using Number::Number;
    /** No limit. */
    static constexpr NumEvents Infinity() {
        return NumEvents{std::numeric_limits<std::size_t>::max()};
    }
};

/** In which order a producer's batches are stored. */
enum class Ordering {
    Strict = MOFKA_ORDERING_STRICT, /**< the events of a partition keep their push order */
    Loose = MOFKA_ORDERING_LOOSE    /**< a batch may overtake one that finds no room */
};

/** The age at which a batch is sent although it is not full. */
struct Linger {
    std::chrono::milliseconds time; /**< that age */
};

/** How long a push waits for room; negative means without limit. */
struct PushTimeout {
    std::chrono::milliseconds time; /**< that long */
};

/** What a push does that finds no room. */
enum class WhenFull {
    Wait = MOFKA_WHEN_FULL_WAIT,             /**< it waits */
    DropNewest = MOFKA_WHEN_FULL_DROP_NEWEST /**< it drops its event: MOFKA_ERR_FULL */
};

/** The age at which consumers pass a claim that is still open. */
struct ClaimTime {
    std::chrono::milliseconds time; /**< that age */
};

/** What receives the events that a producer cannot store: Producer::get of another one, which must
 * live longer. */
struct Fallback {
    mofka_producer_t *producer; /**< borrowed; it has no fallback itself */
};

/** Where a consumer with a new name starts. */
enum class Start {
    Beginning = MOFKA_START_BEGINNING, /**< at the oldest event that is retained */
    End = MOFKA_START_END              /**< after the events that are stored now */
};

/** What acknowledges events. */
enum class Acknowledge {
    Manual = MOFKA_ACKNOWLEDGE_MANUAL, /**< Event::acknowledge */
    Auto = MOFKA_ACKNOWLEDGE_AUTO      /**< the release of an event and of all before it */
};

/** Show selected data in place, without a copy; see mofka_consumer_options_t. */
struct ZeroCopy {};

namespace detail {

template <class T> using Bare = std::remove_cv_t<std::remove_reference_t<T>>;
template <class> constexpr bool isNever = false;

/* Options of a producer, and what they point to. */
struct ProducerSetup {
    mofka_producer_options_t c = {};
    std::string name, options;
    ThreadPool pool;
    std::optional<Validator> validator;
    std::optional<PartitionSelector> selector;
    std::optional<Serializer> serializer;

    template <class Option> void add(Option &&option) {
        using T = Bare<Option>;
        if constexpr (std::is_same_v<T, BatchSize>)
            c.batch_size = option.value;
        else if constexpr (std::is_same_v<T, MaxNumBatches>)
            c.max_batches = option.value;
        else if constexpr (std::is_same_v<T, Ordering>)
            c.ordering = static_cast<mofka_ordering_t>(option);
        else if constexpr (std::is_same_v<T, ThreadPool>)
            pool = option;
        else if constexpr (std::is_same_v<T, Linger>)
            c.linger_ms = static_cast<std::uint64_t>(option.time.count());
        else if constexpr (std::is_same_v<T, PushTimeout>)
            c.push_timeout_ms = option.time.count();
        else if constexpr (std::is_same_v<T, WhenFull>)
            c.when_full = static_cast<mofka_when_full_t>(option);
        else if constexpr (std::is_same_v<T, ClaimTime>)
            c.claim_ms = static_cast<std::uint64_t>(option.time.count());
        else if constexpr (std::is_same_v<T, Fallback>)
            c.fallback = option.producer;
        else if constexpr (std::is_same_v<T, Validator>)
            validator = option;
        else if constexpr (std::is_same_v<T, PartitionSelector>)
            selector = option;
        else if constexpr (std::is_same_v<T, Serializer>)
            serializer = option;
        else if constexpr (std::is_base_of_v<Metadata, T>)
            options = option.text();
        else if constexpr (isText<T>)
            name = std::string_view(option);
        else
            static_assert(isNever<T>,
                          "an option of a producer is a name, BatchSize, MaxNumBatches, "
                          "Ordering, ThreadPool, Linger, PushTimeout, WhenFull, ClaimTime, "
                          "Fallback, Validator, PartitionSelector, Serializer or Metadata");
    }
    const mofka_producer_options_t *get() {
        c.name = name.c_str();
        c.options = options.empty() ? nullptr : options.c_str();
        c.thread_pool = pool.get();
        c.validator = validator ? validator->get() : nullptr;
        c.selector = selector ? selector->get() : nullptr;
        c.serializer = serializer ? serializer->get() : nullptr;
        return &c;
    }
};

/* Options of a consumer, and what they point to. The two functions go to the consumer. */
struct ConsumerSetup {
    mofka_consumer_options_t c = {};
    std::string name, options;
    ThreadPool pool;
    DataSelector selector;
    DataAllocator allocator;
    std::vector<std::size_t> targets;
    std::optional<Serializer> serializer;

    template <class T> static constexpr bool selects() {
        return std::is_invocable_r_v<DataDescriptor, T &, const Metadata &, const DataDescriptor &>;
    }
    template <class T> static constexpr bool allocates() {
        return std::is_invocable_r_v<DataView, T &, const Metadata &, const DataDescriptor &>;
    }
    template <class Option> void add(Option &&option) {
        using T = Bare<Option>;
        if constexpr (std::is_same_v<T, BatchSize>)
            c.batch_size = option.value;
        else if constexpr (std::is_same_v<T, MaxNumBatches>)
            c.max_batches = option.value;
        else if constexpr (std::is_same_v<T, ThreadPool>)
            pool = option;
        else if constexpr (std::is_same_v<T, Start>)
            c.start = static_cast<mofka_start_t>(option);
        else if constexpr (std::is_same_v<T, Acknowledge>)
            c.acknowledge = static_cast<mofka_acknowledge_t>(option);
        else if constexpr (std::is_same_v<T, ZeroCopy>)
            c.zero_copy = true;
        else if constexpr (std::is_same_v<T, std::vector<std::size_t>>)
            targets = option;
        else if constexpr (std::is_same_v<T, Serializer>)
            serializer = option;
        else if constexpr (std::is_base_of_v<Metadata, T>)
            options = option.text();
        else if constexpr (selects<T>())
            selector = std::forward<Option>(option);
        else if constexpr (allocates<T>())
            allocator = std::forward<Option>(option);
        else
            static_assert(isNever<T>, "an option of a consumer is BatchSize, MaxNumBatches, "
                                      "ThreadPool, Start, Acknowledge, ZeroCopy, a std::vector of "
                                      "std::size_t, Serializer, Metadata, a DataSelector or a "
                                      "DataAllocator");
    }
    const mofka_consumer_options_t *get() {
        c.name = name.c_str();
        c.options = options.empty() ? nullptr : options.c_str();
        c.thread_pool = pool.get();
        c.targets = targets.empty() ? nullptr : targets.data();
        c.target_count = targets.size();
        c.serializer = serializer ? serializer->get() : nullptr;
        return &c;
    }
};

} // namespace detail
} // namespace mofka

#endif
