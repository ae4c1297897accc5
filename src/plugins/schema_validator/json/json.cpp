/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads JSON documents, and names places in them. */
#include "plugins/schema_validator/json/json.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

extern "C" {
#include "plugins/tape/json_tape.h"
}

namespace mofka_schema {

/* ---- parsing -------------------------------------------------------------------------------- */

/* Gives the values of a tape to a document, as a parser of RapidJSON would. */
class Tape {
  public:
    Tape(const char *whose, const char *text, size_t text_bytes) : what(whose), bytes(text_bytes) {
        mofka_status_t status = mfi_tape_parse(&tape, what, text, bytes);
        if (!status)
            return;
        mfi_tape_clear(&tape);
        if (status == MOFKA_ERR_MEMORY)
            throw std::bad_alloc();
        throw BadJson(mofka_last_error(), status);
    }
    ~Tape() {
        mfi_tape_clear(&tape);
    }
    Tape(const Tape &) = delete;
    Tape &operator=(const Tape &) = delete;
    bool operator()(Document &document) const {
        return give_value(0, document) == tape.count;
    }

  private:
    uint32_t give_value(uint32_t at, Document &document) const;
    uint32_t give_container(uint32_t at, Document &document) const;
    std::string read_string(const mfi_token_t &token) const;

    const char *what;
    size_t bytes;
    mfi_tape_t tape;
};

std::string Tape::read_string(const mfi_token_t &token) const {
    if (token.is_lone)
        throw BadJson(std::string(what) + ": half a surrogate pair in the string at byte " +
                          std::to_string(token.at - 1) + " of " + std::to_string(bytes),
                      MOFKA_ERR_JSON);
    mfi_bytes_t into;
    size_t size;
    mfi_bytes_init(&into);
    const char *utf8 = mfi_token_utf8(&tape, &token, &into, &size);
    bool is_complete = !into.status;
    std::string string(utf8, is_complete ? size : 0);
    mfi_bytes_clear(&into);
    if (!is_complete)
        throw std::bad_alloc();
    return string;
}

/* The names and the values of an object, or the items of an array. */
uint32_t Tape::give_container(uint32_t at, Document &document) const {
    const mfi_token_t &token = tape.tokens[at];
    bool is_object = token.kind == MFI_TOKEN_OBJECT;
    uint32_t child = at + 1;
    is_object ? document.StartObject() : document.StartArray();
    while (child < token.next) {
        if (is_object) {
            std::string name = read_string(tape.tokens[child++]);
            document.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()), true);
        }
        child = give_value(child, document);
    }
    is_object ? document.EndObject(token.count) : document.EndArray(token.count);
    return child;
}

/* The marked text of a number. A few digits are canonical as they are: they need not be read. */
static std::string tape_number(const char *text, size_t bytes) {
    bool is_canonical = bytes <= 18 && text[0] != '-';
    for (size_t i = 0; i < bytes && is_canonical; i++)
        is_canonical = text[i] >= '0' && text[i] <= '9';
    std::string number = "\xFF";
    return is_canonical ? number.append(text, bytes) : number + Number({text, bytes}).text();
}

/* Give the value at a token. Returns the index of the token after it. */
uint32_t Tape::give_value(uint32_t at, Document &document) const {
    assert(at < tape.count);
    const mfi_token_t &token = tape.tokens[at];
    std::string string;
    switch (token.kind) {
    case MFI_TOKEN_NULL:
        document.Null();
        break;
    case MFI_TOKEN_FALSE:
    case MFI_TOKEN_TRUE:
        document.Bool(token.kind == MFI_TOKEN_TRUE);
        break;
    case MFI_TOKEN_NUMBER:
        string = tape_number(tape.text + token.at, token.bytes);
        document.String(string.data(), static_cast<rapidjson::SizeType>(string.size()), true);
        break;
    case MFI_TOKEN_STRING:
        string = read_string(token);
        document.String(string.data(), static_cast<rapidjson::SizeType>(string.size()), true);
        break;
    default:
        return give_container(at, document);
    }
    return at + 1;
}

/* ---- duplicates ----------------------------------------------------------------------------- */

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
            name.assign(names[i].first, names[i].second);
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
                path.insert(0, "/" + std::to_string(i));
                return true;
            }
    } else if (value.IsObject()) {
        if (value.MemberCount() > 1 && json_find_duplicate(value, name))
            return true;
        for (const auto &member : value.GetObject())
            if (json_has_duplicate(member.value, path, name)) {
                path.insert(0, "/" + json_pointer_token(json_string(member.name)));
                return true;
            }
    }
    return false;
}

void json_parse(const char *what, const char *text, size_t bytes, Document &document) {
    const Tape tape(what, text, bytes);
    document.Populate(tape);
    std::string path, name;
    if (json_has_duplicate(document, path, name))
        throw BadJson(std::string(what) + ": the object at '" + path + "' has the name " +
                          json_quote(name) + " twice",
                      MOFKA_ERR_JSON);
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* Writes numbers as such. */
struct Writer : rapidjson::Writer<rapidjson::StringBuffer> {
    using rapidjson::Writer<rapidjson::StringBuffer>::Writer;
    bool String(const char *text, rapidjson::SizeType bytes, bool copy) {
        if (bytes > 0 && text[0] == '\xFF')
            return RawValue(text + 1, bytes - 1, rapidjson::kNumberType);
        return rapidjson::Writer<rapidjson::StringBuffer>::String(text, bytes, copy);
    }
};

std::string json_text(const Value &value) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    value.Accept(writer);
    return std::string(buffer.GetString(), buffer.GetSize());
}

std::string json_quote(const std::string &name) {
    size_t bytes = std::min<size_t>(name.size(), 100);
    return json_text(
        Value(rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(bytes))));
}

std::string json_pointer_token(const std::string &name) {
    std::string token;
    for (char c : name) {
        if (c == '~')
            token += "~0";
        else if (c == '/')
            token += "~1";
        else if (c == '\0')
            token += "\\u0000";
        else
            token += c;
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
