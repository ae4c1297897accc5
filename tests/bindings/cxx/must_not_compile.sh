#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Wrong types do not compile, and the compiler names what to do. Each line below: the text that the
# message must have, then the statement.
#   must_not_compile.sh COMPILER INCLUDE-DIRECTORY
set -euo pipefail
compiler=$1 include=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/start" <<'END'
#define MOFKA_NO_JSON
#include <mofka/mofka.hpp>
struct Text { std::string s; };
static std::vector<Text> texts;
std::vector<double> make();
void all(mofka::TopicHandle topic, mofka::Producer producer, mofka::Consumer consumer);
void all(mofka::TopicHandle topic, mofka::Producer producer, mofka::Consumer consumer) {
(void)topic, (void)producer, (void)consumer, (void)texts;
END
compile() { # STATEMENTS: one a line, from line 9 of the source on
    { cat "$work/start"; cat "$1"; echo '}'; } >"$work/all.cpp"
    "$compiler" -std=c++17 -I"$include" -fsyntax-only "$work/all.cpp" >"$work/log" 2>&1
}
echo 'producer.push("{}"); topic.producer("name"); consumer.process([](mofka::Event) {});' >"$work/right"
compile "$work/right" || { cat "$work/log"; exit 1; }
cat >"$work/wrong" <<'END'
an option of a producer is a name, BatchSize|topic.producer(4096);
an option of a producer is a name, BatchSize|topic.producer(mofka::Start::End);
an option of a consumer is BatchSize|topic.consumer("c", "again");
an option of a consumer is BatchSize|topic.consumer("c", [](int) { return 1; });
a processor takes a const Event & or a std::optional<Event>|consumer.process([](int) {});
no matching |producer.push("{}", texts);
no matching |producer.push("{}", make());
no matching |producer.push(42);
mofka::BatchSize|mofka::BatchSize size = 5;
END
sed 's/^[^|]*|//' "$work/wrong" >"$work/statements"
if compile "$work/statements"; then echo "all of it compiles"; exit 1; fi
line=9
while IFS='|' read -r text statement; do
    grep -q "all\.cpp:$line:" "$work/log" || { echo "compiles: $statement"; exit 1; }
    grep -qF "$text" "$work/log" || { cat "$work/log"; echo "$statement: not a word of: $text"; exit 1; }
    line=$((line + 1))
done <"$work/wrong"
echo "$((line - 9)) wrong statements do not compile"
