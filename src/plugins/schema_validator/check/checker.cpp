/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles flat schemas and checks documents, with valijson's parser and validator. */
#include "plugins/schema_validator/check/checker.hpp"

#include <cassert>
#include <cstring>
#include <exception>
#include <pthread.h>
#include <valijson/schema_parser.hpp>
#include "plugins/schema_validator/check/visitor.hpp"

namespace valijson {
namespace adapters {
template <> struct AdapterTraits<mofka_schema::Adapter> {
    typedef mofka_schema::Document DocumentType;
};
} // namespace adapters
} // namespace valijson

namespace mofka_schema {

/* ---- compiling ------------------------------------------------------------------------------ */

#define SUBSCHEMA_STACK_BYTES ((size_t)32768) /* the most stack that valijson uses for one */

struct Parsing {
    const Document &flat;
    valijson::Schema &schema;
    std::exception_ptr error;
};

static void *checker_parse(void *context) {
    Parsing &parsing = *static_cast<Parsing *>(context);
    try {
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
        parser.populateSchema(Adapter(parsing.flat), parsing.schema);
    } catch (...) {
        parsing.error = std::current_exception();
    }
    return nullptr;
}

/* valijson recurses from each subschema into those that it refers to. A chain of references may
 * need more stack than the caller's thread has, so a thread with enough stack parses the schema. */
static void checker_parse_with_stack(const Document &flat, size_t subschemas,
                                     valijson::Schema &schema) {
    Parsing parsing{flat, schema, nullptr};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (subschemas + 64) * SUBSCHEMA_STACK_BYTES);
    int failure = pthread_create(&thread, &attributes, checker_parse, &parsing);
    pthread_attr_destroy(&attributes);
    if (failure)
        throw std::bad_alloc();
    pthread_join(thread, nullptr);
    if (parsing.error)
        std::rethrow_exception(parsing.error);
}

Checker::Checker(References &references) : schema(new valijson::Schema()) {
    Document flat;
    size_t subschemas = references.flatten(flat, operands);
    assert(subschemas > 0);
    checker_parse_with_stack(flat, subschemas, *schema);
}

Checker::~Checker() = default;

/* ---- checking ------------------------------------------------------------------------------- */

static std::string checker_excerpt(const Value &value) {
    std::string text = value.IsArray()    ? "an array of " + std::to_string(value.Size())
                       : value.IsObject() ? "an object of " + std::to_string(value.MemberCount())
                                          : "";
    if (!text.empty())
        return text;
    if (!json_is_string(value) || value.GetStringLength() <= 60)
        return json_text(value);
    return "a string of " + std::to_string(value.GetStringLength()) + " bytes";
}

/* "at '/a/0': "maximum" refuses 12" */
static std::string checker_explain(const Run &failed, const Value &document) {
    std::string pointer;
    const Value *value = &document;
    for (size_t i = 1; i < failed.place.size(); i++) {
        assert(failed.place[i].size() >= 2);
        std::string name = failed.place[i].substr(1, failed.place[i].size() - 2); /* "[name]" */
        pointer += "/" + json_pointer_token(name);
        value = value ? json_child(*value, name) : nullptr;
    }
    std::string text = "at '" + pointer + "': ";
    std::string about = json_quote(failed.detail);
    if (strcmp(failed.keyword, "required") == 0)
        return text + "\"required\": the name " + about + " is missing";
    text += "\"" + std::string(failed.keyword) + "\" refuses ";
    if (!failed.detail.empty() && (strcmp(failed.keyword, "additionalProperties") == 0 ||
                                   strcmp(failed.keyword, "propertyNames") == 0))
        return text + "the name " + about;
    return text + (value ? checker_excerpt(*value) : "it");
}

/* Makes a run the thread's current one, as long as this object lives. */
struct RunHere {
    Run *outer;
    explicit RunHere(Run *mine) : outer(run) {
        run = mine;
    }
    ~RunHere() {
        run = outer;
    }
};

bool Checker::accepts(const Value &value, std::string *why) const {
    Run mine(operands);
    RunHere here(&mine);
    valijson::Validator validator;
    bool is_valid = validator.validate(*schema, Adapter(value), nullptr);
    if (!is_valid && why)
        *why = checker_explain(mine, value);
    return is_valid;
}

} // namespace mofka_schema
