/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regular expressions of a schema, by PCRE2: bounded in time and memory, and in characters rather
 * than bytes. (valijson's own, std::regex, recurses for each character of the text.)
 */
#ifndef MOFKA_SRC_SCHEMA_PATTERNS_HPP
#define MOFKA_SRC_SCHEMA_PATTERNS_HPP

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

    /* Compile it, once. std::invalid_argument: what is wrong, and where. */
    void add(const std::string &pattern);
    /* Does `text` (valid UTF-8) match one that was added? std::runtime_error: it took too long. */
    bool match(const std::string &pattern, const std::string &text) const;

  private:
    std::map<std::string, pcre2_real_code_8 *> codes;
    pcre2_real_match_context_8 *limits;
};

} // namespace mofka_schema
#endif
