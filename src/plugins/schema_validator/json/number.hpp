/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of JSON, exact at any size. A large exponent is compared, never expanded. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_NUMBER_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_NUMBER_HPP

#include <cstdint>
#include <gmpxx.h>
#include <string>

namespace mofka_schema {

class Number {
  public:
    /* Read the text of a number, which must be valid JSON. */
    explicit Number(const std::string &text);
    /* The number as JSON. Equal numbers have equal texts. */
    std::string text() const;
    /* Negative, 0 or positive, as this number is less than, equal to or greater than `other`. */
    int compare(const Number &other) const;
    bool is_whole() const;
    /* Whether this number is a whole multiple of `divisor`, which is not 0. */
    bool is_multiple_of(const Number &divisor) const;
    /* A whole number of at least 0; INT64_MAX if it has more than 18 digits. */
    int64_t clamp() const;

  private:
    int compare_magnitude(const Number &other) const;

    /* The value is digits * 10^exponent, with a sign. No digit at either end is 0. Of the number 0,
     * `digits` is empty, the exponent 0, and the sign positive. */
    bool is_negative;
    std::string digits;
    mpz_class exponent;
};

} // namespace mofka_schema
#endif
