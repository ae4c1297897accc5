/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads, writes, compares and divides decimal numbers. */
#include "plugins/schema_validator/json/number.hpp"

#include <algorithm>
#include <cassert>

namespace mofka_schema {

#define ZEROS_MAX 20 /* more zeros than these are written as an exponent */

Number::Number(const std::string &text) : is_negative(text[0] == '-') {
    assert(!text.empty() && text.back() >= '0' && text.back() <= '9');
    size_t end = std::min(text.find_first_of("eE"), text.size());
    size_t point = std::min(text.find('.'), end);
    digits = text.substr(is_negative, point - is_negative);
    if (point < end) {
        digits.append(text, point + 1, end - point - 1);
        exponent = point + 1;
        exponent -= end;
    }
    if (end < text.size())
        exponent += mpz_class(text.substr(end + (text[end + 1] == '+' ? 2 : 1)), 10);
    size_t first = digits.find_first_not_of('0'), last = digits.find_last_not_of('0');
    if (first == std::string::npos) {
        is_negative = false;
        digits.clear();
        exponent = 0;
    } else {
        exponent += digits.size() - 1 - last;
        digits = digits.substr(first, last + 1 - first);
    }
}

std::string Number::text() const {
    std::string sign = is_negative ? "-" : "";
    if (digits.empty())
        return "0";
    if (exponent >= 0 && exponent <= ZEROS_MAX)
        return sign + digits + std::string(exponent.get_ui(), '0');
    mpz_class places = exponent + digits.size(); /* before the point */
    if (exponent >= 0 || places < -ZEROS_MAX)
        return sign + digits + "e" + exponent.get_str();
    if (places <= 0)
        return sign + "0." + std::string(mpz_class(-places).get_ui(), '0') + digits;
    return sign + digits.substr(0, places.get_ui()) + "." + digits.substr(places.get_ui());
}

int Number::compare_magnitude(const Number &other) const {
    if (digits.empty() || other.digits.empty())
        return int(!digits.empty()) - int(!other.digits.empty());
    int order =
        cmp(mpz_class(exponent + digits.size()), mpz_class(other.exponent + other.digits.size()));
    return order != 0 ? order : digits.compare(other.digits);
}

int Number::compare(const Number &other) const {
    if (is_negative != other.is_negative)
        return is_negative ? -1 : 1;
    return is_negative ? other.compare_magnitude(*this) : compare_magnitude(other);
}

bool Number::is_whole() const {
    return exponent >= 0;
}

bool Number::is_multiple_of(const Number &divisor) const {
    assert(!divisor.digits.empty());
    mpz_class tens = exponent - divisor.exponent;
    if (digits.empty() || tens < 0) /* the digits themselves are not a multiple of 10 */
        return digits.empty();
    mpz_class value(digits, 10), by(divisor.digits, 10), scale;
    /* A divisor of that many bits has fewer factors 2 and 5. So more tens change nothing. */
    mpz_class bits = mpz_sizeinbase(by.get_mpz_t(), 2);
    mpz_ui_pow_ui(scale.get_mpz_t(), 10, std::min(tens, bits).get_ui());
    value *= scale;
    return mpz_divisible_p(value.get_mpz_t(), by.get_mpz_t());
}

int64_t Number::clamp() const {
    assert(!is_negative && is_whole());
    return exponent + digits.size() > 18 ? INT64_MAX : std::stoll(text());
}

} // namespace mofka_schema
