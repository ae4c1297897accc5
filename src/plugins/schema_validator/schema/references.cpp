/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds subschemas, resolves references, and writes the flat schema. */
#include "plugins/schema_validator/schema/references.hpp"

#include <algorithm>
#include <cassert>
#include "plugins/schema_validator/schema/uri.hpp"

namespace mofka_schema {

/* In all documents together: each takes stack while valijson reads the schema. */
#define SUBSCHEMAS_MAX 16384

/* The keywords of draft 7 that validate, and what their values hold. Other keywords are
 * annotations, also "format" and "content...", or hold subschemas that apply only if referred
 * to. */
enum Shape {
    PLAIN,
    COUNT,
    NUMBER,
    DIVISOR,
    PATTERN,
    NAMES,
    /* The shapes below hold subschemas. */
    SCHEMA,
    SCHEMAS,
    NAMED,
    PATTERNS,
    ITEMS,
    KEPT
};
static const struct {
    const char *name;
    Shape shape;
} keywords[] = {
    {"additionalItems", SCHEMA},
    {"additionalProperties", SCHEMA},
    {"allOf", SCHEMAS},
    {"anyOf", SCHEMAS},
    {"const", PLAIN},
    {"contains", SCHEMA},
    {"definitions", KEPT},
    {"dependencies", NAMED},
    {"else", SCHEMA},
    {"enum", PLAIN},
    {"exclusiveMaximum", NUMBER},
    {"exclusiveMinimum", NUMBER},
    {"if", SCHEMA},
    {"items", ITEMS},
    {"maxItems", COUNT},
    {"maxLength", COUNT},
    {"maxProperties", COUNT},
    {"maximum", NUMBER},
    {"minItems", COUNT},
    {"minLength", COUNT},
    {"minProperties", COUNT},
    {"minimum", NUMBER},
    {"multipleOf", DIVISOR},
    {"not", SCHEMA},
    {"oneOf", SCHEMAS},
    {"pattern", PATTERN},
    {"patternProperties", PATTERNS},
    {"properties", NAMED},
    {"propertyNames", SCHEMA},
    {"required", NAMES},
    {"then", SCHEMA},
    {"type", PLAIN},
    {"uniqueItems", PLAIN},
};

/* The member of a schema that is a string of that name, or NULL. */
static const Value *value_string_member(const Value &schema, const char *name) {
    if (!schema.IsObject())
        return nullptr;
    auto found = schema.FindMember(name);
    return found != schema.MemberEnd() && json_is_string(found->value) ? &found->value : nullptr;
}

static std::string uri_cut_empty_fragment(const std::string &uri) {
    return !uri.empty() && uri.back() == '#' ? uri.substr(0, uri.size() - 1) : uri;
}

void References::add(const std::string &uri, const Value &schema) {
    check(schema, uri + "#");
    resources.emplace(uri_cut_empty_fragment(uri), &schema);
    find_subschemas(schema, uri, uri + "#");
}

/* ---- finding -------------------------------------------------------------------------------- */

size_t References::find_subschemas(const Value &schema, const std::string &base,
                                   const std::string &where) {
    auto found = index_of.find(&schema);
    if (found != index_of.end())
        return found->second;
    if (subschemas.size() == SUBSCHEMAS_MAX)
        throw BadSchema(where + ": more than " + std::to_string(SUBSCHEMAS_MAX) + " subschemas");
    std::string own = base;
    const Value *id =
        value_string_member(schema, "$ref") ? nullptr : value_string_member(schema, "$id");
    if (id) {
        std::string uri = uri_cut_empty_fragment(uri_resolve(base, json_string(*id)));
        resources.emplace(uri, &schema);
        if (uri.find('#') == std::string::npos)
            own = uri;
    }
    size_t index = subschemas.size();
    assert(index_of.size() == index);
    subschemas.push_back({&schema, own, where, UNKNOWN});
    index_of.emplace(&schema, index);
    if (schema.IsObject() && !value_string_member(schema, "$ref"))
        find_children(schema, own, where);
    return index;
}

void References::find_children(const Value &schema, const std::string &base,
                               const std::string &where) {
    for (const auto &keyword : keywords) {
        auto found = schema.FindMember(keyword.name);
        if (found == schema.MemberEnd() || keyword.shape < SCHEMA)
            continue;
        const Value &value = found->value;
        std::string path = where + "/" + keyword.name;
        if (keyword.shape == SCHEMA || (keyword.shape == ITEMS && !value.IsArray())) {
            find_subschemas(value, base, path);
        } else if (value.IsArray()) {
            for (rapidjson::SizeType i = 0; i < value.Size(); i++)
                find_subschemas(value[i], base, path + "/" + std::to_string(i));
        } else {
            for (const auto &member : value.GetObject())
                if (!member.value.IsArray()) /* "dependencies" may have arrays of names */
                    find_subschemas(member.value, base,
                                    path + "/" + json_pointer_token(json_string(member.name)));
        }
    }
}

/* ---- resolving ------------------------------------------------------------------------------ */

static const Value *value_follow_pointer(const Value *value, const std::string &pointer) {
    for (size_t at = 0; value && at < pointer.size();) {
        size_t next = std::min(pointer.find('/', at + 1), pointer.size());
        std::string name;
        for (size_t i = at + 1; i < next; i++) {
            bool is_escape = pointer[i] == '~' && i + 1 < next;
            name += !is_escape ? pointer[i] : pointer[i + 1] == '1' ? '/' : '~';
            i += is_escape ? 1 : 0;
        }
        value = json_child(*value, name);
        at = next;
    }
    return value;
}

const Value *References::target_of(const Subschema &from, const std::string &reference,
                                   std::string &base, std::string &where) const {
    std::string uri = uri_cut_empty_fragment(uri_resolve(from.base, reference));
    where = uri.find('#') == std::string::npos ? uri + "#" : uri;
    size_t hash = std::min(uri.find('#'), uri.size());
    base = uri.substr(0, hash);
    auto found = resources.find(uri);
    if (found != resources.end())
        return found->second;
    found = resources.find(base);
    if (found == resources.end())
        throw BadSchema(from.where + ": \"$ref\": " + json_quote(reference) + " means '" + uri +
                        "', which is missing: add it to \"documents\" (nothing is fetched)");
    std::string pointer = uri_decode_percent(uri.substr(std::min(hash + 1, uri.size())));
    const Value *target = pointer.empty() || pointer[0] == '/'
                              ? value_follow_pointer(found->second, pointer)
                              : nullptr;
    if (!target)
        throw BadSchema(from.where + ": \"$ref\": " + json_quote(reference) +
                        " is not in the schema");
    return target;
}

/* Follow references to references to the last one. All subschemas of the chain keep the result. */
size_t References::resolve(size_t index) {
    std::vector<size_t> way;
    while (subschemas[index].target == UNKNOWN) {
        const Value *reference = value_string_member(*subschemas[index].value, "$ref");
        way.push_back(index);
        if (!reference) {
            subschemas[index].target = index;
            break;
        }
        if (way.size() > subschemas.size())
            throw BadSchema(subschemas[way[0]].where + ": \"$ref\" leads back to itself");
        std::string base, where;
        const Value *target = target_of(subschemas[index], json_string(*reference), base, where);
        if (!index_of.count(target))
            check(*target, where);
        index = find_subschemas(*target, base, where);
    }
    assert(subschemas[index].target < subschemas.size());
    for (size_t step : way)
        subschemas[step].target = subschemas[index].target;
    return subschemas[index].target;
}

/* ---- writing -------------------------------------------------------------------------------- */

Value References::link_to(const Value &child, Pool &pool) {
    std::string target = "#/s/" + std::to_string(resolve(index_of.at(&child)));
    Value link(rapidjson::kObjectType);
    link.AddMember("$ref", Value(target.c_str(), pool), pool);
    return link;
}

static Value index_text(size_t index, Pool &pool) {
    return Value(std::to_string(index).c_str(), pool);
}

Value References::flat_names(const Value &names, Pool &pool, Operands &operands) {
    Value flat(rapidjson::kArrayType);
    for (const Value &name : names.GetArray()) {
        flat.PushBack(index_text(operands.names.size(), pool), pool);
        operands.names.push_back(json_string(name));
    }
    return flat;
}

Value References::flat_named(const Value &value, int shape, Pool &pool, Operands &operands) {
    Value flat(rapidjson::kObjectType);
    for (const auto &member : value.GetObject()) {
        size_t index = operands.names.size();
        if (shape == PATTERNS)
            index = operands.patterns.add(json_string(member.name));
        else
            operands.names.push_back(json_string(member.name));
        flat.AddMember(index_text(index, pool),
                       member.value.IsArray() ? flat_names(member.value, pool, operands)
                                              : link_to(member.value, pool),
                       pool);
    }
    return flat;
}

Value References::flat_keyword(const Value &value, int shape, Pool &pool, Operands &operands) {
    switch (shape) {
    case PLAIN:
        return Value(value, pool);
    case COUNT:
        return Value(json_number(value).clamp());
    case NUMBER:
    case DIVISOR:
        operands.numbers.push_back(json_number(value));
        if (shape == DIVISOR && !operands.numbers.back().is_divisor())
            throw std::invalid_argument("0, or a number of more than " +
                                        std::to_string(DIVISOR_DIGITS_MAX) + " digits");
        return Value(static_cast<uint64_t>(operands.numbers.size())); /* from 1: not 0 */
    case PATTERN:
        return index_text(operands.patterns.add(json_string(value)), pool);
    case NAMES:
        return flat_names(value, pool, operands);
    default:
        break;
    }
    if (shape == SCHEMA || (shape == ITEMS && !value.IsArray()))
        return link_to(value, pool);
    if (!value.IsArray())
        return flat_named(value, shape, pool, operands);
    Value flat(rapidjson::kArrayType);
    for (const Value &item : value.GetArray())
        flat.PushBack(link_to(item, pool), pool);
    return flat;
}

Value References::flat_subschema(size_t index, Pool &pool, Operands &operands) {
    const Value &schema = *subschemas[index].value;
    std::string where = subschemas[index].where;
    if (!schema.IsObject())
        return Value(schema, pool);
    Value flat(rapidjson::kObjectType);
    if (value_string_member(schema, "$ref")) /* links lead to its target, never to it */
        return flat;
    for (const auto &keyword : keywords) {
        auto found = schema.FindMember(keyword.name);
        if (found == schema.MemberEnd() || keyword.shape == KEPT)
            continue;
        try {
            flat.AddMember(Value(keyword.name, pool),
                           flat_keyword(found->value, keyword.shape, pool, operands), pool);
        } catch (const std::invalid_argument &error) {
            throw BadSchema(where + "/" + keyword.name + ": " + error.what());
        }
    }
    return flat;
}

size_t References::flatten(Document &flat, Operands &operands) {
    Pool &pool = flat.GetAllocator();
    Value all(rapidjson::kArrayType);
    std::string first = "#/s/" + std::to_string(resolve(0));
    for (size_t i = 0; i < subschemas.size(); i++) /* resolving may find more */
        all.PushBack(flat_subschema(i, pool, operands), pool);
    flat.SetObject();
    flat.AddMember("$ref", Value(first.c_str(), pool), pool);
    flat.AddMember("s", all, pool);
    return subschemas.size();
}

} // namespace mofka_schema
