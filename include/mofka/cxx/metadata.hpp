/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Metadata. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_METADATA_HPP
#define MOFKA_CXX_METADATA_HPP

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <mofka/metadata.h>
#include <mofka/cxx/base.hpp>

#if !defined(MOFKA_NO_JSON) && defined(__has_include)
#if __has_include(<nlohmann/json.hpp>)
#define MOFKA_HAS_JSON 1
#include <nlohmann/json.hpp>
#endif
#endif

namespace mofka {

#ifdef MOFKA_HAS_JSON
/** The JSON of Metadata::json. */
using Json = nlohmann::json;
#endif

namespace detail {
using MetadataHandle = Handle<mofka_metadata_t, &mofka_metadata_retain, &mofka_metadata_release>;
} // namespace detail

/** An event's description, or any other JSON: a value that keeps its text as given. The text is
 * parsed when its JSON is first needed; one thread at a time may do that. */
class Metadata {
  public:
    /** JSON text. Without `parse`, `content` is a plain string, whose JSON is one string. */
    Metadata(const std::string &content = "{}", bool parse = true)
        : Metadata(std::string_view(content), parse) {
    }
    /** The same. */
    Metadata(std::string_view content, bool parse = true)
        : m_text(parse ? std::string(content) : quote(content)) {
    }
    /** The same. NULL means "{}". */
    Metadata(const char *content, bool parse = true)
        : Metadata(content ? std::string_view(content) : std::string_view("{}"), parse) {
    }
    /** Another copy. Its JSON is its own. */
    Metadata(const Metadata &other)
        : m_handle(other.m_handle), m_text(other.ownText()), m_json(other.sharedJson()) {
    }
    /** Moves the value; what is left is "{}". */
    Metadata(Metadata &&other) noexcept
        : m_handle(std::move(other.m_handle)), m_text(std::move(other.m_text)),
          m_json(std::move(other.m_json)), m_edited(std::exchange(other.m_edited, false)) {
        other.m_text.clear();
    }
    /** Assigns a copy. */
    Metadata &operator=(const Metadata &other) {
        return *this = Metadata(other);
    }
    /** Moves the value. */
    Metadata &operator=(Metadata &&other) noexcept {
        m_handle = std::move(other.m_handle);
        m_text = std::move(other.m_text);
        m_json = std::move(other.m_json);
        m_edited = std::exchange(other.m_edited, false);
        return *this;
    }
    ~Metadata() = default;

    /** Shows a handle of the C interface, which is kept. */
    static Metadata of(const mofka_metadata_t *handle) {
        Metadata metadata{std::string_view()};
        metadata.m_handle =
            detail::MetadataHandle(handle ? mofka_metadata_retain(handle) : nullptr);
        return metadata;
    }

    /** The text, as pushes store it. Valid until the value changes or ends. */
    std::string_view text() const {
        refresh();
        if (m_handle) {
            std::size_t bytes = 0;
            const char *text = mofka_metadata_text(m_handle.get(), &bytes);
            return {text, bytes};
        }
        return m_text.empty() ? std::string_view("{}") : std::string_view(m_text);
    }

    /** The value of a JSON string. Throws if the JSON is of another type. */
    std::string string() const {
        const char *string = nullptr;
        detail::MetadataHandle handle = toHandle();
        detail::check(mofka_metadata_string(handle.get(), &string));
        return string;
    }

    /** The JSON, printed in one line, or indented if `indent` is not negative. */
    std::string dump(int indent = -1) const {
        char *text = nullptr;
        detail::MetadataHandle handle = toHandle();
        detail::check(mofka_metadata_dump(handle.get(), indent >= 0, &text));
        std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
        return text;
    }

#ifdef MOFKA_HAS_JSON
    /** From JSON. */
    Metadata(Json json) : m_json(std::make_shared<Json>(std::move(json))), m_edited(true) {
    }
    /** The JSON. Throws if the text is not JSON. */
    const Json &json() const & {
        return parsed();
    }
    /** The JSON, to be changed: what is written to it becomes the text. */
    Json &json() & {
        parsed();
        if (m_json.use_count() > 1)
            m_json = std::make_shared<Json>(parsed());
        m_edited = true;
        m_handle = detail::MetadataHandle();
        return *static_cast<Json *>(m_json.get());
    }
    /** The JSON of a value that ends. */
    Json json() && {
        return parsed();
    }
#endif

    /** A handle of the C interface. */
    detail::MetadataHandle toHandle() const {
        std::string_view view = text();
        if (m_handle)
            return m_handle;
        mofka_metadata_t *handle = nullptr;
        detail::check(mofka_metadata_create(view.data(), view.size(), &handle));
        return detail::MetadataHandle(handle);
    }

  private:
    static std::string quote(std::string_view content) {
        mofka_metadata_t *made = nullptr;
        detail::check(mofka_metadata_create_string(content.data(), content.size(), &made));
        detail::MetadataHandle handle(made);
        char *text = nullptr;
        detail::check(mofka_metadata_dump(handle.get(), false, &text));
        std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
        return text;
    }

    /* Make the text of JSON that the user may have changed. */
    void refresh() const {
#ifdef MOFKA_HAS_JSON
        if (m_edited)
            m_text = parsed().dump();
#endif
    }
    const std::string &ownText() const {
        refresh();
        return m_text;
    }
    /* JSON that may still change is not shared. */
    std::shared_ptr<void> sharedJson() const {
        return m_edited ? nullptr : m_json;
    }

#ifdef MOFKA_HAS_JSON
    const Json &parsed() const {
        if (!m_json) {
            std::string_view view = text();
            try {
                m_json = std::make_shared<Json>(Json::parse(view.begin(), view.end()));
            } catch (const Json::exception &error) {
                throw Exception(MOFKA_ERR_JSON,
                                std::string("metadata is not JSON: ") + error.what());
            }
        }
        return *static_cast<const Json *>(m_json.get());
    }
#endif

    detail::MetadataHandle m_handle;      /* else the text is in m_text */
    mutable std::string m_text;           /* empty: {} */
    mutable std::shared_ptr<void> m_json; /* a Json, once it was needed */
    bool m_edited = false;                /* m_json is newer than m_text */
};

/** The description of a partition: {"owner", …} from the MPI driver. */
class PartitionInfo : public Metadata {
  public:
    using Metadata::Metadata;
    /** From metadata. */
    PartitionInfo(const Metadata &metadata) : Metadata(metadata) {
    }
};

namespace detail {

/* What is pushed without becoming Metadata first. */
template <class Text>
constexpr bool isText = std::is_convertible_v<const Text &, std::string_view> &&
#ifdef MOFKA_HAS_JSON
                        !std::is_same_v<Text, Json> &&
#endif
                        !std::is_base_of_v<Metadata, Text>;

} // namespace detail
} // namespace mofka

#endif
