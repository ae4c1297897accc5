/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON documents for the schema plug-in: RapidJSON values whose memory failures are exceptions,
 * read with a limit on nesting, and seen by valijson through its RapidJSON adapter.
 */
#ifndef MOFKA_SRC_SCHEMA_JSON_HPP
#define MOFKA_SRC_SCHEMA_JSON_HPP

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

namespace mofka_schema {
[[noreturn]] inline void broken() {
    throw std::logic_error("a JSON value was read as what it is not");
}
} // namespace mofka_schema

/* RapidJSON's checks throw. valijson's adapter would define them so, too, but build a string for
 * every check that holds; it comes second, and finds RapidJSON read already. */
#define RAPIDJSON_ASSERT(x) ((x) ? (void)0 : mofka_schema::broken())
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#undef RAPIDJSON_ASSERT
#define VALIJSON_USE_EXCEPTIONS 1
#include <valijson/adapters/rapidjson_adapter.hpp>

namespace mofka_schema {

/* malloc, but what it cannot give is an exception: RapidJSON does not look. */
struct Memory {
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

/* Pools that valijson makes hold one constant of a schema each, so their chunks are small. */
class Pool : public rapidjson::MemoryPoolAllocator<Memory> {
  public:
    explicit Pool(size_t chunk_bytes = 512) : rapidjson::MemoryPoolAllocator<Memory>(chunk_bytes) {
    }
    Pool(void *memory, size_t bytes) : rapidjson::MemoryPoolAllocator<Memory>(memory, bytes) {
    }
};

using Value = rapidjson::GenericValue<rapidjson::UTF8<>, Pool>;
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Memory>;

/* The text is not the JSON that is needed. what(): why, and where. */
struct BadJson : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* Parse exactly `bytes` bytes. BadJson: a fault, a byte order mark, nesting above
 * MOFKA_JSON_DEPTH_MAX, invalid UTF-8 or half a surrogate pair, a number that no double holds, an
 * object with a name twice. */
void parse(const char *text, size_t bytes, Document &document);

std::string text_of(const Value &value);
/* A reference token of a JSON Pointer: '~' and '/' escaped. */
std::string token_of(const char *name, size_t bytes);
/* One step of a pointer: the member or the element of that name, NULL where there is none. */
const Value *child_of(const Value &value, const std::string &name);

} // namespace mofka_schema
#endif
