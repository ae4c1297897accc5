/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Futures. Part of mofka.hpp.
 *
 * A future is copied cheaply, and its copies share the result. `wait` gives nothing if the time-out
 * has passed; it can be repeated. A wait also does the work: it sends the batch, or fetches.
 */
#ifndef MOFKA_CXX_FUTURE_HPP
#define MOFKA_CXX_FUTURE_HPP

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <mofka/future.h>
#include <mofka/cxx/event.hpp>

namespace mofka {

/** The result of a flush. */
struct Flushed {};

namespace detail {

using FutureHandle = Handle<mofka_future_t, &mofka_future_retain, &mofka_future_release>;

/* Results that C gives as often as it is asked: of pushes and flushes. */
class SharedFuture {
  public:
    SharedFuture() noexcept = default;
    explicit SharedFuture(mofka_future_t *taken) noexcept : m_handle(taken) {
    }
    /* False: the time-out has passed. */
    bool wait(std::int64_t timeout_ms, mofka_result_t *result) const {
        mofka_status_t status = mofka_future_wait(m_handle.need("Future"), timeout_ms, result);
        if (isPending(status))
            return false;
        check(status);
        return true;
    }
    mofka_future_t *need() const {
        return m_handle.need("Future");
    }
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_handle);
    }

  private:
    FutureHandle m_handle;
};

/* A pulled event is given once by C: what the copies of a future share. */
class PullState {
  public:
    explicit PullState(FutureHandle handle) noexcept : m_handle(std::move(handle)) {
    }
    std::optional<Event> wait(std::int64_t timeout_ms) {
        for (;;) {
            mofka_result_t result = {};
            if (std::optional<Event> event = begin())
                return event;
            mofka_status_t status = mofka_future_wait(m_handle.get(), timeout_ms, &result);
            if (!end(status, result.event)) {
                std::this_thread::yield(); /* another copy is about to keep the event */
                continue;
            }
            if (isPending(status))
                return std::nullopt;
            check(status);
            return m_event;
        }
    }
    bool completed() {
        return kept() || mofka_future_completed(m_handle.get());
    }

  private:
    std::optional<Event> kept() {
        std::lock_guard<std::mutex> lock(m_lock);
        return m_event;
    }
    std::optional<Event> begin() {
        std::lock_guard<std::mutex> lock(m_lock);
        if (!m_event)
            m_waits++;
        return m_event;
    }
    /* False: the event was given to another wait. */
    bool end(mofka_status_t status, mofka_event_t *event) {
        std::lock_guard<std::mutex> lock(m_lock);
        m_waits--;
        if (status == MOFKA_OK)
            m_event.emplace(event);
        return status != MOFKA_ERR_CLOSED || (!m_event && m_waits == 0);
    }

    FutureHandle m_handle;
    std::mutex m_lock; /* guards the next two */
    std::optional<Event> m_event;
    std::size_t m_waits = 0;
};

} // namespace detail

/** The result of a call that may come later: of a push, a flush, or a pull. */
template <class Result> class Future;

/** Of a push: the event's id. */
template <> class Future<std::optional<EventID>> {
  public:
    /** No future. */
    Future() noexcept = default;
    /** Takes a handle of the C interface. */
    explicit Future(mofka_future_t *taken) noexcept : m_future(taken) {
    }
    /** Wait, at most `timeout_ms`; negative means without limit. Throws what became of the event.
     */
    std::optional<EventID> wait(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        mofka_result_t result = {};
        if (!m_future.wait(timeout_ms, &result))
            return std::nullopt;
        return result.event_id;
    }
    /** Whether the result is known. */
    bool completed() const {
        return mofka_future_completed(m_future.need());
    }
    /** Whether the event is stored. */
    mofka_delivery_t delivery() const {
        return mofka_future_delivery(m_future.need());
    }
    /** Whether there is a future. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_future);
    }

  private:
    detail::SharedFuture m_future;
};

/** Of a flush. */
template <> class Future<std::optional<Flushed>> {
  public:
    /** No future. */
    Future() noexcept = default;
    /** Takes a handle of the C interface. */
    explicit Future(mofka_future_t *taken) noexcept : m_future(taken) {
    }
    /** Wait, at most `timeout_ms`; negative means without limit. Throws the first error of an event
     * that was pushed without a future. */
    std::optional<Flushed> wait(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        if (!m_future.wait(timeout_ms, nullptr))
            return std::nullopt;
        return Flushed{};
    }
    /** Whether the result is known. */
    bool completed() const {
        return mofka_future_completed(m_future.need());
    }
    /** Whether there is a future. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_future);
    }

  private:
    detail::SharedFuture m_future;
};

/** Of a pull: the event. */
template <> class Future<std::optional<Event>> {
  public:
    /** No future. */
    Future() noexcept = default;
    /** Takes a handle of the C interface. */
    explicit Future(mofka_future_t *taken) {
        detail::FutureHandle handle(taken);
        m_state = std::make_shared<detail::PullState>(std::move(handle));
    }
    /** Wait, at most `timeout_ms`; negative means without limit. Each copy gives the same event. */
    std::optional<Event> wait(std::int64_t timeout_ms = MOFKA_WAIT_FOREVER) const {
        return need().wait(timeout_ms);
    }
    /** Whether the result is known. */
    bool completed() const {
        return need().completed();
    }
    /** Whether there is a future. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_state);
    }

  private:
    detail::PullState &need() const {
        if (!m_state)
            detail::raiseEmpty("Future");
        return *m_state;
    }
    std::shared_ptr<detail::PullState> m_state;
};

} // namespace mofka

#endif
