/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole numbers of any size, in decimal: the exponents of numbers. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_WHOLE_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_JSON_WHOLE_HPP

#include <cstddef>
#include <cstdint>
#include <string>

namespace mofka_schema {

class Whole {
  public:
    explicit Whole(int64_t value = 0);
    explicit Whole(size_t count);
    /* Read a sign, which may be missing, and decimal digits. */
    explicit Whole(const std::string &text);
    std::string text() const;
    Whole operator+(const Whole &other) const;
    Whole operator-(const Whole &other) const;
    /* -1, 0 or 1. */
    int sign() const;
    /* The value, or the nearest number from -10^18 to 10^18. */
    int64_t clamp() const;

  private:
    Whole(bool negative, std::string magnitude);

    /* No digit at the beginning is 0. Of 0, `digits` is empty and the sign positive. */
    bool is_negative;
    std::string digits;
};

} // namespace mofka_schema
#endif
