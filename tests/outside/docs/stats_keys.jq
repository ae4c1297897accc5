# SPDX-License-Identifier: BSD-3-Clause
# Input: {KIND: STATISTICS} lines; $header: the text of stats.h. Prints each difference between the keys
# that the header lists and those that are there.

def words: [scan("\"([^\"]+)\"")[0]] | unique;
def without($pattern): gsub($pattern; "");
# In parentheses are explanations, in braces the keys of objects below.
def plain: without("\\([^()]*\\)") | without("{[^{}]*}") | without("{[^{}]*}") | words;
def braces: [scan("{[^{}]*}")] | join(" ") | words;
def list($function):
    $header | split("mofka_status_t \($function)(")[0] | split("/**")[-1]
    | split("Keys:")[1] | split("\n *\n")[0];
def items($indent): [scan("\n \\*\($indent)- [^\n]*(?:\n \\*\($indent)  [^\n]*)*")];
def item($name): map(select(test("- \"\($name)\":")))[0] | without("\\([^()]*\\)");

(list("mofka_driver_stats") | items(" ")) as $driver
| ($driver | item("topics") | items("   ")) as $partition
| ($driver | item("topics") | without("\n \\*   - (.|\n)*")) as $topic
| ($driver | item("closed")) as $closed
| (list("mofka_producer_stats") | plain) as $producer
| (list("mofka_consumer_stats") | plain) as $consumer
# A sum has no name and no topic; what waits for a pull ended with its consumer.
| ["name", "topic", "events_ready"] as $of_one
| {
    producer: $producer,
    consumer: $consumer,
    driver: ([$driver[] | without("\n \\*   - (.|\n)*") | plain[]] | unique),
    "a topic": ($topic | braces),
    "a partition": ([$partition[] | select(test("- with storage:") | not) | plain[]] | unique),
    "a partition with storage": ([$partition[] | plain[]] | unique),
    "a consumer of a partition": ($partition | item("consumers") | braces),
    closed: (($closed | without("{[^{}]*}") | words) - ["closed"]),
    "closed producers": ($producer - $of_one + ($closed | braces) | unique),
    "closed consumers": ($consumer - $of_one + ($closed | braces) | unique),
    "a latency": ($header | split("A latency is ")[1] | split("}")[0] | words)
} as $listed
| [inputs] as $all
| ($all | map(.driver // empty)) as $drivers
| ([$drivers[] | {topics_status} | select(.topics_status)] | add) as $at_times
| {
    producer: [$all[].producer // empty, $drivers[].producers[]],
    consumer: [$all[].consumer // empty, $drivers[].consumers[]],
    driver: [$drivers[] + $at_times],
    "a topic": [$drivers[].topics[]],
    "a partition": [$drivers[].topics[].partitions[] | select(has("log_bytes") | not)],
    "a partition with storage": [$drivers[].topics[].partitions[] | select(has("log_bytes"))],
    "a consumer of a partition": [$drivers[].topics[].partitions[].consumers[]],
    closed: [$drivers[].closed],
    "closed producers": [$drivers[].closed.producers],
    "closed consumers": [$drivers[].closed.consumers],
    "a latency": [$all[] | .. | objects | to_entries[] | select(.key | test("_ns$")) | .value | objects]
} as $there
| $listed | to_entries[] | .key as $what | .value as $keys
| (if ($keys | length) == 0 then "\($what): the header lists no key" else empty end),
  (if ($there[$what] | length) == 0 then "\($what): nothing of the kind was there" else empty end),
  ($there[$what] | map(keys) | unique[] as $got
   | ($keys - $got | map("\($what): listed and not there: \(.)")[]),
     ($got - $keys | map("\($what): there and not listed: \(.)")[]))
