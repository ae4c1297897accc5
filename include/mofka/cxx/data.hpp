/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Data views, data descriptors and archives. Part of mofka.hpp.
 */
#ifndef MOFKA_CXX_DATA_HPP
#define MOFKA_CXX_DATA_HPP

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
#include <mofka/archive.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>
#include <mofka/cxx/metadata.hpp>

namespace mofka {

/** A byte stream, for serializers and descriptors. Each call moves exactly `size` bytes, or throws.
 */
class Archive {
  public:
    virtual ~Archive() = default;
    /** Read the next bytes. */
    virtual void read(void *buffer, std::size_t size) = 0;
    /** Append bytes. */
    virtual void write(const void *buffer, std::size_t size) = 0;
    /** The bytes that are left to read; 0 of an archive that is written. */
    virtual std::size_t remaining() const {
        return 0;
    }
};

/** An archive that appends to a string. */
class BufferWrapperOutputArchive : public Archive {
  public:
    /** Appends to `buffer`, which must live longer. */
    explicit BufferWrapperOutputArchive(std::string &buffer) : m_buffer(buffer) {
    }
    /** Throws: it only writes. */
    void read(void *, std::size_t) override {
        throw Exception(MOFKA_ERR_INVALID, "this archive is written, not read");
    }
    /** Append bytes. */
    void write(const void *buffer, std::size_t size) override {
        m_buffer.append(static_cast<const char *>(buffer), size);
    }

  private:
    std::string &m_buffer;
};

/** An archive that reads bytes of this process. */
class BufferWrapperInputArchive : public Archive {
  public:
    /** Reads `bytes`, which must live longer. */
    explicit BufferWrapperInputArchive(std::string_view bytes) : m_bytes(bytes) {
    }
    /** Read the next bytes. */
    void read(void *buffer, std::size_t size) override {
        if (size > m_bytes.size())
            throw Exception(MOFKA_ERR_CORRUPT, "the archive ends before what is read of it");
        if (size > 0)
            std::memcpy(buffer, m_bytes.data(), size);
        m_bytes.remove_prefix(size);
    }
    /** Throws: it only reads. */
    void write(const void *, std::size_t) override {
        throw Exception(MOFKA_ERR_INVALID, "this archive is read, not written");
    }
    /** The bytes that are left. */
    std::size_t remaining() const override {
        return m_bytes.size();
    }

  private:
    std::string_view m_bytes;
};

namespace detail {

/* An archive of the C interface, as C++ sees it. */
class ArchiveOfC final : public Archive {
  public:
    explicit ArchiveOfC(const mofka_archive_t *archive, std::size_t bytes = 0)
        : m_archive(archive), m_left(bytes) {
    }
    void read(void *buffer, std::size_t size) override {
        check(m_archive->read(m_archive->context, buffer, size));
        m_left -= std::min(size, m_left);
    }
    void write(const void *buffer, std::size_t size) override {
        check(m_archive->write(m_archive->context, buffer, size));
    }
    std::size_t remaining() const override {
        return m_left;
    }

  private:
    const mofka_archive_t *m_archive;
    std::size_t m_left;
};

/* And the other way round. */
struct ArchiveForC {
    static mofka_status_t read(void *context, void *bytes, std::size_t size) {
        return guard([&] { static_cast<Archive *>(context)->read(bytes, size); });
    }
    static mofka_status_t write(void *context, const void *bytes, std::size_t size) {
        return guard([&] { static_cast<Archive *>(context)->write(bytes, size); });
    }
    static mofka_archive_t of(Archive &archive) {
        return {&archive, &read, &write};
    }
};

/* Contiguous and trivially copyable elements: what can be sent as bytes. */
template <class Container, class = void> struct IsBytes : std::false_type {};
template <class Container>
struct IsBytes<Container, std::void_t<decltype(std::declval<Container &>().data()),
                                      decltype(std::declval<Container &>().size())>>
    : std::is_trivially_copyable<
          std::remove_pointer_t<decltype(std::declval<Container &>().data())>> {};

using DataViewHandle = Handle<mofka_data_view_t, &mofka_data_view_retain, &mofka_data_view_release>;
using DescriptorHandle =
    Handle<mofka_data_descriptor_t, &mofka_data_descriptor_retain, &mofka_data_descriptor_release>;

} // namespace detail

/** Segments of this process's memory that an event's data comes from or goes to. The memory is the
 * user's: of a push, it must not change until the event is stored. */
class DataView {
  public:
    /** One piece of memory: `ptr` and `size`. */
    using Segment = mofka_segment_t;
    /** Passed to the free callback. */
    using Context = void *;
    /** The same, by another name. */
    using UserContext = void *;
    /** Called once, when the last copy and the library have released the view. */
    using FreeCallback = std::function<void(Context)>;

    /** No data. */
    DataView() noexcept = default;
    /** No data, and a callback. */
    explicit DataView(Context context, FreeCallback free = {})
        : DataView(nullptr, 0, context, std::move(free)) {
    }
    /** One piece of memory. */
    DataView(void *ptr, std::size_t size, Context context = nullptr, FreeCallback free = {}) {
        Segment segment = {ptr, size};
        make(&segment, 1, context, std::move(free));
    }
    /** Several pieces. */
    DataView(const std::vector<Segment> &segments, Context context = nullptr,
             FreeCallback free = {}) {
        make(segments.data(), segments.size(), context, std::move(free));
    }
    /** The elements of a vector, string, array or Span, which must outlive the push. Elements that
     * are not trivially copyable, and temporary containers, do not compile. */
    template <class Container,
              class = std::enable_if_t<
                  detail::IsBytes<Container>::value &&
                  !std::is_same_v<std::remove_const_t<Container>, std::vector<Segment>>>>
    DataView(Container &container)
        : DataView(const_cast<void *>(static_cast<const void *>(container.data())),
                   container.size() * sizeof *container.data()) {
    }
    /** The same for an element type that is const. */
    template <class T, class = std::enable_if_t<std::is_trivially_copyable_v<T>>>
    DataView(Span<T> span)
        : DataView(const_cast<void *>(static_cast<const void *>(span.data())),
                   span.size() * sizeof(T)) {
    }
    /** Fresh memory, which ends with the view. */
    static DataView allocate(std::size_t size) {
        mofka_data_view_t *view = nullptr;
        detail::check(mofka_data_view_allocate(size, &view));
        return DataView(detail::DataViewHandle(view));
    }
    /** Shows a handle of the C interface, which is kept. NULL is no data. */
    static DataView of(mofka_data_view_t *handle) {
        return DataView(detail::DataViewHandle::keep(handle));
    }

    /** The pieces of memory. Valid while this lives. */
    Span<const Segment> segments() const {
        std::size_t count = 0;
        const Segment *first = m_handle ? mofka_data_view_segments(get(), &count) : nullptr;
        return {first, count};
    }
    /** The bytes of all pieces. */
    std::size_t size() const {
        return m_handle ? mofka_data_view_size(get()) : 0;
    }
    /** The context that it was made with. */
    Context context() const {
        auto *box = m_handle ? static_cast<Box *>(mofka_data_view_context(get())) : nullptr;
        return box && m_boxed ? box->context : nullptr;
    }
    /** Copy into the view, from byte `offset` on; gives the bytes written. */
    std::size_t write(const char *source, std::size_t size, std::size_t offset = 0) {
        return m_handle ? mofka_data_view_write(get(), source, size, offset) : 0;
    }
    /** Copy out of the view, from byte `offset` on; gives the bytes read. */
    std::size_t read(char *target, std::size_t size, std::size_t offset = 0) const {
        return m_handle ? mofka_data_view_read(get(), target, size, offset) : 0;
    }
    /** The handle of the C interface; NULL if there is no data. View. */
    mofka_data_view_t *get() const noexcept {
        return m_handle.get();
    }

  private:
    struct Box {
        FreeCallback free;
        Context context;
    };
    explicit DataView(detail::DataViewHandle handle) : m_handle(std::move(handle)) {
    }
    static void freeBox(void *context) noexcept {
        std::unique_ptr<Box> box(static_cast<Box *>(context));
        detail::note("a free callback", detail::guard([&] {
                         if (box->free)
                             box->free(box->context);
                     }));
    }
    void make(const Segment *segments, std::size_t count, Context context, FreeCallback free) {
        mofka_data_view_t *view = nullptr;
        m_boxed = context || free;
        if (!m_boxed) {
            detail::check(mofka_data_view_create(segments, count, nullptr, nullptr, &view));
        } else {
            auto box = std::make_unique<Box>(Box{std::move(free), context});
            detail::check(mofka_data_view_create(segments, count, &freeBox, box.get(), &view));
            (void)box.release();
        }
        m_handle = detail::DataViewHandle(view);
    }

    detail::DataViewHandle m_handle;
    bool m_boxed = false;
};

/** Where an event's data is in the backend, and which bytes of it are selected. Immutable. */
class DataDescriptor {
  public:
    /** `size` bytes from `offset`. */
    using Segment = mofka_range_t;
    /** One piece. */
    using Contiguous = Segment;
    /** Blocks of one size with gaps of one size. */
    struct Strided {
        std::size_t offset;    /**< of the first block */
        std::size_t numblocks; /**< how many */
        std::size_t blocksize; /**< bytes of each */
        std::size_t gapsize;   /**< bytes between them */
    };
    /** Any pieces, ascending. */
    struct Unstructured {
        std::vector<Segment> segments; /**< the pieces */
    };
    /** One of the three. */
    using Selection = std::variant<Contiguous, Strided, Unstructured>;

    /** No data. */
    DataDescriptor() noexcept = default;
    /** `size` bytes at a backend's location. */
    DataDescriptor(std::string_view opaque, std::size_t size) {
        mofka_data_descriptor_t *made = nullptr;
        detail::check(mofka_data_descriptor_create(opaque.data(), opaque.size(), size, &made));
        m_handle = detail::DescriptorHandle(made);
    }
    /** Shows a handle of the C interface, which is kept. NULL is no data. */
    static DataDescriptor of(mofka_data_descriptor_t *handle) {
        DataDescriptor descriptor;
        descriptor.m_handle = detail::DescriptorHandle::keep(handle);
        return descriptor;
    }

    /** The selected bytes. */
    std::size_t size() const {
        return mofka_data_descriptor_size(get());
    }
    /** The backend's location. */
    std::string location() const {
        std::size_t bytes = 0;
        const void *location = m_handle ? mofka_data_descriptor_location(get(), &bytes) : nullptr;
        return {static_cast<const char *>(location ? location : ""), bytes};
    }
    /** The stacked selections, the lowest first. */
    std::vector<Selection> selections() const {
        std::vector<Selection> all;
        std::size_t count = m_handle ? mofka_data_descriptor_selection_count(get()) : 0;
        for (std::size_t i = 0; i < count; i++)
            all.push_back(selection(i));
        return all;
    }
    /** The selected bytes as ascending pieces of the original data. */
    std::vector<Segment> flatten() const {
        Segment *ranges = nullptr;
        std::size_t count = 0;
        if (m_handle)
            detail::check(mofka_data_descriptor_flatten(get(), &ranges, &count));
        std::unique_ptr<Segment, decltype(&std::free)> owner(ranges, &std::free);
        return {ranges, ranges + count};
    }
    /** Those of `size` bytes from `offset` that exist. */
    DataDescriptor makeSubView(std::size_t offset, std::size_t size) const {
        mofka_data_descriptor_t *made = nullptr;
        if (m_handle)
            detail::check(mofka_data_descriptor_sub_view_clamped(get(), offset, size, &made));
        return taken(made);
    }
    /** Blocks with gaps between them. */
    DataDescriptor makeStridedView(std::size_t offset, std::size_t numblocks, std::size_t blocksize,
                                   std::size_t gapsize) const {
        mofka_data_descriptor_t *made = nullptr;
        detail::check(mofka_data_descriptor_strided_view(m_handle.need("DataDescriptor"), offset,
                                                         numblocks, blocksize, gapsize, &made));
        return taken(made);
    }
    /** Pieces, ascending and without overlap. */
    DataDescriptor makeUnstructuredView(const std::vector<Contiguous> &segments) const {
        mofka_data_descriptor_t *made = nullptr;
        detail::check(mofka_data_descriptor_unstructured_view(
            m_handle.need("DataDescriptor"), segments.data(), segments.size(), &made));
        return taken(made);
    }
    /** Write it into an archive. */
    void save(Archive &archive) const {
        mofka_archive_t c = detail::ArchiveForC::of(archive);
        detail::check(mofka_data_descriptor_save(m_handle.need("DataDescriptor"), &c));
    }
    /** Become what an archive holds. */
    void load(Archive &archive) {
        mofka_archive_t c = detail::ArchiveForC::of(archive);
        mofka_data_descriptor_t *made = nullptr;
        detail::check(mofka_data_descriptor_load(&c, &made));
        m_handle = detail::DescriptorHandle(made);
    }
    /** The handle of the C interface; NULL is no data. View. */
    mofka_data_descriptor_t *get() const noexcept {
        return m_handle.get();
    }

  private:
    static DataDescriptor taken(mofka_data_descriptor_t *made) {
        DataDescriptor descriptor;
        descriptor.m_handle = detail::DescriptorHandle(made);
        return descriptor;
    }
    Selection selection(std::size_t index) const {
        mofka_selection_t s;
        detail::check(mofka_data_descriptor_selection(get(), index, &s));
        if (s.kind == MOFKA_SELECTION_SUB)
            return Contiguous{s.offset, s.block};
        if (s.kind == MOFKA_SELECTION_STRIDED)
            return Strided{s.offset, s.count, s.block, s.gap};
        return Unstructured{{s.ranges, s.ranges + s.count}};
    }

    detail::DescriptorHandle m_handle;
};

/** Chooses the wanted bytes of an event's data: a part of the descriptor, or none. */
using DataSelector = std::function<DataDescriptor(const Metadata &, const DataDescriptor &)>;
/** Provides the memory for the selected bytes. */
using DataAllocator = std::function<DataView(const Metadata &, const DataDescriptor &)>;
/** The same, by an older name. */
using DataBroker = DataAllocator;

} // namespace mofka

#endif
