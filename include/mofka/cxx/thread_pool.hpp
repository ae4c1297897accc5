/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Thread pools. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_THREAD_POOL_HPP
#define MOFKA_CXX_THREAD_POOL_HPP

#include <functional>
#include <memory>
#include <mofka/thread_pool.h>
#include <mofka/cxx/base.hpp>

namespace mofka {

/** A number of threads. */
struct ThreadCount {
    std::size_t count; /**< the number */
    /** That many. */
    explicit constexpr ThreadCount(std::size_t value) : count(value) {
    }
};

/** Workers and their queue. An empty pool runs its work in the caller. */
class ThreadPool {
  public:
    /** No pool. */
    ThreadPool() noexcept = default;
    /** Pinned threads that no driver knows. A driver's makeThreadPool shares the node's cores. */
    explicit ThreadPool(ThreadCount threads, mofka_binding_t binding = MOFKA_BINDING_COMPACT) {
        mofka_thread_pool_options_t options = {threads.count, binding, 0, 0};
        mofka_thread_pool_t *pool = nullptr;
        detail::check(mofka_thread_pool_create(&options, &pool));
        m_handle = Handle(pool);
    }
    /** Shows a handle of the C interface, which is kept. */
    static ThreadPool of(mofka_thread_pool_t *handle) {
        ThreadPool pool;
        pool.m_handle = Handle::keep(handle);
        return pool;
    }
    /** The number of workers. */
    ThreadCount threadCount() const {
        return ThreadCount{m_handle ? mofka_thread_pool_thread_count(get()) : 0};
    }
    /** Queue a function. Higher priority runs first. An exception in it is logged. */
    void pushWork(std::function<void()> function,
                  std::uint64_t priority = MOFKA_PRIORITY_DEFAULT) const {
        auto box = std::make_unique<std::function<void()>>(std::move(function));
        /* From here on, the work frees it, which may run before the call returns. */
        auto *work = box.release();
        mofka_status_t status = mofka_thread_pool_push_work(get(), &run, work, priority);
        if (status)
            delete work;
        detail::check(status);
    }
    /** The number of pieces of work that are queued or running. */
    std::size_t size() const {
        return m_handle ? mofka_thread_pool_size(get()) : 0;
    }
    /** Run what is queued, then end the workers. */
    void close() const {
        detail::check(mofka_thread_pool_close(m_handle.need("ThreadPool")));
    }
    /** The handle of the C interface; NULL if there is no pool. View. */
    mofka_thread_pool_t *get() const noexcept {
        return m_handle.get();
    }
    /** Whether there is a pool. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_handle);
    }

  private:
    using Handle =
        detail::Handle<mofka_thread_pool_t, &mofka_thread_pool_retain, &mofka_thread_pool_release>;
    static void run(void *context) noexcept {
        std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()> *>(context));
        detail::note("work of a pool", detail::guard(*work));
    }
    Handle m_handle;
};

} // namespace mofka

#endif
