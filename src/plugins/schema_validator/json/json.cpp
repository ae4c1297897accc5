/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads JSON documents, and names places in them. */
#include "plugins/schema_validator/json/json.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <vector>
#include <mofka/limits.h>

namespace mofka_schema {

/* The code unit that "uXXXX" at `text` says; 0 for any other escape. */
static unsigned json_read_unit(const char *text, size_t bytes) {
    unsigned unit = 0;
    if (bytes < 5 || text[0] != 'u')
        return 0;
    for (size_t i = 1; i < 5; i++) {
        int c = static_cast<unsigned char>(text[i]);
        if (!std::isxdigit(c))
            return 0;
        unit = unit * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
}

/* Skip an escape: from the byte after the backslash to the escape's last byte. RapidJSON checks that a
 * low surrogate follows a high one. But it accepts a low surrogate alone, which is not UTF-8. */
static size_t json_skip_escape(const char *text, size_t bytes, size_t at) {
    unsigned unit = json_read_unit(text + at, bytes - at);
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        throw BadJson("half a surrogate pair (byte " + std::to_string(at - 1) + " of " +
                      std::to_string(bytes) + ")");
    return unit >= 0xD800 && unit < 0xDC00 ? at + 6 : at;
}

/* Refuse text that RapidJSON would accept, although it is invalid, and nesting that is too deep for the
 * functions that read the document later: they recurse. */
static void json_check_text(const char *text, size_t bytes) {
    size_t depth = 0;
    bool in_string = false;
    // RapidJSON skips a byte order mark, and even a part of one.
    if (bytes >= 1 && (text[0] == '\xEF' || text[0] == '\xBB' || text[0] == '\xBF'))
        throw BadJson("a byte order mark (byte 0 of " + std::to_string(bytes) + ")");
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '\0') // RapidJSON would end there
            throw BadJson("a zero byte (byte " + std::to_string(i) + " of " +
                          std::to_string(bytes) + ")");
        if (in_string) {
            if (c == '\\')
                i = json_skip_escape(text, bytes, i + 1);
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MOFKA_JSON_DEPTH_MAX)
                throw BadJson("nested deeper than " + std::to_string(MOFKA_JSON_DEPTH_MAX) +
                              " at byte " + std::to_string(i));
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
}

using Name = std::pair<const char *, size_t>;

static bool json_name_precedes(const Name &a, const Name &b) {
    int order = memcmp(a.first, b.first, std::min(a.second, b.second));
    return order != 0 ? order < 0 : a.second < b.second;
}

static bool json_find_duplicate(const Value &object, std::string &name) {
    std::vector<Name> names;
    names.reserve(object.MemberCount());
    for (const auto &member : object.GetObject())
        names.emplace_back(member.name.GetString(), member.name.GetStringLength());
    std::sort(names.begin(), names.end(), json_name_precedes);
    for (size_t i = 1; i < names.size(); i++)
        if (!json_name_precedes(names[i - 1], names[i])) {
            name.assign(names[i].first, std::min<size_t>(names[i].second, 100));
            return true;
        }
    return false;
}

/* Whether an object has a duplicate name: readers of JSON disagree on what that means. `path` and
 * `name` say which one. The path is built only then, from its end to its beginning. */
static bool json_has_duplicate(const Value &value, std::string &path, std::string &name) {
    if (value.IsArray()) {
        for (rapidjson::SizeType i = 0; i < value.Size(); i++)
            if (json_has_duplicate(value[i], path, name)) {
                path = "/" + std::to_string(i) + path;
                return true;
            }
    } else if (value.IsObject()) {
        if (value.MemberCount() > 1 && json_find_duplicate(value, name))
            return true;
        for (const auto &member : value.GetObject())
            if (json_has_duplicate(member.value, path, name)) {
                path = "/" +
                       json_pointer_token(member.name.GetString(), member.name.GetStringLength()) +
                       path;
                return true;
            }
    }
    return false;
}

void json_parse(const char *text, size_t bytes, Document &document) {
    constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                               rapidjson::kParseValidateEncodingFlag |
                               rapidjson::kParseFullPrecisionFlag;
    json_check_text(text, bytes);
    document.Parse<flags>(text, bytes);
    if (document.HasParseError())
        throw BadJson(std::string(rapidjson::GetParseError_En(document.GetParseError())) +
                      " (byte " + std::to_string(document.GetErrorOffset()) + " of " +
                      std::to_string(bytes) + ")");
    std::string path, name;
    if (json_has_duplicate(document, path, name))
        throw BadJson("the object at '" + path + "' has the name \"" + name + "\" twice");
}

std::string json_text(const Value &value) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value.Accept(writer);
    return std::string(buffer.GetString(), buffer.GetSize());
}

std::string json_pointer_token(const char *name, size_t bytes) {
    std::string token;
    for (size_t i = 0; i < bytes; i++) {
        if (name[i] == '~')
            token += "~0";
        else if (name[i] == '/')
            token += "~1";
        else
            token += name[i];
    }
    return token;
}

const Value *json_child(const Value &value, const std::string &name) {
    if (value.IsObject()) {
        auto found = value.FindMember(Value(
            rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size()))));
        return found == value.MemberEnd() ? nullptr : &found->value;
    }
    bool is_index =
        !name.empty() && name.size() < 10 && (name[0] != '0' || name.size() == 1) &&
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!value.IsArray() || !is_index || std::stoul(name) >= value.Size())
        return nullptr;
    return &value[static_cast<rapidjson::SizeType>(std::stoul(name))];
}

} // namespace mofka_schema
