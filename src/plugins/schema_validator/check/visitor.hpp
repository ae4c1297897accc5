/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * valijson's validator, corrected. For this plug-in's adapter those of its functions are
 * specialised that would count bytes instead of characters, lose precision, use time or stack
 * without limit, or not say what failed.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_CHECK_VISITOR_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_CHECK_VISITOR_HPP

#include <algorithm>
#include <optional>
#include "plugins/schema_validator/json/json.hpp"
#include "plugins/schema_validator/schema/operands.hpp"
#include <valijson/adapters/std_string_adapter.hpp>
#include <valijson/validator.hpp>

namespace mofka_schema {

/* Nested constraints: each takes a few hundred bytes of stack. */
#define STEPS_DEEP_MAX 1024

using Adapter = valijson::adapters::GenericRapidJsonAdapter<Value>;

/* Since 1.0.3 valijson's visitor has a second parameter, which its Validator has, too: the engine
 * of regular expressions. These are declared only, for their types. */
template <template <typename> class Validator, typename Engine>
Engine engine_of(const Validator<Engine> *);
void engine_of(const void *);
using Engine = decltype(engine_of(static_cast<const valijson::Validator *>(nullptr)));
template <template <typename> class V> V<Adapter> visitor_of();
template <template <typename, typename> class V> V<Adapter, Engine> visitor_of();
using Visitor = decltype(visitor_of<valijson::ValidationVisitor>());

/* One validation, and what it noted of failures. valijson stops at the first failure that decides.
 * The last note before that is the cause: "anyOf" and others replace the notes of their
 * subschemas. */
struct Run {
    const Operands &operands;
    size_t depth = 0;
    size_t notes = 0;
    std::vector<std::string> place; /* in valijson's form: "<root>", "[name]", "[0]" */
    const char *keyword = "false";
    std::string detail;

    explicit Run(const Operands &mine) : operands(mine) {
    }
    void note(const std::vector<std::string> &at, const char *what, std::string more = "") {
        notes++;
        place = at;
        keyword = what;
        detail = std::move(more);
    }
};
inline thread_local Run *run; /* valijson has no argument that could carry it */

/* The keyword of a constraint. `*passes_on`: a failure of a subschema is its cause. */
const char *keyword_of(const valijson::constraints::Constraint &constraint, bool *passes_on);

inline size_t character_count(const std::string &text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

inline bool is_number(const Adapter &value) {
    std::string text;
    return value.getString(text) && json_is_number(text);
}
/* A string, or nothing: the value is of another type. */
inline std::optional<std::string> string_of(const Adapter &value) {
    std::string text;
    if (!value.getString(text) || json_is_number(text))
        return std::nullopt;
    return text;
}
/* A number, or nothing: the value is of another type. */
inline std::optional<Number> number_of(const Adapter &value) {
    std::string text;
    if (!value.getString(text) || !json_is_number(text))
        return std::nullopt;
    return Number(text.substr(1));
}

/* What a flat schema refers to by index: a limit; and by an index in a string: a name, a
 * pattern. */
inline const Number &limit_of(double index) {
    return run->operands.numbers.at(static_cast<size_t>(index) - 1);
}
template <typename String> size_t index_of(const String &index) {
    return std::strtoul(index.c_str(), nullptr, 10);
}
template <typename String> const std::string &name_of(const String &index) {
    return run->operands.names.at(index_of(index));
}

/* An object's members, searched by name; by binary search if there are many. */
class Members {
  public:
    explicit Members(const Adapter &object);
    size_t find(const std::string &name) const; /* count() if there is none */
    size_t count() const {
        return members.size();
    }
    const std::string &name(size_t index) const {
        return members[index].first;
    }
    const Adapter &value(size_t index) const {
        return members[index].second;
    }
    bool is_known(size_t index) const {
        return known[index];
    }
    void set_known(size_t index) {
        known[index] = true;
    }

  private:
    std::vector<bool> known;
    std::vector<std::pair<std::string, Adapter>> members;
    std::vector<size_t> order; /* sorted by name; empty if there are few members */
};

/* Equal values have equal hashes. */
size_t hash_of(const Adapter &value);

} // namespace mofka_schema

namespace valijson {

/* Finds names with zero bytes, too. */
namespace adapters {
template <>
inline GenericRapidJsonObject<mofka_schema::Value>::iterator
GenericRapidJsonObject<mofka_schema::Value>::find(const std::string &name) const {
    return m_value.FindMember(mofka_schema::Value(
        rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size()))));
}
} // namespace adapters

template <>
inline bool mofka_schema::Visitor::validationCallback(const constraints::Constraint &constraint,
                                                      mofka_schema::Visitor &visitor) {
    mofka_schema::Run &run = *mofka_schema::run;
    size_t notes = run.notes;
    if (++run.depth > STEPS_DEEP_MAX)
        throw std::runtime_error("the schema refers to itself in a circle, or is nested too deep");
    bool is_valid = constraint.accept(visitor);
    run.depth--;
    if (!is_valid) {
        bool passes_on;
        const char *keyword = mofka_schema::keyword_of(constraint, &passes_on);
        if (run.notes == notes || !passes_on)
            run.note(visitor.m_context, keyword, run.notes == notes ? "" : run.detail);
    }
    return is_valid;
}

/* A whole number is an integer, also if it is written as 1.0 or 1e2. */
template <>
inline bool mofka_schema::Visitor::ValidateNamedTypes::operator()(
    constraints::TypeConstraint::JsonType type) const {
    using Type = constraints::TypeConstraint;
    bool is_number = mofka_schema::is_number(m_target);
    bool valid =
        type == Type::kAny || (type == Type::kArray && m_target.isArray()) ||
        (type == Type::kBoolean && m_target.isBool()) ||
        (type == Type::kInteger && is_number && mofka_schema::number_of(m_target)->is_whole()) ||
        (type == Type::kNull && m_target.isNull()) || (type == Type::kNumber && is_number) ||
        (type == Type::kObject && m_target.isObject()) ||
        (type == Type::kString && m_target.isString() && !is_number);
    if (valid && m_validated)
        *m_validated = true;
    return (valid && m_continueOnSuccess) || m_continueOnFailure;
}

template <> inline bool mofka_schema::Visitor::visit(const MinLengthConstraint &constraint) {
    std::optional<std::string> text = mofka_schema::string_of(m_target);
    return !text || mofka_schema::character_count(*text) >= constraint.getMinLength();
}

template <> inline bool mofka_schema::Visitor::visit(const MaxLengthConstraint &constraint) {
    std::optional<std::string> text = mofka_schema::string_of(m_target);
    return !text || mofka_schema::character_count(*text) <= constraint.getMaxLength();
}

template <> inline bool mofka_schema::Visitor::visit(const MinimumConstraint &constraint) {
    std::optional<mofka_schema::Number> number = mofka_schema::number_of(m_target);
    return !number || number->compare(mofka_schema::limit_of(constraint.getMinimum())) >=
                          int(constraint.getExclusiveMinimum());
}

template <> inline bool mofka_schema::Visitor::visit(const MaximumConstraint &constraint) {
    std::optional<mofka_schema::Number> number = mofka_schema::number_of(m_target);
    return !number || mofka_schema::limit_of(constraint.getMaximum()).compare(*number) >=
                          int(constraint.getExclusiveMaximum());
}

/* All indices are whole numbers, so valijson makes no other constraint of "multipleOf". */
template <> inline bool mofka_schema::Visitor::visit(const MultipleOfIntConstraint &constraint) {
    std::optional<mofka_schema::Number> number = mofka_schema::number_of(m_target);
    return !number || number->is_multiple_of(
                          mofka_schema::limit_of(static_cast<double>(constraint.getDivisor())));
}

template <> inline bool mofka_schema::Visitor::visit(const PatternConstraint &constraint) {
    std::optional<std::string> text = mofka_schema::string_of(m_target);
    return !text ||
           mofka_schema::run->operands.patterns.match(
               mofka_schema::index_of(constraint.getPattern<std::string::allocator_type>()), *text);
}

template <> inline bool mofka_schema::Visitor::visit(const DependenciesConstraint &constraint) {
    if (!m_target.isObject())
        return true;
    const mofka_schema::Members members(m_target);
    auto has = [&](const std::string &name) { return members.find(name) < members.count(); };
    bool is_valid = true;
    constraint.applyToPropertyDependencies([&](const auto &name, const auto &needed) {
        if (has(mofka_schema::name_of(name)))
            for (const auto &other : needed)
                is_valid = is_valid && has(mofka_schema::name_of(other));
        return is_valid;
    });
    constraint.applyToSchemaDependencies([&](const auto &name, const Subschema *subschema) {
        is_valid = is_valid && (!has(mofka_schema::name_of(name)) || validateSchema(*subschema));
        return is_valid;
    });
    return is_valid;
}

template <> inline bool mofka_schema::Visitor::visit(const PropertiesConstraint &constraint) {
    if (!m_target.isObject())
        return true;
    mofka_schema::Members members(m_target);
    bool is_valid = true;
    auto validate = [&](size_t index, const Subschema *subschema, const char *keyword) {
        std::vector<std::string> context = m_context;
        context.push_back("[" + members.name(index) + "]");
        if (subschema->getAlwaysInvalid())
            mofka_schema::run->note(context, keyword);
        mofka_schema::Visitor visitor(members.value(index), context, true, nullptr, m_regexesCache);
        members.set_known(index);
        return is_valid = visitor.validateSchema(*subschema);
    };
    constraint.applyToProperties([&](const auto &name, const Subschema *subschema) {
        size_t index = members.find(mofka_schema::name_of(name));
        return index == members.count() || validate(index, subschema, "properties");
    });
    constraint.applyToPatternProperties([&](const auto &pattern, const Subschema *subschema) {
        size_t index = mofka_schema::index_of(pattern);
        for (size_t i = 0; i < members.count() && is_valid; i++)
            if (mofka_schema::run->operands.patterns.match(index, members.name(i)))
                validate(i, subschema, "patternProperties");
        return is_valid;
    });
    const Subschema *others = constraint.getAdditionalPropertiesSubschema();
    for (size_t i = 0; i < members.count() && is_valid; i++) {
        if (members.is_known(i))
            continue;
        if (others)
            validate(i, others, "additionalProperties");
        else
            is_valid = false;
        if (!others)
            mofka_schema::run->note(m_context, "additionalProperties", members.name(i));
    }
    return is_valid;
}

template <> inline bool mofka_schema::Visitor::visit(const PropertyNamesConstraint &constraint) {
    if (!m_target.isObject())
        return true;
    for (const auto member : m_target.getObject()) {
        const mofka_schema::Value name(rapidjson::StringRef(
            member.first.data(), static_cast<rapidjson::SizeType>(member.first.size())));
        mofka_schema::Visitor visitor(mofka_schema::Adapter(name), m_context, true, nullptr,
                                      m_regexesCache);
        if (!visitor.validateSchema(*constraint.getSubschema())) {
            mofka_schema::run->note(m_context, "propertyNames", member.first);
            return false;
        }
    }
    return true;
}

template <> inline bool mofka_schema::Visitor::visit(const RequiredConstraint &constraint) {
    if (!m_target.isObject())
        return true;
    const auto object = m_target.getObject();
    bool is_valid = true;
    constraint.applyToRequiredProperties([&](const auto &index) {
        const std::string &name = mofka_schema::name_of(index);
        is_valid = object.find(name) != object.end();
        if (!is_valid)
            mofka_schema::run->note(m_context, "required", name);
        return is_valid;
    });
    return is_valid;
}

/* Compares only the items that have equal hashes. */
template <> inline bool mofka_schema::Visitor::visit(const UniqueItemsConstraint &) {
    if (!m_target.isArray())
        return true;
    std::vector<std::pair<size_t, mofka_schema::Adapter>> items;
    for (const auto item : m_target.getArray())
        items.emplace_back(mofka_schema::hash_of(item), item);
    std::vector<size_t> order(items.size());
    for (size_t i = 0; i < order.size(); i++)
        order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return items[a].first < items[b].first; });
    for (size_t i = 0; i < order.size(); i++)
        for (size_t j = i + 1; j < order.size() && items[order[j]].first == items[order[i]].first;
             j++)
            if (items[order[i]].second.equalTo(items[order[j]].second, true))
                return false;
    return true;
}

} // namespace valijson
#endif
