/* SPDX-License-Identifier: BSD-3-Clause */
/* Adds and compares whole numbers in decimal. */
#include "plugins/schema_validator/json/whole.hpp"

#include <cassert>
#include <utility>

namespace mofka_schema {

#define CLAMP_DIGITS 18 /* a number of that many digits is an int64_t */
#define CLAMP_MAX INT64_C(1000000000000000000)

/* ---- digits --------------------------------------------------------------------------------- */

static int digits_compare(const std::string &a, const std::string &b) {
    if (a.size() != b.size())
        return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
}

/* Of numbers in this order: larger + smaller, or larger - smaller. */
static std::string digits_combine(const std::string &larger, const std::string &smaller,
                                  bool is_sum) {
    assert(digits_compare(larger, smaller) >= 0);
    std::string result = larger;
    int carry = 0;
    for (size_t i = 0; i < larger.size() && (i < smaller.size() || carry != 0); i++) {
        char &digit = result[result.size() - 1 - i];
        int other = i < smaller.size() ? smaller[smaller.size() - 1 - i] - '0' : 0;
        int value = digit - '0' + (is_sum ? other + carry : -other - carry);
        carry = value > 9 || value < 0;
        digit = static_cast<char>('0' + (value + 10) % 10);
    }
    assert(is_sum || carry == 0);
    if (carry != 0)
        result.insert(result.begin(), '1');
    return result;
}

/* ---- numbers -------------------------------------------------------------------------------- */

Whole::Whole(bool negative, std::string magnitude)
    : is_negative(negative), digits(std::move(magnitude)) {
    digits.erase(0, digits.find_first_not_of('0'));
    if (digits.empty())
        is_negative = false;
}

Whole::Whole(int64_t value) : Whole(std::to_string(value)) {
}

Whole::Whole(size_t count) : Whole(false, std::to_string(count)) {
}

Whole::Whole(const std::string &text)
    : Whole(text[0] == '-', text.substr(text[0] == '-' || text[0] == '+')) {
}

std::string Whole::text() const {
    return digits.empty() ? "0" : is_negative ? "-" + digits : digits;
}

Whole Whole::operator+(const Whole &other) const {
    bool is_larger = digits_compare(digits, other.digits) >= 0;
    const Whole &larger = is_larger ? *this : other, &smaller = is_larger ? other : *this;
    return Whole(larger.is_negative,
                 digits_combine(larger.digits, smaller.digits, is_negative == other.is_negative));
}

Whole Whole::operator-(const Whole &other) const {
    return *this + Whole(!other.is_negative, other.digits);
}

int Whole::sign() const {
    return is_negative ? -1 : !digits.empty();
}

int64_t Whole::clamp() const {
    int64_t magnitude = digits.empty()                  ? 0
                        : digits.size() <= CLAMP_DIGITS ? std::stoll(digits)
                                                        : CLAMP_MAX;
    return is_negative ? -magnitude : magnitude;
}

} // namespace mofka_schema
