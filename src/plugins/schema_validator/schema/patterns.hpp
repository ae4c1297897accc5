/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The regular expressions of a schema. PCRE2 limits time and memory, and matches characters, not bytes.
 * valijson itself would use std::regex, which recurses for each character of the text.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_PATTERNS_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_PATTERNS_HPP

#include <map>
#include <string>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;

namespace mofka_schema {

class Patterns {
  public:
    Patterns();
    ~Patterns();
    Patterns(const Patterns &) = delete;
    Patterns &operator=(const Patterns &) = delete;

    /* Compile a pattern, unless that was done. Throws std::invalid_argument: the pattern is invalid. */
    void add(const std::string &pattern);
    /* Whether `text` (valid UTF-8) matches a pattern that was added. Throws std::runtime_error: the
     * match takes too long. */
    bool match(const std::string &pattern, const std::string &text) const;

  private:
    std::map<std::string, pcre2_real_code_8 *> codes;
    pcre2_real_match_context_8 *limits;
};

} // namespace mofka_schema
#endif
