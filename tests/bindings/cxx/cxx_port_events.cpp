/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program as one is written for the Diaspora Streaming API: a producer, and consumers with and
 * without data. It differs by its namespace and its include lines, and by MPI around it.
 */
#include "cxx_check.hpp"

/* The tests of mofka.hpp are the same text in both; only this line is not. */
namespace diaspora = mofka;

static constexpr unsigned event_count = 100;

static void produce(const diaspora::TopicHandle &topic, std::vector<std::string> &data) {
    auto producer = topic.producer(topic.driver().defaultThreadPool());
    diaspora::Future<std::optional<diaspora::EventID>> future;
    for (unsigned i = 0; i < event_count; ++i) {
        diaspora::Metadata metadata;
        metadata.json()["event_num"] = i;
        data[i] = "the data of event " + std::to_string(i);
        future = producer.push(metadata, diaspora::DataView{data[i].data(), data[i].size()});
    }
    CHECK(producer.flush().wait(10000));
    CHECK(future.completed() && future.wait(-1).value() == event_count - 1);
}

static void consume_metadata(const diaspora::Driver &driver, const diaspora::TopicHandle &topic) {
    diaspora::Consumer consumer;
    CHECK(!static_cast<bool>(consumer));
    consumer = topic.consumer("metadata", driver.defaultThreadPool());
    for (unsigned i = 0; i < event_count; ++i) {
        std::optional<diaspora::Event> event = consumer.pull().wait(1000);
        CHECK(event.has_value() && event->id() == i);
        auto &doc = event->metadata().json();
        CHECK(doc["event_num"].get<std::int64_t>() == i);
        CHECK(event->data().segments().size() == 0);
        if (i % 5 == 0)
            event->acknowledge();
    }
    std::optional<diaspora::Event> event = consumer.pull().wait(10);
    CHECK(!event || event->id() == diaspora::NoMoreEvents);
}

static void consume_data(const diaspora::TopicHandle &topic) {
    diaspora::DataSelector selector = [](const diaspora::Metadata &metadata,
                                         const diaspora::DataDescriptor &descriptor) {
        if (metadata.json()["event_num"].get<int>() % 2 == 0)
            return descriptor;
        return diaspora::DataDescriptor();
    };
    diaspora::DataAllocator allocator = [](const diaspora::Metadata &,
                                           const diaspora::DataDescriptor &descriptor) {
        return diaspora::DataView{new char[descriptor.size()], descriptor.size()};
    };
    auto consumer = topic.consumer("data", selector, allocator);
    for (unsigned i = 0; i < event_count; ++i) {
        diaspora::Event event = consumer.pull().wait(1000).value();
        CHECK(event.id() == i);
        if (i % 2) {
            CHECK(event.data().segments().size() == 0);
            continue;
        }
        auto &segment = event.data().segments()[0];
        auto received = std::string{static_cast<const char *>(segment.ptr), segment.size};
        CHECK(received == "the data of event " + std::to_string(i));
        delete[] static_cast<const char *>(segment.ptr);
    }
}

/* Parts of the data of one event, of two segments. */
static void consume_parts(const diaspora::Driver &driver) {
    std::string small = "abcdefghijklmnopqrstuvwxyz", large = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    driver.createTopic("letters");
    auto topic = driver.openTopic("letters");
    {
        auto producer = topic.producer();
        auto data =
            diaspora::DataView{{{small.data(), small.size()}, {large.data(), large.size()}}};
        producer.push(diaspora::Metadata{}, data);
        producer.flush().wait(-1);
    }
    topic.markAsComplete();
    auto read = [&topic](const char *name, diaspora::DataSelector selector) {
        diaspora::Consumer consumer = topic.consumer(name, selector);
        diaspora::Event event = consumer.pull().wait(-1).value();
        std::string received(event.data().size(), ' ');
        CHECK(event.data().read(received.data(), received.size()) == received.size());
        CHECK(consumer.pull().wait(-1)->id() == diaspora::NoMoreEvents);
        return received;
    };
    using Descriptor = diaspora::DataDescriptor;
    CHECK(read("all", [](auto &, const Descriptor &all) { return all; }) == small + large);
    CHECK(read("sub", [](auto &, const Descriptor &all) { return all.makeSubView(13, 26); }) ==
          "nopqrstuvwxyzABCDEFGHIJKLM");
    CHECK(read("strided", [](auto &, const Descriptor &all) {
              return all.makeStridedView(13, 3, 4, 2);
          }) == "nopqtuvwzABC");
    CHECK(read("ranges", [](auto &, const Descriptor &all) {
              return all.makeUnstructuredView({{3, 6}, {15, 4}, {27, 8}});
          }) == "defghipqrsBCDEFGHI");
}

/* JSON that is changed is what is pushed; copies are values. */
static void metadata_is_edited() {
    diaspora::Metadata options{"{\"a\":1}"}, other = options;
    options.json()["b"] = 2;
    diaspora::Metadata copy = options;
    auto &json = options.json();
    diaspora::Metadata late = options;
    json["b"] = 3;
    CHECK(late.json()["b"] == 2);
    CHECK(other.text() == "{\"a\":1}" && copy.text() == "{\"a\":1,\"b\":2}");
    CHECK(options.text() == "{\"a\":1,\"b\":3}" && options.json()["b"] == 3);
    CHECK(diaspora::Metadata(json).dump() == "{\"a\":1,\"b\":3}");
    CHECK((diaspora::Metadata{{{"type", "x"}, {"energy_max", 100}}}.json()["energy_max"] == 100));
    const diaspora::Metadata broken{"{"};
    THROWS(broken.json(), MOFKA_ERR_JSON, "not JSON");
    CHECK(diaspora::Metadata("\"text\"").string() == "text");
}

int main(int argc, char **argv) {
    CxxJob job(&argc, &argv);
    metadata_is_edited();
    {
        diaspora::Metadata options{job.options};
        diaspora::Driver driver = diaspora::Driver::New("mpi", options);
        if (job.rank == 0) {
            std::vector<std::string> data(event_count);
            driver.createTopic("events", diaspora::Metadata{"{}"});
            diaspora::TopicHandle topic = driver.openTopic("events");
            produce(topic, data);
            consume_metadata(driver, topic);
            consume_data(topic);
            consume_parts(driver);
        }
    }
    return 0;
}
