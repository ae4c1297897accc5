# SPDX-License-Identifier: BSD-3-Clause
"""The dashboard asks for metrics that exist.
   dashboard.py DASHBOARD.JSON RULES METRICS...
METRICS are texts for Prometheus. RULES gets the queries as rules, for promtool to parse."""
import json
import re
import sys

board = json.load(open(sys.argv[1]))
known = set()
for path in sys.argv[3:]:
    known |= set(re.findall(r"^(mofka_\w+)[{ ]", open(path).read(), re.M))
queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
asked = set(re.findall(r"mofka_\w+", " ".join(queries + [json.dumps(board["templating"])])))
assert len(queries) >= 10 and asked <= known, f"not there: {sorted(asked - known)}"
ids = [panel["id"] for panel in board["panels"]]
assert len(ids) == len(set(ids))
with open(sys.argv[2], "w") as rules:
    rules.write("groups:\n- name: dashboard\n  rules:\n")
    for number, query in enumerate(queries):
        text = query.replace("$__rate_interval", "1m").replace("$topic", ".*")
        assert "$" not in text, query
        rules.write(f"  - record: query:{number}\n    expr: {json.dumps(text)}\n")
print(f"{len(queries)} queries for {len(asked)} metrics")
