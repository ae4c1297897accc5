/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Exceptions, counted handles and views of memory. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_BASE_HPP
#define MOFKA_CXX_BASE_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <mofka/log.h>
#include <mofka/status.h>

namespace mofka {

/** How long the destructor of the last copy of a Producer or a Driver tries to close it. */
constexpr std::int64_t destructorTimeoutMs = 10000;

/** An error of a call. Callbacks may throw it, too: its status is then that of the call that has
 * called back. */
class Exception : public std::logic_error {
  public:
    /** A callback's own error. */
    Exception(const char *what) : std::logic_error(what) {
    }
    /** A callback's own error. */
    Exception(const std::string &what) : std::logic_error(what) {
    }
    /** An error with a status. One that is no error means MOFKA_ERR_CALLBACK. */
    Exception(mofka_status_t status, const std::string &what)
        : std::logic_error(what), m_status(status < MOFKA_OK ? status : MOFKA_ERR_CALLBACK) {
    }
    /** What kind of error it is. */
    mofka_status_t status() const noexcept {
        return m_status;
    }
    /** What the caller can do about it. */
    mofka_status_class_t statusClass() const noexcept {
        return mofka_status_class(m_status);
    }

  private:
    mofka_status_t m_status = MOFKA_ERR_CALLBACK;
};

/** Thrown by a validator that refuses an event. */
class InvalidMetadata : public Exception {
  public:
    /** The event is refused; `what` says why. */
    InvalidMetadata(const std::string &what) : Exception(MOFKA_ERR_REFUSED, what) {
    }
};

/** A view of contiguous memory: of an array, a vector, or whatever has `data()` and `size()`. */
template <class T> class Span {
  public:
    /** No element. */
    constexpr Span() noexcept = default;
    /** `count` elements from `first` on. */
    constexpr Span(T *first, std::size_t count) noexcept : m_data(first), m_size(count) {
    }
    /** All elements of an array. */
    template <std::size_t Count>
    constexpr Span(T (&array)[Count]) noexcept : m_data(array), m_size(Count) {
    }
    /** All elements of a container. */
    template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                   decltype(std::declval<Container &>().data()), T *>>>
    constexpr Span(Container &container) : m_data(container.data()), m_size(container.size()) {
    }
    /** The first element. */
    constexpr T *data() const noexcept {
        return m_data;
    }
    /** The number of elements. */
    constexpr std::size_t size() const noexcept {
        return m_size;
    }
    /** Whether there is no element. */
    constexpr bool empty() const noexcept {
        return m_size == 0;
    }
    /** The element at `index`, which must be below size(). */
    constexpr T &operator[](std::size_t index) const {
        return m_data[index];
    }
    /** For range loops. */
    constexpr T *begin() const noexcept {
        return m_data;
    }
    /** For range loops. */
    constexpr T *end() const noexcept {
        return m_data + m_size;
    }

  private:
    T *m_data = nullptr;
    std::size_t m_size = 0;
};

namespace detail {

[[noreturn]] inline void raise(mofka_status_t status) {
    throw Exception(status, mofka_last_error());
}

/* Throws unless the status is that of a success. */
inline void check(mofka_status_t status) {
    if (__builtin_expect(status != MOFKA_OK, 0))
        raise(status);
}

[[noreturn]] inline void raiseEmpty(const char *what) {
    throw Exception(MOFKA_ERR_INVALID, std::string("the ") + what + " is empty or moved from");
}

/* Answers true for a wait that may be repeated. */
inline bool isPending(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

/* The status and the message of the exception that is being handled. */
inline mofka_status_t failCurrent() noexcept {
    try {
        throw;
    } catch (const Exception &error) {
        return mofka_fail(error.status(), "%s", error.what());
    } catch (const std::bad_alloc &) {
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory in a callback");
    } catch (const std::exception &error) {
        return mofka_fail(MOFKA_ERR_CALLBACK, "a callback threw: %s", error.what());
    } catch (...) {
        return mofka_fail(MOFKA_ERR_CALLBACK, "a callback threw what is not a std::exception");
    }
}

/* Call back from C: no exception leaves. */
template <class Function> mofka_status_t guard(Function &&function) noexcept {
    try {
        function();
        return MOFKA_OK;
    } catch (...) {
        return failCurrent();
    }
}

/* Where no call can return the error. */
inline void note(const char *what, mofka_status_t status) noexcept {
    if (status)
        mofka_log(MOFKA_LOG_WARN, "%s: %s: %s", what, mofka_status_name(status),
                  mofka_last_error());
}

inline std::string textOr(const char *text) {
    return text ? std::string(text) : std::string();
}

/* One user of a counted object. */
template <class T, auto Retain, auto Release> class Handle {
  public:
    Handle() noexcept = default;
    explicit Handle(T *taken) noexcept : m_pointer(taken) {
    }
    Handle(const Handle &other) noexcept
        : m_pointer(other.m_pointer ? Retain(other.m_pointer) : nullptr) {
    }
    Handle(Handle &&other) noexcept : m_pointer(std::exchange(other.m_pointer, nullptr)) {
    }
    /* By value: a copy, or what is moved, takes the place of this. */
    Handle &operator=(Handle other) noexcept {
        std::swap(m_pointer, other.m_pointer);
        return *this;
    }
    ~Handle() {
        if (m_pointer)
            Release(m_pointer);
    }
    static Handle keep(T *viewed) noexcept {
        return Handle(viewed ? Retain(viewed) : nullptr);
    }
    T *get() const noexcept {
        return m_pointer;
    }
    T *need(const char *what) const {
        if (!m_pointer)
            raiseEmpty(what);
        return m_pointer;
    }
    T *give() noexcept {
        return std::exchange(m_pointer, nullptr);
    }
    explicit operator bool() const noexcept {
        return m_pointer != nullptr;
    }

  private:
    T *m_pointer = nullptr;
};

} // namespace detail
} // namespace mofka

#endif
