/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofka.hpp without nlohmann::json: handles, options, callbacks, loops, and what is wrong with
 * them. Rank 0 produces and rank 1 consumes where both take part.
 */
#define MOFKA_NO_JSON
#include "cxx_check.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#define LONG_MS 30000

static const char *const one_producer = "{\"expected_producers\":1}";

/* ---- one process, no topic ------------------------------------------------------------------- */

static void empty_handles_throw() {
    THROWS(mofka::Driver().type(), MOFKA_ERR_INVALID, "the Driver is empty");
    THROWS(mofka::Driver().openTopic("t"), MOFKA_ERR_INVALID, "the Driver is empty");
    THROWS(mofka::TopicHandle().producer(), MOFKA_ERR_INVALID, "the TopicHandle is empty");
    THROWS(mofka::Producer().push("{}"), MOFKA_ERR_INVALID, "the Producer is empty");
    THROWS(mofka::Consumer().pull(), MOFKA_ERR_INVALID, "the Consumer is empty");
    THROWS(mofka::Consumer().begin(), MOFKA_ERR_INVALID, "the Consumer is empty");
    THROWS(mofka::Event().metadata(), MOFKA_ERR_INVALID, "the Event is empty");
    THROWS(mofka::Future<std::optional<mofka::EventID>>().wait(), MOFKA_ERR_INVALID, "Future");
    THROWS(mofka::Future<std::optional<mofka::Event>>().completed(), MOFKA_ERR_INVALID, "Future");
    THROWS(mofka::Driver::New("no such type"), MOFKA_ERR_NOT_FOUND, "no such type");
    CHECK(!mofka::Driver() && !mofka::Event() && !mofka::ThreadPool());
    CHECK(mofka::Event().id() == mofka::NoMoreEvents);
}

static void metadata_is_a_value() {
    mofka::Metadata text{"{\"a\":1}"}, copy = text, plain{std::string_view("a \"b\""), false};
    CHECK(copy.text() == "{\"a\":1}" && mofka::Metadata().text() == "{}");
    CHECK(plain.text() == "\"a \\\"b\\\"\"" && plain.string() == "a \"b\"");
    mofka::Metadata moved = std::move(copy);
    CHECK(moved.text() == "{\"a\":1}" && copy.text() == "{}");
    CHECK(moved.dump(4).find('\n') != std::string::npos && moved.dump() == "{\"a\":1}");
    THROWS(mofka::Metadata("{").dump(), MOFKA_ERR_JSON, "JSON");
    THROWS(text.string(), MOFKA_ERR_JSON, "");
}

static void data_views_show_memory() {
    std::vector<double> vector(3, 1.5);
    const std::string string = "four";
    std::array<char, 5> array = {};
    int plain[2] = {1, 2}, freed = 0;
    CHECK(mofka::DataView(vector).size() == 24 && mofka::DataView(string).size() == 4);
    CHECK(mofka::DataView(array).size() == 5);
    CHECK(mofka::DataView(mofka::Span<int>(plain)).size() == 8);
    CHECK(mofka::DataView(mofka::Span<const double>(vector)).segments()[0].ptr == vector.data());
    CHECK(mofka::DataView().size() == 0 && mofka::DataView().segments().empty());
    mofka::DataView two{{{array.data(), 5}, {plain, 8}}};
    CHECK(two.segments().size() == 2 && two.size() == 13);
    CHECK(two.write("abcdefg", 7) == 7 && array[4] == 'e');
    {
        mofka::DataView view(plain, sizeof plain, &freed,
                             [](void *f) { ++*static_cast<int *>(f); });
        mofka::DataView copy = view;
        CHECK(copy.context() == &freed && freed == 0);
    }
    CHECK(freed == 1);
    { /* what a free callback throws goes to the log */
        mofka_log_set_level(MOFKA_LOG_ERROR);
        mofka::DataView view(plain, 4, nullptr, [](void *) { throw 1; });
    }
    mofka_log_set_level(MOFKA_LOG_WARN);
    THROWS(mofka::DataView(nullptr, 8), MOFKA_ERR_INVALID, "");
}

static void descriptors_select() {
    mofka::DataDescriptor all("there", 26), none;
    CHECK(all.location() == "there" && none.size() == 0 && none.flatten().empty());
    CHECK(all.makeSubView(20, 26).size() == 6);
    mofka::DataDescriptor strided = all.makeStridedView(1, 5, 2, 3).makeSubView(0, 4);
    CHECK(strided.selections().size() == 2 && strided.flatten().size() == 2);
    CHECK(std::get<mofka::DataDescriptor::Strided>(strided.selections()[0]).gapsize == 3);
    THROWS(all.makeUnstructuredView({{1, 3}, {2, 5}}), MOFKA_ERR_INVALID, "");
    THROWS(none.makeStridedView(0, 1, 1, 1), MOFKA_ERR_INVALID, "DataDescriptor");
    std::string saved;
    mofka::BufferWrapperOutputArchive out(saved);
    strided.save(out);
    mofka::BufferWrapperInputArchive in(saved), cut(std::string_view(saved).substr(0, 3));
    none.load(in);
    CHECK(none.size() == 4 && none.flatten().size() == 2);
    THROWS(none.load(cut), MOFKA_ERR_CORRUPT, "ends before");
}

static void pools_run_functions() {
    mofka::ThreadPool pool{mofka::ThreadCount{2}};
    std::atomic<int> runs{0};
    mofka_log_set_level(MOFKA_LOG_ERROR);
    for (int i = 0; i < 10; i++)
        pool.pushWork([&runs, i] {
            runs++;
            if (i == 3)
                throw std::runtime_error("in a worker");
        });
    pool.close();
    mofka_log_set_level(MOFKA_LOG_WARN);
    CHECK(runs == 10 && pool.threadCount().count == 2 && pool.size() == 0);
    THROWS(pool.pushWork([] {}), MOFKA_ERR_CLOSED, "");
    mofka::ThreadPool().pushWork([&runs] { runs++; });
    CHECK(runs == 11);
}

/* ---- types of the program's own -------------------------------------------------------------- */

class Odd : public mofka::ValidatorInterface {
  public:
    void validate(const mofka::Metadata &metadata, const mofka::DataView &data) const override {
        if (metadata.text() == "{\"throws\":1}")
            throw std::runtime_error("not even an Exception");
        if (metadata.text().size() % 2 == 0)
            throw mofka::InvalidMetadata("an even number of bytes");
        CHECK(data.size() == 0);
    }
    mofka::Metadata metadata() const override {
        return mofka::Metadata("{\"odd\":true}");
    }
};

class Last : public mofka::PartitionSelectorInterface {
  public:
    void setPartitions(const std::vector<mofka::PartitionInfo> &targets) override {
        CHECK(targets[0].text().find("owner") != std::string_view::npos);
        m_count = targets.size();
    }
    std::size_t selectPartitionFor(const mofka::Metadata &,
                                   std::optional<std::size_t> requested) override {
        return requested ? *requested : m_count - 1;
    }
    mofka::Metadata metadata() const override {
        return mofka::Metadata("{\"type\":\"last\"}");
    }
    static std::unique_ptr<mofka::PartitionSelectorInterface> create(const mofka::Metadata &json) {
        if (json.text().find("refuse") != std::string_view::npos)
            throw mofka::Exception(MOFKA_ERR_OPTION, "refuse is not an option");
        return std::make_unique<Last>();
    }

  private:
    std::size_t m_count = 0;
};
MOFKA_CXX_REGISTER_PARTITION_SELECTOR(test, last, Last);

/* Stores the text backwards. */
class Backwards : public mofka::SerializerInterface {
  public:
    void serialize(mofka::Archive &archive, const mofka::Metadata &metadata) const override {
        std::string text(metadata.text().rbegin(), metadata.text().rend());
        archive.write(text.data(), text.size());
    }
    void deserialize(mofka::Archive &archive, mofka::Metadata &metadata) const override {
        std::string text(archive.remaining(), ' ');
        archive.read(text.data(), text.size());
        CHECK(archive.remaining() == 0);
        metadata = mofka::Metadata(std::string(text.rbegin(), text.rend()));
    }
    mofka::Metadata metadata() const override {
        return mofka::Metadata("{\"type\":\"backwards\"}");
    }
};

static void types_of_the_program_serve(const mofka::Driver &driver) {
    THROWS(driver.createTopic("odd", {}, mofka::Validator(std::make_shared<Odd>())),
           MOFKA_ERR_INVALID, "has no \"type\"");
    THROWS(mofka::PartitionSelector::FromMetadata("{\"type\":\"last\",\"refuse\":1}"),
           MOFKA_ERR_OPTION, "refuse is not an option");
    driver.createTopic("types", "{\"partitions\":3}", {},
                       mofka::PartitionSelector(std::make_shared<Last>()));
    mofka::TopicHandle topic = driver.openTopic("types");
    mofka::Serializer backwards(std::make_shared<Backwards>());
    mofka::Producer producer =
        topic.producer(mofka::Validator(std::make_shared<Odd>()), backwards, "own types");
    THROWS(producer.post("{}"), MOFKA_ERR_REFUSED, "an even number of bytes");
    THROWS(producer.push("{\"throws\":1}").wait(LONG_MS), MOFKA_ERR_CALLBACK, "not even an");
    THROWS(producer.flush().wait(LONG_MS), MOFKA_ERR_REFUSED, "an even number of bytes");
    mofka::EventID id = producer.push("{ }").wait(LONG_MS).value();
    CHECK(producer.push("{1}", {}, 0).wait(LONG_MS).value() == 0 && id == 0);
    mofka::Consumer consumer = topic.consumer("reader", std::vector<std::size_t>{2}, backwards);
    mofka::Event event = consumer.pull().wait(LONG_MS).value();
    CHECK(event.text() == "{ }" && event.partitionIndex() == 2);
    CHECK(topic.selector().metadata().text().find("last") != std::string_view::npos);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void futures_share_their_result(const mofka::Driver &driver) {
    driver.createTopic("futures");
    mofka::TopicHandle topic = driver.openTopic("futures");
    mofka::Producer producer = topic.producer(mofka::Linger{std::chrono::hours(1)});
    mofka::Consumer consumer = topic.consumer("reader");
    auto pulled = consumer.pull(), copy = pulled;
    CHECK(!pulled.wait(0) && !copy.completed());
    std::optional<mofka::Event> other;
    std::thread waiter([&] { other = copy.wait(LONG_MS); });
    auto future = producer.push("{\"n\":0}"), same = future;
    CHECK(producer.oldestPendingAge().count() >= 1 && future.delivery() == MOFKA_NOT_STORED);
    CHECK(same.wait(LONG_MS).value() == 0 && future.completed() && future.wait(0).value() == 0);
    CHECK(producer.oldestPendingAge().count() == 0);
    CHECK(pulled.wait(LONG_MS)->text() == "{\"n\":0}");
    waiter.join();
    CHECK(other->get() == pulled.wait(0)->get() && copy.completed());
    mofka::Producer closed = topic.producer("closed", mofka::BatchSize{8}, mofka::MaxNumBatches{3});
    CHECK(closed.name() == "closed" && closed.batchSize() == mofka::BatchSize{8});
    CHECK(closed.maxNumBatch().value == 3 && closed.ordering() == mofka::Ordering::Strict);
    CHECK(closed.topic().driver().get() == driver.get() && !closed.threadPool());
    closed.close(LONG_MS);
    THROWS(closed.push("{}"), MOFKA_ERR_CLOSED, "closed");
}

/* A producer that drops in place of waiting says so. */
static void producers_may_drop(const mofka::Driver &driver) {
    mofka_log_set_level(MOFKA_LOG_ERROR);
    driver.createTopic("full", "{\"partition_events\":4}");
    mofka::TopicHandle topic = driver.openTopic("full");
    mofka::Consumer consumer = topic.consumer("holds it up");
    mofka::Producer producer =
        topic.producer(mofka::WhenFull::DropNewest, mofka::BatchSize{1}, mofka::MaxNumBatches{1},
                       mofka::PushTimeout{std::chrono::milliseconds(20)});
    /* Four are stored, and one waits in memory; the next is dropped. */
    auto accepts = [&producer] {
        try {
            producer.post("{}");
            return true;
        } catch (const mofka::Exception &error) {
            CHECK(error.status() == MOFKA_ERR_FULL && error.statusClass() == MOFKA_CLASS_FREE);
            return false;
        }
    };
    for (int accepted = 0; accepted < 5; accepted += accepts())
        std::this_thread::yield();
    CHECK(!accepts());
    producer.discard();
    THROWS(producer.close(LONG_MS), MOFKA_ERR_CLOSED, "");
    driver.createTopic("resort");
    mofka::Producer resort = driver.openTopic("resort").producer();
    mofka::Producer keeps = topic.producer(mofka::WhenFull::DropNewest, mofka::BatchSize{1},
                                           mofka::MaxNumBatches{1}, mofka::Fallback{resort.get()});
    for (int i = 0; i < 5; i++)
        keeps.post("{}"); /* one waits in memory */
    keeps.discard();
    THROWS(keeps.close(LONG_MS), MOFKA_ERR_CLOSED, "");
    resort.close(LONG_MS);
    mofka::Consumer reader = driver.openTopic("resort").consumer("reader");
    for (int i = 0; i < 5; i++)
        CHECK(reader.pullNow(LONG_MS)->text() == "{}");
    mofka_log_set_level(MOFKA_LOG_WARN);
}

static mofka::DataDescriptor select_all(const mofka::Metadata &, const mofka::DataDescriptor &all) {
    return all;
}

/* What a selector or an allocator throws is the error of that event's pull, and of no other. */
static void callbacks_may_throw(const mofka::Driver &driver) {
    driver.createTopic("callbacks");
    mofka::TopicHandle topic = driver.openTopic("callbacks");
    std::vector<char> data(10, 'x');
    mofka::Producer producer = topic.producer();
    for (int i = 0; i < 4; i++)
        producer.post("{\"n\":" + std::to_string(i) + "}", data);
    CHECK(producer.flush().wait(LONG_MS));
    int calls = 0;
    mofka::Consumer consumer = topic.consumer(
        "reader",
        [&calls](const mofka::Metadata &, const mofka::DataDescriptor &all) {
            if (calls++ == 0)
                throw std::runtime_error("thrown by a selector");
            return all.makeSubView(0, 4);
        },
        [&calls](const mofka::Metadata &, const mofka::DataDescriptor &wanted) {
            if (calls == 2)
                throw mofka::Exception(MOFKA_ERR_FULL, "thrown by an allocator");
            return calls == 3 ? mofka::DataView() : mofka::DataView::allocate(wanted.size());
        });
    THROWS(consumer.pullNow(LONG_MS), MOFKA_ERR_CALLBACK, "thrown by a selector");
    THROWS(consumer.pull().wait(LONG_MS), MOFKA_ERR_FULL, "thrown by an allocator");
    THROWS(consumer.pullMany(3, LONG_MS), MOFKA_ERR_CALLBACK, "an empty DataView");
    mofka::Event event = consumer.pullMany(3, LONG_MS).at(0);
    char bytes[4];
    CHECK(event.data().read(bytes, 4) == 4 && std::string(bytes, 4) == "xxxx");
    CHECK(event.dataSize() == 10 && event.selectedSize() == 4);
    CHECK(consumer.pullMany(3, 0).empty() && !consumer.pullNow(0));
    CHECK(consumer.dataSelector() && consumer.dataAllocator() && consumer.lost() == 0);
    consumer.seek(0, event.id());
    CHECK(consumer.pullNow(LONG_MS)->id() == event.id() && consumer.rewound() == 0);
    THROWS(consumer.seekTime(0), MOFKA_ERR_UNSUPPORTED, "storage");
    THROWS(topic.ends(LONG_MS), MOFKA_ERR_UNSUPPORTED, "storage");
}

/* A processor ends by the limit, by StopEventProcessor, and by an exception, which is thrown. */
static void processors_may_throw(const mofka::Driver &driver) {
    driver.createTopic("processed");
    mofka::TopicHandle topic = driver.openTopic("processed");
    mofka::Producer producer = topic.producer();
    for (int i = 0; i < 10; i++)
        producer.post("{}");
    CHECK(producer.flush().wait(LONG_MS));
    mofka::Consumer consumer = topic.consumer("reader");
    int seen = 0, none = 0;
    auto count = [&seen](const mofka::Event &event) { seen += event.text() == "{}"; };
    CHECK(consumer.process(count, LONG_MS, mofka::NumEvents{3}) == 3 && seen == 3);
    CHECK(consumer.process(count, LONG_MS, mofka::NumEvents{0}) == 0);
    auto stop = [&seen](mofka::Event) {
        if (++seen == 5)
            throw mofka::StopEventProcessor{};
    };
    consumer.process(stop, LONG_MS);
    CHECK(seen == 5);
    THROWS(consumer.process([](const mofka::Event &) { throw std::runtime_error("thrown"); }),
           MOFKA_ERR_CALLBACK, "thrown");
    mofka::ThreadPool pool = driver.makeThreadPool(mofka::ThreadCount{1});
    THROWS(consumer.process([](const mofka::Event &) { throw 1; }, LONG_MS,
                            mofka::NumEvents::Infinity(), pool),
           MOFKA_ERR_CALLBACK, "not a std::exception");
    mofka::EventProcessor until_none = [&](std::optional<mofka::Event> event) {
        none += !event;
        if (none == 2)
            throw mofka::StopEventProcessor{};
    };
    consumer.process(until_none, 10);
    CHECK(none == 2);
    THROWS(consumer.process(count, 10), MOFKA_ERR_TIMEOUT, "");
}

/* A loop over a consumer ends if nothing comes; a loop over its events throws then. */
static void loops_end(const mofka::Driver &driver) {
    driver.createTopic("loops");
    mofka::TopicHandle topic = driver.openTopic("loops");
    mofka::Producer producer = topic.producer();
    producer.post("{}");
    CHECK(producer.flush().wait(LONG_MS));
    mofka::Consumer consumer = topic.consumer("reader", mofka::Acknowledge::Auto);
    mofka::Consumer::Iterator it = consumer.begin(LONG_MS);
    CHECK(it != consumer.end() && it->id() == 0);
    it = consumer.begin(10);
    CHECK(it == consumer.end());
    THROWS(consumer.events(10).begin(), MOFKA_ERR_TIMEOUT, "");
    producer.post("{}");
    producer.close(LONG_MS);
    topic.markAsComplete(LONG_MS);
    std::size_t events = 0;
    for (mofka::Event &event : consumer)
        events += event.id() == 1;
    for (mofka::Event &event : consumer.events())
        events += event ? 10 : 20;
    CHECK(events == 1);
    CHECK(consumer.pull().wait(LONG_MS)->isEnd());
    THROWS(producer.push("{}"), MOFKA_ERR_CLOSED, "");
    THROWS(topic.producer().push("{}").wait(LONG_MS), MOFKA_ERR_COMPLETE, "complete");
}

static void topics_are_described(const mofka::Driver &driver) {
    CHECK(driver.type() == "mpi" && driver.topicExists("loops") && !driver.topicExists("none"));
    driver.createTopic("short");
    THROWS(driver.openTopic("short").evict("nobody"), MOFKA_ERR_NOT_FOUND, "nobody");
    driver.deleteTopic("short");
    CHECK(!driver.topicExists("short"));
    CHECK(driver.listTopics().at("loops").text().find("partitions") != std::string_view::npos);
    CHECK(driver.stats().text().find("loops") != std::string_view::npos);
    THROWS(driver.openTopic("none"), MOFKA_ERR_NOT_FOUND, "none");
    THROWS(driver.createTopic("loops"), MOFKA_ERR_EXISTS, "loops");
    THROWS(driver.createTopic("x", "{\"partition\":1}"), MOFKA_ERR_OPTION, "partition");
    mofka::TopicHandle topic = driver.openTopic("types");
    CHECK(topic.partitions().size() == 3 && topic.name() == "types");
    CHECK(topic.validator().metadata().text() == "{\"type\":\"default\"}");
    THROWS(topic.consumer("reader", std::vector<std::size_t>{7}), MOFKA_ERR_RANGE, "7");
    THROWS(topic.consumer(""), MOFKA_ERR_INVALID, "name");
}

/* ---- two ranks ------------------------------------------------------------------------------- */

/* Handles go out of scope without a close: all is stored, counted and ended. */
static void destructors_close(const mofka::Driver &driver, int rank) {
    if (rank == 0)
        driver.createTopic("between", one_producer);
    mofka::TopicHandle topic = driver.openTopic("between", LONG_MS);
    std::vector<double> field(1000);
    if (rank == 0) {
        mofka::Producer producer = topic.producer(mofka::Linger{std::chrono::hours(1)});
        for (std::size_t i = 0; i < field.size(); i++)
            field[i] = static_cast<double>(i);
        for (int i = 0; i < 100; i++)
            producer.post("{}", field);
        return;
    }
    std::size_t count = 0;
    for (mofka::Event &event : topic.consumer("reader", select_all).events(LONG_MS)) {
        CHECK(event.data().read(reinterpret_cast<char *>(field.data()), 8000) == 8000);
        CHECK(field[999] == 999 && event.id() == count++);
        field.assign(1000, 0);
    }
    CHECK(count == 100);
}

int main(int argc, char **argv) {
    CxxJob job(&argc, &argv);
    if (job.rank == 0) {
        empty_handles_throw();
        metadata_is_a_value();
        data_views_show_memory();
        descriptors_select();
        pools_run_functions();
    }
    {
        mofka::Driver driver = mofka::makeMpiDriver(MPI_COMM_WORLD, job.options);
        if (job.rank == 0) {
            types_of_the_program_serve(driver);
            futures_share_their_result(driver);
            producers_may_drop(driver);
            callbacks_may_throw(driver);
            processors_may_throw(driver);
            loops_end(driver);
            topics_are_described(driver);
        }
        destructors_close(driver, job.rank);
    }
    { /* closed by hand: the destructor does not close again */
        mofka::Driver driver = mofka::Driver::New("mpi", job.options);
        driver.close(LONG_MS);
        THROWS(driver.createTopic("late"), MOFKA_ERR_CLOSED, "");
    }
    return 0;
}
