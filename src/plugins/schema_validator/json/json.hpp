/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON documents of the validator "schema". They are RapidJSON values, made of a tape. A lack of
 * memory is an exception. valijson reads them through its RapidJSON adapter.
 *
 * A double does not hold every number. So a number is a string here: the byte 0xFF, which no string
 * of JSON has, and the text of class Number. Equal numbers are equal strings, also for valijson.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_JSON_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_JSON_HPP

#include <stdexcept>
#include <string>
#include <mofka/status.h>
#include "plugins/schema_validator/json/libraries.hpp"
#include "plugins/schema_validator/json/number.hpp"

namespace mofka_schema {

/* A pool with small chunks: valijson makes a pool for each constant of a schema. */
class Pool : public rapidjson::MemoryPoolAllocator<rapidjson::ThrowingAllocator> {
    using Base = rapidjson::MemoryPoolAllocator<rapidjson::ThrowingAllocator>;

  public:
    explicit Pool(size_t chunk_bytes = 512) : Base(chunk_bytes) {
    }
    Pool(void *memory, size_t bytes) : Base(memory, bytes) {
    }
};

using Value = rapidjson::GenericValue<rapidjson::UTF8<>, Pool>;
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool>;

/* The text was refused. what() says all: whose text it is, why, and where. */
struct BadJson : std::runtime_error {
    BadJson(const std::string &message, mofka_status_t code)
        : std::runtime_error(message), status(code) {
    }
    const mofka_status_t status;
};

/* Parse all of `text`; `what` begins each message. Throws BadJson: MOFKA_ERR_JSON (not JSON,
 * nesting deeper than MOFKA_JSON_DEPTH_MAX, invalid UTF-8, half a surrogate pair, or an object with
 * a duplicate name) or MOFKA_ERR_TOO_LARGE. */
void json_parse(const char *what, const char *text, size_t bytes, Document &document);

/* Whether this string of a Value or an adapter is a number. */
inline bool json_is_number(const std::string &string) {
    return !string.empty() && string[0] == '\xFF';
}
inline bool json_is_number(const Value &value) {
    return value.IsString() && value.GetStringLength() > 0 && value.GetString()[0] == '\xFF';
}
inline bool json_is_string(const Value &value) {
    return value.IsString() && !json_is_number(value);
}
/* The characters of a string, or of a name. */
inline std::string json_string(const Value &value) {
    return std::string(value.GetString(), value.GetStringLength());
}
inline Number json_number(const Value &value) {
    return Number(json_string(value).substr(1));
}

/* The JSON text of a value. */
std::string json_text(const Value &value);
/* A name in a message: quoted, with escapes, its first 100 bytes. */
std::string json_quote(const std::string &name);
/* A name as a token of a JSON Pointer in a message: '~', '/' and a zero byte are escaped. */
std::string json_pointer_token(const std::string &name);
/* One step of a JSON Pointer: the member or the element of that name, or NULL if there is none. */
const Value *json_child(const Value &value, const std::string &name);

} // namespace mofka_schema
#endif
