/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The official JSON Schema test suite, draft 7, through the validator "schema". It is read from
 * MOFKA_SCHEMA_SUITE, by default /usr/share/json-schema-test-suite. That is
 *   - the suite's own directory, with tests/draft7 and remotes, or
 *   - a file with a line for each test. Tabs separate its fields: the name of the suite's file,
 *     description, 1 (valid) or 0, the instance, and the validator's options.
 * Prints passed/total for each file of the suite, and the tests that fail. Fails unless all
 * mandatory tests pass. Optional ones are counted apart; those in optional/format/ are left out,
 * since "format" does not validate here. Remote documents are given as the option "documents".
 */
#include <mofka/mofka.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include "plugins/schema_validator/json/json.hpp"

namespace fs = std::filesystem;
using namespace mofka_schema;

#define SKIPPED 77

struct Score {
    unsigned passed = 0, total = 0;
};
using Scores = std::map<std::string, Score>; /* by the suite's file */

static std::string read_file(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    if (!file)
        throw std::runtime_error("cannot read " + path.string());
    return text.str();
}

static void run_test(Score &score, const std::string &name, bool is_valid,
                     const std::string &instance, const std::string &options) {
    mofka_validator_t *validator = nullptr;
    mofka_status_t status = mofka_validator_from_metadata(options.c_str(), &validator);
    if (!status) {
        status = mofka_validator_validate(validator, instance.c_str(), instance.size(), nullptr);
        mofka_validator_release(validator);
    }
    bool is_right = status == (is_valid ? MOFKA_OK : MOFKA_ERR_REFUSED);
    score.total++;
    score.passed += is_right ? 1 : 0;
    if (!is_right)
        printf("    FAILS: %s: %s %s\n", name.c_str(), mofka_status_name(status),
               status ? mofka_last_error() : "");
}

/* ---- the suite's directory ------------------------------------------------------------------ */

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

static void run_json(Score &score, const fs::path &path, const std::string &documents) {
    std::string text = read_file(path);
    Document document;
    json_parse("suite", text.data(), text.size(), document);
    for (const Value &item : document.GetArray()) {
        std::string options = "{\"type\":\"schema\",\"schema\":" + json_text(item["schema"]) +
                              ",\"documents\":" + documents + "}";
        for (const Value &test : item["tests"].GetArray())
            run_test(score,
                     json_string(item["description"]) + " / " + json_string(test["description"]),
                     test["valid"].GetBool(), json_text(test["data"]), options);
    }
}

static Scores run_directory(const fs::path &suite) {
    Scores scores;
    const fs::path draft7 = suite / "tests" / "draft7";
    for (const fs::path &folder : {draft7, draft7 / "optional"})
        for (const auto &entry : fs::directory_iterator(folder))
            if (entry.path().extension() == ".json") {
                bool is_remote = entry.path().filename() == "refRemote.json";
                run_json(scores[fs::relative(entry.path(), draft7).string()], entry.path(),
                         is_remote ? documents_of(suite / "remotes") : "{}");
            }
    return scores;
}

/* ---- a file with a line for each test ------------------------------------------------------- */

static Scores run_lines(const fs::path &path) {
    Scores scores;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string file, name, valid, instance, options;
        for (std::string *field : {&file, &name, &valid, &instance, &options})
            if (!std::getline(fields, *field, '\t'))
                throw std::runtime_error(path.string() +
                                         ": a line does not have five fields: " + line);
        std::string title = file;
        title.append(": ").append(name);
        run_test(scores[file], title, valid == "1", instance, options);
    }
    return scores;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int report(const Scores &scores) {
    Score mandatory, optional;
    for (const auto &[file, score] : scores) {
        Score &sum = file.compare(0, 9, "optional/") == 0 ? optional : mandatory;
        sum.passed += score.passed;
        sum.total += score.total;
        printf("%-32s %3u/%u\n", file.c_str(), score.passed, score.total);
    }
    printf("mandatory %u/%u, optional %u/%u\n", mandatory.passed, mandatory.total, optional.passed,
           optional.total);
    return mandatory.total > 200 && mandatory.passed == mandatory.total ? 0 : 1;
}

int main() {
    const char *given = getenv("MOFKA_SCHEMA_SUITE");
    fs::path suite = given ? given : "/usr/share/json-schema-test-suite";
    if (!given && !fs::exists(suite)) {
        printf(
            "skipped: json-schema-test-suite is not installed, and MOFKA_SCHEMA_SUITE not set\n");
        return SKIPPED;
    }
    try {
        return report(fs::is_directory(suite) ? run_directory(suite) : run_lines(suite));
    } catch (const std::exception &error) {
        fprintf(stderr, "schema_suite: %s\n", error.what());
        return 1;
    }
}
