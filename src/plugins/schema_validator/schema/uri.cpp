/* SPDX-License-Identifier: BSD-3-Clause */
/* Resolves URI references. */
#include "plugins/schema_validator/schema/uri.hpp"

#include <cstdlib>
#include <cstring>

namespace mofka_schema {

static bool uri_has_scheme(const std::string &text) {
    size_t colon = text.find(':');
    return colon != std::string::npos && colon > 0 && text.find_first_of("/?#") > colon;
}

/* Where the path begins: after "scheme:" and "//authority". */
static size_t uri_find_path(const std::string &uri) {
    size_t begin = uri_has_scheme(uri) ? uri.find(':') + 1 : 0;
    if (uri.compare(begin, 2, "//") == 0)
        begin = uri.find_first_of("/?#", begin + 2);
    return begin == std::string::npos ? uri.size() : begin;
}

static std::string uri_remove_dots(const std::string &path) {
    std::string out;
    size_t at = 0;
    while (at < path.size()) {
        size_t next = path.find('/', at + 1);
        std::string segment = path.substr(at, next == std::string::npos ? next : next - at);
        std::string name = segment[0] == '/' ? segment.substr(1) : segment;
        bool is_last = next == std::string::npos;
        if (name == "..") {
            size_t parent = out.rfind('/');
            out.resize(parent == std::string::npos ? 0 : parent);
        }
        if (name != "." && name != "..")
            out += segment;
        else if (is_last)
            out += "/";
        at = is_last ? path.size() : next;
    }
    return out;
}

std::string uri_resolve(const std::string &base, const std::string &reference) {
    if (uri_has_scheme(reference))
        return reference;
    std::string whole = base.substr(0, base.find('#'));
    if (reference.empty() || reference[0] == '#')
        return whole + reference;
    size_t path = uri_find_path(whole);
    if (reference.compare(0, 2, "//") == 0)
        return whole.substr(0, uri_has_scheme(whole) ? whole.find(':') + 1 : 0) + reference;
    size_t path_end = whole.find('?', path);
    std::string base_path =
        whole.substr(path, path_end == std::string::npos ? path_end : path_end - path);
    if (reference[0] == '?')
        return whole.substr(0, path) + base_path + reference;
    size_t tail = reference.find_first_of("?#");
    std::string merged = reference.substr(0, tail);
    if (merged[0] != '/')
        merged = base_path.substr(0, base_path.rfind('/') + 1) + merged;
    if (merged[0] != '/' && path > 0 && path == whole.size())
        merged = "/" + merged;
    return whole.substr(0, path) + uri_remove_dots(merged) +
           (tail == std::string::npos ? "" : reference.substr(tail));
}

std::string uri_decode_percent(const std::string &text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        bool is_code = text[i] == '%' && i + 2 < text.size() &&
                       isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2]);
        out += is_code ? static_cast<char>(strtol(text.substr(i + 1, 2).c_str(), nullptr, 16))
                       : text[i];
        i += is_code ? 2 : 0;
    }
    return out;
}

} // namespace mofka_schema
