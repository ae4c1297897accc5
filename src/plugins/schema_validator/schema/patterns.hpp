/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The regular expressions of a schema. PCRE2 limits time and memory, and matches characters, not
 * bytes. valijson itself would use std::regex, which recurses for each character of the text.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_PATTERNS_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_PATTERNS_HPP

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;

namespace mofka_schema {

class Patterns {
  public:
    Patterns();
    ~Patterns();
    Patterns(const Patterns &) = delete;
    Patterns &operator=(const Patterns &) = delete;

    /* Compile a pattern, and return its index. Throws std::invalid_argument: the pattern is
     * invalid. */
    size_t add(const std::string &pattern);
    /* Whether `text` (valid UTF-8) matches the pattern of that index. Throws std::runtime_error:
     * the match takes too long. */
    bool match(size_t index, const std::string &text) const;

  private:
    std::vector<std::pair<std::string, pcre2_real_code_8 *>> all;
    pcre2_real_match_context_8 *limits;
};

} // namespace mofka_schema
#endif
