/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program in the manner of the tutorial of the Diaspora Streaming API: events with an energy, and
 * a validator, a partition selector and a serializer of the program's own, which are registered and
 * stored with the topic. It differs by its namespace, and by MPI around it.
 */
#include "cxx_check.hpp"

#include <memory>

namespace diaspora = mofka;

static std::size_t energy_of(const diaspora::Metadata &metadata, const char *key = "energy") {
    if (!metadata.json().is_object() || !metadata.json().contains(key))
        throw diaspora::InvalidMetadata{std::string{"metadata has no field "} + key};
    if (!metadata.json()[key].is_number_unsigned())
        throw diaspora::InvalidMetadata{std::string{key} + " is not a whole number"};
    return metadata.json()[key].get<std::size_t>();
}

static diaspora::Metadata described(const char *type, std::size_t energy_max) {
    return diaspora::Metadata{{{"type", type}, {"energy_max", energy_max}}};
}

class EnergyValidator final : public diaspora::ValidatorInterface {
    const std::size_t energy_max;

  public:
    explicit EnergyValidator(std::size_t max) : energy_max(max) {
    }
    void validate(const diaspora::Metadata &metadata, const diaspora::DataView &) const override {
        if (energy_of(metadata) >= energy_max)
            throw diaspora::InvalidMetadata{"the energy is not below " +
                                            std::to_string(energy_max)};
    }
    diaspora::Metadata metadata() const override {
        return described("energy_validator", energy_max);
    }
    static std::unique_ptr<diaspora::ValidatorInterface> create(const diaspora::Metadata &json) {
        return std::make_unique<EnergyValidator>(energy_of(json, "energy_max"));
    }
};
MOFKA_CXX_REGISTER_VALIDATOR(_, energy_validator, EnergyValidator);

class EnergyPartitionSelector final : public diaspora::PartitionSelectorInterface {
    const std::size_t energy_max;
    std::vector<diaspora::PartitionInfo> targets;

  public:
    explicit EnergyPartitionSelector(std::size_t max) : energy_max(max) {
    }
    void setPartitions(const std::vector<diaspora::PartitionInfo> &all) override {
        targets = all;
    }
    std::size_t selectPartitionFor(const diaspora::Metadata &metadata,
                                   std::optional<std::size_t> requested) override {
        if (requested && *requested >= targets.size())
            throw diaspora::Exception("there is no such partition");
        return requested ? *requested : energy_of(metadata) * targets.size() / energy_max;
    }
    diaspora::Metadata metadata() const override {
        return described("energy_selector", energy_max);
    }
    static std::unique_ptr<diaspora::PartitionSelectorInterface>
    create(const diaspora::Metadata &json) {
        return std::make_unique<EnergyPartitionSelector>(energy_of(json, "energy_max"));
    }
};
MOFKA_CXX_REGISTER_PARTITION_SELECTOR(_, energy_selector, EnergyPartitionSelector);

class EnergySerializer final : public diaspora::SerializerInterface {
    const std::size_t energy_max;

  public:
    explicit EnergySerializer(std::size_t max) : energy_max(max) {
    }
    void serialize(diaspora::Archive &archive, const diaspora::Metadata &metadata) const override {
        auto energy = static_cast<std::uint8_t>(energy_of(metadata));
        archive.write(&energy, sizeof energy);
    }
    void deserialize(diaspora::Archive &archive, diaspora::Metadata &metadata) const override {
        std::uint8_t energy;
        archive.read(&energy, sizeof energy);
        metadata = diaspora::Metadata{};
        metadata.json()["energy"] = energy;
    }
    diaspora::Metadata metadata() const override {
        return described("energy_serializer", energy_max);
    }
    static std::unique_ptr<diaspora::SerializerInterface> create(const diaspora::Metadata &json) {
        return std::make_unique<EnergySerializer>(energy_of(json, "energy_max"));
    }
};
MOFKA_CXX_REGISTER_SERIALIZER(_, energy_serializer, EnergySerializer);

static void create(const diaspora::Driver &driver) {
    diaspora::Validator validator =
        diaspora::Validator::FromMetadata(described("energy_validator", 100));
    diaspora::PartitionSelector selector{std::make_shared<EnergyPartitionSelector>(100)};
    diaspora::Serializer serializer = diaspora::Serializer::FromMetadata(
        diaspora::Metadata{{{"type", "energy_serializer"}, {"energy_max", 100}}});
    diaspora::Metadata options;
    options.json()["partitions"] = 2;
    options.json()["expected_producers"] = 1;
    driver.createTopic("collisions", options, validator, selector, serializer);
    THROWS(diaspora::Validator::FromMetadata(diaspora::Metadata{{{"type", "energy_validator"}}}),
           MOFKA_ERR_REFUSED, "no field energy_max");
}

static void produce(const diaspora::Driver &driver) {
    diaspora::TopicHandle topic = driver.openTopic("collisions");
    diaspora::ThreadPool pool = driver.makeThreadPool(diaspora::ThreadCount{1});
    diaspora::BatchSize batch_size = diaspora::BatchSize::Adaptive();
    diaspora::Ordering ordering = diaspora::Ordering::Strict;
    diaspora::Producer producer =
        topic.producer("app1", pool, batch_size, diaspora::MaxNumBatches{2}, ordering);
    std::vector<char> segment1 = {'a', 'b', 'c', 'd'}, segment2 = {'e', 'f'};
    diaspora::DataView data1{segment1.data(), segment1.size()};
    diaspora::DataView data2{{diaspora::DataView::Segment{segment1.data(), segment1.size()},
                              diaspora::DataView::Segment{segment2.data(), segment2.size()}}};
    nlohmann::json json = nlohmann::json::object();
    json["energy"] = 77;
    auto future = producer.push(diaspora::Metadata{R"({"energy":12})"}, data1);
    producer.push(diaspora::Metadata{json}, data2);
    THROWS(producer.push(diaspora::Metadata{R"({"energy":100})"}).wait(-1), MOFKA_ERR_REFUSED,
           "not below 100");
    THROWS(producer.push(diaspora::Metadata{R"({"energy":1})"}, {}, 2).wait(-1), MOFKA_ERR_CALLBACK,
           "no such partition");
    diaspora::EventID id = future.wait(-1).value();
    CHECK(id == 0);
    producer.flush().wait(-1);
}

static void consume(const diaspora::Driver &driver) {
    diaspora::TopicHandle topic = driver.openTopic("collisions", 10000);
    diaspora::DataSelector selector = [](const diaspora::Metadata &metadata,
                                         const diaspora::DataDescriptor &descriptor) {
        if (metadata.json()["energy"] > 20)
            return descriptor;
        return diaspora::DataDescriptor{};
    };
    diaspora::DataAllocator allocator = [](const diaspora::Metadata &,
                                           const diaspora::DataDescriptor &descriptor) {
        return diaspora::DataView{new char[descriptor.size()], descriptor.size()};
    };
    std::size_t energies = 0;
    auto processor = [&energies](const diaspora::Event &event) {
        bool high = event.metadata().json()["energy"] == 77;
        CHECK(event.partitionIndex() == (high ? 1 : 0) && event.text().size() == 13);
        CHECK(event.data().size() == (high ? 6 : 0));
        energies += event.metadata().json()["energy"].get<std::size_t>();
        event.acknowledge();
        if (!high)
            return;
        char *bytes = static_cast<char *>(event.data().segments()[0].ptr);
        CHECK(std::string(bytes, 6) == "abcdef");
        delete[] bytes;
    };
    topic.consumer("app2", diaspora::BatchSize::Adaptive(), selector, allocator) | processor;
    CHECK(energies == 12 + 77);
}

int main(int argc, char **argv) {
    CxxJob job(&argc, &argv);
    {
        diaspora::Driver driver = diaspora::makeMpiDriver(MPI_COMM_WORLD, job.options);
        if (job.rank == 0)
            create(driver);
        if (job.rank == 0)
            produce(driver);
        else
            consume(driver);
    }
    return 0;
}
