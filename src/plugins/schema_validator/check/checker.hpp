/* SPDX-License-Identifier: BSD-3-Clause */
/* A compiled schema, which checks values. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_CHECK_CHECKER_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_CHECK_CHECKER_HPP

#include <memory>
#include "plugins/schema_validator/schema/references.hpp"

namespace valijson {
class Schema;
}

namespace mofka_schema {

class Checker {
  public:
    /* Compile the first schema that `references` has. Throws BadSchema. */
    explicit Checker(References &references);
    ~Checker();

    /* Whether `value` is valid. If not, `*why` (may be NULL) says the place, the keyword and the
     * value that it refused. Any thread may call it. Throws std::runtime_error if the answer cannot
     * be found: the schema refers to itself without end, or a pattern takes too long. */
    bool accepts(const Value &value, std::string *why) const;

  private:
    Operands operands;
    std::unique_ptr<valijson::Schema> schema;
};

} // namespace mofka_schema
#endif
