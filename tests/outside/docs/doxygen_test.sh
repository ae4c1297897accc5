#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Doxygen of the public headers: no warning, and no enumerator without a word (which Doxygen does not
# warn about).
#   doxygen_test.sh SOURCE-DIRECTORY OUTPUT-DIRECTORY
set -euo pipefail
cd "$1"
mkdir -p "$2"
doxygen - <<END
@INCLUDE = .doxygen/Doxyfile
OUTPUT_DIRECTORY = $2
GENERATE_XML = YES
END
enumerators=$(cat "$2"/xml/*_8h.xml | awk '
    /<enumvalue/ { inside = 1; text = name = "" }
    inside && /<name>/ { name = $0; gsub(/ *<[^>]*>/, "", name) }
    inside && /<para>/ { text = text $0 }
    /<\/enumvalue>/ { inside = 0; print name, (text == "" ? "UNDOCUMENTED" : "") }')
[ "$(grep -c MOFKA_ERR_ <<<"$enumerators")" -ge 20 ] || { echo "the statuses are not in the reference"; exit 1; }
! grep UNDOCUMENTED <<<"$enumerators" || exit 1
echo "$(wc -l <<<"$enumerators") enumerators, all documented"
