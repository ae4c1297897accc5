#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The Python package and its tests are as PEP 8 says, and the package's types hold.
#   style.sh SOURCE-DIRECTORY PYTHON
set -euo pipefail
cd "$1/src/bindings/python"
python=$2
for tool in flake8 mypy; do
    "$python" -c "import $tool" 2>/dev/null || { echo "skipped: $tool is not installed for $python"; exit 77; }
done
"$python" -m flake8 --max-line-length 120 mofka ../../../tests/bindings/python ../../../tests/outside \
    ../../../benchmarks
# Versions of mypy differ in what they find.
case $("$python" -m mypy --version) in
"mypy 1.0."*) "$python" -m mypy --cache-dir=/dev/null mofka ;;
*) echo "skipped: mypy is not 1.0" ;;
esac
longest=$(find mofka -name '*.py' -exec wc -l {} + | sort -n | tail -n 2 | head -n 1)
echo "the longest module: $longest"
