/* SPDX-License-Identifier: BSD-3-Clause */
/* URI references (RFC 3986, section 5), as far as schemas use them. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_URI_HPP
#define MOFKA_SRC_PLUGINS_SCHEMA_VALIDATOR_SCHEMA_URI_HPP

#include <string>

namespace mofka_schema {

/* What `reference` means in a document whose URI is `base` (which may be empty). */
std::string uri_resolve(const std::string &base, const std::string &reference);
/* Decode percent-encoded bytes. Invalid codes stay as they are. */
std::string uri_decode_percent(const std::string &text);

} // namespace mofka_schema
#endif
