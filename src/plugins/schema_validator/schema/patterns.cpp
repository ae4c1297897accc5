/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles and matches regular expressions, with PCRE2's options that are closest to ECMA 262. */
#include "plugins/schema_validator/schema/patterns.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <cassert>
#include <memory>
#include <new>
#include <pcre2.h>
#include <stdexcept>

namespace mofka_schema {

#define STEPS_MAX 1000000        /* of one match: about 10 ms */
#define HEAP_KIBIBYTES_MAX 16384 /* of one match */

Patterns::Patterns() : limits(pcre2_match_context_create(nullptr)) {
    if (!limits)
        throw std::bad_alloc();
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_heap_limit(limits, HEAP_KIBIBYTES_MAX);
}

Patterns::~Patterns() {
    for (auto &pattern : all)
        pcre2_code_free(pattern.second);
    pcre2_match_context_free(limits);
}

size_t Patterns::add(const std::string &pattern) {
    constexpr uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                                 PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                                 PCRE2_NEVER_BACKSLASH_C;
    int error;
    PCRE2_SIZE offset;
    all.emplace_back(pattern, nullptr); /* first, so that no code is lost if there is no memory */
    pcre2_code *code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     options, &error, &offset, nullptr);
    if (!code && error == PCRE2_ERROR_HEAP_FAILED)
        throw std::bad_alloc();
    if (!code) {
        char why[160];
        pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR *>(why), sizeof why);
        throw std::invalid_argument(std::string(why) + " at byte " + std::to_string(offset));
    }
    all.back().second = code;
    return all.size() - 1;
}

bool Patterns::match(size_t index, const std::string &text) const {
    assert(index < all.size());
    const pcre2_code *code = all[index].second;
    std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    if (!data)
        throw std::bad_alloc();
    int answer = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                             PCRE2_NO_UTF_CHECK, data.get(), limits);
    if (answer >= 0)
        return true;
    if (answer == PCRE2_ERROR_NOMATCH)
        return false;
    if (answer == PCRE2_ERROR_NOMEMORY)
        throw std::bad_alloc();
    const std::string &pattern = all[index].first;
    size_t shown = std::min<size_t>(pattern.size(), 100);
    while (shown < pattern.size() && (pattern[shown] & 0xC0) == 0x80)
        shown--; /* not cut off within a character */
    throw std::runtime_error("the pattern '" + pattern.substr(0, shown) + "' takes too long");
}

} // namespace mofka_schema
