/* SPDX-License-Identifier: BSD-3-Clause */
/* A compiled schema. */
#ifndef MOFKA_SRC_SCHEMA_CHECKER_HPP
#define MOFKA_SRC_SCHEMA_CHECKER_HPP

#include <memory>
#include <vector>
#include "plugins/schema_validator/references.hpp"

namespace valijson {
class Schema;
}

namespace mofka_schema {

class Checker {
  public:
    /* Of the references' first schema. BadSchema. */
    explicit Checker(References &references);
    ~Checker();

    /* Is `value` valid? Else `*why`: place, keyword, and what it refused. Any thread.
     * std::runtime_error: it cannot be said (the schema goes round in a circle, a pattern that
     * takes too long). */
    bool accepts(const Value &value, std::string *why) const;

  private:
    Patterns patterns;
    std::unique_ptr<valijson::Schema> schema;
};

} // namespace mofka_schema
#endif
