#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Wrong types do not compile, and the compiler names what to do. Each line below: the text that the
# message must have, then the statement.
#   must_not_compile.sh COMPILER INCLUDE-DIRECTORY
set -euo pipefail
compiler=$1 include=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() { # STATEMENT
    cat >"$work/wrong.cpp" <<END
#define MOFKA_NO_JSON
#include <mofka/mofka.hpp>
struct Text { std::string s; };
std::vector<Text> texts;
std::vector<double> make();
void wrong(mofka::TopicHandle topic, mofka::Producer producer, mofka::Consumer consumer) {
    (void)topic, (void)producer, (void)consumer;
    $1;
}
END
    "$compiler" -std=c++17 -I"$include" -fsyntax-only "$work/wrong.cpp" >"$work/log" 2>&1
}
compile 'producer.push("{}")' || { cat "$work/log"; exit 1; } # what is right does
count=0
while IFS='|' read -r text statement; do
    if compile "$statement"; then echo "compiles: $statement"; exit 1; fi
    grep -qF "$text" "$work/log" || { cat "$work/log"; echo "$statement: not a word of: $text"; exit 1; }
    count=$((count + 1))
done <<'END'
an option of a producer is a name, BatchSize|topic.producer(4096)
an option of a producer is a name, BatchSize|topic.producer(mofka::Start::End)
an option of a consumer is BatchSize|topic.consumer("c", "again")
an option of a consumer is BatchSize|topic.consumer("c", [](int) { return 1; })
a processor takes a const Event & or a std::optional<Event>|consumer.process([](int) {})
no matching function|producer.push("{}", texts)
no matching function|producer.push("{}", make())
no matching function|producer.push(42)
mofka::BatchSize|mofka::BatchSize size = 5
END
echo "$count wrong statements do not compile"
