/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subschemas of a schema and of its documents, and the targets of their "$ref".
 *
 * valijson has three faults: it joins URIs by appending them, it stores subschemas by paths that
 * can collide, and it follows circular references without end. So it gets a flat schema. There
 * subschema N is at "#/s/N", and a "$ref" to that stands where the subschema was. Names, patterns
 * and limits are replaced by indices (operands.hpp).
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_REFERENCES_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_REFERENCES_HPP

#include <cstdint>
#include <map>
#include <vector>
#include "plugins/schema_validator/json/json.hpp"
#include "plugins/schema_validator/schema/operands.hpp"

namespace mofka_schema {

/* The schema cannot be used. what() says why, and where in it. */
struct BadSchema : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class References {
  public:
    /* Checks that a value is a schema, before it is read. Throws BadSchema, whose text has
     * `where`. */
    using Check = void (*)(const Value &schema, const std::string &where);
    explicit References(Check is_schema) : check(is_schema) {
    }
    /* Add a schema with its URI; the schema to compile is the first, with the URI "". It must
     * outlive this object. */
    void add(const std::string &uri, const Value &schema);
    /* Write the flat schema {"$ref":"#/s/N","s":[...]} of the first schema that was added, and add
     * what it refers to by index to `operands`. Returns the count of subschemas. Throws
     * BadSchema. */
    size_t flatten(Document &flat, Operands &operands);

  private:
    static const size_t UNKNOWN = SIZE_MAX;
    struct Subschema {
        const Value *value;
        std::string base;  /* its references are relative to this URI */
        std::string where; /* for messages: the URI of its document, and a JSON Pointer */
        size_t target;     /* UNKNOWN, or once resolved: the subschema that applies, or itself */
    };

    size_t find_subschemas(const Value &schema, const std::string &base, const std::string &where);
    void find_children(const Value &schema, const std::string &base, const std::string &where);
    const Value *target_of(const Subschema &from, const std::string &reference, std::string &base,
                           std::string &where) const;
    size_t resolve(size_t index);
    Value link_to(const Value &child, Pool &pool);
    Value flat_names(const Value &names, Pool &pool, Operands &operands);
    Value flat_named(const Value &keyword, int shape, Pool &pool, Operands &operands);
    Value flat_keyword(const Value &keyword, int shape, Pool &pool, Operands &operands);
    Value flat_subschema(size_t index, Pool &pool, Operands &operands);

    const Check check;
    std::vector<Subschema> subschemas;
    std::map<const Value *, size_t> index_of;
    std::map<std::string, const Value *> resources; /* by URI, without an empty fragment */
};

} // namespace mofka_schema
#endif
