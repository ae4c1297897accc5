/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers of the validator "schema": two lines, each a number of JSON. They are compared and
 * divided by class Number, and digit by digit here.
 */
#include <algorithm>
#include <cstdint>
#include <regex>
#include <string>
#include "plugins/schema_validator/json/number.hpp"
#include "fuzz/require.h"

using mofka_schema::Number;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number written out: digits before and behind the point. */
struct Plain {
    bool is_negative;
    std::string whole, fraction;
    std::string mantissa; /* as in the text */
    int exponent;
};

static bool plain_read(const std::string &text, Plain &plain) {
    static const std::regex form(
        "(-?)(0|[1-9][0-9]{0,39})(?:\\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?");
    std::smatch part;
    if (!std::regex_match(text, part, form))
        return false;
    plain.is_negative = part[1].length() > 0;
    plain.mantissa = text.substr(0, std::min(text.find_first_of("eE"), text.size()));
    plain.exponent = part[4].matched ? std::stoi(part[4]) : 0;
    plain.whole = std::string(100, '0') + part[2].str();
    plain.fraction = part[3].str() + std::string(100, '0');
    size_t steps = static_cast<size_t>(std::abs(plain.exponent));
    if (plain.exponent > 0) {
        plain.whole += plain.fraction.substr(0, steps);
        plain.fraction.erase(0, steps);
    } else {
        plain.fraction.insert(0, plain.whole.substr(plain.whole.size() - steps));
        plain.whole.resize(plain.whole.size() - steps);
    }
    return true;
}

/* Make both as long as the longer one, on both sides of the point. */
static void plain_align(Plain &a, Plain &b) {
    size_t whole = std::max(a.whole.size(), b.whole.size());
    size_t fraction = std::max(a.fraction.size(), b.fraction.size());
    for (Plain *each : {&a, &b}) {
        each->whole.insert(0, whole - each->whole.size(), '0');
        each->fraction.resize(fraction, '0');
    }
}

static bool digits_are_zero(const std::string &digits) {
    return digits.find_first_not_of('0') == std::string::npos;
}

static int plain_compare(const Plain &a, const Plain &b) {
    std::string left = a.whole + a.fraction, right = b.whole + b.fraction;
    if (digits_are_zero(left) && digits_are_zero(right))
        return 0;
    if (a.is_negative != b.is_negative)
        return a.is_negative ? -1 : 1;
    return a.is_negative ? right.compare(left) : left.compare(right);
}

/* Long division of whole numbers: a digit of the quotient is found by subtracting. */
static bool plain_is_multiple(const Plain &a, const Plain &b) {
    std::string divisor = "0" + b.whole + b.fraction, rest(divisor.size(), '0');
    for (char digit : a.whole + a.fraction) {
        rest = rest.substr(1) + digit;
        while (rest >= divisor) {
            int borrow = 0;
            for (size_t i = rest.size(); i-- > 0;) {
                int left = rest[i] - divisor[i] - borrow;
                borrow = left < 0;
                rest[i] = static_cast<char>('0' + left + 10 * borrow);
            }
        }
    }
    return digits_are_zero(rest);
}

static int sign(int number) {
    return (number > 0) - (number < 0);
}

static void numbers_check(const Number &a, const Number &b, int order, bool is_divisor,
                          bool is_multiple) {
    REQUIRE(sign(a.compare(b)) == order && sign(b.compare(a)) == -order);
    REQUIRE((a.text() == b.text()) == (order == 0));
    if (is_divisor)
        REQUIRE(a.is_multiple_of(b) == is_multiple);
}

/* The text of the number with 10^30 added to its exponent. */
static std::string plain_raise(const Plain &plain) {
    std::string low = std::to_string(plain.exponent);
    return plain.mantissa + "e1" + std::string(30 - low.size(), '0') + low;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    std::string text(reinterpret_cast<const char *>(data), size);
    size_t end = std::min(text.find('\n'), text.size());
    std::string left = text.substr(0, end), right = text.substr(std::min(end + 1, text.size()));
    right.resize(std::min(right.find('\n'), right.size()));
    Plain a, b;
    if (left.size() > 90 || right.size() > 90 || !plain_read(left, a) || !plain_read(right, b))
        return 0;
    plain_align(a, b);
    bool is_divisor = !digits_are_zero(b.whole + b.fraction);
    bool is_multiple = is_divisor && plain_is_multiple(a, b);
    int order = sign(plain_compare(a, b));
    numbers_check(Number(left), Number(right), order, is_divisor, is_multiple);
    numbers_check(Number(Number(left).text()), Number(right), order, is_divisor, is_multiple);
    REQUIRE(Number(left).is_whole() == digits_are_zero(a.fraction));
    if (a.exponent >= 0 && b.exponent >= 0) /* both by the same factor */
        numbers_check(Number(plain_raise(a)), Number(plain_raise(b)), order, is_divisor,
                      is_multiple);
    return 0;
}
