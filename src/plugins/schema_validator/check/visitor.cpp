/* SPDX-License-Identifier: BSD-3-Clause */
/* Names the keyword that failed, finds members, and hashes values. */
#include "plugins/schema_validator/check/visitor.hpp"

#include <functional>

namespace mofka_schema {

#define KEYWORDS(X)                                                                                \
    X(AllOfConstraint, "allOf", true)                                                              \
    X(AnyOfConstraint, "anyOf", false)                                                             \
    X(ConditionalConstraint, "if", true)                                                           \
    X(ConstConstraint, "const", false)                                                             \
    X(ContainsConstraint, "contains", false)                                                       \
    X(DependenciesConstraint, "dependencies", true)                                                \
    X(EnumConstraint, "enum", false)                                                               \
    X(LinearItemsConstraint, "items", true)                                                        \
    X(MaximumConstraint, "maximum", false)                                                         \
    X(MaxItemsConstraint, "maxItems", false)                                                       \
    X(MaxLengthConstraint, "maxLength", false)                                                     \
    X(MaxPropertiesConstraint, "maxProperties", false)                                             \
    X(MinimumConstraint, "minimum", false)                                                         \
    X(MinItemsConstraint, "minItems", false)                                                       \
    X(MinLengthConstraint, "minLength", false)                                                     \
    X(MinPropertiesConstraint, "minProperties", false)                                             \
    X(MultipleOfDoubleConstraint, "multipleOf", false)                                             \
    X(MultipleOfIntConstraint, "multipleOf", false)                                                \
    X(NotConstraint, "not", false)                                                                 \
    X(OneOfConstraint, "oneOf", false)                                                             \
    X(PatternConstraint, "pattern", false)                                                         \
    X(PropertiesConstraint, "properties", true)                                                    \
    X(PropertyNamesConstraint, "propertyNames", true)                                              \
    X(RequiredConstraint, "required", true)                                                        \
    X(SingularItemsConstraint, "items", true)                                                      \
    X(TypeConstraint, "type", false)                                                               \
    X(UniqueItemsConstraint, "uniqueItems", false)

const char *keyword_of(const valijson::constraints::Constraint &constraint, bool *passes_on) {
    *passes_on = false;
    auto *most = dynamic_cast<const valijson::constraints::MaximumConstraint *>(&constraint);
    if (most && most->getExclusiveMaximum())
        return "exclusiveMaximum";
    auto *least = dynamic_cast<const valijson::constraints::MinimumConstraint *>(&constraint);
    if (least && least->getExclusiveMinimum())
        return "exclusiveMinimum";
#define KEYWORD(type, name, passes)                                                                \
    if (dynamic_cast<const valijson::constraints::type *>(&constraint)) {                          \
        *passes_on = passes;                                                                       \
        return name;                                                                               \
    }
    KEYWORDS(KEYWORD)
#undef KEYWORD
    return "a keyword";
}

Members::Members(const Adapter &object) {
    members.reserve(object.getObjectSize());
    for (const auto member : object.getObject())
        members.emplace_back(member.first, member.second);
    known.resize(members.size());
    if (members.size() <= 8)
        return;
    order.resize(members.size());
    for (size_t i = 0; i < order.size(); i++)
        order[i] = i;
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) { return name(a) < name(b); });
}

size_t Members::find(const std::string &wanted) const {
    if (order.empty()) {
        size_t index = 0;
        while (index < count() && name(index) != wanted)
            index++;
        return index;
    }
    auto found = std::lower_bound(order.begin(), order.end(), wanted,
                                  [this](size_t a, const std::string &b) { return name(a) < b; });
    return found != order.end() && name(*found) == wanted ? *found : count();
}

static size_t hash_mix(size_t hash, size_t more) {
    return (hash ^ more) * UINT64_C(0x9E3779B97F4A7C15) + 1;
}

size_t hash_of(const Adapter &value) {
    if (value.isString()) /* or a number */
        return std::hash<std::string>()(value.asString());
    if (value.isBool())
        return value.getBool() ? 11 : 12;
    size_t hash = 13;
    if (value.isArray())
        for (const auto item : value.getArray())
            hash = hash_mix(hash, hash_of(item));
    if (value.isObject())
        for (const auto member : value.getObject()) /* a sum: their order does not matter */
            hash += hash_mix(std::hash<std::string>()(member.first), hash_of(member.second));
    return hash;
}

} // namespace mofka_schema
