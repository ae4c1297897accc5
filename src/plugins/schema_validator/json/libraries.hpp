/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RapidJSON and valijson, changed: a failed check is an exception, and so is a lack of memory. Both
 * use memory without asking whether there was some, and neither takes an allocator for all of it.
 * Their headers that do so are included here first, with other definitions.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_LIBRARIES_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_LIBRARIES_HPP

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

/* ---- RapidJSON ------------------------------------------------------------------------------ */

namespace mofka_schema {
[[noreturn]] inline void json_broken() {
    throw std::logic_error("a JSON value was read as another type");
}
} // namespace mofka_schema

/* valijson's adapter would define this so, too, but build a string even for a check that holds. */
#define RAPIDJSON_ASSERT(x) ((x) ? (void)0 : mofka_schema::json_broken())
#include <rapidjson/allocators.h>

namespace rapidjson {
class ThrowingAllocator {
  public:
    static const bool kNeedFree = true;
    void *Malloc(size_t bytes) {
        return Realloc(nullptr, 0, bytes);
    }
    void *Realloc(void *old, size_t, size_t bytes) {
        if (bytes == 0) {
            free(old);
            return nullptr;
        }
        void *memory = realloc(old, bytes);
        if (!memory)
            throw std::bad_alloc();
        return memory;
    }
    static void Free(void *memory) {
        free(memory);
    }
};
} // namespace rapidjson

/* The stacks of documents, of writers and of copies of values. */
#define CrtAllocator ThrowingAllocator
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#undef RAPIDJSON_ASSERT
#define VALIJSON_USE_EXCEPTIONS 1
#include <valijson/adapters/rapidjson_adapter.hpp>
#undef CrtAllocator

/* ---- valijson ------------------------------------------------------------------------------- */

namespace mofka_schema {
struct Throwing {};
} // namespace mofka_schema

inline void *operator new(size_t bytes, const std::nothrow_t &, mofka_schema::Throwing) {
    return ::operator new(bytes);
}

/* valijson's containers call operator new with std::nothrow. */
#define nothrow nothrow, mofka_schema::Throwing()
#include <valijson/internal/custom_allocator.hpp>
#include <valijson/subschema.hpp>
#undef nothrow

#endif
