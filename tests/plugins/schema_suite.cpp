/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The official JSON Schema test suite, draft 7, through the validator "schema".
 *   schema_suite SUITE-DIRECTORY
 * Prints passed/total for each file, and the tests that fail. Fails below 95 % of the mandatory tests
 * that need no network. Counted apart: refRemote.json, whose documents are given as the option
 * "documents" instead of served over HTTP, and what the suite calls optional. Left out, by name:
 * optional/format/, since "format" does not validate here.
 */
#include <mofka/mofka.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>
#include "plugins/schema_validator/json/json.hpp"

namespace fs = std::filesystem;
using namespace mofka_schema;

struct Score {
    unsigned passed = 0, total = 0;
};

static std::string read_file(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

static std::string documents_of(const fs::path &remotes) {
    std::string json = "{";
    for (const auto &entry : fs::recursive_directory_iterator(remotes)) {
        if (entry.path().extension() != ".json")
            continue;
        std::string name = fs::relative(entry.path(), remotes).string();
        json += (json.size() > 1 ? ",\"" : "\"") + ("http://localhost:1234/" + name) +
                "\":" + read_file(entry.path());
    }
    return json + "}";
}

/* One schema and its tests. */
static void run_case(const Value &item, const std::string &documents, Score &score) {
    std::string name = item["description"].GetString();
    std::string config = "{\"type\":\"schema\",\"schema\":" + json_text(item["schema"]) +
                         ",\"documents\":" + documents + "}";
    mofka_validator_t *validator = nullptr;
    mofka_status_t made = mofka_validator_from_metadata(config.c_str(), &validator);
    if (made)
        printf("    %s: %s\n", name.c_str(), mofka_last_error());
    for (const Value &test : item["tests"].GetArray()) {
        std::string data = json_text(test["data"]);
        mofka_status_t status =
            made ? made : mofka_validator_validate(validator, data.c_str(), data.size(), nullptr);
        bool is_right = status == (test["valid"].GetBool() ? MOFKA_OK : MOFKA_ERR_REFUSED);
        score.total++;
        score.passed += is_right ? 1 : 0;
        if (!is_right)
            printf("    FAILS: %s: %s: %s\n", name.c_str(), test["description"].GetString(),
                   mofka_status_name(status));
    }
    mofka_validator_release(validator);
}

static Score run_files(const fs::path &folder, const std::string &documents, const char *only,
                       const char *except) {
    std::vector<fs::path> files;
    for (const auto &entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".json")
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    Score sum;
    for (const fs::path &path : files) {
        std::string name = path.filename().string();
        if ((only && name != only) || (except && name == except))
            continue;
        std::string text = read_file(path);
        Document document;
        json_parse(text.data(), text.size(), document);
        Score score;
        for (const Value &item : document.GetArray())
            run_case(item, documents, score);
        printf("%-30s %3u/%u\n", name.c_str(), score.passed, score.total);
        sum.passed += score.passed;
        sum.total += score.total;
    }
    return sum;
}

int main(int argc, char **argv) {
    fs::path suite = argc > 1 ? argv[1] : "/usr/share/json-schema-test-suite";
    fs::path draft7 = suite / "tests" / "draft7";
    try {
        printf("-- mandatory, no network\n");
        Score mandatory = run_files(draft7, "{}", nullptr, "refRemote.json");
        printf("-- mandatory, remote documents given as an option\n");
        Score remote =
            run_files(draft7, documents_of(suite / "remotes"), "refRemote.json", nullptr);
        printf("-- optional (without format/)\n");
        Score optional = run_files(draft7 / "optional", "{}", nullptr, nullptr);
        printf("mandatory %u/%u (%.1f %%), remote %u/%u, optional %u/%u\n", mandatory.passed,
               mandatory.total, 100.0 * mandatory.passed / mandatory.total, remote.passed,
               remote.total, optional.passed, optional.total);
        bool is_enough = mandatory.total > 200 && mandatory.passed >= 0.95 * mandatory.total &&
                         remote.passed >= 0.95 * remote.total;
        return is_enough ? 0 : 1;
    } catch (const std::exception &error) {
        fprintf(stderr, "schema_suite: %s\n", error.what());
        return 1;
    }
}
