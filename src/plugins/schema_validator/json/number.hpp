/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of JSON, exact at any size. A large exponent is compared, never expanded. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_NUMBER_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_NUMBER_HPP

#include <cstdint>
#include <string>
#include "plugins/schema_validator/json/whole.hpp"

namespace mofka_schema {

/* A divisor has at most that many digits; zeros at its ends do not count. So the time of a division
 * is in proportion to the digits of the other number: two seconds for 64 MiB of them. */
#define DIVISOR_DIGITS_MAX 1000

class Number {
  public:
    /* Read the text of a number, which must be valid JSON. */
    explicit Number(const std::string &text);
    /* The number as JSON. Equal numbers have equal texts. */
    std::string text() const;
    /* Negative, 0 or positive, as this number is less than, equal to or greater than `other`. */
    int compare(const Number &other) const;
    bool is_whole() const;
    /* Whether is_multiple_of takes it: not 0, and not too long. */
    bool is_divisor() const;
    /* Whether this number is a whole multiple of `divisor`. */
    bool is_multiple_of(const Number &divisor) const;
    /* A whole number of at least 0; INT64_MAX if it has more than 18 digits. */
    int64_t clamp() const;

  private:
    int compare_magnitude(const Number &other) const;

    /* The value is digits * 10^exponent, with a sign. No digit at either end is 0. Of the number 0,
     * `digits` is empty, the exponent 0, and the sign positive. */
    bool is_negative;
    std::string digits;
    Whole exponent;
};

} // namespace mofka_schema
#endif
