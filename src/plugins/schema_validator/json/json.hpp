/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON documents of the validator "schema". They are RapidJSON values, read with a limit on nesting. A
 * lack of memory is an exception. valijson reads them through its RapidJSON adapter.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_JSON_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_JSON_HPP

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

namespace mofka_schema {
[[noreturn]] inline void json_broken() {
    throw std::logic_error("a JSON value was read as another type");
}
} // namespace mofka_schema

/* RapidJSON's checks throw exceptions. valijson's adapter would define the checks so, too, but build
 * a string even for a check that holds. So RapidJSON is included first, with this definition. */
#define RAPIDJSON_ASSERT(x) ((x) ? (void)0 : mofka_schema::json_broken())
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#undef RAPIDJSON_ASSERT
#define VALIJSON_USE_EXCEPTIONS 1
#include <valijson/adapters/rapidjson_adapter.hpp>

namespace mofka_schema {

/* malloc that throws if there is no memory: RapidJSON does not check for NULL. */
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

/* A pool with small chunks: valijson makes a pool for each constant of a schema. */
class Pool : public rapidjson::MemoryPoolAllocator<Memory> {
  public:
    explicit Pool(size_t chunk_bytes = 512) : rapidjson::MemoryPoolAllocator<Memory>(chunk_bytes) {
    }
    Pool(void *memory, size_t bytes) : rapidjson::MemoryPoolAllocator<Memory>(memory, bytes) {
    }
};

using Value = rapidjson::GenericValue<rapidjson::UTF8<>, Pool>;
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Memory>;

/* The text is not valid here. what() says why, and where. */
struct BadJson : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* Parse all of `text`. Throws BadJson: the text is not JSON, or has a byte order mark, nesting deeper
 * than MOFKA_JSON_DEPTH_MAX, invalid UTF-8, half a surrogate pair, a number outside the range of a
 * double, or an object with a duplicate name. */
void json_parse(const char *text, size_t bytes, Document &document);

/* The JSON text of a value. */
std::string json_text(const Value &value);
/* A name as a token of a JSON Pointer, with '~' and '/' escaped. */
std::string json_pointer_token(const char *name, size_t bytes);
/* One step of a JSON Pointer: the member or the element of that name, or NULL if there is none. */
const Value *json_child(const Value &value, const std::string &name);

} // namespace mofka_schema
#endif
