/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a flat schema refers to by index, because valijson would lose a part of it: valijson stores
 * a limit as a double, and a name or a pattern as a C string, which a zero byte ends.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_OPERANDS_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_OPERANDS_HPP

#include <vector>
#include "plugins/schema_validator/json/number.hpp"
#include "plugins/schema_validator/schema/patterns.hpp"

namespace mofka_schema {

struct Operands {
    Patterns patterns;
    std::vector<std::string> names;
    std::vector<Number> numbers;
};

} // namespace mofka_schema
#endif
