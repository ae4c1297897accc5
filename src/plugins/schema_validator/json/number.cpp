/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads, writes, compares and divides decimal numbers. Of GMP only those functions are used that
 * work in memory of their caller: GMP ends the process if it gets none.
 */
#include "plugins/schema_validator/json/number.hpp"

#include <algorithm>
#include <cassert>
#include <gmp.h>
#include <vector>

namespace mofka_schema {

#define ZEROS_MAX 20 /* more zeros than these are written as an exponent */

Number::Number(const std::string &text) : is_negative(text[0] == '-') {
    assert(!text.empty() && text.back() >= '0' && text.back() <= '9');
    size_t end = std::min(text.find_first_of("eE"), text.size());
    size_t point = std::min(text.find('.'), end);
    digits = text.substr(is_negative, point - is_negative);
    size_t decimals = 0;
    if (point < end) {
        decimals = end - point - 1;
        digits.append(text, point + 1, decimals);
    }
    size_t first = digits.find_first_not_of('0'), last = digits.find_last_not_of('0');
    if (first == std::string::npos) {
        is_negative = false;
        digits.clear();
        return;
    }
    exponent = Whole(digits.size() - 1 - last) - Whole(decimals);
    if (end < text.size())
        exponent = exponent + Whole(text.substr(end + 1));
    digits = digits.substr(first, last + 1 - first);
}

std::string Number::text() const {
    std::string sign = is_negative ? "-" : "";
    if (digits.empty())
        return "0";
    int64_t tens = exponent.clamp(), places = tens + static_cast<int64_t>(digits.size());
    if (tens >= 0 && tens <= ZEROS_MAX)
        return sign + digits + std::string(static_cast<size_t>(tens), '0');
    if (tens >= 0 || places < -ZEROS_MAX)
        return sign + digits + "e" + exponent.text();
    if (places <= 0)
        return sign + "0." + std::string(static_cast<size_t>(-places), '0') + digits;
    return sign + digits.substr(0, static_cast<size_t>(places)) + "." +
           digits.substr(static_cast<size_t>(places));
}

/* ---- comparing ------------------------------------------------------------------------------ */

int Number::compare_magnitude(const Number &other) const {
    if (digits.empty() || other.digits.empty())
        return int(!digits.empty()) - int(!other.digits.empty());
    int order =
        (exponent + Whole(digits.size()) - (other.exponent + Whole(other.digits.size()))).sign();
    return order != 0 ? order : digits.compare(other.digits);
}

int Number::compare(const Number &other) const {
    if (is_negative != other.is_negative)
        return is_negative ? -1 : 1;
    return is_negative ? other.compare_magnitude(*this) : compare_magnitude(other);
}

bool Number::is_whole() const {
    return exponent.sign() >= 0;
}

int64_t Number::clamp() const {
    assert(!is_negative && is_whole());
    bool is_small = exponent.clamp() + static_cast<int64_t>(digits.size()) <= 18;
    return is_small ? std::stoll(text()) : INT64_MAX;
}

/* ---- dividing ------------------------------------------------------------------------------- */

using Limbs = std::vector<mp_limb_t>;

/* Digits that fit into one limb. */
#define STEP_DIGITS (GMP_NUMB_BITS >= 64 ? (size_t)19 : (size_t)9)

/* limbs = limbs * 10^count + the digits from `at` on; behind the last digit there are zeros. The
 * product needs one more limb at most. */
static void limbs_take_digits(Limbs &limbs, const std::string &digits, size_t at, size_t count) {
    mp_limb_t scale = 1, value = 0;
    assert(count <= STEP_DIGITS && limbs.back() == 0);
    for (size_t i = at; i < at + count; i++) {
        scale *= 10;
        value = value * 10 + (i < digits.size() ? mp_limb_t(digits[i] - '0') : 0);
    }
    mp_size_t size = static_cast<mp_size_t>(limbs.size());
    mpn_mul_1(limbs.data(), limbs.data(), size, scale);
    mpn_add_1(limbs.data(), limbs.data(), size, value);
}

/* Digits as limbs; the last one is not 0. */
static Limbs limbs_of_digits(const std::string &digits) {
    assert(digits.find_first_not_of('0') != std::string::npos);
    Limbs limbs(digits.size() / STEP_DIGITS + 2);
    for (size_t at = 0; at < digits.size(); at += STEP_DIGITS)
        limbs_take_digits(limbs, digits, at, std::min(STEP_DIGITS, digits.size() - at));
    while (limbs.back() == 0)
        limbs.pop_back();
    return limbs;
}

/* Whether digits * 10^zeros is a multiple: long division, whose quotient is not kept. */
static bool digits_divide(const std::string &digits, size_t zeros, const Limbs &divisor) {
    mp_size_t size = static_cast<mp_size_t>(divisor.size());
    Limbs rest(divisor.size() + 1);
    Limbs scratch(static_cast<size_t>(mpn_sec_div_r_itch(size + 1, size)));
    size_t count = digits.size() + zeros;
    for (size_t at = 0; at < count; at += STEP_DIGITS) {
        limbs_take_digits(rest, digits, at, std::min(STEP_DIGITS, count - at));
        mpn_sec_div_r(rest.data(), size + 1, divisor.data(), size, scratch.data());
        rest.back() = 0;
    }
    return std::all_of(rest.begin(), rest.end(), [](mp_limb_t limb) { return limb == 0; });
}

bool Number::is_divisor() const {
    return !digits.empty() && digits.size() <= DIVISOR_DIGITS_MAX;
}

bool Number::is_multiple_of(const Number &divisor) const {
    assert(divisor.is_divisor());
    int64_t tens = (exponent - divisor.exponent).clamp();
    if (digits.empty() || tens < 0) /* the digits themselves are not a multiple of 10 */
        return digits.empty();
    const Limbs by = limbs_of_digits(divisor.digits);
    /* A divisor of that many bits has fewer factors 2 and 5. So more tens change nothing. */
    size_t bits = by.size() * GMP_NUMB_BITS;
    return digits_divide(digits, std::min(static_cast<size_t>(tens), bits), by);
}

} // namespace mofka_schema
