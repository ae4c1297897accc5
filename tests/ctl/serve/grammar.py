# SPDX-License-Identifier: BSD-3-Clause
"""Text for Prometheus follows the grammar of its format.
   grammar.py [--openmetrics] FILE...
Checked are: lines and escapes; each metric has HELP and TYPE before its samples, which are together;
no sample comes twice; names of counters end in _total; histograms are cumulative; "# EOF" is the last
line; there is no control character."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
HEAD = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")
SUFFIXES = {
    False: {"gauge": [""], "counter": [""], "histogram": ["_bucket", "_sum", "_count"]},
    True: {"gauge": [""], "counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_sum", "_count"]},
}


def check_histogram(samples):
    """Of one label set: {le: count} rises, and ends with +Inf, which is the count."""
    for labels, buckets in samples["_bucket"].items():
        bounds = [float(le.replace("+Inf", "inf")) for le, _ in buckets]
        counts = [count for _, count in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), f"bounds {bounds}"
        assert counts == sorted(counts), f"{labels}: not cumulative"
        assert samples["_count"][labels] == counts[-1], f"{labels}: the count is not that of +Inf"


def check(text, openmetrics):
    assert text.endswith("# EOF\n"), "the last line is not # EOF"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), "a control character"
    seen, done, name, kind, helped, histogram = set(), set(), None, None, None, None
    for line in text.split("\n")[:-2]:
        head = HEAD.fullmatch(line)
        if head and head[1] == "HELP":
            if histogram:
                check_histogram(histogram)
            assert head[2] not in done, f"{head[2]} is described twice"
            name, kind, helped, histogram = None, None, head[2], None
            done.add(helped)
        elif head:
            assert head[2] == helped, f"TYPE without HELP: {line}"
            name, kind = helped, head[3]
            assert kind in SUFFIXES[openmetrics], line
            if kind == "counter":
                assert name.endswith("_total") != openmetrics, line
            else:
                assert not name.endswith("_total"), line
            if kind == "histogram":
                histogram = {"_bucket": {}, "_sum": {}, "_count": {}}
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, f"not a sample: {line}"
            assert kind, f"a sample before its TYPE: {line}"
            suffix = sample[1][len(name):]
            assert sample[1].startswith(name) and suffix in SUFFIXES[openmetrics][kind], f"not of {name}: {line}"
            assert (sample[1], sample[2]) not in seen, f"twice: {line}"
            seen.add((sample[1], sample[2]))
            if kind == "counter":
                assert not sample[3].startswith("-"), line
            if histogram is not None:
                labels = [label for label in re.findall(LABEL, sample[2] or "")]
                le = [label[4:-1] for label in labels if label.startswith("le=")]
                others = tuple(label for label in labels if not label.startswith("le="))
                if suffix == "_bucket":
                    histogram[suffix].setdefault(others, []).append((le[0], float(sample[3])))
                else:
                    histogram[suffix][others] = float(sample[3])
    if histogram:
        check_histogram(histogram)
    assert seen, "no sample"
    return len(seen)


arguments = sys.argv[1:]
om = arguments[:1] == ["--openmetrics"]
for path in arguments[om:]:
    with open(path, encoding="utf-8", newline="") as file:
        try:
            print(f"{path}: {check(file.read(), om)} samples")
        except AssertionError as error:
            sys.exit(f"{path}: {error}")
