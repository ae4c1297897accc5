/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Events. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_EVENT_HPP
#define MOFKA_CXX_EVENT_HPP

#include <functional>
#include <optional>
#include <string_view>
#include <mofka/event.h>
#include <mofka/limits.h>
#include <mofka/cxx/data.hpp>
#include <mofka/cxx/metadata.hpp>

namespace mofka {

/** The number of an event in its partition, dense from 0. */
using EventID = std::uint64_t;
/** The id of the end. */
constexpr EventID NoMoreEvents = MOFKA_NO_MORE_EVENTS;

/** An event as a consumer delivers it. */
class Event {
  public:
    /** No event. */
    Event() noexcept = default;
    /** Takes a handle of the C interface. */
    explicit Event(mofka_event_t *taken) noexcept : m_handle(taken) {
    }
    /** Shows a handle of the C interface, which is kept. */
    static Event of(mofka_event_t *handle) {
        Event event;
        event.m_handle = Handle::keep(handle);
        return event;
    }

    /** The metadata. Valid while this copy lives and is not assigned to. */
    const Metadata &metadata() const {
        if (!m_metadata) {
            mofka_metadata_t *metadata = nullptr;
            detail::check(mofka_event_metadata(need(), &metadata));
            m_metadata = Metadata::of(metadata);
        }
        return *m_metadata;
    }
    /** The metadata's text, without a copy. Valid while the event lives. */
    std::string_view text() const {
        std::size_t bytes = 0;
        const char *text = mofka_event_metadata_text(need(), &bytes);
        return {text ? text : "", bytes};
    }
    /** The selected data; with zero copy, only while the event lives. */
    DataView data() const {
        return DataView::of(mofka_event_data(need()));
    }
    /** The size of the whole data in the topic, selected or not. */
    std::size_t dataSize() const {
        return mofka_event_data_size(need());
    }
    /** The selected bytes. If the allocator gave more memory, they are the first of data(). */
    std::size_t selectedSize() const {
        return mofka_event_selected_size(need());
    }
    /** A description of the event's partition. */
    PartitionInfo partition() const {
        mofka_metadata_t *info = nullptr;
        detail::check(mofka_event_partition_info(need(), &info));
        detail::MetadataHandle owner(info);
        return PartitionInfo(Metadata::of(info));
    }
    /** The index of the event's partition. */
    std::size_t partitionIndex() const {
        return mofka_event_partition(need());
    }
    /** The event's id; NoMoreEvents for the end, and for no event. */
    EventID id() const noexcept {
        return mofka_event_id(m_handle.get());
    }
    /** Whether this is the end. */
    bool isEnd() const noexcept {
        return m_handle && mofka_event_is_end(m_handle.get());
    }
    /** The number of events that this consumer lost just before this one. */
    std::uint64_t lost() const {
        return mofka_event_lost(need());
    }
    /** Acknowledge this event and all before it in its partition. */
    void acknowledge() const {
        detail::check(mofka_event_acknowledge(need()));
    }
    /** The handle of the C interface. View. */
    mofka_event_t *get() const noexcept {
        return m_handle.get();
    }
    /** Whether there is an event. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_handle);
    }

  private:
    using Handle = detail::Handle<mofka_event_t, &mofka_event_retain, &mofka_event_release>;
    mofka_event_t *need() const {
        return m_handle.need("Event");
    }
    Handle m_handle;
    mutable std::optional<Metadata> m_metadata;
};

/** Thrown by a processor to end Consumer::process. */
struct StopEventProcessor {};

/** What Consumer::process calls: with each event, and with none if no event came in time. A
 * function of `const Event &` is also taken; then it is an error if no event came. */
using EventProcessor = std::function<void(std::optional<Event>)>;

} // namespace mofka

#endif
