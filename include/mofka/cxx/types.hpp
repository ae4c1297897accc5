/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Validators, serializers and partition selectors, and how types of them are registered. Part of
 * mofka.hpp.
 *
 * A type of one's own is a class that is derived from an interface below. Given as a shared pointer
 * to a producer or a consumer, it serves that one. To be stored with a topic, it is registered
 * under a name, with a static member `create` that makes it from its JSON:
 *
 *     static std::unique_ptr<mofka::ValidatorInterface> create(const mofka::Metadata &metadata);
 *     MOFKA_CXX_REGISTER_VALIDATOR(_, energy_validator, EnergyValidator);
 */
#ifndef MOFKA_CXX_TYPES_HPP
#define MOFKA_CXX_TYPES_HPP

#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <mofka/partition_selector.h>
#include <mofka/register.h>
#include <mofka/serializer.h>
#include <mofka/validator.h>
#include <mofka/cxx/data.hpp>
#include <mofka/cxx/metadata.hpp>

namespace mofka {

/** What a validator of one's own implements. */
class ValidatorInterface {
  public:
    virtual ~ValidatorInterface() = default;
    /** Accept the event, or throw InvalidMetadata. Threads: any, several at once. */
    virtual void validate(const Metadata &metadata, const DataView &data) const = 0;
    /** Its JSON, from which `create` makes another. To be stored with a topic, it has a "type". */
    virtual Metadata metadata() const = 0;
};

/** What a serializer of one's own implements. */
class SerializerInterface {
  public:
    virtual ~SerializerInterface() = default;
    /** Write the metadata. Threads: any, several at once. */
    virtual void serialize(Archive &archive, const Metadata &metadata) const = 0;
    /** Read what `serialize` has written: archive.remaining() bytes. */
    virtual void deserialize(Archive &archive, Metadata &metadata) const = 0;
    /** Its JSON, from which `create` makes another. To be stored with a topic, it has a "type". */
    virtual Metadata metadata() const = 0;
};

/** What a partition selector of one's own implements. Its calls do not overlap. */
class PartitionSelectorInterface {
  public:
    virtual ~PartitionSelectorInterface() = default;
    /** The partitions to choose from. Called first, and once. */
    virtual void setPartitions(const std::vector<PartitionInfo> &targets) = 0;
    /** The index of the event's partition. `requested` is what was passed to push. */
    virtual std::size_t selectPartitionFor(const Metadata &metadata,
                                           std::optional<std::size_t> requested) = 0;
    /** Its JSON, from which `create` makes another. To be stored with a topic, it has a "type". */
    virtual Metadata metadata() const = 0;
};

namespace detail {

/* A handle of the C interface has a pointer to a shared pointer to the implementation. */
template <class Interface> Interface &implementation(void *self) {
    return **static_cast<std::shared_ptr<Interface> *>(self);
}
template <class Interface> void destroyImplementation(void *self) {
    delete static_cast<std::shared_ptr<Interface> *>(self);
}

inline mofka_status_t validate(void *self, const char *metadata, std::size_t bytes,
                               const mofka_data_view_t *data) {
    return guard([&] {
        implementation<const ValidatorInterface>(self).validate(
            Metadata(std::string_view(metadata, bytes)),
            DataView::of(const_cast<mofka_data_view_t *>(data)));
    });
}

inline mofka_status_t serialize(void *self, const mofka_archive_t *archive, const char *metadata,
                                std::size_t bytes) {
    return guard([&] {
        ArchiveOfC to(archive);
        implementation<const SerializerInterface>(self).serialize(
            to, Metadata(std::string_view(metadata, bytes)));
    });
}

inline mofka_status_t deserialize(void *self, const mofka_archive_t *archive, std::size_t bytes,
                                  mofka_metadata_t **metadata) {
    return guard([&] {
        ArchiveOfC from(archive, bytes);
        Metadata made;
        implementation<const SerializerInterface>(self).deserialize(from, made);
        *metadata = made.toHandle().give();
    });
}

inline mofka_status_t setPartitions(void *self, const mofka_metadata_t *const *partitions,
                                    std::size_t count) {
    return guard([&] {
        std::vector<PartitionInfo> infos;
        for (std::size_t i = 0; i < count; i++)
            infos.emplace_back(Metadata::of(partitions[i]));
        implementation<PartitionSelectorInterface>(self).setPartitions(infos);
    });
}

inline mofka_status_t selectPartition(void *self, const char *metadata, std::size_t bytes,
                                      std::size_t requested, std::size_t *partition) {
    return guard([&] {
        std::optional<std::size_t> wish;
        if (requested != MOFKA_ANY_PARTITION)
            wish = requested;
        *partition = implementation<PartitionSelectorInterface>(self).selectPartitionFor(
            Metadata(std::string_view(metadata, bytes)), wish);
    });
}

/* What differs between the three kinds. */
struct ValidatorKind {
    using Interface = ValidatorInterface;
    using Stored = const ValidatorInterface;
    using Ops = mofka_validator_ops_t;
    using CHandle = Handle<mofka_validator_t, &mofka_validator_retain, &mofka_validator_release>;
    static constexpr const char *name = "validator";
    static constexpr auto wrap = &mofka_validator_wrap;
    static constexpr auto fromMetadata = &mofka_validator_from_metadata;
    static constexpr auto metadata = &mofka_validator_metadata;
    static constexpr auto registerType = &mofka_validator_register;
    static inline const Ops ops = {sizeof(Ops), &validate, &destroyImplementation<Stored>};
};

struct SerializerKind {
    using Interface = SerializerInterface;
    using Stored = const SerializerInterface;
    using Ops = mofka_serializer_ops_t;
    using CHandle = Handle<mofka_serializer_t, &mofka_serializer_retain, &mofka_serializer_release>;
    static constexpr const char *name = "serializer";
    static constexpr auto wrap = &mofka_serializer_wrap;
    static constexpr auto fromMetadata = &mofka_serializer_from_metadata;
    static constexpr auto metadata = &mofka_serializer_metadata;
    static constexpr auto registerType = &mofka_serializer_register;
    static inline const Ops ops = {sizeof(Ops), &serialize, &deserialize,
                                   &destroyImplementation<Stored>};
};

struct SelectorKind {
    using Interface = PartitionSelectorInterface;
    using Stored = PartitionSelectorInterface;
    using Ops = mofka_partition_selector_ops_t;
    using CHandle = Handle<mofka_partition_selector_t, &mofka_partition_selector_retain,
                           &mofka_partition_selector_release>;
    static constexpr const char *name = "partition_selector";
    static constexpr auto wrap = &mofka_partition_selector_wrap;
    static constexpr auto fromMetadata = &mofka_partition_selector_from_metadata;
    static constexpr auto metadata = &mofka_partition_selector_metadata;
    static constexpr auto registerType = &mofka_partition_selector_register;
    static inline const Ops ops = {sizeof(Ops),      &setPartitions,
                                   &selectPartition, &destroyImplementation<Stored>,
                                   nullptr,          nullptr};
};

/* A handle of one of the three kinds, and the implementation if that is in C++. */
template <class Kind> class Helper {
  public:
    using Interface = typename Kind::Interface;
    using CHandle = typename Kind::CHandle;

    Helper() : Helper(std::string()) {
    }
    explicit Helper(const std::string &json) {
        decltype(m_handle.get()) made = nullptr;
        check(Kind::fromMetadata(json.empty() ? nullptr : json.c_str(), &made));
        m_handle = CHandle(made);
    }
    explicit Helper(std::shared_ptr<Interface> implementation)
        : m_implementation(std::move(implementation)) {
        if (!m_implementation)
            raiseEmpty(Kind::name);
        auto self = std::make_unique<std::shared_ptr<typename Kind::Stored>>(m_implementation);
        decltype(m_handle.get()) made = nullptr;
        check(Kind::wrap(&Kind::ops, self.get(), &made));
        (void)self.release();
        m_handle = CHandle(made);
    }
    static Helper keep(decltype(std::declval<CHandle>().get()) viewed) {
        Helper helper{Nothing()};
        helper.m_handle = CHandle::keep(viewed);
        return helper;
    }
    /* As it was made from, or as the implementation describes itself. */
    Metadata metadata() const {
        const mofka_metadata_t *json = Kind::metadata(m_handle.need(Kind::name));
        if (json)
            return Metadata::of(json);
        return m_implementation ? m_implementation->metadata() : Metadata();
    }
    auto get() const {
        return m_handle.need(Kind::name);
    }
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_handle);
    }

  private:
    struct Nothing {};
    explicit Helper(Nothing) {
    }
    CHandle m_handle;
    std::shared_ptr<Interface> m_implementation;
};

/* A mofka_…_create_fn, for a class with a static member `create`. */
template <class Kind, class Type>
mofka_status_t createType(const mofka_metadata_t *json, const typename Kind::Ops **ops,
                          void **self) {
    return guard([&] {
        std::shared_ptr<typename Kind::Stored> made = Type::create(Metadata::of(json));
        if (!made)
            throw Exception(MOFKA_ERR_CALLBACK, std::string("a ") + Kind::name +
                                                    "'s create has returned a null pointer");
        *self = new std::shared_ptr<typename Kind::Stored>(std::move(made));
        *ops = &Kind::ops;
    });
}

/* Registers a type while the program or the library is loaded. A failure is logged. */
template <class Kind, class Type> struct Registrar {
    explicit Registrar(const char *type) noexcept {
        mofka_registered(Kind::name, type, Kind::registerType(type, &createType<Kind, Type>));
    }
};

} // namespace detail

/** Accepts or refuses the events of a topic. */
class Validator {
  public:
    /** The type "default", which accepts everything. */
    Validator() = default;
    /** One of the program's own. */
    Validator(std::shared_ptr<ValidatorInterface> implementation)
        : m_helper(std::move(implementation)) {
    }
    /** Make one from JSON with a "type". */
    static Validator FromMetadata(const Metadata &metadata) {
        return Validator(detail::Helper<detail::ValidatorKind>(std::string(metadata.text())));
    }
    /** Shows a handle of the C interface, which is kept. */
    static Validator of(const mofka_validator_t *handle) {
        return Validator(
            detail::Helper<detail::ValidatorKind>::keep(const_cast<mofka_validator_t *>(handle)));
    }
    /** Its JSON. */
    Metadata metadata() const {
        return m_helper.metadata();
    }
    /** Check an event. Throws if it is refused. */
    void validate(const Metadata &metadata, const DataView &data = DataView{}) const {
        std::string_view text = metadata.text();
        detail::check(mofka_validator_validate(get(), text.data(), text.size(), data.get()));
    }
    /** The handle of the C interface. View. */
    mofka_validator_t *get() const {
        return m_helper.get();
    }
    /** Whether it is not moved from. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_helper);
    }

  private:
    explicit Validator(detail::Helper<detail::ValidatorKind> helper) : m_helper(std::move(helper)) {
    }
    detail::Helper<detail::ValidatorKind> m_helper;
};

/** Turns the metadata of a topic into bytes and back. */
class Serializer {
  public:
    /** The type "default", which stores the text as it is. */
    Serializer() = default;
    /** One of the program's own. */
    Serializer(std::shared_ptr<SerializerInterface> implementation)
        : m_helper(std::move(implementation)) {
    }
    /** Make one from JSON with a "type". */
    static Serializer FromMetadata(const Metadata &metadata) {
        return Serializer(detail::Helper<detail::SerializerKind>(std::string(metadata.text())));
    }
    /** Shows a handle of the C interface, which is kept. */
    static Serializer of(const mofka_serializer_t *handle) {
        return Serializer(
            detail::Helper<detail::SerializerKind>::keep(const_cast<mofka_serializer_t *>(handle)));
    }
    /** Its JSON. */
    Metadata metadata() const {
        return m_helper.metadata();
    }
    /** Write metadata into an archive. */
    void serialize(Archive &archive, const Metadata &metadata) const {
        mofka_archive_t to = detail::ArchiveForC::of(archive);
        std::string_view text = metadata.text();
        detail::check(mofka_serializer_serialize(get(), &to, text.data(), text.size()));
    }
    /** Read the archive.remaining() bytes that `serialize` has written. */
    void deserialize(Archive &archive, Metadata &metadata) const {
        mofka_archive_t from = detail::ArchiveForC::of(archive);
        mofka_metadata_t *made = nullptr;
        detail::check(mofka_serializer_deserialize(get(), &from, archive.remaining(), &made));
        detail::MetadataHandle owner(made);
        metadata = Metadata::of(made);
    }
    /** The handle of the C interface. View. */
    mofka_serializer_t *get() const {
        return m_helper.get();
    }
    /** Whether it is not moved from. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_helper);
    }

  private:
    explicit Serializer(detail::Helper<detail::SerializerKind> helper)
        : m_helper(std::move(helper)) {
    }
    detail::Helper<detail::SerializerKind> m_helper;
};

/** Chooses the partition of each event of one producer. */
class PartitionSelector {
  public:
    /** The type "default", which takes the partitions in turn. */
    PartitionSelector() = default;
    /** One of the program's own. */
    PartitionSelector(std::shared_ptr<PartitionSelectorInterface> implementation)
        : m_helper(std::move(implementation)) {
    }
    /** Make one from JSON with a "type". */
    static PartitionSelector FromMetadata(const Metadata &metadata) {
        return PartitionSelector(
            detail::Helper<detail::SelectorKind>(std::string(metadata.text())));
    }
    /** Its JSON. */
    Metadata metadata() const {
        return m_helper.metadata();
    }
    /** The partitions to choose from; once. A producer that is given the selector does it. */
    void setPartitions(const std::vector<PartitionInfo> &targets) const {
        std::vector<detail::MetadataHandle> handles;
        std::vector<const mofka_metadata_t *> pointers;
        handles.reserve(targets.size());
        pointers.reserve(targets.size());
        for (const PartitionInfo &info : targets)
            handles.push_back(info.toHandle());
        for (const detail::MetadataHandle &handle : handles)
            pointers.push_back(handle.get());
        detail::check(
            mofka_partition_selector_set_partitions(get(), pointers.data(), pointers.size()));
    }
    /** Choose a partition. */
    std::size_t selectPartitionFor(const Metadata &metadata,
                                   std::optional<std::size_t> requested = std::nullopt) const {
        std::size_t partition = 0;
        std::string_view text = metadata.text();
        detail::check(mofka_partition_selector_select(
            get(), text.data(), text.size(), requested.value_or(MOFKA_ANY_PARTITION), &partition));
        return partition;
    }
    /** The handle of the C interface. View. */
    mofka_partition_selector_t *get() const {
        return m_helper.get();
    }
    /** Whether it is not moved from. */
    explicit operator bool() const noexcept {
        return static_cast<bool>(m_helper);
    }

  private:
    explicit PartitionSelector(detail::Helper<detail::SelectorKind> helper)
        : m_helper(std::move(helper)) {
    }
    detail::Helper<detail::SelectorKind> m_helper;
};

} // namespace mofka

/** Used by the macros below. */
#define MOFKA_CXX_REGISTER(kind, prefix, name, type)                                               \
    static const ::mofka::detail::Registrar<::mofka::detail::kind, type>                           \
        mofka_registrar_##prefix##_##name {                                                        \
#name                                                                                      \
    }
/** Register a class as the validator type `name`, at load time. `prefix` makes the name of a
 * variable unique. */
#define MOFKA_CXX_REGISTER_VALIDATOR(prefix, name, type)                                           \
    MOFKA_CXX_REGISTER(ValidatorKind, prefix, name, type)
/** Register a class as the serializer type `name`, at load time. */
#define MOFKA_CXX_REGISTER_SERIALIZER(prefix, name, type)                                          \
    MOFKA_CXX_REGISTER(SerializerKind, prefix, name, type)
/** Register a class as the partition selector type `name`, at load time. */
#define MOFKA_CXX_REGISTER_PARTITION_SELECTOR(prefix, name, type)                                  \
    MOFKA_CXX_REGISTER(SelectorKind, prefix, name, type)

#endif
