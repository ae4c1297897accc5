/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subschemas of a schema and of the documents that belong to it, and what their "$ref" mean.
 *
 * valijson joins URIs by appending them, keeps what it read by textual paths that can collide, and
 * follows circles of references for ever. So it gets a flat schema: subschema N of all is at
 * "#/s/N", wherever it was written, and every subschema's place is taken by a "$ref" to that.
 */
#ifndef MOFKA_SRC_SCHEMA_REFERENCES_HPP
#define MOFKA_SRC_SCHEMA_REFERENCES_HPP

#include <cstdint>
#include <map>
#include <vector>
#include "plugins/schema_validator/json.hpp"
#include "plugins/schema_validator/patterns.hpp"

namespace mofka_schema {

/* The schema cannot be used. what(): why, and where in it. */
struct BadSchema : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class References {
  public:
    /* Is a value a schema? Asked before it is looked into; throws BadSchema, with `where`. */
    using Check = void (*)(const Value &schema, const std::string &where);
    explicit References(Check is_schema) : check(is_schema) {
    }
    /* Refer to a schema by `uri` ("" for the one at hand). It must outlive this. */
    void add(const std::string &uri, const Value &schema);
    /* Write {"$ref":"#/s/N","s":[...]} for the first schema that was added; its patterns go to
     * `patterns`. Give how many subschemas there are. BadSchema. */
    size_t flatten(Document &flat, Patterns &patterns);

  private:
    static const size_t UNKNOWN = SIZE_MAX;
    struct Subschema {
        const Value *value;
        std::string base;  /* the URI that its references are relative to */
        std::string where; /* for messages: URI of its document and a JSON Pointer */
        size_t target;     /* the subschema that it refers to, or itself, once resolved */
    };

    size_t find_subschemas(const Value &schema, const std::string &base, const std::string &where);
    void find_children(const Value &schema, const std::string &base, const std::string &where);
    const Value *target_of(const Subschema &from, const std::string &reference, std::string &base,
                           std::string &where) const;
    size_t resolve(size_t index);
    Value link_to(const Value &child, Pool &pool);
    Value flat_keyword(const Value &keyword, int shape, Pool &pool);
    Value flat_subschema(size_t index, Pool &pool, Patterns &patterns);

    const Check check;
    std::vector<Subschema> subschemas;
    std::map<const Value *, size_t> index_of;
    std::map<std::string, const Value *> resources; /* by URI, without an empty fragment */
};

} // namespace mofka_schema
#endif
